//! The reading position: bytes, characters and line breaks.
//!
//! The input is valid UTF-8 without NUL, so a zero byte stands for its end.

/// A place in the text, all parts counted from zero, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// In bytes.
    pub(crate) at: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A cursor over the text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    source: &'a str,
    pub(super) mark: Mark,
}

impl<'a> Text<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            mark: Mark::default(),
        }
    }

    /// The byte `offset` bytes ahead, zero past the end.
    pub(super) fn byte(&self, offset: usize) -> u8 {
        self.source
            .as_bytes()
            .get(self.mark.at + offset)
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.mark.at >= self.source.len()
    }

    /// The byte position, for [`Text::since`].
    pub(super) fn position(&self) -> usize {
        self.mark.at
    }

    /// The text from an earlier position up to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.between(start, self.mark.at)
    }

    pub(super) fn between(&self, start: usize, end: usize) -> &'a str {
        self.source.get(start..end).unwrap_or_default()
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.source.get(self.mark.at..).unwrap_or_default()
    }

    /// Steps over one byte; a column is counted with the first byte of a character.
    pub(super) fn step(&mut self) {
        if let Some(byte) = self.source.as_bytes().get(self.mark.at) {
            self.mark.at += 1;
            self.mark.column += u32::from(byte & 0xC0 != 0x80);
        }
    }

    /// Steps over `bytes` bytes that hold `columns` characters and no line break.
    pub(super) fn advance(&mut self, bytes: usize, columns: usize) {
        self.mark.at += bytes;
        self.mark.column += columns as u32;
    }

    /// The line breaks between the last character that is no white space and here.
    pub(super) fn newlines_before(&self) -> usize {
        let read = self.between(0, self.mark.at);
        let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let space = read.len()
            - read
                .trim_end_matches(|c| is_break(c) || c == ' ' || c == '\t')
                .len();
        let space = self.between(read.len() - space, read.len());
        space.matches(is_break).count() - space.matches("\r\n").count()
    }

    /// The start of the character before a place.
    pub(super) fn char_before(&self, at: usize) -> usize {
        self.source.floor_char_boundary(at.saturating_sub(1))
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.step();
        }
    }

    /// Steps to the end of the line.
    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            self.skip_to_break();
        }
    }

    pub(super) fn skip_to_break(&mut self) {
        let from = self.mark.at;
        while !self.is_breakz(0) {
            self.mark.at += 1;
            // What may start a break is looked at more closely by the condition above.
            let rest = &self.source.as_bytes()[self.mark.at..];
            let may_break = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2);
            self.mark.at += rest.iter().position(may_break).unwrap_or(rest.len());
        }
        let skipped = &self.source.as_bytes()[from..self.mark.at];
        let starts = skipped.iter().filter(|byte| *byte & 0xC0 != 0x80);
        self.mark.column += starts.count() as u32;
    }

    /// The width in bytes of the single line break ahead, zero for none.
    pub(super) fn break_width(&self, offset: usize) -> usize {
        match self.byte(offset) {
            b'\n' | b'\r' => 1,
            0xC2 if self.byte(offset + 1) == 0x85 => 2,
            0xE2 if self.byte(offset + 1) == 0x80
                && matches!(self.byte(offset + 2), 0xA8 | 0xA9) =>
            {
                3
            }
            _ => 0,
        }
    }

    /// Steps over a line break, if there is one.
    pub(super) fn skip_break(&mut self) {
        let width = if self.byte(0) == b'\r' && self.byte(1) == b'\n' {
            2
        } else {
            self.break_width(0)
        };
        if width > 0 {
            self.mark = Mark {
                at: self.mark.at + width,
                line: self.mark.line + 1,
                column: 0,
            };
        }
    }

    /// As [`Text::skip_break`]; appends the break, of which only U+2028 and U+2029 keep their form.
    pub(super) fn read_break(&mut self, out: &mut String) {
        match self.break_width(0) {
            0 => {}
            3 => out.push_str(self.between(self.mark.at, self.mark.at + 3)),
            _ => out.push('\n'),
        }
        self.skip_break();
    }

    pub(super) fn is_blank(&self, offset: usize) -> bool {
        matches!(self.byte(offset), b' ' | b'\t')
    }

    /// A line break or the end.
    pub(super) fn is_breakz(&self, offset: usize) -> bool {
        self.byte(offset) == 0 || self.break_width(offset) > 0
    }

    /// A blank, a line break or the end.
    pub(super) fn is_blankz(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_breakz(offset)
    }

    /// `---` or `...` at the start of a line.
    pub(super) fn at_document_indicator(&self) -> bool {
        self.at_indicator(b'-') || self.at_indicator(b'.')
    }

    pub(super) fn at_indicator(&self, byte: u8) -> bool {
        self.mark.column == 0
            && self.byte(0) == byte
            && self.byte(1) == byte
            && self.byte(2) == byte
            && self.is_blankz(3)
    }

    /// Steps over letters, digits, `_` and `-`, and gives them.
    pub(super) fn read_word(&mut self) -> &'a str {
        let start = self.mark.at;
        while is_word(self.byte(0)) {
            self.step();
        }
        self.since(start)
    }
}

/// A letter, a digit, `_` or `-`.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
