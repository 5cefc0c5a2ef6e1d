//! `index`, `slice` and `len`.

use super::Operand;
use crate::container::List;
use crate::error::CallError;
use crate::types::{IntKind, Type};
use crate::value::Value;

fn text<T>(message: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::Text(message.into()))
}

/// Makes a value fit a map's key type or, for `call`, a parameter: integers of any width convert.
pub(super) fn prepare_arg(arg: &Operand, ty: Type) -> Result<Value, CallError> {
    match arg.value() {
        Value::Nil if ty.can_be_nil() => Ok(Operand::zero(ty).into_value()),
        Value::Nil => text(format!("value is nil; should be of type {ty}")),
        value if value.type_of().is_some_and(|own| own.assignable_to(ty)) => Ok(value.clone()),
        value => match (value.as_integer(), ty) {
            (Some((_, int)), Type::Int(kind)) => Ok(Value::Int(kind, kind.wrap(int))),
            _ => text(format!(
                "value has type {}; should be {ty}",
                value.type_name()
            )),
        },
    }
}

/// A position in something `cap` long; `cap` itself passes.
fn position(index: &Operand, cap: usize) -> Result<usize, CallError> {
    if let Some((_, at)) = index.value().as_integer() {
        return usize::try_from(at)
            .ok()
            .filter(|at| *at <= cap)
            .map_or_else(|| text(format!("index out of range: {at}")), Ok);
    }
    match index.value() {
        Value::Nil => text("cannot index slice/array with nil"),
        other => text(format!(
            "cannot index slice/array with type {}",
            other.type_name()
        )),
    }
}

pub(super) fn index(item: &Operand, indexes: &[Operand]) -> Result<Operand, CallError> {
    let mut item = item.clone().unboxed();
    if matches!(item, Operand::Invalid) {
        return text("index of untyped nil");
    }
    for index in indexes {
        item = match item.value() {
            Value::Nil => return text("index of nil pointer"),
            Value::Str(bytes) | Value::Bytes(bytes) => {
                let is_string = matches!(item.value(), Value::Str(_));
                let at = position(index, bytes.len())?;
                let kind = if is_string { "string" } else { "slice" };
                let Some(&byte) = bytes.get(at) else {
                    return text(format!("reflect: {kind} index out of range"));
                };
                Operand::Concrete(Value::Int(IntKind::Uint8, i64::from(byte)))
            }
            Value::List(list) => {
                let at = position(index, list.len())?;
                match list.get(at) {
                    Some(value) => Operand::with_interface(value, list.holds_interfaces()),
                    None => return text("reflect: slice index out of range"),
                }
            }
            Value::Map(map) => {
                let key = prepare_arg(index, Type::String)?;
                match key.as_str().and_then(|key| map.get(key)) {
                    Some(value) => Operand::with_interface(value, map.holds_interfaces()),
                    None => Operand::zero(map.type_of().element().unwrap_or(Type::Interface)),
                }
            }
            other => return text(format!("can't index item of type {}", pointee(other))),
        };
    }
    Ok(item)
}

pub(super) fn slice(item: &Operand, indexes: &[Operand]) -> Result<Operand, CallError> {
    let value = item.value();
    if matches!(value, Value::Nil) {
        return text("slice of untyped nil");
    }
    if indexes.len() > 3 {
        return text(format!("too many slice indexes: {}", indexes.len()));
    }
    let len = match value {
        Value::Str(_) if indexes.len() == 3 => return text("cannot 3-index slice a string"),
        Value::Str(bytes) | Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        other => return text(format!("can't slice item of type {}", pointee(other))),
    };
    let mut bounds = [0, len, len];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Quirk: unlike `index`, Go's `slice` does not look into an interface here.
        if matches!(index, Operand::Boxed(_)) {
            return text("cannot index slice/array with type interface {}");
        }
        *bound = position(index, len)?;
    }
    if bounds[0] > bounds[1] {
        return text(format!(
            "invalid slice index: {} > {}",
            bounds[0], bounds[1]
        ));
    }
    if bounds[1] > bounds[2] {
        return text(format!(
            "invalid slice index: {} > {}",
            bounds[1], bounds[2]
        ));
    }
    let range = bounds[0]..bounds[1];
    Ok(Operand::Concrete(match value {
        Value::Bytes(bytes) => Value::Bytes(bytes[range].into()),
        Value::Str(bytes) => Value::Str(bytes[range].into()),
        Value::List(list) => {
            Value::List(List::typed(list.type_of(), list.borrow()[range].to_vec()))
        }
        other => other.clone(),
    }))
}

pub(super) fn len(item: &Operand) -> Result<i64, CallError> {
    let len = match (item, item.value()) {
        (Operand::Invalid, _) => {
            return text("reflect: call of reflect.Value.Type on zero Value");
        }
        (_, Value::Nil) => return text("len of nil pointer"),
        (_, Value::Str(bytes) | Value::Bytes(bytes)) => bytes.len(),
        (_, Value::List(list)) => list.len(),
        (_, Value::Map(map)) => map.len(),
        (_, other) => return text(format!("len of type {}", pointee(other))),
    };
    Ok(len as i64)
}

/// The type a pointer points to, or the type itself.
fn pointee(value: &Value) -> String {
    match value.type_of() {
        Some(Type::Pointer(named)) => named.name.to_owned(),
        _ => value.type_name().into_owned(),
    }
}
