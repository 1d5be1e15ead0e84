//! The weights of an array, prepared for the products of its reads.

use ohmgrad_tensor::{Right, Tensor, product};

use super::{Pattern, ir_drop, weight_noise};
use crate::config::{IoParameters, MvType};

/// Largest number of rows for which packing the weights does not pay.
const FEW: usize = 8;

/// Weights [out, in], prepared for the products of reads. They share storage with the given weights, and are valid
/// until those change.
#[derive(Debug)]
pub struct Prepared {
    w: Tensor,
    /// None for perfect reads.
    operands: Option<Operands>,
    /// Operands for negative inputs, where these have other weights.
    negative: Option<Operands>,
    is_packed: bool,
}

/// One set of weights as right operands of products.
#[derive(Debug)]
pub(super) struct Operands {
    pub w: Right<'static, f32>,
    /// Magnitudes, where a stage needs the total conductance.
    pub magnitude: Option<Right<'static, f32>>,
    /// The weights of the product that IR drop scales and subtracts.
    pub far: Option<Right<'static, f32>>,
}

impl Prepared {
    /// Prepares weights [out, in] for reads under these parameters and variations.
    ///
    /// # Panics
    /// If `w` is not a matrix, or the pattern is one of another size.
    pub fn new(w: &Tensor, io: &IoParameters, pattern: &Pattern) -> Self {
        Self::with(w, io, pattern, true)
    }

    /// As [`new`](Self::new), for a single read of `rows` rows: for few rows the weights are not packed, because it
    /// does not pay. The results are the same, bit for bit.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn for_once(w: &Tensor, io: &IoParameters, pattern: &Pattern, rows: usize) -> Self {
        Self::with(w, io, pattern, rows > FEW)
    }

    fn with(w: &Tensor, io: &IoParameters, pattern: &Pattern, is_packed: bool) -> Self {
        let right = if is_packed { product::prepared } else { product::prepared_for_once };
        assert!(w.rank() == 2, "analog product: weights {:?} are not a matrix", w.shape());
        if io.is_ideal() {
            return Self { w: w.clone(), operands: None, negative: None, is_packed };
        }
        pattern.check(w.shape()[0], w.shape()[1]);
        let asymmetric = io.mv_type != MvType::OnePass && !pattern.w_asymmetry.is_empty();
        let negative = asymmetric.then(|| Operands::new(&(w * &pattern.w_asymmetry), io, right));
        Self { w: w.clone(), operands: Some(Operands::new(w, io, right)), negative, is_packed }
    }

    /// The weights [out, in].
    pub fn weights(&self) -> &Tensor {
        &self.w
    }

    /// Returns `true` if the weights were packed, for any number of reads.
    pub fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// The operands for positive and for negative inputs.
    ///
    /// # Panics
    /// If the weights were prepared for perfect reads.
    pub(super) fn operands(&self) -> [&Operands; 2] {
        let operands = self.operands.as_ref().expect("weights that were prepared for a perfect read");
        [operands, self.negative.as_ref().unwrap_or(operands)]
    }
}

impl Operands {
    fn new(w: &Tensor, io: &IoParameters, right: fn(&Tensor) -> Right<'static, f32>) -> Self {
        let magnitude = (io.ir_drop > 0.0 || weight_noise::needs_magnitude(io)).then(|| right(&w.abs()));
        let far = (io.ir_drop > 0.0).then(|| right(&ir_drop::far(w)));
        Self { w: right(w), magnitude, far }
    }
}
