//! fleet.yaml: from text to options, and what is checked in it.
//!
//! Reading is as lenient as upstream's: unknown keys are left out, of equal keys the last wins, an
//! empty file is one without options. Warnings about such keys are made apart, see
//! [`crate::KeyWarning`].

use std::collections::BTreeMap;

use api::names::default_target_name;
use api::v1alpha1::{BundleSpec, BundleTarget, GitTarget};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema::tables::{BUNDLE_META, BUNDLE_SPEC, FLEET_YAML, OBJECT_META};
use crate::schema::{self, Type, WrongType, lint};

/// States that `dependsOn` accepts, best first.
const STATES: [&str; 7] = [
    "Ready",
    "NotReady",
    "Pending",
    "OutOfSync",
    "Modified",
    "WaitApplied",
    "ErrApplied",
];

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

/// A dependency that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDependency {
    /// It names nothing.
    #[error("dependsOn[{index}]: must specify either 'name' or 'selector'")]
    Nothing {
        /// Place in the list.
        index: usize,
    },
    /// It accepts a state that does not exist.
    #[error(
        "dependsOn[{index}].acceptedStates[{at}]: invalid state {state:?}, valid values are: [{}]",
        STATES.join(" ")
    )]
    State {
        /// Place in the list.
        index: usize,
        /// Place in its list of states.
        at: usize,
        /// The state.
        state: String,
    },
}

/// What a fleet.yaml file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FleetYaml {
    /// Name of the Bundle instead of the derived one; empty for none.
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// `targets` holds `targets` and then `targetCustomizations`, all with names.
    pub(crate) spec: BundleSpec,
    pub(crate) override_targets: Option<Vec<GitTarget>>,
    /// Image scans that name an image.
    pub(crate) n_image_scans: usize,
}

/// The keys of a fleet.yaml file that are not part of a Bundle's spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extra {
    name: String,
    labels: BTreeMap<String, String>,
    target_customizations: Vec<BundleTarget>,
    override_targets: Option<Vec<GitTarget>>,
    image_scans: Vec<Value>,
}

/// Metadata that a fleet.yaml file gives to its Bundle.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl FleetYaml {
    /// Reads a file.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let value = read(Type::Struct(&FLEET_YAML), text)?;
        let extra: Extra = typed(value.clone())?;
        let mut spec: BundleSpec = typed(value)?;
        spec.targets.extend(extra.target_customizations);
        for (index, target) in spec.targets.iter_mut().enumerate() {
            if target.name.is_empty() {
                target.name = default_target_name(index);
            }
        }
        let with_image = |scan: &&Value| {
            scan["image"]
                .as_str()
                .is_some_and(|image| !image.is_empty())
        };
        Ok(FleetYaml {
            name: extra.name,
            labels: extra.labels,
            n_image_scans: extra.image_scans.iter().filter(with_image).count(),
            override_targets: extra.override_targets,
            spec,
        })
    }

    /// Checks what types do not.
    pub(crate) fn validate(&self) -> Result<(), BadDependency> {
        for (index, dependency) in self.spec.depends_on.iter().enumerate() {
            if dependency.name.is_empty() && dependency.selector.is_none() {
                return Err(BadDependency::Nothing { index });
            }
            for (at, state) in dependency.accepted_states.iter().enumerate() {
                if !STATES.contains(&state.as_str()) {
                    return Err(BadDependency::State {
                        index,
                        at,
                        state: state.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Reads the metadata out of the text of a fleet.yaml file.
pub(crate) fn parse_meta(text: &[u8]) -> Result<Meta, Unreadable> {
    typed(read(Type::Struct(&BUNDLE_META), text)?)
}

/// Reads a targets file, which has the form of a Bundle's spec.
pub(crate) fn parse_targets(text: &[u8]) -> Result<BundleSpec, Unreadable> {
    typed(read(Type::Struct(&BUNDLE_SPEC), text)?)
}

/// Keys of a fleet.yaml file that nobody reads.
pub(crate) fn key_warnings(file: &str, text: &[u8]) -> Vec<lint::KeyWarning> {
    lint::lint(file, text, &FLEET_YAML, &OBJECT_META)
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
            assert_eq!(
                FleetYaml::parse(text.as_bytes()),
                Ok(FleetYaml::default()),
                "{text:?}"
            );
            assert_eq!(parse_meta(text.as_bytes()), Ok(Meta::default()), "{text:?}");
        }
    }

    #[test]
    fn legacy_targets_come_first_and_all_get_names() {
        let text =
            "targets: [{clusterName: a}, {name: own}]\ntargetCustomizations: [{clusterName: b}]";
        let names: Vec<String> = FleetYaml::parse(text.as_bytes())
            .unwrap()
            .spec
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
            assert!(FleetYaml::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
