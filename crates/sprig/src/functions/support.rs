//! What several groups of functions need: Go's reflection and conversions on template values.
//!
//! In: values. Out: kinds, texts, numbers, items; errors in the words of the Go runtime where Go
//! would panic. Source: sprig, spf13/cast 1.7.

use gotemplate::{CallError, IntKind, Str, Value, strconv};

use super::moments::Time;
use crate::gotext;

/// What Go says when it follows a nil pointer.
pub(super) const NIL_DEREFERENCE: &str =
    "runtime error: invalid memory address or nil pointer dereference";

/// An error that is only a text.
pub(super) fn fail<T>(text: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::text(text))
}

/// `reflect.Kind.String()` of the dynamic value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(kind, _) => kind.name(),
        Value::Float(_) => "float64",
        Value::Complex(_) => "complex128",
        Value::Str(_) => "string",
        Value::Bytes(_) | Value::List(_) => "slice",
        Value::Map(_) => "map",
        Value::Native(native) if native.is_pointer() => "ptr",
        Value::Native(native) => native.integer().map_or("struct", |(kind, _)| kind.name()),
        Value::Func(_) => "func",
    }
}

/// sprig's `strval`: texts and bytes as they are, what knows its text, else `%v`.
pub(super) fn strval(value: &Value) -> Str {
    match value {
        Value::Str(text) | Value::Bytes(text) => text.clone(),
        Value::Native(native) => match native.text() {
            Some(text) => text,
            None => gotext::show(value).into(),
        },
        other => gotext::show(other).into(),
    }
}

/// sprig's `empty`: zero values, and containers without anything in them.
pub(super) fn empty(value: &Value) -> bool {
    !value.truth()
}

/// sprig's `strslice`.
pub(super) fn strings(value: &Value) -> Vec<Str> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(list) => list
            .borrow()
            .iter()
            .filter(|v| !matches!(v, Value::Nil))
            .map(strval)
            .collect(),
        Value::Bytes(bytes) => bytes.iter().map(|b| Str::from(b.to_string())).collect(),
        other => vec![strval(other)],
    }
}

/// The items of a list; `doing` names the operation for the error.
pub(super) fn items(value: &Value, doing: &str) -> Result<Vec<Value>, CallError> {
    match value {
        Value::List(list) => Ok(list.to_vec()),
        Value::Bytes(bytes) => {
            let byte = |b: &u8| Value::Int(gotemplate::IntKind::Uint8, i64::from(*b));
            Ok(bytes.iter().map(byte).collect())
        }
        Value::Nil => fail(NIL_DEREFERENCE),
        other => fail(format!("{doing} type {}", kind(other))),
    }
}

/// `cast.ToInt64`: 0 for what is no number.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(_, int) => *int,
        Value::Float(float) => float_to_int(*float),
        Value::Bool(b) => i64::from(*b),
        Value::Native(native) => month_or_day(native.integer()),
        Value::Str(text) => strconv::parse_int(trim_zero_decimal(text), 0).unwrap_or_default(),
        _ => 0,
    }
}

/// Of the named integers cast knows months and days of the week, which are `int`s.
fn month_or_day(integer: Option<(IntKind, i64)>) -> i64 {
    match integer {
        Some((IntKind::Int, integer)) => integer,
        _ => 0,
    }
}

/// Go's conversion on amd64: out of range gives the smallest integer.
pub(super) fn float_to_int(float: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) {
        float as i64
    } else {
        i64::MIN
    }
}

/// Cuts `.000` off, as cast does before it reads an integer.
fn trim_zero_decimal(text: &[u8]) -> &[u8] {
    let zeros = text.iter().rev().take_while(|b| **b == b'0').count();
    let rest = &text[..text.len() - zeros];
    match rest.strip_suffix(b".") {
        Some(number) if zeros > 0 => number,
        _ => text,
    }
}

/// `cast.ToFloat64`: 0 for what is no number.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(float) => *float,
        Value::Int(kind, int) if kind.is_signed() => *int as f64,
        Value::Int(_, bits) => bits.cast_unsigned() as f64,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Native(native) => month_or_day(native.integer()) as f64,
        Value::Str(text) => strconv::parse_float(text).unwrap_or_default(),
        _ => 0.0,
    }
}

/// The text as UTF-8; other bytes become U+FFFD.
pub(super) fn lossy(text: &Str) -> std::borrow::Cow<'_, str> {
    text.to_str_lossy()
}

/// A time, if it is one.
pub(super) fn as_time(value: &Value) -> Option<&Time> {
    value.as_native::<Time>()
}

/// `bytes[start..end]` with the text of Go's panic where that is out of range.
pub(super) fn slice_bytes(
    bytes: &[u8],
    start: Option<i64>,
    end: Option<i64>,
) -> Result<&[u8], CallError> {
    let n = bytes.len();
    let bounds = "runtime error: slice bounds out of range";
    let last = match end {
        None => n,
        Some(end) => match usize::try_from(end) {
            Err(_) => return fail(format!("{bounds} [:{end}]")),
            Ok(end) if end > n => return fail(format!("{bounds} [:{end}] with length {n}")),
            Ok(end) => end,
        },
    };
    match usize::try_from(start.unwrap_or_default()) {
        Err(_) => fail(format!("{bounds} [{}:]", start.unwrap_or_default())),
        Ok(first) if first > last => fail(format!("{bounds} [{first}:{last}]")),
        Ok(first) => Ok(&bytes[first..last]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_numbers_as_cast_reads_them() {
        for (text, want) in [
            ("08", 0),
            ("12abc", 0),
            ("0x1f", 31),
            ("1e3", 0),
            ("3.9", 0),
            ("10.00", 10),
            ("-7", -7),
            ("", 0),
            (".0", 0),
        ] {
            assert_eq!(to_int(&Value::from(text)), want, "{text:?}");
        }
        assert_eq!(to_int(&Value::Float(3.9)), 3);
        assert_eq!(to_int(&Value::Float(1e21)), i64::MIN);
        assert_eq!(to_int(&Value::Nil), 0);
    }

    #[test]
    fn slices_out_of_bounds_are_errors_in_the_words_of_go() {
        for (start, end, want) in [
            (Some(1), Some(2), Ok(b"b".as_slice())),
            (
                None,
                Some(9),
                Err("runtime error: slice bounds out of range [:9] with length 3"),
            ),
            (
                None,
                Some(-1),
                Err("runtime error: slice bounds out of range [:-1]"),
            ),
            (
                Some(4),
                None,
                Err("runtime error: slice bounds out of range [4:3]"),
            ),
            (
                Some(-1),
                None,
                Err("runtime error: slice bounds out of range [-1:]"),
            ),
        ] {
            let got = slice_bytes(b"abc", start, end).map_err(|e| e.to_string());
            assert_eq!(got, want.map_err(str::to_owned));
        }
    }
}
