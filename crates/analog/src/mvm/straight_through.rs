//! The derivative of a read as ordinary automatic differentiation gives it, with roundings that pass gradients straight
//! through.
//!
//! A row is read as `y = out_scale·o/f`, `o = C(W·p + noise)`, `p = D(f·x)` with C the ADC, D the DAC, f = 1/(σ·ρ), σ
//! the scale of noise management and ρ the last reduction of bound management. The gradient is 0 where a converter
//! cuts; asymmetries are factors; noise is a constant. Where σ is a function of the row, the gradient of the largest
//! input has a further term through σ. Source: aihwkit `analog_mvm.py`, `UniformQuantize` in `tiles/utils.py`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ohmgrad_tensor::{Tensor, product};

use super::rounds::{Probe, Round};
use super::{Mvm, Prepared, adc, dac};
use crate::config::{IoParameters, NoiseManagement};

/// A read with all that its derivative needs.
#[derive(Debug)]
pub struct Linearised {
    out_scale: f32,
    /// The outputs of the read, [n, out].
    output: Tensor,
    /// The inputs of the array, [n, in].
    driven: Tensor,
    /// The derivative of the DAC, a factor for each input [n, in].
    dac: Tensor,
    /// The same of the ADC, [n, out].
    adc: Tensor,
    /// The outputs of the ADC, [n, out].
    codes: Tensor,
    /// The f of each row, [n, 1].
    factors: Tensor,
    /// For each row whose scale is a function of it: the reduction, the input that determines the scale, and the sign
    /// of the scale's derivative.
    scaled_by: Vec<Option<(f32, usize, f32)>>,
}

impl Mvm<'_> {
    /// The derivative of [`read`](Mvm::read) at rows `x` [n, in], with the samples of that read.
    ///
    /// # Panics
    /// If the read has a stage without such a derivative.
    pub fn linearise(&self, x: &Tensor, prepared: &Prepared) -> Linearised {
        let (io, w) = (self.io, prepared.weights());
        if let Some(field) = io.not_differentiable() {
            panic!("straight_through: forward.{field} has no straight-through gradient");
        }
        let (n, ins, outs) = (x.shape()[0], x.shape()[1], w.shape()[0]);
        let ideal = io.is_ideal();
        let all = |width: usize, value: f32| Tensor::full(&[n, width], value);
        let found = Linearised {
            out_scale: io.out_scale,
            output: all(0, 0.0),
            driven: if ideal { x.clone() } else { all(ins, 0.0) },
            dac: all(ins, 1.0),
            adc: all(outs, 1.0),
            codes: if ideal { product::linear(x, w) } else { all(outs, 0.0) },
            factors: all(1, 1.0),
            scaled_by: vec![None; n],
        };
        let x = x.contiguous();
        let probe = DerivativeProbe { mvm: self, x: &x, found: Mutex::new(found) };
        let output = self.read_probed(&x, prepared, None, &probe);
        Linearised { output, ..probe.found.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// Keeps the values of the last rounds that the derivative of a read needs.
struct DerivativeProbe<'a> {
    mvm: &'a Mvm<'a>,
    /// The rows of the read, contiguous.
    x: &'a Tensor,
    found: Mutex<Linearised>,
}

impl DerivativeProbe<'_> {
    fn row(&self, row: usize) -> &[f32] {
        row_of(self.x, row)
    }

    fn found(&self) -> MutexGuard<'_, Linearised> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for DerivativeProbe<'_> {
    const LOOKS: bool = true;
    const WANTS_SUMS: bool = true;

    /// A row that is not read has constant outputs and passes no gradients; a row of zeros passes them, as reads near
    /// it do.
    fn silent(&self, row: usize) {
        if self.row(row).iter().any(|&x| x != 0.0) {
            let mut found = self.found();
            row_mut(&mut found.dac, row).fill(0.0);
            row_mut(&mut found.adc, row).fill(0.0);
        }
    }

    fn look(&self, round: &Round<'_>) {
        let Mvm { io, pattern, .. } = *self.mvm;
        let &Round { rows, accepted, factors, numbers, key, driven, codes, .. } = round;
        let sums = round.sums.expect("differentiable reads are in one pass");
        let inputs = |i: usize| (self.row(rows[i].row), factors[i]);
        let uncut_inputs = dac::drive(&without_input_range(io), rows.len(), driven.shape()[1], inputs, numbers, key);
        let mut uncut_codes = sums.clone();
        adc::convert(&without_output_range(io), pattern, &mut uncut_codes, numbers, key.fold("single"));
        let mut found = self.found();
        for (i, p) in rows.iter().enumerate().filter(|(i, _)| accepted[*i]) {
            row_mut(&mut found.driven, p.row).copy_from_slice(row_of(driven, i));
            row_mut(&mut found.codes, p.row).copy_from_slice(row_of(codes, i));
            row_mut(&mut found.factors, p.row)[0] = factors[i];
            let inputs = row_of(&uncut_inputs, i).iter().zip(row_of(driven, i));
            for (dac, (&q, &v)) in row_mut(&mut found.dac, p.row).iter_mut().zip(inputs) {
                let negative = v < 0.0 || (v == 0.0 && io.inp_asymmetry == 1.0 && q < 0.0);
                *dac = passes(q, io.inp_bound) * if negative { 1.0 - io.inp_asymmetry } else { 1.0 };
            }
            let outputs = row_of(&uncut_codes, i).iter().zip(row_of(sums, i));
            for (adc, (&o, &y)) in row_mut(&mut found.adc, p.row).iter_mut().zip(outputs) {
                *adc = passes(o, io.out_bound) * if y < 0.0 { 1.0 - io.out_asymmetry } else { 1.0 };
            }
            found.scaled_by[p.row] = decides(io, self.row(p.row)).map(|(at, sign)| (p.reduction, at, sign));
        }
    }
}

fn row_of(matrix: &Tensor, row: usize) -> &[f32] {
    matrix.row_slice(row).expect("rows without gaps")
}

fn row_mut(matrix: &mut Tensor, row: usize) -> &mut [f32] {
    let width = matrix.shape()[1];
    &mut matrix.make_mut()[row * width..][..width]
}

impl Linearised {
    /// The outputs of the read, [n, out].
    pub fn output(&self) -> &Tensor {
        &self.output
    }

    /// The gradient of the array's outputs for the gradient `d` of the read's outputs, [n, out].
    pub fn at_array(&self, d: &Tensor) -> Tensor {
        let factors = self.factors.map(|f| self.out_scale / f);
        &(d * &factors) * &self.adc
    }

    /// The inputs of the array, [n, in]: with `at_array(d)ᵀ` they make the gradient of the weights.
    pub fn driven(&self) -> &Tensor {
        &self.driven
    }

    /// The gradient of the inputs `x` [n, in] for the gradient `d` of the read's outputs, through weights [out, in].
    pub fn input_gradient(&self, d: &Tensor, x: &Tensor, w: &Tensor) -> Tensor {
        let at_dac = &product::linear_input_gradient(&self.at_array(d), w) * &self.dac;
        let mut gradient = (&at_dac * &self.factors).contiguous();
        let ins = gradient.shape()[1];
        for (row, scaled_by) in self.scaled_by.iter().enumerate() {
            let Some((reduction, at, sign)) = *scaled_by else { continue };
            let f = self.factors[[row, 0]];
            let of = |a: &Tensor, b: &Tensor| {
                let [a, b] = [a, b].map(|t| t.slice(0, row..row + 1));
                a.iter().zip(b.iter()).map(|(a, b)| a * b).sum::<f32>()
            };
            let of_factor = of(&at_dac, x) - of(d, &self.codes) * self.out_scale / (f * f);
            gradient.make_mut()[row * ins + at] -= of_factor * f * f * reduction * sign;
        }
        gradient
    }
}

/// Derivative of a converter of range ±bound at a rounded value: 1 inside of the range and on its ends, 0 beyond.
fn passes(rounded: f32, bound: f32) -> f32 {
    if bound > 0.0 && rounded.abs() > bound { 0.0 } else { 1.0 }
}

/// The input that determines a row's scale, and the sign of the scale's derivative by it; none where the scale is a
/// constant.
fn decides(io: &IoParameters, row: &[f32]) -> Option<(usize, f32)> {
    let value = |x: f32| match io.noise_management {
        NoiseManagement::AbsMax => Some(x.abs()),
        NoiseManagement::Max => Some(x),
        _ => None,
    };
    let mut best = (0, value(*row.first()?)?);
    for (i, &x) in row.iter().enumerate() {
        let value = value(x)?;
        if value > best.1 {
            best = (i, value);
        }
    }
    let capped = io.nm_thres > 0.0 && best.1 > io.nm_thres;
    let sign = if io.noise_management == NoiseManagement::AbsMax { row[best.0].signum() } else { 1.0 };
    (best.1 > 0.0 && !capped).then_some((best.0, sign))
}

/// Factor that makes a range so wide that nothing is cut; a power of two, so that the steps stay the same.
const WIDER: f32 = (1_u64 << 50) as f32;

/// Parameters with the rounding of the DAC alone, without its range.
fn without_input_range(io: &IoParameters) -> IoParameters {
    let (inp_bound, inp_res) = widened(io.inp_bound, io.inp_res);
    IoParameters { inp_bound, inp_res, inp_noise: 0.0, inp_asymmetry: 0.0, ..*io }
}

/// Parameters without the range of the ADC.
fn without_output_range(io: &IoParameters) -> IoParameters {
    let (out_bound, out_res) = widened(io.out_bound, io.out_res);
    IoParameters { out_bound, out_res, ..*io }
}

fn widened(bound: f32, res: f32) -> (f32, f32) {
    let res = if res > 1.0 { 1.0 / res } else { res };
    if bound > 0.0 { (bound * WIDER, res / WIDER) } else { (bound, res) }
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Pattern};
    use super::*;
    use crate::config::BoundManagement;
    use ohmgrad_tensor::Key;

    fn mvm<'a>(io: &'a IoParameters, pattern: &'a Pattern) -> Mvm<'a> {
        Mvm { io, pattern, direction: Direction::Forward, key: Key::new(7), first_row: 3, timed: None }
    }

    fn forwards() -> Vec<IoParameters> {
        let io = IoParameters { inp_noise: 0.01, w_noise: 0.02, out_bound: 3.0, ..Default::default() };
        let unscaled = IoParameters { noise_management: NoiseManagement::None, ..io };
        vec![
            io,
            IoParameters { inp_sto_round: true, out_sto_round: true, inp_asymmetry: 0.1, out_asymmetry: 0.2, ..io },
            IoParameters { noise_management: NoiseManagement::Max, out_scale: 0.7, ..io },
            IoParameters { bound_management: BoundManagement::None, nm_thres: 1.0, ..io },
            IoParameters { inp_bound: 0.5, inp_res: 0.3, out_res: 9.0, ..unscaled },
            IoParameters { inp_bound: -1.0, out_bound: -1.0, ..unscaled },
            IoParameters { is_perfect: true, out_scale: 0.7, ..io },
        ]
    }

    #[test]
    fn the_output_is_that_of_a_read_bit_for_bit() {
        let (x, w) = (Tensor::normal(&[9, 6], Key::new(1)), Tensor::normal(&[4, 6], Key::new(2)));
        for io in forwards() {
            let pattern = Pattern::default();
            let read = mvm(&io, &pattern).read(&x, &w);
            assert_eq!(
                *mvm(&io, &pattern).linearise(&x, &Prepared::new(&w, &io, &pattern)).output(),
                read,
                "{}",
                io.summary()
            );
        }
    }

    /// Without roundings and noise the read is piecewise smooth, and its derivative is near central differences.
    #[test]
    fn without_rounding_it_is_the_derivative() {
        let (x, w) = (Tensor::normal(&[5, 6], Key::new(1)), Tensor::normal(&[4, 6], Key::new(2)));
        let d = Tensor::normal(&[5, 4], Key::new(3));
        for io in forwards() {
            let io = IoParameters { inp_res: -1.0, out_res: -1.0, inp_noise: 0.0, w_noise: 0.0, out_noise: 0.0, ..io };
            let pattern = Pattern::default();
            let loss = |x: &Tensor, w: &Tensor| (&mvm(&io, &pattern).read(x, w) * &d).sum();
            let found = mvm(&io, &pattern).linearise(&x, &Prepared::new(&w, &io, &pattern));
            let weight = product::linear_weight_gradient(&found.at_array(&d), found.driven());
            let input = found.input_gradient(&d, &x, &w);
            let h = 1e-2;
            let difference = |of: &dyn Fn(f32) -> f32| (of(h) - of(-h)) / (2.0 * h);
            let nudged = |t: &Tensor, i: usize, by: f32| {
                let mut t = t.clone();
                t.make_mut()[i] += by;
                t
            };
            let near = |a: f32, b: f32| (a - b).abs() < 0.02 * (1.0 + b.abs());
            let wrong =
                (0..x.len()).filter(|&i| !near(input.to_vec()[i], difference(&|h| loss(&nudged(&x, i, h), &w))));
            // A cut may lie within h of a value.
            assert!(wrong.count() <= 2, "{}", io.summary());
            let wrong =
                (0..w.len()).filter(|&i| !near(weight.to_vec()[i], difference(&|h| loss(&x, &nudged(&w, i, h)))));
            assert!(wrong.count() <= 2, "{}", io.summary());
        }
    }

    #[test]
    #[should_panic(expected = "straight_through: forward.ir_drop has no straight-through gradient")]
    fn stages_without_a_derivative_are_errors() {
        let io = IoParameters { ir_drop: 1.0, ..Default::default() };
        let ones = Tensor::full(&[1, 2], 1.0);
        mvm(&io, &Pattern::default()).linearise(&ones, &Prepared::new(&ones, &io, &Pattern::default()));
    }
}
