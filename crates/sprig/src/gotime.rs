//! Go's time layouts and durations.
//!
//! In: layouts such as `2006-01-02T15:04:05Z07:00`, texts, moments. Out: texts and moments. Source: Go
//! `time`: `Time.Format`, `time.Parse`, `Duration.String`, `ParseDuration`. Reads no clock; time zones
//! come from the database built into the program.

mod duration;
mod parse;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

pub use duration::{duration_text, parse_duration};
pub use parse::parse;

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
pub struct Moment {
    /// The instant.
    pub at: Timestamp,
    /// Where it is read.
    pub zone: TimeZone,
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
    /// The instant in UTC.
    pub fn utc(at: Timestamp) -> Self {
        Self {
            at,
            zone: TimeZone::UTC,
        }
    }

    /// The same moment in another zone.
    #[must_use]
    pub fn in_zone(&self, zone: TimeZone) -> Self {
        Self { at: self.at, zone }
    }

    /// `Time.Format`.
    pub fn format(&self, layout: &str) -> String {
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
pub fn month_name(local: DateTime) -> &'static str {
    MONTHS[usize::from(local.month().unsigned_abs()).clamp(1, 12) - 1]
}

/// The English name of the day of the week.
pub fn day_name(local: DateTime) -> &'static str {
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
pub fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" | "Local" => Some(TimeZone::UTC),
        name => TimeZoneDatabase::bundled().get(name).ok(),
    }
}
