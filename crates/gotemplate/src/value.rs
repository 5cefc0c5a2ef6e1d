//! The values templates work on: Go's dynamic values as far as Helm-like hosts use them.
//!
//! Values belong to one thread; what crosses threads is JSON.
//! A value does not know whether it sits in an interface; the evaluator keeps track of that.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::bytestr::Str;
use crate::container::{Comparing, List, Map};
use crate::function::Function;
use crate::types::{IntKind, NamedType, Type};

/// A Go value.
#[derive(Clone, Default)]
pub enum Value {
    /// An interface holding nil.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// Any integer type; unsigned 64-bit values are held as the same bits.
    Int(IntKind, i64),
    /// `float64`: also every number that came out of JSON or YAML.
    Float(f64),
    /// `complex128` as real and imaginary part; can be printed and compared, no more.
    Complex(Box<(f64, f64)>),
    /// `string`
    Str(Str),
    /// `[]byte`
    Bytes(Str),
    /// A slice of anything but bytes.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A struct, a pointer to one, an error: whatever the host brings.
    Native(Rc<dyn Native>),
    /// A function as a value, for `call`.
    Func(Arc<Function>),
}

impl Value {
    /// A Go `int`.
    pub const fn int(value: i64) -> Self {
        Self::Int(IntKind::Int, value)
    }

    /// A Go `int64`.
    pub const fn int64(value: i64) -> Self {
        Self::Int(IntKind::Int64, value)
    }

    /// A Go `string`.
    pub fn str(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// A `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items
            .into_iter()
            .map(|item| Self::Str(item.into()))
            .collect();
        Self::List(List::typed(&Type::STRINGS, items))
    }

    /// The dynamic type; `None` for nil.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(kind, _) => Type::Int(*kind),
            Self::Float(_) => Type::Float64,
            Self::Complex(_) => Type::Complex128,
            Self::Str(_) => Type::String,
            Self::Bytes(_) => Type::BYTES,
            Self::List(list) => *list.type_of(),
            Self::Map(map) => *map.type_of(),
            Self::Native(native) if native.is_pointer() => Type::Pointer(native.named_type()),
            Self::Native(native) => Type::Named(native.named_type()),
            Self::Func(_) => Type::Func,
        })
    }

    /// The name of the dynamic type as `%T` prints it; `<nil>` for nil.
    pub fn type_name(&self) -> Cow<'static, str> {
        match (self, self.type_of()) {
            (Self::Func(function), _) => Cow::Owned(function.type_text()),
            (_, Some(ty)) => Cow::Owned(ty.to_string()),
            (_, None) => Cow::Borrowed("<nil>"),
        }
    }

    /// Go's idea of truth in `if`, `with`, `and`, `or`, `not`: not the zero value, and not empty.
    ///
    /// Source: `isTrue` in text/template.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(parts) => parts.0 != 0.0 || parts.1 != 0.0,
            Self::Str(text) | Self::Bytes(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Native(native) => native.integer().is_none_or(|(_, value)| value != 0),
            Self::Func(_) => true,
        }
    }

    /// The integer, if this is one, of a named type or not.
    pub fn as_integer(&self) -> Option<(IntKind, i64)> {
        match self {
            Self::Int(kind, value) => Some((*kind, *value)),
            Self::Native(native) => native.integer(),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if this is one. `[]byte` is not.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The native object of type `T`, if this is one.
    pub fn as_native<T: Native>(&self) -> Option<&T> {
        match self {
            Self::Native(native) => native.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// `reflect.DeepEqual`: same types, same contents. Nil and empty containers differ; NaN differs from itself
    /// unless it is reached through the same container. Values that contain themselves are compared like Go does:
    /// what is being compared already counts as equal.
    pub fn deep_equal(&self, other: &Self) -> bool {
        self.equal_within(other, &mut Comparing::default())
    }

    #[expect(clippy::float_cmp, reason = "DeepEqual is Go's == on numbers")]
    pub(crate) fn equal_within(&self, other: &Self, comparing: &mut Comparing) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(kind_a, a), Self::Int(kind_b, b)) => kind_a == kind_b && a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Complex(a), Self::Complex(b)) => a == b,
            (Self::Str(a), Self::Str(b)) | (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.equal_within(b, comparing),
            (Self::Map(a), Self::Map(b)) => a.equal_within(b, comparing),
            (Self::Native(a), Self::Native(b)) => a.equals(b.as_ref()),
            _ => false,
        }
    }

    /// Whether dropping this value may have to walk further values.
    pub(crate) fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }
}

/// Like `%v`, but without the contents of native objects.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(kind, value) => write!(f, "{}({value})", kind.name()),
            Self::Float(value) => value.fmt(f),
            Self::Complex(parts) => write!(f, "({}+{}i)", parts.0, parts.1),
            Self::Str(text) => text.fmt(f),
            Self::Bytes(bytes) => write!(f, "bytes({bytes:?})"),
            Self::List(list) => f.debug_list().entries(list.borrow().iter()).finish(),
            Self::Map(map) => f.debug_map().entries(map.borrow().iter()).finish(),
            Self::Native(_) | Self::Func(_) => f.write_str(&self.type_name()),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value.into())
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Self::Str(value)
    }
}

impl From<List> for Value {
    fn from(value: List) -> Self {
        Self::List(value)
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Self {
        Self::Map(value)
    }
}

/// A host object that templates can look into: a Go struct, usually through a pointer.
pub trait Native: Any {
    /// Its type: printed name and methods.
    fn named_type(&self) -> &'static NamedType;

    /// The fields as `json.Marshal` writes them: those with a capital letter, under the names of their tags.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.fields();
        fields.retain(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
        fields
    }

    /// A copy made field by field, where that is not the same: fields without a capital letter are lost.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// Whether templates hold a pointer to it, which shows in `%T` and in `%v` (`&{…}`).
    fn is_pointer(&self) -> bool {
        false
    }

    /// The fields in declaration order. Those that do not start with a capital letter print, but templates cannot
    /// read them.
    fn fields(&self) -> Vec<(&'static str, Value)>;

    /// One field. Implement it where building all of them is too much.
    fn field(&self, name: &str) -> Option<Value> {
        self.fields()
            .into_iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// What `Error()` or `String()` gives, for types that have one; printing uses it.
    fn text(&self) -> Option<Str> {
        None
    }

    /// Whether only a pointer has the method behind [`Native::text`]. A struct that is held as itself is then
    /// printed with it by actions, which can take its address, but not by functions.
    fn text_by_pointer(&self) -> bool {
        self.is_pointer()
    }

    /// What `GoString()` gives, for types that have one; `%#v` prints it.
    fn go_text(&self) -> Option<Str> {
        None
    }

    /// The integer that this is under a name of its own, as a `time.Duration` is an `int64`.
    fn integer(&self) -> Option<(IntKind, i64)> {
        None
    }

    /// Another integer of the same named type.
    fn with_integer(&self, _value: i64) -> Option<Value> {
        None
    }

    /// What functions get in place of a struct that is no pointer and whose methods want one: the struct
    /// without these methods.
    fn detached(&self) -> Option<Value> {
        None
    }

    /// Whether the field is declared with an interface type, so that nil in it is an interface holding nil.
    fn field_is_interface(&self, _name: &str) -> bool {
        false
    }

    /// `reflect.DeepEqual` with another native value.
    fn equals(&self, other: &dyn Native) -> bool {
        let (mine, others) = (self.fields(), other.fields());
        self.named_type() == other.named_type()
            && mine.len() == others.len()
            && mine
                .iter()
                .zip(&others)
                .all(|((_, a), (_, b))| a.deep_equal(b))
    }

    /// For [`Value::as_native`]: return `self`.
    fn as_any(&self) -> &dyn Any;
}
