//! Functions in plain multiplies, adds and divisions, which compilers turn into vector code and which give the same
//! bits on every machine. No fused multiply-add, nothing of the system's mathematics library.
//!
//! The coefficients are minimax fits. The tests below check the bounds of the errors.

/// `eˣ`, within 1 ulp; 0 below −104, infinity above 88.8.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (p, [a, b]) = exp_parts(x);
    p * a * b
}

/// `eˣ` as a factor near 1 and two powers of two.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, [f32; 2]) {
    // Adding it rounds to an integer, which then lies in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2.0) - n * LN_2.1;
    let r2 = r * r;
    let low = 0.5 + 0.166_666_67 * r;
    let high = (0.041_666_465 + 0.008_333_286 * r) + (0.001_393_365 + 0.000_199_075_88 * r) * r2;
    let p = 1.0 + (r + r2 * (low + high * r2));
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    (p, [power(n >> 1), power(n.wrapping_sub(n >> 1))])
}

/// ln 2 in two parts. The upper one has 9 bits, so that its multiples by an exponent are exact.
const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);

/// Natural logarithm, within 1 ulp; −∞ at 0, NaN below.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    const STEPS: f32 = (1 << 23) as f32;
    let (y, shift) = if x < f32::MIN_POSITIVE { (x * STEPS, 23.0) } else { (x, 0.0) };
    let l = ln_normal(y, shift);
    let l = if x == 0.0 { f32::NEG_INFINITY } else { l };
    let l = if x < 0.0 { f32::NAN } else { l };
    if x < f32::INFINITY { l } else { x }
}

/// `ln(x/2ˢ)` of a positive normal number, within 0.9 ulp for s = 0 and x in (0, 1], also just below 1, where the
/// result is small.
#[inline(always)]
pub(crate) fn ln_normal(x: f32, s: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;

    // x = 2ᵉ·(1 + f) with 1 + f from √½ to √2
    let e = (x.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23;
    let f = f32::from_bits(x.to_bits().wrapping_sub((e as u32) << 23)) - 1.0;
    let e = e as f32 - s;

    // ln(1 + f) = f − f²/2 + f³·p(f); pairs instead of Horner's chain: half the latency
    let f2 = f * f;
    let low = (0.333_333_3 - 0.250_008_23 * f) + (0.200_012_6 - 0.166_233_51 * f) * f2;
    let high = (0.142_009_94 - 0.131_582_08 * f) + (0.127_786_74 - 0.076_798_48 * f) * f2;
    let p = low + high * (f2 * f2);
    let small = f * f2 * p + e * LN_2.1 - 0.5 * f2;
    (f + small) + e * LN_2.0
}

/// `1/(1 + e⁻ˣ)`, within 3 ulp.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `ln(1 + eˣ)`, within 3 ulp; large `x` give `x`, not infinity.
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    // With t = e^−|x| from 0 to 1: ln(1 + t) = 2 artanh(s), s = t/(2 + t) ≤ 1/3.
    let t = exp(-x.abs());
    let s = t / (2.0 + t);
    let z = s * s;
    let p = (0.333_333_34 + 0.199_998_5 * z) + (0.142_963_54 + (0.108_506_37 + 0.116_244_33 * z) * z) * (z * z);
    let positive = if x < 0.0 { 0.0 } else { x };
    2.0 * (s + s * z * p) + positive
}

/// Hyperbolic tangent, within 2 ulp.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let z = a * a;
    let p = (-0.333_333_33 + 0.133_333_05 * z) + (-0.053_959_6 + 0.021_771_275 * z) * (z * z);
    let p = p + (-0.008_350_725 + 0.002_299_611_8 * z) * (z * z) * (z * z);
    let small = a + a * z * p;
    let large = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    let y = if a < 0.625 { small } else { large };
    f32::from_bits(y.to_bits() | (x.to_bits() & 0x8000_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units of the last place over a range, taken in steps that follow no pattern of bits.
    fn worst(got: fn(f32) -> f32, want: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let n = 400_000;
        (0..=n)
            .map(|i| from + (to - from) * (i as f32 / n as f32))
            .map(|x| {
                let want = want(f64::from(x));
                let rounded = (want.abs() as f32).max(f32::MIN_POSITIVE);
                (f64::from(got(x)) - want).abs() / f64::from(rounded.next_up() - rounded)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_right_to_the_last_bit_or_two() {
        let softplus64 = |x: f64| (-x.abs()).exp().ln_1p() + x.max(0.0);
        let sigmoid64 = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (from, to) in [(-1.0, 1.0), (-20.0, 20.0), (-87.0, 88.0), (1e-6, 1e-3)] {
            assert!(worst(exp, f64::exp, from, to) < 1.0, "exp {}", worst(exp, f64::exp, from, to));
            assert!(worst(sigmoid, sigmoid64, from, to) < 3.0, "sigmoid {}", worst(sigmoid, sigmoid64, from, to));
            assert!(worst(softplus, softplus64, from, to) < 3.0, "softplus {}", worst(softplus, softplus64, from, to));
            assert!(worst(tanh, f64::tanh, from, to) < 2.0, "tanh {}", worst(tanh, f64::tanh, from, to));
        }
        for (from, to) in [(1e-3, 2.0), (0.9, 1.1), (1.0, 1e6), (1e-38, 1e-30), (1e30, 3e38)] {
            assert!(worst(ln, f64::ln, from, to) < 1.0, "ln {}", worst(ln, f64::ln, from, to));
        }
    }

    #[test]
    fn ends_have_their_values() {
        let inf = f32::INFINITY;
        assert_eq!([exp(-inf), exp(0.0), exp(inf), exp(-200.0), exp(200.0)], [0.0, 1.0, inf, 0.0, inf]);
        assert_eq!([ln(0.0), ln(1.0), ln(inf)], [-inf, 0.0, inf]);
        assert_eq!([sigmoid(-inf), sigmoid(0.0), sigmoid(inf)], [0.0, 0.5, 1.0]);
        assert_eq!([softplus(-inf), softplus(inf), softplus(1000.0)], [0.0, inf, 1000.0]);
        assert_eq!([tanh(-inf), tanh(0.0), tanh(inf)], [-1.0, 0.0, 1.0]);
        assert!(tanh(-0.0).is_sign_negative());
        assert!(f64::from(ln(1e-40)) - 1e-40f32.ln() as f64 == 0.0 && (exp(-100.0) - (-100f32).exp()).abs() < 3e-45);
        for f in [exp, ln, sigmoid, softplus, tanh] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(ln(-1.0).is_nan());
    }
}
