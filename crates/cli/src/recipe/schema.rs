//! The JSON Schema of recipes, with which editors check and complete them.

use std::path::Path;

use ohmgrad::prelude::InferenceRpuConfig;
use serde_json::{Map, Value as Json, json};

use super::data::SOURCES;
use super::document::{Document, Section};
use super::{ChipsRecipe, DataRecipe, HardwareRecipe, NetworkRecipe, TrainingRecipe};
use crate::failure::Outcome;

/// The JSON Schema (draft 2020-12) of recipes. It contains no rules between fields. `[hardware]` allows any further
/// fields, for hardware that trains on the chip.
pub fn schema() -> Outcome<Json> {
    let empty = Document::parse("", "schema")?;
    let mut sections = Map::new();
    let mut data = Map::new();
    // Each source has different fields.
    for source in SOURCES {
        let text = format!("[data]\nsource = {source:?}\npath = \"file\"\nlabel = \"y\"");
        let document = Document::parse(&text, "schema")?;
        let mut section = document.section("data");
        // A source that this program was built without returns an error, after some fields are described.
        let _ = DataRecipe::read(&mut section, Path::new(""));
        data.extend(section.described());
    }
    sections.insert("data".into(), object(data, false));
    let mut add = |name: &'static str, read: &dyn Fn(&mut Section<'_>) -> Outcome<()>| -> Outcome<()> {
        let mut section = empty.section(name);
        read(&mut section)?;
        sections.insert(name.into(), object(section.described().into_iter().collect(), name == "hardware"));
        Ok(())
    };
    add("network", &|section| NetworkRecipe::read(section, Path::new("")).map(drop))?;
    add("hardware", &|section| HardwareRecipe::read(section, Path::new("")).map(drop))?;
    add("training", &|section| TrainingRecipe::read(section, false).map(drop))?;
    add("chips", &|section| ChipsRecipe::read(section, false).map(drop))?;
    let of_inference: Json = serde_json::from_str(&InferenceRpuConfig::json_schema()).expect("the library writes JSON");
    if let (Some(hardware), Some(fields)) = (sections.get_mut("hardware"), of_inference["properties"].as_object()) {
        let properties = hardware["properties"].as_object_mut().expect("made above");
        properties.extend(fields.clone());
        if let Some(definitions) = of_inference.get("$defs") {
            sections.insert("$defs".into(), definitions.clone());
        }
    }
    let definitions = sections.remove("$defs");
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of ohmgrad",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    });
    if let Some(definitions) = definitions {
        schema["$defs"] = definitions;
    }
    Ok(schema)
}

fn object(properties: Map<String, Json>, open: bool) -> Json {
    json!({ "type": "object", "properties": properties, "additionalProperties": open })
}
