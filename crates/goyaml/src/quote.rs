//! Strings in Go's quotes, for messages.

use std::fmt::Write as _;

/// The text of `strconv.Quote`.
///
/// Which characters outside ASCII count as printable is Rust's opinion, not Go's; both leave
/// letters as they are.
pub(crate) fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        // Writing to a string cannot fail.
        let _ = match character {
            '"' => write!(out, "\\\""),
            '\\' => write!(out, "\\\\"),
            '\x07' => write!(out, "\\a"),
            '\x08' => write!(out, "\\b"),
            '\x0C' => write!(out, "\\f"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\x0B' => write!(out, "\\v"),
            ' '..='~' => write!(out, "{character}"),
            '\0'..='\x7F' => write!(out, "\\x{:02x}", u32::from(character)),
            _ if !character.is_control() && !character.is_whitespace() => {
                write!(out, "{character}")
            }
            '\0'..='\u{FFFF}' => write!(out, "\\u{:04x}", u32::from(character)),
            _ => write!(out, "\\U{:08x}", u32::from(character)),
        };
    }
    out.push('"');
    out
}
