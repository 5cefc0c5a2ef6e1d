//! From YAML to the fields of a type, as Go's JSON decoder does it: keys in any case, null for nothing.

use goyaml::Target;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The text of an error without what `sigs.k8s.io/yaml` says before it.
fn bare(error: &goyaml::Error) -> String {
    let text = error.to_string();
    for prefix in [
        "error unmarshaling JSON: while decoding JSON: ",
        "error converting YAML to JSON: ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
    text
}

/// Reads a text whose scalars have to be of the right kind and whose keys have to be known. Gives the
/// value too, with the keys as the type has them and without nulls.
pub(crate) fn exact<T: DeserializeOwned>(text: &[u8], target: &Target) -> Result<(T, Value)> {
    let value = goyaml::parse(text).map_err(|error| Error(bare(&error)))?;
    goyaml::check_fields(&value, target).map_err(|error| Error(bare(&error)))?;
    let value = canonical(value, target);
    Ok((typed(value.clone())?, value))
}

/// Reads a text; scalars become texts where texts are wanted, unknown keys are ignored.
pub(crate) fn lenient<T: DeserializeOwned>(text: &[u8], target: &Target) -> Result<T> {
    let value = goyaml::parse_into(text, target).map_err(|error| Error(error.to_string()))?;
    typed(canonical(value, target))
}

/// As [`lenient`]; unknown keys are errors.
pub(crate) fn strict<T: DeserializeOwned>(text: &[u8], target: &Target) -> Result<T> {
    let value =
        goyaml::parse_into_strict(text, target).map_err(|error| Error(error.to_string()))?;
    typed(canonical(value, target))
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error(error.to_string()))
}

/// The value with the keys that the type has, and zero values for nulls.
fn canonical(value: Value, target: &Target) -> Value {
    match (value, target) {
        (Value::Null, Target::Text) => Value::String(String::new()),
        (Value::Null, Target::Bool) => Value::Bool(false),
        (Value::Null, Target::Int { .. }) => 0.into(),
        (Value::Null, Target::List { .. }) => Value::Array(Vec::new()),
        (Value::Null, Target::Map { .. } | Target::Struct { .. }) => Value::Object(Map::new()),
        (Value::Array(items), Target::List { item, .. }) => items
            .into_iter()
            .map(|value| canonical(value, item))
            .collect(),
        (Value::Object(entries), Target::Map { value: target, .. }) => entries
            .into_iter()
            .map(|(key, value)| (key, canonical(value, target)))
            .collect(),
        (Value::Object(entries), Target::Struct { fields, .. }) => {
            let mut found = Map::new();
            for (key, value) in entries {
                let same = fields.iter().find(|(name, _)| *name == key);
                let field = same.or_else(|| {
                    fields
                        .iter()
                        .find(|(name, _)| name.eq_ignore_ascii_case(&key))
                });
                if let (Some((name, target)), false) = (field, value.is_null()) {
                    found.insert((*name).to_owned(), canonical(value, target));
                }
            }
            Value::Object(found)
        }
        (value, _) => value,
    }
}
