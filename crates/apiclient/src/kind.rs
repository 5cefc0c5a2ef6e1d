//! Where objects of a kind live, how one is named, and what a watch needs to know of it.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube_core::Resource;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::options::PLAIN;

/// The address of a kind on an API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// API version, such as `v1`.
    pub version: Cow<'static, str>,
    /// The kind's name, such as `Deployment`.
    pub kind: Cow<'static, str>,
    /// The resource's name in URLs, such as `deployments`.
    pub plural: Cow<'static, str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

/// Tells at run time what k8s-openapi's scope types say at compile time.
pub trait Scope {
    /// Whether objects live in namespaces.
    const NAMESPACED: bool;
}

impl Scope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

impl Kind {
    /// The kind of a typed object.
    pub fn of<K>() -> Self
    where
        K: Resource<DynamicType = ()>,
        K::Scope: Scope,
    {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Self {
            group: owned(K::group(&())),
            version: owned(K::version(&())),
            kind: owned(K::kind(&())),
            plural: owned(K::plural(&())),
            namespaced: <K::Scope as Scope>::NAMESPACED,
        }
    }

    /// A kind known at compile time without a type.
    pub const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced,
        }
    }

    /// `group/version`, or only the version in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The URL path of the collection, in `namespace` or over all namespaces.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let api_version = self.api_version();
        match namespace {
            Some(ns) if self.namespaced => {
                let ns = utf8_percent_encode(ns, PLAIN);
                format!("{root}/{api_version}/namespaces/{ns}/{}", self.plural)
            }
            _ => format!("{root}/{api_version}/{}", self.plural),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.plural)
        } else {
            write!(f, "{}.{}", self.plural, self.group)
        }
    }
}

/// Namespace and name of an object; the namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The namespace as requests want it.
    pub fn ns(&self) -> Option<&str> {
        (!self.namespace.is_empty()).then_some(self.namespace.as_str())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The part of an object's metadata that the answer to a write, or a watch of metadata, is read for. Decodes from
/// any object.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ObjectMeta {
    /// The metadata.
    #[serde(default)]
    pub metadata: Metadata,
}

/// See [`ObjectMeta`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id of this incarnation.
    pub uid: String,
    /// Version of the stored object; opaque.
    pub resource_version: String,
    /// Counts changes of the desired state.
    pub generation: i64,
}

impl Object for ObjectMeta {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// What a watch must know of the type it decodes objects into.
pub trait Object: DeserializeOwned + Send + 'static {
    /// Namespace and name.
    fn key(&self) -> ObjectKey;
    /// The version that came with the object; equal versions are equal objects.
    fn resource_version(&self) -> &str;
    /// Drops what no consumer reads, before the object is handed on.
    fn trim(&mut self) {}
}

impl<K> Object for K
where
    K: Resource + DeserializeOwned + Send + 'static,
{
    fn key(&self) -> ObjectKey {
        let meta = self.meta();
        ObjectKey::new(
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        )
    }

    fn resource_version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }

    fn trim(&mut self) {
        self.meta_mut().managed_fields = None;
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    #[test]
    fn a_namespaced_kind_has_a_path_per_namespace_and_one_over_all() {
        let kind = Kind::of::<Deployment>();
        assert_eq!(
            kind.path(Some("a")),
            "/apis/apps/v1/namespaces/a/deployments"
        );
        assert_eq!(kind.path(None), "/apis/apps/v1/deployments");
        // No namespace leads anywhere else.
        assert_eq!(
            kind.path(Some("a/pods/../..?b")),
            "/apis/apps/v1/namespaces/a%2Fpods%2F..%2F..%3Fb/deployments"
        );
        assert_eq!(kind.to_string(), "deployments.apps");
    }

    #[test]
    fn a_cluster_scoped_kind_ignores_the_namespace() {
        let kind = Kind::of::<Namespace>();
        assert_eq!(kind.path(Some("a")), "/api/v1/namespaces");
        assert!(!kind.namespaced);
    }
}
