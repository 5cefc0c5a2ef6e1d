//! Plain, quoted and block scalars: folding, escapes, chomping.

use std::borrow::Cow;

use super::tags::hex;
use super::{Lexeme, Mark, ScalarStyle, Scanner, Token};
use crate::error::Problem;

/// The line breaks and blanks between two pieces of a scalar, until it is known that another piece
/// follows.
#[derive(Default)]
struct Gap {
    /// The first break; empty while still on the line.
    first: String,
    /// The breaks after it.
    more: String,
    /// Whether a break was seen, including an escaped one, which leaves no text.
    broken: bool,
}

impl Gap {
    /// Appends the gap folded: one break becomes a space, of several the first is dropped.
    fn fold_into(&mut self, out: &mut String) {
        if self.first.starts_with('\n') {
            if self.more.is_empty() {
                out.push(' ');
            }
        } else {
            out.push_str(&self.first);
        }
        out.push_str(&self.more);
        self.first.clear();
        self.more.clear();
        self.broken = false;
    }
}

/// Which of the trailing line breaks of a block scalar stay.
#[derive(Clone, Copy, PartialEq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    pub(super) fn scan_plain(&mut self) -> Result<Lexeme<'a>, Problem> {
        let start = self.text.mark;
        let indent = self.indent + 1;
        let mut end = start;
        let mut value = Cow::Borrowed("");
        let mut gap = Gap::default();
        loop {
            if self.text.at_document_indicator() || self.text.byte(0) == b'#' {
                break;
            }
            // A piece is what lies on one line, inner blanks included.
            let piece_start = self.text.position();
            let (piece_end, piece_mark) = self.skip_plain_piece();
            if piece_end > piece_start {
                end = piece_mark;
                let piece = self.text.between(piece_start, piece_end);
                if gap.broken {
                    let text = value.to_mut();
                    gap.fold_into(text);
                    text.push_str(piece);
                } else {
                    value = Cow::Borrowed(piece);
                }
            }
            if self.text.break_width(0) == 0 {
                break;
            }
            self.skip_plain_breaks(indent, &mut gap)?;
            if self.flow_level == 0 && i64::from(self.text.mark.column) < indent {
                break;
            }
        }
        if gap.broken {
            self.simple_key_allowed = true;
        }
        let token = Token::Scalar {
            value,
            style: ScalarStyle::Plain,
        };
        Ok(Lexeme { token, start, end })
    }

    /// Steps over a piece of a plain scalar and the blanks after it. Gives the end of the piece.
    fn skip_plain_piece(&mut self) -> (usize, Mark) {
        let flow = self.flow_level > 0;
        let mut end = (self.text.position(), self.text.mark);
        loop {
            let run = self.text.position();
            loop {
                match self.text.byte(0) {
                    0 | b' ' | b'\t' | b'\n' | b'\r' => break,
                    0xC2 | 0xE2 if self.text.break_width(0) > 0 => break,
                    b':' if self.text.is_blankz(1) => break,
                    b',' | b'?' | b'[' | b']' | b'{' | b'}' if flow => break,
                    _ => self.text.step(),
                }
            }
            if self.text.position() > run {
                end = (self.text.position(), self.text.mark);
            }
            if !self.text.is_blank(0) {
                return end;
            }
            self.text.skip_blanks();
            if self.text.break_width(0) > 0 || self.text.byte(0) == b'#' {
                return end;
            }
        }
    }

    /// Steps over line breaks and the indentation after them.
    fn skip_plain_breaks(&mut self, indent: i64, gap: &mut Gap) -> Result<(), Problem> {
        loop {
            if self.text.break_width(0) > 0 {
                self.text.read_break(if gap.broken {
                    &mut gap.more
                } else {
                    &mut gap.first
                });
                gap.broken = true;
            } else if self.text.is_blank(0) {
                if self.text.byte(0) == b'\t' && i64::from(self.text.mark.column) < indent {
                    return Err(self.problem("found a tab character that violates indentation"));
                }
                self.text.step();
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn scan_quoted(&mut self, single: bool) -> Result<Lexeme<'a>, Problem> {
        let start = self.text.mark;
        self.text.step();
        let value = match self.scan_simple_quoted(single) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(self.scan_folded_quoted(single)?),
        };
        self.text.step();
        let style = if single {
            ScalarStyle::SingleQuoted
        } else {
            ScalarStyle::DoubleQuoted
        };
        Ok(Lexeme {
            token: Token::Scalar { value, style },
            start,
            end: self.text.mark,
        })
    }

    /// The text up to the closing quote if nothing in it needs work, else nothing is read.
    fn scan_simple_quoted(&mut self, single: bool) -> Option<&'a str> {
        let quote = if single { b'\'' } else { b'"' };
        let rest = self.text.rest();
        let bytes = rest.as_bytes();
        let length = bytes.iter().position(|byte| {
            *byte == quote || matches!(byte, b'\n' | b'\r' | b'\\' | 0xC2 | 0xE2)
        })?;
        if bytes[length] != quote || (single && bytes.get(length + 1) == Some(&quote)) {
            return None;
        }
        let value = &rest[..length];
        self.text.advance(length, value.chars().count());
        Some(value)
    }

    fn scan_folded_quoted(&mut self, single: bool) -> Result<String, Problem> {
        let quote = if single { b'\'' } else { b'"' };
        let mut out = String::new();
        let mut gap = Gap::default();
        loop {
            if self.text.at_document_indicator() {
                return Err(self.problem("found unexpected document indicator"));
            }
            if self.text.at_end() {
                return Err(self.problem("found unexpected end of stream"));
            }
            self.read_quoted_piece(single, quote, &mut out, &mut gap)?;
            if self.text.byte(0) == quote {
                return Ok(out);
            }
            let blanks = self.text.position();
            if !gap.broken {
                self.text.skip_blanks();
                if self.text.break_width(0) == 0 {
                    out.push_str(self.text.since(blanks));
                    continue;
                }
            }
            while self.text.is_blank(0) || self.text.break_width(0) > 0 {
                if self.text.is_blank(0) {
                    self.text.step();
                } else {
                    self.text.read_break(if gap.broken {
                        &mut gap.more
                    } else {
                        &mut gap.first
                    });
                    gap.broken = true;
                }
            }
            gap.fold_into(&mut out);
        }
    }

    /// Reads up to a blank, a break or the closing quote.
    fn read_quoted_piece(
        &mut self,
        single: bool,
        quote: u8,
        out: &mut String,
        gap: &mut Gap,
    ) -> Result<(), Problem> {
        let mut run = self.text.position();
        while !self.text.is_blankz(0) {
            let byte = self.text.byte(0);
            if byte == quote {
                out.push_str(self.text.since(run));
                if !single || self.text.byte(1) != quote {
                    return Ok(());
                }
                out.push('\'');
                self.text.advance(2, 2);
                run = self.text.position();
            } else if byte == b'\\' && !single {
                out.push_str(self.text.since(run));
                if self.text.break_width(1) > 0 {
                    self.text.step();
                    self.text.skip_break();
                    gap.broken = true;
                    return Ok(());
                }
                self.read_escape(out)?;
                run = self.text.position();
            } else {
                self.text.step();
            }
        }
        out.push_str(self.text.since(run));
        Ok(())
    }

    fn read_escape(&mut self, out: &mut String) -> Result<(), Problem> {
        let digits = match self.text.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            code => {
                let Some(character) = escaped(code) else {
                    return Err(self.problem("found unknown escape character"));
                };
                out.push(character);
                self.text.advance(2, 2);
                return Ok(());
            }
        };
        self.text.advance(2, 2);
        let mut value = 0u32;
        for offset in 0..digits {
            let Some(digit) = hex(self.text.byte(offset)) else {
                return Err(self.problem("did not find expected hexdecimal number"));
            };
            value = value << 4 | digit;
        }
        let Some(character) = char::from_u32(value) else {
            return Err(self.problem("found invalid Unicode character escape code"));
        };
        out.push(character);
        self.text.advance(digits, digits);
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<Lexeme<'a>, Problem> {
        let start = self.text.mark;
        self.text.step();
        let (chomp, increment) = self.scan_block_header(start)?;
        self.text.skip_break();
        let mut end = self.text.mark;
        let mut indent = increment.map(|increment| self.indent.max(0) + increment);
        let mut out = String::new();
        let mut first_break = String::new();
        let mut more_breaks = String::new();
        let mut after_blank = false;
        let mut margin = self.skip_block_indent(&mut indent, &mut more_breaks, &mut end)?;
        while i64::from(self.text.mark.column) == margin && !self.text.at_end() {
            let blank = self.text.is_blank(0);
            let folds = !literal && !after_blank && !blank && first_break.starts_with('\n');
            if !folds {
                out.push_str(&first_break);
            } else if more_breaks.is_empty() {
                out.push(' ');
            }
            out.push_str(&more_breaks);
            first_break.clear();
            more_breaks.clear();
            after_blank = blank;
            let line = self.text.position();
            self.text.skip_to_break();
            out.push_str(self.text.since(line));
            self.text.read_break(&mut first_break);
            margin = self.skip_block_indent(&mut indent, &mut more_breaks, &mut end)?;
        }
        if let (true, Some(problem)) = (self.text.at_end(), self.reader_problem_at_end()) {
            return Err(problem);
        }
        if chomp != Chomp::Strip {
            out.push_str(&first_break);
        }
        if chomp == Chomp::Keep {
            out.push_str(&more_breaks);
        }
        let style = if literal {
            ScalarStyle::Literal
        } else {
            ScalarStyle::Folded
        };
        Ok(Lexeme {
            token: Token::Scalar {
                value: Cow::Owned(out),
                style,
            },
            start,
            end,
        })
    }

    /// The indicators after `|` or `>`, in either order, and the rest of their line.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Chomp, Option<i64>), Problem> {
        let mut chomp = self.scan_chomp();
        let mut increment = None;
        if self.text.byte(0).is_ascii_digit() {
            if self.text.byte(0) == b'0' {
                return Err(self.problem("found an indentation indicator equal to 0"));
            }
            increment = Some(i64::from(self.text.byte(0) - b'0'));
            self.text.step();
            if chomp.is_none() {
                chomp = self.scan_chomp();
            }
        }
        self.text.skip_blanks();
        self.scan_line_comment(start.at);
        self.text.skip_comment();
        if !self.text.is_breakz(0) {
            return Err(self.problem("did not find expected comment or line break"));
        }
        Ok((chomp.unwrap_or(Chomp::Clip), increment))
    }

    fn scan_chomp(&mut self) -> Option<Chomp> {
        let chomp = match self.text.byte(0) {
            b'+' => Chomp::Keep,
            b'-' => Chomp::Strip,
            _ => return None,
        };
        self.text.step();
        Some(chomp)
    }

    /// Steps over indentation and empty lines. The first time it finds the block's indentation,
    /// which it also returns.
    fn skip_block_indent(
        &mut self,
        indent: &mut Option<i64>,
        breaks: &mut String,
        end: &mut Mark,
    ) -> Result<i64, Problem> {
        *end = self.text.mark;
        let mut deepest = 0;
        loop {
            let inside = |column: u32| indent.is_none_or(|indent| i64::from(column) < indent);
            while inside(self.text.mark.column) && self.text.byte(0) == b' ' {
                self.text.step();
            }
            deepest = deepest.max(i64::from(self.text.mark.column));
            if inside(self.text.mark.column) && self.text.byte(0) == b'\t' {
                let message = "found a tab character where an indentation space is expected";
                return Err(self.problem(message));
            }
            if self.text.break_width(0) == 0 {
                break;
            }
            self.text.read_break(breaks);
            *end = self.text.mark;
        }
        Ok(*indent.get_or_insert(deepest.max(self.indent + 1).max(1)))
    }
}

/// The character behind a one-letter escape. `\/` is none in YAML 1.1.
fn escaped(code: u8) -> Option<char> {
    Some(match code {
        b'0' => '\0',
        b'a' => '\x07',
        b'b' => '\x08',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\x0B',
        b'f' => '\x0C',
        b'r' => '\r',
        b'e' => '\x1B',
        b' ' => ' ',
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'N' => '\u{85}',
        b'_' => '\u{A0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}
