//! YAML and JSON as Go's libraries read and write them, to the byte.
//!
//! Text goes in and `serde_json::Value` comes out ([`parse`]), and back ([`to_yaml`],
//! [`json`]). Reading follows `sigs.k8s.io/yaml` on go-yaml v2: YAML 1.1 booleans and octals, merge
//! keys, keys turned into strings, the first document only, go-yaml's messages. Comments are not
//! kept but by [`v3`], and streams are split by [`documents`] or by the caller.
//!
//! ```
//! let value = goyaml::parse(b"mode: 0644\nlist: [yes, 1.0]\n# gone\n")?;
//! assert_eq!(value, serde_json::json!({"mode": 420, "list": [true, 1]}));
//! assert_eq!(goyaml::to_yaml(&value)?, "list:\n- true\n- 1\nmode: 420\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Differences from Go
//!
//! All on purpose, all for the sake of bounds, determinism or secrecy:
//!
//! - nesting ends at [`DEPTH_MAX`] and not at 10,000 levels;
//! - a document has at most [`nodes::NODES_MAX`] nodes;
//! - aliases may repeat at most 64 MiB of text, besides go-yaml's own bound;
//! - the message about an unusable key leaves out the value behind it;
//! - of the keys `1` and `"1"` in one mapping the later wins, where Go picks at random;
//! - keys that go-yaml's relation orders in a circle (`a2`, `a10`, `a1b`, `a01`) come in a fixed order,
//!   where Go's is random;
//! - letters and digits outside ASCII, where they decide the order of keys, are those of Rust.

mod compose;
mod decode;
pub mod documents;
mod emit;
mod error;
mod input;
pub mod json;
pub mod nodes;
mod numbers;
mod quote;
mod resolve;
mod scan;
mod typed;
pub mod v3;

pub use self::emit::{Tree, WriteError, to_yaml, to_yaml_v3, tree_to_yaml_v3};
pub use self::error::{Error, Problem};
pub use self::numbers::numbers_as_float64;
pub use self::scan::DEPTH_MAX;
pub use self::typed::{Target, check_fields, check_kinds, parse_into, parse_into_strict};

use serde_json::{Map, Value};

/// Reads the first document of a text as `sigs.k8s.io/yaml`'s `Unmarshal` reads it into an empty
/// interface, except that integers stay integers (see [`numbers_as_float64`]).
///
/// Of keys that occur twice the last wins. A text without a document is null.
///
/// # Errors
/// When the text is no YAML or holds what JSON cannot; the text of the error is Go's.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    read(text, false)
}

/// As [`parse`], and keys that occur twice are an error that names them all: `UnmarshalStrict`.
///
/// # Errors
/// As [`parse`], and [`Error::DuplicateKeys`].
pub fn parse_strict(text: &[u8]) -> Result<Value, Error> {
    read(text, true)
}

fn read(text: &[u8], strict: bool) -> Result<Value, Error> {
    let input = input::decode(text);
    let document = compose::compose(&input.text, input.problem).map_err(Error::Syntax)?;
    decode::decode(&document, document.root, strict)
}

/// As [`parse`] with every number a float, as Go decodes JSON into an empty interface.
///
/// # Errors
/// As [`parse`].
pub fn parse_float64(text: &[u8]) -> Result<Value, Error> {
    let mut value = parse(text)?;
    numbers_as_float64(&mut value);
    Ok(value)
}

/// As [`parse`], into a map; a text without a document, or with null, gives an empty one.
///
/// # Errors
/// As [`parse`], and [`Error::WrongKind`] for anything but a map.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, Error> {
    match parse(text)? {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        other => Err(Error::WrongKind {
            found: json_kind(&other),
            wanted: "map[string]interface {}",
        }),
    }
}

/// As [`parse`], into a list; a text without a document, or with null, gives an empty one.
///
/// # Errors
/// As [`parse`], and [`Error::WrongKind`] for anything but a list.
pub fn parse_array(text: &[u8]) -> Result<Vec<Value>, Error> {
    match parse(text)? {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        other => Err(Error::WrongKind {
            found: json_kind(&other),
            wanted: "[]interface {}",
        }),
    }
}

/// What Go's JSON decoder calls the kind of a value: `null`, `bool`, `number`, `string`, `array` or
/// `object`.
pub fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
