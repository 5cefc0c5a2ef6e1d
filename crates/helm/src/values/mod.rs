//! Values: the settings that templates see, from chart defaults and from users.
//!
//! In: YAML, JSON, command lines. Out: JSON values ready for a render, and their conversion to and
//! from what templates work on. In JSON values here an integer is Go's `int64`, which only `--set`
//! makes; what was read from YAML or JSON is floating, as in Go. Merging charts' values is the
//! business of [`coalesce`], choosing sub-charts that of [`dependencies`].

pub(crate) mod coalesce;
pub(crate) mod dependencies;
pub(crate) mod options;

use serde_json::{Map, Number, Value};

use sprig::yaml;

pub use options::{Given, NotText, OptionsError, Reader, ValueOptions};

/// Why a values file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// Something other than a comment follows `---`.
    #[error("error reading yaml document: {0}")]
    Separator(BadSeparator),
    /// A document is no YAML or no map.
    #[error("cannot unmarshal yaml document: {0}")]
    Document(String),
}

/// Reads a values file: the maps of all its documents, later ones over earlier ones.
pub fn load(data: &[u8]) -> Result<Map<String, Value>, ValuesError> {
    let mut values = Map::new();
    let mut documents = Documents::new(data);
    while let Some(document) = documents.next().map_err(ValuesError::Separator)? {
        let next = yaml::decode_map(&document).map_err(ValuesError::Document)?;
        merge(&mut values, next);
    }
    Ok(values)
}

/// Puts `over` onto `base`: maps are merged, everything else is replaced.
pub fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Turns integers into floating numbers, as Go's JSON reader has them. Whoever got values from JSON by
/// other means than this crate passes them through here before a render.
pub fn as_decoded(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_f64() => number
            .as_f64()
            .and_then(Number::from_f64)
            .map_or(Value::Null, Value::Number),
        Value::Array(items) => Value::Array(items.into_iter().map(as_decoded).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (k, as_decoded(v))).collect())
        }
        other => other,
    }
}

/// The documents of a stream, split as the Kubernetes YAML reader does, one at a time: a bad one is
/// found before a bad separator after it.
///
/// Source: k8s.io/apimachinery `util/yaml`, `YAMLReader.Read`.
pub(crate) struct Documents<'t> {
    rest: &'t [u8],
}

/// What follows a separator and is no comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid Yaml document separator: {0}")]
pub struct BadSeparator(String);

impl<'t> Documents<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { rest: text }
    }

    /// The next document, with a line feed behind each line; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, BadSeparator> {
        let mut current: Vec<u8> = Vec::new();
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|b| *b == b'\n');
            let (line, rest) = match end {
                Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(rest) = line.strip_prefix(b"---") {
                let rest = String::from_utf8_lossy(rest);
                let rest = rest.trim();
                if !rest.is_empty() && !rest.starts_with('#') {
                    return Err(BadSeparator(rest.to_owned()));
                }
                if !current.is_empty() {
                    return Ok(Some(current));
                }
            }
            current.extend_from_slice(line);
            current.push(b'\n');
        }
        Ok(Some(current).filter(|rest| !rest.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_of_a_values_file_are_merged() {
        let text = "# first\n---\na: {b: 1, c: 2}\n--- # more\r\na: {b: x}\nd: [1]\n---\n";
        let got = load(text.as_bytes()).expect("loads");
        assert_eq!(
            Value::Object(got),
            json!({"a": {"b": "x", "c": 2.0}, "d": [1.0]})
        );
        assert_eq!(load(b""), Ok(Map::new()));
    }

    #[test]
    fn bad_values_files_are_refused() {
        for (text, want) in [
            (
                "a: 1\n---b: 2\n",
                "error reading yaml document: invalid Yaml document separator: b: 2",
            ),
            (
                "- 1\n---\na: 1\n---b: 2\n",
                "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                "a: .inf\n",
                "cannot unmarshal yaml document: error converting YAML to JSON: json: unsupported value: +Inf",
            ),
        ] {
            assert_eq!(
                load(text.as_bytes()).map_err(|e| e.to_string()),
                Err(want.to_owned())
            );
        }
    }

    #[test]
    fn numbers_that_were_decoded_are_floating() {
        assert_eq!(
            as_decoded(json!({"a": [1, 2.5, null]})),
            json!({"a": [1.0, 2.5, null]})
        );
    }
}
