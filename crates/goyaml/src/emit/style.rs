//! How a string is written: plain, in quotes or as a block.

use super::{Dialect, reads_as_text};
use crate::scan::ScalarStyle;

/// What the characters of a string allow.
struct Allowed {
    plain: bool,
    single_quoted: bool,
    block: bool,
    multiline: bool,
}

/// The style of a string; a simple key is one line.
pub(super) fn choose(text: &str, simple_key: bool, dialect: Dialect) -> ScalarStyle {
    if text.is_empty() {
        return ScalarStyle::DoubleQuoted;
    }
    let allowed = analyze(text, dialect);
    if simple_key && allowed.multiline {
        return ScalarStyle::DoubleQuoted;
    }
    let style = if text.contains('\n') {
        ScalarStyle::Literal
    } else if reads_as_text(text) {
        ScalarStyle::Plain
    } else {
        ScalarStyle::DoubleQuoted
    };
    match style {
        ScalarStyle::Plain if allowed.plain => style,
        ScalarStyle::Plain if allowed.single_quoted => ScalarStyle::SingleQuoted,
        ScalarStyle::Literal if allowed.block && !simple_key => style,
        _ => ScalarStyle::DoubleQuoted,
    }
}

/// Looks at every character once.
fn analyze(text: &str, dialect: Dialect) -> Allowed {
    let bytes = text.as_bytes();
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut special, mut tab) = (false, false);
    let (mut multiline, mut break_space, mut space_break) = (false, false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut after_blank = true;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let width = width(byte);
        let next_blank = matches!(bytes.get(at + width), None | Some(b' ' | b'\t'));
        indicators |= is_indicator(byte, at == 0, after_blank, next_blank);
        if byte == b'\t' && dialect == Dialect::V3 {
            tab = true;
        } else {
            special |= !is_printable(&bytes[at..]);
        }
        let is_break = break_width(&bytes[at..]) > 0;
        multiline |= is_break;
        break_space |= byte == b' ' && previous_break;
        space_break |= is_break && previous_space;
        previous_space = byte == b' ';
        previous_break = is_break;
        after_blank = is_break || matches!(byte, b' ' | b'\t' | 0);
        at += width;
    }
    let starts = bytes.first() == Some(&b' ') || break_width(bytes) > 0;
    let ends = previous_space || previous_break;
    let odd = space_break || special;
    Allowed {
        plain: !(starts || ends || break_space || odd || tab || multiline || indicators),
        single_quoted: !(break_space || odd || tab),
        block: !(previous_space || odd),
        multiline,
    }
}

/// Whether the character would mean something outside of quotes.
fn is_indicator(byte: u8, first: bool, after_blank: bool, next_blank: bool) -> bool {
    match byte {
        b'#' => after_blank,
        b':' => next_blank,
        b'?' | b'-' => first && next_blank,
        b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
        | b'%' | b'@' | b'`' => first,
        _ => false,
    }
}

/// Whether a string holds a character that does not come back from JSON text read as YAML.
pub(super) fn changes_on_reading(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        0x7F => true,
        0xC2 => bytes.get(at + 1).is_some_and(|next| *next < 0xA0),
        0xEF => {
            bytes.get(at + 1) == Some(&0xBF) && bytes.get(at + 2).is_some_and(|next| *next >= 0xBE)
        }
        _ => false,
    })
}

/// Whether a string holds anything that YAML 1.1 takes for a line break.
pub(super) fn has_line_break(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| break_width(&bytes[at..]) > 0)
}

/// The width of the line break at the start of `bytes`, zero for none.
pub(super) fn break_width(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n' | b'\r', ..] => 1,
        [0xC2, 0x85, ..] => 2,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// Whether the character at the start of `bytes` is written as it is. Characters of four bytes are
/// not, in either library.
pub(super) fn is_printable(bytes: &[u8]) -> bool {
    match bytes {
        [] | [b'\n' | b' '..=b'~', ..] => true,
        [0xC2, second, ..] => *second >= 0xA0,
        [0xEF, 0xBB, 0xBF, ..] | [0xEF, 0xBF, 0xBE | 0xBF, ..] => false,
        [lead, ..] => (0xC3..=0xEF).contains(lead),
    }
}

/// The bytes of the character that starts with `lead`.
pub(super) fn width(lead: u8) -> usize {
    match lead {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}
