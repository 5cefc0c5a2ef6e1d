//! Canonical forms of resource quantities, which is how the API server stores them.
//!
//! In: a quantity as written, such as `0.5`, `1024Mi` or `2e3`. Out: its canonical text, such as
//! `500m`, `1Gi` or `2e3`. Does no arithmetic. Source: k8s.io/apimachinery `pkg/api/resource`
//! (`ParseQuantity`, `CanonicalizeBytes`). Quirk: most texts whose scale is a multiple of a
//! thousand are kept as they are, so `1.500` stays, and a sign
//! alone is zero.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// Decimal places that are kept; what is smaller is rounded away from zero.
const PLACES: u32 = 9;
const NANO: i128 = 1_000_000_000;

struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros but never empty.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    format: Format,
    /// Power of ten, or of two for binary suffixes.
    exponent: i32,
}

/// The canonical text of a quantity; `None` for texts that are no quantity, and for numbers beyond
/// what 128 bits hold in billionths, which are kept as written.
pub fn canonical(text: &str) -> Option<String> {
    let parts = parse(text)?;
    if text == "0" || keeps_text(&parts) {
        return Some(text.to_owned());
    }
    let nanos = nanos(&parts)?;
    if nanos == 0 {
        return Some("0".to_owned());
    }
    if parts.format == Format::Binary && nanos.abs() >= 1024 * NANO && nanos % NANO == 0 {
        return binary(nanos / NANO);
    }
    let format = if parts.format == Format::Exponent {
        Format::Exponent
    } else {
        Format::Decimal
    };
    decimal(nanos, format)
}

fn parse(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(digits(rest));
    let trimmed = whole.trim_start_matches('0');
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let (format, exponent) = suffix_of(suffix)?;
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    Some(Parts {
        negative,
        whole,
        fraction,
        format,
        exponent,
    })
}

fn suffix_of(suffix: &str) -> Option<(Format, i32)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(at) = decimal.iter().position(|one| *one == suffix) {
        return Some((Format::Decimal, at as i32 * 3 - 9));
    }
    if let Some(at) = binary.iter().position(|one| *one == suffix) {
        return Some((Format::Binary, (at as i32 + 1) * 10));
    }
    let power = suffix.strip_prefix(['e', 'E'])?;
    Some((Format::Exponent, power.parse().ok()?))
}

/// Whether upstream keeps the text of a number that its fast path reads.
fn keeps_text(parts: &Parts<'_>) -> bool {
    let length = (parts.whole.len() + parts.fraction.len()) as i32;
    let shifted = || format!("{}{}", parts.whole, parts.fraction);
    if parts.format == Format::Binary {
        let precise = 15 - parts.whole.len() as i32 - parts.exponent * 3 / 10 > 0;
        let odd = parts.whole.parse::<i64>().is_ok_and(|value| value & 7 != 0);
        return parts.fraction.is_empty() && precise && odd;
    }
    let scale = parts.exponent.saturating_sub(parts.fraction.len() as i32);
    let shifted = shifted();
    length <= 18
        && scale >= -(PLACES as i32)
        && scale % 3 == 0
        && !shifted.ends_with("000")
        && !shifted.starts_with('0')
}

/// The value in billionths, rounded away from zero.
fn nanos(parts: &Parts<'_>) -> Option<i128> {
    let digits: i128 = format!("{}{}", parts.whole, parts.fraction).parse().ok()?;
    let (mut digits, power) = match parts.format {
        Format::Binary => (digits.checked_mul(1 << parts.exponent)?, 0),
        _ => (digits, parts.exponent),
    };
    if digits == 0 {
        return Some(0);
    }
    let shift = power
        .checked_sub(parts.fraction.len() as i32)?
        .checked_add(PLACES as i32)?;
    if shift >= 0 {
        digits = digits.checked_mul(10_i128.checked_pow(shift as u32)?)?;
    } else {
        let divisor = 10_i128.checked_pow(shift.unsigned_abs());
        digits = divisor.map_or(1, |divisor| {
            digits / divisor + i128::from(digits % divisor != 0)
        });
    }
    if parts.format == Format::Binary {
        digits = digits.min(i128::from(i64::MAX) * NANO);
    }
    Some(if parts.negative { -digits } else { digits })
}

fn binary(mut value: i128) -> Option<String> {
    let mut power = 0;
    while value.abs() >= 1024 && value % 1024 == 0 {
        value /= 1024;
        power += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(power)?;
    Some(format!("{value}{suffix}"))
}

fn decimal(nanos: i128, format: Format) -> Option<String> {
    let (mut value, mut exponent) = (nanos, -(PLACES as i32));
    while value % 10 == 0 {
        value /= 10;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        value = value.checked_mul(10)?;
        exponent -= 1;
    }
    if format == Format::Exponent {
        return Some(if exponent == 0 {
            value.to_string()
        } else {
            format!("{value}e{exponent}")
        });
    }
    let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let suffix = suffixes.get(usize::try_from(exponent / 3 + 3).ok()?)?;
    Some(format!("{value}{suffix}"))
}
