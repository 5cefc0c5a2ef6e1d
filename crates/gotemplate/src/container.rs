//! Lists and maps with identity: clones share the contents, as copies of Go's slices and maps do.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use crate::bytestr::Str;
use crate::error::CallError;
use crate::meter;
use crate::types::Type;
use crate::value::Value;

/// Pairs of containers met during one comparison: what is met again is being compared already.
#[derive(Default)]
pub(crate) struct Comparing(HashSet<(usize, usize)>);

/// What a container takes beside its entries.
const CONTAINER_BYTES: usize = 64;
/// An entry of a map, with what the nodes of its tree leave empty.
const ENTRY_BYTES: usize = size_of::<(Str, Value)>() * 3 / 2;

struct ListCell {
    is_nil: bool,
    items: RefCell<Vec<Value>>,
    held_bytes: usize,
}

impl ListCell {
    fn new(is_nil: bool, items: Vec<Value>) -> Rc<Self> {
        let held_bytes = CONTAINER_BYTES + items.capacity() * size_of::<Value>();
        meter::hold(held_bytes);
        Rc::new(Self {
            is_nil,
            items: RefCell::new(items),
            held_bytes,
        })
    }
}

/// A Go slice of anything but bytes. Clones share the elements.
#[derive(Clone)]
pub struct List {
    pub(crate) ty: &'static Type,
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
            cell: ListCell::new(false, items),
        }
    }

    /// The nil slice of a type: empty, printed like an empty one, equal to nil.
    pub fn nil(ty: &'static Type) -> Self {
        Self {
            ty,
            cell: ListCell::new(true, Vec::new()),
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

    pub(crate) fn equal_within(&self, other: &Self, comparing: &mut Comparing) -> bool {
        if self.ty != other.ty || self.is_nil() != other.is_nil() {
            return false;
        }
        let pair = (
            Rc::as_ptr(&self.cell).addr(),
            Rc::as_ptr(&other.cell).addr(),
        );
        if self.same(other) || !comparing.0.insert(pair) {
            return true;
        }
        let (mine, others) = (self.borrow(), other.borrow());
        meter::work(1 + mine.len().min(others.len()) as u64);
        mine.len() == others.len()
            && crate::stack::grow(|| {
                mine.iter()
                    .zip(others.iter())
                    .all(|(a, b)| a.equal_within(b, comparing))
            })
    }
}

struct MapCell {
    is_nil: bool,
    entries: RefCell<BTreeMap<Str, Value>>,
    held_bytes: Cell<usize>,
}

impl MapCell {
    fn new(is_nil: bool, entries: BTreeMap<Str, Value>) -> Rc<Self> {
        let held_bytes = CONTAINER_BYTES + entries.len() * ENTRY_BYTES;
        meter::hold(held_bytes);
        Rc::new(Self {
            is_nil,
            entries: RefCell::new(entries),
            held_bytes: Cell::new(held_bytes),
        })
    }
}

/// A Go map with string keys, ordered by key bytes. Clones share the entries.
#[derive(Clone)]
pub struct Map {
    pub(crate) ty: &'static Type,
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
            cell: MapCell::new(false, entries),
        }
    }

    /// The nil map of a type: reads as empty, cannot be written to, equal to nil.
    pub fn nil(ty: &'static Type) -> Self {
        Self {
            ty,
            cell: MapCell::new(true, BTreeMap::new()),
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
        let old = self.cell.entries.borrow_mut().insert(key.into(), value);
        if old.is_none() {
            self.cell.held_bytes.update(|held| held + ENTRY_BYTES);
            meter::hold(ENTRY_BYTES);
        }
        Ok(old)
    }

    /// Removes a key, for every holder.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let old = self.cell.entries.borrow_mut().remove(key);
        if old.is_some() {
            self.cell.held_bytes.update(|held| held - ENTRY_BYTES);
            meter::release(ENTRY_BYTES);
        }
        old
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

    pub(crate) fn equal_within(&self, other: &Self, comparing: &mut Comparing) -> bool {
        if self.ty != other.ty || self.is_nil() != other.is_nil() {
            return false;
        }
        let pair = (
            Rc::as_ptr(&self.cell).addr(),
            Rc::as_ptr(&other.cell).addr(),
        );
        if self.same(other) || !comparing.0.insert(pair) {
            return true;
        }
        let (mine, others) = (self.borrow(), other.borrow());
        meter::work(1 + mine.len().min(others.len()) as u64);
        mine.len() == others.len()
            && crate::stack::grow(|| {
                mine.iter()
                    .zip(others.iter())
                    .all(|((key_a, a), (key_b, b))| key_a == key_b && a.equal_within(b, comparing))
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

impl Value {
    /// Empties every container that can be reached from this one, for every holder.
    ///
    /// A container that contains itself is never freed otherwise; templates make such (`set . "root" $`). Hosts that
    /// render often call this with the data of a rendering when nothing looks at it any more.
    pub fn take_apart(self) {
        let mut pending = vec![self];
        while let Some(value) = pending.pop() {
            match value {
                Self::List(list) => pending.append(&mut list.cell.items.borrow_mut()),
                Self::Map(map) => {
                    let entries = std::mem::take(&mut *map.cell.entries.borrow_mut());
                    pending.extend(entries.into_values());
                }
                _ => {}
            }
        }
    }
}

impl Drop for ListCell {
    fn drop(&mut self) {
        meter::release(self.held_bytes);
        let items = self.items.get_mut();
        if items.iter().any(Value::is_container) {
            dismantle(std::mem::take(items));
        }
    }
}

impl Drop for MapCell {
    fn drop(&mut self) {
        meter::release(self.held_bytes.get());
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
        list.update(<[Value]>::reverse);
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
    fn values_that_contain_themselves_compare_and_stay_comparable() {
        let cycle = || {
            let map = Map::new();
            map.insert("a", Value::Map(map.clone())).unwrap();
            map.insert("b", Value::list(vec![Value::Map(map.clone())]))
                .unwrap();
            map
        };
        let (first, second) = (cycle(), cycle());
        let equal = || Value::Map(first.clone()).deep_equal(&Value::Map(second.clone()));
        assert!(equal());
        second.insert("c", Value::Nil).unwrap();
        assert!(!equal());
        for map in [first, second] {
            Value::Map(map).take_apart();
        }
    }

    #[test]
    fn what_contains_itself_is_freed_when_taken_apart() {
        let root = Map::new();
        let witness = Rc::downgrade(&root.cell);
        let list = Value::list(vec![Value::Map(root.clone())]);
        root.insert("list", list).unwrap();
        root.insert("self", Value::Map(root.clone())).unwrap();
        Value::Map(root).take_apart();
        assert_eq!(witness.strong_count(), 0);
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
