//! Values seen through their type: which form a value takes, what identifies list elements, the
//! set of fields an object mentions, and whether an applied object fits its type at all.
//!
//! Source: sigs.k8s.io/structured-merge-diff `typed/helpers.go`, `tofieldset.go`, `validate.go`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::element::Element;
use super::set::Set;
use crate::gotext::{go_syntax, go_text};
use crate::names::quote;
use crate::types::{List, ListKind, Object, Scalar, TypeRef};

/// Which of the forms of a type a value is handled as.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Object(&'a Object),
    Scalar(Scalar),
    List(&'a List),
}

impl Form<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Object(_) => 0,
            Self::Scalar(_) => 1,
            Self::List(_) => 2,
        }
    }

    pub(super) fn same(self, other: Self) -> bool {
        self.rank() == other.rank()
    }
}

/// The form of a value: its own where the type allows it, else the first that the type allows.
pub(super) fn form<'a>(value: &Value, of: TypeRef<'a>) -> Form<'a> {
    let node = of.get();
    let own = match value {
        Value::Null => None,
        Value::Array(_) => node.list.as_ref().map(Form::List),
        Value::Object(_) => node.object.as_ref().map(Form::Object),
        _ => node.scalar.map(Form::Scalar),
    };
    own.or(node.object.as_ref().map(Form::Object))
        .or(node.scalar.map(Form::Scalar))
        .or(node.list.as_ref().map(Form::List))
        .unwrap_or(Form::Scalar(Scalar::Untyped))
}

/// The type of a field; fields that the type does not have are deduced.
pub(super) fn field_type<'a>(of: TypeRef<'a>, name: &str) -> TypeRef<'a> {
    of.field(name).unwrap_or_else(|| of.types().deduced())
}

/// What identifies an element of a set or map list; the error is upstream's sentence.
pub(super) fn item_element(list: &List, item: &Value) -> Result<Element, String> {
    match &list.kind {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            Value::Null => Err(
                "associative list without keys has an element that's an explicit null".to_owned(),
            ),
            scalar => Ok(Element::Value(scalar.clone())),
        },
        ListKind::Map(keys) => {
            let fields = match item {
                Value::Object(fields) => fields,
                Value::Null => {
                    return Err("associative list with keys may not have a null element".to_owned());
                }
                _ => {
                    return Err(
                        "associative list with keys may not have non-map elements".to_owned()
                    );
                }
            };
            let mut found: Vec<(Box<str>, Value)> = keys
                .iter()
                .filter_map(|key| {
                    let value = fields.get(&*key.name).or(key.default.as_ref())?;
                    Some((Box::from(&*key.name), value.clone()))
                })
                .collect();
            if found.is_empty() {
                let names: Vec<String> = keys.iter().map(|key| quote(&key.name)).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] \
                     (and doesn't have default values for any key fields)",
                    names.join(" ")
                ));
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(Element::Key(found))
        }
    }
}

/// The fields that an object mentions. The root itself is never a member.
pub(super) fn field_set(value: &Value, of: TypeRef<'_>) -> Set {
    let mut set = Set::default();
    mentioned(value, of, &mut set);
    set
}

/// Collects what lies below a value; returns whether the value itself is a member.
fn mentioned(value: &Value, of: TypeRef<'_>, set: &mut Set) -> bool {
    match form(value, of) {
        Form::Scalar(_)
        | Form::Object(Object { atomic: true, .. })
        | Form::List(List {
            kind: ListKind::Atomic,
            ..
        }) => true,
        Form::Object(object) => {
            for (name, value) in value.as_object().into_iter().flatten() {
                let mut below = Set::default();
                let leaf = mentioned(value, field_type(of, name), &mut below);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                let declared = object.fields.contains_key(name.as_str());
                set.add(Element::field(name), leaf || empty || !declared, below);
            }
            false
        }
        Form::List(list) => {
            mentioned_items(value, list, of, set);
            false
        }
    }
}

fn mentioned_items(value: &Value, list: &List, of: TypeRef<'_>, set: &mut Set) {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    let named: Vec<(Element, &Value)> = items
        .iter()
        .filter_map(|item| Some((item_element(list, item).ok()?, item)))
        .collect();
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for (element, _) in &named {
        if !seen.insert(element) {
            repeated.insert(element);
        }
    }
    for (element, item) in &named {
        // Elements that occur twice are owned as a whole only.
        let mut below = Set::default();
        if !repeated.contains(element) {
            mentioned(item, of.to(list.element), &mut below);
        }
        set.add(element.clone(), true, below);
    }
}

/// What is wrong with an applied object; empty when it fits its type.
///
/// The text is upstream's: one problem is `path: problem`, several are a list.
pub(super) fn problems(value: &Value, of: TypeRef<'_>) -> Option<String> {
    let mut found = Vec::new();
    validate(value, of, &mut String::new(), &mut found);
    match found.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn report(found: &mut Vec<String>, path: &str, problem: &str) {
    let colon = if path.is_empty() { "" } else { ": " };
    found.push(format!("{path}{colon}{problem}"));
}

fn validate(value: &Value, of: TypeRef<'_>, path: &mut String, found: &mut Vec<String>) {
    match (form(value, of), value) {
        (_, Value::Null) => {}
        (Form::Object(_), Value::Object(fields)) => {
            for (name, value) in fields {
                let length = path.len();
                let _ = write!(path, ".{name}");
                let field = of.field(name);
                match field {
                    Some(field) => validate(value, field, path, found),
                    None => report(found, path, "field not declared in schema"),
                }
                path.truncate(length);
                // Upstream stops at the first such field of an object.
                if field.is_none() {
                    return;
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            validate_items(items, list, of, path, found);
        }
        (Form::Object(_), other) => {
            report(
                found,
                path,
                &format!("expected map, got &{{{}}}", go_text(other)),
            );
        }
        (Form::List(_), other) => {
            report(
                found,
                path,
                &format!("expected list, got &{{{}}}", go_text(other)),
            );
        }
        (Form::Scalar(scalar), value) => {
            if let Some(problem) = scalar_problem(scalar, value) {
                report(found, path, &problem);
            }
        }
    }
}

fn validate_items(
    items: &[Value],
    list: &List,
    of: TypeRef<'_>,
    path: &mut String,
    found: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let element = if list.kind == ListKind::Atomic {
            Element::Index(index as i64)
        } else {
            match item_element(list, item) {
                Ok(element) => element,
                Err(problem) => {
                    report(found, path, &format!("element {index}: {problem}"));
                    return;
                }
            }
        };
        let length = path.len();
        let _ = write!(path, "{element}");
        validate(item, of.to(list.element), path, found);
        path.truncate(length);
        let text = element.to_string();
        if !seen.insert(element) {
            report(found, path, &format!("duplicate entries for key {text}"));
        }
    }
}

fn scalar_problem(scalar: Scalar, value: &Value) -> Option<String> {
    let is_scalar = !value.is_object() && !value.is_array();
    match scalar {
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => (!value.is_number()).then(|| {
            let kind = match value {
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                Value::Array(_) => "[]interface {}",
                _ => "map[string]interface {}",
            };
            format!("expected numeric (int or float), got {kind}")
        }),
        Scalar::String | Scalar::Bytes => (!value.is_string()).then(|| {
            let shown = go_syntax(value);
            format!("expected string, got &value.valueUnstructured{{Value:{shown}}}")
        }),
        Scalar::Boolean => {
            (!value.is_boolean()).then(|| format!("expected boolean, got &{{{}}}", go_text(value)))
        }
        Scalar::Untyped | Scalar::Time | Scalar::Quantity | Scalar::IntOrString => {
            (!is_scalar).then(|| format!("expected any scalar, got &{{{}}}", go_text(value)))
        }
    }
}
