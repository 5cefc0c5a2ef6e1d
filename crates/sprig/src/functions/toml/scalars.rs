//! Texts, numbers and times of TOML.
//!
//! Source: BurntSushi/toml `lex.go`, `parse.go`.

use gotemplate::Value;

use super::super::moments;
use super::lex::{Fault, is_line_end, quoted_char};
use super::read::{Read, Reader};
use crate::gotext::quote;
use crate::gotime;

/// Layouts of times, and the zone of those that name none.
const TIMES: [(&str, &str); 7] = [
    ("2006-01-02T15:04:05.999999999Z07:00", ""),
    ("2006-01-02T15:04:05.999999999", "datetime-local"),
    ("2006-01-02", "date-local"),
    ("15:04:05.999999999", "time-local"),
    ("2006-01-02T15:04Z07:00", ""),
    ("2006-01-02T15:04", "datetime-local"),
    ("15:04", "time-local"),
];

impl Reader<'_> {
    /// A text, behind its first quotation mark.
    pub(super) fn string(&mut self, mark: char) -> Read<String> {
        if self.cursor.accept(mark)? {
            if self.cursor.accept(mark)? {
                self.cursor.ignore();
                return self.lines_string(mark);
            }
            self.cursor.back();
        }
        self.cursor.ignore();
        self.line_string(mark)
    }

    /// A text on one line, behind its quotation mark.
    pub(super) fn line_string(&mut self, mark: char) -> Read<String> {
        loop {
            let c = self.cursor.next()?;
            if self.cursor.is_at_end() {
                let end = if mark == '"' { "'\"'" } else { "\"'\"" };
                let text = format!("unexpected EOF; expected {end}");
                return Err(self.cursor.fault(text));
            }
            if is_line_end(c) {
                return Err(self.cursor.fault_before("strings cannot contain newlines"));
            }
            if c == '\\' && mark == '"' {
                self.escape()?;
            } else if c == mark {
                break;
            }
        }
        self.cursor.back();
        let text = String::from_utf8_lossy(self.cursor.take()).into_owned();
        let line = self.cursor.line();
        self.cursor.next()?;
        self.cursor.ignore();
        if mark == '"' {
            return unescaped(&text, line);
        }
        Ok(text)
    }

    /// A text on several lines, behind its three quotation marks.
    fn lines_string(&mut self, mark: char) -> Read<String> {
        let marks: String = std::iter::repeat_n(mark, 5).collect();
        let is_raw = mark == '\'';
        let around = if is_raw { '"' } else { '\'' };
        loop {
            let c = self.cursor.next()?;
            if self.cursor.is_at_end() {
                let text = format!("unexpected EOF; expected {around}{}{around}", &marks[..3]);
                return Err(self.cursor.fault(text));
            }
            if c == '\\' && !is_raw {
                if !is_line_end(self.cursor.next()?) {
                    self.cursor.back();
                    self.escape()?;
                }
                continue;
            }
            if c != mark || !self.cursor.accept(mark)? {
                continue;
            }
            if !self.cursor.accept(mark)? {
                self.cursor.back();
                continue;
            }
            if self.cursor.peek()? != mark {
                break;
            }
            // Up to two marks may stand before the last three.
            let is_escaped = !is_raw && self.cursor.current_ends_with(&format!("\\{marks}"));
            if self.cursor.current_ends_with(&marks) && !is_escaped {
                let text = format!("unexpected {around}{marks}{mark}{around}");
                return Err(self.cursor.fault(text));
            }
            self.cursor.back();
            self.cursor.back();
        }
        for _ in 0..3 {
            self.cursor.back();
        }
        let text = String::from_utf8_lossy(self.cursor.take()).into_owned();
        let line = self.cursor.line();
        for _ in 0..3 {
            self.cursor.next()?;
        }
        self.cursor.ignore();
        let first = text.strip_prefix('\n').or(text.strip_prefix("\r\n"));
        let text = first.unwrap_or(&text);
        if is_raw {
            return Ok(text.to_owned());
        }
        unescaped(&joined(text), line)
    }

    /// Checks what follows a backslash.
    fn escape(&mut self) -> Read<()> {
        let c = self.cursor.next()?;
        let (n_digits, number) = match c {
            'e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\' => return Ok(()),
            'x' => (2, "two"),
            'u' => (4, "four"),
            'U' => (8, "eight"),
            c => {
                let text = format!("invalid escape in string '\\{c}'");
                return Err(if self.cursor.is_at_end() {
                    self.cursor.fault_before(text)
                } else {
                    self.cursor.fault(text)
                });
            }
        };
        for _ in 0..n_digits {
            if !self.cursor.next()?.is_ascii_hexdigit() {
                let current = quote(self.cursor.current().as_bytes());
                return Err(self.cursor.fault(format!(
                    "expected {number} hexadecimal digits after '\\{c}', but got {current} instead"
                )));
            }
        }
        Ok(())
    }

    /// A number or a time, which begins with a digit.
    pub(super) fn number_or_date(&mut self) -> Read<Value> {
        if self.cursor.next()? == '0' {
            let c = self.cursor.next()?;
            let (what, is_digit): (&str, fn(char) -> bool) = match c {
                'b' => ("a binary", |c| matches!(c, '0' | '1')),
                'o' => ("an octal", |c| matches!(c, '0'..='7')),
                'x' => ("a hexadecimal", |c| c.is_ascii_hexdigit()),
                // Times have two digits in front.
                '0'..='9' => return self.decimal_or_date(),
                _ => {
                    self.cursor.back();
                    return self.decimal();
                }
            };
            let next = self.cursor.peek()?;
            if !is_digit(next) {
                let text = format!("not {what} number: '{}{next}'", self.cursor.current());
                return Err(self.cursor.fault(text));
            }
            self.skip(|c| c == '_' || is_digit(c))?;
            return self.integer();
        }
        self.decimal_or_date()
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) -> Read<char> {
        loop {
            let c = self.cursor.next()?;
            if !wanted(c) {
                self.cursor.back();
                return Ok(c);
            }
        }
    }

    fn decimal_or_date(&mut self) -> Read<Value> {
        match self.skip(|c| c.is_ascii_digit())? {
            '-' | ':' => {
                self.skip(|c| c.is_ascii_digit() || "-:Tt .Zz+".contains(c))?;
                self.moment()
            }
            _ => self.decimal(),
        }
    }

    fn decimal(&mut self) -> Read<Value> {
        match self.skip(|c| c.is_ascii_digit() || c == '_')? {
            '.' | 'e' | 'E' => {
                self.skip(|c| c.is_ascii_digit() || "_.-+eE".contains(c))?;
                self.float()
            }
            _ => self.integer(),
        }
    }

    /// A number behind its sign.
    pub(super) fn signed(&mut self) -> Read<Value> {
        let c = self.cursor.next()?;
        let is_named = match c {
            'i' => self.cursor.accept('n')? && self.cursor.accept('f')?,
            'n' => self.cursor.accept('a')? && self.cursor.accept('n')?,
            _ => false,
        };
        if is_named {
            return self.float();
        }
        let current = self.cursor.current();
        let text = match c {
            'i' | 'n' => format!("invalid float: '{current}'"),
            '0' => match self.cursor.peek()? {
                next @ ('b' | 'o' | 'x') => {
                    format!("cannot use sign with non-decimal numbers: '{current}{next}'")
                }
                _ => return self.decimal(),
            },
            '.' => "floats must start with a digit, not '.'".to_owned(),
            '1'..='9' => return self.decimal(),
            c => format!("expected a digit but got {}", quoted_char(c)),
        };
        Err(self.cursor.fault(text))
    }

    /// The token as a text, with how a fault of it is told.
    fn token(&mut self) -> (String, impl Fn(String) -> Fault + use<>) {
        let text = String::from_utf8_lossy(self.cursor.take()).into_owned();
        let line = self.cursor.line();
        (text, move |message| Fault { line, message })
    }

    fn integer(&mut self) -> Read<Value> {
        let (text, fault) = self.token();
        check_number(&text, "integer", [text.as_str()].into_iter()).map_err(&fault)?;
        let digits = text.replace('_', "");
        let (radix, digits) = match digits.get(..2) {
            Some("0b") => (2, &digits[2..]),
            Some("0o") => (8, &digits[2..]),
            Some("0x") => (16, &digits[2..]),
            _ => (10, digits.as_str()),
        };
        let number = i64::from_str_radix(digits, radix);
        let number = number.map_err(|_| fault(format!("{text} is out of range for int64")))?;
        Ok(Value::int64(number))
    }

    /// The token as a float.
    pub(super) fn float(&mut self) -> Read<Value> {
        let (text, fault) = self.token();
        let parts = text.split(['.', 'e', 'E']).filter(|part| !part.is_empty());
        check_number(&text, "float", parts).map_err(&fault)?;
        let mut after_point = false;
        let mut points_ok = true;
        for c in text.chars() {
            points_ok &= !after_point || c.is_ascii_digit();
            after_point = c == '.';
        }
        let quoted = quote(text.as_bytes());
        if !points_ok || after_point {
            return Err(fault(format!(
                "Invalid float {quoted}: '.' must be followed by one or more digits"
            )));
        }
        let digits = text.replace('_', "");
        let number: Result<f64, _> = digits.parse();
        let Ok(number) = number else {
            return Err(fault(format!("Invalid float value: {quoted}")));
        };
        if number.is_infinite() && !digits.ends_with("inf") {
            return Err(fault(format!("{text} is out of range for float64")));
        }
        Ok(Value::Float(number))
    }

    fn moment(&mut self) -> Read<Value> {
        let (text, fault) = self.token();
        let text = text.trim().replace('z', "Z").replace(['t', ' '], "T");
        let found = TIMES.iter().find_map(|(layout, zone)| {
            let moment = gotime::parse(layout, &text).ok()?;
            Some((layout, zone, moment))
        });
        match found {
            Some((layout, zone, moment)) if !lacks_zero(&text, layout) => {
                Ok(moments::time(match *zone {
                    "" => moment,
                    name => moment.in_zone(gotime::Zone::Fixed(name.into(), 0)),
                }))
            }
            _ => {
                let text = quote(text.as_bytes());
                Err(fault(format!("invalid datetime: {text}")))
            }
        }
    }
}

/// Refuses underscores that are not between digits, and zeros in front.
fn check_number<'a>(
    text: &str,
    kind: &str,
    mut parts: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), String> {
    let quoted = quote(text.as_bytes());
    if !parts.clone().all(are_underscores_ok) {
        return Err(format!(
            "Invalid {kind} {quoted}: underscores must be surrounded by digits"
        ));
    }
    if parts.next().is_some_and(has_leading_zero) {
        return Err(format!(
            "Invalid {kind} {quoted}: cannot have leading zeroes"
        ));
    }
    Ok(())
}

fn are_underscores_ok(part: &str) -> bool {
    if matches!(part.trim_start_matches(['+', '-']), "nan" | "inf") {
        return true;
    }
    let mut accepted = false;
    for c in part.chars() {
        if c == '_' && !accepted {
            return false;
        }
        accepted = c.is_ascii_hexdigit();
    }
    accepted
}

fn has_leading_zero(part: &str) -> bool {
    match part.as_bytes() {
        [b'0', next, ..] => !matches!(next, b'b' | b'o' | b'x'),
        [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

/// Whether a number of a time has fewer digits than its layout.
fn lacks_zero(text: &str, layout: &str) -> bool {
    for (at, wanted) in layout.bytes().enumerate() {
        if matches!(wanted, b'.' | b'Z') {
            return false;
        }
        if !wanted.is_ascii_digit() && text.as_bytes().get(at) != Some(&wanted) {
            return true;
        }
    }
    false
}

/// Without the line feeds, and the white space behind them, that have a backslash in front.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        let next = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let blank = &after[..after.len() - next.len()];
        if let Some(after) = after.strip_prefix('\\') {
            out.push_str("\\\\");
            rest = after;
        } else if blank.contains('\n') {
            rest = next;
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Replaces escapes, which have been checked.
fn unescaped(text: &str, line: usize) -> Read<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let n_digits = match rest.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(blank @ (' ' | '\t')) => {
                return Err(Fault {
                    line,
                    message: format!("invalid escape: '\\{blank}'"),
                });
            }
            other => {
                out.push(match other {
                    Some('b') => '\x08',
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('f') => '\x0c',
                    Some('r') => '\r',
                    Some('e') => '\x1b',
                    Some(other) => other,
                    None => '\\',
                });
                continue;
            }
        };
        let digits: String = rest.by_ref().take(n_digits).collect();
        let code = u32::from_str_radix(&digits, 16).ok();
        match code.and_then(char::from_u32) {
            Some(c) => out.push(c),
            None => {
                return Err(Fault {
                    line,
                    message: format!("Escaped character '\\u{digits}' is not valid UTF-8."),
                });
            }
        }
    }
    Ok(out)
}
