//! Content: the files of a bundle, stored once and shared by all its deployments.
//!
//! Cluster-scoped, named by its content (`ids::content_id`), never rewritten. Content too large for
//! one object is stored in chunks, each a Content of its own, which the first one lists.

use k8s_openapi::ByteString;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{is_empty, or_default};

/// Content is used internally. It holds the files of a bundle and is named by their hash.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Content {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Compressed (gzip) manifest of the files, or one chunk of it. Empty when `chunks` are listed.
    #[schemars(schema_with = "crate::crds::schemas::bytes")]
    pub content: Option<ByteString>,
    /// Checksum of the manifest before compression. Of a chunk: checksum of its bytes.
    #[serde(rename = "sha256sum", deserialize_with = "or_default")]
    pub sha256sum: String,
    /// The objects that together hold the compressed manifest, in order. Empty when it is held here.
    #[serde(deserialize_with = "or_default")]
    pub chunks: Vec<ContentChunk>,
    /// Use of the content.
    #[serde(deserialize_with = "or_default")]
    pub status: ContentStatus,
}

/// One part of a compressed manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ContentChunk {
    /// Name of the Content that holds it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Checksum of its bytes.
    #[serde(
        rename = "sha256",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub sha256: String,
}

/// Use of a content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ContentStatus {
    /// Number of BundleDeployments that use the content.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub reference_count: i64,
}
