//! Arrays of random numbers in which every value is a function of a key.

use crate::array::Array;
use crate::key::Key;
use crate::parallel;
use crate::random;
use crate::scalar::Scalar;
use crate::{shape, storage};

/// Elements that one stream of random numbers fills. Part of the definition of the values: never change it.
const BLOCK: usize = 4096;

impl<T: Scalar> Array<T> {
    /// Uniform samples from 0 (included) to 1 (excluded), multiples of 2⁻²⁴.
    ///
    /// The same key gives the same values on every machine and any number of threads, and, as for all random fills, the
    /// same values as `f32` and as `f64`.
    pub fn uniform(shape: &[usize], key: Key) -> Self {
        Self::fill(shape, key, random::fill_uniform, T::from_f32)
    }

    /// Samples from the normal distribution of mean 0 and standard deviation 1.
    ///
    /// ```
    /// use ohmgrad_tensor::{Key, Tensor};
    /// let key = Key::new(42);
    /// let noise = Tensor::normal(&[1000], key.fold("noise"));
    /// assert!(noise.mean().abs() < 0.1);
    /// assert_eq!(noise, Tensor::normal(&[1000], key.fold("noise")));
    /// ```
    pub fn normal(shape: &[usize], key: Key) -> Self {
        Self::fill(shape, key, random::fill_normal, T::from_f32)
    }

    /// 1 with probability `p`, else 0.
    ///
    /// # Panics
    /// If `p` is not between 0 and 1.
    pub fn bernoulli(shape: &[usize], p: f64, key: Key) -> Self {
        assert!((0.0..=1.0).contains(&p), "bernoulli: p = {p} is not between 0 and 1");
        let convert = move |u: f32| if f64::from(u) < p { T::one() } else { T::zero() };
        Self::fill(shape, key, random::fill_uniform, convert)
    }

    fn fill(shape: &[usize], key: Key, draw: impl Fn(&mut [f32], Key) + Sync, f: impl Fn(f32) -> T + Sync) -> Self {
        let mut data = storage::filled(shape::len(shape), T::zero());
        parallel::for_each_part(&mut data, BLOCK, |block, out| {
            let mut samples = [0f32; BLOCK];
            let samples = &mut samples[..out.len()];
            draw(samples, key.fold(block));
            for (o, &s) in out.iter_mut().zip(samples.iter()) {
                *o = f(s);
            }
        });
        Self::from_vec(data, shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Key, Tensor};

    #[test]
    fn precision_and_shape_do_not_change_the_samples() {
        let key = Key::new(5);
        let (a, b) = (Tensor::normal(&[100, 90], key), Array::<f64>::normal(&[9000], key));
        assert!(a.iter().zip(b.iter()).all(|(&a, &b)| f64::from(a) == b));
    }

    #[test]
    fn a_coin_is_fair_as_asked() {
        let n = 100_000;
        // 4.5σ: a false alarm once in 150,000 keys; this key is fixed.
        let mean = Tensor::bernoulli(&[n], 0.3, Key::new(1)).mean();
        assert!((mean - 0.3).abs() < 4.5 * (0.21 / n as f32).sqrt(), "{mean}");
        assert_eq!(Tensor::bernoulli(&[50], 1.0, Key::new(2)).sum(), 50.0);
        assert_eq!(Tensor::bernoulli(&[50], 0.0, Key::new(2)).sum(), 0.0);
    }

    #[test]
    fn threads_do_not_matter() {
        let draw = || Tensor::normal(&[50_000], Key::new(9));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(draw), draw());
    }
}
