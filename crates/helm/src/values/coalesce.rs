//! Laying users' values over the defaults of a chart and of its sub-charts.
//!
//! In: a chart tree and a template map. Out: the map a render works on, with a table for each
//! sub-chart and `global` handed down. It works on template maps because they share their contents
//! like Go's: that nested tables of globals end up shared between charts is visible to templates.
//! Source: Helm `pkg/chart/common/util/coalesce.go`.

use gotemplate::{Map, Str, Value};

use crate::log::Log;
use crate::tree::Place;
use sprig::stack::grow;

const GLOBAL: &str = "global";

/// A sub-chart's name holds something other than a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type mismatch on {name}: {shown}")]
pub struct TypeMismatch {
    name: String,
    shown: String,
}

/// Whether nulls stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nulls remove what they stand over.
    Coalesce,
    /// Nulls are kept for a later pass.
    Merge,
}

/// The values for `chart` with `values` on top; `values` itself is not changed.
pub(crate) fn coalesce(
    chart: Place<'_>,
    values: &Map,
    mode: Mode,
    log: &mut Log,
) -> Result<Map, TypeMismatch> {
    let mut pass = Pass { mode, log };
    let own = sprig::values::deep_copy_map(values);
    pass.chart(chart, &own, "")?;
    Ok(own)
}

/// Lays `above` over `below` table by table and gives `above`; both are changed.
pub(crate) fn tables(above: &Map, below: &Map, mode: Mode, log: &mut Log) {
    Pass { mode, log }.tables(above, below, "", mode);
}

struct Pass<'a> {
    mode: Mode,
    log: &'a mut Log,
}

impl Pass<'_> {
    fn chart(&mut self, chart: Place<'_>, dest: &Map, prefix: &str) -> Result<(), TypeMismatch> {
        self.own_values(chart, dest, prefix);
        self.sub_charts(chart, dest, prefix)
    }

    fn sub_charts(
        &mut self,
        chart: Place<'_>,
        dest: &Map,
        prefix: &str,
    ) -> Result<(), TypeMismatch> {
        for sub in chart.dependencies() {
            let name = sub.name();
            let table = match dest.get(name.as_bytes()) {
                None => {
                    let table = Map::new();
                    put(dest, name, Value::Map(table.clone()));
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => return Err(mismatch(name, &other)),
            };
            let prefix = join(prefix, chart.name());
            self.globals(&table, dest, &prefix);
            self.chart(sub, &table, &prefix)?;
        }
        Ok(())
    }

    /// Hands the globals of `src` down into `dest`.
    fn globals(&mut self, dest: &Map, src: &Map, prefix: &str) {
        let Some(inner) = global_table(dest) else {
            self.log
                .plain("warning: skipping globals because destination global is not a table.");
            return;
        };
        let Some(outer) = global_table(src) else {
            self.log
                .plain("warning: skipping globals because source global is not a table.");
            return;
        };
        for (key, value) in outer.to_vec() {
            match value {
                Value::Map(table) => {
                    let copy = table.shallow_copy();
                    match inner.get(&key) {
                        None => put(&inner, key, Value::Map(copy)),
                        Some(Value::Map(existing)) => {
                            // The parent's tables win, so they are the ones merged into.
                            let prefix = join(prefix, &key.to_str_lossy());
                            self.tables(&copy, &existing, &prefix, Mode::Merge);
                            put(&inner, key, Value::Map(copy));
                        }
                        Some(_) => self.log.plain(&format!(
                            "Conflict: cannot merge map onto non-map for {}. Skipping.",
                            sprig::gotext::quote(&key)
                        )),
                    }
                }
                value => {
                    if matches!(inner.get(&key), Some(Value::Map(_))) {
                        self.log.plain(&format!("key {key} is table. Skipping"));
                    } else {
                        put(&inner, key, value);
                    }
                }
            }
        }
        put(dest, GLOBAL, Value::Map(inner));
    }

    /// Lays `dest` over the chart's own defaults.
    fn own_values(&mut self, chart: Place<'_>, dest: &Map, prefix: &str) {
        let prefix = join(prefix, chart.name());
        let keep_nulls = self.mode == Mode::Merge;
        for (key, default) in chart.default_values().to_vec() {
            let Some(value) = dest.get(&key) else {
                if !keep_nulls {
                    match &default {
                        Value::Nil => continue,
                        Value::Map(table) => drop_nulls(table),
                        _ => {}
                    }
                }
                put(dest, key, default);
                continue;
            };
            match (value, default) {
                (Value::Nil, _) if !keep_nulls => {
                    dest.remove(&key);
                }
                (Value::Map(above), Value::Map(below)) => {
                    let is_sub = chart.dependencies().any(|d| d.name().as_bytes() == &*key);
                    let mode = if is_sub { Mode::Merge } else { self.mode };
                    if mode == Mode::Coalesce {
                        drop_nulls(&below);
                    }
                    let path = join(&prefix, &key.to_str_lossy());
                    self.tables(&above, &below, &path, mode);
                }
                (Value::Map(_), default) if !matches!(default, Value::Nil) => {
                    self.log.plain(&format!(
                        "warning: skipped value for {prefix}.{key}: Not a table."
                    ));
                }
                _ => {}
            }
        }
    }

    fn tables(&mut self, dst: &Map, src: &Map, prefix: &str, mode: Mode) {
        let not_null: std::collections::BTreeSet<Str> = src
            .borrow()
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Nil))
            .map(|(key, _)| key.clone())
            .collect();
        for (key, value) in dst.to_vec() {
            if matches!(value, Value::Nil) {
                put(src, key, Value::Nil);
            }
        }
        for (key, value) in src.to_vec() {
            let path = join(prefix, &key.to_str_lossy());
            match (dst.get(&key), value) {
                (Some(Value::Nil), _) if mode == Mode::Coalesce && not_null.contains(&key) => {
                    dst.remove(&key);
                }
                (None, value) => put(dst, key, value),
                (Some(Value::Map(above)), Value::Map(below)) => {
                    grow(|| self.tables(&above, &below, &path, mode));
                }
                (Some(_), Value::Map(below)) => self.log.plain(&format!(
                    "warning: cannot overwrite table with non table for {path} ({})",
                    shown(&Value::Map(below))
                )),
                (Some(Value::Map(_)), value) if !matches!(value, Value::Nil) => {
                    self.log.plain(&format!(
                        "warning: destination for {path} is a table. Ignoring non-table value ({})",
                        shown(&value)
                    ));
                }
                _ => {}
            }
        }
    }
}

/// The table of globals, an empty one if there is none; None if something else is in its place.
fn global_table(values: &Map) -> Option<Map> {
    match values.get(GLOBAL.as_bytes()) {
        None => Some(Map::new()),
        Some(Value::Map(table)) => Some(table),
        Some(_) => None,
    }
}

fn drop_nulls(table: &Map) {
    for (key, value) in table.to_vec() {
        match value {
            Value::Nil => {
                table.remove(&key);
            }
            Value::Map(inner) => grow(|| drop_nulls(&inner)),
            _ => {}
        }
    }
}

/// Maps of values are never nil maps, so writing always works.
fn put(map: &Map, key: impl Into<Str>, value: Value) {
    let written = map.insert(key, value);
    debug_assert!(written.is_ok(), "a values map is never a nil map");
}

fn join(a: &str, b: &str) -> String {
    if a.is_empty() {
        b.to_owned()
    } else {
        format!("{a}.{b}")
    }
}

fn shown(value: &Value) -> String {
    sprig::gotext::format("%v", std::slice::from_ref(value))
}

fn mismatch(name: &str, value: &Value) -> TypeMismatch {
    let shown = sprig::gotext::format("%t", std::slice::from_ref(value));
    TypeMismatch {
        name: name.to_owned(),
        shown,
    }
}
