//! YAML as this crate uses it: one document in, JSON values out, and back.
//!
//! In: bytes. Out: values, or Go's texts of what is wrong. The reading and writing is the YAML crate's.

use serde_json::{Map, Number, Value};

/// Reads the first document; integers stay integers.
pub fn decode(data: &[u8]) -> Result<Value, goyaml::Error> {
    goyaml::parse(data)
}

/// Reads the first document; all numbers are floats, as Go decodes into an interface.
pub fn decode_float(data: &[u8]) -> Result<Value, goyaml::Error> {
    goyaml::parse_float64(data)
}

/// Reads a document that must be a map or nothing; all numbers are floats.
pub fn decode_map(data: &[u8]) -> Result<Map<String, Value>, String> {
    match decode_float(data).map_err(|e| e.to_string())? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        other => Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            goyaml::json_kind(&other)
        )),
    }
}

/// Writes as `sigs.k8s.io/yaml`.
pub fn encode(value: &Value) -> Result<String, String> {
    goyaml::to_yaml(value).map_err(|e| e.to_string())
}

/// A number as the YAML library turns it into a text for a text field.
pub fn number_as_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let mut text = Vec::new();
            gotemplate::strconv::append_float(&mut text, float, b'g', None);
            String::from_utf8_lossy(&text).into_owned()
        }
        _ => number.to_string(),
    }
}
