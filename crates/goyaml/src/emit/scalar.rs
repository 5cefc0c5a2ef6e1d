//! Writing a scalar in its style: folding, escaping, block headers.

use super::style::{break_width, is_printable, width};
use super::{Dialect, Emitter, WIDTH};
use crate::scan::ScalarStyle;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    SequenceItem,
    /// A value, or a key after `? `.
    MappingValue,
    /// A key on one line with its `:`.
    SimpleKey,
}

impl Emitter {
    pub(super) fn scalar(&mut self, text: &str, style: ScalarStyle, place: Place) {
        let saved = self.indent;
        self.increase_indent(place, self.best_indent);
        let folds = self.dialect == Dialect::V2 && place != Place::SimpleKey;
        match style {
            ScalarStyle::SingleQuoted => self.single_quoted(text, folds),
            ScalarStyle::DoubleQuoted => self.double_quoted(text, folds),
            ScalarStyle::Literal => self.literal(text),
            ScalarStyle::Plain | ScalarStyle::Folded => self.plain(text, folds),
        }
        self.indent = saved;
    }

    /// Text without line breaks.
    fn plain(&mut self, text: &str, folds: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        if folds && self.column + text.len() > WIDTH {
            self.folded_words(text, false);
        } else {
            self.push(text);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes a run of text without line breaks, as a whole.
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    /// Writes text without line breaks; a single space past the width becomes a line break, in
    /// quotes not the first or last character.
    fn folded_words(&mut self, text: &str, quoted: bool) {
        let bytes = text.as_bytes();
        let mut start = 0;
        while let Some(offset) = bytes[start..].iter().position(|byte| *byte == b' ') {
            let space = start + offset;
            self.push(&text[start..space]);
            let run = bytes[space..]
                .iter()
                .take_while(|byte| **byte == b' ')
                .count();
            let inner = !quoted || (space > 0 && space + 1 < bytes.len());
            if run == 1 && inner && self.column > WIDTH {
                self.write_indent();
            } else {
                self.push(&text[space..space + run]);
            }
            start = space + run;
        }
        self.push(&text[start..]);
    }

    fn single_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("'", false);
        let bytes = text.as_bytes();
        let (mut spaces, mut breaks) = (false, false);
        let mut at = 0;
        while at < bytes.len() {
            let break_bytes = break_width(&bytes[at..]);
            if bytes[at] == b' ' {
                let inner = at > 0 && at + 1 < bytes.len() && bytes[at + 1] != b' ';
                if folds && !spaces && inner && self.column > WIDTH {
                    self.write_indent();
                } else {
                    self.put(' ');
                }
                spaces = true;
                at += 1;
            } else if break_bytes > 0 {
                if !breaks && bytes[at] == b'\n' {
                    self.put_break();
                }
                self.copy_break(&text[at..at + break_bytes]);
                breaks = true;
                at += break_bytes;
            } else {
                if breaks {
                    self.write_indent();
                }
                // A run up to the next character that needs thought.
                let run = bytes[at..]
                    .iter()
                    .position(|byte| matches!(byte, b' ' | b'\'' | b'\n' | b'\r' | 0xC2 | 0xE2));
                let end = match run {
                    Some(0) => at + width(bytes[at]),
                    Some(length) => at + length,
                    None => bytes.len(),
                };
                if bytes[at] == b'\'' {
                    self.put('\'');
                }
                self.push(&text[at..end]);
                self.indention = false;
                (spaces, breaks) = (false, false);
                at = end;
            }
        }
        self.close_quote('\'');
    }

    /// Copies one line break, which only `\n` may turn into another.
    fn copy_break(&mut self, text: &str) {
        if text == "\n" {
            self.put_break();
        } else {
            self.out.push_str(text);
            self.column = 0;
        }
        self.indention = true;
    }

    fn close_quote(&mut self, quote: char) {
        self.put(quote);
        self.whitespace = false;
        self.indention = false;
    }

    fn double_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("\"", false);
        let bytes = text.as_bytes();
        // Quirk: the byte order mark is looked for at the start of the string whatever the
        // position, so a string that starts with one is escaped from end to end.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut spaces = false;
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            let end = at + width(byte);
            let escapes = escape_all
                || matches!(byte, b'"' | b'\\')
                || !is_printable(&bytes[at..])
                || break_width(&bytes[at..]) > 0;
            if escapes {
                self.escape(text[at..end].chars().next().unwrap_or_default());
                spaces = false;
            } else if byte == b' ' {
                let inner = at > 0 && at + 1 < bytes.len();
                if folds && !spaces && inner && self.column > WIDTH {
                    self.write_indent();
                    if bytes[at + 1] == b' ' {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.out.push_str(&text[at..end]);
                self.column += 1;
                spaces = false;
            }
            at = end;
        }
        self.close_quote('"');
    }

    fn escape(&mut self, character: char) {
        let text = match character {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0B' => "\\v",
            '\x0C' => "\\f",
            '\r' => "\\r",
            '\x1B' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{A0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => {
                let code = u32::from(character);
                let text = match code {
                    0..=0xFF => format!("\\x{code:02X}"),
                    0x100..=0xFFFF => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.push(&text);
                return;
            }
        };
        self.push(text);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", false);
        let bytes = text.as_bytes();
        if bytes.first() == Some(&b' ') || break_width(bytes) > 0 {
            let hint = self.best_indent.to_string();
            self.push(&hint);
        }
        if let Some(hint) = chomping_hint(text) {
            self.put(hint);
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut at = 0;
        let mut breaks = true;
        while at < bytes.len() {
            let break_bytes = break_width(&bytes[at..]);
            if break_bytes > 0 {
                self.copy_break(&text[at..at + break_bytes]);
                breaks = true;
                at += break_bytes;
                continue;
            }
            if breaks {
                self.write_indent();
                breaks = false;
            }
            let run = bytes[at..]
                .iter()
                .position(|byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2));
            let end = match run {
                Some(0) => at + width(bytes[at]),
                Some(length) => at + length,
                None => bytes.len(),
            };
            self.push(&text[at..end]);
            self.indention = false;
            at = end;
        }
    }
}

/// `-` for text without a final line break, `+` for text that ends with several or is nothing but
/// one.
fn chomping_hint(text: &str) -> Option<char> {
    let mut characters = text.chars().rev();
    let is_break =
        |character: char| matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    match (characters.next().is_some_and(is_break), characters.next()) {
        (false, _) => Some('-'),
        (true, None) => Some('+'),
        (true, Some(character)) => is_break(character).then_some('+'),
    }
}
