//! Numbers as Go's `strconv` writes them.
//!
//! Floats go in, the shortest text that reads back as the same float comes out, in one of the two
//! layouts that the formats need. Reading numbers is the business of `resolve`.

use std::fmt::{LowerExp, Write as _};

use serde_json::{Number, Value};

/// The text of a finite float as Go's `encoding/json` writes it.
///
/// Plain decimals between 1e-6 and 1e21, an exponent outside (`1e+21`, `1e-7`).
/// JSON has no text for the non-finite ones; they come out as Rust writes them.
///
/// Source: Go `encoding/json`, `floatEncoder.encode`.
pub fn encode_f64(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        exponent_form(value, 1)
    } else {
        format!("{value}")
    }
}

/// As [`encode_f64`] for a `float32`, whose shortest text has fewer digits.
pub(crate) fn encode_f32(value: f32) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        exponent_form(value, 1)
    } else {
        format!("{value}")
    }
}

/// The text of a float as YAML carries it: `strconv.FormatFloat(value, 'g', -1, 64)`, with
/// `.inf`, `-.inf` and `.nan` for the values that are no numbers.
pub(crate) fn general_f64(value: f64) -> String {
    if !value.is_finite() {
        return non_finite(value).to_owned();
    }
    let scientific = format!("{value:e}");
    if wants_exponent(&scientific) {
        exponent_form(value, 2)
    } else {
        format!("{value}")
    }
}

/// As [`general_f64`] after rounding to `float32`: how a float becomes the name of a key.
///
/// Source: sigs.k8s.io/yaml, `convertToJSONableObject`.
pub(crate) fn general_f32(value: f64) -> String {
    let narrow = value as f32;
    if !narrow.is_finite() {
        return non_finite(f64::from(narrow)).to_owned();
    }
    let scientific = format!("{narrow:e}");
    if wants_exponent(&scientific) {
        exponent_form(narrow, 2)
    } else {
        format!("{narrow}")
    }
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        ".nan"
    } else if value > 0.0 {
        ".inf"
    } else {
        "-.inf"
    }
}

/// Whether `%g` picks the exponent form: Go decides as if the precision were six digits.
fn wants_exponent(scientific: &str) -> bool {
    let exponent = scientific
        .rsplit('e')
        .next()
        .and_then(|text| text.parse::<i32>().ok());
    exponent.is_some_and(|exponent| !(-4..6).contains(&exponent))
}

/// `1.5e+21`: a signed exponent of at least `digits_min` digits.
fn exponent_form(value: impl LowerExp, digits_min: usize) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let mut out = String::with_capacity(text.len() + 2);
    // Writing to a string cannot fail.
    let _ = write!(out, "{mantissa}e{sign}{digits:0>digits_min$}");
    out
}

/// The number that a float becomes on its way through JSON text: an integer when that text has
/// neither point nor exponent and fits 64 bits, else the float itself.
///
/// `None` for infinities and NaN, which JSON cannot carry.
pub(crate) fn through_json(value: f64) -> Option<Number> {
    let negative_zero = value == 0.0 && value.is_sign_negative();
    if value.is_finite() && value.fract() == 0.0 && value.abs() < 1e21 && !negative_zero {
        let text = encode_f64(value);
        if let Ok(integer) = text.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Some(integer.into());
        }
    }
    Number::from_f64(value)
}

/// Turns every number into a float, as Go's `encoding/json` does for an `interface{}`.
///
/// Integers beyond 2^53 lose bits, as they do in Go.
pub fn numbers_as_float64(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_f64() => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(numbers_as_float64),
        Value::Object(fields) => fields.values_mut().for_each(numbers_as_float64),
        _ => {}
    }
}
