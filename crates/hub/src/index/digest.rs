//! Short fingerprints of what is stored, so that the index can tell "unchanged" without keeping it.

use std::io;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of the SHA-256 of a value's JSON form. Equal digests mean equal values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Digest([u8; 16]);

struct Sink(Sha256);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Digest {
    /// A positive number that every reader of JSON holds exactly, made of the digest's first bytes.
    pub(crate) fn number(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[..6]);
        i64::from_be_bytes(bytes).max(1)
    }

    /// The digest of `value`. A value that cannot be serialised has the default digest, which no
    /// other value has; writing it fails with the reason.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let mut sink = Sink(Sha256::new());
        if serde_json::to_writer(&mut sink, value).is_err() {
            return Self::default();
        }
        let full = sink.0.finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Self(short)
    }
}
