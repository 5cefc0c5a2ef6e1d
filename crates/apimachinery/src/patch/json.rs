//! JSON patch (RFC 6902) as the API server's library applies it.
//!
//! Source: gopkg.in/evanphx/json-patch.v4. Quirks kept, since clients see them: negative and
//! signed array indexes count from the end, `replace` and `copy` of a missing object key work as
//! with null, the text before the first `/` of a path is ignored, and only objects and lists can
//! replace the whole document.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Error;

/// Most operations that one JSON patch may hold.
pub const OPERATIONS_MAX: usize = 10_000;

/// Applies `patch`, a list of operations, to `object`.
pub fn json_patch(object: &Value, patch: &Value) -> Result<Value, Error> {
    let operations = decode(patch)?;
    if operations.len() > OPERATIONS_MAX {
        return Err(Error::TooManyOperations(operations.len()));
    }
    let mut document = object.clone();
    for operation in operations {
        apply(&mut document, &operation).map_err(Error::Apply)?;
    }
    Ok(document)
}

fn decode(patch: &Value) -> Result<Vec<Cow<'_, Operation>>, Error> {
    let mismatch = |value: &Value, target: &str| {
        let found = go_kind(value);
        Error::Decode(format!(
            "json: cannot unmarshal {found} into Go value of type {target}"
        ))
    };
    let operations = match patch {
        Value::Array(operations) => operations.as_slice(),
        Value::Null => &[],
        other => return Err(mismatch(other, "jsonpatch.Patch")),
    };
    operations
        .iter()
        .map(|operation| match operation {
            Value::Object(fields) => Ok(Cow::Borrowed(fields)),
            Value::Null => Ok(Cow::Owned(Operation::new())),
            other => Err(mismatch(other, "jsonpatch.Operation")),
        })
        .collect()
}

/// What Go's JSON decoder calls a value that does not fit.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

type Operation = Map<String, Value>;

fn apply(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let kind = operation
        .get("op")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    match kind {
        "add" => add(document, operation),
        "remove" => remove(document, operation),
        "replace" => replace(document, operation),
        "move" => move_value(document, operation),
        "copy" => copy_value(document, operation),
        "test" => test(document, operation),
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn add(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = pointer(operation, "path")
        .map_err(|_| "add operation failed to decode path: missing value".to_owned())?;
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "add operation does not apply: doc is missing path: \"{path}\": missing value"
        ));
    };
    insert(container, &key, value_of(operation))
        .map_err(|error| format!("error in add for path: '{path}': {error}"))
}

fn remove(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = pointer(operation, "path")
        .map_err(|_| "remove operation failed to decode path: missing value".to_owned())?;
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "remove operation does not apply: doc is missing path: \"{path}\": missing value"
        ));
    };
    take(container, &key)
        .map(drop)
        .map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn replace(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = pointer(operation, "path")
        .map_err(|error| format!("replace operation failed to decode path: {error}"))?;
    if path.is_empty() {
        return match operation.get("value") {
            Some(value @ (Value::Object(_) | Value::Array(_))) => {
                *document = value.clone();
                Ok(())
            }
            _ => Err("replace operation value must be object or array: %!w(<nil>)".to_owned()),
        };
    }
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "replace operation does not apply: doc is missing path: {path}: missing value"
        ));
    };
    match container {
        Value::Object(fields) => {
            fields.insert(key, value_of(operation));
            Ok(())
        }
        list => match item_index(list, &key) {
            Ok(index) => {
                list[index] = value_of(operation);
                Ok(())
            }
            Err(_) => Err(format!(
                "replace operation does not apply: doc is missing key: {path}: missing value"
            )),
        },
    }
}

fn move_value(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let from = pointer(operation, "from")
        .map_err(|error| format!("move operation failed to decode from: {error}"))?;
    let Some((container, key)) = find(document, from) else {
        return Err(format!(
            "move operation does not apply: doc is missing from path: {from}: missing value"
        ));
    };
    let value = take(container, &key)
        .map_err(|error| format!("error in move for path: '{key}': {error}"))?;
    let path = pointer(operation, "path")
        .map_err(|error| format!("move operation failed to decode path: {error}"))?;
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "move operation does not apply: doc is missing destination path: {path}: missing value"
        ));
    };
    insert(container, &key, value)
        .map_err(|error| format!("error in move for path: '{path}': {error}"))
}

fn copy_value(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let from = pointer(operation, "from")
        .map_err(|error| format!("copy operation failed to decode from: {error}"))?;
    let Some((container, key)) = find(document, from) else {
        return Err(format!(
            "copy operation does not apply: doc is missing from path: {from}: missing value"
        ));
    };
    let value = get(container, &key)
        .map_err(|error| format!("error in copy for from: '{from}': {error}"))?
        .cloned()
        .unwrap_or(Value::Null);
    let path = pointer(operation, "path")
        .map_err(|_| "copy operation failed to decode path: missing value".to_owned())?;
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "copy operation does not apply: doc is missing destination path: {path}: missing value"
        ));
    };
    insert(container, &key, value)
        .map_err(|error| format!("error while adding value during copy: {error}"))
}

fn test(document: &mut Value, operation: &Operation) -> Result<(), String> {
    let path = pointer(operation, "path")
        .map_err(|error| format!("test operation failed to decode path: {error}"))?;
    let failed = || format!("testing value {path} failed: test failed");
    let wanted = operation.get("value").unwrap_or(&Value::Null);
    if path.is_empty() {
        return if document == wanted {
            Ok(())
        } else {
            Err(failed())
        };
    }
    let Some((container, key)) = find(document, path) else {
        return Err(format!(
            "test operation does not apply: is missing path: {path}: missing value"
        ));
    };
    let found = get(container, &key)
        .map_err(|error| format!("error in test for path: '{path}': {error}"))?;
    if found.unwrap_or(&Value::Null) == wanted {
        Ok(())
    } else {
        Err(failed())
    }
}

fn value_of(operation: &Operation) -> Value {
    operation.get("value").cloned().unwrap_or(Value::Null)
}

fn pointer<'a>(operation: &'a Operation, field: &str) -> Result<&'a str, String> {
    let comma = if field == "from" { "," } else { "" };
    match operation.get(field) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(format!(
            "operation{comma} missing {field} field: missing value"
        )),
        Some(other) => {
            let found = go_kind(other);
            Err(format!(
                "json: cannot unmarshal {found} into Go value of type string"
            ))
        }
    }
}

/// The object or list that the last part of `path` lives in, and that part.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut parts = path.split('/').skip(1);
    let mut key = parts.next()?;
    let mut container = document;
    for next in parts {
        container = match container {
            Value::Object(fields) => fields.get_mut(&unescape(key))?,
            list @ Value::Array(_) => {
                let index = item_index(list, &unescape(key)).ok()?;
                &mut list[index]
            }
            _ => return None,
        };
        key = next;
    }
    matches!(container, Value::Object(_) | Value::Array(_)).then(|| (container, unescape(key)))
}

fn unescape(part: &str) -> String {
    // The slash first would turn `~01` into `/`; one pass over `~` pairs is what RFC 6901 wants.
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('~') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (ch, length) = match rest.as_bytes().get(1) {
            Some(b'0') => ('~', 2),
            Some(b'1') => ('/', 2),
            _ => ('~', 1),
        };
        out.push(ch);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn get<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match container {
        Value::Object(fields) => Ok(fields.get(key)),
        list => item_index(list, key).map(|index| list.get(index)),
    }
}

fn take(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Object(fields) => fields
            .remove(key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
        list => {
            let index = item_index(list, key)?;
            Ok(list
                .as_array_mut()
                .map_or(Value::Null, |items| items.remove(index)))
        }
    }
}

fn insert(container: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match container {
        Value::Object(fields) => {
            fields.insert(key.to_owned(), value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let index = parse_index(key)
                .map_err(|error| format!("value was not a proper array index: '{key}': {error}"))?;
            let index = bounded(index, items.len() + 1)?;
            items.insert(index, value);
        }
        _ => {}
    }
    Ok(())
}

fn item_index(list: &Value, key: &str) -> Result<usize, String> {
    bounded(parse_index(key)?, list.as_array().map_or(0, Vec::len))
}

/// Turns an index, counted from the end when negative, into a place among `count` places.
fn bounded(index: i64, count: usize) -> Result<usize, String> {
    let from_end = if index < 0 { count as i64 } else { 0 };
    usize::try_from(index + from_end)
        .ok()
        .filter(|place| *place < count)
        .ok_or_else(|| format!("Unable to access invalid index: {index}: invalid index referenced"))
}

/// Go's `strconv.Atoi`.
fn parse_index(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|error| {
        let reason = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                "value out of range"
            }
            _ => "invalid syntax",
        };
        format!(
            "strconv.Atoi: parsing {}: {reason}",
            crate::names::quote(text)
        )
    })
}
