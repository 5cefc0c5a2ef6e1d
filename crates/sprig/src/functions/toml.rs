//! TOML as BurntSushi's library writes it, and reading it.
//!
//! In: values. Out: text: plain keys first, then tables, each level indented by two blanks; and back.
//! Source: BurntSushi/toml `encode.go`.

use gotemplate::{CallError, Map, Str, Value, strconv};
use serde_json::Value as Json;
use std::fmt::Write as _;

use super::json::with_json;

/// Nesting at which writing gives up.
const DEPTH_MAX: usize = 200;

/// Writes a value, usually a map; the error is the library's text.
pub(super) fn write(value: &Value) -> Result<Vec<u8>, String> {
    if matches!(value, Value::Nil) {
        return Err("toml: cannot encode nil".to_owned());
    }
    let written = with_json(value, |json| {
        let mut writer = Writer { out: String::new() };
        let result = match json {
            Json::Object(map) => writer.table(map, &mut Vec::new(), value),
            other => inline(other, value).map(|text| writer.out = text),
        };
        result
            .map(|()| writer.out.into_bytes())
            .map_err(CallError::text)
    });
    written.map_err(|e| e.to_string())
}

struct Writer {
    out: String,
}

/// Whether it becomes a table of its own.
fn is_table(value: &Json) -> bool {
    match value {
        Json::Object(_) => true,
        Json::Array(items) => !items.is_empty() && items.iter().all(Json::is_object),
        _ => false,
    }
}

impl Writer {
    fn table(
        &mut self,
        map: &serde_json::Map<String, Json>,
        path: &mut Vec<String>,
        source: &Value,
    ) -> Result<(), String> {
        if path.len() > DEPTH_MAX {
            return Err("toml: values are nested too deep".to_owned());
        }
        let child = |key: &str| match source {
            Value::Map(map) => map.get(key.as_bytes()).unwrap_or_default(),
            _ => Value::Nil,
        };
        for (key, value) in map.iter().filter(|(_, v)| !is_table(v) && !v.is_null()) {
            self.indent(path.len());
            let text = inline(value, &child(key))?;
            let _ = writeln!(self.out, "{} = {text}", quoted_key(key));
        }
        for (key, value) in map.iter().filter(|(_, v)| is_table(v)) {
            path.push(quoted_key(key));
            match (value, child(key)) {
                (Json::Object(inner), source) => {
                    self.header(path, "[", "]");
                    self.table(inner, path, &source)?;
                }
                (Json::Array(items), source) => {
                    for (i, item) in items.iter().enumerate() {
                        let Json::Object(inner) = item else { continue };
                        let source = match &source {
                            Value::List(list) => list.get(i).unwrap_or_default(),
                            _ => Value::Nil,
                        };
                        self.header(path, "[[", "]]");
                        self.table(inner, path, &source)?;
                    }
                }
                _ => {}
            }
            path.pop();
        }
        Ok(())
    }

    fn header(&mut self, path: &[String], open: &str, close: &str) {
        if path.len() == 1 && !self.out.is_empty() {
            self.out.push('\n');
        }
        self.indent(path.len() - 1);
        let _ = writeln!(self.out, "{open}{}{close}", path.join("."));
    }

    /// Keys of a table are indented one level more than its header, except at the top.
    fn indent(&mut self, level: usize) {
        self.out.push_str(&"  ".repeat(level));
    }
}

fn inline(value: &Json, source: &Value) -> Result<String, String> {
    Ok(match value {
        Json::Null => return Err("toml: cannot encode array with nil element".to_owned()),
        Json::Bool(b) => b.to_string(),
        Json::Number(number) => match source {
            Value::Float(float) => float_text(*float),
            _ => number.to_string(),
        },
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let child = |i: usize| match source {
                Value::List(list) => list.get(i).unwrap_or_default(),
                _ => Value::Nil,
            };
            let parts: Result<Vec<String>, String> = items
                .iter()
                .enumerate()
                .map(|(i, item)| inline(item, &child(i)))
                .collect();
            format!("[{}]", parts?.join(", "))
        }
        Json::Object(map) => {
            let parts: Result<Vec<String>, String> = map
                .iter()
                .map(|(key, item)| {
                    let child = match source {
                        Value::Map(map) => map.get(key.as_bytes()).unwrap_or_default(),
                        _ => Value::Nil,
                    };
                    Ok(format!("{} = {}", quoted_key(key), inline(item, &child)?))
                })
                .collect();
            format!("{{{}}}", parts?.join(", "))
        }
    })
}

/// Shortest form, with a point so that it stays a float.
fn float_text(float: f64) -> String {
    let mut text = Vec::new();
    strconv::append_float(&mut text, float, b'g', None);
    let text = String::from_utf8_lossy(&text).into_owned();
    if text.contains(['.', 'e']) {
        text
    } else {
        format!("{text}.0")
    }
}

fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads a document: whole numbers are `int64`, dates are times. The texts of errors are not those of
/// BurntSushi's library.
pub(super) fn parse(text: &[u8]) -> Result<Map, String> {
    let text = std::str::from_utf8(text).map_err(|_| "toml: invalid UTF-8".to_owned())?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| format!("toml: {}", error.message()))?;
    Ok(map(&table))
}

fn map(table: &toml::Table) -> Map {
    let entries = table
        .iter()
        .map(|(key, value)| (Str::from(key), read(value)));
    Map::from_entries(entries.collect())
}

fn read(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::str(text),
        toml::Value::Integer(integer) => Value::int64(*integer),
        toml::Value::Float(float) => Value::Float(*float),
        toml::Value::Boolean(boolean) => Value::Bool(*boolean),
        toml::Value::Datetime(moment) => super::dates::from_rfc3339(&moment.to_string()),
        toml::Value::Array(items) => Value::list(items.iter().map(read).collect()),
        toml::Value::Table(table) => Value::Map(map(table)),
    }
}
