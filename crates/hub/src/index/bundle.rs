//! What the index keeps of a Bundle: everything but its files.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::limits::json_len;
use api::v1alpha1::{Bundle, BundleResource, BundleSpec, BundleStatus};

use super::meta::Meta;

/// A Bundle without its files.
#[derive(Clone, Debug)]
pub(crate) struct BundleEntry {
    pub(crate) meta: Meta,
    /// The spec with `resources` emptied.
    pub(crate) spec: Arc<BundleSpec>,
    /// Bytes of spec and status as JSON, files included.
    pub(crate) bytes: usize,
    spec_bytes: usize,
    /// Where the files are.
    pub(crate) content: ContentSource,
    /// The stored status, as last seen.
    pub(crate) status: Arc<BundleStatus>,
}

/// Where the files of a bundle are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContentSource {
    /// In the Bundle itself; the id and checksum they have as a Content.
    Inline { id: String, sha256: String },
    /// In Contents that were stored before the Bundle.
    Stored { id: String },
    /// The agent fetches a chart (HelmOp).
    Chart,
}

impl ContentSource {
    fn of(spec: &BundleSpec, resources: &[BundleResource]) -> Self {
        if spec.helm_op_options.is_some() {
            return Self::Chart;
        }
        if !spec.contents_id.is_empty() {
            return Self::Stored {
                id: spec.contents_id.clone(),
            };
        }
        let sha256 = api::ids::content_sha256(&api::ids::manifest_json(resources));
        Self::Inline {
            id: api::ids::content_id(&sha256),
            sha256,
        }
    }

    /// The id of the content; empty when the agent fetches a chart. It is the first half of the
    /// deployment ids.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Inline { id, .. } | Self::Stored { id } => id,
            Self::Chart => "",
        }
    }
}

impl BundleEntry {
    /// Takes the object apart; `previous` saves hashing files that did not change.
    pub(crate) fn new(bundle: Bundle, previous: Option<&Self>) -> Self {
        let Bundle {
            metadata,
            mut spec,
            status,
        } = bundle;
        let meta = Meta::from(&metadata);
        let same = previous
            .filter(|entry| entry.meta.uid == meta.uid && entry.meta.generation == meta.generation);
        let (spec_bytes, content) = match same {
            Some(entry) => (entry.spec_bytes, entry.content.clone()),
            None => (json_len(&spec), ContentSource::of(&spec, &spec.resources)),
        };
        let spec = same.map_or_else(
            || {
                spec.resources = Vec::new();
                Arc::new(spec)
            },
            |entry| Arc::clone(&entry.spec),
        );
        Self {
            meta,
            spec,
            bytes: spec_bytes + json_len(&status),
            spec_bytes,
            content,
            status: Arc::new(status),
        }
    }

    /// Whether targeting could come out differently than for `other`.
    pub(crate) fn targets_differ(&self, other: &Self) -> bool {
        self.meta.generation != other.meta.generation
            || self.meta.uid != other.meta.uid
            || self.meta.labels != other.meta.labels
            || self.meta.deleting != other.meta.deleting
    }

    /// Whether its deployments may have to wait for others.
    pub(crate) fn has_dependencies(&self) -> bool {
        !self.spec.depends_on.is_empty()
    }

    /// The GitRepo that owns the bundle, by label.
    pub(crate) fn git_repo(&self) -> Option<&str> {
        label(&self.meta.labels, api::labels::REPO_NAME)
    }
}

pub(crate) fn label<'a>(labels: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    labels
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}
