//! Conductances for the Fusion chip as CSV, and measured ones back.
//!
//! The format is aihwkit's (`utils/export.py`): one line each for the ids, classes, numbers of weights, heights and
//! widths of the layers, ending in `\n`; then a line of their names and a line of conductances in µS for each layer,
//! ending in `\r\n`. A layer's line has its tiles one after the other, each row-major [out, in].

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ohmgrad_analog::noise::{Converter, Fusion, Scales};
use ohmgrad_analog::{Error, Tile, TileArray};
use ohmgrad_tensor::Tensor;

use crate::visit::Visit;

/// The lines before the conductances, which have an entry for each layer.
const HEADER: [&str; 6] = ["id", "class", "number of weights", "height", "width", "name"];

/// The conductances of a network for the Fusion chip, with the signs and scales that lead back to weights.
#[derive(Clone, Debug)]
pub struct FusionExport {
    converter: Fusion,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    name: String,
    /// That of the logical weight.
    shape: Vec<usize>,
    /// The conductances of each tile, [out, in], in µS.
    conductances: Vec<Tensor>,
    scales: Vec<Scales>,
}

/// A file for the Fusion chip that could not be written or read, or that is not of this network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FusionError {
    /// The operating system refused to read or write, or the file is not a text.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// An entry of the file is not what it has to be.
    #[error("{}, line {line}: {entry}: found {found}, expected {expected}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The entry, with its layer.
        entry: String,
        /// The value that was found.
        found: String,
        /// The value that is allowed.
        expected: String,
    },

    /// A network that can't be exported, or whose layers are not those of the export.
    #[error("layer `{layer}`: {reason}")]
    Layer {
        /// The layer's path in the network.
        layer: String,
        /// The reason.
        reason: &'static str,
    },

    /// A converter that is not valid, or a network with nothing on tiles.
    #[error(transparent)]
    Analog(#[from] Error),
}

/// Writes the conductances that the Fusion chip should be programmed with for the weights of all tiles, in µS, as CSV.
///
/// The file has neither signs nor scales, so [`fusion_import`] needs the returned export. In a later process,
/// [`FusionExport::new`] computes it again from the network's [`Checkpoint`](crate::Checkpoint). Biases stay in the
/// network, analog ones too.
///
/// ```
/// use ohmgrad_analog::{InferenceRpuConfig, noise::Fusion};
/// use ohmgrad_models::{Network, Sequential, fusion_export, fusion_import};
/// use ohmgrad_tensor::Key;
///
/// let mut net = Sequential::new().linear(784, 256).relu().linear(256, 10).init(Key::new(1));
/// net.to_analog(&InferenceRpuConfig::default(), Key::new(2))?;
///
/// # let folder = tempfile::tempdir()?;
/// # let (targets, measured) = (folder.path().join("targets.csv"), folder.path().join("measured.csv"));
/// let export = fusion_export(&net, Fusion::default(), &targets)?; // then the chip is programmed, and measured
/// # std::fs::copy(&targets, &measured)?;
/// let mut on_chip = net.clone();
/// fusion_import(&mut on_chip, &export, &measured)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If no weight is on tiles, one is not finite, the converter's `g_max` is out of its range, or the file can't be
/// written.
pub fn fusion_export<V: Visit + ?Sized>(
    net: &V,
    converter: Fusion,
    path: impl AsRef<Path>,
) -> Result<FusionExport, FusionError> {
    let (export, path) = (FusionExport::new(net, converter)?, path.as_ref());
    ohmgrad_files::replace(path, export.to_csv().as_bytes())
        .map_err(|source| FusionError::Io { path: path.into(), source })?;
    Ok(export)
}

/// Reads conductances that were measured on the Fusion chip, in a file like the exported one, and writes the weights
/// that they stand for onto the tiles: the exported signs times the conductances, scaled by a least-squares slope for
/// each output of a tile ([`Fusion`]).
///
/// `net` is the exported network or one restored from its checkpoint. Mapping scales and learned output scales stay,
/// and each import starts from the exported weights, so that many measurements can be read one after the other. The ids
/// of the file are not compared; classes may be those of aihwkit's mapped layers.
///
/// # Errors
/// If the file can't be read, is not of these layers, or has a value that is not a finite number; or the network is not
/// the exported one, or was programmed. It is then as it was.
pub fn fusion_import<V: Visit + ?Sized>(
    net: &mut V,
    export: &FusionExport,
    path: impl AsRef<Path>,
) -> Result<(), FusionError> {
    export.expect_layers_of(net)?;
    let measured = export.read(path.as_ref())?;
    for ((_, array), (layer, measured)) in net.tile_arrays_mut().into_iter().zip(export.layers.iter().zip(measured)) {
        layer.put(array, &measured, &export.converter);
    }
    Ok(())
}

impl FusionExport {
    /// The conductances for a network's weights.
    ///
    /// # Errors
    /// If no weight is on tiles, one is not finite, or the converter's `g_max` is out of its range.
    pub fn new<V: Visit + ?Sized>(net: &V, converter: Fusion) -> Result<Self, FusionError> {
        converter.validate()?;
        let arrays = net.tile_arrays().into_iter();
        let layers: Vec<_> = arrays.map(|(path, array)| Layer::new(path, array, &converter)).collect();
        if layers.is_empty() {
            return Err(Error::NoAnalogWeights { missing: "lives on tiles: call to_analog first" }.into());
        }
        match layers.iter().find(|layer| layer.values().any(|g| !g.is_finite())) {
            Some(layer) => Err(FusionError::Layer { layer: layer.name.clone(), reason: "a weight is not finite" }),
            None => Ok(Self { converter, layers }),
        }
    }

    /// The layers' paths in the network, and the conductances of the tiles of each, [out, in], in µS.
    pub fn conductances(&self) -> impl Iterator<Item = (&str, &[Tensor])> {
        self.layers.iter().map(|layer| (layer.name.as_str(), layer.conductances.as_slice()))
    }

    /// The lines before the conductances, as entries.
    fn header(&self) -> [Vec<String>; 6] {
        // In a flat `Sequential`, ids count all modules, also those without weights; in other networks they count
        // layers.
        let places: Option<Vec<usize>> = self.layers.iter().map(|layer| layer.name.parse().ok()).collect();
        let ids = places.unwrap_or_else(|| (0..self.layers.len()).collect());
        let of_each = |f: fn(&Layer) -> String| self.layers.iter().map(f).collect();
        [
            ids.iter().map(|id| (id + 1).to_string()).collect(),
            of_each(Layer::class),
            of_each(|layer| layer.len().to_string()),
            of_each(|layer| layer.shape[0].to_string()),
            of_each(|layer| layer.width().to_string()),
            of_each(|layer| layer.name.clone()),
        ]
    }

    fn to_csv(&self) -> String {
        let [of_layers @ .., names] = self.header();
        let mut text: String = of_layers.iter().map(|line| line.join(",") + "\n").collect();
        // CSV quotes a single empty entry; without quotes the line would have none.
        text.push_str(if names == [""] { "\"\"".into() } else { names.join(",") }.as_str());
        text.push_str("\r\n");
        for layer in &self.layers {
            for (i, g) in layer.values().enumerate() {
                text.push_str(if i > 0 { "," } else { "" });
                push_number(&mut text, g);
            }
            text.push_str("\r\n");
        }
        text
    }

    /// The conductances of each layer from a file.
    fn read(&self, path: &Path) -> Result<Vec<Vec<f32>>, FusionError> {
        let text = fs::read_to_string(path).map_err(|source| FusionError::Io { path: path.into(), source })?;
        let wrong = |line: usize, entry: String, found: String, expected: String| FusionError::Entry {
            path: path.into(),
            line,
            entry,
            found,
            expected,
        };
        let mut lines = text.lines().map(|line| line.split(',').map(|entry| entry.trim().trim_matches('"')));
        let mut line = 0;
        let mut entries = |of: &str, expected: usize| {
            line += 1;
            let found: Vec<&str> = lines.next().map_or(vec![], Iterator::collect);
            match found.len() == expected {
                true => Ok((line, found)),
                false => Err(wrong(line, of.into(), count(found.len()), count(expected))),
            }
        };
        for (what, expected) in HEADER.into_iter().zip(self.header()) {
            let (line, found) = entries(&format!("{what} of each layer"), expected.len())?;
            for ((found, expected), layer) in found.iter().zip(expected).zip(&self.layers) {
                let same = match what {
                    "id" => true,
                    "class" => found.strip_suffix("Mapped").unwrap_or(found) == expected,
                    _ => *found == expected,
                };
                if !same {
                    let entry = format!("{what} of layer `{}`", layer.name);
                    return Err(wrong(line, entry, format!("`{found}`"), expected));
                }
            }
        }
        let mut rows = vec![];
        for layer in &self.layers {
            let (line, found) = entries(&format!("conductances of layer `{}`", layer.name), layer.len())?;
            let number = |(i, text): (usize, &&str)| match text.parse() {
                Ok(g) if f32::is_finite(g) => Ok(g),
                _ => {
                    let entry = format!("conductance {} of layer `{}`", i + 1, layer.name);
                    Err(wrong(line, entry, format!("`{text}`"), "a finite number of µS".into()))
                }
            };
            rows.push(found.iter().enumerate().map(number).collect::<Result<_, _>>()?);
        }
        match text.lines().enumerate().skip(HEADER.len() + rows.len()).find(|(_, line)| !line.trim().is_empty()) {
            Some((i, more)) => {
                let found = count(more.split(',').count());
                Err(wrong(i + 1, "behind the last layer".into(), found, "the end of the file".into()))
            }
            None => Ok(rows),
        }
    }

    fn expect_layers_of<V: Visit + ?Sized>(&self, net: &V) -> Result<(), FusionError> {
        let refuse = |layer: &str, reason| Err(FusionError::Layer { layer: layer.into(), reason });
        let mut exported = self.layers.iter();
        for (path, array) in net.tile_arrays() {
            match exported.next() {
                Some(layer) if !layer.fits(&path, array) => {
                    return refuse(&path, "not the layer that was exported in its place");
                }
                None => return refuse(&path, "was not exported"),
                Some(_) if array.programmed().is_some() => {
                    let reason =
                        "was programmed, and reads would not see what is imported: import into the network itself";
                    return refuse(&path, reason);
                }
                Some(_) => {}
            }
        }
        match exported.next() {
            Some(layer) => refuse(&layer.name, "was exported, and is not on tiles of this network"),
            None => Ok(()),
        }
    }
}

impl Layer {
    fn new(name: String, array: &TileArray, converter: &Fusion) -> Self {
        let weight = &array.weight.value;
        let (conductances, scales) = array
            .tiles()
            .iter()
            .map(|tile| {
                let part = part(weight, tile);
                let stored = tile.scales.as_ref().map_or(part.clone(), |s| &part / s);
                let (g, scales) = converter.to_conductances(&stored);
                (g[0].clone(), scales)
            })
            .unzip();
        Self { name, shape: weight.shape().to_vec(), conductances, scales }
    }

    /// The reference's name for the type of a layer with such a weight.
    fn class(&self) -> String {
        match self.shape.len() {
            2 => "AnalogLinear".into(),
            axes => format!("AnalogConv{}d", axes - 2),
        }
    }

    fn width(&self) -> usize {
        self.shape[1..].iter().product()
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        self.conductances.iter().flat_map(|g| g.to_vec())
    }

    fn fits(&self, path: &str, array: &TileArray) -> bool {
        let weight = &array.weight.value;
        let tiles = || array.tiles().iter().map(|tile| part(weight, tile));
        self.name == path
            && self.shape == weight.shape()
            && self.conductances.iter().map(Tensor::shape).eq(tiles().map(|part| part.shape().to_vec()))
    }

    /// Writes the logical weights that conductances stand for; mapping scales stay.
    fn put(&self, array: &mut TileArray, measured: &[f32], converter: &Fusion) {
        let (mut weight, width) = (array.weight.value.to_vec(), self.width());
        let mut rest = measured;
        for ((tile, target), scales) in array.tiles().iter().zip(&self.conductances).zip(&self.scales) {
            let (g, others) = rest.split_at(target.len());
            rest = others;
            let g = Tensor::from_vec(g.to_vec(), target.shape());
            let stored = converter.to_weights(&[g], scales);
            let part = tile.scales.as_ref().map_or(stored.clone(), |s| &stored * s).to_vec();
            for (out, row) in tile.outs.clone().zip(part.chunks(target.shape()[1])) {
                weight[out * width + tile.ins.start..][..row.len()].copy_from_slice(row);
            }
        }
        array.weight.value = Tensor::from_vec(weight, &self.shape);
    }
}

/// A tile's part of a weight, [out, in], without the column of an analog bias.
fn part(weight: &Tensor, tile: &Tile) -> Tensor {
    let (outs, width) = (weight.shape()[0], weight.shape()[1..].iter().product());
    let ins = tile.ins.start..tile.ins.end.min(width);
    weight.reshape(&[outs, width]).slice(0, tile.outs.clone()).slice(1, ins)
}

fn count(entries: usize) -> String {
    match entries {
        1 => "1 entry".into(),
        n => format!("{n} entries"),
    }
}

/// A number as Python prints it: the shortest digits of the `f64` with that value, `1.5`, `40.0`, `1e-05`.
fn push_number(text: &mut String, g: f32) {
    let number = format!("{:?}", f64::from(g));
    match number.split_once("e-") {
        Some((digits, exponent)) => write!(text, "{digits}e-{exponent:0>2}").expect("strings take everything"),
        None => text.push_str(&number),
    }
}

#[cfg(test)]
mod tests;
