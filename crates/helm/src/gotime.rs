//! Go's time layouts and durations.
//!
//! In: layouts such as `2006-01-02T15:04:05Z07:00`, texts, moments. Out: texts and moments. Source: Go
//! `time`: `Time.Format`, `time.Parse`, `Duration.String`, `ParseDuration`. Reads no clock; time zones
//! come from the database built into the program.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time as CivilTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A moment with the zone it is shown in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) zone: TimeZone,
}

/// A part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    /// `Z07:00` family: prints `Z` for UTC.
    IsoZone(Digits),
    /// `-07:00` family.
    NumZone(Digits),
    /// `.000`: separator and digits.
    Fraction(u8, usize),
    /// `.999`: the same without trailing zeros.
    ShortFraction(u8, usize),
}

/// How much of an offset is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Hours,
    Minutes,
    ColonMinutes,
    Seconds,
    ColonSeconds,
}

/// In an order in which a longer spelling comes before what it starts with.
const PARTS: [(&str, Part); 33] = [
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekDay),
    ("Mon", Part::WeekDay),
    ("MST", Part::Zone),
    ("01", Part::ZeroMonth),
    ("002", Part::ZeroYearDay),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("_2", Part::UnderDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
    ("-070000", Part::NumZone(Digits::Seconds)),
    ("-07:00:00", Part::NumZone(Digits::ColonSeconds)),
    ("-0700", Part::NumZone(Digits::Minutes)),
    ("-07:00", Part::NumZone(Digits::ColonMinutes)),
    ("-07", Part::NumZone(Digits::Hours)),
    ("Z070000", Part::IsoZone(Digits::Seconds)),
    ("Z07:00:00", Part::IsoZone(Digits::ColonSeconds)),
    ("Z0700", Part::IsoZone(Digits::Minutes)),
    ("Z07:00", Part::IsoZone(Digits::ColonMinutes)),
    ("Z07", Part::IsoZone(Digits::Hours)),
];

/// The first part in a layout: the text before it, the part, the rest.
fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    for (i, _) in layout.char_indices() {
        let rest = &layout[i..];
        // "Jan" inside of a word such as "January" is found by the longer spelling; "_2006" is a
        // blank and a year.
        if let Some(after) = rest.strip_prefix("_2006") {
            return Some((&layout[..=i], Part::LongYear, after));
        }
        if rest.starts_with("Jan") && !rest.starts_with("January") && lower_follows(&rest[3..]) {
            continue;
        }
        if rest.starts_with("Mon") && !rest.starts_with("Monday") && lower_follows(&rest[3..]) {
            continue;
        }
        if let Some((spelling, part)) = PARTS.iter().find(|(s, _)| rest.starts_with(s)) {
            return Some((&layout[..i], *part, &rest[spelling.len()..]));
        }
        let bytes = rest.as_bytes();
        if matches!(bytes[0], b'.' | b',') && matches!(bytes.get(1), Some(b'0' | b'9')) {
            let digit = bytes[1];
            let count = bytes[1..].iter().take_while(|b| **b == digit).count();
            if !bytes.get(1 + count).is_some_and(u8::is_ascii_digit) {
                let part = if digit == b'0' {
                    Part::Fraction(bytes[0], count)
                } else {
                    Part::ShortFraction(bytes[0], count)
                };
                return Some((&layout[..i], part, &rest[1 + count..]));
            }
        }
    }
    None
}

fn lower_follows(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_lowercase())
}

impl Moment {
    pub(crate) fn utc(at: Timestamp) -> Self {
        Self {
            at,
            zone: TimeZone::UTC,
        }
    }

    /// The same moment in another zone.
    pub(crate) fn in_zone(&self, zone: TimeZone) -> Self {
        Self { at: self.at, zone }
    }

    /// `Time.Format`.
    pub(crate) fn format(&self, layout: &str) -> String {
        let zoned = self.at.to_zoned(self.zone.clone());
        let local = zoned.datetime();
        let mut out = String::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some((before, part, after)) = next_part(rest) {
            out.push_str(before);
            rest = after;
            match part {
                Part::Zone => out.push_str(&self.zone_name()),
                Part::IsoZone(_) if zoned.offset() == Offset::UTC => out.push('Z'),
                Part::IsoZone(digits) | Part::NumZone(digits) => {
                    push_offset(&mut out, zoned.offset().seconds(), digits);
                }
                part => push_part(&mut out, local, part),
            }
        }
        out.push_str(rest);
        out
    }

    /// The short name of the zone, or its offset where it has none.
    fn zone_name(&self) -> String {
        let info = self.zone.to_offset_info(self.at);
        let name = info.abbreviation();
        if name.starts_with(['+', '-']) && name != "UTC" {
            let mut out = String::new();
            let seconds = info.offset().seconds();
            let digits = if seconds % 3600 == 0 {
                Digits::Hours
            } else {
                Digits::Minutes
            };
            push_offset(&mut out, seconds, digits);
            return out;
        }
        name.to_owned()
    }
}

/// The English name of the month.
pub(crate) fn month_name(local: DateTime) -> &'static str {
    MONTHS[usize::from(local.month().unsigned_abs()).clamp(1, 12) - 1]
}

/// The English name of the day of the week.
pub(crate) fn day_name(local: DateTime) -> &'static str {
    DAYS[usize::from(local.weekday().to_sunday_zero_offset().unsigned_abs()) % 7]
}

fn push_offset(out: &mut String, seconds: i32, digits: Digits) {
    out.push(if seconds < 0 { '-' } else { '+' });
    let seconds = seconds.abs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = match digits {
        Digits::Hours => format!("{h:02}"),
        Digits::Minutes => format!("{h:02}{m:02}"),
        Digits::ColonMinutes => format!("{h:02}:{m:02}"),
        Digits::Seconds => format!("{h:02}{m:02}{s:02}"),
        Digits::ColonSeconds => format!("{h:02}:{m:02}:{s:02}"),
    };
    out.push_str(&text);
}

fn push_part(out: &mut String, local: DateTime, part: Part) {
    let (month, day) = (month_name(local), day_name(local));
    let hour12 = match local.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let text = match part {
        Part::LongMonth => month.to_owned(),
        Part::Month => month[..3].to_owned(),
        Part::NumMonth => local.month().to_string(),
        Part::ZeroMonth => format!("{:02}", local.month()),
        Part::LongWeekDay => day.to_owned(),
        Part::WeekDay => day[..3].to_owned(),
        Part::Day => local.day().to_string(),
        Part::UnderDay => format!("{:2}", local.day()),
        Part::ZeroDay => format!("{:02}", local.day()),
        Part::UnderYearDay => format!("{:3}", local.day_of_year()),
        Part::ZeroYearDay => format!("{:03}", local.day_of_year()),
        Part::Hour => format!("{:02}", local.hour()),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => local.minute().to_string(),
        Part::ZeroMinute => format!("{:02}", local.minute()),
        Part::Second => local.second().to_string(),
        Part::ZeroSecond => format!("{:02}", local.second()),
        Part::LongYear => format!("{:04}", local.year()),
        Part::Year => format!("{:02}", local.year().rem_euclid(100)),
        Part::UpperPm => (if local.hour() >= 12 { "PM" } else { "AM" }).to_owned(),
        Part::LowerPm => (if local.hour() >= 12 { "pm" } else { "am" }).to_owned(),
        Part::Fraction(separator, digits) => fraction(local.subsec_nanosecond(), separator, digits),
        Part::ShortFraction(separator, digits) => {
            let text = fraction(local.subsec_nanosecond(), separator, digits);
            let text = text.trim_end_matches('0');
            (if text.len() == 1 { "" } else { text }).to_owned()
        }
        Part::Zone | Part::IsoZone(_) | Part::NumZone(_) => String::new(),
    };
    out.push_str(&text);
}

fn fraction(nanoseconds: i32, separator: u8, digits: usize) -> String {
    let mut text = format!("{nanoseconds:09}");
    while text.len() < digits {
        text.push('0');
    }
    format!("{}{}", char::from(separator), &text[..digits])
}

/// A zone by its name in the database; `Local` and an empty name are UTC.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        name => TimeZoneDatabase::bundled().get(name).ok(),
    }
}

/// A text that does not fit its layout, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {value}{reason}")]
pub(crate) struct ParseError {
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
pub(crate) fn parse(layout: &str, value: &str) -> Result<Moment, ParseError> {
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

/// `Duration.String`.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
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
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let quoted = || crate::gotext::quote(text.as_bytes());
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
                let other = crate::gotext::quote(other.as_bytes());
                return Err(format!(
                    "time: unknown unit {other} in duration {}",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64, nanoseconds: i32) -> Moment {
        Moment::utc(Timestamp::new(seconds, nanoseconds).expect("in range"))
    }

    #[test]
    fn layouts_format_as_in_go() {
        let at = moment(1_136_239_445, 120_000_000);
        for (layout, want) in [
            ("2006-01-02T15:04:05Z07:00", "2006-01-02T22:04:05Z"),
            ("Mon Jan _2 15:04:05 2006", "Mon Jan  2 22:04:05 2006"),
            (
                "Monday, 02-Jan-06 15:04:05 MST",
                "Monday, 02-Jan-06 22:04:05 UTC",
            ),
            ("3:04PM .000 .999999", "10:04PM .120 .12"),
            ("20060102150405", "20060102220405"),
            ("2006 __2 002 1/2 -0700", "2006   2 002 1/2 +0000"),
            ("Janet Month", "Janet Month"),
            ("_2006", "_2006"),
        ] {
            assert_eq!(at.format(layout), want, "{layout:?}");
        }
        let berlin = at.in_zone(zone("Europe/Berlin").expect("known"));
        assert_eq!(
            berlin.format("15:04 MST -07:00 Z0700"),
            "23:04 CET +01:00 +0100"
        );
        assert!(zone("Nowhere/At_All").is_none());
    }

    #[test]
    fn texts_are_read_as_in_go() {
        for (layout, text, want) in [
            ("2006-01-02", "2017-12-31", 1_514_678_400),
            (
                "2006-01-02T15:04:05Z07:00",
                "2017-12-31T01:00:00+01:00",
                1_514_678_400,
            ),
            (
                "2006-01-02 15:04:05",
                "2017-12-31 00:00:00.5",
                1_514_678_400,
            ),
            (
                "Jan 2, 2006 at 3:04pm (MST)",
                "Dec 31, 2017 at 12:00am (UTC)",
                1_514_678_400,
            ),
        ] {
            let got = parse(layout, text).expect(text);
            assert_eq!(got.at.as_second(), want, "{text:?}");
        }
        for (layout, text, want) in [
            (
                "2006-01-02",
                "no",
                "parsing time \"no\" as \"2006-01-02\": cannot parse \"no\" as \"2006\"",
            ),
            (
                "2006-01-02",
                "2017-13-01",
                "parsing time \"2017-13-01\": month out of range",
            ),
            (
                "2006-01-02",
                "2017-02-30",
                "parsing time \"2017-02-30\": day out of range",
            ),
            (
                "2006-01-02",
                "2017-02-01x",
                "parsing time \"2017-02-01x\": extra text: \"x\"",
            ),
        ] {
            assert_eq!(
                parse(layout, text).map_err(|e| e.to_string()),
                Err(want.to_owned())
            );
        }
    }

    #[test]
    fn durations_are_written_and_read_as_in_go() {
        for (text, nanoseconds) in [
            ("0s", 0),
            ("1h1m1s", 3_661_000_000_000),
            ("1.5s", 1_500_000_000),
            ("-2m0s", -120_000_000_000),
            ("1.5\u{b5}s", 1_500),
            ("100h0m0.000000001s", 360_000_000_000_001),
        ] {
            assert_eq!(duration_text(nanoseconds), text);
            assert_eq!(parse_duration(text), Ok(nanoseconds), "{text:?}");
        }
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("3", "time: missing unit in duration \"3\""),
            ("1x", "time: unknown unit \"x\" in duration \"1x\""),
            (".s", "time: invalid duration \".s\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
        ] {
            assert_eq!(parse_duration(text), Err(want.to_owned()), "{text:?}");
        }
    }
}
