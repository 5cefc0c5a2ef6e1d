//! Literal numbers: each is kept under every type that can hold its value.
//!
//! Source: `newNumber` in text/template/parse/node.go.

use super::lex::Kind;
use crate::node::Number;
use crate::strconv::{parse_float, parse_int, parse_uint, quote, unquote_char};

/// Two to the power of 63 and 64, the first floats that do not fit.
const INT64_END: f64 = 9_223_372_036_854_775_808.0;
const UINT64_END: f64 = 18_446_744_073_709_551_616.0;

pub(super) fn parse_number(text: &[u8], kind: Kind) -> Result<Number, String> {
    let shown = crate::lossy(text).into_owned();
    let mut number = Number {
        text: shown,
        ..Number::default()
    };
    match kind {
        Kind::CharConstant => char_constant(&mut number, text)?,
        Kind::Complex => complex_constant(&mut number, text)?,
        _ => real_or_imaginary(&mut number, text)?,
    }
    Ok(number)
}

fn char_constant(number: &mut Number, text: &[u8]) -> Result<(), String> {
    let unquoted = unquote_char(&text[1..], b'\'').ok_or("invalid syntax")?;
    if &text[1 + unquoted.width..] != b"'" {
        return Err(format!("malformed character constant: {}", number.text));
    }
    number.int = Some(i64::from(unquoted.rune));
    number.uint = Some(u64::from(unquoted.rune));
    number.float = Some(f64::from(unquoted.rune));
    Ok(())
}

/// `1+2i`: the second sign splits the parts, unless it belongs to an exponent.
fn complex_constant(number: &mut Number, text: &[u8]) -> Result<(), String> {
    let split = (1..text.len()).rev().find(|&at| {
        matches!(text[at], b'+' | b'-') && !matches!(text[at - 1], b'e' | b'E' | b'p' | b'P')
    });
    let (real, imaginary) = text.split_at(split.unwrap_or(text.len()));
    let imaginary = imaginary.strip_suffix(b"i").unwrap_or(imaginary);
    if !imaginary.iter().any(u8::is_ascii_digit) {
        return Err("syntax error scanning complex number".to_owned());
    }
    let part = |part| {
        let shown = quote(part);
        parse_float(part).map_err(|error| format!("strconv.ParseFloat: parsing {shown}: {error}"))
    };
    let parts = (part(real)?, part(imaginary)?);
    set_complex(number, parts);
    Ok(())
}

fn set_complex(number: &mut Number, parts: (f64, f64)) {
    number.complex = Some(parts);
    if parts.1 == 0.0 {
        number.float = Some(parts.0);
        number.int = float_as_int(parts.0);
        number.uint = float_as_uint(parts.0);
    }
}

fn real_or_imaginary(number: &mut Number, text: &[u8]) -> Result<(), String> {
    if let Some(imaginary) = text
        .strip_suffix(b"i")
        .and_then(|text| parse_float(text).ok())
    {
        set_complex(number, (0.0, imaginary));
        return Ok(());
    }
    number.uint = parse_uint(text, 0).ok();
    number.int = parse_int(text, 0).ok();
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Ok(float) = parse_float(text) {
        if !text.iter().any(|byte| b".eEpP".contains(byte)) {
            return Err(format!("integer overflow: {}", quote(text)));
        }
        number.float = Some(float);
        number.int = float_as_int(float);
        number.uint = float_as_uint(float);
    } else {
        return Err(format!("illegal number syntax: {}", quote(text)));
    }
    Ok(())
}

fn is_whole(float: f64) -> bool {
    float.fract().abs() <= 0.0
}

fn float_as_int(float: f64) -> Option<i64> {
    let fits = is_whole(float) && (-INT64_END..INT64_END).contains(&float);
    fits.then_some(float as i64)
}

fn float_as_uint(float: f64) -> Option<u64> {
    let fits = is_whole(float) && (0.0..UINT64_END).contains(&float);
    fits.then_some(float as u64)
}
