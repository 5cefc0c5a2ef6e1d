//! What the index keeps of a Namespace: its labels, which BundleNamespaceMappings select by.

use std::collections::BTreeMap;

use apiclient::{Object, ObjectKey};
use serde::Deserialize;

/// A Namespace read as metadata only.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NamespaceMeta {
    metadata: Fields,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    name: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
}

impl Object for NamespaceMeta {
    fn key(&self) -> ObjectKey {
        ObjectKey::new("", self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl NamespaceMeta {
    /// Name and labels.
    pub(crate) fn into_parts(self) -> (String, BTreeMap<String, String>) {
        let Fields { name, labels, .. } = self.metadata;
        (name, labels.unwrap_or_default())
    }
}
