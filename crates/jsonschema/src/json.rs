//! JSON documents with their numbers as written.
//!
//! In: bytes. Out: a [`Json`], or the error of Go's `json.Decoder` with `UseNumber`. Of keys that occur
//! twice the last wins; what is no UTF-8 becomes U+FFFD.

use std::collections::BTreeMap;

use sprig::stack;

/// Deepest nesting of a document; Go allows 10,000.
const DEPTH_MAX: usize = 1_000;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(Box<str>),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub(crate) fn object(&self) -> Option<&BTreeMap<String, Json>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The text behind a key of an object.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.object()?.get(key)? {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A text that is no JSON, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("EOF")]
    Empty,
    #[error("unexpected EOF")]
    End,
    #[error("invalid character {} {context}", shown(*.found))]
    Character { found: u8, context: &'static str },
    #[error("invalid character after top-level value")]
    Trailing,
}

/// `'x'`; a byte stands for the character of that number.
fn shown(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let quoted = sprig::gotext::quote(char::from(byte).to_string().as_bytes());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// Reads one document.
pub(crate) fn parse(text: &[u8]) -> Result<Json, ParseError> {
    let mut parser = Parser { text, at: 0 };
    parser.space();
    if parser.peek().is_none() {
        return Err(ParseError::Empty);
    }
    let value = parser.value(0)?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(ParseError::Trailing),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the byte here.
    fn bad<T>(&self, context: &'static str) -> Result<T, ParseError> {
        match self.peek() {
            None => Err(ParseError::End),
            Some(found) => Err(ParseError::Character { found, context }),
        }
    }

    /// `depth` counts the collections around this value.
    fn value(&mut self, depth: usize) -> Result<Json, ParseError> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH_MAX => self.bad("exceeded max depth"),
            Some(b'{') => stack::grow(|| self.object(depth)),
            Some(b'[') => stack::grow(|| self.array(depth)),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(&TRUE, Json::Bool(true)),
            Some(b'f') => self.literal(&FALSE, Json::Bool(false)),
            Some(b'n') => self.literal(&NULL, Json::Null),
            _ => self.bad("looking for beginning of value"),
        }
    }

    fn literal(&mut self, rest: &[(u8, &'static str)], value: Json) -> Result<Json, ParseError> {
        self.at += 1;
        for (byte, context) in rest {
            if self.peek() != Some(*byte) {
                return self.bad(context);
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json, ParseError> {
        let mut members = BTreeMap::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.bad("looking for beginning of object key string");
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return self.bad("after object key");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            members.insert(key, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return self.bad("after object key:value pair"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, ParseError> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return self.bad("after array element"),
            }
        }
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.bad("in numeric literal"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.digit() {
                return self.bad("after decimal point in numeric literal");
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !self.digit() {
                return self.bad("in exponent of numeric literal");
            }
            self.digits();
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        Ok(Json::Number(text.into()))
    }

    fn digit(&self) -> bool {
        self.peek().is_some_and(|byte| byte.is_ascii_digit())
    }

    fn digits(&mut self) {
        while self.digit() {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(replace_invalid(bytes));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) if byte >= 0x20 => {
                    bytes.push(byte);
                    self.at += 1;
                }
                _ => return self.bad("in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let character = match self.peek() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'\\' | b'/' | b'"')) => char::from(byte),
            Some(b'u') => {
                self.at += 1;
                let unit = self.unit()?;
                return Ok(self.scalar(unit));
            }
            _ => return self.bad("in string escape code"),
        };
        self.at += 1;
        Ok(character)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, ParseError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return self.bad("in \\u hexadecimal character escape");
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The character of a unit, taking the second half of a pair with it.
    fn scalar(&mut self, unit: u32) -> char {
        if (0xD800..0xDC00).contains(&unit) && self.text[self.at..].starts_with(b"\\u") {
            let start = self.at;
            self.at += 2;
            if let Ok(low @ 0xDC00..0xE000) = self.unit() {
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.at = start;
        }
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

const TRUE: [(u8, &str); 3] = [
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: [(u8, &str); 4] = [
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: [(u8, &str); 3] = [
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

/// One U+FFFD for each byte that fits nowhere, as Go has it; Rust's own conversion merges some.
fn replace_invalid(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_the_last_key_wins() {
        let got =
            parse(br#" {"a": 1.50e+2, "b": [true, null, "\u00e9\ud83d\ude00\ud800x"], "a": -0} "#);
        let Ok(Json::Object(members)) = got else {
            unreachable!("an object: {got:?}")
        };
        assert_eq!(members["a"], Json::Number("-0".into()));
        let text = Json::String("\u{e9}\u{1f600}\u{fffd}x".to_owned());
        assert_eq!(
            members["b"],
            Json::Array(vec![Json::Bool(true), Json::Null, text])
        );
        assert_eq!(
            parse(b"\"\xff\xe2\x82\""),
            Ok(Json::String("\u{fffd}\u{fffd}\u{fffd}".to_owned()))
        );
    }

    #[test]
    fn errors_are_in_the_words_of_go() {
        let deep = "[".repeat(2_000);
        for (text, want) in [
            ("", "EOF"),
            (" \n", "EOF"),
            ("{", "unexpected EOF"),
            ("[1,", "unexpected EOF"),
            ("-", "unexpected EOF"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (
                "{'a'",
                r"invalid character '\'' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 \"b\"",
                "invalid character '\"' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("[01]", "invalid character '1' after array element"),
            (
                "[1.]",
                "invalid character ']' after decimal point in numeric literal",
            ),
            (
                "[1e]",
                "invalid character ']' in exponent of numeric literal",
            ),
            (
                "nul ",
                "invalid character ' ' in literal null (expecting 'l')",
            ),
            ("\"\n\"", r"invalid character '\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            (
                "\"\\u12x\"",
                "invalid character 'x' in \\u hexadecimal character escape",
            ),
            ("1 x", "invalid character after top-level value"),
            ("{}}", "invalid character after top-level value"),
            (
                "\u{feff}{}",
                "invalid character 'ï' looking for beginning of value",
            ),
            (&deep, "invalid character '[' exceeded max depth"),
        ] {
            let got = parse(text.as_bytes()).err().map(|e| e.to_string());
            assert_eq!(got.as_deref(), Some(want), "{text:.20}");
        }
    }
}
