//! What is to be done about a BundleDeployment. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::v1alpha1::BundleDeploymentSpec;
use apiclient::ObjectKey;
use serde_json::json;

use super::Outcome;
use super::dependencies::{self, Unmet};
use crate::release::parse_release_id;
use crate::source::values::Reference;
use crate::sources;
use crate::world::{Known, Track, digest};

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Paused, off schedule or without values: neither deployed nor reported.
    Pause,
    /// It was given up; nothing changes that but another deployment id.
    Nothing,
    /// It asks for something that cannot be.
    Refuse { message: String },
    /// Other deployments are not there yet.
    Wait { message: String },
    /// It is on the cluster.
    Monitor,
    /// It is, in a namespace without the labels and annotations that it is to have.
    Describe,
    /// Its status says that it is on the cluster: look.
    Restore { release: ObjectKey, revision: u32 },
    /// It is not on the cluster.
    Deploy,
    /// It is, with values from objects that have changed since; whether the values have is to be seen.
    Reread,
    /// It is, with copies that have changed on the hub since.
    Renew,
}

/// Decides. `sources` are the versions of what values come from, `all` the deployments of the agent, for
/// dependencies.
pub(super) fn plan<'a>(
    known: &Known,
    track: Option<&Track>,
    sources: &BTreeMap<Reference, String>,
    all: impl Iterator<Item = &'a Arc<Known>>,
) -> Step {
    let (spec, status) = (&known.object.spec, &known.object.status);
    let id = &spec.deployment_id;
    if spec.paused || spec.off_schedule || spec.waiting_for_values || id.is_empty() {
        return Step::Pause;
    }
    if let Err(error) = known.health() {
        let message = error.to_string();
        return Step::Refuse { message };
    }
    let applied = track.and_then(|track| track.applied.as_ref());
    let copied = track.and_then(|track| track.copied);
    let copied = copied.unwrap_or(status.downstream_resources_generation);
    let is_renewed = !spec.options.downstream_resources.is_empty()
        && copied != spec.downstream_resources_generation;
    let have_changed = track.is_some_and(|track| sources::have_changed(known, track, sources));
    if applied.is_some_and(|applied| applied.deployment_id == *id) {
        let described = track.and_then(|track| track.described);
        return if is_renewed {
            Step::Renew
        } else if have_changed {
            Step::Reread
        } else if is_described(spec, described) {
            Step::Monitor
        } else {
            Step::Describe
        };
    }
    match track.and_then(|track| track.outcome.as_ref()) {
        Some(Outcome::GivenUp { deployment_id, .. })
            if deployment_id == id && !is_renewed && !have_changed =>
        {
            return Step::Nothing;
        }
        None if status.applied_deployment_id == *id && is_renewed => return Step::Renew,
        None if status.applied_deployment_id == *id => {
            if status.release.is_empty() {
                return Step::Nothing;
            }
            if let Some((release, revision)) = parse_release_id(&status.release) {
                return Step::Restore { release, revision };
            }
        }
        _ => {}
    }
    match dependencies::check(&known.object, all.map(|known| &known.object)) {
        Ok(()) => Step::Deploy,
        Err(unmet @ (Unmet::NotReady { .. } | Unmet::NoMatch { .. } | Unmet::Selector { .. })) => {
            Step::Wait {
                message: unmet.to_string(),
            }
        }
    }
}

/// What [`is_described`] compares: the labels and annotations that the namespace is to have.
pub(super) fn description(spec: &BundleDeploymentSpec) -> Option<u64> {
    let (labels, annotations) = (
        &spec.options.namespace_labels,
        &spec.options.namespace_annotations,
    );
    let is_asked = !labels.is_empty() || !annotations.is_empty();
    is_asked.then(|| digest(&json!([labels, annotations])))
}

/// Whether the namespace has what it is to have; `described` is what it was given last. They are no part of
/// the deployment's id.
pub(super) fn is_described(spec: &BundleDeploymentSpec, described: Option<u64>) -> bool {
    description(spec) == described
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::world::Applied;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn known(spec: Value, status: Value) -> Known {
        let object =
            json!({"metadata": {"name": "a", "namespace": "c"}, "spec": spec, "status": status});
        serde_json::from_value(object).unwrap()
    }

    fn step(spec: Value, status: Value, track: Option<&Track>) -> Step {
        let known = Arc::new(known(spec, status));
        let all = [Arc::clone(&known)];
        plan(&known, track, &BTreeMap::new(), all.iter())
    }

    fn track(applied: Option<&str>, outcome: Option<Outcome>) -> Track {
        let applied = applied.map(|id| {
            Arc::new(Applied {
                deployment_id: id.to_owned(),
                release: "n/a:1".to_owned(),
                inventory: Vec::new(),
                hash: "h".to_owned(),
                first_deployed: None,
                at: Instant::now(),
                account: String::new(),
            })
        });
        Track {
            outcome,
            applied,
            ..Track::default()
        }
    }

    #[test]
    fn gates_come_first() {
        for gate in ["paused", "offSchedule", "waitingForValues"] {
            let spec = json!({"deploymentID": "s:o", gate: true, "helmChartOptions": {}});
            assert_eq!(step(spec, json!({}), None), Step::Pause, "{gate}");
        }
        assert_eq!(step(json!({}), json!({}), None), Step::Pause);
    }

    #[test]
    fn an_applied_deployment_is_not_deployed_again() {
        let spec = json!({"deploymentID": "s:o"});
        let applied = json!({"appliedDeploymentID": "s:o", "release": "n/a:3"});
        let restore = Step::Restore {
            release: ObjectKey::new("n", "a"),
            revision: 3,
        };
        assert_eq!(step(spec.clone(), applied.clone(), None), restore);
        let memory = track(Some("s:o"), Some(Outcome::Deployed));
        assert_eq!(
            step(spec.clone(), applied.clone(), Some(&memory)),
            Step::Monitor
        );
        assert_eq!(step(spec.clone(), json!({}), Some(&memory)), Step::Monitor);
        let old = track(Some("t:o"), Some(Outcome::Deployed));
        assert_eq!(
            step(
                spec.clone(),
                json!({"appliedDeploymentID": "t:o"}),
                Some(&old)
            ),
            Step::Deploy
        );
        let failed = track(
            None,
            Some(Outcome::Failed {
                message: String::new(),
            }),
        );
        assert_eq!(step(spec.clone(), applied, Some(&failed)), Step::Deploy);
        let nonsense = json!({"appliedDeploymentID": "s:o", "release": "what"});
        assert_eq!(step(spec, nonsense, None), Step::Deploy);
    }

    #[test]
    fn a_namespace_gets_what_it_is_to_have_once_and_again_when_that_changes() {
        let spec =
            |labels: Value| json!({"deploymentID": "s:o", "options": {"namespaceLabels": labels}});
        let mut memory = track(Some("s:o"), Some(Outcome::Deployed));
        let next = |labels: Value, memory: &Track| step(spec(labels), json!({}), Some(memory));
        assert_eq!(next(json!({}), &memory), Step::Monitor);
        assert_eq!(next(json!({"a": "1"}), &memory), Step::Describe);
        let given = known(spec(json!({"a": "1"})), json!({}));
        memory.described = description(&given.object.spec);
        assert_eq!(next(json!({"a": "1"}), &memory), Step::Monitor);
        assert_eq!(next(json!({"a": "2"}), &memory), Step::Describe);
        // What was given is taken back.
        assert_eq!(next(json!({}), &memory), Step::Describe);
    }

    #[test]
    fn values_are_read_again_when_what_they_come_from_is_another_version() {
        let spec = json!({"deploymentID": "s:o", "options": {"defaultNamespace": "n", "helm": {"valuesFrom": [
            {"configMapKeyRef": {"name": "a"}}]}}});
        let known = Arc::new(known(spec, json!({})));
        let reference = sources::of(&known)[0].0.clone();
        let seen = |version: &str| BTreeMap::from([(reference.clone(), version.to_owned())]);
        let mut memory = track(Some("s:o"), Some(Outcome::Deployed));
        let next = |memory: &Track, seen: &BTreeMap<Reference, String>| {
            plan(&known, Some(memory), seen, [Arc::clone(&known)].iter())
        };
        assert_eq!(next(&memory, &BTreeMap::new()), Step::Monitor);
        assert_eq!(next(&memory, &seen("7")), Step::Reread);
        memory.sources.versions = seen("7");
        assert_eq!(next(&memory, &seen("7")), Step::Monitor);
        assert_eq!(next(&memory, &seen("8")), Step::Reread);
        // What is gone changes nothing.
        assert_eq!(next(&memory, &BTreeMap::new()), Step::Monitor);
        let message = String::new();
        let deployment_id = "s:o".to_owned();
        let given_up = Outcome::GivenUp {
            deployment_id,
            message,
        };
        let mut failed = track(None, Some(given_up));
        failed.sources.versions = seen("7");
        assert_eq!(next(&failed, &seen("7")), Step::Nothing);
        assert_eq!(next(&failed, &seen("8")), Step::Deploy);
    }

    #[test]
    fn copies_that_changed_are_brought_and_rendered_with() {
        let spec = json!({"deploymentID": "s:o", "downstreamResourcesGeneration": 2,
            "options": {"downstreamResources": [{"kind": "Secret", "name": "s"}]}});
        let status = |generation: i64| {
            json!({"appliedDeploymentID": "s:o", "release": "n/a:3",
                "downstreamResourcesGeneration": generation})
        };
        assert_eq!(step(spec.clone(), status(1), None), Step::Renew);
        assert!(matches!(
            step(spec.clone(), status(2), None),
            Step::Restore { .. }
        ));
        let mut memory = track(Some("s:o"), Some(Outcome::Deployed));
        assert_eq!(step(spec.clone(), status(1), Some(&memory)), Step::Renew);
        memory.copied = Some(2);
        assert_eq!(step(spec.clone(), status(1), Some(&memory)), Step::Monitor);
        // Nothing is named any more, or not yet applied.
        let none = json!({"deploymentID": "s:o", "downstreamResourcesGeneration": 2});
        assert_eq!(step(none, status(1), Some(&memory)), Step::Monitor);
        assert_eq!(step(spec, json!({}), None), Step::Deploy);
    }

    #[test]
    fn what_was_given_up_waits_for_another_id() {
        let outcome = || {
            Some(Outcome::GivenUp {
                deployment_id: "s:o".to_owned(),
                message: String::new(),
            })
        };
        let spec = |id: &str| json!({"deploymentID": id});
        let memory = track(None, outcome());
        assert_eq!(step(spec("s:o"), json!({}), Some(&memory)), Step::Nothing);
        assert_eq!(step(spec("t:o"), json!({}), Some(&memory)), Step::Deploy);
        assert_eq!(
            step(spec("s:o"), json!({"appliedDeploymentID": "s:o"}), None),
            Step::Nothing
        );
    }
}
