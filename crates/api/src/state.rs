//! State of one deployment, counters over deployments, and the texts that tell people about them.
//!
//! Texts and ranks equal upstream's: dashboards and scripts match on them. Which deployments are listed
//! in a summary is decided by the caller.
//!
//! Source: fleet, `internal/cmd/controller/summary`; wrangler, `pkg/summary`.

use std::fmt;

use crate::conditions;
use crate::labels::PINNED_COMMIT;
use crate::v1alpha1::{
    BundleDeployment, BundleDeploymentDisplay, BundleSummary, Condition, ModifiedStatus,
    NonReadyStatus, Summary,
};

/// Objects of one deployment that a Ready message describes, of each kind of trouble.
const DESCRIBED_MAX: usize = 4;

/// State of a deployment, from best to worst: the order is upstream's rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Deployed, and all objects are ready.
    Ready,
    /// Deployed, but some objects are not ready.
    NotReady,
    /// Not created yet.
    Pending,
    /// A newer version is staged.
    OutOfSync,
    /// Deployed and ready, but some objects were changed on the cluster.
    Modified,
    /// Known to the cluster, not applied yet.
    WaitApplied,
    /// Could not be applied.
    ErrApplied,
}

impl State {
    /// All states, from best to worst.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::NotReady,
        Self::Pending,
        Self::OutOfSync,
        Self::Modified,
        Self::WaitApplied,
        Self::ErrApplied,
    ];

    /// The word that stands in statuses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::NotReady => "NotReady",
            Self::Pending => "Pending",
            Self::OutOfSync => "OutOfSync",
            Self::Modified => "Modified",
            Self::WaitApplied => "WaitApplied",
            Self::ErrApplied => "ErrApplied",
        }
    }

    /// The state of a word in a status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// State of a deployment measured against its own spec: what GitRepo, HelmOp and Cluster count.
    pub fn of(deployment: &BundleDeployment) -> Self {
        Self::measured(deployment, &deployment.spec.deployment_id)
    }

    /// State of a deployment measured against the id that the bundle wants: what the Bundle counts. A
    /// deployment that a roll-out holds back is `WaitApplied` here and `OutOfSync` elsewhere.
    pub fn of_wanted(deployment: &BundleDeployment, wanted_id: &str) -> Self {
        match Self::measured(deployment, wanted_id) {
            // Measured against the wanted id, nothing newer can be staged.
            Self::OutOfSync if deployment.status.non_modified => Self::Ready,
            Self::OutOfSync => Self::Modified,
            state => state,
        }
    }

    fn measured(deployment: &BundleDeployment, id: &str) -> Self {
        let (spec, status) = (&deployment.spec, &deployment.status);
        if status.applied_deployment_id != id {
            if conditions::is_false(&status.conditions, conditions::DEPLOYED) {
                return Self::ErrApplied;
            }
            return Self::WaitApplied;
        }
        if !status.ready {
            Self::NotReady
        } else if spec.staged_deployment_id != id {
            Self::OutOfSync
        } else if !status.non_modified {
            Self::Modified
        } else {
            Self::Ready
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a deployment has to say; empty when it says nothing.
pub fn message(deployment: &BundleDeployment) -> &str {
    let conditions = &deployment.status.conditions;
    let deployed = conditions::message(conditions, conditions::DEPLOYED);
    if !deployed.is_empty() {
        return deployed;
    }
    if deployment.status.applied_deployment_id == deployment.spec.deployment_id {
        let installed = conditions::message(conditions, conditions::INSTALLED);
        if !installed.is_empty() {
            return installed;
        }
    }
    conditions::message(conditions, conditions::MONITORED)
}

/// The texts of `BundleDeployment.status.display`, from conditions and state.
pub fn display(deployment: &BundleDeployment) -> BundleDeploymentDisplay {
    let found = &deployment.status.conditions;
    BundleDeploymentDisplay {
        deployed: condition_display(found, conditions::DEPLOYED),
        monitored: condition_display(found, conditions::MONITORED),
        state: State::of(deployment).to_string(),
        pinned: pinned(deployment).to_owned(),
    }
}

/// The commit that a deployment stays at; empty if it follows its bundle.
fn pinned(deployment: &BundleDeployment) -> &str {
    let labels = deployment.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(PINNED_COMMIT))
        .map_or("", String::as_str)
}

/// The status of a condition, or its error.
fn condition_display(conditions: &[Condition], type_: &str) -> String {
    match conditions::get(conditions, type_) {
        Some(condition) if condition.reason == conditions::REASON_ERROR => {
            format!("Error: {}", condition.message)
        }
        Some(condition) => condition.status.clone(),
        None => String::new(),
    }
}

/// The counter of a state in a summary.
pub fn counter(summary: &mut BundleSummary, state: State) -> &mut i64 {
    match state {
        State::Ready => &mut summary.ready,
        State::NotReady => &mut summary.not_ready,
        State::Pending => &mut summary.pending,
        State::OutOfSync => &mut summary.out_of_sync,
        State::Modified => &mut summary.modified,
        State::WaitApplied => &mut summary.wait_applied,
        State::ErrApplied => &mut summary.err_applied,
    }
}

/// The number of deployments in a state.
pub fn count(summary: &BundleSummary, state: State) -> i64 {
    match state {
        State::Ready => summary.ready,
        State::NotReady => summary.not_ready,
        State::Pending => summary.pending,
        State::OutOfSync => summary.out_of_sync,
        State::Modified => summary.modified,
        State::WaitApplied => summary.wait_applied,
        State::ErrApplied => summary.err_applied,
    }
}

/// The worst state that any deployment is in; none if all are ready.
pub fn worst(summary: &BundleSummary) -> Option<State> {
    State::ALL
        .into_iter()
        .rev()
        .find(|state| *state != State::Ready && count(summary, *state) > 0)
}

/// Message of the Ready condition: empty means ready.
///
/// For every state with deployments, the first one listed in it: its message, and some of its objects.
/// `kind_word` is what the entries of the list are: `Cluster` in a Bundle, `Bundle` elsewhere.
pub fn ready_message(summary: &BundleSummary, kind_word: &str) -> String {
    let mut parts = Vec::new();
    for state in State::ALL
        .into_iter()
        .filter(|state| *state != State::Ready)
    {
        let n = count(summary, state);
        let listed = || {
            summary
                .non_ready_resources
                .iter()
                .find(|r| r.bundle_state == state.as_str())
        };
        let Some(entry) = (n > 0).then(listed).flatten() else {
            continue;
        };
        let name = &entry.name;
        parts.push(match entry.message.as_str() {
            "" => format!("{state}({n}) [{kind_word} {name}]"),
            text => format!("{state}({n}) [{kind_word} {name}: {text}]"),
        });
        parts.extend(
            entry
                .modified_status
                .iter()
                .take(DESCRIBED_MAX)
                .map(describe_modified),
        );
        parts.extend(
            entry
                .non_ready_status
                .iter()
                .take(DESCRIBED_MAX)
                .map(describe_non_ready),
        );
    }
    parts.sort_unstable();
    parts.join("; ")
}

/// One line about an object that differs from what was deployed.
pub fn describe_modified(object: &ModifiedStatus) -> String {
    let name = describe_name(
        &object.api_version,
        &object.kind,
        &object.namespace,
        &object.name,
    );
    if object.missing && object.exist {
        format!("{name} is not owned by us")
    } else if object.missing {
        format!("{name} missing")
    } else if object.delete {
        format!("{name} extra")
    } else {
        format!("{name} modified {}", object.patch)
    }
}

/// One line about an object that is not ready.
pub fn describe_non_ready(object: &NonReadyStatus) -> String {
    let name = describe_name(
        &object.api_version,
        &object.kind,
        &object.namespace,
        &object.name,
    );
    format!("{name} {}", describe_summary(&object.summary))
}

/// `kind.group [namespace/]name`; the group of a core object is its version.
fn describe_name(api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
    let group = api_version.split('/').next().unwrap_or_default();
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!(
        "{}{dot}{group} {namespace}{slash}{name}",
        kind.to_lowercase()
    )
}

fn describe_summary(summary: &Summary) -> String {
    let head = match (summary.transitioning, summary.error) {
        (false, false) => return summary.state.clone(),
        (true, false) => "[progressing]",
        // Quirk: the opening bracket is missing in upstream's text, and dashboards parse it.
        (false, true) => "error]",
        (true, true) => "[progressing,error]",
    };
    if summary.message.is_empty() {
        return head.to_owned();
    }
    format!("{head} {}", summary.message.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1alpha1::{BundleDeploymentSpec, BundleDeploymentStatus, NonReadyResource};

    fn deployment(ids: [&str; 3], ready: bool, non_modified: bool) -> BundleDeployment {
        let [staged, current, applied] = ids.map(str::to_owned);
        BundleDeployment {
            spec: BundleDeploymentSpec {
                staged_deployment_id: staged,
                deployment_id: current,
                ..BundleDeploymentSpec::default()
            },
            status: BundleDeploymentStatus {
                applied_deployment_id: applied,
                ready,
                non_modified,
                ..BundleDeploymentStatus::default()
            },
            ..BundleDeployment::default()
        }
    }

    fn condition(type_: &str, status: &str, message: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            message: message.to_owned(),
            ..Condition::default()
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        for (ids, ready, non_modified, own, wanted) in [
            (["b", "b", "b"], true, true, State::Ready, State::Ready),
            (
                ["b", "b", "b"],
                true,
                false,
                State::Modified,
                State::Modified,
            ),
            (
                ["b", "b", "b"],
                false,
                false,
                State::NotReady,
                State::NotReady,
            ),
            (
                ["b", "a", "a"],
                true,
                true,
                State::OutOfSync,
                State::WaitApplied,
            ),
            (
                ["b", "a", "a"],
                false,
                true,
                State::NotReady,
                State::WaitApplied,
            ),
            (
                ["b", "b", "a"],
                true,
                true,
                State::WaitApplied,
                State::WaitApplied,
            ),
            (
                ["b", "b", ""],
                false,
                false,
                State::WaitApplied,
                State::WaitApplied,
            ),
            (
                ["a", "a", "b"],
                true,
                true,
                State::WaitApplied,
                State::Ready,
            ),
        ] {
            let deployment = deployment(ids, ready, non_modified);
            assert_eq!(State::of(&deployment), own, "{ids:?}");
            assert_eq!(State::of_wanted(&deployment, "b"), wanted, "{ids:?}");
        }
    }

    #[test]
    fn a_failed_deployment_is_an_error_until_it_is_applied() {
        let mut failed = deployment(["b", "b", "a"], true, true);
        failed.status.conditions = vec![condition("Deployed", "False", "boom")];
        assert_eq!(State::of(&failed), State::ErrApplied);
        failed.status.applied_deployment_id = "b".to_owned();
        assert_eq!(State::of(&failed), State::Ready);
    }

    #[test]
    fn an_old_installation_message_is_not_reported_for_a_new_deployment() {
        let mut deployment = deployment(["b", "b", "b"], true, true);
        deployment.status.conditions = vec![
            condition("Installed", "False", "old"),
            condition("Monitored", "True", "seen"),
        ];
        assert_eq!(message(&deployment), "old");
        deployment.status.applied_deployment_id = "a".to_owned();
        assert_eq!(message(&deployment), "seen");
        deployment
            .status
            .conditions
            .push(condition("Deployed", "False", "boom"));
        assert_eq!(message(&deployment), "boom");
    }

    #[test]
    fn the_ready_message_names_the_first_entry_of_each_state_and_is_sorted() {
        let modified = ModifiedStatus {
            kind: "ConfigMap".to_owned(),
            api_version: "v1".to_owned(),
            namespace: "shop".to_owned(),
            name: "settings".to_owned(),
            patch: "{}".to_owned(),
            ..ModifiedStatus::default()
        };
        let not_ready = NonReadyStatus {
            kind: "Deployment".to_owned(),
            api_version: "apps/v1".to_owned(),
            name: "web".to_owned(),
            summary: Summary {
                transitioning: true,
                error: true,
                message: vec!["a".to_owned(), "b".to_owned()],
                ..Summary::default()
            },
            ..NonReadyStatus::default()
        };
        let entry = |name: &str, state: State| NonReadyResource {
            name: name.to_owned(),
            bundle_state: state.as_str().to_owned(),
            ..NonReadyResource::default()
        };
        let summary = BundleSummary {
            not_ready: 2,
            modified: 1,
            pending: 3,
            desired_ready: 6,
            non_ready_resources: vec![
                NonReadyResource {
                    non_ready_status: vec![not_ready],
                    message: "slow".to_owned(),
                    ..entry("ns/one", State::NotReady)
                },
                entry("ns/two", State::NotReady),
                NonReadyResource {
                    modified_status: vec![modified; 6],
                    ..entry("ns/three", State::Modified)
                },
            ],
            ..BundleSummary::default()
        };
        let settings = "configmap.v1 shop/settings modified {}";
        assert_eq!(
            ready_message(&summary, "Cluster"),
            format!(
                "Modified(1) [Cluster ns/three]; NotReady(2) [Cluster ns/one: slow]; {}; \
                 deployment.apps web [progressing,error] a, b",
                [settings; 4].join("; ")
            )
        );
        assert_eq!(worst(&summary), Some(State::Modified));
        assert_eq!(ready_message(&BundleSummary::default(), "Bundle"), "");
        assert_eq!(
            worst(&BundleSummary {
                ready: 3,
                ..BundleSummary::default()
            }),
            None
        );
    }

    #[test]
    fn descriptions_tell_the_four_kinds_of_difference_apart() {
        let object = |missing, exist, delete| ModifiedStatus {
            kind: "Service".to_owned(),
            name: "web".to_owned(),
            missing,
            exist,
            delete,
            patch: "{\"a\":1}".to_owned(),
            ..ModifiedStatus::default()
        };
        assert_eq!(
            describe_modified(&object(true, false, false)),
            "service web missing"
        );
        assert_eq!(
            describe_modified(&object(true, true, false)),
            "service web is not owned by us"
        );
        assert_eq!(
            describe_modified(&object(false, false, true)),
            "service web extra"
        );
        assert_eq!(
            describe_modified(&object(false, false, false)),
            "service web modified {\"a\":1}"
        );
    }

    #[test]
    fn summaries_of_objects_are_upstreams() {
        let summary = |transitioning, error, message: &[&str]| Summary {
            state: "in-progress".to_owned(),
            transitioning,
            error,
            message: message.iter().map(|&text| text.to_owned()).collect(),
        };
        assert_eq!(
            describe_summary(&summary(false, false, &["x"])),
            "in-progress"
        );
        assert_eq!(
            describe_summary(&summary(true, false, &[])),
            "[progressing]"
        );
        assert_eq!(describe_summary(&summary(false, true, &["x"])), "error] x");
    }

    #[test]
    fn words_and_states_correspond() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("ready"), None);
        assert_eq!(State::parse(""), None);
    }
}
