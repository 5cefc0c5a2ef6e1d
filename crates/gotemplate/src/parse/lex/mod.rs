//! From template text to tokens.
//!
//! Trimming of white space happens here: the parser never sees it. Positions are byte offsets, lines count from 1
//! and belong to the start of a token. The text may hold any bytes.
//!
//! Source: text/template/parse/lex.go, whose order of checks decides which error is reported.

mod text;
mod token;

use super::TOKENS_MAX;
use crate::strconv::quote;
use crate::strconv::unicode::{decode_rune, is_print};
use text::{
    count_newlines, find, has_left_marker, has_right_marker, is_alphanumeric, is_space,
    leading_space, trim_end, unicode_name,
};
pub(super) use token::{Kind, Token};

/// Whether `break` and `continue` are keywords; they are not if functions have these names.
#[derive(Clone, Copy)]
pub(super) struct Keywords {
    pub(super) break_ok: bool,
    pub(super) continue_ok: bool,
}

pub(super) struct Lexer<'t> {
    input: &'t [u8],
    left: &'t [u8],
    right: &'t [u8],
    keywords: Keywords,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: i32,
    inside_action: bool,
    /// Why the text ends with an error token.
    pub(super) error: Option<String>,
    /// How many tokens may still be read.
    tokens_left: usize,
}

const MARKER_BYTES: usize = 2;

type Lexed<'t> = Result<Token<'t>, String>;

impl<'t> Lexer<'t> {
    /// Delimiters must not be empty.
    pub(super) fn new(
        input: &'t [u8],
        left: &'t [u8],
        right: &'t [u8],
        keywords: Keywords,
        tokens_left: usize,
    ) -> Self {
        Self {
            input,
            left,
            right,
            keywords,
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            paren_depth: 0,
            inside_action: false,
            error: None,
            tokens_left,
        }
    }

    /// How many tokens may still be read.
    pub(super) fn tokens_left(&self) -> usize {
        self.tokens_left
    }

    /// The next token. After an error or the end there is nothing more to read.
    pub(super) fn next_token(&mut self) -> Token<'t> {
        let result = match self.tokens_left.checked_sub(1) {
            None => Err(format!("templates have more than {TOKENS_MAX} tokens")),
            Some(left) => {
                self.tokens_left = left;
                if self.inside_action {
                    self.action()
                } else {
                    self.text()
                }
            }
        };
        result.unwrap_or_else(|message| {
            let token = Token {
                kind: Kind::Error,
                pos: self.start,
                line: self.start_line,
                text: b"",
            };
            self.error = Some(message);
            self.input = b"";
            self.pos = 0;
            self.start = 0;
            token
        })
    }

    fn rest(&self) -> &'t [u8] {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<u32> {
        match self.input.get(self.pos) {
            None => None,
            Some(byte) if byte.is_ascii() => Some(u32::from(*byte)),
            Some(_) => Some(decode_rune(self.rest()).0),
        }
    }

    fn next(&mut self) -> Option<u32> {
        let byte = *self.input.get(self.pos)?;
        let (rune, width) = if byte.is_ascii() {
            (u32::from(byte), 1)
        } else {
            decode_rune(self.rest())
        };
        self.pos += width;
        if rune == u32::from(b'\n') {
            self.line += 1;
        }
        Some(rune)
    }

    /// Ends the token at the current position, where `line` is right already.
    fn emit(&mut self, kind: Kind) -> Token<'t> {
        let token = Token {
            kind,
            pos: self.start,
            line: self.start_line,
            text: &self.input[self.start..self.pos],
        };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    /// Skips `n_bytes` that belong to no token.
    fn skip(&mut self, n_bytes: usize) {
        self.pos += n_bytes;
        self.line += count_newlines(&self.input[self.start..self.pos]);
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn text(&mut self) -> Lexed<'t> {
        loop {
            let Some(offset) = find(self.rest(), self.left) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.line += count_newlines(&self.input[self.start..self.pos]);
                    return Ok(self.emit(Kind::Text));
                }
                return Ok(self.emit(Kind::Eof));
            };
            if offset > 0 {
                let after_delim = &self.rest()[offset + self.left.len()..];
                let text = &self.rest()[..offset];
                let kept = if has_left_marker(after_delim) {
                    trim_end(text)
                } else {
                    offset
                };
                self.pos += kept;
                self.line += count_newlines(&text[..kept]);
                let token = self.emit(Kind::Text);
                self.skip(offset - kept);
                if kept > 0 {
                    return Ok(token);
                }
            }
            let after_delim = &self.rest()[self.left.len()..];
            let marker = if has_left_marker(after_delim) {
                MARKER_BYTES
            } else {
                0
            };
            if !after_delim[marker..].starts_with(b"/*") {
                return Ok(self.left_delim(marker));
            }
            self.comment(marker)?;
        }
    }

    fn left_delim(&mut self, marker: usize) -> Token<'t> {
        self.pos += self.left.len();
        let token = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.skip(marker);
        self.paren_depth = 0;
        token
    }

    fn comment(&mut self, marker: usize) -> Result<(), String> {
        self.skip(self.left.len() + marker);
        let Some(end) = find(&self.rest()[2..], b"*/") else {
            return Err("unclosed comment".to_owned());
        };
        self.pos += 2 + end + 2;
        let Some(trim) = self.at_right_delim() else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.skip(0);
        self.skip(self.right.len() + if trim { MARKER_BYTES } else { 0 });
        if trim {
            self.skip(leading_space(self.rest()));
        }
        Ok(())
    }

    /// Whether the right delimiter is next, and if so, whether a trim marker is before it.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_marker(rest) && rest[MARKER_BYTES..].starts_with(self.right) {
            return Some(true);
        }
        rest.starts_with(self.right).then_some(false)
    }

    fn right_delim(&mut self) -> Token<'t> {
        let trim = self.at_right_delim() == Some(true);
        if trim {
            self.skip(MARKER_BYTES);
        }
        self.pos += self.right.len();
        let token = self.emit(Kind::RightDelim);
        if trim {
            self.skip(leading_space(self.rest()));
        }
        self.inside_action = false;
        token
    }

    fn action(&mut self) -> Lexed<'t> {
        if self.at_right_delim().is_some() {
            if self.paren_depth == 0 {
                return Ok(self.right_delim());
            }
            return Err("unclosed left paren".to_owned());
        }
        let before = (self.pos, self.line);
        let Some(rune) = self.next() else {
            return Err("unclosed action".to_owned());
        };
        let Some(ascii) = u8::try_from(rune).ok().filter(u8::is_ascii) else {
            if is_alphanumeric(rune) {
                (self.pos, self.line) = before;
                return self.identifier();
            }
            return Err(format!(
                "unrecognized character in action: {}",
                unicode_name(rune)
            ));
        };
        match ascii {
            b' ' | b'\t' | b'\r' | b'\n' => {
                (self.pos, self.line) = before;
                Ok(self.space())
            }
            b'=' => Ok(self.emit(Kind::Assign)),
            b':' if self.next() == Some(u32::from(b'=')) => Ok(self.emit(Kind::Declare)),
            b':' => Err("expected :=".to_owned()),
            b'|' => Ok(self.emit(Kind::Pipe)),
            b'"' => self.quoted(b'"', Kind::String, "unterminated quoted string"),
            b'\'' => self.quoted(b'\'', Kind::CharConstant, "unterminated character constant"),
            b'`' => self.raw_string(),
            b'$' => self.field_or_variable(Kind::Variable),
            b'.' if self
                .rest()
                .first()
                .is_some_and(|byte| !byte.is_ascii_digit()) =>
            {
                self.field_or_variable(Kind::Field)
            }
            b'.' | b'+' | b'-' | b'0'..=b'9' => {
                (self.pos, self.line) = before;
                self.number()
            }
            _ if is_alphanumeric(rune) => {
                (self.pos, self.line) = before;
                self.identifier()
            }
            b'(' => {
                self.paren_depth += 1;
                Ok(self.emit(Kind::LeftParen))
            }
            b')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return Err("unexpected right paren".to_owned());
                }
                Ok(self.emit(Kind::RightParen))
            }
            _ if is_print(rune) => Ok(self.emit(Kind::Char)),
            _ => Err(format!(
                "unrecognized character in action: {}",
                unicode_name(rune)
            )),
        }
    }

    /// A run of white space. The last of it may belong to a trim marker before the right delimiter.
    fn space(&mut self) -> Token<'t> {
        let mut last = (self.pos, self.line);
        let mut n_spaces = 0;
        while self.peek().is_some_and(is_space) {
            last = (self.pos, self.line);
            self.next();
            n_spaces += 1;
        }
        let from_last = &self.input[last.0..];
        if has_right_marker(from_last) && from_last[MARKER_BYTES..].starts_with(self.right) {
            (self.pos, self.line) = last;
            if n_spaces == 1 {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Lexed<'t> {
        self.skip_alphanumeric();
        self.check_terminator()?;
        let word = &self.input[self.start..self.pos];
        let kind = match Kind::of_word(word) {
            Some(Kind::Break) if !self.keywords.break_ok => Kind::Identifier,
            Some(Kind::Continue) if !self.keywords.continue_ok => Kind::Identifier,
            Some(keyword) => keyword,
            None if word == b"true" || word == b"false" => Kind::Bool,
            None => Kind::Identifier,
        };
        Ok(self.emit(kind))
    }

    /// What follows a `.` or `$`, which is read already.
    fn field_or_variable(&mut self, kind: Kind) -> Lexed<'t> {
        if self.at_terminator() {
            return Ok(self.emit(if kind == Kind::Variable {
                kind
            } else {
                Kind::Dot
            }));
        }
        self.skip_alphanumeric();
        self.check_terminator()?;
        Ok(self.emit(kind))
    }

    fn skip_alphanumeric(&mut self) {
        loop {
            let ascii = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
            self.pos += self.rest().iter().take_while(ascii).count();
            match self.peek() {
                Some(rune) if rune >= 0x80 && is_alphanumeric(rune) => self.next(),
                _ => return,
            };
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(rune) if is_space(rune) => true,
            Some(rune) if rune < 0x80 && b".,|:)(".contains(&(rune as u8)) => true,
            Some(_) => self.rest().starts_with(self.right),
        }
    }

    fn check_terminator(&self) -> Result<(), String> {
        match self.peek() {
            Some(rune) if !self.at_terminator() => {
                Err(format!("bad character {}", unicode_name(rune)))
            }
            _ => Ok(()),
        }
    }

    fn quoted(&mut self, end: u8, kind: Kind, unterminated: &str) -> Lexed<'t> {
        loop {
            let mut next = self.next();
            if next == Some(u32::from(b'\\')) {
                next = self.next();
                if !matches!(next, None | Some(0x0A)) {
                    continue;
                }
            }
            match next {
                None | Some(0x0A) => return Err(unterminated.to_owned()),
                Some(rune) if rune == u32::from(end) => return Ok(self.emit(kind)),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Lexed<'t> {
        let Some(end) = memchr::memchr(b'`', self.rest()) else {
            // Go reads to the end before it notices; the line of the error is that of the start anyway.
            return Err("unterminated raw quoted string".to_owned());
        };
        self.line += count_newlines(&self.rest()[..end]);
        self.pos += end + 1;
        Ok(self.emit(Kind::RawString))
    }

    fn number(&mut self) -> Lexed<'t> {
        let mut valid = self.scan_number();
        let mut kind = Kind::Number;
        if valid && matches!(self.rest().first(), Some(b'+' | b'-')) {
            kind = Kind::Complex;
            valid = self.scan_number() && self.input[self.pos - 1] == b'i';
        }
        if !valid {
            let text = quote(&self.input[self.start..self.pos]);
            return Err(format!("bad number syntax: {text}"));
        }
        Ok(self.emit(kind))
    }

    /// Not a perfect scanner: what is wrong here the parser of numbers will notice.
    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let mut digits: &[u8] = b"0123456789_";
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent: &[u8] = match digits.len() {
            11 => b"eE",
            23 => b"pP",
            _ => b"",
        };
        if self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(b"0123456789_");
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let found = self.rest().first().is_some_and(|byte| valid.contains(byte));
        self.pos += usize::from(found);
        found
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }
}
