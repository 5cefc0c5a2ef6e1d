//! One copy of equal payload segments, however many clusters hold them.
//!
//! Hundreds of clusters hold the same CRDs and dashboards; only metadata differs. The interner keeps
//! a strong reference to each segment and lets go of those nobody else holds whenever it has grown
//! by half since the last sweep.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Segments below this size are not worth a table slot.
pub(super) const SEGMENT_BYTES_MIN: usize = 1_024;

/// Sweeping more often than this costs more than it frees.
const SWEEP_BYTES_MIN: usize = 4 << 20;

/// Table of shared segments.
#[derive(Default)]
pub(crate) struct Interner {
    hasher: RandomState,
    segments: HashMap<u64, Vec<Arc<[u8]>>>,
    bytes: usize,
    bytes_after_sweep: usize,
}

impl Interner {
    /// The table's copy of `segment`, which becomes that copy if it is new.
    pub(crate) fn share(&mut self, segment: Arc<[u8]>) -> Arc<[u8]> {
        let hash = self.hasher.hash_one(&segment);
        let slot = self.segments.entry(hash).or_default();
        if let Some(known) = slot.iter().find(|known| **known == segment) {
            return Arc::clone(known);
        }
        self.bytes += segment.len();
        slot.push(Arc::clone(&segment));
        if self.bytes > self.bytes_after_sweep + (self.bytes_after_sweep / 2).max(SWEEP_BYTES_MIN) {
            self.sweep();
        }
        segment
    }

    /// Bytes in the table.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn sweep(&mut self) {
        self.segments.retain(|_, slot| {
            slot.retain(|segment| Arc::strong_count(segment) > 1);
            !slot.is_empty()
        });
        self.bytes = 0;
        for segment in self.segments.values().flatten() {
            self.bytes += segment.len();
        }
        self.bytes_after_sweep = self.bytes;
    }
}
