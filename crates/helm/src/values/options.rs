//! The value flags of a command line, merged in Helm's order: files, `--set-json`, `--set`,
//! `--set-string`, `--set-file`, `--set-literal`.
//!
//! In: the flags and a function that reads files. Out: one map. Does no I/O itself.

use serde_json::{Map, Value};

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
    pub fn merge(&self, reader: Reader<'_>) -> Result<Map<String, Value>, OptionsError> {
        let mut values = Map::new();
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
            let mut text =
                |name: &str| reader(name).map(|data| String::from_utf8_lossy(&data).into_owned());
            strvals::set_file(line, &mut values, &mut text).map_err(in_flag("--set-file"))?;
        }
        for line in &self.set_literal {
            strvals::set_literal(line, &mut values).map_err(in_flag("--set-literal"))?;
        }
        Ok(values)
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
            Value::Object(got),
            json!({
                "x": 2, "m": {"z": "b", "w": [1.0]}, "j": null, "s": "3",
                "f": "from a file", "l": "a,b",
            })
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
