//! Clipping of what is drawn to a rectangle, as nothing may be drawn outside of axes with limits.

use std::ops::Range;

/// A place on [placed](crate::Axis::place) axes.
pub(crate) type Place = (f64, f64);

/// A rectangle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub x: Range<f64>,
    pub y: Range<f64>,
}

impl Frame {
    /// `true` for a place inside or on the border.
    pub fn contains(&self, (x, y): Place) -> bool {
        x >= self.x.start && x <= self.x.end && y >= self.y.start && y <= self.y.end
    }

    /// The nearest place that is inside or on the border.
    pub fn nearest(&self, (x, y): Place) -> Place {
        (x.clamp(self.x.start, self.x.end), y.clamp(self.y.start, self.y.end))
    }

    /// The part of a segment that is inside (Liang and Barsky, 1984).
    pub fn segment(&self, [a, b]: [Place; 2]) -> Option<[Place; 2]> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let borders =
            [(-dx, a.0 - self.x.start), (dx, self.x.end - a.0), (-dy, a.1 - self.y.start), (dy, self.y.end - a.1)];
        let (mut from, mut to) = (0.0f64, 1.0f64);
        for (toward, distance) in borders {
            if toward < 0.0 {
                from = from.max(distance / toward);
            } else if toward > 0.0 {
                to = to.min(distance / toward);
            } else if distance < 0.0 {
                return None;
            }
        }
        let at = |s: f64| if s == 1.0 { b } else { (a.0 + s * dx, a.1 + s * dy) };
        (from <= to).then(|| [at(from), at(to)])
    }

    /// The part of a vertical segment that is inside; its ends may be infinite.
    pub fn upright(&self, bar: [Place; 2]) -> Option<[Place; 2]> {
        let [low, high] = bar;
        let is_inside = low.0 >= self.x.start && low.0 <= self.x.end && low.1 <= self.y.end && high.1 >= self.y.start;
        is_inside.then(|| bar.map(|end| self.nearest(end)))
    }

    /// The parts inside of a line through these places.
    pub fn line(&self, places: &[Place]) -> Vec<Vec<Place>> {
        let mut parts: Vec<Vec<Place>> = vec![];
        for pair in places.windows(2) {
            let Some([a, b]) = self.segment([pair[0], pair[1]]) else { continue };
            match parts.last_mut() {
                Some(part) if part.last() == Some(&a) => part.push(b),
                _ => parts.push(vec![a, b]),
            }
        }
        parts
    }

    /// The part of an area that is inside, as its corners (Sutherland and Hodgman, 1974).
    pub fn area(&self, corners: &[Place]) -> Vec<Place> {
        let swap = |(x, y): Place| (y, x);
        let cut = |corners: &[Place], bounds: &Range<f64>| above(&above(corners, bounds.start, 1.0), bounds.end, -1.0);
        let across = cut(corners, &self.x);
        let swapped: Vec<Place> = across.into_iter().map(swap).collect();
        cut(&swapped, &self.y).into_iter().map(swap).collect()
    }
}

/// The part of an area with x above a bound, or with `sign` −1 below it.
fn above(corners: &[Place], bound: f64, sign: f64) -> Vec<Place> {
    let height = |p: Place| sign * (p.0 - bound);
    let mut kept = vec![];
    for (i, &b) in corners.iter().enumerate() {
        let a = corners[(i + corners.len() - 1) % corners.len()];
        if (height(a) < 0.0) != (height(b) < 0.0) {
            let s = height(a) / (height(a) - height(b));
            kept.push((bound, a.1 + s * (b.1 - a.1)));
        }
        if height(b) >= 0.0 {
            kept.push(b);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { x: 0.0..2.0, y: 0.0..1.0 };

    #[test]
    fn a_line_is_cut_at_the_border() {
        let line = [(-1.0, 0.5), (1.0, 0.5), (1.0, 3.0), (3.0, 0.5), (1.5, 0.5)];
        let parts = [vec![(0.0, 0.5), (1.0, 0.5), (1.0, 1.0)], vec![(2.0, 0.5), (1.5, 0.5)]];
        assert_eq!(FRAME.line(&line), parts);
        assert_eq!(FRAME.line(&[(-1.0, 2.0), (3.0, 2.0)]), Vec::<Vec<Place>>::new());
        assert_eq!(FRAME.line(&[(0.5, 0.5), (1.5, 1.0)]), [[(0.5, 0.5), (1.5, 1.0)]]);
    }

    #[test]
    fn a_bar_may_be_infinite() {
        let up = f64::INFINITY;
        assert_eq!(FRAME.upright([(1.0, -up), (1.0, up)]), Some([(1.0, 0.0), (1.0, 1.0)]));
        assert_eq!(FRAME.upright([(1.0, 2.0), (1.0, up)]), None);
        assert_eq!(FRAME.upright([(3.0, -up), (3.0, up)]), None);
    }

    #[test]
    fn an_area_is_cut_at_the_border() {
        let around = [(-1.0, -1.0), (9.0, -1.0), (9.0, 9.0), (-1.0, 9.0)];
        let size = |corners: &[Place]| {
            let next = |i: usize| corners[(i + 1) % corners.len()];
            let cross = |(i, a): (usize, &Place)| a.0 * next(i).1 - next(i).0 * a.1;
            (corners.iter().enumerate().map(cross).sum::<f64>() / 2.0).abs()
        };
        assert_eq!(size(&FRAME.area(&around)), 2.0);
        assert_eq!(size(&FRAME.area(&[(0.0, 0.0), (4.0, 0.0), (0.0, 2.0)])), 2.0);
        assert_eq!(FRAME.area(&[(3.0, 0.0), (4.0, 0.0), (3.0, 1.0)]), []);
        assert_eq!(FRAME.area(&[]), []);
    }
}
