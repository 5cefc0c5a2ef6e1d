//! Times, durations, months and days of the week as templates hold them, with their methods.
//!
//! In: moments and nanoseconds. Out: values of Go's types `time.Time`, `time.Duration`, `time.Month` and
//! `time.Weekday`. Source: Go `time`.

use std::any::Any;
use std::rc::Rc;

use gotemplate::{
    Args, CallError, Context, Int, Method, NamedType, Native, Signature, Str, Type, Value,
};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span, Timestamp};

use super::support::{as_time, fail, lossy};
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

pub(super) static TIME: NamedType = NamedType {
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

pub(super) static DURATION: NamedType = NamedType {
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
pub(super) static INSTANT: [Type; 1] = [Type::Named(&TIME)];
pub(super) static SHIFT: [Type; 2] = [Type::String, Type::Named(&TIME)];

pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) fn moment(value: &Value) -> Result<&Moment, CallError> {
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
pub(super) fn units(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}

pub(super) fn time(moment: Moment) -> Value {
    Value::Native(Rc::new(Time(moment)))
}

pub(super) fn duration(nanoseconds: i64) -> Value {
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

/// Go's zero time: the first of January of the year 1.
pub(super) fn zero() -> Moment {
    Moment::utc(Timestamp::from_second(-62_135_596_800).unwrap_or(Timestamp::UNIX_EPOCH))
}

pub(super) fn moved(moment: &Moment, by: i64) -> Result<Moment, CallError> {
    match moment.at.checked_add(SignedDuration::from_nanos(by)) {
        Ok(at) => Ok(Moment {
            at,
            zone: moment.zone.clone(),
        }),
        Err(_) => fail("date is out of range"),
    }
}

pub(super) fn since(now: &Moment, then: &Moment) -> i64 {
    let nanoseconds = now.at.as_nanosecond() - then.at.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}
