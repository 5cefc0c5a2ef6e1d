//! Puts stored contents together again, trusting nothing.

use std::collections::BTreeMap;
use std::io::Read;

use api::ids;
use api::v1alpha1::{BundleResource, Content};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::MANIFEST_BYTES_MAX;

/// Chunks of one content that are read.
const CHUNKS_MAX: usize = 4096;

/// Why stored content cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Content that is listed is not there.
    #[error("content {name:?} lacks its chunk {chunk:?}")]
    MissingChunk {
        /// Name of the Content that lists it.
        name: String,
        /// Name of the chunk.
        chunk: String,
    },
    /// It holds nothing and lists nothing.
    #[error("content {name:?} is empty")]
    Empty {
        /// Name of the Content.
        name: String,
    },
    /// Unpacked it is larger than [`MANIFEST_BYTES_MAX`], or lists too many chunks.
    #[error("content {name:?} is too large: the limit is {MANIFEST_BYTES_MAX} bytes")]
    TooLarge {
        /// Name of the Content.
        name: String,
    },
    /// It cannot be unpacked.
    #[error("unpack content {name:?}")]
    Unpack {
        /// Name of the Content.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what its checksum says.
    #[error("content {name:?} is damaged: its checksum is {found}, not {wanted}")]
    Checksum {
        /// Name of the Content.
        name: String,
        /// The sum that was promised.
        wanted: String,
        /// The sum of what is there.
        found: String,
    },
    /// It is no manifest.
    #[error("content {name:?} is no manifest")]
    Manifest {
        /// Name of the Content.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The content of a file cannot be decoded.
    #[error("decode {name:?} from {encoding:?}: {reason}")]
    Resource {
        /// Name of the file.
        name: String,
        /// Its encoding.
        encoding: String,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    resources: Option<Vec<BundleResource>>,
}

/// The files of a content: of one in upstream's form, which needs no chunks, or of one that lists chunks,
/// given by name.
///
/// # Errors
/// When something is missing, damaged or too large. No more than [`MANIFEST_BYTES_MAX`] bytes are ever
/// unpacked.
pub fn assemble(
    root: &Content,
    chunks: &BTreeMap<String, Content>,
) -> Result<Vec<BundleResource>, Error> {
    let name = root.metadata.name.clone().unwrap_or_default();
    let mut manifest = Vec::new();
    if root.chunks.is_empty() {
        unpack(&name, root, &mut manifest)?;
    } else if root.chunks.len() > CHUNKS_MAX {
        return Err(Error::TooLarge { name });
    }
    for listed in &root.chunks {
        let Some(chunk) = chunks.get(&listed.name) else {
            return Err(Error::MissingChunk {
                name,
                chunk: listed.name.clone(),
            });
        };
        let start = manifest.len();
        unpack(&listed.name, chunk, &mut manifest)?;
        check(&listed.name, &listed.sha256, &manifest[start..])?;
    }
    if root.sha256sum.is_empty() {
        // Written by an early version of upstream; the name holds most of the sum.
        let found = ids::content_id(&ids::content_sha256(&manifest));
        if found != name {
            return Err(Error::Checksum {
                wanted: name.clone(),
                name,
                found,
            });
        }
    } else {
        check(&name, &root.sha256sum, &manifest)?;
    }
    let manifest: Manifest =
        serde_json::from_slice(&manifest).map_err(|source| Error::Manifest { name, source })?;
    Ok(manifest.resources.unwrap_or_default())
}

fn unpack(name: &str, content: &Content, out: &mut Vec<u8>) -> Result<(), Error> {
    let Some(packed) = content
        .content
        .as_ref()
        .filter(|packed| !packed.0.is_empty())
    else {
        return Err(Error::Empty {
            name: name.to_owned(),
        });
    };
    let room = MANIFEST_BYTES_MAX - out.len();
    let n_read = MultiGzDecoder::new(packed.0.as_slice())
        .take(room as u64 + 1)
        .read_to_end(out)
        .map_err(|source| Error::Unpack {
            name: name.to_owned(),
            source,
        })?;
    if n_read > room {
        Err(Error::TooLarge {
            name: name.to_owned(),
        })
    } else {
        Ok(())
    }
}

fn check(name: &str, wanted: &str, bytes: &[u8]) -> Result<(), Error> {
    let found = ids::content_sha256(bytes);
    if found == wanted {
        return Ok(());
    }
    Err(Error::Checksum {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
        found,
    })
}

/// The bytes of a file: text as it is, `base64`, or `base64+gz`. At most `bytes_max` of them.
///
/// # Errors
/// [`Error::Resource`]: unknown encoding, broken data, or too large.
pub fn decode_resource(resource: &BundleResource, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let bad = |reason: String| Error::Resource {
        name: resource.name.clone(),
        encoding: resource.encoding.clone(),
        reason,
    };
    let too_large = || bad(format!("larger than {bytes_max} bytes"));
    let base64 = || {
        STANDARD
            .decode(&resource.content)
            .map_err(|error| bad(error.to_string()))
    };
    let bytes = match resource.encoding.as_str() {
        "" => resource.content.clone().into_bytes(),
        "base64" => base64()?,
        "base64+gz" => {
            let mut bytes = Vec::new();
            MultiGzDecoder::new(base64()?.as_slice())
                .take(bytes_max as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| bad(error.to_string()))?;
            bytes
        }
        _ => return Err(bad("unknown encoding".to_owned())),
    };
    if bytes.len() > bytes_max {
        Err(too_large())
    } else {
        Ok(bytes)
    }
}
