//! A batch in parts: the sum of the parts' gradients is the whole's.

use ohmgrad::prelude::*;
use proptest::prelude::*;

fn network(key: Key) -> Sequential {
    Sequential::new().linear(5, 7).tanh().linear(7, 3).init(key.fold("weights"))
}

/// The gradients of `rows`, for a loss that is a mean over all of `x`.
fn gradients(net: &Sequential, x: &Tensor, rows: std::ops::Range<usize>, key: Key) -> Gradients {
    let tape = Tape::train(key).rows_from(rows.start);
    let share = rows.len() as f32 / x.shape()[0] as f32;
    let target = Tensor::normal(&[x.shape()[0], 3], key.fold("target")).slice(0, rows.clone());
    let y = net.forward(tape.constant(x.slice(0, rows)));
    (y.mse(tape.constant(target)) * share).backward()
}

/// Checks that two gradients of each parameter are the same up to the order of sums.
fn near(net: &Sequential, sum: &Gradients, whole: &Gradients) -> Result<(), TestCaseError> {
    for (path, param) in net.parameters() {
        let (sum, whole) = (sum.of(param).expect("all are used"), whole.of(param).expect("all are used"));
        let off = (sum - whole).abs().max();
        prop_assert!(off <= 1e-5 * whole.abs().max().max(1e-3), "{path}: {off:e} off");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Two half batches equal one whole for a mean loss, and so do unequal parts.
    #[test]
    fn parts_of_a_batch_add_up_to_the_whole(batch in 2usize..9, cut: prop::sample::Index, size in 0usize..5, seed: u64) {
        let key = Key::new(seed);
        let mut net = network(key);
        let x = Tensor::normal(&[batch, 5], key.fold("x"));
        let cut = 1 + cut.index(batch - 1);
        // Both directions are on tiles, with noise, which depends on the row and not on the batch. The backward has no
        // converters, because a difference in the last bit of a gradient could change its code.
        let backward = BackwardIoParameters { is_perfect: false, inp_res: -1.0, out_res: -1.0, ..Default::default() };
        let mapping = MappingParameter { max_input_size: size, max_output_size: size, ..Default::default() };
        for config in [None, Some(InferenceRpuConfig { mapping, backward, ..Default::default() })] {
            if let Some(config) = &config {
                net.to_analog(config, key.fold("hardware")).expect("the strategies give valid configurations");
            }
            let mut sum = gradients(&net, &x, 0..cut, key);
            sum.add(gradients(&net, &x, cut..batch, key));
            near(&net, &sum, &gradients(&net, &x, 0..batch, key))?;
        }
    }
}
