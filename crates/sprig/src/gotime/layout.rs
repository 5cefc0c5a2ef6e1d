//! The parts of Go's time layouts.
//!
//! In: layouts such as `2006-01-02T15:04:05Z07:00`. Out: their parts. Source: Go `time`, `nextStdChunk`.

/// A part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
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
pub(super) enum Digits {
    Hours,
    Minutes,
    ColonMinutes,
    Seconds,
    ColonSeconds,
}

/// The parts that start with a byte which starts no other one's, longer spellings first.
const PARTS: [(&[u8], Part); 30] = [
    (b"01", Part::ZeroMonth),
    (b"002", Part::ZeroYearDay),
    (b"02", Part::ZeroDay),
    (b"03", Part::ZeroHour12),
    (b"04", Part::ZeroMinute),
    (b"05", Part::ZeroSecond),
    (b"06", Part::Year),
    (b"15", Part::Hour),
    (b"1", Part::NumMonth),
    (b"2006", Part::LongYear),
    (b"2", Part::Day),
    (b"__2", Part::UnderYearDay),
    (b"_2", Part::UnderDay),
    (b"3", Part::Hour12),
    (b"4", Part::Minute),
    (b"5", Part::Second),
    (b"PM", Part::UpperPm),
    (b"pm", Part::LowerPm),
    (b"-070000", Part::NumZone(Digits::Seconds)),
    (b"-07:00:00", Part::NumZone(Digits::ColonSeconds)),
    (b"-0700", Part::NumZone(Digits::Minutes)),
    (b"-07:00", Part::NumZone(Digits::ColonMinutes)),
    (b"-07", Part::NumZone(Digits::Hours)),
    (b"Z070000", Part::IsoZone(Digits::Seconds)),
    (b"Z07:00:00", Part::IsoZone(Digits::ColonSeconds)),
    (b"Z0700", Part::IsoZone(Digits::Minutes)),
    (b"Z07:00", Part::IsoZone(Digits::ColonMinutes)),
    (b"Z07", Part::IsoZone(Digits::Hours)),
    (b"MST", Part::Zone),
    (b"_2006", Part::LongYear),
];

/// The first part in a layout: the text before it, the part, the rest.
pub(super) fn next_part(layout: &[u8]) -> Option<(&[u8], Part, &[u8])> {
    for at in 0..layout.len() {
        let rest = &layout[at..];
        // A line and a year.
        if let Some(after) = rest.strip_prefix(b"_2006") {
            return Some((&layout[..=at], Part::LongYear, after));
        }
        let found = match rest[0] {
            b'J' => name(rest, b"January", Part::LongMonth, Part::Month),
            b'M' => name(rest, b"Monday", Part::LongWeekDay, Part::WeekDay),
            b'.' | b',' => fraction(rest),
            _ => None,
        };
        let found = found.or_else(|| {
            let (spelling, part) = PARTS.iter().find(|(s, _)| rest.starts_with(s))?;
            Some((*part, spelling.len()))
        });
        if let Some((part, length)) = found {
            return Some((&layout[..at], part, &rest[length..]));
        }
    }
    None
}

/// A name in full, or its first three letters where no small letter follows.
fn name(rest: &[u8], full: &[u8], long: Part, short: Part) -> Option<(Part, usize)> {
    if rest.starts_with(full) {
        return Some((long, full.len()));
    }
    let is_short = rest.starts_with(&full[..3]) && !rest.get(3).is_some_and(u8::is_ascii_lowercase);
    is_short.then_some((short, 3))
}

fn fraction(rest: &[u8]) -> Option<(Part, usize)> {
    let digit = rest.get(1).filter(|d| matches!(d, b'0' | b'9'))?;
    let count = rest[1..].iter().take_while(|b| *b == digit).count();
    if rest.get(1 + count).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let part = if *digit == b'0' {
        Part::Fraction(rest[0], count)
    } else {
        Part::ShortFraction(rest[0], count)
    };
    Some((part, 1 + count))
}

/// How the package `time` quotes: everything but ASCII as escaped bytes.
pub(super) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=0x7f => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
    out
}
