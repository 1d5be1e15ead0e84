//! The same tiles under another configuration.

use std::sync::Arc;

use ohmgrad_autograd::Param;
use ohmgrad_tensor::Tensor;

use super::{InputRanges, TileArray, check_columns, refuse_analog_bias};
use crate::config::RpuConfig;
use crate::error::Error;
use crate::mvm::{Direction, Pattern};
use crate::tile::{Grid, Tile, running_mean};

impl TileArray {
    /// Puts the same tiles under another configuration: other converters, noise, management, backward, modifier,
    /// clipping, input ranges.
    ///
    /// | kept | |
    /// |---|---|
    /// | weight, mapping scales, learned output scales | always |
    /// | input ranges and how many calls they were found from, running means | always; a configuration that does not use them keeps them for a later one |
    /// | fixed variations, measured ones too | in each direction whose parameters draw the same variations; others are drawn from the tile's key |
    /// | programmed weights, drift coefficients, the time drifted to | always |
    /// | the statistics of drift compensation | measured again with the new reads, as at programming |
    ///
    /// So a chip is then the same as if it had been programmed under the other configuration with the same key, and
    /// going back restores every bit, except measured variations that were drawn anew.
    ///
    /// # Errors
    /// If the configuration is not valid, or cannot be that of these tiles; the error names the field. Cut, mapping and
    /// devices that train by pulses must stay the same, and on a chip also the noise model and the drift compensation.
    /// On an error the tiles stay as they were.
    ///
    /// # Panics
    /// If the array is being calibrated.
    pub fn set_config(&mut self, config: impl Into<RpuConfig>) -> Result<(), Error> {
        let rpu = config.into();
        assert!(self.calibrating.is_none(), "set_config: the array is being calibrated");
        self.check_config(&rpu)?;
        let config = &rpu.reads();
        if let (Some(pulsed), Some((_, parameters))) = (&mut self.pulsed, rpu.cell()) {
            (pulsed.config, pulsed.parameters) = (rpu.clone(), parameters);
        }
        let (before, tiles) = (Arc::clone(&self.hardware.config), self.tiles().len());
        let directions = [
            (Direction::Forward, before.forward, config.forward),
            (Direction::Backward, before.backward.read(), config.backward.read()),
        ];
        for (direction, old, new) in directions {
            if !Pattern::same_variations(&old, &new) {
                for tile in self.tiles_mut() {
                    let drawn = tile.draw(&new, direction);
                    *if direction == Direction::Forward { &mut tile.forward } else { &mut tile.backward } = drawn;
                }
            }
        }
        if self.input_ranges.is_none() {
            self.input_ranges = InputRanges::new(config, tiles);
        }
        let [rows, columns] = running_mean::shape(config, tiles);
        if rows > 0 && self.averages.value.is_empty() {
            self.averages = Param::new(Tensor::full(&[rows, columns], -1.0));
        }
        self.hardware.config = Arc::new(config.clone());
        self.measure_compensation()
    }

    /// Takes over the input ranges, the number of calls they were found from, and the running means that training and
    /// calibration have found for another array of the same cut.
    ///
    /// # Errors
    /// If there are such values and this array is cut otherwise.
    pub fn inherit(&mut self, other: &Self) -> Result<(), Error> {
        if !other.has_found_inputs() {
            return Ok(());
        }
        let places = |array: &Self| -> Vec<_> {
            let place = |tile: &Tile| (tile.outs.clone(), array.hardware.grid.weight_ins(&tile.ins));
            array.tiles().iter().map(place).collect()
        };
        if places(self) != places(other) {
            return Err(Error::NotKept {
                field: "input ranges and running means",
                of: "tiles that are cut otherwise",
                instead: "to_digital forgets them",
            });
        }
        if let Some(ranges) = &other.input_ranges {
            match &mut self.input_ranges {
                Some(own) => {
                    own.values.value = ranges.values.value.clone();
                    own.calls.value = ranges.calls.value.clone();
                }
                none => *none = Some(ranges.clone()),
            }
        }
        if !other.averages.value.is_empty() {
            self.averages.value = other.averages.value.clone();
        }
        Ok(())
    }

    /// Returns `true` if training or calibration has found properties of the inputs: input ranges, running means.
    pub fn has_found_inputs(&self) -> bool {
        let initial = self.config().pre_post.input_range.init_value;
        let found = |ranges: &InputRanges| {
            ranges.calls.value.iter().any(|&calls| calls > 0.0) || ranges.values.value.iter().any(|&r| r != initial)
        };
        self.input_ranges.as_ref().is_some_and(found)
            || self.averages.value.iter().any(|&mean| running_mean::is_found(mean))
    }

    /// Checks that [`set_config`](Self::set_config) can put these tiles under a configuration.
    ///
    /// # Errors
    /// As [`set_config`](Self::set_config).
    pub fn check_config(&self, rpu: &RpuConfig) -> Result<(), Error> {
        rpu.validate()?;
        let config = &rpu.reads();
        let devices = |config: &RpuConfig| config.cell().map(|(cell, _)| cell);
        let (old, new) = (&self.config().mapping, &config.mapping);
        let shape = self.weight.value.shape();
        check_columns(config, shape)?;
        let (grid, has_bias) = (&self.hardware.grid, self.has_analog_bias());
        let (cut, _) = Grid::cut(new, shape, grid.groups, has_bias);
        let on_chip = self.programmed().is_some();
        let kept = [
            ("device", devices(rpu) == devices(&self.rpu_config())),
            ("mapping.max_input_size", cut.columns() == grid.columns() || old.max_input_size == new.max_input_size),
            ("mapping.max_output_size", cut.columns() == grid.columns()),
            ("mapping.digital_bias", old.digital_bias == new.digital_bias),
            ("mapping.weight_scaling_omega", old.weight_scaling_omega == new.weight_scaling_omega),
            ("mapping.weight_scaling_columnwise", old.weight_scaling_columnwise == new.weight_scaling_columnwise),
            ("mapping.learn_out_scaling", old.learn_out_scaling == new.learn_out_scaling),
            ("mapping.out_scaling_columnwise", old.out_scaling_columnwise == new.out_scaling_columnwise),
            ("noise_model", !on_chip || self.config().noise_model == config.noise_model),
            ("drift_compensation", !on_chip || self.config().drift_compensation == config.drift_compensation),
        ];
        if let Some((field, _)) = kept.iter().find(|(_, is_kept)| !is_kept) {
            return Err(Error::NotKept {
                field,
                of: if on_chip { "a programmed chip" } else { "tiles that hold a weight" },
                instead: if field.starts_with("mapping") {
                    "to_analog maps the weight of a network anew"
                } else {
                    "program the network again for other devices"
                },
            });
        }
        match has_bias {
            true => refuse_analog_bias(config).map_err(|reason| Error::NotKept {
                field: "mapping.digital_bias",
                of: "tiles that hold a bias",
                instead: reason,
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InferenceRpuConfig, InputRangeParameter, IoParameters, MappingParameter, NoiseManagement};
    use ohmgrad_autograd::Tape;
    use ohmgrad_tensor::Key;

    fn config() -> InferenceRpuConfig {
        let mapping = MappingParameter {
            weight_scaling_omega: 0.6,
            max_input_size: 4,
            max_output_size: 3,
            learn_out_scaling: true,
            ..Default::default()
        };
        let mut config = InferenceRpuConfig { mapping, ..Default::default() };
        config.forward.noise_management = NoiseManagement::None;
        config.forward.out_noise_std = 0.2;
        config.pre_post.input_range = InputRangeParameter { enable: true, init_from_data: 1, ..Default::default() };
        config
    }

    fn trained() -> TileArray {
        let mut array =
            TileArray::new(Tensor::normal(&[5, 7], Key::new(1)), 1, None, config(), "fc", Key::new(2)).unwrap();
        let tape = Tape::train(Key::new(3));
        array.forward(tape.constant(Tensor::normal(&[4, 7], Key::new(4))), None);
        let state = tape.into_state();
        let ranges = array.input_ranges.as_mut().unwrap();
        for param in [&mut ranges.values, &mut ranges.calls] {
            param.value = state.get(param.id()).unwrap().clone();
        }
        array
    }

    /// Hardware that differs in every optional part.
    fn other() -> InferenceRpuConfig {
        let mut config = config();
        config.forward = IoParameters {
            inp_res: 1.0 / 62.0,
            noise_management: NoiseManagement::AverageAbsMax,
            out_noise_std: 0.5,
            ..Default::default()
        };
        config.pre_post.input_range.enable = false;
        config
    }

    #[test]
    fn another_hardware_and_back_is_the_identity() {
        let mut array = trained();
        let before = array.state();
        let x = Tensor::normal(&[4, 7], Key::new(5));
        let read = array.read(&x, None, Key::new(6));
        array.set_config(other()).unwrap();
        assert_ne!(array.read(&x, None, Key::new(6)), read);
        array.set_config(config()).unwrap();
        assert_eq!(array.read(&x, None, Key::new(6)), read);
        let mut after = array.state();
        assert_eq!(after.tensors.remove("averages").unwrap().to_vec(), [-1.0; 8]); // kept, not used
        assert_eq!(after, before);
    }

    #[test]
    fn a_reconfigured_chip_equals_one_programmed_under_that_configuration() {
        let chip = |config: &InferenceRpuConfig| {
            let mut array = trained();
            array.set_config(config).unwrap();
            array.program(None, Key::new(7));
            array.drift_to(1e5).unwrap();
            array
        };
        let mut array = chip(&config());
        array.set_config(other()).unwrap();
        assert_eq!(array.state(), chip(&other()).state());
        array.drift_to(1e6).unwrap();
        assert_eq!(array.programmed().unwrap().time(), Some(1e6));
    }

    #[test]
    fn settings_that_cannot_change_are_named() {
        let mut array = trained();
        let mut error = |change: &dyn Fn(&mut InferenceRpuConfig)| {
            let mut config = config();
            change(&mut config);
            array.set_config(&config).unwrap_err().to_string()
        };
        assert_eq!(
            error(&|config| config.mapping.weight_scaling_omega = 1.0),
            "mapping.weight_scaling_omega: cannot change on tiles that hold a weight; to_analog maps the weight of a \
             network anew"
        );
        assert!(error(&|config| config.mapping.max_output_size = 2).starts_with("mapping.max_output_size: cannot"));
        assert!(error(&|config| config.forward.out_noise = f32::NAN).starts_with("forward.out_noise = NaN"));
        array.program(None, Key::new(1));
        let model = crate::noise::ReRamWan2022::default().into();
        let config = InferenceRpuConfig { noise_model: model, ..config() };
        assert!(
            array
                .set_config(&config)
                .unwrap_err()
                .to_string()
                .starts_with("noise_model: cannot change on a programmed chip")
        );
    }
}
