//! The functions between random bits and samples: plain multiplies and adds and one square root, all of which IEEE 754
//! rounds the same way on every machine. No fused multiply-add, and nothing of the system's mathematics library.
//!
//! The coefficients are minimax fits of the relative error, each rounded to f32 before the next was fitted.

use crate::math::ln_normal;

/// Uniform in [0, 1): a multiple of 2⁻²⁴ from the upper 24 bits.
#[inline(always)]
pub(super) fn uniform(x: u32) -> f32 {
    const SCALE: f32 = 1.0 / (1u32 << 24) as f32;
    (x >> 8) as f32 * SCALE
}

/// Two independent standard normals from two words, `(r cos φ, r sin φ)` with `r = √(−2 ln u)` (Box & Muller 1958).
///
/// `u` lies in (0, 1], at the middles of 2³¹ intervals: r reaches 6.66. Of the second word the lower 30 bits turn φ by
/// at most π/4 away from an axis and the upper two choose the axis.
#[inline(always)]
pub(super) fn box_muller(x: u32, y: u32) -> (f32, f32) {
    const INTERVAL: f32 = 1.0 / (1u32 << 31) as f32;
    const ANGLE: f32 = std::f32::consts::FRAC_PI_4 * INTERVAL;

    let u = ((x >> 1) as f32 + 0.5) * INTERVAL;
    let r = (-2.0 * ln_normal(u, 0.0)).sqrt();

    // `| 2` is the middle of the interval, which makes the angles symmetric about the axis.
    let (sin, cos) = sin_cos((y << 2 | 2) as i32 as f32 * ANGLE);
    // Mirror images of the wedge around the first axis cover the circle as well as its rotations, and cost less.
    let cos = f32::from_bits(cos.to_bits() ^ (y & 1 << 31));
    let (c, s) = if y & 1 << 30 == 0 { (cos, sin) } else { (sin, cos) };
    (r * c, r * s)
}

/// Sine and cosine of an angle of at most π/4 either way, each within 1 ulp.
#[inline(always)]
fn sin_cos(t: f32) -> (f32, f32) {
    let z = t * t;
    let sin = t + t * z * (-0.166_666_55 + z * (0.008_332_189 - 0.000_195_182_92 * z));
    let cos = 1.0 - (0.5 * z - z * z * (0.041_666_646 + z * (-0.001_388_731 + 2.443_232_7e-5 * z)));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let rounded = want.abs() as f32;
        (f64::from(got) - want).abs() / f64::from(rounded.next_up() - rounded)
    }

    #[test]
    fn ln_is_right_to_the_last_bit_or_two() {
        let scale = 1.0 / (1u32 << 31) as f32;
        let everywhere = (0..1u32 << 31).step_by(1009).map(|x| (x as f32 + 0.5) * scale);
        let near_one = (1..1_000_000).map(|k| f32::from_bits(1f32.to_bits() - k));
        for x in everywhere.chain(near_one).filter(|&x| x < 1.0) {
            assert!(ln_normal(x, 0.0) < 0.0 && ulps(ln_normal(x, 0.0), f64::from(x).ln()) < 0.9, "{x:e}");
        }
        assert_eq!(ln_normal(1.0, 0.0), 0.0);
    }

    #[test]
    fn sin_cos_are_right_to_the_last_bit_or_two() {
        let step = std::f32::consts::FRAC_PI_4 / 1e6;
        for t in (-1_000_000..=1_000_000).map(|k| k as f32 * step) {
            let (sin, cos) = sin_cos(t);
            assert!(ulps(sin, f64::from(t).sin()) < 1.0 && ulps(cos, f64::from(t).cos()) < 1.0, "{t:e}");
        }
    }

    #[test]
    fn samples_stay_in_range_at_the_ends() {
        assert_eq!(uniform(0), 0.0);
        assert_eq!(uniform(u32::MAX), 1.0 - f32::EPSILON / 2.0);
        for y in [0, 1, 1 << 30, 1 << 31, 3 << 30, u32::MAX] {
            let (c, s) = box_muller(0, y);
            assert!((c.hypot(s) - 6.66).abs() < 0.01);
            assert_eq!(box_muller(u32::MAX, y), (0.0, 0.0));
        }
    }

    /// The same lower bits under the four values of the upper two: once around the circle.
    #[test]
    fn two_bits_choose_the_axis() {
        let points = [0, 1, 2, 3].map(|axis| box_muller(1 << 20, axis << 30 | 12345));
        let (c, s) = points[0];
        assert!(c > s.abs());
        assert_eq!(points, [(c, s), (s, c), (-c, s), (s, -c)]);
    }
}
