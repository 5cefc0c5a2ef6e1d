//! From trees to values and text.

use base64::Engine as _;
use goyaml::v3::{self, Meaning, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::{FLOAT, Kind, MERGE, NULL, Node, STRING};
use crate::error::{Error, Result, quoted};

/// The text of a number as Go's `encoding/json` writes it.
pub(crate) fn go_number(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if !number.is_i64() && !number.is_u64() => goyaml::json::encode_f64(value),
        _ => number.to_string(),
    }
}

/// A float after its way through JSON, where whole ones lose their point.
fn float(value: f64) -> Result<Value> {
    if !value.is_finite() {
        let name = match value {
            _ if value.is_nan() => "NaN",
            _ if value > 0.0 => "+Inf",
            _ => "-Inf",
        };
        return Err(Error(format!("json: unsupported value: {name}")));
    }
    let text = goyaml::json::encode_f64(value);
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Ok(integer.into());
    }
    Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
}

impl Node {
    /// The text that kyaml prints.
    pub(crate) fn print(&self) -> String {
        let document = v3::Document {
            root: self.to_v3(),
            ..v3::Document::default()
        };
        let mut printer = v3::Printer::default();
        printer.document(&document, true);
        printer.finish()
    }

    fn to_v3(&self) -> v3::Node {
        let (tag, is_tagged) = self.shown_tag();
        v3::Node {
            kind: match self.kind {
                Kind::Scalar => v3::Kind::Scalar,
                Kind::Sequence => v3::Kind::Sequence,
                Kind::Mapping => v3::Kind::Mapping,
            },
            tag,
            is_tagged,
            value: self.value.clone(),
            style: self.style.scalar,
            flow: self.style.flow,
            content: self.content.iter().map(Self::to_v3).collect(),
            ..v3::Node::default()
        }
    }

    /// The tag, and whether it has to be printed: it was written, or the text means something else
    /// without it. Strings get quotes instead.
    fn shown_tag(&self) -> (String, bool) {
        let tag = self.tag.clone().into_owned();
        if self.style.tagged && !tag.is_empty() {
            return (tag, true);
        }
        if self.kind != Kind::Scalar || tag.is_empty() || tag == STRING {
            return (tag, false);
        }
        let is_other = v3::resolve(&self.value).tag() != tag;
        (tag, is_other)
    }

    /// The value that kyaml's `MarshalJSON` gives, sorted and with JSON's numbers. What is no map and no
    /// list is an empty map, as there.
    pub(crate) fn to_value(&self) -> Result<Value> {
        match self.kind {
            Kind::Scalar => Ok(Value::Object(Map::new())),
            Kind::Sequence => self.decode(),
            Kind::Mapping => self.decode_map(true, false),
        }
    }

    /// The value that go-yaml v3 gives for the printed text, as JSON.
    pub(crate) fn decode(&self) -> Result<Value> {
        self.decode_in(false)
    }

    /// With `flow` it is printed inside of brackets.
    fn decode_in(&self, flow: bool) -> Result<Value> {
        let inner = flow || self.style.flow;
        match self.kind {
            Kind::Mapping => self.decode_map(false, flow),
            Kind::Sequence => {
                let items = self.content.iter();
                items.map(|item| item.decode_in(inner)).collect()
            }
            // Quirk: a colon inside of brackets needs quotes, which make a text of a time.
            Kind::Scalar if flow && self.tag == "!!timestamp" && self.value.contains(':') => {
                Ok(self.value.as_str().into())
            }
            Kind::Scalar => self.decode_scalar(),
        }
    }

    fn decode_map(&self, is_outermost: bool, flow: bool) -> Result<Value> {
        let inner = flow || self.style.flow;
        let mut map = Map::new();
        for (key, value) in self.entries() {
            if key.kind != Kind::Scalar {
                return Err(Error(format!(
                    "yaml: invalid map key: {}",
                    key.print().trim_end()
                )));
            }
            let tag = key.meant_tag();
            if !is_outermost && tag != STRING && tag != MERGE {
                return Err(Error::new(
                    "json: unsupported type: map[interface {}]interface {}",
                ));
            }
            if map
                .insert(key.value.clone(), value.decode_in(inner)?)
                .is_some()
            {
                return Err(Error(format!(
                    "yaml: unmarshal errors:\n  mapping key {:?} already defined",
                    key.value
                )));
            }
        }
        Ok(Value::Object(map))
    }

    /// The tag that the printed text has for its reader.
    fn meant_tag(&self) -> &str {
        let is_quoted = self.style.scalar != ScalarStyle::Plain;
        match self.shown_tag() {
            (_, true) => &self.tag,
            _ if is_quoted || self.tag == STRING => STRING,
            _ => v3::resolve(&self.value).tag(),
        }
    }

    fn decode_scalar(&self) -> Result<Value> {
        let text = self.value.as_str();
        let tag = self.meant_tag();
        let meaning = match tag {
            STRING => Meaning::Text,
            "!!binary" => return self.decode_binary(),
            _ if !tag.starts_with("!!") => Meaning::Text,
            _ => v3::resolve(text),
        };
        let is_core = matches!(
            tag,
            NULL | FLOAT | super::INTEGER | super::BOOLEAN | "!!timestamp" | MERGE
        );
        let meaning = match (tag, meaning) {
            (FLOAT, Meaning::Int(value)) => Meaning::Float(value as f64),
            (_, meaning) => meaning,
        };
        if is_core && meaning.tag() != tag {
            return Err(Error(format!(
                "yaml: unmarshal errors:\n  cannot decode {} `{}` as a {tag}",
                meaning.tag(),
                quoted(text)
            )));
        }
        Ok(match meaning {
            Meaning::Null => Value::Null,
            Meaning::Bool(value) => value.into(),
            Meaning::Int(value) => value.into(),
            Meaning::Uint(value) => value.into(),
            Meaning::Float(value) => return float(value),
            Meaning::Timestamp => rfc3339(text).into(),
            Meaning::Merge | Meaning::Text => text.into(),
        })
    }

    fn decode_binary(&self) -> Result<Value> {
        let data = base64::engine::general_purpose::STANDARD.decode(&self.value);
        let data =
            data.map_err(|_| Error::new("yaml: !!binary value contains invalid base64 data"))?;
        Ok(String::from_utf8_lossy(&data).into_owned().into())
    }
}

/// A date as Go's JSON encoder writes the time: with all digits, and a zone.
fn rfc3339(text: &str) -> String {
    let end = text.find([' ', 'T', 't']).unwrap_or(text.len());
    let (date, time) = text.split_at(end);
    let two = |number: &str| format!("{number:0>2}");
    let date: Vec<String> = date.split('-').map(two).collect();
    let time = time.trim_start_matches([' ', 'T', 't']);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let zone = match zone {
        "" | "+00:00" | "-00:00" => "Z",
        zone => zone,
    };
    let (clock, fraction) = match clock.find(['.', ',']) {
        Some(at) => (&clock[..at], &clock[at + 1..]),
        None => (clock, ""),
    };
    let fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let mut clock: Vec<String> = clock.split(':').map(two).collect();
    clock.resize(3, "00".to_owned());
    format!(
        "{}T{}{dot}{fraction}{zone}",
        date.join("-"),
        clock.join(":")
    )
}
