//! Reading and writing the common parts of objects held as JSON values.
//!
//! All functions tolerate missing or wrongly typed fields: they read as absent. Whether a field is
//! well-formed is decided by `rest::metadata`.

use serde_json::{Map, Value};

use crate::store::Meta;

/// The object's `metadata`, if it is an object.
pub(crate) fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata").and_then(Value::as_object)
}

/// The object's `metadata`, created if absent or no object.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    member_mut(object, "metadata")
}

/// A member that is an object, created if absent or something else.
pub(crate) fn member_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let fields = as_object_mut(object);
    as_object_mut(fields.entry(field).or_insert(Value::Null))
}

/// The value as an object, replaced by an empty one if it is something else.
pub(crate) fn as_object_mut(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => {
            *other = Value::Object(Map::new());
            as_object_mut(other)
        }
    }
}

/// A string in `metadata`; empty if absent.
pub(crate) fn meta_str<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object)
        .and_then(|meta| meta.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    meta_str(object, "name")
}

/// `metadata.namespace`.
pub(crate) fn namespace(object: &Value) -> &str {
    meta_str(object, "namespace")
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> &str {
    meta_str(object, "uid")
}

/// `metadata.resourceVersion` as a number; `None` if absent or no number.
pub(crate) fn revision(object: &Value) -> Option<u64> {
    meta_str(object, "resourceVersion").parse().ok()
}

/// `metadata.generation`, 0 if absent.
pub(crate) fn generation(object: &Value) -> i64 {
    metadata(object)
        .and_then(|meta| meta.get("generation"))
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

/// Whether `metadata.deletionTimestamp` is set.
pub(crate) fn is_deleting(object: &Value) -> bool {
    metadata(object).is_some_and(|meta| meta.get("deletionTimestamp").is_some_and(|t| !t.is_null()))
}

/// `metadata.finalizers`.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    metadata(object)
        .and_then(|meta| meta.get("finalizers"))
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Adds or removes one finalizer; returns whether the object changed.
pub(crate) fn set_finalizer(object: &mut Value, finalizer: &str, present: bool) -> bool {
    let list = finalizers(object);
    if list.contains(&finalizer) == present {
        return false;
    }
    let mut list: Vec<Value> = list
        .into_iter()
        .filter(|other| *other != finalizer)
        .map(Value::from)
        .collect();
    if present {
        list.push(finalizer.into());
    }
    let meta = metadata_mut(object);
    if list.is_empty() {
        meta.remove("finalizers");
    } else {
        meta.insert("finalizers".to_owned(), Value::Array(list));
    }
    true
}

/// A member by path, such as `["spec", "replicas"]`.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |value, field| value.get(field))
}

/// A string by path; empty if absent.
pub(crate) fn str_at<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// Strings of a list by path.
pub(crate) fn strings_at<'a>(object: &'a Value, path: &[&str]) -> Vec<&'a str> {
    at(object, path)
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Elements of a list by path.
pub(crate) fn list_at<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// What the store keeps of an object in decoded form.
pub(crate) fn extract_meta(object: &Value) -> Meta {
    let Some(meta) = metadata(object) else {
        return Meta::default();
    };
    let mut labels: Vec<(Box<str>, Box<str>)> = meta
        .get("labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
        .collect();
    labels.sort();
    let owners = list_at(object, &["metadata", "ownerReferences"])
        .iter()
        .filter_map(|owner| owner.get("uid")?.as_str().map(Box::from))
        .collect();
    Meta {
        uid: uid(object).into(),
        labels: labels.into(),
        owners,
        has_finalizers: !finalizers(object).is_empty(),
        deleting: is_deleting(object),
        generation: generation(object),
    }
}

/// A condition of `status.conditions` by type.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, &["status", "conditions"])
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// Sets a condition. `lastTransitionTime` moves only when the status changes.
pub(crate) fn set_condition(
    object: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let since = condition(object, kind)
        .filter(|known| str_at(known, &["status"]) == status)
        .map_or(now, |known| str_at(known, &["lastTransitionTime"]))
        .to_owned();
    let condition = serde_json::json!({
        "type": kind, "status": status, "lastTransitionTime": since,
        "reason": reason, "message": message,
    });
    let list = member_mut(object, "status")
        .entry("conditions")
        .or_insert(Value::Array(vec![]));
    let Value::Array(list) = list else { return };
    match list
        .iter_mut()
        .find(|known| str_at(known, &["type"]) == kind)
    {
        Some(known) => *known = condition,
        None => list.push(condition),
    }
}
