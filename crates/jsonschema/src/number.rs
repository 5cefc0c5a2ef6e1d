//! Numbers as decimals, compared and divided without rounding.
//!
//! In: numbers as JSON writes them, floats, integers. Out: order, divisibility, the nearest float.
//! Stands for Go's `big.Rat`, which it equals for all that JSON can write, at a cost that does not
//! depend on the exponent.

use std::cmp::Ordering;

use num_bigint::BigUint;

/// Exponents beyond it are no numbers for Go's `Rat.SetString`.
const EXPONENT_MAX: i64 = 1_000_000;
/// Longest divisor, in digits.
const DIVISOR_MAX: usize = 4_096;

/// `digits * 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    negative: bool,
    /// ASCII; no zeros at either end; nothing for zero.
    digits: Vec<u8>,
    /// 0 for zero.
    exponent: i64,
}

impl Decimal {
    /// A number as JSON writes it; None for exponents that Go refuses.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = digits.iter().take_while(|d| **d == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let mut exponent = exponent.checked_sub(fraction.len() as i64)?;
        if exponent.abs() > EXPONENT_MAX {
            return None;
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent += 1;
        }
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }

    /// The shortest decimal that reads as this float; None for what is no number.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if value.is_finite() {
            Self::parse(&format!("{value:e}"))
        } else {
            None
        }
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The nearest float; infinite beyond the largest.
    pub(crate) fn to_f64(&self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        let digits = String::from_utf8_lossy(&self.digits);
        let size = format!("{digits}e{}", self.exponent);
        let size: f64 = size.parse().unwrap_or_default();
        if self.negative { -size } else { size }
    }

    /// The lower 64 bits, as Go's `Int64` of a big integer; None for fractions.
    pub(crate) fn to_i64_wrapping(&self) -> Option<i64> {
        if !self.is_integer() {
            return None;
        }
        let mut bits = 0_u64;
        for digit in &self.digits {
            bits = bits.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        }
        // 2^64 divides 10^64.
        for _ in 0..self.exponent.min(64) {
            bits = bits.wrapping_mul(10);
        }
        let value = bits as i64;
        Some(if self.negative {
            value.wrapping_neg()
        } else {
            value
        })
    }

    /// Whether the quotient is an integer.
    pub(crate) fn divided_by(&self, divisor: &Self) -> Result<bool, DivisionError> {
        if divisor.is_zero() {
            return Err(DivisionError::Zero);
        }
        if divisor.digits.len() > DIVISOR_MAX || self.digits.len() > DIVISOR_MAX {
            return Err(DivisionError::TooLong);
        }
        if self.is_zero() {
            return Ok(true);
        }
        let shift = self.exponent - divisor.exponent;
        let Ok(shift) = u64::try_from(shift) else {
            // A number without zeros at its end is no multiple of ten.
            return Ok(false);
        };
        let read = |digits: &[u8]| BigUint::parse_bytes(digits, 10).unwrap_or_default();
        let modulus = read(&divisor.digits);
        let power = BigUint::from(10_u32).modpow(&BigUint::from(shift), &modulus);
        Ok((read(&self.digits) * power % modulus) == BigUint::ZERO)
    }
}

/// Why there is no quotient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DivisionError {
    Zero,
    /// More digits than are worth the time.
    TooLong,
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |d: &Self| match (d.is_zero(), d.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let magnitude = |d: &Self| d.digits.len() as i64 + d.exponent;
        let size = magnitude(self)
            .cmp(&magnitude(other))
            .then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then(match sign(self) {
            0 => Ordering::Equal,
            1 => size,
            _ => size.reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    #[test]
    fn order_is_that_of_the_numbers() {
        let ascending = [
            "-1e400",
            "-12.5",
            "-12.4",
            "-1e-5",
            "0",
            "1e-1000000",
            "0.099",
            "1e-1",
            "0.11",
            "1",
            "9",
            "10.0",
            "10.5",
            "99",
            "1e2",
            "123456789012345678901234567890",
            "1e999999",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(decimal(a).cmp(&decimal(b)), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(decimal("-0.0e7"), decimal("0"));
        assert_eq!(decimal("1200e-2"), decimal("12"));
    }

    #[test]
    fn exponents_are_bounded_as_in_go() {
        assert_eq!(Decimal::parse("1e1000001"), None);
        assert_eq!(Decimal::parse("0.1e-1000000"), None);
        assert_eq!(Decimal::parse("1e99999999999999999999"), None);
        assert!(Decimal::parse("0e99999999").is_some());
        assert!(decimal("1e400").to_f64().is_infinite());
        assert_eq!(Decimal::from_f64(f64::NAN), None);
    }

    #[test]
    fn multiples_are_exact() {
        for (value, divisor, want) in [
            ("0.3", "0.1", true),
            ("1.05", "0.01", true),
            ("7", "2", false),
            ("1e300", "3", false),
            ("3e300", "3", true),
            ("0.75", "0.5", false),
            ("-4.5", "1.5", true),
            ("0", "7e-9", true),
            ("25", "0.0625", true),
            ("1", "10", false),
            (
                "123456789012345678901234567890",
                "12345678901234567890",
                false,
            ),
            ("1e999999", "12345678901234567890123", false),
        ] {
            let got = decimal(value).divided_by(&decimal(divisor));
            assert_eq!(got, Ok(want), "{value} / {divisor}");
        }
        let zero = decimal("0");
        assert_eq!(decimal("1").divided_by(&zero), Err(DivisionError::Zero));
        let long = decimal(&"7".repeat(5_000));
        assert_eq!(decimal("1").divided_by(&long), Err(DivisionError::TooLong));
    }

    #[test]
    fn integers_wrap_as_in_go() {
        for (text, want) in [
            ("12", Some(12)),
            ("-3e2", Some(-300)),
            ("1.5", None),
            ("1e30", Some(5_076_944_270_305_263_616)),
            ("1e64", Some(0)),
            ("9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(decimal(text).to_i64_wrapping(), want, "{text}");
        }
    }
}
