//! Dropout.

use ohmgrad_tensor::{Array, Scalar};

use crate::back::{self, Back, Op};
use crate::var::Var;

/// `x·m` with `m` 0 or `1/(1−p)` (Srivastava et al. 2014). Gradient: `d·m`.
struct Dropout<T: Scalar> {
    p: f64,
    mask: Array<T>,
}

impl<'t, T: Scalar> Var<'t, T> {
    /// Sets each element to 0 with probability `p` and scales the others by `1/(1−p)`, so that the mean stays; in
    /// evaluation the identity. The dropped elements depend on the tape's key, the number of earlier dropouts, and the
    /// tape's first row, so that the parts of a batch drop different elements.
    ///
    /// # Panics
    /// If `p` is not in 0 ≤ p < 1.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        assert!((0.0..1.0).contains(&p), "dropout: p = {p} is not in 0 ≤ p < 1");
        if !self.tape().is_training() || p == 0.0 {
            return self;
        }
        let key = match (back::key_of_call(self.tape(), "dropout"), self.tape().first_row()) {
            (key, 0) => key,
            (key, first) => key.fold(first),
        };
        let kept = Array::<T>::bernoulli(&self.shape(), 1.0 - p, key);
        let mask = &kept * T::of(1.0 / (1.0 - p));
        self.tape().push(&self.value() * &mask, &[self], Dropout { p, mask })
    }
}

impl<T: Scalar> Op<T> for Dropout<T> {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("p", self.p.to_string())]
    }

    fn backward(&self, cx: &mut Back<'_, T>) {
        cx.give(0, cx.grad * &self.mask);
    }
}

#[cfg(test)]
mod tests {
    use crate::Tape;
    use crate::testing::gradcheck;
    use ohmgrad_tensor::{Key, Tensor};

    gradcheck! {
        dropout: |x| x.dropout(0.4);
    }

    #[test]
    fn the_mean_stays_and_calls_differ() {
        let ones = Tensor::full(&[10_000], 1.0);
        let tape = Tape::train(Key::new(3));
        let (a, b) = (tape.constant(ones.clone()).dropout(0.25), tape.constant(ones.clone()).dropout(0.25));
        // 5σ of a Bernoulli mean over 10,000 draws.
        assert!((a.value().mean() - 1.0).abs() < 5.0 * (0.25f32 / 0.75 / 1e4).sqrt());
        assert_ne!(a.value(), b.value());
        let of_part = |first| Tape::train(Key::new(3)).rows_from(first).constant(ones.clone()).dropout(0.25).value();
        assert_eq!(of_part(0), a.value());
        assert_ne!(of_part(5000), a.value());
        assert_eq!(Tape::eval(Key::new(3)).constant(ones.clone()).dropout(0.25).value(), ones);
    }
}
