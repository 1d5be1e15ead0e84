//! All commands but those of the other files (`train`, `sweep`, `merge`, `compare`, `completions`, `man`), and recipes.

use super::common::{Folder, QUICK};

#[test]
fn evaluate_and_drift_repeat_the_numbers_of_the_run() {
    let folder = Folder::with_run();
    let result = folder.json("run/result.json");
    let once = folder.objects(&["evaluate", "run", "--repeats", "1"]);
    assert_eq!(once[1]["accuracy"], result["networks"]["hardware_aware"]["accuracy"]);
    assert_eq!(once[1]["confidence"], serde_json::Value::Null);
    let digital = folder.objects(&["evaluate", "run/digital.safetensors", "--repeats", "1"]);
    assert_eq!(digital[0]["accuracy"], result["networks"]["digital"]["accuracy"]);
    assert_eq!(digital[1]["accuracy"], result["networks"]["on_tiles"]["accuracy"]);

    let chips = folder.objects(&["drift", "run"]);
    for (now, then) in chips.iter().zip(result["chips"]["hardware_aware"].as_array().unwrap()) {
        assert_eq!((&now["t"], &now["mean"], &now["std"]), (&then["t"], &then["mean"], &then["std"]));
    }
    assert_eq!(folder.text("run/drift.csv").lines().count(), 1 + 3 * 3);
    assert!(folder.text("run/drift.html").contains("<svg"));
    assert!(folder.text("run/drift.svg").contains("time since programming"));
}

#[test]
fn drift_adds_chips_until_the_interval_is_narrow() {
    let folder = Folder::with_run();
    let wide = folder.objects(&["drift", "run", "--times", "1d", "--chips", "3", "--until", "1%"]);
    assert!(wide[0]["confidence"].as_f64().unwrap() <= 0.01);
    assert!(wide[0]["chips"].as_u64().unwrap() > 3);
    let (code, said) =
        folder.fails(&["drift", "run", "--times", "1d", "--chips", "2", "--until", "0.001%", "--most", "4"]);
    assert_eq!(code, 3);
    assert!(said.contains("with 4 chips the interval is still ±"), "{said}");
}

#[test]
fn inspect_shows_layers_weights_and_converters() {
    let folder = Folder::with_run();
    let objects = folder.objects(&["inspect", "run", "--rows", "50", "--plot", "weights.svg"]);
    let of = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("layer").len(), 2);
    assert_eq!(of("layer")[0]["shape"], serde_json::json!([16, 784]));
    assert_eq!(of("weight")[0]["count"], 16 * 784);
    // Two devices for each weight.
    assert_eq!(of("conductance")[0]["count"], 2 * 16 * 784);
    assert_eq!(of("tile").len(), 3);
    assert_eq!(of("tile")[0]["forward"]["rows"], 50);
    assert!(folder.text("weights.svg").contains("conductance"));
    assert!(folder.ok(&["inspect", "run"]).contains("utilisation"));
}

#[test]
fn explain_finds_the_sources_of_noise() {
    let folder = Folder::new();
    folder.write("chip.toml", "[forward]\nout_noise = 0.1\nw_noise = 0.02\nmv_type = \"ONE_PASS\"\n");
    let output = folder.run(&["explain", "chip.toml", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("forward.w_noise = 0.02: has no effect while w_noise_type is NONE"), "{said}");
    let lines: Vec<serde_json::Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((lines[0]["inp_step"].as_f64().unwrap() - 2.0 / 126.0).abs() < 1e-6);
    let shares = lines[1]["shares"].as_object().unwrap();
    assert!(shares["output noise"].as_f64().unwrap() > 0.5, "{shares:?}");
    assert!(!shares.contains_key("weight noise"));
    let sum: f64 = shares.values().map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 0.1, "independent sources add up: {sum}");

    folder.write("narrow.toml", "[forward]\nout_bound = 0.5\nbound_management = \"NONE\"\n");
    let output = folder.run(&["explain", "narrow.toml"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("ADC range"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("out_bound may be too small"));
    folder.write("exact.toml", "[forward]\nis_perfect = true\n");
    assert!(folder.ok(&["explain", "exact.toml"]).contains("the exact product"));
    folder.write("quick.toml", QUICK);
    assert!(folder.ok(&["explain", "quick.toml"]).contains("w_noise 0.02 (additive)"));
}

#[test]
fn explain_takes_the_inputs_of_layers_from_data() {
    let folder = Folder::with_run();
    let shares = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let objects = folder.objects(&[&["explain", "run", "--reads", "200"], arguments].concat());
        objects.into_iter().filter(|object| object["kind"] == "shares").collect()
    };
    let (gaussian, data) = (shares(&[]), shares(&["--on-data"]));
    assert_eq!((gaussian.len(), data.len()), (2, 2));
    for (gaussian, data) in gaussian.iter().zip(&data) {
        assert_eq!((&gaussian["on_data"], &data["on_data"]), (&false.into(), &true.into()));
        assert_ne!(gaussian["relative_error"], data["relative_error"]);
        assert!(data["shares"]["weight noise"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn import_lists_fields_that_it_did_not_understand() {
    let folder = Folder::new();
    folder.write("good.txt", "InferenceRPUConfig(forward=IOParameters(out_bound=10.0))");
    folder.write("bad.txt", "InferenceRPUConfig(forward=IOParameters(bound_management=BoundManagementType.SHIFT))");
    folder.ok(&["import", "good.txt", "--out", "good.toml"]);
    assert!(folder.ok(&["explain", "good.toml"]).contains("out_bound = 10"));
    assert!(folder.ok(&["import", "good.txt"]).contains("out_bound = 10.0"));
    let (code, said) = folder.fails(&["import", "bad.txt"]);
    assert_eq!(code, 3);
    assert!(said.contains("not understood: forward.bound_management = SHIFT"), "{said}");
}

/// A configuration that trains on the chip: its device stands in the TOML, and other commands read that.
#[test]
fn import_brings_devices_along() {
    let folder = Folder::new();
    let printed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/aihwkit/pulsed_single.txt");
    let (code, said) = folder.fails(&["import", printed, "--out", "chip.toml"]);
    // Exit code 3, done in part: `construction_seed` has no counterpart here, as devices are drawn from the key.
    assert_eq!(code, 3);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("not understood: device.construction_seed = 7: "), "{said}");
    let toml: toml::Table = toml::from_str(&folder.text("chip.toml")).unwrap();
    assert_eq!(toml["type"].as_str(), Some("SingleRPUConfig"));
    let device = &toml["device"];
    assert_eq!((device["type"].as_str(), device["gamma_up"].as_float()), (Some("LinearStepDevice"), Some(0.1)));
    assert_eq!(device["drift"]["nu"].as_float(), Some(0.05));
    assert_eq!(toml["update"]["desired_bl"].as_integer(), Some(10));
    assert_eq!(toml["update"]["pulse_type"].as_str(), Some("MEAN_COUNT"));
    assert_eq!(toml["backward"]["out_noise"].as_float(), Some(0.2));
    let explained = folder.ok(&["explain", "chip.toml"]);
    assert!(explained.contains("on the chip, trains of up to 10 pulses"), "{explained}");
    // `explain` warns of a field without effect.
    folder.write("idle.toml", &(folder.text("chip.toml").replace("lifetime_dtod = 0.0", "lifetime_dtod = 0.5")));
    let output = folder.run(&["explain", "idle.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("device.lifetime_dtod = 0.5: has no effect while lifetime is 0"), "{said}");
    // The same on standard output, and as JSON with the notes in it.
    let object = &folder.run(&["import", printed, "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&object.stdout).unwrap();
    assert_eq!(object["config"].as_str(), Some(folder.text("chip.toml").as_str()));
    assert_eq!(object["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn the_schema_has_every_field_of_every_recipe() {
    let folder = Folder::new();
    let schema: serde_json::Value = serde_json::from_str(&folder.ok(&["init", "--schema"])).unwrap();
    assert_eq!(schema["properties"]["training"]["properties"]["batch"]["minimum"], 1);
    assert_eq!(schema["properties"]["hardware"]["properties"]["forward"]["type"], "object");
    for kind in ["mlp", "lenet", "cnn", "lstm", "regression"] {
        folder.ok(&["init", "--kind", kind]);
        let recipe: toml::Table = toml::from_str(&folder.text(&format!("{kind}.toml"))).unwrap();
        for (section, fields) in &recipe {
            for field in fields.as_table().unwrap().keys() {
                assert!(schema["properties"][section]["properties"][field].is_object(), "{kind}: {section}.{field}");
            }
        }
    }
    for field in ["path", "label", "targets", "inputs", "normalise", "rows", "test", "validation", "shape"] {
        assert!(schema["properties"]["data"]["properties"][field].is_object(), "{field}");
    }
}

#[test]
fn every_kind_of_recipe_runs() {
    let folder = Folder::new();
    let small = [
        "training.digital_epochs=1",
        "training.hardware_aware_epochs=1",
        "chips.times=[\"1d\"]",
        "data.train_rows=64",
        "data.test_rows=64",
    ];
    for kind in ["mlp", "lenet", "cnn", "lstm", "transformer", "regression", "on-chip"] {
        folder.ok(&["init", "--kind", kind]);
        let file = format!("{kind}.toml");
        let mut arguments = vec!["train", &file, "--out", kind];
        let chips = if kind == "on-chip" { "chips.count=0" } else { "chips.count=1" };
        arguments.extend(["--set", chips]);
        small.iter().for_each(|set| arguments.extend(["--set", set]));
        folder.ok(&arguments);
        let result = folder.json(&format!("{kind}/result.json"));
        let metric = if kind == "regression" { "rmse" } else { "accuracy" };
        assert!(result["networks"]["hardware_aware"][metric].is_f64(), "{kind}: {result}");
    }
    let (code, said) = folder.fails(&["init", "--kind", "cnn"]);
    assert_eq!((code, said.as_str()), (2, "error: cnn.toml: exists; give another name\n"));
}

#[test]
fn tables_and_arrays_are_data() {
    use ohmgrad::prelude::*;
    let folder = Folder::new();
    let x = Tensor::normal(&[200, 2], Key::new(3));
    let label = |i: usize| if x[[i, 0]] > x[[i, 1]] { "the \"\"left\"\", or so" } else { "right" };
    let rows: String = (0..200)
        .map(|i| format!("{}, {},{},\"{}\"\n\n", x[[i, 0]], x[[i, 1]], x[[i, 0]] + x[[i, 1]], label(i)))
        .collect();
    folder.write("table.csv", &format!("\u{feff}a,\"b, the other\",sum,side\r\n{rows}"));
    let base =
        "[training]\ndigital_epochs = 30\nhardware_aware_epochs = 0\nbatch = 16\nlr = 0.05\n[chips]\ncount = 0\n";
    let recipe = |data: &str, outs: usize| {
        format!("[data]\n{data}\n[network]\nlayers = [{{ linear = 8 }}, \"tanh\", {{ linear = {outs} }}]\n{base}")
    };
    folder.write(
        "side.toml",
        &recipe("source = \"csv\"\npath = \"table.csv\"\ninputs = [\"a\", \"b, the other\"]\nlabel = \"side\"", 2),
    );
    folder.ok(&["train", "side.toml", "--out", "side"]);
    assert!(folder.json("side/result.json")["networks"]["digital"]["accuracy"].as_f64().unwrap() > 0.9);
    folder.write(
        "sum.toml",
        &recipe("source = \"csv\"\npath = \"table.csv\"\ninputs = [\"a\", \"b, the other\"]\ntargets = [\"sum\"]", 1),
    );
    folder.ok(&["train", "sum.toml", "--out", "sum"]);
    assert!(folder.json("sum/result.json")["networks"]["digital"]["rmse"].as_f64().unwrap() < 0.3);
    let y = Tensor::from_fn(&[200], |i| f32::from(u8::from(x[[i[0], 0]] > 0.0)));
    Tensor::write_npz(folder.path("set.npz"), &[("x", &x), ("y", &y)]).unwrap();
    folder.write("npz.toml", &recipe("source = \"npz\"\npath = \"set.npz\"\nlabel = \"y\"\nvalidation = 0.1", 2));
    folder.ok(&["train", "npz.toml", "--out", "npz"]);
    x.write_npy(folder.path("x.npy")).unwrap();
    y.write_npy(folder.path("y.npy")).unwrap();
    std::fs::create_dir(folder.path("arrays")).unwrap();
    for name in ["x.npy", "y.npy"] {
        std::fs::rename(folder.path(name), folder.path(&format!("arrays/{name}"))).unwrap();
    }
    // Files stand beside the recipe, the one that is not named too.
    folder.write("arrays/npy.toml", &recipe("source = \"npy\"\nlabel = \"y.npy\"", 2));
    folder.ok(&["train", "arrays/npy.toml", "--out", "npy"]);
    folder.ok(&["evaluate", "npy"]);
    Tensor::write_npz(folder.path("half.npz"), &[("x", &x), ("y", &y), ("x_test", &x)]).unwrap();
    folder.write("half.toml", &recipe("source = \"npz\"\npath = \"half.npz\"\nlabel = \"y\"", 2));
    let error = folder.fails(&["train", "half.toml"]).1;
    assert!(error.contains("half.npz: has no array `y_test`; did you mean"), "{error}");
}

#[test]
fn hardware_has_a_base_and_layers_that_stay_digital() {
    let folder = Folder::new();
    folder.write("chip.toml", "[forward]\nout_noise = 0.25\nout_bound = 20\n");
    let hardware = "[hardware]\nfile = \"chip.toml\"\ndigital_layers = [\"0\"]\n[hardware.forward]\nout_bound = 10";
    let (before, _) = QUICK.split_once("[hardware.forward]").unwrap();
    folder.write("quick.toml", &format!("{before}\n{hardware}\n[chips]\ncount = 1\ntimes = [\"1h\"]\n"));
    folder.ok(&["train", "quick.toml", "--out", "run"]);
    // The recipe of the run is whole without the file.
    std::fs::remove_file(folder.path("chip.toml")).unwrap();
    let recipe: toml::Table = toml::from_str(&folder.text("run/recipe.toml")).unwrap();
    let forward = &recipe["hardware"]["forward"];
    assert_eq!((forward["out_noise"].as_float(), forward["out_bound"].as_float()), (Some(0.25), Some(10.0)));
    let objects = folder.objects(&["inspect", "run"]);
    let tiles: Vec<_> =
        objects.iter().filter(|object| object["kind"] == "layer").map(|layer| &layer["tiles"]).collect();
    assert_eq!(tiles, [0, 1]);

    folder.write(
        "preset.toml",
        &format!("{before}\n[hardware]\npreset = \"standard_hwa_training\"\n[chips]\ncount = 0\n"),
    );
    folder.ok(&["train", "preset.toml", "--out", "preset"]);
    let recipe: toml::Table = toml::from_str(&folder.text("preset/recipe.toml")).unwrap();
    assert_eq!(recipe["hardware"]["mapping"]["learn_out_scaling"].as_bool(), Some(true));
    // Its learned ranges and scales are in the file of the network.
    let result = folder.json("preset/result.json");
    let again = folder.objects(&["evaluate", "preset", "--repeats", "1"]);
    assert_eq!(again[1]["accuracy"], result["networks"]["hardware_aware"]["accuracy"]);
}

#[test]
fn devices_are_drawn_and_fitted() {
    let folder = Folder::new();
    folder.ok(&["device", "ReRamES", "--pulses", "100", "--devices", "5", "--plot", "es.svg"]);
    assert!(folder.text("es.svg").contains("<svg"));
    // Steps up that grow smaller towards 1, then steps down that grow smaller towards −1.
    let (mut w, mut table) = (-0.9_f64, String::from("pulse,g\n"));
    for i in 0..400 {
        let pulse = if i < 200 { i } else { 400 - i };
        table += &format!("{pulse},{w}\n");
        w += if i < 200 { 0.01 * (1.0 - w) } else { -0.01 * (1.0 + w) };
    }
    folder.write("measured.csv", &table);
    let text = folder.ok(&["device", "ReRamSB", "--fit", "measured.csv", "--plot", "fit.svg"]);
    let config: toml::Table = toml::from_str(&text).unwrap();
    let dw_min = config["device"]["dw_min"].as_float().unwrap();
    assert!((0.005..0.02).contains(&dw_min), "{dw_min}");
    folder.write("device.toml", &text);
    folder.ok(&["explain", "device.toml"]);
    let object = &folder.objects(&["device", "ReRamSB", "--fit", "measured.csv"])[0];
    assert_eq!(object["config"].as_str().unwrap().trim(), text.trim());
    let (code, said) = folder.fails(&["device", "ReRam"]);
    assert!(code == 2 && said.contains("ReRam: is no preset"), "{said}");
    folder.write("broken.csv", "0,1\n1,x\n");
    let (code, said) = folder.fails(&["device", "--fit", "broken.csv"]);
    assert!(code == 2 && said.contains("broken.csv: line 2"), "{said}");
}

#[test]
fn programming_is_searched() {
    let folder = Folder::new();
    let small = ["programming", "--population", "2", "--generations", "2", "--inputs", "16"];
    let objects = folder.objects(&small);
    assert!(objects[0]["loss"].as_f64().unwrap() > 0.0);
    assert_eq!(objects.iter().filter(|object| object["event"] == "error").count(), 17);
    assert!(folder.text("programming.svg").contains("optimised"));
    let year = objects.last().unwrap()["t"].as_f64().unwrap() / 10.0;
    assert!((year - 31_557_600.0).abs() < 10.0, "{year}");
}

#[test]
fn scaling_times_reads() {
    let folder = Folder::new();
    let objects = folder.objects(&["scaling", "--most", "64"]);
    assert_eq!(objects.iter().map(|object| object["n"].as_u64().unwrap()).collect::<Vec<_>>(), [32, 64]);
    assert!(objects.iter().all(|object| object["tile"].as_f64() > Some(0.0) && object["batch"].as_f64() > Some(0.0)));
    assert!(folder.text("scaling.svg").contains("rows of the batch"));
}
