//! Imports among the files of a configuration.

use std::path::{Path, PathBuf};

/// The Rust files of a folder in `src/config`: their names without extension, and their texts.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config").join(folder);
    let paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let rust = paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// The names after each occurrence of `path` in a file, without the tests at its end.
fn after<'a>(text: &'a str, path: &str) -> Vec<&'a str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let name = |rest: &'a str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    code.split(path).skip(1).map(name).collect()
}

#[test]
fn the_form_does_not_depend_on_sections() {
    let form = files("form");
    assert!(form.len() > 9);
    for (name, text) in &form {
        let outside: Vec<_> = after(text, "crate::config::").into_iter().filter(|to| *to != "form").collect();
        assert!(outside.is_empty() && after(text, "super::super::").is_empty(), "form/{name}.rs: {outside:?}");
    }
}

#[test]
fn sections_do_not_depend_on_each_other() {
    // The section of reads is cut into several files.
    let reads = ["io", "io_rules", "ir_drop_t", "ir_drop_t_rules", "kinds", "stages", "steps", "summary"];
    for (name, text) in files(".") {
        let known: &[&str] = match name.as_str() {
            "mod" | "tests" | "inference" | "rpu" | "file" | "warnings" => continue,
            name if reads.contains(&name) => &reads,
            _ => &[],
        };
        let outside: Vec<_> = after(&text, "use super::")
            .into_iter()
            .chain(after(&text, "use crate::config::"))
            .filter(|to| *to != "form" && !known.contains(to))
            .collect();
        assert!(outside.is_empty(), "{name}.rs: {outside:?}");
    }
}
