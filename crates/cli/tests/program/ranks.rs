//! The program under MPI: the same bytes for any number of ranks, and what a rank that dies leaves.
//!
//! These tests need a program with the feature `mpi`, and `mpirun`. Without the feature they say that they are left
//! out; without `mpirun` they fail.

use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::common::{Folder, QUICK, program};

/// Returns `true` with the feature `mpi`; otherwise prints that the tests are left out. Panics with the feature and
/// without `mpirun`.
fn is_there() -> bool {
    if !cfg!(feature = "mpi") {
        eprintln!("left out: the program is built without the feature `mpi`");
        return false;
    }
    let is_there = Command::new("mpirun").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(is_there, "a program with the feature `mpi` is tested with mpirun, which is not there");
    true
}

/// The program on some ranks.
fn mpirun(folder: &Folder, ranks: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        .current_dir(folder.path(""))
        // Containers allow no process to read the memory of another.
        .env("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
        .args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none", "-n", &ranks.to_string()])
        .arg(program())
        .args(arguments)
        .args(["--threads", "1"]);
    command
}

fn run(folder: &Folder, ranks: usize, arguments: &[&str]) -> Output {
    mpirun(folder, ranks, arguments).output().expect("mpirun starts")
}

fn ok(folder: &Folder, ranks: usize, arguments: &[&str]) -> String {
    let output = run(folder, ranks, arguments);
    assert!(output.status.success(), "{ranks} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_training_has_the_same_bytes_on_any_number_of_ranks() {
    if !is_there() {
        return;
    }
    let folder = Folder::new();
    let layers = "layers = [{ linear = 16 }, \"batch_norm\", \"relu\", { linear = 10 }]";
    let recipe = QUICK.replace("batch = 32", "batch = 32\npieces = 4");
    let recipe: String = recipe
        .lines()
        .map(|line| if line.starts_with("layers") { layers } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    folder.write("cut.toml", &recipe);
    folder.ok(&["train", "cut.toml", "--out", "alone"]);
    let expected = folder.run_of("alone");
    for ranks in [1, 2, 3, 4] {
        let out = format!("of-{ranks}");
        let said = ok(&folder, ranks, &["train", "cut.toml", "--out", &out]);
        assert_eq!(said.matches("rows for training").count(), 1, "one rank speaks");
        assert!(folder.run_of(&out) == expected, "{ranks} ranks");
    }
    folder.ok(&["train", "cut.toml", "--set", "training.pieces=1", "--out", "whole"]);
    assert!(folder.run_of("whole") != expected, "pieces are another order of sums");
}

#[test]
fn chips_and_points_are_dealt_out() {
    if !is_there() {
        return;
    }
    let folder = Folder::with_run();
    let sweep = ["sweep", "--model", "run", "--grid", "forward.out_noise=0,0.2,0.5", "--out"];
    let many = ["sweep", "quick.toml", "--grid", "training.lr=1e-3,5e-3", "--trainings", "2", "--chips", "2", "--out"];
    let drift = ["drift", "run", "--times", "1d,10y", "--chips", "4", "--until", "0.4%", "--json", "--out"];
    let run_all = |name: &str, run: &dyn Fn(&[&str]) -> String| -> Vec<String> {
        run(&[&sweep[..], &[&format!("sweep-{name}")]].concat());
        run(&[&many[..], &[&format!("many-{name}")]].concat());
        let said = run(&[&drift[..], &[&format!("drift-{name}")]].concat());
        let files = ["sweep-NAME/chips.csv", "sweep-NAME/sweep.csv", "many-NAME/chips.csv", "many-NAME/sweep.csv"];
        let texts = files.map(|file| folder.text(&file.replace("NAME", name)));
        texts.into_iter().chain([said, folder.text(&format!("drift-{name}.csv"))]).collect()
    };
    let expected = run_all("alone", &|arguments| folder.ok(arguments));
    for ranks in [1, 2, 4] {
        let found = run_all(&ranks.to_string(), &|arguments| ok(&folder, ranks, arguments));
        assert!(found == expected, "{ranks} ranks");
    }
}

#[test]
fn mistakes_are_said_once() {
    if !is_there() {
        return;
    }
    let folder = Folder::new();
    for (arguments, error) in [
        (&["train", "nowhere.toml"][..], "nowhere.toml"),
        (&["train", "--sed", "training.seed=2"][..], "unexpected argument"),
    ] {
        let output = run(&folder, 4, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(matches!(errors[..], [line] if line.contains(error)), "{said}");
    }
}

/// The process of a rank that an mpirun has started.
#[cfg(target_os = "linux")]
fn process_of(mpirun: u32, rank: usize) -> Option<String> {
    let mark = format!("OMPI_COMM_WORLD_RANK={rank}");
    let is_it = |pid: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        status.contains(&format!("PPid:\t{mpirun}\n")) && environment.split(|b| *b == 0).any(|v| v == mark.as_bytes())
    };
    let names =
        std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).find(|pid| is_it(pid))
}

#[cfg(target_os = "linux")]
#[test]
fn a_rank_that_dies_ends_the_run_and_what_is_finished_is_kept() {
    if !is_there() {
        return;
    }
    let folder = Folder::new();
    folder.write("quick.toml", &QUICK.replace("test_rows = 300", "test_rows = 2000"));
    let arguments = ["sweep", "quick.toml", "--grid", "forward.out_noise=0,0.1,0.2,0.3", "--chips", "16", "--out"];
    folder.ok(&[&arguments[..], &["whole"]].concat());
    let child = mpirun(&folder, 2, &[&arguments[..], &["killed"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let finished = || std::fs::read_to_string(folder.path("killed/points.jsonl")).unwrap_or_default().lines().count();
    while finished() < 4 {
        sleep(Duration::from_millis(2));
    }
    let pid = process_of(child.id(), 1).expect("rank 1");
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("rank 1") && said.contains("signal 9"), "{said}");
    let kept = finished();
    assert!(kept < 64, "all {kept} were finished before the kill");
    let said = ok(&folder, 2, &["sweep", "--resume", "killed"]);
    assert!(said.contains(&format!("{} chips to compute", 64 - kept)), "{kept} were kept; {said}");
    assert_eq!(finished(), 64, "nothing is computed twice");
    assert_eq!(folder.text("whole/chips.csv"), folder.text("killed/chips.csv"));
}
