//! The forward of the operation: the call of a tile array, its read, and the node on the tape.

use ohmgrad_autograd::{Tape, Var};
use ohmgrad_tensor::{ConvWindow, Im2col, Tensor};

use super::{AnalogMvm, Modified, Modifier, Places, W, X, modifier};
use crate::array::TileArray;
use crate::config::WeightModifierParameter;
use crate::mvm::Direction;
use crate::observed::Counting;
use crate::tile::{Call, Contents, Reader, modifier_key};

impl TileArray {
    /// The product of rows `x` [batch, in] with the weight, as the tape operation [`AnalogMvm`](crate::AnalogMvm).
    /// `bias` is used only if the tiles hold one.
    ///
    /// # Panics
    /// If `x` does not fit the weight, or the tiles hold a bias and none is given.
    pub fn forward<'t>(&self, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
        self.forward_rows(x, 1, bias)
    }

    /// As [`forward`](Self::forward), for inputs that have several rows for each sample of the batch: in evaluation the
    /// noise of a row depends on its sample's number in the data set and on the row's number in the sample.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_rows<'t>(&self, x: Var<'t>, per_sample: usize, bias: Option<Var<'t>>) -> Var<'t> {
        forward(self, Im2col::Rows { per_sample }, x, bias)
    }

    /// The convolution of `x` [batch, in, …] with the weight: one analog read for each patch. Otherwise as
    /// [`forward`](Self::forward).
    ///
    /// # Panics
    /// If `x` and the window do not fit the weight, or the tiles hold a bias and none is given.
    pub fn convolve<'t>(&self, x: Var<'t>, window: ConvWindow, bias: Option<Var<'t>>) -> Var<'t> {
        let (shape, weight) = (x.shape(), self.weight.value.shape());
        assert!(
            shape.len() == weight.len() && weight[2..] == window.kernel[(5 - shape.len().min(5))..],
            "tiles: a window of {:?} over {shape:?} with a weight of {weight:?}",
            window.kernel
        );
        forward(self, Im2col::patches(window, self.hardware.grid.groups, &shape), x, bias)
    }
}

fn forward<'t>(array: &TileArray, im2col: Im2col, x: Var<'t>, bias: Option<Var<'t>>) -> Var<'t> {
    let (tape, hardware) = (x.tape(), &array.hardware);
    check(array, &im2col, &x.shape());
    let (training, on_chip) = (tape.is_training(), hardware.chip.is_some());
    let weight = match on_chip {
        false => tape.param(&array.weight),
        // A weight on a chip is not a parameter: devices do not follow gradients.
        true if training => tape.constant(array.programmed_weight()),
        true => tape.constant(array.weight.value.clone()),
    };
    let bias = hardware.grid.has_bias.then(|| {
        let bias = bias.expect("tiles: the bias is on the tile, and the forward needs it");
        if on_chip { tape.constant(bias.value()) } else { bias }
    });
    let modifier = modifier(array, tape).filter(|_| !on_chip);
    let per_batch = modifier.filter(|m| !m.per_batch_sample);
    let per_sample = modifier.filter(|m| m.per_batch_sample).map(|m| Modifier {
        parameters: m.clone(),
        keys: array.tiles().iter().map(|tile| modifier_key(tape.key(), tile)).collect(),
    });
    let mut inputs = vec![x, weight];
    let mut place = |input: Option<Var<'t>>| {
        inputs.extend(input);
        input.map(|_| inputs.len() - 1)
    };
    let places = Places {
        bias: place(bias),
        scaling: place(array.out_scaling.as_ref().map(|param| tape.param(param))),
        range: place(array.learned_range().map(|param| tape.param(param))),
        modified: place(per_batch.map(|modifier| modified(array, modifier, tape, bias))),
    };
    let keys: Vec<_> = array.tiles().iter().map(|tile| tape.call_key(tile.site)).collect();
    let rows_per_sample = im2col.rows_per_sample();
    let first_row = tape.first_row() * rows_per_sample;
    let ranges = array.ranges(tape, &im2col, &x.value(), &keys);
    let mut op = AnalogMvm {
        im2col,
        hardware: hardware.clone(),
        call: Call { keys, first_row, rows_per_sample, ranges, training },
        weight: array.weight.id(),
        weight_shape: array.weight.value.shape().to_vec(),
        places,
        modifier: per_sample,
        update: array.pulsed.as_ref().map(|pulsed| pulsed.parameters),
        scales: None,
        averages: array.averages.id(),
        observed: tape.is_observed(),
    };
    let values: Vec<Tensor> = inputs.iter().map(|input| input.value()).collect();
    let bias = places.bias.map(|bias| &values[bias]);
    let contents = tape.derived(
        op.weight,
        |known: &Contents| known.fits(hardware, bias),
        || {
            let effective = match array.trains_on_chip() {
                true => array.pulsed_weights(),
                false => op.effective(|input| &values[input]),
            };
            Contents::new(hardware.clone(), values[W].clone(), bias.cloned(), effective, training)
        },
    );
    let mut reader = Reader::new(hardware, &contents, &op.call, places.scaling.map(|scaling| &values[scaling]));
    let averages = tape.state(op.averages, &array.averages.value);
    let all_rows = |add: &mut dyn FnMut(usize, &Tensor)| {
        op.im2col.for_each_rows(&values[X], |group, rows, _| add(group, rows));
    };
    let (scales, averages_after) = reader.forward_scales(&averages, all_rows).unzip();
    if !averages.is_empty() {
        tape.set_state(op.averages, averages_after.unwrap_or(averages));
    }
    let counting = op.observed.then(|| Counting::new(hardware.tiles.len()));
    (reader.scales, reader.counting) = (scales.clone(), counting.as_ref());
    let y = op.im2col.forward(&values[X], hardware.grid.outs, |group, rows, first| reader.read(group, rows, first));
    if let Some(counting) = counting {
        tape.observe(op.weight, counting.finish(Direction::Forward));
    }
    op.scales = scales;
    drop(values);
    tape.push(y, &inputs, op)
}

/// The tile weights after a modifier, made by the first read on this tape.
fn modified<'t>(
    array: &TileArray,
    modifier: &WeightModifierParameter,
    tape: &'t Tape,
    bias: Option<Var<'t>>,
) -> Var<'t> {
    tape.once(array.weight.id(), || {
        let weight = tape.param(&array.weight);
        let matrix = array.hardware.grid.matrix(&weight.value(), bias.map(|bias| bias.value()).as_ref());
        let modified = array.modified(modifier, &matrix, tape.key());
        let parents: Vec<Var<'t>> = [weight].into_iter().chain(bias).collect();
        tape.push(modified, &parents, Modified(modifier.clone()))
    })
}

fn check(array: &TileArray, im2col: &Im2col, x: &[usize]) {
    let (w, grid) = (array.weight.value.shape(), &array.hardware.grid);
    let groups = grid.groups;
    let fits = matches!(im2col, Im2col::Patches(_)) || x.len() == 2;
    assert!(
        fits && groups == im2col.groups() && im2col.row_len(x) == grid.ins,
        "tiles: an input of {x:?} does not fit a weight of {w:?} in {groups} groups"
    );
}
