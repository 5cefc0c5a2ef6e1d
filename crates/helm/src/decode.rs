//! Reading plain values into typed fields by the rules of Go's `encoding/json` behind
//! `sigs.k8s.io/yaml`.
//!
//! In: a decoded document. Out: fields of the wanted kinds, or the error Go would give. Names match
//! without regard to case, the last one winning; numbers and booleans become texts where a text is
//! wanted, as that library converts them for typed targets.

use goyaml::json_kind;
use serde_json::{Map, Value};

/// A value of the wrong kind for the field it was found in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {target}"
)]
pub(crate) struct KindError {
    found: &'static str,
    target: String,
}

/// An object whose fields are read into a Go struct.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Name of the outermost Go struct, for errors.
    owner: &'a str,
    /// Path of the object inside it, empty or ending in a dot.
    path: String,
}

static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Fields<'a> {
    /// The fields of a whole document; `go_type` is the full name of the Go type it is read into.
    pub(crate) fn of_document(
        document: &'a Value,
        go_type: &str,
        owner: &'a str,
    ) -> Result<Self, KindError> {
        let map = match document {
            Value::Object(map) => map,
            Value::Null => &EMPTY,
            other => {
                return Err(KindError {
                    found: json_kind(other),
                    target: format!("value of type {go_type}"),
                });
            }
        };
        Ok(Self {
            map,
            owner,
            path: String::new(),
        })
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        // Map keys are sorted, so the last one that fits is the one Go assigns last.
        self.map
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    fn mismatch(&self, name: &str, value: &Value, go_type: &str) -> KindError {
        KindError {
            found: json_kind(value),
            target: format!(
                "struct field {}.{}{name} of type {go_type}",
                self.owner, self.path
            ),
        }
    }

    /// A text field; empty when absent or null.
    pub(crate) fn text(&self, name: &str) -> Result<String, KindError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(value) => scalar_text(value).ok_or_else(|| self.mismatch(name, value, "string")),
        }
    }

    /// A boolean field; false when absent or null.
    pub(crate) fn boolean(&self, name: &str) -> Result<bool, KindError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(b)) => Ok(*b),
            Some(other) => Err(self.mismatch(name, other, "bool")),
        }
    }

    /// A list field; None when absent or null.
    fn list(&self, name: &str, go_type: &str) -> Result<Option<&'a Vec<Value>>, KindError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// A list of texts; null items are empty.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, KindError> {
        let Some(list) = self.list(name, "[]string")? else {
            return Ok(None);
        };
        let texts = list.iter().map(|item| match item {
            Value::Null => Ok(String::new()),
            item => scalar_text(item).ok_or_else(|| self.mismatch(name, item, "string")),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A list of anything.
    pub(crate) fn values(&self, name: &str) -> Result<Option<Vec<Value>>, KindError> {
        Ok(self.list(name, "[]interface {}")?.cloned())
    }

    /// A list of objects; None stands for a null item.
    pub(crate) fn objects(
        &self,
        name: &str,
        go_type: &str,
    ) -> Result<Option<Vec<Option<Fields<'a>>>>, KindError> {
        let Some(list) = self.list(name, &format!("[]*{go_type}"))? else {
            return Ok(None);
        };
        let objects = list.iter().map(|item| match item {
            Value::Null => Ok(None),
            Value::Object(map) => Ok(Some(Fields {
                map,
                owner: self.owner,
                path: format!("{}{name}.", self.path),
            })),
            other => Err(self.mismatch(name, other, go_type)),
        });
        objects.collect::<Result<_, _>>().map(Some)
    }

    /// An object field; None when absent or null.
    pub(crate) fn object(
        &self,
        name: &str,
        go_type: &str,
    ) -> Result<Option<Fields<'a>>, KindError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields {
                map,
                owner: self.owner,
                path: format!("{}{name}.", self.path),
            })),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// A map of texts; None when absent or null.
    pub(crate) fn text_map(
        &self,
        name: &str,
    ) -> Result<Option<std::collections::BTreeMap<String, String>>, KindError> {
        let Some(object) = self.object(name, "map[string]string")? else {
            return Ok(None);
        };
        let entries = object.map.iter().map(|(key, value)| {
            let text = match value {
                Value::Null => Some(String::new()),
                value => scalar_text(value),
            };
            text.map(|text| (key.clone(), text))
                .ok_or_else(|| self.mismatch(name, value, "string"))
        });
        entries.collect::<Result<_, _>>().map(Some)
    }
}

/// The text of a scalar as the YAML library converts it for a text field.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(number) => Some(number_text(number)),
        _ => None,
    }
}

/// A number as Go's `strconv.FormatFloat(f, 'g', -1, 32)` or integer printing has it.
fn number_text(number: &serde_json::Number) -> String {
    sprig::yaml::number_as_text(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_without_case_and_scalars_become_texts() {
        let document = json!({"NAME": "a", "name": "b", "flag": true, "list": ["x", 2, null]});
        let fields = Fields::of_document(&document, "t.T", "T").expect("an object");
        assert_eq!(fields.text("Name"), Ok("b".to_owned()));
        assert_eq!(fields.text("flag"), Ok("true".to_owned()));
        let list = ["x", "2", ""].map(str::to_owned).to_vec();
        assert_eq!(fields.texts("list"), Ok(Some(list)));
        assert_eq!(fields.text("absent"), Ok(String::new()));
    }

    #[test]
    fn wrong_kinds_are_named() {
        let document = json!({"name": {"a": 1}, "flag": "x", "list": 3, "items": [1]});
        let fields = Fields::of_document(&document, "t.T", "T").expect("an object");
        let prefix = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
        for (got, want) in [
            (
                fields.text("name").err(),
                "object into Go struct field T.name of type string",
            ),
            (
                fields.boolean("flag").err(),
                "string into Go struct field T.flag of type bool",
            ),
            (
                fields.texts("list").err(),
                "number into Go struct field T.list of type []string",
            ),
            (
                fields.objects("items", "t.Item").err(),
                "number into Go struct field T.items of type t.Item",
            ),
        ] {
            assert_eq!(got.map(|e| e.to_string()), Some(format!("{prefix} {want}")));
        }
        let list = json!([1]);
        let whole = Fields::of_document(&list, "t.T", "T")
            .err()
            .map(|e| e.to_string());
        assert_eq!(
            whole,
            Some(format!("{prefix} array into Go value of type t.T"))
        );
    }
}
