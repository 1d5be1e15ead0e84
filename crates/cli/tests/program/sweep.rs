//! `ohmgrad sweep`, `merge` and `compare`: the numbers are those of single commands, parts make the whole, and what is
//! finished is kept.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::common::{Folder, QUICK, program};

#[test]
fn the_points_of_a_sweep_equal_single_commands() {
    let folder = Folder::with_run();
    let objects = folder.objects(&["sweep", "quick.toml", "--grid", "forward.out_noise=0,0.5", "--out", "sweep"]);
    let points: Vec<_> = objects.iter().filter(|object| object["event"] == "point").collect();
    assert_eq!(points.len(), 2 * 3);
    for (noise, points) in ["0", "0.5"].into_iter().zip(points.chunks(3)) {
        let drift = folder.objects(&["drift", "run", "--set", &format!("hardware.forward.out_noise={noise}")]);
        for (chips, point) in drift.iter().zip(points) {
            assert_eq!((&chips["t"], &chips["mean"]), (&point["t"], &point["mean"]));
            assert_eq!(point["point"]["forward.out_noise"], noise);
        }
    }
    assert!(points[3]["difference"].as_f64().unwrap() < 0.0);
    // The network of a run serves as well as one trained by the same recipe.
    folder.ok(&["sweep", "--model", "run", "--grid", "forward.out_noise=0,0.5", "--out", "of-run"]);
    assert_eq!(folder.text("sweep/chips.csv"), folder.text("of-run/chips.csv"));
    assert!(!folder.path("of-run/digital.csv").exists(), "nothing was trained");
    let chips = folder.text("sweep/chips.csv");
    assert_eq!(chips.lines().count(), 1 + 2 * 3 * 3);
    assert!(chips.starts_with("forward.out_noise,training,chip,seconds,accuracy\n"));
    assert!(folder.text("sweep/sweep.svg").contains("forward.out_noise"));
    assert!(folder.text("sweep/report.html").contains("difference to the first"));
}

#[test]
fn names_are_an_axis_too() {
    let folder = Folder::new();
    folder.write("quick.toml", QUICK);
    let grid = "noise_model.type=\"PCMLikeNoiseModel\",\"ReRamWan2022NoiseModel\"";
    folder.ok(&["sweep", "quick.toml", "--grid", grid, "--times", "1d", "--out", "sweep"]);
    assert!(folder.text("sweep/sweep.svg").contains("1 = ReRamWan2022NoiseModel"));
    assert!(folder.text("sweep/sweep.csv").contains("\nReRamWan2022NoiseModel,86400,3,"));
}

#[test]
fn parts_make_the_whole() {
    let folder = Folder::new();
    folder.write("quick.toml", QUICK);
    let grid = ["--grid", "forward.out_noise=0,0.5", "--grid", "mapping.max_input_size=128,512"];
    let sweep = |out: &str, further: &[&str]| {
        folder.ok(&[&["sweep", "quick.toml", "--out", out], &grid, further].concat());
    };
    sweep("whole", &[]);
    (1..=3).for_each(|k| sweep(&format!("part-{k}"), &["--part", &format!("{k}/3")]));
    let (code, said) = folder.fails(&["merge", "part-1", "part-3", "--out", "most"]);
    assert_eq!(code, 3);
    assert!(said.contains("4 chips are missing"), "{said}");
    folder.ok(&["merge", "part-1", "part-2", "part-3", "--out", "all"]);
    folder.ok(&["sweep", "--resume", "most"]);
    for file in ["chips.csv", "sweep.csv", "sweep.svg"] {
        assert_eq!(folder.text(&format!("whole/{file}")), folder.text(&format!("all/{file}")), "{file}");
        assert_eq!(folder.text(&format!("whole/{file}")), folder.text(&format!("most/{file}")), "{file}");
    }
    assert!(folder.text("all/sweep.svg").contains("mapping.max_input_size"));
    assert!(folder.text("all/report.html").contains("<figure class=\"heat-map\""), "not inverted in dark mode");
}

#[test]
fn a_sweep_that_is_killed_keeps_what_is_finished() {
    let folder = Folder::new();
    folder.write("quick.toml", &QUICK.replace("test_rows = 300", "test_rows = 2000"));
    let arguments = ["sweep", "quick.toml", "--grid", "forward.out_noise=0,0.1,0.2,0.3", "--chips", "6", "--out"];
    folder.ok(&[&arguments[..], &["whole"]].concat());
    let mut child = Command::new(program())
        .current_dir(folder.path(""))
        .args(arguments)
        .arg("killed")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let finished = || std::fs::read_to_string(folder.path("killed/points.jsonl")).is_ok_and(|text| text.contains('\n'));
    while !finished() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept: Vec<String> = folder.text("killed/points.jsonl").lines().map(str::to_owned).collect();
    folder.ok(&["sweep", "--resume", "killed"]);
    let lines = folder.text("killed/points.jsonl");
    assert!(lines.lines().count() == 24, "nothing is computed twice");
    assert!(lines.starts_with(&kept[..kept.len() - 1].join("\n")), "what was finished is kept as it was");
    assert_eq!(folder.text("whole/chips.csv"), folder.text("killed/chips.csv"));
}

#[test]
fn chips_that_drifted_are_not_computed_again() {
    let folder = Folder::with_run();
    let drift = |further: &[&str]| folder.objects(&[&["drift", "run"][..], further].concat());
    let finished = || folder.text("run/drift.jsonl").lines().count();
    let first = drift(&[]);
    assert_eq!(finished(), 3);
    assert_eq!(drift(&[]), first);
    assert_eq!(finished(), 3, "the same chips");
    drift(&["--chips", "5"]);
    assert_eq!(finished(), 5, "two chips more");
    let noisy = drift(&["--set", "hardware.forward.out_noise=0.5"]);
    assert_ne!(noisy, first, "of another hardware all are new");
    assert_eq!(finished(), 8);
    drift(&["--times", "1d"]);
    assert_eq!(finished(), 11, "and at other times");
    // A line that a killed process left unfinished is removed, and its chip is computed again; other lines stay.
    let whole = folder.text("run/drift.jsonl");
    std::fs::write(folder.path("run/drift.jsonl"), &whole[..whole.len() - 5]).unwrap();
    drift(&["--times", "1d"]);
    assert_eq!(folder.text("run/drift.jsonl").lines().count(), 11);
    assert_eq!(drift(&[]), first);
}

#[test]
fn other_fields_are_trained_for_each_point() {
    let folder = Folder::new();
    folder.write("quick.toml", QUICK);
    let arguments = ["sweep", "quick.toml", "--grid", "training.lr=1e-4,5e-3", "--trainings", "2", "--chips", "2"];
    let objects = folder.objects(&[&arguments[..], &["--times", "1d", "--out", "sweep"]].concat());
    let points: Vec<_> = objects.iter().filter(|object| object["event"] == "point").collect();
    assert_eq!(points[0]["chips"], 4);
    assert!(points[1]["difference"].as_f64().unwrap() > 0.05, "{}", points[1]);
    // The second training of the second point is the run with the next seed.
    folder.ok(&["train", "quick.toml", "--set", "training.lr=5e-3", "--set", "training.seed=2", "--out", "single"]);
    let bytes = |file: &str| std::fs::read(folder.path(file)).unwrap();
    assert!(bytes("sweep/trainings/1-1/hardware_aware.safetensors") == bytes("single/hardware_aware.safetensors"));
}

/// A training on the chip ends with its one chip: the sweep scores it as `train` does, also in parts.
#[test]
fn a_sweep_trains_on_the_chip() {
    let folder = Folder::new();
    folder.ok(&["init", "on-chip.toml", "--kind", "on-chip"]);
    let small =
        ["--set", "data.train_rows=300", "--set", "data.test_rows=200", "--set", "training.hardware_aware_epochs=1"];
    let grid = "hardware.device.up_down_dtod=0.01,0.9";
    let sweep = [&["sweep", "on-chip.toml", "--grid", grid], &small[..]].concat();
    folder.ok(&[&sweep[..], &["--out", "sweep"]].concat());
    let scores = |file: &str| -> Vec<f64> {
        let score =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["scores"][0].as_f64().unwrap();
        folder.text(file).lines().map(score).collect()
    };
    let whole = scores("sweep/points.jsonl");
    assert_eq!(whole.len(), 2);
    assert_ne!(whole[0], whole[1]);

    let of_point = ["train", "on-chip.toml", "--out", "run", "--set", "hardware.device.up_down_dtod=0.01"];
    let events = folder.objects(&[&of_point[..], &small[..]].concat());
    let trained = events.iter().find(|event| event["event"] == "evaluation" && event["network"] == "hardware_aware");
    assert_eq!(trained.expect("an evaluation")["accuracy"].as_f64(), Some(whole[0]));

    for part in ["1", "2"] {
        folder.ok(&[&sweep[..], &["--part", &format!("{part}/2"), "--out", part]].concat());
    }
    folder.ok(&["merge", "1", "2", "--out", "merged"]);
    assert_eq!(scores("merged/points.jsonl"), whole);

    let error = folder.fails(&["sweep", "on-chip.toml", "--model", "run", "--grid", grid]);
    assert_eq!(error.0, 2);
    assert!(error.1.contains("weights that are programmed"), "{}", error.1);
}

#[test]
fn compare_pairs_chips_and_blames_layers() {
    let folder = Folder::with_run();
    folder.write("a.toml", "[forward]\nout_noise = 0.02\n[mapping]\nweight_scaling_omega = 1.0\n");
    folder.write("b.toml", "[forward]\nout_noise = 0.5\n[mapping]\nweight_scaling_omega = 1.0\n");
    let objects = folder.objects(&["compare", "a.toml", "b.toml", "run", "--times", "1d", "--out", "compare.csv"]);
    let of = |name: &str| objects.iter().find(|object| object["hardware"] == name).unwrap_or_else(|| panic!("{name}"));
    let difference = of("B")["mean"].as_f64().unwrap() - of("A")["mean"].as_f64().unwrap();
    assert!((of("B")["difference"].as_f64().unwrap() - difference).abs() < 1e-12);
    assert_eq!(of("A")["difference"], 0.0);
    let blame = |name: &str| of(name)["difference"].as_f64().unwrap();
    assert!(blame("layer 0 on B") > blame("B"), "one layer does less harm than both");
    assert!(of("layer 2 on B").is_object());
    assert_eq!(folder.text("compare.csv").lines().count(), 1 + 4 * 3);
    let same = folder.objects(&["compare", "a.toml", "a.toml", "run", "--times", "1d"]);
    assert!(same.iter().all(|object| object["difference"] == 0.0), "equal hardware has equal chips");
}
