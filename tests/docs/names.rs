//! The names of items that the documentation mentions.

use std::collections::HashSet;

use super::{chapters, code, files, has_extension, root, text};

/// Names of aihwkit that have no counterpart here.
const OF_AIHWKIT: [&str; 15] = [
    "ActivationQuantConfig",
    "AnalogConv2dMapped",
    "AnalogConv3d",
    "AnalogGRUCell",
    "AnalogLSTMCellCombinedWeight",
    "AnalogLinearMapped",
    "AnalogOptimizer",
    "AnalogSequential",
    "AnalogVanillaRNNCell",
    "AnalogWrapper",
    "WeightQuantConfig",
    "analog_summary",
    "convert_to_digital",
    "remap_analog_weights",
    "replace_rpu_config",
];

/// Returns `true` for a character of an identifier.
fn of_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The identifiers of an item that a text names: `Tape::train(key)`, `net.to_analog(…)?`, `IoParameters`.
fn identifiers(text: &str) -> Vec<&str> {
    let head = text.split(['(', '<', '{', '!', ' ']).next().unwrap_or("");
    let parts: Vec<&str> = head.split("::").flat_map(|part| part.split('.')).collect();
    let is_plain = |part: &&str| !part.is_empty() && part.chars().all(of_identifier) && part.len() > 2;
    let is_call = text[head.len()..].starts_with('(') && parts.iter().all(|part| part.chars().all(of_identifier));
    let is_path = head.contains("::");
    let starts_upper = |part: &str| part.starts_with(|c: char| c.is_ascii_uppercase());
    let is_type = parts.len() == 1 && starts_upper(head) && head.chars().any(|c| c.is_ascii_lowercase());
    match is_call || is_path || is_type {
        true => parts.into_iter().filter(is_plain).collect(),
        false => vec![],
    }
}

#[test]
fn names_in_the_book_exist() {
    let known = |extension: &str| files(root()).into_iter().filter(|path| has_extension(path, extension)).collect();
    let sources: Vec<std::path::PathBuf> =
        ["rs", "py", "txt", "toml"].iter().flat_map(|e| -> Vec<_> { known(e) }).collect();
    let mut words: HashSet<String> = HashSet::new();
    for path in sources.into_iter().filter(|path| !path.starts_with(root().join("tests/docs"))) {
        let content = std::fs::read_to_string(&path).unwrap_or_default();
        words.extend(content.split(|c: char| !of_identifier(c)).map(str::to_owned));
    }
    assert!(words.contains("to_analog"));
    for path in chapters() {
        let page = text(&path);
        let unknown = code(&page).into_iter().flat_map(identifiers).filter(|word| !words.contains(*word));
        let unknown: Vec<_> = unknown.filter(|word| !OF_AIHWKIT.contains(word)).collect();
        assert_eq!(unknown, Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn identifiers_of_items_are_found() {
    assert_eq!(identifiers("Tape::train(key)"), ["Tape", "train"]);
    assert_eq!(identifiers("net.to_analog(&config, key)?"), ["net", "to_analog"]);
    assert_eq!(identifiers("IoParameters"), ["IoParameters"]);
    assert_eq!(identifiers("out_noise"), Vec::<&str>::new());
    assert_eq!(identifiers("(t/t₀)^(−ν)"), Vec::<&str>::new());
}
