//! Room for the legend, which hides what is behind it.

use std::ops::Range;

use crate::{Corner, Mark};

/// Pixels of a chart between its axes, before scaling.
const INNER: (f64, f64) = (652.0, 386.0);

/// The vertical span with room below or above the data, if some of them would be behind the legend of these names.
///
/// `drawn` has how each series is drawn, and its points.
pub(crate) fn with_room(
    corner: Corner,
    names: &[&str],
    x: &Range<f64>,
    y: &Range<f64>,
    drawn: &[(Mark, &[(f64, f64)])],
) -> Range<f64> {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    // A line of it is 18 pixels high, a letter 8 wide; around it are the margin and the border.
    let width = (70.0 + 8.0 * longest as f64) / INNER.0;
    let height = (30.0 + 18.0 * names.len() as f64) / INNER.1;
    let share = |value: f64, span: &Range<f64>| (value - span.start) / (span.end - span.start);
    let is_behind = |x_share: f64, y_share: f64| {
        let from_side = if matches!(corner, Corner::UpperLeft | Corner::LowerLeft) { x_share } else { 1.0 - x_share };
        let from_end = if matches!(corner, Corner::LowerLeft | Corner::LowerRight) { y_share } else { 1.0 - y_share };
        from_side < width && from_end < height
    };
    let hidden = drawn.iter().any(|(mark, points)| {
        let at = |&(a, b): &(f64, f64)| (share(a, x), share(b, y));
        let between = |pair: &[(f64, f64)]| {
            let ((x0, y0), (x1, y1)) = (at(&pair[0]), at(&pair[1]));
            (0..=32).map(|i| f64::from(i) / 32.0).any(|s| is_behind(x0 + s * (x1 - x0), y0 + s * (y1 - y0)))
        };
        let is_joined = matches!(mark, Mark::Line | Mark::DottedLine | Mark::Area);
        points.iter().map(at).any(|(x, y)| is_behind(x, y)) || is_joined && points.windows(2).any(between)
    });
    let more = (y.end - y.start) * height / (1.0 - height).max(0.1);
    match (hidden, corner) {
        (false, _) => y.clone(),
        (true, Corner::LowerLeft | Corner::LowerRight) => y.start - more..y.end,
        (true, Corner::UpperLeft | Corner::UpperRight) => y.start..y.end + more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_where_it_is_needed() {
        let room = |corner, points: &[(f64, f64)]| {
            with_room(corner, &["a", "b"], &(0.0..1.0), &(0.0..1.0), &[(Mark::Line, points)])
        };
        let falling = [(0.0, 1.0), (1.0, 0.0)];
        assert_eq!(room(Corner::LowerLeft, &falling), 0.0..1.0);
        let below = room(Corner::LowerRight, &falling);
        assert!(below.start < -0.1 && below.end == 1.0, "{below:?}");
        // The data end where the legend begins.
        assert!((-below.start / (1.0 - below.start) - 66.0 / INNER.1).abs() < 1e-9);
        assert!(room(Corner::UpperLeft, &falling).end > 1.1);
        // A line between points that are not behind it.
        assert!(room(Corner::LowerLeft, &[(0.0, 0.3), (0.1, -0.5)]).start < 0.0);
    }
}
