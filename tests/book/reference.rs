//! Listings of the reference pages.

use std::error::Error;

use ohmgrad::aihwkit::FromAihwkit;
use ohmgrad::analog::config::RpuConfig;
use ohmgrad::analog::presets;
use ohmgrad::prelude::*;

#[test]
fn a_preset_with_another_modifier() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("chip.toml");
    // ANCHOR: preset
    let modifier = WeightModifierParameter { kind: WeightModifier::AddNormal, std_dev: 0.1, ..Default::default() };
    let config = InferenceRpuConfig { modifier, ..presets::standard_hwa_training() };
    std::fs::write(&file, config.to_toml_string()?)?;
    // ANCHOR_END: preset
    assert_eq!(InferenceRpuConfig::from_file(&file)?, config);
    Ok(())
}

#[test]
fn a_configuration_that_aihwkit_printed() -> Result<(), Box<dyn Error>> {
    let key = Key::new(1);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aihwkit/forward.txt");
    let mut net = Sequential::new().linear(6, 3).init(key.fold("weights"));
    // ANCHOR: import
    let imported = RpuConfig::from_aihwkit_file(file)?;
    imported.notes.iter().for_each(|note| eprintln!("not understood: {note}"));
    net.to_analog(&imported.config, key.fold("hardware"))?;
    // ANCHOR_END: import
    assert!(imported.notes.is_empty());
    Ok(())
}

#[test]
fn fields_by_their_paths() -> Result<(), Box<dyn Error>> {
    // ANCHOR: set
    let mut config = InferenceRpuConfig::default();
    config.set("forward.out_noise", 0.1)?;
    config.set("forward.w_noise", 0.02)?;
    for warning in config.warnings() {
        println!("warning: {warning}");
    }
    // ANCHOR_END: set
    assert_eq!(config.warnings().len(), 1, "w_noise has no effect without w_noise_type");
    Ok(())
}

#[test]
fn a_training_that_goes_on() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("run.safetensors");
    let mut net = Sequential::new().linear(6, 3).init(Key::new(1));
    let mut adam = Adam::new(1e-3);
    let training = TrainingState::new(Key::new(1));
    // ANCHOR: checkpoint
    Checkpoint::save(&file, &net, Some(&adam), &training)?; // training: key, epoch, step, schedule

    let checkpoint = Checkpoint::load(&file)?;
    checkpoint.restore(&mut net, Some(&mut adam), Tiles::FromFile)?; // or Tiles::FromNetwork: weights alone
    let training = checkpoint.training().clone();
    // ANCHOR_END: checkpoint
    assert_eq!(training, TrainingState::new(Key::new(1)));
    Ok(())
}
