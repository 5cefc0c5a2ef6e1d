//! Durations as Go writes them: `15s`, `1h30m`.
//!
//! The text is kept as the user wrote it, so reading and writing an object changes nothing, and an
//! object with a bad duration can still be read; whoever uses the value gets the error.

use std::borrow::Cow;
use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that is not a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration {text:?}: want numbers with units ns, us, µs, ms, s, m or h")]
pub struct InvalidDuration {
    /// The text.
    pub text: String,
}

/// A duration in Go's text form, as `metav1.Duration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// A duration of whole seconds, in the form in which Go prints it (`90` is `1m30s`).
    pub fn from_secs(secs: u64) -> Self {
        let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match (hours, minutes) {
            (0, 0) => write!(text, "{seconds}s"),
            (0, _) => write!(text, "{minutes}m{seconds}s"),
            _ => write!(text, "{hours}h{minutes}m{seconds}s"),
        };
        Self(text)
    }

    /// Takes the text as it is; it is checked when it is used.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Nanoseconds, negative ones included.
    ///
    /// # Errors
    /// If the text is not a Go duration or does not fit 64 bits.
    ///
    /// # Source
    /// Go, `time.ParseDuration`.
    pub fn nanos(&self) -> Result<i64, InvalidDuration> {
        parse_nanos(&self.0).ok_or_else(|| InvalidDuration {
            text: self.0.clone(),
        })
    }

    /// The duration, with negative ones taken as none.
    ///
    /// # Errors
    /// If the text is not a Go duration.
    pub fn to_std(&self) -> Result<std::time::Duration, InvalidDuration> {
        Ok(std::time::Duration::from_nanos(
            u64::try_from(self.nanos()?).unwrap_or(0),
        ))
    }
}

fn parse_nanos(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        total = total.checked_add(component(number, unit)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// One number with its unit in nanoseconds; digits below a nanosecond are dropped.
fn component(number: &str, unit: &str) -> Option<i128> {
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    // More digits than these cannot reach a nanosecond, even of an hour.
    let digits = &fraction[..fraction.len().min(18)];
    let part: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let part = part.checked_mul(scale)? / 10i128.pow(u32::try_from(digits.len()).ok()?);
    whole.checked_mul(scale)?.checked_add(part)
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "self == '0' || (self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && duration(self) <= duration('2562047h'))",
                "message": "must be a valid Go duration using units ns, us, µs, ms, s, m, h (e.g. 15s, 5m, 2h, 1h30m); units like d (days) or w (weeks) are not supported",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("15s", 15_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("-1m", -60_000_000_000),
            ("1us2µs", 3_000),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", i64::MAX),
        ] {
            assert_eq!(Duration::from_text(text).nanos(), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "5",
            "1d",
            "s",
            ".s",
            "1..5s",
            "1s ",
            " 1s",
            "-",
            "+",
            "1e3s",
            "9223372036854775808ns",
            "é",
        ] {
            assert!(Duration::from_text(text).nanos().is_err(), "{text:?}");
        }
    }

    #[test]
    fn seconds_print_as_in_go() {
        for (secs, text) in [
            (0, "0s"),
            (15, "15s"),
            (60, "1m0s"),
            (5400, "1h30m0s"),
            (43200, "12h0m0s"),
        ] {
            assert_eq!(Duration::from_secs(secs).as_str(), text);
        }
    }

    #[test]
    fn a_negative_duration_is_none() {
        assert_eq!(
            Duration::from_text("-5s").to_std(),
            Ok(std::time::Duration::ZERO)
        );
    }
}
