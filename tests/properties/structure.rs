//! The one direction of imports inside of the analog crate, and the length of its files.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry of a readable folder").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn analog() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/analog/src")
}

/// Lines below a folder that name one of these modules.
fn imports(folder: &str, modules: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for path in sources(&analog().join(folder)) {
        let text = fs::read_to_string(&path).expect("a readable source");
        // Documentation may point anywhere.
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let named = |module: &&str| {
                let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                line.split(&format!("crate::{module}")).skip(1).any(ends)
            };
            if modules.iter().any(named) {
                found.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn imports_go_from_op_to_array_to_tile_to_mvm_to_config() {
    let none: [String; 0] = [];
    assert_eq!(imports("array", &["op", "state", "matrix"]), none);
    assert_eq!(imports("tile", &["op", "array", "state", "matrix"]), none);
    assert_eq!(imports("mvm", &["op", "array", "tile", "state", "matrix", "observed"]), none);
    assert_eq!(imports("config", &["op", "array", "tile", "mvm", "state", "matrix", "observed"]), none);
    assert_eq!(imports("noise", &["op", "array", "tile", "state", "matrix", "observed"]), none);
}

#[test]
fn imports_are_found() {
    assert!(imports("op", &["tile"]).len() > 3 && imports("tile", &["mvm"]).len() > 3);
}

#[test]
fn files_stay_short() {
    let length = |path: &PathBuf| fs::read_to_string(path).expect("a readable source").lines().count();
    let is_tests = |path: &PathBuf| path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests");
    let long = sources(&analog()).into_iter().filter(|path| !is_tests(path) && length(path) > 400);
    assert_eq!(long.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}
