//! Dates and durations.
//!
//! In: moments, Unix seconds, texts. Out: texts and moments. The present comes from the host of the
//! render, the local zone is UTC. Source: sprig `date.go`, Helm's duration functions.

use std::any::Any;
use std::rc::Rc;

use gotemplate::{
    Args, CallError, Context, Function, Functions, Int, IntKind, Method, NamedType, Native,
    Signature, Str, Type, Value, strconv,
};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span, Timestamp};

use super::Host;
use super::support::{as_time, fail, lossy, to_float};
use crate::gotime::{self, Moment};

/// A `time.Time`.
pub(crate) struct Time(pub(crate) Moment);

/// A `time.Duration`, in nanoseconds.
pub(crate) struct Duration(pub(crate) i64);

/// What `Time.String` uses.
const TEXT_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

type Call = fn(&mut Context<'_>, &Value, &mut Args) -> Result<Value, CallError>;

const fn method(name: &'static str, result: Type, call: Call) -> Method {
    Method {
        name,
        signature: Signature {
            params: &[],
            variadic: None,
            result,
        },
        call,
    }
}

static TIME: NamedType = NamedType {
    name: "time.Time",
    underlying: Type::Struct,
    methods: &[
        Method {
            name: "Format",
            signature: Signature {
                params: &[Type::String],
                variadic: None,
                result: Type::String,
            },
            call: |_, this, args| {
                let layout: Str = args.take();
                Ok(Value::from(moment(this)?.format(&lossy(&layout))))
            },
        },
        method("String", Type::String, |_, t, _| {
            Ok(Value::from(moment(t)?.format(TEXT_LAYOUT)))
        }),
        method("Unix", Type::INT64, |_, t, _| {
            Ok(Value::int64(moment(t)?.at.as_second()))
        }),
        method("UnixMilli", Type::INT64, |_, t, _| {
            Ok(Value::int64(moment(t)?.at.as_millisecond()))
        }),
        method("Year", Type::INT, |_, t, _| part(t, |c| c.year().into())),
        method("Day", Type::INT, |_, t, _| part(t, |c| c.day().into())),
        method("YearDay", Type::INT, |_, t, _| {
            part(t, |c| c.day_of_year().into())
        }),
        method("Hour", Type::INT, |_, t, _| part(t, |c| c.hour().into())),
        method("Minute", Type::INT, |_, t, _| {
            part(t, |c| c.minute().into())
        }),
        method("Second", Type::INT, |_, t, _| {
            part(t, |c| c.second().into())
        }),
        method("UTC", Type::Named(&TIME), |_, t, _| {
            Ok(time(Moment::utc(moment(t)?.at)))
        }),
        method("Month", Type::Named(&MONTH), |_, t, _| {
            let civil = civil(moment(t)?);
            Ok(named(
                &MONTH,
                civil.month().into(),
                gotime::month_name(civil),
            ))
        }),
        method("Weekday", Type::Named(&WEEKDAY), |_, t, _| {
            let civil = civil(moment(t)?);
            let number = civil.weekday().to_sunday_zero_offset();
            Ok(named(&WEEKDAY, number.into(), gotime::day_name(civil)))
        }),
        method("IsZero", Type::Bool, |_, t, _| {
            Ok(Value::Bool(*moment(t)? == zero()))
        }),
        takes("After", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(moment(t)?.at > next(a)?))
        }),
        takes("Before", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(moment(t)?.at < next(a)?))
        }),
        takes("Equal", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(moment(t)?.at == next(a)?))
        }),
        takes("Sub", &INSTANT, Type::Named(&DURATION), |_, t, a| {
            let other = Moment::utc(next(a)?);
            Ok(duration(since(moment(t)?, &other)))
        }),
        takes("Add", &SPAN, Type::Named(&TIME), |_, t, a| {
            let by: Value = a.take();
            moved(moment(t)?, span(&by)).map(time)
        }),
        takes("AddDate", &DATE, Type::Named(&TIME), |_, t, a| {
            let (years, months, days): (Int, Int, Int) = (a.take(), a.take(), a.take());
            add_date(moment(t)?, years.0, months.0, days.0).map(time)
        }),
    ],
};

static MONTH: NamedType = NamedType {
    name: "time.Month",
    underlying: Type::INT,
    methods: &[named_text()],
};
static WEEKDAY: NamedType = NamedType {
    name: "time.Weekday",
    underlying: Type::INT,
    methods: &[named_text()],
};

const fn named_text() -> Method {
    method("String", Type::String, |_, this, _| {
        Ok(this
            .as_native::<NamedInt>()
            .map_or(Value::str(""), |named| Value::str(named.text)))
    })
}

const fn takes(name: &'static str, params: &'static [Type], result: Type, call: Call) -> Method {
    Method {
        name,
        signature: Signature {
            params,
            variadic: None,
            result,
        },
        call,
    }
}

/// A `time.Month` or `time.Weekday`.
pub(crate) struct NamedInt {
    named_type: &'static NamedType,
    pub(crate) number: i64,
    text: &'static str,
}

fn named(named_type: &'static NamedType, number: i64, text: &'static str) -> Value {
    Value::Native(Rc::new(NamedInt {
        named_type,
        number,
        text,
    }))
}

impl Native for NamedInt {
    fn named_type(&self) -> &'static NamedType {
        self.named_type
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn text(&self) -> Option<Str> {
        Some(Str::from_static(self.text))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|o| o.named_type == self.named_type && o.number == self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The integer that a value of a named integer type is.
pub(crate) fn named_integer(value: &Value) -> Option<i64> {
    let duration = value.as_native::<Duration>().map(|duration| duration.0);
    duration.or_else(|| value.as_native::<NamedInt>().map(|named| named.number))
}

/// The moment in the next argument.
fn next(args: &mut Args) -> Result<Timestamp, CallError> {
    let other: Value = args.take();
    Ok(moment(&other)?.at)
}

fn civil(moment: &Moment) -> DateTime {
    moment.at.to_zoned(moment.zone.clone()).datetime()
}

/// `Time.AddDate`: months and days beyond their bounds carry over.
fn add_date(moment: &Moment, years: i64, months: i64, days: i64) -> Result<Moment, CallError> {
    let from = civil(moment);
    let sum = || {
        let month = i64::from(from.month() - 1).checked_add(months)?;
        let year = i64::from(from.year())
            .checked_add(years)?
            .checked_add(month.div_euclid(12))?;
        let first = Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month.rem_euclid(12) + 1).ok()?,
            1,
        );
        let days = i64::from(from.day() - 1).checked_add(days)?;
        let span = Span::new().try_days(days).ok()?;
        let local = DateTime::from_parts(first.ok()?.checked_add(span).ok()?, from.time());
        moment.zone.to_timestamp(local).ok()
    };
    match sum() {
        Some(at) => Ok(Moment {
            at,
            zone: moment.zone.clone(),
        }),
        None => fail("date is out of range"),
    }
}

static DURATION: NamedType = NamedType {
    name: "time.Duration",
    underlying: Type::INT64,
    methods: &[
        method("String", Type::String, |_, d, _| {
            Ok(Value::from(gotime::duration_text(span(d))))
        }),
        method("Seconds", Type::Float64, |_, d, _| {
            Ok(Value::Float(units(span(d), 1_000_000_000)))
        }),
        method("Minutes", Type::Float64, |_, d, _| {
            Ok(Value::Float(units(span(d), MINUTE)))
        }),
        method("Hours", Type::Float64, |_, d, _| {
            Ok(Value::Float(units(span(d), HOUR)))
        }),
        method("Milliseconds", Type::INT64, |_, d, _| {
            Ok(Value::int64(span(d) / 1_000_000))
        }),
        method("Microseconds", Type::INT64, |_, d, _| {
            Ok(Value::int64(span(d) / 1_000))
        }),
        method("Nanoseconds", Type::INT64, |_, d, _| {
            Ok(Value::int64(span(d)))
        }),
    ],
};

static SPAN: [Type; 1] = [Type::Named(&DURATION)];
static DATE: [Type; 3] = [Type::INT, Type::INT, Type::INT];
static INSTANT: [Type; 1] = [Type::Named(&TIME)];
static SHIFT: [Type; 2] = [Type::String, Type::Named(&TIME)];

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn moment(value: &Value) -> Result<&Moment, CallError> {
    match as_time(value) {
        Some(time) => Ok(&time.0),
        None => fail(super::support::NIL_DEREFERENCE),
    }
}

fn part(value: &Value, get: fn(DateTime) -> i64) -> Result<Value, CallError> {
    Ok(Value::int(get(civil(moment(value)?))))
}

fn span(value: &Value) -> i64 {
    value.as_native::<Duration>().map_or(0, |d| d.0)
}

/// Go adds whole units and the fraction of one separately.
fn units(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}

fn time(moment: Moment) -> Value {
    Value::Native(Rc::new(Time(moment)))
}

fn duration(nanoseconds: i64) -> Value {
    Value::Native(Rc::new(Duration(nanoseconds)))
}

impl Time {
    /// As JSON has it.
    pub(crate) fn rfc3339(&self) -> String {
        self.0.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl Native for Time {
    fn named_type(&self) -> &'static NamedType {
        &TIME
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.format(TEXT_LAYOUT).into())
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| other.0 == self.0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Native for Duration {
    fn named_type(&self) -> &'static NamedType {
        &DURATION
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn text(&self) -> Option<Str> {
        Some(gotime::duration_text(self.0).into())
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| other.0 == self.0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The present, from the host.
fn now(ctx: &mut Context<'_>) -> Result<Moment, CallError> {
    match ctx.host::<Host>() {
        Some(host) => Ok(Moment::utc(host.now)),
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
                    Some(time) => since(&now(ctx)?, &time.0),
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
                Ok::<_, CallError>(point(ctx, &value)?.format(&lossy(&layout)))
            },
        )
        .add_with_context("htmlDate", |ctx: &mut Context<'_>, value: Value| {
            Ok::<_, CallError>(point(ctx, &value)?.format("2006-01-02"))
        })
        .add_with_context(
            "htmlDateInZone",
            |ctx: &mut Context<'_>, value: Value, zone: Str| {
                in_zone(ctx, "2006-01-02", &value, &zone)
            },
        )
        .add_with_context("ago", |ctx: &mut Context<'_>, value: Value| {
            let (now, then) = (now(ctx)?, point(ctx, &value)?);
            let seconds = round_to(since(&now, &then), SECOND);
            Ok::<_, CallError>(gotime::duration_text(seconds))
        });
    for name in ["dateInZone", "date_in_zone"] {
        functions.add_with_context(
            name,
            |ctx: &mut Context<'_>, layout: Str, value: Value, zone: Str| {
                in_zone(ctx, &lossy(&layout), &value, &zone)
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
                Ok(by) => moved(moment(&value)?, by).map(time),
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
                match gotime::parse(&lossy(&layout), &lossy(&text)) {
                    Ok(moment) => Ok(time(moment)),
                    Err(error) if strict => fail(error.to_string()),
                    Err(_) => Ok(time(zero())),
                }
            },
        ));
    }
    functions.insert(function("unixEpoch", &INSTANT, Type::String, |_, args| {
        let value: Value = args.take();
        Ok(Value::from(moment(&value)?.at.as_second().to_string()))
    }));
}

/// A time from a text with or without zone, date or hour; the text itself if it is none of them.
pub(super) fn from_rfc3339(text: &str) -> Value {
    let layouts = [
        "2006-01-02T15:04:05Z07:00",
        "2006-01-02T15:04:05",
        "2006-01-02",
        "15:04:05",
    ];
    let found = layouts
        .iter()
        .find_map(|layout| gotime::parse(layout, text).ok());
    found.map_or_else(|| Value::str(text), time)
}

/// Go's zero time: the first of January of the year 1.
fn zero() -> Moment {
    Moment::utc(Timestamp::from_second(-62_135_596_800).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn moved(moment: &Moment, by: i64) -> Result<Moment, CallError> {
    match moment.at.checked_add(SignedDuration::from_nanos(by)) {
        Ok(at) => Ok(Moment {
            at,
            zone: moment.zone.clone(),
        }),
        Err(_) => fail("date is out of range"),
    }
}

/// A moment, Unix seconds, or the present for everything else.
fn point(ctx: &mut Context<'_>, value: &Value) -> Result<Moment, CallError> {
    match value {
        Value::Int(IntKind::Int | IntKind::Int32 | IntKind::Int64, seconds) => {
            Timestamp::from_second(*seconds)
                .map(Moment::utc)
                .map_err(|_| CallError::text("date is out of range"))
        }
        value => match as_time(value) {
            Some(time) => Ok(time.0.in_zone(jiff::tz::TimeZone::UTC)),
            None => now(ctx),
        },
    }
}

fn in_zone(
    ctx: &mut Context<'_>,
    layout: &str,
    value: &Value,
    zone: &Str,
) -> Result<String, CallError> {
    let zone = gotime::zone(&lossy(zone)).unwrap_or(jiff::tz::TimeZone::UTC);
    Ok(point(ctx, value)?.in_zone(zone).format(layout))
}

fn since(now: &Moment, then: &Moment) -> i64 {
    let nanoseconds = now.at.as_nanosecond() - then.at.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
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

/// `Duration.Round`: to the nearest multiple, halves away from zero.
fn round_to(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanoseconds;
    }
    let rest = nanoseconds % unit;
    let down = nanoseconds - rest;
    if rest.unsigned_abs() * 2 < unit.unsigned_abs() {
        down
    } else if nanoseconds < 0 {
        down.checked_sub(unit).unwrap_or(i64::MIN)
    } else {
        down.checked_add(unit).unwrap_or(i64::MAX)
    }
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
            Ok(duration(match (unit > 0, round) {
                (false, _) => value,
                (true, true) => round_to(value, unit),
                (true, false) => value - value % unit,
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
        Value::Int(kind, bits) => {
            let seconds = if kind.is_signed() {
                i128::from(*bits)
            } else {
                i128::from(bits.cast_unsigned())
            };
            i64::try_from(seconds)
                .ok()
                .and_then(|s| s.checked_mul(SECOND))
                .ok_or_else(|| format!("duration seconds overflow: {seconds}"))
        }
        Value::Float(_) => from_seconds(to_float(value)),
        other => Err(format!("unsupported duration type {}", other.type_name())),
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
            assert_eq!(round_to(value, unit), want);
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
