//! Drift of single weights over time, `w(t) = w₀·t^(−ν)` since their last change.
//!
//! Source: aihwkit `weight_drifter.cpp`. Where a weight has changed by more than `reset_tol` since the last call, its
//! drift starts anew, and it does not drift in that call.

use ohmgrad_tensor::{Key, Scalar, Tensor, random};

use crate::config::section::{Rules, parameters};
use crate::config::unused::Unused;

parameters! {
    /// Drift of the weights; with the exponent ν = 0 there is none.
    #[derive(Copy)]
    #[doc(alias = "SimpleDriftParameter")]
    pub struct DriftParameter {
        /// Mean drift exponent.
        nu: f32 = 0.0;

        /// Spread of the exponent between devices, relative.
        nu_dtod: f32 = 0.0, [>= 0.0];

        /// Variation of the exponent from call to call, relative.
        nu_std: f32 = 0.0, [>= 0.0];

        /// Unit of time.
        t_0: f32 = 1.0, [> 0.0];

        /// Change of a weight above which its drift starts anew.
        reset_tol: f32 = 1e-7, [>= 0.0];

        /// Weight per conductance; used if the exponent depends on the conductance (`nu_k`), or for `g_offset`.
        wg_ratio: f32 = 1.0, [> 0.0];

        /// Conductance offset.
        g_offset: f32 = 0.0;

        /// Weight offset.
        w_offset: f32 = 0.0;

        /// Decrease of the exponent per logarithm of the conductance.
        nu_k: f32 = 0.0;

        /// Logarithm of the conductance where the exponent is `nu`.
        log_g0: f32 = 0.0;

        /// Standard deviation of noise that each call adds.
        w_noise_std: f32 = 0.0, [>= 0.0];
    }
}

impl Rules for DriftParameter {
    fn without_effect(&self, unused: &mut Unused<'_>) {
        let (constant, flat) = (self.nu == 0.0 && self.nu_k == 0.0, self.nu_k == 0.0);
        unused.note("", &["nu_dtod", "nu_std"], self.nu == 0.0, "nu is 0");
        unused.note("", &["t_0", "g_offset", "w_offset"], constant, "nu and nu_k are 0");
        unused.note("", &["reset_tol"], constant && self.w_noise_std == 0.0, "nu, nu_k and w_noise_std are 0");
        let no_conductance = flat && self.g_offset == 0.0;
        unused.note("", &["wg_ratio"], constant || no_conductance, "nu_k and g_offset are 0");
        unused.note("", &["log_g0"], flat, "nu_k is 0");
    }
}

/// The state of the drift of an array: a clock for each weight.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    pub(super) nu: Tensor,
    /// Weights when their clocks started.
    pub(super) start: Tensor,
    /// Weights after the last call.
    pub(super) previous: Tensor,
    /// Times when clocks started.
    pub(super) since: Tensor,
    pub(super) time: f32,
    /// 0 before the first call, then 1.
    pub(super) started: u64,
}

impl Clocks {
    pub(super) fn new(nu: Vec<f32>, shape: &[usize]) -> Self {
        let zeros = Tensor::full(shape, 0.0);
        let nu = Tensor::from_vec(nu, shape);
        Self { nu, start: zeros.clone(), previous: zeros.clone(), since: zeros, time: 0.0, started: 0 }
    }

    /// Lets weights drift; `clip` keeps the i-th in its bounds.
    pub(super) fn advance(
        &mut self,
        p: &DriftParameter,
        w: &mut Tensor,
        by: f32,
        clip: impl Fn(usize, f32) -> f32,
        key: Key,
    ) {
        if self.started == 0 {
            (self.start, self.previous, self.started) = (w.clone(), w.clone(), 1);
        }
        self.time += by / p.t_0;
        let columns = w.shape()[1].max(1);
        let offset = p.g_offset * p.wg_ratio + p.w_offset;
        let (nu_key, noise_key) = (key.fold("nu"), key.fold("noise"));
        let (mut nu_noise, mut noise) = (vec![0.0; columns], vec![0.0; columns]);
        let nu = self.nu.as_slice().expect("contiguous");
        let [start, previous, since] = [&mut self.start, &mut self.previous, &mut self.since].map(Tensor::make_mut);
        for (row, w) in w.make_mut().chunks_exact_mut(columns).enumerate() {
            if p.nu_std > 0.0 {
                random::fill_normal(&mut nu_noise, nu_key.fold(row));
            }
            if p.w_noise_std > 0.0 {
                random::fill_normal(&mut noise, noise_key.fold(row));
            }
            for (j, w) in w.iter_mut().enumerate() {
                let i = row * columns + j;
                let mut new = *w;
                if (previous[i] - *w).abs() > p.reset_tol {
                    (since[i], start[i]) = (self.time, *w);
                } else {
                    let mut nu = nu[i] + p.nu_std * nu[i] * nu_noise[j];
                    if p.nu_k != 0.0 {
                        // Conductances are positive: a weight below the offset drifts as the smallest one.
                        let g = ((*w - p.w_offset) / p.wg_ratio + p.g_offset).max(f32::MIN_POSITIVE);
                        nu -= p.nu_k * (g.logarithm() - p.log_g0);
                    }
                    let factor = (-nu * (self.time - since[i]).max(1.0).logarithm()).exponential();
                    new = start[i] * factor + offset * (factor - 1.0);
                }
                *w = clip(i, new + p.w_noise_std * noise[j]);
                previous[i] = *w;
            }
        }
    }
}
