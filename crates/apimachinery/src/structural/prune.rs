//! Removing what a schema does not specify, and filling in what it gives by default.
//!
//! In: an object and its schema. Out: the object changed in place, and the paths of what was removed. Source: apiextensions
//! `schema/pruning/algorithm.go` and `schema/defaulting/algorithm.go`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::node::{Additional, Field, Node};

const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Prunes `value`; at the root `apiVersion`, `kind` and `metadata` stay. Paths of removed fields are appended to `removed`.
pub(crate) fn prune_root(value: &mut Value, node: &Node, removed: &mut Vec<String>) {
    let mut path = String::new();
    if let Value::Object(map) = value {
        if node.preserve_unknown {
            skip_map(map, node, true, &mut path, removed);
        } else {
            prune_map(map, node, true, &mut path, removed);
        }
    }
}

/// Prunes `value`, which is no resource of its own.
pub(crate) fn prune_below(value: &mut Value, node: &Node, removed: &mut Vec<String>) {
    prune(value, Some(node), &mut String::new(), removed);
}

fn prune(value: &mut Value, node: Option<&Node>, path: &mut String, removed: &mut Vec<String>) {
    let Some(node) = node else {
        return prune_unspecified(value, path, removed);
    };
    match value {
        Value::Object(map) if node.preserve_unknown => {
            skip_map(map, node, node.embedded, path, removed);
        }
        Value::Object(map) => prune_map(map, node, node.embedded, path, removed),
        Value::Array(list) if node.preserve_unknown => skip_list(list, node, path, removed),
        Value::Array(list) => each(list, path, |item, path| {
            prune(item, node.items.as_deref(), path, removed);
        }),
        _ => {}
    }
}

/// Below a place without schema every field of every object goes, and lists keep their length.
fn prune_unspecified(value: &mut Value, path: &mut String, removed: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            removed.extend(map.keys().map(|key| joined(path, key)));
            map.clear();
        }
        Value::Array(list) => each(list, path, |item, path| {
            prune_unspecified(item, path, removed);
        }),
        _ => {}
    }
}

fn prune_map(
    map: &mut Map<String, Value>,
    node: &Node,
    keep_meta: bool,
    path: &mut String,
    removed: &mut Vec<String>,
) {
    map.retain(|key, value| {
        if keep_meta && META.contains(&key.as_str()) {
            return true;
        }
        let field = node.field(key);
        if matches!(field, Field::Unspecified) {
            removed.push(joined(path, key));
            return false;
        }
        below(path, key, |path| {
            prune(value, field.schema(), path, removed);
        });
        true
    });
}

fn skip(value: &mut Value, node: &Node, path: &mut String, removed: &mut Vec<String>) {
    match value {
        Value::Object(map) => skip_map(map, node, node.embedded, path, removed),
        Value::Array(list) => skip_list(list, node, path, removed),
        _ => {}
    }
}

fn skip_list(list: &mut [Value], node: &Node, path: &mut String, removed: &mut Vec<String>) {
    let Some(items) = node.items.as_deref() else {
        return;
    };
    each(list, path, |item, path| skip(item, items, path, removed));
}

/// Where unknown fields are preserved, specified ones are still pruned inside.
fn skip_map(
    map: &mut Map<String, Value>,
    node: &Node,
    keep_meta: bool,
    path: &mut String,
    removed: &mut Vec<String>,
) {
    for (key, value) in map.iter_mut() {
        if keep_meta && META.contains(&key.as_str()) {
            continue;
        }
        let field = node.field(key);
        if !matches!(field, Field::Unspecified) {
            below(path, key, |path| {
                prune(value, field.schema(), path, removed);
            });
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn below(path: &mut String, key: &str, run: impl FnOnce(&mut String)) {
    let len = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
    run(path);
    path.truncate(len);
}

fn each(list: &mut [Value], path: &mut String, mut run: impl FnMut(&mut Value, &mut String)) {
    let len = path.len();
    for (index, item) in list.iter_mut().enumerate() {
        let _ = write!(path, "[{index}]");
        run(item, path);
        path.truncate(len);
    }
}

/// Drops nulls where null is not allowed and no default will replace them, then fills in defaults.
pub(crate) fn apply_defaults(value: &mut Value, node: &Node) {
    drop_nulls(value, node);
    fill(value, node);
}

fn drop_nulls(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => map.retain(|key, value| match node.field(key).schema() {
            Some(child) => {
                if value.is_null() && !child.nullable && child.default.is_none() {
                    return false;
                }
                drop_nulls(value, child);
                true
            }
            None => true,
        }),
        Value::Array(list) => {
            if let Some(items) = node.items.as_deref() {
                for item in list {
                    drop_nulls(item, items);
                }
            }
        }
        _ => {}
    }
}

fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => {
            for (key, child) in &node.properties {
                let Some(default) = &child.default else {
                    continue;
                };
                let wanting = map
                    .get(key)
                    .is_none_or(|value| value.is_null() && !child.nullable);
                if wanting {
                    map.insert(key.clone(), copy_of(default, child));
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(child) = node.properties.get(key) {
                    fill(value, child);
                } else if let Some(Additional::Schema(child)) = &node.additional {
                    replace_null(value, child);
                    fill(value, child);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = node.items.as_deref() else {
                return;
            };
            for item in list {
                replace_null(item, items);
                fill(item, items);
            }
        }
        _ => {}
    }
}

fn replace_null(value: &mut Value, node: &Node) {
    if let (true, false, Some(default)) = (value.is_null(), node.nullable, &node.default) {
        *value = copy_of(default, node);
    }
}

/// A default as it is stored: without the nulls that the next defaulting would drop.
fn copy_of(default: &Value, node: &Node) -> Value {
    let mut value = default.clone();
    drop_nulls(&mut value, node);
    value
}
