//! Bodies in Kubernetes' protobuf form, read into the JSON form of the same object.
//!
//! Typed Go clients (kubectl's `create` and `auth can-i` among them) send it and do not fall back, so
//! reading it is needed; answers are always JSON, which every client accepts. `messages.txt` lists the
//! messages of the kinds that such clients write; the others are refused with 415. Source: apimachinery
//! `pkg/runtime/serializer/protobuf`, the `protobuf` and `json` tags of k8s.io/api.

mod wire;

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use self::wire::{Datum, Fields};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Deepest nesting of messages; JSON schemas in CRDs are not among them.
const DEPTH_MAX: usize = 64;

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It does not begin as every body does.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Magic,
    /// It ends too early or holds a malformed number.
    #[error("malformed protobuf")]
    Malformed,
    /// A text is not UTF-8.
    #[error("field {0} is not UTF-8")]
    Text(String),
    /// Messages are nested too deeply.
    #[error("messages are nested too deeply")]
    Depth,
    /// The kind is not among those that are understood.
    #[error("kind {0} is not understood in protobuf form")]
    Kind(String),
}

#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Bool,
    Integer,
    Double,
    Bytes,
    Message(&'static str),
    Special(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    of: Type,
    shape: Shape,
    /// A pointer in Go: its zero value says something.
    keeps_zero: bool,
}

type Message = HashMap<u32, Field>;

static MESSAGES: LazyLock<HashMap<&'static str, Message>> = LazyLock::new(|| {
    let lines = include_str!("messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines.filter_map(read_message).collect()
});

fn read_message(line: &'static str) -> Option<(&'static str, Message)> {
    let (name, fields) = line.split_once(' ')?;
    Some((name, fields.split(' ').filter_map(read_field).collect()))
}

fn read_field(text: &'static str) -> Option<(u32, Field)> {
    let mut parts = text.splitn(3, ':');
    let number = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let marked = parts.next()?;
    let keeps_zero = marked.ends_with('!');
    let of = marked.trim_end_matches('!');
    let shape = match of.as_bytes().last()? {
        b'*' => Shape::List,
        b'%' => Shape::Map,
        _ => Shape::One,
    };
    let of = of.trim_end_matches(['*', '%']);
    let of = match of.split_at_checked(1)? {
        ("s", _) => Type::Text,
        ("b", _) => Type::Bool,
        ("i", _) => Type::Integer,
        ("f", _) => Type::Double,
        ("y", _) => Type::Bytes,
        ("@", message) => Type::Message(message),
        (_, special) => Type::Special(special),
    };
    Some((
        number,
        Field {
            name,
            of,
            shape,
            keeps_zero,
        },
    ))
}

/// Reads a body; the object has the `apiVersion` and `kind` of its envelope.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, Error> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Fields::new(envelope) {
        match field? {
            (1, Datum::Bytes(meta)) => {
                for field in Fields::new(meta) {
                    match field? {
                        (1, Datum::Bytes(bytes)) => api_version = text("apiVersion", bytes)?,
                        (2, Datum::Bytes(bytes)) => kind = text("kind", bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Datum::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (group, version) = crate::registry::split_api_version(&api_version);
    let group = if group.is_empty() {
        "core"
    } else {
        group.split('.').next().unwrap_or(group)
    };
    // Options of requests are sent under the version of what they are about.
    let name = match kind.as_str() {
        "DeleteOptions" => "meta.v1.DeleteOptions".to_owned(),
        kind => format!("{group}.{version}.{kind}"),
    };
    let Some(message) = MESSAGES.get(name.as_str()) else {
        return Err(Error::Kind(format!("{kind} of {api_version}")));
    };
    let mut object = Map::new();
    read(message, raw, &mut object, 0)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

fn text(name: &str, bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Text(name.to_owned()))?;
    Ok(text.to_owned())
}

fn read(
    message: &Message,
    bytes: &[u8],
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::Depth);
    }
    for field in Fields::new(bytes) {
        let (number, datum) = field?;
        // Fields of newer clients are dropped, as the server does.
        let Some(field) = message.get(&number) else {
            continue;
        };
        match field.shape {
            Shape::One => read_one(field, datum, out, depth)?,
            Shape::List => read_items(field, datum, out, depth)?,
            Shape::Map => read_entry(field, datum, out, depth)?,
        }
    }
    Ok(())
}

fn read_one(
    field: &Field,
    datum: Datum<'_>,
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    if let (".", Type::Message(name), Datum::Bytes(bytes)) = (field.name, field.of, datum) {
        let message = MESSAGES
            .get(name)
            .ok_or_else(|| Error::Kind(name.to_owned()))?;
        return read(message, bytes, out, depth + 1);
    }
    let value = value(field, datum, depth)?;
    if !value.is_null() && (field.keeps_zero || !is_zero(&value)) {
        out.insert(field.name.to_owned(), value);
    }
    Ok(())
}

fn read_items(
    field: &Field,
    datum: Datum<'_>,
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    let slot = out
        .entry(field.name)
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(items) = slot else {
        return Ok(());
    };
    match (field.of, datum) {
        (Type::Integer | Type::Bool, Datum::Bytes(packed)) => {
            let mut rest = packed;
            while !rest.is_empty() {
                let (number, tail) = wire::varint(rest).ok_or(Error::Malformed)?;
                items.push(value(field, Datum::Number(number), depth)?);
                rest = tail;
            }
        }
        _ => items.push(value(field, datum, depth)?),
    }
    Ok(())
}

fn read_entry(
    field: &Field,
    datum: Datum<'_>,
    out: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Error> {
    let Datum::Bytes(entry) = datum else {
        return Err(Error::Malformed);
    };
    let (mut key, mut held) = (String::new(), None);
    for part in Fields::new(entry) {
        match part? {
            (1, Datum::Bytes(bytes)) => key = text(field.name, bytes)?,
            (2, datum) => held = Some(value(field, datum, depth)?),
            _ => {}
        }
    }
    let slot = out
        .entry(field.name)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(entries) = slot {
        let empty = || {
            if matches!(field.of, Type::Text | Type::Bytes) {
                "".into()
            } else {
                Value::Null
            }
        };
        entries.insert(key, held.unwrap_or_else(empty));
    }
    Ok(())
}

fn value(field: &Field, datum: Datum<'_>, depth: usize) -> Result<Value, Error> {
    Ok(match (field.of, datum) {
        (Type::Text, Datum::Bytes(bytes)) => text(field.name, bytes)?.into(),
        (Type::Bytes, Datum::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Type::Bool, Datum::Number(number)) => (number != 0).into(),
        (Type::Integer, Datum::Number(number)) => (number as i64).into(),
        (Type::Double, Datum::Fixed(bits)) => f64::from_bits(bits).into(),
        (Type::Message(name), Datum::Bytes(bytes)) => {
            let message = MESSAGES
                .get(name)
                .ok_or_else(|| Error::Kind(name.to_owned()))?;
            let mut object = Map::new();
            read(message, bytes, &mut object, depth + 1)?;
            Value::Object(object)
        }
        (Type::Special(form), Datum::Bytes(bytes)) => special(form, bytes)?,
        _ => return Err(Error::Malformed),
    })
}

/// Forms whose Go types write JSON by themselves.
fn special(form: &str, bytes: &[u8]) -> Result<Value, Error> {
    let mut numbers = [0u64; 4];
    let mut texts: Vec<&[u8]> = Vec::new();
    for field in Fields::new(bytes) {
        match field? {
            (number @ 1..=3, Datum::Number(value)) => numbers[number as usize] = value,
            (_, Datum::Bytes(bytes)) => texts.push(bytes),
            _ => {}
        }
    }
    let first = texts.first().copied().unwrap_or_default();
    Ok(match form {
        "quantity" => text(form, first)?.into(),
        "items" => {
            let items: Result<Vec<Value>, Error> = texts
                .iter()
                .map(|bytes| text(form, bytes).map(Value::from))
                .collect();
            Value::Array(items?)
        }
        "intorstring" if numbers[1] == 1 => text(form, first)?.into(),
        "intorstring" => (numbers[2] as i32).into(),
        "raw" if first.is_empty() => Value::Null,
        "raw" => serde_json::from_slice(first).map_err(|_| Error::Malformed)?,
        "duration" => go_duration(numbers[1] as i64).into(),
        // An empty message is the zero time, which JSON shows as null.
        "time" | "microtime" if numbers[1] == 0 && numbers[2] == 0 => Value::Null,
        "time" | "microtime" => {
            let time = jiff::Timestamp::new(numbers[1] as i64, numbers[2] as i32)
                .map_err(|_| Error::Malformed)?;
            let digits = if form == "time" { 0 } else { 6 };
            format!("{time:.digits$}").into()
        }
        _ => return Err(Error::Kind(form.to_owned())),
    })
}

/// A duration of nanoseconds in seconds, as Go's parser reads it.
fn go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (secs, rest) = (
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000,
    );
    if rest == 0 {
        format!("{sign}{secs}s")
    } else {
        format!("{sign}{secs}.{rest:09}s")
    }
}

/// Whether Go's `omitempty` would leave the value out; messages are left out as well, because
/// defaulting fills them in again.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A field of bytes.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        assert!(len < 128 && number < 16);
        [&[number << 3 | 2, len][..], content].concat()
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &meta), bytes(2, raw)].concat()
    }

    #[test]
    fn every_line_of_the_table_is_a_message() {
        let lines = include_str!("messages.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        for line in lines {
            let (name, fields) = line.split_once(' ').unwrap();
            assert_eq!(MESSAGES[name].len(), fields.split(' ').count(), "{name}");
        }
        for field in MESSAGES.values().flat_map(HashMap::values) {
            if let Type::Message(name) = field.of {
                assert!(MESSAGES.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn an_object_is_read_with_its_maps_and_pointers() {
        let label = [bytes(1, b"a"), bytes(2, b"b")].concat();
        let meta = [bytes(1, b"web"), bytes(8, b""), bytes(11, &label)].concat();
        // replicas is a pointer, minReadySeconds is not.
        let spec = [number(1, 0), number(5, 0), number(7, 1)].concat();
        let raw = [bytes(1, &meta), bytes(2, &spec), bytes(3, b"")].concat();
        let object = decode(&body("apps/v1", "Deployment", &raw)).unwrap();
        let want = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"a": "b"}},
            "spec": {"replicas": 0, "paused": true}});
        assert_eq!(object, want);
    }

    #[test]
    fn special_forms_are_read() {
        assert_eq!(special("intorstring", &number(2, 80)), Ok(json!(80)));
        let named = [number(1, 1), number(2, 0), bytes(3, b"http")].concat();
        assert_eq!(special("intorstring", &named), Ok(json!("http")));
        assert_eq!(
            special("time", &number(1, 60)),
            Ok(json!("1970-01-01T00:01:00Z"))
        );
        assert_eq!(
            special("microtime", &number(1, 1)),
            Ok(json!("1970-01-01T00:00:01.000000Z"))
        );
        assert_eq!(special("time", b""), Ok(Value::Null));
        assert_eq!(special("raw", &bytes(1, b"{\"a\":1}")), Ok(json!({"a": 1})));
        assert_eq!(go_duration(1_500_000_000), "1.500000000s");
    }

    #[test]
    fn malformed_bodies_are_errors() {
        assert_eq!(decode(b""), Err(Error::Magic));
        assert_eq!(decode(b"{}"), Err(Error::Magic));
        assert_eq!(decode(b"k8s\0\x0a\x7f"), Err(Error::Malformed));
        let unknown = decode(&body("example.com/v1", "Foo", b""));
        assert_eq!(
            unknown,
            Err(Error::Kind("Foo of example.com/v1".to_owned()))
        );
        let text = decode(&body("v1", "ConfigMap", &bytes(1, &bytes(1, b"\xff"))));
        assert_eq!(text, Err(Error::Text("name".to_owned())));
        let cut = body("v1", "ConfigMap", &[0x0a, 0x05]);
        assert_eq!(decode(&cut), Err(Error::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(raw in proptest::collection::vec(0u8.., 0..100)) {
            let _ = decode(&body("v1", "Pod", &raw));
            let _ = decode(&[MAGIC, &raw[..]].concat());
        }
    }
}
