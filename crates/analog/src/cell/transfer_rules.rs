//! Rules between the fields of transfer cells, and fields without effect.

use super::config::{check_devices, two_or_more};
use super::transfer_parameters::Shared;
use super::{BufferedTransferCompound, ChoppedTransferCompound, DynamicTransferCompound, TransferCompound};
use crate::Error;
use crate::config::section::Rules;
use crate::config::setting::{Setting, invalid, join};
use crate::config::unused::Unused;
use crate::config::value::Value;

/// Rules that all transfer cells share.
fn check(shared: &Shared, vectors: [&Vec<f32>; 3], at: &str) -> Result<(), Error> {
    let n = shared.devices.len();
    two_or_more(n, at)?;
    check_devices(&shared.devices, at)?;
    for (name, list) in ["gamma_vec", "transfer_every_vec", "transfer_lr_vec"].into_iter().zip(vectors) {
        if !list.is_empty() && list.len() != n {
            return Err(invalid(&join(at, name), &list.get(), format!("empty or a list of {n} numbers, one an array")));
        }
    }
    if shared.gamma.last() == Some(&0.0) {
        let allowed = "a list whose last number, the slow array's, is not 0";
        return Err(invalid(&join(at, "gamma_vec"), &shared.gamma.get(), allowed));
    }
    if shared.reads == 0 {
        return Err(invalid(&join(at, "n_reads_per_transfer"), &shared.reads.get(), "at least 1"));
    }
    if shared.reset_prob > 0.0 && !shared.columns {
        let allowed = "0 unless transfer_columns is true: rows are not reset";
        return Err(invalid(&join(at, "with_reset_prob"), &shared.reset_prob.get(), allowed));
    }
    Ok(())
}

/// Checks that there are two arrays, a fast one and a slow one.
pub(super) fn check_pair(devices: usize, at: &str) -> Result<(), Error> {
    match devices {
        2 => Ok(()),
        n => Err(invalid(&join(at, "unit_cell_devices"), &Value::Integer(n as i64), "a list of two devices")),
    }
}

/// [`Rules::absent`] for fields that the reference's chopped cells inherit and do not use: only their defaults are
/// accepted.
fn chopped_absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
    let same = |one: Value| if *value == one { Ok(()) } else { Err("chopped cells read one line per event") };
    match field {
        "n_reads_per_transfer" => Some(same(Value::Integer(1))),
        "random_selection" => Some(same(Value::Bool(false))),
        "with_reset_prob" => Some(match value.as_f32() {
            Some(0.0) => Ok(()),
            _ => Err("chopped cells do not reset lines"),
        }),
        _ => None,
    }
}

macro_rules! positive_period {
    ($self:expr, $at:expr) => {
        if $self.transfer_every < 0.0 {
            return Err(invalid(&join($at, "transfer_every"), &$self.transfer_every.get(), "at least 0"));
        }
    };
}

/// Notes fields without effect, among those that both chopped cells share.
macro_rules! chopped_without_effect {
    ($self:expr, $unused:expr) => {
        $unused.note("", &["in_chop_random"], $self.in_chop_prob == 0.0, "in_chop_prob is 0");
        $unused.note("", &["auto_momentum"], !$self.auto_scale, "auto_scale is off");
        $unused.note("", &["auto_scale"], $self.fast_lr == 0.0, "fast_lr is 0");
    };
}

impl Rules for TransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        positive_period!(self, at);
        check(&self.shared(), [&self.gamma_vec, &self.transfer_every_vec, &self.transfer_lr_vec], at)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared_without_effect(unused);
        unused.note("", &["transfer_every"], !self.transfer_every_vec.is_empty(), "transfer_every_vec is given");
    }
}

impl Rules for BufferedTransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        positive_period!(self, at);
        check(&self.shared(), [&self.gamma_vec, &self.transfer_every_vec, &self.transfer_lr_vec], at)
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        match (field, value.as_f32()) {
            ("with_reset_prob", Some(0.0)) => Some(Ok(())),
            ("with_reset_prob", _) => Some(Err("buffered cells do not reset lines")),
            _ => None,
        }
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared_without_effect(unused);
        unused.note("", &["transfer_every"], !self.transfer_every_vec.is_empty(), "transfer_every_vec is given");
    }
}

impl Rules for ChoppedTransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        let shared = self.shared();
        check(&shared, [&self.gamma_vec, &self.transfer_every_vec, &self.transfer_lr_vec], at)?;
        check_pair(shared.devices.len(), at)
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        chopped_absent(field, value)
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared_without_effect(unused);
        chopped_without_effect!(self, unused);
        unused.note("", &["momentum", "forget_buffer"], self.no_buffer, "no_buffer is on");
    }
}

impl Rules for DynamicTransferCompound {
    fn rules(&self, at: &str) -> Result<(), Error> {
        let shared = self.shared();
        check(&shared, [&self.gamma_vec, &self.transfer_every_vec, &self.transfer_lr_vec], at)?;
        check_pair(shared.devices.len(), at)?;
        match self.in_chop_prob > 0.0 {
            true => Ok(()),
            false => Err(invalid(&join(at, "in_chop_prob"), &self.in_chop_prob.get(), "above 0, so that signs change")),
        }
    }

    fn absent(field: &str, value: &Value) -> Option<Result<(), &'static str>> {
        match (field, value) {
            ("out_chop_prob", value) if value.as_f32() == Some(0.0) => Some(Ok(())),
            ("no_buffer", Value::Bool(false)) => Some(Ok(())),
            ("out_chop_prob" | "no_buffer", _) => Some(Err("has no effect on dynamic cells")),
            _ => chopped_absent(field, value),
        }
    }

    fn without_effect(&self, unused: &mut Unused<'_>) {
        self.shared_without_effect(unused);
        chopped_without_effect!(self, unused);
        unused.note("", &["buffer_cap"], self.forget_buffer, "forget_buffer is on");
    }
}
