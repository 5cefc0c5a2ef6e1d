//! The encoded form of a stored object.
//!
//! An object is kept as the JSON that will be served, without `kind`, `apiVersion` and
//! `metadata.resourceVersion`: the first two belong to the version a client asks for, the third is
//! known only when the write commits. Large top-level fields (`spec`, `data`, ...) are segments of
//! their own so that equal ones can be shared between clusters.

use std::sync::Arc;

use serde_json::Value;

use super::intern::{Interner, SEGMENT_BYTES_MIN};

/// Why an object could not be encoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The value is not an object with `metadata`.
    #[error("value is not an object with metadata")]
    NoObject,
    /// A field could not be written as JSON.
    #[error("field {field} cannot be encoded")]
    Encode {
        /// The top-level field.
        field: String,
        /// The encoder's complaint.
        #[source]
        source: serde_json::Error,
    },
}

/// An encoded object; see the module's text for the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Members of `metadata` up to and including the closing brace, then `,"field":value` pairs.
    head: Arc<[u8]>,
    /// Length of the metadata part of `head`.
    meta_len: usize,
    /// Further `,"field":value` pairs.
    shared: Box<[Arc<[u8]>]>,
}

impl Payload {
    /// Encodes `object`, leaving out `kind`, `apiVersion` and `metadata.resourceVersion`.
    ///
    /// # Errors
    /// If `object` is not an object with a `metadata` object.
    pub(crate) fn encode(object: &Value) -> Result<Self, Error> {
        let fields = object.as_object().ok_or(Error::NoObject)?;
        let meta = fields
            .get("metadata")
            .and_then(Value::as_object)
            .ok_or(Error::NoObject)?;
        let mut head = Vec::with_capacity(1_024);
        for (key, value) in meta.iter().filter(|(key, _)| *key != "resourceVersion") {
            if !head.is_empty() {
                head.push(b',');
            }
            write_pair(&mut head, key, value)?;
        }
        head.push(b'}');
        let meta_len = head.len();
        let mut shared = Vec::new();
        for (key, value) in fields {
            if matches!(key.as_str(), "kind" | "apiVersion" | "metadata") {
                continue;
            }
            let start = head.len();
            head.push(b',');
            write_pair(&mut head, key, value)?;
            if head.len() - start >= SEGMENT_BYTES_MIN && key != "status" {
                shared.push(Arc::from(&head[start..]));
                head.truncate(start);
            }
        }
        Ok(Self {
            head: head.into(),
            meta_len,
            shared: shared.into(),
        })
    }

    /// Restores a payload from the parts [`Payload::parts`] gave.
    pub(crate) fn from_parts(head: &[u8], meta_len: usize, shared: Vec<Arc<[u8]>>) -> Self {
        Self {
            head: head.into(),
            meta_len: meta_len.min(head.len()),
            shared: shared.into(),
        }
    }

    /// Head, length of its metadata part, shared segments.
    pub(crate) fn parts(&self) -> (&[u8], usize, &[Arc<[u8]>]) {
        (&self.head, self.meta_len, &self.shared)
    }

    /// Appends the object as a client sees it. Without `type_meta` (kind, apiVersion) it is
    /// written as an item of a typed list.
    pub(crate) fn write(&self, out: &mut Vec<u8>, type_meta: Option<(&str, &str)>, revision: u64) {
        out.reserve(self.len() + 160);
        out.push(b'{');
        if let Some((kind, api_version)) = type_meta {
            write_type_meta(out, kind, api_version);
        }
        self.write_metadata(out, revision);
        out.extend_from_slice(&self.head[self.meta_len..]);
        for segment in &self.shared {
            out.extend_from_slice(segment);
        }
        out.push(b'}');
    }

    /// Appends the object reduced to `PartialObjectMetadata`.
    pub(crate) fn write_partial(&self, out: &mut Vec<u8>, revision: u64) {
        out.push(b'{');
        write_type_meta(out, "PartialObjectMetadata", "meta.k8s.io/v1");
        self.write_metadata(out, revision);
        out.push(b'}');
    }

    fn write_metadata(&self, out: &mut Vec<u8>, revision: u64) {
        out.extend_from_slice(b"\"metadata\":{\"resourceVersion\":\"");
        out.extend_from_slice(revision.to_string().as_bytes());
        out.push(b'"');
        if self.meta_len > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&self.head[..self.meta_len]);
    }

    /// Decodes the object as version `api_version` of `kind`.
    ///
    /// # Errors
    /// Only if the bytes were damaged on disk.
    pub(crate) fn decode(
        &self,
        kind: &str,
        api_version: &str,
        revision: u64,
    ) -> serde_json::Result<Value> {
        let mut bytes = Vec::new();
        self.write(&mut bytes, Some((kind, api_version)), revision);
        serde_json::from_slice(&bytes)
    }

    /// Decodes the object without its shared segments, which may be most of it.
    ///
    /// # Errors
    /// As [`Payload::decode`].
    pub(crate) fn decode_own(
        &self,
        kind: &str,
        api_version: &str,
        revision: u64,
    ) -> serde_json::Result<Value> {
        let own = Self {
            shared: Box::default(),
            ..self.clone()
        };
        own.decode(kind, api_version, revision)
    }

    /// This payload's own part with the shared segments of another.
    pub(crate) fn with_shared_of(self, other: &Self) -> Self {
        Self {
            shared: other.shared.clone(),
            ..self
        }
    }

    /// Bytes of the object, without type and resourceVersion.
    pub(crate) fn len(&self) -> usize {
        self.head.len()
            + self
                .shared
                .iter()
                .map(|segment| segment.len())
                .sum::<usize>()
    }

    /// Bytes that this payload does not share.
    pub(crate) fn own_bytes(&self) -> usize {
        self.head.len()
    }

    /// The encoding of one large top-level field, as `,"field":value`; a stable identity for
    /// caches of what was derived from it.
    pub(crate) fn shared_segment(&self, field: &str) -> Option<&Arc<[u8]>> {
        let prefix = format!(",\"{field}\":");
        self.shared
            .iter()
            .find(|segment| segment.starts_with(prefix.as_bytes()))
    }

    /// One top-level field other than `metadata`, decoded alone.
    pub(crate) fn field(&self, field: &str) -> Option<Value> {
        let prefix = format!(",\"{field}\":");
        if let Some(segment) = self.shared_segment(field) {
            return serde_json::from_slice(&segment[prefix.len()..]).ok();
        }
        let mut rest = self.head[self.meta_len..].to_vec();
        // The fields begin with a comma; the type does not matter to the one wanted.
        rest.splice(0..0, *b"{\"\":0");
        rest.push(b'}');
        serde_json::from_slice::<Value>(&rest)
            .ok()?
            .get_mut(field)
            .map(Value::take)
    }

    pub(super) fn has_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    pub(super) fn intern(&mut self, interner: &mut Interner) {
        for segment in &mut self.shared {
            *segment = interner.share(Arc::clone(segment));
        }
    }
}

/// Appends `"kind":..,"apiVersion":..,`; both are names that need no escaping.
fn write_type_meta(out: &mut Vec<u8>, kind: &str, api_version: &str) {
    out.extend_from_slice(b"\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(api_version.as_bytes());
    out.extend_from_slice(b"\",");
}

fn write_pair(out: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), Error> {
    let encode = |source| Error::Encode {
        field: key.to_owned(),
        source,
    };
    serde_json::to_writer(&mut *out, key).map_err(encode)?;
    out.push(b':');
    serde_json::to_writer(&mut *out, value).map_err(encode)
}
