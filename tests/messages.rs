//! Messages for wrong shapes: the operation that was called, the line of the caller, and the shapes that fit.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use ohmgrad::Error;
use ohmgrad::models::data::Dataset;
use ohmgrad::prelude::*;

const KEY: Key = Key::new(1);

/// The message of the last panic, and the file of its line.
static LAST: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));

fn message(f: impl FnOnce(&Tape)) -> (String, String) {
    let tape = Tape::eval(KEY);
    panic::catch_unwind(AssertUnwindSafe(|| f(&tape))).expect_err("this must panic");
    LAST.lock().unwrap().clone()
}

fn on_tiles<M: Module>(mut net: M) -> M {
    net.to_analog(InferenceRpuConfig::default(), KEY).unwrap();
    net
}

#[test]
fn wrong_shapes_name_the_operation_and_the_line_of_the_caller() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or_default().to_owned();
        *LAST.lock().unwrap() = (message, info.location().map_or(String::new(), |place| place.file().to_owned()));
    }));
    let full = |shape: &[usize]| Tensor::full(shape, 1.0);
    let linear = "linear: an input of shape [4, 5] is not [batch, …, 3]";
    let convolution = "convolution: an input of shape [2, 4, 8, 8] is not [batch, 3, …], of 4 axes";
    let cases: Vec<(&str, (String, String))> = vec![
        ("add: shapes [2] and [3] do not broadcast", message(|_| drop(full(&[2]) + full(&[3])))),
        (
            "mul: shapes [2] and [3] do not broadcast",
            message(|tape| _ = tape.constant(full(&[2])) * tape.constant(full(&[3]))),
        ),
        (
            "matmul: [2, 3] × [2, 3]: inner dimensions 3 and 2 differ",
            message(|tape| _ = tape.constant(full(&[2, 3])).matmul(tape.constant(full(&[2, 3])))),
        ),
        ("softmax: axis 2 is outside of shape [2, 3]", message(|tape| _ = tape.constant(full(&[2, 3])).softmax(2))),
        ("sum_axes: axis -3 is outside of shape [2, 3]", message(|_| drop(full(&[2, 3]).sum_axes(&[-3])))),
        (
            "reshape: [2, 3] holds 6 elements, [4] does not",
            message(|tape| _ = tape.constant(full(&[2, 3])).reshape(&[4])),
        ),
        (
            "slice: 1..5 in steps of 1 does not fit axis 1 of shape [2, 3]",
            message(|tape| _ = tape.constant(full(&[2, 3])).slice(-1, 1..5)),
        ),
        (
            "concat: [2, 3] and [2, 4] differ in another axis than 0",
            message(|tape| _ = tape.concat(&[tape.constant(full(&[2, 3])), tape.constant(full(&[2, 4]))], 0)),
        ),
        ("sum_to: [2, 4] does not broadcast to [4, 2]", message(|_| drop(full(&[4, 2]).sum_to(&[2, 4])))),
        ("from_vec: shape [2, 3] does not hold 5 elements", message(|_| drop(Tensor::from_vec(vec![0.0; 5], &[2, 3])))),
        ("index [2, 0] is outside of shape [2, 2]", message(|_| _ = full(&[2, 2])[[2, 0]])),
        (
            "cross_entropy: label 3 of row 1 is none of the 3 classes 0 … 2",
            message(|tape| _ = tape.constant(full(&[2, 3])).cross_entropy(&[0, 3])),
        ),
        (
            "cross_entropy: 3 labels for the 2 rows of scores [2, 3]",
            message(|tape| _ = tape.constant(full(&[2, 3])).cross_entropy(&[0, 1, 2])),
        ),
        (
            "nll: scores of shape [2, 4, 3] are not a matrix [rows, classes]; reshape(&[-1, classes]) makes rows of sequences",
            message(|tape| _ = tape.constant(full(&[2, 4, 3])).nll(&[0; 8])),
        ),
        (
            "mse: shapes [2, 1] and [2] of value and target differ",
            message(|tape| _ = tape.constant(full(&[2, 1])).mse(tape.constant(full(&[2])))),
        ),
        ("backward: shape [2] is not a scalar", message(|_| _ = Tape::train(KEY).variable(full(&[2])).backward())),
        (linear, message(|tape| _ = Linear::new(3, 2, KEY).forward(tape.constant(full(&[4, 5]))))),
        (linear, message(|tape| _ = on_tiles(Linear::new(3, 2, KEY)).forward(tape.constant(full(&[4, 5]))))),
        (convolution, message(|tape| _ = Conv2d::new(3, 2, [3, 3], KEY).forward(tape.constant(full(&[2, 4, 8, 8]))))),
        (
            convolution,
            message(|tape| _ = on_tiles(Conv2d::new(3, 2, [3, 3], KEY)).forward(tape.constant(full(&[2, 4, 8, 8])))),
        ),
        (
            "embedding: row 7 is not below the 5 rows of a table [5, 2]",
            message(|tape| _ = Embedding::new(5, 2, KEY).forward(tape.constant(Tensor::from([[1.0, 7.0]])))),
        ),
        (
            "layer_norm: [4, 5] for last axes [3]",
            message(|tape| _ = LayerNorm::new(&[3]).forward(tape.constant(full(&[4, 5])))),
        ),
        (
            "recurrent: an input of shape [5, 2, 4] has 4 features a step, not 3",
            message(|tape| _ = Gru::new(3, 2, Default::default(), KEY).forward(tape.constant(full(&[5, 2, 4])))),
        ),
        (
            "attention: an input of shape [5, 2, 4] is not [batch, time, 6]",
            message(|tape| _ = MultiHeadAttention::new(6, 2, KEY).forward(tape.constant(full(&[5, 2, 4])))),
        ),
        (
            "layer head.0: linear: an input of shape [4, 5] is not [batch, …, 3]",
            message(|tape| {
                let inner = Sequential::new().linear(3, 2).init(KEY);
                let net = Sequential::new().linear(4, 5).relu().named("head", |_| inner).init(KEY);
                net.forward(tape.constant(full(&[4, 4])));
            }),
        ),
        ("data set: 4 rows and 3 targets", message(|_| drop(Dataset::new(full(&[4, 2]), vec![0; 3])))),
    ];
    let _ = panic::take_hook();
    for (expected, (found, file)) in cases {
        assert_eq!(found, expected);
        assert!(file.ends_with("tests/messages.rs"), "{expected}: is said of {file}");
    }
}

#[test]
fn an_error_and_its_cause_say_different_things() {
    let folder = tempfile::tempdir().unwrap();
    let none = |name: &str| folder.path().join("none").join(name);
    let mut net = Sequential::new().linear(2, 1).init(KEY);
    let figure = ohmgrad::plots::training_curves(&[("loss", &[1.0, 0.5])]);
    let export = |net: &Sequential| ohmgrad::models::fusion_export(net, Default::default(), none("net.csv"));
    let errors: [Error; 5] = [
        Tensor::read_npy(none("x.npy")).unwrap_err().into(),
        net.load_weights(none("net.safetensors")).unwrap_err().into(),
        InferenceRpuConfig::from_file(none("chip.toml")).unwrap_err().into(),
        figure.save(none("loss.svg")).unwrap_err().into(),
        export(&on_tiles(net)).unwrap_err().into(),
    ];
    for error in errors {
        let message = error.to_string();
        assert!(message.contains("none"), "{message}");
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let causes: Vec<_> = causes.map(ToString::to_string).collect();
        assert!(matches!(causes.as_slice(), [cause] if !message.contains(cause.as_str())), "{message}: {causes:?}");
    }
}
