//! Bound management: a row with an output beyond the ADC's bound is read again with smaller inputs.
//!
//! Iterative: inputs are halved from round to round. Worst case: the second round takes the scale of ABS_MAX_NP_SUM.
//! Source: aihwkit `forwardVector`; Gokmen et al. 2017.

use super::noise_management;
use crate::config::{BoundManagement, IoParameters, NoiseManagement};

/// A row that is not accepted yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The place of the row in the batch.
    pub row: usize,
    /// The noise-management scale of the row.
    pub scale: f32,
    /// The reduction of its inputs by bound management: 1, 2, 4, …
    pub reduction: f32,
}

impl Pending {
    /// The factor on the inputs before the DAC.
    pub fn factor(&self, io: &IoParameters) -> f32 {
        // The order of the two divisions decides codes: the largest input can lie exactly on a tie.
        let managed = io.noise_management != NoiseManagement::None && self.scale > 0.0;
        let factor = if managed { 1.0 / self.scale } else { 1.0 };
        if self.scale.is_nan() { f32::NAN } else { factor / self.reduction }
    }
}

/// Reduces the inputs of the pending rows for the given round (from 1).
pub(super) fn reduce<'a>(io: &IoParameters, round: u64, pending: &mut [Pending], row_of: impl Fn(usize) -> &'a [f32]) {
    let worst_case = io.bound_management == BoundManagement::IterativeWorstCase
        && io.noise_management != NoiseManagement::AbsMaxNpSum;
    for p in pending {
        if round == 1 && worst_case {
            p.scale = noise_management::np_sum(io, row_of(p.row));
        } else {
            p.reduction *= 2.0;
        }
    }
}

/// Returns `true` if a row is accepted as it is, because there is no bound management or a further reduction is not
/// allowed.
pub(super) fn gives_up(io: &IoParameters, reduction: f32) -> bool {
    io.bound_management == BoundManagement::None
        || reduction as u64 > u64::from(io.max_bm_factor)
        || io.inp_step().is_some_and(|step| reduction > io.max_bm_res / step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_case_comes_second_and_then_halves() {
        let io = IoParameters {
            bound_management: BoundManagement::IterativeWorstCase,
            out_bound: 1.0,
            ..Default::default()
        };
        let row = [1.0, 1.0];
        let mut pending = [Pending { row: 0, scale: 1.0, reduction: 1.0 }];
        reduce(&io, 1, &mut pending, |_| &row);
        assert_eq!((pending[0].scale, pending[0].reduction), (1.2, 1.0));
        reduce(&io, 2, &mut pending, |_| &row);
        assert_eq!((pending[0].scale, pending[0].reduction), (1.2, 2.0));
    }

    #[test]
    fn limits_end_it() {
        let io = IoParameters { max_bm_factor: 4, inp_res: -1.0, ..Default::default() };
        assert!(!gives_up(&io, 4.0) && gives_up(&io, 8.0));
        let io = IoParameters { inp_res: 0.05, max_bm_res: 0.25, ..Default::default() };
        assert!(!gives_up(&io, 2.0) && gives_up(&io, 4.0));
        let io = IoParameters { bound_management: BoundManagement::None, ..Default::default() };
        assert!(gives_up(&io, 1.0));
    }
}
