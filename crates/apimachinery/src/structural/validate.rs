//! Checking values against a schema, with kube-openapi's texts.
//!
//! In: a value, its schema, and for updates the value before. Out: field errors, properties in name order. A part of an object that
//! an update leaves as it was is not checked again (ratcheting), so that a tightened schema does not lock old objects. Rules in CEL
//! are evaluated elsewhere.
//!
//! Source: kube-openapi `pkg/validation/validate`, apiextensions `apiserver/validation` and `schema/listtype`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::formats;
use super::node::{Additional, Checks, Field, Node, Type};
use crate::field::{FieldError, Path, go_float, go_quote};

/// Errors of one schema, and how many of its checks were made: of several failed alternatives the one that got furthest is reported.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    n_checks: u32,
}

impl Outcome {
    fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.n_checks += other.n_checks;
    }

    fn composite(&mut self, text: String) {
        // The server's errors about combinations carry no field.
        self.errors
            .push(FieldError::invalid(&Path::nil(), "", text));
    }
}

/// Checks `value`; `old` is the value it replaces, if the two can be told to belong together.
pub(crate) fn validate(
    node: &Node,
    value: &Value,
    old: Option<&Value>,
    path: &Path,
) -> Vec<FieldError> {
    check(node, value, old, path).errors
}

fn check(node: &Node, value: &Value, old: Option<&Value>, path: &Path) -> Outcome {
    let mut out = Outcome::default();
    if old == Some(value) {
        return out;
    }
    if let Some(error) = type_error(node, value, path) {
        out.errors.push(error);
    }
    out.n_checks += 1;
    if node.kind == Type::Integer && value.is_number() {
        out.errors.extend(range_error(node, value, path));
    }
    if let Some(checks) = node.checks.as_deref() {
        if !value.is_null() {
            combinations(checks, value, path, &mut out);
            scalars(node, checks, value, path, &mut out);
        }
        enumeration(checks, value, path, &mut out);
    }
    match value {
        Value::Array(list) => array(node, list, old, path, &mut out),
        Value::Object(map) => object(node, map, old, path, &mut out),
        _ => {}
    }
    out.n_checks += 1;
    out
}

fn type_name(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "double"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

fn type_error(node: &Node, value: &Value, path: &Path) -> Option<FieldError> {
    let expected = if node.int_or_string {
        "integer,string"
    } else {
        node.kind.as_str()
    };
    if expected.is_empty() {
        return None;
    }
    let (found, found_format) = type_name(value);
    let wrong = |expected: &str, found: &str| {
        Some(FieldError::type_invalid(
            path,
            found,
            format!(
                "{path} in body must be of type {expected}: {}",
                go_quote(found)
            ),
        ))
    };
    if value.is_null() {
        return if node.nullable {
            None
        } else {
            wrong(expected, found)
        };
    }
    let takes = |name: &str| {
        expected == name || (node.int_or_string && matches!(name, "integer" | "string"))
    };
    let integral = found == "number" && value.as_f64().is_some_and(|float| float.fract() == 0.0);
    let fits =
        takes(found) || (integral && takes("integer")) || (found == "integer" && takes("number"));
    let format = format_of(node);
    let textual = value.is_string() || value.is_array();
    if !textual && !format.is_empty() && !fits && found_format != format {
        return wrong(format, found_format);
    }
    let numeric = takes("number") || takes("integer");
    if fits || (textual && !numeric && !format.is_empty()) {
        None
    } else {
        wrong(expected, found)
    }
}

/// The format keyword, where Kubernetes supports it on the node's type.
fn format_of(node: &Node) -> &str {
    let format = node
        .checks
        .as_deref()
        .map_or("", |checks| checks.format.as_str());
    let supported = match node.kind {
        Type::None | Type::String => formats::is_known(format),
        Type::Integer => matches!(format, "int32" | "int64"),
        Type::Number => matches!(format, "float" | "double"),
        _ => false,
    };
    if supported { format } else { "" }
}

fn scalars(node: &Node, checks: &Checks, value: &Value, path: &Path, out: &mut Outcome) {
    match value {
        Value::String(text) => {
            if let Some(error) = string_error(checks, text, path) {
                out.errors.push(error);
            }
            let format = format_of(node);
            if !format.is_empty()
                && matches!(node.kind, Type::String | Type::None)
                && !formats::matches(format, text)
            {
                let detail = format!(
                    "{path} in body must be of type {format}: {}",
                    go_quote(text)
                );
                out.errors
                    .push(FieldError::type_invalid(path, text.as_str(), detail));
            }
            out.n_checks += 1;
        }
        Value::Number(_) => {
            number(checks, value, path, out);
            out.n_checks += 1;
        }
        _ => {}
    }
}

/// The first rule a string breaks.
fn string_error(checks: &Checks, text: &str, path: &Path) -> Option<FieldError> {
    let n_chars = text.chars().count() as i64;
    if let Some(max) = checks.max_length.filter(|max| n_chars > *max) {
        return Some(FieldError::too_long(path, max));
    }
    if let Some(min) = checks.min_length.filter(|min| n_chars < *min) {
        let detail = format!("{path} in body should be at least {min} chars long");
        return Some(FieldError::invalid(path, text, detail));
    }
    let pattern = checks.pattern.as_deref()?;
    // A pattern that is no expression is refused with the CRD; on an object that has it, it matches nothing.
    let matches = pattern.regex().is_ok_and(|regex| regex.is_match(text));
    (!matches).then(|| {
        FieldError::invalid(
            path,
            text,
            format!("{path} in body should match '{}'", pattern.source),
        )
    })
}

fn number(checks: &Checks, value: &Value, path: &Path, out: &mut Outcome) {
    let Some(float) = value.as_f64() else { return };
    // Integers are compared as integers, with the boundary cut to one, as the server does.
    let over = |boundary: f64| match value.as_i64() {
        Some(integer) => integer.cmp(&(boundary as i64)),
        None => float.total_cmp(&boundary),
    };
    let shown = |boundary: f64| {
        if value.is_i64() {
            (boundary as i64).to_string()
        } else {
            go_float(boundary)
        }
    };
    let mut fail = |text: String| {
        out.errors.push(FieldError::invalid(
            path,
            value.clone(),
            format!("{path} in body {text}"),
        ));
    };
    if let Some(factor) = checks.multiple_of {
        let multiple = match value.as_i64() {
            Some(integer) if factor as i64 > 0 => integer % factor as i64 == 0,
            _ => factor > 0.0 && (float / factor).fract() == 0.0,
        };
        if !multiple {
            fail(format!("should be a multiple of {}", shown(factor)));
        }
    }
    if let Some(max) = checks.maximum {
        match (over(max), checks.exclusive_maximum) {
            (order, true) if order.is_ge() => fail(format!("should be less than {}", shown(max))),
            (order, false) if order.is_gt() => {
                fail(format!("should be less than or equal to {}", shown(max)));
            }
            _ => {}
        }
    }
    if let Some(min) = checks.minimum {
        match (over(min), checks.exclusive_minimum) {
            (order, true) if order.is_le() => {
                fail(format!("should be greater than {}", shown(min)));
            }
            (order, false) if order.is_lt() => {
                fail(format!("should be greater than or equal to {}", shown(min)));
            }
            _ => {}
        }
    }
}

/// A number that the integer type of the schema cannot hold.
fn range_error(node: &Node, value: &Value, path: &Path) -> Option<FieldError> {
    let format = format_of(node);
    let fits = match value.as_i64() {
        Some(integer) => format != "int32" || i32::try_from(integer).is_ok(),
        None => value
            .as_f64()
            .is_some_and(|float| float.fract() == 0.0 && float.abs() < 9.2e18),
    };
    let form = if format.is_empty() {
        "(default format)".to_owned()
    } else {
        format!("with format {format}")
    };
    let text = format!("Checked value must be of type integer {form} in {path}");
    (!fits).then(|| FieldError::invalid(&Path::nil(), "", text))
}

fn enumeration(checks: &Checks, value: &Value, path: &Path, out: &mut Outcome) {
    if checks.enumeration.is_empty() {
        return;
    }
    let equal = |allowed: &Value| {
        allowed == value
            || (allowed.is_number() && value.is_number() && allowed.as_f64() == value.as_f64())
    };
    if !checks.enumeration.iter().any(equal) {
        let text = |allowed: &Value| {
            allowed
                .as_str()
                .map_or_else(|| allowed.to_string(), str::to_owned)
        };
        let supported: Vec<String> = checks.enumeration.iter().map(text).collect();
        out.errors
            .push(FieldError::not_supported(path, value.clone(), &supported));
    }
    out.n_checks += 1;
}

fn combinations(checks: &Checks, value: &Value, path: &Path, out: &mut Outcome) {
    let at = go_quote(path.as_str());
    if !checks.any_of.is_empty() {
        let outcomes: Vec<Outcome> = checks
            .any_of
            .iter()
            .map(|node| check(node, value, None, path))
            .collect();
        if !outcomes.iter().any(|outcome| outcome.errors.is_empty()) {
            out.composite(format!("{at} must validate at least one schema (anyOf)"));
            out.merge(furthest(outcomes));
        }
    }
    if !checks.one_of.is_empty() {
        let outcomes: Vec<Outcome> = checks
            .one_of
            .iter()
            .map(|node| check(node, value, None, path))
            .collect();
        match outcomes
            .iter()
            .filter(|outcome| outcome.errors.is_empty())
            .count()
        {
            1 => {}
            0 => {
                out.composite(format!(
                    "{at} must validate one and only one schema (oneOf). Found none valid"
                ));
                out.merge(furthest(outcomes));
            }
            n => out.composite(format!(
                "{at} must validate one and only one schema (oneOf). Found {n} valid alternatives"
            )),
        }
    }
    if !checks.all_of.is_empty() {
        let mut n_valid = 0;
        for node in &checks.all_of {
            let outcome = check(node, value, None, path);
            n_valid += usize::from(outcome.errors.is_empty());
            out.merge(outcome);
        }
        if n_valid != checks.all_of.len() {
            let none = if n_valid == 0 { ". None validated" } else { "" };
            out.composite(format!("{at} must validate all the schemas (allOf){none}"));
        }
    }
    if let Some(node) = checks.not.as_deref()
        && check(node, value, None, path).errors.is_empty()
    {
        out.composite(format!("{at} must not validate the schema (not)"));
    }
}

fn furthest(outcomes: Vec<Outcome>) -> Outcome {
    let mut best = Outcome::default();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if index == 0 || outcome.n_checks > best.n_checks {
            best = outcome;
        }
    }
    best
}

fn array(node: &Node, list: &[Value], old: Option<&Value>, path: &Path, out: &mut Outcome) {
    if let Some(items) = node.items.as_deref() {
        let before = old.and_then(Value::as_array).zip(node.map_keys());
        for (index, item) in list.iter().enumerate() {
            let old_item = before.and_then(|(olds, keys)| {
                olds.iter()
                    .find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
            });
            out.merge(check(items, item, old_item, &path.index(index)));
        }
    }
    let Some(checks) = node.checks.as_deref() else {
        return;
    };
    if let Some(min) = checks.min_items.filter(|min| (list.len() as i64) < *min) {
        let detail = format!("{path} in body should have at least {min} items");
        out.errors
            .push(FieldError::invalid(path, list.len(), detail));
    }
    if let Some(max) = checks.max_items.filter(|max| list.len() as i64 > *max) {
        out.errors.push(FieldError::too_many(path, list.len(), max));
    }
    if checks.unique_items && (1..list.len()).any(|at| list[..at].contains(&list[at])) {
        let detail = format!("{path} in body shouldn't contain duplicates");
        out.errors.push(FieldError::invalid(path, "", detail));
    }
}

fn object(
    node: &Node,
    map: &Map<String, Value>,
    old: Option<&Value>,
    path: &Path,
    out: &mut Outcome,
) {
    let checks = node.checks.as_deref();
    if let Some(checks) = checks {
        if let Some(min) = checks
            .min_properties
            .filter(|min| (map.len() as i64) < *min)
        {
            let detail = format!("{path} in body should have at least {min} properties");
            out.errors
                .push(FieldError::invalid(path, map.len(), detail));
        }
        if let Some(max) = checks.max_properties.filter(|max| map.len() as i64 > *max) {
            out.errors.push(FieldError::too_many(path, map.len(), max));
        }
    }
    for (key, value) in map {
        match node.field(key) {
            Field::Schema(child) => {
                let old = old.and_then(|old| old.get(key));
                out.merge(check(child, value, old, &path.child(key)));
            }
            Field::Unrestricted if matches!(node.additional, Some(Additional::Bool(false))) => {
                let detail = format!("{path}.{key} in body is a forbidden property");
                out.errors.push(FieldError::invalid(path, "", detail));
            }
            _ => {}
        }
    }
    for name in checks.iter().flat_map(|checks| &checks.required) {
        if !map.contains_key(name) {
            out.errors.push(FieldError::required(&path.child(name), ""));
        }
    }
}

/// Checks that sets have no repeated entries and list-maps no repeated keys.
pub(crate) fn lists(node: &Node, value: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(child) = node.properties.get(key) {
                    lists(child, value, &path.child(key), errors);
                } else if let Some(Additional::Schema(child)) = &node.additional {
                    lists(child, value, &path.key(key), errors);
                }
            }
        }
        Value::Array(list) => {
            match node
                .topology
                .as_deref()
                .and_then(|topology| topology.list_type.as_deref())
            {
                Some("set") => {
                    let repeats = repeated(list.iter().cloned());
                    errors.extend(
                        repeats
                            .into_iter()
                            .map(|(at, value)| FieldError::duplicate(&path.index(at), value)),
                    );
                }
                Some("map") => list_map(node.map_keys().unwrap_or_default(), list, path, errors),
                _ => {}
            }
            let Some(items) = node.items.as_deref() else {
                return;
            };
            for (index, item) in list.iter().enumerate() {
                lists(items, item, &path.index(index), errors);
            }
        }
        _ => {}
    }
}

fn list_map(keys: &[String], list: &[Value], path: &Path, errors: &mut Vec<FieldError>) {
    if let Some(at) = list
        .iter()
        .position(|item| !item.is_object() && !item.is_null())
    {
        let detail = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(
            &path.index(at),
            list[at].clone(),
            detail,
        ));
        return;
    }
    let key_of = |item: &Value| -> Value {
        keys.iter()
            .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
            .collect::<Map<String, Value>>()
            .into()
    };
    let repeats = repeated(list.iter().map(key_of));
    errors.extend(
        repeats
            .into_iter()
            .map(|(at, key)| FieldError::duplicate(&path.index(at), key)),
    );
}

/// The second occurrence of each repeated value, with its index.
fn repeated(values: impl Iterator<Item = Value>) -> Vec<(usize, Value)> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut repeats = Vec::new();
    for (at, value) in values.enumerate() {
        let times = seen.entry(json!(value).to_string()).or_default();
        *times += 1;
        if *times == 2 {
            repeats.push((at, value));
        }
    }
    repeats
}
