//! Helm values for one cluster: label references and `${ }` templates.
//!
//! In: merged options and what a cluster is to templates. Out: the same options with values filled in.
//! What is filled in never depends on anything but these two (D-1): functions for time and randomness
//! are refused, because a value that changes by itself would redeploy the bundle for ever.
//!
//! Source: fleet, `internal/cmd/controller/target` (preprocessHelmValues).

use std::collections::BTreeMap;

use api::labels;
use api::v1alpha1::{BundleDeploymentOptions, HelmOptions, Values};
use serde_json::{Value, json};

pub use crate::engine::{TemplateFailure, Templates};

/// A string value with this prefix is replaced by the label that the rest names.
const LABEL_PREFIX: &str = "global.fleet.clusterLabels.";
/// Levels of maps below the values in which label references are looked for.
const DEPTH_MAX: usize = 50;

/// Values cannot be made for a cluster. Texts begin as upstream's. Rendered text is not quoted: it may
/// hold what must stay secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Maps within maps.
    #[error(
        "maximum recursion depth of {DEPTH_MAX} exceeded for cluster label prefix processing, \
         too many nested values"
    )]
    TooDeep,
    /// The values cannot be printed as YAML.
    #[error("failed to print helm values as a template")]
    Print(#[source] goyaml::WriteError),
    /// A template with a syntax error or an unknown function, with the line.
    #[error("failed to parse helm values template: {text}")]
    Parse {
        /// What is wrong.
        text: String,
        /// Which value it is, as `image.tag`, where that is known.
        value: Option<String>,
    },
    /// A template that fails for this cluster, with line and column.
    #[error("failed to render helm values template: {text}")]
    Render {
        /// What is wrong.
        text: String,
        /// Which value it is, as `image.tag`, where that is known.
        value: Option<String>,
    },
    /// A template that does not give YAML.
    #[error("failed to interpret rendered template as helm values: {of}, {problem}")]
    Interpret {
        /// What was rendered: a key of `templateValues`, or Go's word for all values.
        of: String,
        /// Where and how it is no YAML.
        problem: Box<goyaml::Error>,
    },
    /// All values together render to something that is not a map.
    #[error("failed to interpret rendered template as helm values: want a map, found {found}")]
    NotAMap {
        /// Kind of what was found.
        found: &'static str,
    },
    /// A template in another option than Helm values.
    #[error("option {option}")]
    Option {
        /// Its path.
        option: String,
        /// What is wrong with it.
        #[source]
        source: TemplateFailure,
    },
    /// What an option is rendered to cannot be used.
    #[error("option {option}: its template gives {given:?}, which is no {wanted}")]
    NoName {
        /// Its path.
        option: &'static str,
        /// What came out, cut to a name's length.
        given: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Options have no JSON form: a defect.
    #[error("render templates of options")]
    Options(#[source] serde_json::Error),
    /// A template of `templateValues`.
    #[error("templateValues.{key}")]
    Entry {
        /// The key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
}

impl Error {
    /// A failure among values; `value` names the one.
    pub(crate) fn of_values(failure: TemplateFailure, value: Option<String>) -> Self {
        match failure {
            TemplateFailure::Parse(text) => Self::Parse { text, value },
            TemplateFailure::Render(text) => Self::Render { text, value },
        }
    }

    /// Which Helm value is wrong: all values are one document to upstream's texts, with lines that nobody
    /// wrote.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Parse { value, .. } | Self::Render { value, .. } => value.as_deref(),
            _ => None,
        }
    }
}

/// A cluster as templates see it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterValues<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// All its labels; internal ones are left out here.
    pub labels: &'a BTreeMap<String, String>,
    /// All its annotations; internal ones are left out here.
    pub annotations: &'a BTreeMap<String, String>,
    /// Its `templateValues`.
    pub template_values: Option<&'a Values>,
}

impl Templates {
    /// Fills in the values of options for a cluster.
    ///
    /// Quirk: without a label that templates may see, nothing is filled in and templates stay as they
    /// are; with one, even options without Helm get an empty Helm section. Both are part of the
    /// deployment id.
    ///
    /// # Errors
    /// If a template is wrong, or fails for this cluster.
    pub fn fill(
        &self,
        options: &mut BundleDeploymentOptions,
        cluster: &ClusterValues<'_>,
    ) -> Result<(), Error> {
        let visible = labels::visible_to_templates(cluster.labels);
        if visible.is_empty() {
            return Ok(());
        }
        let Some(helm) = &mut options.helm else {
            options.helm = Some(HelmOptions::default());
            return Ok(());
        };
        let values = helm.values.get_or_insert_default();
        if helm.template_values.is_empty() && values.is_empty() {
            return Ok(());
        }
        replace_label_references(values, &visible, 0)?;
        if helm.disable_pre_process {
            return Ok(());
        }
        let data = template_data(cluster, &visible);
        if needs_rendering(values) {
            *values = self.render_values(values, &data)?;
        }
        for (key, template) in &helm.template_values {
            let value = self.render_entry(key, template, &data)?;
            values.insert(key.clone(), value);
        }
        Ok(())
    }
}

impl ClusterValues<'_> {
    /// What templates see as `.`.
    pub(crate) fn data(&self) -> Value {
        template_data(self, &labels::visible_to_templates(self.labels))
    }
}

fn template_data(cluster: &ClusterValues<'_>, labels: &BTreeMap<String, String>) -> Value {
    json!({
        "ClusterNamespace": cluster.namespace,
        "ClusterName": cluster.name,
        "ClusterLabels": labels,
        "ClusterAnnotations": labels::annotations_visible_to_templates(cluster.annotations),
        "ClusterValues": cluster.template_values.cloned().unwrap_or_default(),
    })
}

/// Whether rendering could change anything: most values hold no template, and thousands of clusters
/// share them.
fn needs_rendering(values: &Values) -> bool {
    fn value_needs(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains("${"),
            // YAML has no negative zero: printing and reading it changes the id.
            Value::Number(number) => number
                .as_f64()
                .is_some_and(|n| n == 0.0 && n.is_sign_negative()),
            Value::Array(items) => items.iter().any(value_needs),
            Value::Object(members) => needs_rendering(members),
            Value::Null | Value::Bool(_) => false,
        }
    }
    // Printed as YAML, such a key means a merge.
    let key_needs = |key: &str| key == "<<" || key.contains("${");
    values
        .iter()
        .any(|(key, value)| key_needs(key) || value_needs(value))
}

/// Replaces references in maps, and in maps inside of lists. Quirk: strings directly in a list are left.
fn replace_label_references(
    values: &mut Values,
    labels: &BTreeMap<String, String>,
    depth: usize,
) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::TooDeep);
    }
    for value in values.values_mut() {
        match value {
            Value::String(text) => {
                if let Some(label) = text.strip_prefix(LABEL_PREFIX) {
                    *text = labels.get(label).cloned().unwrap_or_default();
                }
            }
            Value::Object(members) => replace_label_references(members, labels, depth + 1)?,
            Value::Array(items) => {
                for members in items.iter_mut().filter_map(Value::as_object_mut) {
                    replace_label_references(members, labels, depth + 1)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_map(Value::from),
            "[ -~éÄ\\n\\t:#'\"{}$-]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_without_templates_need_no_rendering(
            members in prop::collection::btree_map("[ -~]{0,6}", json(), 0..5)
        ) {
            let values: Values = members.into_iter().collect();
            prop_assume!(!needs_rendering(&values));
            let rendered = Templates::production().render_values(&values, &Value::Null);
            prop_assert_eq!(
                rendered.map(|rendered| api::ids::values_json(&rendered)).map_err(|e| e.to_string()),
                Ok(api::ids::values_json(&values))
            );
        }
    }

    #[test]
    fn a_merge_key_is_merged_as_upstream_does() {
        let merged = |values: Value| {
            let mut options = BundleDeploymentOptions {
                helm: Some(HelmOptions {
                    values: values.as_object().cloned(),
                    ..HelmOptions::default()
                }),
                ..BundleDeploymentOptions::default()
            };
            let labels = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
            let cluster = ClusterValues {
                namespace: "n",
                name: "c",
                labels: &labels,
                annotations: &BTreeMap::new(),
                template_values: None,
            };
            let filled = Templates::production().fill(&mut options, &cluster);
            filled.map(|()| options.helm.and_then(|helm| helm.values).map(Value::from))
        };
        let values = json!({ "a": { "<<": { "b": "x" }, "c": "y" } });
        assert_eq!(
            merged(values).ok().flatten(),
            Some(json!({ "a": { "b": "x", "c": "y" } }))
        );
        assert!(merged(json!({ "<<": 1 })).is_err());
    }

    #[test]
    fn references_are_replaced_to_a_depth_of_fifty() {
        let nested = |levels: usize| {
            let leaf = serde_json::json!({"a": "global.fleet.clusterLabels.x"});
            let value = (1..levels).fold(leaf, |inner, _| serde_json::json!({"a": inner}));
            value.as_object().cloned().unwrap_or_default()
        };
        let labels = BTreeMap::from([("x".to_owned(), "found".to_owned())]);
        let mut values = nested(DEPTH_MAX + 1);
        assert!(replace_label_references(&mut values, &labels, 0).is_ok());
        assert!(serde_json::to_string(&values).is_ok_and(|text| text.contains("found")));
        let refused = replace_label_references(&mut nested(DEPTH_MAX + 2), &labels, 0);
        assert!(matches!(refused, Err(Error::TooDeep)));
    }
}
