//! Dictionary functions. Those that change a dictionary change it for every holder, as in Go.
//!
//! In: `map[string]interface {}` values. Out: the same maps, parts of them, or new ones. Source: sprig
//! `dict.go`; merging follows mergo 1.0.1.

use std::collections::BTreeMap;

use gotemplate::{CallError, Context, Functions, Map, Rest, Str, Type, Value};

use super::support::{empty, fail, strval};
use crate::stack::grow;
use crate::values::deep_copy;

/// Nesting at which merging gives up, for maps that contain themselves.
const MERGE_DEPTH_MAX: u32 = 1_000;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("dict", dict)
        .add("get", |map: Map, key: Str| {
            map.get(&key).unwrap_or_else(|| Value::str(""))
        })
        .add("set", |map: Map, key: Str, value: Value| {
            map.insert(key, value)?;
            Ok::<_, CallError>(map)
        })
        .add("unset", |map: Map, key: Str| {
            map.remove(&key);
            map
        })
        .add("hasKey", |map: Map, key: Str| map.contains_key(&key))
        .add("pluck", |key: Str, Rest(maps): Rest<Map>| {
            maps.iter()
                .filter_map(|map| map.get(&key))
                .collect::<Vec<Value>>()
        })
        .add("keys", |Rest(maps): Rest<Map>| {
            let keys = maps
                .iter()
                .flat_map(|map| map.borrow().keys().cloned().collect::<Vec<_>>());
            keys.collect::<Vec<Str>>()
        })
        .add("values", |map: Map| {
            map.borrow().values().cloned().collect::<Vec<Value>>()
        })
        .add("pick", |map: Map, Rest(keys): Rest<Str>| {
            let found = keys
                .into_iter()
                .filter_map(|key| map.get(&key).map(|v| (key, v)));
            Map::from_entries(found.collect())
        })
        .add("omit", |map: Map, Rest(keys): Rest<Str>| {
            let mut entries: BTreeMap<Str, Value> = map.borrow().clone();
            for key in &keys {
                entries.remove(key);
            }
            Map::from_entries(entries)
        })
        .add("dig", dig);
    for (name, overwrite) in [
        ("merge", false),
        ("mustMerge", false),
        ("mergeOverwrite", true),
        ("mustMergeOverwrite", true),
    ] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, target: Map, Rest(sources): Rest<Map>| {
                let target = if target.is_nil() { Map::new() } else { target };
                for source in &sources {
                    merge(ctx, &target, source, overwrite, 0)?;
                }
                Ok::<_, CallError>(Value::Map(target))
            },
        );
    }
    for name in ["deepCopy", "mustDeepCopy"] {
        functions.add_with_context(name, |ctx: &mut Context<'_>, value: Value| {
            if matches!(value, Value::Nil) {
                return fail("reflect: call of reflect.Value.Type on zero Value");
            }
            check_copy(ctx, &value, 0, &mut 0)?;
            Ok::<_, CallError>(deep_copy(&value))
        });
    }
}

fn dict(Rest(arguments): Rest<Value>) -> Map {
    let entries = arguments.chunks(2).map(|pair| {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
        (strval(&pair[0]), value)
    });
    Map::from_entries(entries.collect())
}

fn dig(Rest(arguments): Rest<Value>) -> Result<Value, CallError> {
    let [keys @ .., default, subject] = arguments.as_slice() else {
        return fail("dig needs at least three arguments");
    };
    if keys.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let mut map = plain_map(subject)?;
    if let Some(other) = keys.iter().find(|key| key.as_str().is_none()) {
        return fail(conversion(other, "string"));
    }
    for (i, key) in keys.iter().filter_map(Value::as_str).enumerate() {
        let Some(next) = map.get(key) else {
            return Ok(default.clone());
        };
        if i + 1 == keys.len() {
            return Ok(next);
        }
        map = plain_map(&next)?;
    }
    Ok(default.clone())
}

/// A type assertion: a named map type such as that of `.Values` is not a plain map.
fn plain_map(value: &Value) -> Result<Map, CallError> {
    match value {
        Value::Map(map) if *map.type_of() == Type::MAP => Ok(map.clone()),
        other => fail(conversion(other, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Nil => "nil".into(),
        other => other.type_name(),
    };
    format!("interface conversion: interface {{}} is {found}, not {wanted}")
}

/// Merges `source` into `target`: without `overwrite` only where the target has nothing or
/// something empty, with it everywhere, null included. Maps are merged key by key; everything taken
/// over is shared, not copied.
fn merge(
    ctx: &mut Context<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: u32,
) -> Result<(), CallError> {
    if depth > MERGE_DEPTH_MAX {
        return fail(format!(
            "maps are nested deeper than {MERGE_DEPTH_MAX} levels"
        ));
    }
    ctx.spend_steps(source.len() as u64)?;
    for (key, value) in source.to_vec() {
        let existing = target.get(&key);
        match (&existing, &value) {
            (_, Value::Nil) if !overwrite => continue,
            (Some(Value::Map(inner)), Value::Map(from)) if !inner.is_nil() => {
                grow(|| merge(ctx, inner, from, overwrite, depth + 1))?;
                if !inner.is_empty() {
                    continue;
                }
            }
            _ => {}
        }
        if overwrite || existing.as_ref().is_none_or(empty) {
            target.insert(key, value)?;
        }
    }
    Ok(())
}

/// Items that an item of the copy may take, being a container itself.
const COPIED_ITEMS: usize = 4;

/// Refuses to copy what is nested too deep, maps that contain themselves among it, and what grows too large when
/// nothing in it is shared any more.
fn check_copy(
    ctx: &mut Context<'_>,
    value: &Value,
    depth: u32,
    copied: &mut usize,
) -> Result<(), CallError> {
    if depth > MERGE_DEPTH_MAX {
        return fail(format!(
            "values are nested deeper than {MERGE_DEPTH_MAX} levels"
        ));
    }
    let inner: Vec<Value> = match value {
        Value::Map(map) => map.borrow().values().cloned().collect(),
        Value::List(list) => list.to_vec(),
        _ => return Ok(()),
    };
    ctx.spend_steps(inner.len() as u64)?;
    *copied += COPIED_ITEMS * (inner.len() + 1);
    ctx.expect_items(*copied)?;
    inner
        .iter()
        .try_for_each(|value| grow(|| check_copy(ctx, value, depth + 1, copied)))
}
