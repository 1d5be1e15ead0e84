//! Trainings that are killed at any moment and started again end as one that never stopped.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ohmgrad::models::Epoch;
use ohmgrad::prelude::*;

const FOLDER: &str = "OHMGRAD_TEST_KILLED";
const EPOCHS: usize = 8;

fn network() -> Sequential {
    let mut net = Sequential::new().linear(8, 64).tanh().linear(64, 3).init(Key::new(1));
    net.to_analog(InferenceRpuConfig::default(), Key::new(2)).expect("a valid configuration");
    net
}

/// Starts or resumes a training, with a checkpoint after each step.
fn train(folder: &Path) -> (Sequential, Vec<Epoch>) {
    let x = Tensor::normal(&[200, 8], Key::new(3));
    let labels = (0..200).map(|i| usize::from(x[[i, 0]] > 0.0) + usize::from(x[[i, 1]] > 0.5)).collect::<Vec<_>>();
    let data = Dataset::new(x, labels);
    let (mut net, mut adam, run) = (network(), Adam::new(0.01), folder.join("run.safetensors"));
    let mut trainer = Trainer::new(EPOCHS, 16, Key::new(4))
        .with_checkpoints(&run, 1)
        .with_best(folder.join("best.safetensors"))
        .with_metrics(folder.join("m.csv"))
        .with_metrics(folder.join("m.jsonl"));
    if run.exists() {
        trainer.resume(&run, &mut net, &mut adam).expect("a whole checkpoint");
    }
    let evaluate = |net: &Sequential, key| accuracy(net, &data, key);
    let epochs = trainer.fit(&mut net, &mut adam, &data, |y, labels| y.cross_entropy(labels), evaluate, |_| ());
    (net, epochs.expect("files can be written"))
}

#[test]
fn a_killed_training_ends_as_one_that_never_stopped() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train(Path::new(&folder));
        return;
    }
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (net, epochs) = train(whole.path());
    let mut kills = 0;
    for round in 0.. {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::a_killed_training_ends_as_one_that_never_stopped"])
            .env(FOLDER, killed.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(25 + 13 * (round % 11) + 2 * round));
        let ended = process.try_wait().unwrap();
        if ended.is_none() {
            process.kill().unwrap();
            process.wait().unwrap();
            kills += 1;
        }
        // Every line of the metrics is whole, except perhaps the last.
        let text = fs::read_to_string(killed.path().join("m.jsonl")).unwrap_or_default();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
    }
    assert!(kills > 2, "{kills} kills");
    let (resumed, none) = train(killed.path());
    assert!(none.is_empty());
    assert_eq!(resumed.state_dict(), net.state_dict());
    // Each epoch is there once, with the same numbers except for the seconds.
    let lines = fs::read_to_string(killed.path().join("m.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &serde_json::Value| {
        (line["epoch"].as_u64(), line["score"].as_f64(), line["loss"].as_f64().map(|loss| loss as f32))
    };
    let expected: Vec<_> = epochs.iter().map(|e| of(&serde_json::to_value(e).unwrap())).collect();
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(fs::read_to_string(killed.path().join("m.csv")).unwrap().lines().count(), EPOCHS + 1);
    let mut names: Vec<_> =
        fs::read_dir(killed.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| !name.starts_with(".best"));
    assert_eq!(names, ["best.safetensors", "m.csv", "m.jsonl", "run.safetensors"]);
}
