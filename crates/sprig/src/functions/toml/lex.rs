//! The characters of a document, with the library's habits of going back and of naming lines.
//!
//! Source: BurntSushi/toml `lex.go`.

use gotemplate::{IntKind, Value};

/// Where and why reading ends.
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) message: String,
}

pub(super) type Lexed<T> = Result<T, Fault>;

/// What stands for the end of the text.
pub(super) const END: char = '\0';

/// The characters the library can go back by.
const BACK_MAX: usize = 4;

pub(super) struct Cursor<'t> {
    text: &'t [u8],
    /// Where the current token begins.
    start: usize,
    at: usize,
    line: usize,
    at_end: bool,
    /// Bytes of the characters read last, the newest last.
    widths: Vec<usize>,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            start: 0,
            at: 0,
            line: 1,
            at_end: false,
            widths: Vec::new(),
        }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The token so far.
    pub(super) fn current(&self) -> String {
        String::from_utf8_lossy(&self.text[self.start..self.at]).into_owned()
    }

    pub(super) fn current_ends_with(&self, end: &str) -> bool {
        self.text[self.start..self.at].ends_with(end.as_bytes())
    }

    pub(super) fn next(&mut self) -> Lexed<char> {
        let rest = &self.text[self.at..];
        let Some(first) = rest.first() else {
            self.at_end = true;
            return Ok(END);
        };
        if *first == b'\n' {
            self.line += 1;
        }
        let head = &rest[..rest.len().min(4)];
        let c = head
            .utf8_chunks()
            .next()
            .and_then(|chunk| chunk.valid().chars().next());
        let Some(c) = c else {
            return Err(self.fault(format!("invalid UTF-8 byte: 0x{first:02x}")));
        };
        let is_control = (c < ' ' && !matches!(c, '\t' | '\r' | '\n')) || c == '\x7f';
        if is_control || (c == '\r' && rest.get(1) != Some(&b'\n')) {
            return Err(Fault {
                line: self.line,
                message: format!(
                    "TOML files cannot contain control characters: '0x{:02x}'",
                    u32::from(c)
                ),
            });
        }
        if self.widths.len() == BACK_MAX {
            self.widths.remove(0);
        }
        self.widths.push(c.len_utf8());
        self.at += c.len_utf8();
        Ok(c)
    }

    pub(super) fn back(&mut self) {
        if self.at_end {
            self.at_end = false;
            return;
        }
        self.at -= self.widths.pop().unwrap_or_default();
        if self.text.get(self.at) == Some(&b'\n') {
            self.line -= 1;
        }
    }

    pub(super) fn peek(&mut self) -> Lexed<char> {
        let c = self.next()?;
        self.back();
        Ok(c)
    }

    pub(super) fn accept(&mut self, wanted: char) -> Lexed<bool> {
        let is_wanted = self.next()? == wanted && !self.at_end;
        if !is_wanted {
            self.back();
        }
        Ok(is_wanted)
    }

    /// Begins a token here.
    pub(super) fn ignore(&mut self) {
        self.start = self.at;
    }

    /// Ends the token here and gives it.
    pub(super) fn take(&mut self) -> &'t [u8] {
        let token = &self.text[self.start.min(self.at)..self.at];
        self.start = self.at;
        token
    }

    pub(super) fn skip_blanks(&mut self) -> Lexed<()> {
        while is_blank(self.next()?) {}
        self.back();
        self.ignore();
        Ok(())
    }

    /// A fault here; behind the last line feed it belongs to the line before.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        let after_line = self.at_end && self.at > 0 && self.text[self.at - 1] == b'\n';
        Fault {
            line: self.line - usize::from(after_line),
            message: message.into(),
        }
    }

    /// A fault in the line before.
    pub(super) fn fault_before(&self, message: impl Into<String>) -> Fault {
        Fault {
            line: self.line - 1,
            message: message.into(),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// A character as `%q` prints it.
pub(super) fn quoted_char(c: char) -> String {
    let rune = Value::Int(IntKind::Int32, i64::from(u32::from(c)));
    crate::gotext::format("%q", &[rune])
}
