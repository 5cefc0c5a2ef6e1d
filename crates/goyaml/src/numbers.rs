//! Numbers as Go's `strconv` writes them.
//!
//! Floats go in, the shortest text that reads back as the same float comes out, in one of the two
//! layouts that the formats need. Reading numbers is the business of `resolve`.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// The text of a finite float as Go's `encoding/json` writes it.
///
/// Plain decimals between 1e-6 and 1e21, an exponent outside (`1e+21`, `1e-7`).
/// JSON has no text for the other floats; they give `.inf`, `-.inf` and `.nan`.
///
/// Source: Go `encoding/json`, `floatEncoder.encode`.
pub fn encode_f64(value: f64) -> String {
    json_form(
        value.abs(),
        value.is_finite().then(|| Decimal::of(value)).ok_or(value),
    )
}

/// As [`encode_f64`] for a `float32`, whose shortest text has fewer digits.
pub(crate) fn encode_f32(value: f32) -> String {
    let wide = f64::from(value);
    // The bounds are rounded to the narrow type too.
    let outside = value != 0.0 && !(1e-6f32..1e21f32).contains(&value.abs());
    let magnitude = if outside { f64::INFINITY } else { 1.0 };
    json_form(
        magnitude,
        value.is_finite().then(|| Decimal::of(value)).ok_or(wide),
    )
}

fn json_form(magnitude: f64, decimal: Result<Decimal, f64>) -> String {
    match decimal {
        Err(value) => non_finite(value).to_owned(),
        Ok(decimal) if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) => {
            decimal.with_exponent(1)
        }
        Ok(decimal) => decimal.plain(),
    }
}

/// The text of a float as YAML carries it: `strconv.FormatFloat(value, 'g', -1, 64)`, with
/// `.inf`, `-.inf` and `.nan` for the values that are no numbers.
pub(crate) fn general_f64(value: f64) -> String {
    if value.is_finite() {
        Decimal::of(value).general()
    } else {
        non_finite(value).to_owned()
    }
}

/// As [`general_f64`] after rounding to `float32`: how a float becomes the name of a key.
///
/// Source: sigs.k8s.io/yaml, `convertToJSONableObject`.
pub(crate) fn general_f32(value: f64) -> String {
    let narrow = value as f32;
    if narrow.is_finite() {
        Decimal::of(narrow).general()
    } else {
        non_finite(f64::from(narrow)).to_owned()
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

/// The shortest decimal that reads back as a float; of two that are as near, the even one, as in
/// Go. (The standard library takes the other.)
struct Decimal {
    negative: bool,
    /// Without zeros at either end, but for zero itself.
    digits: String,
    /// Digits before the decimal point; may be negative or beyond the digits.
    point: i32,
}

impl Decimal {
    /// `value` must be finite.
    fn of(value: impl zmij::Float) -> Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent = exponent.parse::<i32>().unwrap_or(0);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = (all.len() - digits.len()) as i32;
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Self {
                negative,
                digits: "0".to_owned(),
                point: 1,
            };
        }
        let point = whole.len() as i32 + exponent - leading;
        Self {
            negative,
            digits: digits.to_owned(),
            point,
        }
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    /// `%f` with as many digits as it takes.
    fn plain(&self) -> String {
        let (sign, digits) = (self.sign(), &self.digits);
        let length = digits.len() as i32;
        if self.point <= 0 {
            let zeros = "0".repeat(self.point.unsigned_abs() as usize);
            return format!("{sign}0.{zeros}{digits}");
        }
        if self.point >= length {
            let zeros = "0".repeat((self.point - length) as usize);
            return format!("{sign}{digits}{zeros}");
        }
        let (whole, fraction) = digits.split_at(self.point as usize);
        format!("{sign}{whole}.{fraction}")
    }

    /// `%e`, with at least `digits_min` digits of exponent.
    fn with_exponent(&self, digits_min: usize) -> String {
        let (first, rest) = self.digits.split_at(1);
        let mut out = format!("{}{first}", self.sign());
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let exponent = self.point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a string cannot fail.
        let _ = write!(out, "e{sign}{:0>digits_min$}", exponent.unsigned_abs());
        out
    }

    /// `%g`, which takes the exponent below 1e-4 and from 1e6 on: Go decides as if the precision
    /// were six digits.
    fn general(&self) -> String {
        if (-3..=6).contains(&self.point) {
            self.plain()
        } else {
            self.with_exponent(2)
        }
    }
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
