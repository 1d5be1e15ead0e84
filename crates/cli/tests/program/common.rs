//! Functions that all tests of the program share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder that the program runs in.
pub struct Folder(TempDir);

/// A recipe that is done in a second.
pub const QUICK: &str = r#"
[data]
train_rows = 400
test_rows = 300

[network]
layers = [{ linear = 16 }, "relu", { linear = 10 }]

[training]
digital_epochs = 2
hardware_aware_epochs = 2
batch = 32
checkpoint_steps = 5

[hardware.forward]
w_noise = 0.02
w_noise_type = "ADDITIVE_CONSTANT"

[hardware.mapping]
weight_scaling_omega = 1.0

[chips]
count = 3
times = ["1s", "1d", "10y"]
"#;

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for a test"))
    }

    /// One with `quick.toml` and the run of it in `run`.
    pub fn with_run() -> Self {
        let folder = Self::new();
        folder.write("quick.toml", QUICK);
        folder.ok(&["train", "quick.toml", "--out", "run"]);
        folder
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file of a test");
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A JSON file.
    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(name)).expect("JSON")
    }

    /// The command with some arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// The standard output of a command that must end well.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The objects of a command's standard output, each line of which must be one.
    pub fn objects(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let text = self.ok(&[arguments, &["--json"]].concat());
        let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let objects: Vec<serde_json::Value> = text.lines().map(object).collect();
        assert!(objects.iter().all(serde_json::Value::is_object));
        objects
    }

    /// The content of a run's folder that is the same in two equal runs: all but the seconds.
    pub fn run_of(&self, run: &str) -> Vec<String> {
        let mut contents = vec![];
        for name in ["digital", "hardware_aware"] {
            let network = fs::read(self.path(&format!("{run}/{name}.safetensors"))).expect("a network of a run");
            contents.push(format!("{network:?}"));
            let metrics = self.text(&format!("{run}/{name}.csv"));
            let column = |line: &str, i: usize| line.split(',').nth(i).expect("a column").to_owned();
            contents.extend(metrics.lines().map(|line| [0, 1, 2, 3, 4, 6].map(|i| column(line, i)).join(",")));
        }
        contents.extend(["chips.csv", "result.json"].map(|file| self.text(&format!("{run}/{file}"))));
        contents
    }

    /// The exit code and standard error of a command.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ohmgrad"))
}
