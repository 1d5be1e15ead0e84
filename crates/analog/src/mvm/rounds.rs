//! The rounds of a batch of reads: every row is read once, and rows with outputs beyond the bound are read again until
//! bound management accepts all.
//!
//! A [`Probe`] observes the rounds: it ignores them, counts the effects of converters, or keeps the values that the
//! derivative of the read needs.

use std::mem::MaybeUninit;
use std::ops::Range;

use ohmgrad_tensor::{Key, Tensor, rows};

use super::bound_management::{self, Pending};
use super::prepared::Operands;
use super::{Mvm, adc, array, dac, noise_management};
use crate::config::MvType;

/// An observer of reads. Blocks of rows are read on several threads.
pub(super) trait Probe: Sync {
    /// Observes rounds. The fused ADC keeps no intermediate values, so it is not used then.
    const LOOKS: bool;
    /// Needs the array's outputs before the ADC, which only reads in one pass have.
    const WANTS_SUMS: bool;

    /// A row that is not read, and whose outputs are 0.
    fn silent(&self, row: usize);

    /// The signals of a round.
    fn look(&self, round: &Round<'_>);
}

/// The signals of one round.
pub(super) struct Round<'a> {
    /// The number of the round, from 0.
    pub number: u64,
    /// The rows that were read.
    pub rows: &'a [Pending],
    /// `true` for each row whose outputs are final.
    pub accepted: &'a [bool],
    /// The factors on the inputs of each row.
    pub factors: &'a [f32],
    /// The number of each row in its data set.
    pub numbers: &'a [usize],
    /// The key of the round.
    pub key: Key,
    /// The inputs of the array, [rows, in].
    pub driven: &'a Tensor,
    /// The array's outputs before the ADC, [rows, out], if they are wanted.
    pub sums: Option<&'a Tensor>,
    /// The ADC's outputs, [rows, out].
    pub codes: &'a Tensor,
}

/// Observes nothing.
pub(super) struct Unprobed;

impl Probe for Unprobed {
    const LOOKS: bool = false;
    const WANTS_SUMS: bool = false;

    fn silent(&self, _: usize) {}

    fn look(&self, _: &Round<'_>) {}
}

/// Parameters and operands that all blocks of a batch of rows share.
pub(super) struct Rounds<'a, P> {
    pub mvm: &'a Mvm<'a>,
    /// The inputs, [batch, in], each row without gaps.
    pub x: &'a Tensor,
    pub outs: usize,
    /// Operands for positive and for negative inputs, where these are read apart.
    pub devices: [&'a Operands; 2],
    /// The noise-management scales, where these depend on the rows before; others depend on their row alone.
    pub scales: Option<&'a [f32]>,
    /// `true` if one loop over the outputs computes the whole ADC.
    pub fused: bool,
    pub probe: &'a P,
}

impl<'a, P: Probe> Rounds<'a, P> {
    pub fn row(&self, row: usize) -> &'a [f32] {
        self.x.row_slice(row).expect("rows without gaps")
    }

    /// Reads a block of rows until each is accepted, and writes all of `out`.
    pub fn read<'o>(&self, rows: Range<usize>, out: &'o mut [MaybeUninit<f32>]) -> &'o mut [f32] {
        let (io, first) = (self.mvm.io, rows.start);
        let all = rows.len();
        let mut pending: Vec<Pending> = rows
            .map(|row| {
                let own = || noise_management::scale(io, self.row(row), &mut None);
                Pending { row, scale: self.scales.map_or_else(own, |scales| scales[row]), reduction: 1.0 }
            })
            .filter(|p| {
                let silent = noise_management::is_silent(io, p.scale, self.mvm.direction);
                if silent {
                    self.probe.silent(p.row);
                }
                !silent
            })
            .collect();
        let (out, mut round) = if pending.len() == all {
            (self.round(0, &mut pending, out), 1)
        } else {
            (&mut *out.write_copy_of_slice(&vec![0.0; all * self.outs]), 0)
        };
        while !pending.is_empty() {
            if round > 0 {
                bound_management::reduce(io, round, &mut pending, |row| self.row(row));
            }
            let places: Vec<usize> = pending.iter().map(|p| p.row - first).collect();
            let mut again = vec![MaybeUninit::uninit(); pending.len() * self.outs];
            let again = self.round(round, &mut pending, &mut again);
            for (row, y) in places.into_iter().zip(again.chunks_exact(self.outs)) {
                out[row * self.outs..(row + 1) * self.outs].copy_from_slice(y);
            }
            round += 1;
        }
        out
    }

    /// Reads the pending rows once into `out` [pending, outs], and keeps in `pending` those that have to be read again.
    fn round<'o>(&self, number: u64, pending: &mut Vec<Pending>, out: &'o mut [MaybeUninit<f32>]) -> &'o mut [f32] {
        let Mvm { io, pattern, direction, first_row, .. } = *self.mvm;
        let key = self.mvm.key.fold(direction as u64).fold(number);
        let factors: Vec<f32> = pending.iter().map(|p| p.factor(io)).collect();
        let numbers: Vec<usize> = pending.iter().map(|p| first_row + p.row).collect();
        let inputs = |i: usize| (self.row(pending[i].row), factors[i]);
        let driven = dac::drive(io, pending.len(), self.x.shape()[1], inputs, &numbers, key);
        let is_final = |p: &Pending, inside: bool| inside || bound_management::gives_up(io, p.reduction);
        let mut i = 0..pending.len();
        if self.fused {
            let key = key.fold("single");
            let out = array::write(io, pattern, &driven, self.devices[0], &numbers, key, out);
            pending.retain(|p| {
                let i = i.next().expect("retain sees each once");
                let y = &mut out[i * self.outs..(i + 1) * self.outs];
                !is_final(p, adc::convert_scale(io, y, io.out_scale / factors[i], numbers[i], key))
            });
            return out;
        }
        let (sums, codes, inside) = self.pass(&driven, &numbers, key);
        let accepted: Vec<bool> = pending.iter().zip(inside).map(|(p, inside)| is_final(p, inside)).collect();
        let out = out.write_copy_of_slice(codes.as_slice().expect("products and the ADC write rows"));
        for (y, factor) in out.chunks_exact_mut(self.outs.max(1)).zip(&factors) {
            rows::scale(y, io.out_scale / factor);
        }
        if P::LOOKS {
            let (rows, accepted, factors) = (&**pending, &*accepted, &*factors);
            let (numbers, driven, sums, codes) = (&*numbers, &driven, sums.as_ref(), &codes);
            self.probe.look(&Round { number, rows, accepted, factors, numbers, key, driven, sums, codes });
        }
        pending.retain(|_| !accepted[i.next().expect("retain sees each once")]);
        out
    }

    /// The array and the ADC, in one or two passes: the outputs before the ADC if they are wanted, those after it, and
    /// `true` for each row that stayed inside the bounds.
    fn pass(&self, driven: &Tensor, numbers: &[usize], key: Key) -> (Option<Tensor>, Tensor, Vec<bool>) {
        let Mvm { io, pattern, timed, .. } = *self.mvm;
        if let Some(timed) = timed {
            let (codes, inside) = timed.pass(io, pattern, driven, numbers, key);
            return (None, codes, inside);
        }
        let array = |v: &Tensor, devices, pass: &str| array::multiply(io, pattern, v, devices, numbers, key.fold(pass));
        let adc = |y: &mut Tensor, pass: &str| adc::convert(io, pattern, y, numbers, key.fold(pass));
        let [devices, negative] = self.devices;
        if io.mv_type == MvType::OnePass {
            let mut y = array(driven, devices, "single");
            let sums = P::WANTS_SUMS.then(|| y.clone());
            let inside = adc(&mut y, "single");
            return (sums, y, inside);
        }
        // Written so that NaN goes through both passes.
        let mut minus = array(&driven.map(|v| if v > 0.0 { 0.0 } else { v }), negative, "negative");
        let mut plus = array(&driven.map(|v| if v < 0.0 { 0.0 } else { v }), devices, "positive");
        if io.mv_type == MvType::PosNegSeparateDigitalSum {
            let mut inside = adc(&mut minus, "negative");
            inside.iter_mut().zip(adc(&mut plus, "positive")).for_each(|(a, b)| *a &= b);
            plus += minus;
            return (None, plus, inside);
        }
        plus += minus;
        let inside = adc(&mut plus, "single");
        (None, plus, inside)
    }
}
