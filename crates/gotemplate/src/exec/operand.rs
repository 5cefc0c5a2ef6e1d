//! Values as the evaluator holds them: with what their static Go type is.
//!
//! Go's evaluator works on `reflect.Value`s. A value read from a `map[string]interface {}` has the static type
//! `interface {}`, and errors differ from those for the same value held as itself; an interface holding nil is
//! different from no value at all. A pipeline forgets the interface around its result.

use crate::container::{List, Map};
use crate::types::{IntKind, Type};
use crate::value::Value;

/// A `reflect.Value`.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// The zero `reflect.Value`: nothing.
    Invalid,
    /// A value of its own type; never `Value::Nil`.
    Concrete(Value),
    /// A value in an `interface {}`, perhaps nil.
    Boxed(Value),
}

impl Operand {
    /// A value as `reflect.ValueOf` gives it.
    pub(crate) fn of(value: Value) -> Self {
        match value {
            Value::Nil => Self::Invalid,
            value => Self::Concrete(value),
        }
    }

    /// A value whose static type is `interface {}`, or its own.
    pub(crate) fn with_interface(value: Value, is_interface: bool) -> Self {
        if is_interface || matches!(value, Value::Nil) {
            Self::Boxed(value)
        } else {
            Self::Concrete(value)
        }
    }

    /// `indirectInterface`: what is in the interface; nothing for nil.
    pub(crate) fn unboxed(self) -> Self {
        match self {
            Self::Boxed(value) => Self::of(value),
            other => other,
        }
    }

    /// The value whatever is around it; nil for nothing.
    pub(crate) fn value(&self) -> &Value {
        match self {
            Self::Invalid => &Value::Nil,
            Self::Concrete(value) | Self::Boxed(value) => value,
        }
    }

    /// The value whatever is around it; nil for nothing.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Invalid => Value::Nil,
            Self::Concrete(value) | Self::Boxed(value) => value,
        }
    }

    /// The name of the static type.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Boxed(_) => Type::Interface.to_string(),
            Self::Concrete(value) => value.type_name().into_owned(),
            Self::Invalid => "<nil>".to_owned(),
        }
    }

    /// `reflect.Zero`.
    pub(crate) fn zero(ty: Type) -> Self {
        match ty.underlying() {
            Type::Bool => Self::Concrete(Value::Bool(false)),
            Type::Int(kind) => Self::Concrete(Value::Int(kind, 0)),
            Type::Float64 => Self::Concrete(Value::Float(0.0)),
            Type::Complex128 => Self::Concrete(Value::Complex(Box::default())),
            Type::String => Self::Concrete(Value::Str(crate::Str::EMPTY)),
            Type::Slice(Type::Int(IntKind::Uint8)) => {
                Self::Concrete(Value::Bytes(crate::Str::EMPTY))
            }
            Type::Slice(element) => Self::Concrete(Value::List(List::nil(slice_of(*element)))),
            Type::Map(element) => Self::Concrete(Value::Map(Map::nil(map_of(*element)))),
            Type::Reflect => Self::Invalid,
            _ => Self::Boxed(Value::Nil),
        }
    }
}

/// The common slice types; others lose their element type, which only a printed type name could show.
const fn slice_of(element: Type) -> &'static Type {
    match element {
        Type::String => &Type::STRINGS,
        _ => &Type::LIST,
    }
}

const fn map_of(element: Type) -> &'static Type {
    match element {
        Type::String => &Type::STRING_MAP,
        _ => &Type::MAP,
    }
}
