//! Choices between classes: sections that say in `type` which class they are, under the reference's names.

/// An enum with a variant for each class of a trait, and one for a class that the program defines.
///
/// In a file it is a section with the class's name in `type`. Without `type` it is the class that the section has
/// already, so that a file may change one parameter of the default. The clause `none` adds a variant for "nothing", the
/// class name `None` or JSON's null.
macro_rules! classes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident of $trait:path {
            $($(#[$doc:meta])* $variant:ident($class:ty) = $spelling:literal,)*
        }
        $(none $(#[$none_doc:meta])* $none:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub enum $name {
            $($(#[$none_doc])* $none,)?
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("In files: `type = \"", $spelling, "\"`.")]
                #[doc(alias = $spelling)]
                $variant($class),
            )*
            /// A class that the program defines. It has no form in files.
            Custom(std::sync::Arc<dyn $trait>),
        }

        impl $name {
            /// The object behind the trait that all classes share.
            fn object(&self) -> Option<&dyn $trait> {
                match self {
                    $(Self::$none => None,)?
                    $(Self::$variant(class) => Some(class),)*
                    Self::Custom(class) => Some(class.as_ref()),
                }
            }
        }

        $(
            impl From<$class> for $name {
                fn from(class: $class) -> Self {
                    Self::$variant(class)
                }
            }
        )*

        impl From<std::sync::Arc<dyn $trait>> for $name {
            fn from(class: std::sync::Arc<dyn $trait>) -> Self {
                Self::Custom(class)
            }
        }

        /// Custom classes are equal if they are the same object.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$none, Self::$none) => true,)?
                    $((Self::$variant(a), Self::$variant(b)) => a == b,)*
                    (Self::Custom(a), Self::Custom(b)) => std::sync::Arc::ptr_eq(a, b),
                    _ => false,
                }
            }
        }

        const _: () = {
            use $crate::config::form::class::{Class, Classes};
            use $crate::config::form::setting::Setting;

            impl Classes for $name {
                const NAMES: &'static [&'static str] = &[$($spelling,)* $(stringify!($none))?];

                fn named(name: &str) -> Self {
                    match name {
                        $($spelling => Self::$variant(Default::default()),)*
                        $(stringify!($none) => Self::$none,)?
                        _ => unreachable!("a name of the list"),
                    }
                }

                fn class(&self) -> Class<'_> {
                    match self {
                        $(Self::$none => Class::Empty(stringify!($none)),)?
                        $(Self::$variant(class) => Class::Section($spelling, class),)*
                        Self::Custom(class) => Class::Custom(class),
                    }
                }

                fn section_mut(&mut self) -> Option<&mut dyn Setting> {
                    match self {
                        $(Self::$variant(class) => Some(class),)*
                        _ => None,
                    }
                }
            }
        };

        $crate::config::form::class::class_setting!($name);
    };
}
pub(crate) use classes;

/// A [`Classes`] as a setting.
macro_rules! class_setting {
    ($name:ident) => {
        const _: () = {
            use $crate::config::form::class::{self, Classes};
            use $crate::config::form::schema::{self, Definitions};
            use $crate::config::form::setting::{OnError, Range, Setting};
            use $crate::config::form::value::Value;

            impl Setting for $name {
                fn overlay(&mut self, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), $crate::Error> {
                    class::overlay(self, value, at, on_error)
                }

                fn get(&self) -> Value {
                    class::get(self.class())
                }

                fn check(&self, range: Range, at: &str) -> Result<(), $crate::Error> {
                    self.class().section().map_or(Ok(()), |section| section.check(range, at))
                }

                fn schema(&self, range: Range) -> Value {
                    class::schema(self, range)
                }

                fn item_schema(_: Range) -> Value {
                    schema::reference(stringify!($name))
                }

                fn define(&self, definitions: &mut Definitions) {
                    class::define::<Self>(definitions);
                }

                fn define_item(definitions: &mut Definitions) {
                    class::define_item::<Self>(stringify!($name), definitions);
                }
            }
        };
    };
}
pub(crate) use class_setting;

use std::fmt::Debug;

use super::choice::position;
use super::schema::{self, Definitions};
use super::setting::{OnError, Range, Setting, invalid, join};
use super::value::Value;
use crate::Error;

/// The field that holds the class's name.
const TYPE: &str = "type";

/// The name of no class.
pub(crate) const NONE: &str = "None";

/// A choice between classes.
pub(crate) trait Classes {
    /// The names of the classes in files; [`NONE`] among them if there may be no object.
    const NAMES: &'static [&'static str];

    /// An object of the class with its default fields.
    fn named(name: &str) -> Self;

    /// The class that is chosen.
    fn class(&self) -> Class<'_>;

    /// The fields of the object, if it has any that files can set.
    fn section_mut(&mut self) -> Option<&mut dyn Setting>;
}

/// The class of an object.
pub(crate) enum Class<'a> {
    /// A class with fields, by its name.
    Section(&'static str, &'a dyn Setting),
    /// A class without fields, by its name.
    Empty(&'static str),
    /// A class that the program defines.
    Custom(&'a dyn Debug),
}

impl<'a> Class<'a> {
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Section(name, _) | Self::Empty(name) => Some(name),
            Self::Custom(_) => None,
        }
    }

    pub fn section(&self) -> Option<&'a dyn Setting> {
        match self {
            Self::Section(_, section) => Some(*section),
            Self::Empty(_) | Self::Custom(_) => None,
        }
    }
}

/// Takes the class that a section names, and its other fields.
pub(crate) fn overlay<C: Classes>(target: &mut C, value: Value, at: &str, on_error: OnError<'_>) -> Result<(), Error> {
    let null = C::NAMES.contains(&NONE);
    let mut fields = match value {
        Value::Null if null => return overlay(target, none(), at, on_error),
        Value::Table(fields) => fields,
        value => {
            let null = if null { ", or null" } else { "" };
            return Err(invalid(at, &value, format!("a section of fields with a `type`{null}")));
        }
    };
    if let Some(index) = fields.iter().position(|(field, _)| field == TYPE) {
        let name = C::NAMES[position(fields.remove(index).1, &join(at, TYPE), C::NAMES, &[])?];
        if target.class().name() != Some(name) {
            *target = C::named(name);
        }
    }
    match target.section_mut() {
        Some(section) => section.overlay(Value::Table(fields), at, on_error),
        None => match fields.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => Err(Error::UnknownField { field, section: at.to_owned(), suggestion: None }),
        },
    }
}

/// What a file would say.
pub(crate) fn get(class: Class<'_>) -> Value {
    let named = |name: &str| vec![(TYPE.to_owned(), Value::Text(name.to_owned()))];
    match class {
        Class::Section(name, section) => match section.get() {
            Value::Table(fields) => Value::Table(named(name).into_iter().chain(fields).collect()),
            other => other,
        },
        Class::Empty(name) => Value::Table(named(name)),
        Class::Custom(object) => Value::Custom(format!("{object:?}")),
    }
}

/// The section that says that there is no object.
pub(crate) fn none() -> Value {
    get(Class::Empty(NONE))
}

/// The schemas of all classes; `type` may be left out for the one that is chosen.
pub(crate) fn schema<C: Classes>(target: &C, range: Range) -> Value {
    let now = target.class();
    let class = |name: &&str| match (now.name() == Some(*name), now.section()) {
        (true, Some(section)) => schema::class(name, section.schema(range), false),
        _ => {
            let by_default = C::named(name);
            let section = by_default.class().section().map(|section| section.schema(range));
            schema::class(name, section.unwrap_or_else(|| schema::section(vec![])), true)
        }
    };
    let mut classes: Vec<_> = C::NAMES.iter().filter(|name| **name != NONE).map(class).collect();
    if C::NAMES.contains(&NONE) {
        classes.extend([schema::class(NONE, schema::section(vec![]), true), schema::of("null")]);
    }
    schema::any_of(classes)
}

/// Adds the schemas that those of the classes refer to.
pub(crate) fn define<C: Classes>(definitions: &mut Definitions) {
    for name in C::NAMES {
        if let Some(section) = C::named(name).class().section() {
            section.define(definitions);
        }
    }
}

/// Adds the schema of a list's item.
pub(crate) fn define_item<C: Classes + Default>(name: &str, definitions: &mut Definitions) {
    if !definitions.contains_key(name) {
        definitions.insert(name.to_owned(), schema(&C::default(), Range::Any));
        define::<C>(definitions);
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::{Rules, Section, parameters};
    use super::super::{file, path, schema};
    use super::*;

    /// A trait that classes share.
    pub trait Device: Debug + Send + Sync {}

    parameters! {
        /// A device.
        pub struct ConstantStep {
            /// The change of a pulse.
            dw_min: f32 = 0.001, [> 0.0];
        }
    }
    impl Rules for ConstantStep {}
    impl Device for ConstantStep {}

    parameters! {
        /// A cell of several devices, each of any class, cells among them.
        pub struct VectorCell {
            /// The devices.
            unit_cell_devices: Vec<DeviceConfig> = vec![ConstantStep::default().into()];
            /// The weight of each.
            gamma: Vec<f32> = vec![];
        }
    }
    impl Rules for VectorCell {
        fn rules(&self, at: &str) -> Result<(), Error> {
            match self.unit_cell_devices.len() {
                0 => Err(invalid(&join(at, "unit_cell_devices"), &Value::List(vec![]), "at least one device")),
                _ => Ok(()),
            }
        }
    }
    impl Device for VectorCell {}

    classes! {
        /// A device of any class.
        pub enum DeviceConfig of Device {
            /// Constant steps.
            ConstantStep(ConstantStep) = "ConstantStepDevice",
            /// A cell of devices.
            VectorCell(VectorCell) = "VectorUnitCell",
        }
    }

    impl Default for DeviceConfig {
        fn default() -> Self {
            ConstantStep::default().into()
        }
    }

    parameters! {
        /// A configuration of devices.
        pub struct Chip {
            /// The device of each weight.
            device: DeviceConfig = DeviceConfig::default();
        }
    }
    impl Rules for Chip {}

    const FILE: &str = r#"
        [device]
        type = "VectorUnitCell"
        gamma = [1.0, 0.5]

        [[device.unit_cell_devices]]
        dw_min = 0.02

        [[device.unit_cell_devices]]
        type = "VectorUnitCell"
        unit_cell_devices = [{ type = "ConstantStepDevice" }, { dw_min = 0.5 }]
    "#;

    fn chip() -> Chip {
        let step = |dw_min| ConstantStep { dw_min }.into();
        let inner = VectorCell { unit_cell_devices: vec![step(0.001), step(0.5)], gamma: vec![] };
        let cell = VectorCell { unit_cell_devices: vec![step(0.02), inner.into()], gamma: vec![1.0, 0.5] };
        Chip { device: cell.into() }
    }

    #[test]
    fn lists_hold_classes_of_all_kinds() {
        assert_eq!(file::from_toml::<Chip>(FILE).unwrap(), chip());
        for text in [file::to_toml(&chip()).unwrap(), toml::to_string(&chip()).unwrap()] {
            assert_eq!(file::from_toml::<Chip>(&text).unwrap(), chip(), "{text}");
        }
        assert_eq!(file::from_json::<Chip>(&file::to_json(&chip()).unwrap()).unwrap(), chip());
        chip().validate().unwrap();
        assert!(chip().device.object().is_some());
        assert!(ConstantStep { dw_min: 0.0 }.validate().is_err());
        assert!(VectorCell { unit_cell_devices: vec![], gamma: vec![] }.validate().is_err());
    }

    #[test]
    fn a_schema_of_cells_in_cells_is_finite() {
        let schema: serde_json::Value = serde_json::from_str(&schema::document::<Chip>()).unwrap();
        let cell = |device: &serde_json::Value| device["anyOf"][1]["properties"]["unit_cell_devices"]["items"].clone();
        let reference = serde_json::json!({ "$ref": "#/$defs/DeviceConfig" });
        assert_eq!(cell(&schema["properties"]["device"]), reference);
        assert_eq!(cell(&schema["$defs"]["DeviceConfig"]), reference);
    }

    #[test]
    fn errors_in_lists_have_their_place() {
        let error =
            |text: &str, wrong: &str| file::from_toml::<Chip>(&FILE.replace(text, wrong)).unwrap_err().to_string();
        assert_eq!(
            error("dw_min = 0.5", "dw_mi = 0.5"),
            "unknown field `dw_mi` in [device.unit_cell_devices[1].unit_cell_devices[1]]; did you mean `dw_min`?"
        );
        assert_eq!(error("0.02", "-1"), "device.unit_cell_devices[0].dw_min = -1: must be above 0");
        assert_eq!(
            error("{ dw_min = 0.5 }", "3"),
            "device.unit_cell_devices[1].unit_cell_devices[1] = 3: must be a section of fields with a `type`"
        );
        assert_eq!(
            error("unit_cell_devices = [{ type = \"ConstantStepDevice\" }, { dw_min = 0.5 }]", "unit_cell_devices = 3"),
            "device.unit_cell_devices[1].unit_cell_devices = 3: must be a list of sections"
        );
        assert_eq!(
            error("[{ type = \"ConstantStepDevice\" }, { dw_min = 0.5 }]", "[]"),
            "device.unit_cell_devices[1].unit_cell_devices = []: must be at least one device"
        );
        let mut chip = chip();
        path::set(&mut chip, "device.gamma", "[2, 3]").unwrap();
        assert_eq!(path::get(&chip, "device.gamma").unwrap(), "[2.0, 3.0]");
        path::set(&mut chip, "device.type", "ConstantStepDevice").unwrap();
        assert_eq!(chip, Chip::default());
        assert!(chip.to_string().ends_with("all defaults") && Chip::FIELDS.len() == 1);
    }
}
