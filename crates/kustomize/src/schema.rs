//! What is known of kinds: by which keys their lists are merged, and whether they have a namespace.
//!
//! The facts of built-in kinds are those of Kubernetes 1.21, which kustomize carries. A kustomization
//! can bring a schema of its own, which then replaces them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::Value;

use crate::error::{Error, Result};

/// Definitions of built-in kinds, as far as they lead to lists that are merged.
static BUILT_IN: &str = include_str!("schema/built_in.json");
/// Built-in kinds without a namespace: apiVersion and kind, one a line.
static CLUSTER_SCOPED: &str = include_str!("schema/cluster_scoped.txt");
/// Built-in kinds with a namespace.
static NAMESPACED: &str = include_str!("schema/namespaced.txt");

/// The version of the built-in schema.
const VERSION: &str = "v1.21.2";

/// Definitions by name and kind.
#[derive(Debug)]
struct Definitions {
    root: Value,
    /// Names of definitions by apiVersion and kind.
    by_kind: HashMap<(String, String), String>,
    /// Whether kinds have a namespace, as paths tell.
    namespaced: HashMap<(String, String), bool>,
}

impl Definitions {
    fn new(root: Value) -> Self {
        let mut by_kind = HashMap::new();
        let definitions = root.get("definitions").and_then(Value::as_object);
        for (name, definition) in definitions.into_iter().flatten() {
            let kinds = definition.get(KINDS).and_then(Value::as_array);
            for kind in kinds.into_iter().flatten() {
                by_kind.extend(type_of(kind).map(|kind| (kind, name.clone())));
            }
        }
        let mut namespaced = HashMap::new();
        let paths = root.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let kind = item.get("get").and_then(|get| get.get(KINDS));
            let Some(kind) = kind.and_then(type_of) else {
                continue;
            };
            let has_namespace = path.contains("namespaces/{namespace}");
            *namespaced.entry(kind).or_insert(false) |= has_namespace;
        }
        Self {
            root,
            by_kind,
            namespaced,
        }
    }

    fn definition(&self, name: &str) -> Option<&Value> {
        self.root.get("definitions")?.get(name)
    }

    /// Follows a reference.
    fn resolve<'v>(&'v self, mut schema: &'v Value) -> Option<&'v Value> {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
                return Some(schema);
            };
            schema = self.definition(reference.strip_prefix("#/definitions/")?)?;
        }
        None
    }
}

const KINDS: &str = "x-kubernetes-group-version-kind";
/// Longest chain of references.
const REFERENCES_MAX: usize = 32;

fn type_of(kind: &Value) -> Option<(String, String)> {
    let text = |name: &str| kind.get(name).and_then(Value::as_str);
    let version = text("version")?;
    let api_version = match text("group") {
        Some(group) if !group.is_empty() => format!("{group}/{version}"),
        _ => version.to_owned(),
    };
    Some((api_version, text("kind")?.to_owned()))
}

fn built_in() -> &'static Definitions {
    static PARSED: OnceLock<Definitions> = OnceLock::new();
    PARSED.get_or_init(|| Definitions::new(serde_json::from_str(BUILT_IN).unwrap_or_default()))
}

fn scopes() -> &'static (HashSet<&'static str>, HashSet<&'static str>) {
    static PARSED: OnceLock<(HashSet<&str>, HashSet<&str>)> = OnceLock::new();
    PARSED.get_or_init(|| {
        (
            CLUSTER_SCOPED.lines().collect(),
            NAMESPACED.lines().collect(),
        )
    })
}

/// The schemas of a build.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    custom: Option<Definitions>,
    is_set: bool,
}

impl Schemas {
    /// Takes what a kustomization's `openapi` says: a version, or a schema that was read. The first one
    /// that says anything counts.
    pub(crate) fn set(&mut self, version: Option<&str>, schema: Option<&[u8]>) -> Result<()> {
        if self.is_set {
            return Ok(());
        }
        if let Some(schema) = schema {
            if version.is_some() {
                return Err(Error::new(
                    "builtin version and custom schema provided, cannot use both",
                ));
            }
            let root = goyaml::parse(schema)
                .map_err(|error| Error(format!("invalid schema file: {error}")))?;
            self.custom = Some(Definitions::new(root));
            self.is_set = true;
            return Ok(());
        }
        match version {
            None | Some("") => Ok(()),
            Some(VERSION) => {
                self.is_set = true;
                Ok(())
            }
            Some(_) => Err(Error::new("the specified OpenAPI version is not built in")),
        }
    }

    /// The schema of a kind.
    pub(crate) fn of(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        if api_version.is_empty() || kind.is_empty() {
            return None;
        }
        let definitions = self.custom.as_ref().unwrap_or_else(|| built_in());
        let key = (api_version.to_owned(), kind.to_owned());
        let name = definitions.by_kind.get(&key)?;
        Some(Schema {
            definitions,
            schema: definitions.definition(name)?,
        })
    }

    /// Whether a kind is known to have no namespace.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        let (cluster_scoped, namespaced) = scopes();
        let key = format!("{api_version} {kind}");
        if cluster_scoped.contains(key.as_str()) {
            return true;
        }
        if namespaced.contains(key.as_str()) {
            return false;
        }
        let Some(custom) = &self.custom else {
            return false;
        };
        let key = (api_version.to_owned(), kind.to_owned());
        custom
            .namespaced
            .get(&key)
            .is_some_and(|namespaced| !namespaced)
    }
}

/// A place in a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema<'s> {
    definitions: &'s Definitions,
    schema: &'s Value,
}

impl<'s> Schema<'s> {
    fn of(self, schema: &'s Value) -> Option<Self> {
        let schema = self.definitions.resolve(schema)?;
        Some(Self { schema, ..self })
    }

    /// What a field of a map is.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        let properties = self.schema.get("properties");
        let field = properties.and_then(|properties| properties.get(name));
        let others = || {
            let others = self.schema.get("additionalProperties");
            others.filter(|others| others.is_object())
        };
        self.of(field.or_else(others)?)
    }

    /// What the items of a list are.
    pub(crate) fn items(self) -> Option<Self> {
        if self.schema.get("type").and_then(Value::as_str) != Some("array") {
            return None;
        }
        self.of(self.schema.get("items")?)
    }

    /// Whether it is a list whose items are merged.
    pub(crate) fn is_merged_list(self) -> bool {
        let strategy = self.schema.get("x-kubernetes-patch-strategy");
        let strategy = strategy.and_then(Value::as_str).unwrap_or_default();
        strategy.split(',').any(|strategy| strategy == "merge")
    }

    /// The fields by which items are the same; none for scalars.
    pub(crate) fn merge_keys(self) -> Vec<String> {
        let keys = self.schema.get("x-kubernetes-list-map-keys");
        if let Some(keys) = keys.and_then(Value::as_array) {
            let keys = keys.iter().filter_map(Value::as_str);
            return keys.map(str::to_owned).collect();
        }
        let key = self.schema.get("x-kubernetes-patch-merge-key");
        key.and_then(Value::as_str)
            .map(str::to_owned)
            .into_iter()
            .collect()
    }
}
