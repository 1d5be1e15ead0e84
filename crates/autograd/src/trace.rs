//! The trace: the operations of a tape, their operands, and the semantics of their backwards.

use std::collections::HashMap;
use std::fmt;

use ohmgrad_tensor::{Dims, Key, Scalar};
use serde_json::{Value, json};

use crate::param::Id;
use crate::tape::{Kind, Tape};

/// The record of a tape as plain data; [`Display`](fmt::Display) prints it, [`json`](Self::json) and
/// [`dot`](Self::dot) export it.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let tape = Tape::train(Key::new(42));
/// let x = tape.variable(Tensor::from([1.0, 2.0]));
/// (x * 2.0).sum();
/// let text = tape.trace().to_string();
/// assert!(text.contains("%1  scale     [2]   %0   by 2"), "{text}");
/// ```
#[derive(Clone, Debug)]
pub struct Trace {
    /// The key of the step.
    pub key: Key,
    /// The operations in the order of recording; a node's number is its place here.
    pub nodes: Vec<TraceNode>,
}

/// One recorded operation.
#[derive(Clone, Debug)]
pub struct TraceNode {
    /// The operation's name; for leaves `constant`, `variable` or `param`.
    pub name: String,
    /// The shape of its result.
    pub shape: Dims,
    /// The numbers of its operands.
    pub parents: Vec<usize>,
    /// The attributes of the operation, such as the semantics of an analog product forward and backward.
    pub attributes: Vec<(&'static str, String)>,
    /// The identity of the parameter, for a parameter.
    pub param: Option<Id>,
}

impl<T: Scalar> Tape<T> {
    /// The record of this tape; also available after a backward has ended it.
    ///
    /// On an evaluation tape operations are not recorded: they show as `value`, without operands.
    pub fn trace(&self) -> Trace {
        let node = |node: &crate::tape::Node<T>| TraceNode {
            name: node.name().into(),
            shape: node.shape.clone(),
            parents: node.parents.to_vec(),
            attributes: if let Kind::Op(op) = &node.kind { op.attributes() } else { vec![] },
            param: if let Kind::Param(id) = node.kind { Some(id) } else { None },
        };
        Trace { key: self.key(), nodes: self.nodes().iter().map(node).collect() }
    }
}

impl Trace {
    /// Writes the given names (paths in a network) behind the word `param`.
    pub fn named(mut self, names: &HashMap<Id, String>) -> Self {
        for node in &mut self.nodes {
            if let Some(name) = node.param.and_then(|id| names.get(&id)) {
                node.name = format!("param {name}");
            }
        }
        self
    }

    /// The trace as JSON: the key, and a list of nodes with name, shape, parents and attributes.
    pub fn json(&self) -> Value {
        let node = |node: &TraceNode| {
            let attributes: serde_json::Map<_, _> =
                node.attributes.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
            json!({ "name": node.name, "shape": node.shape.as_slice(), "parents": node.parents, "attributes": attributes })
        };
        json!({ "key": self.key.to_string(), "nodes": self.nodes.iter().map(node).collect::<Vec<_>>() })
    }

    /// The trace as a graph in Graphviz' DOT language: `dot -Tsvg` draws it.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph tape {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n");
        for (i, node) in self.nodes.iter().enumerate() {
            let mut label = format!("{} {:?}", node.name, node.shape.as_slice());
            for (k, v) in &node.attributes {
                label += &format!("\n{k} {v}");
            }
            out += &format!("  n{i} [label={label:?}];\n");
            for parent in &node.parents {
                out += &format!("  n{parent} -> n{i};\n");
            }
        }
        out + "}\n"
    }
}

/// One line per operation: number, name, shape, operands, attributes; further attributes follow on further lines.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tape  key {}", self.key)?;
        let shape = |n: &TraceNode| format!("{:?}", n.shape.as_slice());
        let operands = |n: &TraceNode| n.parents.iter().map(|p| format!("%{p}")).collect::<Vec<_>>().join(" ");
        let width = |text: &dyn Fn(&TraceNode) -> usize| self.nodes.iter().map(text).max().unwrap_or(0);
        let number = self.nodes.len().saturating_sub(1).to_string().len() + 1;
        let (name, size, parents) =
            (width(&|n| n.name.len()), width(&|n| shape(n).len()), width(&|n| operands(n).len()));
        for (i, node) in self.nodes.iter().enumerate() {
            let number_text = format!("%{i}");
            let line = format!(
                " {number_text:>number$}  {:name$}  {:size$}   {:parents$}",
                node.name,
                shape(node),
                operands(node)
            );
            let indent = line.chars().count() + 3;
            let attributes: Vec<_> = node.attributes.iter().map(|(k, v)| format!("{k} {v}")).collect();
            let text = format!("{line}   {}", attributes.join(&format!("\n{}", " ".repeat(indent))));
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tape};
    use ohmgrad_tensor::{Key, Tensor};

    #[test]
    fn a_trace_survives_the_backward_and_has_names() {
        let w = Param::new(Tensor::from([2.0]));
        let tape = Tape::train(Key::new(1));
        let y = (tape.param(&w) * tape.constant(Tensor::from([3.0]))).sum();
        y.backward();
        let trace = tape.trace().named(&[(w.id(), "fc.weight".to_string())].into());
        assert!(trace.to_string().contains("param fc.weight"), "{trace}");
        assert_eq!(trace.json()["nodes"][2]["parents"], serde_json::json!([0, 1]));
        assert!(trace.dot().contains("n0 -> n2;"));
    }
}
