//! The paths that the documentation names.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry of a readable folder").path()).collect()
}

/// The files below a folder, without what is built or hidden.
fn files(folder: &Path) -> Vec<PathBuf> {
    let visible = |path: &PathBuf| {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        name != "target" && !name.starts_with('.')
    };
    let found = entries(folder).into_iter().filter(visible);
    found.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The pages whose paths are checked.
fn pages() -> Vec<PathBuf> {
    let docs = entries(&root().join("docs")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    docs.chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name))).collect()
}

/// The folders that a path may start from: the root, `crates`, and the sources of each crate.
fn bases() -> Vec<PathBuf> {
    let crates = root().join("crates");
    let sources = entries(&crates).into_iter().map(|path| path.join("src"));
    [root().to_owned(), crates.clone()].into_iter().chain(sources).collect()
}

/// Text in backticks, outside of blocks of code.
fn code(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let text = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    text.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// A path with one `{a,b}` as several.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        Some((head, (names, tail))) => names.split(',').map(|name| format!("{head}{name}{tail}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// Whether a text is the path of a source file, or begins with a folder of the repository.
fn is_path(text: &str, bases: &[PathBuf]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let folder = text.split_once('/').is_some_and(|(first, _)| {
        let is_folder = |base: &PathBuf| base.join(first).is_dir();
        !first.is_empty() && !first.starts_with('.') && bases.iter().any(is_folder)
    });
    text.chars().all(plain) && !text.starts_with(['/', '.']) && (folder || text.ends_with(".rs"))
}

/// The paths of a page that do not exist. A file without a folder may be anywhere.
fn missing(page: &str, bases: &[PathBuf], names: &[String]) -> Vec<String> {
    let exists = |path: &String| match path.contains('/') {
        true => bases.iter().any(|base| base.join(path).exists()),
        false => names.contains(path),
    };
    let paths = code(page).into_iter().flat_map(expanded).filter(|path| is_path(path, bases));
    paths.filter(|path| !exists(path)).collect()
}

fn names() -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().expect("a file has a name").to_string_lossy().into_owned();
    files(root()).iter().map(name).collect()
}

#[test]
fn paths_in_the_documentation_exist() {
    let (bases, names) = (bases(), names());
    for path in pages() {
        let page = fs::read_to_string(&path).expect("a readable page");
        assert_eq!(missing(&page, &bases, &names), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn missing_paths_are_found() {
    let page = "`crates/analog/src/op.rs`, `analog/src/op/mod.rs` and `mvm/{dac,none}.rs`, `elsewhere.rs`, `dac.rs`,
        `tests/gone/`, `y/x`, `--plot`
        ```
        `crates/in/a/block.rs`
        ```";
    let expected = ["crates/analog/src/op.rs", "mvm/none.rs", "elsewhere.rs", "tests/gone/"];
    assert_eq!(missing(page, &bases(), &names()), expected);
}
