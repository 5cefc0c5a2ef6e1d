//! Dates, times, durations.

use sprig::gotime;

use super::{digits, flaw, integer, shown};

/// The units before and after the `T`, in order.
const UNITS: [&str; 2] = ["YMD", "HMS"];

pub(super) fn duration(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix('P') else {
        return flaw("must start with P");
    };
    if rest.is_empty() {
        return flaw("nothing after P");
    }
    if let Some(weeks) = rest.strip_suffix('W') {
        return match weeks {
            "" => flaw("no number in week"),
            weeks if digits(weeks) < weeks.len() => flaw("invalid week"),
            _ => Ok(()),
        };
    }
    for (i, part) in rest.split('T').enumerate() {
        if i != 0 && part.is_empty() {
            return flaw("no time elements");
        }
        let Some(units) = UNITS.get(i) else {
            return flaw("more than one T");
        };
        elements(part, units)?;
    }
    Ok(())
}

/// Numbers with units, in the order of the units.
fn elements(mut text: &str, units: &str) -> Result<(), String> {
    let mut left = units;
    while !text.is_empty() {
        let number = digits(text);
        if number == 0 {
            return flaw("missing number");
        }
        text = &text[number..];
        let Some(byte) = text.bytes().next() else {
            return flaw("missing unit");
        };
        // A unit is a byte to Go: half a character counts as the character of its number.
        let unit = char::from(byte);
        let Some(place) = left.find(unit) else {
            let unit_shown = shown(unit);
            return Err(if units.contains(unit) {
                format!("unit {unit_shown} out of order")
            } else {
                format!("invalid unit {unit_shown}")
            });
        };
        left = &left[place + 1..];
        text = &text[1..];
    }
    Ok(())
}

pub(super) fn date(text: &str) -> Result<(), String> {
    gotime::parse("2006-01-02", text)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Hours, minutes and seconds, or an offset's hours and minutes.
fn fields(bytes: &[u8], bad: &str, negative: &str) -> Result<Vec<i64>, String> {
    let mut numbers = Vec::with_capacity(3);
    for part in bytes.splitn(3, |b| *b == b':') {
        let number = integer(&String::from_utf8_lossy(part)).map_err(|_| bad.to_owned())?;
        if number < 0 {
            return flaw(negative);
        }
        numbers.push(number);
    }
    Ok(numbers)
}

pub(super) fn time(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    if bytes.len() < 9 {
        return flaw("less than 9 characters long");
    }
    if bytes[2] != b':' || bytes[5] != b':' {
        return flaw("missing colon in correct place");
    }
    let numbers = fields(
        &bytes[..8],
        "invalid hour/min/sec",
        "non-positive hour/min/sec",
    )?;
    let [hour, minute, second] = numbers.as_slice() else {
        return flaw("missing hour/min/sec");
    };
    if *hour > 23 || *minute > 59 || *second > 60 {
        return flaw("hour/min/sec out of range");
    }
    let mut rest = &bytes[8..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if n == 0 {
            return flaw("no digits in second fraction");
        }
        rest = &fraction[n..];
    }
    let mut at = hour * 60 + minute;
    if !matches!(rest, b"z" | b"Z") {
        at += offset(rest)?;
        if at < 0 {
            at += 24 * 60;
        }
    }
    // A day later than the last is no leap second to Go either.
    if *second >= 60 && at != 23 * 60 + 59 {
        return flaw("invalid leap second");
    }
    Ok(())
}

/// The minutes to add for UTC.
fn offset(bytes: &[u8]) -> Result<i64, String> {
    if bytes.len() != 6 {
        return flaw("offset must be 6 characters long");
    }
    let sign = match bytes[0] {
        b'+' => -1,
        b'-' => 1,
        _ => return flaw("offset must begin with plus/minus"),
    };
    let clock = &bytes[1..];
    if clock[2] != b':' {
        return flaw("missing colon in offset in correct place");
    }
    let numbers = fields(
        clock,
        "invalid hour/min in offset",
        "non-positive hour/min in offset",
    )?;
    match numbers.as_slice() {
        [hour, minute] if *hour <= 23 && *minute <= 59 => Ok(sign * (hour * 60 + minute)),
        [_, _] => flaw("hour/min in offset out of range"),
        _ => flaw("invalid hour/min in offset"),
    }
}

pub(super) fn date_time(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 {
        return flaw("less than 20 characters long");
    }
    if !matches!(bytes[10], b't' | b'T') {
        return flaw("11th character must be t or T");
    }
    date(&text[..10]).map_err(|error| format!("invalid date element: {error}"))?;
    time(&text[11..]).map_err(|error| format!("invalid time element: {error}"))
}

pub(super) fn period(text: &str) -> Result<(), String> {
    let Some((start, end)) = text.split_once('/') else {
        return flaw("missing slash");
    };
    let named = |what: &'static str| move |error: String| format!("invalid {what}: {error}");
    if start.starts_with('P') {
        duration(start).map_err(named("start duration"))?;
        return date_time(end).map_err(named("end date-time"));
    }
    date_time(start).map_err(named("start date-time"))?;
    if end.starts_with('P') {
        duration(end).map_err(named("end duration"))
    } else {
        date_time(end).map_err(named("end date-time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: fn(&str) -> Result<(), String>, cases: &[(&str, &str)]) {
        for (text, want) in cases {
            assert_eq!(of(text).err().unwrap_or_default(), *want, "{text:?}");
        }
    }

    #[test]
    fn durations_and_periods() {
        check(
            duration,
            &[
                ("P1Y2M3DT4H5M6S", ""),
                ("P3W", ""),
                ("PT1S", ""),
                ("1D", "must start with P"),
                ("P", "nothing after P"),
                ("PW", "no number in week"),
                ("P1D1W", "invalid week"),
                ("P1DT", "no time elements"),
                ("PT1HT1M", "more than one T"),
                ("PD", "missing number"),
                ("P1", "missing unit"),
                ("P1D1Y", "unit 'Y' out of order"),
                ("P1H", "invalid unit 'H'"),
                ("P1\u{e9}", "invalid unit '\u{c3}'"),
            ],
        );
        check(
            period,
            &[
                ("2021-01-02T03:04:05Z/P1D", ""),
                ("P1D/2021-01-02T03:04:05Z", ""),
                ("x", "missing slash"),
                (
                    "P/2021-01-02T03:04:05Z",
                    "invalid start duration: nothing after P",
                ),
                (
                    "P1D/x",
                    "invalid end date-time: less than 20 characters long",
                ),
                (
                    "x/P1D",
                    "invalid start date-time: less than 20 characters long",
                ),
                (
                    "2021-01-02T03:04:05Z/P",
                    "invalid end duration: nothing after P",
                ),
            ],
        );
    }

    #[test]
    fn dates_and_times() {
        check(
            date,
            &[
                ("2020-02-29", ""),
                (
                    "2021-02-29",
                    "parsing time \"2021-02-29\": day out of range",
                ),
                (
                    "x",
                    "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\"",
                ),
            ],
        );
        check(
            time,
            &[
                ("12:34:56.789+01:00", ""),
                ("23:59:60z", ""),
                ("00:29:60+00:30", ""),
                ("1:2:3Z", "less than 9 characters long"),
                ("12.34.56Z", "missing colon in correct place"),
                ("1x:34:56Z", "invalid hour/min/sec"),
                ("-1:34:56Z", "non-positive hour/min/sec"),
                ("24:00:00Z", "hour/min/sec out of range"),
                ("12:34:56.Z", "no digits in second fraction"),
                ("12:34:56+1:00", "offset must be 6 characters long"),
                ("12:34:56*01:00", "offset must begin with plus/minus"),
                ("12:34:56+0100:", "missing colon in offset in correct place"),
                ("12:34:56+0x:00", "invalid hour/min in offset"),
                ("12:34:56+24:00", "hour/min in offset out of range"),
                ("22:59:60Z", "invalid leap second"),
            ],
        );
        check(
            date_time,
            &[
                ("2021-01-02t03:04:05Z", ""),
                ("2021-01-02 03:04:05Z", "11th character must be t or T"),
                (
                    "2021-13-02T03:04:05Z",
                    "invalid date element: parsing time \"2021-13-02\": month out of range",
                ),
                (
                    "2021-01-02T03:04:05+x",
                    "invalid time element: offset must be 6 characters long",
                ),
            ],
        );
    }
}
