//! From Go's syntax of patterns to that of the `regex` crate.
//!
//! In: a pattern. Out: one of the same meaning, or Go's text of what is wrong.

use std::fmt::Write as _;
use std::sync::Arc;

use regex::bytes::Regex;

use super::SyntaxError;

/// Largest count in braces.
const REPEAT_MAX: u32 = 1_000;

/// The same pattern in the other syntax, and the names of its groups, the whole match being the first.
pub(super) fn translate(pattern: &str) -> Result<(String, Arc<[String]>), SyntaxError> {
    Translator::new(pattern).run()
}

struct Translator<'a> {
    pattern: &'a str,
    at: usize,
    out: String,
    /// Names of the groups so far, empty where they have none.
    names: Vec<String>,
    /// Open groups, each with the largest number of times that something in it is repeated.
    groups: Vec<u32>,
    /// The same for what came last.
    repeats: u32,
    /// Whether something that can be repeated came last.
    repeatable: bool,
    /// For each open group, the state around it does not matter: a closed group can be repeated.
    last_repeat: Option<usize>,
}

impl<'a> Translator<'a> {
    fn new(pattern: &'a str) -> Self {
        Self {
            pattern,
            at: 0,
            out: String::with_capacity(pattern.len() + 16),
            names: vec![String::new()],
            groups: Vec::new(),
            repeats: 1,
            repeatable: false,
            last_repeat: None,
        }
    }

    fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    fn error<T>(&self, code: &'static str, from: usize, to: usize) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            code,
            part: self.pattern[from..to].to_owned(),
        })
    }

    fn run(mut self) -> Result<(String, Arc<[String]>), SyntaxError> {
        while let Some(c) = self.rest().chars().next() {
            let repeat = self.last_repeat.take();
            if !"*+?{)".contains(c) {
                self.next_item();
            }
            match c {
                '*' | '+' | '?' => self.repeat(repeat, 1)?,
                '{' => {
                    if let Some(length) = braces(self.rest()) {
                        self.counted(repeat, length)?;
                    } else {
                        self.next_item();
                        self.literal(c);
                    }
                }
                '(' => self.open()?,
                ')' => {
                    self.next_item();
                    let Some(repeats) = self.groups.pop() else {
                        return self.error("unexpected )", 0, self.pattern.len());
                    };
                    self.repeats = repeats;
                    self.push_plain(c, true);
                }
                '|' => self.push_plain(c, false),
                '^' | '$' | '.' => self.push_plain(c, true),
                '[' => self.class()?,
                '\\' => self.escape()?,
                _ => self.literal(c),
            }
        }
        if !self.groups.is_empty() {
            return self.error("missing closing )", 0, self.pattern.len());
        }
        Ok((self.out, self.names.into()))
    }

    /// Counts what came last to the group around it.
    fn next_item(&mut self) {
        if let Some(group) = self.groups.last_mut() {
            *group = (*group).max(self.repeats);
        }
        self.repeats = 1;
    }

    fn push_plain(&mut self, c: char, repeatable: bool) {
        self.out.push(c);
        self.at += c.len_utf8();
        self.repeatable = repeatable;
    }

    fn literal(&mut self, c: char) {
        self.out
            .push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.at += c.len_utf8();
        self.repeatable = true;
    }

    /// A repetition operator of `length` bytes, and a `?` after it.
    fn repeat(&mut self, previous: Option<usize>, length: usize) -> Result<(), SyntaxError> {
        let start = self.at;
        let mut end = start + length;
        if self.pattern[end..].starts_with('?') {
            end += 1;
        }
        if let Some(previous) = previous {
            return self.error("invalid nested repetition operator", previous, end);
        }
        if !self.repeatable {
            return self.error("missing argument to repetition operator", start, end);
        }
        self.out.push_str(&self.pattern[start..end]);
        self.at = end;
        self.last_repeat = Some(start);
        Ok(())
    }

    fn counted(&mut self, previous: Option<usize>, length: usize) -> Result<(), SyntaxError> {
        let inner = &self.rest()[1..length - 1];
        let (low, high) = inner.split_once(',').unwrap_or((inner, inner));
        let count = |digits: &str| digits.parse::<u32>().ok().filter(|n| *n <= REPEAT_MAX);
        let bad = count(low).is_none()
            || !high.is_empty() && (count(high).is_none() || count(high) < count(low));
        if bad {
            return self.error("invalid repeat count", self.at, self.at + length);
        }
        let start = self.at;
        self.repeat(previous, length)?;
        let times = count(if high.is_empty() { low } else { high }).unwrap_or_default();
        self.repeats = self.repeats.saturating_mul(times.max(1));
        if self.repeats > REPEAT_MAX {
            return self.error("invalid repeat count", start, self.at);
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.groups.push(1);
            self.names.push(String::new());
            self.push_plain('(', false);
            return Ok(());
        }
        let starts = |prefix: &str| rest.starts_with(prefix) && rest.len() > prefix.len();
        if starts("(?P<") || starts("(?<") {
            return self.named();
        }
        let end = rest
            .find(|c: char| !"(?imsU-".contains(c))
            .unwrap_or(rest.len());
        let flags = &rest[2..end];
        let close = rest[end..].chars().next();
        let good = matches!(close, Some(':' | ')'))
            && flags.matches('-').count() <= 1
            && !flags.contains(['(', '?'])
            && !flags.ends_with('-')
            && !(flags.is_empty() && close == Some(')'));
        if !good {
            let to = self.at + end + close.map_or(0, char::len_utf8);
            return self.error("invalid or unsupported Perl syntax", self.at, to);
        }
        self.out.push_str(&rest[..=end]);
        self.at += end + 1;
        if close == Some(':') {
            self.groups.push(1);
            self.repeatable = false;
        }
        Ok(())
    }

    fn named(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let start = rest.find('<').map_or(0, |i| i + 1);
        let Some(end) = rest.find('>') else {
            return self.error("invalid named capture", self.at, self.pattern.len());
        };
        let name = &rest[start..end];
        let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(word) {
            return self.error("invalid named capture", self.at, self.at + end + 1);
        }
        self.names.push(name.to_owned());
        self.out.push('(');
        self.at += end + 1;
        self.groups.push(1);
        self.repeatable = false;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.repeatable = true;
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else {
            return Err(SyntaxError {
                code: "trailing backslash at end of expression",
                part: String::new(),
            });
        };
        if c == 'Q' {
            let (text, used) = match rest[2..].find("\\E") {
                Some(end) => (&rest[2..2 + end], end + 4),
                None => (&rest[2..], rest.len()),
            };
            self.out.push_str(&regex::escape(text));
            self.at += used;
            return Ok(());
        }
        let simple = match c {
            'A' => Some(r"\A"),
            'z' => Some(r"\z"),
            'b' => Some(r"(?-u:\b)"),
            'B' => Some(r"(?-u:\B)"),
            _ => None,
        };
        if let Some(simple) = simple {
            self.out.push_str(simple);
            self.at += 2;
            return Ok(());
        }
        if let Some(class) = perl_class(c) {
            let _ = write!(self.out, "[{class}]");
            self.at += 2;
            return Ok(());
        }
        if matches!(c, 'p' | 'P') {
            let class = self.unicode_class()?;
            self.out.push_str(&class);
            return Ok(());
        }
        let literal = self.escaped_character()?;
        self.out.push_str(&hex(literal));
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\P{^Greek}` at the current place.
    fn unicode_class(&mut self) -> Result<String, SyntaxError> {
        let rest = self.rest();
        let (name, used) = match rest[2..].chars().next() {
            Some('{') => match rest.find('}') {
                Some(end) => (&rest[3..end], end + 1),
                None => {
                    return self.error(
                        "invalid character class range",
                        self.at,
                        self.pattern.len(),
                    );
                }
            },
            Some(c) => (&rest[2..2 + c.len_utf8()], 2 + c.len_utf8()),
            None => {
                return self.error("invalid character class range", self.at, self.pattern.len());
            }
        };
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name),
        };
        let letter = if (&rest[1..2] == "P") == negated {
            "p"
        } else {
            "P"
        };
        let class = format!(r"\{letter}{{{name}}}");
        if name.is_empty() || Regex::new(&class).is_err() {
            return self.error("invalid character class range", self.at, self.at + used);
        }
        self.at += used;
        Ok(class)
    }

    /// The character that an escape stands for.
    fn escaped_character(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else {
            return Err(SyntaxError {
                code: "trailing backslash at end of expression",
                part: String::new(),
            });
        };
        let after = &rest[1 + c.len_utf8()..];
        self.at += 1 + c.len_utf8();
        let octal = |digits: &str| {
            digits
                .chars()
                .take_while(|c| ('0'..='7').contains(c))
                .count()
        };
        let code = match c {
            'a' => 7,
            'f' => 12,
            't' => 9,
            'n' => 10,
            'r' => 13,
            'v' => 11,
            '0'..='7' if c == '0' || octal(after) > 0 => {
                let more = octal(after).min(2);
                self.at += more;
                u32::from_str_radix(&rest[1..2 + more], 8).unwrap_or_default()
            }
            'x' => match hex_escape(after) {
                Ok((code, used)) => {
                    self.at += used;
                    code
                }
                Err(used) => {
                    return self.error("invalid escape sequence", start, self.at + used);
                }
            },
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c as u32,
            _ => return self.error("invalid escape sequence", start, self.at),
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => self.error("invalid escape sequence", start, self.at),
        }
    }

    fn class(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        self.out.push('[');
        if self.rest().starts_with('^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                None => return self.error("missing closing ]", start, self.pattern.len()),
                Some(']') if !first => break,
                Some('[') if posix_length(rest).is_some() => {
                    self.posix_class(posix_length(rest).unwrap_or_default())?;
                }
                Some('\\') if rest[1..].starts_with(['p', 'P']) => {
                    let class = self.unicode_class()?;
                    self.out.push_str(&class);
                }
                Some('\\')
                    if rest[1..]
                        .chars()
                        .next()
                        .is_some_and(|c| perl_class(c).is_some()) =>
                {
                    let class = rest[1..]
                        .chars()
                        .next()
                        .and_then(perl_class)
                        .unwrap_or_default();
                    let _ = write!(self.out, "[{class}]");
                    self.at += 2;
                }
                Some(_) => self.class_range(start)?,
            }
            first = false;
        }
        self.at += 1;
        self.out.push(']');
        self.repeatable = true;
        Ok(())
    }

    fn posix_class(&mut self, length: usize) -> Result<(), SyntaxError> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        let rest = self.rest();
        let name = rest[2..length - 2].trim_start_matches('^');
        if !NAMES.contains(&name) {
            return self.error("invalid character class range", self.at, self.at + length);
        }
        self.out.push_str(&rest[..length]);
        self.at += length;
        Ok(())
    }

    fn class_range(&mut self, class: usize) -> Result<(), SyntaxError> {
        let start = self.at;
        let low = self.class_character(class)?;
        let mut high = low;
        let rest = self.rest();
        if rest.starts_with('-') && rest.len() > 1 && !rest[1..].starts_with(']') {
            self.at += 1;
            high = self.class_character(class)?;
            if high < low {
                return self.error("invalid character class range", start, self.at);
            }
        }
        self.out.push_str(&hex(low));
        if high != low {
            self.out.push('-');
            self.out.push_str(&hex(high));
        }
        Ok(())
    }

    fn class_character(&mut self, class: usize) -> Result<char, SyntaxError> {
        match self.rest().chars().next() {
            None => self.error("missing closing ]", class, self.pattern.len()),
            Some('\\') => self.escaped_character(),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(c)
            }
        }
    }
}

/// Go's classes are ASCII.
/// The length of `[:name:]` at the start; none where it does not end, so that it is ordinary characters.
fn posix_length(text: &str) -> Option<usize> {
    let name = text.strip_prefix("[:")?;
    Some(name.find(":]")? + 4)
}

fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        's' => r"\t\n\x0C\r ",
        'S' => r"^\t\n\x0C\r ",
        _ => return None,
    })
}

fn hex(c: char) -> String {
    format!(r"\x{{{:X}}}", c as u32)
}

/// The code after `\x`, and the bytes it takes; or the bytes up to what is wrong.
fn hex_escape(text: &str) -> Result<(u32, usize), usize> {
    let Some(inner) = text.strip_prefix('{') else {
        let mut used = 0;
        let mut code = Some(0);
        for c in text.chars().take(2) {
            used += c.len_utf8();
            code = code.and_then(|code| Some(code * 16 + c.to_digit(16)?));
        }
        return code
            .filter(|_| used == 2)
            .map(|code| (code, used))
            .ok_or(used);
    };
    let mut used = 1;
    let mut code = 0;
    for c in inner.chars() {
        used += c.len_utf8();
        match c.to_digit(16) {
            Some(digit) if code * 16 + digit <= 0x10_FFFF => code = code * 16 + digit,
            None if c == '}' && used > 2 => return Ok((code, used)),
            _ => break,
        }
    }
    Err(used)
}

/// The length of `{n}`, `{n,}` or `{n,m}` at the start; other braces are literal.
fn braces(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    let (low, high) = inner.split_once(',').unwrap_or((inner, "0"));
    let number = |digits: &str| {
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'))
    };
    (number(low) && (high.is_empty() || number(high))).then_some(end + 1)
}
