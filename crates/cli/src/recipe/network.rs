//! The layers of a recipe. A layer names only its number of outputs; its number of inputs follows from the layer
//! before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ohmgrad::models::{AdaptiveAvgPool, Flatten, Gru, Rnn};
use ohmgrad::prelude::*;
use serde_json::{Value as Json, json};
use toml::{Table, Value};

use super::document::{Document, Section};
use super::resolve;
use crate::failure::{Outcome, did_you_mean};
use crate::steps::{LastStep, MeanStep};

/// The network of a recipe.
#[derive(Clone, Debug)]
pub struct NetworkRecipe {
    /// Its layers.
    pub layers: Vec<Layer>,
    /// Weights to begin with: a safetensors file.
    pub weights: Option<PathBuf>,
    /// Names of the file's tensors in this network, by their names in the file.
    pub names: BTreeMap<String, String>,
    document: Document,
}

/// A layer: its kind, its size, and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    kind: &'static str,
    size: usize,
    options: BTreeMap<&'static str, Value>,
}

/// A kind of layer: its name, `true` if it has a size, and its options with their defaults.
type Kind = (&'static str, bool, &'static [(&'static str, Default)]);

/// The default of an option, which determines its type.
#[derive(Clone, Copy, Debug)]
enum Default {
    Whole(i64),
    Flag(bool),
    Share,
}

const KINDS: [Kind; 24] = [
    ("linear", true, &[("bias", Default::Flag(true))]),
    (
        "conv2d",
        true,
        &[
            ("kernel", Default::Whole(3)),
            ("stride", Default::Whole(1)),
            ("padding", Default::Whole(0)),
            ("bias", Default::Flag(true)),
        ],
    ),
    ("max_pool2d", true, &[]),
    ("avg_pool2d", true, &[]),
    ("global_avg_pool2d", false, &[]),
    ("lstm", true, RECURRENT),
    ("gru", true, RECURRENT),
    ("rnn", true, RECURRENT),
    ("last_step", false, &[]),
    ("mean_step", false, &[]),
    ("positions", false, &[]),
    (
        "transformer",
        true,
        &[("hidden", Default::Whole(0)), ("norm_first", Default::Flag(false)), ("causal", Default::Flag(false))],
    ),
    ("dropout", false, &[("p", Default::Share)]),
    ("batch_norm", false, &[]),
    ("layer_norm", false, &[]),
    ("flatten", false, &[]),
    ("relu", false, &[]),
    ("gelu", false, &[]),
    ("silu", false, &[]),
    ("softplus", false, &[]),
    ("sigmoid", false, &[]),
    ("tanh", false, &[]),
    ("leaky_relu", false, &[]),
    ("elu", false, &[]),
];

const RECURRENT: &[(&str, Default)] = &[("layers", Default::Whole(1)), ("bidirectional", Default::Flag(false))];

impl NetworkRecipe {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Outcome<Self> {
        let default = || {
            let linear = |size: i64| Value::Table(Table::from_iter([("linear".to_owned(), Value::Integer(size))]));
            Value::Array(vec![linear(256), "relu".into(), linear(128), "relu".into(), linear(10)])
        };
        section.describe("layers", schema());
        section.describe("weights", json!({ "type": "string" }));
        section.describe("names", json!({ "type": "object", "additionalProperties": { "type": "string" } }));
        let value = section.raw("layers").unwrap_or_else(default);
        section.record("layers", value.clone());
        let Value::Array(items) = value else {
            return Err(section.error("layers", format!("network.layers = {value}: must be a list of layers")));
        };
        if items.is_empty() {
            return Err(section.error("layers", "network.layers = []: must have at least one layer"));
        }
        let layers = items.iter().enumerate().map(|(i, item)| {
            Layer::read(item)
                .map_err(|what| section.error(&format!("layers[{i}]"), format!("network.layers[{i}] = {item}: {what}")))
        });
        let layers = layers.collect::<Outcome<Vec<_>>>()?;
        let weights = match section.raw("weights") {
            None => None,
            Some(Value::String(path)) => {
                let path = resolve(folder, &path);
                section.record("weights", path.display().to_string());
                Some(path)
            }
            Some(value) => {
                return Err(section.error("weights", format!("network.weights = {value}: must be a path in quotes")));
            }
        };
        let names = match section.raw("names") {
            None => BTreeMap::new(),
            Some(value) => {
                let text = |(file, here): (&String, &Value)| Some((file.clone(), here.as_str()?.to_owned()));
                let names = value.as_table().and_then(|table| table.iter().map(text).collect());
                let allowed = "must be a table of \"name in the file\" = \"name here\"";
                let names =
                    names.ok_or_else(|| section.error("names", format!("network.names = {value}: {allowed}")))?;
                section.record("names", value);
                names
            }
        };
        Ok(Self { layers, weights, names, document: section.document.clone() })
    }

    /// The network for samples of a shape, with weights drawn from `key`; it must have this number of outputs.
    pub fn build(&self, sample: &[usize], outputs: usize, key: Key) -> Outcome<Sequential> {
        let mut shape = sample.to_vec();
        let mut net = Sequential::new().init(key);
        for (i, layer) in self.layers.iter().enumerate() {
            let wrong = |what: String| {
                let path = format!("network.layers[{i}]");
                self.document.at(&path, format!("{path}, {}: {what}", layer.kind))
            };
            net.layers_mut().push(layer.build(&mut shape, key.fold(i)).map_err(wrong)?);
        }
        if shape != [outputs] {
            let path = format!("network.layers[{}]", self.layers.len() - 1);
            let what = format!("{path}: the network gives {shape:?} for a sample, and the data need [{outputs}]");
            return Err(self.document.at(&path, what));
        }
        Ok(net)
    }
}

impl Layer {
    fn read(item: &Value) -> Result<Self, String> {
        let names = || KINDS.map(|(name, ..)| name);
        let empty = Table::new();
        let (named, table) = match item {
            Value::String(name) => (name.as_str(), &empty),
            Value::Table(table) => {
                let name = table.keys().find(|key| names().contains(&key.as_str())).or_else(|| table.keys().next());
                (name.map_or("", String::as_str), table)
            }
            _ => return Err("must be a name in quotes, or a table as { linear = 10 }".into()),
        };
        let Some((kind, sized, options)) = KINDS.iter().find(|(name, ..)| *name == named) else {
            return Err(format!("must be one of {}{}", names().join(", "), did_you_mean(named, names())));
        };
        let size = match (table.get(*kind), *sized) {
            (Some(Value::Integer(n)), true) if *n > 0 => *n as usize,
            (_, true) => return Err(format!("must have a size, a whole number of at least 1, as {{ {kind} = 2 }}")),
            (None | Some(Value::Boolean(true)), false) => 0,
            // The one option may stand in the place of the size: { dropout = 0.2 }.
            (Some(Value::Float(_)), false) if !options.is_empty() => 0,
            (Some(value), false) => return Err(format!("{kind} = {value}: has no size")),
        };
        let mut layer = Self { kind, size, options: BTreeMap::new() };
        for (option, default) in *options {
            let given = table.get(*option).or_else(|| table.get(*kind).filter(|_| !sized));
            layer.options.insert(option, default.of(option, given)?);
        }
        let known = |key: &&String| key.as_str() == *kind || options.iter().any(|(name, _)| name == key);
        match table.keys().find(|key| !known(key)) {
            None => Ok(layer),
            Some(key) => {
                let near = did_you_mean(key, options.iter().map(|(name, _)| *name));
                Err(format!("unknown option `{key}`{near}"))
            }
        }
    }

    fn whole(&self, option: &str) -> usize {
        self.options[option].as_integer().and_then(|n| usize::try_from(n).ok()).expect("checked when it was read")
    }

    fn flag(&self, option: &str) -> bool {
        self.options[option].as_bool().expect("checked when it was read")
    }

    /// The layer for samples of a shape; `shape` becomes the shape of its outputs.
    fn build(&self, shape: &mut Vec<usize>, key: Key) -> Result<Box<dyn Module>, String> {
        let of_rank = |ranks: &[usize], what: &str, shape: &[usize]| match ranks.contains(&shape.len()) {
            true => Ok(()),
            false => Err(format!(
                "takes samples {what}, and gets {shape:?}; data.shape, `flatten` or `last_step` may be missing"
            )),
        };
        let image = |shape: &[usize]| of_rank(&[3], "[channels, rows, columns]", shape);
        Ok(match self.kind {
            "linear" => {
                of_rank(&[1, 2], "[features] or [time, features]", shape)?;
                let last = shape.last_mut().expect("of rank 1 or 2");
                let linear = Linear::new(*last, self.size, key);
                *last = self.size;
                if self.flag("bias") { Box::new(linear) } else { Box::new(linear.without_bias()) }
            }
            "conv2d" => {
                image(shape)?;
                let (kernel, stride, padding) = (self.whole("kernel"), self.whole("stride"), self.whole("padding"));
                if kernel == 0 || stride == 0 {
                    return Err("kernel and stride must be at least 1".into());
                }
                let conv = Conv2d::new(shape[0], self.size, [kernel; 2], key)
                    .with_stride([stride; 2])
                    .with_padding([padding; 2]);
                for side in &mut shape[1..] {
                    let Some(room) = (*side + 2 * padding).checked_sub(kernel) else {
                        return Err(format!("kernel = {kernel}: larger than the image, {side} with padding {padding}"));
                    };
                    *side = room / stride + 1;
                }
                shape[0] = self.size;
                if self.flag("bias") { Box::new(conv) } else { Box::new(conv.without_bias()) }
            }
            "max_pool2d" | "avg_pool2d" => {
                image(shape)?;
                for side in &mut shape[1..] {
                    if *side < self.size {
                        return Err(format!("larger than the image, {side}"));
                    }
                    *side /= self.size;
                }
                if self.kind == "max_pool2d" {
                    Box::new(MaxPool2d::new(self.size))
                } else {
                    Box::new(AvgPool2d::new(self.size))
                }
            }
            "global_avg_pool2d" => {
                image(shape)?;
                shape[1..].fill(1);
                Box::new(AdaptiveAvgPool::<2>::new([1, 1]))
            }
            "lstm" | "gru" | "rnn" => self.recurrent(shape, key)?,
            "last_step" | "mean_step" => {
                of_rank(&[2], "[time, features]", shape)?;
                shape.remove(0);
                if self.kind == "last_step" { Box::new(LastStep) } else { Box::new(MeanStep) }
            }
            "positions" => {
                of_rank(&[2], "[time, features]", shape)?;
                Box::new(LearnedPositions::new(shape[0], shape[1], key))
            }
            "transformer" => {
                of_rank(&[2], "[time, features]", shape)?;
                let (heads, width) = (self.size, shape[1]);
                if !width.is_multiple_of(heads) {
                    return Err(format!("{heads} heads do not divide the {width} features of a step"));
                }
                let hidden = if self.whole("hidden") == 0 { 4 * width } else { self.whole("hidden") };
                let mut block = TransformerEncoderLayer::new(width, heads, hidden, key);
                block.norm_first = self.flag("norm_first");
                if self.flag("causal") { Box::new(block.causal()) } else { Box::new(block) }
            }
            "batch_norm" if shape.len() == 3 => Box::new(BatchNorm2d::new(shape[0])),
            "batch_norm" => {
                of_rank(&[1], "[features] or [channels, rows, columns]", shape)?;
                Box::new(BatchNorm1d::new(shape[0]))
            }
            "layer_norm" => Box::new(LayerNorm::new(&shape[shape.len() - 1..])),
            "flatten" => {
                *shape = vec![shape.iter().product()];
                Box::new(Flatten)
            }
            "dropout" => Box::new(Dropout(self.options["p"].as_float().expect("checked when it was read"))),
            name => Box::new(activation(name)),
        })
    }

    fn recurrent(&self, shape: &mut [usize], key: Key) -> Result<Box<dyn Module>, String> {
        let &mut [_, ref mut features] = shape else {
            return Err(format!(
                "takes samples [time, features], and gets {shape:?}; data.shape says how samples are seen"
            ));
        };
        let bidirectional = self.flag("bidirectional");
        let options = RecurrentOptions {
            layers: self.whole("layers"),
            batch_first: true,
            bidirectional,
            ..std::default::Default::default()
        };
        let (ins, hidden) = (*features, self.size);
        *features = if bidirectional { 2 * hidden } else { hidden };
        Ok(match self.kind {
            "lstm" => Box::new(Lstm::new(ins, hidden, options, key)),
            "gru" => Box::new(Gru::new(ins, hidden, options, key)),
            _ => Box::new(Rnn::new(ins, hidden, options, key)),
        })
    }
}

impl Default {
    fn of(self, option: &str, given: Option<&Value>) -> Result<Value, String> {
        let wrong = |value: &Value, allowed: &str| Err(format!("{option} = {value}: must be {allowed}"));
        match (self, given) {
            (Self::Whole(n), None) => Ok(n.into()),
            (Self::Whole(_), Some(Value::Integer(n))) if *n >= 0 => Ok((*n).into()),
            (Self::Whole(_), Some(value)) => wrong(value, "a whole number of at least 0"),
            (Self::Flag(flag), None) => Ok(flag.into()),
            (Self::Flag(_), Some(Value::Boolean(flag))) => Ok((*flag).into()),
            (Self::Flag(_), Some(value)) => wrong(value, "true or false"),
            (Self::Share, Some(Value::Float(p))) if (0.0..1.0).contains(p) => Ok((*p).into()),
            (Self::Share, Some(value)) => wrong(value, "a number from 0 to below 1"),
            (Self::Share, None) => Ok(0.5.into()),
        }
    }
}

/// The list of layers, as a JSON Schema describes it.
fn schema() -> Json {
    let option = |default: &Default| match default {
        Default::Whole(n) => json!({ "type": "integer", "minimum": 0, "default": n }),
        Default::Flag(flag) => json!({ "type": "boolean", "default": flag }),
        Default::Share => json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1, "default": 0.5 }),
    };
    let bare: Vec<&str> = KINDS.iter().filter(|(_, sized, _)| !sized).map(|(name, ..)| *name).collect();
    let table = |(name, sized, options): &Kind| {
        let size =
            if *sized { json!({ "type": "integer", "minimum": 1 }) } else { json!({ "type": ["boolean", "number"] }) };
        let mut properties: serde_json::Map<String, Json> =
            options.iter().map(|(name, default)| ((*name).to_owned(), option(default))).collect();
        properties.insert((*name).into(), size);
        json!({ "type": "object", "properties": properties, "required": [name], "additionalProperties": false })
    };
    let tables = KINDS.iter().filter(|(_, sized, options)| *sized || !options.is_empty()).map(table);
    let kinds: Vec<Json> = std::iter::once(json!({ "enum": bare })).chain(tables).collect();
    json!({ "type": "array", "minItems": 1, "items": { "anyOf": kinds } })
}

fn activation(name: &str) -> Activation {
    match name {
        "gelu" => Activation::Gelu,
        "silu" => Activation::Silu,
        "softplus" => Activation::Softplus,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "leaky_relu" => Activation::LeakyRelu(0.01),
        "elu" => Activation::Elu(1.0),
        _ => Activation::Relu,
    }
}
