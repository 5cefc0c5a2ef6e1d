//! The value flags of a command line, merged in Helm's order: files, `--set-json`, `--set`,
//! `--set-string`, `--set-file`, `--set-literal`.
//!
//! In: the flags and a function that reads files. Out: one map, and beside it what JSON cannot hold. Does
//! no I/O itself.

use std::sync::Arc;

use gotemplate::{List, Str, Value as Go};
use serde_json::{Map, Value};
use sprig::values::map_to_template;

use super::{as_decoded, load, merge};
use crate::strvals;

/// Value flags as given, each list in the order of the command line.
#[derive(Debug, Clone, Default)]
pub struct ValueOptions {
    /// `-f`, `--values`: names of files.
    pub files: Vec<String>,
    /// `--set-json`
    pub set_json: Vec<String>,
    /// `--set`
    pub set: Vec<String>,
    /// `--set-string`
    pub set_string: Vec<String>,
    /// `--set-file`
    pub set_file: Vec<String>,
    /// `--set-literal`
    pub set_literal: Vec<String>,
}

/// The user's values.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// All of them, with replacement characters in what is no text.
    pub values: Map<String, Value>,
    /// What is no UTF-8, which JSON cannot hold and templates can.
    pub not_text: Vec<NotText>,
}

impl From<Map<String, Value>> for Given {
    fn from(values: Map<String, Value>) -> Self {
        Self {
            values,
            not_text: Vec::new(),
        }
    }
}

/// A value that is no UTF-8: the contents of a file that `--set-file` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotText {
    /// Where it is in the values.
    path: Vec<Step>,
    data: Arc<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The values as templates see them.
pub(crate) fn to_template(values: &Map<String, Value>, not_text: &[NotText]) -> gotemplate::Map {
    let map = map_to_template(values);
    for NotText { path, data } in not_text {
        put(Go::Map(map.clone()), path, data);
    }
    map
}

/// The value with the bytes at a path in it; maps are changed in place.
fn put(value: Go, path: &[Step], data: &Arc<[u8]>) -> Go {
    match (path.split_first(), value) {
        (None, _) => Go::Str(Str::from(Arc::clone(data))),
        (Some((Step::Key(key), path)), Go::Map(map)) => {
            if let Some(inner) = map.get(key.as_bytes()) {
                // A map made of values is never a nil map.
                let _ = map.insert(key, put(inner, path, data));
            }
            Go::Map(map)
        }
        (Some((Step::Index(index), path)), Go::List(list)) => {
            let mut items = list.to_vec();
            if let Some(item) = items.get_mut(*index) {
                *item = put(std::mem::take(item), path, data);
            }
            Go::List(List::new(items))
        }
        (_, value) => value,
    }
}

/// Files that are no text, on their way through the notation of `--set-file`, which takes texts.
#[derive(Default)]
struct Files(Vec<(String, Arc<[u8]>)>);

impl Files {
    /// The contents, or a text that stands for them.
    fn text(&mut self, data: Vec<u8>) -> String {
        match String::from_utf8(data) {
            Ok(text) => text,
            Err(error) => {
                // No values have a text that ends so.
                let mark = format!("\u{ffff}file {}\u{ffff}", self.0.len());
                self.0.push((mark.clone(), error.into_bytes().into()));
                mark
            }
        }
    }

    /// Puts what can be read of the files in the place of the texts that stand for them, and notes where.
    fn resolve(&self, value: &mut Value, path: &mut Vec<Step>, found: &mut Vec<NotText>) {
        match value {
            Value::String(text) => {
                let file = self.0.iter().find(|(mark, _)| mark == text);
                if let Some((_, data)) = file {
                    *text = String::from_utf8_lossy(data).into_owned();
                    found.push(NotText {
                        path: path.clone(),
                        data: Arc::clone(data),
                    });
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(Step::Index(index));
                    self.resolve(item, path, found);
                    path.pop();
                }
            }
            Value::Object(entries) => {
                for (key, item) in entries {
                    path.push(Step::Key(key.clone()));
                    self.resolve(item, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// Which flag cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A file cannot be read; the text is the reader's.
    #[error("{0}")]
    Read(String),
    /// A values file is bad.
    #[error("failed to parse {file}: {reason}")]
    File {
        /// Name as given.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// `--set-json` with an object that is no JSON.
    #[error("failed parsing --set-json data JSON: {0}")]
    JsonObject(String),
    /// `--set-json` that is not `name=json`.
    #[error("failed parsing --set-json data {0}")]
    Json(String),
    /// Another flag.
    #[error("failed parsing {flag} data: {error}")]
    Set {
        /// Name of the flag.
        flag: &'static str,
        /// What is wrong.
        error: strvals::Error,
    },
}

/// Reads a file or other source by its name; the error is a text for the user.
pub type Reader<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

impl ValueOptions {
    /// Merges everything into one map.
    pub fn merge(&self, reader: Reader<'_>) -> Result<Given, OptionsError> {
        let mut values = Map::new();
        let mut files = Files::default();
        for file in &self.files {
            let data = reader(file).map_err(OptionsError::Read)?;
            let next = load(&data).map_err(|error| OptionsError::File {
                file: file.clone(),
                reason: error.to_string(),
            })?;
            merge(&mut values, next);
        }
        for line in &self.set_json {
            set_json(line, &mut values)?;
        }
        for line in &self.set {
            strvals::set(line, &mut values).map_err(in_flag("--set"))?;
        }
        for line in &self.set_string {
            strvals::set_string(line, &mut values).map_err(in_flag("--set-string"))?;
        }
        for line in &self.set_file {
            let mut text = |name: &str| reader(name).map(|data| files.text(data));
            strvals::set_file(line, &mut values, &mut text).map_err(in_flag("--set-file"))?;
        }
        for line in &self.set_literal {
            strvals::set_literal(line, &mut values).map_err(in_flag("--set-literal"))?;
        }
        let mut given = Given::from(values);
        if !files.0.is_empty() {
            let mut values = Value::Object(std::mem::take(&mut given.values));
            files.resolve(&mut values, &mut Vec::new(), &mut given.not_text);
            if let Value::Object(values) = values {
                given.values = values;
            }
        }
        Ok(given)
    }
}

fn in_flag(flag: &'static str) -> impl Fn(strvals::Error) -> OptionsError {
    move |error| OptionsError::Set { flag, error }
}

fn set_json(line: &str, values: &mut Map<String, Value>) -> Result<(), OptionsError> {
    let trimmed = line.trim();
    if !trimmed.starts_with('{') {
        return strvals::set_json(line, values).map_err(|_| OptionsError::Json(line.to_owned()));
    }
    let Ok(Value::Object(next)) = serde_json::from_str::<Value>(trimmed).map(as_decoded) else {
        return Err(OptionsError::JsonObject(line.to_owned()));
    };
    merge(values, next);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str) -> Result<Vec<u8>, String> {
        match name {
            "a.yaml" => Ok(b"x: 1\nm: {z: a}\n".to_vec()),
            "bad.yaml" => Ok(b"- 1\n".to_vec()),
            "text" => Ok(b"from a file".to_vec()),
            other => Err(format!("open {other}: no such file or directory")),
        }
    }

    #[test]
    fn later_kinds_of_flags_win() {
        let options = ValueOptions {
            files: vec!["a.yaml".into()],
            set_json: vec![r#"{"m":{"w":[1]}}"#.into(), "j=null".into()],
            set: vec!["x=2,m.z=b".into()],
            set_string: vec!["s=3".into()],
            set_file: vec!["f=text".into()],
            set_literal: vec!["l=a,b".into()],
        };
        let got = options.merge(&mut read).expect("merges");
        assert_eq!(
            Value::Object(got.values),
            json!({
                "x": 2, "m": {"z": "b", "w": [1.0]}, "j": null, "s": "3",
                "f": "from a file", "l": "a,b",
            })
        );
    }

    #[test]
    fn files_that_are_no_text_reach_templates_as_they_are() {
        let options = ValueOptions {
            set_file: vec!["a.b=one,c[1]=two,d=one".into(), "d=text".into()],
            ..Default::default()
        };
        let mut read = |name: &str| match name {
            "one" => Ok(vec![b'x', 0xff]),
            "two" => Ok(vec![0xfe]),
            other => read(other),
        };
        let given = options.merge(&mut read).expect("merges");
        assert_eq!(
            Value::Object(given.values.clone()),
            json!({"a": {"b": "x\u{fffd}"}, "c": [null, "\u{fffd}"], "d": "from a file"})
        );
        let map = to_template(&given.values, &given.not_text);
        let shown = sprig::gotext::format("%q", &[Go::Map(map)]);
        assert_eq!(
            shown,
            r#"map["a":map["b":"x\xff"] "c":[<nil> "\xfe"] "d":"from a file"]"#
        );
    }

    #[test]
    fn bad_flags_are_named() {
        let files = |f: &str| ValueOptions {
            files: vec![f.into()],
            ..Default::default()
        };
        let json = |j: &str| ValueOptions {
            set_json: vec![j.into()],
            ..Default::default()
        };
        let set = |s: &str| ValueOptions {
            set: vec![s.into()],
            ..Default::default()
        };
        for (options, want) in [
            (files("gone"), "open gone: no such file or directory"),
            (
                files("bad.yaml"),
                "failed to parse bad.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (json("{x"), "failed parsing --set-json data JSON: {x"),
            (json("a={"), "failed parsing --set-json data a={"),
            (
                set("a"),
                "failed parsing --set data: key \"a\" has no value",
            ),
        ] {
            let got = options.merge(&mut read).expect_err(want);
            assert_eq!(got.to_string(), want);
        }
    }
}
