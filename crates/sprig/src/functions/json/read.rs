//! Reading JSON with the texts of Go's errors.
//!
//! In: texts. Out: values whose numbers are all floats, or the first fault. Source: Go `encoding/json`.

use gotemplate::lossy;
use serde_json::{Map, Number, Value as Json};

use super::{DEPTH_MAX, PARTS_MAX};
use crate::stack::grow;

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
pub(in super::super) fn parse_in_part(text: &[u8]) -> Result<(Json, Option<JsonError>), JsonError> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok((value, reader.range)),
        Some(byte) => Err(unexpected(byte, "after top-level value")),
    }
}

/// Why the next value of a stream cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The stream ends inside of a value.
    #[error("unexpected EOF")]
    End,
    /// The value is no JSON. The offset is in bytes and just behind what is at fault.
    #[error("{error}")]
    Syntax {
        /// What is wrong.
        error: JsonError,
        /// Where.
        offset: usize,
    },
}

/// Reads the next value of a stream of values from a byte on, as Go's `json.Decoder`; gives it with the
/// place behind it, or nothing where only white space is left.
pub fn parse_next(text: &[u8], at: usize) -> Result<Option<(Json, usize)>, StreamError> {
    let mut reader = Reader {
        at,
        ..Reader::new(text)
    };
    reader.skip_space();
    if reader.peek().is_none() {
        return Ok(None);
    }
    match reader.value(0) {
        Ok(value) => Ok(Some((value, reader.at))),
        Err(_) if reader.at_end => Err(StreamError::End),
        Err(error) => Err(StreamError::Syntax {
            error,
            offset: reader.at,
        }),
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
    /// Whether more was wanted than there is.
    at_end: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            range: None,
            parts: 0,
            at_end: false,
        }
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, JsonError> {
        let Some(byte) = self.peek() else {
            self.at_end = true;
            return Err(JsonError::End);
        };
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

    #[test]
    fn streams_are_read_value_by_value() {
        let text = b" {\"a\": 1}[2]\n{b}";
        let Ok(Some((first, at))) = parse_next(text, 0) else {
            panic!("a value")
        };
        assert_eq!((first, at), (json!({"a": 1.0}), 9));
        assert_eq!(parse_next(text, at), Ok(Some((json!([2.0]), 12))));
        let error = parse_next(text, 12).expect_err("no JSON");
        let want = "invalid character 'b' looking for beginning of object key string";
        assert_eq!(error.to_string(), want);
        assert!(matches!(error, StreamError::Syntax { offset: 15, .. }));
        assert_eq!(parse_next(b"{} \n", 2), Ok(None));
        for text in ["{\"a\": tru", "[", "{\"a\": \"\\u00"] {
            assert_eq!(
                parse_next(text.as_bytes(), 0),
                Err(StreamError::End),
                "{text}"
            );
        }
    }
}
