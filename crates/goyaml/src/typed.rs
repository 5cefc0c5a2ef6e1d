//! Reading a document into the fields of a Go type, as `sigs.k8s.io/yaml` and Go's `encoding/json`
//! do it together.
//!
//! In: a text and a [`Target`] that describes the type. Out: a value of that shape, or the first
//! thing of the wrong kind by the order of keys. Which fields a caller takes is its own business.

use serde_json::Value;

use crate::error::Error;
use crate::quote::go_quote;
use crate::{decode, input, json_kind};

/// What a value is decoded into.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// An empty interface, or anything that decodes itself.
    Any,
    /// A string: numbers and booleans become texts, floats after rounding to `float32`.
    Text,
    /// A boolean.
    Bool,
    /// An integer of 64 bits.
    Int {
        /// The type as Go prints it, `int64`.
        go_type: &'static str,
    },
    /// A slice.
    List {
        /// The slice's type as Go prints it, `[]string`.
        go_type: &'static str,
        /// What its items are decoded into.
        item: &'static Target,
    },
    /// A map with string keys.
    Map {
        /// The map's type as Go prints it, `map[string]string`.
        go_type: &'static str,
        /// What its values are decoded into.
        value: &'static Target,
    },
    /// A struct, or a pointer to one.
    Struct {
        /// The type as Go prints it, `v2.Chart`.
        go_type: &'static str,
        /// Its name without the package; empty for a struct without one.
        name: &'static str,
        /// Names in JSON with what they are decoded into.
        fields: &'static [(&'static str, Target)],
    },
}

impl Target {
    /// What the items of a list are decoded into.
    pub(crate) fn item(&self) -> &Self {
        match self {
            Self::List { item, .. } => item,
            _ => &Self::Any,
        }
    }

    /// What the value of a key is decoded into.
    pub(crate) fn field(&self, key: &str) -> &Self {
        match self {
            Self::Map { value, .. } => value,
            Self::Struct { fields, .. } => field(fields, key).map_or(&Self::Any, |(_, t)| t),
            _ => &Self::Any,
        }
    }

    fn go_type(&self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Int { go_type }
            | Self::List { go_type, .. }
            | Self::Map { go_type, .. }
            | Self::Struct { go_type, .. } => go_type,
        }
    }
}

/// The field of a key: of that very name, else of one that differs in case.
fn field<'t>(
    fields: &'t [(&'static str, Target)],
    key: &str,
) -> Option<&'t (&'static str, Target)> {
    let same = fields.iter().find(|(name, _)| *name == key);
    same.or_else(|| {
        fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
    })
}

/// Reads the first document of a text into `target`. Keys that no field takes are kept.
///
/// # Errors
/// When the text is no YAML, holds what JSON cannot, or has a value of the wrong kind; the text of
/// the error is Go's.
pub fn parse_into(text: &[u8], target: &Target) -> Result<Value, Error> {
    let value = read_into(text, false, target)?;
    check_kinds(&value, target)?;
    Ok(value)
}

/// As [`parse_into`], and keys that occur twice or that no field takes are errors: `UnmarshalStrict`.
///
/// # Errors
/// As [`parse_into`], [`Error::DuplicateKeys`] and [`Error::UnknownField`].
pub fn parse_into_strict(text: &[u8], target: &Target) -> Result<Value, Error> {
    let value = read_into(text, true, target)?;
    check(&value, target, true, None, &mut Vec::new())?;
    Ok(value)
}

/// Looks for the first value of another kind than Go's JSON decoder can put into `target`.
///
/// # Errors
/// [`Error::WrongKind`] and [`Error::WrongField`].
pub fn check_kinds(value: &Value, target: &Target) -> Result<(), Error> {
    check(value, target, false, None, &mut Vec::new())
}

/// As [`check_kinds`], and keys that no field takes are errors: a `json.Decoder` with
/// `DisallowUnknownFields`.
///
/// # Errors
/// As [`check_kinds`], and [`Error::UnknownField`].
pub fn check_fields(value: &Value, target: &Target) -> Result<(), Error> {
    check(value, target, true, None, &mut Vec::new())
}

fn read_into(text: &[u8], strict: bool, target: &Target) -> Result<Value, Error> {
    let input = input::decode(text);
    let document = crate::compose::compose(&input.text, input.problem).map_err(Error::Syntax)?;
    decode::decode_into(&document, document.root, strict, target)
}

/// Looks for the first value of the wrong kind, or with `strict` for a key no field takes; `owner` is the innermost struct around it, `path`
/// the fields that lead to it from the outermost one.
///
/// Source: Go `encoding/json`, `decodeState.addErrorContext`.
fn check(
    value: &Value,
    target: &Target,
    strict: bool,
    owner: Option<&'static str>,
    path: &mut Vec<&'static str>,
) -> Result<(), Error> {
    match (value, target) {
        (Value::Null, _)
        | (_, Target::Any)
        | (Value::String(_), Target::Text)
        | (Value::Bool(_), Target::Bool) => Ok(()),
        (Value::Number(number), Target::Int { .. }) if number.is_i64() => Ok(()),
        (Value::Array(items), Target::List { item, .. }) => items
            .iter()
            .try_for_each(|value| check(value, item, strict, owner, path)),
        (Value::Object(entries), Target::Map { value: target, .. }) => entries
            .values()
            .try_for_each(|value| check(value, target, strict, owner, path)),
        (Value::Object(entries), Target::Struct { name, fields, .. }) => {
            for (key, value) in entries {
                if let Some((key, target)) = field(fields, key) {
                    path.push(key);
                    check(value, target, strict, Some(name), path)?;
                    path.pop();
                } else if strict {
                    return Err(Error::UnknownField(go_quote(key)));
                }
            }
            Ok(())
        }
        _ => Err(wrong_kind(value, target, owner, path)),
    }
}

fn wrong_kind(
    value: &Value,
    target: &Target,
    owner: Option<&'static str>,
    path: &[&'static str],
) -> Error {
    let (found, wanted) = (json_kind(value), target.go_type());
    match owner {
        None => Error::WrongKind { found, wanted },
        Some(owner) => Error::WrongField {
            found,
            owner,
            path: path.join("."),
            wanted,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PART: Target = Target::Struct {
        go_type: "t.Part",
        name: "Part",
        fields: &[("name", Target::Text), ("flag", Target::Bool)],
    };
    const TARGET: Target = Target::Struct {
        go_type: "t.Whole",
        name: "Whole",
        fields: &[
            ("name", Target::Text),
            (
                "parts",
                Target::List {
                    go_type: "[]*t.Part",
                    item: &PART,
                },
            ),
            (
                "inner",
                Target::Struct {
                    go_type: "struct { A string }",
                    name: "",
                    fields: &[("a", Target::Text)],
                },
            ),
            (
                "texts",
                Target::Map {
                    go_type: "map[string]string",
                    value: &Target::Text,
                },
            ),
            ("any", Target::Any),
        ],
    };

    #[test]
    fn scalars_become_texts_where_texts_are_wanted() {
        for (text, want) in [
            ("name: 1.10", json!({"name": "1.1"})),
            ("NAME: 72445e2", json!({"NAME": "7.2445e+06"})),
            ("name: .inf", json!({"name": "+Inf"})),
            ("name: 0x10", json!({"name": "16"})),
            ("name: yes", json!({"name": "true"})),
            ("name: ~", json!({"name": null})),
            ("any: 1.10", json!({"any": 1.1})),
            (
                "texts: {a: 1, b: x}",
                json!({"texts": {"a": "1", "b": "x"}}),
            ),
            (
                "parts: [{name: 1, x: 1}, null]",
                json!({"parts": [{"name": "1", "x": 1}, null]}),
            ),
            (
                "x: &a {name: 1}\nparts: [*a, {<<: *a}]",
                json!({"x": {"name": 1}, "parts": [{"name": "1"}, {"name": "1"}]}),
            ),
        ] {
            assert_eq!(parse_into(text.as_bytes(), &TARGET), Ok(want), "{text}");
        }
    }

    #[test]
    fn strict_reading_refuses_keys_that_nothing_takes() {
        for (text, want) in [
            ("name: a\nNAME: b\ntexts: {x: y}\nany: {z: 1}", Ok(())),
            (
                "parts: [{name: a}, {b: 1}]\nx: 1",
                Err("error unmarshaling JSON: while decoding JSON: json: unknown field \"b\""),
            ),
            (
                "name: a\nname: b\nx: 1\nx: 2",
                Err(
                    "error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key \"name\" already set in map\n  line 4: key \"x\" already set in map",
                ),
            ),
        ] {
            let got = parse_into_strict(text.as_bytes(), &TARGET).map(|_| ());
            let want = want.map_err(str::to_owned);
            assert_eq!(got.map_err(|e| e.to_string()), want, "{text}");
        }
    }

    #[test]
    fn the_first_value_of_the_wrong_kind_is_named_with_its_innermost_struct() {
        for (text, want) in [
            ("[a]", "array into Go value of type t.Whole"),
            ("x", "string into Go value of type t.Whole"),
            (
                "name: [a]",
                "array into Go struct field Whole.name of type string",
            ),
            (
                "parts: [{name: a}, {flag: x}]",
                "string into Go struct field Part.parts.flag of type bool",
            ),
            (
                "parts: [1]",
                "number into Go struct field Whole.parts of type t.Part",
            ),
            (
                "parts: {a: b}",
                "object into Go struct field Whole.parts of type []*t.Part",
            ),
            (
                "inner: {a: {}}",
                "object into Go struct field .inner.a of type string",
            ),
            (
                "texts: {a: b, c: [1]}",
                "array into Go struct field Whole.texts of type string",
            ),
            (
                "texts: []\nname: {}",
                "object into Go struct field Whole.name of type string",
            ),
        ] {
            let got = parse_into(text.as_bytes(), &TARGET).map_err(|e| e.to_string());
            let want = format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {want}"
            );
            assert_eq!(got, Err(want), "{text}");
        }
    }
}
