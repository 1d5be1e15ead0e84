//! `ohmgrad sweep` and `ohmgrad merge`: each point of a grid on a number of chips, with the same keys in all points.

mod grid;
mod results;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use ohmgrad::prelude::*;
use ohmgrad::tensor::parallel;
use serde_json::{Value as Json, json};

use self::grid::{Grid, Point, name};
use self::results::Results;
use super::train::read;
use crate::data::Data;
use crate::failure::{Failure, Outcome, PARTLY};
use crate::interrupt::say_on_interrupt;
use crate::output::{Output, warn};
use crate::ranks::Ranks;
use crate::recipe::{ChipsRecipe, Recipe, time};
use crate::run::chips::{Finished, chip, collect, each_once};
use crate::run::folder::{Folder, RECIPE};
use crate::run::model::{last_network, restore_at_all, start};
use crate::run::training::{Phase, on_tiles, train};
use crate::score::{Metric, score};

/// The file that says what is swept.
const SWEEP: &str = "sweep.json";
/// The file with a line for each finished chip.
const POINTS: &str = "points.jsonl";
/// Chips of a sweep, at most: all of them are listed before the first is computed.
const MOST_CHIPS: usize = 1_000_000;

/// Compute every point of a grid of fields, each on the same number of chips with the same keys, so that differences
/// are paired.
///
/// For a grid of hardware alone, one network is trained and programmed at each point; for any other grid, and for
/// training on the chip, one is trained for each point. Finished chips are kept: `ohmgrad sweep --resume FOLDER`
/// continues. On a cluster, --part cuts a sweep into parts, and `ohmgrad merge` puts them together.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ohmgrad sweep mnist.toml --grid forward.out_noise=0,0.02,0.06 --grid mapping.max_input_size=128,256,512\n  ohmgrad sweep --model runs/mnist --grid noise_model.prog_noise_scale=0,0.5,1,2\n  ohmgrad sweep mnist.toml --grid training.lr=1e-3,2e-3 --trainings 5\n  ohmgrad sweep --resume runs/mnist-sweep"
)]
pub struct SweepArgs {
    /// The recipe [default: the shipped MNIST recipe].
    #[arg(value_name = "RECIPE")]
    recipe: Option<PathBuf>,
    /// A trained network for all points, the folder of a run; its recipe is taken unless another is given.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["retrain", "trainings"])]
    model: Option<PathBuf>,
    /// A field and its values; can be given several times. Paths are those of the recipe, or of its hardware.
    #[arg(long, value_name = "PATH=A,B,C", required_unless_present = "resume")]
    grid: Vec<String>,
    /// Set a field of the recipe for all points.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Chips of each point [default: as many as in the recipe].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chips: Option<u32>,
    /// Times since programming, as 1d,10y [default: those of the recipe].
    #[arg(long, value_name = "TIMES")]
    times: Option<String>,
    /// Train a network for each point, also where the grid is of hardware alone.
    #[arg(long)]
    retrain: bool,
    /// Number of trainings of each point, with consecutive seeds; more than one implies --retrain.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    trainings: u32,
    /// The folder for the results [default: runs/NAME-sweep, with a number if that exists].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Continue a sweep that was stopped.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "grid", "set", "chips", "times", "retrain", "trainings", "out", "model"])]
    resume: Option<PathBuf>,
    /// Compute the K-th of N parts of the work.
    #[arg(long, value_name = "K/N", value_parser = parse_part)]
    part: Option<(usize, usize)>,
}

/// Put the parts of a sweep together, and make its table, CSV files, plot and page.
///
/// Exit code 3 says that some chips are missing.
#[derive(Args)]
#[command(after_help = "Example:\n  ohmgrad merge part-1 part-2 part-3 --out sweep")]
pub struct MergeArgs {
    /// The folders of the parts.
    #[arg(value_name = "FOLDER", required = true)]
    parts: Vec<PathBuf>,
    /// The folder for the whole sweep.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

fn parse_part(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(k, n)| (1..=*n).contains(k)).ok_or_else(|| "must be K/N with K from 1 to N, as 3/16".into())
}

/// A sweep, as in its folder.
pub struct Sweep {
    folder: Folder,
    recipe: Recipe,
    grid: Grid,
    trainings: usize,
    retrain: bool,
    chips: ChipsRecipe,
}

/// A piece of work: a point with one chip of one training.
#[derive(Clone, Debug)]
pub struct Piece {
    point: usize,
    training: usize,
    chip: usize,
}

impl Sweep {
    fn create(args: &SweepArgs, ranks: Ranks) -> Outcome<Self> {
        let mut sets = args.set.clone();
        sets.extend(args.chips.map(|n| format!("chips.count={n}")));
        if let Some(times) = &args.times {
            let quoted: Vec<String> = times.split(',').map(|t| format!("{:?}", t.trim())).collect();
            sets.push(format!("chips.times=[{}]", quoted.join(", ")));
        }
        let network = args.model.as_deref().map(network_of).transpose()?;
        let of_model = args.model.as_ref().map(|model| model.join(RECIPE));
        let file = args.recipe.as_ref().or(of_model.as_ref());
        let recipe = read(file.map(PathBuf::as_path), &sets)?;
        let (on_chip, chips) = (recipe.hardware.rpu.trains_on_chip(), chips(&recipe));
        if chips.count == 0 {
            return Err(Failure::mistake("chips.count = 0: a sweep needs at least one chip; --chips N sets it"));
        }
        let grid = Grid::parse(&args.grid)?;
        few_enough(&grid, args.trainings as usize, chips.count, "--grid")?;
        // Errors of a point are found before the folder is made.
        for point in grid.points() {
            if recipe.with(&point, "--grid")?.hardware.rpu.trains_on_chip() != on_chip {
                return Err(Failure::mistake("--grid: all points must train on the chip, or none"));
            }
        }
        let trainings = args.trainings as usize;
        let retrain = args.retrain || trainings > 1 || on_chip || !grid.is_hardware();
        if network.is_some() && retrain {
            let message = "--model: needs a grid of hardware alone, and weights that are programmed; any other sweep trains a \
                           network for each point";
            return Err(Failure::mistake(message));
        }
        let named = args.recipe.as_deref().or(args.model.as_deref());
        let stem = named.and_then(Path::file_stem).map_or("mnist".into(), |name| name.to_string_lossy());
        let folder = Folder::of_all(ranks, || {
            let folder = Folder::create(args.out.as_deref(), &format!("{stem}-sweep"), &recipe)?;
            let sweep = json!({ "grid": grid.to_json(), "trainings": trainings, "retrain": retrain });
            if let Some(network) = network {
                let copy = folder.file(&network_name(&recipe));
                std::fs::copy(&network, &copy).map_err(|error| Failure::file(&network, &error))?;
            }
            folder.write(SWEEP, &format!("{sweep:#}\n"))?;
            Ok(folder)
        })?;
        Ok(Self { folder, recipe, grid, trainings, retrain, chips })
    }

    /// The sweep of a folder that was opened.
    pub fn of(folder: Folder) -> Outcome<Self> {
        let recipe = Recipe::read(&folder.file(RECIPE), &[])?;
        let json: Option<Json> =
            std::fs::read_to_string(folder.file(SWEEP)).ok().and_then(|text| serde_json::from_str(&text).ok());
        let whole = json.as_ref().and_then(|json| {
            Some((
                Grid::from_json(&json["grid"])?,
                usize::try_from(json["trainings"].as_u64()?).ok()?,
                json["retrain"].as_bool()?,
            ))
        });
        let Some((grid, trainings, retrain)) = whole else {
            return Err(Failure::mistake(format!(
                "{}: is not a folder of a sweep: it has no whole {SWEEP}",
                folder.path().display()
            )));
        };
        let chips = chips(&recipe);
        few_enough(&grid, trainings, chips.count, SWEEP)?;
        Ok(Self { folder, recipe, grid, trainings, retrain, chips })
    }

    /// The finished pieces.
    fn finished(&self, ranks: Ranks) -> Outcome<Finished> {
        Finished::read(&self.folder.file(POINTS), Some(self.chips.times.len()), ranks)
    }

    /// All pieces with their names, in the order of points, trainings and chips.
    pub fn pieces(&self) -> Vec<(String, Piece)> {
        let mut pieces = vec![];
        for (point, fields) in self.grid.points().iter().enumerate() {
            for training in 0..self.trainings {
                for chip in 0..self.chips.count {
                    pieces.push((
                        format!("{} training {training} chip {chip}", name(fields)),
                        Piece { point, training, chip },
                    ));
                }
            }
        }
        pieces
    }

    /// The recipe of a point and a training.
    fn recipe_of(&self, point: &Point, training: usize) -> Outcome<Recipe> {
        let recipe = self.recipe.with(point, "--grid")?;
        let seed = i64::try_from(recipe.training.seed).unwrap_or(i64::MAX).saturating_add(training as i64);
        recipe.with(&[("training.seed".into(), seed.into())], "--trainings")
    }

    /// One network, programmed under each point; chips of points are dealt out over the ranks.
    fn on_one_network(
        &self,
        pieces: &[(String, Piece)],
        finished: &Finished,
        ranks: Ranks,
        output: Output,
    ) -> Outcome<()> {
        let recipe = &self.recipe;
        let data = Data::read(&recipe.data)?;
        let net = trained(recipe, &data, &self.folder, ranks, output)?;
        let (key, times) = (recipe.key(), &self.chips.times);
        let points: Vec<Recipe> =
            self.grid.points().iter().map(|point| recipe.with(point, "--grid")).collect::<Outcome<_>>()?;
        let compute = |piece: &Piece| {
            let mut net = net.clone();
            on_tiles(&mut net, &points[piece.point], key)?;
            chip(&net, &data.test, times, key.fold("chips"), piece.chip)
        };
        each_once("chips of points", pieces, finished, ranks, compute).map(drop)
    }

    /// A network for each point and training; trainings are dealt out over the ranks, each with its chips.
    fn on_many_networks(
        &self,
        pieces: &[(String, Piece)],
        finished: &Finished,
        ranks: Ranks,
        output: Output,
    ) -> Outcome<()> {
        let mut trainings: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for i in finished.open(pieces) {
            let piece = &pieces[i].1;
            trainings.entry((piece.point, piece.training)).or_default().push(i);
        }
        let own = trainings.iter().enumerate().filter(|(n, _)| ranks.has(*n)).map(|(_, training)| training);
        collect("chips", pieces, finished, ranks, |give| {
            for (&(point, training), chips) in own {
                let of_chip = self.train_point(point, training, output)?;
                let done = parallel::map(chips, |&i| give(i, of_chip(pieces[i].1.chip)?));
                done.into_iter().collect::<Outcome<()>>()?;
            }
            Ok(())
        })
        .map(drop)
    }

    /// Trains a network of a point, or reads it; returns the function that computes the scores of its chips.
    fn train_point(
        &self,
        point: usize,
        training: usize,
        output: Output,
    ) -> Outcome<impl Fn(usize) -> Outcome<Vec<f64>> + Sync + use<'_>> {
        let fields = &self.grid.points()[point];
        let recipe = self.recipe_of(fields, training)?;
        output.say(format!("{}, training {training}", name(fields)));
        let folder = self.folder.file(&format!("trainings/{point}-{training}"));
        let folder = match folder.join(RECIPE).is_file() {
            true => Folder::reopen(&folder)?,
            false => Folder::create(Some(&folder), "", &recipe)?,
        };
        let data = Data::read(&recipe.data)?;
        let mut net = trained(&recipe, &data, &folder, Ranks::ALONE, output)?;
        let (key, on_chip) = (recipe.key(), recipe.hardware.rpu.trains_on_chip());
        // A network that was trained on a chip is that chip: mapped anew it would be another one.
        if !(on_chip && net.is_analog()) {
            on_tiles(&mut net, &recipe, key)?;
        }
        Ok(move |i| match on_chip {
            true => Ok(vec![score(&net, &data.test, key.fold("test")).value]),
            false => chip(&net, &data.test, &self.chips.times, key.fold("chips"), i),
        })
    }

    /// Writes the table, files and page of the finished pieces; returns the number of missing ones.
    fn report(&self, output: Output) -> Outcome<usize> {
        let finished = self.finished(Ranks::ALONE)?;
        let mut scores = vec![vec![]; self.grid.points().len()];
        let mut missing = 0;
        for (name, piece) in self.pieces() {
            match finished.get(&name) {
                Some(found) => scores[piece.point].push(((piece.training, piece.chip), found.clone())),
                None => missing += 1,
            }
        }
        let times = self.chips.times.clone();
        Results { grid: &self.grid, metric: Metric::of(&self.recipe.data), times, scores }.write(
            &self.folder,
            &self.recipe,
            output,
        )?;
        Ok(missing)
    }
}

/// The chips of a training and the times of their reads: the chips onto which its weights are programmed, or the one on
/// which it was trained, read once.
fn chips(recipe: &Recipe) -> ChipsRecipe {
    match recipe.hardware.rpu.trains_on_chip() {
        true => ChipsRecipe { count: 1, times: vec![0.0] },
        false => recipe.chips.clone(),
    }
}

/// Refuses a sweep of more chips than can be listed.
fn few_enough(grid: &Grid, trainings: usize, chips: usize, place: &str) -> Outcome<()> {
    let sizes = [trainings, chips].into_iter().chain(grid.axes.iter().map(|axis| axis.values.len()));
    // A size of 0 must not hide the others.
    let chips = sizes.into_iter().try_fold(1, |chips: usize, size| chips.checked_mul(size.max(1)));
    match chips {
        Some(..=MOST_CHIPS) => Ok(()),
        _ => Err(Failure::mistake(format!(
            "{place}: points × trainings × chips must be at most {MOST_CHIPS} in one sweep"
        ))),
    }
}

/// The file of the network that the last training of a recipe leaves.
fn network_name(recipe: &Recipe) -> String {
    let phase = if recipe.training.hardware_aware_epochs > 0 { Phase::HardwareAware } else { Phase::Digital };
    phase.file()
}

/// The file of a run's last network.
fn network_of(run: &Path) -> Outcome<PathBuf> {
    last_network(&Folder::open(run)?)
}

/// The network of the last training of a recipe, trained in a folder, or read from it.
fn trained(recipe: &Recipe, data: &Data, folder: &Folder, ranks: Ranks, output: Output) -> Outcome<Sequential> {
    let file = folder.file(&network_name(recipe));
    if ranks.agree(|| file.is_file()) {
        let mut net = start(recipe, data)?;
        restore_at_all(&mut net, &file, ranks)?;
        return Ok(net);
    }
    let trained = train(recipe, data, folder, ranks, output)?;
    Ok(trained.hardware_aware.unwrap_or(trained.digital))
}

/// Runs `ohmgrad sweep`.
pub fn run(args: &SweepArgs, output: Output) -> Outcome<u8> {
    let ranks = Ranks::all();
    let sweep = match &args.resume {
        Some(path) => Sweep::of(Folder::of_all(ranks, || Folder::reopen(path))?)?,
        None => Sweep::create(args, ranks)?,
    };
    let place = sweep.folder.path().display();
    say_on_interrupt(format!("finished chips are kept: `ohmgrad sweep --resume {place}` goes on"));
    sweep.recipe.hardware.rpu.warnings().iter().for_each(|note| warn(format!("hardware.{note}")));
    let mut pieces = sweep.pieces();
    output.event(&json!({ "event": "start", "folder": sweep.folder.path(), "pieces": pieces.len() }));
    if let Some((k, n)) = args.part {
        // A training is not divided: its chips stay together.
        let deal = |i: usize| if sweep.retrain { i / sweep.chips.count } else { i };
        pieces =
            pieces.into_iter().enumerate().filter(|(i, _)| deal(*i) % n == k - 1).map(|(_, piece)| piece).collect();
    }
    let finished = sweep.finished(ranks)?;
    let times: Vec<String> = sweep.chips.times.iter().map(|&t| time::age(t)).collect();
    let count = finished.open(&pieces).len();
    output.say(format!("{} points, {count} chips to compute, at {}", sweep.grid.points().len(), times.join(", ")));
    match sweep.retrain {
        true => sweep.on_many_networks(&pieces, &finished, ranks, output)?,
        false => sweep.on_one_network(&pieces, &finished, ranks, output)?,
    }
    if !ranks.is_first() {
        return Ok(0);
    }
    let missing = sweep.report(output)?;
    output.event(&json!({ "event": "done", "folder": sweep.folder.path(), "missing": missing }));
    if missing > 0 {
        output.say(format!("{missing} chips belong to other parts; `ohmgrad merge` puts parts together"));
    }
    Ok(0)
}

/// Runs `ohmgrad merge`.
pub fn merge(args: &MergeArgs, output: Output) -> Outcome<u8> {
    let parts = args.parts.iter().map(|path| Sweep::of(Folder::open(path)?)).collect::<Outcome<Vec<_>>>()?;
    let first = &parts[0];
    for part in &parts[1..] {
        let same = part.grid == first.grid
            && part.trainings == first.trainings
            && part.recipe.to_toml() == first.recipe.to_toml();
        if !same {
            let (one, other) = (first.folder.path().display(), part.folder.path().display());
            return Err(Failure::mistake(format!(
                "{one} and {other}: must be parts of one sweep; their recipes or grids differ"
            )));
        }
    }
    let folder = Folder::create(Some(&args.out), "", &first.recipe)?;
    folder.write(
        SWEEP,
        &std::fs::read_to_string(first.folder.file(SWEEP))
            .map_err(|error| Failure::file(first.folder.path(), &error))?,
    )?;
    let whole = Sweep::of(folder)?;
    let finished = whole.finished(Ranks::ALONE)?;
    let parts = parts.iter().map(|part| part.finished(Ranks::ALONE)).collect::<Outcome<Vec<_>>>()?;
    for (name, _) in first.pieces() {
        if let Some(scores) = parts.iter().find_map(|part| part.get(&name)) {
            finished.add(&name, scores)?;
        }
    }
    let missing = whole.report(output)?;
    output.event(&json!({ "event": "done", "folder": whole.folder.path(), "missing": missing }));
    if missing > 0 {
        warn(format!("{missing} chips are missing; `ohmgrad sweep --resume {}` computes them", args.out.display()));
        return Ok(PARTLY);
    }
    Ok(0)
}
