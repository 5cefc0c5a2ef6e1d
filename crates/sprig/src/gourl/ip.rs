//! Addresses of hosts: `netip.ParseAddr`.
//!
//! In: texts. Out: whether they are an IPv4 or an IPv6 address, or Go's text of what is wrong.

use crate::gotext::quote;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// What is wrong, and the text from there on; nothing if that is not told.
type Fault<'a> = (&'static str, &'a [u8]);

pub(super) fn parse(text: &[u8]) -> Result<Version, String> {
    let first = text.iter().find(|b| b".:%".contains(b));
    let parsed = match first {
        Some(b'.') => fields_of_v4(text).map(|()| Version::V4),
        Some(b':') => v6(text).map(|()| Version::V6),
        Some(_) => Err(("missing IPv6 address", b"".as_slice())),
        None => Err(("unable to parse IP", b"".as_slice())),
    };
    parsed.map_err(|(fault, at)| {
        let error = format!("ParseAddr({}): {fault}", quote(text));
        if at.is_empty() {
            error
        } else {
            format!("{error} (at {})", quote(at))
        }
    })
}

fn fields_of_v4(text: &[u8]) -> Result<(), Fault<'_>> {
    const NONE: &[u8] = b"";
    let (mut value, mut digits, mut dots) = (0_u32, 0, 0);
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", NONE));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", NONE));
                }
            }
            b'.' => {
                if i == 0 || i == text.len() - 1 || text[i - 1] == b'.' {
                    return Err(("IPv4 field must have at least one digit", &text[i..]));
                }
                if dots == 3 {
                    return Err(("IPv4 address too long", NONE));
                }
                dots += 1;
                (value, digits) = (0, 0);
            }
            _ => return Err(("unexpected character", &text[i..])),
        }
    }
    if dots < 3 {
        return Err(("IPv4 address too short", NONE));
    }
    Ok(())
}

/// Counts the bytes of the address, 16 unless `::` stands for some of them.
fn v6(text: &[u8]) -> Result<(), Fault<'_>> {
    const NONE: &[u8] = b"";
    let (mut s, zone) = match memchr::memchr(b'%', text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if zone.is_some_and(<[u8]>::is_empty) {
        return Err(("zone must be a non-empty string", NONE));
    }
    let mut has_gap = s.starts_with(b"::");
    if has_gap {
        s = &s[2..];
        if s.is_empty() {
            return Ok(());
        }
    }
    let mut n_bytes = 0;
    while n_bytes < 16 {
        let digits = s.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if digits > 4 {
            return Err(("each group must have 4 or less digits", s));
        }
        if digits == 0 {
            return Err(("each colon-separated field must have at least one digit", s));
        }
        if s.get(digits) == Some(&b'.') {
            if !has_gap && n_bytes != 12 {
                let fault = "embedded IPv4 address must replace the final 2 fields of the address";
                return Err((fault, s));
            }
            if n_bytes + 4 > 16 {
                let fault = "too many hex fields to fit an embedded IPv4 at the end of the address";
                return Err((fault, s));
            }
            fields_of_v4(s)?;
            s = NONE;
            n_bytes += 4;
            break;
        }
        n_bytes += 2;
        s = &s[digits..];
        match s {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", s)),
            [b':', rest @ ..] => s = rest,
            _ => return Err(("unexpected character, want colon", s)),
        }
        if let [b':', rest @ ..] = s {
            if has_gap {
                return Err(("multiple :: in address", s));
            }
            has_gap = true;
            s = rest;
            if s.is_empty() {
                break;
            }
        }
    }
    if !s.is_empty() {
        return Err(("trailing garbage after address", s));
    }
    match (n_bytes < 16, has_gap) {
        (true, false) => Err(("address string too short", NONE)),
        (false, true) => Err(("the :: must expand to at least one field of zeros", NONE)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for (text, want) in [
            ("1.2.3.4", Ok(Version::V4)),
            ("::1", Ok(Version::V6)),
            ("fe80::1%en0", Ok(Version::V6)),
            ("::ffff:1.2.3.4", Ok(Version::V6)),
            ("1.2.3", Err("ParseAddr(\"1.2.3\"): IPv4 address too short")),
            ("x", Err("ParseAddr(\"x\"): unable to parse IP")),
            (
                "1::2::3",
                Err("ParseAddr(\"1::2::3\"): multiple :: in address (at \":3\")"),
            ),
            (
                "12345::",
                Err(
                    "ParseAddr(\"12345::\"): each group must have 4 or less digits (at \"12345::\")",
                ),
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), want.map_err(str::to_owned));
        }
    }
}
