//! Mistakes, and what is said about them: the file with its line or the argument, the field, its value, and what is
//! allowed.

use super::common::{Folder, QUICK};

/// Checks the exit code and all of the message.
fn check(folder: &Folder, arguments: &[&str], code: i32, message: &str) {
    let (found, said) = folder.fails(arguments);
    assert_eq!((found, said.trim_end()), (code, message), "{arguments:?}");
}

#[test]
fn recipes() {
    let mistakes = [
        ("[training]\nsede = 1", "unknown field `sede` in [training]; did you mean `seed`?\n  --> r.toml:2"),
        (
            "[trainning]\nseed = 1",
            "unknown section `trainning`: a recipe has [data], [network], [hardware], [training], [chips]; did you mean `training`?\n  --> r.toml:1",
        ),
        ("training = 3", "training = 3: must be a section, [training]\n  --> r.toml:1"),
        ("[training]\nbatch = 0", "training.batch = 0: must be a whole number of at least 1\n  --> r.toml:2"),
        ("[training]\n\nlr = \"big\"", "training.lr = \"big\": must be a number above 0\n  --> r.toml:3"),
        (
            "[training]\noptimizer = \"adm\"",
            "training.optimizer = \"adm\": must be one of adam, adamw, sgd; did you mean `adam`?\n  --> r.toml:2",
        ),
        (
            "[data]\nsource = \"mnist2\"",
            "data.source = \"mnist2\": must be one of mnist, mnist-full, fashion-mnist, idx, csv, npz, npy, arm; did you mean `mnist`?\n  --> r.toml:2",
        ),
        ("[data]\nsource = \"csv\"", "data.path is missing: source = \"csv\" needs the path of a file\n  --> r.toml:2"),
        (
            "[data]\nsource = \"csv\"\npath = \"t.csv\"",
            "data.label or data.targets: must be given, one of them: `label` for classes, `targets` for numbers\n  --> r.toml:2",
        ),
        ("[data]\nvalidation = 1.5", "data.validation = 1.5: must be a number from 0 to below 1\n  --> r.toml:2"),
        ("[data]\nshape = [28, 27]", "data.shape = [28, 27]: must be of 784 numbers, as samples have the shape [784]"),
        (
            "[network]\nlayers = [\n  { linear = 10 },\n  \"sofplus\",\n]",
            "network.layers[1] = \"sofplus\": must be one of linear, conv2d, max_pool2d, avg_pool2d, global_avg_pool2d, lstm, gru, rnn, last_step, mean_step, positions, transformer, dropout, batch_norm, layer_norm, flatten, relu, gelu, silu, softplus, sigmoid, tanh, leaky_relu, elu; did you mean `softplus`?\n  --> r.toml:4",
        ),
        (
            "[network]\nlayers = [\"linear\"]",
            "network.layers[0] = \"linear\": must have a size, a whole number of at least 1, as { linear = 2 }\n  --> r.toml:2",
        ),
        (
            "[network]\nlayers = [{ conv2d = 4, kernal = 5 }]",
            "network.layers[0] = { conv2d = 4, kernal = 5 }: unknown option `kernal`; did you mean `kernel`?\n  --> r.toml:2",
        ),
        (
            "[network]\nlayers = [{ conv2d = 4 }]",
            "network.layers[0], conv2d: takes samples [channels, rows, columns], and gets [784]; data.shape, `flatten` or `last_step` may be missing\n  --> r.toml:2",
        ),
        (
            "[network]\nlayers = [{ linear = 9 }]",
            "network.layers[0]: the network gives [9] for a sample, and the data need [10]\n  --> r.toml:2",
        ),
        (
            "[data]\nshape = [28, 28]\n[network]\nlayers = [{ transformer = 3 }]",
            "network.layers[0], transformer: 3 heads do not divide the 28 features of a step\n  --> r.toml:4",
        ),
        (
            "[training]\npieces = 3",
            "training.pieces = 3: must be a power of two, as gradients are summed by pairs\n  --> r.toml:2",
        ),
        (
            "[training]\npieces = 2\n[hardware]\npreset = \"TikiTakaEcRam\"",
            "training.pieces = 2: must be 1 with hardware that trains on the chip: its pulses follow one another\n  --> r.toml:2",
        ),
        (
            "[hardware]\npreset = \"standard_hwa\"",
            "hardware.preset = \"standard_hwa\": must be one of standard_hwa_training, web_composer, old_web_composer, floating_point, or a preset for training on the chip; did you mean `standard_hwa_training`?\n  --> r.toml:2",
        ),
        (
            "[hardware.forward]\nout_noise = 0.1\nw_noise = -1",
            "hardware.forward.w_noise = -1: must be at least 0\n  --> r.toml:3",
        ),
        (
            "[hardware.forwrd]\nout_noise = 0.1",
            "unknown field `forwrd` in [hardware]; did you mean `forward`?\n  --> r.toml:1",
        ),
        ("[hardware]\ndigital_layers = 3", "hardware.digital_layers = 3: must be a list of texts\n  --> r.toml:2"),
        (
            "[chips]\ntimes = [\"1s\", \"1 parsec\"]",
            "chips.times has \"1 parsec\": each must be a time above 0 with a unit: s, m (minutes), h, d, mo (months) or y, as 10y\n  --> r.toml:2",
        ),
        (
            "[chips]\ntimes = []",
            "chips.times = []: must have at least one time while chips.count is not 0\n  --> r.toml:2",
        ),
    ];
    let folder = Folder::new();
    for (recipe, message) in mistakes {
        folder.write("r.toml", recipe);
        check(&folder, &["train", "r.toml", "--out", "run"], 2, &format!("error: {message}"));
        assert!(!folder.path("run").exists(), "a mistake leaves no folder");
    }
    folder.write("r.toml", "[training\nseed = 1");
    let (code, said) = folder.fails(&["train", "r.toml"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error: not valid TOML: ") && said.trim_end().ends_with("--> r.toml:1"), "{said}");
}

#[test]
fn arguments() {
    let folder = Folder::with_run();
    let train = |set: &'static str| ["train", "quick.toml", "--out", "other", "--set", set];
    check(&folder, &train("training.seed"), 2, "error: --set training.seed: must be PATH=VALUE, as training.seed=3");
    check(
        &folder,
        &train("seed=3"),
        2,
        "error: `seed` is not a path: it must be SECTION.FIELD, as training.seed\n  --> --set seed=3",
    );
    check(
        &folder,
        &train("training.seed=-3"),
        2,
        "error: training.seed = -3: must be a whole number of at least 0\n  --> --set training.seed=-3",
    );
    check(
        &folder,
        &train("hardware.forward.out_nois=3"),
        2,
        "error: unknown field `out_nois` in [hardware.forward]; did you mean `out_noise`?\n  --> --set hardware.forward.out_nois=3",
    );
    check(
        &folder,
        &["train", "quick.toml", "--out", "run"],
        2,
        "error: run: has a run already; --resume run goes on with it",
    );
    check(
        &folder,
        &["train", "--resume", "."],
        2,
        "error: .: is not a folder of a run: it has no recipe.toml; `ohmgrad train` makes one",
    );
    check(
        &folder,
        &["train", "none.toml"],
        2,
        "error: none.toml: No such file or directory (os error 2); `ohmgrad init` writes a recipe",
    );
    check(&folder, &["evaluate", "none"], 2, "error: none: is neither the folder of a run nor a file of weights");
    check(
        &folder,
        &["sweep", "quick.toml", "--grid", "out_noise"],
        2,
        "error: --grid out_noise: must be PATH=VALUE,VALUE,…, as forward.out_noise=0,0.02,0.06",
    );
    check(
        &folder,
        &["sweep", "quick.toml", "--grid", "forward.out_noise=0,-1"],
        2,
        "error: hardware.forward.out_noise = -1: must be at least 0\n  --> --grid hardware.forward.out_noise=-1",
    );
    check(
        &folder,
        &["sweep", "quick.toml", "--grid", "chips.count=1,2"],
        2,
        "error: --grid chips.count=1,2: chips are not an axis: --chips and --times say how many and when",
    );
    check(
        &folder,
        &["sweep", "--model", "run", "--grid", "training.lr=1e-3,2e-3"],
        2,
        "error: --model: needs a grid of hardware alone, and weights that are programmed; any other sweep trains a network for each point",
    );
    for (arguments, said) in [
        (&["drift", "run", "--times", "3x"][..], "a time above 0 with a unit"),
        (&["drift", "run", "--until", "-1"], "--until"),
        (&["sweep", "quick.toml", "--grid", "forward.out_noise=0", "--part", "4/3"], "must be K/N with K from 1 to N"),
        (&["sweep", "quick.toml"], "--grid <PATH=A,B,C>"),
        (&["trian"], "a similar subcommand exists: 'train'"),
        (&["train", "--threads", "0"], "0 is not in 1.."),
    ] {
        let (code, found) = folder.fails(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(found.contains(said), "{arguments:?}: {found}");
    }
}

#[test]
fn files() {
    let folder = Folder::with_run();
    folder.write("table.csv", "a,b,y\n1,2,3\n1,x,3\n");
    let recipe = |inputs: &str| {
        format!(
            "[data]\nsource = \"csv\"\npath = \"table.csv\"\ninputs = [{inputs}]\ntargets = [\"y\"]\n[network]\nlayers = [{{ linear = 1 }}]\n"
        )
    };
    let place = folder.path("table.csv");
    let place = place.canonicalize().unwrap();
    folder.write("r.toml", &recipe("\"a\", \"b\""));
    let (code, said) = folder.fails(&["train", "r.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("table.csv:3: column `b` = \"x\": must be a finite number"), "{said} {}", place.display());
    folder.write("r.toml", &recipe("\"aa\""));
    assert!(folder.fails(&["train", "r.toml"]).1.contains("has no column `aa`; did you mean `a`?; it has a, b, y"));
    folder.write("table.csv", "a,b,a,y\n1,2,3,4\n");
    folder.write("r.toml", &recipe("\"a\", \"b\""));
    assert!(folder.fails(&["train", "r.toml"]).1.contains("table.csv: has two columns `a`"));
    folder.write("broken.safetensors", "no tensors");
    folder.write("recipe.toml", QUICK);
    let (code, said) = folder.fails(&["evaluate", "broken.safetensors"]);
    assert_eq!(code, 1);
    assert!(said.contains("broken.safetensors"), "{said}");
    let names =
        QUICK.replace("[network]", "[network]\nweights = \"run/digital.safetensors\"\nnames = { fc = \"0.weight\" }");
    folder.write("names.toml", &names);
    let said = folder.fails(&["train", "names.toml"]).1;
    assert!(said.contains("fc: found no such tensor, expected one of 0.bias, 0.weight, 2.bias, 2.weight"), "{said}");
    folder.write("chip.toml", "[forward]\nout_nois = 1");
    let said = folder.fails(&["explain", "chip.toml"]).1;
    assert!(said.contains("did you mean `out_noise`?\n  --> chip.toml, [forward]"), "{said}");
}
