//! JSON merge patch (RFC 7396), applied as the API server's library does, and created.
//!
//! Source: gopkg.in/evanphx/json-patch.v4 `merge.go`. Quirk: nulls inside lists of a patch stay;
//! nulls in objects inside those lists go, except where the list replaces an object.

use serde_json::{Map, Value};

use super::Error;

/// Applies a merge patch: objects merge, null removes, everything else replaces.
///
/// A patch that is no object or list is refused, as the API server does.
pub fn merge_patch(object: &Value, patch: &Value) -> Result<Value, Error> {
    let bad = |text: &str| Error::Decode(text.to_owned());
    match (object, patch) {
        (Value::Null, _) => Err(bad("Invalid JSON Document")),
        (Value::Object(fields), Value::Object(changes)) => {
            let mut merged = fields.clone();
            merge_fields(&mut merged, changes);
            Ok(Value::Object(merged))
        }
        (_, Value::Object(_) | Value::Array(_)) => Ok(pruned(patch)),
        _ => Err(bad("Invalid JSON Patch")),
    }
}

fn merge_fields(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, change) in changes {
        match (fields.get_mut(name), change) {
            (_, Value::Null) => {
                fields.remove(name);
            }
            (Some(Value::Object(inner)), Value::Object(changes)) => merge_fields(inner, changes),
            (Some(Value::Object(_)), list @ Value::Array(_)) => {
                fields.insert(name.clone(), list.clone());
            }
            _ => {
                fields.insert(name.clone(), pruned(change));
            }
        }
    }
}

/// A copy without the null fields of objects, at any depth.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), pruned(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(pruned).collect(),
        scalar => scalar.clone(),
    }
}

/// The merge patch that turns `from` into `to`; `{}` when nothing differs.
///
/// Nulls inside `to` cannot be expressed and come out as absent.
pub fn create_merge_patch(from: &Map<String, Value>, to: &Map<String, Value>) -> Value {
    let mut patch = Map::new();
    for (name, new) in to {
        match (from.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), create_merge_patch(old, new));
            }
            _ => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}
