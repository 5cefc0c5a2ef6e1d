//! Conditions as all kinds of this group have them.
//!
//! Not `metav1.Condition`: there is a `lastUpdateTime`, and times are plain text. How they are set is
//! in `crate::conditions`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{is_empty, or_default};

/// One aspect of the state of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// The aspect.
    #[schemars(extend("x-required" = true))]
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(extend("x-required" = true))]
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// When status or message changed last (RFC 3339).
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub last_update_time: String,
    /// When the status changed last (RFC 3339).
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub last_transition_time: String,
    /// A word for the cause of the last change.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub reason: String,
    /// The details, for people.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message: String,
}
