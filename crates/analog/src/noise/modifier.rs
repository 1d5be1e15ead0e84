//! Weight modifiers: noise, rounding and dropped weights that make a network in training robust.
//!
//! The types are documented at [`WeightModifier`]. Source: aihwkit `weight_modifier.cpp`, and for PCM_NOISE
//! `weight_modifier_cuda.cu`; Joshi et al. 2020.

use ohmgrad_tensor::{Array, Key, Tensor};

use super::devices::polynomial;
use super::pcm;
use crate::config::{WeightModifier, WeightModifierParameter};

impl WeightModifierParameter {
    /// Tile weights [out, in] after the modifier, as a function of the key.
    ///
    /// ```
    /// use ohmgrad_analog::config::{WeightModifier, WeightModifierParameter};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let modifier = WeightModifierParameter { kind: WeightModifier::Discretize, res: 0.5, ..Default::default() };
    /// let modified = modifier.apply(&Tensor::from([[2.0, -0.6, 0.5]]), Key::new(1));
    /// assert_eq!(modified.to_vec(), [2.0, -1.0, 1.0]); // A = 2; ties go away from zero
    /// ```
    pub fn apply(&self, w: &Tensor, key: Key) -> Tensor {
        let spared = usize::from(self.copy_last_column);
        let columns = w.shape()[1] - spared.min(w.shape()[1]);
        let part = w.slice(1, 0..columns);
        if !self.is_active() || part.is_empty() {
            return w.clone();
        }
        let top = match part.abs().max() {
            _ if !self.rel_to_actual_wmax => self.assumed_wmax,
            top if top > 0.0 => top,
            _ => 1.0,
        };
        let mut modified = self.changed(&part, top, key);
        if self.pdrop > 0.0 {
            let dropped = Tensor::bernoulli(part.shape(), self.pdrop.into(), key.fold("drop connect"));
            modified.zip_mut(&dropped, |w, dropped| *w = if dropped != 0.0 && !w.is_nan() { 0.0 } else { *w });
        }
        if spared == 0 { modified } else { Array::concat(&[modified, w.slice(1, columns..w.shape()[1])], 1) }
    }

    fn changed(&self, w: &Tensor, top: f32, key: Key) -> Tensor {
        let std = self.std_dev;
        let noise = || Tensor::normal(w.shape(), key.fold("noise"));
        let p = |w: f32| polynomial(&self.coeffs, w.abs() / top);
        match self.kind {
            WeightModifier::None | WeightModifier::Copy | WeightModifier::DropConnect => w.contiguous(),
            WeightModifier::Discretize => self.discretised(w, top, key),
            WeightModifier::MultNormal => w.zip(&noise(), |w, xi| w * (1.0 + std * top * xi)),
            WeightModifier::AddNormal => w.zip(&noise(), |w, xi| w + std * top * xi),
            WeightModifier::DiscretizeAddNormal => {
                self.discretised(w, top, key).zip(&noise(), |w, xi| w + std * top * xi)
            }
            WeightModifier::Dorefa => {
                let scale = (self.dorefa_clip / top.tanh()).abs();
                self.rounded(w, |w| w.tanh() * scale, |q| q, key)
            }
            WeightModifier::Poly => w.zip(&noise(), |w, xi| w + top * std * p(w) * xi),
            WeightModifier::ProgNoise => w.zip(&noise(), |w, xi| {
                let programmed = (w + top * (std / self.g_max) * p(w) * xi).abs();
                if w < 0.0 { -programmed } else { programmed }
            }),
            WeightModifier::PcmNoise => self.as_pcm(w, top, key),
        }
    }

    fn discretised(&self, w: &Tensor, top: f32, key: Key) -> Tensor {
        self.rounded(w, |w| w / top, |q| q * top, key)
    }

    /// `to(Q(from(w)))`, or w where there is no step.
    fn rounded(
        &self,
        w: &Tensor,
        from: impl Fn(f32) -> f32 + Sync,
        to: impl Fn(f32) -> f32 + Sync,
        key: Key,
    ) -> Tensor {
        let res = self.res;
        // f32::round rounds ties away from zero, as the reference does for weights; for converters it rounds them to
        // even.
        match (res > 0.0, self.sto_round) {
            (false, _) => w.contiguous(),
            (true, false) => w.map(|w| to(res * (from(w) / res).round())),
            (true, true) => {
                let u = Tensor::uniform(w.shape(), key.fold("rounding"));
                w.zip(&u, |w, u| to(res * (from(w) / res + u - 0.5).round()))
            }
        }
    }

    /// The weights as programmed into phase-change memory, drifted and read.
    fn as_pcm(&self, w: &Tensor, top: f32, key: Key) -> Tensor {
        let normal = |purpose: &str| Tensor::normal(w.shape(), key.fold("PCM").fold(purpose)).to_vec();
        let coin = |purpose: &str| Tensor::uniform(w.shape(), key.fold("PCM").fold(purpose)).to_vec();
        let (programming, drift, read) = (normal("programming"), normal("drift"), normal("read"));
        let (reset, at_max, which) = (coin("at reset"), coin("at g_max"), coin("which of the pair"));
        let (at_random, random) = (coin("at random"), coin("random conductance"));
        let (std, g_max) = (self.std_dev, self.g_max);
        let (t, t0) = (self.pcm_t_inference + self.pcm_t0, self.pcm_t0);
        let of_time = ((t + pcm::T_READ) / (2.0 * pcm::T_READ)).ln().sqrt();
        let mut modified = w.contiguous();
        for (i, w) in modified.make_mut().iter_mut().enumerate().filter(|(_, w)| !w.is_nan()) {
            let mut g = w.clamp(-top, top) * g_max / top;
            if g.abs() <= self.pcm_zero_thres * std * pcm::PROG_COEFF[0] {
                g = 0.0;
            }
            let sign = if g < 0.0 { -1.0 } else { 1.0 };
            if reset[i] < self.pcm_prob_at_reset {
                g = 0.0;
            }
            if at_max[i] < self.pcm_prob_at_gmax {
                g += if which[i] < 0.5 { g_max } else { -g_max };
            }
            if at_random[i] < self.pcm_prob_at_random {
                g = random[i] * g_max;
            }
            g = g.clamp(-g_max, g_max);
            if g == 0.0 {
                *w = 0.0;
                continue;
            }
            g += std * polynomial(&pcm::PROG_COEFF, g.abs() / g_max) * programming[i];
            let b = g.abs() / g_max;
            if t > t0 {
                // The spread of the drift coefficients alone: drift compensation undoes their mean.
                let spread = pcm::drift_spread(b.max(1e-6).ln());
                g *= (t / t0).powf(-drift[i].abs() * spread);
            }
            g += std * g.abs() * pcm::read_noise(b) * of_time * read[i];
            *w = sign * g.abs() * top / g_max;
        }
        modified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modifier(kind: WeightModifier) -> WeightModifierParameter {
        WeightModifierParameter { kind, std_dev: 0.1, res: 0.25, ..Default::default() }
    }

    #[test]
    fn every_type_is_a_function_of_its_key_and_leaves_none_alone() {
        let w = Tensor::normal(&[5, 7], Key::new(1));
        for &kind in WeightModifier::ALL {
            let how = WeightModifierParameter { pdrop: 0.2, ..modifier(kind) };
            let modified = how.apply(&w, Key::new(2));
            assert_eq!(modified, how.apply(&w, Key::new(2)), "{kind}");
            assert_eq!(modified == w, kind == WeightModifier::None, "{kind}");
            assert_eq!(modified.iter().any(|&w| w == 0.0), kind != WeightModifier::None, "{kind}");
        }
    }

    #[test]
    fn the_last_column_can_be_spared() {
        let w = Tensor::from([[0.5, -0.25, 8.0], [0.25, 0.1, -8.0]]);
        for &kind in WeightModifier::ALL {
            let how = WeightModifierParameter { copy_last_column: true, pdrop: 0.5, ..modifier(kind) };
            assert_eq!(how.apply(&w, Key::new(2)).slice(1, 2..3), w.slice(1, 2..3), "{kind}");
            // A tile with one column does not change.
            assert_eq!(how.apply(&w.slice(1, 2..3), Key::new(2)), w.slice(1, 2..3), "{kind}");
        }
        let how = WeightModifierParameter { copy_last_column: true, ..modifier(WeightModifier::Discretize) };
        assert_eq!(how.apply(&w, Key::new(2)).row(0).to_vec(), [0.5, -0.25, 8.0]); // in units of 0.5, not of 8
    }

    #[test]
    fn weights_of_zeros_have_a_unit_of_one() {
        let w = Tensor::full(&[100, 100], 0.0);
        let modified = modifier(WeightModifier::AddNormal).apply(&w, Key::new(3));
        assert!((modified.std(1) - 0.1).abs() < 0.003);
    }

    /// Without its noise PCM_NOISE is the identity; its noise at the time of programming is that of programming and of
    /// one read, checked at 4.5 standard errors (one key in 150000 would fail).
    #[test]
    fn pcm_noise_is_that_of_programming_and_reading() {
        let a = 0.4;
        let w = Tensor::from_fn(&[1, 100_001], |at| if at[1] == 0 { 1.0 } else { -a });
        let quiet = WeightModifierParameter { std_dev: 0.0, ..modifier(WeightModifier::PcmNoise) };
        assert!((&quiet.apply(&w, Key::new(1)) - &w).abs().max() < 1e-6);
        let how = WeightModifierParameter { std_dev: 0.5, ..quiet.clone() };
        let modified = how.apply(&w, Key::new(1)).slice(1, 1..w.len());
        let programming = 0.5 * (0.26348 + 1.9650 * a - 1.1731 * a * a);
        let read = 0.5 * 25.0 * a * (0.0088 / a.powf(0.65)) * ((20.0 + 2.5e-7f32) / 5e-7).ln().sqrt();
        let std = programming.hypot(read) / 25.0;
        assert!((modified.std(1) - std).abs() < 0.02 * std, "{} {std}", modified.std(1));
        assert!((modified.mean() + a).abs() < 4.5 * std / 100_000f32.sqrt() + 1e-4);
        // Drift spreads and lowers weights: its exponent here is the magnitude of a normal number.
        let late = WeightModifierParameter { pcm_t_inference: 3.15e7, ..quiet };
        let drifted = late.apply(&w, Key::new(1)).slice(1, 1..w.len());
        let spread = (-0.0125 * a.ln() - 0.0059).clamp(0.008, 0.045);
        let mean_log = -spread * (2.0 / std::f32::consts::PI).sqrt() * (3.15e7f32 / 20.0).ln();
        let logs = drifted.map(|w| (-w / a).ln());
        assert!((logs.mean() - mean_log).abs() < 0.02 * mean_log.abs(), "{} {mean_log}", logs.mean());
    }

    #[test]
    fn pcm_devices_fail_with_their_probabilities() {
        let w = Tensor::full(&[100, 100], 0.5);
        let how = WeightModifierParameter { std_dev: 0.0, ..modifier(WeightModifier::PcmNoise) };
        let share = |how: WeightModifierParameter, at: f32| {
            let modified = how.apply(&w, Key::new(4));
            modified.iter().filter(|&&w| (w - at).abs() < 1e-6).count() as f32 / modified.len() as f32
        };
        let unit = WeightModifierParameter { rel_to_actual_wmax: false, ..how };
        // 4.5 standard errors of a share of 10000.
        let near = |share: f32, p: f32| assert!((share - p).abs() < 0.045 * (p * (1.0 - p)).sqrt(), "{share} {p}");
        near(share(WeightModifierParameter { pcm_prob_at_reset: 0.2, ..unit.clone() }, 0.0), 0.2);
        // Of the devices at g_max, one half ends at 1 (½ + 1, cut), the other at |½ − 1|.
        near(share(WeightModifierParameter { pcm_prob_at_gmax: 0.2, ..unit.clone() }, 1.0), 0.1);
        near(share(WeightModifierParameter { pcm_prob_at_random: 0.2, ..unit.clone() }, 0.5), 0.8);
        let threshold = 0.55 * 25.0 / 0.26348;
        let zero = WeightModifierParameter { std_dev: 1.0, pcm_zero_thres: threshold, ..unit };
        assert_eq!(share(zero, 0.0), 1.0);
    }
}
