//! Conversion of a tree of objects into a configuration, with notes on fields that are not understood.

use std::collections::HashSet;

use ohmgrad_analog::Error;
use ohmgrad_analog::config::form::setting::{Setting, invalid, join, strict};
use ohmgrad_analog::config::form::value::Value;
use ohmgrad_analog::config::{IrDropT, Note, PulseMode, RpuConfig};

use crate::node::{Node, Object};
use crate::{Imported, classes, devices, noise};

/// The largest number of notes; a text with more is refused.
pub(crate) const MOST_NOTES: usize = 1000;

/// Resets the field at `path` to its default, or the section around the field if the field has its default already;
/// returns the path that was reset, and the configuration.
fn without<C: Setting + Clone + PartialEq>(config: &C, default: &C, path: &str) -> Option<(String, C)> {
    let (mut fields, mut rest) = (Setting::get(config), default.clone());
    let taken = take(&mut fields, path)?;
    rest.overlay(fields, "", &mut strict).ok()?;
    match rest == *config {
        true => without(config, default, path.rsplit_once('.')?.0),
        false => Some((taken, rest)),
    }
}

/// A straight-through backward, as Torch tiles ignore backward parameters.
fn straight_through(table: &mut Vec<(String, Value)>) {
    let on = |field: &str| (field.to_owned(), Value::Bool(true));
    table.retain(|(field, _)| field != "backward");
    table.push(("backward".into(), Value::Table(vec![on("is_perfect"), on("straight_through")])));
}

/// The state of an import.
pub(crate) struct Reader {
    pub notes: Vec<Note>,
    /// `true` if the text was printed, and so shows nothing but changed fields.
    pub printed: bool,
    /// `true` if devices and updates have a place in the configuration.
    pub on_chip: bool,
}

impl Reader {
    /// The configuration that a table gives; fields that it refuses become notes.
    pub fn read<C: Setting + Clone + PartialEq>(
        mut self,
        table: Vec<(String, Value)>,
        default: &C,
        validate: fn(&C) -> Result<(), Error>,
        whole: &Node,
    ) -> Result<Imported<C>, Error> {
        let mut config = default.clone();
        config.overlay(Value::Table(table), "", &mut |path, error| self.refused(path, error, whole))?;
        // Fields that contradict others are reset to their defaults, one after the other.
        while let Err(error) = validate(&config) {
            match error.field().and_then(|field| without(&config, default, &field)) {
                Some((path, rest)) => {
                    self.refused(&path, error, whole)?;
                    config = rest;
                }
                None => return Err(self.cause(error)),
            }
        }
        Ok(Imported { config, notes: self.notes })
    }

    /// The cause of an error: a field of its section that was refused before, or the error itself.
    fn cause(self, error: Error) -> Error {
        let at = error.field().unwrap_or_default();
        let root = |path: &str| path.split('.').next().map(str::to_owned);
        let is_cause = |note: &Note| root(&note.field) == root(&at) && note.reason.starts_with("must be");
        match self.notes.into_iter().find(is_cause) {
            Some(Note { field, value, reason }) => {
                let allowed = reason.strip_prefix("must be ").unwrap_or(&reason);
                invalid(&field, &Value::Text(value), allowed)
            }
            None => error,
        }
    }

    /// The table of a configuration that trains on the chip; sections that it does not show are those of `preset`.
    pub fn on_chip(&mut self, object: Object, preset: Option<RpuConfig>) -> Vec<(String, Value)> {
        let shown: HashSet<String> = object.fields.iter().map(|(field, _)| field.clone()).collect();
        let mut table = self.fields(object, "");
        // Defaults that `fields` adds are dropped: the configuration has the same ones.
        table.retain(|(field, _)| shown.contains(field));
        if let Some(Value::Table(sections)) = preset.map(|preset| Setting::get(&preset)) {
            table.extend(sections.into_iter().filter(|(section, _)| section != "type" && !shown.contains(section)));
        }
        table
    }

    fn note(&mut self, field: &str, value: String, reason: impl Into<String>) {
        self.notes.push(Note { field: field.to_owned(), value, reason: reason.into() });
    }

    /// Notes a field that is refused.
    fn refused(&mut self, path: &str, error: Error, whole: &Node) -> Result<(), Error> {
        if self.notes.len() == MOST_NOTES {
            return Err(error);
        }
        let shown = whole.show(&path.replace(".ir_drop_t", "")).unwrap_or_else(|| "?".into());
        self.note(path, shown, reason(error));
        Ok(())
    }

    /// The table of a configuration of inference.
    pub fn configuration(&mut self, object: Object) -> Vec<(String, Value)> {
        let mut not_shown = vec![];
        if !classes::is_known(&object) {
            // An unknown class has neither unless it shows them.
            not_shown.extend(["noise_model", "drift_compensation"].map(|section| (section.to_owned(), Value::Null)));
            let reason = "an unknown class, read as InferenceRPUConfig without what is not shown of it; its own defaults \
                          are not known";
            self.note("configuration", object.class.clone(), reason);
        }
        if classes::is_pulsed(&object) && object.get("device").is_none() {
            self.note("device", "?".into(), format!("{} trains by pulses; there is no such device here", object.class));
        }
        let differentiates = classes::differentiates_the_forward(&object);
        if let Some(Value::Table(sections)) = classes::preset(&object).map(|preset| Setting::get(&preset)) {
            not_shown.extend(sections);
        }
        not_shown.retain(|(section, _)| object.get(section).is_none());
        let mut table = self.fields(object, "");
        table.extend(not_shown);
        if differentiates {
            straight_through(&mut table);
        }
        table
    }

    /// The table of the section at a path.
    fn fields(&mut self, object: Object, at: &str) -> Vec<(String, Value)> {
        let defaults = classes::defaults(&object).map_or_else(Vec::new, |defaults| defaults.fields);
        let not_shown = defaults.into_iter().filter(|(field, _)| object.get(field).is_none());
        let mut table: Vec<_> = not_shown.map(|(field, node)| (field, node.into_value(false))).collect();
        if let Some(class) = classes::section(at).filter(|_| classes::defaults(&object).is_none()) {
            self.note(
                at,
                object.class.clone(),
                format!("an unknown class, read as {class}; its own defaults are not known"),
            );
        }
        let timed = object.is(classes::IR_DROP_T);
        for (field, node) in object.fields {
            let path = join(at, &field);
            let of_device = self.on_chip && ["device", "update"].contains(&path.as_str());
            if !of_device && classes::has_no_effect(&path, &node) {
                continue;
            }
            if self.on_chip && path == "device" {
                table.push((field, devices::value(node, &path, !self.printed, &mut self.notes)));
                continue;
            }
            if at.is_empty() && field == "runtime" {
                self.runtime(node);
                continue;
            }
            let value = match node {
                Node::Object(object) if classes::section(&path).is_some() => Value::Table(self.fields(object, &path)),
                mut node => {
                    self.look_for_gaps(&node, &path);
                    if let (Node::Object(model), "noise_model") = (&mut node, path.as_str()) {
                        noise::simplify(model);
                    }
                    node.into_value(true)
                }
            };
            table.push((field, value));
        }
        if timed { self.ir_drop_t(table, at) } else { table }
    }

    /// Moves the fields of `IOParametersIRDropT` into our section `ir_drop_t`.
    fn ir_drop_t(&mut self, table: Vec<(String, Value)>, at: &str) -> Vec<(String, Value)> {
        let is_timed = |(field, value): &(String, Value)| {
            IrDropT::default().fields().iter().any(|timed| timed.name == field) && *value != Value::Text("IDEAL".into())
        };
        let (timed, mut table): (Vec<_>, Vec<_>) = table.into_iter().partition(is_timed);
        let split = ("mv_type".to_owned(), PulseMode::SplitMode.get());
        if self.printed && timed.contains(&split) && timed.iter().all(|(field, _)| field != "split_mode_bit_shift") {
            let reason = format!("{} does not print it; export the configuration as JSON", classes::IR_DROP_T);
            self.note(&join(at, "split_mode_bit_shift"), "?".into(), reason);
        }
        table.push(("ir_drop_t".into(), Value::Table(timed)));
        table
    }

    /// Adds a note for each runtime parameter that differs from its default.
    fn runtime(&mut self, node: Node) {
        let Node::Object(runtime) = node else { return };
        for (field, node) in runtime.fields {
            let path = join("runtime", &field);
            if !classes::has_no_effect(&path, &node) {
                self.note(&path, node.to_string(), "says how the reference runs; there is no such choice here");
            }
        }
    }

    fn look_for_gaps(&mut self, node: &Node, at: &str) {
        let Node::Object(object) = node else { return };
        let shown = |field: &&&str| object.fields.iter().any(|(name, _)| name == **field);
        for field in classes::unprinted(&object.class).iter().filter(|field| self.printed && !shown(field)) {
            let reason = format!("{} does not print it; export the configuration as JSON", object.class);
            self.notes.push(Note { field: join(at, field), value: "?".into(), reason });
        }
        for (field, node) in &object.fields {
            self.look_for_gaps(node, &join(at, field));
        }
    }
}

/// Removes the field at a path, or the smallest section of the path that exists; returns its path. For the `type` of an
/// object it removes the whole object.
pub(crate) fn take(section: &mut Value, path: &str) -> Option<String> {
    let Value::Table(table) = section else { return None };
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let index = table.iter().position(|(field, _)| field == &path[..end])?;
    let rest = path[end..].trim_start_matches('.');
    if let (field, inner @ Value::Table(_)) = &mut table[index]
        && !rest.is_empty()
        && !is_class(inner, rest)
        && let Some(taken) = take(inner, rest)
    {
        return Some(join(field, &taken));
    }
    Some(table.remove(index).0)
}

/// Returns `true` if a field is the `type` that names an object's class, on which the meaning of its other fields
/// depends. In other sections `type` is a choice in capitals.
fn is_class(section: &Value, field: &str) -> bool {
    let named = |(name, value): &(String, Value)| {
        name == "type" && matches!(value, Value::Text(class) if class.contains(char::is_lowercase))
    };
    field == "type" && matches!(section, Value::Table(fields) if fields.iter().any(named))
}

fn reason(error: Error) -> String {
    match error {
        Error::InvalidField { allowed, .. } => format!("must be {allowed}"),
        Error::UnknownValue { allowed, .. } => format!("must be one of {allowed}"),
        Error::Unsupported { reason, .. } => reason,
        Error::UnknownField { section, .. } => match classes::section(&section) {
            Some(class) => {
                format!("no field of {class} in aihwkit 1.1: another version or program, with other defaults")
            }
            None => "has no counterpart here".into(),
        },
        error => error.to_string(),
    }
}
