//! An object as it was deployed, kept small: as compressed JSON.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::value::RawValue;

/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packed(Arc<[u8]>);

impl Packed {
    pub(crate) fn pack(body: &RawValue) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        // Writing into memory does not fail; if it did, there would be nothing to compare with, which is
        // what an empty one says.
        let packed = encoder
            .write_all(body.get().as_bytes())
            .and_then(|()| encoder.finish());
        Self(packed.unwrap_or_default().into())
    }

    /// The JSON; `None` if it is damaged.
    pub(crate) fn unpack(&self) -> Option<Box<RawValue>> {
        let mut text = String::new();
        DeflateDecoder::new(&*self.0)
            .read_to_string(&mut text)
            .ok()?;
        RawValue::from_string(text).ok()
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let object = json!({"metadata": {"name": "a"}, "data": {"k": "v".repeat(10_000)}});
        let packed = Packed::pack(&to_raw_value(&object).unwrap());
        assert!(packed.0.len() < 200);
        assert_eq!(packed.unpack().unwrap().get(), object.to_string());
        assert!(Packed(Arc::new([1, 2, 3])).unpack().is_none());
        assert!(Packed(Arc::new([])).unpack().is_none());
    }
}
