//! Go string and character literals: writing and reading them.

use std::borrow::Cow;

use super::unicode::{REPLACEMENT, append_rune, decode_rune, is_print};

/// `strconv.Quote`: a double-quoted Go string literal. The result is UTF-8 whatever the input is.
pub fn quote(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_quoted(&mut out, text, false);
    crate::lossy(&out).into_owned()
}

/// `strconv.AppendQuote`, or `AppendQuoteToASCII` if `ascii_only`.
pub(crate) fn append_quoted(out: &mut Vec<u8>, text: &[u8], ascii_only: bool) {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (rune, width) = decode_rune(rest);
        if width == 1 && rune == REPLACEMENT {
            out.extend_from_slice(format!("\\x{:02x}", rest[0]).as_bytes());
        } else {
            append_escaped_rune(out, rune, b'"', ascii_only);
        }
        rest = &rest[width..];
    }
    out.push(b'"');
}

/// `strconv.AppendQuoteRune`, or `AppendQuoteRuneToASCII` if `ascii_only`.
pub(crate) fn append_quoted_rune(out: &mut Vec<u8>, rune: u32, ascii_only: bool) {
    out.push(b'\'');
    let rune = char::from_u32(rune).map_or(REPLACEMENT, u32::from);
    append_escaped_rune(out, rune, b'\'', ascii_only);
    out.push(b'\'');
}

fn append_escaped_rune(out: &mut Vec<u8>, rune: u32, quote: u8, ascii_only: bool) {
    if rune == u32::from(quote) || rune == u32::from(b'\\') {
        out.extend_from_slice(&[b'\\', rune as u8]);
        return;
    }
    if is_print(rune) && (rune < 0x80 || !ascii_only) {
        append_rune(out, rune);
        return;
    }
    let escape = match rune {
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        0x0C => "\\f".to_owned(),
        0x0A => "\\n".to_owned(),
        0x0D => "\\r".to_owned(),
        0x09 => "\\t".to_owned(),
        0x0B => "\\v".to_owned(),
        0..0x20 | 0x7F => format!("\\x{rune:02x}"),
        0x80..0x1_0000 => format!("\\u{rune:04x}"),
        _ => format!("\\U{rune:08x}"),
    };
    out.extend_from_slice(escape.as_bytes());
}

/// `strconv.CanBackquote`: whether a raw literal can hold the text on one line.
pub(crate) fn can_backquote(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let (rune, width) = decode_rune(rest);
        rest = &rest[width..];
        let refused = match width {
            1 => {
                rune == REPLACEMENT
                    || (rune < 0x20 && rune != 0x09)
                    || rune == u32::from(b'`')
                    || rune == 0x7F
            }
            _ => rune == 0xFEFF,
        };
        if refused {
            return false;
        }
    }
    true
}

/// `strconv.Unquote` of a `"…"`, `` `…` `` or `'…'` literal; `None` where Go says "invalid syntax".
pub fn unquote(literal: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (&quote, rest) = literal.split_first()?;
    match quote {
        b'`' => {
            let body = rest.strip_suffix(b"`")?;
            if memchr::memchr(b'`', body).is_some() {
                return None;
            }
            if memchr::memchr(b'\r', body).is_none() {
                return Some(Cow::Borrowed(body));
            }
            Some(body.iter().copied().filter(|&byte| byte != b'\r').collect())
        }
        b'"' => match rest.split_last() {
            Some((b'"', body)) if body.iter().all(|byte| stands_for_itself(*byte)) => {
                Some(Cow::Borrowed(body))
            }
            _ => unquote_escaped(rest, quote).map(Cow::Owned),
        },
        b'\'' => unquote_escaped(rest, quote).map(Cow::Owned),
        _ => None,
    }
}

/// Whether the byte means just itself between double quotes, wherever it stands.
fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\\' | b'\n')
}

fn unquote_escaped(body: &[u8], quote: u8) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while *rest.first()? != quote {
        if rest[0] == b'\n' {
            return None;
        }
        let unquoted = unquote_char(rest, quote)?;
        if unquoted.multibyte {
            append_rune(&mut out, unquoted.rune);
        } else {
            out.push(unquoted.rune as u8);
        }
        rest = &rest[unquoted.width..];
        if quote == b'\'' {
            break;
        }
    }
    (rest == [quote]).then_some(out)
}

/// One character of a literal.
pub(crate) struct Unquoted {
    pub(crate) rune: u32,
    /// Whether the character stands for its UTF-8 bytes rather than for one byte.
    pub(crate) multibyte: bool,
    /// Bytes of the literal it took.
    pub(crate) width: usize,
}

/// `strconv.UnquoteChar`; `None` where Go says "invalid syntax".
pub(crate) fn unquote_char(text: &[u8], quote: u8) -> Option<Unquoted> {
    let first = *text.first()?;
    let byte = |rune: u32, width: usize| {
        Some(Unquoted {
            rune,
            multibyte: false,
            width,
        })
    };
    if first == quote {
        return None;
    }
    if first >= 0x80 {
        let (rune, width) = decode_rune(text);
        return Some(Unquoted {
            rune,
            multibyte: true,
            width,
        });
    }
    if first != b'\\' {
        return byte(u32::from(first), 1);
    }
    match *text.get(1)? {
        b'a' => byte(0x07, 2),
        b'b' => byte(0x08, 2),
        b'f' => byte(0x0C, 2),
        b'n' => byte(0x0A, 2),
        b'r' => byte(0x0D, 2),
        b't' => byte(0x09, 2),
        b'v' => byte(0x0B, 2),
        b'\\' => byte(u32::from(b'\\'), 2),
        escaped if escaped == quote => byte(u32::from(quote), 2),
        b'x' => byte(radix(text.get(2..4)?, 16)?, 4),
        b'u' => character(radix(text.get(2..6)?, 16)?, 6),
        b'U' => character(radix(text.get(2..10)?, 16)?, 10),
        b'0'..=b'7' => byte(radix(text.get(1..4)?, 8).filter(|&value| value <= 255)?, 4),
        _ => None,
    }
}

fn character(rune: u32, width: usize) -> Option<Unquoted> {
    char::from_u32(rune).map(|_| Unquoted {
        rune,
        multibyte: true,
        width,
    })
}

fn radix(digits: &[u8], base: u32) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, &digit| {
        Some(value.checked_mul(base)? + char::from(digit).to_digit(base)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_escapes_what_does_not_print() {
        for (text, quoted) in [
            (&b""[..], r#""""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x00\x07\n\t\x7f", r#""\x00\a\n\t\x7f""#),
            (b"h\xc3", r#""h\xc3""#),
            (
                "\u{e9}\u{a0}\u{2028}".as_bytes(),
                "\"\u{e9}\\u00a0\\u2028\"",
            ),
            ("\u{10ffff}".as_bytes(), r#""\U0010ffff""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn unquoting_reverses_quoting() {
        for text in [
            &b""[..],
            b"plain",
            b"\x00\xff'`\"\\\n",
            "\u{e9}\u{1f600}".as_bytes(),
        ] {
            assert_eq!(unquote(quote(text).as_bytes()).as_deref(), Some(text));
        }
        assert_eq!(unquote(b"`a\r\nb`").as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(unquote(br"'\''").as_deref(), Some(&b"'"[..]));
        assert_eq!(
            unquote(br#""\101\x41\u0041""#).as_deref(),
            Some(&b"AAA"[..])
        );
    }

    #[test]
    fn malformed_literals_are_refused() {
        for literal in [
            &b""[..],
            b"\"",
            b"a",
            b"\"a",
            b"\"a\"b",
            b"`a`b`",
            br#""\q""#,
            br#""\x4""#,
            br#""\u12""#,
            br#""\ud800""#,
            br#""\400""#,
            br#""\'""#,
            b"'ab'",
            b"\"a\nb\"",
            br#""\U00110000""#,
        ] {
            assert_eq!(unquote(literal), None, "{}", literal.escape_ascii());
        }
    }
}
