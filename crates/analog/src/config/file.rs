//! The configuration as a file, field by field, and as a schema.

use std::fmt;
use std::path::Path;

use super::form::{file, path, schema};
use super::inference::InferenceRpuConfig;
use crate::Error;

impl InferenceRpuConfig {
    /// Reads TOML. Fields and sections left out have their defaults; the result is validated.
    ///
    /// ```
    /// use ohmgrad_analog::config::InferenceRpuConfig;
    ///
    /// let config = InferenceRpuConfig::from_toml_str(r#"
    ///     [forward]
    ///     out_bound = 10
    ///     w_noise = 0.0175
    ///     w_noise_type = "PCM_READ"
    ///
    ///     [mapping]
    ///     weight_scaling_omega = 1.0
    /// "#)?;
    /// assert_eq!(config.forward.w_noise, 0.0175);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Text that is not TOML, an unknown section, field or name, a value of the wrong type or out
    /// of range.
    pub fn from_toml_str(text: &str) -> Result<Self, Error> {
        file::from_toml(text)
    }

    /// Reads JSON. Fields and sections left out have their defaults; the result is validated.
    ///
    /// ```
    /// use ohmgrad_analog::config::InferenceRpuConfig;
    ///
    /// let error = InferenceRpuConfig::from_json_str(r#"{"forward": {"noise_management": "ABSMAX"}}"#).unwrap_err();
    /// assert!(error.to_string().ends_with("; did you mean `ABS_MAX`?"));
    /// ```
    ///
    /// # Errors
    ///
    /// Text that is not JSON, an unknown section, field or name, a value of the wrong type or out
    /// of range.
    pub fn from_json_str(text: &str) -> Result<Self, Error> {
        file::from_json(text)
    }

    /// Reads a file, TOML or JSON by its extension.
    ///
    /// # Errors
    ///
    /// The errors of [`from_toml_str`](Self::from_toml_str) and [`from_json_str`](Self::from_json_str) with the file
    /// named, a file that can't be read, or another extension than `.toml` and `.json`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        file::from_file(path.as_ref())
    }

    /// All fields as TOML; reading it gives back the same configuration, bit for bit.
    ///
    /// ```
    /// use ohmgrad_analog::config::InferenceRpuConfig;
    ///
    /// let mut config = InferenceRpuConfig::default();
    /// config.forward.w_noise = 0.02;
    /// let text = config.to_toml_string()?;
    /// assert!(text.contains("w_noise = 0.02\n"));
    /// assert_eq!(InferenceRpuConfig::from_toml_str(&text)?, config);
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`validate`](Self::validate), and a custom class, because it could not be read back.
    pub fn to_toml_string(&self) -> Result<String, Error> {
        file::to_toml(self)
    }

    /// All fields as indented JSON; reading it gives back the same configuration, bit for bit.
    ///
    /// # Errors
    ///
    /// The errors of [`validate`](Self::validate), and a custom class, because it could not be read back.
    pub fn to_json_string(&self) -> Result<String, Error> {
        file::to_json(self)
    }

    /// Sets a field by its path, for sweeps and command lines: `forward.out_noise`, `noise_model.type`, `mapping`. The
    /// value is written as in TOML, but names need no quotes, and `null` is allowed as in JSON. A section takes a table
    /// with some of its fields.
    ///
    /// ```
    /// use ohmgrad_analog::config::{InferenceRpuConfig, NoiseManagement};
    ///
    /// let mut config = InferenceRpuConfig::default();
    /// config.set("forward.out_noise", "0.06")?;
    /// config.set("forward.out_noise", 0.1)?;
    /// config.set("mapping.weight_scaling_columnwise", true)?;
    /// config.set("modifier", r#"{ type = "ADD_NORMAL", std_dev = 0.1 }"#)?;
    /// // Two fields that only go together, at once:
    /// config.set("forward", format!("{{ noise_management = '{}', inp_bound = 2 }}", NoiseManagement::None))?;
    ///
    /// let error = config.set("forward.out_nois", "0.06").unwrap_err();
    /// assert_eq!(error.to_string(), "unknown field `out_nois` in [forward]; did you mean `out_noise`?");
    /// let error = config.set("forward.out_noise", "-1").unwrap_err();
    /// assert_eq!(error.to_string(), "forward.out_noise = -1: must be at least 0");
    /// assert_eq!(config.get("forward.out_noise")?, "0.1");
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of a file with this value, and those of [`validate`](Self::validate). The configuration is unchanged
    /// then.
    pub fn set(&mut self, path: &str, value: impl fmt::Display) -> Result<(), Error> {
        path::set(self, path, &value.to_string())
    }

    /// The value of a field by its path, as [`set`](Self::set) takes it; a section is a table.
    ///
    /// ```
    /// let config = ohmgrad_analog::InferenceRpuConfig::default();
    /// assert_eq!(config.get("forward.noise_management")?, "ABS_MAX");
    /// assert_eq!(config.get("noise_model.type")?, "PCMLikeNoiseModel");
    /// # Ok::<(), ohmgrad_analog::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A path that leads to no field (the error names the nearest one), and a custom class.
    pub fn get(&self, path: &str) -> Result<String, Error> {
        path::get(self, path)
    }

    /// The JSON Schema (draft 2020-12) of configuration files: names, types, ranges, choices and defaults of all
    /// fields. Editors check and complete JSON and TOML files with it. It does not contain rules between fields, nor
    /// fields of the reference that files may have without an effect.
    ///
    /// It is in the repository as `docs/config.schema.json`.
    ///
    /// ```
    /// let schema = ohmgrad_analog::InferenceRpuConfig::json_schema();
    /// let schema: serde_json::Value = serde_json::from_str(&schema)?;
    /// let forward = &schema["properties"]["forward"]["properties"];
    /// assert_eq!(forward["out_noise"]["minimum"], 0.0);
    /// assert_eq!(schema["properties"]["backward"]["properties"]["is_perfect"]["default"], true);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn json_schema() -> String {
        schema::document::<Self>("InferenceRpuConfig")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{BackwardIoParameters, IoParameters, MappingParameter, NoiseManagement};
    use crate::config::{WeightModifier, WeightModifierParameter};
    use crate::noise::DriftCompensation;

    fn toml_error(text: &str) -> String {
        InferenceRpuConfig::from_toml_str(text).unwrap_err().to_string()
    }

    fn configs() -> impl Iterator<Item = InferenceRpuConfig> {
        // Fractions in [0, 1) with all their bits in use, so that only exact decimals round-trip.
        let mut state = 1_u64;
        let mut fraction = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        (0..200).map(move |n| InferenceRpuConfig {
            forward: IoParameters {
                inp_res: fraction() * 300.0 - 20.0,
                out_bound: fraction() * 40.0 - 10.0,
                out_noise: fraction(),
                w_noise: fraction() * 1e-20,
                nm_thres: -fraction(),
                ir_drop_g_ratio: (fraction() + 0.1) * 1e9,
                noise_management: NoiseManagement::ALL[n % NoiseManagement::ALL.len()],
                max_bm_factor: u32::MAX - n as u32,
                ..Default::default()
            },
            backward: BackwardIoParameters {
                is_perfect: n % 2 == 0,
                mask_saturated: n % 3 == 0,
                out_scale: f32::MIN_POSITIVE * fraction(),
                ..Default::default()
            },
            mapping: MappingParameter {
                weight_scaling_omega: fraction() * f32::MAX,
                max_input_size: n,
                ..Default::default()
            },
            modifier: WeightModifierParameter {
                kind: WeightModifier::ALL[n % WeightModifier::ALL.len()],
                std_dev: fraction(),
                coeffs: (0..n % 5).map(|_| fraction() - 0.5).collect(),
                ..Default::default()
            },
            ..Default::default()
        })
    }

    #[test]
    fn files_round_trip_bit_for_bit() {
        for config in configs().chain([InferenceRpuConfig::default()]) {
            let toml = config.to_toml_string().unwrap();
            assert_eq!(InferenceRpuConfig::from_toml_str(&toml).unwrap(), config, "{toml}");
            let json = config.to_json_string().unwrap();
            assert_eq!(InferenceRpuConfig::from_json_str(&json).unwrap(), config, "{json}");
            assert_eq!(serde_json::from_str::<InferenceRpuConfig>(&json).unwrap(), config);
            let value = serde_json::to_value(&config).unwrap();
            assert_eq!(serde_json::from_value::<InferenceRpuConfig>(value).unwrap(), config);
        }
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(InferenceRpuConfig::from_toml_str("").unwrap(), InferenceRpuConfig::default());
        assert_eq!(InferenceRpuConfig::from_json_str("{}").unwrap(), InferenceRpuConfig::default());
    }

    #[test]
    fn errors_suggest_the_nearest_name() {
        assert_eq!(
            toml_error("[forward]\nw_noise_typ = \"PCM_READ\""),
            "unknown field `w_noise_typ` in [forward]; did you mean `w_noise_type`?"
        );
        assert_eq!(toml_error("[forwrd]\n"), "unknown field `forwrd` at the top level; did you mean `forward`?");
        assert_eq!(toml_error("[mapping]\ncolour = 1"), "unknown field `colour` in [mapping]");
        assert_eq!(
            toml_error("w_noise = 1"),
            "unknown field `w_noise` at the top level; did you mean `forward.w_noise`?"
        );
    }

    #[test]
    fn errors_give_the_allowed_values() {
        assert_eq!(toml_error("[forward]\nis_perfect = 1"), "forward.is_perfect = 1: must be true or false");
        assert_eq!(
            toml_error("[forward]\nout_noise = nan"),
            "forward.out_noise = NaN: must be a finite number (32-bit)"
        );
        assert_eq!(toml_error("[forward]\nout_noise = -1"), "forward.out_noise = -1: must be at least 0");
        assert_eq!(toml_error("forward = 3"), "forward = 3: must be a section of fields");
        assert_eq!(
            toml_error("[backward]\nbound_management = \"ITERATIVE\""),
            "backward.bound_management = \"ITERATIVE\": bound management does not exist backwards; \
             leave it out or say \"NONE\""
        );
        assert_eq!(
            toml_error("[forward]\nbound_management = \"SHIFT\""),
            "forward.bound_management = \"SHIFT\": exists only on GPUs in the reference simulator; \
             must be one of NONE, ITERATIVE, ITERATIVE_WORST_CASE"
        );
        let null = InferenceRpuConfig::from_json_str(r#"{"mapping": {"digital_bias": null}}"#).unwrap_err();
        assert_eq!(null.to_string(), "mapping.digital_bias = null: must be true or false");
        assert_eq!(
            InferenceRpuConfig::from_json_str("[1]").unwrap_err().to_string(),
            "configuration = [1]: must be a section of fields"
        );
    }

    #[test]
    fn invalid_toml_or_json_names_the_line() {
        let toml = toml_error("[forward]\nout_noise =\n");
        assert!(toml.starts_with("not valid TOML, line 2: "), "{toml}");
        let json = InferenceRpuConfig::from_json_str("{\n\"forward\": }").unwrap_err().to_string();
        assert_eq!(json, "not valid JSON, line 2: expected value");
        let twice = InferenceRpuConfig::from_json_str("{\"mapping\": {},\n\"mapping\": {}}").unwrap_err().to_string();
        assert_eq!(twice, "not valid JSON, line 2: `mapping` is given twice");
    }

    #[test]
    fn long_and_deep_files_take_no_time() {
        let start = std::time::Instant::now();
        let lines = |line: fn(usize) -> String| (0..100_000).map(line).collect::<Vec<_>>();
        let times = lines(|i| format!("{i} = [0.5]")).join("\n");
        let table = format!("[noise_model]\ntype = \"ReRamWan2022NoiseModel\"\n[noise_model.coeff_dic]\n{times}");
        let config = InferenceRpuConfig::from_toml_str(&table).unwrap();
        assert_eq!(InferenceRpuConfig::from_json_str(&config.to_json_string().unwrap()).unwrap(), config);
        assert!(config.to_string().contains("99999 = [0.5]"));
        assert!(toml_error(&lines(|i| format!("f{i} = 1")).join("\n")).starts_with("unknown field `f0`"));
        let twice = format!("{times}\n99999 = []");
        assert!(toml_error(&twice).contains("duplicate key"), "{}", toml_error(&twice));
        let json = format!("{{{}, \"f9\": 1}}", lines(|i| format!("\"f{i}\": 1")).join(", "));
        let error = InferenceRpuConfig::from_json_str(&json).unwrap_err().to_string();
        assert!(error.contains("`f9` is given twice"), "{error}");
        for deep in [
            format!("x = {}", "[".repeat(100_000)),
            format!("x = {}1", "{ x = ".repeat(100_000)),
            format!("x{} = 1", ".x".repeat(100_000)),
            format!("[x{}]", ".x".repeat(100_000)),
        ] {
            toml_error(&deep);
        }
        assert!(InferenceRpuConfig::from_json_str(&"[".repeat(100_000)).is_err());
        assert!(InferenceRpuConfig::from_json_str(&"{\"x\":".repeat(100_000)).is_err());
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn custom_classes_have_no_form_in_files() {
        let method: Arc<dyn DriftCompensation> = Arc::new(crate::noise::Global);
        let config = InferenceRpuConfig { drift_compensation: method.into(), ..Default::default() };
        let error = "drift_compensation = Global: a class that the program defines has no form in files";
        for written in [config.to_json_string(), config.to_toml_string()] {
            assert_eq!(written.unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn files_hold_valid_configurations_alone() {
        let mut config = InferenceRpuConfig::default();
        config.forward.out_scale = f32::NAN;
        assert!(config.to_json_string().is_err());
        assert!(config.to_toml_string().is_err());
    }

    #[test]
    fn errors_name_the_file() {
        let file = std::env::temp_dir().join(format!("ohmgrad-config-{}.toml", std::process::id()));
        std::fs::write(&file, "[forward]\ninp_bound = 2").unwrap();
        let error = InferenceRpuConfig::from_file(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(
            error,
            format!(
                "forward.inp_bound = 2: must be 1 while noise_management is ABS_MAX (it scales each row to the DAC's range)\n  \
                 --> {}, [forward]",
                file.display()
            )
        );
        let missing = InferenceRpuConfig::from_file("no/such/file.json").unwrap_err();
        assert!(missing.to_string().starts_with("no/such/file.json: "), "{missing}");
        let yaml = InferenceRpuConfig::from_file("chip.yaml").unwrap_err();
        assert_eq!(yaml.to_string(), "chip.yaml: a configuration is a .toml or a .json file");
    }
}
