//! Weight programming optimisation: many pairs of conductances stand for the same weight, and noise and drift determine
//! which is best.
//!
//! Tables of conductances over weights are searched by differential evolution, so that weights read at given times are
//! near their targets. Source: Mackin et al., Nature Communications 13, 3765 (2022); aihwkit `inference/converter/wpo.py`.

mod evolution;
mod tables;

use ohmgrad_tensor::{Key, Tensor, random};

use super::{CustomPair, NoiseModel, Programmed};
use crate::Error;
use crate::config::{ConverterConfig, DriftCompensationConfig, NoiseModelConfig};

pub use evolution::Evolution;
use tables::Tables;

/// Factor on errors relative to the largest weight. It is the reference's, and affects only the values of losses.
const AMPLIFICATION: f64 = 10.0;

/// Options of a programming optimisation: its objective and its search.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgrammingOptions {
    /// The factor of each pair of devices; those left open are searched, from 0.1 to 5.
    pub f_lst: Vec<Option<f32>>,
    /// The times in seconds after programming at which errors count.
    pub t_steps: Vec<f32>,
    /// The converter to improve on: pairs of devices, whose range of conductances is taken over.
    pub baseline: ConverterConfig,
    /// Drift compensation, with readouts free of noise.
    pub compensation: DriftCompensationConfig,
    /// Points of the tables for weights from 0 to the largest.
    pub nbins: usize,
    /// Programs negative weights as positive ones with the devices of each pair exchanged.
    pub symmetric: bool,
    /// Gives the largest weight the whole range of conductances, instead of searching for its share.
    pub use_max_kw: bool,
    /// Share by which the loss is to be below that of the baseline; the search ends there.
    pub loss_margin: f64,
    /// Number of times the baseline is programmed to find its loss.
    pub baseline_iterations: usize,
    /// Inputs of the matrix on which programming is tried, which has 20 outputs.
    pub inputs: usize,
    /// The search.
    pub evolution: Evolution,
}

/// One pair; times from a second to a year; a loss an eighth below that of a single pair, as in the reference.
impl Default for ProgrammingOptions {
    fn default() -> Self {
        Self {
            f_lst: vec![Some(1.0)],
            t_steps: vec![1.0, 60.0, 3600.0, 86_400.0, 31_536_000.0],
            baseline: ConverterConfig::default(),
            compensation: DriftCompensationConfig::default(),
            nbins: 6,
            symmetric: true,
            use_max_kw: false,
            loss_margin: 0.125,
            baseline_iterations: 100,
            inputs: 512,
            evolution: Evolution::default(),
        }
    }
}

/// Result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimisedProgramming {
    /// The programming.
    pub converter: CustomPair,
    /// The mean of `(10·(α·w(t) − w)/max|w|)²` over weights, times, and as many new chips as for the baseline.
    pub loss: f64,
    /// The loss of the baseline.
    pub baseline: f64,
    /// `true` if the search, on other chips, found a loss below the baseline's by the margin.
    pub success: bool,
}

/// Searches the programming of `weights` (tile weights, of any shape) whose read values are nearest to them.
///
/// `model` gives the devices with a converter; `progress` gets after each generation its number and the best value so
/// far, `(loss − baseline)/baseline + loss_margin`. The result is a function of all arguments but `progress`, on any
/// number of threads.
///
/// ```
/// use ohmgrad_analog::noise::{Evolution, Pcm, ProgrammingOptions, optimise_programming};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let key = Key::new(1);
/// let weights = Tensor::normal(&[20, 64], key.fold("weights"));
/// let options = ProgrammingOptions {
///     t_steps: vec![3600.0],
///     inputs: 32,
///     baseline_iterations: 10,
///     evolution: Evolution { population: 5, generations: 5, ..Default::default() },
///     ..Default::default()
/// };
/// let pcm = |converter| Pcm { g_converter: Some(converter), ..Default::default() }.into();
/// let found = optimise_programming(&weights, pcm, &options, key, |_, _| {})?;
/// assert_eq!((found.converter.g_lst.len(), found.converter.g_lst[0].len()), (2, 11));
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
///
/// # Errors
/// If options are out of range, weights are not finite or all 0, the baseline has no pairs of devices, or the model has
/// no data for a time.
pub fn optimise_programming(
    weights: &Tensor,
    model: impl Fn(ConverterConfig) -> NoiseModelConfig + Sync,
    options: &ProgrammingOptions,
    key: Key,
    progress: impl FnMut(usize, f64),
) -> Result<OptimisedProgramming, Error> {
    let trial = Trial::new(weights, options, key.fold("weights"))?;
    let times = options.baseline_iterations as f64;
    let mean = |converter: ConverterConfig, key: Key| -> Result<f64, Error> {
        let losses = (0..options.baseline_iterations).map(|i| trial.loss(&model(converter.clone()), key.fold(i)));
        Ok(losses.sum::<Result<f64, Error>>()? / times)
    };
    let baseline = mean(options.baseline.clone(), key.fold("baseline"))?;
    let tables = Tables::new(options, trial.most);
    let value = |x: &[f64], key: Key| {
        // The baseline was read at the same times, so that none is refused.
        let loss = trial.loss(&model(tables.converter(x).into()), key).unwrap_or(f64::INFINITY);
        (loss - baseline) / baseline + options.loss_margin
    };
    let (x, best) = options.evolution.minimise(tables.dimensions(), value, key.fold("evolution"), progress);
    let converter = tables.converter(&x);
    converter.validate()?;
    let loss = mean(converter.clone().into(), key.fold("result"))?;
    Ok(OptimisedProgramming { converter, loss, baseline, success: best < 0.0 })
}

/// The matrix on which programming is tried.
struct Trial<'a> {
    options: &'a ProgrammingOptions,
    /// [20, inputs], distributed as the weights are.
    w: Tensor,
    /// The largest magnitude.
    most: f32,
}

impl<'a> Trial<'a> {
    fn new(weights: &Tensor, options: &'a ProgrammingOptions, key: Key) -> Result<Self, Error> {
        check(options)?;
        let w = resampled(weights, 20 * options.inputs, key).reshape(&[20, options.inputs]);
        let most = w.abs().max();
        match most > 0.0 && most.is_finite() && weights.iter().all(|w| w.is_finite()) {
            true => Ok(Self { options, w, most }),
            false => Err(wrong("weights", format!("of largest magnitude {most}"), "finite and not all 0")),
        }
    }

    /// The mean square error over all times, programming anew for each.
    fn loss(&self, model: &NoiseModelConfig, key: Key) -> Result<f64, Error> {
        let model: &dyn NoiseModel =
            model.model().ok_or_else(|| wrong("noise_model", "None".into(), "a noise model"))?;
        let mut sum = 0.0;
        for (i, &t) in self.options.t_steps.iter().enumerate() {
            let key = key.fold(i);
            let chip = Programmed::new(model, &self.w, key.fold("programming"));
            let mut read = chip.at(model, t, key.fold("read"))?;
            if let Some(compensation) = self.options.compensation.method() {
                let start = if compensation.exact_reference() { &self.w } else { &chip.weights };
                let statistic = |w: &Tensor| compensation.statistic(&w.t().contiguous());
                let alpha = compensation.alpha(&statistic(start), &statistic(&read));
                read = &read * &alpha.reshape(&[alpha.len(), 1]);
            }
            let off = |(read, w): (&f32, &f32)| (AMPLIFICATION * f64::from((read - w) / self.most)).powi(2);
            sum += read.iter().zip(self.w.iter()).map(off).sum::<f64>() / self.w.len() as f64;
        }
        Ok(sum / self.options.t_steps.len() as f64)
    }
}

/// A sample of `n` numbers of the same distribution: sorted, interpolated, shuffled.
fn resampled(values: &Tensor, n: usize, key: Key) -> Tensor {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |i: usize| {
        let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
        let place = i as f64 / (n.max(2) - 1) as f64 * last as f64;
        let left = (place as usize).min(last.saturating_sub(1));
        let (a, b) = (f64::from(sorted[left]), f64::from(sorted[(left + 1).min(last)]));
        (a + (b - a) * (place - left as f64)) as f32
    };
    random::permutation(n, key).into_iter().map(at).collect::<Vec<_>>().into()
}

fn check(options: &ProgrammingOptions) -> Result<(), Error> {
    let ProgrammingOptions { f_lst, t_steps, nbins, baseline_iterations, inputs, evolution, .. } = options;
    let positive = |f: &Option<f32>| f.is_none_or(|f| f > 0.0 && f.is_finite());
    if f_lst.is_empty() || !f_lst.iter().all(positive) {
        return Err(wrong(
            "f_lst",
            format!("{f_lst:?}"),
            "one factor above 0 for each pair, or None, and at least one",
        ));
    }
    if t_steps.is_empty() {
        return Err(wrong("t_steps", "[]".into(), "at least one time"));
    }
    if options.baseline.converter().pair_factors().is_none() {
        return Err(wrong("baseline", format!("{:?}", options.baseline), "a converter to pairs of devices"));
    }
    let counts = [
        ("nbins", *nbins, 2),
        ("baseline_iterations", *baseline_iterations, 1),
        ("inputs", *inputs, 1),
        ("evolution.population", evolution.population, 1),
    ];
    match counts.into_iter().find(|(_, count, least)| count < least) {
        Some((field, count, least)) => Err(wrong(field, count.to_string(), &format!("at least {least}"))),
        None => Ok(()),
    }
}

fn wrong(field: &str, value: String, allowed: &str) -> Error {
    Error::InvalidField { field: field.to_owned(), value, allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Pcm, ReRamWan2022, SingleDevice};

    fn pcm(converter: ConverterConfig) -> NoiseModelConfig {
        Pcm { g_converter: Some(converter), ..Default::default() }.into()
    }

    fn options() -> ProgrammingOptions {
        ProgrammingOptions {
            f_lst: vec![Some(1.0), Some(1.0)],
            t_steps: vec![3600.0],
            loss_margin: 0.4,
            inputs: 50,
            baseline_iterations: 40,
            evolution: Evolution { population: 10, generations: 100, mutation: 0.4, ..Default::default() },
            ..Default::default()
        }
    }

    /// Two pairs share a weight and average their errors: with five keys the loss was 33 to 38 % lower. This key is fixed.
    #[test]
    fn the_result_is_better_than_a_single_pair_on_new_chips() {
        let weights = Tensor::normal(&[30, 30], Key::new(1));
        let run = || optimise_programming(&weights, pcm, &options(), Key::new(2), |_, _| {}).unwrap();
        let found = run();
        assert!(found.success && found.loss < 0.8 * found.baseline, "{} {}", found.loss, found.baseline);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(run), found);
    }

    #[test]
    fn resampling_keeps_the_distribution() {
        let mut values = resampled(&Tensor::from([3.0, 1.0, 2.0]), 5, Key::new(1)).to_vec();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, [1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(resampled(&Tensor::from([7.0]), 2, Key::new(1)).to_vec(), [7.0, 7.0]);
    }

    #[test]
    fn options_out_of_range_are_errors() {
        let error = |change: &dyn Fn(&mut ProgrammingOptions)| {
            let mut options = options();
            change(&mut options);
            let weights = Tensor::from([1.0, -1.0]);
            optimise_programming(&weights, pcm, &options, Key::new(1), |_, _| {}).unwrap_err().to_string()
        };
        assert!(error(&|o| o.f_lst = vec![Some(0.0)]).starts_with("f_lst = [Some(0.0)]: must be one factor above 0"));
        assert_eq!(error(&|o| o.t_steps.clear()), "t_steps = []: must be at least one time");
        assert_eq!(error(&|o| o.nbins = 1), "nbins = 1: must be at least 2");
        assert!(error(&|o| o.baseline = SingleDevice::default().into()).contains("a converter to pairs of devices"));
        let zeros = Tensor::full(&[3], 0.0);
        let nothing = optimise_programming(&zeros, pcm, &options(), Key::new(1), |_, _| {}).unwrap_err();
        assert_eq!(nothing.to_string(), "weights = of largest magnitude 0: must be finite and not all 0");
        let reram = |_| ReRamWan2022::default().into();
        let time = optimise_programming(&Tensor::from([1.0]), reram, &options(), Key::new(1), |_, _| {}).unwrap_err();
        assert!(matches!(time, Error::Time { .. }), "{time}");
    }
}
