//! A batch in pieces, whose gradients are summed: training on several ranks.
//!
//! The pieces depend on the batch and the recipe alone, each row has the noise that it has in the whole batch, and sums
//! follow a binary tree over the pieces. So the bits are those of one process, for any number of ranks.

use std::ops::Range;

use ohmgrad::models::data::{Batch, Targets};
use ohmgrad::prelude::*;

use crate::data::Goal;
use crate::ranks::{Ranks, part};
use crate::score::loss;

/// The loss of a batch and its gradients. `pieces` is a power of two, and a multiple of the number of ranks; a batch
/// with fewer rows than pieces is not cut.
///
/// State that a forward changes (running means, input ranges) is the mean over the pieces.
pub fn gradients(net: &Sequential, batch: &Batch<Goal>, key: Key, pieces: usize, team: Ranks) -> (f32, Gradients) {
    let rows = batch.y.count();
    if pieces == 1 || rows < pieces {
        let tape = Tape::train(key);
        let loss = loss(net.forward(tape.constant(batch.x.clone())), &batch.y);
        return (loss.item(), loss.backward());
    }
    let each = pieces / team.count();
    let mut sums = vec![];
    let mut last = None;
    for piece in each * team.rank()..each * (team.rank() + 1) {
        let Range { start: first, end } = part(rows, piece, pieces);
        let tape = Tape::train(key).rows_from(first);
        let y = net.forward(tape.constant(batch.x.slice(0, first..end)));
        let own = loss(y, &batch.y.select(&(first..end).collect::<Vec<_>>()));
        let own = own * ((end - first) as f32 / rows as f32);
        let value = own.item();
        let gradients = own.backward();
        let mut numbers = gradients.to_vec();
        numbers.push(value);
        last = Some(gradients);
        join(&mut sums, numbers);
    }
    let (_, mut sum) = sums.pop().expect("a rank has at least one piece");
    team.sum(&mut sum);
    let loss = sum.pop().expect("the loss was pushed");
    let mut gradients = last.expect("a rank has at least one piece");
    let of_parameters: usize = gradients.iter().map(|(_, gradient)| gradient.len()).sum();
    sum[of_parameters..].iter_mut().for_each(|state| *state /= pieces as f32);
    gradients.set_from_slice(&sum);
    (loss, gradients)
}

/// Adds the numbers of a piece to those of the pieces before it: whenever two sums cover equally many pieces, they are
/// added.
fn join(sums: &mut Vec<(usize, Vec<f32>)>, numbers: Vec<f32>) {
    let (mut size, mut sum) = (1, numbers);
    while let Some((_, before)) = sums.pop_if(|(other, _)| *other == size) {
        sum.iter_mut().zip(&before).for_each(|(own, other)| *own += other);
        size *= 2;
    }
    sums.push((size, sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: usize) -> Batch<Goal> {
        let x = Tensor::normal(&[rows, 6], Key::new(1));
        Batch { y: Goal::Labels((0..rows).map(|row| row % 3).collect()), x }
    }

    fn of(net: &Sequential, rows: usize, pieces: usize) -> (f32, Vec<f32>) {
        let (loss, gradients) = gradients(net, &batch(rows), Key::new(7), pieces, Ranks::ALONE);
        (loss, gradients.to_vec())
    }

    #[test]
    fn pieces_are_the_batch_but_for_rounding() {
        let mut net = Sequential::new().linear(6, 16).tanh().linear(16, 3).init(Key::new(2));
        let config =
            InferenceRpuConfig { forward: IoParameters { out_noise: 0.1, ..Default::default() }, ..Default::default() };
        for _on_tiles in [false, true] {
            let (whole, gradient) = of(&net, 37, 1);
            for pieces in [2, 4, 8] {
                let (loss, own) = of(&net, 37, pieces);
                assert!((loss - whole).abs() < 1e-5, "{loss} {whole}");
                assert!(own.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-4), "{pieces}");
                assert_ne!(own, gradient, "the order of the sum differs");
            }
            assert_eq!(of(&net, 3, 1), of(&net, 3, 4), "fewer rows than pieces are not cut");
            net.to_analog(&config, Key::new(3)).unwrap();
        }
    }

    #[test]
    fn running_means_are_those_of_all_pieces() {
        let net = Sequential::new().linear(6, 4).batch_norm1d(4).linear(4, 3).init(Key::new(2));
        let state = |pieces| {
            let (_, gradients) = gradients(&net, &batch(32), Key::new(7), pieces, Ranks::ALONE);
            gradients.state().iter().next().unwrap().1.to_vec()
        };
        let (whole, cut) = (state(1), state(4));
        assert!(whole.iter().zip(&cut).all(|(a, b)| (a - b).abs() < 1e-6), "{whole:?} {cut:?}");
    }

    #[test]
    fn sums_are_taken_by_pairs() {
        let mut sums = vec![];
        // 1e8 + 1 is 1e8 in f32: the order of the sum shows.
        [1e8, 1.0, 1.0, 1.0].into_iter().for_each(|number| join(&mut sums, vec![number]));
        assert_eq!(sums, [(4, vec![(1e8 + 1.0) + (1.0 + 1.0_f32)])]);
    }
}
