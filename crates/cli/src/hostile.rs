//! Hostile files for the readers of the program: each reader ends in a value or a failure with a message, in time and
//! memory that the size of the file bounds; see the crate `ohmgrad-hostile`.

use std::path::Path;

use ohmgrad::prelude::*;
use ohmgrad_hostile::{Reader, cases, one_thread};

use crate::Ranks;
use crate::commands::init;
use crate::commands::sweep::Sweep;
use crate::data::Data;
use crate::failure::{Failure, Outcome};
use crate::recipe::document::Document;
use crate::recipe::{Recipe, config_from};
use crate::run::chips::Finished;
use crate::run::folder::{Folder, RECIPE};
use crate::run::training::{Phase, history};

const SWEEP: &str = r#"{ "grid": [{ "path": "hardware.forward.out_noise", "values": ["0.0", "0.06"] },
    { "path": "network.layers", "values": ["[{ linear = 10 }]"] }], "trainings": 2, "retrain": true }"#;

const POINTS: &str = r#"{"name":"out_noise=0 training 0 chip 0","scores":[0.5,null]}
{"name":"out_noise=0 training 0 chip 1","scores":[0.25,0.75]}
"#;

const EPOCHS: &str = r#"{"epoch":1,"step":5,"loss":0.5,"score":0.75,"lr":0.1,"seconds":0.25,"evaluation_loss":0.5}
{"epoch":2,"step":10,"loss":null,"score":0.8,"lr":0.1,"seconds":0.25,"evaluation_loss":0.5}
"#;

fn check(readers: Vec<Reader>) {
    readers.iter().for_each(|reader| reader.check(cases(0..400)));
}

fn reader<T>(name: &'static str, seeds: &[&str], read: impl Fn(&Path) -> Outcome<T> + 'static) -> Reader {
    let seeds = seeds.iter().map(|text| text.as_bytes().to_vec()).collect();
    Reader::new(name, seeds, move |path| read(path).map_err(|Failure { message, .. }| message))
}

/// The data of a recipe with this `[data]`, in the folder of a file.
fn data(section: &str, file: &Path) -> Outcome<Data> {
    let document = Document::parse(&format!("[data]\n{section}"), "recipe")?;
    Data::read(&Recipe::from_document(document, file.parent().unwrap_or(Path::new("")))?.data)
}

#[test]
fn recipes() {
    one_thread();
    let on_chip = include_str!("../recipes/on-chip.toml");
    let fields = "[hardware]\npreset = \"EcRam\"\ndigital_layers = [\"0\"]\n[hardware.device]\ndw_min = 0.001\n\
                  [network]\nlayers = [{ conv2d = 4, kernel = 3 }, \"flatten\", { linear = 10 }]\nweights = \"w\"\n\
                  names = { \"a\" = \"0.weight\" }\n[chips]\ncount = 0\ntimes = [\"1h\", \"1d\"]\n";
    check(vec![
        reader("recipe", &[fields, init::MNIST, on_chip], |path| Recipe::read(path, &[])).of_file("recipe.toml"),
        reader("configuration or recipe", &["[forward]\nout_noise = 0.1\n", fields], config_from).of_file("chip.toml"),
    ]);
}

#[test]
fn tables_and_arrays() {
    one_thread();
    let table = "a,b,\"the, sum\",side\n1,2.5,3e-3,left\n0.5,-1,0,\"right\"\n1,1,2,left\n";
    let whole = "a;b;c\n1;2;0\n1;3;1\n2;3;1\n";
    let bytes = |write: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        write(&path);
        std::fs::read(&path).unwrap()
    };
    let (x, y) = (Tensor::normal(&[6, 2], Key::new(1)), Tensor::from([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]));
    let arrays =
        bytes(&|path| Tensor::write_npz(path, &[("x", &x), ("y", &y), ("x_test", &x), ("y_test", &y)]).unwrap());
    let array = bytes(&|path| x.write_npy(path).unwrap());
    let failed = |Failure { message, .. }: Failure| message;
    check(vec![
        reader("table of classes", &[table], |path| {
            data("source = \"csv\"\npath = \"file\"\nlabel = \"side\"\ntargets = []", path)
        }),
        reader("table of numbers", &[whole], |path| {
            data(
                "source = \"csv\"\npath = \"file\"\ninputs = [\"a\", \"b\"]\ntargets = [\"c\"]\nnormalise = \"all\"",
                path,
            )
        }),
        Reader::new("arrays of data", vec![arrays], move |path| {
            data("source = \"npz\"\npath = \"file\"\nlabel = \"y\"", path).map_err(failed)
        }),
        Reader::new("array of data", vec![array], move |path| {
            data("source = \"npy\"\ninputs = \"file\"\ntargets = \"file\"\nvalidation = 0.5", path).map_err(failed)
        }),
    ]);
}

#[test]
fn results() {
    one_thread();
    let folder = |path: &Path| {
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::write(folder.join(RECIPE), "[chips]\ncount = 2\ntimes = [\"1h\", \"1d\"]\n")
            .expect("the test's own folder");
        folder.to_owned()
    };
    let open = move |path: &Path| Folder::open(&folder(path));
    check(vec![
        reader("sweep", &[SWEEP], move |path| {
            Folder::open(&folder(path)).and_then(Sweep::of).map(|sweep| sweep.pieces())
        })
        .of_file("sweep.json"),
        reader("finished chips", &[POINTS], |path| Finished::read(path, Some(2), Ranks::ALONE))
            .of_file("points.jsonl")
            .mending(),
        reader("epochs", &[EPOCHS], move |path| history(&open(path)?, Phase::Digital))
            .of_file("digital.jsonl")
            .mending(),
    ]);
}

/// Tensors under the names of another program.
#[test]
fn weights() {
    one_thread();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights");
    let net = || Sequential::new().linear(3, 2).init(Key::new(1));
    Checkpoint::save(&file, &net(), None, &TrainingState::new(Key::new(2))).unwrap();
    let text = std::fs::read(&file).unwrap();
    let names = [("0.weight", "0.weight"), ("0.bias", "0.bias")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let read = move |path: &Path| net().load_weights_as(path, &names.clone().into());
    check(vec![Reader::new("renamed weights", vec![text], move |path| {
        read(path).map(drop).map_err(|error| error.to_string())
    })]);
}
