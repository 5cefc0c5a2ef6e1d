//! Lists in strategic merge patches: telling elements apart, and ordering them.
//!
//! Source: k8s.io/apimachinery `pkg/util/strategicpatch/patch.go` (`normalizeElementOrder` and what
//! it calls, `mergeSliceWithSpecialElements`, `validatePatchWithSetOrderList`).

use serde_json::Value;

use super::Error;
use super::strategic::{DIRECTIVE, bad_directive, bad_type, internal, no_merge_key};
use crate::gotext::go_text;

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Maps,
    Scalars,
}

impl Elements {
    /// The common kind of the elements of all lists; mixed lists, lists of lists and no elements
    /// at all are refused.
    pub(super) fn of(lists: &[&[Value]]) -> Result<Self, Error> {
        let kind = |value: &Value| match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(number) => 2 + u8::from(number.is_f64()),
            Value::String(_) => 4,
            Value::Array(_) => 5,
            Value::Object(_) => 6,
        };
        let mut items = lists.iter().flat_map(|list| list.iter());
        let Some(first) = items.next() else {
            return Err(internal(
                "no elements in any of the given slices".to_owned(),
            ));
        };
        if first.is_array() {
            return Err(Error::Apply("lists of lists are not supported".to_owned()));
        }
        if first.is_null() || items.any(|item| kind(item) != kind(first)) {
            let shown: Vec<String> = lists
                .iter()
                .map(|list| go_text(&Value::from(list.to_vec())))
                .collect();
            let shown = shown.join(" ");
            return Err(internal(format!(
                "list element types are not identical: [{shown}]"
            )));
        }
        Ok(if first.is_object() {
            Self::Maps
        } else {
            Self::Scalars
        })
    }
}

/// Place of the element whose `key` is `value`.
pub(super) fn find(items: &[Value], key: &str, value: &Value) -> Result<Option<usize>, Error> {
    for (at, item) in items.iter().enumerate() {
        let fields = item
            .as_object()
            .ok_or_else(|| internal(format!("value for key {at} is not a map")))?;
        if fields.get(key) == Some(value) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Carries out the directives among the elements of a patch: the list without what they delete,
/// and the patch without them.
pub(super) fn special_elements(
    mut old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in new {
        let Some(fields) = item.as_object() else {
            return Err(bad_type("map[string]interface {}", &item));
        };
        let Some(directive) = fields.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = fields.get(key).ok_or_else(|| no_merge_key(fields, key))?;
                while let Some(at) = find(&old, key, value)? {
                    old.remove(at);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => {
                let text = "merging lists cannot yet be specified in the patch";
                return Err(internal(text.to_owned()));
            }
            _ => return Err(bad_directive(directive, fields)),
        }
    }
    Ok(if replace {
        (plain, Vec::new())
    } else {
        (old, plain)
    })
}

/// Keeps the first of equal scalars. Quirk: later ones are overwritten by the last element.
pub(super) fn deduplicate(mut items: Vec<Value>) -> Vec<Value> {
    let mut i = 0;
    while i + 1 < items.len() {
        let mut j = i + 1;
        while j < items.len() {
            if items[i] == items[j] {
                items.swap_remove(j);
            } else {
                j += 1;
            }
        }
        i += 1;
    }
    items
}

/// Splits items into those that `by` has and the others.
pub(super) fn partition(
    items: Vec<Value>,
    by: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut listed, mut others) = (Vec::new(), Vec::new());
    for item in items {
        let found = if key.is_empty() {
            by.contains(&item)
        } else {
            let fields = item
                .as_object()
                .ok_or_else(|| bad_type("map[string]interface {}", &item))?;
            let value = fields.get(key).ok_or_else(|| no_merge_key(fields, key))?;
            find(by, key, value)?.is_some()
        };
        if found {
            listed.push(item);
        } else {
            others.push(item);
        }
    }
    Ok((listed, others))
}

/// Whether the patch's elements come in the order of its `$setElementOrder`, which must hold all.
pub(super) fn check_order(patch: &[Value], order: &[Value], key: &str) -> Result<(), Error> {
    if order.is_empty() || patch.is_empty() {
        return Ok(());
    }
    let mut items = Vec::new();
    for item in patch {
        if key.is_empty() {
            items.push(item);
            continue;
        }
        let fields = item
            .as_object()
            .ok_or_else(|| bad_type("map[string]interface {}", item))?;
        if !fields.contains_key(DIRECTIVE) {
            items.push(item);
        }
    }
    let identity = |item: &Value| {
        if key.is_empty() {
            return Ok(item.clone());
        }
        let fields = item
            .as_object()
            .ok_or_else(|| bad_type("map[string]interface {}", item))?;
        fields
            .get(key)
            .cloned()
            .ok_or_else(|| no_merge_key(fields, key))
    };
    let mut wanted = order.iter();
    for item in items {
        let mut found = false;
        for next in wanted.by_ref() {
            if identity(item)? == identity(next)? {
                found = true;
                break;
            }
        }
        if !found {
            let (patch, order) = (
                go_text(&Value::from(patch.to_vec())),
                go_text(&Value::from(order.to_vec())),
            );
            return Err(internal(format!(
                "The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n"
            )));
        }
    }
    Ok(())
}

/// The patch's items in `patch_order` and the server's in `server_order`, interleaved as the
/// server had them where that is known.
pub(super) fn normalize(
    patch: Vec<Value>,
    server: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
    elements: Elements,
) -> Result<Vec<Value>, Error> {
    let patch = sorted(patch, patch_order, key, elements)?;
    let server = sorted(server, server_order, key, elements)?;
    let mut out = Vec::with_capacity(patch.len() + server.len());
    let (mut patch, mut server) = (patch.into_iter().peekable(), server.into_iter().peekable());
    loop {
        let take_server = match (server.peek(), patch.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => {
                let left = place(server_order, left, key, elements);
                let right = place(server_order, right, key, elements);
                left.zip(right).is_some_and(|(left, right)| left < right)
            }
        };
        out.extend(if take_server {
            server.next()
        } else {
            patch.next()
        });
    }
}

fn place(order: &[Value], item: &Value, key: &str, elements: Elements) -> Option<usize> {
    let identity = |item: &Value| match elements {
        Elements::Maps => item.as_object().and_then(|fields| fields.get(key)).cloned(),
        Elements::Scalars => Some(item.clone()),
    };
    let wanted = identity(item);
    order.iter().position(|one| identity(one) == wanted)
}

/// Items in the given order; deletions come last.
pub(super) fn sorted(
    items: Vec<Value>,
    order: &[Value],
    key: &str,
    elements: Elements,
) -> Result<Vec<Value>, Error> {
    let mut deletions = Vec::new();
    let mut keep = Vec::new();
    if elements == Elements::Maps {
        for item in items.iter().chain(order) {
            let fields = item
                .as_object()
                .ok_or_else(|| bad_type("map[string]interface {}", item))?;
            if !fields.contains_key(key) {
                return Err(no_merge_key(fields, key));
            }
        }
    }
    for item in items {
        if item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
            deletions.push(item);
        } else {
            keep.push(item);
        }
    }
    keep.sort_by_cached_key(|item| place(order, item, key, elements));
    keep.append(&mut deletions);
    Ok(keep)
}
