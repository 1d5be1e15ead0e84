//! Doc comments begin with a noun phrase or a verb in the third person.

use super::{sources, text};

/// Words that begin a clause instead.
const CLAUSES: [&str; 3] = ["What", "Whether", "How"];

/// The doc comments of a source that begin with a clause, as `line: text`.
fn clauses(source: &str) -> Vec<String> {
    let doc = |line: &str| {
        let line = line.trim_start();
        let rest = ["///", "//!"].iter().find_map(|kind| Some((*kind, line.strip_prefix(kind)?)));
        rest.map(|(kind, rest)| (kind, rest.trim().to_owned()))
    };
    let lines: Vec<_> = source.lines().map(doc).collect();
    let begins = |i: usize| i == 0 || lines[i - 1].as_ref().map(|line| line.0) != lines[i].as_ref().map(|line| line.0);
    let is_clause = |text: &str| text.split_whitespace().next().is_some_and(|word| CLAUSES.contains(&word));
    let first = lines.iter().enumerate().filter(|&(i, line)| line.is_some() && begins(i));
    let clauses = first.filter_map(|(i, line)| line.as_ref().filter(|line| is_clause(&line.1)).map(|line| (i, line)));
    clauses.map(|(i, line)| format!("{}: {}", i + 1, line.1)).collect()
}

#[test]
fn doc_comments_begin_with_a_noun_or_a_verb() {
    let all = sources().into_iter().flat_map(|path| {
        let of = clauses(&text(&path)).into_iter().map(|line| format!("{}:{line}", path.display()));
        of.collect::<Vec<_>>()
    });
    assert_eq!(all.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn clauses_are_found() {
    let source = ["//! What it is.", "", "/// A thing.", "/// What follows is its second line.", "struct A;"];
    let source = source.join("\n") + "\n/// Whether it is.\nfn b() {}\n";
    assert_eq!(clauses(&source), ["1: What it is.", "6: Whether it is."]);
}
