//! Odd inputs of layers: empty batches work as in PyTorch, and what does not fit panics in our own words.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ohmgrad::models::*;
use ohmgrad::prelude::*;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The output's shape, or where a panic was and what it said.
fn outcome(layer: &dyn Module, shape: &[usize]) -> Result<Vec<usize>, String> {
    let run = || {
        let tape = Tape::train(Key::new(1));
        let x = tape.variable(Tensor::full(shape, 0.5));
        let y = layer.forward(x);
        let gradients = y.sum().backward();
        assert_eq!(gradients.wrt(x).map(|g| g.shape().to_vec()), Some(shape.to_vec()));
        y.shape().to_vec()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| LAST.with_borrow(String::clone))
}

type Odd = (&'static str, Box<dyn Module>, Vec<usize>, Vec<usize>);

/// Layers with an input for an empty batch, and its output as PyTorch has it.
fn layers() -> Vec<Odd> {
    let key = Key::new(1);
    let first =
        |projection| RecurrentOptions { batch_first: true, bidirectional: true, projection, ..Default::default() };
    vec![
        ("linear", Box::new(Linear::new(3, 4, key)), vec![0, 3], vec![0, 4]),
        ("linear, three axes", Box::new(Linear::new(3, 4, key)), vec![2, 0, 3], vec![2, 0, 4]),
        ("conv1d", Box::new(Conv1d::new(2, 4, [3], key)), vec![0, 2, 5], vec![0, 4, 3]),
        ("conv2d", Box::new(Conv2d::new(2, 4, [3, 2], key)), vec![0, 2, 5, 4], vec![0, 4, 3, 3]),
        ("conv3d", Box::new(Conv3d::new(1, 2, [2; 3], key)), vec![0, 1, 3, 3, 3], vec![0, 2, 2, 2, 2]),
        ("max pool", Box::new(MaxPool2d::new(2)), vec![0, 2, 4, 4], vec![0, 2, 2, 2]),
        ("average pool", Box::new(AvgPool1d::new(2)), vec![0, 2, 4], vec![0, 2, 2]),
        ("adaptive pool", Box::new(AdaptiveAvgPool2d::new(1)), vec![0, 2, 4, 4], vec![0, 2, 1, 1]),
        ("layer norm", Box::new(LayerNorm::new(&[3])), vec![0, 3], vec![0, 3]),
        ("softmax", Box::new(Activation::Softmax), vec![0, 3], vec![0, 3]),
        ("relu", Box::new(Activation::Relu), vec![0, 3], vec![0, 3]),
        ("dropout", Box::new(Dropout(0.5)), vec![0, 3], vec![0, 3]),
        ("flatten", Box::new(Flatten), vec![0, 3, 2], vec![0, 6]),
        ("rnn", Box::new(Rnn::new(3, 4, first(None), key)), vec![0, 5, 3], vec![0, 5, 8]),
        ("lstm", Box::new(Lstm::new(3, 4, first(None), key)), vec![0, 5, 3], vec![0, 5, 8]),
        ("lstm, projected", Box::new(Lstm::new(3, 4, first(Some(2)), key)), vec![0, 5, 3], vec![0, 5, 4]),
        ("gru, time first", Box::new(Gru::new(3, 4, Default::default(), key)), vec![5, 0, 3], vec![5, 0, 4]),
    ]
}

/// Notes what a panic says; those of the tests themselves are shown.
fn note_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or("nowhere".into(), |at| format!("{}:{}", at.file(), at.line()));
        let message = info.payload_as_str().unwrap_or("no text").to_owned();
        LAST.with_borrow_mut(|last| *last = format!("{place}: {message}"));
        if info.location().is_some_and(|at| at.file().ends_with("odd_shapes.rs")) {
            usual(info);
        }
    }));
}

#[test]
fn empty_batches_are_as_in_pytorch() {
    note_panics();
    let wrong = layers().into_iter().filter_map(|(name, layer, shape, expected)| {
        let outcome = outcome(&*layer, &shape);
        (outcome != Ok(expected)).then(|| format!("{name} of {shape:?}: {outcome:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Any shape of up to five axes with sizes around those that fit.
#[test]
fn panics_have_our_messages() {
    note_panics();
    let mut shapes: Vec<Vec<usize>> = vec![vec![]];
    for rank in 1..=5 {
        for i in 0..60 {
            let draw = |axis: usize| {
                let word = Key::new(2).fold(rank).fold(i).fold(axis).to_words()[0];
                [0, 1, 2, 3, 4, 7][(word % 6) as usize]
            };
            shapes.push((0..rank).map(draw).collect());
        }
    }
    let mut wrong = vec![];
    for (name, layer, ..) in layers() {
        for shape in &shapes {
            let Err(panic) = outcome(&*layer, shape) else { continue };
            let own = panic.starts_with("crates/") || panic.contains("/crates/");
            let accident =
                ["index out of", "range end", "range start", "attempt to", "unwrap", "Option", "Err value", "overflow"];
            if !own || accident.iter().any(|word| panic.contains(word)) {
                wrong.push(format!("{name} of {shape:?}: {panic}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}
