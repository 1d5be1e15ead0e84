//! Odd inputs of layers: empty batches work as in PyTorch, and inputs that do not fit panic with our messages.

use ohmgrad::models::*;
use ohmgrad::prelude::*;

use crate::panics;

/// The output's shape, or the place and message of a panic.
fn outcome(layer: &dyn Module, shape: &[usize]) -> Result<Vec<usize>, String> {
    panics::caught(|| {
        let tape = Tape::train(Key::new(1));
        let x = tape.variable(Tensor::full(shape, 0.5));
        let y = layer.forward(x);
        let gradients = y.sum().backward();
        assert_eq!(gradients.wrt(x).map(|g| g.shape().to_vec()), Some(shape.to_vec()));
        y.shape().to_vec()
    })
}

type Odd = (&'static str, Box<dyn Module>, Vec<usize>, Vec<usize>);

/// Layers with the shapes of an empty batch and of its output in PyTorch.
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
        ("batch norm", Box::new(BatchNorm1d::new(3)), vec![0, 3], vec![0, 3]),
        ("batch norm of sequences", Box::new(BatchNorm1d::new(3)), vec![2, 3, 0], vec![2, 3, 0]),
        ("batch norm of images", Box::new(BatchNorm2d::new(3)), vec![0, 3, 4, 2], vec![0, 3, 4, 2]),
        ("batch norm, frozen", Box::new(BatchNorm2d::new(3).frozen()), vec![0, 3, 4, 2], vec![0, 3, 4, 2]),
        ("batch norm, bare", Box::new(BatchNorm1d::new(3).without_affine().without_running()), vec![0, 3], vec![0, 3]),
        ("batch norm without features", Box::new(BatchNorm1d::new(0)), vec![4, 0], vec![4, 0]),
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

#[test]
fn empty_batches_are_as_in_pytorch() {
    panics::note();
    let wrong = layers().into_iter().filter_map(|(name, layer, shape, expected)| {
        let outcome = outcome(&*layer, &shape);
        (outcome != Ok(expected)).then(|| format!("{name} of {shape:?}: {outcome:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Inputs have up to five axes, with sizes around those that fit.
#[test]
fn panics_have_our_messages() {
    panics::note();
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
            if !panics::is_own(&panic) {
                wrong.push(format!("{name} of {shape:?}: {panic}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// An empty batch leaves running statistics as they were.
#[test]
fn an_empty_batch_moves_no_statistics() {
    let mut layer = BatchNorm1d::new(3).with_cumulative_average();
    for rows in [4, 0, 6] {
        let tape = Tape::train(Key::new(1));
        layer.forward(tape.constant(&Tensor::normal(&[rows, 3], Key::new(2).fold(rows)) + 1.0));
        let before = layer.state_dict();
        layer.apply(&tape.into_state());
        let count = layer.running.as_ref().expect("kept").batches.value.item();
        assert_eq!(layer.state_dict() == before, rows == 0);
        assert_eq!(count, if rows == 6 { 2.0 } else { 1.0 });
    }
}

/// One row has no variance: refused in training, normalised by the running statistics in evaluation.
#[test]
fn a_single_row_is_normalised_by_running_statistics_alone() {
    panics::note();
    let layer = BatchNorm2d::new(2);
    let panic = outcome(&layer, &[1, 2, 1, 1]).unwrap_err();
    assert!(
        panic.ends_with("batch_norm: shape [1, 2, 1, 1] has one value a feature, which has no variance"),
        "{panic}"
    );
    assert_eq!(outcome(&layer, &[1, 2, 1, 2]), Ok(vec![1, 2, 1, 2]));
    let tape = Tape::eval(Key::new(1));
    let y = layer.forward(tape.constant(Tensor::full(&[1, 2, 1, 1], 2.0))).value();
    assert!(y.iter().all(|y| (y - 2.0 / (1.0 + 1e-5f32).sqrt()).abs() < 1e-6), "{y:?}");
}

#[test]
fn embeddings_of_odd_shapes_are_as_in_pytorch() {
    panics::note();
    // The table's shape, the input's, the output's.
    let cases: [([usize; 2], &[usize], &[usize]); 7] = [
        ([5, 4], &[0], &[0, 4]),
        ([5, 4], &[2, 0], &[2, 0, 4]),
        ([5, 4], &[], &[4]),
        ([5, 4], &[1, 1, 1], &[1, 1, 1, 4]),
        ([1, 4], &[3], &[3, 4]),
        ([5, 0], &[3], &[3, 0]),
        ([0, 4], &[0, 2], &[0, 2, 4]),
    ];
    for (table, input, output) in cases {
        let layer = Embedding::new(table[0], table[1], Key::new(1));
        let tape = Tape::train(Key::new(2));
        let y = layer.forward(tape.constant(Tensor::full(input, 0.0)));
        assert_eq!(y.shape().as_slice(), output, "{table:?} {input:?}");
        let gradients = y.sum().backward();
        let gradient = gradients.of(&layer.weight).expect("the table is trained");
        let looked_up = input.iter().product::<usize>() as f32;
        let expected = Tensor::from_fn(&table, |at| if at[0] == 0 { looked_up } else { 0.0 });
        assert_eq!(gradient, &expected, "{table:?} {input:?}");
    }
}

#[test]
fn rows_that_are_none_are_refused_in_our_own_words() {
    panics::note();
    for (count, number) in [
        (5, 5.0),
        (5, -1.0),
        (5, 0.5),
        (5, f32::NAN),
        (5, f32::INFINITY),
        (5, 1e30),
        // 2⁶⁴ becomes the largest index, and 2⁶² times the width wraps around to the first row.
        (5, 18_446_744_073_709_551_616.0),
        (5, 4_611_686_018_427_387_904.0),
        (0, 0.0),
    ] {
        let layer = Embedding::new(count, 4, Key::new(1));
        for number in [Tensor::from([number]), Tensor::from([[0.0, number]])] {
            let panic = panics::caught(|| layer.forward(Tape::eval(Key::new(2)).constant(number.clone())).value());
            let panic = panic.unwrap_err();
            assert!(panics::is_own(&panic), "{number:?} of {count}: {panic}");
        }
    }
    let panic = panics::caught(|| Embedding::new(0, 4, Key::new(1)).with_padding(0)).unwrap_err();
    assert!(panics::is_own(&panic) && panic.contains("embedding: no row 0"), "{panic}");
}
