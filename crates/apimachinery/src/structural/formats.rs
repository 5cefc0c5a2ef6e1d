//! The string formats that CRD schemas may name, as kube-openapi's `strfmt` reads them.
//!
//! In: a format name and a string. Out: whether the string has that format. A format that Kubernetes does not know accepts
//! everything. Numeric formats are checked in `validate`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether Kubernetes checks strings against this format. Dashes do not count: `date-time` is `datetime`.
pub(crate) fn is_known(format: &str) -> bool {
    matches!(
        format.replace('-', "").as_str(),
        "bsonobjectid"
            | "uri"
            | "email"
            | "hostname"
            | "ipv4"
            | "ipv6"
            | "cidr"
            | "mac"
            | "uuid"
            | "uuid3"
            | "uuid4"
            | "uuid5"
            | "isbn"
            | "isbn10"
            | "isbn13"
            | "creditcard"
            | "ssn"
            | "hexcolor"
            | "rgbcolor"
            | "byte"
            | "password"
            | "date"
            | "duration"
            | "datetime"
            | "k8sshortname"
            | "k8slongname"
    )
}

/// Whether `text` has the format.
pub(crate) fn matches(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "uri" => is_request_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some(b'3')),
        "uuid4" => is_uuid(text, Some(b'4')),
        "uuid5" => is_uuid(text, Some(b'5')),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => is_ssn(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "rgbcolor" => is_rgb(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "date" => is_date(text),
        "duration" => is_duration(text),
        "datetime" => is_date_time(text),
        "k8sshortname" => text.len() <= 63 && is_short_name(text),
        "k8slongname" => text.len() <= 253 && text.split('.').all(is_short_name),
        _ => true,
    }
}

fn is_short_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// As Go's `url.ParseRequestURI`: an absolute URI or an absolute path, without control characters or blanks in the host.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b.is_ascii_control()) || !escapes_are_whole(text) {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut bytes = scheme.bytes();
    let scheme_is_good = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_is_good {
        return false;
    }
    let Some(rest) = rest.strip_prefix("//") else {
        return true;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '}', '|'])
}

fn escapes_are_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            bytes
                .get(at + 1..at + 3)
                .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
        })
}

/// An address without display name or with one, as Go's `mail.ParseAddress`, for the forms people write.
fn is_email(text: &str) -> bool {
    let address = match (text.find('<'), text.strip_suffix('>')) {
        (Some(at), Some(inner)) if !inner[..at].contains(['>', '@', ',', ';', ':']) => {
            &inner[at + 1..]
        }
        (None, None) => text,
        _ => return false,
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| {
                c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
            })
    };
    local.split('.').all(atom) && domain.split('.').all(atom)
}

fn is_hostname(text: &str) -> bool {
    if text.is_empty() || text.len() > 255 {
        return false;
    }
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    labels.iter().all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    })
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let max = if address.is_ipv4() { 32 } else { 128 };
    digits && bits.parse::<u32>().is_ok_and(|bits| bits <= max)
}

fn is_mac(text: &str) -> bool {
    let hex = |group: &str, len: usize| {
        group.len() == len && group.bytes().all(|b| b.is_ascii_hexdigit())
    };
    [':', '-'].iter().any(|separator| {
        let groups: Vec<&str> = text.split(*separator).collect();
        matches!(groups.len(), 6 | 8 | 20) && groups.iter().all(|group| hex(group, 2))
    }) || {
        let groups: Vec<&str> = text.split('.').collect();
        matches!(groups.len(), 3 | 4 | 10) && groups.iter().all(|group| hex(group, 4))
    }
}

fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let bytes = text.as_bytes();
    let mut digits = Vec::with_capacity(32);
    let mut at = 0;
    for (group, len) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if group > 0 && bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        let Some(part) = bytes.get(at..at + len) else {
            return false;
        };
        digits.extend_from_slice(part);
        at += len;
    }
    if at != bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let Some(version) = version else { return true };
    let variant = matches!(digits[16], b'8' | b'9' | b'a' | b'b' | b'A' | b'B');
    digits[12] == version && (version == b'3' || variant)
}

fn bare(text: &str) -> Vec<u8> {
    text.bytes().filter(|b| !matches!(b, b' ' | b'-')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = bare(text);
    if digits.len() != 10 {
        return false;
    }
    let mut sum = 0;
    for (at, digit) in digits.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => u32::from(digit - b'0'),
            b'X' | b'x' if at == 9 => 10,
            _ => return false,
        };
        sum += value * (10 - at as u32);
    }
    sum.is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let digits = bare(text);
    digits.len() == 13
        && digits.iter().all(u8::is_ascii_digit)
        && digits
            .iter()
            .enumerate()
            .map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 3 })
            .sum::<u32>()
            % 10
            == 0
}

fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    if !(13..=19).contains(&digits.len()) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0');
            if at % 2 == 0 {
                value
            } else {
                value * 2 - if value > 4 { 9 } else { 0 }
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_ssn(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b' ' | b'-')).collect();
    digits.len() == 9 && digits.iter().all(u8::is_ascii_digit) && text.len() <= 11
}

fn is_rgb(text: &str) -> bool {
    let Some(inner) = text
        .strip_prefix("rgb(")
        .and_then(|rest| rest.strip_suffix(')'))
    else {
        return false;
    };
    let parts: Vec<&str> = inner.split(',').collect();
    parts.len() == 3 && parts.iter().all(|part| part.trim().parse::<u8>().is_ok())
}

fn number(text: &str, len: usize) -> Option<u32> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let Some(at) = text.find(['T', 't']) else {
        return false;
    };
    let (date, rest) = (&text[..at], &text[at + 1..]);
    let Some(zone_at) = rest.find(['Z', 'z', '+', '-']) else {
        return false;
    };
    let (time, zone) = rest.split_at(zone_at);
    is_date(date) && is_time(time) && is_zone(zone)
}

fn is_time(text: &str) -> bool {
    let (clock, fraction) = text
        .split_once('.')
        .map_or((text, None), |(clock, rest)| (clock, Some(rest)));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else {
        return false;
    };
    number(hour, 2).is_some_and(|hour| hour <= 23)
        && number(minute, 2).is_some_and(|minute| minute <= 59)
        && number(second, 2).is_some_and(|second| second <= 59)
        && fraction
            .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn is_zone(text: &str) -> bool {
    if matches!(text, "Z" | "z") {
        return true;
    }
    let Some((hour, minute)) = text.get(1..).and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    number(hour, 2).is_some_and(|hour| hour <= 23)
        && number(minute, 2).is_some_and(|minute| minute <= 59)
}

/// As Go's `time.ParseDuration`, or Scala's form (`3 days`).
fn is_duration(text: &str) -> bool {
    is_go_duration(text) || is_scala_duration(text)
}

fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (amount, tail) = rest.split_at(digits);
        if !amount.bytes().any(|b| b.is_ascii_digit()) || amount.matches('.').count() > 1 {
            return false;
        }
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        if !matches!(
            &tail[..unit],
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h"
        ) {
            return false;
        }
        rest = &tail[unit..];
    }
    true
}

fn is_scala_duration(text: &str) -> bool {
    const UNITS: [&str; 26] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "µs",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "s",
        "sec",
        "second",
        "m",
        "min",
        "minute",
        "h",
        "hr",
        "hour",
        "d",
        "day",
        "w",
    ];
    let text = text.trim();
    let Some(at) = text.find(|c: char| !c.is_ascii_digit()) else {
        return false;
    };
    let unit = text[at..].trim();
    at > 0
        && (UNITS.contains(&unit)
            || UNITS.contains(&unit.trim_end_matches('s'))
            || unit.trim_end_matches('s') == "week")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_take_what_go_takes() {
        let cases = [
            ("date-time", "2026-01-02T03:04:05Z"),
            ("date-time", "2026-01-02T03:04:05.678+01:00"),
            ("date", "2024-02-29"),
            ("duration", "1h30m"),
            ("duration", "1.5h"),
            ("duration", "3 days"),
            ("uri", "https://example.com/a?b#c"),
            ("uri", "/path"),
            ("email", "a.b@example.com"),
            ("hostname", "example.com"),
            ("ipv4", "10.0.0.1"),
            ("ipv6", "fe80::1"),
            ("cidr", "10.0.0.0/8"),
            ("cidr", "fe80::/64"),
            ("mac", "01:02:03:04:05:ab"),
            ("uuid", "123e4567e89b12d3a456426614174000"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000"),
            ("byte", "aGVsbG8="),
            ("isbn", "0321751043"),
            ("hexcolor", "#FFf"),
            ("rgbcolor", "rgb(1, 2,255)"),
            ("k8s-short-name", "a-b1"),
            ("k8s-long-name", "a.b-c.d"),
            ("something-else", "x"),
        ];
        for (format, text) in cases {
            assert!(matches(format, text), "{format} {text}");
        }
    }

    #[test]
    fn err_formats_refuse_what_go_refuses() {
        let cases = [
            ("date-time", "2026-01-02 03:04:05"),
            ("date-time", "2026-13-02T03:04:05Z"),
            ("date-time", "2026-01-02T24:04:05Z"),
            ("date-time", "é-01-02Té"),
            ("date", "2023-02-29"),
            ("date", "2023-2-9"),
            ("duration", "1x"),
            ("duration", ""),
            ("duration", "."),
            ("uri", "not a uri"),
            ("uri", "http://a b/"),
            ("uri", "/%zz"),
            ("email", "a@"),
            ("email", "a>b<c@d>"),
            ("hostname", "-a.b"),
            ("ipv4", "10.0.0.256"),
            ("ipv6", "10.0.0.1"),
            ("cidr", "10.0.0.0/33"),
            ("mac", "01:02"),
            ("uuid", "123"),
            ("uuid4", "123e4567-e89b-12d3-a456-426614174000"),
            ("byte", "a"),
            ("isbn", "0321751042"),
            ("creditcard", "1234567890123"),
            ("hexcolor", "#ffff"),
            ("rgbcolor", "rgb(1,2,256)"),
            ("k8s-short-name", "A"),
            ("k8s-long-name", "a..b"),
        ];
        for (format, text) in cases {
            assert!(!matches(format, text), "{format} {text}");
        }
    }
}
