//! Input ranges of a trained network, found from data.

use ohmgrad_analog::{CalibratedRanges, Calibration, Error, TileArray};
use ohmgrad_autograd::Tape;
use ohmgrad_tensor::{Key, Tensor};

use crate::module::Module;

/// The result of a calibration for a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedLayer {
    /// Its path in the network.
    pub path: String,
    /// The ranges of its tiles, and what was changed.
    pub found: CalibratedRanges,
}

/// Finds the input range of each tile from batches of inputs, in evaluation, and sets it. Returns the results, layer by
/// layer. In the layers' configurations it changes the input ranges and switches noise management off; nothing else.
///
/// ```
/// use ohmgrad_analog::{Calibration, CalibrationMode, InferenceRpuConfig};
/// use ohmgrad_models::{Network, Sequential, calibrate_input_ranges};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let mut net = Sequential::new().linear(8, 16).relu().linear(16, 4).init(Key::new(1));
/// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
/// let batches = (0..4).map(|i| Tensor::normal(&[64, 8], Key::new(3).fold(i)));
/// let how = Calibration::new(CalibrationMode::CacheQuantile);
/// let layers = calibrate_input_ranges(&mut net, batches, &how, Key::new(4))?;
/// assert_eq!(layers[1].path, "2");
/// assert!(layers[0].found.ranges[0] > 2.0);
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
///
/// # Errors
/// If a layer can't have an input range, a setting is wrong, or an input of a layer is NaN or infinite; the network is
/// then as it was.
pub fn calibrate_input_ranges(
    net: &mut (impl Module + ?Sized),
    batches: impl IntoIterator<Item = Tensor>,
    how: &Calibration,
    key: Key,
) -> Result<Vec<CalibratedLayer>, Error> {
    let mut takes_part = vec![];
    for (path, tiles) in net.tile_arrays() {
        takes_part.push(tiles.can_calibrate(how, &path)?);
    }
    chosen(net, &takes_part).for_each(|(_, tiles)| tiles.begin_calibration(how));
    for (i, batch) in batches.into_iter().enumerate() {
        let tape = Tape::eval(key.fold(i));
        net.forward(tape.constant(batch));
        chosen(net, &takes_part).for_each(|(_, tiles)| tiles.commit_calibration(&tape));
    }
    let has_no_range = |(_, tiles): &(String, &mut TileArray)| {
        tiles.input_ranges.as_ref().is_some_and(|ranges| ranges.values.value.iter().any(|r| r.is_nan()))
    };
    let lost = chosen(net, &takes_part).find(has_no_range).map(|(path, _)| path);
    if let Some(layer) = lost {
        chosen(net, &takes_part).for_each(|(_, tiles)| tiles.abort_calibration());
        let reason = "an input is NaN or infinite, so that there is no range for it".into();
        return Err(Error::Convert { layer, reason });
    }
    let layer = |(path, tiles): (_, &mut TileArray)| Some(CalibratedLayer { path, found: tiles.finish_calibration()? });
    Ok(chosen(net, &takes_part).filter_map(layer).collect())
}

/// The tiles of a network that take part in its calibration.
fn chosen<'a>(
    net: &'a mut (impl Module + ?Sized),
    takes_part: &[bool],
) -> impl Iterator<Item = (String, &'a mut TileArray)> {
    let arrays = net.tile_arrays_mut().into_iter().zip(takes_part);
    arrays.filter_map(|(array, takes_part)| takes_part.then_some(array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, Sequential, Visit, predict};
    use ohmgrad_analog::config::{InputRangeParameter, NoiseManagement, PrePostProcessingParameter};
    use ohmgrad_analog::{CalibrationMode, InferenceRpuConfig, IoParameters, MappingParameter};

    fn batches() -> Vec<Tensor> {
        (0..3).map(|i| &Tensor::normal(&[50, 6], Key::new(5).fold(i)) * (1.0 + i as f32)).collect()
    }

    fn net(config: &InferenceRpuConfig) -> Sequential {
        let mut net = Sequential::new().linear(6, 8).relu().linear(8, 3).init(Key::new(1));
        net.to_analog(config, Key::new(2)).unwrap();
        net
    }

    fn calibrated(config: &InferenceRpuConfig, how: Calibration) -> (Sequential, Vec<CalibratedRanges>) {
        let mut net = net(config);
        let layers = calibrate_input_ranges(&mut net, batches(), &how, Key::new(3)).unwrap();
        (net, layers.into_iter().map(|layer| layer.found).collect())
    }

    #[test]
    fn values_that_are_not_numbers_are_errors_and_change_nothing() {
        for mode in CalibrationMode::ALL {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut net = net(&InferenceRpuConfig::default());
                let before = predict(&net, &batches()[0], Key::new(4));
                let mut data = batches();
                data[1].make_mut()[7] = bad;
                let error = calibrate_input_ranges(&mut net, data, &Calibration::new(*mode), Key::new(3)).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "layer `0`: an input is NaN or infinite, so that there is no range for it",
                    "{mode}"
                );
                assert_eq!(predict(&net, &batches()[0], Key::new(4)), before);
            }
        }
    }

    #[test]
    fn the_maximum_is_that_of_the_inputs_of_an_exact_network() {
        // The initial range would clip inputs; calibration does not apply it.
        let input_range = InputRangeParameter { enable: true, init_value: 0.1, ..Default::default() };
        let pre_post = PrePostProcessingParameter { input_range };
        let mapping = MappingParameter { max_input_size: 4, ..Default::default() };
        let config = InferenceRpuConfig { pre_post, mapping, ..Default::default() };
        let (after, found) = calibrated(&config, Calibration::new(CalibrationMode::Max));
        let top = |columns: std::ops::Range<usize>| {
            batches().iter().map(|x| x.slice(1, columns.clone()).abs().max()).fold(0.0, f32::max)
        };
        assert_eq!(found[0].ranges, [top(0..3), top(3..6)]);
        assert_eq!((found[0].is_new, found[0].unseen), (false, 0));
        assert_eq!(found[0].noise_management, Some(NoiseManagement::AbsMax));
        let mut digital = net(&config);
        digital.to_digital();
        let parameters: std::collections::BTreeMap<_, _> = digital.state_dict().into_iter().collect();
        let hidden = |x: Tensor| {
            let y = &ohmgrad_tensor::product::linear(&x, &parameters["0.weight"]) + &parameters["0.bias"];
            y.max().max(0.0)
        };
        let top = batches().into_iter().map(hidden).fold(0.0, f32::max);
        assert!((found[1].ranges[0] - top).abs() < 1e-5 * top);
        let ranges = after.parameters().into_iter().filter(|(path, _)| path.ends_with("input_range"));
        let ranges: Vec<_> = ranges.map(|(_, param)| param.value.to_vec()).collect();
        assert_eq!(ranges, [found[0].ranges.clone(), found[1].ranges.clone()]);
    }

    #[test]
    fn running_means_begin_afresh() {
        let config = InferenceRpuConfig::default();
        let (_, found) = calibrated(&config, Calibration::new(CalibrationMode::MovingStd));
        let mean = batches().iter().map(|x| 3.0 * x.std(1)).sum::<f32>() / 3.0;
        assert!((found[0].ranges[0] - mean).abs() < 1e-4 * mean, "{} {mean}", found[0].ranges[0]);
        assert!(found[0].is_new);
        let how = Calibration { quantile: 1.0, ..Calibration::new(CalibrationMode::MovingQuantile) };
        let (_, found) = calibrated(&config, how);
        let mean = batches().iter().map(|x| x.abs().max()).sum::<f32>() / 3.0;
        assert!((found[0].ranges[0] - mean).abs() < 1e-4 * mean);
        // Only the first batch.
        let how = Calibration { max_samples: 1, ..Calibration::new(CalibrationMode::MovingStd) };
        let (_, found) = calibrated(&config, how);
        assert!((found[0].ranges[0] - 3.0 * batches()[0].std(1)).abs() < 1e-4);
    }

    #[test]
    fn a_cache_that_holds_all_rows_gives_the_quantile_of_all() {
        let how = Calibration { quantile: 1.0, ..Calibration::new(CalibrationMode::CacheQuantile) };
        let (_, found) = calibrated(&InferenceRpuConfig::default(), how);
        let top = batches().iter().map(|x| x.abs().max()).fold(0.0, f32::max);
        assert_eq!(found[0].ranges, [top]);
    }

    #[test]
    fn layers_are_left_alone_or_refused() {
        let config = InferenceRpuConfig::default();
        let how = Calibration { force_all_layers: false, ..Calibration::new(CalibrationMode::Max) };
        assert_eq!(calibrated(&config, how).1, []);
        let mapping = MappingParameter { digital_bias: false, ..Default::default() };
        let mut analog_bias = net(&InferenceRpuConfig { mapping, ..Default::default() });
        let how = Calibration::new(CalibrationMode::Max);
        let error = calibrate_input_ranges(&mut analog_bias, batches(), &how, Key::new(3)).unwrap_err();
        assert!(error.to_string().starts_with("layer `0`: an analog bias with an input range"), "{error}");
        let how = Calibration { quantile: 1.5, ..how };
        assert!(calibrate_input_ranges(&mut net(&config), batches(), &how, Key::new(3)).is_err());
        let input_range = InputRangeParameter { enable: true, ..Default::default() };
        let pre_post = PrePostProcessingParameter { input_range };
        let how = Calibration { force_all_layers: false, ..Calibration::new(CalibrationMode::Max) };
        let mut managed = net(&InferenceRpuConfig { pre_post, ..Default::default() });
        let error = calibrate_input_ranges(&mut managed, batches(), &how, Key::new(3)).unwrap_err();
        assert!(error.to_string().contains("noise_management = \"NONE\""), "{error}");
    }

    #[test]
    fn nothing_but_ranges_and_noise_management_changes() {
        let forward = IoParameters { w_noise: 0.01, ..Default::default() };
        let config = InferenceRpuConfig { forward, ..Default::default() };
        for mode in CalibrationMode::ALL {
            let (after, _) = calibrated(&config, Calibration::new(*mode));
            for (_, tiles) in after.tile_arrays() {
                let mut expected = config.clone();
                expected.forward.noise_management = NoiseManagement::None;
                expected.pre_post.input_range.enable = true;
                expected.pre_post.input_range.learn_input_range = false;
                assert_eq!(*tiles.config(), expected, "{mode}");
            }
        }
    }
}
