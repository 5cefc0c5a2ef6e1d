//! What a plain scalar means: the YAML 1.1 rules of go-yaml v2.
//!
//! Text and an optional tag go in, a typed scalar comes out. The writer asks the same questions to
//! learn which strings need quotes. Booleans include `y`, `on` and their kin; base-60 numbers and
//! timestamps stay strings.
//!
//! Source: go-yaml v2 `resolve.go`.

use std::borrow::Cow;

/// The prefix that `!!` stands for.
pub(crate) const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// A scalar after resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX` only.
    Uint(u64),
    /// May be infinite or NaN.
    Float(f64),
    /// Reads as a date, and is kept as its text.
    Timestamp,
    /// The text itself.
    Text,
}

impl Scalar {
    fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

/// Resolves a scalar whose tag is `tag` (empty for none, long form).
///
/// Tags outside the core set leave the text alone; `!!binary` is for the caller.
///
/// # Errors
/// The message of go-yaml when the text does not fit an explicit tag.
pub(crate) fn resolve(tag: &str, text: &str) -> Result<Scalar, String> {
    if tag.is_empty() {
        return Ok(resolve_plain(text));
    }
    let Some(short) = tag.strip_prefix(TAG_PREFIX) else {
        return Ok(Scalar::Text);
    };
    let resolved = match short {
        "bool" | "int" | "float" | "null" => resolve_hinted(text, false),
        "timestamp" => resolve_hinted(text, true),
        _ => return Ok(Scalar::Text),
    };
    match (short, resolved) {
        ("float", Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        _ if resolved.tag().strip_prefix("!!") == Some(short) => Ok(resolved),
        _ => Err(format!(
            "cannot decode {} `{text}` as a !!{short}",
            resolved.tag()
        )),
    }
}

/// Resolves untagged plain text.
pub(crate) fn resolve_plain(text: &str) -> Scalar {
    resolve_hinted(text, true)
}

/// The first byte tells almost always that the text is no more than text.
fn resolve_hinted(text: &str, timestamps: bool) -> Scalar {
    let Some(&first) = text.as_bytes().first() else {
        return Scalar::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match special_float(text) {
            Some(value) => Scalar::Float(value),
            None => dotted_float(text),
        },
        b'+' | b'-' | b'0'..=b'9' => match special_float(text) {
            Some(value) => Scalar::Float(value),
            None if timestamps && is_timestamp(text) => Scalar::Timestamp,
            None => number(text),
        },
        _ => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Text,
    }
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A float that starts with its point, under the rules of `strconv.ParseFloat` (an underscore may
/// stand between two digits).
fn dotted_float(text: &str) -> Scalar {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let digit = |index: Option<usize>| {
            index
                .and_then(|index| bytes.get(index))
                .is_some_and(u8::is_ascii_digit)
        };
        if byte == b'_' && !(digit(at.checked_sub(1)) && digit(Some(at + 1))) {
            return Scalar::Text;
        }
    }
    finite_float(&without_underscores(text))
}

fn number(text: &str) -> Scalar {
    // Rejects long strings that merely start with a digit before anything is copied.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'.'))
    {
        return Scalar::Text;
    }
    let plain = without_underscores(text);
    integer(&plain).unwrap_or_else(|| finite_float(&plain))
}

fn without_underscores(text: &str) -> Cow<'_, str> {
    if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// An integer of up to 64 bits in the notations of Go: decimal, `0x`, `0b`, `0o` and a leading
/// zero for octal.
fn integer(plain: &str) -> Option<Scalar> {
    let (negative, unsigned) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, plain),
    };
    let lower = |index: usize| unsigned.as_bytes().get(index).map(u8::to_ascii_lowercase);
    let (radix, digits) = match (lower(0), lower(1)) {
        (Some(b'0'), Some(b'x')) => (16, &unsigned[2..]),
        (Some(b'0'), Some(b'b')) => (2, &unsigned[2..]),
        (Some(b'0'), Some(b'o')) => (8, &unsigned[2..]),
        (Some(b'0'), Some(_)) => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    // Rust would take a second sign here, Go does not.
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return binary_with_sign(plain);
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Int(value)),
        // With a sign Go only tries the signed type.
        Err(_) if plain.starts_with('+') => None,
        Err(_) => Some(Scalar::Uint(magnitude)),
    }
}

/// Quirk: go-yaml parses what follows `0b` as a signed number of its own, so `0b-1` is -1.
fn binary_with_sign(plain: &str) -> Option<Scalar> {
    let digits = plain.strip_prefix("0b")?;
    let unsigned = digits.strip_prefix(['-', '+'])?;
    if !unsigned.bytes().all(|byte| matches!(byte, b'0' | b'1')) {
        return None;
    }
    i64::from_str_radix(digits, 2).ok().map(Scalar::Int)
}

/// A float in YAML's notation that is within the range of `f64`; anything else is text.
fn finite_float(plain: &str) -> Scalar {
    if !is_yaml_float(plain.as_bytes()) {
        return Scalar::Text;
    }
    match plain.parse::<f64>() {
        Ok(value) if value.is_finite() => Scalar::Float(value),
        _ => Scalar::Text,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &[u8]) -> bool {
    let rest = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => digits(rest),
        None => (0, rest),
    };
    if whole == 0 && fraction == 0 {
        return false;
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let exponent = exponent
        .strip_prefix(b"-")
        .or_else(|| exponent.strip_prefix(b"+"))
        .unwrap_or(exponent);
    let (count, rest) = digits(exponent);
    count > 0 && rest.is_empty()
}

/// The number of leading digits, and what follows them.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}

/// Whether the text is a number in base 60, which YAML 1.1 readers elsewhere would take for one:
/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
pub(crate) fn is_base60(text: &str) -> bool {
    let bytes = text.as_bytes();
    let rest = bytes
        .strip_prefix(b"-")
        .or_else(|| bytes.strip_prefix(b"+"))
        .unwrap_or(bytes);
    if !rest.first().is_some_and(u8::is_ascii_digit) || !rest.contains(&b':') {
        return false;
    }
    let whole = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'_')
        .count();
    let mut rest = &rest[whole..];
    let mut places = 0;
    while let Some(place) = rest.strip_prefix(b":") {
        let (count, after) = digits(place);
        if !(count == 1 || count == 2 && place[0] <= b'5') {
            return false;
        }
        places += 1;
        rest = after;
    }
    let tail = rest.strip_prefix(b".").unwrap_or(rest);
    let fraction_ok = tail.len() < rest.len() || rest.is_empty();
    places > 0
        && fraction_ok
        && tail
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'_')
}

/// Whether go-yaml takes the text for a date: `2006-1-2`, alone or with a time after `T`, `t`
/// (with a zone) or a space (without).
pub(crate) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || digits(bytes).0 != 4 {
        return false;
    }
    let Some(year) = text.get(..4).and_then(|year| year.parse::<u32>().ok()) else {
        return false;
    };
    let Some((month, rest)) = short_number(&bytes[5..]) else {
        return false;
    };
    let Some((day, rest)) = rest.strip_prefix(b"-").and_then(short_number) else {
        return false;
    };
    if !(1..=12).contains(&month) || day < 1 || day > days_in(month, year) {
        return false;
    }
    match rest.split_first() {
        None => true,
        Some((b'T' | b't', rest)) => time_of_day(rest).is_some_and(is_zone),
        // Go skips any number of spaces where the layout has one.
        Some((b' ', rest)) => {
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            time_of_day(&rest[spaces..]).is_some_and(<[u8]>::is_empty)
        }
        Some(_) => false,
    }
}

/// One or two digits.
fn short_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let count = digits(text).0.min(2);
    let value = text[..count]
        .iter()
        .fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    (count > 0).then_some((value, &text[count..]))
}

/// Reads `15:4:5.999`, gives what follows.
fn time_of_day(text: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = short_number(text)?;
    let (minute, rest) = short_number(rest.strip_prefix(b":")?)?;
    let (second, rest) = short_number(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match rest.split_first() {
        Some((b'.' | b',', fraction)) if digits(fraction).0 > 0 => Some(digits(fraction).1),
        _ => Some(rest),
    }
}

/// `Z` or an offset of hours and minutes.
fn is_zone(text: &[u8]) -> bool {
    match text {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let pair = |tens: u8, ones: u8| {
                (tens.is_ascii_digit() && ones.is_ascii_digit())
                    .then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
            };
            pair(*h1, *h2).is_some_and(|hours| hours <= 24)
                && pair(*m1, *m2).is_some_and(|minutes| minutes <= 60)
        }
        _ => false,
    }
}

fn days_in(month: u32, year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
