//! Helm's release records: what `helm list`, `history`, `get` and `rollback` read and write.
//!
//! In: a [`Release`]. Out: the Secret that holds it, and back. The payload is the base64 of the gzip of
//! the JSON of the release, in a Secret of type `helm.sh/release.v1` named
//! `sh.helm.release.v1.NAME.vREVISION`. Talks to no cluster; the compressed bytes differ from Go's, their
//! contents do not. Records of Helm 3 and 4 differ in `apply_method`, which Helm 3 does not write, and in
//! times that are not set, which older ones write as empty texts. Source: Helm `pkg/release/v1`,
//! `pkg/storage/driver`.
//!
//! A record that somebody else wrote is not taken apart and put together again to change its status:
//! [`changed`] leaves the rest of it as it is, to the byte.

mod members;
mod payload;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::chart::{Lock, Metadata};
use crate::manifest::Hook;
pub use payload::{decode, encode};
pub use secret::{Change, Stamp, changed, from_secret, to_secret};
use sprig::json as gojson;

/// Type of the Secrets.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";
/// Value of the label `owner`.
pub const OWNER: &str = "helm";
/// Labels that are Helm's own.
pub const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];
/// Most bytes of JSON that are decompressed. What a Secret holds is a few tens of MiB at most, unless it
/// was made to be a trap.
const JSON_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of a payload. Kubernetes stores no Secret whose data are larger.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The state of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Not certain.
    #[default]
    Unknown,
    /// Applied.
    Deployed,
    /// Removed, record kept.
    Uninstalled,
    /// A newer one took its place.
    Superseded,
    /// Not applied.
    Failed,
    /// Being removed.
    Uninstalling,
    /// Being installed.
    PendingInstall,
    /// Being upgraded.
    PendingUpgrade,
    /// Being rolled back.
    PendingRollback,
}

impl Status {
    /// The word Helm uses, in records and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }
}

/// One revision of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When, how far, notes.
    #[serde(deserialize_with = "or_default")]
    pub info: Info,
    /// The chart it was rendered from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<StoredChart>,
    /// The user's values.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "or_default")]
    pub config: Map<String, Value>,
    /// All objects as one text, hooks excluded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// Hooks of all events.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub hooks: Vec<Hook>,
    /// Revision, from 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: u32,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `ssa`, `csa` or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
    /// The user's labels; kept on the Secret only.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// About a release. Times are RFC 3339 texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// First install of the release.
    #[serde(skip_serializing_if = "no_time")]
    pub first_deployed: Option<String>,
    /// This revision.
    #[serde(skip_serializing_if = "no_time")]
    pub last_deployed: Option<String>,
    /// When it was removed.
    #[serde(skip_serializing_if = "no_time")]
    pub deleted: Option<String>,
    /// A sentence about what happened.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How far it is.
    pub status: Status,
    /// The revision rolled back to; 0 if this is no rollback.
    #[serde(skip_serializing_if = "is_zero")]
    pub rollback_revision: u32,
    /// Rendered notes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// A chart as records keep it: without its sub-charts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredChart {
    /// `Chart.yaml`.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `Chart.lock`.
    pub lock: Option<Lock>,
    /// Templates.
    #[serde(deserialize_with = "or_default")]
    pub templates: Vec<StoredFile>,
    /// Default values, with those of sub-charts under their names.
    #[serde(deserialize_with = "or_default")]
    pub values: Map<String, Value>,
    /// Schema, as base64.
    pub schema: Option<String>,
    /// When the schema's file was changed; Helm 3 has none.
    #[serde(rename = "schemamodtime")]
    pub schema_changed: Time,
    /// Other files.
    #[serde(deserialize_with = "or_default")]
    pub files: Vec<StoredFile>,
    /// When `Chart.yaml` was changed.
    #[serde(rename = "modtime", skip_serializing_if = "no_time")]
    pub changed: Option<String>,
}

/// A time that is written when it is not set, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time(String);

impl Default for Time {
    fn default() -> Self {
        Self(ZERO_TIME.to_owned())
    }
}

/// The time that is none.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A file of a stored chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredFile {
    /// Path inside the chart.
    pub name: String,
    /// Contents as base64; null for an empty file.
    #[serde(deserialize_with = "or_default")]
    pub data: String,
    /// When it was changed; Helm 3 has none.
    #[serde(rename = "modtime", skip_serializing_if = "no_time")]
    pub changed: Option<String>,
}

/// Go writes null for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
pub(crate) fn no_time(time: &Option<String>) -> bool {
    time.as_deref().is_none_or(str::is_empty)
}

/// Why a Secret holds no release.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The Secret lacks a field.
    #[error("secret has no {0}")]
    Missing(&'static str),
    /// Not base64.
    #[error("release is not base64: {0}")]
    Base64(String),
    /// A file of the chart is no base64.
    #[error("file of the chart is not base64: {0}")]
    File(String),
    /// Go reads no such time.
    #[error("{0}")]
    Time(String),
    /// Not gzip.
    #[error("release cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// Too large to be read.
    #[error("release is larger than {JSON_BYTES_MAX} bytes")]
    TooLarge,
    /// No JSON.
    #[error("release is no JSON")]
    Syntax(#[source] gojson::JsonError),
    /// Not a release.
    #[error("release is no JSON of a release")]
    Json(#[source] serde_json::Error),
    /// Too large to be stored.
    #[error(
        "the record of the release takes {bytes} bytes after compression, at most {PAYLOAD_BYTES_MAX} fit into a Secret"
    )]
    NoRoom {
        /// Of the payload.
        bytes: usize,
    },
}

/// The name of the Secret of a revision.
pub fn secret_name(release: &str, version: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{version}")
}

/// Longest name of a release, in bytes.
const NAME_BYTES_MAX: usize = 53;

/// A name that no release may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing.
    #[error("no name provided")]
    Missing,
    /// Too long, or with characters that names of objects may not have.
    #[error(
        "release name {0:?}: invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than {NAME_BYTES_MAX}"
    )]
    Malformed(String),
}

/// Refuses what Helm refuses: a name is made of labels of DNS in lower case.
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Missing);
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
            && bytes.first().copied().is_some_and(is_plain)
            && bytes.last().copied().is_some_and(is_plain)
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(InvalidName::Malformed(name.to_owned()));
    }
    Ok(())
}
