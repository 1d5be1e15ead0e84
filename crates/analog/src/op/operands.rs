//! The values that the operation works on, and what follows from them.

use std::sync::OnceLock;

use ohmgrad_tensor::Tensor;

use super::parts::{paste, with_bias};
use crate::mvm::TimedArray;
use crate::observed::Counting;
use crate::tile::{ProgrammedTiles, Tile};

/// The values of the operation's inputs.
pub(super) struct Operands<'a> {
    pub x: &'a Tensor,
    /// As a matrix [out, in].
    pub w: Tensor,
    pub bias: Option<&'a Tensor>,
    pub scaling: Option<&'a Tensor>,
    /// What reads see instead of what is stored.
    pub seen: Option<&'a Tensor>,
    /// The chip, whose weights they see instead.
    pub chip: Option<&'a ProgrammedTiles>,
    /// What reads see of each tile, made when the first block is read.
    pub stored: OnceLock<Vec<Tensor>>,
    /// The same tiles, where reads are followed over time.
    pub timed: OnceLock<Vec<TimedArray>>,
    /// The logical weight, and an analog bias, as perfect reads see them.
    pub exact: OnceLock<(Tensor, Option<Tensor>)>,
    /// Of forward reads, if they are observed; of the forward itself alone, not where its reads are repeated.
    pub forward_counting: Option<Counting>,
    /// Of reads back, if they are observed.
    pub backward_counting: Option<Counting>,
}

impl Operands<'_> {
    /// What reads see of a tile.
    pub fn stored(&self, tiles: &[Tile], number: usize) -> &Tensor {
        if let Some(chip) = self.chip {
            return &chip.tiles()[number].present;
        }
        let all = || match self.seen {
            Some(seen) => tiles.iter().map(|tile| tile.rectangle(seen)).collect(),
            None => {
                let w = with_bias(&self.w, self.bias);
                tiles.iter().map(|tile| tile.stored(&w)).collect()
            }
        };
        &self.stored.get_or_init(all)[number]
    }

    /// The logical weight and an analog bias, as perfect reads see them.
    pub fn exact(&self, tiles: &[Tile]) -> (&Tensor, Option<&Tensor>) {
        let Some(seen) = self.seen else { return (&self.w, self.bias) };
        let logical = || {
            let mut w = seen.clone();
            for tile in tiles {
                if let Some(scales) = &tile.scales {
                    paste(&mut w, tile, &(&tile.rectangle(seen) * scales));
                }
            }
            let ins = self.w.shape()[1];
            (w.slice(1, 0..ins), self.bias.map(|_| w.slice(1, ins..ins + 1).squeeze(1).contiguous()))
        };
        let (w, bias) = self.exact.get_or_init(logical);
        (w, bias.as_ref())
    }
}
