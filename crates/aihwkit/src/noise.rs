//! Noise models in printed form, which shows the given parameters and those that the model computed from them.
//!
//! Computed parameters are left out here, because a configuration without them computes them from the others.

use crate::node::{Node, Object};

/// Fitted coefficients of programming noise by class, with the largest conductance of the fit in µS.
const FITS: &[(&str, &[f64], f64)] = &[
    ("PCMLikeNoiseModel", &[0.26348, 1.9650, -1.1731], 25.0),
    ("CustomDriftPCMLikeNoiseModel", &[0.26348, 1.9650, -1.1731], 25.0),
    ("HermesNoiseModel", &[0.16603222, 4.71806468, -8.48101252, 4.68961419], 20.7),
    ("HermesNoiseModel", &[0.15781817, 2.32443916, -2.16310839, 0.68841818], 10.35),
];

/// Tolerance in µS, as converters are printed with two decimals.
const PRINTED: f64 = 0.005 + 1e-9;

/// Leaves out the fields of a noise model that the model fills in.
pub(crate) fn simplify(model: &mut Object) {
    one_g_max(model);
    // The reference conductance of ReRAM coefficients has no effect, here or in aihwkit.
    if model.class.starts_with("ReRam") {
        model.take("coeff_g_max_reference");
        model.take("prog_coeff_g_max_reference");
    }
    let coefficients = list(model.get("prog_coeff"));
    let reference = number(model.get("prog_coeff_g_max_reference"));
    let fitted = FITS.iter().any(|(class, fit, g_max)| {
        *class == model.class && coefficients.as_deref() == Some(*fit) && reference == Some(*g_max)
    });
    if fitted {
        model.take("prog_coeff");
    }
    if fitted || reference.is_some() && reference == g_max(model) {
        model.take("prog_coeff_g_max_reference");
    }
}

/// Removes one of the two copies of a range; the exact value stays. A model prints all decimals, a converter two.
fn one_g_max(model: &mut Object) {
    let of_model = number(model.get("g_max"));
    let always = model.class == "ReRamCMONoiseModel";
    let Some(Node::Object(converter)) = model.get_mut("g_converter") else { return };
    let (g_max, g_min) = (number(converter.get("g_max")), number(converter.get("g_min")));
    let same = of_model.zip(g_max).is_some_and(|(a, b)| (a - b).abs() < PRINTED);
    if !same {
        return;
    }
    let by_default = converter.class == "SinglePairConductanceConverter" && g_min == Some(0.0);
    if by_default || always {
        model.take("g_converter");
    } else if let (Some(of_converter), Some(g_max)) = (converter.get_mut("g_max"), of_model) {
        *of_converter = Node::Number(g_max);
        model.take("g_max");
    }
}

fn g_max(model: &Object) -> Option<f64> {
    number(model.get("g_max")).or_else(|| match model.get("g_converter") {
        Some(Node::Object(converter)) => number(converter.get("g_max")),
        _ => None,
    })
}

fn number(node: Option<&Node>) -> Option<f64> {
    match node? {
        Node::Number(number) => Some(*number),
        Node::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

fn list(node: Option<&Node>) -> Option<Vec<f64>> {
    let Node::List(items) = node? else { return None };
    items.iter().map(|item| number(Some(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simplified(text: &str) -> String {
        match crate::printed::parse(text).unwrap() {
            Node::Object(mut model) => {
                simplify(&mut model);
                Node::Object(model).to_string()
            }
            other => other.to_string(),
        }
    }

    #[test]
    fn computed_fields_of_a_model_are_left_out() {
        let fit = "prog_coeff=[0.26348, 1.965, -1.1731]";
        let pair = "g_converter=SinglePairConductanceConverter(g_max=10.35, g_min=0.00)";
        assert_eq!(
            simplified(&format!("PCMLikeNoiseModel({pair}, g_max=10.351, prog_coeff_g_max_reference=25.0, {fit})")),
            "PCMLikeNoiseModel(g_max=10.351)"
        );
        // The same coefficients given by hand are not scaled.
        assert_eq!(
            simplified(&format!("PCMLikeNoiseModel({pair}, g_max=10.351, prog_coeff_g_max_reference=10.351, {fit})")),
            "PCMLikeNoiseModel(g_max=10.351, prog_coeff=[0.26348, 1.965, -1.1731])"
        );
    }

    #[test]
    fn a_separate_converter_gets_the_exact_range() {
        let text = "PCMLikeNoiseModel(g_converter=SinglePairConductanceConverter(g_max=33.33, g_min=1.50), \
                    g_max=33.333, prog_coeff_g_max_reference=33.333, prog_coeff=[0.5])";
        let pair = "SinglePairConductanceConverter(g_max=33.333, g_min=1.5)";
        assert_eq!(simplified(text), format!("PCMLikeNoiseModel(g_converter={pair}, prog_coeff=[0.5])"));
    }

    #[test]
    fn fields_that_disagree_are_left_as_they_are() {
        let text = "Mine(g_converter=SinglePairConductanceConverter(g_max=20, g_min=0), g_max=25)";
        assert_eq!(simplified(text), text);
    }
}
