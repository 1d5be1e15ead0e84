//! IR drop over the time of a read: the longer a pulse, the longer its current loads the wires that all devices of a
//! column share.
//!
//! An input is a pulse of length |v|. At the time t a pair of devices drives its column with 0.6 V through g⁺ and 0.2 V
//! through g⁻ where v > t, exchanged where v < −t, and with 0.4 V through both once the pulse is over. A column is cut
//! into segments, and the Thevenin equivalents of these (voltage and resistance) are joined through the wire between
//! them, towards the converter, which integrates the current (V − v_read)/r over the steps of time:
//!
//! ```text
//! segment:  G = Σ(g⁺ + g⁻) + 1e-12 µS      V(t) = (0.4·Σ(g⁺ + g⁻) + 0.2·Σ sign(v)·(g⁺ − g⁻)·[|v| > t]) / G
//! joining:  r₁ = r + wire,  r₂ = 1/G       r ← r₁·r₂/(r₁ + r₂),  V ← (V/r₁ + V_segment/r₂)·r
//! ```
//!
//! Pulses change voltages but not resistances. So the current is linear in the pulses that are on at a time, and the
//! charge is linear in their durations Σₜ wₜ·\[|v| > t\], with the weights w of the integration. The circuit is solved
//! once per tile, and a read is a product of these durations with an effective weight. The rounding of t and |v| to f32
//! decides whether a pulse of k steps is on at the k-th step; `OnTimes` repeats this rounding.
//!
//! Even outputs are read from one end of the columns, odd ones from the other. Source: aihwkit `analog_mvm_irdrop_t.py`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ohmgrad_tensor::{Key, Tensor, product};
use rayon::prelude::*;

use super::{Pattern, adc};
use crate::config::{IoParameters, IrDropT, PulseMode};
use crate::noise::Converter;

/// A tile whose reads are simulated over time.
#[derive(Debug)]
pub struct TimedArray {
    timed: IrDropT,
    converter: Arc<dyn Converter>,
    w: Tensor,
    /// The number of devices in a column.
    devices: usize,
    /// `true` if wires have resistance.
    wires: bool,
    /// The columns, where they are the same for all rows.
    columns: Option<Columns>,
}

impl TimedArray {
    /// A tile of weights [out, in] in columns of `devices` devices, at least `in`; unused ones hold weights of 0.
    ///
    /// # Panics
    /// If the converter has no pairs of devices, or segments do not divide the columns.
    pub fn new(timed: IrDropT, w: &Tensor, devices: usize, converter: Arc<dyn Converter>, evaluation: bool) -> Self {
        let segments = timed.ir_drop_segments as usize;
        assert!(devices.is_multiple_of(segments), "IR drop: {segments} segments in columns of {devices} devices");
        let wires = evaluation && timed.ir_drop > 0.0;
        let mut array = Self { timed, converter, w: w.contiguous(), devices, wires, columns: None };
        if wires && !timed.apply_xdep_pcm_read_noise {
            array.columns = Some(array.columns_of(w));
        }
        array
    }

    fn columns_of(&self, w: &Tensor) -> Columns {
        let [outs, ins] = [w.shape()[0], w.shape()[1]];
        let before = (self.devices - ins) / 2;
        let padding = |n: usize| Tensor::full(&[outs, n], 0.0);
        let column = Tensor::concat(&[padding(before), w.clone(), padding(self.devices - ins - before)], 1);
        Columns::new(&self.timed, Devices::new(self.converter.as_ref(), &column), before..before + ins)
    }

    /// One round, as `Rounds::pass`: the outputs of driven rows `v` [n, in] after the ADC, and `true` for each row that
    /// stayed inside the bounds in all reads.
    pub(super) fn pass(
        &self,
        io: &IoParameters,
        pattern: &Pattern,
        v: &Tensor,
        numbers: &[usize],
        key: Key,
    ) -> (Tensor, Vec<bool>) {
        let unit = (2.0 / io.inp_steps()) as f32;
        let pulses = pulses(self.timed, v, unit);
        let reads = self.timed.reads(io);
        let mut y = Tensor::full(&[v.shape()[0], self.w.shape()[0]], 0.0);
        let mut passed = vec![true; numbers.len()];
        for (i, (pulses, read)) in pulses.iter().zip(&reads).enumerate() {
            let key = key.fold("timed").fold(i);
            let on = OnTimes::new(read.times, read.end, self.timed.ir_drop_integration_sum);
            let normalised = (io.inp_bound as f64 * io.inp_steps() / 2.0) as f32;
            let mut part = match self.timed.apply_xdep_pcm_read_noise {
                false => self.multiply(pulses, &on, normalised, &self.w, self.columns.as_ref()),
                true => self.multiply_noisily(pulses, &on, normalised, unit, numbers, key),
            };
            let inside = adc::convert(io, pattern, &mut part, numbers, key);
            passed.iter_mut().zip(inside).for_each(|(passed, inside)| *passed &= inside);
            y.zip_mut(&part, |y, part| *y += read.weight * part);
        }
        (y, passed)
    }

    fn multiply(&self, v: &Tensor, on: &OnTimes, normalised: f32, w: &Tensor, columns: Option<&Columns>) -> Tensor {
        match columns {
            Some(columns) => columns.read(&self.timed, v, on, normalised),
            None => product::linear(v, w),
        }
    }

    /// As [`multiply`](Self::multiply), with different noise on the weights for each row.
    fn multiply_noisily(
        &self,
        v: &Tensor,
        on: &OnTimes,
        normalised: f32,
        unit: f32,
        numbers: &[usize],
        key: Key,
    ) -> Tensor {
        let key = key.fold("read noise");
        let rows: Vec<Tensor> = (0..numbers.len())
            .into_par_iter()
            .map(|i| {
                let v = v.slice(0, i..i + 1);
                let mean = v.abs().mean() / unit;
                let w = self.noisy_weights(mean, key.fold(numbers[i]));
                let columns = self.wires.then(|| self.columns_of(&w));
                self.multiply(&v, on, normalised, &w, columns.as_ref())
            })
            .collect();
        Tensor::concat(&rows, 0)
    }

    /// The weights for a row whose pulses have this mean length in steps: PCM read noise with σ = a(h)·g + b(h) on
    /// g = |g⁺ − g⁻|, h the logarithm of that length.
    fn noisy_weights(&self, mean: f32, key: Key) -> Tensor {
        if mean <= 0.0 {
            return self.w.clone();
        }
        let h = f64::from(mean).log10();
        let at = |coefficients: [f64; 5]| coefficients.into_iter().fold(0.0, |sum, c| sum * h + c) as f32;
        let slope = at([0.00021926, -0.00187352, 0.00655714, -0.0146159, 0.02578764]);
        let offset = at([0.00111906167, -0.00908576764, 0.0307015063, -0.0677079241, 0.117763144]);
        let Devices { pairs, scale } = Devices::new(self.converter.as_ref(), &self.w);
        let [(_, [plus, minus])] = &pairs[..] else {
            panic!("read noise: {} pairs of devices instead of 1", pairs.len())
        };
        let strength = self.timed.xdep_pcm_read_noise_scale;
        let noisy = plus.zip(minus, |plus, minus| (plus - minus).abs());
        let noisy = noisy.zip(&Tensor::normal(noisy.shape(), key), |g, xi| g + strength * (slope * g + offset) * xi);
        noisy.zip(&self.w, |g, w| if w == 0.0 { 0.0 } else { g * w.signum() / scale })
    }
}

/// The pulses of the inputs `v` that are read one after the other.
fn pulses(timed: IrDropT, v: &Tensor, unit: f32) -> Vec<Tensor> {
    // In steps of the DAC, in the reference's order: a code times the step, divided by the step again, is not always
    // whole.
    let shifted = |steps: &Tensor, by: f32| steps.map(|i| i.signum() * (i.abs() / by).floor());
    let rest = |steps: &Tensor, by: f32| steps.map(|i| (i % by) * unit);
    match timed.mv_type {
        PulseMode::OnePass => vec![v.clone()],
        PulseMode::SplitMode => {
            let (steps, by) = (v.map(|v| v / unit), 2f32.powi(timed.split_mode_bit_shift as i32));
            vec![rest(&steps, by), shifted(&steps, by).map(|i| i * unit)]
        }
        PulseMode::BitWise => {
            let mut steps = v.map(|v| v / unit);
            let bits = (2.0 / f64::from(unit) + 2.0).log2().round() as i32 - 1;
            let bit = |_| {
                let bit = rest(&steps, 2.0);
                steps = shifted(&steps, 2.0);
                bit
            };
            (0..bits).map(bit).collect()
        }
    }
}

/// Times and weights by which the duration of a pulse is counted, in steps of the integration.
struct OnTimes {
    /// The times of the steps.
    times: Vec<f32>,
    /// Total weight of the first k steps, for each k.
    weights: Vec<f32>,
}

impl OnTimes {
    fn new(steps: usize, end: f32, plain_sum: bool) -> Self {
        let mut sum = 0.0;
        let mut weights = vec![0.0];
        for i in 0..steps {
            sum += match () {
                // The trapezoidal rule, with the first sample twice.
                () if plain_sum || steps == 1 => 1.0,
                () if i == 0 => 1.5,
                () if i == steps - 1 => 0.5,
                () => 1.0,
            };
            weights.push(sum);
        }
        Self { times: times(steps, end), weights }
    }

    fn of(&self, v: f32) -> f32 {
        if v.is_nan() {
            return v;
        }
        self.weights[self.times.partition_point(|&t| t < v.abs())] * v.signum()
    }

    fn all(&self) -> f32 {
        self.weights[self.weights.len() - 1]
    }
}

/// Evenly spaced times from 0 to `end`, each computed from the nearer end, as PyTorch's `linspace` rounds with fused
/// multiply-add.
fn times(n: usize, end: f32) -> Vec<f32> {
    let step = end / (n.max(2) - 1) as f32;
    let time = |i: usize| match i < n / 2 {
        true => step * i as f32,
        false => (-step).mul_add((n - 1 - i) as f32, end),
    };
    if n == 1 { vec![0.0] } else { (0..n).map(time).collect() }
}

/// Pairs of devices that hold the weights of a tile.
struct Devices {
    /// Conductances g⁺ and g⁻ of each pair, [out, in] in µS, with the factor of the pair's current.
    pairs: Vec<(f32, [Tensor; 2])>,
    /// Conductance of a unit of weight, in µS.
    scale: f32,
}

impl Devices {
    fn new(converter: &dyn Converter, w: &Tensor) -> Self {
        let (conductances, scales) = converter.to_conductances(w);
        let (factors, scale) = (converter.pair_factors(), scales.ratio());
        let (Some(factors), Some(scale)) = (factors, scale) else { panic!("IR drop: {converter:?} has no pairs") };
        let pairs = conductances.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]);
        Self { pairs: factors.into_iter().zip(pairs).collect(), scale }
    }
}

/// The solved columns of a tile.
#[derive(Debug)]
struct Columns {
    pairs: Vec<Column>,
    scale: f32,
}

/// The columns of one pair of devices.
#[derive(Debug)]
struct Column {
    factor: f32,
    /// Charge of a step of each input at each output, [out, in] in µA·steps.
    charge: Tensor,
    /// Charge of a step without inputs, from the offset of the converter's voltage.
    rest: Vec<f32>,
}

impl Columns {
    /// The columns of pairs [out, devices]; `used` are the devices that inputs drive.
    fn new(timed: &IrDropT, Devices { pairs, scale }: Devices, used: std::ops::Range<usize>) -> Self {
        let column = |(factor, [plus, minus]): (f32, [Tensor; 2])| {
            let (plus, minus) = (plus.contiguous(), minus.contiguous());
            let [outs, devices] = [plus.shape()[0], plus.shape()[1]];
            let slices = [&plus, &minus].map(|g| g.as_slice().expect("made contiguous above"));
            let mut charge = vec![0.0; outs * used.len()];
            let mut rest = vec![0.0; outs];
            charge.par_chunks_mut(used.len().max(1)).zip(&mut rest).enumerate().for_each(|(out, (charge, rest))| {
                let [plus, minus] = slices.map(|g| &g[out * devices..(out + 1) * devices]);
                let solved = solve(timed, plus, minus, out % 2 == 1);
                *rest = solved.rest as f32;
                for (charge, i) in charge.iter_mut().zip(used.clone()) {
                    let voltage = 0.2 * f64::from(plus[i] - minus[i]);
                    *charge = (voltage * solved.shares[i / solved.per_segment]) as f32;
                }
            });
            Column { factor, charge: Tensor::from_vec(charge, &[outs, used.len()]), rest }
        };
        Self { pairs: pairs.into_iter().map(column).collect(), scale }
    }

    /// The outputs of rows `v` [n, in], before [`adc::convert`].
    fn read(&self, timed: &IrDropT, v: &Tensor, on: &OnTimes, normalised: f32) -> Tensor {
        let durations = v.map(|v| on.of(v));
        let outs = self.pairs[0].rest.len();
        let mut y = Tensor::full(&[v.shape()[0], outs], 0.0);
        for Column { factor, charge, rest } in &self.pairs {
            let rest = Tensor::from_vec(rest.clone(), &[1, outs]);
            let charge = product::linear(&durations, charge).zip(&rest, |charge, rest| charge + on.all() * rest);
            y.zip_mut(&charge, |y, charge| *y += factor * counted(timed, charge));
        }
        y.map_mut(|y| *y = *y / self.scale / 0.2 / normalised);
        y
    }
}

/// Charge as the integrating converter counts it.
fn counted(timed: &IrDropT, charge: f32) -> f32 {
    match timed.adc_quantization {
        true => (charge / 100.0 * timed.adc_frequency).trunc() * 100.0 / timed.adc_frequency,
        false => charge,
    }
}

/// A solved column: its current is `rest + Σ sign(v)·share·0.2·(g⁺ − g⁻)`, summed over the pulses that are on.
struct Solved {
    /// Current without inputs, in µA.
    rest: f64,
    /// Shares of the segments in the order of the devices, without a unit.
    shares: Vec<f64>,
    per_segment: usize,
}

/// Solves a column of devices; `reversed` if it is read from the other end.
fn solve(timed: &IrDropT, plus: &[f32], minus: &[f32], reversed: bool) -> Solved {
    let segments = timed.ir_drop_segments as usize;
    let per_segment = plus.len() / segments;
    let wire = 1e-6 * f64::from(timed.ir_drop) * f64::from(timed.ir_drop_rs) * per_segment as f64; // MΩ
    let sum = |g: &[f32]| g.iter().map(|&g| f64::from(g)).sum::<f64>();
    let total = |s: usize| {
        let devices = s * per_segment..(s + 1) * per_segment;
        sum(&plus[devices.clone()]) + sum(&minus[devices])
    };
    let order = |place: usize| if reversed { segments - 1 - place } else { place };
    let mut shares = vec![0.0; segments];
    // The share of the voltage before each joint that remains behind it.
    let mut left = vec![0.0; segments];
    let mut r = 0.0;
    for place in 0..segments {
        let r2 = 1.0 / (total(order(place)) + 1e-12);
        if place == 0 {
            (r, shares[order(0)]) = (r2, 1.0);
            continue;
        }
        let r1 = r + wire;
        r = r1 * r2 / (r1 + r2);
        left[place] = r / r1;
        shares[order(place)] = r / r2;
    }
    r += 0.5 * wire;
    let mut behind = 1.0;
    for place in (0..segments).rev() {
        shares[order(place)] *= behind;
        behind *= left[place];
    }
    let voltage: f64 = (0..segments).map(|s| shares[s] * 0.4 * total(s) / (total(s) + 1e-12)).sum();
    let rest = (voltage - f64::from(timed.ir_drop_v_read)) / r;
    let shares = (0..segments).map(|s| shares[s] / (total(s) + 1e-12) / r).collect();
    Solved { rest, shares, per_segment }
}
