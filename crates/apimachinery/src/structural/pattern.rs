//! Regular expressions in Go's RE2 syntax, compiled by the `regex` crate.
//!
//! The two dialects share their engine's guarantees (linear time) and most of their syntax. Translated here: Go's ASCII `\d \w \s
//! \b`, `\Q..\E`, `\z`, and the characters that Rust reads as set operations inside a class. Nothing else is rewritten.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Memory one compiled expression may take, in bytes.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// Compiles an RE2 expression; the error is one line.
pub(crate) fn compile_re2(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(source))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let line = text
                .lines()
                .map(str::trim)
                .rfind(|line| !line.is_empty())
                .unwrap_or("bad pattern");
            format!(
                "error parsing regexp: {}: `{source}`",
                line.trim_start_matches("error: ")
            )
        })
}

fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(&mut chars, &mut out),
            '[' => class(&mut chars, &mut out),
            c => out.push(c),
        }
    }
    out
}

fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    match chars.next() {
        Some(c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) => {
            out.push_str(ascii_class(c, false));
        }
        Some(c @ ('b' | 'B')) => {
            out.push_str("(?-u:\\");
            out.push(c);
            out.push(')');
        }
        Some('Q') => quoted(chars, out),
        // Go takes an escaped punctuation character as itself; Rust reads `\<` and `\>` as word edges.
        Some(c @ ('<' | '>')) => out.push(c),
        Some(c) => {
            out.push('\\');
            out.push(c);
        }
        None => out.push('\\'),
    }
}

fn quoted(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'E') {
            chars.next();
            break;
        }
        literal.push(c);
    }
    out.push_str(&regex::escape(&literal));
}

fn ascii_class(c: char, inside: bool) -> &'static str {
    match (c, inside) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('s', true) => "\\t\\n\\f\\r ",
        _ => "[^\\t\\n\\f\\r ]",
    }
}

/// Copies a bracket expression; `[` has been read.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if chars.peek() == Some(&'^') {
        chars.next();
        out.push('^');
    }
    if chars.peek() == Some(&']') {
        chars.next();
        out.push_str("\\]");
    }
    while let Some(c) = chars.next() {
        match c {
            ']' => {
                out.push(']');
                return;
            }
            '[' if chars.peek() == Some(&':') => posix(chars, out),
            '\\' => match chars.next() {
                Some(c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) => out.push_str(ascii_class(c, true)),
                Some(c) => {
                    out.push('\\');
                    out.push(c);
                }
                None => out.push('\\'),
            },
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            // `--` is a set difference in Rust and a range or literals in Go.
            '-' if chars.peek() == Some(&'-') => {
                out.push_str("-\\-");
                chars.next();
            }
            c => out.push(c),
        }
    }
}

/// Copies a name such as `[:alpha:]`; `[` has been read.
fn posix(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    for c in chars.by_ref() {
        out.push(c);
        if c == ']' {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_expressions_match_as_in_go() {
        // (pattern, text, matches)
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\w.-]+$", "a_b.c-d", true),
            (r"^[\w]$", "é", false),
            (r"^\S+$", "a b", false),
            (r"^[a&&b]$", "&", true),
            (r"^[a~~b]$", "~", true),
            (r"^[[a]$", "[", true),
            (r"^[]a]$", "]", true),
            (r"^[+--]$", ",", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^\<$", "<", true),
            (r"^(0|[1-9][0-9]*)(s|m)$", "10m", true),
            (r"^[^\d]$", "5", false),
        ];
        for (pattern, text, matches) in cases {
            assert_eq!(
                compile_re2(pattern).unwrap().is_match(text),
                matches,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn err_bad_expressions_are_refused_in_one_line() {
        for pattern in [
            "(",
            "[",
            "a**",
            "\\",
            "(?=a)",
            "a{5,2}",
            "x{100000}{100000}",
        ] {
            let Err(error) = compile_re2(pattern) else {
                continue;
            };
            assert!(error.starts_with("error parsing regexp: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(compile_re2("(").is_err());
        assert!(compile_re2("(?=a)").is_err());
    }
}
