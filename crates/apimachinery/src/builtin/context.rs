//! Where checks put what they find, and the checks that many kinds share.

use serde_json::{Map, Value};

use crate::field::{FieldError, Path};
use crate::names::{check_dns_label, check_label_key, check_label_value};
use crate::selectors::LabelSelector;

pub(super) const IMMUTABLE: &str = "field is immutable";

/// The string at a JSON pointer, empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list at a JSON pointer, empty when there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The map at a JSON pointer, as pairs.
pub(super) fn pairs<'a>(
    object: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The value at a JSON pointer, null when there is none.
pub(super) fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// Errors found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<FieldError>,
}

impl Findings {
    pub(super) fn required(&mut self, path: &Path, why: &str) {
        self.errors.push(FieldError::required(path, why));
    }

    pub(super) fn invalid(&mut self, path: &Path, value: impl Into<Value>, why: impl Into<String>) {
        self.errors.push(FieldError::invalid(path, value, why));
    }

    pub(super) fn forbidden(&mut self, path: &Path, why: &str) {
        self.errors.push(FieldError::forbidden(path, why));
    }

    /// One error per complaint about `value`.
    pub(super) fn complaints(&mut self, path: &Path, value: &str, complaints: Vec<String>) {
        for complaint in complaints {
            self.invalid(path, value, complaint);
        }
    }

    /// The string at `key` must be given.
    pub(super) fn text_required(&mut self, object: &Value, key: &str, path: &Path) {
        if object[key].as_str().unwrap_or_default().is_empty() {
            self.required(&path.child(key), "");
        }
    }

    /// The string at `key`, if given, must be one of `words`, which are sorted.
    pub(super) fn one_of(&mut self, object: &Value, key: &str, words: &[&str], path: &Path) {
        let word = object[key].as_str().unwrap_or_default();
        if !word.is_empty() && !words.contains(&word) {
            self.errors
                .push(FieldError::not_supported(&path.child(key), word, words));
        }
    }

    /// Numbers at `keys` must not be negative.
    pub(super) fn non_negative(&mut self, object: &Value, keys: &[&str], path: &Path) {
        for key in keys {
            if let Some(number) = object[*key].as_i64().filter(|number| *number < 0) {
                self.invalid(
                    &path.child(key),
                    number,
                    "must be greater than or equal to 0",
                );
            }
        }
    }

    /// A port number.
    pub(super) fn port(&mut self, port: &Value, path: &Path) {
        let number = port.as_i64().unwrap_or_default();
        if !(1..=65_535).contains(&number) {
            self.invalid(path, number, "must be between 1 and 65535, inclusive");
        }
    }

    /// A field that an update may not change.
    pub(super) fn immutable(&mut self, new: &Value, old: &Value, path: &Path) {
        if new != old {
            self.invalid(path, new.clone(), IMMUTABLE);
        }
    }

    pub(super) fn dns_label(&mut self, name: &str, path: &Path) {
        self.complaints(path, name, check_dns_label(name));
    }

    /// A map of labels.
    pub(super) fn labels(&mut self, labels: &Value, path: &Path) {
        for (key, value) in labels.as_object().into_iter().flatten() {
            self.complaints(path, key, check_label_key(key));
            let value = value.as_str().unwrap_or_default();
            self.complaints(path, value, check_label_value(value));
        }
    }

    /// A label selector.
    pub(super) fn selector(&mut self, selector: &Value, path: &Path) {
        self.labels(&selector["matchLabels"], &path.child("matchLabels"));
        for (index, one) in list(selector, "/matchExpressions").iter().enumerate() {
            let path = path.child("matchExpressions").index(index);
            let values = list(one, "/values");
            match text(one, "/operator") {
                "In" | "NotIn" if values.is_empty() => {
                    let why = "must be specified when `operator` is 'In' or 'NotIn'";
                    self.required(&path.child("values"), why);
                }
                "Exists" | "DoesNotExist" if !values.is_empty() => {
                    let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    self.forbidden(&path.child("values"), why);
                }
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                other => self.invalid(
                    &path.child("operator"),
                    other,
                    "not a valid selector operator",
                ),
            }
            let key = text(one, "/key");
            self.complaints(&path.child("key"), key, check_label_key(key));
            for (index, value) in values.iter().enumerate() {
                let value = value.as_str().unwrap_or_default();
                self.complaints(
                    &path.child("values").index(index),
                    value,
                    check_label_value(value),
                );
            }
        }
    }

    /// A selector and the template whose pods it must select; `what` is the kind in lower case.
    pub(super) fn selector_of_template(&mut self, spec: &Value, what: &str, path: &Path) {
        let selector = &spec["selector"];
        let at = path.child("selector");
        if selector.is_null() {
            self.required(&at, "");
        } else {
            self.selector(selector, &at);
            if is_empty(&selector["matchLabels"]) && is_empty(&selector["matchExpressions"]) {
                self.invalid(
                    &at,
                    selector.clone(),
                    format!("empty selector is invalid for {what}"),
                );
            }
        }
        let none = Map::new();
        let labels = at_labels(spec);
        let given = labels.as_object().unwrap_or(&none);
        let matches = if let Ok(chosen) = LabelSelector::from_object(selector) {
            !selector.is_null() && chosen.matches(given)
        } else {
            self.invalid(&at, selector.clone(), "invalid label selector");
            true
        };
        let empty = !selector.is_null()
            && is_empty(&selector["matchLabels"])
            && is_empty(&selector["matchExpressions"]);
        if !matches && !empty {
            let path = path.child("template").child("metadata").child("labels");
            self.invalid(
                &path,
                labels.clone(),
                "`selector` does not match template `labels`",
            );
        }
    }
}

fn at_labels(spec: &Value) -> &Value {
    at(spec, "/template/metadata/labels")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    }
}

/// Complaints about a key of a ConfigMap or Secret.
pub(super) fn config_key(key: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if key.len() > 253 {
        complaints.push("must be no more than 253 bytes".to_owned());
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.is_empty() || !key.bytes().all(good) {
        complaints.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
             'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
             '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." => complaints.push("must not be '.'".to_owned()),
        ".." => complaints.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => complaints.push("must not start with '..'".to_owned()),
        _ => {}
    }
    complaints
}

/// Complaints about the name of a port, an IANA service name.
pub(super) fn port_name(name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut say = |wrong: bool, text: &str| {
        if wrong {
            complaints.push(text.to_owned());
        }
    };
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    say(name.len() > 15, "must be no more than 15 characters");
    say(
        name.is_empty() || !name.bytes().all(good),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    say(
        !name.bytes().any(|byte| byte.is_ascii_lowercase()),
        "must contain at least one letter (a-z)",
    );
    say(name.contains("--"), "must not contain consecutive hyphens");
    say(
        name.starts_with('-') || name.ends_with('-'),
        "must not begin or end with a hyphen",
    );
    complaints
}
