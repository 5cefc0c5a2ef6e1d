//! The tables of a document while it is read: which keys are taken, and by what.
//!
//! Source: BurntSushi/toml `parse.go`: `addContext`, `setValue`, `setType`.

use std::collections::{BTreeMap, HashSet};

use gotemplate::{List, Map, Str, Type, Value, lossy};

use super::write::quoted_key;

/// Parts of keys that are looked up in a document; keys may repeat long ways.
const STEPS_MAX: usize = 4_000_000;

/// `[]map[string]interface {}`
static LIST_OF_TABLES: Type = Type::Slice(&Type::MAP);

pub(super) type Key = Vec<String>;
pub(super) type Table = BTreeMap<String, Node>;

/// What is behind a key.
pub(super) enum Node {
    Value(Value),
    Table(Table),
    /// Tables under one header each.
    Tables(Vec<Table>),
}

impl Node {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Table(table) => Value::Map(into_map(table)),
            Self::Tables(tables) => {
                let tables = tables.into_iter();
                let tables = tables.map(|table| Value::Map(into_map(table))).collect();
                Value::List(List::typed(&LIST_OF_TABLES, tables))
            }
        }
    }
}

pub(super) fn into_map(table: Table) -> Map {
    let entries = table.into_iter();
    let entries = entries.map(|(key, node)| (Str::from(key), node.into_value()));
    Map::from_entries(entries.collect())
}

/// A key as it is written.
pub(super) fn shown(key: &[String]) -> String {
    let parts = key.iter().map(|part| match part.as_str() {
        "" => "\"\"".to_owned(),
        part => lossy(&quoted_key(part.as_bytes())).into_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

#[derive(Default)]
pub(super) struct Tables {
    root: Table,
    /// Keys whose values are lists.
    lists: HashSet<String>,
    /// Keys of tables that came to be on the way to others.
    implicit: HashSet<String>,
    steps: usize,
}

impl Tables {
    pub(super) fn into_map(self) -> Map {
        into_map(self.root)
    }

    pub(super) fn add_implicit(&mut self, key: &[String]) {
        self.implicit.insert(shown(key));
    }

    pub(super) fn set_is_list(&mut self, key: &[String], is_list: bool) {
        let key = shown(key);
        if is_list {
            self.lists.insert(key);
        } else {
            self.lists.remove(&key);
        }
    }

    /// Goes to the table of a key, making those on the way that are missing; `context` becomes the key.
    pub(super) fn enter(
        &mut self,
        context: &mut Key,
        key: &[String],
        is_list: bool,
    ) -> Result<(), String> {
        let Some((last, parents)) = key.split_last() else {
            return Ok(());
        };
        self.spend(key.len())?;
        let mut table = &mut self.root;
        for (index, part) in parents.iter().enumerate() {
            if !table.contains_key(part) {
                spend(&mut self.steps, index + 1)?;
                self.implicit.insert(shown(&parents[..=index]));
            }
            let node = table
                .entry(part.clone())
                .or_insert_with(|| Node::Table(Table::new()));
            table = match node {
                Node::Table(table) => table,
                Node::Tables(tables) if !tables.is_empty() => {
                    let last = tables.len() - 1;
                    &mut tables[last]
                }
                _ => {
                    let key = shown(&parents[..=index]);
                    return Err(format!("Key '{key}' was already created as a hash."));
                }
            };
        }
        context.clear();
        context.extend_from_slice(parents);
        if is_list {
            let node = table
                .entry(last.clone())
                .or_insert_with(|| Node::Tables(Vec::new()));
            let Node::Tables(tables) = node else {
                let key = shown(key);
                return Err(format!(
                    "Key '{key}' was already created and cannot be used as an array."
                ));
            };
            tables.push(Table::new());
        } else {
            self.set(context, last, Node::Table(Table::new()))?;
        }
        context.push(last.clone());
        Ok(())
    }

    /// Puts a value behind a key of the table at `context`.
    pub(super) fn set(&mut self, context: &[String], key: &str, value: Node) -> Result<(), String> {
        self.spend(context.len() + 1)?;
        let taken = |key: &[String]| format!("Key '{}' has already been defined.", shown(key));
        let mut table = &mut self.root;
        for (index, part) in context.iter().enumerate() {
            table = match table.get_mut(part) {
                Some(Node::Table(table)) => table,
                Some(Node::Tables(tables)) if !tables.is_empty() => {
                    let last = tables.len() - 1;
                    &mut tables[last]
                }
                _ => return Err(taken(&context[..=index])),
            };
        }
        if !table.contains_key(key) {
            table.insert(key.to_owned(), value);
            return Ok(());
        }
        let whole: Key = context.iter().cloned().chain([key.to_owned()]).collect();
        let name = shown(&whole);
        if !self.implicit.remove(&name) {
            return Err(taken(&whole));
        }
        if self.lists.contains(&name) {
            table.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// What looking up keys took.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    fn spend(&mut self, steps: usize) -> Result<(), String> {
        spend(&mut self.steps, steps)
    }
}

fn spend(spent: &mut usize, steps: usize) -> Result<(), String> {
    *spent += steps;
    if *spent > STEPS_MAX {
        return Err("keys have too many parts".to_owned());
    }
    Ok(())
}
