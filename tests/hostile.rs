//! Files from anywhere: every reader ends in a typed error or a value, in time and memory that the file's size bounds.
//!
//! One test, because all tests of a process share its allocator.

use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use ohmgrad::analog::noise::Fusion;
use ohmgrad::models::data::Idx;
use ohmgrad::models::{FusionExport, fusion_import};
use ohmgrad::prelude::*;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Mutations of each reader; `OHMGRAD_FUZZ=3000..100000` goes on from where the test stops.
const CASES: std::ops::Range<usize> = 0..600;

/// Bytes that a reader may allocate at once: for each byte of its file, and whatever the file.
const PER_BYTE: usize = 400;
const ALWAYS: usize = 40 << 20;

/// Random numbers of the mutations.
struct Dice(Key, u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (self.0.fold(self.1).to_words()[0] % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Reads a file; an error is a text.
type Read = Box<dyn Fn(&Path) -> Result<(), String>>;

/// A reader of files, with files that it reads.
struct Reader {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    read: Read,
}

fn reader<T, E: Display>(
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    read: impl Fn(&Path) -> Result<T, E> + 'static,
) -> Reader {
    Reader { name, seeds, read: Box::new(move |path| read(path).map(drop).map_err(|error| error.to_string())) }
}

fn network() -> Sequential {
    Sequential::new().linear(3, 4).layer(BatchNorm1d::new(4)).tanh().linear(4, 2).init(Key::new(1))
}

fn on_tiles() -> Sequential {
    let mut net = network();
    let mapping = MappingParameter { learn_out_scaling: true, weight_scaling_omega: 1.0, ..Default::default() };
    net.to_analog(&InferenceRpuConfig { mapping, ..Default::default() }, Key::new(2)).expect("a valid configuration");
    net
}

fn readers(folder: &Path) -> Vec<Reader> {
    let written = |write: &dyn Fn(&Path)| {
        let path = folder.join("seed");
        write(&path);
        fs::read(&path).unwrap()
    };
    let (a, b) = (Tensor::normal(&[3, 4], Key::new(1)), Array::<f64>::normal(&[7], Key::new(2)));
    let arrays = vec![
        written(&|path| a.write_npy(path).unwrap()),
        written(&|path| a.t().write_npy(path).unwrap()),
        written(&|path| b.write_npy(path).unwrap()),
    ];
    let archives = vec![
        written(&|path| Tensor::write_npz(path, &[("a", &a), ("b", &a.row(0))]).unwrap()),
        written(&|path| Tensor::write_npz(path, &[("zeros", &Tensor::full(&[100_000], 0.0))]).unwrap()),
    ];
    let mut adam = Adam::new(0.01);
    let mut trained = on_tiles();
    let tape = Tape::train(Key::new(3));
    let y = trained.forward(tape.constant(Tensor::normal(&[5, 3], Key::new(4))));
    adam.step(&mut trained, (y * y).mean().backward());
    let chip = trained.program(Key::new(5)).unwrap();
    let training = TrainingState { best: Some(0.5), ..TrainingState::new(Key::new(6)) };
    let checkpoints = vec![
        written(&|path| Checkpoint::save(path, &trained, Some(&adam), &training).unwrap()),
        written(&|path| Checkpoint::save(path, &chip, None, &training).unwrap()),
        written(&|path| Checkpoint::save(path, &network(), None, &training).unwrap()),
    ];
    let idx = {
        let mut plain = vec![];
        Idx { shape: vec![2, 3, 4], data: (0..24).collect() }.write(&mut plain).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        vec![plain, gzip.finish().unwrap()]
    };
    let fusion = FusionExport::new(&on_tiles(), Fusion::default()).unwrap();
    let csv = written(&|path| drop(ohmgrad::models::fusion_export(&on_tiles(), Fusion::default(), path).unwrap()));
    let config = InferenceRpuConfig::default();
    let texts = vec![config.to_toml_string().unwrap().into_bytes(), TOML.into()];
    vec![
        reader("npy", arrays.clone(), |path| Tensor::read_npy(path)),
        reader("npy in f64", arrays, |path| Array::<f64>::read_npy(path)),
        reader("npz", archives, |path| Tensor::read_npz(path)),
        reader("checkpoint", checkpoints.clone(), |path| {
            let checkpoint = Checkpoint::load(path)?;
            for tiles in [Tiles::FromFile, Tiles::FromNetwork] {
                checkpoint.restore(&mut network(), None, tiles)?;
            }
            Ok::<_, ohmgrad::models::CheckpointError>(())
        }),
        reader("weights", checkpoints, |path| on_tiles().load_weights(path)),
        reader("idx", idx, |path| Idx::open(path)),
        reader("fusion", vec![csv], move |path| fusion_import(&mut on_tiles(), &fusion, path)),
        reader("configuration", texts, |path| InferenceRpuConfig::from_file(path)),
        reader("printed configuration", vec![PRINTED.into()], |path| InferenceRpuConfig::from_aihwkit_file(path)),
    ]
}

const TOML: &str = "[forward]\ninp_res = 254\nout_noise = 0.04\nw_noise_type = \"PCM_READ\"\nw_noise = 0.0175\n\n[backward]\n\
                    is_perfect = false\n\n[mapping]\nweight_scaling_omega = 1.0\n";

const PRINTED: &str = "InferenceRPUConfig(\n    forward=IOParameters(\n        inp_res=0.007874015748031496,\n        \
                       out_noise=0.06,\n        bound_management=BoundManagementType.NONE,\n    ),\n    \
                       noise_model=PCMLikeNoiseModel(prog_noise_scale=1.0, g_converter=SinglePairConductanceConverter(\
                       g_max=25.0, g_min=0.0)),\n    mapping=MappingParameter(digital_bias=True, max_input_size=512),\n)\n";

/// Changes bytes, fields, numbers, names and nesting; lengths that a format states are sometimes put right again.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    const TOKENS: [&[u8]; 16] = [
        b"NaN",
        b"1e999",
        b"-1",
        b"18446744073709551615",
        b"4294967296",
        b"\"",
        b"'",
        b"{",
        b"[",
        b"(",
        b"\\u0000",
        b"\n",
        b",",
        b"=",
        b"null",
        b"\xff\xfe",
    ];
    let at = dice.below(bytes.len());
    let end = bytes.len().min(at + 1 + dice.below(80));
    match dice.below(11) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.below(256) as u8,
        2 => bytes.truncate(at),
        // A stretch is doubled, lost, or comes from elsewhere.
        3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let other = dice.pick(others).clone();
            let from = dice.below(other.len());
            bytes.splice(at..end, other[from..other.len().min(from + 80)].to_vec());
        }
        6 => {
            let token = *dice.pick(&TOKENS);
            bytes.splice(at..at, token.iter().copied());
        }
        7 => {
            let token = dice.pick(&TOKENS).repeat(dice.below(3000));
            bytes.splice(at..at, token);
        }
        // A number in the text becomes another.
        8 => {
            let digit = |byte: &u8| byte.is_ascii_digit();
            let Some(start) = bytes[at..].iter().position(digit).map(|i| at + i) else { return };
            let end = bytes[start..].iter().position(|byte| !digit(byte)).map_or(bytes.len(), |i| start + i);
            let token = *dice.pick(&TOKENS[..5]);
            bytes.splice(start..end, token.iter().copied());
        }
        // A key and its value are given twice.
        9 => {
            let quote = |byte: &u8| [b'"', b'\'', b','].contains(byte);
            let Some(start) = bytes[at..].iter().position(quote).map(|i| at + i) else { return };
            let end = bytes[start + 1..].iter().position(|&byte| byte == b',').map_or(bytes.len(), |i| start + 2 + i);
            bytes.splice(start..start, bytes[start..end].to_vec());
        }
        // A field of two, four or eight bytes, as binary formats have them.
        _ => {
            let value = *dice.pick(&[0, 1, 0x7f, 0xff, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 62, u64::MAX]);
            let width = *dice.pick(&[2, 4, 8]);
            for (byte, new) in bytes[at..].iter_mut().zip(value.to_le_bytes()).take(width) {
                *byte = new;
            }
        }
    }
    if dice.below(2) == 0 {
        right_lengths(bytes);
    }
}

/// Puts the length of the header right in a `.npy` or safetensors file, so that what is behind it is reached.
fn right_lengths(bytes: &mut [u8]) {
    if bytes.starts_with(b"\x93NUMPY") && bytes.len() > 10 {
        if let Some(end) = bytes[10..].iter().position(|&byte| byte == b'\n') {
            bytes[8..10].copy_from_slice(&((end + 1) as u16).to_le_bytes());
        }
    } else if bytes.len() > 8 && bytes[8] == b'{' {
        // The header ends where its braces do.
        let (mut depth, mut inside) = (0, false);
        for i in 8..bytes.len() {
            match bytes[i] {
                b'"' if bytes[i - 1] != b'\\' => inside = !inside,
                b'{' if !inside => depth += 1,
                b'}' if !inside => depth -= 1,
                _ => continue,
            }
            if depth == 0 && !inside {
                bytes[..8].copy_from_slice(&((i - 7) as u64).to_le_bytes());
                return;
            }
        }
    }
}

/// Reads a file; how long it took, and whether it worked.
fn attempt(reader: &Reader, bytes: &[u8], path: &Path, what: &dyn Display) -> (bool, Duration) {
    fs::write(path, bytes).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (reader.read)(path)));
    let took = start.elapsed();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    let kept = || {
        let file = std::env::temp_dir().join("hostile");
        fs::write(&file, bytes).unwrap();
        format!("{} {what}, which is in {}", reader.name, file.display())
    };
    assert!(result.is_ok(), "{} panicked", kept());
    let allowed = PER_BYTE * bytes.len() + ALWAYS;
    assert!(peak <= allowed, "{}: {peak} bytes for {}, {allowed} are allowed", kept(), bytes.len());
    (result.is_ok_and(|result| result.is_ok()), took)
}

#[test]
fn readers_end_in_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.toml");
    let cases = std::env::var("OHMGRAD_FUZZ").map_or(CASES, |range| {
        let (first, last) = range.split_once("..").expect("FIRST..LAST");
        first.parse().expect("a number")..last.parse().expect("a number")
    });
    let readers = readers(folder.path());
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or_default();
        eprintln!("{message} at {:?}", info.location());
    }));
    for reader in &readers {
        for (i, seed) in reader.seeds.iter().enumerate() {
            assert!(attempt(reader, seed, &path, &format!("seed {i}")).0, "{} does not read seed {i}", reader.name);
        }
        let mut refused = 0;
        for case in cases.clone() {
            let mut dice = Dice(Key::new(7).fold(reader.name).fold(case), 0);
            let mut bytes = dice.pick(&reader.seeds).clone();
            for _ in 0..=dice.below(3) {
                if !bytes.is_empty() {
                    mutate(&mut bytes, &reader.seeds, &mut dice);
                }
            }
            refused += usize::from(!attempt(reader, &bytes, &path, &format!("case {case}")).0);
        }
        assert!(refused > cases.len() / 4, "{}: of {} mutations {refused} were refused", reader.name, cases.len());
        // A megabyte of one thing, behind the beginning of a file that is one: linear readers take milliseconds.
        for token in
            ["{", "[", "(", "\"a\":", "'a', ", "1,", "\n", "{\"a\":", "[a]\n", "a=1\n", "a(b=", "\0", "PK\u{1}\u{2}"]
        {
            let seed = &reader.seeds[0];
            for start in [0, 10.min(seed.len()), seed.len()] {
                let mut bytes = [&seed[..start], token.repeat((1 << 20) / token.len()).as_bytes()].concat();
                for right in [false, true] {
                    if right {
                        right_lengths(&mut bytes);
                    }
                    let (_, took) = attempt(reader, &bytes, &path, &format!("a megabyte of {token:?} behind {start}"));
                    assert!(took < Duration::from_secs(10), "{}: {token:?} behind {start} took {took:?}", reader.name);
                }
            }
        }
    }
}
