//! Go's rules for reading and leaving out fields, as serde attributes, and its JSON encoding for hashes.
//!
//! Go reads `null` as the zero value of any type and, under `omitempty`, does not write `false`, 0,
//! "" and empty lists and maps. Both matter here: stored objects contain such nulls, and hashes are
//! taken over what is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Reads a value, and `null` as its default.
pub(crate) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// What Go's `omitempty` leaves out. Structs are never empty in that sense, so they do not implement
/// this.
pub(crate) trait GoEmpty {
    /// Whether the field is left out.
    fn is_go_empty(&self) -> bool;
}

impl GoEmpty for bool {
    fn is_go_empty(&self) -> bool {
        !self
    }
}

impl GoEmpty for i64 {
    fn is_go_empty(&self) -> bool {
        *self == 0
    }
}

impl GoEmpty for String {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T> GoEmpty for Vec<T> {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> GoEmpty for BTreeMap<K, V> {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

/// `skip_serializing_if` for `omitempty`.
pub(crate) fn is_empty<T: GoEmpty>(value: &T) -> bool {
    value.is_go_empty()
}

/// JSON as Go's `json.Marshal` writes it.
#[expect(
    clippy::expect_used,
    reason = "only a map with other keys than strings fails"
)]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    goyaml::json::to_vec(value).expect("types of this crate have string keys only")
}

/// The same with a newline at the end, as Go's `json.Encoder` writes it.
pub(crate) fn line<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = encode(value);
    out.push(b'\n');
    out
}
