//! Times, durations, months and days of the week as templates hold them, with their methods.
//!
//! In: moments and nanoseconds. Out: values of Go's types `time.Time`, `time.Duration`, `time.Month` and
//! `time.Weekday`. Source: Go `time`.

use std::any::Any;
use std::rc::Rc;

use gotemplate::{
    Args, CallError, Context, Int, IntKind, Method, NamedType, Native, Signature, Str, Type, Value,
};

use super::support::{as_time, fail};
use crate::gotime::{self, Civil, Moment, Zone};

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
                Ok(Value::str(moment(this)?.format_bytes(&layout)))
            },
        },
        method("String", Type::String, |_, t, _| {
            Ok(Value::from(moment(t)?.format(TEXT_LAYOUT)))
        }),
        method("Unix", Type::INT64, |_, t, _| {
            Ok(Value::int64(moment(t)?.seconds))
        }),
        method("UnixMilli", Type::INT64, |_, t, _| unix(t, 1_000)),
        method("UnixMicro", Type::INT64, |_, t, _| unix(t, 1_000_000)),
        method("UnixNano", Type::INT64, |_, t, _| unix(t, 1_000_000_000)),
        method("Nanosecond", Type::INT, |_, t, _| {
            Ok(Value::int(i64::from(moment(t)?.nanosecond)))
        }),
        method("Year", Type::INT, |_, t, _| part(t, |c| c.year)),
        method("Day", Type::INT, |_, t, _| part(t, |c| c.day)),
        method("YearDay", Type::INT, |_, t, _| part(t, |c| c.year_day)),
        method("Hour", Type::INT, |_, t, _| part(t, |c| c.hour)),
        method("Minute", Type::INT, |_, t, _| part(t, |c| c.minute)),
        method("Second", Type::INT, |_, t, _| part(t, |c| c.second)),
        method("UTC", Type::Named(&TIME), |_, t, _| {
            Ok(time(moment(t)?.in_zone(Zone::Utc)))
        }),
        method("Local", Type::Named(&TIME), |_, t, _| {
            Ok(time(moment(t)?.in_zone(Zone::Local)))
        }),
        method("GoString", Type::String, |_, t, _| {
            Ok(Value::from(moment(t)?.go_text()))
        }),
        method("Month", Type::Named(&MONTH), |_, t, _| {
            Ok(named(&MONTH, moment(t)?.civil().month))
        }),
        method("Weekday", Type::Named(&WEEKDAY), |_, t, _| {
            Ok(named(&WEEKDAY, moment(t)?.civil().week_day))
        }),
        method("IsZero", Type::Bool, |_, t, _| {
            let (moment, zero) = (moment(t)?, zero());
            let is_zero = moment.seconds == zero.seconds && moment.nanosecond == 0;
            Ok(Value::Bool(is_zero))
        }),
        takes("After", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(instant(moment(t)?) > next(a)?))
        }),
        takes("Before", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(instant(moment(t)?) < next(a)?))
        }),
        takes("Equal", &INSTANT, Type::Bool, |_, t, a| {
            Ok(Value::Bool(instant(moment(t)?) == next(a)?))
        }),
        takes("Compare", &INSTANT, Type::INT, |_, t, a| {
            let order = instant(moment(t)?).cmp(&next(a)?);
            Ok(Value::int(order as i64))
        }),
        takes("Sub", &INSTANT, Type::Named(&DURATION), |_, t, a| {
            let other: Value = a.take();
            Ok(duration(moment(t)?.since(moment(&other)?)))
        }),
        takes("Add", &SPAN, Type::Named(&TIME), |_, t, a| {
            let by: Value = a.take();
            Ok(time(moment(t)?.add(span(&by))))
        }),
        takes("AddDate", &DATE, Type::Named(&TIME), |_, t, a| {
            let (years, months, days): (Int, Int, Int) = (a.take(), a.take(), a.take());
            Ok(time(moment(t)?.add_date(years.0, months.0, days.0)))
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
        Ok(match this {
            Value::Native(native) => Value::Str(native.text().unwrap_or_default()),
            _ => Value::str(""),
        })
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
    number: i64,
}

fn named(named_type: &'static NamedType, number: i64) -> Value {
    Value::Native(Rc::new(NamedInt { named_type, number }))
}

impl Native for NamedInt {
    fn named_type(&self) -> &'static NamedType {
        self.named_type
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn text(&self) -> Option<Str> {
        let (kind, name) = if self.named_type == &MONTH {
            ("Month", gotime::month_name(self.number))
        } else {
            ("Weekday", gotime::day_name(self.number))
        };
        Some(match name {
            Some(name) => Str::from_static(name),
            None => format!("%!{kind}({})", self.number as u64).into(),
        })
    }

    fn integer(&self) -> Option<(IntKind, i64)> {
        Some((IntKind::Int, self.number))
    }

    fn with_integer(&self, value: i64) -> Option<Value> {
        Some(named(self.named_type, value))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|o| o.named_type == self.named_type && o.number == self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Seconds and nanoseconds, which order moments.
fn instant(moment: &Moment) -> (i64, i32) {
    (moment.seconds, moment.nanosecond)
}

/// The moment in the next argument.
fn next(args: &mut Args) -> Result<(i64, i32), CallError> {
    let other: Value = args.take();
    Ok(instant(moment(&other)?))
}

/// Time since 1970 in fractions of a second; it goes round where there is no room.
fn unix(value: &Value, per_second: i64) -> Result<Value, CallError> {
    let moment = moment(value)?;
    let fraction = i64::from(moment.nanosecond) / (1_000_000_000 / per_second);
    let whole = moment.seconds.wrapping_mul(per_second);
    Ok(Value::int64(whole.wrapping_add(fraction)))
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
        method("Abs", Type::Named(&DURATION), |_, d, _| {
            Ok(duration(span(d).checked_abs().unwrap_or(i64::MAX)))
        }),
        takes("Round", &SPAN, Type::Named(&DURATION), |_, d, a| {
            let unit: Value = a.take();
            Ok(duration(gotime::round(span(d), span(&unit))))
        }),
        takes("Truncate", &SPAN, Type::Named(&DURATION), |_, d, a| {
            let unit: Value = a.take();
            Ok(duration(gotime::truncate(span(d), span(&unit))))
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

fn part(value: &Value, get: fn(Civil) -> i64) -> Result<Value, CallError> {
    Ok(Value::int(get(moment(value)?.civil())))
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

    fn go_text(&self) -> Option<Str> {
        Some(self.0.go_text().into())
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

    fn integer(&self) -> Option<(IntKind, i64)> {
        Some((IntKind::Int64, self.0))
    }

    fn with_integer(&self, value: i64) -> Option<Value> {
        Some(duration(value))
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
    Moment::utc(-62_135_596_800, 0)
}
