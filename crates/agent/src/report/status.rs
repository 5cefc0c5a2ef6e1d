//! The status of a BundleDeployment. Pure.
//!
//! Source of texts and rules: fleet `internal/cmd/agent/deployer`, agent.md 6.5 and 9.

use std::collections::BTreeMap;

use api::conditions::{self, DEPLOYED, Finding, INSTALLED, MONITORED, READY};
use api::limits::{Fitted, Limits, fit, fit_text, json_len};
use api::state;
use api::v1alpha1::{
    BundleDeployment, BundleDeploymentDisplay, BundleDeploymentResource, BundleDeploymentSpec,
    BundleDeploymentStatus, Condition, NonReadyStatus,
};
use diff::report::{ObjectKey, fit_modified, fit_non_ready, ready_message, resource_counts};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::deployment::Outcome;
use crate::monitor::{Tally, Trouble, View};
use crate::world::{Applied, members};

/// What a status is computed from.
pub(super) struct Inputs<'a> {
    pub(super) spec: &'a BundleDeploymentSpec,
    /// Bytes of the object that are not the agent's: what is left of the budget is.
    pub(super) other_bytes: usize,
    /// As stored: their times move only when something changed.
    pub(super) conditions: &'a [Condition],
    pub(super) outcome: &'a Outcome,
    pub(super) applied: Option<&'a Applied>,
    /// State of the copies that it was rendered with, where that is known.
    pub(super) copied: Option<i64>,
    /// What is live of it.
    pub(super) view: View,
    pub(super) limits: &'a Limits,
    pub(super) now: Timestamp,
}

/// The members that can be told now; others stay as they are stored.
pub(super) fn status(inputs: Inputs<'_>) -> BTreeMap<&'static str, Value> {
    let Inputs {
        spec,
        other_bytes,
        conditions,
        outcome,
        applied,
        copied,
        view,
        limits,
        now,
    } = inputs;
    let mut status = BundleDeploymentStatus {
        conditions: conditions.to_vec(),
        ..Default::default()
    };
    let mut told = vec!["conditions"];
    match outcome {
        Outcome::Failed { message } => {
            let message = fit_text(message, limits.ready_message_bytes_max).into_owned();
            let finding = Finding::Error(message);
            conditions::set(&mut status.conditions, DEPLOYED, finding, now);
        }
        Outcome::Undescribed { message } => {
            let Some(applied) = applied else {
                return BTreeMap::new();
            };
            given_up(&mut status, &applied.deployment_id, message, limits, now);
            status.release.clone_from(&applied.release);
            told.extend(["appliedDeploymentID", "release", "ready", "nonModified"]);
        }
        Outcome::GivenUp {
            deployment_id,
            message,
        } => {
            given_up(&mut status, deployment_id, message, limits, now);
            told.extend(["appliedDeploymentID", "release", "ready", "nonModified"]);
        }
        Outcome::Deployed => {
            // Until the watches have seen the new objects, what is stored tells of the old ones.
            let Some(applied) = applied.filter(|_| view != View::Settling) else {
                return BTreeMap::new();
            };
            status
                .applied_deployment_id
                .clone_from(&applied.deployment_id);
            status.release.clone_from(&applied.release);
            told.extend(["appliedDeploymentID", "release"]);
            if let Some(copied) = copied {
                status.downstream_resources_generation = copied;
                told.push("downstreamResourcesGeneration");
            }
            conditions::set(&mut status.conditions, INSTALLED, Finding::True, now);
            conditions::set(&mut status.conditions, DEPLOYED, Finding::True, now);
            told.extend(["ready", "nonModified"]);
            match view {
                View::Known(tally) => {
                    let room = limits.deployment_bytes_max.saturating_sub(other_bytes);
                    monitored(&mut status, tally, spec, room, limits, now);
                    told.extend([
                        "nonReadyStatus",
                        "modifiedStatus",
                        "incompleteState",
                        "syncGeneration",
                        "resources",
                        "resourcesOmitted",
                        "resourceCounts",
                    ]);
                }
                View::Blind { kinds } => blind(&mut status, &kinds, limits, now),
                View::Settling => {}
            }
        }
    }
    let mut all = members(&status);
    all.retain(|name, _| told.contains(name));
    all
}

/// What `display` says once `told` is stored over the status that is.
pub(super) fn display(
    stored: &BundleDeployment,
    told: &BTreeMap<&'static str, Value>,
) -> BundleDeploymentDisplay {
    let mut object = stored.clone();
    let mut status = json!(object.status);
    for (member, value) in told {
        status[*member] = value.clone();
    }
    // What was written by this agent reads back; if not, the display is that of what is stored.
    if let Ok(status) = serde_json::from_value(status) {
        object.status = status;
    }
    state::display(&object)
}

/// The deployment counts as applied and is neither ready nor installed: it failed for good and is not tried
/// again, or lacks something that only others can give.
fn given_up(
    status: &mut BundleDeploymentStatus,
    deployment_id: &str,
    message: &str,
    limits: &Limits,
    now: Timestamp,
) {
    deployment_id.clone_into(&mut status.applied_deployment_id);
    let message = fit_text(message, limits.ready_message_bytes_max);
    status.non_modified = true;
    let conditions = &mut status.conditions;
    conditions::set(
        conditions,
        READY,
        Finding::Error(format!("not ready: {message}")),
        now,
    );
    conditions::set(
        conditions,
        INSTALLED,
        Finding::Error(format!("not installed: {message}")),
        now,
    );
    conditions::set(conditions, DEPLOYED, Finding::True, now);
}

/// The objects are deployed, but nobody sees what becomes of them.
fn blind(status: &mut BundleDeploymentStatus, kinds: &[String], limits: &Limits, now: Timestamp) {
    let text = format!("cannot watch {}", kinds.join(", "));
    let text = fit_text(&text, limits.message_bytes_max).into_owned();
    status.non_modified = true;
    conditions::set(
        &mut status.conditions,
        READY,
        Finding::Error(text.clone()),
        now,
    );
    conditions::set(&mut status.conditions, MONITORED, Finding::Error(text), now);
}

fn monitored(
    status: &mut BundleDeploymentStatus,
    tally: Tally,
    spec: &BundleDeploymentSpec,
    room: usize,
    limits: &Limits,
    now: Timestamp,
) {
    let key = |object: &BundleDeploymentResource| ObjectKey {
        kind: object.kind.clone(),
        api_version: object.api_version.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    };
    let live = tally.resources.iter().map(key);
    let mut modified = tally.missing;
    modified.extend(tally.modified);
    status.resource_counts = resource_counts(live, &modified, &tally.non_ready);
    status.ready = tally.non_ready.is_empty();
    status.non_modified = modified.is_empty();
    let (resources, all_non_ready) = (tally.resources, tally.non_ready.clone());
    let non_ready = fit_non_ready(tally.non_ready);
    let modified = fit_modified(modified);
    let bytes_max = limits.deployment_details_bytes_max;
    let shown = non_ready
        .entries
        .into_iter()
        .map(|entry| cut(entry, limits));
    let shown = fit(shown, limits.details_max, bytes_max);
    let changed = fit(modified.entries, limits.details_max, bytes_max);
    status.incomplete_state =
        non_ready.omitted + modified.omitted + shown.omitted + changed.omitted > 0;
    let (uncorrected, uncompared) = match tally.trouble {
        Some(Trouble::NotCorrected(text)) => (Some(text), None),
        Some(Trouble::NotCompared(text)) => (None, Some(text)),
        None => (None, None),
    };
    let message = uncorrected.or_else(|| ready_message(&shown.kept, &changed.kept));
    let finding = match message {
        Some(message) => {
            Finding::Error(fit_text(&message, limits.ready_message_bytes_max).into_owned())
        }
        None if !status.ready => Finding::Error("not ready".to_owned()),
        None if !status.non_modified => Finding::Error("out of sync".to_owned()),
        None => Finding::True,
    };
    status.non_ready_status = shown.kept;
    status.modified_status = changed.kept;
    status.sync_generation = Some(spec.options.force_sync_generation);
    conditions::set(&mut status.conditions, READY, finding, now);
    let monitored = uncompared.map_or(Finding::True, |text| {
        Finding::Error(fit_text(&text, limits.message_bytes_max).into_owned())
    });
    conditions::set(&mut status.conditions, MONITORED, monitored, now);
    // Last, because this list takes what the rest leaves.
    let room = room.saturating_sub(json_len(status));
    let bytes_max = limits.deployment_resources_bytes_max.min(room);
    let resources = fit_resources(resources, &all_non_ready, bytes_max);
    status.resources = resources.kept;
    status.resources_omitted = resources.omitted as i64;
}

/// An entry within its budget: messages are what can be long.
fn cut(mut entry: NonReadyStatus, limits: &Limits) -> NonReadyStatus {
    let room = limits.message_bytes_max;
    let texts = entry
        .summary
        .message
        .iter()
        .map(|text| fit_text(text, room).into_owned());
    let fitted = fit(texts.collect::<Vec<_>>(), usize::MAX, room);
    entry.summary.message = fitted.kept;
    if fitted.omitted > 0 {
        entry
            .summary
            .message
            .push(format!("… ({} messages omitted)", fitted.omitted));
    }
    entry
}

/// All resources if they fit, else those that are not ready first.
fn fit_resources(
    mut resources: Vec<BundleDeploymentResource>,
    non_ready: &[NonReadyStatus],
    bytes_max: usize,
) -> Fitted<BundleDeploymentResource> {
    let all = fit(resources.iter(), usize::MAX, bytes_max);
    if all.omitted > 0 {
        let is_ready = |object: &BundleDeploymentResource| {
            !non_ready.iter().any(|entry| {
                entry.name == object.name
                    && entry.namespace == object.namespace
                    && entry.kind == object.kind
                    && entry.api_version == object.api_version
            })
        };
        resources.sort_by_key(is_ready);
    }
    fit(resources, usize::MAX, bytes_max)
}

#[cfg(test)]
mod tests;
