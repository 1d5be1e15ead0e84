//! Rules between the parameters of a product, and the fields that a direction doesn't have.

use super::form::section::Rules;
use super::form::setting::{Setting, invalid, join};
use super::form::value::Value;
use super::io::{BackwardIoParameters, IoParameters};
use super::kinds::{BoundManagement, NoiseManagement};
use crate::Error;

impl Rules for IoParameters {
    fn rules(&self, at: &str) -> Result<(), Error> {
        // A perfect product disregards these fields; the reference doesn't check them then either.
        if self.is_ideal() {
            return Ok(());
        }
        if self.noise_management != NoiseManagement::None && self.inp_bound != 1.0 {
            let management = self.noise_management;
            return Err(invalid(
                &join(at, "inp_bound"),
                &self.inp_bound.get(),
                format!("1 while noise_management is {management} (it scales each row to the DAC's range)"),
            ));
        }
        if self.ir_drop > 0.0 && self.ir_drop_g_ratio <= 0.0 {
            let field = join(at, "ir_drop_g_ratio");
            return Err(invalid(&field, &self.ir_drop_g_ratio.get(), "above 0 while ir_drop is on"));
        }
        self.ir_drop_t.map_or(Ok(()), |timed| timed.rules_within(self, at))
    }

    fn absent(field: &str, _: &Value) -> Option<Result<(), &'static str>> {
        let backward = ["mask_saturated", "straight_through"].contains(&field);
        backward.then_some(Err("is about the gradient; it belongs to the backward parameters"))
    }
}

impl Rules for BackwardIoParameters {
    fn rules(&self, at: &str) -> Result<(), Error> {
        if self.straight_through && !self.is_ideal() {
            let allowed = "true while straight_through is on, which reads nothing backward";
            return Err(invalid(&join(at, "is_perfect"), &self.is_perfect.get(), allowed));
        }
        if self.straight_through && self.mask_saturated {
            let allowed = "false while straight_through is on, under which clipped outputs have no gradient anyway";
            return Err(invalid(&join(at, "mask_saturated"), &true.get(), allowed));
        }
        self.read().rules(at)
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        match field {
            "bound_management" if *value == BoundManagement::None.get() => Some(Ok(())),
            "bound_management" => Some(Err("bound management does not exist backwards; leave it out or say \"NONE\"")),
            "max_bm_factor" | "bm_test_negative_bound" => {
                Some(Err("bound management does not exist backwards; leave the field out"))
            }
            "ir_drop_t" => Some(Err("time-dependent IR drop exists forward only")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(io: IoParameters) -> String {
        io.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_input_bound_is_one_while_rows_are_scaled_to_it() {
        let io = IoParameters { inp_bound: 2.0, ..Default::default() };
        assert_eq!(
            message(io),
            "inp_bound = 2: must be 1 while noise_management is ABS_MAX (it scales each row to the DAC's range)"
        );
        IoParameters { noise_management: NoiseManagement::None, ..io }.validate().unwrap();
        IoParameters { is_perfect: true, ..io }.validate().unwrap();
    }

    #[test]
    fn straight_through_reads_nothing_backward() {
        let message = |backward: BackwardIoParameters| backward.validate().unwrap_err().to_string();
        let straight = BackwardIoParameters::straight_through();
        straight.validate().unwrap();
        assert!(message(BackwardIoParameters { is_perfect: false, ..straight }).starts_with("is_perfect = false"));
        assert!(
            message(BackwardIoParameters { mask_saturated: true, ..straight }).starts_with("mask_saturated = true")
        );
    }

    #[test]
    fn wires_conduct() {
        let io = IoParameters { ir_drop_g_ratio: 0.0, ..Default::default() };
        io.validate().unwrap();
        let io = IoParameters { ir_drop: 1.0, ..io };
        assert_eq!(message(io), "ir_drop_g_ratio = 0: must be above 0 while ir_drop is on");
    }

    #[test]
    fn fields_without_effect_in_the_reference_are_allowed() {
        let io = IoParameters {
            w_noise: 0.02,
            nm_thres: -1.0,
            inp_asymmetry: -0.1,
            max_bm_factor: 0,
            noise_management: NoiseManagement::AverageAbsMax,
            bound_management: BoundManagement::IterativeWorstCase,
            ..Default::default()
        };
        io.validate().unwrap();
    }

    #[test]
    fn nan_is_an_error_even_where_it_would_be_bypassed() {
        let io = IoParameters { is_perfect: true, nm_thres: f32::NAN, ..Default::default() };
        assert_eq!(message(io), "nm_thres = NaN: must be finite");
    }

    #[test]
    fn bound_management_does_not_exist_backwards() {
        for field in ["bound_management = \"ITERATIVE\"", "max_bm_factor = 4", "bm_test_negative_bound = true"] {
            let error = toml::from_str::<BackwardIoParameters>(field).unwrap_err();
            assert!(error.message().contains("does not exist backwards"), "{error}");
        }
        let error = toml::from_str::<IoParameters>("mask_saturated = true").unwrap_err();
        assert!(error.message().contains("belongs to the backward parameters"), "{error}");
    }
}
