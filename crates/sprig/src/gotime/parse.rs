//! Reading texts by Go's layouts: `time.ParseInLocation` in the local zone.
//!
//! In: a layout and a text, of any bytes. Out: a moment, or Go's text of what does not fit.

use std::sync::Arc;

use super::civil::{SECONDS_OF_DAY, days, days_before, days_in, days_since_1970, is_leap, months};
use super::layout::quote;
use super::{Digits, Moment, Part, Zone, next_part};

/// A text that does not fit its layout, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {value}{reason}")]
pub struct ParseError {
    value: String,
    reason: String,
}

/// Why a part of a text is refused.
enum Bad {
    /// It does not look like its part of the layout.
    Form,
    /// That number is too large or too small.
    Range(&'static str),
}

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    pm: Option<bool>,
    is_utc: bool,
    offset: Option<i64>,
    zone_name: String,
}

/// `time.ParseInLocation`, texts without a zone being local.
pub fn parse(layout: &str, value: &str) -> Result<Moment, ParseError> {
    parse_bytes(layout.as_bytes(), value.as_bytes())
}

/// [`parse`] of any bytes.
pub fn parse_bytes(layout: &[u8], value: &[u8]) -> Result<Moment, ParseError> {
    let quoted = |text: &[u8]| gotemplate::lossy(&quote(text)).into_owned();
    let error = |reason: String| ParseError {
        value: quoted(value),
        reason,
    };
    let bad = |part: &[u8], at: &[u8]| {
        let (layout, at, part) = (quoted(layout), quoted(at), quoted(part));
        error(format!(" as {layout}: cannot parse {at} as {part}"))
    };
    let mut fields = Fields::default();
    let (mut rest, mut pattern) = (value, layout);
    while let Some((before, part, after)) = next_part(pattern) {
        rest = skip(rest, before).map_err(|at| bad(before, at))?;
        let spelled = &pattern[before.len()..pattern.len() - after.len()];
        rest = match fields.read(part, rest, after) {
            Ok(rest) => rest,
            Err(Bad::Form) => return Err(bad(spelled, rest)),
            Err(Bad::Range(what)) => return Err(error(format!(": {what} out of range"))),
        };
        pattern = after;
    }
    rest = skip(rest, pattern).map_err(|at| bad(pattern, at))?;
    if !rest.is_empty() {
        return Err(error(format!(": extra text: {}", quoted(rest))));
    }
    fields.moment().map_err(|what| error(format!(": {what}")))
}

/// Uses up the literal text of a layout; a blank stands for any number of them. Else what is left.
fn skip<'a>(mut value: &'a [u8], mut literal: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let Some(byte) = literal.first() {
        if *byte == b' ' {
            if value.first().is_some_and(|b| *b != b' ') {
                return Err(value);
            }
            literal = without_blanks(literal);
            value = without_blanks(value);
        } else {
            if value.first() != Some(byte) {
                return Err(value);
            }
            (literal, value) = (&literal[1..], &value[1..]);
        }
    }
    Ok(value)
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| **b == b' ').count();
    &text[blanks..]
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// The number that so many digits are.
fn digits(text: &[u8]) -> i64 {
    text.iter()
        .fold(0, |n, d| n * 10 + i64::from(d.wrapping_sub(b'0')))
}

/// One digit or two; two if fixed.
fn number(text: &[u8], fixed: bool) -> Result<(i64, &[u8]), Bad> {
    let length = match (is_digit(text, 0), is_digit(text, 1)) {
        (true, true) => 2,
        (true, false) if !fixed => 1,
        _ => return Err(Bad::Form),
    };
    Ok((digits(&text[..length]), &text[length..]))
}

/// Up to three digits; three if fixed.
fn number3(text: &[u8], fixed: bool) -> Result<(i64, &[u8]), Bad> {
    let length = text
        .iter()
        .take(3)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if length == 0 || fixed && length != 3 {
        return Err(Bad::Form);
    }
    Ok((digits(&text[..length]), &text[length..]))
}

/// The place of a name, whatever its case.
fn name<'a>(text: &'a [u8], names: &[&str], length: usize) -> Result<(i64, &'a [u8]), Bad> {
    let found = names.iter().enumerate().find_map(|(i, name)| {
        let name = &name.as_bytes()[..length.min(name.len())];
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (i as i64, &text[name.len()..]))
    });
    found.ok_or(Bad::Form)
}

fn within(number: i64, least: i64, most: i64, what: &'static str) -> Result<i64, Bad> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Bad::Range(what))
    }
}

impl Fields {
    fn read<'a>(&mut self, part: Part, value: &'a [u8], after: &[u8]) -> Result<&'a [u8], Bad> {
        match part {
            Part::LongMonth
            | Part::Month
            | Part::NumMonth
            | Part::ZeroMonth
            | Part::LongWeekDay
            | Part::WeekDay
            | Part::Day
            | Part::UnderDay
            | Part::ZeroDay
            | Part::UnderYearDay
            | Part::ZeroYearDay
            | Part::LongYear
            | Part::Year => self.read_date(part, value),
            Part::Zone => self.read_zone_name(value),
            Part::IsoZone(_) if value.first() == Some(&b'Z') => {
                self.is_utc = true;
                Ok(&value[1..])
            }
            Part::IsoZone(digits) | Part::NumZone(digits) => self.read_offset(value, digits),
            _ => self.read_hour(part, value, after),
        }
    }

    fn read_date<'a>(&mut self, part: Part, value: &'a [u8]) -> Result<&'a [u8], Bad> {
        let (number, rest) = match part {
            Part::LongMonth => name(value, months(), 9)?,
            Part::Month => name(value, months(), 3)?,
            Part::LongWeekDay => return Ok(name(value, days(), 9)?.1),
            Part::WeekDay => return Ok(name(value, days(), 3)?.1),
            Part::UnderDay => number(value.strip_prefix(b" ").unwrap_or(value), false)?,
            Part::UnderYearDay => {
                let value = value.strip_prefix(b" ").unwrap_or(value);
                number3(value.strip_prefix(b" ").unwrap_or(value), false)?
            }
            Part::ZeroYearDay => number3(value, true)?,
            Part::LongYear if value.len() >= 4 && is_digit(value, 0) => {
                let all = value[..4].iter().all(u8::is_ascii_digit);
                (
                    if all {
                        Ok(digits(&value[..4]))
                    } else {
                        Err(Bad::Form)
                    }?,
                    &value[4..],
                )
            }
            Part::LongYear => return Err(Bad::Form),
            // Two bytes that Go reads as a number: it may have a sign.
            Part::Year => match value {
                [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => {
                    (digits(&value[..2]), &value[2..])
                }
                [sign @ (b'+' | b'-'), b, ..] if b.is_ascii_digit() => {
                    let number = digits(&value[1..2]);
                    (if *sign == b'-' { -number } else { number }, &value[2..])
                }
                _ => return Err(Bad::Form),
            },
            _ => number(value, matches!(part, Part::ZeroMonth | Part::ZeroDay))?,
        };
        match part {
            Part::LongMonth | Part::Month => self.month = Some(number + 1),
            Part::NumMonth | Part::ZeroMonth => {
                self.month = Some(within(number, 1, 12, "month")?);
            }
            Part::UnderYearDay | Part::ZeroYearDay => self.year_day = Some(number),
            Part::LongYear => self.year = number,
            Part::Year => self.year = number + if number >= 69 { 1900 } else { 2000 },
            _ => self.day = Some(number),
        }
        Ok(rest)
    }

    fn read_hour<'a>(
        &mut self,
        part: Part,
        value: &'a [u8],
        after: &[u8],
    ) -> Result<&'a [u8], Bad> {
        match part {
            Part::UpperPm | Part::LowerPm => {
                let (am, pm): (&[u8], &[u8]) = match part {
                    Part::UpperPm => (b"AM", b"PM"),
                    _ => (b"am", b"pm"),
                };
                self.pm = match value.get(..2) {
                    Some(half) if half == pm => Some(true),
                    Some(half) if half == am => Some(false),
                    _ => return Err(Bad::Form),
                };
                Ok(&value[2..])
            }
            Part::Fraction(_, count) => {
                self.nanosecond = nanoseconds(value.get(..=count).ok_or(Bad::Form)?)?;
                Ok(&value[count + 1..])
            }
            Part::ShortFraction(..) => self.read_fraction(value),
            Part::Hour | Part::Hour12 | Part::ZeroHour12 => {
                let (hour, rest) = number(value, part == Part::ZeroHour12)?;
                let most = if part == Part::Hour { 23 } else { 12 };
                self.hour = within(hour, 0, most, "hour")?;
                Ok(rest)
            }
            Part::Minute | Part::ZeroMinute => {
                let (minute, rest) = number(value, part == Part::ZeroMinute)?;
                self.minute = within(minute, 0, 59, "minute")?;
                Ok(rest)
            }
            _ => {
                let (second, rest) = number(value, part == Part::ZeroSecond)?;
                self.second = within(second, 0, 59, "second")?;
                // A fraction may follow seconds although the layout has none.
                match next_part(after) {
                    Some((_, Part::Fraction(..) | Part::ShortFraction(..), _)) => Ok(rest),
                    _ => self.read_fraction(rest),
                }
            }
        }
    }

    /// A separator and any number of digits, if there are any.
    fn read_fraction<'a>(&mut self, value: &'a [u8]) -> Result<&'a [u8], Bad> {
        if !matches!(value.first(), Some(b'.' | b',')) || !is_digit(value, 1) {
            return Ok(value);
        }
        let count = value[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.nanosecond = nanoseconds(&value[..=count])?;
        Ok(&value[count + 1..])
    }

    fn read_zone_name<'a>(&mut self, value: &'a [u8]) -> Result<&'a [u8], Bad> {
        if let Some(rest) = value.strip_prefix(b"UTC") {
            self.is_utc = true;
            return Ok(rest);
        }
        let length = zone_name_length(value).ok_or(Bad::Form)?;
        self.zone_name = gotemplate::lossy(&value[..length]).into_owned();
        Ok(&value[length..])
    }

    fn read_offset<'a>(&mut self, value: &'a [u8], form: Digits) -> Result<&'a [u8], Bad> {
        let length = match form {
            Digits::Hours => 3,
            Digits::Minutes => 5,
            Digits::ColonMinutes => 6,
            Digits::Seconds => 7,
            Digits::ColonSeconds => 9,
        };
        let text = value.get(..length).ok_or(Bad::Form)?;
        let (minutes, seconds) = match form {
            Digits::Hours => (None, None),
            Digits::Minutes => (Some(3), None),
            Digits::ColonMinutes => (Some(4), None),
            Digits::Seconds => (Some(3), Some(5)),
            Digits::ColonSeconds => (Some(4), Some(7)),
        };
        let colon = |at: Option<usize>| at.is_none_or(|at| text[at - 1] == b':');
        let has_colons = matches!(form, Digits::ColonMinutes | Digits::ColonSeconds);
        if has_colons && !(colon(minutes) && colon(seconds)) {
            return Err(Bad::Form);
        }
        let pair =
            |at: Option<usize>| at.map_or(Ok(0), |at| Ok(number(&text[at..at + 2], true)?.0));
        let hour = pair(Some(1))?;
        let (minute, second) = (pair(minutes)?, pair(seconds)?);
        // A range comes before the sign, as in Go.
        within(second, 0, 60, "time zone offset second")?;
        within(minute, 0, 60, "time zone offset minute")?;
        within(hour, 0, 24, "time zone offset hour")?;
        let total = (hour * 60 + minute) * 60 + second;
        self.offset = Some(match text[0] {
            b'+' => total,
            b'-' => -total,
            _ => return Err(Bad::Form),
        });
        Ok(&value[length..])
    }

    /// Month and day of the month.
    fn date(&self) -> Result<(i64, i64), String> {
        let Some(mut nth) = self.year_day else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        let is_leap_day = is_leap(self.year) && nth == 31 + 29;
        if is_leap(self.year) && nth > 31 + 29 {
            nth -= 1;
        }
        if !(1..=365).contains(&nth) {
            return Err("day-of-year out of range".to_owned());
        }
        let (month, day) = if is_leap_day {
            (2, 29)
        } else {
            // A year without a leap day.
            let month = (1..=12).rfind(|m| days_before(*m, 1) < nth).unwrap_or(1);
            (month, nth - days_before(month, 1))
        };
        if self.month.is_some_and(|m| m != month) {
            return Err("day-of-year does not match month".to_owned());
        }
        if self.day.is_some_and(|d| d != day) {
            return Err("day-of-year does not match day".to_owned());
        }
        Ok((month, day))
    }

    fn moment(self) -> Result<Moment, String> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (month, day) = self.date()?;
        if !(1..=days_in(month, self.year)).contains(&day) {
            return Err("day out of range".to_owned());
        }
        let seconds = days_since_1970(self.year, month, day) * SECONDS_OF_DAY
            + hour * 3_600
            + self.minute * 60
            + self.second;
        let (offset, zone) = self.zone();
        Ok(Moment {
            seconds: seconds - offset,
            nanosecond: self.nanosecond as i32,
            zone,
        })
    }

    fn zone(&self) -> (i64, Zone) {
        let name = Arc::from(self.zone_name.as_str());
        match self.offset {
            _ if self.is_utc => (0, Zone::Utc),
            // Go takes the offset of -1 second for none.
            Some(0) if self.zone_name.is_empty() => (0, Zone::Local),
            Some(offset) if offset != -1 => (offset, Zone::Fixed(name, offset as i32)),
            _ if self.zone_name.is_empty() => (0, Zone::Local),
            // A name tells nothing about the offset, but after GMT, where only what is shown changes.
            _ => {
                let hours = self.zone_name.strip_prefix("GMT").unwrap_or_default();
                let hours: i32 = hours.parse().unwrap_or_default();
                (0, Zone::Fixed(name, hours * 3_600))
            }
        }
    }
}

/// A separator and digits; those after the ninth are read but count for nothing.
fn nanoseconds(text: &[u8]) -> Result<i64, Bad> {
    let Some((b'.' | b',', inner)) = text.split_first() else {
        return Err(Bad::Form);
    };
    let inner = &inner[..inner.len().min(9)];
    if let [b'-', rest @ ..] = inner
        && !rest.is_empty()
        && rest.iter().all(u8::is_ascii_digit)
        && digits(rest) > 0
    {
        return Err(Bad::Range("fractional second"));
    }
    let inner = inner
        .strip_prefix(b"+")
        .or(inner.strip_prefix(b"-"))
        .unwrap_or(inner);
    if inner.is_empty() || !inner.iter().all(u8::is_ascii_digit) {
        return Err(Bad::Form);
    }
    let scale = 10_i64.pow(10_u32.saturating_sub(text.len().min(10) as u32));
    Ok(digits(inner) * scale)
}

/// How long the short name of a zone is that a text starts with.
fn zone_name_length(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix(b"GMT") {
        return Some(3 + signed_offset_length(rest).unwrap_or(0));
    }
    if matches!(value[0], b'+' | b'-') {
        return signed_offset_length(value);
    }
    match value
        .iter()
        .take(6)
        .take_while(|b| b.is_ascii_uppercase())
        .count()
    {
        3 => Some(3),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        5 if value[4] == b'T' => Some(5),
        _ => None,
    }
}

/// A sign and up to 23.
fn signed_offset_length(value: &[u8]) -> Option<usize> {
    if !matches!(value.first(), Some(b'+' | b'-')) {
        return None;
    }
    let count = value[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let number: u64 = std::str::from_utf8(&value[1..=count]).ok()?.parse().ok()?;
    (count > 0 && number <= 23).then_some(count + 1)
}
