//! Numbers and quoted texts in messages.
//!
//! In: numbers, texts. Out: their form in an English message. Source: Go `x/text/message` for English,
//! jsonschema `quote`.

/// Single quotes around Go's escapes.
pub(crate) fn quote(text: &str) -> String {
    // Quirk: the quotes go last, so that a backslash at the end loses the one that escapes it.
    let quoted = sprig::gotext::quote(text.as_bytes())
        .replace("\\\"", "\"")
        .replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

/// Quoted texts with commas between them.
pub(crate) fn joined<S: AsRef<str>>(texts: &[S]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text.as_ref())).collect();
    quoted.join(", ")
}

/// `%d`: thousands are set apart.
pub(crate) fn integer(value: i64) -> String {
    let digits = grouped(&value.unsigned_abs().to_string());
    if value < 0 {
        format!("-{digits}")
    } else {
        digits
    }
}

/// A count as `%d` has it.
pub(crate) fn count(value: usize) -> String {
    grouped(&value.to_string())
}

/// `%v` of a float: `1,234.5`, `1×10⁻⁰⁵` from a million on and below a ten-thousandth.
pub(crate) fn float(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}∞");
    }
    let shortest = format!("{:e}", value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let plain = value.abs().to_string();
        return match plain.split_once('.') {
            Some((whole, fraction)) => format!("{sign}{}.{fraction}", grouped(whole)),
            None => format!("{sign}{}", grouped(&plain)),
        };
    }
    let minus = if exponent < 0 { "⁻" } else { "" };
    let raised: String = format!("{:02}", exponent.abs())
        .chars()
        .map(superscript)
        .collect();
    format!("{sign}{mantissa}×10{minus}{raised}")
}

fn superscript(digit: char) -> char {
    match digit {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => char::from_u32(0x2070 + other.to_digit(10).unwrap_or_default()).unwrap_or(other),
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_english() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-1.0, "-1"),
            (12345.678, "12,345.678"),
            (999_999.0, "999,999"),
            (100_000.5, "100,000.5"),
            (1e6, "1×10⁰⁶"),
            (-1_234_567.25, "-1.23456725×10⁰⁶"),
            (1e20, "1×10²⁰"),
            (1e100, "1×10¹⁰⁰"),
            (1.234e-4, "0.0001234"),
            (1.5e-5, "1.5×10⁻⁰⁵"),
            (5e-324, "5×10⁻³²⁴"),
            (f64::NEG_INFINITY, "-∞"),
        ] {
            assert_eq!(float(value), want);
        }
    }

    #[test]
    fn integers_and_texts_are_set_apart() {
        assert_eq!(integer(-1_234_567), "-1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(quote("a'b\"\n\u{e9}"), "'a\\'b\"\\n\u{e9}'");
        assert_eq!(quote("\\"), "'\\'");
        assert_eq!(joined(&["a", "b"]), "'a', 'b'");
    }
}
