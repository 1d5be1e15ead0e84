//! Length and scales of the trains of one sample.
//!
//! With the granularity g, the rate η, the largest magnitudes X of x and D of d, `D′ = um_grad_scale·D` and
//! `k = η·X·D′/g`, the most pulses that a crosspoint needs: `BL = min(⌈k⌉, desired_bl)` under `update_bl_management`,
//! else `desired_bl`; `A = B = √(η/(g·BL))`. With both `update_bl_management` and `fixed_bl` off and η/g above
//! `desired_bl`, `BL = ⌈η/g⌉` and `A = B = 1`. `update_management` multiplies A by `√(X/D′)` and B by `√(D′/X)`; where
//! k exceeds `desired_bl`, it lowers D′, so that large d saturate and x does not. A line's probability is `B·|x|` or
//! `A·|d|`. Source: aihwkit `rpu_pulsed_meta_parameter.cpp`; all in f32 and in its order, because ⌈k⌉ depends on the
//! last bit.

use super::UpdateParameters;
use super::parameters::MAX_BL;

/// Values that the trains of a sample share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    /// The length.
    pub bl: u32,
    /// Probability of a d line per unit of d.
    pub a: f32,
    /// Probability of an x line per unit of x.
    pub b: f32,
    /// The most pulses that a crosspoint needs; 0 without `update_management`.
    pub k: f32,
}

/// The trains for a rate and the largest magnitudes of a sample; `None` if there are no pulses. If one of the three is
/// infinite or NaN, the length is 0 and the scales are NaN.
pub fn lines(p: &UpdateParameters, rate: f32, granularity: f32, x_max: f32, d_max: f32) -> Option<Lines> {
    let longest = p.desired_bl as f32;
    let even = |bl: f32| (rate / (granularity * bl)).sqrt();
    let managed = p.update_management || p.update_bl_management;
    if ![rate, x_max, d_max].iter().all(|value| value.is_finite()) {
        return Some(Lines { bl: 0, a: f32::NAN, b: f32::NAN, k: 0.0 });
    }
    if rate <= 0.0 || (managed && (x_max == 0.0 || d_max == 0.0)) {
        return None;
    }
    let (mut bl, mut a) = (p.desired_bl, even(longest));
    if !p.fixed_bl && !p.update_bl_management && granularity * longest < rate {
        // A train that is long enough for the whole rate: each bit of a line with the value 1 is set.
        (bl, a) = (((rate / granularity).ceil() as u32).clamp(1, MAX_BL), 1.0);
    }
    if !managed {
        return Some(Lines { bl, a, b: a, k: 0.0 });
    }
    let mut d_max = p.um_grad_scale * d_max;
    let k = rate * x_max * d_max / granularity;
    if p.update_bl_management {
        bl = (k.ceil() as u32).min(p.desired_bl);
        if bl == 0 {
            return None;
        }
        a = even(bl as f32);
    }
    if k > longest {
        d_max *= longest / k;
    }
    Some(Lines { bl, a: a * (x_max / d_max).sqrt(), b: a * (d_max / x_max).sqrt(), k })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn management_balances_and_saturates_d_alone() {
        let p = UpdateParameters::default();
        let few = lines(&p, 0.01, 0.001, 2.0, 0.5).unwrap();
        assert_eq!(few.bl, 10);
        assert!((few.a * 0.5 - 1.0).abs() < 1e-6 && (few.b * 2.0 - 1.0).abs() < 1e-6);
        let many = lines(&p, 0.1, 0.001, 2.0, 0.5).unwrap();
        assert_eq!(many.bl, 31);
        assert!((many.b * 2.0 - 1.0).abs() < 1e-6 && (many.a * 0.5 - 100.0 / 31.0).abs() < 1e-5);
        assert_eq!(lines(&p, 0.1, 0.001, 0.0, 0.5), None);
        assert_eq!(lines(&p, 0.0, 0.001, 1.0, 0.5), None);
    }

    #[test]
    fn a_length_that_is_not_fixed_grows_with_the_rate() {
        let p = UpdateParameters {
            fixed_bl: false,
            update_bl_management: false,
            update_management: false,
            ..Default::default()
        };
        assert_eq!(lines(&p, 0.1, 0.001, 1.0, 1.0), Some(Lines { bl: 100, a: 1.0, b: 1.0, k: 0.0 }));
        assert_eq!(lines(&p, 0.01, 0.001, 1.0, 1.0).unwrap().bl, 31);
    }
}
