//! Decimal numbers of any size, as far as sprig's `addf`, `subf`, `mulf` and `divf` need them.
//!
//! In: floats. Out: floats; in between nothing is rounded but quotients, to 16 places. Source:
//! shopspring/decimal 1.4.

use num_bigint::{BigInt, Sign};

/// Places after the point that a quotient keeps.
const DIVISION_PLACES: i64 = 16;

/// `digits * 10^exponent`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as this float; None for NaN and infinities.
    pub(super) fn from_float(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent.parse::<i64>().ok()? - fraction.len() as i64,
        })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }

    fn aligned(&self, exponent: i64) -> BigInt {
        &self.digits * power(self.exponent - exponent)
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self {
            digits: self.aligned(exponent) + other.aligned(exponent),
            exponent,
        }
    }

    pub(super) fn sub(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self {
            digits: self.aligned(exponent) - other.aligned(exponent),
            exponent,
        }
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        Self {
            digits: &self.digits * &other.digits,
            exponent: self.exponent + other.exponent,
        }
    }

    /// The quotient with 16 places, halves rounded away from zero; None for a zero divisor.
    pub(super) fn div(&self, other: &Self) -> Option<Self> {
        if other.digits.sign() == Sign::NoSign {
            return None;
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (a, b) = if shift < 0 {
            (self.digits.clone(), &other.digits * power(-shift))
        } else {
            (&self.digits * power(shift), other.digits.clone())
        };
        let mut digits = &a / &b;
        let rest = &a % &b;
        if rest.magnitude() * 2_u32 >= *b.magnitude() {
            if (self.digits.sign() == Sign::Minus) == (other.digits.sign() == Sign::Minus) {
                digits += 1;
            } else {
                digits -= 1;
            }
        }
        Some(Self {
            digits,
            exponent: -DIVISION_PLACES,
        })
    }
}

/// Ten to a power that is not negative; the exponents of floats keep it small.
fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_have_sixteen_places() {
        for (a, b, want) in [
            (10.0, 3.0, 3.333_333_333_333_333_5_f64),
            (1.0, 3.0, 0.333_333_333_333_333_3),
            (-2.0, 3.0, -0.666_666_666_666_666_7),
            (1e300, 1e-5, 1e305),
            (0.0, 5.0, 0.0),
        ] {
            let (a, b) = (Decimal::from_float(a), Decimal::from_float(b));
            let got = a
                .expect("finite")
                .div(&b.expect("finite"))
                .expect("divides")
                .to_float();
            assert_eq!(got.to_bits(), want.to_bits(), "{got} {want}");
        }
    }

    #[test]
    fn sums_and_products_are_exact() {
        let d = |f| Decimal::from_float(f).expect("finite");
        assert_eq!(d(0.1).add(&d(0.2)).to_float().to_bits(), 0.3_f64.to_bits());
        assert_eq!(d(1.1).mul(&d(1.1)).to_float().to_bits(), 1.21_f64.to_bits());
        assert_eq!(d(1.0).sub(&d(0.9)).to_float().to_bits(), 0.1_f64.to_bits());
        assert!(d(1.0).div(&d(0.0)).is_none());
        assert!(Decimal::from_float(f64::NAN).is_none());
    }
}
