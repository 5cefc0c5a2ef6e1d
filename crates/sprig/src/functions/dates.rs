//! Dates and durations.
//!
//! In: moments, Unix seconds, texts. Out: texts and moments. The present comes from the host of the
//! render, the local zone is UTC. Source: sprig `date.go`, Helm's duration functions.

use gotemplate::{
    Args, CallError, Context, Function, Functions, IntKind, Signature, Str, Type, Value, strconv,
};

use super::Host;
use super::moments::{
    DAY, DURATION, Duration, HOUR, INSTANT, MINUTE, SECOND, SHIFT, TIME, duration, moment, time,
    units, zero,
};
use super::support::{as_time, fail, lossy, to_float};
use crate::gotime::{self, Moment, Zone};

/// The present, from the host.
fn now(ctx: &mut Context<'_>) -> Result<Moment, CallError> {
    match ctx.host::<Host>() {
        Some(host) => Ok(Moment::local(host.now)),
        None => fail("the present time is not known here"),
    }
}

/// A function with a parameter or result that no Rust type stands for.
fn function(
    name: &str,
    params: &'static [Type],
    result: Type,
    body: impl Fn(&mut Context<'_>, &mut Args) -> Result<Value, CallError> + Send + Sync + 'static,
) -> Function {
    Function::new(
        name,
        Signature {
            params,
            variadic: None,
            result,
        },
        Box::new(body),
    )
}

pub(super) fn add(functions: &mut Functions) {
    add_formatting(functions);
    add_moments(functions);
    functions
        .add("duration", |value: Value| {
            let seconds = match &value {
                Value::Str(text) => match strconv::parse_int(text, 10) {
                    Ok(n) | Err(strconv::NumberError::Range(n)) => n,
                    Err(_) => 0,
                },
                Value::Int(IntKind::Int64, n) => *n,
                _ => 0,
            };
            gotime::duration_text(seconds.wrapping_mul(SECOND))
        })
        .add_with_context("durationRound", |ctx: &mut Context<'_>, value: Value| {
            let nanoseconds = match &value {
                Value::Str(text) => gotime::parse_duration(&lossy(text)).unwrap_or_default(),
                Value::Int(IntKind::Int64, n) => *n,
                other => match as_time(other) {
                    Some(time) => now(ctx)?.since(&time.0),
                    None => 0,
                },
            };
            Ok::<_, CallError>(rounded(nanoseconds))
        });
}

fn add_formatting(functions: &mut Functions) {
    functions
        .add_with_context(
            "date",
            |ctx: &mut Context<'_>, layout: Str, value: Value| {
                Ok::<_, CallError>(point(ctx, &value)?.format_bytes(&layout))
            },
        )
        .add_with_context("htmlDate", |ctx: &mut Context<'_>, value: Value| {
            Ok::<_, CallError>(point(ctx, &value)?.format("2006-01-02"))
        })
        .add_with_context(
            "htmlDateInZone",
            |ctx: &mut Context<'_>, value: Value, zone: Str| {
                in_zone(ctx, b"2006-01-02", &value, &zone)
            },
        )
        .add_with_context("ago", |ctx: &mut Context<'_>, value: Value| {
            let (now, then) = (now(ctx)?, point(ctx, &value)?);
            let seconds = gotime::round(now.since(&then), SECOND);
            Ok::<_, CallError>(gotime::duration_text(seconds))
        });
    for name in ["dateInZone", "date_in_zone"] {
        functions.add_with_context(
            name,
            |ctx: &mut Context<'_>, layout: Str, value: Value, zone: Str| {
                in_zone(ctx, &layout, &value, &zone)
            },
        );
    }
}

fn add_moments(functions: &mut Functions) {
    let instant = Type::Named(&TIME);
    functions.insert(function("now", &[], instant, |ctx, _| Ok(time(now(ctx)?))));
    for (name, strict) in [
        ("dateModify", false),
        ("date_modify", false),
        ("mustDateModify", true),
        ("must_date_modify", true),
    ] {
        functions.insert(function(name, &SHIFT, instant, move |_, args| {
            let (by, value): (Str, Value) = (args.take(), args.take());
            match gotime::parse_duration(&lossy(&by)) {
                Ok(by) => Ok(time(moment(&value)?.add(by))),
                Err(error) if strict => fail(error),
                Err(_) => Ok(value),
            }
        }));
    }
    for (name, strict) in [("toDate", false), ("mustToDate", true)] {
        functions.insert(function(
            name,
            &[Type::String, Type::String],
            instant,
            move |_, args| {
                let (layout, text): (Str, Str) = (args.take(), args.take());
                match gotime::parse_bytes(&layout, &text) {
                    Ok(moment) => Ok(time(moment)),
                    Err(error) if strict => fail(error.to_string()),
                    Err(_) => Ok(time(zero())),
                }
            },
        ));
    }
    functions.insert(function("unixEpoch", &INSTANT, Type::String, |_, args| {
        let value: Value = args.take();
        Ok(Value::from(moment(&value)?.seconds.to_string()))
    }));
}

/// A moment, Unix seconds, or the present for everything else.
fn point(ctx: &mut Context<'_>, value: &Value) -> Result<Moment, CallError> {
    match value {
        Value::Int(IntKind::Int | IntKind::Int32 | IntKind::Int64, seconds) => {
            Ok(Moment::utc(*seconds, 0).in_zone(Zone::Local))
        }
        value => match as_time(value) {
            Some(time) => Ok(time.0.in_zone(Zone::Local)),
            None => now(ctx),
        },
    }
}

fn in_zone(
    ctx: &mut Context<'_>,
    layout: &[u8],
    value: &Value,
    zone: &Str,
) -> Result<Vec<u8>, CallError> {
    let zone = gotime::zone(&lossy(zone)).unwrap_or(Zone::Utc);
    Ok(point(ctx, value)?.in_zone(zone).format_bytes(layout))
}

/// The largest unit alone.
fn rounded(nanoseconds: i64) -> String {
    let total = nanoseconds.unsigned_abs();
    let units = [
        (365 * DAY, "y"),
        (30 * DAY, "mo"),
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "m"),
        (SECOND, "s"),
    ];
    for (unit, name) in units {
        if total > unit.unsigned_abs() {
            return format!("{}{name}", total / unit.unsigned_abs());
        }
    }
    "0s".to_owned()
}

/// Helm's duration functions.
pub(super) fn add_helm(functions: &mut Functions) {
    let type_of = Type::Named(&DURATION);
    functions.insert(function(
        "mustToDuration",
        &[Type::Interface],
        type_of,
        |_, args| {
            let value: Value = args.take();
            as_duration(&value).map(duration).map_err(CallError::text)
        },
    ));
    let float: [(&str, i64, f64); 5] = [
        ("durationSeconds", SECOND, 1.0),
        ("durationMinutes", MINUTE, 1.0),
        ("durationHours", HOUR, 1.0),
        ("durationDays", HOUR, 24.0),
        ("durationWeeks", HOUR, 168.0),
    ];
    for (name, unit, per) in float {
        functions.add(name, move |value: Value| {
            let whole = as_duration(&value).map_or(0.0, |d| units(d, unit));
            if per > 100.0 {
                whole / 24.0 / 7.0
            } else {
                whole / per
            }
        });
    }
    for (name, unit) in [
        ("durationMilliseconds", 1_000_000),
        ("durationMicroseconds", 1_000),
        ("durationNanoseconds", 1),
    ] {
        functions.add(name, move |value: Value| {
            as_duration(&value).map_or(0, |d| d / unit)
        });
    }
    for (name, round) in [("durationRoundTo", true), ("durationTruncateTo", false)] {
        let params = &[Type::Interface, Type::Interface];
        functions.insert(function(name, params, type_of, move |_, args| {
            let (value, unit): (Value, Value) = (args.take(), args.take());
            let Ok(value) = as_duration(&value) else {
                return Ok(duration(0));
            };
            let Ok(unit) = as_duration(&unit) else {
                return Ok(duration(value));
            };
            Ok(duration(if round {
                gotime::round(value, unit)
            } else {
                gotime::truncate(value, unit)
            }))
        }));
    }
}

/// Helm's reading of durations: durations, texts with units, and numbers of seconds.
fn as_duration(value: &Value) -> Result<i64, String> {
    if let Some(duration) = value.as_native::<Duration>() {
        return Ok(duration.0);
    }
    match value {
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Str(text) => {
            let shown = lossy(text);
            let trimmed = shown.trim();
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(duration) = gotime::parse_duration(trimmed) {
                return Ok(duration);
            }
            strconv::parse_float(trimmed.as_bytes())
                .map_err(|_| format!("could not parse duration {}", crate::gotext::quote(text)))
                .and_then(from_seconds)
        }
        Value::Float(_) => from_seconds(to_float(value)),
        other => {
            let Some((kind, bits)) = other.as_integer() else {
                return Err(format!("unsupported duration type {}", other.type_name()));
            };
            let seconds = if kind.is_signed() {
                i128::from(bits)
            } else {
                i128::from(bits.cast_unsigned())
            };
            i64::try_from(seconds)
                .ok()
                .and_then(|s| s.checked_mul(SECOND))
                .ok_or_else(|| format!("duration seconds overflow: {seconds}"))
        }
    }
}

fn from_seconds(seconds: f64) -> Result<i64, String> {
    let shown = |float: f64| crate::gotext::format("%v", &[Value::Float(float)]);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown(seconds)));
    }
    if seconds.abs() > i64::MAX as f64 / 1e9 {
        return Err(format!("duration seconds overflow: {}", shown(seconds)));
    }
    Ok((seconds * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_as_in_go() {
        for (value, unit, want) in [
            (1_499, 1_000, 1_000),
            (1_500, 1_000, 2_000),
            (-1_500, 1_000, -2_000),
            (7, 0, 7),
        ] {
            assert_eq!(gotime::round(value, unit), want);
        }
        assert_eq!(rounded(2 * HOUR + 600 * SECOND), "2h");
        assert_eq!(rounded(SECOND), "0s");
        assert_eq!(rounded(400 * DAY), "1y");
    }

    #[test]
    fn durations_are_read_from_many_kinds() {
        for (value, want) in [
            (Value::from("1h"), Ok(HOUR)),
            (Value::from("2.5"), Ok(2_500_000_000)),
            (Value::int(3), Ok(3 * SECOND)),
            (Value::Float(0.5), Ok(500_000_000)),
            (Value::Nil, Err("invalid duration")),
            (Value::from(" "), Err("empty duration")),
            (Value::from("x"), Err("could not parse duration \"x\"")),
            (Value::Bool(true), Err("unsupported duration type bool")),
            (
                Value::int(i64::MAX),
                Err("duration seconds overflow: 9223372036854775807"),
            ),
        ] {
            assert_eq!(
                as_duration(&value),
                want.map_err(str::to_owned),
                "{value:?}"
            );
        }
    }
}
