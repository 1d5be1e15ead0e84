//! Numbers of pieces of work as the bytes of a message: for each an index, a count, and the numbers, eight bytes each.

/// The bytes of some pieces.
pub fn pack<'a>(pieces: impl IntoIterator<Item = (usize, &'a [f64])>) -> Vec<u8> {
    let mut bytes = vec![];
    for (index, numbers) in pieces {
        let head = [index as u64, numbers.len() as u64];
        let words = head.into_iter().chain(numbers.iter().map(|number| number.to_bits()));
        bytes.extend(words.flat_map(u64::to_le_bytes));
    }
    bytes
}

/// The pieces of some bytes; what is not whole is left out.
pub fn unpack(bytes: &[u8]) -> Vec<(usize, Vec<f64>)> {
    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
    let (mut pieces, mut rest) = (vec![], words.as_slice());
    while let [index, count, behind @ ..] = rest
        && let Some((numbers, behind)) = behind.split_at_checked(*count as usize)
    {
        pieces.push((*index as usize, numbers.iter().map(|&bits| f64::from_bits(bits)).collect()));
        rest = behind;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        let pieces = [(7, vec![0.1, f64::NAN]), (0, vec![]), (3, vec![f64::MIN_POSITIVE])];
        let bytes = pack(pieces.iter().map(|(index, numbers)| (*index, numbers.as_slice())));
        assert_eq!(bytes.len(), 8 * (3 * 2 + 3));
        let bits = |pieces: &[(usize, Vec<f64>)]| -> Vec<(usize, Vec<u64>)> {
            pieces.iter().map(|(index, numbers)| (*index, numbers.iter().map(|n| n.to_bits()).collect())).collect()
        };
        assert_eq!(bits(&unpack(&bytes)), bits(&pieces));
        assert_eq!(unpack(&bytes[..20]).len(), 0);
    }
}
