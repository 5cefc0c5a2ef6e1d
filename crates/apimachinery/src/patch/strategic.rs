//! Strategic merge patch: a merge patch that knows the lists of built-in types.
//!
//! Source: k8s.io/apimachinery `pkg/util/strategicpatch/patch.go` (`StrategicMergeMapPatch`); error
//! texts are upstream's. Directives: `$patch: delete|replace`, `$deleteFromPrimitiveList/<field>`,
//! `$setElementOrder/<field>`, `$retainKeys`. Unlike upstream, fields are taken in order of their
//! names, and lists that hold null are refused instead of crashing.

use serde_json::{Map, Value};

use super::Error;
use super::lists::{self, Elements};
use crate::gotext::go_text;
use crate::names::quote;
use crate::types::{Strategy, TypeRef};

pub(super) const DIRECTIVE: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const DELETE_FROM: &str = "$deleteFromPrimitiveList";
pub(super) const ELEMENT_ORDER: &str = "$setElementOrder";

pub(super) type Fields = Map<String, Value>;

/// Applies a strategic merge patch to an object of a built-in kind. `of` is `None` for custom
/// resources, which have no strategies: [`Error::NoStrategy`].
pub fn strategic_merge_patch(
    object: &Value,
    patch: &Value,
    of: Option<TypeRef<'_>>,
) -> Result<Value, Error> {
    let of = of.ok_or(Error::NoStrategy)?;
    let bad = || Error::Decode("invalid JSON document".to_owned());
    let object = object.as_object().ok_or_else(bad)?.clone();
    let patch = patch.as_object().ok_or_else(bad)?.clone();
    let at = At {
        of,
        mode: Mode::Apply,
    };
    merge_map(object, patch, at).map(Value::Object)
}

pub(super) fn internal(text: String) -> Error {
    Error::Internal(text)
}

fn decode(text: &str) -> Error {
    Error::Decode(text.to_owned())
}

/// Go's name of a value's type, as errors print it.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

pub(super) fn bad_type(expected: &str, found: &Value) -> Error {
    internal(format!(
        "expected a {expected}, but received a {}",
        go_type(found)
    ))
}

pub(super) fn no_merge_key(fields: &Fields, key: &str) -> Error {
    let shown = go_text(&Value::Object(fields.clone()));
    internal(format!(
        "map: {shown} does not contain declared merge key: {key}"
    ))
}

pub(super) fn bad_directive(directive: &Value, fields: &Fields) -> Error {
    let shown = go_text(&Value::Object(fields.clone()));
    // Go's %s of something that is no text.
    let directive = match directive {
        Value::Null => "%!s(<nil>)".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("%!s({}={directive})", go_type(directive)),
        other => go_text(other),
    };
    internal(format!("unknown patch type: {directive} in map: {shown}"))
}

/// What a merge makes of directives and nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A patch is merged into an object: they are carried out.
    Apply,
    /// A patch is merged into another patch: they stay.
    Combine,
}

/// Where a merge is.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) of: TypeRef<'a>,
    pub(super) mode: Mode,
}

impl<'a> At<'a> {
    fn field(self, name: &str) -> Result<(Self, &'a Strategy), Error> {
        let (of, strategy) = lookup(self.of, name)?;
        Ok((Self { of, ..self }, strategy))
    }

    fn element(self) -> Self {
        Self {
            of: element_of(self.of),
            ..self
        }
    }
}

/// The type of a list's elements.
pub(super) fn element_of(of: TypeRef<'_>) -> TypeRef<'_> {
    of.list().map_or(of, |list| of.to(list.element))
}

/// The type and strategy of a field.
pub(super) fn lookup<'a>(
    of: TypeRef<'a>,
    name: &str,
) -> Result<(TypeRef<'a>, &'a Strategy), Error> {
    if let Some(field) = of.declared(name) {
        return Ok((of.to(field.of), &field.strategy));
    }
    let is_struct = of.object().is_some_and(|object| !object.fields.is_empty());
    Err(internal(if is_struct {
        let holder = of.get().name.as_deref().unwrap_or("");
        let holder = holder.rsplit('.').next().unwrap_or("");
        format!(
            "unable to find api field in struct {holder} for the json field {}",
            quote(name)
        )
    } else {
        let kind = if of.object().is_some() {
            "map"
        } else {
            "string"
        };
        format!("merging an object in json but data type is not struct, instead is: {kind}")
    }))
}

/// Merges a patch into an object, or into another patch.
pub(super) fn merge_map(
    mut original: Fields,
    mut patch: Fields,
    at: At<'_>,
) -> Result<Fields, Error> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Fields::new()),
            _ => Err(bad_directive(directive, &patch)),
        };
    }
    match at.mode {
        Mode::Apply => apply_retain_keys(&mut original, &mut patch)?,
        Mode::Combine => combine_retain_keys(&mut original, &mut patch)?,
    }
    apply_element_orders(&mut original, &mut patch, at)?;
    for (name, value) in patch {
        if at.mode == Mode::Combine && name.starts_with(DELETE_FROM) {
            original.insert(name, value);
            continue;
        }
        let (name, deletes) = match name.strip_prefix(DELETE_FROM) {
            None => (name.as_str(), false),
            Some(rest) => match rest.strip_prefix('/') {
                Some(field) => (field, true),
                None => return Err(decode("invalid patch format of primitive list")),
            },
        };
        merge_field(&mut original, name, value, deletes, at)?;
    }
    Ok(original)
}

fn merge_field(
    original: &mut Fields,
    name: &str,
    change: Value,
    deletes: bool,
    at: At<'_>,
) -> Result<(), Error> {
    if change.is_null() {
        original.remove(name);
        if at.mode == Mode::Combine {
            original.insert(name.to_owned(), Value::Null);
        }
        return Ok(());
    }
    let merged = match (original.remove(name), change) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let (at, strategy) = at.field(name)?;
            let merged = if strategy.replace {
                new
            } else {
                merge_map(old, new, at)?
            };
            Some(Value::Object(merged))
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let (at, strategy) = at.field(name)?;
            Some(Value::Array(merge_list(old, new, at, strategy, deletes)?))
        }
        (old, _) if deletes => old,
        (_, mut new) => {
            if at.mode == Mode::Apply {
                discard_nulls(&mut new);
            }
            without_directives(new)
        }
    };
    if let Some(merged) = merged {
        original.insert(name.to_owned(), merged);
    }
    Ok(())
}

/// `$retainKeys`: the only fields that stay.
fn apply_retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), Error> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let malformed = || decode("invalid patch format of retainKeys");
    let keys = directive.as_array().ok_or_else(malformed)?;
    let retained = |name: &str| keys.iter().any(|key| key == name);
    let unlisted = patch.iter().any(|(name, value)| {
        !value.is_null()
            && !name.starts_with(DELETE_FROM)
            && !name.starts_with(ELEMENT_ORDER)
            && !retained(name)
    });
    if unlisted {
        return Err(malformed());
    }
    original.retain(|name, _| retained(name));
    Ok(())
}

/// `$retainKeys` of two patches must be the same.
fn combine_retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), Error> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    match original.get(RETAIN_KEYS) {
        Some(other) if *other != directive => Err(internal(format!(
            "{} and {} are not deep equal: this may happen when calculating the 3-way diff patch",
            go_text(other),
            go_text(&directive)
        ))),
        _ => {
            original.insert(RETAIN_KEYS.to_owned(), directive);
            Ok(())
        }
    }
}

/// `$setElementOrder/<field>`: merges that list and puts it in the wanted order; what only the
/// server has keeps its place as well as it can.
fn apply_element_orders(
    original: &mut Fields,
    patch: &mut Fields,
    at: At<'_>,
) -> Result<(), Error> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => return Err(bad_type("[]interface {}", &other.unwrap_or(Value::Null))),
        };
        if at.mode == Mode::Combine {
            let wanted = Value::Array(order.clone());
            if original
                .get(&directive)
                .is_some_and(|other| *other != wanted)
            {
                return Err(decode("invalid patch format of setElementOrder list"));
            }
            original.insert(directive.clone(), wanted);
        }
        let name = directive
            .strip_prefix(ELEMENT_ORDER)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| decode("invalid patch format of setElementOrder list"))?;
        let list = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(bad_type("[]interface {}", other)),
        };
        let old = list(original.get(name))?;
        let new = list(patch.get(name))?;
        let (at, strategy) = at.field(name)?;
        let key = strategy.merge_key.as_deref().unwrap_or("");
        lists::check_order(new.as_deref().unwrap_or(&[]), &order, key)?;
        let merged = match (&old, &new) {
            (None, None) => continue,
            (Some(old), None) => old.clone(),
            (None, Some(new)) => new
                .iter()
                .filter_map(|item| without_directives(item.clone()))
                .collect(),
            (Some(old), Some(new)) => merge_list(old.clone(), new.clone(), at, strategy, false)?,
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let (wanted, others) = lists::partition(merged, &order, key)?;
        let elements = Elements::of(&[&old, &new])?;
        let ordered = lists::normalize(wanted, others, &order, &old, key, elements)?;
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.remove(name);
    }
    Ok(())
}

fn merge_list(
    old: Vec<Value>,
    new: Vec<Value>,
    at: At<'_>,
    strategy: &Strategy,
    deletes: bool,
) -> Result<Vec<Value>, Error> {
    if !strategy.merge && !deletes {
        return Ok(new);
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let key = strategy.merge_key.as_deref().unwrap_or("");
    let elements = Elements::of(&[&old, &new])?;
    let (old, new, merged) = match elements {
        Elements::Scalars if deletes && at.mode == Mode::Apply => {
            return Ok(old.into_iter().filter(|item| !new.contains(item)).collect());
        }
        Elements::Scalars => {
            let both = old.iter().chain(&new).cloned().collect();
            (old, new, lists::deduplicate(both))
        }
        Elements::Maps if key.is_empty() => {
            return Err(internal(
                "cannot merge lists without merge key for struct".to_owned(),
            ));
        }
        Elements::Maps => {
            let (old, new) = lists::special_elements(old, new, key)?;
            let merged = merge_elements(old.clone(), &new, key, at.element())?;
            (old, new, merged)
        }
    };
    let (wanted, others) = lists::partition(merged, &new, key)?;
    lists::normalize(wanted, others, &new, &old, key, elements)
}

fn merge_elements(
    mut old: Vec<Value>,
    new: &[Value],
    key: &str,
    at: At<'_>,
) -> Result<Vec<Value>, Error> {
    for item in new {
        let fields = item
            .as_object()
            .ok_or_else(|| bad_type("map[string]interface {}", item))?;
        let value = fields.get(key).ok_or_else(|| no_merge_key(fields, key))?;
        match lists::find(&old, key, value)? {
            None => old.push(item.clone()),
            Some(place) => {
                if let Value::Object(found) = std::mem::take(&mut old[place]) {
                    old[place] = Value::Object(merge_map(found, fields.clone(), at)?);
                }
            }
        }
    }
    Ok(old)
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// A value that is added as a whole, without the objects that are directives.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            if fields.contains_key(DIRECTIVE) {
                return None;
            }
            let fields = fields.into_iter();
            Some(
                fields
                    .filter_map(|(name, value)| Some((name, without_directives(value)?)))
                    .collect(),
            )
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}
