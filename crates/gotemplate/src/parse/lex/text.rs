//! Questions about characters and runs of text that the lexer asks.

use crate::strconv::unicode::{append_rune, is_digit, is_letter, is_print};

pub(super) fn is_space(rune: u32) -> bool {
    rune < 0x80 && is_space_byte(rune as u8)
}

pub(super) fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(super) fn is_alphanumeric(rune: u32) -> bool {
    rune == u32::from(b'_') || is_letter(rune) || is_digit(rune)
}

pub(super) fn has_left_marker(after_delim: &[u8]) -> bool {
    matches!(after_delim, [b'-', space, ..] if is_space_byte(*space))
}

pub(super) fn has_right_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space_byte(*space))
}

/// The length of `text` without trailing white space.
pub(super) fn trim_end(text: &[u8]) -> usize {
    text.iter()
        .rposition(|&byte| !is_space_byte(byte))
        .map_or(0, |last| last + 1)
}

pub(super) fn leading_space(text: &[u8]) -> usize {
    text.iter()
        .position(|&byte| !is_space_byte(byte))
        .unwrap_or(text.len())
}

pub(super) fn count_newlines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

pub(super) fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    let (&first, tail) = pattern.split_first()?;
    let mut from = 0;
    while let Some(offset) = memchr::memchr(first, &text[from..]) {
        let found = from + offset;
        if text[found + 1..].starts_with(tail) {
            return Some(found);
        }
        from = found + 1;
    }
    None
}

/// `%#U`: `U+0040 '@'`, without the character if it does not print.
pub(super) fn unicode_name(rune: u32) -> String {
    let mut out = format!("U+{rune:04X}").into_bytes();
    if is_print(rune) {
        out.extend_from_slice(b" '");
        append_rune(&mut out, rune);
        out.push(b'\'');
    }
    crate::lossy(&out).into_owned()
}
