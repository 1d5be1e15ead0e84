//! The documentation is true: paths, links, listings and names exist, and doc comments begin as they should.

mod comments;
mod links;
mod listings;
mod names;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Returns `true` for names that may be those of files and folders of the repository: neither hidden nor in
/// `.gitignore`, where builds and runs are.
fn is_kept(name: &str) -> bool {
    static IGNORED: LazyLock<String> = LazyLock::new(|| text(&root().join(".gitignore")));
    !name.starts_with('.') && !IGNORED.lines().any(|line| line.trim_matches('/') == name)
}

/// The files of the repository below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let found = entries(folder).into_iter().filter(|path| is_kept(&name(path)));
    found.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("an entry has a name").to_string_lossy().into_owned()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the book.
fn chapters() -> Vec<PathBuf> {
    entries(&root().join("docs")).into_iter().filter(|path| has_extension(path, "md")).collect()
}

/// The pages of the book, `README.md` and `CONTRIBUTING.md`.
fn pages() -> Vec<PathBuf> {
    chapters().into_iter().chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name))).collect()
}

/// The Rust files of the repository.
fn sources() -> Vec<PathBuf> {
    files(root()).into_iter().filter(|path| has_extension(path, "rs")).collect()
}

/// The lines of a page with whether each is inside of a block of code, without the fences.
fn lines(page: &str) -> Vec<(&str, bool)> {
    let mut in_block = false;
    let mut lines = vec![];
    for line in page.lines() {
        match line.trim_start().starts_with("```") {
            true => in_block = !in_block,
            false => lines.push((line, in_block)),
        }
    }
    lines
}

/// Text in backticks, outside of blocks of code.
fn code(page: &str) -> Vec<&str> {
    let prose = lines(page).into_iter().filter(|(_, in_block)| !in_block);
    prose.flat_map(|(line, _)| line.split('`').skip(1).step_by(2)).collect()
}
