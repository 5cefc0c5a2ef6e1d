//! The rules that make a summary, one function each, in the order in which they run.

use api::v1alpha1::Summary;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::kstatus::{Computed, Status, compute};
use super::mapping::ErrorMapping;
use super::value::{Condition, at, list, map, printed, text};

/// True is fine, False an error, Unknown a transition; with the state each gives.
const TRUE_IS_FINE: [(&str, &str); 38] = [
    ("Active", "activating"),
    ("AddonDeploy", "provisioning"),
    ("AgentDeployed", "provisioning"),
    ("BackingNamespaceCreated", "configuring"),
    ("Built", "building"),
    ("CertsGenerated", "provisioning"),
    ("ConfigOK", "configuring"),
    ("Created", "creating"),
    ("CreatorMadeOwner", "configuring"),
    ("DefaultNamespaceAssigned", "configuring"),
    ("DefaultNetworkPolicyCreated", "configuring"),
    ("DefaultProjectCreated", "configuring"),
    ("DockerProvisioned", "provisioning"),
    ("Deployed", "deploying"),
    ("Drained", "draining"),
    ("Downloaded", "downloading"),
    ("etcd", "provisioning"),
    ("Inactive", "deactivating"),
    ("Initialized", "initializing"),
    ("Installed", "installing"),
    ("NodesCreated", "provisioning"),
    ("Pending", "pending"),
    ("PodScheduled", "scheduling"),
    ("Provisioned", "provisioning"),
    ("Reconciled", "reconciling"),
    ("Refreshed", "refreshed"),
    ("Registered", "registering"),
    ("Removed", "removing"),
    ("Saved", "saving"),
    ("Updated", "updating"),
    ("Updating", "updating"),
    ("Upgraded", "upgrading"),
    ("Waiting", "waiting"),
    ("InitialRolesPopulated", "activating"),
    ("ScalingActive", "pending"),
    ("AbleToScale", "pending"),
    ("RunCompleted", "running"),
    ("Processed", "processed"),
];
/// True is a transition.
const TRUE_IS_TRANSITION: [(&str, &str); 1] = [("Reconciling", "reconciling")];
/// False is a transition, Unknown an error; an empty state stands for the condition's reason.
const FALSE_IS_TRANSITION: [(&str, &str); 6] = [
    ("Completed", "activating"),
    ("Ready", "unavailable"),
    ("Available", "updating"),
    ("BootstrapReady", ""),
    ("InfrastructureReady", ""),
    ("NodeHealthy", ""),
];
/// How long an object of Rancher without conditions counts as new.
const NEW_FOR: SignedDuration = SignedDuration::from_secs(5);
/// How long an object may wait for its finalizers.
const REMOVAL_MAX: SignedDuration = SignedDuration::from_mins(5);

fn state_of<'a>(table: &[(&str, &'a str)], condition: &Condition) -> Option<&'a str> {
    table
        .iter()
        .find(|(kind, _)| *kind == condition.kind)
        .map(|(_, state)| *state)
}

fn say(summary: &mut Summary, state: &str, message: &str) {
    state.clone_into(&mut summary.state);
    summary.message.push(message.to_owned());
}

/// What the object says about itself in `status.display` or `status.summary`.
pub(super) fn own_summary(object: &Value, summary: &mut Summary) {
    let own = ["display", "summary"]
        .into_iter()
        .find_map(|key| map(object, &["status", key]).filter(|own| !own.is_empty()));
    let Some(own) = own else { return };
    let flag = |value: &Value| printed(value).eq_ignore_ascii_case("true");
    if let Some(state) = own.get("state") {
        summary.state = printed(state);
    }
    if let Some(transitioning) = own.get("transitioning") {
        summary.transitioning = flag(transitioning);
    }
    if let Some(error) = own.get("error") {
        summary.error = flag(error);
    }
    if let Some(message) = own.get("message") {
        summary.message.push(printed(message));
    }
}

/// Conditions that mean an error on the kind, and all whose reason is `Error`.
pub(super) fn errors(
    object: &Value,
    conditions: &[Condition],
    mapping: &ErrorMapping,
    summary: &mut Summary,
) {
    let (version, kind) = (text(object, &["apiVersion"]), text(object, &["kind"]));
    for condition in conditions {
        let wrong = mapping.is_error(&version, &kind, &condition.kind, &condition.status);
        if wrong || condition.reason == "Error" {
            summary.error = true;
            summary.message.push(condition.message.clone());
            if matches!(summary.state.as_str(), "" | "active") {
                "error".clone_into(&mut summary.state);
            }
        }
    }
}

/// Conditions of well-known types.
pub(super) fn transitioning(conditions: &[Condition], summary: &mut Summary) {
    for condition in conditions {
        let Some(state) = state_of(&TRUE_IS_FINE, condition) else {
            continue;
        };
        match condition.status.as_str() {
            "False" => {
                summary.error = true;
                say(summary, state, &condition.message);
            }
            "Unknown" if summary.state.is_empty() => {
                summary.transitioning = true;
                say(summary, state, &condition.message);
            }
            _ => {}
        }
    }
    for condition in conditions
        .iter()
        .filter(|condition| condition.status == "True")
    {
        if let (true, Some(state)) = (
            summary.state.is_empty(),
            state_of(&TRUE_IS_TRANSITION, condition),
        ) {
            summary.transitioning = true;
            say(summary, state, &condition.message);
        }
    }
    unavailable(conditions, summary);
}

fn unavailable(conditions: &[Condition], summary: &mut Summary) {
    let mut not_ready = None;
    for condition in conditions {
        if !summary.state.is_empty() {
            return;
        }
        // `Ready` speaks last: another condition may know more.
        if condition.kind == "Ready" && condition.status == "False" {
            not_ready = Some(condition.message.as_str());
            continue;
        }
        let Some(state) = state_of(&FALSE_IS_TRANSITION, condition) else {
            continue;
        };
        let state = if state.is_empty() {
            condition.reason.as_str()
        } else {
            state
        };
        match condition.status.as_str() {
            "False" => summary.transitioning = true,
            "Unknown" => summary.error = true,
            _ => continue,
        }
        say(summary, state, &condition.message);
    }
    if let (true, Some(message)) = (summary.state.is_empty(), not_ready) {
        summary.transitioning = true;
        say(summary, "unavailable", message);
    }
}

/// `spec.active`.
pub(super) fn active(object: &Value, summary: &mut Summary) {
    if summary.state.is_empty() {
        match text(object, &["spec", "active"]).as_str() {
            "true" => "active".clone_into(&mut summary.state),
            "false" => "inactive".clone_into(&mut summary.state),
            _ => {}
        }
    }
}

/// `status.phase`; two of them end every transition.
pub(super) fn phase(object: &Value, summary: &mut Summary) {
    match text(object, &["status", "phase"]).as_str() {
        phase @ ("Succeeded" | "Bound") => {
            summary.state = phase.to_lowercase();
            summary.transitioning = false;
        }
        phase if summary.state.is_empty() => phase.clone_into(&mut summary.state),
        _ => {}
    }
}

/// New objects of Rancher whose controller has made its list of conditions and put nothing in it.
pub(super) fn initializing(
    object: &Value,
    conditions: &[Condition],
    now: Timestamp,
    summary: &mut Summary,
) {
    let listed = at(object, &["status", "conditions"]).is_some();
    let of_rancher = text(object, &["apiVersion"]).contains("cattle.io");
    if !summary.state.is_empty() || !listed || !conditions.is_empty() || !of_rancher {
        return;
    }
    let created = text(object, &["metadata", "created"]).parse::<Timestamp>();
    if created.is_ok_and(|created| now.duration_since(created) < NEW_FOR) {
        "initializing".clone_into(&mut summary.state);
        summary.transitioning = true;
    }
}

/// Objects that Rancher's API marks as removed.
pub(super) fn removing(
    object: &Value,
    conditions: &[Condition],
    now: Timestamp,
    summary: &mut Summary,
) {
    let removed = text(object, &["metadata", "removed"]);
    if removed.is_empty() {
        return;
    }
    "removing".clone_into(&mut summary.state);
    summary.transitioning = true;
    let told = conditions.iter().filter(|one| {
        one.kind == "Removed"
            && matches!(one.status.as_str(), "Unknown" | "False")
            && !one.message.is_empty()
    });
    summary
        .message
        .extend(told.map(|condition| condition.message.clone()));
    let finalizers = match list(object, &["metadata", "finalizers"]) {
        [] => list(object, &["spec", "finalizers"]),
        finalizers => finalizers,
    };
    let Some(first) = finalizers.first().map(printed) else {
        return;
    };
    let waiting = match first
        .rsplit_once("controller.cattle.io/")
        .map_or("", |(_, rest)| rest)
    {
        "" if first == "foregroundDeletion" => "object cleanup",
        "foregroundDeletion" => "object cleanup",
        rest => rest,
    };
    summary.message.push(format!("waiting on {waiting}"));
    if removed
        .parse::<Timestamp>()
        .is_ok_and(|removed| now.duration_since(removed) > REMOVAL_MAX)
    {
        summary.error = true;
    }
}

/// kstatus, where nothing else has named a state.
pub(super) fn standard(object: &Value, now: Timestamp, summary: &mut Summary) {
    // Objects of Rancher's older API have a path as their type.
    if !summary.state.is_empty() || text(object, &["type"]).starts_with('/') {
        return;
    }
    let Some(Computed { status, message }) = compute(object, now) else {
        return;
    };
    match status {
        Status::InProgress => {
            say(summary, "in-progress", &message);
            summary.transitioning = true;
        }
        Status::Failed => {
            say(summary, "failed", &message);
            summary.error = true;
        }
        Status::Current => say(summary, "active", &message),
        Status::Terminating => {
            say(summary, "removing", &message);
            summary.transitioning = true;
        }
    }
}

/// Services that wait for their address.
pub(super) fn load_balancer(object: &Value, summary: &mut Summary) {
    let is_balancer = text(object, &["kind"]) == "Service"
        && ["type", "serviceKind"]
            .iter()
            .any(|key| text(object, &["spec", key]) == "LoadBalancer");
    if matches!(summary.state.as_str(), "" | "active")
        && is_balancer
        && list(object, &["status", "loadBalancer", "ingress"]).is_empty()
    {
        summary.transitioning = true;
        say(summary, "pending", "Load balancer is being provisioned");
    }
}

/// kstatus once more, whatever the others have said; it names no state.
pub(super) fn kstatus(object: &Value, now: Timestamp, summary: &mut Summary) {
    let Some(Computed { status, message }) = compute(object, now) else {
        return;
    };
    match status {
        Status::InProgress | Status::Terminating => summary.transitioning = true,
        Status::Failed => summary.error = true,
        Status::Current => {}
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in message.split("; ") {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    summary.message.push(parts.join("; "));
}
