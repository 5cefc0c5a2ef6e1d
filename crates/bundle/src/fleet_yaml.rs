//! fleet.yaml: from text to options.
//!
//! Reading is as lenient as upstream's: unknown keys are left out, of equal keys the last wins, an
//! empty file is one without options. Warnings about such keys are made apart, see
//! [`crate::KeyWarning`].

use std::collections::BTreeMap;

use api::fleet_yaml::FleetYaml;
use api::names::default_target_name;
use api::v1alpha1::{Bundle, BundleSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema::tables::{BUNDLE, BUNDLE_META, BUNDLE_SPEC, FLEET_YAML, OBJECT_META};
use crate::schema::{self, Type, WrongType, lint};

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// It is no YAML.
    #[error(transparent)]
    Syntax(goyaml::Error),
    /// A value has the wrong type.
    #[error(transparent)]
    Type(WrongType),
    /// A value that has the right type cannot be used, such as a number out of range.
    #[error("error unmarshaling JSON: while decoding JSON: {0}")]
    Value(String),
}

/// Metadata that a fleet.yaml file gives to its Bundle.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Reads a file. `bundle.targets` holds all customisations then, in order and with names.
pub(crate) fn parse(text: &[u8]) -> Result<FleetYaml, Unreadable> {
    let mut file: FleetYaml = typed(read(Type::Struct(&FLEET_YAML), text)?)?;
    let customizations = std::mem::take(&mut file.target_customizations);
    file.bundle.targets.extend(customizations);
    for (index, target) in file.bundle.targets.iter_mut().enumerate() {
        if target.name.is_empty() {
            target.name = default_target_name(index);
        }
    }
    Ok(file)
}

/// Reads the metadata out of the text of a fleet.yaml file.
pub(crate) fn parse_meta(text: &[u8]) -> Result<Meta, Unreadable> {
    typed(read(Type::Struct(&BUNDLE_META), text)?)
}

/// Reads a targets file, which has the form of a Bundle's spec.
pub(crate) fn parse_targets(text: &[u8]) -> Result<BundleSpec, Unreadable> {
    typed(read(Type::Struct(&BUNDLE_SPEC), text)?)
}

/// Reads a complete Bundle, as `apply -o -` prints it, with Go's habits. Its status is left out.
///
/// # Errors
/// When the text is no YAML, or a value has another type than the field of its name.
pub fn parse_bundle(text: &[u8]) -> Result<Bundle, Unreadable> {
    let mut value = read(Type::Struct(&BUNDLE), text)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("status");
    }
    typed(value)
}

/// Keys of a fleet.yaml file that nobody reads.
pub(crate) fn key_warnings(file: &str, text: &[u8]) -> Vec<lint::KeyWarning> {
    lint::lint(
        file,
        text,
        &FLEET_YAML,
        &OBJECT_META,
        &FleetYaml::INTERNAL_KEYS,
    )
}

fn read(kind: Type, text: &[u8]) -> Result<Value, Unreadable> {
    let value = goyaml::parse(text).map_err(Unreadable::Syntax)?;
    schema::decode(kind, &value).map_err(Unreadable::Type)
}

fn typed<T: DeserializeOwned + Default>(value: Value) -> Result<T, Unreadable> {
    if value.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(|error| Unreadable::Value(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_content_have_no_options() {
        for text in ["", "{}", "null", "# comment", "---", "~"] {
            assert_eq!(parse(text.as_bytes()), Ok(FleetYaml::default()), "{text:?}");
            assert_eq!(parse_meta(text.as_bytes()), Ok(Meta::default()), "{text:?}");
        }
    }

    #[test]
    fn legacy_targets_come_first_and_all_get_names() {
        let text =
            "targets: [{clusterName: a}, {name: own}]\ntargetCustomizations: [{clusterName: b}]";
        let names: Vec<String> = parse(text.as_bytes())
            .unwrap()
            .bundle
            .targets
            .into_iter()
            .map(|target| target.name)
            .collect();
        assert_eq!(names, ["target000", "own", "target002"]);
    }

    #[test]
    fn numbers_out_of_range_are_no_panic() {
        for text in [
            "forceSyncGeneration: 99999999999999999999",
            "helm: {timeoutSeconds: 1e400}",
            "rolloutStrategy: {maxUnavailable: 99999999999}",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
