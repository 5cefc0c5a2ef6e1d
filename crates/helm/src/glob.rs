//! Glob patterns as the gobwas library reads them, with `/` as the separator: what `.Files.Glob`
//! takes.
//!
//! In: a pattern. Out: a matcher. `*` and `?` stop at slashes, `**` does not; `[abc]`, `[!a-z]` and
//! `{one,two}` are understood; a backslash takes the next character literally.

use regex::Regex;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    regex: Regex,
}

/// Why a pattern does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A character class without its end.
    #[error("unexpected end of input")]
    UnexpectedEnd,
    /// A character class that is empty or mixes forms.
    #[error("could not parse range")]
    Range,
    /// A range such as `[a-zx]`.
    #[error("expected close range character")]
    ExpectedClose,
    /// A range whose end comes before its start.
    #[error("hi character '{high}' should be greater than lo '{low}'")]
    Reversed {
        /// First character of the range.
        low: char,
        /// Last character of the range.
        high: char,
    },
    /// Too large to compile.
    #[error("pattern is too large")]
    TooLarge,
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let mut translator = Translator {
            input: pattern.chars().collect(),
            position: 0,
            terms: 0,
            out: String::new(),
        };
        translator.run()?;
        let regex = Regex::new(&format!("^(?s:{})$", translator.out));
        Ok(Self {
            regex: regex.map_err(|_| Error::TooLarge)?,
        })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

struct Translator {
    input: Vec<char>,
    position: usize,
    /// Depth of braces.
    terms: usize,
    out: String,
}

impl Translator {
    fn next(&mut self) -> Option<char> {
        let c = self.input.get(self.position).copied();
        self.position += usize::from(c.is_some());
        c
    }

    fn peek(&self) -> Option<char> {
        self.input.get(self.position).copied()
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(c) = self.next() {
            match c {
                '{' => {
                    self.terms += 1;
                    self.out.push_str("(?:");
                }
                ',' if self.terms > 0 => self.out.push('|'),
                '}' if self.terms > 0 => {
                    self.terms -= 1;
                    self.out.push(')');
                }
                '[' => self.class()?,
                '?' => self.out.push_str("[^/]"),
                '*' if self.peek() == Some('*') => {
                    self.position += 1;
                    self.out.push_str(".*");
                }
                '*' => self.out.push_str("[^/]*"),
                '\\' => {
                    if let Some(escaped) = self.next() {
                        self.literal(escaped);
                    }
                }
                other => self.literal(other),
            }
        }
        // An open brace at the end is closed silently.
        for _ in 0..self.terms {
            self.out.push(')');
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out
            .push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn class(&mut self) -> Result<(), Error> {
        let mut first = self.next().ok_or(Error::UnexpectedEnd)?;
        let negated = first == '!';
        if negated {
            first = self.next().ok_or(Error::UnexpectedEnd)?;
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        if self.peek() == Some('-') {
            self.position += 1;
            let high = self.next().ok_or(Error::UnexpectedEnd)?;
            match self.next() {
                None => return Err(Error::UnexpectedEnd),
                Some(']') => {}
                Some(_) => return Err(Error::ExpectedClose),
            }
            if high < first {
                return Err(Error::Reversed { low: first, high });
            }
            self.class_literal(first);
            self.out.push('-');
            self.class_literal(high);
        } else {
            self.position -= 1;
            self.class_list()?;
        }
        self.out.push(']');
        Ok(())
    }

    fn class_list(&mut self) -> Result<(), Error> {
        let mut some = false;
        loop {
            match self.next().ok_or(Error::UnexpectedEnd)? {
                ']' if some => return Ok(()),
                ']' => return Err(Error::Range),
                '\\' => {
                    let escaped = self.next().ok_or(Error::UnexpectedEnd)?;
                    self.class_literal(escaped);
                }
                c => self.class_literal(c),
            }
            some = true;
        }
    }

    fn class_literal(&mut self, c: char) {
        if c.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gobwas() {
        for (pattern, text, want) in [
            ("config/*.yaml", "config/a.yaml", true),
            ("config/*.yaml", "config/sub/a.yaml", false),
            ("config/**", "config/sub/a.yaml", true),
            ("**.yaml", "config/sub/a.yaml", true),
            ("*.{json,yaml}", "a.json", true),
            ("*.{json,y?ml}", "a.yaml", true),
            ("{a,b", "b", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[ab-]", "-", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a,b}", "a,b}", true),
            ("[&&x]", "&", true),
            ("?", "/", false),
            ("", "", true),
            ("", "a", false),
        ] {
            let glob = Glob::new(pattern).expect(pattern);
            assert_eq!(glob.matches(text), want, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (pattern, want) in [
            ("[", Error::UnexpectedEnd),
            ("[a", Error::UnexpectedEnd),
            ("[]", Error::Range),
            ("[a-zx]", Error::ExpectedClose),
            (
                "[z-a]",
                Error::Reversed {
                    low: 'z',
                    high: 'a',
                },
            ),
        ] {
            assert_eq!(Glob::new(pattern).err(), Some(want), "{pattern:?}");
        }
    }
}
