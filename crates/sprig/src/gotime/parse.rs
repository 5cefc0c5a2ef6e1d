//! Reading texts by Go's layouts: `time.Parse`.
//!
//! In: a layout and a text. Out: a moment, or Go's text of what does not fit.

use jiff::civil::{Date, DateTime, Time as CivilTime};
use jiff::tz::{Offset, TimeZone};

use super::{DAYS, Digits, MONTHS, Moment, Part, next_part};

/// A text that does not fit its layout, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {value}{reason}")]
pub struct ParseError {
    value: String,
    reason: String,
}

/// What was read so far.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    pm: Option<bool>,
    offset: Option<i32>,
}

/// `time.Parse`, texts without a zone being UTC.
pub fn parse(layout: &str, value: &str) -> Result<Moment, ParseError> {
    let mut fields = Fields {
        year: 0,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        pm: None,
        offset: None,
    };
    let quote = |text: &str| crate::gotext::quote(text.as_bytes());
    let bad = |part: &str, at: &str| ParseError {
        value: quote(value),
        reason: format!(
            " as {}: cannot parse {} as {}",
            quote(layout),
            quote(at),
            quote(part)
        ),
    };
    let mut rest = value;
    let mut pattern = layout;
    while let Some((before, part, after)) = next_part(pattern) {
        rest = skip(rest, before).ok_or_else(|| bad(before, rest))?;
        let spelled = &pattern[before.len()..pattern.len() - after.len()];
        rest = read_part(&mut fields, part, rest, after).ok_or_else(|| bad(spelled, rest))?;
        pattern = after;
    }
    rest = skip(rest, pattern).ok_or_else(|| bad(pattern, rest))?;
    if !rest.is_empty() {
        return Err(ParseError {
            value: quote(value),
            reason: format!(": extra text: {}", quote(rest)),
        });
    }
    fields.moment().map_err(|what| ParseError {
        value: quote(value),
        reason: format!(": {what} out of range"),
    })
}

/// Uses up the literal text of a layout; a blank stands for any number of them.
fn skip<'a>(mut value: &'a str, literal: &str) -> Option<&'a str> {
    let mut literal = literal;
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
        } else {
            value = value.strip_prefix(c)?;
            literal = &literal[c.len_utf8()..];
        }
    }
    Some(value)
}

/// Between `least` and `most` digits.
fn number(value: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = value
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits < least {
        return None;
    }
    Some((value[..digits].parse().ok()?, &value[digits..]))
}

fn name<'a>(value: &'a str, names: &[&str], length: Option<usize>) -> Option<(i64, &'a str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let name = length.map_or(*name, |n| &name[..n]);
        let head = value.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (i as i64 + 1, &value[name.len()..]))
    })
}

fn read_part<'a>(fields: &mut Fields, part: Part, value: &'a str, after: &str) -> Option<&'a str> {
    let (number, rest) = match part {
        Part::LongMonth => name(value, &MONTHS, None)?,
        Part::Month => name(value, &MONTHS, Some(3))?,
        Part::LongWeekDay => name(value, &DAYS, None)?,
        Part::WeekDay => name(value, &DAYS, Some(3))?,
        Part::NumMonth | Part::Hour12 | Part::Minute | Part::Second | Part::Day => {
            number(value, 1, 2)?
        }
        Part::UnderDay => number(value.trim_start_matches(' '), 1, 2)?,
        Part::ZeroMonth
        | Part::ZeroDay
        | Part::ZeroHour12
        | Part::ZeroMinute
        | Part::ZeroSecond
        | Part::Year => number(value, 2, 2)?,
        Part::Hour => number(value, 1, 2)?,
        Part::LongYear => number(value, 4, 4)?,
        Part::UnderYearDay => number(value.trim_start_matches(' '), 1, 3)?,
        Part::ZeroYearDay => number(value, 3, 3)?,
        Part::UpperPm | Part::LowerPm => {
            let (am, pm) = if part == Part::UpperPm {
                ("AM", "PM")
            } else {
                ("am", "pm")
            };
            fields.pm = Some(value.starts_with(pm));
            return value.strip_prefix(pm).or_else(|| value.strip_prefix(am));
        }
        Part::Zone => return skip_zone_name(value),
        Part::IsoZone(_) if value.starts_with('Z') => {
            fields.offset = Some(0);
            return Some(&value[1..]);
        }
        Part::IsoZone(digits) | Part::NumZone(digits) => {
            let (offset, rest) = read_offset(value, digits)?;
            fields.offset = Some(offset);
            return Some(rest);
        }
        Part::Fraction(_, digits) => {
            let inner = value.strip_prefix(['.', ','])?;
            let (_, rest) = self::number(inner, digits, digits)?;
            fields.nanosecond = nanoseconds(&inner[..digits]);
            return Some(rest);
        }
        Part::ShortFraction(..) => return Some(read_fraction(fields, value)),
    };
    match part {
        Part::LongMonth | Part::Month | Part::NumMonth | Part::ZeroMonth => fields.month = number,
        Part::Day | Part::UnderDay | Part::ZeroDay => fields.day = number,
        Part::UnderYearDay | Part::ZeroYearDay => fields.year_day = Some(number),
        Part::Hour | Part::Hour12 | Part::ZeroHour12 => fields.hour = number,
        Part::Minute | Part::ZeroMinute => fields.minute = number,
        Part::Second | Part::ZeroSecond => {
            fields.second = number;
            // A fraction may follow seconds although the layout has none.
            if !matches!(
                next_part(after),
                Some(("", Part::Fraction(..) | Part::ShortFraction(..), _))
            ) {
                return Some(read_fraction(fields, rest));
            }
        }
        Part::LongYear => fields.year = number,
        Part::Year => {
            fields.year = if number >= 69 {
                number + 1900
            } else {
                number + 2000
            }
        }
        _ => {}
    }
    Some(rest)
}

fn read_fraction<'a>(fields: &mut Fields, value: &'a str) -> &'a str {
    let Some(inner) = value.strip_prefix(['.', ',']) else {
        return value;
    };
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return value;
    }
    fields.nanosecond = nanoseconds(&inner[..digits]);
    &inner[digits..]
}

fn nanoseconds(digits: &str) -> i64 {
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().unwrap_or_default()
}

fn skip_zone_name(value: &str) -> Option<&str> {
    let letters = value.bytes().take_while(u8::is_ascii_uppercase).count();
    (3..=5).contains(&letters).then(|| &value[letters..])
}

fn read_offset(value: &str, digits: Digits) -> Option<(i32, &str)> {
    let sign = match value.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let rest = &value[1..];
    let (hours, rest) = number(rest, 2, 2)?;
    let colon = matches!(digits, Digits::ColonMinutes | Digits::ColonSeconds);
    let pair = |rest: &'_ str| -> Option<(i64, usize)> {
        let inner = if colon { rest.strip_prefix(':')? } else { rest };
        number(inner, 2, 2).map(|(n, _)| (n, 2 + usize::from(colon)))
    };
    let (mut total, mut rest) = (hours * 3600, rest);
    if digits != Digits::Hours {
        let (minutes, used) = pair(rest)?;
        total += minutes * 60;
        rest = &rest[used..];
    }
    if matches!(digits, Digits::Seconds | Digits::ColonSeconds) {
        let (seconds, used) = pair(rest)?;
        total += seconds;
        rest = &rest[used..];
    }
    Some((sign * total as i32, rest))
}

impl Fields {
    fn moment(self) -> Result<Moment, &'static str> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let small = |value: i64, what: &'static str| i8::try_from(value).map_err(|_| what);
        let time = CivilTime::new(
            small(hour, "hour")?,
            small(self.minute, "minute")?,
            small(self.second, "second")?,
            i32::try_from(self.nanosecond).map_err(|_| "nanosecond")?,
        );
        let time = time.map_err(|_| match () {
            () if hour > 23 => "hour",
            () if self.minute > 59 => "minute",
            () => "second",
        })?;
        let year = i16::try_from(self.year).map_err(|_| "year")?;
        let date = match self.year_day {
            Some(day) => Date::new(year, 1, 1)
                .ok()
                .and_then(|d| d.with().day_of_year(i16::try_from(day).ok()?).build().ok())
                .ok_or("day-of-year")?,
            None if !(1..=12).contains(&self.month) => return Err("month"),
            None => Date::new(year, small(self.month, "month")?, small(self.day, "day")?)
                .map_err(|_| "day")?,
        };
        let zone = match self.offset {
            // A name alone tells nothing about the offset.
            None | Some(0) => TimeZone::UTC,
            Some(seconds) => {
                TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| "time zone offset")?)
            }
        };
        let at = zone
            .to_timestamp(DateTime::from_parts(date, time))
            .map_err(|_| "year")?;
        Ok(Moment { at, zone })
    }
}
