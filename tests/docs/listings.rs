//! The Rust listings of the book are parts of `tests/book`, which compiles and runs them.

use super::{chapters, root, text};

/// The bodies of the blocks of Rust in a page.
fn listings(page: &str) -> Vec<String> {
    let mut found: Vec<Vec<&str>> = vec![];
    let mut open = None;
    for line in page.lines() {
        match (line.trim().strip_prefix("```"), open) {
            (Some(language), None) => {
                open = Some(language == "rust");
                found.extend(open.filter(|&rust| rust).map(|_| vec![]));
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(true)) => found.last_mut().expect("a block is open").push(line),
            (None, _) => {}
        }
    }
    found.into_iter().map(|lines| lines.join("\n")).collect()
}

/// Returns the reason why a listing is not tested, if it is not.
fn untested(listing: &str) -> Option<String> {
    let included = listing.trim().strip_prefix("{{#include ../").and_then(|rest| rest.strip_suffix("}}"));
    let Some((file, anchor)) = included.and_then(|included| included.rsplit_once(':')) else {
        return Some(format!("no part of tests/book: {listing}"));
    };
    let source = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    let marked = |mark: &str| source.lines().any(|line| line.trim() == format!("// {mark}: {anchor}"));
    let is_test = file.starts_with("tests/book/") && marked("ANCHOR") && marked("ANCHOR_END");
    (!is_test).then(|| format!("{file} has no part {anchor}"))
}

#[test]
fn listings_of_the_book_are_tested() {
    for path in chapters() {
        for listing in listings(&text(&path)) {
            assert_eq!(untested(&listing), None, "{}", path.display());
        }
    }
}

#[test]
fn the_program_of_the_readme_is_tested() {
    let source = text(&root().join("tests/book/readme.rs"));
    for listing in listings(&text(&root().join("README.md"))) {
        assert!(source.contains(&listing), "tests/book/readme.rs lacks\n{listing}");
    }
}

#[test]
fn every_part_is_shown() {
    let book: String = chapters().iter().map(|path| text(path)).collect();
    for source in super::entries(&root().join("tests/book")) {
        for part in text(&source).lines().filter_map(|line| line.trim().strip_prefix("// ANCHOR: ")) {
            let include = format!("{{{{#include ../tests/book/{}:{part}}}}}", super::name(&source));
            assert!(book.contains(&include), "no chapter has {include}");
        }
    }
}

#[test]
fn untested_listings_are_found() {
    let page = "```text\nx\n```\n```rust\nlet x = 1;\n```\n```rust\n{{#include ../tests/book/tiles.rs:read}}\n```";
    let listings = listings(page);
    assert_eq!(listings.len(), 2);
    assert!(untested(&listings[0]).is_some());
    assert_eq!(untested(&listings[1]), None);
    assert!(untested("{{#include ../tests/book/tiles.rs:gone}}").is_some());
}
