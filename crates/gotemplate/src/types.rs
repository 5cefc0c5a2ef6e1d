//! Go types as far as templates can see them: what `%T` prints, what an argument must be, and which methods a
//! named type has.
//!
//! Maps have string keys. Types are plain data with static parts, so that signatures and method tables can be
//! constants. Struct types are described by [`crate::Native`] values, not here.

use std::fmt;

use crate::error::CallError;
use crate::exec::Context;
use crate::function::Args;
use crate::value::Value;

/// Width and sign of a Go integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntKind {
    /// `int`, 64 bits as on every platform this runs on.
    Int,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`, also `rune`
    Int32,
    /// `int64`
    Int64,
    /// `uint`
    Uint,
    /// `uint8`, also `byte`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `uintptr`
    Uintptr,
}

impl IntKind {
    /// Whether the type has a sign.
    pub const fn is_signed(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64
        )
    }

    /// The name as Go prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uintptr => "uintptr",
        }
    }

    /// What Go's conversion `T(x)` keeps of `bits`. Unsigned 64-bit values are held as the same bits.
    pub const fn wrap(self, bits: i64) -> i64 {
        match self {
            Self::Int8 => bits as i8 as i64,
            Self::Int16 => bits as i16 as i64,
            Self::Int32 => bits as i32 as i64,
            Self::Uint8 => bits as u8 as i64,
            Self::Uint16 => bits as u16 as i64,
            Self::Uint32 => bits as u32 as i64,
            Self::Int | Self::Int64 | Self::Uint | Self::Uint64 | Self::Uintptr => bits,
        }
    }
}

/// A Go type. `Display` prints what `reflect.Type.String` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: anything, also nil.
    Interface,
    /// `reflect.Value`: anything, and the difference between nil and nothing is kept. Builtins only.
    Reflect,
    /// `error`
    Error,
    /// `bool`
    Bool,
    /// An integer type.
    Int(IntKind),
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `string`
    String,
    /// `[]T`; `[]uint8` is what [`Value::Bytes`] has.
    Slice(&'static Type),
    /// `map[string]T`
    Map(&'static Type),
    /// A function type, whatever its signature.
    Func,
    /// A struct type without a name of its own.
    Struct,
    /// A named type.
    Named(&'static NamedType),
    /// A pointer to a named type.
    Pointer(&'static NamedType),
}

impl Type {
    /// `int`
    pub const INT: Self = Self::Int(IntKind::Int);
    /// `int64`
    pub const INT64: Self = Self::Int(IntKind::Int64);
    /// `[]interface {}`
    pub const LIST: Self = Self::Slice(&Self::Interface);
    /// `[]string`
    pub const STRINGS: Self = Self::Slice(&Self::String);
    /// `[]uint8`
    pub const BYTES: Self = Self::Slice(&Self::Int(IntKind::Uint8));
    /// `map[string]interface {}`
    pub const MAP: Self = Self::Map(&Self::Interface);
    /// `map[string]string`
    pub const STRING_MAP: Self = Self::Map(&Self::String);

    /// The type behind a name; the type itself if it has none.
    #[must_use]
    pub const fn underlying(self) -> Self {
        match self {
            Self::Named(named) => named.underlying,
            other => other,
        }
    }

    /// The element type of a slice or map, named or not.
    pub const fn element(self) -> Option<Self> {
        match self.underlying() {
            Self::Slice(element) | Self::Map(element) => Some(*element),
            _ => None,
        }
    }

    /// Whether nil can be given where this type is expected.
    ///
    /// Source: `canBeNil` in text/template.
    pub const fn can_be_nil(self) -> bool {
        matches!(
            self.underlying(),
            Self::Interface
                | Self::Reflect
                | Self::Error
                | Self::Slice(_)
                | Self::Map(_)
                | Self::Func
                | Self::Pointer(_)
        )
    }

    /// Go's assignability of a value of this type to `target`, for non-interface values: identical types, or the
    /// same underlying slice or map type with at most one side named.
    pub fn assignable_to(self, target: Self) -> bool {
        if self == target || target == Self::Interface {
            return true;
        }
        let one_unnamed = !matches!(self, Self::Named(_)) || !matches!(target, Self::Named(_));
        one_unnamed
            && matches!(self.underlying(), Self::Slice(_) | Self::Map(_))
            && self.underlying() == target.underlying()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface => f.write_str("interface {}"),
            Self::Reflect => f.write_str("reflect.Value"),
            Self::Error => f.write_str("error"),
            Self::Bool => f.write_str("bool"),
            Self::Int(kind) => f.write_str(kind.name()),
            Self::Float64 => f.write_str("float64"),
            Self::Complex128 => f.write_str("complex128"),
            Self::String => f.write_str("string"),
            Self::Slice(element) => write!(f, "[]{element}"),
            Self::Map(element) => write!(f, "map[string]{element}"),
            Self::Func => f.write_str("func()"),
            Self::Struct => f.write_str("struct {}"),
            Self::Named(named) => f.write_str(named.name),
            Self::Pointer(named) => write!(f, "*{}", named.name),
        }
    }
}

/// A declared Go type: its printed name, what it is made of, and its methods.
///
/// Two named types are the same type if their names are equal.
pub struct NamedType {
    /// With the package, as `%T` prints it: `common.Values`.
    pub name: &'static str,
    /// A slice, map or other unnamed type; `Type::Struct` for what a [`crate::Native`] is.
    pub underlying: Type,
    /// In any order; names are unique.
    pub methods: &'static [Method],
}

impl NamedType {
    /// The method of that name.
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl PartialEq for NamedType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedType {}

impl fmt::Debug for NamedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a function or method takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Types of the fixed parameters.
    pub params: &'static [Type],
    /// Element type of the variadic last parameter, if there is one.
    pub variadic: Option<Type>,
    /// Type of the result. `Type::Interface` makes a nil result an interface holding nil.
    pub result: Type,
}

/// The body of a method: receiver and checked arguments in, result out.
pub type MethodBody = fn(&mut Context<'_>, &Value, &mut Args) -> Result<Value, CallError>;

/// A method of a [`NamedType`].
pub struct Method {
    /// Exported Go name.
    pub name: &'static str,
    /// Parameters without the receiver.
    pub signature: Signature,
    /// Called with the receiver and arguments that fit the signature.
    pub call: MethodBody,
}

#[cfg(test)]
mod tests {
    use super::*;

    static VALUES: NamedType = NamedType {
        name: "common.Values",
        underlying: Type::MAP,
        methods: &[],
    };
    static OTHER: NamedType = NamedType {
        name: "x.Other",
        underlying: Type::MAP,
        methods: &[],
    };

    #[test]
    fn types_print_as_go_prints_them() {
        for (ty, text) in [
            (Type::Interface, "interface {}"),
            (Type::LIST, "[]interface {}"),
            (Type::BYTES, "[]uint8"),
            (Type::MAP, "map[string]interface {}"),
            (Type::Map(&Type::BYTES), "map[string][]uint8"),
            (Type::Named(&VALUES), "common.Values"),
            (Type::Pointer(&VALUES), "*common.Values"),
        ] {
            assert_eq!(ty.to_string(), text);
        }
    }

    #[test]
    fn named_maps_are_assignable_to_their_underlying_type_only() {
        assert!(Type::Named(&VALUES).assignable_to(Type::MAP));
        assert!(Type::MAP.assignable_to(Type::Named(&VALUES)));
        assert!(!Type::Named(&VALUES).assignable_to(Type::Named(&OTHER)));
        assert!(!Type::Named(&VALUES).assignable_to(Type::STRING_MAP));
        assert!(!Type::INT64.assignable_to(Type::INT));
        assert!(Type::INT64.assignable_to(Type::Interface));
    }
}
