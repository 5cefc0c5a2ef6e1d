//! Objects of a build, and what is remembered of them in annotations until the end.
//!
//! Source: kustomize `api/resource`, `api/internal/utils`.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::id::{Gvk, Id};
use crate::node::{self, Node};
use crate::origin::Origin;
use crate::schema::Schemas;

macro_rules! internal {
    ($name:literal) => {
        concat!("internal.config.kubernetes.io/", $name)
    };
}

const PREVIOUS_KINDS: &str = internal!("previousKinds");
const PREVIOUS_NAMES: &str = internal!("previousNames");
const PREVIOUS_NAMESPACES: &str = internal!("previousNamespaces");
const PREFIXES: &str = internal!("prefixes");
const SUFFIXES: &str = internal!("suffixes");
const ALLOW_NAME_CHANGE: &str = internal!("allowNameChange");
const ALLOW_KIND_CHANGE: &str = internal!("allowKindChange");
const BEHAVIOR: &str = internal!("generatorBehavior");
const NEEDS_HASH: &str = internal!("needsHashSuffix");
const ENABLED: &str = "enabled";
/// Where an object is from.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
/// What changed an object.
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
/// Objects with it, unless `false`, are not part of the result.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
/// Annotations that a tool may have set under an old name.
const LEGACY: [&str; 3] = [
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

/// Annotations that no result has.
const BUILD_ANNOTATIONS: [&str; 19] = [
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREFIXES,
    SUFFIXES,
    PREVIOUS_NAMESPACES,
    ALLOW_NAME_CHANGE,
    ALLOW_KIND_CHANGE,
    internal!("refBy"),
    BEHAVIOR,
    NEEDS_HASH,
    internal!("path"),
    internal!("index"),
    internal!("seqindent"),
    internal!("id"),
    internal!("annotations-migration-resource-id"),
    LEGACY[0],
    LEGACY[1],
    LEGACY[2],
    internal!("helm-generated"),
];

/// What a generated object does to one of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// An object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    /// Patched away.
    pub(crate) is_deleted: bool,
    /// Vars that get their values here.
    pub(crate) vars: Vec<String>,
    /// Links that were given out in the tree.
    pub(crate) links: u32,
}

impl From<Node> for Resource {
    fn from(node: Node) -> Self {
        Self {
            node,
            ..Self::default()
        }
    }
}

/// Objects of a text. Lists are taken apart, their objects come last.
///
/// Source: kustomize `api/resource/factory.go`, `SliceFromBytes`.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Resource>> {
    let mut nodes = std::collections::VecDeque::from(good(node::parse_stream(text)?)?);
    let mut found = Vec::new();
    while let Some(node) = nodes.pop_front() {
        let kind = node.kind_text();
        if !kind.ends_with("List") || node.field("items").is_none() {
            found.push(Resource::from(node));
            continue;
        }
        let value = node
            .to_value()
            .map_err(|error| error.within(&format!("trouble expanding list of {kind}")))?;
        let mut items = Vec::new();
        match value.get("items") {
            None | Some(serde_json::Value::Null) => {}
            Some(serde_json::Value::Array(all)) => items.extend(all.iter().map(node::from_json)),
            Some(_) => {
                return Err(Error(format!("expected array in {kind}/items")));
            }
        }
        nodes.extend(good(items)?);
    }
    Ok(found)
}

/// Objects that have a kind and a name.
fn good(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let filled = nodes.into_iter().filter(|node| !node.is_nil_or_empty());
    filled
        .map(|node| node.validated_meta().map(|_| node))
        .collect()
}

impl Resource {
    pub(crate) fn is_nil_or_empty(&self) -> bool {
        self.is_deleted || self.node.is_nil_or_empty()
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::of(&self.node)
    }

    pub(crate) fn current_id(&self, schemas: &Schemas) -> Id {
        Id::new(schemas, self.gvk(), self.node.name(), self.node.namespace())
    }

    /// What it was called before, the first first.
    pub(crate) fn previous_ids(&self, schemas: &Schemas) -> Vec<Id> {
        let list = |name| self.csv(name).unwrap_or_default();
        let Some(names) = self.csv(PREVIOUS_NAMES) else {
            return Vec::new();
        };
        let (namespaces, kinds) = (list(PREVIOUS_NAMESPACES), list(PREVIOUS_KINDS));
        let api_version = self.node.api_version();
        let all = names.into_iter().zip(namespaces).zip(kinds);
        all.map(|((name, namespace), kind)| {
            Id::new(schemas, Gvk::new(api_version, kind), name, namespace)
        })
        .collect()
    }

    pub(crate) fn original_id(&self, schemas: &Schemas) -> Id {
        let mut previous = self.previous_ids(schemas).into_iter();
        previous.next().unwrap_or_else(|| self.current_id(schemas))
    }

    /// All ids, the current one last.
    pub(crate) fn ids(&self, schemas: &Schemas) -> Vec<Id> {
        let mut ids = self.previous_ids(schemas);
        ids.push(self.current_id(schemas));
        ids
    }

    fn csv(&self, name: &str) -> Option<Vec<&str>> {
        let text = self.node.annotation(name)?;
        Some(text.split(',').collect())
    }

    fn append_csv(&mut self, name: &str, value: &str) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        let text = match self.node.annotation(name) {
            Some(text) => format!("{text},{value}"),
            None => value.to_owned(),
        };
        self.node.set_annotation(name, &text)
    }

    pub(crate) fn store_previous_id(&mut self, schemas: &Schemas) -> Result<()> {
        let id = self.current_id(schemas);
        self.append_csv(PREVIOUS_NAMES, &id.name)?;
        self.append_csv(PREVIOUS_NAMESPACES, id.effective_namespace())?;
        self.append_csv(PREVIOUS_KINDS, &id.gvk.kind)
    }

    pub(crate) fn add_name_prefix(&mut self, prefix: &str) -> Result<()> {
        self.append_csv(PREFIXES, prefix)
    }

    pub(crate) fn add_name_suffix(&mut self, suffix: &str) -> Result<()> {
        self.append_csv(SUFFIXES, suffix)
    }

    pub(crate) fn prefixes_and_suffixes(&self) -> (Vec<String>, Vec<String>) {
        let owned = |name| {
            let list = self.csv(name).unwrap_or_default();
            list.into_iter().map(str::to_owned).collect()
        };
        (owned(PREFIXES), owned(SUFFIXES))
    }

    fn is_enabled(&self, name: &str) -> bool {
        self.node.annotation(name) == Some(ENABLED)
    }

    fn change_annotations(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<()> {
        let mut annotations = self.node.annotations();
        change(&mut annotations);
        self.node.set_annotations(&annotations)
    }

    fn enable(&mut self, name: &str) -> Result<()> {
        self.change_annotations(|all| {
            all.insert(name.to_owned(), ENABLED.to_owned());
        })
    }

    pub(crate) fn allow_name_change(&mut self) -> Result<()> {
        self.enable(ALLOW_NAME_CHANGE)
    }

    pub(crate) fn allow_kind_change(&mut self) -> Result<()> {
        self.enable(ALLOW_KIND_CHANGE)
    }

    pub(crate) fn needs_hash(&self) -> bool {
        self.is_enabled(NEEDS_HASH)
    }

    pub(crate) fn enable_hash(&mut self) -> Result<()> {
        self.enable(NEEDS_HASH)
    }

    pub(crate) fn behavior(&self) -> Behavior {
        Behavior::of(self.node.annotation(BEHAVIOR).unwrap_or_default())
    }

    pub(crate) fn set_behavior(&mut self, behavior: Behavior) -> Result<()> {
        self.change_annotations(|all| {
            all.insert(BEHAVIOR.to_owned(), behavior.name().to_owned());
        })
    }

    pub(crate) fn remove_build_annotations(&mut self) -> Result<()> {
        if self.node.annotations().is_empty() {
            return Ok(());
        }
        self.change_annotations(|all| {
            for name in BUILD_ANNOTATIONS {
                all.remove(name);
            }
        })
    }

    /// Annotations of tools, which JSON patches leave alone.
    pub(crate) fn internal_annotations(&self) -> BTreeMap<String, String> {
        let mut annotations = self
            .node
            .meta()
            .map(|meta| meta.annotations)
            .unwrap_or_default();
        annotations.retain(|name, _| {
            name.starts_with("internal.config.kubernetes.io/") || LEGACY.contains(&name.as_str())
        });
        annotations
    }

    pub(crate) fn add_annotations(&mut self, more: BTreeMap<String, String>) -> Result<()> {
        self.change_annotations(|all| all.extend(more))
    }

    /// Whether it is for tools only.
    pub(crate) fn is_local(&self) -> Result<bool> {
        let meta = self.node.validated_meta()?;
        let local = meta.annotations.get(LOCAL_CONFIG);
        Ok(local.is_some_and(|local| local != "false"))
    }

    pub(crate) fn origin(&self) -> Result<Option<Origin>> {
        match self.node.annotation(ORIGIN) {
            None => Ok(None),
            Some(text) => Origin::parse(text).map(Some),
        }
    }

    pub(crate) fn set_origin(&mut self, origin: Option<&Origin>) -> Result<()> {
        self.change_annotations(|all| {
            match origin {
                Some(origin) => all.insert(ORIGIN.to_owned(), origin.to_yaml()),
                None => all.remove(ORIGIN),
            };
        })
    }

    pub(crate) fn add_transformation(&mut self, origin: &Origin) -> Result<()> {
        self.change_annotations(|all| {
            let text = all.entry(TRANSFORMATIONS.to_owned()).or_default();
            text.push_str(&origin.to_yaml_item());
        })
    }

    pub(crate) fn clear_transformations(&mut self) -> Result<()> {
        self.change_annotations(|all| {
            all.remove(TRANSFORMATIONS);
        })
    }

    /// Takes labels, annotations and the name over from one that it stands for now.
    pub(crate) fn take_metadata(&mut self, other: &Self) -> Result<()> {
        let mut labels = other.node.labels();
        labels.extend(self.node.labels());
        self.node.set_labels(&labels)?;
        let own = self.node.annotations();
        let theirs = other.node.annotations();
        let needs_hash = own.contains_key(NEEDS_HASH);
        let mut merged = theirs.clone();
        merged.extend(own);
        for name in BUILD_ANNOTATIONS {
            match theirs.get(name) {
                Some(value) => merged.insert(name.to_owned(), value.clone()),
                None => merged.remove(name),
            };
        }
        if !needs_hash {
            merged.remove(NEEDS_HASH);
        }
        self.node.set_annotations(&merged)?;
        self.node.set_name(other.node.name())?;
        self.node.set_namespace(other.node.namespace())?;
        self.vars.clone_from(&other.vars);
        Ok(())
    }

    /// Merges a patch into it.
    pub(crate) fn apply_patch(&mut self, schemas: &Schemas, patch: Self) -> Result<()> {
        let name = self.node.name().to_owned();
        let namespace = self.node.namespace().to_owned();
        let kind = self.node.kind_text().to_owned();
        let allows_name = patch.is_enabled(ALLOW_NAME_CHANGE);
        let allows_kind = patch.is_enabled(ALLOW_KIND_CHANGE);
        if allows_name || allows_kind {
            self.store_previous_id(schemas)?;
        }
        let old = std::mem::take(&mut self.node);
        match node::merge(schemas, old, patch.node)? {
            Some(merged) => self.node = merged,
            None => self.is_deleted = true,
        }
        if self.is_nil_or_empty() {
            return Ok(());
        }
        if !allows_kind {
            self.node.set_kind(&kind)?;
        }
        if !allows_name {
            self.node.set_name(&name)?;
        }
        self.node.set_namespace(&namespace)?;
        self.settle();
        Ok(())
    }

    /// A number for a node that is put in several places.
    pub(crate) fn next_link(&mut self) -> u32 {
        self.links += 1;
        self.links
    }

    /// Gives all nodes of a link what one of them became.
    pub(crate) fn settle(&mut self) {
        if self.links == 0 {
            return;
        }
        let mut changed = BTreeMap::new();
        collect(&mut self.node, &mut changed);
        if !changed.is_empty() {
            spread(&mut self.node, &changed);
        }
    }
}

fn collect(node: &mut Node, changed: &mut BTreeMap<u32, Node>) {
    if std::mem::take(&mut node.link.is_changed) {
        changed.insert(node.link.number, node.clone());
    }
    for child in &mut node.content {
        collect(child, changed);
    }
}

fn spread(node: &mut Node, changed: &BTreeMap<u32, Node>) {
    if let Some(other) = changed.get(&node.link.number) {
        *node = other.clone();
    }
    for child in &mut node.content {
        spread(child, changed);
    }
}
