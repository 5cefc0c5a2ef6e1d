//! Writing floating-point numbers as `strconv.FormatFloat` does.

/// More than any number has, before or after the point: past them there are only zeros.
const DIGITS_MAX: usize = 1_100;

/// Decimal digits `0.d1d2d3… * 10^point`; no digits for zero.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// Appends `value` in one of Go's formats `e E f g G x X b`. `precision` `None` means as many digits as identify
/// the number; otherwise it counts what Go's precision counts for the format.
///
/// Source: `strconv.AppendFloat` with 64 bits.
pub fn append_float(out: &mut Vec<u8>, value: f64, format: u8, precision: Option<usize>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    match format {
        // Ports, counts and the like: nearly all numbers of templates.
        b'g' if precision.is_none() && magnitude < 1e6 && magnitude.fract() <= 0.0 => {
            out.extend_from_slice((magnitude as u32).to_string().as_bytes());
        }
        b'b' => append_binary(out, magnitude),
        b'x' | b'X' => append_hex(out, magnitude, format, precision),
        b'e' | b'E' => {
            let decimal = match precision {
                Some(precision) => rounded(magnitude, precision + 1),
                None => shortest(magnitude),
            };
            let fraction = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
            append_exponent_form(out, &decimal, fraction, format);
        }
        b'f' => append_fixed(out, magnitude, precision),
        _ => append_general(out, magnitude, format, precision),
    }
}

fn append_fixed(out: &mut Vec<u8>, magnitude: f64, precision: Option<usize>) {
    if let Some(precision) = precision {
        let exact = precision.min(DIGITS_MAX);
        out.extend_from_slice(format!("{magnitude:.exact$}").as_bytes());
        out.resize(out.len() + precision - exact, b'0');
        return;
    }
    let decimal = shortest(magnitude);
    let fraction = (decimal.digits.len() as i32 - decimal.point).max(0) as usize;
    append_fixed_form(out, &decimal, fraction);
}

/// `%e` for exponents below -4 or from the precision on, else `%f`; no trailing zeros.
fn append_general(out: &mut Vec<u8>, magnitude: f64, format: u8, precision: Option<usize>) {
    let decimal = match precision {
        Some(precision) => rounded(magnitude, precision.max(1)),
        None => shortest(magnitude),
    };
    let n_digits = decimal.digits.len();
    let mut wanted = precision.map_or(n_digits, |precision| precision.max(1));
    let threshold = match precision {
        None => 6,
        Some(_) if wanted > n_digits && n_digits as i32 >= decimal.point => n_digits,
        Some(_) => wanted,
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || exponent >= threshold as i32 {
        wanted = wanted.min(n_digits);
        let marker = if format == b'G' { b'E' } else { b'e' };
        append_exponent_form(out, &decimal, wanted.saturating_sub(1), marker);
        return;
    }
    if wanted as i32 > decimal.point {
        wanted = n_digits;
    }
    append_fixed_form(
        out,
        &decimal,
        (wanted as i32 - decimal.point).max(0) as usize,
    );
}

/// The fewest digits that identify the number.
fn shortest(magnitude: f64) -> Decimal {
    parse_scientific(&format!("{magnitude:e}"))
}

/// Exactly rounded to `n_digits` significant digits, trailing zeros removed.
fn rounded(magnitude: f64, n_digits: usize) -> Decimal {
    parse_scientific(&format!(
        "{magnitude:.*e}",
        n_digits.clamp(1, DIGITS_MAX) - 1
    ))
}

fn parse_scientific(text: &str) -> Decimal {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = if digits.is_empty() {
        0
    } else {
        exponent.parse::<i32>().unwrap_or(0) + 1
    };
    Decimal { digits, point }
}

fn append_exponent_form(out: &mut Vec<u8>, decimal: &Decimal, fraction: usize, marker: u8) {
    out.push(decimal.digits.first().copied().unwrap_or(b'0'));
    if fraction > 0 {
        out.push(b'.');
        let tail = decimal.digits.get(1..).unwrap_or_default();
        let kept = tail.len().min(fraction);
        out.extend_from_slice(&tail[..kept]);
        out.resize(out.len() + fraction - kept, b'0');
    }
    let exponent = if decimal.digits.is_empty() {
        0
    } else {
        decimal.point - 1
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push(marker);
    out.extend_from_slice(format!("{sign}{:02}", exponent.unsigned_abs()).as_bytes());
}

fn append_fixed_form(out: &mut Vec<u8>, decimal: &Decimal, fraction: usize) {
    let digit = |index: i32| {
        usize::try_from(index)
            .ok()
            .and_then(|index| decimal.digits.get(index))
            .copied()
    };
    if decimal.point > 0 {
        out.extend((0..decimal.point).map(|index| digit(index).unwrap_or(b'0')));
    } else {
        out.push(b'0');
    }
    if fraction > 0 {
        out.push(b'.');
        out.extend((0..fraction as i32).map(|n| digit(decimal.point + n).unwrap_or(b'0')));
    }
}

/// Mantissa with its top bit explicit and the exponent of its lowest bit.
fn mantissa_and_exponent(magnitude: f64) -> (u64, i32) {
    let bits = magnitude.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32 & 0x7FF, bits & ((1 << 52) - 1));
    if exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, exponent - 1075)
    }
}

fn append_binary(out: &mut Vec<u8>, magnitude: f64) {
    let (mantissa, exponent) = mantissa_and_exponent(magnitude);
    out.extend_from_slice(format!("{mantissa}p{exponent:+}").as_bytes());
}

fn append_hex(out: &mut Vec<u8>, magnitude: f64, format: u8, precision: Option<usize>) {
    let (mut mantissa, low_exponent) = mantissa_and_exponent(magnitude);
    let mut exponent = if mantissa == 0 { 0 } else { low_exponent + 52 };
    // The leading 1 goes to bit 60: sixty bits of fraction, fifteen digits.
    mantissa <<= 8;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision) = precision.filter(|&precision| precision < 15) {
        let shift = precision as u32 * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut text = format!("0x{}", mantissa >> 60);
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        Some(precision) => &digits[..precision.min(digits.len())],
        None => digits.trim_end_matches('0'),
    };
    let zeros = precision.map_or(0, |precision| precision - fraction.len());
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
        text.extend(std::iter::repeat_n('0', zeros));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let mut text = format!("{text}p{sign}{:02}", exponent.unsigned_abs());
    if format == b'X' {
        text.make_ascii_uppercase();
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(value: f64, format: u8, precision: Option<usize>) -> String {
        let mut out = Vec::new();
        append_float(&mut out, value, format, precision);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn general_format_switches_to_exponents_as_go_does() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (12_345_678.0, "1.2345678e+07"),
            (123_456.789, "123456.789"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format(value, b'g', None), text);
        }
    }

    #[test]
    fn other_formats_and_precisions() {
        for (value, verb, precision, text) in [
            (3.0, b'e', Some(2), "3.00e+00"),
            (0.0, b'e', Some(1), "0.0e+00"),
            (2.5, b'f', Some(0), "2"),
            (1e21, b'f', None, "1000000000000000000000"),
            (0.000_1, b'f', None, "0.0001"),
            (100_000.0, b'g', Some(3), "1e+05"),
            (100.0, b'g', Some(17), "100"),
            (1.0, b'x', None, "0x1p+00"),
            (0.1, b'x', None, "0x1.999999999999ap-04"),
            (0.1, b'X', Some(2), "0X1.9AP-04"),
            (1.0, b'b', None, "4503599627370496p-52"),
            (1e6, b'G', None, "1E+06"),
        ] {
            assert_eq!(
                format(value, verb, precision),
                text,
                "{value} {}",
                char::from(verb)
            );
        }
    }
}
