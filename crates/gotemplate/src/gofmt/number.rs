//! The formats of integers, characters and floating-point numbers.

use super::Printer;
use crate::strconv::unicode::{REPLACEMENT, append_rune, is_print};
use crate::strconv::{append_float, append_quoted_rune};

impl Printer<'_> {
    /// `bits` as a number in `base`; `verb` only tells `%O` from `%o` and upper case from lower.
    pub(super) fn integer_in_base(&mut self, bits: u64, signed: bool, base: u32, verb: char) {
        let negative = signed && (bits as i64) < 0;
        let magnitude = if negative { bits.wrapping_neg() } else { bits };
        let signs = negative || self.flags.plus || self.flags.space;
        let n_digits_min = match self.flags.precision {
            Some(0) if magnitude == 0 => {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(self.flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
            Some(precision) => precision,
            None if self.flags.zero && !self.flags.minus => self
                .flags
                .width
                .map_or(0, |width| width.saturating_sub(usize::from(signs))),
            None => 0,
        };
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let zeros = n_digits_min.saturating_sub(digits.len());
        let mut text = String::with_capacity(digits.len() + 5);
        if negative {
            text.push('-');
        } else if self.flags.plus {
            text.push('+');
        } else if self.flags.space {
            text.push(' ');
        }
        if verb == 'O' {
            text.push_str("0o");
        }
        if self.flags.sharp {
            text.push_str(match base {
                2 => "0b",
                8 if zeros == 0 && !digits.starts_with('0') => "0",
                16 if verb == 'X' => "0X",
                16 => "0x",
                _ => "",
            });
        }
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(&digits);
        self.pad_with_spaces(text.as_bytes());
    }

    /// Hexadecimal with `0x` in front whatever the flags say.
    pub(super) fn hex_with_prefix(&mut self, bits: u64) {
        let sharp = std::mem::replace(&mut self.flags.sharp, true);
        self.integer_in_base(bits, false, 16, 'v');
        self.flags.sharp = sharp;
    }

    /// `%U`
    pub(super) fn unicode(&mut self, bits: u64) {
        let n_digits_min = self.flags.precision.unwrap_or(4).max(4);
        let digits = format!("{bits:X}");
        let mut text = b"U+".to_vec();
        text.resize(2 + n_digits_min.saturating_sub(digits.len()), b'0');
        text.extend_from_slice(digits.as_bytes());
        let printable = u32::try_from(bits).ok().filter(|&rune| is_print(rune));
        if let Some(rune) = printable.filter(|_| self.flags.sharp) {
            text.extend_from_slice(b" '");
            append_rune(&mut text, rune);
            text.push(b'\'');
        }
        self.pad_with_spaces(&text);
    }

    /// `%c`
    pub(super) fn character(&mut self, bits: u64) {
        let mut text = Vec::with_capacity(4);
        append_rune(&mut text, u32::try_from(bits).unwrap_or(REPLACEMENT));
        self.pad(&text);
    }

    /// `%q` of a number
    pub(super) fn quoted_character(&mut self, bits: u64) {
        let mut text = Vec::with_capacity(12);
        let rune = u32::try_from(bits).unwrap_or(REPLACEMENT);
        append_quoted_rune(&mut text, rune, self.flags.plus);
        self.pad(&text);
    }

    /// `verb` is one of strconv's formats; `precision` applies if the directive has none.
    pub(super) fn float(&mut self, value: f64, verb: u8, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let mut digits = Vec::with_capacity(24);
        append_float(&mut digits, value, verb, precision);
        let sign = match digits.first() {
            Some(b'-') => b'-',
            _ if self.flags.space && !self.flags.plus => b' ',
            _ => b'+',
        };
        if matches!(digits.first(), Some(b'-' | b'+')) {
            digits.remove(0);
        }
        if !value.is_finite() {
            // Infinity keeps its sign; NaN has one only if asked for.
            if value.is_infinite() || self.flags.plus || self.flags.space {
                digits.insert(0, sign);
            }
            self.pad_with_spaces(&digits);
            return;
        }
        if self.flags.sharp && verb != b'b' {
            digits = with_point(&digits, verb, precision);
        }
        if !self.flags.plus && sign == b'+' {
            self.pad(&digits);
            return;
        }
        let width = self.flags.width.unwrap_or(0);
        if self.flags.zero && !self.flags.minus && width > digits.len() + 1 {
            // The sign goes before the zeros.
            self.out.push(sign);
            self.padding(width - digits.len() - 1);
            self.out.extend_from_slice(&digits);
            return;
        }
        digits.insert(0, sign);
        self.pad(&digits);
    }

    /// `(1+2i)`: the second part always has a sign.
    pub(super) fn complex(&mut self, parts: (f64, f64), verb: u8, precision: Option<usize>) {
        self.out.push(b'(');
        self.float(parts.0, verb, precision);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(parts.1, verb, precision);
        self.flags.plus = plus;
        self.out.extend_from_slice(b"i)");
    }
}

/// The `#` flag: always a decimal point, and the trailing zeros that `%g` leaves out.
fn with_point(digits: &[u8], verb: u8, precision: Option<usize>) -> Vec<u8> {
    let is_hex = matches!(verb, b'x' | b'X');
    let mut wanted = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let exponent = digits.iter().position(|byte| match byte {
        b'p' | b'P' => true,
        b'e' | b'E' => !is_hex,
        _ => false,
    });
    let (mantissa, tail) = digits.split_at(exponent.unwrap_or(digits.len()));
    let (mut seen_point, mut seen_nonzero) = (false, false);
    for &byte in mantissa {
        if byte == b'.' {
            seen_point = true;
            continue;
        }
        seen_nonzero |= byte != b'0';
        wanted -= i64::from(seen_nonzero);
    }
    let mut out = mantissa.to_vec();
    if !seen_point {
        // A lone zero counts as a digit.
        wanted -= i64::from(mantissa == b"0");
        out.push(b'.');
    }
    out.resize(out.len() + wanted.max(0) as usize, b'0');
    out.extend_from_slice(tail);
    out
}
