//! The derivative of a read as ordinary automatic differentiation gives it, with roundings that pass gradients straight
//! through.
//!
//! A row is read as `y = o/f`, `o = C(W·p + noise)`, `p = D(f·x)` with f = 1/(σ·ρ), σ the scale of noise management and ρ
//! the last reduction of bound management. Where a converter cuts, it passes nothing; asymmetries are factors; noise is a
//! constant. σ is a function of the row: the largest input's gradient has a share through it. Source: aihwkit
//! `analog_mvm.py`, `UniformQuantize` in `tiles/utils.py`.

use ohmgrad_tensor::{Tensor, product};

use super::bound_management::{self, Pending};
use super::{Devices, Mvm, adc, array, dac, noise_management};
use crate::config::{IoParameters, NoiseManagement};

/// A read with all that its derivative needs.
pub struct Linearised {
    out_scale: f32,
    /// What the array saw, [n, in].
    driven: Tensor,
    /// What the DAC makes of a gradient, a factor for each input [n, in].
    dac: Tensor,
    /// The same of the ADC, [n, out].
    adc: Tensor,
    /// What the ADC gave, [n, out].
    codes: Tensor,
    /// The f of each row, [n, 1].
    factors: Tensor,
    /// By row, where its scale is a function of it: the reduction, and the input that decides with the sign of its share.
    scaled_by: Vec<Option<(f32, usize, f32)>>,
}

impl Mvm<'_> {
    /// The derivative of [`read`](Mvm::read) at rows `x` [n, in], with the very samples of that read.
    ///
    /// # Panics
    /// If the read has something that has no such derivative.
    pub fn linearise(&self, x: &Tensor, w: &Tensor) -> Linearised {
        let io = self.io;
        if let Some(field) = io.not_differentiable() {
            panic!("straight_through: forward.{field} has no straight-through gradient");
        }
        let (n, ins, outs) = (x.shape()[0], x.shape()[1], w.shape()[0]);
        let (ones_in, ones_out) = (Tensor::full(&[n, ins], 1.0), Tensor::full(&[n, outs], 1.0));
        let factors = Tensor::full(&[n, 1], 1.0);
        if io.is_ideal() {
            let codes = product::linear(x, w);
            let (driven, scaled_by) = (x.clone(), vec![None; n]);
            return Linearised {
                out_scale: io.out_scale,
                driven,
                dac: ones_in,
                adc: ones_out,
                codes,
                factors,
                scaled_by,
            };
        }
        let x = x.contiguous();
        let source = x.as_slice().expect("made contiguous above");
        let row_of = |row: usize| &source[row * ins..(row + 1) * ins];
        let devices = Devices::new(w.clone(), io);
        let mut found = Linearised {
            out_scale: io.out_scale,
            driven: Tensor::full(&[n, ins], 0.0),
            dac: ones_in,
            adc: ones_out,
            codes: Tensor::full(&[n, outs], 0.0),
            factors,
            scaled_by: vec![None; n],
        };
        let mut pending = vec![];
        for row in 0..n {
            let scale = noise_management::scale(io, row_of(row), &mut None);
            if !noise_management::is_silent(io, scale, self.direction) {
                pending.push(Pending { row, scale, reduction: 1.0 });
            } else if row_of(row).iter().any(|&x| x != 0.0) {
                // Not read: a constant. A row of zeros passes gradients as the reads near it do.
                found.dac.make_mut()[row * ins..(row + 1) * ins].fill(0.0);
                found.adc.make_mut()[row * outs..(row + 1) * outs].fill(0.0);
            }
        }
        for round in 0.. {
            if pending.is_empty() {
                break;
            }
            if round > 0 {
                bound_management::reduce(io, round, &mut pending, row_of);
            }
            let key = self.key.fold(self.direction as u64).fold(round);
            let factors: Vec<f32> = pending.iter().map(|p| p.factor(io)).collect();
            let numbers: Vec<usize> = pending.iter().map(|p| self.first_row + p.row).collect();
            let drive = |io: &IoParameters| {
                dac::drive(io, pending.len(), ins, |i| (row_of(pending[i].row), factors[i]), &numbers, key)
            };
            let (v, uncut_v) = (drive(io), drive(&without_input_range(io)));
            let array = array::multiply(io, self.pattern, &v, &devices.prepared(), &numbers, key.fold("single"));
            let convert = |io: &IoParameters| {
                let mut y = array.clone();
                let passed = adc::convert(io, self.pattern, &mut y, &numbers, key.fold("single"));
                (y, passed)
            };
            let ((codes, passed), (uncut, _)) = (convert(io), convert(&without_output_range(io)));
            for (i, p) in pending.iter().enumerate() {
                if !passed[i] && !bound_management::gives_up(io, p.reduction) {
                    continue;
                }
                put(&mut found.driven, p.row, v.slice(0, i..i + 1).iter().copied());
                put(&mut found.codes, p.row, codes.slice(0, i..i + 1).iter().copied());
                found.factors.make_mut()[p.row] = factors[i];
                let inputs = uncut_v.slice(0, i..i + 1);
                let dac = inputs.iter().zip(v.slice(0, i..i + 1).iter().copied().collect::<Vec<_>>()).map(|(&q, v)| {
                    let negative = v < 0.0 || (v == 0.0 && io.inp_asymmetry == 1.0 && q < 0.0);
                    passes(q, io.inp_bound) * if negative { 1.0 - io.inp_asymmetry } else { 1.0 }
                });
                put(&mut found.dac, p.row, dac);
                let outputs = uncut.slice(0, i..i + 1);
                let before = array.slice(0, i..i + 1);
                let adc = outputs
                    .iter()
                    .zip(before.iter())
                    .map(|(&o, &y)| passes(o, io.out_bound) * if y < 0.0 { 1.0 - io.out_asymmetry } else { 1.0 });
                put(&mut found.adc, p.row, adc);
                found.scaled_by[p.row] = decides(io, row_of(p.row)).map(|(at, sign)| (p.reduction, at, sign));
            }
            let mut rows = passed.into_iter();
            pending
                .retain(|p| !(rows.next().expect("one flag per row") || bound_management::gives_up(io, p.reduction)));
        }
        found
    }
}

impl Linearised {
    /// What the read gave, [n, out].
    pub fn output(&self) -> Tensor {
        self.codes.zip(&self.factors, |o, f| o * (self.out_scale / f))
    }

    /// The gradient at the array's outputs for that of the read's, [n, out].
    pub fn at_array(&self, d: &Tensor) -> Tensor {
        let factors = self.factors.map(|f| self.out_scale / f);
        &(d * &factors) * &self.adc
    }

    /// The inputs that the array saw, [n, in]: with `at_array(d)ᵀ` they make the gradient of the weights.
    pub fn driven(&self) -> &Tensor {
        &self.driven
    }

    /// The gradient of the inputs `x` [n, in] for that of the read's outputs, through weights [out, in].
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

fn put(matrix: &mut Tensor, row: usize, values: impl Iterator<Item = f32>) {
    let width = matrix.shape()[1];
    matrix.make_mut()[row * width..(row + 1) * width].iter_mut().zip(values).for_each(|(to, from)| *to = from);
}

/// Whether a converter of range ±bound passes the gradient of a rounded value: also on the ends of its range.
fn passes(rounded: f32, bound: f32) -> f32 {
    if bound > 0.0 && rounded.abs() > bound { 0.0 } else { 1.0 }
}

/// The input that a row's scale is, and the sign of the scale's derivative by it; none where the scale is a constant.
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

/// So much wider that nothing is cut; a power of two, so that steps stay what they are.
const WIDER: f32 = (1_u64 << 50) as f32;

/// The rounding of the DAC alone, without an end of its range.
fn without_input_range(io: &IoParameters) -> IoParameters {
    let (inp_bound, inp_res) = widened(io.inp_bound, io.inp_res);
    IoParameters { inp_bound, inp_res, inp_noise: 0.0, inp_asymmetry: 0.0, ..*io }
}

/// The ADC without an end of its range.
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
    fn it_is_the_read_bit_for_bit() {
        let (x, w) = (Tensor::normal(&[9, 6], Key::new(1)), Tensor::normal(&[4, 6], Key::new(2)));
        for io in forwards() {
            let pattern = Pattern::default();
            let read = mvm(&io, &pattern).read(&x, &w, &mut None);
            let found = mvm(&io, &pattern).linearise(&x, &w);
            assert!((&found.output() - &read).abs().max() <= 1e-6 * read.abs().max(), "{}", io.summary());
        }
    }

    /// Without roundings and noise the read is piecewise smooth, and its derivative is that of differences.
    #[test]
    fn without_rounding_it_is_the_derivative() {
        let (x, w) = (Tensor::normal(&[5, 6], Key::new(1)), Tensor::normal(&[4, 6], Key::new(2)));
        let d = Tensor::normal(&[5, 4], Key::new(3));
        for io in forwards() {
            let io = IoParameters { inp_res: -1.0, out_res: -1.0, inp_noise: 0.0, w_noise: 0.0, out_noise: 0.0, ..io };
            let pattern = Pattern::default();
            let loss = |x: &Tensor, w: &Tensor| (&mvm(&io, &pattern).read(x, w, &mut None) * &d).sum();
            let found = mvm(&io, &pattern).linearise(&x, &w);
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
    fn what_has_no_derivative_is_refused() {
        let io = IoParameters { ir_drop: 1.0, ..Default::default() };
        mvm(&io, &Pattern::default()).linearise(&Tensor::full(&[1, 2], 1.0), &Tensor::full(&[1, 2], 1.0));
    }
}
