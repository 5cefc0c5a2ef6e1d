//! Names of objects as keys of counters.

use std::fmt;
use std::sync::Arc;

/// Namespace and name of an object, `namespace/name`. Cheap to clone. Ordered as its text, which is how
/// upstream orders clusters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(pub(crate) Arc<str>);

impl ObjectKey {
    /// The key of an object in a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// `namespace/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.0
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What bundles come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A GitRepo.
    GitRepo(ObjectKey),
    /// A HelmOp.
    HelmOp(ObjectKey),
}

/// An object whose counters changed since it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dirty {
    /// A Bundle.
    Bundle(ObjectKey),
    /// A GitRepo or HelmOp.
    Source(Source),
    /// A Cluster.
    Cluster(ObjectKey),
    /// A ClusterGroup.
    ClusterGroup(ObjectKey),
}
