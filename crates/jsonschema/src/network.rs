//! IP addresses as Go's `net/netip` reads them.
//!
//! In: texts. Out: which kind of address it is, or Go's text of what is wrong.

use sprig::gotext;

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    V4,
    /// With or without a zone.
    V6 {
        zone: bool,
    },
}

/// What is wrong with a part of the text, and the part.
type Flaw<'a> = (&'static str, &'a str);

/// `netip.ParseAddr`.
pub(crate) fn parse_address(text: &str) -> Result<Kind, String> {
    let found = match text.bytes().find(|b| b".:%".contains(b)) {
        Some(b'.') => parse_v4(text).map(|()| Kind::V4),
        Some(b':') => parse_v6(text),
        Some(_) => Err(("missing IPv6 address", "")),
        None => Err(("unable to parse IP", "")),
    };
    found.map_err(|(message, at)| {
        let text = gotext::quote(text.as_bytes());
        if at.is_empty() {
            format!("ParseAddr({text}): {message}")
        } else {
            let at = gotext::quote(at.as_bytes());
            format!("ParseAddr({text}): {message} (at {at})")
        }
    })
}

fn parse_v4(text: &str) -> Result<(), Flaw<'_>> {
    let bytes = text.as_bytes();
    let (mut value, mut dots, mut digits) = (0_u32, 0, 0);
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", ""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", ""));
                }
            }
            b'.' => {
                if i == 0 || i == bytes.len() - 1 || bytes[i - 1] == b'.' {
                    return Err(("IPv4 field must have at least one digit", &text[i..]));
                }
                if dots == 3 {
                    return Err(("IPv4 address too long", ""));
                }
                dots += 1;
                value = 0;
                digits = 0;
            }
            _ => return Err(("unexpected character", text.get(i..).unwrap_or(text))),
        }
    }
    if dots < 3 {
        return Err(("IPv4 address too short", ""));
    }
    Ok(())
}

fn parse_v6(text: &str) -> Result<Kind, Flaw<'_>> {
    let (mut rest, zone) = match text.split_once('%') {
        Some((_, "")) => return Err(("zone must be a non-empty string", "")),
        Some((address, _)) => (address, true),
        None => (text, false),
    };
    let mut ellipsis = None;
    if let Some(after) = rest.strip_prefix("::") {
        if after.is_empty() {
            return Ok(Kind::V6 { zone });
        }
        ellipsis = Some(0);
        rest = after;
    }
    let mut filled = 0;
    while filled < 16 {
        let digits = group(rest)?;
        if rest[digits..].starts_with('.') {
            if ellipsis.is_none() && filled != 12 {
                let message =
                    "embedded IPv4 address must replace the final 2 fields of the address";
                return Err((message, rest));
            }
            if filled + 4 > 16 {
                let message =
                    "too many hex fields to fit an embedded IPv4 at the end of the address";
                return Err((message, rest));
            }
            parse_v4(rest)?;
            rest = "";
            filled += 4;
            break;
        }
        filled += 2;
        rest = &rest[digits..];
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(':') {
            return Err(("unexpected character, want colon", rest));
        }
        if rest.len() == 1 {
            return Err(("colon must be followed by more characters", rest));
        }
        rest = &rest[1..];
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return Err(("multiple :: in address", rest));
            }
            ellipsis = Some(filled);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return Err(("trailing garbage after address", rest));
    }
    match (filled < 16, ellipsis) {
        (true, None) => Err(("address string too short", "")),
        (false, Some(_)) => Err(("the :: must expand to at least one field of zeros", "")),
        _ => Ok(Kind::V6 { zone }),
    }
}

/// The number of hexadecimal digits at the start: one to four.
fn group(text: &str) -> Result<usize, Flaw<'_>> {
    let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    match digits {
        0 => Err((
            "each colon-separated field must have at least one digit",
            text,
        )),
        1..=4 => Ok(digits),
        _ => Err(("each group must have 4 or less digits", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, want) in [
            ("1.2.3.4", Kind::V4),
            ("::", Kind::V6 { zone: false }),
            ("fe80::1%en0", Kind::V6 { zone: true }),
            ("1:2:3:4:5:6:1.2.3.4", Kind::V6 { zone: false }),
            ("::ffff:1.2.3.4", Kind::V6 { zone: false }),
        ] {
            assert_eq!(parse_address(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn flaws_are_in_the_words_of_go() {
        for (text, want) in [
            ("x", "ParseAddr(\"x\"): unable to parse IP"),
            ("1.2.3", "ParseAddr(\"1.2.3\"): IPv4 address too short"),
            (
                "1.2.3.256",
                "ParseAddr(\"1.2.3.256\"): IPv4 field has value >255",
            ),
            (
                "1.02.3.4",
                "ParseAddr(\"1.02.3.4\"): IPv4 field has octet with leading zero",
            ),
            (
                "1..2.3",
                "ParseAddr(\"1..2.3\"): IPv4 field must have at least one digit (at \".2.3\")",
            ),
            (
                "::1::",
                "ParseAddr(\"::1::\"): multiple :: in address (at \":\")",
            ),
            ("1:2", "ParseAddr(\"1:2\"): address string too short"),
            (
                "12345::",
                "ParseAddr(\"12345::\"): each group must have 4 or less digits (at \"12345::\")",
            ),
            (
                "::1%",
                "ParseAddr(\"::1%\"): zone must be a non-empty string",
            ),
            (
                "1:2:3:4:5:6:7:8:9",
                "ParseAddr(\"1:2:3:4:5:6:7:8:9\"): trailing garbage after address (at \"9\")",
            ),
        ] {
            assert_eq!(parse_address(text), Err(want.to_owned()));
        }
    }
}
