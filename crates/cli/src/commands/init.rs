//! `ohmgrad init`: a commented recipe to begin with.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::run::folder;

/// The shipped recipe.
pub const MNIST: &str = include_str!("../../recipes/mnist.toml");

/// Write a commented recipe to begin with.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ohmgrad init\n  ohmgrad init digits --kind lenet && ohmgrad train digits.toml\n  ohmgrad init --schema > recipe.schema.json"
)]
pub struct InitArgs {
    /// The name: NAME.toml is written, unless that file exists [default: the name of the kind].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the JSON Schema of recipes instead, with which editors check and complete them.
    #[arg(long, conflicts_with_all = ["name", "kind"])]
    schema: bool,
    /// The kind of task that the recipe is for.
    #[arg(long, value_enum, default_value_t = Kind::Mlp)]
    kind: Kind,
}

/// Kinds of recipes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Digits, 784-256-128-10.
    Mlp,
    /// Digits, two convolutions and two linear layers.
    Lenet,
    /// Digits, three convolutions with batch norm and global pooling.
    Cnn,
    /// Digits read row by row.
    Lstm,
    /// Digits read row by row, by attention between the rows.
    Transformer,
    /// The position of a robot arm from the angles of its joints.
    Regression,
    /// Digits, trained on the chip: weights live in devices that pulses change.
    OnChip,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Mlp => MNIST,
            Self::Lenet => include_str!("../../recipes/lenet.toml"),
            Self::Cnn => include_str!("../../recipes/cnn.toml"),
            Self::Transformer => include_str!("../../recipes/transformer.toml"),
            Self::Lstm => include_str!("../../recipes/lstm.toml"),
            Self::Regression => include_str!("../../recipes/regression.toml"),
            Self::OnChip => include_str!("../../recipes/on-chip.toml"),
        }
    }
}

/// Runs the command.
pub fn run(args: &InitArgs, output: Output) -> Outcome<u8> {
    if args.schema {
        let schema = crate::recipe::schema()?;
        output.event(&schema);
        output.say(format!("{schema:#}"));
        return Ok(0);
    }
    let kind = args.kind.to_possible_value().expect("no kind is hidden");
    let name = args.name.as_deref().unwrap_or(kind.get_name());
    let path = PathBuf::from(if name.ends_with(".toml") { name.to_owned() } else { format!("{name}.toml") });
    if path.exists() {
        return Err(Failure::mistake(format!("{}: exists; give another name", path.display())));
    }
    let text = args.kind.text();
    let own = format!("ohmgrad train {}.toml", if args.kind == Kind::Mlp { "mnist" } else { kind.get_name() });
    folder::write(&path, &text.replace(&own, &format!("ohmgrad train {}", path.display())))?;
    output.event(&json!({ "event": "written", "file": path }));
    output.say(format!("{}: `ohmgrad train {}` trains by it", path.display(), path.display()));
    Ok(0)
}
