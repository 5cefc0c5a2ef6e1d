//! Conditions with the times they would have.

use serde_json::{Value, json};

use crate::object;

/// One condition that a controller wants to report.
pub(super) struct Wanted<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: String,
}

/// Which times conditions of a kind carry besides `lastTransitionTime`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// None.
    Transition,
    /// `lastUpdateTime`, as Deployments have it.
    Update,
    /// `lastProbeTime`, as Jobs have it.
    Probe,
}

/// The conditions as `status.conditions`: one that says what it said keeps its times, one that keeps its
/// status keeps the time of the transition. Conditions of other types stay, behind these.
pub(super) fn conditions(object: &Value, wanted: &[Wanted<'_>], times: Times, now: &str) -> Value {
    let mut list: Vec<Value> = wanted
        .iter()
        .map(|one| condition(object, one, times, now))
        .collect();
    let others = object::list_at(object, &["status", "conditions"])
        .iter()
        .filter(|known| {
            !wanted
                .iter()
                .any(|one| object::str_at(known, &["type"]) == one.kind)
        });
    list.extend(others.cloned());
    Value::Array(list)
}

fn condition(object: &Value, wanted: &Wanted<'_>, times: Times, now: &str) -> Value {
    let known = object::condition(object, wanted.kind);
    let same_status = known.filter(|known| object::str_at(known, &["status"]) == wanted.status);
    let same = same_status.filter(|known| {
        object::str_at(known, &["reason"]) == wanted.reason
            && object::str_at(known, &["message"]) == wanted.message
    });
    let time = |known: Option<&Value>, field: &str| {
        known
            .map(|known| object::str_at(known, &[field]))
            .filter(|time| !time.is_empty())
            .unwrap_or(now)
            .to_owned()
    };
    let mut condition = json!({
        "type": wanted.kind,
        "status": wanted.status,
        "lastTransitionTime": time(same_status, "lastTransitionTime"),
    });
    if !wanted.reason.is_empty() {
        condition["reason"] = wanted.reason.into();
    }
    if !wanted.message.is_empty() {
        condition["message"] = wanted.message.as_str().into();
    }
    match times {
        Times::Transition => {}
        Times::Update => condition["lastUpdateTime"] = time(same, "lastUpdateTime").into(),
        Times::Probe => condition["lastProbeTime"] = time(same, "lastProbeTime").into(),
    }
    condition
}
