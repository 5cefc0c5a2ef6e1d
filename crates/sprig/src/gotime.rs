//! Go's time layouts and durations.
//!
//! In: layouts such as `2006-01-02T15:04:05Z07:00`, texts, moments. Out: texts and moments. Source: Go
//! `time`: `Time.Format`, `time.ParseInLocation`, `Duration.String`, `ParseDuration`. Reads no clock; time
//! zones come from the database built into the program. The local zone is UTC.

mod civil;
mod duration;
mod layout;
mod parse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

pub use civil::{Civil, day_name, month_name};
pub use duration::{duration_text, parse_duration, round, truncate};
use layout::{Digits, Part, next_part};
pub use parse::{ParseError, parse, parse_bytes};

/// Where a moment is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Zone {
    /// UTC by that name.
    Utc,
    /// The zone of the machine, which is UTC.
    Local,
    /// An offset in seconds, with what a text called it: perhaps nothing.
    Fixed(Arc<str>, i32),
    /// A zone of the database, by its name.
    Named(Arc<str>, TimeZone),
}

/// A moment with the zone it is shown in.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Seconds since 1970, of any size.
    pub seconds: i64,
    /// Of the second; 0 to 999,999,999.
    pub nanosecond: i32,
    /// Where it is read.
    pub zone: Zone,
}

impl Moment {
    /// Seconds since 1970, in UTC.
    pub fn utc(seconds: i64, nanosecond: i32) -> Self {
        Self {
            seconds,
            nanosecond,
            zone: Zone::Utc,
        }
    }

    /// A timestamp, in the local zone.
    pub fn local(at: Timestamp) -> Self {
        let nanoseconds = at.as_nanosecond();
        Self {
            seconds: nanoseconds.div_euclid(1_000_000_000) as i64,
            nanosecond: nanoseconds.rem_euclid(1_000_000_000) as i32,
            zone: Zone::Local,
        }
    }

    /// The same moment in another zone.
    #[must_use]
    pub fn in_zone(&self, zone: Zone) -> Self {
        Self {
            zone,
            ..self.clone()
        }
    }

    /// `Time.Add`.
    #[must_use]
    pub fn add(&self, nanoseconds: i64) -> Self {
        let sum = i64::from(self.nanosecond) + nanoseconds % 1_000_000_000;
        let seconds = self
            .seconds
            .wrapping_add(nanoseconds / 1_000_000_000)
            .wrapping_add(sum.div_euclid(1_000_000_000));
        Self {
            seconds,
            nanosecond: sum.rem_euclid(1_000_000_000) as i32,
            zone: self.zone.clone(),
        }
    }

    /// `Time.Sub`: nanoseconds, the largest or smallest number of them where there are too many.
    pub fn since(&self, other: &Self) -> i64 {
        let nanoseconds =
            |m: &Self| i128::from(m.seconds) * 1_000_000_000 + i128::from(m.nanosecond);
        let difference = nanoseconds(self) - nanoseconds(other);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// `Time.AddDate`: months and days beyond their bounds carry over.
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let from = self.civil();
        let days = civil::days_since_1970(
            from.year.wrapping_add(years),
            from.month.wrapping_add(months),
            from.day.wrapping_add(days),
        );
        let local = days
            .wrapping_mul(civil::SECONDS_OF_DAY)
            .wrapping_add(from.hour * 3_600 + from.minute * 60 + from.second);
        // The offset is that of the result: first guessed, then looked up, as Go does.
        let mut moment = self.clone();
        let mut offset = i64::from(self.offset_and_name().0);
        for _ in 0..2 {
            moment.seconds = local.wrapping_sub(offset);
            offset = i64::from(moment.offset_and_name().0);
        }
        moment.seconds = local.wrapping_sub(offset);
        moment
    }

    /// Date and hour in the moment's zone.
    pub fn civil(&self) -> Civil {
        let offset = i64::from(self.offset_and_name().0);
        Civil::of_seconds(self.seconds.wrapping_add(offset))
    }

    /// Seconds east of UTC, and the zone's short name at that moment.
    pub fn offset_and_name(&self) -> (i32, Arc<str>) {
        match &self.zone {
            Zone::Utc | Zone::Local => (0, Arc::from("UTC")),
            Zone::Fixed(name, offset) => (*offset, Arc::clone(name)),
            Zone::Named(_, zone) => {
                let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let at = Timestamp::from_second(self.seconds.clamp(least, most));
                let info = zone.to_offset_info(at.unwrap_or(Timestamp::UNIX_EPOCH));
                (info.offset().seconds(), Arc::from(info.abbreviation()))
            }
        }
    }

    /// `Time.Format`. Both texts may hold any bytes.
    pub fn format_bytes(&self, layout: &[u8]) -> Vec<u8> {
        let (offset, name) = self.offset_and_name();
        let local = Civil::of_seconds(self.seconds.wrapping_add(i64::from(offset)));
        let mut out = Vec::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some((before, part, after)) = next_part(rest) {
            out.extend_from_slice(before);
            rest = after;
            let text = match part {
                Part::Zone if name.is_empty() => offset_text(offset, Digits::Minutes),
                Part::Zone => name.to_string(),
                Part::IsoZone(_) if offset == 0 => "Z".to_owned(),
                Part::IsoZone(digits) | Part::NumZone(digits) => offset_text(offset, digits),
                part => part_text(&local, self.nanosecond, part),
            };
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(rest);
        out
    }

    /// [`Moment::format_bytes`] of a text.
    pub fn format(&self, layout: &str) -> String {
        String::from_utf8(self.format_bytes(layout.as_bytes())).unwrap_or_default()
    }

    /// `Time.GoString`.
    pub fn go_text(&self) -> String {
        let c = self.civil();
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local => "time.Local".to_owned(),
            Zone::Fixed(name, _) | Zone::Named(name, _) => {
                let name = layout::quote(name.as_bytes());
                format!("time.Location({})", gotemplate::lossy(&name))
            }
        };
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            c.year,
            c.month_name(),
            c.day,
            c.hour,
            c.minute,
            c.second,
            self.nanosecond
        )
    }
}

fn offset_text(seconds: i32, digits: Digits) -> String {
    let sign = if seconds <= -60 { '-' } else { '+' };
    let seconds = seconds.abs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match digits {
        Digits::Hours => format!("{sign}{h:02}"),
        Digits::Minutes => format!("{sign}{h:02}{m:02}"),
        Digits::ColonMinutes => format!("{sign}{h:02}:{m:02}"),
        Digits::Seconds => format!("{sign}{h:02}{m:02}{s:02}"),
        Digits::ColonSeconds => format!("{sign}{h:02}:{m:02}:{s:02}"),
    }
}

fn part_text(local: &Civil, nanosecond: i32, part: Part) -> String {
    let (month, day) = (local.month_name(), local.day_name());
    let hour12 = match local.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let noon = local.hour >= 12;
    match part {
        Part::LongMonth => month.to_owned(),
        Part::Month => month[..3].to_owned(),
        Part::NumMonth => local.month.to_string(),
        Part::ZeroMonth => format!("{:02}", local.month),
        Part::LongWeekDay => day.to_owned(),
        Part::WeekDay => day[..3].to_owned(),
        Part::Day => local.day.to_string(),
        Part::UnderDay => format!("{:2}", local.day),
        Part::ZeroDay => format!("{:02}", local.day),
        Part::UnderYearDay => format!("{:3}", local.year_day),
        Part::ZeroYearDay => format!("{:03}", local.year_day),
        Part::Hour => format!("{:02}", local.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => local.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", local.minute),
        Part::Second => local.second.to_string(),
        Part::ZeroSecond => format!("{:02}", local.second),
        Part::LongYear if local.year < 0 => format!("-{:04}", local.year.unsigned_abs()),
        Part::LongYear => format!("{:04}", local.year),
        Part::Year => format!("{:02}", local.year.max(0) % 100),
        Part::UpperPm => (if noon { "PM" } else { "AM" }).to_owned(),
        Part::LowerPm => (if noon { "pm" } else { "am" }).to_owned(),
        Part::Fraction(separator, digits) => fraction(nanosecond, separator, digits),
        Part::ShortFraction(separator, digits) => {
            let text = fraction(nanosecond, separator, digits);
            let text = text.trim_end_matches('0');
            (if text.len() == 1 { "" } else { text }).to_owned()
        }
        Part::Zone | Part::IsoZone(_) | Part::NumZone(_) => String::new(),
    }
}

/// At most nine digits, as a nanosecond has.
fn fraction(nanosecond: i32, separator: u8, digits: usize) -> String {
    let mut text = format!("{nanosecond:09}");
    text.truncate(digits);
    format!("{}{text}", char::from(separator))
}

/// `time.LoadLocation`. The names are those of files, and so sensitive to case.
pub fn zone(name: &str) -> Option<Zone> {
    match name {
        "" | "UTC" => Some(Zone::Utc),
        "Local" => Some(Zone::Local),
        name => TimeZoneDatabase::bundled()
            .get(name)
            .ok()
            .filter(|zone| zone.iana_name() == Some(name))
            .map(|zone| Zone::Named(Arc::from(name), zone)),
    }
}
