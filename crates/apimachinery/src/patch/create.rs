//! Strategic merge patches made from two or three states of an object.
//!
//! Source: k8s.io/apimachinery `pkg/util/strategicpatch/patch.go` (`CreateTwoWayMergeMapPatch`,
//! `CreateThreeWayMergePatch` with overwrite, which is kubectl's default: it looks for no
//! conflicts).

use serde_json::{Map, Value};

use super::Error;
use super::lists::{self, Elements};
use super::strategic::{
    At, DELETE_FROM, DIRECTIVE, ELEMENT_ORDER, Fields, Mode, RETAIN_KEYS, bad_type, element_of,
    go_type, internal, lookup, merge_map, no_merge_key,
};
use crate::gotext::go_text;
use crate::types::TypeRef;

/// The patch that turns `from` into `to`; `{}` when nothing differs.
pub fn create_strategic_merge_patch(
    from: &Map<String, Value>,
    to: &Map<String, Value>,
    of: TypeRef<'_>,
) -> Result<Value, Error> {
    Diff::EVERYTHING.maps(from, to, of).map(Value::Object)
}

/// The patch that client-side apply sends: what `to` sets otherwise than `live`, and the removal of
/// what `last` had and `to` has no more. `last` is what was applied before, `live` what is stored.
pub fn create_three_way_merge_patch(
    last: &Map<String, Value>,
    to: &Map<String, Value>,
    live: &Map<String, Value>,
    of: TypeRef<'_>,
) -> Result<Value, Error> {
    let changes = Diff {
        deletions: false,
        ..Diff::EVERYTHING
    }
    .maps(live, to, of)?;
    let deletions = Diff {
        additions: false,
        ..Diff::EVERYTHING
    }
    .maps(last, to, of)?;
    merge_map(
        deletions,
        changes,
        At {
            of,
            mode: Mode::Combine,
        },
    )
    .map(Value::Object)
}

/// What a comparison looks for.
#[derive(Clone, Copy)]
struct Diff {
    additions: bool,
    deletions: bool,
    retain_keys: bool,
}

impl Diff {
    const EVERYTHING: Self = Self {
        additions: true,
        deletions: true,
        retain_keys: false,
    };

    fn maps(self, from: &Fields, to: &Fields, of: TypeRef<'_>) -> Result<Fields, Error> {
        let mut patch = Fields::new();
        for (name, new) in to {
            let Some(old) = from.get(name) else {
                self.put(&mut patch, name, new);
                continue;
            };
            if name == DIRECTIVE {
                if !old.is_string() || !new.is_string() {
                    return Err(internal(format!(
                        "invalid value for special key: {DIRECTIVE}"
                    )));
                }
                if old != new {
                    patch.insert(name.clone(), new.clone());
                }
                continue;
            }
            match (old, new) {
                (Value::Object(old), Value::Object(new)) => {
                    self.object(&mut patch, name, old, new, of)?;
                }
                (Value::Array(old), Value::Array(new)) => {
                    self.list(&mut patch, name, old, new, of)?;
                }
                (old, new) if old != new || go_type(old) != go_type(new) => {
                    self.put(&mut patch, name, new);
                }
                _ => {}
            }
        }
        if self.deletions {
            for name in from.keys().filter(|name| !to.contains_key(*name)) {
                patch.insert(name.clone(), Value::Null);
            }
        }
        let lost = || {
            from.iter()
                .any(|(name, old)| !old.is_null() && !to.contains_key(name))
        };
        if self.retain_keys && (!patch.is_empty() || lost()) {
            let kept: Vec<Value> = to
                .iter()
                .filter(|(_, new)| !new.is_null())
                .map(|(name, _)| Value::from(name.as_str()))
                .collect();
            if !kept.is_empty() {
                patch.insert(RETAIN_KEYS.to_owned(), Value::Array(kept));
            }
        }
        Ok(patch)
    }

    fn put(self, patch: &mut Fields, name: &str, new: &Value) {
        if self.additions {
            patch.insert(name.to_owned(), new.clone());
        }
    }

    fn object(
        self,
        patch: &mut Fields,
        name: &str,
        old: &Fields,
        new: &Fields,
        of: TypeRef<'_>,
    ) -> Result<(), Error> {
        let (of, strategy) = match lookup(of, name) {
            Err(_) if old == new => return Ok(()),
            found => found?,
        };
        if strategy.replace {
            self.put(patch, name, &Value::Object(new.clone()));
            return Ok(());
        }
        let diff = Self {
            retain_keys: strategy.retain_keys,
            ..self
        };
        let changes = diff.maps(old, new, of)?;
        if !changes.is_empty() {
            patch.insert(name.to_owned(), Value::Object(changes));
        }
        Ok(())
    }

    fn list(
        self,
        patch: &mut Fields,
        name: &str,
        old: &[Value],
        new: &[Value],
        of: TypeRef<'_>,
    ) -> Result<(), Error> {
        let (of, strategy) = match lookup(of, name) {
            Err(_) if old == new => return Ok(()),
            found => found?,
        };
        if !strategy.merge {
            if old != new {
                self.put(patch, name, &Value::from(new.to_vec()));
            }
            return Ok(());
        }
        let diff = Self {
            retain_keys: strategy.retain_keys,
            ..self
        };
        let key = strategy.merge_key.as_deref().unwrap_or("");
        let changes = diff.merged_list(old, new, key, element_of(of))?;
        let mut put = |name: String, items: Vec<Value>| {
            if !items.is_empty() {
                patch.insert(name, Value::Array(items));
            }
        };
        put(name.to_owned(), changes.patch);
        put(format!("{DELETE_FROM}/{name}"), changes.deletions);
        put(format!("{ELEMENT_ORDER}/{name}"), changes.order);
        Ok(())
    }

    fn merged_list(
        self,
        old: &[Value],
        new: &[Value],
        key: &str,
        element: TypeRef<'_>,
    ) -> Result<ListChanges, Error> {
        if old.is_empty() {
            let patch = if self.additions {
                new.to_vec()
            } else {
                Vec::new()
            };
            return Ok(ListChanges {
                patch,
                ..ListChanges::default()
            });
        }
        match Elements::of(&[old, new])? {
            Elements::Maps => self.list_of_maps(old, new, key, element),
            Elements::Scalars => self.list_of_scalars(old, new),
        }
    }

    fn list_of_maps(
        self,
        old: &[Value],
        new: &[Value],
        key: &str,
        element: TypeRef<'_>,
    ) -> Result<ListChanges, Error> {
        let (old_sorted, new_sorted) = (by_key(old, key)?, by_key(new, key)?);
        let (mut patch, mut deletions) = (Vec::new(), Vec::new());
        let mut olds = old_sorted.into_iter().peekable();
        let mut news = new_sorted.into_iter().peekable();
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(old), Some(new)) => old.text.cmp(&new.text),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            match (old, new) {
                (Some(old), Some(new)) => {
                    let mut changes = self.maps(old.fields, new.fields, element)?;
                    if !changes.is_empty() {
                        changes.insert(key.to_owned(), new.value.clone());
                        patch.push(Value::Object(changes));
                    }
                }
                (None, Some(new)) if self.additions => {
                    patch.push(Value::Object(new.fields.clone()));
                }
                (Some(old), None) if self.deletions => {
                    let mut directive = Fields::new();
                    directive.insert(key.to_owned(), old.value.clone());
                    directive.insert(DIRECTIVE.to_owned(), Value::from("delete"));
                    deletions.push(Value::Object(directive));
                }
                _ => {}
            }
        }
        let mut patch = lists::sorted(patch, new, key, Elements::Maps)?;
        let keys = |items: &[Value]| -> Vec<Value> {
            items
                .iter()
                .map(|item| item.get(key).cloned().unwrap_or_default())
                .collect()
        };
        let same_order = keys(old) == keys(new);
        patch.append(&mut deletions);
        let changed = !patch.is_empty();
        let ordered = self.additions && (changed || !same_order) || self.deletions && changed;
        let only_key = |value| Value::Object([(key.to_owned(), value)].into_iter().collect());
        let order = if ordered {
            keys(new).into_iter().map(only_key).collect()
        } else {
            Vec::new()
        };
        Ok(ListChanges {
            patch,
            deletions: Vec::new(),
            order,
        })
    }

    fn list_of_scalars(self, old: &[Value], new: &[Value]) -> Result<ListChanges, Error> {
        let sorted = |items: &[Value]| {
            let mut items: Vec<(String, Value)> = items
                .iter()
                .map(|item| (go_text(item), item.clone()))
                .collect();
            items.sort_by(|a, b| a.0.cmp(&b.0));
            items
        };
        let (old, new_sorted) = (sorted(old), sorted(new));
        let (mut additions, mut deletions) = (Vec::new(), Vec::new());
        let (mut o, mut n) = (0, 0);
        while o < old.len() || n < new_sorted.len() {
            let order = match (old.get(o), new_sorted.get(n)) {
                (Some(old), Some(new)) => old.0.cmp(&new.0),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            if order.is_lt() {
                deletions.push(old[o].1.clone());
            } else if order.is_gt() {
                additions.push(new_sorted[n].1.clone());
            }
            o += usize::from(order.is_le());
            n += usize::from(order.is_ge());
        }
        if !self.additions {
            additions.clear();
        }
        if !self.deletions {
            deletions.clear();
        }
        let patch = lists::sorted(additions, new, "", Elements::Scalars)?;
        // Quirk: upstream has sorted the old list in place by now, so that an unsorted list that
        // did not change counts as changed.
        let same = old.iter().map(|(_, item)| item).eq(new);
        let ordered = !deletions.is_empty() || self.additions && !same;
        let order = if ordered { new.to_vec() } else { Vec::new() };
        Ok(ListChanges {
            patch,
            deletions: lists::deduplicate(deletions),
            order,
        })
    }
}

#[derive(Default)]
struct ListChanges {
    /// Elements to merge, deletions of objects last.
    patch: Vec<Value>,
    /// Scalars to delete.
    deletions: Vec<Value>,
    /// The order of all elements; empty when it does not matter.
    order: Vec<Value>,
}

struct Keyed<'a> {
    text: String,
    value: &'a Value,
    fields: &'a Fields,
}

/// Objects sorted by the text of their key.
fn by_key<'a>(items: &'a [Value], key: &str) -> Result<Vec<Keyed<'a>>, Error> {
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let fields = item
            .as_object()
            .ok_or_else(|| bad_type("map[string]interface {}", item))?;
        let value = fields.get(key).ok_or_else(|| no_merge_key(fields, key))?;
        keyed.push(Keyed {
            text: go_text(value),
            value,
            fields,
        });
    }
    keyed.sort_by(|a, b| a.text.cmp(&b.text));
    Ok(keyed)
}
