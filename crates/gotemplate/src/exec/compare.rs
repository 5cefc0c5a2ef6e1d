//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

use std::rc::Rc;

use super::Operand;
use crate::error::CallError;
use crate::gofmt;
use crate::value::Value;

/// Kinds that compare with each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Other,
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
}

fn basic_kind(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(kind, _) if kind.is_signed() => Basic::Int,
        Value::Int(..) => Basic::Uint,
        Value::Float(_) => Basic::Float,
        Value::Complex(_) => Basic::Complex,
        Value::Str(_) => Basic::String,
        Value::Native(native) => match native.integer() {
            Some((kind, _)) if kind.is_signed() => Basic::Int,
            Some(_) => Basic::Uint,
            None => Basic::Other,
        },
        _ => Basic::Other,
    }
}

fn incompatible<T>(a: &Value, b: &Value) -> Result<T, CallError> {
    Err(CallError::Text(format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )))
}

/// `first` equals any of `others`.
pub(super) fn eq(first: &Operand, others: &[Operand]) -> Result<bool, CallError> {
    if others.is_empty() {
        return Err(CallError::text("missing argument for comparison"));
    }
    for other in others {
        if equal(first.value(), other.value())? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(clippy::float_cmp, reason = "eq is Go's ==")]
fn equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    if let (Some((kind_x, x)), Some((kind_y, y))) = (a.as_integer(), b.as_integer()) {
        return Ok(x == y && (kind_x.is_signed() == kind_y.is_signed() || x >= 0));
    }
    if basic_kind(a) != basic_kind(b) {
        return match (a, b) {
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            _ => incompatible(a, b),
        };
    }
    match (a, b) {
        (Value::Bool(x), Value::Bool(y)) => Ok(x == y),
        (Value::Float(x), Value::Float(y)) => Ok(x == y),
        (Value::Complex(x), Value::Complex(y)) => Ok(x == y),
        (Value::Str(x), Value::Str(y)) => Ok(x == y),
        _ => equal_others(a, b),
    }
}

/// Values of no basic kind: nil compares with anything that can be nil, pointers with pointers.
fn equal_others(a: &Value, b: &Value) -> Result<bool, CallError> {
    let is_nil = |value: &Value| match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    };
    let nothing = matches!(a, Value::Nil) || matches!(b, Value::Nil);
    if !nothing && kind(a) != kind(b) {
        let (type_a, type_b) = (a.type_name(), b.type_name());
        return Err(CallError::Text(format!(
            "non-comparable types {}: {type_a}, {type_b}: {}",
            gofmt::message("%s", a),
            gofmt::message("%v", b)
        )));
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    match (a, b) {
        (Value::Native(x), Value::Native(y)) if x.is_pointer() => Ok(Rc::ptr_eq(x, y)),
        (Value::Native(x), Value::Native(y)) => Ok(x.equals(y.as_ref())),
        _ => Err(CallError::Text(format!(
            "non-comparable type {}: {}",
            gofmt::message("%s", b),
            b.type_name()
        ))),
    }
}

/// `reflect.Kind` of values that are of no basic kind.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Bytes(_) | Value::List(_) => 1,
        Value::Map(_) => 2,
        Value::Native(native) if native.is_pointer() => 3,
        Value::Native(_) => 4,
        Value::Func(_) => 5,
        _ => 0,
    }
}

pub(super) fn lt(a: &Operand, b: &Operand) -> Result<bool, CallError> {
    let bad = || Err(CallError::text("invalid type for comparison"));
    let (a, b) = (a.value(), b.value());
    if basic_kind(a) == Basic::Other || basic_kind(b) == Basic::Other {
        return bad();
    }
    if let (Some((kind_a, x)), Some((kind_b, y))) = (a.as_integer(), b.as_integer()) {
        return Ok(match (kind_a.is_signed(), kind_b.is_signed()) {
            (true, true) => x < y,
            (false, false) => (x as u64) < (y as u64),
            (true, false) => x < 0 || (x as u64) < (y as u64),
            (false, true) => y >= 0 && (x as u64) < (y as u64),
        });
    }
    match (a, b) {
        (Value::Float(x), Value::Float(y)) => Ok(x < y),
        (Value::Str(x), Value::Str(y)) => Ok(x < y),
        _ if basic_kind(a) != basic_kind(b) => incompatible(a, b),
        _ => bad(),
    }
}

pub(super) fn le(a: &Operand, b: &Operand) -> Result<bool, CallError> {
    Ok(lt(a, b)? || eq(a, std::slice::from_ref(b))?)
}
