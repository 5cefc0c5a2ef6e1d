//! `dependsOn`: deployments of the same cluster that must have reached a state first. Pure.
//!
//! Looked at only when something is to be deployed: upstream does so in every run, and a dependency
//! that degrades later turns `Deployed` of its dependants false though nothing is undeployed.

use std::collections::BTreeMap;

use api::labels::{BUNDLE_NAME, BUNDLE_NAMESPACE};
use api::state::State;
use api::v1alpha1::{BundleDeployment, BundleRef, LabelSelector};

/// Why a deployment has to wait. Texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unmet {
    /// Nothing matches; it may appear.
    #[error(
        "list bundledeployments: no bundles matching labels {selector} in namespace {namespace}"
    )]
    NoMatch { selector: String, namespace: String },
    /// A selector is malformed.
    #[error("dependsOn: {reason}")]
    Selector { reason: String },
    /// Some are in another state.
    #[error("dependent bundle(s) are not ready: [{}]", names.join(" "))]
    NotReady { names: Vec<String> },
}

/// Checks all entries of `dependsOn`.
pub(super) fn check<'a>(
    deployment: &BundleDeployment,
    all: impl Iterator<Item = &'a BundleDeployment>,
) -> Result<(), Unmet> {
    let wanted: Vec<&BundleRef> = deployment
        .spec
        .depends_on
        .iter()
        .filter(|wanted| is_set(wanted))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let empty = BTreeMap::new();
    let namespace = labels(deployment, &empty)
        .get(BUNDLE_NAMESPACE)
        .cloned()
        .unwrap_or_default();
    let all: Vec<&BundleDeployment> = all.collect();
    let mut names = Vec::new();
    for wanted in wanted {
        let selector = selector(wanted, &namespace);
        selector.validate().map_err(|error| Unmet::Selector {
            reason: error.to_string(),
        })?;
        let matching: Vec<&&BundleDeployment> = all
            .iter()
            .filter(|other| selector.matches(labels(other, &empty)))
            .collect();
        if matching.is_empty() {
            return Err(Unmet::NoMatch {
                selector: text(&selector),
                namespace,
            });
        }
        let not_there = matching
            .into_iter()
            .filter(|other| !is_accepted(wanted, State::of(other)));
        names.extend(not_there.filter_map(|other| other.metadata.name.clone()));
    }
    if names.is_empty() {
        Ok(())
    } else {
        Err(Unmet::NotReady { names })
    }
}

fn is_set(wanted: &BundleRef) -> bool {
    !wanted.name.is_empty() || wanted.selector.is_some()
}

fn labels<'a>(
    deployment: &'a BundleDeployment,
    empty: &'a BTreeMap<String, String>,
) -> &'a BTreeMap<String, String> {
    deployment.metadata.labels.as_ref().unwrap_or(empty)
}

fn selector(wanted: &BundleRef, namespace: &str) -> LabelSelector {
    let mut selector = wanted.selector.clone().unwrap_or_default();
    if !wanted.name.is_empty() {
        selector
            .match_labels
            .insert(BUNDLE_NAME.to_owned(), wanted.name.clone());
        selector
            .match_labels
            .insert(BUNDLE_NAMESPACE.to_owned(), namespace.to_owned());
    }
    selector
}

/// The selector as `kubectl` takes it.
fn text(selector: &LabelSelector) -> String {
    let equal = selector
        .match_labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let others = selector
        .match_expressions
        .iter()
        .map(|it| match it.operator.as_str() {
            "In" => format!("{} in ({})", it.key, it.values.join(",")),
            "NotIn" => format!("{} notin ({})", it.key, it.values.join(",")),
            "DoesNotExist" => format!("!{}", it.key),
            _ => it.key.clone(),
        });
    equal.chain(others).collect::<Vec<_>>().join(",")
}

fn is_accepted(wanted: &BundleRef, state: State) -> bool {
    if wanted.accepted_states.is_empty() {
        return state == State::Ready;
    }
    wanted
        .accepted_states
        .iter()
        .any(|accepted| accepted == state.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn deployment(name: &str, ready: bool, depends_on: Value) -> BundleDeployment {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {BUNDLE_NAME: name, BUNDLE_NAMESPACE: "fleet-default", "tier": name}},
            "spec": {"deploymentID": "s:o", "stagedDeploymentID": "s:o", "dependsOn": depends_on},
            "status": {"appliedDeploymentID": "s:o", "ready": ready, "nonModified": true},
        }))
        .unwrap()
    }

    fn checked(depends_on: Value) -> Result<(), String> {
        let all = [
            deployment("db", true, json!([])),
            deployment("cache", false, json!([])),
        ];
        check(&deployment("web", true, depends_on), all.iter()).map_err(|unmet| unmet.to_string())
    }

    #[test]
    fn every_match_must_be_in_an_accepted_state() {
        let cases = [
            (json!([]), Ok(())),
            (json!([{}]), Ok(())),
            (json!([{"name": "db"}]), Ok(())),
            (
                json!([{"name": "cache", "acceptedStates": ["NotReady", "Modified"]}]),
                Ok(()),
            ),
            (
                json!([{"selector": {"matchLabels": {"tier": "db"}}}]),
                Ok(()),
            ),
            (
                json!([{"name": "cache"}]),
                Err("dependent bundle(s) are not ready: [cache]"),
            ),
            (
                json!([{"selector": {}}]),
                Err("dependent bundle(s) are not ready: [cache]"),
            ),
            (
                json!([{"name": "db", "acceptedStates": ["Pending"]}]),
                Err("dependent bundle(s) are not ready: [db]"),
            ),
            (
                json!([{"name": "gone"}]),
                Err(
                    "list bundledeployments: no bundles matching labels fleet.cattle.io/bundle-name=gone,fleet.cattle.io/bundle-namespace=fleet-default in namespace fleet-default",
                ),
            ),
            (
                json!([{"selector": {"matchExpressions": [{"key": "tier", "operator": "Sometimes"}]}}]),
                Err("dependsOn: \"Sometimes\" is not a valid label selector operator"),
            ),
        ];
        for (depends_on, expected) in cases {
            assert_eq!(
                checked(depends_on.clone()),
                expected.map_err(str::to_owned),
                "{depends_on}"
            );
        }
    }
}
