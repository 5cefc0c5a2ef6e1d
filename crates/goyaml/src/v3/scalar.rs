//! Writing a scalar in its style.

use super::analysis::{is_break, is_printable};
use super::print::Printer;
use crate::scan::ScalarStyle;

impl Printer {
    pub(super) fn scalar(&mut self, text: &str, style: ScalarStyle) {
        match style {
            ScalarStyle::Plain => {
                if !text.is_empty() && !self.whitespace {
                    self.put(' ');
                }
                self.lines(text, false);
                if !text.is_empty() {
                    self.whitespace = false;
                }
                self.indention = false;
            }
            ScalarStyle::SingleQuoted => {
                self.indicator("'", true, false, false);
                self.lines(text, true);
                self.indicator("'", false, false, false);
            }
            ScalarStyle::DoubleQuoted => self.double_quoted(text),
            ScalarStyle::Literal => self.literal(text),
            ScalarStyle::Folded => self.folded(text),
        }
    }

    /// Text whose line breaks are doubled, plain or in single quotes.
    fn lines(&mut self, text: &str, quoted: bool) {
        let mut breaks = false;
        for c in text.chars() {
            if c == ' ' {
                self.put(c);
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put_break();
                }
                self.put_break_as(c);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    fn double_quoted(&mut self, text: &str) {
        self.indicator("\"", true, false, false);
        // Quirk: a text that starts with a byte order mark is escaped as a whole.
        let all = text.starts_with('\u{FEFF}');
        for c in text.chars() {
            if all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escape(c);
            } else {
                self.put(c);
            }
        }
        self.indicator("\"", false, false, false);
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0B' => 'v',
            '\x0C' => 'f',
            '\r' => 'r',
            '\x1B' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{A0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let text = match code {
                    0..=0xFF => format!("\\x{code:02X}"),
                    0x100..=0xFFFF => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                return self.push(&text);
            }
        };
        self.put('\\');
        self.put(short);
    }

    /// What stands between `|` or `>` and the first line.
    fn block_header(&mut self, indicator: &str, text: &str) {
        self.indicator(indicator, true, false, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut backwards = text.chars().rev();
        let hint = match (backwards.next(), backwards.next()) {
            (Some(last), _) if !is_break(last) => Some("-"),
            (Some(_), None) => Some("+"),
            (Some(_), Some(before)) if is_break(before) => Some("+"),
            (Some(_), Some(_)) => None,
            (None, _) => Some("-"),
        };
        if let Some(hint) = hint {
            self.indicator(hint, false, false, false);
        }
        if self.waiting.line.is_empty() {
            self.put_break();
        } else {
            self.process_line();
        }
        self.whitespace = true;
    }

    fn literal(&mut self, text: &str) {
        self.block_header("|", text);
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.put_break_as(c);
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
            }
            breaks = is_break(c);
        }
    }

    fn folded(&mut self, text: &str) {
        self.block_header(">", text);
        // Quirk: what decides whether a line break is doubled is the start of the whole text.
        let start = text.trim_start_matches(is_break).chars().next();
        let doubles = start.is_some_and(|c| !matches!(c, ' ' | '\t' | '\0'));
        let (mut breaks, mut leading_spaces) = (true, true);
        for c in text.chars() {
            if is_break(c) {
                if !breaks && !leading_spaces && c == '\n' && doubles {
                    self.put_break();
                }
                self.put_break_as(c);
            } else {
                if breaks {
                    self.write_indent();
                    leading_spaces = matches!(c, ' ' | '\t');
                }
                self.put(c);
                self.indention = false;
            }
            breaks = is_break(c);
        }
    }
}
