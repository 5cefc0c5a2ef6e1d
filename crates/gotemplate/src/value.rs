//! The values templates work on: Go's dynamic values as far as Helm-like hosts use them.
//!
//! Lists and maps have identity: clones share their contents, so a change made through one holder is seen by all,
//! as with Go's slices and maps. Values belong to one thread; what crosses threads is JSON.
//! A value does not know whether it sits in an interface; the evaluator keeps track of that.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::bytestr::Str;
use crate::error::CallError;
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
            Self::List(list) => *list.ty,
            Self::Map(map) => *map.ty,
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
            Self::Native(_) | Self::Func(_) => true,
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

    /// `reflect.DeepEqual`: same types, same contents; nil and empty containers differ, NaN differs from itself
    /// unless it is reached through the same container.
    pub fn deep_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(kind_a, a), Self::Int(kind_b, b)) => kind_a == kind_b && a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Complex(a), Self::Complex(b)) => a == b,
            (Self::Str(a), Self::Str(b)) | (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.deep_equal(b),
            (Self::Map(a), Self::Map(b)) => a.deep_equal(b),
            (Self::Native(a), Self::Native(b)) => a.equals(b.as_ref()),
            _ => false,
        }
    }

    /// Whether dropping this value may have to walk further values.
    fn is_container(&self) -> bool {
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

    /// Whether templates hold a pointer to it, which shows in `%T` and in `%v` (`&{…}`).
    fn is_pointer(&self) -> bool {
        false
    }

    /// The exported fields in declaration order.
    fn fields(&self) -> Vec<(&'static str, Value)>;

    /// One exported field. Implement it where building all of them is too much.
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

struct ListCell {
    is_nil: bool,
    items: RefCell<Vec<Value>>,
}

/// A Go slice of anything but bytes. Clones share the elements.
#[derive(Clone)]
pub struct List {
    ty: &'static Type,
    cell: Rc<ListCell>,
}

impl List {
    /// A `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(&Type::LIST, items)
    }

    /// A slice of another type. The elements must have the element type of `ty`.
    pub fn typed(ty: &'static Type, items: Vec<Value>) -> Self {
        Self {
            ty,
            cell: Rc::new(ListCell {
                is_nil: false,
                items: RefCell::new(items),
            }),
        }
    }

    /// The nil slice of a type: empty, printed like an empty one, equal to nil.
    pub fn nil(ty: &'static Type) -> Self {
        Self {
            ty,
            cell: Rc::new(ListCell {
                is_nil: true,
                items: RefCell::default(),
            }),
        }
    }

    /// The type, named or not.
    pub fn type_of(&self) -> &'static Type {
        self.ty
    }

    /// The same elements under another type.
    #[must_use]
    pub fn retyped(&self, ty: &'static Type) -> Self {
        Self {
            ty,
            cell: Rc::clone(&self.cell),
        }
    }

    /// Whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.cell.is_nil
    }

    /// Whether the elements are interfaces, so that nil among them is an interface holding nil.
    pub fn holds_interfaces(&self) -> bool {
        self.ty.element() == Some(Type::Interface)
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.cell.items.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.cell.items.borrow().get(index).cloned()
    }

    /// The elements, to read. Do not change this list while holding the result.
    pub fn borrow(&self) -> Ref<'_, Vec<Value>> {
        self.cell.items.borrow()
    }

    /// A copy of the elements as they are now.
    pub fn to_vec(&self) -> Vec<Value> {
        self.cell.items.borrow().clone()
    }

    /// Changes the elements in place, for every holder. `change` must not look at this list otherwise.
    pub fn update(&self, change: impl FnOnce(&mut [Value])) {
        change(&mut self.cell.items.borrow_mut());
    }

    /// Whether both share their elements.
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.cell, &other.cell)
    }

    fn deep_equal(&self, other: &Self) -> bool {
        if self.ty != other.ty || self.is_nil() != other.is_nil() {
            return false;
        }
        if self.same(other) {
            return true;
        }
        let (mine, others) = (self.borrow(), other.borrow());
        mine.len() == others.len()
            && crate::stack::grow(|| mine.iter().zip(others.iter()).all(|(a, b)| a.deep_equal(b)))
    }
}

struct MapCell {
    is_nil: bool,
    entries: RefCell<BTreeMap<Str, Value>>,
}

/// A Go map with string keys, ordered by key bytes. Clones share the entries.
#[derive(Clone)]
pub struct Map {
    ty: &'static Type,
    cell: Rc<MapCell>,
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::from_entries(BTreeMap::new())
    }

    /// A `map[string]interface {}`.
    pub fn from_entries(entries: BTreeMap<Str, Value>) -> Self {
        Self::typed(&Type::MAP, entries)
    }

    /// A map of another type. The values must have the element type of `ty`.
    pub fn typed(ty: &'static Type, entries: BTreeMap<Str, Value>) -> Self {
        Self {
            ty,
            cell: Rc::new(MapCell {
                is_nil: false,
                entries: RefCell::new(entries),
            }),
        }
    }

    /// The nil map of a type: reads as empty, cannot be written to, equal to nil.
    pub fn nil(ty: &'static Type) -> Self {
        Self {
            ty,
            cell: Rc::new(MapCell {
                is_nil: true,
                entries: RefCell::default(),
            }),
        }
    }

    /// The type, named or not.
    pub fn type_of(&self) -> &'static Type {
        self.ty
    }

    /// The same entries under another type.
    #[must_use]
    pub fn retyped(&self, ty: &'static Type) -> Self {
        Self {
            ty,
            cell: Rc::clone(&self.cell),
        }
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.cell.is_nil
    }

    /// Whether the values are interfaces, so that nil among them is an interface holding nil.
    pub fn holds_interfaces(&self) -> bool {
        self.ty.element() == Some(Type::Interface)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.cell.entries.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.cell.entries.borrow().get(key).cloned()
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &[u8]) -> bool {
        self.cell.entries.borrow().contains_key(key)
    }

    /// Sets a key, for every holder; gives back what was there.
    ///
    /// # Errors
    /// On a nil map, with the text of Go's panic.
    pub fn insert(&self, key: impl Into<Str>, value: Value) -> Result<Option<Value>, CallError> {
        if self.cell.is_nil {
            return Err(CallError::text("assignment to entry in nil map"));
        }
        Ok(self.cell.entries.borrow_mut().insert(key.into(), value))
    }

    /// Removes a key, for every holder.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        self.cell.entries.borrow_mut().remove(key)
    }

    /// The entries, to read. Do not change this map while holding the result.
    pub fn borrow(&self) -> Ref<'_, BTreeMap<Str, Value>> {
        self.cell.entries.borrow()
    }

    /// The entries as they are now, in key order.
    pub fn to_vec(&self) -> Vec<(Str, Value)> {
        self.borrow()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// A copy with its own entries; nested containers stay shared.
    #[must_use]
    pub fn shallow_copy(&self) -> Self {
        Self::typed(self.ty, self.borrow().clone())
    }

    /// Whether both share their entries.
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.cell, &other.cell)
    }

    fn deep_equal(&self, other: &Self) -> bool {
        if self.ty != other.ty || self.is_nil() != other.is_nil() {
            return false;
        }
        if self.same(other) {
            return true;
        }
        let (mine, others) = (self.borrow(), other.borrow());
        mine.len() == others.len()
            && crate::stack::grow(|| {
                mine.iter()
                    .zip(others.iter())
                    .all(|((key_a, a), (key_b, b))| key_a == key_b && a.deep_equal(b))
            })
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        Self::from_entries(entries.collect())
    }
}

/// A template can nest values as deep as its fuel lasts, so they are taken apart by a loop: recursion would
/// overflow the stack.
fn dismantle(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(mut list) => {
                if let Some(cell) = Rc::get_mut(&mut list.cell) {
                    pending.append(cell.items.get_mut());
                }
            }
            Value::Map(mut map) => {
                if let Some(cell) = Rc::get_mut(&mut map.cell) {
                    pending.extend(std::mem::take(cell.entries.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

impl Drop for ListCell {
    fn drop(&mut self) {
        let items = self.items.get_mut();
        if items.iter().any(Value::is_container) {
            dismantle(std::mem::take(items));
        }
    }
}

impl Drop for MapCell {
    fn drop(&mut self) {
        let entries = self.entries.get_mut();
        if entries.values().any(Value::is_container) {
            dismantle(std::mem::take(entries).into_values().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_contents() {
        let map = Map::new();
        let alias = map.clone();
        map.insert("a", Value::int(1)).unwrap();
        assert!(alias.contains_key(b"a"));
        let list = List::new(vec![Value::int(2), Value::int(1)]);
        let view = list.retyped(&Type::STRINGS);
        list.update(|items| items.reverse());
        assert!(view.get(0).unwrap().deep_equal(&Value::int(1)));
    }

    #[test]
    fn nil_map_reads_as_empty_and_refuses_writes() {
        let map = Map::nil(&Type::MAP);
        assert!(map.get(b"a").is_none() && map.is_empty());
        let error = map.insert("a", Value::Nil).unwrap_err();
        assert_eq!(error.to_string(), "assignment to entry in nil map");
        assert!(!Value::Map(map).deep_equal(&Value::Map(Map::new())));
    }

    #[test]
    fn equality_is_deep_and_strict_about_types() {
        let list = |value: Value| Value::list(vec![value]);
        assert!(list(Value::int(1)).deep_equal(&list(Value::int(1))));
        assert!(!list(Value::int(1)).deep_equal(&list(Value::int64(1))));
        assert!(!list(Value::int(1)).deep_equal(&list(Value::Float(1.0))));
        assert!(!Value::list(vec![]).deep_equal(&Value::strings(Vec::<&str>::new())));
        assert!(!Value::Float(f64::NAN).deep_equal(&Value::Float(f64::NAN)));
        let map = |value: Value| Value::Map(Map::from_iter([("k", value)]));
        assert!(map(list(Value::Nil)).deep_equal(&map(list(Value::Nil))));
        assert!(!map(Value::Nil).deep_equal(&Value::Map(Map::new())));
    }

    #[test]
    fn a_million_nested_lists_are_dropped_without_a_deep_stack() {
        let mut value = Value::Nil;
        for _ in 0..1_000_000 {
            value = Value::list(vec![value]);
        }
        drop(value);
    }
}
