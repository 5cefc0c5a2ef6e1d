//! Why a cluster gets what it gets: which rules were tried, in which order, and what came out.
//!
//! In: what [`wanted`] takes. Out: its answer, with every target and customization that was looked at and
//! the first criterion that did not hold. For people and programs; no decision depends on it.

use std::collections::BTreeMap;

use api::v1alpha1::{
    BundleDeploymentOptions, BundleSpec, BundleTarget, LabelSelector, LabelSelectorRequirement,
};
use serde::Serialize;
use serde_json::Value;

use crate::customize::{ALL_MATCHES, combine};
use crate::deployment::{Imposed, wanted};
use crate::matching::{ClusterFacts, Criteria, GroupFacts, Targets};
use crate::template::{ClusterValues, Templates};

/// What a bundle means for one cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Namespace of the cluster.
    pub namespace: String,
    /// Its name.
    pub cluster: String,
    /// Names of its groups.
    pub groups: Vec<String>,
    /// The targets in order; the first that matches counts.
    pub targets: Vec<Tried>,
    /// `FirstMatch` or `AllMatches`.
    pub customization_mode: &'static str,
    /// The customizations in order. Not asked when no target matches.
    pub customizations: Vec<Tried>,
    /// What comes out.
    pub outcome: Outcome,
}

/// A target or customization, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Its place among the bundle's `targets`, from zero.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// What was found.
    pub answer: Answer,
    /// Why it does not match; empty otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What was found about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It means the cluster.
    Matches,
    /// It does not.
    DoesNotMatch,
    /// Another one was found before.
    NotAsked,
}

/// What comes out for a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The bundle is not for it.
    NoTarget,
    /// It is, but a target or customization says `doNotDeploy`.
    DoNotDeploy {
        /// Which.
        by: String,
    },
    /// It cannot be deployed.
    Fails {
        /// Why.
        error: String,
    },
    /// It is deployed.
    Deploys {
        /// Content and hash of the options.
        #[serde(rename = "deploymentID")]
        deployment_id: String,
        /// Names of the targets whose options were merged on those of the bundle, in order.
        merged: Vec<String>,
        /// The merged and templated options.
        options: Box<BundleDeploymentOptions>,
        /// Where each of them comes from, by its path; lists are one option.
        origins: BTreeMap<String, String>,
    },
}

/// Explains what [`wanted`] says about a cluster.
pub fn explain(
    spec: &BundleSpec,
    targets: &Targets<'_>,
    content_id: &str,
    imposed: &Imposed,
    cluster: &ClusterFacts<'_>,
    values: &ClusterValues<'_>,
    templates: &Templates,
) -> Explanation {
    let is_all = spec.target_customization_mode == ALL_MATCHES;
    let n_customizations = targets.customizations.len();
    let regular = tried(targets.regular, n_customizations, false, |target| {
        target_mismatch(targets, target, cluster)
    });
    let chosen = matching(targets.regular, &regular).next();
    let customizations = tried(targets.customizations, 0, is_all, |target| {
        chosen.map_or_else(
            || Some("no target matches".to_owned()),
            |_| mismatch(&Criteria::from(target), cluster),
        )
    });
    let applied: Vec<&BundleTarget> = matching(targets.customizations, &customizations).collect();
    let answer = wanted(
        spec, targets, content_id, imposed, cluster, values, templates,
    );
    let outcome = match (answer, chosen) {
        (Err(error), _) => Outcome::Fails {
            error: error.reason(),
        },
        (Ok(Some(wanted)), _) => {
            let with_target = is_all || applied.is_empty();
            let target = with_target.then(|| wanted.target.clone());
            let first = with_target.then_some(chosen).flatten();
            let layers: Vec<&BundleTarget> = first.into_iter().chain(applied).collect();
            Outcome::Deploys {
                deployment_id: wanted.deployment_id,
                merged: target.into_iter().chain(wanted.customizations).collect(),
                origins: origins(spec, &layers, &wanted.options),
                options: Box::new(wanted.options),
            }
        }
        (Ok(None), Some(target)) => {
            let by = std::iter::once(target).chain(applied);
            let by = by.into_iter().find(|target| target.do_not_deploy);
            Outcome::DoNotDeploy {
                by: by.map(|target| target.name.clone()).unwrap_or_default(),
            }
        }
        (Ok(None), None) => Outcome::NoTarget,
    };
    Explanation {
        namespace: values.namespace.to_owned(),
        cluster: values.name.to_owned(),
        groups: cluster
            .groups
            .iter()
            .map(|group| group.name.to_owned())
            .collect(),
        targets: regular,
        customization_mode: if is_all { ALL_MATCHES } else { "FirstMatch" },
        customizations,
        outcome,
    }
}

/// The bundle itself as the origin of an option.
const OF_BUNDLE: &str = "bundle";
/// Options that the rules of the workspace set.
const IMPOSED: [&str; 2] = ["createNamespace", "allowedTargetNamespaceSelector"];

/// Who gave each option its value: the last of bundle and targets that changed it.
fn origins(
    spec: &BundleSpec,
    layers: &[&BundleTarget],
    result: &BundleDeploymentOptions,
) -> BTreeMap<String, String> {
    let mut before: BTreeMap<String, Value> = BTreeMap::new();
    let mut origins: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |options: &BundleDeploymentOptions, from: &dyn Fn(&str) -> String| {
        let mut now = BTreeMap::new();
        let mut value = serde_json::to_value(options).unwrap_or_default();
        goyaml::numbers_as_float64(&mut value);
        flatten(&mut now, String::new(), value);
        for (path, value) in &now {
            if before.get(path) != Some(value) {
                origins.insert(path.clone(), from(path));
            }
        }
        origins.retain(|path, _| now.contains_key(path));
        before = now;
    };
    for n_layers in 0..=layers.len() {
        let applied = layers.get(..n_layers).unwrap_or_default();
        // What cannot be merged was found out before.
        let Ok(mut options) = combine(&spec.options, applied) else {
            continue;
        };
        for layer in applied {
            let (labels, annotations) = (&layer.namespace_labels, &layer.namespace_annotations);
            options.namespace_labels.extend(labels.clone());
            options.namespace_annotations.extend(annotations.clone());
        }
        let from = applied.last().map_or_else(
            || OF_BUNDLE.to_owned(),
            |layer| format!("target {}", layer.name),
        );
        add(&options, &|_| from.clone());
    }
    add(result, &|path| {
        let is_imposed = IMPOSED.iter().any(|option| path.starts_with(option));
        if is_imposed {
            "rules of the namespace"
        } else {
            "template"
        }
        .to_owned()
    });
    origins
}

/// The paths of all values but maps, as `helm.values.image.tag`; keys with a dot stand in quotes.
fn flatten(into: &mut BTreeMap<String, Value>, path: String, value: Value) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let key = if key.contains('.') {
                    format!("{key:?}")
                } else {
                    key
                };
                let path = if path.is_empty() {
                    key
                } else {
                    format!("{path}.{key}")
                };
                flatten(into, path, value);
            }
        }
        Value::Object(_) if path.is_empty() => {}
        other => {
            into.insert(path, other);
        }
    }
}

/// Tries rules in order, all of them or up to the first that matches.
fn tried(
    rules: &[BundleTarget],
    first_place: usize,
    is_all: bool,
    mismatch: impl Fn(&BundleTarget) -> Option<String>,
) -> Vec<Tried> {
    let mut is_found = false;
    let answers = rules.iter().enumerate().map(|(at, rule)| {
        let (answer, reason) = if is_found && !is_all {
            (Answer::NotAsked, String::new())
        } else if let Some(reason) = mismatch(rule) {
            (Answer::DoesNotMatch, reason)
        } else {
            is_found = true;
            (Answer::Matches, String::new())
        };
        Tried {
            place: first_place + at,
            name: rule.name.clone(),
            answer,
            reason,
        }
    });
    answers.collect()
}

fn matching<'a>(
    rules: &'a [BundleTarget],
    tried: &'a [Tried],
) -> impl Iterator<Item = &'a BundleTarget> {
    let both = rules.iter().zip(tried);
    both.filter(|(_, tried)| tried.answer == Answer::Matches)
        .map(|(rule, _)| rule)
}

/// Why a regular target does not choose the cluster.
fn target_mismatch(
    targets: &Targets<'_>,
    target: &BundleTarget,
    cluster: &ClusterFacts<'_>,
) -> Option<String> {
    let only = std::slice::from_ref(target);
    let alone = Targets {
        regular: only,
        ..*targets
    };
    if alone.select(cluster).is_some() {
        return None;
    }
    let own = mismatch(&Criteria::from(target), cluster);
    let restricted = || "none of the targetRestrictions means the cluster as well".to_owned();
    Some(own.unwrap_or_else(restricted))
}

/// The first criterion that does not hold.
fn mismatch(criteria: &Criteria<'_>, cluster: &ClusterFacts<'_>) -> Option<String> {
    if criteria.matches(cluster) {
        return None;
    }
    if criteria.is_empty() {
        return Some("it has no criteria, which means no cluster".to_owned());
    }
    if !criteria.matches_name(cluster) {
        return Some(format!("clusterName is {}", criteria.name));
    }
    if let Some(reason) = selector_mismatch(criteria.selector, cluster) {
        return Some(format!("clusterSelector: {reason}"));
    }
    let in_groups = |criteria: &Criteria<'_>| {
        let groups = cluster.groups.iter();
        let in_any = |mut groups: std::slice::Iter<'_, GroupFacts<'_>>| {
            groups.any(|group| criteria.matches_group(Some(group)))
        };
        in_any(groups) || (cluster.groups.is_empty() && criteria.matches_group(None))
    };
    let by_name = Criteria {
        group_selector: None,
        ..*criteria
    };
    if !in_groups(&by_name) {
        return Some(format!("it is not in clusterGroup {}", criteria.group));
    }
    let by_labels = Criteria {
        group: "",
        ..*criteria
    };
    if !in_groups(&by_labels) {
        return Some("clusterGroupSelector means none of its groups".to_owned());
    }
    Some("clusterGroup and clusterGroupSelector do not mean the same group".to_owned())
}

fn selector_mismatch(
    selector: Option<&LabelSelector>,
    cluster: &ClusterFacts<'_>,
) -> Option<String> {
    let selector = selector.filter(|selector| !selector.matches(cluster.labels))?;
    let found = |key: &str| match cluster.labels.get(key) {
        Some(value) => format!("label {key} is {value:?}"),
        None => format!("there is no label {key}"),
    };
    let labels = selector.match_labels.iter();
    let wrong = labels
        .filter(|(key, value)| cluster.labels.get(*key) != Some(value))
        .map(|(key, value)| format!("{}, not {value:?}", found(key)));
    let requirements = selector.match_expressions.iter();
    let unmet = requirements
        .filter(|requirement| {
            let alone = LabelSelector {
                match_expressions: vec![(*requirement).clone()],
                ..LabelSelector::default()
            };
            !alone.matches(cluster.labels)
        })
        .map(|requirement| format!("{}, {}", found(&requirement.key), in_words(requirement)));
    wrong.chain(unmet).next()
}

fn in_words(requirement: &LabelSelectorRequirement) -> String {
    let LabelSelectorRequirement {
        key: _,
        operator,
        values,
    } = requirement;
    if values.is_empty() {
        format!("wanted is {operator}")
    } else {
        format!("wanted is {operator} {}", values.join(", "))
    }
}
