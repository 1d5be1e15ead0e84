//! The weights of a tile array: exact ones, and estimates from its reads.

use ohmgrad_tensor::{Key, Tensor};

use super::TileArray;
use crate::config::WeightModifierParameter;
use crate::statistics::least_squares;
use crate::tile::{Effective, Hardware, modifier_key, stacked};

/// Rows that are read for each input.
const OVERSAMPLING: usize = 10;

impl TileArray {
    /// The weights of tiles that train by pulses.
    pub(crate) fn pulsed_weights(&self) -> Effective {
        Effective::Pulsed(self.cells().iter().map(|cell| cell.weights().clone()).collect())
    }

    /// The tile weights of all tiles after a modifier, as one matrix, for a logical matrix and the key of a tape.
    pub(crate) fn modified(&self, modifier: &WeightModifierParameter, matrix: &Tensor, key: Key) -> Tensor {
        self.hardware.grid.assemble(|i| {
            let tile = &self.tiles()[i];
            modifier.apply(&tile.stored(matrix), modifier_key(key, tile))
        })
    }

    /// The exact effective weight of evaluations, with learned output scales, and the bias if it is on the tile. A chip
    /// has the present weights of its devices, with mapping scales and drift compensation. Modifiers are left out. A
    /// digital layer with these has the outputs of perfect reads, for `out_scale` 1 and inputs inside of their range.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Tensor::normal(&[3, 10], Key::new(1));
    /// let mut tiles = TileArray::new(w.clone(), 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
    /// assert_eq!(tiles.effective_weights(None).0, w);
    /// tiles.program(None, Key::new(3));
    /// assert_ne!(tiles.effective_weights(None).0, w); // programming misses
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tiles hold a bias and none is given.
    pub fn effective_weights(&self, bias: Option<&Tensor>) -> (Tensor, Option<Tensor>) {
        let Hardware { grid, tiles, chip, .. } = &self.hardware;
        let learned = self.learned_columns();
        let logical = grid.matrix(&self.weight.value, bias);
        if self.pulsed.is_some() && learned.is_none() {
            let (weight, bias) = self.held_by_devices();
            return (weight.reshape(self.weight.value.shape()), bias);
        }
        if chip.is_none() && learned.is_none() {
            return (self.weight.value.clone(), bias.filter(|_| grid.has_bias).cloned());
        }
        let (weight, bias) = grid.weight_and_bias(grid.assemble(|i| {
            let tile = &tiles[i];
            let w = match chip {
                None => tile.rectangle(&logical),
                Some(chip) => {
                    let on = &chip.tiles[i];
                    let w = tile.logical(&on.present);
                    on.alpha_row(tile).map_or(w.clone(), |alpha| &w * &alpha.t())
                }
            };
            learned.as_ref().map_or(w.clone(), |learned| &w * &learned[i])
        }));
        (weight.reshape(self.weight.value.shape()), bias)
    }

    /// Estimates the logical weight, and an analog bias, from noisy reads: 10 · in rows of standard-normal inputs through
    /// the evaluation's forward, and least squares (aihwkit `read_weights`).
    ///
    /// The estimate contains all that acts on outputs: the noise of the converters averaged over the rows, the weights
    /// as programmed and drifted, learned scales and α. A perfect read gives the exact weight up to rounding.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Tensor::uniform(&[4, 20], Key::new(1));
    /// let tiles = TileArray::new(w.clone(), 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
    /// let (read, _) = tiles.read_back(None, Key::new(3));
    /// assert!((&read - &w).abs().max() < 0.1);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the tiles hold a bias and none is given.
    pub fn read_back(&self, bias: Option<&Tensor>, key: Key) -> (Tensor, Option<Tensor>) {
        let grid = &self.hardware.grid;
        let x = Tensor::normal(&[OVERSAMPLING * grid.ins, grid.groups * grid.ins], key.fold("inputs"));
        let y = self.read(&x, bias, key);
        let estimate = |group: usize| {
            let x = grid.with_bias_input(&x.slice(1, group * grid.ins..(group + 1) * grid.ins));
            least_squares(&x, &y.slice(1, grid.columns_of(group)[0].outs.clone()))
        };
        let (weight, bias) = grid.weight_and_bias(stacked((0..grid.groups).map(estimate)));
        (weight.reshape(self.weight.value.shape()), bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InferenceRpuConfig, IoParameters, MappingParameter};

    #[test]
    fn perfect_reads_give_the_weight() {
        let forward = IoParameters { is_perfect: true, ..Default::default() };
        for (shape, groups, digital_bias) in
            [(vec![5, 12], 1, true), (vec![1, 7], 1, false), (vec![6, 2, 3, 3], 2, true)]
        {
            let mapping =
                MappingParameter { weight_scaling_omega: 0.7, max_input_size: 10, digital_bias, ..Default::default() };
            let config = InferenceRpuConfig { forward, mapping, ..Default::default() };
            let (w, b) = (Tensor::normal(&shape, Key::new(1)), Tensor::normal(&shape[..1], Key::new(2)));
            let tiles = TileArray::new(w.clone(), groups, Some(&b), &config, "fc", Key::new(3)).unwrap();
            let (read, of_bias) = tiles.read_back(Some(&b), Key::new(4));
            assert!((&read - &w).abs().max() < 1e-5, "{read} {w}");
            assert_eq!(of_bias.is_some(), !digital_bias);
            assert!(of_bias.is_none_or(|read| (&read - &b).abs().max() < 1e-5));
        }
    }

    #[test]
    fn noise_is_averaged() {
        let forward = IoParameters { out_noise: 0.5, out_res: -1.0, inp_res: -1.0, ..Default::default() };
        let config = InferenceRpuConfig { forward, ..Default::default() };
        let w = Tensor::full(&[50, 40], 0.01);
        let tiles = TileArray::new(w.clone(), 1, None, &config, "fc", Key::new(3)).unwrap();
        let error = (&tiles.read_back(None, Key::new(4)).0 - &w).std(0);
        // Outputs have noise of 0.5 times the row's largest input, about 2.4 for 40 normal inputs. Least squares over
        // 400 rows with 40 unknowns leaves 1/√360 of it; the spread of 2000 entries is within 2 % of that.
        let expected = 0.5 * 2.4 / 360f32.sqrt();
        assert!((error / expected - 1.0).abs() < 0.1, "{error} {expected}");
    }
}
