//! The table of built-in kinds, read from `builtin.txt` at first use.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{Resource, Subresource, join_api_version, split_api_version};
use crate::store::GroupResource;

const TABLE: &str = include_str!("builtin.txt");
const STANDARD_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

struct Builtin {
    resources: Vec<Arc<Resource>>,
    paths: HashMap<(&'static str, &'static str, &'static str), usize>,
    n_groups: usize,
}

static BUILTIN: LazyLock<Builtin> = LazyLock::new(read_table);

/// All built-in resources in discovery order.
pub(crate) fn all() -> &'static [Arc<Resource>] {
    &BUILTIN.resources
}

/// Built-in groups, the core group among them.
pub(super) fn n_groups() -> usize {
    BUILTIN.n_groups
}

/// The resource at a path.
pub(super) fn resolve(group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
    let index = BUILTIN.paths.get(&(group, version, plural))?;
    Some(Arc::clone(&BUILTIN.resources[*index]))
}

fn read_table() -> Builtin {
    let mut resources = Vec::new();
    let mut paths = HashMap::new();
    let mut groups: Vec<&str> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        // The file is part of the program; a test counts its lines.
        let Some(resource) = read_line(line) else {
            continue;
        };
        let mut fields = line.split(' ');
        let (group, version) = split_api_version(fields.next().unwrap_or_default());
        paths.insert(
            (group, version, fields.next().unwrap_or_default()),
            resources.len(),
        );
        if !groups.contains(&group) {
            groups.push(group);
        }
        resources.push(Arc::new(resource));
    }
    Builtin {
        resources,
        paths,
        n_groups: groups.len(),
    }
}

fn read_line(line: &str) -> Option<Resource> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [
        api_version,
        plural,
        singular,
        kind,
        scope,
        verbs,
        short,
        categories,
        subresources,
    ] = fields[..]
    else {
        return None;
    };
    let (group, version) = split_api_version(api_version);
    let group_resource = GroupResource::new(group, plural);
    let (bucket, stored_version) = match (group, plural) {
        ("events.k8s.io", "events") => (GroupResource::new("", "events"), "v1"),
        ("autoscaling", _) => (group_resource.clone(), "autoscaling/v2"),
        _ => (group_resource.clone(), api_version),
    };
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: singular.to_owned(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        namespaced: scope == "N",
        verbs: if verbs == "*" {
            STANDARD_VERBS.map(str::to_owned).to_vec()
        } else {
            list(verbs, ',')
        },
        short_names: list(short, ','),
        categories: list(categories, ','),
        subresources: list(subresources, ';')
            .iter()
            .filter_map(|s| subresource(s))
            .collect(),
        group_resource,
        bucket,
        api_version: join_api_version(group, version),
        stored_version: stored_version.to_owned(),
        custom: None,
    })
}

fn list(text: &str, separator: char) -> Vec<String> {
    if text == "-" {
        Vec::new()
    } else {
        text.split(separator).map(str::to_owned).collect()
    }
}

/// `name=Kind[@group/version]:verbs`.
fn subresource(text: &str) -> Option<Subresource> {
    let (name, rest) = text.split_once('=')?;
    let (kind, verbs) = rest.split_once(':')?;
    let (kind, api_version) = match kind.split_once('@') {
        Some((kind, api_version)) => (kind, Some(api_version)),
        None => (kind, None),
    };
    Some(Subresource {
        name: name.to_owned(),
        kind: kind.to_owned(),
        group_version: api_version
            .map(split_api_version)
            .map(|(group, version)| (group.to_owned(), version.to_owned())),
        verbs: list(verbs, ','),
    })
}
