//! Named tensors and a text as the bytes of a safetensors file, and back.
//!
//! Reading trusts nothing: lengths, shapes and offsets are checked against the bytes that are there before anything is
//! allocated, and every tensor is converted from its own bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ohmgrad_tensor::Tensor;
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::error::CheckpointError;
use super::json;
use super::restore::is_count;

/// The text's name among a file's metadata.
const TEXT: &str = "ohmgrad";

/// The content of a file.
pub(super) struct Contents {
    /// The text that ohmgrad wrote about the tensors, if it wrote the file.
    pub text: Option<String>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// The bytes of a file.
pub(super) fn encode(
    text: String,
    tensors: &BTreeMap<String, Tensor>,
    path: &Path,
) -> Result<Vec<u8>, CheckpointError> {
    let tensors = tensors.iter().map(|(name, tensor)| (name, Bytes(tensor)));
    // One entry: more would have no fixed order.
    safetensors::serialize(tensors, Some(HashMap::from([(TEXT.into(), text)])))
        .map_err(|error| CheckpointError::format(path, error))
}

/// Decodes the bytes of a file. A file of ohmgrad's has `f32` alone; floats of other files are converted.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Contents, CheckpointError> {
    let wrong = |error: safetensors::SafeTensorError| CheckpointError::format(path, error);
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    // `safetensors` takes the last of two equal names without an error.
    json::refuse_duplicates(&bytes[8..8 + length]).map_err(|error| CheckpointError::format(path, error))?;
    let text = header.metadata().as_ref().and_then(|entries| entries.get(TEXT)).cloned();
    let exact = text.is_some();
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(wrong)?.iter() {
        let (dtype, shape) = (view.dtype(), view.shape());
        let allowed = if exact { "F32" } else { "F32, F64, F16 or BF16" };
        let data = numbers(dtype, view.data(), name)
            .filter(|_| dtype == Dtype::F32 || !exact)
            .ok_or_else(|| CheckpointError::entry(path, name, dtype, allowed))?;
        if dtype == Dtype::F64
            && let Some((place, beyond)) = beyond(view.data())
        {
            let found = format!("{beyond:e} at element {place}");
            return Err(CheckpointError::entry(
                path,
                name,
                found,
                format!("numbers up to {:e}, the largest F32", f32::MAX),
            ));
        }
        if !ohmgrad_tensor::fits(shape) {
            let expected = "a shape that memory can hold";
            return Err(CheckpointError::entry(path, name, format!("shape {shape:?}"), expected));
        }
        tensors.insert(name.to_owned(), Tensor::from_vec(data, shape));
    }
    Ok(Contents { text, tensors })
}

/// A tensor as the format has it: row-major, little-endian.
struct Bytes<'a>(&'a Tensor);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let rows = self.0.contiguous();
        rows.as_slice().expect("made contiguous above").iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        4 * self.0.len()
    }
}

/// Numbers as `f32`, rounded to the nearest: floats, and the count of batches of PyTorch's batch norm; `None` for other
/// types.
fn numbers(dtype: Dtype, data: &[u8], name: &str) -> Option<Vec<f32>> {
    fn each<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        data.as_chunks().0.iter().map(|&bytes| value(bytes)).collect()
    }
    match dtype {
        Dtype::F32 => Some(each(data, f32::from_le_bytes)),
        Dtype::F64 => Some(each(data, |bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::F16 => Some(each(data, |bytes| half(u16::from_le_bytes(bytes)))),
        Dtype::I64 if is_count(name) => Some(each(data, |bytes| i64::from_le_bytes(bytes) as f32)),
        Dtype::BF16 => Some(each(data, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))),
        _ => None,
    }
}

/// The first finite `f64` that becomes infinite as an `f32`, and its place.
fn beyond(data: &[u8]) -> Option<(usize, f64)> {
    let numbers = data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes));
    numbers.enumerate().find(|&(_, number)| number.is_finite() && !(number as f32).is_finite())
}

/// The value of an IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction as f32 * 2f32.powi(-24),
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_half_has_its_value() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let value = match exponent {
                0 => sign * fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => sign * f64::INFINITY,
                31 => f64::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            let half = half(bits);
            assert!(
                f64::from(half) == value && half.is_sign_negative() == (sign < 0.0) || half.is_nan() && value.is_nan()
            );
        }
    }

    #[test]
    fn numbers_beyond_f32_are_refused_and_nan_is_read() {
        let file = |numbers: &[f64]| {
            let header = format!(
                r#"{{"w":{{"dtype":"F64","shape":[{}],"data_offsets":[0,{}]}}}}"#,
                numbers.len(),
                8 * numbers.len()
            );
            let data: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
            [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), &data].concat()
        };
        let read =
            |numbers: &[f64]| decode(&file(numbers), Path::new("x")).map(|contents| contents.tensors["w"].to_vec());
        let numbers = read(&[f64::NAN, f64::INFINITY, 1e-300, f64::from(f32::MAX)]).unwrap();
        assert!(numbers[0].is_nan() && numbers[1..] == [f32::INFINITY, 0.0, f32::MAX]);
        let error = read(&[1.0, -1e39]).err().unwrap().to_string();
        assert_eq!(error, "x: w: found -1e39 at element 1, expected numbers up to 3.4028235e38, the largest F32");
    }

    #[test]
    fn sizes_that_no_array_may_have_are_refused_beside_a_size_of_0_too() {
        let header = r#"{"w":{"dtype":"F32","shape":[0,1152921504606846976],"data_offsets":[0,0]}}"#;
        let file = [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes()].concat();
        let error = decode(&file, Path::new("x")).err().unwrap().to_string();
        assert!(error.ends_with("expected a shape that memory can hold"), "{error}");
    }

    proptest! {
        /// NaN and its bits, −0 and strided views included.
        #[test]
        fn tensors_come_back_bit_for_bit(bits in prop::collection::vec(any::<u32>(), 6), text: String) {
            let a = Tensor::from_vec(bits.iter().map(|&bits| f32::from_bits(bits)).collect(), &[2, 3]);
            let tensors = BTreeMap::from([
                ("t".to_owned(), a.t()), ("a".to_owned(), a), ("".to_owned(), Tensor::full(&[0, 2], 0.0)),
            ]);
            let bytes = encode(text.clone(), &tensors, Path::new("x")).unwrap();
            let back = decode(&bytes, Path::new("x")).unwrap();
            prop_assert_eq!(back.text, Some(text));
            let bits = |tensors: &BTreeMap<String, Tensor>| -> Vec<(String, Vec<usize>, Vec<u32>)> {
                let bits = |t: &Tensor| t.iter().map(|v| v.to_bits()).collect();
                tensors.iter().map(|(name, t)| (name.clone(), t.shape().to_vec(), bits(t))).collect()
            };
            prop_assert_eq!(bits(&back.tensors), bits(&tensors));
        }
    }
}
