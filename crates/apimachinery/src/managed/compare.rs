//! Which fields an object gained, lost and changed against another.
//!
//! Source: sigs.k8s.io/structured-merge-diff `typed/compare.go`. Elements of a list that occur
//! twice are compared as one value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::element::{Element, equal};
use super::set::Set;
use super::typed::{Form, field_type, form, item_element};
use crate::types::{Field, List, ListKind, Object, TypeRef, Zero};

/// The fields that differ; no path is in two of the sets.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

/// What happened to a value itself, apart from what is below it.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    removed: bool,
    modified: bool,
    added: bool,
}

impl Comparison {
    pub(super) fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Leaves out `ignored` paths and all below them.
    pub(super) fn without(self, ignored: &Set) -> Self {
        if ignored.is_empty() {
            return self;
        }
        Self {
            removed: self.removed.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            added: self.added.recursive_difference(ignored),
        }
    }

    fn add(&mut self, element: &Element, own: Own, below: Comparison) {
        self.removed
            .add(element.clone(), own.removed, below.removed);
        self.modified
            .add(element.clone(), own.modified, below.modified);
        self.added.add(element.clone(), own.added, below.added);
    }

    fn child(
        &mut self,
        element: &Element,
        left: Option<&Value>,
        right: Option<&Value>,
        of: TypeRef<'_>,
    ) {
        let mut below = Comparison::default();
        let own = walk(left, right, of, &mut below);
        self.add(element, own, below);
    }
}

/// Compares two objects of one type.
pub(super) fn compare(left: &Value, right: &Value, of: TypeRef<'_>) -> Comparison {
    let mut comparison = Comparison::default();
    walk(Some(left), Some(right), of, &mut comparison);
    comparison
}

fn walk(left: Option<&Value>, right: Option<&Value>, of: TypeRef<'_>, out: &mut Comparison) -> Own {
    let mut own = Own {
        removed: right.is_none(),
        added: left.is_none(),
        modified: false,
    };
    match (left, right) {
        (None, None) => return Own::default(),
        (Some(value), None) | (None, Some(value)) => {
            handle(form(value, of), left, right, of, out, &mut own);
        }
        (Some(l), Some(r)) => {
            let (form_l, form_r) = (form(l, of), form(r, of));
            if !form_l.same(form_r) {
                handle(form_l, left, right, of, out, &mut own);
            }
            handle(form_r, left, right, of, out, &mut own);
        }
    }
    own
}

fn handle(
    form: Form<'_>,
    left: Option<&Value>,
    right: Option<&Value>,
    of: TypeRef<'_>,
    out: &mut Comparison,
    own: &mut Own,
) {
    let empty_object = |value: Option<&Value>| {
        value
            .and_then(Value::as_object)
            .is_none_or(serde_json::Map::is_empty)
    };
    let empty_list =
        |value: Option<&Value>| value.and_then(Value::as_array).is_none_or(Vec::is_empty);
    let leaf = match form {
        Form::Scalar(_) => true,
        Form::Object(Object { atomic, .. }) => *atomic || empty_object(left) && empty_object(right),
        Form::List(List { kind, .. }) => {
            *kind == ListKind::Atomic || empty_list(left) && empty_list(right)
        }
    };
    match form {
        _ if leaf => {
            own.modified |= left
                .zip(right)
                .is_some_and(|(left, right)| !equal(left, right));
        }
        Form::Object(_) => fields(left, right, of, out),
        Form::List(list) => items(left, right, list, of, out),
        Form::Scalar(_) => {}
    }
}

/// The server's decoder fills in some fields, so where their object is, they are: see
/// [`Field::zero`].
fn fields(left: Option<&Value>, right: Option<&Value>, of: TypeRef<'_>, out: &mut Comparison) {
    let empty = Value::Object(serde_json::Map::new());
    let declared = of.object().map(|object| &object.fields);
    let zero = |field: &Field| match field.zero? {
        Zero::Object => Some(&empty),
        Zero::Null => Some(&Value::Null),
    };
    let left = left.and_then(Value::as_object);
    let right = right.and_then(Value::as_object);
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for fields in [left, right].into_iter().flatten() {
        names.extend(fields.keys().map(String::as_str));
    }
    if left.is_none() || right.is_none() {
        let filled = declared
            .into_iter()
            .flatten()
            .filter(|(_, field)| field.zero.is_some());
        names.extend(filled.map(|(name, _)| &**name));
    }
    for name in names {
        let filled = declared.and_then(|fields| fields.get(name)).and_then(zero);
        let left = left.and_then(|fields| fields.get(name).or(filled));
        let right = right.and_then(|fields| fields.get(name).or(filled));
        out.child(&Element::field(name), left, right, field_type(of, name));
    }
}

fn items(
    left: Option<&Value>,
    right: Option<&Value>,
    list: &List,
    of: TypeRef<'_>,
    out: &mut Comparison,
) {
    let group = |value: Option<&'_ Value>| {
        let mut groups: BTreeMap<Element, Vec<Value>> = BTreeMap::new();
        for item in value.and_then(Value::as_array).into_iter().flatten() {
            if let Ok(element) = item_element(list, item) {
                groups.entry(element).or_default().push(item.clone());
            }
        }
        groups
    };
    let (left, right) = (group(left), group(right));
    let of = of.to(list.element);
    let elements: BTreeSet<&Element> = left.keys().chain(right.keys()).collect();
    for element in elements {
        let of_left = left.get(element).map_or(&[][..], Vec::as_slice);
        let of_right = right.get(element).map_or(&[][..], Vec::as_slice);
        match (of_left, of_right) {
            ([] | [_], [] | [_]) => out.child(element, of_left.first(), of_right.first(), of),
            ([_, _, ..], [_, _, ..]) => {
                let same = of_left.len() == of_right.len()
                    && of_left
                        .iter()
                        .zip(of_right)
                        .all(|(left, right)| equal(left, right));
                out.add(
                    element,
                    Own {
                        modified: !same,
                        ..Own::default()
                    },
                    Comparison::default(),
                );
            }
            (_, [] | [_]) => {
                if let Some(item) = of_right.first() {
                    out.child(element, None, Some(item), of);
                }
                out.add(
                    element,
                    Own {
                        removed: true,
                        ..Own::default()
                    },
                    Comparison::default(),
                );
            }
            ([] | [_], _) => {
                if let Some(item) = of_left.first() {
                    out.child(element, Some(item), None, of);
                }
                out.add(
                    element,
                    Own {
                        added: true,
                        ..Own::default()
                    },
                    Comparison::default(),
                );
            }
        }
    }
}
