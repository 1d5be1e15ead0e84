//! The paths that the documentation names.

use std::path::PathBuf;

use super::{code, entries, files, is_kept, name, pages, root, sources, text};

/// The folders that a path may start from: the root, `crates`, and the sources of each crate.
fn bases() -> Vec<PathBuf> {
    let crates = root().join("crates");
    let sources = entries(&crates).into_iter().map(|path| path.join("src"));
    [root().to_owned(), crates.clone()].into_iter().chain(sources).collect()
}

/// A path with one `{a,b}` as several.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        Some((head, (names, tail))) => names.split(',').map(|name| format!("{head}{name}{tail}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// Returns `true` for the path of a source file, and for a text that begins with a folder of the repository.
fn is_path(text: &str, bases: &[PathBuf]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let folder = text.split_once('/').is_some_and(|(first, _)| {
        let is_folder = |base: &PathBuf| base.join(first).is_dir();
        !first.is_empty() && is_kept(first) && bases.iter().any(is_folder)
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
    files(root()).iter().map(|path| name(path)).collect()
}

#[test]
fn paths_in_the_documentation_exist() {
    let (bases, names) = (bases(), names());
    for path in pages() {
        assert_eq!(missing(&text(&path), &bases, &names), Vec::<String>::new(), "{}", path.display());
    }
}

/// `docs/NAME.md` in a comment.
#[test]
fn pages_that_sources_name_exist() {
    for source in sources().into_iter().filter(|path| !path.starts_with(root().join("tests/docs"))) {
        for rest in text(&source).split("docs/").skip(1) {
            let page = rest.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).next().unwrap_or("");
            let exists = !page.ends_with(".md") || root().join("docs").join(page).exists();
            assert!(exists, "{} names docs/{page}", source.display());
        }
    }
}

#[test]
fn missing_paths_are_found() {
    let page = "`crates/analog/src/op.rs`, `analog/src/op/mod.rs` and `mvm/{dac,none}.rs`, `elsewhere.rs`, `dac.rs`,
        `tests/gone/`, `y/x`, `runs/mine`, `target/mine`, `--plot`
        ```
        `crates/in/a/block.rs`
        ```";
    let expected = ["crates/analog/src/op.rs", "mvm/none.rs", "elsewhere.rs", "tests/gone/"];
    assert_eq!(missing(page, &bases(), &names()), expected);
}
