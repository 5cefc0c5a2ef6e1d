//! Which kinds there are: those the cluster serves and those a bundle brings along.

mod gone;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apiclient::{Client, Discovery, Error, Kind};
use serde::Deserialize;
use serde_json::Value;

use crate::object::text;

pub(crate) use gone::Error as Unclear;

/// An `apiVersion` and a `kind`.
pub(crate) type Named = (String, String);

/// How long an answer of the server is good enough for the next deployment.
const FRESH: Duration = Duration::from_secs(5);

/// The kinds of a cluster as of one moment, and its version.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) discovery: Discovery,
    /// `gitVersion` of the server.
    pub(crate) version: String,
    /// Kinds that were asked for. All objects of a kind share one.
    found: Mutex<BTreeMap<(String, String), Arc<Kind>>>,
}

impl Served {
    pub(crate) fn new(discovery: Discovery, version: String) -> Self {
        Self {
            discovery,
            version,
            found: Mutex::default(),
        }
    }

    fn find(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = found.get(&key) {
            return Some(Arc::clone(known));
        }
        let kind = Arc::new(self.discovery.find(api_version, kind).ok()?.clone());
        found.insert(key, Arc::clone(&kind));
        Some(kind)
    }

    /// The kind of an object that was applied in this version, which may be served in others now.
    fn find_recorded(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        self.find(api_version, kind).or_else(|| {
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            let other = self.discovery.find_in_group(group, kind)?;
            self.find(&other.api_version(), kind)
        })
    }
}

/// Kinds by `apiVersion` and `kind`: of the cluster, and of CustomResourceDefinitions that are about
/// to be applied.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    served: Arc<Served>,
    brought: BTreeMap<(String, String), Arc<Kind>>,
    is_assumed: bool,
}

impl Kinds {
    pub(crate) fn new(served: Arc<Served>) -> Self {
        Self {
            served,
            brought: BTreeMap::new(),
            is_assumed: false,
        }
    }

    /// Without a cluster to ask: every kind is there, and its objects are in namespaces.
    pub(crate) fn assumed() -> Self {
        Self {
            is_assumed: true,
            ..Self::new(Arc::default())
        }
    }

    /// Adds the kinds that a CustomResourceDefinition defines; anything else adds nothing.
    pub(crate) fn add_definition(&mut self, object: &Value) {
        for kind in defined_by(object) {
            self.brought
                .insert((kind.api_version(), kind.kind.to_string()), Arc::new(kind));
        }
    }

    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        if self.is_assumed {
            let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
            return Some(Arc::new(Kind {
                group: group.to_owned().into(),
                version: version.to_owned().into(),
                kind: kind.to_owned().into(),
                plural: "".into(),
                namespaced: true,
            }));
        }
        if let Some(found) = self.served.find(api_version, kind) {
            return Some(found);
        }
        self.brought
            .get(&(api_version.to_owned(), kind.to_owned()))
            .cloned()
    }

    /// The kind of an object that was applied in this version, which may be served in others now.
    pub(crate) fn find_recorded(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        let found = self.find(api_version, kind);
        found.or_else(|| self.served.find_recorded(api_version, kind))
    }
}

/// Whether an object defines kinds.
pub(crate) fn is_definition(api_version: &str, kind: &str) -> bool {
    kind == "CustomResourceDefinition" && api_version.starts_with("apiextensions.k8s.io/")
}

/// The kinds a CustomResourceDefinition defines, one for each version.
fn defined_by(object: &Value) -> Vec<Kind> {
    if !is_definition(text(object, "/apiVersion"), text(object, "/kind")) {
        return Vec::new();
    }
    let owned = |pointer: &str| text(object, pointer).to_owned();
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let of_version = |version: &Value| Kind {
        group: owned("/spec/group").into(),
        version: text(version, "/name").to_owned().into(),
        kind: owned("/spec/names/kind").into(),
        plural: owned("/spec/names/plural").into(),
        namespaced: text(object, "/spec/scope") == "Namespaced",
    };
    let served = |version: &&Value| version.get("served") != Some(&Value::Bool(false));
    versions
        .into_iter()
        .flatten()
        .filter(served)
        .map(of_version)
        .collect()
}

/// What the server was last heard to serve.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    read: Mutex<Option<(Instant, Arc<Served>)>>,
    /// One reader at a time; the others take what it found.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    git_version: String,
}

impl Cache {
    /// The kinds served now or a moment ago.
    pub(crate) async fn fresh(&self, client: &Client) -> Result<Arc<Served>, Error> {
        let _reading = self.reading.lock().await;
        if let Some((at, served)) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(served));
        }
        let discovery = Discovery::read(client).await?;
        let version: Version = client.get_path("/version", "application/json").await?;
        let served = Arc::new(Served::new(discovery, version.git_version));
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&served)));
        Ok(served)
    }

    /// Forgets what was read: kinds have been added.
    pub(crate) fn expire(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_brings_its_served_versions() {
        let mut kinds = Kinds::new(Arc::default());
        kinds.add_definition(&json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {"group": "a.b", "scope": "Namespaced", "names": {"kind": "Cat", "plural": "cats"},
                "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
        }));
        let cat = kinds.find("a.b/v1", "Cat").unwrap();
        assert_eq!((cat.plural.as_ref(), cat.namespaced), ("cats", true));
        assert!(kinds.find("a.b/v0", "Cat").is_none());
        assert!(kinds.find("a.b/v1", "Dog").is_none());
    }

    #[test]
    fn without_a_cluster_every_kind_is_assumed() {
        let kind = Kinds::assumed().find("apps/v1", "Deployment").unwrap();
        assert_eq!(
            (kind.api_version().as_str(), kind.namespaced),
            ("apps/v1", true)
        );
        assert_eq!(Kinds::assumed().find("v1", "Pod").unwrap().group, "");
    }

    #[test]
    fn what_is_no_definition_brings_nothing() {
        let mut kinds = Kinds::new(Arc::default());
        for object in [
            json!(null),
            json!({"kind": "CustomResourceDefinition", "spec": {"versions": [{"name": "v1"}]}}),
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": 3}),
            json!({"apiVersion": "v1", "kind": "ConfigMap"}),
        ] {
            kinds.add_definition(&object);
        }
        assert!(kinds.brought.is_empty());
    }
}
