//! Which sub-charts take part in a render, and what they hand up: aliases, tags, conditions,
//! `import-values`.
//!
//! In: the chart tree and the user's values. Out: the tree with sub-charts removed and default values
//! of parents extended. Source: Helm `pkg/chart/v2/util/dependencies.go`.

use gotemplate::{Map, Value};
use serde_json::Value as Json;

use super::coalesce::{self, Mode, TypeMismatch, coalesce};
use crate::chart::Dependency;
use crate::log::Log;
use crate::tree::{Id, Place, TooManyCharts, Tree};
use sprig::semver;

/// Why sub-charts cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependenciesError {
    /// Values for a sub-chart are no table.
    #[error(transparent)]
    Values(#[from] TypeMismatch),
    /// Aliases of aliases.
    #[error(transparent)]
    TooMany(#[from] TooManyCharts),
}

/// Removes what is switched off, then applies imports from the leaves up.
pub(crate) fn process(
    tree: &mut Tree,
    values: &Map,
    log: &mut Log,
) -> Result<(), DependenciesError> {
    let root = tree.root().id();
    choose(tree, root, values, "", log)?;
    Ok(import_all(tree, root, log)?)
}

fn choose(
    tree: &mut Tree,
    id: Id,
    values: &Map,
    path: &str,
    log: &mut Log,
) -> Result<(), DependenciesError> {
    let Some(wanted) = tree.at(id).metadata().dependencies.clone() else {
        return Ok(());
    };
    let available: Vec<Id> = tree.at(id).dependencies().map(Place::id).collect();
    let fits = |tree: &Tree, id: &Id, wanted: &Dependency| {
        let chart = tree.at(*id);
        chart.name() == wanted.name
            && semver::is_compatible_range(&wanted.version, &chart.metadata().version)
    };
    // What Chart.yaml does not name takes part as it is.
    let unnamed = available
        .iter()
        .filter(|id| !wanted.iter().any(|w| fits(tree, id, w)));
    let mut chosen: Vec<Id> = unnamed.copied().collect();
    for dependency in &wanted {
        if let Some(found) = available.iter().find(|id| fits(tree, id, dependency)) {
            chosen.push(tree.copy(*found, dependency)?);
        }
    }
    tree.set_dependencies(id, chosen.clone());
    let mut wanted = wanted;
    for dependency in &mut wanted {
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    tree.about(id).metadata.dependencies = Some(wanted.clone());
    let all = coalesce(tree.at(id), values, Mode::Coalesce, log)?;
    apply_tags(&mut wanted, &all, log);
    apply_conditions(&mut wanted, &all, path, log);
    let off: Vec<String> = wanted
        .iter()
        .filter(|d| !d.enabled)
        .map(|d| d.name.clone())
        .collect();
    wanted.retain(|d| !off.contains(&d.name));
    chosen.retain(|id| !off.iter().any(|name| name == tree.at(*id).name()));
    for sub in &chosen {
        let path = format!("{path}{}.", tree.at(*sub).name());
        choose(tree, *sub, &all, &path, log)?;
    }
    tree.about(id).metadata.dependencies = Some(wanted).filter(|w| !w.is_empty());
    tree.set_dependencies(id, chosen);
    Ok(())
}

fn apply_tags(wanted: &mut [Dependency], values: &Map, log: &mut Log) {
    let Some(Value::Map(tags)) = values.get(b"tags") else {
        return;
    };
    for dependency in wanted {
        let (mut on, mut off) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag.as_bytes()) {
                None => {}
                Some(Value::Bool(true)) => on = true,
                Some(Value::Bool(false)) => off = true,
                Some(_) => log.warn(
                    "returned non-bool value",
                    vec![("tag", tag.clone()), ("chart", dependency.name.clone())],
                ),
            }
        }
        dependency.enabled = on || !off;
    }
}

fn apply_conditions(wanted: &mut [Dependency], values: &Map, path: &str, log: &mut Log) {
    for dependency in wanted {
        for condition in dependency
            .condition
            .trim()
            .split(',')
            .filter(|c| !c.is_empty())
        {
            match path_value(values, &format!("{path}{condition}")) {
                None => {}
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => log.warn(
                    "returned non-bool value",
                    vec![
                        ("path", condition.to_owned()),
                        ("chart", dependency.name.clone()),
                    ],
                ),
            }
        }
    }
}

/// The value at a dotted path that is not a table itself.
pub(crate) fn path_value(values: &Map, path: &str) -> Option<Value> {
    let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
    let table = if tables.is_empty() {
        values.clone()
    } else {
        table(values, tables).ok()?
    };
    table
        .get(key.as_bytes())
        .filter(|value| !matches!(value, Value::Map(_)))
}

/// The table at a dotted path, or the first element of the path that is none.
pub(crate) fn table(values: &Map, path: &str) -> Result<Map, String> {
    let mut current = values.clone();
    for name in path.split('.') {
        match current.get(name.as_bytes()) {
            Some(Value::Map(next)) => current = next,
            _ => return Err(name.to_owned()),
        }
    }
    Ok(current)
}

fn import_all(tree: &mut Tree, id: Id, log: &mut Log) -> Result<(), TypeMismatch> {
    let below: Vec<Id> = tree.at(id).dependencies().map(Place::id).collect();
    for sub in below {
        import_all(tree, sub, log)?;
    }
    import(tree, id, log)
}

fn import(tree: &mut Tree, id: Id, log: &mut Log) -> Result<(), TypeMismatch> {
    let Some(mut wanted) = tree.at(id).metadata().dependencies.clone() else {
        return Ok(());
    };
    let all = coalesce(tree.at(id), &Map::new(), Mode::Merge, log)?;
    let imported = Map::new();
    for dependency in &mut wanted {
        let name = dependency.name.clone();
        let items = std::mem::take(&mut dependency.import_values);
        if tree.about(id).is_imported {
            // Quirk: what is left of them after the first time is of a type that Helm passes over.
            continue;
        }
        for item in items {
            let Some(import) = Import::read(&item) else {
                continue;
            };
            dependency.import_values.push(import.resolved());
            match table(&all, &format!("{name}.{}", import.child)) {
                Ok(found) => {
                    let found = if found.is_empty() { Map::new() } else { found };
                    coalesce::tables(&imported, &nested(&import.parent, found), Mode::Merge, log);
                }
                Err(missing) => import.warn_missing(&name, &missing, log),
            }
        }
    }
    let values = sprig::values::deep_copy_map(&all);
    coalesce::tables(&values, &imported, Mode::Merge, log);
    tree.set_values(id, values);
    let about = tree.about(id);
    about.metadata.dependencies = Some(wanted);
    about.is_imported = true;
    Ok(())
}

/// One entry of `import-values`.
struct Import {
    child: String,
    /// `.` for the top.
    parent: String,
    short: bool,
}

impl Import {
    fn read(item: &Json) -> Option<Self> {
        let part = |map: &serde_json::Map<String, Json>, key: &str| match map.get(key) {
            Some(Json::String(text)) => text.clone(),
            Some(other) => sprig::gotext::format("%v", &[sprig::values::to_template(other)]),
            None => "<nil>".to_owned(),
        };
        match item {
            Json::String(name) => Some(Self {
                child: format!("exports.{name}"),
                parent: ".".to_owned(),
                short: true,
            }),
            Json::Object(map) => Some(Self {
                child: part(map, "child"),
                parent: part(map, "parent"),
                short: false,
            }),
            _ => None,
        }
    }

    fn resolved(&self) -> Json {
        serde_json::json!({"child": self.child, "parent": self.parent})
    }

    fn warn_missing(&self, chart: &str, missing: &str, log: &mut Log) {
        let error = format!(
            "{} is not a table",
            sprig::gotext::quote(missing.as_bytes())
        );
        if self.short {
            log.warn("ImportValues missing table", vec![("error", error)]);
        } else {
            log.warn(
                "ImportValues missing table from chart",
                vec![("chart", chart.to_owned()), ("error", error)],
            );
        }
    }
}

/// The table below a dotted path of new tables.
fn nested(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.split('.').rev().fold(table, |inner, name| {
        [(name, Value::Map(inner))].into_iter().collect()
    })
}
