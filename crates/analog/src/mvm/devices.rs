//! What an array stores, prepared for the products of its reads.

use ohmgrad_tensor::{Right, Tensor, product};

use super::{ir_drop, weight_noise};
use crate::config::IoParameters;

/// Weights [out, in], and what stages need besides them.
pub(super) struct Devices {
    w: Tensor,
    /// Magnitudes, where a stage needs the total conductance.
    magnitude: Option<Tensor>,
    /// What IR drop takes from.
    far: Option<Tensor>,
}

/// The same as right operands of products.
pub(super) struct Rights<'a> {
    pub w: Right<'a, f32>,
    pub magnitude: Option<Right<'a, f32>>,
    pub far: Option<Right<'a, f32>>,
}

impl Devices {
    pub fn new(w: Tensor, io: &IoParameters) -> Self {
        let magnitude = (io.ir_drop > 0.0 || weight_noise::needs_magnitude(io)).then(|| w.abs());
        let far = (io.ir_drop > 0.0).then(|| ir_drop::far(&w));
        Self { w, magnitude, far }
    }

    pub fn prepared(&self) -> Rights<'_> {
        Rights {
            w: product::right_of(&self.w),
            magnitude: self.magnitude.as_ref().map(product::right_of),
            far: self.far.as_ref().map(product::right_of),
        }
    }
}
