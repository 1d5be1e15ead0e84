//! The functions that make samples from random bits: multiplies, adds, fused multiply-adds and one square root, all of
//! which IEEE 754 rounds the same way on every machine, and nothing of the system's mathematics library.
//!
//! Fused operations are written as such, and are fused everywhere: in software where the processor has no instruction
//! for them, as x86 before 2013. The coefficients are minimax fits of the relative error, each rounded to f32 before
//! the next was fitted.

/// Uniform in [0, 1): a multiple of 2⁻²⁴ from the upper 24 bits.
#[inline(always)]
pub(super) fn uniform(x: u32) -> f32 {
    const SCALE: f32 = 1.0 / (1u32 << 24) as f32;
    (x >> 8) as f32 * SCALE
}

/// Two independent standard normals from two words, `(r cos φ, r sin φ)` with `r = √(−2 ln u)` (Box & Muller 1958).
///
/// `u` lies in (0, 1], at the middles of 2³¹ intervals, so r is at most 6.66. The lower 30 bits of the second word turn
/// φ by at most π/4 away from an axis, and its upper two choose the axis.
#[inline(always)]
pub(super) fn box_muller(x: u32, y: u32) -> (f32, f32) {
    const INTERVAL: f32 = 1.0 / (1u32 << 31) as f32;
    const ANGLE: f32 = std::f32::consts::FRAC_PI_4 * INTERVAL;

    let u = ((x >> 1) as i32 as f32).mul_add(INTERVAL, 0.5 * INTERVAL);
    let r = minus_two_ln(u).sqrt();

    // `| 2` is the middle of the interval, which makes the angles symmetric about the axis.
    let (sin, cos) = sin_cos((y << 2 | 2) as i32 as f32 * ANGLE);
    // Mirror images of the wedge around the first axis cover the circle, as rotations of it would, and cost less.
    let cos = f32::from_bits(cos.to_bits() ^ (y & 1 << 31));
    let (c, s) = if y & 1 << 30 == 0 { (cos, sin) } else { (sin, cos) };
    (r * c, r * s)
}

/// `−2 ln u` of a positive normal number up to 1, within 2 ulp.
#[inline(always)]
fn minus_two_ln(u: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;

    // u = 2ᵉ·(1 + f) with 1 + f from √½ to √2
    let e = (u.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23;
    let f = f32::from_bits(u.to_bits().wrapping_sub((e as u32) << 23)) - 1.0;
    let p = f.mul_add(-0.174_775_84, 0.286_154_48).mul_add(f, -0.298_327_12);
    let p = p.mul_add(f, 0.331_406_27).mul_add(f, -0.399_244_8).mul_add(f, 0.500_035_5);
    let p = p.mul_add(f, -0.666_678_9).mul_add(f, 0.999_999_8).mul_add(f, -2.0);
    (e as f32).mul_add(-2.0 * std::f32::consts::LN_2, f * p)
}

/// Sine and cosine of an angle of at most π/4 either way, each within 1 ulp.
#[inline(always)]
fn sin_cos(t: f32) -> (f32, f32) {
    let z = t * t;
    let p = z.mul_add(-0.000_195_182_92, 0.008_332_189).mul_add(z, -0.166_666_55);
    let q = z.mul_add(2.443_232_7e-5, -0.001_388_731).mul_add(z, 0.041_666_646).mul_add(z, -0.5);
    ((t * z).mul_add(p, t), q.mul_add(z, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let rounded = want.abs() as f32;
        (f64::from(got) - want).abs() / f64::from(rounded.next_up() - rounded)
    }

    #[test]
    fn the_logarithm_is_within_2_ulp() {
        let scale = 1.0 / (1u32 << 31) as f32;
        let everywhere = (0..1u32 << 31).step_by(1009).map(|x| (x as f32 + 0.5) * scale);
        let near_one = (1..1_000_000).map(|k| f32::from_bits(1f32.to_bits() - k));
        for x in everywhere.chain(near_one).filter(|&x| x < 1.0) {
            let got = minus_two_ln(x);
            assert!(got > 0.0 && ulps(got, -2.0 * f64::from(x).ln()) < 2.0, "{x:e}");
        }
        assert_eq!(minus_two_ln(1.0), 0.0);
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
