//! Base64, base32, JSON, YAML and TOML.
//!
//! In: texts and values. Out: values and texts, as Go's libraries read and write them. What fails is
//! an empty text, a text with the error or an error, as each function of sprig and Helm has it.

use gotemplate::{CallError, Functions, List, Map, Str, Type, Value};

use super::json::{self, JsonError};
use super::pretty;
use super::toml;
use crate::values::to_template;
use crate::yaml;

pub(super) fn add(functions: &mut Functions) {
    add_bases(functions);
    add_json(functions);
}

fn add_bases(functions: &mut Functions) {
    functions
        .add("b64enc", |text: Str| super::base::encode64(&text))
        .add("b64dec", |text: Str| {
            super::base::decode64(&text).unwrap_or_else(String::into_bytes)
        })
        .add("b32enc", |text: Str| super::base::encode32(&text))
        .add("b32dec", |text: Str| {
            super::base::decode32(&text).unwrap_or_else(String::into_bytes)
        });
}

fn add_json(functions: &mut Functions) {
    functions
        .add("fromJson", |text: Str| {
            json::parse(&text).map_or(Value::Nil, |v| to_template(&v))
        })
        .add("mustFromJson", |text: Str| {
            json::parse(&text)
                .map(|v| to_template(&v))
                .map_err(|e| as_call(&e))
        })
        .add("toJson", |value: Value| {
            json::write(&value).unwrap_or_default()
        })
        .add("mustToJson", |value: Value| json::write(&value))
        .add("toPrettyJson", |value: Value| {
            json::write_pretty(&value).unwrap_or_default()
        })
        .add("mustToPrettyJson", |value: Value| {
            json::write_pretty(&value)
        })
        .add("toRawJson", |value: Value| json::write_raw(&value))
        .add("mustToRawJson", |value: Value| json::write_raw(&value));
}

fn as_call(error: &JsonError) -> CallError {
    CallError::text(error.to_string())
}

/// What Helm adds to sprig or replaces.
pub(super) fn add_helm(functions: &mut Functions) {
    functions
        .add("toYaml", |value: Value| to_yaml(&value).unwrap_or_default())
        .add("mustToYaml", |value: Value| {
            to_yaml(&value).map_err(in_json)
        })
        .add("toYamlPretty", |value: Value| {
            to_yaml_pretty(&value).unwrap_or_default()
        })
        .add("fromYaml", |text: Str| match yaml::decode_float(&text) {
            // Go's YAML reader leaves what it was given, an empty map, where JSON's makes it nil.
            Ok(serde_json::Value::Null) => Map::new(),
            Ok(value) => object_or_error(&value, yaml_kind_error),
            Err(error) => error_map(error.to_string()),
        })
        .add("fromYamlArray", |text: Str| {
            match yaml::decode_float(&text) {
                Ok(serde_json::Value::Null) => List::new(Vec::new()),
                Ok(value) => list_or_error(&value, yaml_kind_error),
                Err(error) => error_list(error.to_string()),
            }
        })
        .add("fromJson", |text: Str| match json::parse_in_part(&text) {
            Ok((value @ serde_json::Value::Object(_), Some(error))) => {
                let map = object_or_error(&value, json_kind_error);
                let _ = map.insert("Error", Value::from(error.to_string()));
                map
            }
            Ok((serde_json::Value::Null, Some(_))) => {
                error_map(json_kind_error("number", "map[string]interface {}"))
            }
            Ok((value, _)) => object_or_error(&value, json_kind_error),
            Err(error) => error_map(error.to_string()),
        })
        .add("fromJsonArray", |text: Str| {
            match json::parse_in_part(&text) {
                Ok((serde_json::Value::Null, Some(_))) => {
                    error_list(json_kind_error("number", "[]interface {}"))
                }
                Ok((serde_json::Value::Array(_), Some(error))) | Err(error) => {
                    error_list(error.to_string())
                }
                Ok((value, _)) => list_or_error(&value, json_kind_error),
            }
        })
        .add("toToml", |value: Value| {
            some(&value)?;
            Ok::<_, CallError>(toml::write(&value).unwrap_or_else(String::into_bytes))
        })
        .add("mustToToml", |value: Value| {
            some(&value)?;
            toml::write(&value).map_err(CallError::text)
        })
        .add("fromToml", |text: Str| match toml::parse(&text) {
            Ok(map) => map,
            Err(error) => error_map(error),
        });
}

/// What the library does not look for: it asks nothing for its type.
fn some(value: &Value) -> Result<(), CallError> {
    match value {
        Value::Nil => Err(CallError::text(
            "reflect: call of reflect.Value.Type on zero Value",
        )),
        _ => Ok(()),
    }
}

/// YAML as `sigs.k8s.io/yaml` writes it, without the last line feed.
pub fn to_yaml(value: &Value) -> Result<String, CallError> {
    json::with_json(value, |json| {
        yaml::encode(json)
            .map(without_line_feed)
            .map_err(CallError::text)
    })
}

fn in_json(error: CallError) -> CallError {
    match error {
        CallError::Text(text) if text.starts_with("json: ") => {
            CallError::text(format!("error marshaling into JSON: {text}"))
        }
        other => other,
    }
}

fn to_yaml_pretty(value: &Value) -> Result<String, CallError> {
    pretty::write(value).map(without_line_feed)
}

fn without_line_feed(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

fn yaml_kind_error(found: &str, wanted: &str) -> String {
    format!(
        "error unmarshaling JSON: while decoding JSON: {}",
        json_kind_error(found, wanted)
    )
}

fn json_kind_error(found: &str, wanted: &str) -> String {
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

/// A null gives the nil map, as Go's decoder leaves it.
fn object_or_error(value: &serde_json::Value, error: fn(&str, &str) -> String) -> Map {
    match value {
        serde_json::Value::Object(map) => crate::values::map_to_template(map),
        serde_json::Value::Null => Map::nil(&Type::MAP),
        other => error_map(error(goyaml::json_kind(other), "map[string]interface {}")),
    }
}

fn list_or_error(value: &serde_json::Value, error: fn(&str, &str) -> String) -> List {
    match value {
        serde_json::Value::Array(items) => List::new(items.iter().map(to_template).collect()),
        serde_json::Value::Null => List::nil(&Type::LIST),
        other => error_list(error(goyaml::json_kind(other), "[]interface {}")),
    }
}

fn error_map(text: String) -> Map {
    [("Error", Value::from(text))].into_iter().collect()
}

fn error_list(text: String) -> List {
    List::new(vec![Value::from(text)])
}
