//! `ohmgrad train`: what a run leaves, that its numbers are the library's, and that it goes on after a kill.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::{Folder, QUICK, program};
use ohmgrad::prelude::*;

/// The network of the quick recipe, and its test rows.
fn quick() -> (Sequential, Dataset<Vec<usize>>) {
    let net = Sequential::new().linear(784, 16).relu().linear(16, 10).init(Key::new(1).fold("weights"));
    (net, Mnist::embedded().test.take(300))
}

fn hardware(text: &str) -> InferenceRpuConfig {
    let table: toml::Table = toml::from_str(text).unwrap();
    InferenceRpuConfig::from_toml_str(&toml::to_string(&table["hardware"]).unwrap()).unwrap()
}

#[test]
fn a_run_has_everything_and_its_numbers_are_the_librarys() {
    let folder = Folder::with_run();
    for file in [
        "recipe.toml",
        "digital.csv",
        "digital.jsonl",
        "digital.safetensors",
        "hardware_aware.csv",
        "best.safetensors",
        "hardware_aware.checkpoint.safetensors",
        "chips.csv",
        "chips.jsonl",
        "chips.svg",
        "losses.svg",
        "report.html",
    ] {
        assert!(folder.path("run").join(file).is_file(), "{file}");
    }
    let key = Key::new(1);
    let config = hardware(QUICK);
    let result = folder.json("run/result.json");

    // The digital training is the library's, step by step.
    let (mut net, test) = quick();
    let train = Mnist::embedded().train.take(400);
    let steps = 2 * 400_usize.div_ceil(32);
    Trainer::new(2, 32, key.fold("digital"))
        .with_schedule(Schedule::one_cycle(2e-3, steps))
        .fit(
            &mut net,
            &mut Adam::new(0.0),
            &train,
            |y, labels| y.cross_entropy(labels),
            |net, key| accuracy(net, &test, key),
            |_| (),
        )
        .unwrap();
    assert_eq!(result["networks"]["digital"]["accuracy"], accuracy(&net, &test, key.fold("test")));
    let (mut saved, _) = quick();
    Checkpoint::load(folder.path("run/digital.safetensors"))
        .unwrap()
        .restore(&mut saved, None, Tiles::FromFile)
        .unwrap();
    assert_eq!(saved.state_dict(), net.state_dict());

    net.to_analog(&config, key.fold("hardware")).unwrap();
    assert_eq!(result["networks"]["on_tiles"]["accuracy"], accuracy(&net, &test, key.fold("test")));
    let times = [1.0, 86_400.0, 315_576_000.0];
    let ages = accuracy_over_time(&net, &test, &times, 3, key.fold("chips")).unwrap();
    let chips = result["chips"]["digital"].as_array().unwrap();
    for (age, chips) in ages.iter().zip(chips) {
        assert_eq!(chips["t"], f64::from(age.t));
        assert_eq!(chips["mean"], age.mean());
    }
}

#[test]
fn json_has_an_object_a_line_and_threads_change_nothing() {
    let folder = Folder::new();
    folder.write("quick.toml", QUICK);
    let objects = folder.objects(&["train", "quick.toml", "--out", "one", "--threads", "1"]);
    let count = |event: &str| objects.iter().filter(|object| object["event"] == event).count();
    let counts = ["start", "epoch", "evaluation", "chips", "done"].map(count);
    assert_eq!(counts, [1, 4, 3, 6, 1]);
    folder.ok(&["train", "quick.toml", "--out", "two", "--threads", "2"]);
    assert_eq!(folder.text("one/result.json"), folder.text("two/result.json"));
    assert_eq!(folder.text("one/chips.csv"), folder.text("two/chips.csv"));
}

#[test]
fn the_recipe_of_a_run_gives_the_same_run() {
    let folder = Folder::with_run();
    folder.ok(&["train", "run/recipe.toml", "--out", "again"]);
    assert_eq!(folder.text("run/result.json"), folder.text("again/result.json"));
    let without_head = |name: &str| folder.text(name).split_once('\n').unwrap().1.to_owned();
    assert_eq!(without_head("run/recipe.toml"), without_head("again/recipe.toml"));
}

#[test]
fn a_run_that_is_killed_anywhere_goes_on_bit_for_bit() {
    let folder = Folder::new();
    folder.write("long.toml", &QUICK.replace("_epochs = 2", "_epochs = 6").replace("count = 3", "count = 12"));
    let start = Instant::now();
    folder.ok(&["train", "long.toml", "--out", "whole"]);
    // Kills come after shares of the time of a whole run, so that they hit it on fast and slow machines alike.
    let whole = start.elapsed();
    let expected = folder.run_of("whole");
    let (mut kills, mut state) = (0, 12_345_u64);
    for run in ["a", "b", "c"] {
        let mut arguments = vec!["train", "long.toml", "--out", run];
        for _ in 0..40 {
            let mut child = Command::new(program())
                .current_dir(folder.path(""))
                .args(&arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            sleep(whole.mul_f64(0.08 + 0.4 * ((state >> 33) % 1000) as f64 / 1000.0));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if folder.path(run).join("recipe.toml").exists() {
                arguments = vec!["train", "--resume", run];
            }
        }
        if arguments.contains(&"--resume") {
            folder.ok(&["train", "--resume", run]);
        }
        assert!(folder.run_of(run) == expected, "{run} differs");
    }
    assert!(kills >= 1, "{kills} kills are not a test");
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_how_to_go_on() {
    let folder = Folder::new();
    folder.write("long.toml", &QUICK.replace("_epochs = 2", "_epochs = 500"));
    let child = Command::new(program())
        .current_dir(folder.path(""))
        .args(["train", "long.toml", "--out", "run"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !folder.path("run").join("digital.csv").exists() {
        sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`ohmgrad train --resume run` goes on"), "{said}");
}

#[test]
fn one_process_writes_a_run() {
    let folder = Folder::new();
    folder.write("long.toml", &QUICK.replace("_epochs = 2", "_epochs = 500"));
    let mut child = Command::new(program())
        .current_dir(folder.path(""))
        .args(["train", "long.toml", "--out", "run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path("run").join("digital.csv").exists() {
        sleep(Duration::from_millis(20));
    }
    let pid = child.id();
    for arguments in [&["train", "--resume", "run"][..], &["train", "long.toml", "--out", "run"]] {
        let (code, said) = folder.fails(arguments);
        assert_eq!(code, 1);
        assert!(said.contains(&format!("run: is being written by another process, {pid}; wait")), "{said}");
    }
    // A run that another process writes can be read, and a process that was killed holds no lock.
    let (code, said) = folder.fails(&["evaluate", "run"]);
    assert!(code == 2 && said.contains("no training of this run is over"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, said) = folder.fails(&["train", "long.toml", "--out", "run"]);
    assert!(code == 2 && said.contains("has a run already; --resume run goes on"), "{said}");
}

#[test]
fn weights_of_another_name_are_where_a_run_begins() {
    let folder = Folder::with_run();
    let names = "names = { \"0.weight\" = \"1.weight\", \"0.bias\" = \"1.bias\", \"2.weight\" = \"3.weight\", \"2.bias\" = \"3.bias\" }";
    let (net, _) = quick();
    let file = folder.path("start.safetensors");
    Checkpoint::save(&file, &net, None, &TrainingState::new(Key::new(1))).unwrap();
    // A file of tensors alone, as PyTorch writes it: without the metadata of a checkpoint.
    let bytes = std::fs::read(&file).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..end]).unwrap();
    header.remove("__metadata__");
    let text = serde_json::to_string(&header).unwrap();
    let text = format!("{text:<width$}", width = text.len().next_multiple_of(8));
    std::fs::write(&file, [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[end..]].concat()).unwrap();
    let recipe = QUICK
        .replace("layers = [", &format!("weights = \"start.safetensors\"\n{names}\nlayers = [\"flatten\", "))
        .replace("hardware_aware_epochs = 2", "hardware_aware_epochs = 0")
        .replace("digital_epochs = 2", "digital_epochs = 0");
    folder.write("named.toml", &recipe);
    folder.ok(&["train", "named.toml", "--out", "named"]);
    let (net, test) = quick();
    let digital = &folder.json("named/result.json")["networks"]["digital"]["accuracy"];
    assert_eq!(*digital, accuracy(&net, &test, Key::new(1).fold("test")));
}

#[test]
fn a_training_that_gets_no_better_stops_with_its_best_network() {
    let folder = Folder::new();
    let recipe = QUICK.replace("digital_epochs = 2", "digital_epochs = 200\npatience = 2");
    folder.write("long.toml", &recipe.replace("hardware_aware_epochs = 2", "hardware_aware_epochs = 0"));
    folder.ok(&["train", "long.toml", "--out", "run"]);
    let scores: Vec<f64> = folder
        .text("run/digital.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(3).unwrap().parse().unwrap())
        .collect();
    assert!(scores.len() < 200);
    let best = scores.iter().copied().fold(0.0, f64::max);
    assert_eq!(scores[scores.len() - 3], best, "two epochs without a better score");
    let result = folder.text("run/result.json");
    assert_eq!(folder.json("run/result.json")["networks"]["digital"]["accuracy"], best);
    folder.ok(&["train", "--resume", "run"]);
    assert_eq!(folder.text("run/result.json"), result);
}
