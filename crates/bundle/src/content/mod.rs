//! How the files of a bundle are stored: in the Bundle itself, in one Content, or in chunks.
//!
//! | size | form |
//! |---|---|
//! | Bundle within `Limits::inline_bytes_max` | `spec.resources`, as upstream |
//! | compressed manifest within one Content | `spec.contentsId` names a Content in upstream's form |
//! | larger | that Content lists chunks, each a Content of its own |
//!
//! A manifest is the JSON of all files in order of their names. Its chunks, uncompressed and put
//! together, are its bytes; compressed and put together, they are one gzip stream of it. They are cut
//! between files, at places that depend on names of files nearby and not on what comes before, so that
//! a change in one file leaves the chunks of the others alone. A chunk is named by its own content and
//! may belong to several manifests.
//!
//! Reading ([`assemble`]) checks every sum and never unpacks more than [`MANIFEST_BYTES_MAX`].

mod assemble;
mod split;

use std::collections::BTreeMap;
use std::io::Write;

use api::ids::{self, UnnamedTarget};
use api::labels;
use api::limits::{Limits, json_len};
use api::v1alpha1::{Bundle, BundleResource, Content, ContentChunk, HelmOptions};
use flate2::{Compression, GzBuilder};
use k8s_openapi::ByteString;
use kube_core::ObjectMeta;

use crate::build::upstream_form;

pub use assemble::{Error as AssembleError, assemble, decode_resource};

/// The largest manifest that is stored or read. Bytes before compression.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// A bundle that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// All files together are too large.
    #[error(
        "the files of bundle {name:?} are too large: {bytes} bytes, the limit is {MANIFEST_BYTES_MAX}; largest: {largest}"
    )]
    ManifestTooLarge {
        /// Name of the Bundle.
        name: String,
        /// Bytes of the manifest, at least.
        bytes: usize,
        /// Name of the largest file.
        largest: String,
    },
    /// What is left without the files is too large.
    #[error("bundle {name:?} is too large without its files: {bytes} bytes, the limit is {limit}")]
    BundleTooLarge {
        /// Name of the Bundle.
        name: String,
        /// Bytes of its JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Values cannot be stored because their target has no name.
    #[error("values of bundle {name:?}")]
    Values {
        /// Name of the Bundle.
        name: String,
        /// Why.
        #[source]
        source: UnnamedTarget,
    },
}

/// A Bundle as it is written to the hub, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Without Helm values; with files or with `spec.contentsId`.
    pub bundle: Bundle,
    /// To be written before the Bundle; those that exist already are right as they are. Empty if the
    /// Bundle holds its files.
    pub contents: Vec<Content>,
    /// Data of the Secret with Helm values, named like the Bundle. Empty if there are no values.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// Decides how a Bundle is stored and takes it apart accordingly.
///
/// Files are encoded as upstream encodes them ([`upstream_form`]), so that the content has upstream's name
/// and whoever takes over a hub deploys nothing again.
///
/// Fields that only the system sets (`contentsId`, `valuesHash`, `helmOpOptions`, `overwrites`,
/// `allowedTargetNamespaceSelector`) are cleared first, whatever a fleet.yaml said.
///
/// # Errors
/// When something exceeds its budget in spite of all.
pub fn store(bundle: Bundle, limits: &Limits) -> Result<Stored, StoreError> {
    let name = bundle.metadata.name.clone().unwrap_or_default();
    // Before anything is done with files of that size.
    check_size(&name, &bundle.spec.resources)?;
    let mut bundle = upstream_form(bundle);
    clear_internal_fields(&mut bundle);
    let values = extract_values(&mut bundle).map_err(|source| StoreError::Values {
        name: name.clone(),
        source,
    })?;
    let mut contents = Vec::new();
    if !fits_inline(&bundle, limits) {
        let resources = std::mem::take(&mut bundle.spec.resources);
        contents = pack(&name, &resources, limits)?;
        bundle.spec.contents_id = contents
            .last()
            .and_then(|root| root.metadata.name.clone())
            .unwrap_or_default();
    }
    let (bytes, limit) = (json_len(&bundle), limits.object_bytes_max);
    if bytes > limit {
        return Err(StoreError::BundleTooLarge { name, bytes, limit });
    }
    Ok(Stored {
        bundle,
        contents,
        values,
    })
}

fn fits_inline(bundle: &Bundle, limits: &Limits) -> bool {
    let resources = &bundle.spec.resources;
    // The sum alone decides for bundles that are expensive to measure.
    let files: usize = resources
        .iter()
        .map(|resource| resource.content.len())
        .sum();
    resources.is_empty()
        || (files <= limits.inline_bytes_max && json_len(bundle) <= limits.inline_bytes_max)
}

/// The Contents that hold these files, chunks first, the one that names them last.
///
/// # Errors
/// [`StoreError::ManifestTooLarge`]; `name` is only used there.
pub fn pack(
    name: &str,
    resources: &[BundleResource],
    limits: &Limits,
) -> Result<Vec<Content>, StoreError> {
    check_size(name, resources)?;
    let manifest = ids::manifest_json(resources);
    if manifest.len() > MANIFEST_BYTES_MAX {
        return Err(too_large(name, resources, manifest.len()));
    }
    let sum = ids::content_sha256(&manifest);
    let payload_max = payload_bytes_max(limits);
    let packed = pack_bytes(&manifest);
    if packed.len() <= payload_max {
        return Ok(vec![content(&sum, packed)]);
    }
    let fragments = split::split(resources, &manifest, limits.chunk_bytes_max, payload_max);
    let mut chunks: Vec<ContentChunk> = Vec::new();
    let mut contents: BTreeMap<String, Content> = BTreeMap::new();
    for fragment in fragments {
        let sha256 = ids::content_sha256(fragment.bytes);
        let mut chunk = content(&sha256, fragment.packed);
        chunk.metadata.labels = Some(BTreeMap::from([(
            labels::CONTENT_CHUNK.to_owned(),
            "true".to_owned(),
        )]));
        let name = ids::content_id(&sha256);
        contents.insert(name.clone(), chunk);
        chunks.push(ContentChunk { name, sha256 });
    }
    let names: Vec<&str> = chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    let mut root = content(&sum, Vec::new());
    root.content = None;
    root.metadata.annotations = Some(BTreeMap::from([(
        labels::CONTENT_CHUNKS.to_owned(),
        names.join(","),
    )]));
    root.chunks = chunks;
    Ok(contents.into_values().chain([root]).collect())
}

/// Refuses files that make a manifest too large, whatever else is in it.
fn check_size(name: &str, resources: &[BundleResource]) -> Result<(), StoreError> {
    let bytes: usize = resources
        .iter()
        .map(|resource| resource.content.len())
        .sum();
    if bytes > MANIFEST_BYTES_MAX {
        Err(too_large(name, resources, bytes))
    } else {
        Ok(())
    }
}

fn too_large(name: &str, resources: &[BundleResource], bytes: usize) -> StoreError {
    let largest = resources
        .iter()
        .max_by_key(|resource| resource.content.len());
    let largest = largest
        .map(|resource| resource.name.clone())
        .unwrap_or_default();
    StoreError::ManifestTooLarge {
        name: name.to_owned(),
        bytes,
        largest,
    }
}

/// Compressed bytes with a header that holds neither time nor system. How well they are compressed is no
/// part of any name.
fn pack_bytes(bytes: &[u8]) -> Vec<u8> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let builder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut packer = builder.write(Vec::new(), Compression::new(6));
    // Writing to memory does not fail.
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default()
}

fn content(sha256: &str, packed: Vec<u8>) -> Content {
    Content {
        metadata: ObjectMeta {
            name: Some(ids::content_id(sha256)),
            ..ObjectMeta::default()
        },
        content: Some(ByteString(packed)),
        sha256sum: sha256.to_owned(),
        ..Content::default()
    }
}

/// Compressed bytes that one Content holds, so that all of it, in base64 and with its metadata, stays
/// within the budget of a chunk.
fn payload_bytes_max(limits: &Limits) -> usize {
    let in_base64 = limits.chunk_bytes_max / 4 * 3;
    in_base64 - (limits.chunk_bytes_max / 4).min(1024)
}

fn clear_internal_fields(bundle: &mut Bundle) {
    let spec = &mut bundle.spec;
    spec.contents_id.clear();
    spec.values_hash.clear();
    spec.helm_op_options = None;
    spec.options.overwrites.clear();
    spec.options.allowed_target_namespace_selector = None;
    for target in &mut spec.targets {
        target.options.overwrites.clear();
        target.options.allowed_target_namespace_selector = None;
    }
}

/// Takes the Helm values out of a Bundle and leaves their hash.
fn extract_values(bundle: &mut Bundle) -> Result<BTreeMap<String, Vec<u8>>, UnnamedTarget> {
    let spec = &mut bundle.spec;
    let values = ids::values_secret_data(spec)?;
    spec.values_hash = ids::values_hash(&values);
    if !values.is_empty() {
        let clear = |helm: &mut HelmOptions| {
            helm.values = None;
            helm.values_files.clear();
        };
        spec.options.helm.iter_mut().for_each(clear);
        spec.targets
            .iter_mut()
            .filter_map(|target| target.options.helm.as_mut())
            .for_each(clear);
    }
    Ok(values)
}
