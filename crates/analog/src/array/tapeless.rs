//! Reads of a tile array without a tape: for linear algebra, measurements, and estimates of weights.

use ohmgrad_tensor::{Key, Tensor};

use super::TileArray;
use crate::tile::{Call, Contents, Effective, Reader, Transposed, modifier_key, side_by_side};

impl TileArray {
    /// Reads rows `x` [n, in] as an evaluation does, giving [n, out]: the result of a [`forward`](Self::forward) on an
    /// evaluation tape with this key. In grouped arrays rows have the inputs of all groups, side by side.
    ///
    /// ```
    /// use ohmgrad_analog::{InferenceRpuConfig, TileArray};
    /// use ohmgrad_autograd::Tape;
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Tensor::normal(&[3, 8], Key::new(1));
    /// let tiles = TileArray::new(w, 1, None, &InferenceRpuConfig::default(), "fc", Key::new(2))?;
    /// let (x, key) = (Tensor::normal(&[5, 8], Key::new(3)), Key::new(4));
    /// let tape = Tape::eval(key);
    /// assert_eq!(tiles.read(&x, None, key), tiles.forward(tape.constant(x.clone()), None).value());
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `x` does not fit the weight, or the tiles hold a bias and none is given.
    pub fn read(&self, x: &Tensor, bias: Option<&Tensor>, key: Key) -> Tensor {
        let grid = &self.hardware.grid;
        assert!(
            x.rank() == 2 && x.shape()[1] == grid.groups * grid.ins,
            "tiles: rows of {:?} do not fit {} inputs in {} groups",
            x.shape(),
            grid.ins,
            grid.groups
        );
        let rows = |group: usize| x.slice(1, group * grid.ins..(group + 1) * grid.ins);
        self.with_reader(bias, key, |mut reader| {
            let scales = reader.forward_scales(&self.averages.value, |add| {
                (0..grid.groups).for_each(|group| add(group, &rows(group)));
            });
            reader.scales = scales.map(|(scales, _)| scales);
            side_by_side((0..grid.groups).map(|group| reader.read(group, &rows(group), 0)))
        })
    }

    /// Reads rows `d` [n, out] through the transposed tiles under the backward parameters, giving [n, in]: the input
    /// gradient of a layer for the output gradient `d`. Under parameters without a backward read (perfect, straight
    /// through) it is `d·W`. Nothing is masked, since there was no forward.
    ///
    /// # Panics
    /// If `d` does not fit the weight, or the tiles hold a bias and none is given.
    pub fn read_transposed(&self, d: &Tensor, bias: Option<&Tensor>, key: Key) -> Tensor {
        let (grid, backward) = (&self.hardware.grid, &self.hardware.config.backward);
        assert!(
            d.rank() == 2 && d.shape()[1] == grid.outs,
            "tiles: rows of {:?} do not fit {} outputs",
            d.shape(),
            grid.outs
        );
        self.with_reader(bias, key, |reader| {
            let mut transposed = match backward.is_ideal() {
                true => Transposed::perfect(&reader, backward.out_scale),
                false => Transposed::under(&reader, backward),
            };
            let rows = |group: usize| {
                let outs = grid.columns_of(group)[0].outs.clone();
                reader.gradients_of_columns(group, &d.slice(1, outs))
            };
            transposed.find_scales(&self.averages.value, |add| {
                (0..grid.groups).for_each(|group| add(group, &rows(group)));
            });
            side_by_side((0..grid.groups).map(|group| transposed.read(group, &rows(group), 0, None)))
        })
    }

    /// Calls `f` with a reader of the tiles in evaluation.
    fn with_reader<R>(&self, bias: Option<&Tensor>, key: Key, f: impl FnOnce(Reader<'_>) -> R) -> R {
        let (hardware, modifier) = (&self.hardware, &self.hardware.config.modifier);
        let of_tape = |tile| modifier_key(key, tile);
        let matrix = || hardware.grid.matrix(&self.weight.value, bias);
        let effective = match modifier.is_active() && modifier.enable_during_test {
            _ if hardware.chip.is_some() => Effective::Programmed,
            _ if self.pulsed.is_some() => self.pulsed_weights(),
            false => Effective::Logical,
            true if modifier.per_batch_sample => {
                Effective::PerSample { modifier: modifier.clone(), keys: self.tiles().iter().map(of_tape).collect() }
            }
            true => Effective::Modified(self.modified(modifier, &matrix(), key)),
        };
        let bias = bias.filter(|_| hardware.grid.has_bias).cloned();
        let contents = Contents::new(hardware.clone(), self.weight.value.clone(), bias, effective, false);
        let ranges = self.input_ranges.as_ref().filter(|_| hardware.config.pre_post.input_range.enable);
        let call = Call {
            // The keys of the first call on an evaluation tape.
            keys: self.tiles().iter().map(|tile| key.fold(tile.site).fold(0_u64)).collect(),
            first_row: 0,
            rows_per_sample: 1,
            ranges: ranges.map(|ranges| ranges.values.value.to_vec()),
            training: false,
        };
        let scaling = self.out_scaling.as_ref().map(|scaling| &scaling.value);
        f(Reader::new(hardware, &contents, &call, scaling))
    }
}
