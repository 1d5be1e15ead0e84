//! Tables: for a terminal, a page and a spreadsheet.

/// Cells under a header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The line above the table.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Cells, a row for each line.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new<const N: usize>(title: impl Into<String>, head: [&str; N]) -> Self {
        Self { title: title.into(), head: head.map(String::from).to_vec(), rows: vec![] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table for a terminal: the first column is aligned to the left, the others to the right.
    pub fn to_text(&self) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |i: usize| lines().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let mut text = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        for row in lines() {
            let cell = |(i, cell): (usize, &String)| {
                let gap = " ".repeat(width(i) - cell.chars().count());
                if i == 0 { format!("  {cell}{gap}") } else { format!("  {gap}{cell}") }
            };
            let line: String = row.iter().enumerate().map(cell).collect();
            text += &format!("{}\n", line.trim_end());
        }
        text.pop();
        text
    }

    /// The table for a page.
    pub fn to_html(&self) -> String {
        let row = |tag: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let body: String = self.rows.iter().map(|cells| row("td", cells)).collect();
        let (title, head) = (escape(&self.title), row("th", &self.head));
        format!(
            "<h2>{title}</h2>\n<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table></div>\n"
        )
    }
}

/// The text, escaped for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rows of a CSV file under a header.
pub fn csv(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    let line =
        |cells: Vec<String>| format!("{}\n", cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","));
    let head = line(head.iter().map(|name| (*name).to_owned()).collect());
    rows.into_iter().fold(head, |text, cells| text + &line(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_escaped() {
        let mut table = Table::new("", ["layer", "n"]);
        table.row(["a<b".into(), "10".into()]);
        assert_eq!(table.to_text(), "  layer   n\n  a<b    10");
        assert!(table.to_html().contains("<td>a&lt;b</td>"));
        assert_eq!(csv(&["a", "b"], [vec!["1,2".into(), "3".into()]]), "a,b\n\"1,2\",3\n");
    }
}
