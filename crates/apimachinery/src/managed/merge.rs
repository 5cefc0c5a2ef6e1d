//! Merging an applied object into the live one, and removing fields again.
//!
//! Source: sigs.k8s.io/structured-merge-diff `typed/merge.go`, `typed/remove.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::set::Set;
use super::typed::{Form, field_type, form, item_element};
use crate::types::{List, ListKind, Object, TypeRef};

/// `config` over `live`: no field goes, leaves of `config` win, lists keep the order of the live
/// object unless `config` orders them differently.
pub(super) fn merge(live: &Value, config: &Value, of: TypeRef<'_>) -> Value {
    both(live, config, of).unwrap_or(Value::Null)
}

/// `None` when nothing is left to write.
fn both(left: &Value, right: &Value, of: TypeRef<'_>) -> Option<Value> {
    match form(right, of) {
        Form::Scalar(_)
        | Form::Object(Object { atomic: true, .. })
        | Form::List(List {
            kind: ListKind::Atomic,
            ..
        }) => Some(right.clone()),
        Form::Object(_) => {
            let empty = Map::new();
            let lefts = left.as_object().unwrap_or(&empty);
            let rights = right.as_object().unwrap_or(&empty);
            if lefts.is_empty() && rights.is_empty() {
                return Some(right.clone());
            }
            let mut out = lefts.clone();
            for (name, right) in rights {
                let merged = match lefts.get(name) {
                    Some(left) => both(left, right, field_type(of, name)),
                    None => Some(right.clone()),
                };
                match merged {
                    Some(merged) => out.insert(name.clone(), merged),
                    None => out.remove(name),
                };
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Form::List(list) => {
            let lefts = left.as_array().map_or(&[][..], Vec::as_slice);
            let rights = right.as_array().map_or(&[][..], Vec::as_slice);
            if lefts.is_empty() && rights.is_empty() {
                return Some(right.clone());
            }
            let out = MergeLists::new(lefts, rights, list, of).run();
            (!out.is_empty()).then_some(Value::Array(out))
        }
    }
}

/// Two lists with named elements. Elements that are in one list only keep their place between
/// those in both, which come in the order of the right list.
struct MergeLists<'a> {
    lefts: Vec<(Element, &'a Value)>,
    rights: Vec<(Element, &'a Value)>,
    /// Elements by name; repeated ones of the live list read as null and are replaced.
    left_by: BTreeMap<Element, &'a Value>,
    right_names: BTreeSet<Element>,
    of: TypeRef<'a>,
    out: Vec<Value>,
}

impl<'a> MergeLists<'a> {
    fn new(lefts: &'a [Value], rights: &'a [Value], list: &List, of: TypeRef<'a>) -> Self {
        let named = |items: &'a [Value]| -> Vec<(Element, &'a Value)> {
            items
                .iter()
                .filter_map(|item| Some((item_element(list, item).ok()?, item)))
                .collect()
        };
        let lefts = named(lefts);
        let mut rights = named(rights);
        let mut right_names = BTreeSet::new();
        rights.retain(|(element, _)| right_names.insert(element.clone()));
        let mut left_by = BTreeMap::new();
        for (element, item) in &lefts {
            left_by
                .entry(element.clone())
                .and_modify(|one| *one = &Value::Null)
                .or_insert(*item);
        }
        Self {
            lefts,
            rights,
            left_by,
            right_names,
            of: of.to(list.element),
            out: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Value> {
        let lefts = std::mem::take(&mut self.lefts);
        let rights = std::mem::take(&mut self.rights);
        let mut shared = rights
            .iter()
            .map(|(element, _)| element)
            .filter(|element| self.left_by.contains_key(*element))
            .cloned()
            .collect::<Vec<_>>()
            .into_iter();
        let mut next_shared = shared.next();
        let mut merged: BTreeSet<&Element> = BTreeSet::new();
        let (mut l, mut r) = (0, 0);
        while l < lefts.len() || r < rights.len() {
            if let (Some((left, _)), Some((right, value))) = (lefts.get(l), rights.get(r)) {
                if left == right {
                    merged.insert(right);
                    self.take(right, value);
                    (l, r) = (l + 1, r + 1);
                    next_shared = shared.next();
                    continue;
                }
                if self.right_names.contains(left)
                    && next_shared.as_ref().is_some_and(|next| next != left)
                {
                    l += 1;
                    continue;
                }
            }
            if let Some((left, value)) = lefts.get(l) {
                if !self.right_names.contains(left) {
                    self.out.push((*value).clone());
                    l += 1;
                    continue;
                }
                if merged.contains(left) {
                    l += 1;
                }
            }
            if let Some((right, value)) = rights.get(r) {
                merged.insert(right);
                self.take(right, value);
                r += 1;
                if next_shared.as_ref() == Some(right) {
                    next_shared = shared.next();
                }
            }
        }
        self.out
    }

    fn take(&mut self, element: &Element, right: &Value) {
        let merged = match self.left_by.get(element) {
            Some(left) => both(left, right, self.of),
            None => Some(right.clone()),
        };
        self.out.extend(merged);
    }
}

/// A copy of `value` without the fields of `gone`. Objects and lists that become empty are null,
/// as upstream leaves them: ownership still sees them.
pub(super) fn remove(value: &Value, gone: &Set, of: TypeRef<'_>) -> Value {
    match form(value, of) {
        _ if gone.is_empty() => value.clone(),
        Form::Scalar(_) => value.clone(),
        Form::Object(Object { atomic: true, .. })
        | Form::List(List {
            kind: ListKind::Atomic,
            ..
        }) => Value::Null,
        Form::Object(_) => {
            let mut out = Map::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                let element = Element::field(name);
                if gone.has(&element) {
                    continue;
                }
                let kept = match gone.below(&element) {
                    Some(below) => remove(value, below, field_type(of, name)),
                    None => value.clone(),
                };
                out.insert(name.clone(), kept);
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Object(out)
            }
        }
        Form::List(list) => {
            let mut out = Vec::new();
            for item in value.as_array().into_iter().flatten() {
                let element = item_element(list, item).ok();
                if element.as_ref().is_some_and(|element| gone.has(element)) {
                    continue;
                }
                let below = element.as_ref().and_then(|element| gone.below(element));
                let kept = below.map(|below| remove(item, below, of.to(list.element)));
                // An element without its keys would be no element.
                out.extend(
                    Some(kept.unwrap_or_else(|| item.clone())).filter(|kept| !kept.is_null()),
                );
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Array(out)
            }
        }
    }
}
