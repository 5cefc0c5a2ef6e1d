//! One step of a field path, with upstream's order and texts.
//!
//! Source: sigs.k8s.io/structured-merge-diff `fieldpath/element.go`, `fieldpath/serialize-pe.go` and
//! `value/value.go`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

use crate::names::quote;

/// How a value is chosen within the object or list that holds it.
///
/// Ordered as upstream orders them; numbers compare by value, whether integer or not.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of an object.
    Field(Box<str>),
    /// The list element with these key fields, sorted by name.
    Key(Vec<(Box<str>, Value)>),
    /// The list element of this value.
    Value(Value),
    /// The list element at this place.
    Index(i64),
}

/// A serialised element that cannot be read; carries upstream's sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ElementError(pub(super) String);

impl Element {
    /// A field by name.
    pub fn field(name: &str) -> Self {
        Self::Field(Box::from(name))
    }

    /// The form used as a key of `fieldsV1`: `f:name`, `k:{…}`, `v:…` or `i:0`.
    pub fn serialize(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let fields: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{}:{}", go_json_text(name), go_json(value)))
                    .collect();
                format!("k:{{{}}}", fields.join(","))
            }
            Self::Value(value) => format!("v:{}", go_json(value)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads the serialised form; `None` for kinds of elements that only a later version knows.
    pub fn parse(text: &str) -> Result<Option<Self>, ElementError> {
        let fail = |text: String| Err(ElementError(text));
        if text.len() < 2 {
            return fail("key must be 2 characters long:".to_owned());
        }
        if text.as_bytes()[1] != b':' {
            return fail(format!("missing colon: {text}"));
        }
        let rest = &text[2..];
        let json = |text: &str| {
            serde_json::from_str::<Value>(text)
                .map_err(|error| ElementError(format!("parsing {text:?}: {error}")))
        };
        match text.as_bytes()[0] {
            b'f' => Ok(Some(Self::field(rest))),
            b'v' => Ok(Some(Self::Value(json(rest)?))),
            b'k' => match json(rest)? {
                Value::Object(fields) => {
                    let keys = fields.into_iter();
                    Ok(Some(Self::Key(
                        keys.map(|(name, value)| (name.into(), value)).collect(),
                    )))
                }
                _ => fail(format!("parsing {rest:?}: not an object")),
            },
            b'i' => match rest.parse() {
                Ok(index) => Ok(Some(Self::Index(index))),
                Err(_) => fail(format!("parsing {rest:?}: not an index")),
            },
            _ => Ok(None),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => compare_keys(a, b),
            (Self::Value(a), Self::Value(b)) => compare_values(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                f.write_str("[")?;
                for (index, (name, value)) in keys.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={}", value_text(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", value_text(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn compare_keys(a: &[(Box<str>, Value)], b: &[(Box<str>, Value)]) -> Ordering {
    for ((name_a, a), (name_b, b)) in a.iter().zip(b) {
        let order = name_a.cmp(name_b).then_with(|| compare_values(a, b));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let pairs = a.iter().zip(b).map(|(a, b)| compare_values(a, b));
            pairs
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.iter().zip(b).map(|((name_a, a), (name_b, b))| {
                name_a.cmp(name_b).then_with(|| compare_values(a, b))
            });
            pairs
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    let float = |number: &Number| number.as_f64().unwrap_or(0.0);
    float(a).total_cmp(&float(b))
}

/// Whether two values are the same to field ownership: 1 and 1.0 are.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((name_a, a), (name_b, b))| name_a == name_b && equal(a, b))
        }
        _ => a == b,
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => quote(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(value_text).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", value_text(value)));
            fields.collect::<Vec<_>>().concat()
        }
        scalar => scalar.to_string(),
    }
}

fn go_json(value: &Value) -> String {
    html_safe(value.to_string())
}

fn go_json_text(text: &str) -> String {
    go_json(&Value::from(text))
}

/// Go escapes these characters, which stand in JSON within strings only.
pub(super) fn html_safe(json: String) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json;
    }
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
