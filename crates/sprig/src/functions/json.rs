//! JSON of template values: reading with the texts of Go's errors, writing with Go's escapes.
//!
//! In: texts and values. Out: values and texts. Source: Go `encoding/json`.

use gotemplate::{CallError, LimitError, Native, TEXT_BYTES_MAX, Value, lossy, meter};
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value as Json};

use super::moments::Time;
use super::semver::SemverObject;
use super::support::fail;
use crate::stack::{for_depth, grow};

/// Nesting beyond which values are neither read nor written: deeper ones contain themselves or want to
/// exhaust the stack. Go reads ten times as deep.
const DEPTH_MAX: usize = 1_000;
/// Values in one text.
const PARTS_MAX: usize = 2_000_000;

/// Why a text is no JSON, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text ends too early.
    #[error("unexpected end of JSON input")]
    End,
    /// A character stands where it may not.
    #[error("invalid character {character} {place}")]
    Character {
        /// The character, quoted.
        character: String,
        /// Where it stands.
        place: String,
    },
    /// A number no float can hold; reading goes on with a null in its place.
    #[error("json: cannot unmarshal number {0} into Go value of type float64")]
    Range(String),
    /// Deeper than Go reads.
    #[error("exceeded max depth")]
    Depth,
    /// More values than anybody writes; Go has no such bound.
    #[error("text holds more than {PARTS_MAX} values")]
    Parts,
}

/// Reads a whole text; all numbers are floats.
pub fn parse(text: &[u8]) -> Result<Json, JsonError> {
    match parse_in_part(text)? {
        (_, Some(error)) => Err(error),
        (value, None) => Ok(value),
    }
}

/// Reads a whole text, with the first error that did not keep Go from reading on.
pub(super) fn parse_in_part(text: &[u8]) -> Result<(Json, Option<JsonError>), JsonError> {
    let mut reader = Reader {
        text,
        at: 0,
        range: None,
        parts: 0,
    };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok((value, reader.range)),
        Some(byte) => Err(unexpected(byte, "after top-level value")),
    }
}

fn unexpected(byte: u8, place: impl Into<String>) -> JsonError {
    let character = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let c = char::from(byte);
            let quoted = crate::gotext::quote(c.to_string().as_bytes());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    JsonError::Character {
        character,
        place: place.into(),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    range: Option<JsonError>,
    /// Values read so far.
    parts: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or(JsonError::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError::Depth);
        }
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(JsonError::Parts);
        }
        match self.next()? {
            b'{' => grow(|| self.object(depth)),
            b'[' => grow(|| self.array(depth)),
            b'"' => self.string().map(Json::String),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            b'-' | b'0'..=b'9' => {
                self.at -= 1;
                self.number()
            }
            other => Err(unexpected(other, "looking for beginning of value")),
        }
    }

    /// Inside of a word, number or escape Go takes the end for a blank.
    fn next_or_blank(&mut self) -> u8 {
        self.next().unwrap_or(b' ')
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        for wanted in word.bytes().skip(1) {
            let byte = self.next_or_blank();
            if byte != wanted {
                let place = format!("in literal {word} (expecting '{}')", char::from(wanted));
                return Err(unexpected(byte, place));
            }
        }
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn digit_needed(&mut self, place: &str) -> Result<(), JsonError> {
        if self.digits() == 0 {
            return Err(unexpected(self.next_or_blank(), place));
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digit_needed("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit_needed("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit_needed("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        if number.is_none() && self.range.is_none() {
            self.range = Some(JsonError::Range(text.into_owned()));
        }
        Ok(number.map_or(Json::Null, Json::Number))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => match self.next_or_blank() {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next_or_blank();
                            if !byte.is_ascii_hexdigit() {
                                return Err(unexpected(
                                    byte,
                                    "in \\u hexadecimal character escape",
                                ));
                            }
                        }
                    }
                    other => return Err(unexpected(other, "in string escape code")),
                },
                control @ 0..=0x1f => return Err(unexpected(control, "in string literal")),
                _ => {}
            }
        }
        Ok(unescape(&lossy(&self.text[start..self.at - 1])))
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(Json::Array(items)),
                other => return Err(unexpected(other, "after array element")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut map = Map::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(map));
        }
        loop {
            self.skip_space();
            match self.next()? {
                b'"' => {}
                other => {
                    return Err(unexpected(
                        other,
                        "looking for beginning of object key string",
                    ));
                }
            }
            let key = self.string()?;
            self.skip_space();
            match self.next()? {
                b':' => {}
                other => return Err(unexpected(other, "after object key")),
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.skip_space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(Json::Object(map)),
                other => return Err(unexpected(other, "after object key:value pair")),
            }
        }
    }
}

/// Takes the escapes of a checked string apart; lone surrogates become U+FFFD.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or_default();
        rest = rest.get(at + 2..).unwrap_or_default();
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (c, used) = unicode_escape(rest);
                out.push(c);
                rest = rest.get(used..).unwrap_or_default();
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    out
}

/// The character of four hexadecimal digits, or of two surrogates; and the bytes used.
fn unicode_escape(text: &str) -> (char, usize) {
    let unit = |from: usize| {
        text.get(from..from + 4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let first = unit(0).unwrap_or(0xFFFD);
    if let Some(c) = char::from_u32(first) {
        return (c, 4);
    }
    if first < 0xDC00
        && text.get(4..6) == Some("\\u")
        && let Some(second @ 0xDC00..=0xDFFF) = unit(6)
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or('\u{FFFD}'), 10);
    }
    ('\u{FFFD}', 4)
}

/// `json.Marshal`.
pub fn write(value: &Value) -> Result<Vec<u8>, CallError> {
    writable(value)?;
    written(goyaml::json::to_vec(&Wire::new(value, true)))
}

pub(super) fn write_raw(value: &Value) -> Result<Vec<u8>, CallError> {
    writable(value)?;
    written(goyaml::json::to_vec_raw(&Wire::new(value, false)))
}

pub(super) fn write_pretty(value: &Value) -> Result<String, CallError> {
    writable(value)?;
    written(goyaml::json::to_string_indent(
        &Wire::new(value, true),
        "",
        "  ",
    ))
}

/// Fails for what is too large. What is nested too deep is refused by the writing itself, in Go's words.
fn writable(value: &Value) -> Result<(), CallError> {
    match check_size(value) {
        Err(CallError::Limit(limit)) => {
            // Some functions give an empty text for an error, but not for this one.
            meter::exceed(limit.clone());
            Err(limit.into())
        }
        Err(_) => fail(CYCLE),
        Ok(()) => Ok(()),
    }
}

fn written<T>(result: serde_json::Result<T>) -> Result<T, CallError> {
    result.map_err(|error| CallError::text(error.to_string()))
}

/// A value on its way to JSON text, without a copy of it in between.
struct Wire<'a> {
    value: &'a Value,
    escape_html: bool,
    depth: usize,
}

impl<'a> Wire<'a> {
    fn new(value: &'a Value, escape_html: bool) -> Self {
        Self {
            value,
            escape_html,
            depth: 0,
        }
    }

    fn native<S: Serializer>(&self, native: &dyn Native, to: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = marshaled(self.value) {
            return to.serialize_str(&text);
        }
        if let Some((_, integer)) = native.integer() {
            return to.serialize_i64(integer);
        }
        let fields = native.json_fields();
        let mut map = to.serialize_map(Some(fields.len()))?;
        for (name, value) in &fields {
            map.serialize_entry(name, &self.inside(value))?;
        }
        map.end()
    }

    fn inside<'b>(&self, value: &'b Value) -> Wire<'b> {
        Wire {
            value,
            escape_html: self.escape_html,
            depth: self.depth + 1,
        }
    }

    /// Go writes an escape for each byte that is no UTF-8, which no text here can hold.
    fn broken_text<S: Serializer>(&self, text: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let mut out = String::from("\"");
        for chunk in text.utf8_chunks() {
            let part = if self.escape_html {
                goyaml::json::to_vec(chunk.valid())
            } else {
                goyaml::json::to_vec_raw(chunk.valid())
            };
            let part = part.map_err(S::Error::custom)?;
            let part = String::from_utf8(part).map_err(S::Error::custom)?;
            out.push_str(part.get(1..part.len() - 1).unwrap_or_default());
            out.push_str(&"\\ufffd".repeat(chunk.invalid().len()));
        }
        out.push('"');
        RawValue::from_string(out)
            .map_err(S::Error::custom)?
            .serialize(to)
    }
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.depth > DEPTH_MAX {
            return Err(S::Error::custom(CYCLE));
        }
        match self.value {
            Value::Nil => to.serialize_unit(),
            Value::Bool(b) => to.serialize_bool(*b),
            Value::Int(kind, int) if kind.is_signed() => to.serialize_i64(*int),
            Value::Int(_, bits) => to.serialize_u64(bits.cast_unsigned()),
            Value::Float(float) if float.is_finite() => to.serialize_f64(*float),
            Value::Str(text) => match text.as_str() {
                Some(text) => to.serialize_str(text),
                None => self.broken_text(text, to),
            },
            Value::Bytes(bytes) => to.serialize_str(&super::base::encode64(bytes)),
            Value::List(list) if list.is_nil() => to.serialize_unit(),
            Value::Map(map) if map.is_nil() => to.serialize_unit(),
            Value::List(list) => grow(|| {
                let items = list.borrow();
                to.collect_seq(items.iter().map(|item| self.inside(item)))
            }),
            Value::Map(map) => grow(|| {
                let entries = map.borrow();
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    map.serialize_entry(&key.to_str_lossy(), &self.inside(value))?;
                }
                map.end()
            }),
            Value::Native(native) => self.native(native.as_ref(), to),
            Value::Float(_) | Value::Complex(_) | Value::Func(_) => {
                Err(S::Error::custom(unsupported(self.value)))
            }
        }
    }
}

const CYCLE: &str = "json: unsupported value: encountered a cycle";

fn unsupported(value: &Value) -> String {
    match value {
        Value::Float(_) => {
            let shown = crate::gotext::format("%v", std::slice::from_ref(value));
            format!("json: unsupported value: {shown}")
        }
        other => format!("json: unsupported type: {}", other.type_name()),
    }
}

/// The text of what has a method for it.
fn marshaled(value: &Value) -> Option<String> {
    if let Some(time) = value.as_native::<Time>() {
        return Some(time.rfc3339());
    }
    let version = value.as_native::<SemverObject>();
    version.map(|object| object.version.to_string())
}

/// Hands a value as `json.Marshal` sees it to a library, on a stack that is deep enough for it.
pub(super) fn with_json<T>(
    value: &Value,
    use_it: impl FnOnce(&Json) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut size = Size::BOUNDED;
    let json = convert(value, 0, &mut size);
    meter::work(size.parts as u64);
    let json = json.inspect_err(|error| {
        // Some functions give an empty text for an error, but not for this one.
        if let CallError::Limit(limit) = error {
            meter::exceed(limit.clone());
        }
    })?;
    // Dropping recurses too.
    for_depth(size.depth, move || use_it(&json))
}

/// A value as `json.Marshal` sees it, however large.
pub fn to_value(value: &Value) -> Result<Json, CallError> {
    let mut size = Size::UNBOUNDED;
    convert(value, 0, &mut size)
}

/// Refuses a value that is too large, or nested too deep, to be written as a tree.
pub(super) fn check_size(value: &Value) -> Result<(), CallError> {
    let mut size = Size::BOUNDED;
    let result = measure(value, 0, &mut size);
    meter::work(size.parts as u64);
    result
}

fn measure(value: &Value, depth: usize, size: &mut Size) -> Result<(), CallError> {
    let n_bytes = match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => 0,
    };
    size.add(depth, n_bytes)?;
    match value {
        Value::List(list) => grow(|| {
            let items = list.borrow();
            items.iter().try_for_each(|v| measure(v, depth + 1, size))
        }),
        Value::Map(map) => grow(|| {
            let entries = map.borrow();
            entries.iter().try_for_each(|(k, v)| {
                size.add(depth + 1, k.len())?;
                measure(v, depth + 1, size)
            })
        }),
        _ => Ok(()),
    }
}

/// What a value grows to as a tree: what is in it several times is converted several times.
struct Size {
    depth: usize,
    parts: usize,
    bytes: usize,
    parts_max: usize,
    bytes_max: usize,
}

impl Size {
    const BOUNDED: Self = Self {
        depth: 0,
        parts: 0,
        bytes: 0,
        parts_max: PARTS_MAX,
        bytes_max: TEXT_BYTES_MAX,
    };
    const UNBOUNDED: Self = Self {
        parts_max: usize::MAX,
        bytes_max: usize::MAX,
        ..Self::BOUNDED
    };

    /// Counts one part with a text of so many bytes, on a line that is indented by its depth.
    fn add(&mut self, depth: usize, n_bytes: usize) -> Result<(), CallError> {
        if depth > DEPTH_MAX {
            return fail(CYCLE);
        }
        self.depth = self.depth.max(depth);
        self.parts += 1;
        self.bytes += n_bytes + 2 * depth;
        if self.parts > self.parts_max {
            return Err(LimitError::ValueParts {
                max: self.parts_max,
            }
            .into());
        }
        if self.bytes > self.bytes_max {
            return Err(LimitError::TextBytes {
                max: self.bytes_max,
            }
            .into());
        }
        Ok(())
    }
}

fn convert(value: &Value, depth: usize, size: &mut Size) -> Result<Json, CallError> {
    let n_bytes = match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        _ => 0,
    };
    size.add(depth, n_bytes)?;
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(kind, int) if kind.is_signed() => Json::from(*int),
        Value::Int(_, bits) => Json::from(bits.cast_unsigned()),
        Value::Float(float) => Json::Number(
            Number::from_f64(*float).ok_or_else(|| CallError::text(unsupported(value)))?,
        ),
        Value::Str(text) => Json::String(text.to_str_lossy().into_owned()),
        Value::Bytes(bytes) => Json::String(super::base::encode64(bytes)),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::List(list) => {
            let items = list.borrow();
            let items = items.iter();
            Json::Array(grow(|| {
                items
                    .map(|v| convert(v, depth + 1, size))
                    .collect::<Result<_, _>>()
            })?)
        }
        Value::Map(map) => {
            let entries = map.borrow();
            let entries = entries.iter().map(|(k, v)| {
                size.add(depth + 1, k.len())?;
                Ok((k.to_str_lossy().into_owned(), convert(v, depth + 1, size)?))
            });
            Json::Object(grow(|| entries.collect::<Result<_, CallError>>())?)
        }
        Value::Complex(_) | Value::Func(_) => return fail(unsupported(value)),
        Value::Native(native) => {
            if let Some(text) = marshaled(value) {
                return Ok(Json::String(text));
            }
            if let Some((_, integer)) = native.integer() {
                return Ok(Json::from(integer));
            }
            let fields = native.json_fields();
            let fields = fields
                .iter()
                .map(|(name, v)| Ok(((*name).to_owned(), convert(v, depth + 1, size)?)));
            Json::Object(fields.collect::<Result<_, CallError>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read_as_go_reads_it() {
        for (text, want) in [
            (
                " {\"a\": [1, -2.5e1, \"x\\u00e9\\ud83d\\ude00\\n\", true, null]} ",
                json!({"a": [1.0, -25.0, "x\u{e9}\u{1f600}\n", true, null]}),
            ),
            ("\"\\ud800x\"", json!("\u{fffd}x")),
            ("[]", json!([])),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(want));
        }
    }

    #[test]
    fn errors_are_in_the_words_of_go() {
        for (text, want) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (
                "{a",
                "invalid character 'a' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "{\"a\":1 2}",
                "invalid character '2' after object key:value pair",
            ),
            ("1 2", "invalid character '2' after top-level value"),
            (
                "tru",
                "invalid character ' ' in literal true (expecting 'e')",
            ),
            ("-", "invalid character ' ' in numeric literal"),
            (
                "trux",
                "invalid character 'x' in literal true (expecting 'e')",
            ),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1ex",
                "invalid character 'x' in exponent of numeric literal",
            ),
            ("01", "invalid character '1' after top-level value"),
            (
                "'",
                "invalid character '\\'' looking for beginning of value",
            ),
        ] {
            assert_eq!(
                parse(text.as_bytes()).map_err(|e| e.to_string()),
                Err(want.to_owned()),
                "{text}"
            );
        }
        assert_eq!(parse("[".repeat(5_000).as_bytes()), Err(JsonError::Depth));
    }
}
