//! A table of the weights of a network.

use std::fmt;

use ohmgrad_analog::DeviceSummary;
use ohmgrad_autograd::Param;

use crate::affine::Affine;
use crate::alike;

/// The weights of a network, in order; [`Display`](fmt::Display) prints the table.
///
/// ```
/// use ohmgrad_analog::InferenceRpuConfig;
/// use ohmgrad_models::{Network, Sequential};
/// use ohmgrad_tensor::Key;
///
/// let mut net = Sequential::new().linear(784, 256).relu().linear(256, 10).init(Key::new(1));
/// net.to_analog(InferenceRpuConfig::default(), Key::new(2))?;
/// let summary = net.summary();
/// assert_eq!((summary.parameters(), summary.tiles()), (784 * 256 + 256 + 2560 + 10, 3));
/// println!("{summary}");
/// # Ok::<(), ohmgrad_analog::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// One entry for each weight, with its bias, or for each other parameter.
    pub layers: Vec<LayerSummary>,
    /// Pairs of weights that begin with the same numbers, up to a factor: their layers were made from equal keys.
    pub alike: Vec<[String; 2]>,
}

/// One weight with its bias, or one other parameter.
#[derive(Clone, Debug)]
pub struct LayerSummary {
    /// Its path in the network.
    pub path: String,
    /// The shape of the weight.
    pub shape: Vec<usize>,
    /// Trained numbers, bias and learned scales included.
    pub parameters: usize,
    /// Tiles that hold the weight; 0 for a digital one.
    pub tiles: usize,
    /// The largest tile, as [out, in]; [0, 0] for a digital weight.
    pub tile_size: [usize; 2],
    /// The share of the tiles' devices that hold a weight: 1 for tiles without a limit, 0 for a digital weight.
    pub utilisation: f64,
    /// The devices, if the weight trains by pulses.
    pub devices: Option<DeviceSummary>,
}

impl Summary {
    /// All trained numbers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// All tiles.
    pub fn tiles(&self) -> usize {
        self.layers.iter().map(|layer| layer.tiles).sum()
    }

    pub(crate) fn add_param(&mut self, path: &str, param: &Param) {
        self.layers.push(LayerSummary {
            path: path.into(),
            shape: param.value.shape().to_vec(),
            parameters: param.value.len(),
            tiles: 0,
            tile_size: [0; 2],
            utilisation: 0.0,
            devices: None,
        });
    }

    pub(crate) fn add_affine(&mut self, path: &str, affine: &Affine) {
        let mut layer = LayerSummary {
            path: path.into(),
            shape: affine.weight().value.shape().to_vec(),
            parameters: affine.params().map(|(_, param)| param.value.len()).sum(),
            tiles: 0,
            tile_size: [0; 2],
            utilisation: 0.0,
            devices: None,
        };
        if let Some(array) = affine.tiles() {
            let mapping = &array.config().mapping;
            let capacity = |size: usize, max: usize| if max == 0 { size } else { max.max(size) };
            let (mut used, mut there) = (0, 0);
            for tile in array.tiles() {
                let [outs, ins] = [tile.outs.len(), tile.ins.len()];
                used += outs * ins;
                there += capacity(outs, mapping.max_output_size) * capacity(ins, mapping.max_input_size);
                layer.tile_size = [layer.tile_size[0].max(outs), layer.tile_size[1].max(ins)];
            }
            layer.tiles = array.tiles().len();
            layer.utilisation = used as f64 / there.max(1) as f64;
            layer.devices = array.device_summary();
        }
        self.layers.push(layer);
    }
}

impl Summary {
    /// A line for each weight that trains by pulses; the columns of the pulses are `–` until there were some.
    fn fmt_devices(&self, f: &mut fmt::Formatter<'_>, path: usize) -> fmt::Result {
        let on_chip = || self.layers.iter().filter_map(|layer| Some((layer, layer.devices.as_ref()?)));
        let width = |text: fn(&DeviceSummary) -> &str| on_chip().map(|(_, d)| text(d).chars().count()).max();
        let (Some(cell), Some(update)) = (width(|d| &d.cell), width(|d| &d.update)) else { return Ok(()) };
        write!(
            f,
            "\n\n{:path$}  {:cell$}  {:>11}  {:>6}  {:>8}  {:update$}  {:>6}  {:>11}  {:>9}",
            "layer", "cell", "granularity", "states", "symmetry", "pulses", "length", "coincidence", "d clipped"
        )?;
        for (layer, DeviceSummary { granularity, states, symmetry_point, statistics, .. }) in on_chip() {
            let dash = |number: Option<String>| number.unwrap_or_else(|| "–".into());
            let sent = |text: String| dash((statistics.samples > 0).then_some(text));
            let devices = layer.devices.as_ref().expect("filtered above");
            let crosspoints = statistics.samples as f64 * layer.shape.iter().product::<usize>() as f64;
            write!(
                f,
                "\n{:path$}  {:cell$}  {granularity:>11.3e}  {:>6}  {:>8}  {:update$}  {:>6}  {:>11}  {:>9}",
                layer.path,
                devices.cell,
                dash(states.map(|states| format!("{states:.0}"))),
                dash(symmetry_point.map(|w| format!("{w:.3}"))),
                devices.update,
                sent(format!("{:.1}", statistics.mean_length())),
                sent(format!("{:.2} %", 100.0 * statistics.coincidences as f64 / crosspoints)),
                sent(format!("{:.2} %", 100.0 * statistics.clipped())),
            )?;
        }
        Ok(())
    }
}

/// A line for each entry, then the totals; then a line for each weight that trains by pulses.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let shapes: Vec<String> = self.layers.iter().map(|layer| shape(&layer.shape)).collect();
        let path = self.layers.iter().map(|layer| layer.path.len()).max().unwrap_or(0).max(5);
        let size = shapes.iter().map(|s| s.chars().count()).max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:path$}  {:>size$}  {:>10}  {:>5}  {:>9}  {:>11}",
            "layer", "weight", "parameters", "tiles", "tile size", "utilisation"
        )?;
        for (layer, weight) in self.layers.iter().zip(&shapes) {
            write!(f, "{:path$}  {weight:>size$}  {:>10}", layer.path, layer.parameters)?;
            if layer.tiles == 0 {
                writeln!(f, "  {:>5}", "–")?;
            } else {
                let utilisation = 100.0 * layer.utilisation;
                writeln!(f, "  {:>5}  {:>9}  {utilisation:>9.1} %", layer.tiles, shape(&layer.tile_size))?;
            }
        }
        let (parameters, tiles) = (self.parameters(), self.tiles());
        write!(f, "{:path$}  {:>size$}  {parameters:>10}  {tiles:>5}", "total", "")?;
        self.fmt_devices(f, path)?;
        self.alike.iter().try_for_each(|pair| write!(f, "\n{}", alike::say(pair)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Module, Network, Sequential, Sgd};
    use ohmgrad_analog::InferenceRpuConfig;
    use ohmgrad_autograd::Tape;
    use ohmgrad_tensor::{Key, Tensor};

    #[test]
    fn tiles_and_their_filling_are_counted() {
        let mut net = Sequential::new().linear(784, 256).relu().linear(256, 10).init(Key::new(1));
        let config = InferenceRpuConfig::default();
        net.to_analog_with(Key::new(2), |path| (path == "0").then_some(&config)).unwrap();
        let summary = net.summary();
        assert_eq!((summary.layers[0].tiles, summary.layers[0].tile_size), (2, [256, 392]));
        assert!((summary.layers[0].utilisation - 784.0 * 256.0 / (2.0 * 512.0 * 512.0)).abs() < 1e-12);
        assert_eq!(summary.layers[1].tiles, 0);
        let text = summary.to_string();
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains(" 38.3 %") && text.contains("256×392"), "{text}");
        assert!(summary.alike.is_empty());
    }

    #[test]
    fn devices_and_their_pulses_are_described() {
        let mut net = Sequential::new().linear(6, 4).tanh().linear(4, 2).init(Key::new(1));
        let preset = ohmgrad_analog::cell::presets::by_name("AGADReRamSB").unwrap();
        net.to_analog_with(Key::new(2), |path| (path == "0").then(|| preset.clone())).unwrap();
        let before = net.summary().to_string();
        assert!(before.contains("DynamicTransferCompound, 2 × SoftBoundsReferenceDevice"), "{before}");
        assert!(before.ends_with("    –            –          –"), "{before}");

        let tape = Tape::train(Key::new(3));
        let y = net.forward(tape.constant(Tensor::normal(&[3, 6], Key::new(4))));
        Sgd::new(0.1).step(&mut net, (y * y).sum().backward());
        let devices = net.summary().layers[0].devices.clone().unwrap();
        assert_eq!((devices.statistics.samples, devices.granularity), (3, 0.002));
        assert!((devices.states.unwrap() - 1000.0).abs() < 1e-3);
        assert!(devices.statistics.coincidences > 0 && net.summary().layers[1].devices.is_none());
        assert!(!net.summary().to_string().contains("–  "));
    }

    #[test]
    fn layers_from_equal_keys_are_reported() {
        let layer = || crate::Linear::new(4, 4, Key::new(1));
        let mut net = Sequential::new().layer(layer()).batch_norm1d(4).layer(layer()).batch_norm1d(4).init(Key::new(1));
        for analog in [false, true] {
            if analog {
                net.to_analog(InferenceRpuConfig::default(), Key::new(2)).unwrap();
            }
            let summary = net.summary();
            assert_eq!(summary.alike, [["0".to_owned(), "2".to_owned()]]);
            assert!(summary.to_string().contains("\nthe weights of 0 and 2 begin alike"), "{summary}");
        }
    }
}
