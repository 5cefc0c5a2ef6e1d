//! Directives, anchors, aliases and tags.

use super::text::is_word;
use super::{Lexeme, Scanner, Token};
use crate::error::Problem;

impl<'a> Scanner<'a> {
    pub(super) fn fetch_directive(&mut self) -> Result<(), Problem> {
        self.unroll_indent(-1, self.text.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.text.mark;
        self.text.step();
        let name = self.text.read_word();
        if name.is_empty() {
            return Err(self.problem("could not find expected directive name"));
        }
        if !self.text.is_blankz(0) {
            return Err(self.problem("found unexpected non-alphabetical character"));
        }
        let token = match name {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_directive()?,
            _ => return Err(self.problem("found unknown directive name")),
        };
        let end = self.text.mark;
        self.text.skip_blanks();
        self.text.skip_comment();
        if !self.text.is_breakz(0) {
            return Err(self.problem("did not find expected comment or line break"));
        }
        self.text.skip_break();
        self.tokens.push_back(Lexeme { token, start, end });
        Ok(())
    }

    fn scan_version(&mut self) -> Result<Token<'a>, Problem> {
        self.text.skip_blanks();
        let major = self.scan_version_number()?;
        if self.text.byte(0) != b'.' {
            return Err(self.problem("did not find expected digit or '.' character"));
        }
        self.text.step();
        let minor = self.scan_version_number()?;
        Ok(Token::VersionDirective { major, minor })
    }

    /// One or two digits.
    fn scan_version_number(&mut self) -> Result<u8, Problem> {
        let mut value = 0;
        let mut count = 0;
        while self.text.byte(0).is_ascii_digit() {
            count += 1;
            if count > 2 {
                return Err(self.problem("found extremely long version number"));
            }
            value = value * 10 + (self.text.byte(0) - b'0');
            self.text.step();
        }
        if count == 0 {
            return Err(self.problem("did not find expected version number"));
        }
        Ok(value)
    }

    fn scan_tag_directive(&mut self) -> Result<Token<'a>, Problem> {
        self.text.skip_blanks();
        let handle = self.scan_tag_handle(true)?;
        if !self.text.is_blank(0) {
            return Err(self.problem("did not find expected whitespace"));
        }
        self.text.skip_blanks();
        let prefix = self.scan_tag_uri("")?;
        if !self.text.is_blankz(0) {
            return Err(self.problem("did not find expected whitespace or line break"));
        }
        Ok(Token::TagDirective {
            handle: handle.to_owned(),
            prefix,
        })
    }

    /// An anchor after `&` or an alias after `*`.
    pub(super) fn fetch_anchor(&mut self, anchor: bool) -> Result<(), Problem> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.text.mark;
        self.text.step();
        let name = self.text.read_word();
        let follower = self.text.byte(0);
        let ends = self.text.is_blankz(0)
            || matches!(
                follower,
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            return Err(self.problem("did not find expected alphabetic or numeric character"));
        }
        let token = if anchor {
            Token::Anchor(name)
        } else {
            Token::Alias(name)
        };
        self.tokens.push_back(Lexeme {
            token,
            start,
            end: self.text.mark,
        });
        Ok(())
    }

    /// A tag: `!<uri>`, `!handle!suffix`, `!suffix` or `!`.
    pub(super) fn fetch_tag(&mut self) -> Result<(), Problem> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.text.mark;
        let (handle, suffix) = if self.text.byte(1) == b'<' {
            self.text.step();
            self.text.step();
            let suffix = self.scan_tag_uri("")?;
            if self.text.byte(0) != b'>' {
                return Err(self.problem("did not find the expected '>'"));
            }
            self.text.step();
            (String::new(), suffix)
        } else {
            self.scan_short_tag()?
        };
        if !self.text.is_blankz(0) {
            return Err(self.problem("did not find expected whitespace or line break"));
        }
        let token = Token::Tag { handle, suffix };
        self.tokens.push_back(Lexeme {
            token,
            start,
            end: self.text.mark,
        });
        Ok(())
    }

    fn scan_short_tag(&mut self) -> Result<(String, String), Problem> {
        let handle = self.scan_tag_handle(false)?;
        if handle.len() > 1 && handle.ends_with('!') {
            let suffix = self.scan_tag_uri("")?;
            return Ok((handle.to_owned(), suffix));
        }
        // It was no handle but the start of the suffix.
        let suffix = self.scan_tag_uri(handle)?;
        if suffix.is_empty() {
            return Ok((String::new(), "!".to_owned()));
        }
        Ok(("!".to_owned(), suffix))
    }

    /// `!`, `!word` or `!word!`; a directive takes no `!word`.
    fn scan_tag_handle(&mut self, directive: bool) -> Result<&'a str, Problem> {
        if self.text.byte(0) != b'!' {
            return Err(self.problem("did not find expected '!'"));
        }
        let start = self.text.position();
        self.text.step();
        self.text.read_word();
        if self.text.byte(0) == b'!' {
            self.text.step();
        } else if directive && self.text.since(start) != "!" {
            return Err(self.problem("did not find expected '!'"));
        }
        Ok(self.text.since(start))
    }

    /// The characters of a URI with `%XX` decoded, after what is already known of it: `head`
    /// without its first character.
    fn scan_tag_uri(&mut self, head: &str) -> Result<String, Problem> {
        let mut bytes = head.as_bytes().get(1..).unwrap_or_default().to_vec();
        let mut found = !head.is_empty();
        loop {
            match self.text.byte(0) {
                b'%' => self.scan_uri_escape(&mut bytes)?,
                byte if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    bytes.push(byte);
                    self.text.step();
                }
                _ => break,
            }
            found = true;
        }
        if !found {
            return Err(self.problem("did not find expected tag URI"));
        }
        // Tags are compared, never shown as values, so a malformed escape may lose its form.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The `%XX` of one character.
    fn scan_uri_escape(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        let mut left = 0;
        loop {
            let digits = (hex(self.text.byte(1)), hex(self.text.byte(2)));
            let (b'%', (Some(high), Some(low))) = (self.text.byte(0), digits) else {
                return Err(self.problem("did not find URI escaped octet"));
            };
            let octet = (high << 4 | low) as u8;
            if left == 0 {
                left = match octet {
                    0x00..=0x7F => 1,
                    0xC0..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF7 => 4,
                    _ => return Err(self.problem("found an incorrect leading UTF-8 octet")),
                };
            } else if octet & 0xC0 != 0x80 {
                return Err(self.problem("found an incorrect trailing UTF-8 octet"));
            }
            out.push(octet);
            (0..3).for_each(|_| self.text.step());
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
}

/// The value of a hexadecimal digit.
pub(super) fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}
