//! CustomResourceDefinitions as objects: defaults, checks, the names they claim, their conditions.
//!
//! In: the JSON of an `apiextensions.k8s.io/v1` CustomResourceDefinition. Out: the same with
//! defaults, field errors as the server words them, a new status. Compiled schemas are got from
//! [`crate::structural::SchemaCache`]. Serving the custom resources is the server's business.
//!
//! Source: apiextensions `apis/apiextensions/v1/defaults.go`,
//! `apis/apiextensions/validation/validation.go`, `controller/status/naming_controller.go`,
//! `controller/establish/establishing_controller.go`.

mod status;
mod validate;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use self::status::{TakenNames, next_status};
pub use self::validate::{validate, validate_update};

/// Fills in what the server fills in on create and update: `singular`, `listKind`, the conversion
/// strategy, the port of a conversion webhook, and the storage version in `status.storedVersions`.
pub fn apply_defaults(crd: &mut Value) {
    let Some(spec) = crd.get_mut("spec").filter(|spec| spec.is_object()) else {
        return;
    };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let missing = |value: Option<&Value>| {
            value.is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        };
        if missing(names.get("singular")) {
            names.insert("singular".to_owned(), json!(kind.to_lowercase()));
        }
        if missing(names.get("listKind")) && !kind.is_empty() {
            names.insert("listKind".to_owned(), json!(format!("{kind}List")));
        }
    }
    if spec.get("conversion").is_none_or(Value::is_null) {
        spec["conversion"] = json!({"strategy": "None"});
    }
    if let Some(service) = spec.pointer_mut("/conversion/webhook/clientConfig/service")
        && let Some(service) = service.as_object_mut()
    {
        service.entry("port").or_insert_with(|| json!(443));
    }
    store_version(crd);
}

/// Names the storage version in `status.storedVersions` when that is empty.
fn store_version(crd: &mut Value) {
    let stored = crd.pointer("/status/storedVersions");
    if stored.and_then(Value::as_array).is_none_or(Vec::is_empty) {
        add_stored_version(crd);
    }
}

/// Names the storage version in `status.storedVersions` too, as the server does when the spec changes.
pub fn add_stored_version(crd: &mut Value) {
    let storage = versions(crd)
        .iter()
        .find(|version| version["storage"] == json!(true))
        .and_then(|version| version.get("name"))
        .filter(|name| name.is_string())
        .cloned();
    let (Some(storage), Some(crd)) = (storage, crd.as_object_mut()) else {
        return;
    };
    let status = crd.entry("status").or_insert_with(|| json!({}));
    if !status.is_object() {
        *status = json!({});
    }
    match status
        .get_mut("storedVersions")
        .and_then(Value::as_array_mut)
    {
        Some(stored) if stored.contains(&storage) => {}
        Some(stored) => stored.push(storage),
        None => status["storedVersions"] = json!([storage]),
    }
}

/// `spec.versions`, empty when there is no such list.
pub(crate) fn versions(crd: &Value) -> &[Value] {
    crd.pointer("/spec/versions")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The string at a JSON pointer, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
