//! The part of an object's metadata that controllers decide by.

use std::collections::BTreeMap;

use kube_core::ObjectMeta;

/// A resource version as a number, which tells the older of two states of one object. Kubernetes
/// promises this for all built-in and custom resources. Zero when it is no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u64);

impl Version {
    /// Reads a `resourceVersion`.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.parse().unwrap_or_default())
    }

    /// Whether this state is known to be older than `known`: a watch event that was overtaken by
    /// the answer to our own write.
    pub(crate) fn is_before(self, known: Self) -> bool {
        self.0 != 0 && self < known
    }
}

/// Metadata without managed fields, owner references and timestamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) uid: String,
    pub(crate) version: Version,
    pub(crate) generation: i64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) finalizers: Vec<String>,
    /// A deletion timestamp is set.
    pub(crate) deleting: bool,
}

impl From<&ObjectMeta> for Meta {
    fn from(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version: Version::parse(meta.resource_version.as_deref().unwrap_or_default()),
            generation: meta.generation.unwrap_or_default(),
            labels: meta.labels.clone().unwrap_or_default(),
            annotations: meta.annotations.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }
}

impl Meta {
    /// Whether `finalizer` is set.
    pub(crate) fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|set| set == finalizer)
    }
}
