//! Layouts, texts and durations against answers of Go.

use super::*;

fn moment(seconds: i64, nanoseconds: i32) -> Moment {
    Moment::utc(seconds, nanoseconds)
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
        assert_eq!(got.seconds, want, "{text:?}");
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
