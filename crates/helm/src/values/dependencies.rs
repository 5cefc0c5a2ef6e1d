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
use crate::tree::Node;
use sprig::semver;

/// Removes what is switched off, then applies imports from the leaves up.
pub(crate) fn process(root: &mut Node, values: &Map, log: &mut Log) -> Result<(), TypeMismatch> {
    choose(root, values, "", log)?;
    import_all(root, log)
}

fn choose(node: &mut Node, values: &Map, path: &str, log: &mut Log) -> Result<(), TypeMismatch> {
    let Some(mut wanted) = node.metadata.dependencies.take() else {
        return Ok(());
    };
    let available = std::mem::take(&mut node.dependencies);
    let fits = |chart: &Node, wanted: &Dependency| {
        chart.name() == wanted.name
            && semver::is_compatible_range(&wanted.version, &chart.metadata.version)
    };
    // What Chart.yaml does not name takes part as it is.
    let unnamed = available
        .iter()
        .filter(|chart| !wanted.iter().any(|w| fits(chart, w)));
    let mut chosen: Vec<Node> = unnamed.cloned().collect();
    for dependency in &mut wanted {
        if let Some(found) = available.iter().find(|chart| fits(chart, dependency)) {
            let mut copy = found.clone();
            if !dependency.alias.is_empty() {
                copy.metadata.name.clone_from(&dependency.alias);
            }
            chosen.push(copy);
        }
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    node.dependencies = chosen;
    node.metadata.dependencies = Some(wanted);
    let all = coalesce(node, values, Mode::Coalesce, log)?;
    let mut wanted = node.metadata.dependencies.take().unwrap_or_default();
    apply_tags(&mut wanted, &all, log);
    apply_conditions(&mut wanted, &all, path, log);
    let off: Vec<String> = wanted
        .iter()
        .filter(|d| !d.enabled)
        .map(|d| d.name.clone())
        .collect();
    wanted.retain(|d| !off.contains(&d.name));
    node.dependencies
        .retain(|n| !off.iter().any(|name| name == n.name()));
    for sub in &mut node.dependencies {
        let path = format!("{path}{}.", sub.name());
        choose(sub, &all, &path, log)?;
    }
    node.metadata.dependencies = Some(wanted).filter(|w| !w.is_empty());
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

fn import_all(node: &mut Node, log: &mut Log) -> Result<(), TypeMismatch> {
    for sub in &mut node.dependencies {
        import_all(sub, log)?;
    }
    import(node, log)
}

fn import(node: &mut Node, log: &mut Log) -> Result<(), TypeMismatch> {
    let Some(mut wanted) = node.metadata.dependencies.take() else {
        return Ok(());
    };
    let all = coalesce(node, &Map::new(), Mode::Merge, log)?;
    let imported = Map::new();
    for dependency in &mut wanted {
        let name = dependency.name.clone();
        let items = std::mem::take(&mut dependency.import_values);
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
    node.values = Some(values);
    node.metadata.dependencies = Some(wanted);
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
