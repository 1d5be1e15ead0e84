//! Weights that were drawn from one key, by mistake or not.

use ohmgrad_tensor::Tensor;

use crate::visit::{Slot, Visit};

/// The number of elements of two weights that are compared. Chance makes those of different keys agree once in some
/// 10¹⁷ pairs.
const FIRST: usize = 4;

/// Pairs of weights that begin with the same numbers up to a factor: their layers were made from equal keys. The factor
/// is that of their initialisation, which depends on their shapes.
pub(crate) fn alike<V: Visit + ?Sized>(net: &V) -> Vec<[String; 2]> {
    let mut seen: Vec<(String, [f32; FIRST])> = vec![];
    let mut pairs = vec![];
    for (path, slot) in net.slots() {
        let weight = match slot {
            Slot::Param(param) => &param.value,
            Slot::Affine(affine) => &affine.weight().value,
            Slot::Buffer(_) => continue,
        };
        let Some(start) = start(weight) else { continue };
        let same = |(_, other): &&(String, [f32; FIRST])| {
            start.iter().zip(other).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs())
        };
        match seen.iter().find(same) {
            Some((other, _)) => pairs.push([other.clone(), path]),
            None => seen.push((path, start)),
        }
    }
    pairs
}

/// The first numbers of a weight as multiples of the very first; `None` for a constant or an identity, which were not
/// drawn, and for one axis or few elements.
fn start(weight: &Tensor) -> Option<[f32; FIRST]> {
    if weight.rank() < 2 || weight.len() < FIRST {
        return None;
    }
    let mut values = weight.iter();
    let first = *values.next()?;
    let mut start = [1.0; FIRST];
    start[1..].iter_mut().zip(values).for_each(|(multiple, value)| *multiple = value / first);
    let is_drawn = |multiple: &f32| multiple.is_finite() && *multiple != 0.0 && *multiple != 1.0;
    start[1..].iter().all(is_drawn).then_some(start)
}

/// The message that two weights are from one key.
pub(crate) fn say([a, b]: &[String; 2]) -> String {
    format!("the weights of {a} and {b} begin alike: their layers are made from one key; fold a name into that of each")
}

#[cfg(test)]
mod tests {
    use ohmgrad_tensor::Key;

    use super::*;
    use crate::{BatchNorm1d, Conv2d, Embedding, Linear, Module, Sequential};

    fn pairs(layers: Vec<Box<dyn Module>>) -> Vec<[String; 2]> {
        let mut net = Sequential::new().init(Key::new(0));
        *net.layers_mut() = layers;
        alike(&net)
    }

    #[test]
    fn one_key_shows_in_any_shape() {
        let (key, large) = (Key::new(1), Linear::new(300, 200, Key::new(1)));
        let square = || Box::new(Linear::new(4, 4, key));
        let pair = [["0".to_owned(), "1".to_owned()]];
        assert_eq!(pairs(vec![square(), square()]), pair);
        assert_eq!(pairs(vec![square(), Box::new(large)]), pair);
        assert_eq!(pairs(vec![square(), Box::new(Conv2d::new(1, 5, [3, 3], key))]), pair);
        assert_eq!(pairs(vec![square(), Box::new(Linear::new(4, 4, key.fold("out")))]), [[""; 2]; 0]);
    }

    #[test]
    fn constants_and_other_draws_are_no_pairs() {
        let (key, eye) = (Key::new(1), || {
            Box::new(Linear::from_weight(Tensor::from_fn(&[4, 4], |i| f32::from(i[0] == i[1])), None))
        });
        assert_eq!(pairs(vec![eye(), eye()]), [[""; 2]; 0]);
        let norm = || Box::new(BatchNorm1d::new(8));
        let table = Box::new(Embedding::new(4, 4, key));
        assert_eq!(pairs(vec![norm(), norm(), table, Box::new(Linear::new(4, 4, key))]), [[""; 2]; 0]);
    }
}
