//! Field errors: the unit in which an API server says what is wrong with an object.
//!
//! In: a path, a kind of fault, the offending value. Out: the texts and the `details.causes` entries of a `Status`, worded as
//! Kubernetes 1.36 words them (`apimachinery/pkg/util/validation/field/errors.go`). Decides nothing about which fields are wrong.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde_json::{Value, json};

/// What kind of fault a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A value that was looked up does not exist.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique is repeated.
    Duplicate,
    /// A value breaks a rule.
    Invalid,
    /// A value is none of an enumeration.
    NotSupported,
    /// A value may not be set, or not be changed.
    Forbidden,
    /// A string is too long; its value is never repeated.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// A value has the wrong JSON type.
    TypeInvalid,
    /// The server could not tell.
    Internal,
}

impl Fault {
    /// The `reason` of a `StatusCause`.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// One thing that is wrong with one field.
///
/// `Display` gives `<field>: <body>`, the form used in a status message; [`FieldError::body`] is the form used in a cause.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// What kind of fault.
    pub fault: Fault,
    /// Path such as `spec.containers[0].name`; `<nil>` where the server names none.
    pub field: String,
    /// The offending value, absent where the server does not repeat it.
    pub bad_value: Option<Value>,
    /// Explanation after the value; may be empty.
    pub detail: String,
}

impl FieldError {
    fn new(fault: Fault, path: &Path, bad_value: Option<Value>, detail: impl Into<String>) -> Self {
        Self {
            fault,
            field: path.to_string(),
            bad_value,
            detail: detail.into(),
        }
    }

    /// `<path>: Required value: <detail>`.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(Fault::Required, path, None, detail)
    }

    /// `<path>: Invalid value: <value>: <detail>`.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Fault::Invalid, path, Some(value.into()), detail)
    }

    /// As [`FieldError::invalid`], for a value of the wrong JSON type.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Fault::TypeInvalid, path, Some(value.into()), detail)
    }

    /// `<path>: Forbidden: <detail>`.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(Fault::Forbidden, path, None, detail)
    }

    /// `<path>: Duplicate value: <value>`.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(Fault::Duplicate, path, Some(value.into()), "")
    }

    /// `<path>: Not found: <value>`.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(Fault::NotFound, path, Some(value.into()), "")
    }

    /// `<path>: Unsupported value: <value>: supported values: "a", "b"`, in the order given.
    pub fn not_supported<S: AsRef<str>>(
        path: &Path,
        value: impl Into<Value>,
        supported: &[S],
    ) -> Self {
        let quoted: Vec<String> = supported
            .iter()
            .map(|value| go_quote(value.as_ref()))
            .collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(Fault::NotSupported, path, Some(value.into()), detail)
    }

    /// `<path>: Too long: may not be more than <max> bytes`.
    pub fn too_long(path: &Path, max: i64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new(
            Fault::TooLong,
            path,
            None,
            format!("may not be more than {max} {unit}"),
        )
    }

    /// `<path>: Too many: <actual>: must have at most <max> items`.
    pub fn too_many(path: &Path, actual: usize, max: i64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(
            Fault::TooMany,
            path,
            Some(json!(actual)),
            format!("must have at most {max} {unit}"),
        )
    }

    /// `<path>: Internal error: <detail>`.
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(Fault::Internal, path, None, detail)
    }

    /// The text without the field.
    pub fn body(&self) -> String {
        let mut text = self.fault.text().to_owned();
        if let Some(value) = &self.bad_value {
            text.push_str(": ");
            match value {
                Value::String(string) => text.push_str(&go_quote(string)),
                Value::Number(number) if number.is_f64() => {
                    text.push_str(&go_float(number.as_f64().unwrap_or_default()));
                }
                other => text.push_str(&go_json(other)),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// The entry of `Status.details.causes`.
    pub fn to_cause(&self) -> Value {
        json!({"reason": self.fault.cause(), "message": self.body(), "field": self.field})
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// The text after `is invalid: ` in a status message: one error plain, several in brackets, repeats left out.
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut seen = BTreeSet::new();
    let texts: Vec<String> = errors
        .iter()
        .map(ToString::to_string)
        .filter(|text| seen.insert(text.clone()))
        .collect();
    if texts.len() == 1 {
        texts.concat()
    } else {
        format!("[{}]", texts.join(", "))
    }
}

/// Where a value is, written as Kubernetes writes it: `spec.a[0].b[key]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    /// A path that starts at a top-level field; an empty name is the root.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The path Kubernetes prints where it has none.
    pub fn nil() -> Self {
        Self("<nil>".to_owned())
    }

    /// A field of this object; `name` may itself be dotted.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() || self.0 == "<nil>" {
            Self(name.to_owned())
        } else {
            Self(format!("{}.{name}", self.0))
        }
    }

    /// An entry of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// An entry of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The text of the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string as Go's `%q` prints it.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if c.is_control() || is_format_character(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Characters Go does not call printable although Rust does not call them control characters; the common ones.
fn is_format_character(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A number as Go's `%v` prints it.
pub fn go_float(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

/// A value as Go's `json.Marshal` prints it, with its HTML escapes.
pub fn go_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_the_server_words_them() {
        let path = Path::new("spec").child("a").index(0).key("k");
        let cases = [
            (
                FieldError::required(&path, ""),
                "spec.a[0][k]: Required value",
            ),
            (
                FieldError::required(&path, "name is needed"),
                "spec.a[0][k]: Required value: name is needed",
            ),
            (
                FieldError::invalid(&path, "a\"b\n", "no"),
                "spec.a[0][k]: Invalid value: \"a\\\"b\\n\": no",
            ),
            (
                FieldError::invalid(&path, 3, "no"),
                "spec.a[0][k]: Invalid value: 3: no",
            ),
            (
                FieldError::invalid(&path, json!({"a": "<b>"}), "no"),
                "spec.a[0][k]: Invalid value: {\"a\":\"\\u003cb\\u003e\"}: no",
            ),
            (
                FieldError::not_supported(&path, "x", &["a", "b"]),
                "spec.a[0][k]: Unsupported value: \"x\": supported values: \"a\", \"b\"",
            ),
            (
                FieldError::too_long(&path, 1),
                "spec.a[0][k]: Too long: may not be more than 1 byte",
            ),
            (
                FieldError::too_many(&path, 3, 2),
                "spec.a[0][k]: Too many: 3: must have at most 2 items",
            ),
            (
                FieldError::forbidden(&Path::nil(), "no"),
                "<nil>: Forbidden: no",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn several_errors_are_bracketed_and_repeats_left_out() {
        let one = FieldError::required(&Path::new("a"), "");
        let two = FieldError::required(&Path::new("b"), "");
        assert_eq!(aggregate(std::slice::from_ref(&one)), "a: Required value");
        assert_eq!(
            aggregate(&[one.clone(), two, one]),
            "[a: Required value, b: Required value]"
        );
    }
}
