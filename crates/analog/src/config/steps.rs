//! The absolute steps of the converters, in the reference's `float` arithmetic (`checkRes`,
//! `checkAndSetRes` in `rpu_pulsed_meta_parameter.cpp`).

use super::io::{BackwardIoParameters, IoParameters};
use super::kinds::MvType;

impl IoParameters {
    /// Returns `true` if the product is exact: `is_perfect` or [`MvType::Ideal`].
    pub fn is_ideal(&self) -> bool {
        self.is_perfect || self.mv_type == MvType::Ideal
    }

    /// The step of the DAC in units of its input, `inp_res · 2 · inp_bound` with a resolution above
    /// 1 inverted; `None` where it does not round.
    ///
    /// ```
    /// use ohmgrad_analog::config::{IoParameters, NoiseManagement};
    ///
    /// let fraction = IoParameters { inp_res: 0.125, ..Default::default() };
    /// let number_of_steps = IoParameters { inp_res: 8.0, ..Default::default() };
    /// assert_eq!(fraction.inp_step(), Some(0.25));
    /// assert_eq!(number_of_steps.inp_step(), Some(0.25));
    ///
    /// // Without a range there is nothing to divide into steps.
    /// let unbounded = IoParameters { inp_bound: -1.0, noise_management: NoiseManagement::None, ..fraction };
    /// assert_eq!(unbounded.inp_step(), None);
    /// ```
    pub fn inp_step(&self) -> Option<f32> {
        step(self.inp_res, self.inp_bound)
    }

    /// The number of steps in the DAC's whole range.
    pub(crate) fn inp_steps(&self) -> f64 {
        steps(self.inp_res)
    }

    /// The step of the ADC in units of the array's output, as [`inp_step`](Self::inp_step) with
    /// `out_res` and `out_bound`.
    pub fn out_step(&self) -> Option<f32> {
        step(self.out_res, self.out_bound)
    }
}

impl BackwardIoParameters {
    /// Returns `true` if the product is exact: `is_perfect` or [`MvType::Ideal`].
    pub fn is_ideal(&self) -> bool {
        self.is_perfect || self.mv_type == MvType::Ideal
    }
}

/// The number of steps that a resolution means: `1/res`, or `res` where it is above 1.
///
/// 1/126 is not an f32, and its inverse may be 125.99999: a value that near to a whole number is rounded to it.
pub(super) fn steps(res: f32) -> f64 {
    let res = f64::from(res);
    let steps = if res > 1.0 { res } else { 1.0 / res };
    let whole = steps.round();
    if (steps - whole).abs() <= 1e-6 * whole { whole } else { steps }
}

fn step(res: f32, bound: f32) -> Option<f32> {
    let fraction = match res {
        res if res > 1.0 => 1.0 / res,
        res => res.max(0.0),
    };
    // The reference multiplies before it replaces a bound ≤ 0 by infinity: the step is then not positive, and it does
    // not round.
    let step = fraction * (2.0 * bound);
    (step > 0.0).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_steps() {
        let io = IoParameters::default();
        assert_eq!(io.inp_step(), Some((1.0_f32 / 126.0) * 2.0));
        assert_eq!(io.out_step(), Some((1.0_f32 / 510.0) * 24.0));
    }

    #[test]
    fn off_without_resolution_or_without_range() {
        assert_eq!(step(0.0, 1.0), None);
        assert_eq!(step(-1.0, 12.0), None);
        assert_eq!(step(-1.0, -12.0), None);
        assert_eq!(step(0.01, 0.0), None);
        assert_eq!(step(254.0, -1.0), None);
    }

    #[test]
    fn one_is_a_fraction_and_not_a_number_of_steps() {
        assert_eq!(step(1.0, 3.0), Some(6.0));
    }
}
