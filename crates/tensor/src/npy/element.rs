//! Numbers of arrays in NumPy's format, and their conversion.

use std::io::Read;

use super::BLOCK;
use super::header::{Header, Kind};

/// An element type of arrays that are read from NumPy's files: `f32`, `f64`, or `usize` for labels.
pub trait NpyElement: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The value nearest to a float; `None` if it overflows, or this type is one of whole numbers.
    #[doc(hidden)]
    fn from_float(value: f64) -> Option<Self>;

    /// A whole number; `None` if this type can't hold it exactly.
    #[doc(hidden)]
    fn from_whole(value: i128) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {
        const NAME: &'static str;
        const FLOATS: bool;
    }
}

macro_rules! float {
    ($t:ty, $name:literal) => {
        impl sealed::Sealed for $t {
            const NAME: &'static str = $name;
            const FLOATS: bool = true;
        }

        impl NpyElement for $t {
            fn from_float(value: f64) -> Option<Self> {
                let converted = value as $t;
                (converted.is_finite() || !value.is_finite()).then_some(converted)
            }

            fn from_whole(value: i128) -> Option<Self> {
                let converted = value as $t;
                (converted as i128 == value).then_some(converted)
            }
        }
    };
}

float!(f32, "f32");
float!(f64, "f64");

impl sealed::Sealed for usize {
    const NAME: &'static str = "usize";
    const FLOATS: bool = false;
}

impl NpyElement for usize {
    fn from_float(_: f64) -> Option<Self> {
        None
    }

    fn from_whole(value: i128) -> Option<Self> {
        value.try_into().ok()
    }
}

/// Reads all elements of the array that the header describes.
pub(super) fn read_all<T: NpyElement>(from: impl Read, header: &Header) -> Result<Vec<T>, String> {
    macro_rules! as_type {
        ($t:ty, $convert:expr) => {
            collect(from, header, |bytes| {
                let value = if header.big_endian { <$t>::from_be_bytes(bytes) } else { <$t>::from_le_bytes(bytes) };
                $convert(value)
            })
        };
    }
    let float = |value: f64| T::from_float(value).ok_or_else(|| format!("{value:e}"));
    let whole = |value: i128| T::from_whole(value).ok_or_else(|| value.to_string());
    match header.kind {
        Kind::Float(_) if !T::FLOATS => Err("holds floats, where whole numbers belong".into()),
        Kind::Float(4) => as_type!(f32, |value| float(f64::from(value))),
        Kind::Float(_) => as_type!(f64, float),
        Kind::Signed(1) => as_type!(i8, |value| whole(i128::from(value))),
        Kind::Signed(2) => as_type!(i16, |value| whole(i128::from(value))),
        Kind::Signed(4) => as_type!(i32, |value| whole(i128::from(value))),
        Kind::Signed(_) => as_type!(i64, |value| whole(i128::from(value))),
        Kind::Unsigned(1) => as_type!(u8, |value| whole(i128::from(value))),
        Kind::Unsigned(2) => as_type!(u16, |value| whole(i128::from(value))),
        Kind::Unsigned(4) => as_type!(u32, |value| whole(i128::from(value))),
        Kind::Unsigned(_) => as_type!(u64, |value| whole(i128::from(value))),
    }
}

/// Reads numbers of N bytes. The vector grows as they arrive. The error of `convert` is the number as text.
fn collect<T: NpyElement, const N: usize>(
    mut from: impl Read,
    header: &Header,
    convert: impl Fn([u8; N]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let len = header.shape.iter().product::<usize>();
    let mut block = vec![0; BLOCK.min(len.saturating_mul(N))];
    let mut data = Vec::with_capacity(len.min(BLOCK / N));
    while data.len() < len {
        let part = &mut block[..BLOCK.min((len - data.len()) * N)];
        from.read_exact(part)
            .map_err(|error| format!("is cut off or damaged after element {}: {error}", data.len()))?;
        for &bytes in part.as_chunks().0 {
            let index = data.len();
            data.push(
                convert(bytes).map_err(|value| format!("element {index} is {value}, which {} can't hold", T::NAME))?,
            );
        }
    }
    Ok(data)
}
