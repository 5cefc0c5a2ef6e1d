//! What the index keeps of a Content: that it exists, and which chunks it consists of.

use std::collections::BTreeMap;

use apiclient::{Object, ObjectKey};
use serde::Deserialize;

/// A Content read as metadata only: payloads never enter the hub's memory by a watch.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ContentMeta {
    metadata: Fields,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    name: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
    finalizers: Option<Vec<String>>,
}

impl Object for ContentMeta {
    fn key(&self) -> ObjectKey {
        ObjectKey::new("", self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// A stored Content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentEntry {
    /// Names of the Contents that hold its chunks; empty when it holds everything itself.
    pub(crate) chunks: Vec<String>,
    /// It is a chunk of others and of no use by itself.
    pub(crate) is_chunk: bool,
    /// A deletion timestamp is set.
    pub(crate) deleting: bool,
    /// Finalizers of older versions of upstream, which are stripped.
    pub(crate) finalizers: bool,
}

impl From<ContentMeta> for ContentEntry {
    fn from(content: ContentMeta) -> Self {
        let meta = content.metadata;
        let annotations = meta.annotations.unwrap_or_default();
        let chunks = annotations
            .get(api::labels::CONTENT_CHUNKS)
            .map_or_else(Vec::new, |names| {
                names
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect()
            });
        Self {
            chunks,
            is_chunk: meta
                .labels
                .unwrap_or_default()
                .contains_key(api::labels::CONTENT_CHUNK),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.is_some_and(|set| !set.is_empty()),
        }
    }
}
