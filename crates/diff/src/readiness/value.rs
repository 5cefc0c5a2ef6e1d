//! Loose reading of live objects, with the conversions upstream makes.

use serde_json::{Map, Value};

/// A condition, all fields as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The value at a path of fields.
pub(super) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

/// The map at a path of fields, if there is one.
pub(super) fn map<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Map<String, Value>> {
    at(object, path).and_then(Value::as_object)
}

/// The value at a path as text: strings as they are, numbers and booleans printed, everything else empty.
pub(super) fn text(object: &Value, path: &[&str]) -> String {
    at(object, path).map(printed).unwrap_or_default()
}

/// A scalar as text.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => String::new(),
    }
}

/// The list at a path of fields, empty when there is none.
pub(super) fn list<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The whole number at a path of fields.
pub(super) fn int(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path).and_then(Value::as_i64)
}

/// `status.conditions`, then those in the annotation in which Rancher keeps a second status.
pub(super) fn conditions(object: &Value) -> Vec<Condition> {
    let annotation =
        at(object, &["metadata", "annotations", "cattle.io/status"]).and_then(Value::as_str);
    let second: Value = annotation
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let all = list(object, &["status", "conditions"])
        .iter()
        .chain(list(&second, &["conditions"]));
    all.filter(|one| one.is_object()).map(condition).collect()
}

/// Only `status.conditions`; `None` when they are malformed.
pub(super) fn status_conditions(object: &Value) -> Option<Vec<Condition>> {
    match at(object, &["status", "conditions"]) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => {
            Some(list.iter().map(condition).collect())
        }
        Some(_) => None,
    }
}

fn condition(value: &Value) -> Condition {
    let field = |key: &str| value.get(key).map(printed).unwrap_or_default();
    Condition {
        kind: field("type"),
        status: field("status"),
        reason: field("reason"),
        message: field("message"),
    }
}
