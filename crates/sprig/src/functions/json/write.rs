//! Writing template values as JSON with Go's escapes, and turning them into trees.
//!
//! In: values. Out: texts or trees, or Go's error. Source: Go `encoding/json`.

use gotemplate::{CallError, LimitError, Native, TEXT_BYTES_MAX, Value, meter};
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value as Json};

use super::super::base::encode64;
use super::super::moments::Time;
use super::super::semver::SemverObject;
use super::super::support::fail;
use super::{DEPTH_MAX, PARTS_MAX};
use crate::stack::{for_depth, grow};

/// `json.Marshal`.
pub fn write(value: &Value) -> Result<Vec<u8>, CallError> {
    writable(value)?;
    written(goyaml::json::to_vec(&Wire::new(value, true)))
}

pub(in super::super) fn write_raw(value: &Value) -> Result<Vec<u8>, CallError> {
    writable(value)?;
    written(goyaml::json::to_vec_raw(&Wire::new(value, false)))
}

pub(in super::super) fn write_pretty(value: &Value) -> Result<String, CallError> {
    writable(value)?;
    written(goyaml::json::to_string_indent(
        &Wire::new(value, true),
        "",
        "  ",
    ))
}

/// Fails for what is too large. What is nested too deep is refused by the writing itself, in Go's words.
fn writable(value: &Value) -> Result<(), CallError> {
    match check_size(value) {
        Err(CallError::Limit(limit)) => {
            // Some functions give an empty text for an error, but not for this one.
            meter::exceed(limit.clone());
            Err(limit.into())
        }
        Err(_) => fail(CYCLE),
        Ok(()) => Ok(()),
    }
}

fn written<T>(result: serde_json::Result<T>) -> Result<T, CallError> {
    result.map_err(|error| CallError::text(error.to_string()))
}

/// A value on its way to JSON text, without a copy of it in between.
struct Wire<'a> {
    value: &'a Value,
    escape_html: bool,
    depth: usize,
}

impl<'a> Wire<'a> {
    fn new(value: &'a Value, escape_html: bool) -> Self {
        Self {
            value,
            escape_html,
            depth: 0,
        }
    }

    fn native<S: Serializer>(&self, native: &dyn Native, to: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = marshaled(self.value) {
            return to.serialize_str(&text);
        }
        if let Some((_, integer)) = native.integer() {
            return to.serialize_i64(integer);
        }
        let fields = native.json_fields();
        let mut map = to.serialize_map(Some(fields.len()))?;
        for (name, value) in &fields {
            map.serialize_entry(name, &self.inside(value))?;
        }
        map.end()
    }

    fn inside<'b>(&self, value: &'b Value) -> Wire<'b> {
        Wire {
            value,
            escape_html: self.escape_html,
            depth: self.depth + 1,
        }
    }

    /// Go writes an escape for each byte that is no UTF-8, which no text here can hold.
    fn broken_text<S: Serializer>(&self, text: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let mut out = String::from("\"");
        for chunk in text.utf8_chunks() {
            let part = if self.escape_html {
                goyaml::json::to_vec(chunk.valid())
            } else {
                goyaml::json::to_vec_raw(chunk.valid())
            };
            let part = part.map_err(S::Error::custom)?;
            let part = String::from_utf8(part).map_err(S::Error::custom)?;
            out.push_str(part.get(1..part.len() - 1).unwrap_or_default());
            out.push_str(&"\\ufffd".repeat(chunk.invalid().len()));
        }
        out.push('"');
        RawValue::from_string(out)
            .map_err(S::Error::custom)?
            .serialize(to)
    }
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.depth > DEPTH_MAX {
            return Err(S::Error::custom(CYCLE));
        }
        match self.value {
            Value::Nil => to.serialize_unit(),
            Value::Bool(b) => to.serialize_bool(*b),
            Value::Int(kind, int) if kind.is_signed() => to.serialize_i64(*int),
            Value::Int(_, bits) => to.serialize_u64(bits.cast_unsigned()),
            Value::Float(float) if float.is_finite() => to.serialize_f64(*float),
            Value::Str(text) => match text.as_str() {
                Some(text) => to.serialize_str(text),
                None => self.broken_text(text, to),
            },
            Value::Bytes(bytes) => to.serialize_str(&encode64(bytes)),
            Value::List(list) if list.is_nil() => to.serialize_unit(),
            Value::Map(map) if map.is_nil() => to.serialize_unit(),
            Value::List(list) => grow(|| {
                let items = list.borrow();
                to.collect_seq(items.iter().map(|item| self.inside(item)))
            }),
            Value::Map(map) => grow(|| {
                let entries = map.borrow();
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    map.serialize_entry(&key.to_str_lossy(), &self.inside(value))?;
                }
                map.end()
            }),
            Value::Native(native) => self.native(native.as_ref(), to),
            Value::Float(_) | Value::Complex(_) | Value::Func(_) => {
                Err(S::Error::custom(unsupported(self.value)))
            }
        }
    }
}

const CYCLE: &str = "json: unsupported value: encountered a cycle";

pub(in super::super) fn unsupported(value: &Value) -> String {
    match value {
        Value::Float(_) => {
            let shown = crate::gotext::format("%v", std::slice::from_ref(value));
            format!("json: unsupported value: {shown}")
        }
        other => format!("json: unsupported type: {}", other.type_name()),
    }
}

/// The text of what has a method for it.
fn marshaled(value: &Value) -> Option<String> {
    if let Some(time) = value.as_native::<Time>() {
        return Some(time.rfc3339());
    }
    let version = value.as_native::<SemverObject>();
    version.map(|object| object.version.to_string())
}

/// Hands a value as `json.Marshal` sees it to a library, on a stack that is deep enough for it.
pub(in super::super) fn with_json<T>(
    value: &Value,
    use_it: impl FnOnce(&Json) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut size = Size::BOUNDED;
    let json = convert(value, 0, &mut size);
    meter::work(size.parts as u64);
    let json = json.inspect_err(|error| {
        // Some functions give an empty text for an error, but not for this one.
        if let CallError::Limit(limit) = error {
            meter::exceed(limit.clone());
        }
    })?;
    // Dropping recurses too.
    for_depth(size.depth, move || use_it(&json))
}

/// A value as `json.Marshal` sees it, however large.
pub fn to_value(value: &Value) -> Result<Json, CallError> {
    let mut size = Size::UNBOUNDED;
    convert(value, 0, &mut size)
}

/// Refuses a value that is too large, or nested too deep, to be written as a tree.
pub(in super::super) fn check_size(value: &Value) -> Result<(), CallError> {
    depth_within(value, Size::BOUNDED).map(|_| ())
}

/// Has a value written that is not too large, on a stack that is deep enough for it. Bytes are written
/// one by one.
pub(in super::super) fn bounded<T>(
    value: &Value,
    write: impl FnOnce() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let size = Size {
        bytes_are_parts: true,
        ..Size::BOUNDED
    };
    let depth = depth_within(value, size).inspect_err(|error| {
        // Some functions give an empty text for an error, but not for this one.
        if let CallError::Limit(limit) = error {
            meter::exceed(limit.clone());
        }
    })?;
    for_depth(depth, write)
}

/// How deep a value is nested that is not too large.
fn depth_within(value: &Value, mut size: Size) -> Result<usize, CallError> {
    let result = measure(value, 0, &mut size);
    meter::work(size.parts as u64);
    result.map(|()| size.depth)
}

fn measure(value: &Value, depth: usize, size: &mut Size) -> Result<(), CallError> {
    let n_bytes = match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => 0,
    };
    if size.bytes_are_parts && matches!(value, Value::Bytes(_)) {
        size.parts += n_bytes;
    }
    size.add(depth, n_bytes)?;
    match value {
        Value::List(list) => grow(|| {
            let items = list.borrow();
            items.iter().try_for_each(|v| measure(v, depth + 1, size))
        }),
        Value::Map(map) => grow(|| {
            let entries = map.borrow();
            entries.iter().try_for_each(|(k, v)| {
                size.add(depth + 1, k.len())?;
                measure(v, depth + 1, size)
            })
        }),
        _ => Ok(()),
    }
}

/// What a value grows to as a tree: what is in it several times is converted several times.
struct Size {
    depth: usize,
    parts: usize,
    bytes: usize,
    parts_max: usize,
    bytes_max: usize,
    bytes_are_parts: bool,
}

impl Size {
    const BOUNDED: Self = Self {
        depth: 0,
        parts: 0,
        bytes: 0,
        parts_max: PARTS_MAX,
        bytes_max: TEXT_BYTES_MAX,
        bytes_are_parts: false,
    };
    const UNBOUNDED: Self = Self {
        parts_max: usize::MAX,
        bytes_max: usize::MAX,
        ..Self::BOUNDED
    };

    /// Counts one part with a text of so many bytes, on a line that is indented by its depth.
    fn add(&mut self, depth: usize, n_bytes: usize) -> Result<(), CallError> {
        if depth > DEPTH_MAX {
            return fail(CYCLE);
        }
        self.depth = self.depth.max(depth);
        self.parts += 1;
        self.bytes += n_bytes + 2 * depth;
        if self.parts > self.parts_max {
            return Err(LimitError::ValueParts {
                max: self.parts_max,
            }
            .into());
        }
        if self.bytes > self.bytes_max {
            return Err(LimitError::TextBytes {
                max: self.bytes_max,
            }
            .into());
        }
        Ok(())
    }
}

fn convert(value: &Value, depth: usize, size: &mut Size) -> Result<Json, CallError> {
    let n_bytes = match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => 0,
    };
    size.add(depth, n_bytes)?;
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(kind, int) if kind.is_signed() => Json::from(*int),
        Value::Int(_, bits) => Json::from(bits.cast_unsigned()),
        Value::Float(float) => Json::Number(
            Number::from_f64(*float).ok_or_else(|| CallError::text(unsupported(value)))?,
        ),
        Value::Str(text) => Json::String(text.to_str_lossy().into_owned()),
        Value::Bytes(bytes) => Json::String(encode64(bytes)),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::List(list) => {
            let items = list.borrow();
            let items = items.iter();
            Json::Array(grow(|| {
                items
                    .map(|v| convert(v, depth + 1, size))
                    .collect::<Result<_, _>>()
            })?)
        }
        Value::Map(map) => {
            let entries = map.borrow();
            let entries = entries.iter().map(|(k, v)| {
                size.add(depth + 1, k.len())?;
                Ok((k.to_str_lossy().into_owned(), convert(v, depth + 1, size)?))
            });
            Json::Object(grow(|| entries.collect::<Result<_, CallError>>())?)
        }
        Value::Complex(_) | Value::Func(_) => return fail(unsupported(value)),
        Value::Native(native) => {
            if let Some(text) = marshaled(value) {
                return Ok(Json::String(text));
            }
            if let Some((_, integer)) = native.integer() {
                return Ok(Json::from(integer));
            }
            let fields = native.json_fields();
            let fields = fields
                .iter()
                .map(|(name, v)| Ok(((*name).to_owned(), convert(v, depth + 1, size)?)));
            Json::Object(fields.collect::<Result<_, CallError>>()?)
        }
    })
}
