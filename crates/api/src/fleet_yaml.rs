//! `fleet.yaml`: the options that a directory of a repository gives to its bundle.
//!
//! The typed model only. Reading the text, with Go's ideas of keys and types and with warnings for keys
//! that mean nothing, is the `bundle` crate's work; this module says which keys mean something and
//! checks what a decoded file claims.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::{is_empty, or_default};
use crate::state::State;
use crate::v1alpha1::{BundleSpec, BundleTarget, GitTarget, ImageScanSpec};

/// The top level of `fleet.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct FleetYaml {
    /// Name of the bundle, in place of the one made from repository and path.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Labels for the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations for the bundle. Not documented upstream, but read there.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Everything that a bundle has. `targets` is the old name of `targetCustomizations`.
    #[serde(flatten)]
    pub bundle: BundleSpec,
    /// Options that differ for some clusters. They follow those in `targets`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub target_customizations: Vec<BundleTarget>,
    /// Images to be watched for new tags.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub image_scans: Vec<ImageScanYaml>,
    /// Clusters to deploy to, in place of the GitRepo's. An empty list counts as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_targets: Option<Vec<GitTarget>>,
}

/// An entry of `imageScans`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageScanYaml {
    /// Not used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// The image and the policy.
    #[serde(flatten)]
    pub spec: ImageScanSpec,
}

/// A `fleet.yaml` that says something impossible. Texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A dependency that names nothing.
    #[error("dependsOn[{index}]: must specify either 'name' or 'selector'")]
    EmptyDependency {
        /// Place in the list.
        index: usize,
    },
    /// A dependency that waits for a state which does not exist.
    #[error(
        "dependsOn[{index}].acceptedStates[{state_index}]: invalid state {state:?}, valid values are: \
         [Ready NotReady Pending OutOfSync Modified WaitApplied ErrApplied]"
    )]
    UnknownState {
        /// Place of the dependency.
        index: usize,
        /// Place of the state.
        state_index: usize,
        /// The state.
        state: String,
    },
    /// A Helm value among the overrides of a customization, which are not kept secret.
    #[error(
        "overrides of target {target}: {path} can only be null, which takes the value away; \
         values themselves belong to helm.values of the target"
    )]
    OverridingValue {
        /// Name of the customization.
        target: String,
        /// The value, as `helm.values.image.tag`.
        path: String,
    },
}

impl FleetYaml {
    /// Fields of the shared bundle spec that only the controller may set. What a file says about them is
    /// to be ignored.
    pub const INTERNAL_KEYS: [&'static str; 7] = [
        "resources",
        "targetRestrictions",
        "contentsId",
        "helmOpOptions",
        "valuesHash",
        "overwrites",
        "allowedTargetNamespaceSelector",
    ];

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first dependency that is impossible.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (index, dependency) in self.bundle.depends_on.iter().enumerate() {
            if dependency.name.is_empty() && dependency.selector.is_none() {
                return Err(Invalid::EmptyDependency { index });
            }
            for (state_index, state) in dependency.accepted_states.iter().enumerate() {
                if State::parse(state).is_none() {
                    let state = state.clone();
                    return Err(Invalid::UnknownState {
                        index,
                        state_index,
                        state,
                    });
                }
            }
        }
        for target in self.customizations() {
            let helm = target.overrides.as_ref().and_then(|all| all.get("helm"));
            let values = helm.and_then(|helm| helm.get("values"));
            if let Some(path) = values.and_then(|values| given_value(values, "helm.values")) {
                let target = target.name.clone();
                return Err(Invalid::OverridingValue { target, path });
            }
        }
        Ok(())
    }

    /// The customizations in the order in which they are tried: `targets`, then
    /// `targetCustomizations`.
    pub fn customizations(&self) -> impl Iterator<Item = &BundleTarget> {
        self.bundle
            .targets
            .iter()
            .chain(&self.target_customizations)
    }
}

/// The first member of a merge patch that sets something. An empty map replaces nothing.
fn given_value(change: &Value, path: &str) -> Option<String> {
    match change {
        Value::Null => None,
        Value::Object(members) => members
            .iter()
            .find_map(|(key, value)| given_value(value, &format!("{path}.{key}"))),
        _ => Some(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> FleetYaml {
        serde_json::from_value(value).expect("the file decodes")
    }

    #[test]
    fn bundle_options_stand_at_the_top_level() {
        let file = read(json!({
            "name": "web", "defaultNamespace": "shop", "labels": {"a": "b"}, "paused": null,
            "helm": {"values": {"replicas": 2}, "valuesFrom": null},
            "targets": [{"name": "first", "clusterName": "c1"}],
            "targetCustomizations": [{"name": "second", "namespaceLabels": {"x": "y"}}],
            "overrideTargets": [], "somethingElse": [1],
        }));
        assert_eq!(file.bundle.options.default_namespace, "shop");
        assert_eq!(file.override_targets, Some(vec![]));
        let names: Vec<_> = file
            .customizations()
            .map(|target| target.name.as_str())
            .collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(file.target_customizations[0].namespace_labels["x"], "y");
        assert_eq!(file.validate(), Ok(()));
    }

    #[test]
    fn impossible_dependencies_are_refused() {
        let file = read(json!({"dependsOn": [{"name": "a"}, {}]}));
        assert_eq!(file.validate(), Err(Invalid::EmptyDependency { index: 1 }));
        let file = read(json!({"dependsOn": [{"name": "a", "acceptedStates": ["Ready", "Fine"]}]}));
        assert_eq!(
            file.validate().map_err(|error| error.to_string()),
            Err(
                "dependsOn[0].acceptedStates[1]: invalid state \"Fine\", valid values are: \
                 [Ready NotReady Pending OutOfSync Modified WaitApplied ErrApplied]"
                    .to_owned()
            )
        );
    }

    #[test]
    fn overrides_hold_no_values() {
        let file = |values: &str| {
            let text =
                format!(r#"{{"name": "a", "overrides": {{"helm": {{"values": {values}}}}}}}"#);
            let target: serde_json::Value = serde_json::from_str(&text).expect("a target");
            read(json!({"targetCustomizations": [target]})).validate()
        };
        for fine in ["null", "{}", r#"{"a": null, "b": {"c": null, "d": {}}}"#] {
            assert_eq!(file(fine), Ok(()), "{fine}");
        }
        for (wrong, at) in [
            (r#"{"a": {"b": "secret"}}"#, "helm.values.a.b"),
            (r#"{"a": []}"#, "helm.values.a"),
            ("false", "helm.values"),
        ] {
            let (target, path) = ("a".to_owned(), at.to_owned());
            let error = Invalid::OverridingValue { target, path };
            assert!(!error.to_string().contains("secret"));
            assert_eq!(file(wrong), Err(error));
        }
    }
}
