//! Whether one live object is ready, and what to say if it is not.
//!
//! In: the object, the time, optionally more rules about erroneous conditions. Out: a [`Summary`]; an object is ready iff it is
//! neither in error nor transitioning. The rules run in a fixed order, and the first to name a state wins unless a rule says
//! otherwise; kstatus has the last word.
//!
//! Source: fleet `internal/cmd/agent/deployer/summary`, rancher/wrangler `pkg/summary`.

mod checks;
mod kstatus;
mod mapping;
mod rules;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api::v1alpha1::Summary;
use jiff::Timestamp;
use serde_json::Value;

pub use self::checks::{CheckError, HealthChecks};
pub use self::mapping::{ErrorMapping, MappingError};

/// How ready `object` is at `now`, by the built-in rules.
pub fn readiness(object: &Value, now: Timestamp) -> Summary {
    summarize(object, &ErrorMapping::default(), now)
}

/// How ready `object` is at `now`, with other rules about erroneous conditions.
///
/// Objects of any shape are summarised; what is not as it should be counts as absent.
pub fn summarize(object: &Value, mapping: &ErrorMapping, now: Timestamp) -> Summary {
    let conditions = value::conditions(object);
    let mut summary = Summary::default();
    rules::own_summary(object, &mut summary);
    rules::errors(object, &conditions, mapping, &mut summary);
    rules::transitioning(&conditions, &mut summary);
    rules::active(object, &mut summary);
    rules::phase(object, &mut summary);
    rules::initializing(object, &conditions, now, &mut summary);
    rules::removing(object, &conditions, now, &mut summary);
    rules::standard(object, now, &mut summary);
    rules::load_balancer(object, &mut summary);
    rules::kstatus(object, now, &mut summary);
    if summary.state.is_empty() {
        "active".clone_into(&mut summary.state);
    }
    summary.state = summary.state.to_lowercase();
    summary.message = distinct(&summary.message);
    summary
}

/// Whether a summary is that of a ready object.
pub fn is_ready(summary: &Summary) -> bool {
    !summary.error && !summary.transitioning
}

/// Removes the conditions that `options.ignore.conditions` names: those whose fields equal all entries of one of the maps.
///
/// Call it on a copy that is only summarised. Quirk: when there is anything to ignore, an object without conditions gets an empty
/// list of them, as upstream's does.
pub fn ignore_conditions(object: &mut Value, ignored: &[BTreeMap<String, String>]) {
    if ignored.is_empty() {
        return;
    }
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    let status = fields
        .entry("status")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    let Some(status) = status.as_object_mut() else {
        return;
    };
    let list = status
        .entry("conditions")
        .or_insert_with(|| Value::Array(Vec::new()));
    let Some(list) = list.as_array_mut() else {
        return;
    };
    let matches = |condition: &Value, wanted: &BTreeMap<String, String>| {
        wanted
            .iter()
            .all(|(key, value)| condition.get(key).and_then(Value::as_str) == Some(value))
    };
    // A condition that is no object stops upstream from removing any.
    if list.iter().all(Value::is_object) {
        list.retain(|condition| !ignored.iter().any(|wanted| matches(condition, wanted)));
    }
}

/// Messages trimmed, without empty ones and repeats.
fn distinct(messages: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for message in messages.iter().map(|message| message.trim()) {
        if !message.is_empty() && !kept.iter().any(|known| known == message) {
            kept.push(message.to_owned());
        }
    }
    kept
}
