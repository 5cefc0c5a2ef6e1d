//! Values from JSON and back.
//!
//! Reading follows Go's decoding into `interface {}`: every number becomes a `float64`. Writing follows
//! `encoding/json`: `[]byte` is base64, bytes that are no UTF-8 become U+FFFD, nil lists and maps are `null`.

use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::bytestr::Str;
use crate::container::{List, Map};
use crate::error::CallError;
use crate::stack::grow;
use crate::types::IntKind;
use crate::value::{Native, Value};

/// Levels after which a value is taken to contain itself; Go looks for that from the same depth on.
const NESTING_MAX: usize = 1_000;

impl Value {
    /// The value Go decodes the JSON into: numbers are `float64`.
    pub fn from_json(json: &Json) -> Self {
        decode(json, &|number| {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        })
    }

    /// As [`Self::from_json`], but whole numbers that fit are `int64`, as `--set` makes them.
    pub fn from_json_with_integers(json: &Json) -> Self {
        decode(json, &|number| match number.as_i64() {
            Some(int) => Self::int64(int),
            None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
        })
    }

    /// The JSON Go encodes the value as.
    ///
    /// # Errors
    /// For what Go refuses to encode, with its text: infinities, NaN, complex numbers, functions, and values that
    /// contain themselves.
    pub fn to_json(&self) -> Result<Json, CallError> {
        encode(self, 0)
    }
}

fn decode(json: &Json, number: &dyn Fn(&Number) -> Value) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => number(value),
        Json::String(text) => Value::Str(text.into()),
        Json::Array(items) => {
            grow(|| Value::list(items.iter().map(|item| decode(item, number)).collect()))
        }
        Json::Object(entries) => grow(|| {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (Str::from(key), decode(value, number)));
            Value::Map(Map::from_entries(entries.collect()))
        }),
    }
}

fn encode(value: &Value, depth: usize) -> Result<Json, CallError> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(kind, value) => Json::Number(encode_int(*kind, *value)),
        Value::Float(value) => match Number::from_f64(*value) {
            Some(number) => Json::Number(number),
            None => return unsupported_value(*value),
        },
        Value::Str(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => Json::String(base64(bytes)),
        Value::List(list) => grow(|| encode_list(list, depth))?,
        Value::Map(map) => grow(|| encode_map(map, depth))?,
        Value::Native(native) => grow(|| encode_native(native.as_ref(), depth))?,
        Value::Complex(_) | Value::Func(_) => {
            return Err(CallError::text(format!(
                "json: unsupported type: {}",
                value.type_name()
            )));
        }
    })
}

fn unsupported_value<T>(value: f64) -> Result<T, CallError> {
    let mut shown = Vec::new();
    crate::strconv::append_float(&mut shown, value, b'g', None);
    let shown = crate::lossy(&shown).into_owned();
    Err(CallError::text(format!("json: unsupported value: {shown}")))
}

fn check_depth(depth: usize, type_name: &str) -> Result<(), CallError> {
    if depth < NESTING_MAX {
        return Ok(());
    }
    let message = format!("json: unsupported value: encountered a cycle via {type_name}");
    Err(CallError::Text(message))
}

fn encode_int(kind: IntKind, value: i64) -> Number {
    if kind.is_signed() {
        Number::from(value)
    } else {
        Number::from(value as u64)
    }
}

fn encode_list(list: &List, depth: usize) -> Result<Json, CallError> {
    check_depth(depth, &list.type_of().to_string())?;
    if list.is_nil() {
        return Ok(Json::Null);
    }
    list.borrow()
        .iter()
        .map(|item| encode(item, depth + 1))
        .collect()
}

fn encode_map(map: &Map, depth: usize) -> Result<Json, CallError> {
    check_depth(depth, &map.type_of().to_string())?;
    if map.is_nil() {
        return Ok(Json::Null);
    }
    let mut object = JsonMap::new();
    for (key, value) in map.borrow().iter() {
        object.insert(key.to_string(), encode(value, depth + 1)?);
    }
    Ok(Json::Object(object))
}

/// Exported fields under their Go names, sorted; what has tags or its own encoding the host converts before.
fn encode_native(native: &dyn Native, depth: usize) -> Result<Json, CallError> {
    check_depth(depth, native.named_type().name)?;
    let mut object = JsonMap::new();
    for (name, value) in native.fields() {
        object.insert(name.to_owned(), encode(&value, depth + 1)?);
    }
    Ok(Json::Object(object))
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for position in 0..4 {
            let index = bits >> (18 - 6 * position) & 63;
            let filled = position <= chunk.len();
            out.push(if filled {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Type;
    use serde_json::json;

    #[test]
    fn numbers_are_floats_unless_integers_are_wanted() {
        let json = json!({"a": [1, 2.5, null, "x", true]});
        let value = Value::from_json(&json);
        assert_eq!(format!("{value:?}"), r#"{"a": [1.0, 2.5, nil, "x", true]}"#);
        let value = Value::from_json_with_integers(&json);
        assert_eq!(
            format!("{value:?}"),
            r#"{"a": [int64(1), 2.5, nil, "x", true]}"#
        );
        assert_eq!(value.to_json().unwrap(), json);
    }

    #[test]
    fn go_types_encode_as_encoding_json_does() {
        for (value, json) in [
            (Value::List(List::nil(&Type::LIST)), Json::Null),
            (Value::Map(Map::nil(&Type::MAP)), Json::Null),
            (Value::Int(IntKind::Uint64, -1), json!(u64::MAX)),
            (Value::str(&b"h\xc3"[..]), json!("h\u{fffd}")),
            (Value::Bytes("".into()), json!("")),
            (Value::Bytes("a".into()), json!("YQ==")),
            (Value::Bytes("ab".into()), json!("YWI=")),
            (Value::Bytes("abc\u{ff}".into()), json!("YWJjw78=")),
        ] {
            assert_eq!(value.to_json().unwrap(), json);
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        let cycle = Map::new();
        cycle.insert("self", Value::Map(cycle.clone())).unwrap();
        for (value, text) in [
            (Value::Float(f64::INFINITY), "json: unsupported value: +Inf"),
            (Value::Float(f64::NAN), "json: unsupported value: NaN"),
            (
                Value::Complex(Box::default()),
                "json: unsupported type: complex128",
            ),
            (
                Value::Map(cycle.clone()),
                "json: unsupported value: encountered a cycle via map[string]interface {}",
            ),
        ] {
            assert_eq!(value.to_json().unwrap_err().to_string(), text);
        }
        cycle.remove(b"self");
    }
}
