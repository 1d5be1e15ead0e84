//! The points of a sweep.

use serde_json::{Value as Json, json};
use toml::Value;

use crate::failure::{Failure, Outcome};
use crate::recipe::document::{SECTIONS, parse_value};

/// A field and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its path in the recipe.
    pub path: String,
    /// The values.
    pub values: Vec<Value>,
}

/// All combinations of the values of some fields, the last field changing fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The fields.
    pub axes: Vec<Axis>,
}

/// One combination: a path and a value for each axis.
pub type Point = Vec<(String, Value)>;

impl Grid {
    /// Reads arguments `path=a,b,c`. A path that does not begin with a section of a recipe is a path of the hardware.
    pub fn parse(arguments: &[String]) -> Outcome<Self> {
        let axis = |argument: &String| {
            let wrong = |what: &str| Failure::mistake(format!("--grid {argument}: {what}"));
            let (path, values) = argument
                .split_once('=')
                .ok_or_else(|| wrong("must be PATH=VALUE,VALUE,…, as forward.out_noise=0,0.02,0.06"))?;
            let first = path.split('.').next().unwrap_or_default();
            let path = if SECTIONS.contains(&first) { path.to_owned() } else { format!("hardware.{path}") };
            if path.starts_with("chips.") {
                return Err(wrong("chips are not an axis: --chips and --times say how many and when"));
            }
            let values: Vec<Value> = split(values).into_iter().map(|text| parse_value(text.trim())).collect();
            match values.iter().any(|value| value.as_str() == Some("")) {
                true => Err(wrong("has an empty value")),
                false => Ok(Axis { path, values }),
            }
        };
        let axes = arguments.iter().map(axis).collect::<Outcome<Vec<_>>>()?;
        for (i, axis) in axes.iter().enumerate() {
            if axes[..i].iter().any(|other| other.path == axis.path) {
                return Err(Failure::mistake(format!("--grid {}: is given twice", axis.path)));
            }
        }
        Ok(Self { axes })
    }

    /// All points, in order.
    pub fn points(&self) -> Vec<Point> {
        self.axes.iter().fold(vec![vec![]], |points, axis| {
            let with = |point: &Point| {
                let further = |value: &Value| [point.as_slice(), &[(axis.path.clone(), value.clone())]].concat();
                axis.values.iter().map(further).collect::<Vec<_>>()
            };
            points.iter().flat_map(with).collect()
        })
    }

    /// Returns `true` if all fields are those of the hardware, so that one trained network serves all points.
    pub fn is_hardware(&self) -> bool {
        self.axes.iter().all(|axis| axis.path.starts_with("hardware."))
    }

    /// The grid as JSON, for the folder of a sweep.
    pub fn to_json(&self) -> Json {
        let axis = |axis: &Axis| json!({ "path": axis.path, "values": axis.values.iter().map(ToString::to_string).collect::<Vec<_>>() });
        self.axes.iter().map(axis).collect()
    }

    /// Reads the output of [`to_json`](Self::to_json).
    pub fn from_json(json: &Json) -> Option<Self> {
        let axis = |axis: &Json| {
            let values = axis["values"].as_array()?.iter().map(|value| Some(parse_value(value.as_str()?)));
            Some(Axis { path: axis["path"].as_str()?.into(), values: values.collect::<Option<_>>()? })
        };
        Some(Self { axes: json.as_array()?.iter().map(axis).collect::<Option<_>>()? })
    }
}

/// A path as tables show it.
pub fn short(path: &str) -> &str {
    path.strip_prefix("hardware.").unwrap_or(path)
}

/// A value as tables show it.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The name of a point, as `forward.out_noise=0.02, mapping.max_input_size=128`.
pub fn name(point: &Point) -> String {
    let fields: Vec<String> = point.iter().map(|(path, value)| format!("{}={}", short(path), shown(value))).collect();
    fields.join(", ")
}

/// Splits at commas outside of brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (vec![], 0, 0_usize, None);
    for (i, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_all_combinations() {
        let grid =
            Grid::parse(&["forward.out_noise=0,0.02".into(), "network.layers=[\"relu\", 1],[2]".into()]).unwrap();
        let names: Vec<String> = grid.points().iter().map(name).collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[1], "forward.out_noise=0, network.layers=[2]");
        assert!(!grid.is_hardware());
        assert_eq!(Grid::from_json(&grid.to_json()), Some(grid));
    }
}
