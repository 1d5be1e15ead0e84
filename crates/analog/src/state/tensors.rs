//! The tensors of a state, checked one by one against the layout.

use std::collections::BTreeMap;

use ohmgrad_tensor::Tensor;

use super::{ProgrammedLayout, PulsedLayout};
use crate::array::{Pulsed, check_time};
use crate::cell::Slot;
use crate::config::InferenceRpuConfig;
use crate::error::Error;
use crate::mvm::Pattern;
use crate::noise::Programmed;
use crate::tile::{Grid, ProgrammedTile, ProgrammedTiles, Tile};

/// Tensors that are taken out one by one; at the end none may be left.
pub(super) struct Tensors(pub BTreeMap<String, Tensor>);

impl Tensors {
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn optional(&mut self, name: &str) -> Option<Tensor> {
        self.0.remove(name)
    }

    pub fn shaped(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let expected = || format!("shape {shape:?}");
        match self.optional(name) {
            Some(tensor) if tensor.shape() == shape => Ok(tensor),
            Some(tensor) => Err(wrong(name, format!("shape {:?}", tensor.shape()), expected())),
            None if shape.contains(&0) => Ok(Tensor::full(shape, 0.0)),
            None => Err(wrong(name, "nothing", expected())),
        }
    }

    /// As `shaped`, of numbers drawn once, never NaN.
    pub fn drawn(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        self.shaped(name, shape).and_then(|found| never_nan(name, found))
    }

    /// As `shaped`, of counts.
    pub fn counts(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let found = self.shaped(name, shape)?;
        if let Some(value) = found.iter().find(|v| !(v.fract() == 0.0 && **v >= 0.0)) {
            return Err(wrong(name, value, "whole numbers"));
        }
        Ok(found)
    }

    /// Variations of a tile; absent ones are empty.
    pub fn pattern(&mut self, prefix: &str, outs: usize, ins: usize) -> Result<Pattern, Error> {
        let mut find = |name: &str, shape: &[usize]| {
            let name = format!("{prefix}.{name}");
            if self.0.contains_key(&name) { self.drawn(&name, shape).map(Some) } else { Ok(None) }
        };
        let mut each = |name: &str| Ok(find(name, &[outs])?.map_or(vec![], |v| v.to_vec()));
        let (v_offset, out_nonlinearity, out_noise) =
            (each("v_offset")?, each("out_nonlinearity")?, each("out_noise")?);
        let w_asymmetry = find("w_asymmetry", &[outs, ins])?.unwrap_or(Pattern::default().w_asymmetry);
        Ok(Pattern { v_offset, out_nonlinearity, out_noise, w_asymmetry })
    }

    pub fn chip(
        &mut self,
        layout: ProgrammedLayout,
        config: &InferenceRpuConfig,
        tiles: &[Tile],
    ) -> Result<ProgrammedTiles, Error> {
        let ProgrammedLayout { key, t, devices } = layout;
        let model = config.noise_model.model();
        let expected = model.map_or(0, |model| model.converter().to_conductances(&Tensor::full(&[1, 1], 0.0)).0.len());
        if devices != expected {
            return Err(wrong("programmed.devices", devices, expected));
        }
        t.map_or(Ok(()), check_time)?;
        let tile = |(i, tile): (usize, &Tile)| {
            let shape = [tile.outs.len(), tile.ins.len()];
            let mut find = |name: &str, may_lack: bool, shapes: &[&[usize]]| {
                let name = format!("{i}.{name}");
                match self.optional(&name) {
                    Some(tensor) if shapes.contains(&tensor.shape()) => Ok(Some(tensor)),
                    None if may_lack => Ok(None),
                    Some(tensor) => {
                        Err(wrong(name, format!("shape {:?}", tensor.shape()), format!("shape {shapes:?}")))
                    }
                    None => Err(wrong(name, "nothing", format!("shape {shapes:?}"))),
                }
            };
            let mut there = |name: &str| Ok(find(name, false, &[&shape])?.expect("not lacking"));
            let (weights, present) = (there("programmed")?, there("present")?);
            let targets: Vec<Tensor> = (0..devices).map(|j| there(&format!("target.{j}"))).collect::<Result<_, _>>()?;
            let of_device = |j| find(&format!("coefficients.{j}"), true, &[&shape]);
            let coefficients = (0..devices).map(of_device).collect::<Result<_, _>>()?;
            let (one, each) = ([1], [shape[0]]);
            let compensated = config.drift_compensation.method().is_some();
            let baseline = if compensated { find("baseline", false, &[&one, &each])? } else { None };
            let alpha = if compensated { find("alpha", t.is_none(), &[&one, &each])? } else { None };
            let noise_floor = find("noise_floor", false, &[&one])?.expect("not lacking").item();
            let programmed = Programmed { weights, targets, coefficients };
            Ok(ProgrammedTile { programmed, present, baseline, alpha, noise_floor })
        };
        let tiles = tiles.iter().enumerate().map(tile).collect::<Result<_, Error>>()?;
        Ok(ProgrammedTiles { key, t, tiles })
    }

    pub fn pulsed(&mut self, layout: PulsedLayout, grid: &Grid, tiles: &[Tile]) -> Result<Box<Pulsed>, Error> {
        let expected = "a configuration that trains on the chip";
        let pulsed = Pulsed::new(&layout.config, grid, tiles)?;
        let mut pulsed = pulsed.ok_or_else(|| wrong("pulsed.config", "one of inference", expected))?;
        if layout.tiles.len() != tiles.len() {
            return Err(wrong("pulsed.tiles", layout.tiles.len(), tiles.len()));
        }
        for (i, (cell, mut numbers)) in pulsed.cells.iter_mut().zip(layout.tiles).enumerate() {
            let mut failed = None;
            cell.state(&mut |name, slot| {
                let result = match slot {
                    Slot::Array(array) => {
                        let shape = array.shape().to_vec();
                        self.shaped(&format!("{i}.{name}"), &shape).map(|found| *array = found)
                    }
                    Slot::NeverNan(array) => {
                        let shape = array.shape().to_vec();
                        self.drawn(&format!("{i}.{name}"), &shape).map(|found| *array = found)
                    }
                    Slot::Number(number) => parsed(&mut numbers, i, name).map(|bits| *number = f32::from_bits(bits)),
                    Slot::Count(count) => parsed(&mut numbers, i, name).map(|found| *count = found),
                };
                failed = failed.take().or(result.err());
            });
            if let Some(error) = failed {
                return Err(error);
            }
            if let Some((name, found)) = numbers.into_iter().next() {
                return Err(wrong(format!("pulsed.tiles.{i}.{name}"), found, "nothing of that name"));
            }
        }
        Ok(Box::new(pulsed))
    }

    pub fn finish(self) -> Result<(), Error> {
        match self.0.into_iter().next() {
            Some((name, tensor)) => Err(wrong(name, format!("shape {:?}", tensor.shape()), "nothing of that name")),
            None => Ok(()),
        }
    }
}

fn parsed<T: std::str::FromStr>(numbers: &mut BTreeMap<String, String>, i: usize, name: &str) -> Result<T, Error> {
    let entry = || format!("pulsed.tiles.{i}.{name}");
    let text = numbers.remove(name).ok_or_else(|| wrong(entry(), "nothing", "a number"))?;
    text.parse().map_err(|_| wrong(entry(), &text, "a whole number"))
}

/// Refuses a tensor with NaN. Training makes none here, and comparisons of these numbers would hide one.
pub(super) fn never_nan(name: &str, tensor: Tensor) -> Result<Tensor, Error> {
    let has_nan = tensor.iter().any(|v| v.is_nan());
    if has_nan { Err(wrong(name, "NaN", "numbers")) } else { Ok(tensor) }
}

pub(super) fn wrong(entry: impl ToString, found: impl ToString, expected: impl ToString) -> Error {
    Error::State { entry: entry.to_string(), found: found.to_string(), expected: expected.to_string() }
}
