//! Arrays as text: aligned columns, long axes cut in the middle.

use std::fmt;

use crate::array::Array;
use crate::scalar::Scalar;

/// Elements shown at each end of an axis that is too long.
const EDGE: usize = 3;

/// Arrays up to this size are shown whole.
const WHOLE: usize = 1000;

/// Nested brackets with aligned columns, as NumPy prints them; `{:.2}` sets the number of decimals (4 otherwise).
///
/// ```
/// use ohmgrad_tensor::Tensor;
/// let a = Tensor::from([[1.0, -2.5], [30.0, 4.0]]);
/// assert_eq!(format!("{a:.1}"), "[[ 1.0, -2.5],\n [30.0,  4.0]]");
/// ```
impl<T: Scalar> fmt::Display for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.len() > WHOLE;
        let decimals = f.precision().unwrap_or(4);
        let shown = if cut { self.edges() } else { self.to_vec() };
        let finite = || shown.iter().map(|x| x.as_f64().abs()).filter(|x| x.is_finite() && *x > 0.0);
        let (small, large) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
        let exponent = large >= 1e6 || (large > 0.0 && large < 1e-3) || large / small > 1e8;
        let text = |x: T| match exponent {
            true => format!("{:.decimals$e}", x.as_f64()),
            false => format!("{:.decimals$}", x.as_f64()),
        };
        let width = shown.iter().map(|&x| text(x).len()).max().unwrap_or(0);
        self.write_text(f, 0, cut, &|x| format!("{:>width$}", text(x)))
    }
}

impl<T: Scalar> Array<T> {
    fn edges(&self) -> Vec<T> {
        let mut view = self.clone();
        for axis in 0..self.rank() {
            let n = view.shape()[axis];
            if n > 2 * EDGE {
                view = Self::concat(&[view.slice(axis, 0..EDGE), view.slice(axis, n - EDGE..n)], axis);
            }
        }
        view.to_vec()
    }

    fn write_text(
        &self,
        f: &mut fmt::Formatter<'_>,
        depth: usize,
        cut: bool,
        text: &dyn Fn(T) -> String,
    ) -> fmt::Result {
        let Some(&n) = self.shape().first() else { return f.write_str(&text(self.item())) };
        let separator = match self.rank() {
            1 => ", ".to_string(),
            rank => format!(",{}{}", "\n".repeat(rank - 1), " ".repeat(depth + 1)),
        };
        f.write_str("[")?;
        for i in 0..n {
            if cut && n > 2 * EDGE && i >= EDGE && i < n - EDGE {
                if i == EDGE {
                    write!(f, "{separator}…")?;
                }
                continue;
            }
            if i > 0 {
                f.write_str(&separator)?;
            }
            self.row(i).write_text(f, depth + 1, cut, text)?;
        }
        f.write_str("]")
    }
}

/// The shape, then the elements as [`Display`](fmt::Display) shows them.
impl<T: Scalar> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.shape())
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn long_axes_are_cut_and_blocks_are_separated() {
        let a = Tensor::from_fn(&[100, 20], |i| i[0] as f32);
        let text = format!("{a:.0}");
        assert!(text.starts_with("[[ 0,  0,  0, …,  0,  0,  0],\n [ 1"), "{text}");
        assert!(text.contains("],\n …,\n [97"), "{text}");
        let b = Tensor::full(&[2, 1, 2], 1.0);
        assert_eq!(format!("{b:.0}"), "[[[1, 1]],\n\n [[1, 1]]]");
    }

    #[test]
    fn extremes_of_size_use_exponents() {
        assert_eq!(format!("{:.1}", Tensor::from([1e-9, 0.0])), "[1.0e-9,  0.0e0]");
        assert_eq!(Tensor::from([f32::NAN, 1.0]).to_string(), "[   NaN, 1.0000]");
        assert_eq!(format!("{:?}", Tensor::full(&[0, 2], 0.0)), "[0, 2] []");
    }
}
