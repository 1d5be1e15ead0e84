//! Tiles whose weights were programmed onto devices, and that drift.
//!
//! Programming gives each tile weights that miss their targets. Later reads use these weights, and after a drift the
//! weights of that time. A drift compensation compares the readouts of the identity matrix right after programming (the
//! *baseline*) and at each drift, and scales the outputs of evaluations by α, the ratio. Source: aihwkit
//! `simulator/tiles/inference.py`.

use std::sync::Arc;

use ohmgrad_tensor::{Array, Key, Tensor};

use super::TileArray;
use crate::config::{InferenceRpuConfig, NoiseModelConfig};
use crate::error::Error;
use crate::noise::Programmed;
use crate::tile::{Hardware, ProgrammedTile, ProgrammedTiles, Tile, mean_magnitude};

impl TileArray {
    /// Programs the present weight onto devices of the configuration's noise model: from now on reads use the
    /// programmed weights. A bias on the tile, which is programmed too, is given here.
    ///
    /// The logical weight stays the same. Programming again starts from it, with α 1 until the next drift; setting a
    /// weight takes the tiles off the chip. `key` is the key of the chip, from which each tile derives a different one.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let (w, key) = (Tensor::normal(&[3, 10], Key::new(1)), Key::new(2));
    /// let mut tiles = TileArray::new(w, 1, None, &InferenceRpuConfig::default(), "fc", key.fold("hardware"))?;
    /// tiles.program(None, key.fold("chip"));
    /// let decay = |tiles: &TileArray| tiles.programmed().unwrap().tiles()[0].present.abs().sum();
    /// let at_first = decay(&tiles);
    /// tiles.drift_to(86_400.0)?;
    /// assert!(decay(&tiles) < 0.8 * at_first);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tiles hold a bias and none is given, or the weight lives in devices that train by pulses.
    pub fn program(&mut self, bias: Option<&Tensor>, key: Key) {
        assert!(self.pulsed.is_none(), "program: the weight lives in devices already");
        let w = self.hardware.grid.matrix(&self.weight.value, bias);
        let program = |(i, tile): (usize, &Tile)| self.program_tile(i, &tile.stored(&w), key);
        let tiles = self.tiles().iter().enumerate().map(program).collect();
        self.hardware.chip = Some(Arc::new(ProgrammedTiles { key, t: None, tiles }));
    }

    /// As [`program`](Self::program), on devices of another model, which becomes the noise model of the configuration.
    ///
    /// # Errors
    /// If the model's parameters are not valid.
    ///
    /// # Panics
    /// As [`program`](Self::program).
    pub fn program_with(&mut self, model: NoiseModelConfig, bias: Option<&Tensor>, key: Key) -> Result<(), Error> {
        let config = InferenceRpuConfig { noise_model: model, ..self.config().clone() };
        config.validate()?;
        self.hardware.config = Arc::new(config);
        self.program(bias, key);
        Ok(())
    }

    fn program_tile(&self, number: usize, w: &Tensor, key: Key) -> ProgrammedTile {
        let programmed = match self.config().noise_model.model() {
            Some(model) => Programmed::new(model, w, key.fold(self.tiles()[number].site)),
            None => Programmed { weights: w.contiguous(), targets: vec![], coefficients: vec![] },
        };
        let (baseline, noise_floor) = self.measure_baseline(number, &programmed, w, key);
        ProgrammedTile { present: programmed.weights.clone(), programmed, baseline, alpha: None, noise_floor }
    }

    /// The statistic of the baseline, if there is a compensation, and the mean magnitude of a readout of weights of 0.
    fn measure_baseline(&self, number: usize, programmed: &Programmed, w: &Tensor, key: Key) -> (Option<Tensor>, f32) {
        let key = key.fold(self.tiles()[number].site);
        let baseline = self.config().drift_compensation.method().map(|method| match method.exact_reference() {
            true => method.statistic(&w.t()),
            false => method.statistic(&self.readout(number, &programmed.weights, key.fold("baseline"))),
        });
        let noise_floor = baseline.as_ref().map_or(0.0, |_| {
            mean_magnitude(&self.readout(number, &Tensor::full(w.shape(), 0.0), key.fold("noise floor")))
        });
        (baseline, noise_floor)
    }

    /// Measures the drift compensation of a chip anew with the present configuration's reads.
    pub(super) fn measure_compensation(&mut self) -> Result<(), Error> {
        let Some(chip) = self.hardware.chip.clone() else { return Ok(()) };
        let measure = |(number, on): (usize, &ProgrammedTile)| {
            // An exact reference is not measured and stays the same.
            let exact = self.config().drift_compensation.method().is_none_or(|method| method.exact_reference());
            let (baseline, noise_floor) = self.measure_baseline(number, &on.programmed, &on.present, chip.key);
            let baseline = if exact { on.baseline.clone() } else { baseline };
            ProgrammedTile { baseline, noise_floor, ..on.clone() }
        };
        let tiles = chip.tiles.iter().enumerate().map(measure).collect();
        self.hardware.chip = Some(Arc::new(ProgrammedTiles { key: chip.key, t: chip.t, tiles }));
        match chip.t {
            Some(t) => self.drift_to(t),
            None => Ok(()),
        }
    }

    /// The state of a chip, if the weight was programmed onto one.
    pub fn programmed(&self) -> Option<&ProgrammedTiles> {
        self.hardware.chip.as_deref()
    }

    /// Lets the chip drift to `t` seconds after programming: reads use the weights of that time from now on.
    ///
    /// Times may come in any order: each drift starts from the programmed weights. The noise of the devices' read, and
    /// that of the readout for compensation, are functions of the chip's key and of the time.
    ///
    /// # Errors
    /// If the time is not a number of at least 0, or the noise model has no data for it; the chip is then as it was.
    ///
    /// # Panics
    /// If the weight was not programmed.
    pub fn drift_to(&mut self, t: f32) -> Result<(), Error> {
        let drifted = self.drifted(t)?;
        self.hardware.chip = Some(drifted.expect("drift_to: the weight was not programmed"));
        Ok(())
    }

    /// The state that [`drift_to`](Self::drift_to) would set, if the weight was programmed. A network computes it for
    /// all its tiles, and sets it with [`set_programmed`](Self::set_programmed) if there was no error.
    ///
    /// # Errors
    /// As [`drift_to`](Self::drift_to).
    pub fn drifted(&self, t: f32) -> Result<Option<Arc<ProgrammedTiles>>, Error> {
        let Some(chip) = &self.hardware.chip else { return Ok(None) };
        check_time(t)?;
        let drift = |(number, on): (usize, &ProgrammedTile)| {
            let key = chip.key.fold(self.tiles()[number].site).fold("drifted").fold(t.to_bits());
            let present = match self.config().noise_model.model() {
                Some(model) => on.programmed.at(model, t, key)?.contiguous(),
                None => on.programmed.weights.clone(),
            };
            let compensation = self.config().drift_compensation.method().zip(on.baseline.as_ref());
            let alpha = compensation.map(|(method, baseline)| {
                method.alpha(baseline, &method.statistic(&self.readout(number, &present, key.fold("readout"))))
            });
            Ok(ProgrammedTile { present, alpha, ..on.clone() })
        };
        let tiles = chip.tiles.iter().enumerate().map(drift).collect::<Result<Vec<_>, Error>>()?;
        Ok(Some(Arc::new(ProgrammedTiles { key: chip.key, t: Some(t), tiles })))
    }

    /// Replaces the state of the chip by one of [`drifted`](Self::drifted).
    pub fn set_programmed(&mut self, state: Arc<ProgrammedTiles>) {
        assert!(state.tiles.len() == self.tiles().len(), "set_programmed: the state of other tiles");
        self.hardware.chip = Some(state);
    }

    /// The readout of a tile: a read of the identity matrix in evaluation, [ins, outs], without any scale.
    fn readout(&self, number: usize, w: &Tensor, key: Key) -> Tensor {
        let ins = w.shape()[1];
        let identity = Array::from_fn(&[ins, ins], |at| if at[0] == at[1] { 1.0 } else { 0.0 });
        self.hardware.read_weights(number, w, &identity, &self.averages.value, key)
    }

    /// The logical weight that the devices of a chip hold: with mapping scales, without α.
    ///
    /// # Panics
    /// If the weight was not programmed.
    pub(crate) fn programmed_weight(&self) -> Tensor {
        let Hardware { grid, tiles, chip, .. } = &self.hardware;
        let chip = chip.as_ref().expect("programmed_weight: the weight was not programmed");
        let (weight, _) = grid.weight_and_bias(grid.assemble(|i| tiles[i].logical(&chip.tiles[i].present)));
        weight.reshape(self.weight.value.shape())
    }
}

/// Checks that a time since programming is finite and at least 0.
pub(crate) fn check_time(t: f32) -> Result<(), Error> {
    let known = t.is_finite() && t >= 0.0;
    known.then_some(()).ok_or_else(|| Error::Time { model: "a chip", t, allowed: "a number of at least 0".into() })
}
