//! The links of the documentation, inside of the repository.

use std::path::Path;

use super::{chapters, lines, name, pages, root, text};

/// The targets of the links and pictures of a page, without those of the web.
fn targets(page: &str) -> Vec<&str> {
    let prose = lines(page).into_iter().filter(|(_, in_block)| !in_block);
    let in_line = prose.flat_map(|(line, _)| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    in_line.filter(|target| !target.contains("://")).collect()
}

/// The anchors of a page's headings, made as GitHub and mdBook make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = lines(page).into_iter().filter(|(line, in_block)| !in_block && line.starts_with('#'));
    let anchor = |(line, _): (&str, bool)| {
        let kept = line.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// The links of a page in a folder that lead nowhere.
fn broken(page: &str, folder: &Path) -> Vec<String> {
    let leads_somewhere = |target: &&str| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let linked = if file.is_empty() {
            page.to_owned()
        } else {
            std::fs::read_to_string(folder.join(file)).unwrap_or_default()
        };
        let exists = file.is_empty() || folder.join(file).exists();
        exists && (anchor.is_empty() || anchors(&linked).contains(&anchor.to_owned()))
    };
    targets(page).into_iter().filter(|target| !leads_somewhere(target)).map(str::to_owned).collect()
}

#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let folder = path.parent().expect("a page is in a folder");
        assert_eq!(broken(&text(&path), folder), Vec::<String>::new(), "{}", path.display());
    }
}

/// A link that leaves `docs` works in the repository and breaks in the built book.
#[test]
fn links_of_the_book_stay_in_the_book() {
    for path in chapters() {
        let page = text(&path);
        let leaving: Vec<_> = targets(&page).into_iter().filter(|target| target.starts_with("..")).collect();
        assert_eq!(leaving, Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn the_summary_lists_every_chapter() {
    let summary = text(&root().join("docs/SUMMARY.md"));
    let listed = targets(&summary);
    for chapter in chapters().iter().map(|path| name(path)).filter(|name| name != "SUMMARY.md") {
        assert!(listed.contains(&chapter.as_str()), "docs/SUMMARY.md lacks {chapter}");
    }
}

#[test]
fn broken_links_are_found() {
    let page = "# A b, c!\n[1](#a-b-c) [2](#d) [3](mvm.md) [4](gone.md) [5](mvm.md#parameters) [6](mvm.md#gone)
        ![7](gone.svg) [8](https://example.org/gone)";
    assert_eq!(broken(page, &root().join("docs")), ["#d", "gone.md", "mvm.md#gone", "gone.svg"]);
}
