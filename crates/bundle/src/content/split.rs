//! Cuts a manifest into fragments that stay the same when something else changes.

use std::ops::Range;

use api::ids::content_sha256;
use api::v1alpha1::BundleResource;

use super::pack_bytes;

/// One file in that many ends a fragment that is large enough.
const CUT_ONE_IN: u8 = 16;

/// A part of a manifest, and its compressed form.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) packed: Vec<u8>,
}

/// Cuts between files. After `chunk_bytes / 4` bytes the next file whose name says so is the last one of
/// its fragment; after `chunk_bytes` any is. Which names say so depends on nothing else, so fragments
/// fall in step again soon after a change. What is larger than `packed_max` when compressed is halved
/// until it fits.
///
/// `manifest` is `ids::manifest_json(resources)`.
pub(super) fn split<'a>(
    resources: &[BundleResource],
    manifest: &'a [u8],
    chunk_bytes: usize,
    packed_max: usize,
) -> Vec<Fragment<'a>> {
    let mut fragments = Vec::new();
    for range in cuts(resources, manifest, chunk_bytes) {
        pack(&manifest[range], packed_max, &mut fragments);
    }
    fragments
}

/// Ranges of the manifest, without gaps.
fn cuts(resources: &[BundleResource], manifest: &[u8], chunk_bytes: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut at) = (0, HEAD.len());
    for (i, resource) in resources.iter().enumerate() {
        // A comma stands before every file but the first.
        at += usize::from(i > 0) + json_len(resource);
        let size = at - start;
        let may_end = size >= chunk_bytes / 4 && ends_fragment(&resource.name);
        let last = i + 1 == resources.len();
        if !last && (may_end || size >= chunk_bytes) {
            ranges.push(start..at);
            start = at;
        }
    }
    ranges.push(start..manifest.len());
    ranges
}

/// What a manifest begins with.
const HEAD: &str = r#"{"resources":["#;

fn json_len(resource: &BundleResource) -> usize {
    api::limits::json_len(resource)
}

/// A decision that is the same for a name wherever it stands.
fn ends_fragment(name: &str) -> bool {
    let digits = content_sha256(name.as_bytes());
    u8::from_str_radix(digits.get(..2).unwrap_or_default(), 16)
        .is_ok_and(|byte| byte.is_multiple_of(CUT_ONE_IN))
}

fn pack<'a>(bytes: &'a [u8], packed_max: usize, fragments: &mut Vec<Fragment<'a>>) {
    let packed = pack_bytes(bytes);
    if packed.len() <= packed_max || bytes.len() < 2 {
        fragments.push(Fragment { bytes, packed });
        return;
    }
    let (first, second) = bytes.split_at(bytes.len() / 2);
    pack(first, packed_max, fragments);
    pack(second, packed_max, fragments);
}
