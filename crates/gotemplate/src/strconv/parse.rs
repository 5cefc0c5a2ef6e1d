//! Reading numbers the way `strconv.ParseInt`, `ParseUint` and `ParseFloat` do.

use std::fmt;

/// Why a text is no number. `Display` gives Go's words (`invalid syntax`, `value out of range`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberError<T> {
    /// Not written like a number.
    Syntax,
    /// Too large or too small; Go returns the nearest value next to the error.
    Range(T),
}

impl<T> fmt::Display for NumberError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "invalid syntax",
            Self::Range(_) => "value out of range",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for NumberError<T> {}

/// `strconv.ParseUint(text, base, 64)`. With base 0 the prefix decides (`0x`, `0o`, `0`, `0b`) and underscores may
/// separate digits.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, NumberError<u64>> {
    let (digits, radix) = match (base, text) {
        (0, [b'0', b'b' | b'B', rest @ ..]) if !rest.is_empty() => (rest, 2),
        (0, [b'0', b'o' | b'O', rest @ ..]) if !rest.is_empty() => (rest, 8),
        (0, [b'0', b'x' | b'X', rest @ ..]) if !rest.is_empty() => (rest, 16),
        (0, [b'0', rest @ ..]) => (rest, 8),
        (0, _) => (text, 10),
        _ => (text, base),
    };
    if text.is_empty() || !(2..=36).contains(&radix) {
        return Err(NumberError::Syntax);
    }
    let mut value = 0_u64;
    let mut underscores = false;
    for &byte in digits {
        if byte == b'_' && base == 0 {
            underscores = true;
            continue;
        }
        let digit = char::from(byte)
            .to_digit(radix)
            .ok_or(NumberError::Syntax)?;
        value = value
            .checked_mul(u64::from(radix))
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(NumberError::Range(u64::MAX))?;
    }
    if underscores && !underscores_separate_digits(text) {
        return Err(NumberError::Syntax);
    }
    Ok(value)
}

/// `strconv.ParseInt(text, base, 64)`; base 0 as in [`parse_uint`].
pub fn parse_int(text: &[u8], base: u32) -> Result<i64, NumberError<i64>> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let limit = if negative { i64::MIN } else { i64::MAX };
    let magnitude = match parse_uint(digits, base) {
        Ok(magnitude) => magnitude,
        Err(NumberError::Syntax) => return Err(NumberError::Syntax),
        Err(NumberError::Range(_)) => return Err(NumberError::Range(limit)),
    };
    if magnitude > limit.unsigned_abs() {
        return Err(NumberError::Range(limit));
    }
    Ok(if negative {
        (magnitude as i64).wrapping_neg()
    } else {
        magnitude as i64
    })
}

/// `strconv.ParseFloat(text, 64)`: decimal and hexadecimal, `inf`, `infinity` and `nan` in any case.
pub fn parse_float(text: &[u8]) -> Result<f64, NumberError<f64>> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    match body.to_ascii_lowercase().as_slice() {
        b"inf" | b"infinity" => return Ok(sign * f64::INFINITY),
        // Go takes no sign before nan.
        b"nan" if body.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    if body.contains(&b'_') && !underscores_separate_digits(text) {
        return Err(NumberError::Syntax);
    }
    let plain: Vec<u8> = body.iter().copied().filter(|&byte| byte != b'_').collect();
    let value = match plain.as_slice() {
        [b'0', b'x' | b'X', rest @ ..] => parse_hex_float(rest)?,
        decimal => parse_decimal_float(decimal)?,
    };
    if value.is_infinite() {
        return Err(NumberError::Range(sign * value));
    }
    Ok(sign * value)
}

fn parse_decimal_float(text: &[u8]) -> Result<f64, NumberError<f64>> {
    // Rust reads words and signs too; those were dealt with before.
    if !text
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        || matches!(text.first(), Some(b'+' | b'-'))
    {
        return Err(NumberError::Syntax);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(NumberError::Syntax)
}

/// What follows `0x`. The exponent is mandatory.
fn parse_hex_float(text: &[u8]) -> Result<f64, NumberError<f64>> {
    let split = text
        .iter()
        .position(|byte| matches!(byte, b'p' | b'P'))
        .ok_or(NumberError::Syntax)?;
    let exponent = std::str::from_utf8(&text[split + 1..])
        .ok()
        .filter(|digits| digits.bytes().any(|byte| byte.is_ascii_digit()))
        .ok_or(NumberError::Syntax)?;
    let mut exponent = match exponent.parse::<i64>() {
        Ok(value) => value.clamp(-100_000, 100_000),
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => 100_000,
            std::num::IntErrorKind::NegOverflow => -100_000,
            _ => return Err(NumberError::Syntax),
        },
    };
    let (mut mantissa, mut seen_digits, mut seen_dot) = (0_u64, false, false);
    for &byte in &text[..split] {
        if byte == b'.' && !seen_dot {
            seen_dot = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or(NumberError::Syntax)?;
        seen_digits = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if seen_dot { 4 } else { 0 };
        } else {
            // Digits past the precision only matter for rounding: keep that there were some.
            mantissa |= u64::from(digit != 0);
            exponent += if seen_dot { 0 } else { 4 };
        }
    }
    if !seen_digits {
        return Err(NumberError::Syntax);
    }
    Ok(scale(mantissa as f64, exponent))
}

/// `value * 2^exponent`, by steps that neither overflow nor vanish early.
fn scale(mut value: f64, mut exponent: i64) -> f64 {
    while exponent > 1000 && value.is_finite() && value != 0.0 {
        value *= 2_f64.powi(1000);
        exponent -= 1000;
    }
    while exponent < -1000 && value != 0.0 {
        value *= 2_f64.powi(-1000);
        exponent += 1000;
    }
    if value == 0.0 || value.is_infinite() {
        value
    } else {
        value * 2_f64.powi(exponent as i32)
    }
}

/// Whether every underscore stands between digits, or between a base prefix and a digit.
fn underscores_separate_digits(text: &[u8]) -> bool {
    let body = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    let (hex, digits, mut after_digit) = match body {
        [b'0', b'x' | b'X', rest @ ..] => (true, rest, true),
        [b'0', b'b' | b'B' | b'o' | b'O', rest @ ..] => (false, rest, true),
        _ => (false, body, false),
    };
    let mut after_underscore = false;
    for &byte in digits {
        if byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit() {
            (after_digit, after_underscore) = (true, false);
        } else if byte == b'_' {
            if !after_digit {
                return false;
            }
            (after_digit, after_underscore) = (false, true);
        } else {
            if after_underscore {
                return false;
            }
            after_digit = false;
        }
    }
    !after_underscore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_by_prefix() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("+12", 12),
            ("0x1F", 31),
            ("0o17", 15),
            ("017", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("0x_f", 15),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_int(text.as_bytes(), 0), Ok(value), "{text}");
        }
        assert_eq!(parse_int(b"08", 10), Ok(8));
        assert_eq!(parse_uint(b"18446744073709551615", 0), Ok(u64::MAX));
    }

    #[test]
    fn malformed_integers_are_refused() {
        for text in [
            "", "-", "08", "0x", "1__0", "_1", "1_", "1e3", "1.0", "a", "--1",
        ] {
            assert_eq!(
                parse_int(text.as_bytes(), 0),
                Err(NumberError::Syntax),
                "{text}"
            );
        }
        assert_eq!(parse_int(b"1_0", 10), Err(NumberError::Syntax));
        assert_eq!(
            parse_int(b"9223372036854775808", 0),
            Err(NumberError::Range(i64::MAX))
        );
        assert_eq!(
            parse_int(b"-99999999999999999999", 0),
            Err(NumberError::Range(i64::MIN))
        );
    }

    #[test]
    fn floats_are_read_in_both_bases() {
        for (text, value) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("-1e3", -1000.0),
            ("1_0.2_5", 10.25),
            ("0x1p-2", 0.25),
            ("0x1.8p1", 3.0),
            ("0X_1FFFP-16", 0.124_984_741_210_937_5),
            ("+Inf", f64::INFINITY),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Ok(value), "{text}");
        }
        assert!(parse_float(b"NaN").is_ok_and(f64::is_nan));
        assert_eq!(
            parse_float(b"-1e999"),
            Err(NumberError::Range(f64::NEG_INFINITY))
        );
    }

    #[test]
    fn malformed_floats_are_refused() {
        for text in [
            "", ".", "e1", "1e", "1e+", "0x1", "0x.p1", "0xp1", "1__0.5", "1_.5", "--1", "1.2.3",
            "x", "-nan",
        ] {
            assert_eq!(
                parse_float(text.as_bytes()),
                Err(NumberError::Syntax),
                "{text}"
            );
        }
    }
}
