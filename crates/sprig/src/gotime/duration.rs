//! Durations: `Duration.String` and `time.ParseDuration`, in nanoseconds.
//!
//! In: nanoseconds or texts such as `1h2m3.5s`. Out: the other, or Go's text of what is wrong.

use gotemplate::lossy;

/// `Duration.String`.
pub fn duration_text(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let (whole, part) = (value / unit, value % unit);
        if part == 0 {
            return whole.to_string();
        }
        let width = unit.ilog10() as usize;
        let digits = format!("{part:0width$}");
        format!("{whole}.{}", digits.trim_end_matches('0'))
    };
    if total < 1_000 {
        return format!("{sign}{total}ns");
    }
    if total < 1_000_000 {
        return format!("{sign}{}\u{b5}s", decimal(total, 1_000));
    }
    if total < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(total, 1_000_000));
    }
    let minutes = total / 60_000_000_000;
    let seconds = decimal(total % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, m) => format!("{sign}{m}m{seconds}s"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
    }
}

/// `time.ParseDuration`, in nanoseconds; the error is Go's.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let quoted = || self::quoted(text);
    let invalid = || format!("time: invalid duration {}", quoted());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at(whole);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(inner) => {
                let length = inner.bytes().take_while(u8::is_ascii_digit).count();
                inner.split_at(length)
            }
            None => ("", after),
        };
        if digits.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {}", quoted())),
            other => {
                let unit = self::quoted(other);
                return Err(format!(
                    "time: unknown unit {unit} in duration {}",
                    quoted()
                ));
            }
        };
        let whole: u128 = if digits.is_empty() {
            0
        } else {
            digits.parse().map_err(|_| invalid())?
        };
        let kept = &fraction[..fraction.len().min(18)];
        let part: u128 = if kept.is_empty() {
            0
        } else {
            kept.parse().map_err(|_| invalid())?
        };
        total = whole
            .checked_mul(scale)
            .and_then(|w| w.checked_add(part * scale / 10_u128.pow(kept.len() as u32)))
            .and_then(|w| w.checked_add(total))
            .ok_or_else(invalid)?;
        rest = next;
    }
    let limit = i64::MAX as u128 + u128::from(negative);
    if total > limit {
        return Err(invalid());
    }
    let total = total as i128;
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// How the package `time` quotes.
fn quoted(text: &str) -> String {
    lossy(&super::layout::quote(text.as_bytes())).into_owned()
}

/// `Duration.Truncate`: to a multiple, toward zero.
pub fn truncate(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        nanoseconds
    } else {
        nanoseconds - nanoseconds % unit
    }
}

/// `Duration.Round`: to the nearest multiple, halves away from zero.
pub fn round(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanoseconds;
    }
    let rest = nanoseconds % unit;
    let down = nanoseconds - rest;
    if u128::from(rest.unsigned_abs()) * 2 < u128::from(unit.unsigned_abs()) {
        down
    } else if nanoseconds < 0 {
        down.checked_sub(unit).unwrap_or(i64::MIN)
    } else {
        down.checked_add(unit).unwrap_or(i64::MAX)
    }
}
