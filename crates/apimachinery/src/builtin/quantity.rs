//! Resource quantities: `100m`, `1Gi`, `1e3`.
//!
//! In: text. Out: a number that compares, or the server's error. Does not print canonical forms.

use std::cmp::Ordering;

use serde_json::Value;

use super::normalise;

const PATTERN: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

/// Why a text is no quantity. The server gives this while decoding, so it is a bad request and no field error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not look like one.
    #[error("quantities must match the regular expression '{PATTERN}'")]
    Format,
    /// Its number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// Its suffix is none.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An amount in units of 10⁻⁹, which is as fine as Kubernetes goes; what is beyond the range is cut to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(digits);
        if number.is_empty()
            || !suffix
                .bytes()
                .all(|byte| b"eEinumkKMGTP+-0123456789".contains(&byte))
        {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(QuantityError::Numeric);
        }
        let nanos = decimal(whole, fraction);
        let scaled = match scale(suffix)? {
            Scale::Binary(power) => nanos.saturating_mul(1_i128 << (10 * power)),
            Scale::Decimal(power @ 0..) => {
                nanos.saturating_mul(10_i128.saturating_pow(power.unsigned_abs()))
            }
            Scale::Decimal(power) => {
                let divisor = 10_i128.saturating_pow(power.unsigned_abs());
                // The server rounds away from zero.
                nanos / divisor + i128::from(nanos % divisor != 0)
            }
        };
        Ok(Self(if text.starts_with('-') {
            -scaled
        } else {
            scaled
        }))
    }

    /// Reads a quantity from JSON, where it may also be a number.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => Err(QuantityError::Format),
        }
    }

    /// Compares with zero.
    pub fn sign(self) -> Ordering {
        self.0.cmp(&0)
    }
}

/// The canonical form of a quantity: no fraction, the largest suffix of its family that leaves a whole number. `None` for a text that is no
/// quantity.
pub fn canonical(text: &str) -> Option<String> {
    let Quantity(nanos) = Quantity::parse(text).ok()?;
    let unsigned = text.trim_start_matches(['+', '-']);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let bytes = nanos / NANO + i128::from(nanos % NANO > 0);
    // A binary quantity below 1024 is printed as a decimal one.
    if suffix.ends_with('i') && bytes.abs() >= 1_024 {
        return Some(binary(bytes));
    }
    Some(decimal_form(
        nanos,
        suffix.starts_with('e') || (suffix.starts_with('E') && suffix.len() > 1),
    ))
}

const NANO: i128 = 1_000_000_000;

fn binary(mut bytes: i128) -> String {
    let mut suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        .into_iter()
        .peekable();
    let mut suffix = suffixes.next().unwrap_or_default();
    while bytes % 1_024 == 0
        && let Some(next) = suffixes.next()
    {
        bytes /= 1_024;
        suffix = next;
    }
    format!("{bytes}{suffix}")
}

fn decimal_form(mut nanos: i128, with_exponent: bool) -> String {
    const SUFFIXES: [(&str, &str); 10] = [
        ("n", "e-9"),
        ("u", "e-6"),
        ("m", "e-3"),
        ("", ""),
        ("k", "e3"),
        ("M", "e6"),
        ("G", "e9"),
        ("T", "e12"),
        ("P", "e15"),
        ("E", "e18"),
    ];
    if nanos == 0 {
        return "0".to_owned();
    }
    let mut step = 0;
    while nanos % 1_000 == 0 && step + 1 < SUFFIXES.len() {
        nanos /= 1_000;
        step += 1;
    }
    let (suffix, exponent) = SUFFIXES[step];
    format!("{nanos}{}", if with_exponent { exponent } else { suffix })
}

enum Scale {
    Binary(u32),
    Decimal(i32),
}

fn scale(suffix: &str) -> Result<Scale, QuantityError> {
    Ok(match suffix {
        "Ki" => Scale::Binary(1),
        "Mi" => Scale::Binary(2),
        "Gi" => Scale::Binary(3),
        "Ti" => Scale::Binary(4),
        "Pi" => Scale::Binary(5),
        "Ei" => Scale::Binary(6),
        "n" => Scale::Decimal(-9),
        "u" => Scale::Decimal(-6),
        "m" => Scale::Decimal(-3),
        "" => Scale::Decimal(0),
        "k" => Scale::Decimal(3),
        "M" => Scale::Decimal(6),
        "G" => Scale::Decimal(9),
        "T" => Scale::Decimal(12),
        "P" => Scale::Decimal(15),
        "E" => Scale::Decimal(18),
        _ => {
            let exponent = suffix
                .strip_prefix(['e', 'E'])
                .ok_or(QuantityError::Suffix)?;
            let power: i32 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
            Scale::Decimal(power.clamp(-40, 40))
        }
    })
}

/// Digits before and after the point, in units of 10⁻⁹.
fn decimal(whole: &str, fraction: &str) -> i128 {
    let mut value: i128 = 0;
    let places = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    for digit in whole.bytes().chain(places) {
        value = value
            .saturating_mul(10)
            .saturating_add(i128::from(digit - b'0'));
    }
    let rest = fraction.bytes().skip(9).any(|digit| digit != b'0');
    value.saturating_add(i128::from(rest))
}

/// The first bad quantity in `resources` of any container of the object, as the message of a bad request.
///
/// Returns the error and nothing of the place: the server names none.
///
/// Kinds that hold text or schemas of the user's are passed over: a property named `limits` there is
/// no amount.
pub fn bad_quantity(kind: &str, object: &Value) -> Option<QuantityError> {
    if normalise::is_free_form(kind) {
        None
    } else {
        bad_amount(object)
    }
}

fn bad_amount(object: &Value) -> Option<QuantityError> {
    match object {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let amounts = matches!(key.as_str(), "limits" | "requests" | "capacity" | "hard")
                .then(|| value.as_object())
                .flatten();
            let bad = amounts.and_then(|amounts| {
                amounts
                    .values()
                    .filter(|amount| amount.is_string() || amount.is_number())
                    .find_map(|amount| Quantity::from_json(amount).err())
            });
            bad.or_else(|| bad_amount(value))
        }),
        Value::Array(list) => list.iter().find_map(bad_amount),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_compare_by_amount() {
        let equal = [
            ("1", "1000m"),
            ("1Ki", "1024"),
            ("1e3", "1k"),
            ("0.5", "500m"),
            ("1E", "1e18"),
            (".5", "0.5"),
            ("1.", "1"),
        ];
        for (left, right) in equal {
            assert_eq!(
                Quantity::parse(left),
                Quantity::parse(right),
                "{left} {right}"
            );
        }
        let parse = |text| Quantity::parse(text).unwrap();
        assert!(parse("100m") < parse("1"));
        assert!(parse("-1") < parse("0"));
        assert!(parse("1Gi") > parse("1G"));
        assert!(Quantity::parse("9999999999999999999999E").is_ok());
    }

    #[test]
    fn quantities_have_one_canonical_form() {
        let cases = [
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("0.1", "100m"),
            ("3072Mi", "3Gi"),
            ("1.5Gi", "1536Mi"),
            ("2000Mi", "2000Mi"),
            ("512Ki", "512Ki"),
            ("0Gi", "0"),
            ("1e3", "1e3"),
            ("12E", "12E"),
            ("128974848", "128974848"),
            ("-1.5", "-1500m"),
            ("0.5Ki", "512"),
            ("1", "1"),
            ("+1", "1"),
            ("1024Ki", "1Mi"),
            ("100m", "100m"),
            ("1u", "1u"),
        ];
        for (text, form) in cases {
            assert_eq!(canonical(text).as_deref(), Some(form), "{text}");
            assert_eq!(canonical(form).as_deref(), Some(form), "{form}");
        }
        assert_eq!(canonical("x"), None);
    }

    #[test]
    fn err_what_is_no_quantity_is_refused() {
        let cases = [
            ("", QuantityError::Format),
            ("x", QuantityError::Format),
            ("1 Gi", QuantityError::Format),
            ("1Gb", QuantityError::Format),
            ("100M i", QuantityError::Format),
            ("1.2.3", QuantityError::Numeric),
            (".", QuantityError::Numeric),
            ("1KK", QuantityError::Suffix),
            ("1ee", QuantityError::Suffix),
            ("1e", QuantityError::Suffix),
        ];
        for (text, error) in cases {
            assert_eq!(Quantity::parse(text), Err(error), "{text}");
        }
        let pod = |amount: Value| json!({"spec": {"containers": [{"resources": {"limits": {"cpu": amount}}}]}});
        assert_eq!(bad_quantity("Pod", &pod(json!("1"))), None);
        assert_eq!(bad_quantity("Pod", &pod(json!(1.5))), None);
        assert_eq!(
            bad_quantity("Pod", &pod(json!("one"))),
            Some(QuantityError::Format)
        );
    }

    #[test]
    fn a_schema_property_named_as_an_amount_is_no_amount() {
        let crd = json!({"spec": {"properties": {"limits": {"type": "object"}, "requests": {"x": "one"}}}});
        assert_eq!(bad_quantity("CustomResourceDefinition", &crd), None);
        assert!(bad_quantity("Deployment", &crd).is_some());
    }
}
