//! Heat maps: a number in each cell, and a colour for it.

use std::fmt::Write;

use crate::table::escape;

/// A map over two fields.
pub struct HeatMap {
    /// What the numbers are.
    pub title: String,
    /// The field along the horizontal axis, and its values.
    pub across: (String, Vec<String>),
    /// The field along the vertical axis, and its values.
    pub down: (String, Vec<String>),
    /// A number and its words for each cell, row by row; none where nothing is known.
    pub cells: Vec<Option<(f64, String)>>,
}

const CELL: [usize; 2] = [96, 44];
/// Left and above of the cells: the values of the field along the vertical axis, the title and that field's name.
const BEFORE: [usize; 2] = [110, 76];
/// Right and below of them: the values and the name of the field along the horizontal axis.
const BEHIND: [usize; 2] = [30, 66];

/// In a page as well as by itself, by day and by night.
const STYLE: &str = "<style>.heat-map rect.ground { fill: #fff } .heat-map .line { stroke: #fff } .heat-map text { fill: #1c1c1e } \
@media (prefers-color-scheme: dark) { .heat-map rect.ground { fill: #171717 } .heat-map .line { stroke: #171717 } \
.heat-map text { fill: #e8e8ea } } .heat-map text.on-dark { fill: #fff } .heat-map text.on-light { fill: #000 }</style>";

/// Maps below each other as SVG.
pub fn svg(maps: &[HeatMap]) -> String {
    // A letter is eight pixels wide.
    let words = |map: &HeatMap| BEFORE[0] + 8 * map.across.0.len().max(map.title.len());
    let cells = |map: &HeatMap| BEFORE[0] + CELL[0] * map.across.1.len();
    let width = BEHIND[0] + maps.iter().map(|map| cells(map).max(words(map))).max().unwrap_or(0);
    let height = |map: &HeatMap| BEFORE[1] + BEHIND[1] + CELL[1] * map.down.1.len();
    let all: usize = maps.iter().map(height).sum();
    let mut text = format!(
        "<svg class=\"heat-map\" width=\"{width}\" height=\"{all}\" viewBox=\"0 0 {width} {all}\" \
         xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"14\">\n{STYLE}\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{all}\"/>\n"
    );
    let mut top = 0;
    for map in maps {
        draw(map, top, &mut text);
        top += height(map);
    }
    text + "</svg>\n"
}

fn draw(map: &HeatMap, top: usize, svg: &mut String) {
    let known = || map.cells.iter().flatten().map(|(value, _)| *value).filter(|value| value.is_finite());
    let (low, high) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let mut label = |x: usize, y: usize, anchor: &str, words: &str| {
        let words = escape(words);
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
    };
    let (left, begin) = (BEFORE[0], top + BEFORE[1]);
    let columns = map.across.1.len();
    label(left, top + 24, "start", &map.title);
    label(14, begin - 14, "start", &format!("↓ {}", map.down.0));
    let end = begin + CELL[1] * map.down.1.len();
    for (i, value) in map.across.1.iter().enumerate() {
        label(left + CELL[0] * i + CELL[0] / 2, end + 20, "middle", value);
    }
    label(left, end + 46, "start", &format!("→ {}", map.across.0));
    for (i, value) in map.down.1.iter().enumerate() {
        label(left - 8, begin + CELL[1] * i + CELL[1] / 2 + 5, "end", value);
    }
    for (i, cell) in map.cells.iter().enumerate() {
        let (x, y) = (left + CELL[0] * (i % columns), begin + CELL[1] * (i / columns));
        let share = cell.as_ref().map(|(value, _)| if high > low { (value - low) / (high - low) } else { 0.5 });
        let colour = share.map_or("#eee".into(), colour);
        let [width, height] = CELL;
        let _ = writeln!(
            svg,
            "<rect class=\"line\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>"
        );
        let words = cell.as_ref().map_or("–", |(_, words)| words.as_str());
        let ink = if share.is_some_and(|share| share < 0.55) { "on-dark" } else { "on-light" };
        let words = escape(words);
        let (x, y) = (x + width / 2, y + height / 2 + 5);
        let _ = writeln!(svg, "<text class=\"{ink}\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{words}</text>");
    }
}

/// A colour between dark blue and light yellow (the ends and the middle of viridis), light for large shares.
fn colour(share: f64) -> String {
    const STOPS: [[f64; 3]; 5] =
        [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let i = (place as usize).min(STOPS.len() - 2);
    let between = |c: usize| (STOPS[i][c] + (place - i as f64) * (STOPS[i + 1][c] - STOPS[i][c])).round() as u8;
    format!("#{:02x}{:02x}{:02x}", between(0), between(1), between(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_the_ends_of_the_colours() {
        assert_eq!((colour(0.0).as_str(), colour(1.0).as_str()), ("#440154", "#fde725"));
        let axis = |name: &str| (name.to_owned(), vec!["<1".to_owned(), "2".to_owned()]);
        let cells = vec![Some((1.0, "1".into())), None, Some((2.0, "2".into())), Some((f64::NAN, "NaN".into()))];
        let text = svg(&[HeatMap { title: "t".into(), across: axis("a"), down: axis("d"), cells }]);
        assert!(text.contains("&lt;1") && text.contains("#fde725") && text.contains("#eee"));
    }
}
