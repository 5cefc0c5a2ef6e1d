//! Fields that hold bytes: what Go's decoder says of text that is no base64.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use serde_json::Value;

/// What is wrong with the bytes of a `Secret` or `ConfigMap`: the first text that is no base64, in
/// the order of keys.
pub fn bad_bytes(group: &str, kind: &str, object: &Value) -> Option<String> {
    let field = match (group, kind) {
        ("", "Secret") => "data",
        ("", "ConfigMap") => "binaryData",
        _ => return None,
    };
    let values = object.get(field)?.as_object()?.values();
    let mut texts = values.filter_map(Value::as_str);
    texts.find_map(|text| {
        // Go skips line ends.
        let error = if text.contains(['\r', '\n']) {
            STANDARD.decode(text.replace(['\r', '\n'], "")).err()
        } else {
            STANDARD.decode(text).err()
        };
        error.as_ref().map(base64_text)
    })
}

/// An error as Go words it: the byte where decoding ended.
pub fn base64_text(error: &DecodeError) -> String {
    let at = match error {
        DecodeError::InvalidByte(at, _) => *at,
        DecodeError::InvalidLastSymbol(at, _) => at.saturating_sub(1),
        DecodeError::InvalidLength(length) => length / 4 * 4,
        DecodeError::InvalidPadding => 0,
    };
    format!("illegal base64 data at input byte {at}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_that_are_no_base64_are_found() {
        let cases = [
            ("Secret", json!({"data": {"a": "MQ=="}}), None),
            ("Secret", json!({"data": {"a": "MQ\n=="}}), None),
            ("Secret", json!({"data": {"a": "1"}}), Some("0")),
            ("Secret", json!({"data": {"a": "not base64!"}}), Some("3")),
            ("ConfigMap", json!({"data": {"a": "not base64!"}}), None),
            ("ConfigMap", json!({"binaryData": {"a": "!"}}), Some("0")),
            ("Pod", json!({"data": {"a": "!"}}), None),
            ("Secret", json!({"data": ["a"]}), None),
        ];
        for (kind, object, at) in cases {
            let expected = at.map(|at| format!("illegal base64 data at input byte {at}"));
            assert_eq!(bad_bytes("", kind, &object), expected, "{object}");
        }
    }
}
