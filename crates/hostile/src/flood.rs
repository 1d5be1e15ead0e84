//! A megabyte of one repeated item: a reader that looks at all earlier items for each new one takes too long.

/// The size of a flood in bytes.
const SIZE: usize = 1 << 20;

/// The items of a flood; `#` is replaced by the number of the item, so that names differ.
const ITEMS: [&str; 22] = [
    "{",
    "[",
    "(",
    "\"a\":",
    "'a',",
    "1,",
    "\n",
    "{\"a\":",
    "[a]\n",
    "a=1\n",
    "a(b=",
    "\0",
    "PK\u{1}\u{2}",
    "k#=0\n",
    "[k#]\n",
    "k#=0,",
    "k#,",
    "\"k#\":0,",
    "\\\"k#\\\":0,",
    "{},",
    "<",
    "\"k#\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},",
];

/// Marks behind which floods are inserted, because fields, items and lines begin there.
const BEHIND: [&[u8]; 5] = [b"{", b"(", b"[", b"\n", b"{\\"];

/// Floods of each item at several places, with descriptions.
pub(crate) fn floods(seed: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let mut places = vec![0, seed.len().min(10), seed.len()];
    for mark in BEHIND {
        let found: Vec<usize> =
            seed.windows(mark.len()).enumerate().filter(|(_, bytes)| bytes == &mark).map(|(i, _)| i).collect();
        let some = [found.first(), found.get(found.len() / 2), found.last()];
        // The second byte of a mark of two bytes follows the flood.
        places.extend(some.into_iter().flatten().map(|place| place + 1));
    }
    places.sort_unstable();
    places.dedup();
    let with = move |item: &'static str| places.clone().into_iter().map(move |place| (item, place));
    ITEMS.into_iter().flat_map(with).map(|(item, place)| {
        let flood = match item.contains('#') {
            false => item.repeat(SIZE / item.len()),
            true => (0..SIZE / (item.len() + 4)).map(|i| item.replace('#', &i.to_string())).collect(),
        };
        // The rest of the file follows, so that the file stays complete.
        let bytes = [&seed[..place], flood.as_bytes(), &seed[place..]].concat();
        (format!("a megabyte of {item:?} at {place}"), bytes)
    })
}
