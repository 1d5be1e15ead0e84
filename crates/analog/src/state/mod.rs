//! The whole state of tiles as plain data, for checkpoints.
//!
//! A field that is added to [`TileArray`] or [`Tile`], and that can't be computed from the others, has to be added here
//! in both directions; checkpoints then have it too.

mod tensors;

use std::collections::BTreeMap;
use std::sync::Arc;

use ohmgrad_autograd::Param;
use ohmgrad_tensor::{Key, Tensor};
use serde::{Deserialize, Serialize};

use crate::array::{InputRanges, TileArray, check_columns, refuse_analog_bias};
use crate::cell::{Cell, Slot};
use crate::config::{InferenceRpuConfig, RpuConfig};
use crate::error::Error;
use crate::tile::{Grid, Hardware, Rectangle, Tile, grid, out_scaling, running_mean};
use tensors::{Tensors, never_nan, wrong};

/// The whole state of a [`TileArray`], except the identities of its parameters and a calibration under way.
///
/// A restored array computes the same as the original, noise included, bit for bit:
///
/// ```
/// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let w = Tensor::normal(&[3, 1000], Key::new(1));
/// let tiles = TileArray::new(w, 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
/// let state = tiles.state();
/// assert_eq!(state.layout.tiles.len(), 2);
/// assert_eq!(TileArray::from_state(state.clone())?.state(), state);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TileArrayState {
    /// The configuration, the cut, and the keys of the tiles.
    pub layout: TileLayout,
    /// The numbers: `weight`, `out_scaling`, `averages`, `input_range`, `input_range_calls`, of each tile by its number
    /// `0.scales`, `0.forward.v_offset`, `0.backward.w_asymmetry`, …, and on a chip `0.programmed`, `0.present`,
    /// `0.target.0`, …; those without elements are left out, except `weight`.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Layout of a weight on its tiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileLayout {
    /// The configuration, which with the weight's shape determines the cut.
    pub config: InferenceRpuConfig,
    /// Groups of channels; 1 except in grouped convolutions.
    pub groups: usize,
    /// `true` if the bias is a column of the (single) tile.
    pub analog_bias: bool,
    /// The tiles, ordered by group, by the inputs that they take, then by the outputs that they compute.
    pub tiles: Vec<TilePlace>,
    /// The chip that the weight was programmed onto, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed: Option<ProgrammedLayout>,
    /// The devices that hold the weight, if it trains by pulses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulsed: Option<PulsedLayout>,
}

/// State of devices that train by pulses, besides their arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulsedLayout {
    /// The whole configuration; that of the layout is its part for reads.
    pub config: RpuConfig,
    /// Numbers (the bits of a float) and counters of each tile by their names, as texts, because readers of JSON round
    /// large numbers.
    pub tiles: Vec<BTreeMap<String, String>>,
}

/// State of the chip that a weight was programmed onto.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgrammedLayout {
    /// The key that read noise is drawn from.
    #[serde(with = "text")]
    pub key: Key,
    /// The time drifted to, in seconds since programming, if it has drifted.
    pub t: Option<f32>,
    /// Devices of a unit cell; 0 without a noise model.
    pub devices: usize,
}

/// The keys of a tile's noise and fixed variations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TilePlace {
    /// The site, by which its noise differs from that of all others. In files a text: readers of JSON round large numbers.
    #[serde(with = "text")]
    pub site: u64,
    /// The key that fixed variations are drawn from.
    #[serde(with = "text")]
    pub key: Key,
}

impl TileArray {
    /// The whole state of the array, as plain data.
    pub fn state(&self) -> TileArrayState {
        let mut tensors = BTreeMap::new();
        let mut put = |name: String, value: Tensor| {
            if !value.is_empty() || name == "weight" {
                tensors.insert(name, value);
            }
        };
        self.params().for_each(|(name, param)| put(name.into(), param.value.clone()));
        put("averages".into(), self.averages.value.clone());
        if let Some(ranges) = &self.input_ranges {
            put("input_range".into(), ranges.values.value.clone());
            put("input_range_calls".into(), ranges.calls.value.clone());
        }
        for (i, tile) in self.tiles().iter().enumerate() {
            if let Some(scales) = &tile.scales {
                put(format!("{i}.scales"), scales.clone());
            }
            for (direction, pattern) in [("forward", &tile.forward), ("backward", &tile.backward)] {
                put(format!("{i}.{direction}.v_offset"), pattern.v_offset.clone().into());
                put(format!("{i}.{direction}.out_nonlinearity"), pattern.out_nonlinearity.clone().into());
                put(format!("{i}.{direction}.out_noise"), pattern.out_noise.clone().into());
                put(format!("{i}.{direction}.w_asymmetry"), pattern.w_asymmetry.clone());
            }
        }
        for (i, on) in self.hardware.chip.iter().flat_map(|chip| chip.tiles.iter().enumerate()) {
            put(format!("{i}.programmed"), on.programmed.weights.clone());
            put(format!("{i}.present"), on.present.clone());
            for (j, (target, coefficients)) in on.programmed.targets.iter().zip(&on.programmed.coefficients).enumerate()
            {
                put(format!("{i}.target.{j}"), target.clone());
                coefficients.iter().for_each(|nu| put(format!("{i}.coefficients.{j}"), nu.clone()));
            }
            on.baseline.iter().for_each(|baseline| put(format!("{i}.baseline"), baseline.clone()));
            on.alpha.iter().for_each(|alpha| put(format!("{i}.alpha"), alpha.clone()));
            put(format!("{i}.noise_floor"), Tensor::from([on.noise_floor]));
        }
        let programmed = self.hardware.chip.as_ref().map(|chip| ProgrammedLayout {
            key: chip.key,
            t: chip.t,
            devices: chip.tiles.first().map_or(0, |on| on.programmed.targets.len()),
        });
        let pulsed = self.pulsed.clone().map(|mut pulsed| {
            let tiles = pulsed.cells.iter_mut().enumerate().map(|(i, cell)| take_cell(i, cell, &mut put)).collect();
            PulsedLayout { config: pulsed.config, tiles }
        });
        let tiles = self.tiles().iter().map(|tile| TilePlace { site: tile.site, key: tile.key }).collect();
        let config = self.config().clone();
        TileArrayState {
            layout: TileLayout {
                config,
                groups: self.hardware.grid.groups,
                analog_bias: self.has_analog_bias(),
                tiles,
                programmed,
                pulsed,
            },
            tensors,
        }
    }

    /// Restores the array from its [`state`](Self::state); its parameters have new identities.
    ///
    /// # Errors
    /// If the configuration is not valid, a tensor is missing or unknown, or a shape or value is not allowed.
    pub fn from_state(state: TileArrayState) -> Result<Self, Error> {
        let TileArrayState { layout, tensors } = state;
        let TileLayout { config, groups, analog_bias, tiles: places, programmed, pulsed } = layout;
        config.validate()?;
        let mut tensors = Tensors(tensors);
        let weight = tensors.optional("weight").ok_or_else(|| wrong("weight", "nothing", "a matrix"))?;
        let shape = weight.shape();
        if shape.len() < 2 || groups == 0 || !shape[0].is_multiple_of(groups) {
            return Err(wrong(
                "weight",
                format!("shape {shape:?}"),
                format!("two axes or more, outputs in {groups} groups"),
            ));
        }
        check_columns(&config, shape)?;
        let [across, down] = grid::parts(&config.mapping, shape, groups);
        // Compared before anything of that size is built: a hostile file may have a side of any length and no elements.
        if across.checked_mul(down).and_then(|tiles| tiles.checked_mul(groups)) != Some(places.len()) {
            let expected = format!("{across} × {down} in {groups} groups for the weight and the mapping");
            return Err(wrong("tiles", places.len(), expected));
        }
        if analog_bias && !grid::may_hold_bias(&config.mapping, shape, groups) {
            return Err(wrong("analog_bias", true, "false: the mapping makes it digital"));
        }
        if let Some(reason) = Some(analog_bias).filter(|on| *on).and_then(|_| refuse_analog_bias(&config).err()) {
            return Err(wrong("analog_bias", true, format!("false: {reason}")));
        }
        // Ranges and means that the configuration does not use are kept for one that does.
        let kept = config.pre_post.input_range.enable || tensors.has("input_range");
        let input_ranges = match kept {
            true => Some(InputRanges {
                values: Param::new(tensors.shaped("input_range", &[places.len()])?),
                calls: Param::new(tensors.counts("input_range_calls", &[places.len()])?),
            }),
            false => None,
        };
        let out_scaling = match out_scaling::shape(&config.mapping, weight.shape(), groups) {
            Some(shape) => Some(Param::new(tensors.shaped("out_scaling", &shape)?)),
            None => None,
        };
        let averages = match running_mean::shape(&config, places.len()) {
            [0, two] if !tensors.has("averages") => Tensor::full(&[0, two], 0.0),
            [_, two] => tensors.shaped("averages", &[places.len(), two])?,
        };
        let mut tiles = Vec::with_capacity(places.len());
        let (grid, rectangles) = Grid::cut(&config.mapping, weight.shape(), groups, analog_bias);
        for (i, Rectangle { group, outs, ins }) in rectangles.into_iter().enumerate() {
            let forward = tensors.pattern(&format!("{i}.forward"), outs.len(), ins.len())?;
            let backward = tensors.pattern(&format!("{i}.backward"), ins.len(), outs.len())?;
            let entry = format!("{i}.scales");
            let scales = tensors.optional(&entry);
            if let Some(scales) = scales.as_ref().filter(|s| ![[1, 1], [outs.len(), 1]].iter().any(|a| s.shape() == a))
            {
                let expected = format!("shape [1, 1] or [{}, 1]", outs.len());
                return Err(wrong(entry, format!("shape {:?}", scales.shape()), expected));
            }
            let scales = scales.map(|scales| never_nan(&entry, scales)).transpose()?;
            let TilePlace { site, key } = places[i];
            tiles.push(Tile { group, outs, ins, scales, forward, backward, site, key });
        }
        let pulsed = pulsed.map(|layout| tensors.pulsed(layout, &grid, &tiles)).transpose()?;
        let chip = programmed.map(|layout| tensors.chip(layout, &config, &tiles)).transpose()?.map(Arc::new);
        tensors.finish()?;
        let averages = Param::new(averages);
        let hardware = Hardware { grid: Arc::new(grid), tiles: Arc::new(tiles), config: Arc::new(config), chip };
        let weight = Param::new(weight);
        Ok(Self { weight, out_scaling, averages, input_ranges, hardware, pulsed, calibrating: None })
    }
}

/// Takes a cell apart: arrays are put under the tile's number, numbers are returned.
fn take_cell(i: usize, cell: &mut Cell, put: &mut impl FnMut(String, Tensor)) -> BTreeMap<String, String> {
    let mut numbers = BTreeMap::new();
    cell.state(&mut |name, slot| match slot {
        Slot::Array(array) | Slot::NeverNan(array) => put(format!("{i}.{name}"), array.clone()),
        Slot::Number(number) => drop(numbers.insert(name.to_owned(), number.to_bits().to_string())),
        Slot::Count(count) => drop(numbers.insert(name.to_owned(), count.to_string())),
    });
    numbers
}

/// Values as texts in files.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
