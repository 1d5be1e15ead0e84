//! Encodings of the places of a sequence, which attention by itself does not tell apart.

use ohmgrad_autograd::{Param, Var};
use ohmgrad_tensor::{Key, Tensor};

use crate::module::Module;
use crate::visit::Visit;

/// Sine waves added to sequences [batch, time, width] (Vaswani et al. 2017): `sin(t/10000^(i/width))` at even `i`, and
/// `cos(t/10000^((i−1)/width))` at odd ones.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_models::{Module, SinusoidalPositions};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let tape = Tape::eval(Key::new(0));
/// let y = SinusoidalPositions.forward(tape.constant(Tensor::full(&[1, 2, 4], 0.0)));
/// assert_eq!(y.value().row(0).row(0).to_vec(), [0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(y.value()[[0, 1, 0]], 1f32.sin());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Visit)]
#[doc(alias = "PositionalEncoding")]
pub struct SinusoidalPositions;

impl Module for SinusoidalPositions {
    /// # Panics
    /// If the input is not [batch, time, width].
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let [time, width] = time_and_width(x);
        let rates: Vec<f64> = (0..width).map(|i| 10_000f64.powf(-((i - i % 2) as f64) / width as f64)).collect();
        let wave = |i: &[usize]| {
            let [t, i] = [i[0], i[1]];
            let angle = t as f64 * rates[i];
            (if i % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        };
        x + x.tape().constant(Tensor::from_fn(&[time, width], wave))
    }
}

/// Learned vectors added to sequences [batch, time, width], one for each place.
#[derive(Clone, Debug, Visit)]
pub struct LearnedPositions {
    /// The vectors [places, width].
    pub weight: Param,
}

impl LearnedPositions {
    /// Vectors for sequences of at most `places` places, normal with a standard deviation of 0.02 as in GPT-2.
    pub fn new(places: usize, width: usize, key: Key) -> Self {
        Self { weight: Param::new(&Tensor::normal(&[places, width], key.fold("weight")) * 0.02) }
    }
}

impl Module for LearnedPositions {
    /// # Panics
    /// If the input is not [batch, time, width], or longer than there are places.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let ([time, width], table) = (time_and_width(x), self.weight.value.shape());
        assert!(
            time <= table[0] && width == table[1],
            "positions: an input of shape {:?} for {} places of width {}",
            x.shape(),
            table[0],
            table[1]
        );
        x + x.tape().param(&self.weight).slice(0, 0..time)
    }
}

#[track_caller]
fn time_and_width(x: Var<'_>) -> [usize; 2] {
    let shape = x.shape();
    assert!(shape.len() == 3, "positions: an input of shape {shape:?} is not [batch, time, width]");
    [shape[1], shape[2]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_autograd::Tape;

    #[test]
    fn each_place_has_its_own_vector_in_every_sample() {
        let layer = LearnedPositions::new(7, 3, Key::new(1));
        let tape = Tape::train(Key::new(0));
        let y = layer.forward(tape.constant(Tensor::full(&[2, 5, 3], 0.0)));
        assert_eq!(y.value().row(1), layer.weight.value.slice(0, 0..5));
        let gradient = y.sum().backward().of(&layer.weight).unwrap().clone();
        assert_eq!(gradient.sum_axes(&[1]).to_vec(), [6.0, 6.0, 6.0, 6.0, 6.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "positions: an input of shape [1, 8, 3] for 7 places of width 3")]
    fn a_longer_sequence_names_itself() {
        let tape = Tape::eval(Key::new(0));
        LearnedPositions::new(7, 3, Key::new(1)).forward(tape.constant(Tensor::full(&[1, 8, 3], 0.0)));
    }
}
