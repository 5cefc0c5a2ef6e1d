//! Helm's release records: what `helm list`, `history`, `get` and `rollback` read and write.
//!
//! In: a [`Release`]. Out: the Secret that holds it, and back. The payload is the base64 of the gzip of
//! the JSON of the release, in a Secret of type `helm.sh/release.v1` named
//! `sh.helm.release.v1.NAME.vREVISION`. Talks to no cluster; the compressed bytes differ from Go's, their
//! contents do not. Source: Helm `pkg/release/v1`, `pkg/storage/driver`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::chart::{Chart, File, Lock, Metadata};
use crate::manifest::Hook;
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
/// Most bytes of JSON that are decompressed.
const JSON_BYTES_MAX: u64 = 256 << 20;

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
    /// Other files.
    #[serde(deserialize_with = "or_default")]
    pub files: Vec<StoredFile>,
}

/// A file of a stored chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredFile {
    /// Path inside the chart.
    pub name: String,
    /// Contents as base64; null for an empty file.
    #[serde(deserialize_with = "or_default")]
    pub data: String,
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
    /// Not gzip.
    #[error("release cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// Too large.
    #[error("release is larger than {JSON_BYTES_MAX} bytes")]
    TooLarge,
    /// Not a release.
    #[error("release is no JSON of a release")]
    Json(#[source] serde_json::Error),
}

impl StoredChart {
    /// The stored form of a chart whose defaults, after imports, are `values`.
    pub fn new(chart: &Chart, values: &Value) -> Self {
        let files = |files: &[File]| files.iter().map(StoredFile::new).collect();
        let mut lock = chart.lock.clone();
        if let Some(lock) = &mut lock {
            lock.generated = rfc3339_or_zero(&lock.generated);
        }
        Self {
            metadata: chart.metadata.clone(),
            lock,
            templates: files(&chart.templates),
            values: values.as_object().cloned().unwrap_or_default(),
            schema: chart.schema.as_ref().map(|s| encode64(s)),
            files: files(&chart.files),
        }
    }
}

/// What Go's JSON reader takes for a time.
fn rfc3339_or_zero(text: &str) -> String {
    match sprig::gotime::parse("2006-01-02T15:04:05Z07:00", text) {
        Ok(_) => text.to_owned(),
        Err(_) => "0001-01-01T00:00:00Z".to_owned(),
    }
}

impl StoredFile {
    fn new(file: &File) -> Self {
        Self {
            name: file.name.clone(),
            data: encode64(&file.data),
        }
    }
}

fn encode64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn decode64(text: &str) -> Result<Vec<u8>, ReleaseError> {
    sprig::decode64(text.as_bytes()).map_err(ReleaseError::Base64)
}

/// The name of the Secret of a revision.
pub fn secret_name(release: &str, version: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{version}")
}

/// The payload of a record: the text that Helm keeps under the key `release`.
pub fn encode(release: &Release) -> Result<String, ReleaseError> {
    let json = goyaml::json::to_vec(release).map_err(ReleaseError::Json)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json).map_err(ReleaseError::Gzip)?;
    Ok(encode64(&encoder.finish().map_err(ReleaseError::Gzip)?))
}

/// The release in a payload; what is not compressed is read as it is.
pub fn decode(payload: &str) -> Result<Release, ReleaseError> {
    let bytes = decode64(payload)?;
    let json = if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        let mut json = Vec::new();
        let mut limited = GzDecoder::new(bytes.as_slice()).take(JSON_BYTES_MAX + 1);
        limited.read_to_end(&mut json).map_err(ReleaseError::Gzip)?;
        if json.len() as u64 > JSON_BYTES_MAX {
            return Err(ReleaseError::TooLarge);
        }
        json
    } else {
        bytes
    };
    let value = gojson::parse(&json).map_err(|e| {
        ReleaseError::Json(<serde_json::Error as serde::de::Error>::custom(
            e.to_string(),
        ))
    })?;
    serde_json::from_value(integers(value)).map_err(ReleaseError::Json)
}

/// The few whole numbers of a record, which a reader of floats does not give as such.
fn integers(mut release: Value) -> Value {
    let whole = |value: &mut Value| {
        if let Some(float) = value.as_f64() {
            *value = Value::from(float as i64);
        }
    };
    if let Some(version) = release.get_mut("version") {
        whole(version);
    }
    if let Some(revision) = release.pointer_mut("/info/rollback_revision") {
        whole(revision);
    }
    let hooks = release.get_mut("hooks").and_then(Value::as_array_mut);
    for weight in hooks
        .into_iter()
        .flatten()
        .filter_map(|hook| hook.get_mut("weight"))
    {
        whole(weight);
    }
    release
}

/// When a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The record is new; Unix seconds.
    Created(i64),
    /// The record is an update; Unix seconds.
    Modified(i64),
}

/// The Secret that holds a release. Labels of the user that are Helm's own are replaced.
pub fn to_secret(release: &Release, stamp: Stamp) -> Result<Value, ReleaseError> {
    let payload = encode(release)?;
    let mut labels = release.labels.clone();
    let (name, seconds) = match stamp {
        Stamp::Created(seconds) => ("createdAt", seconds),
        Stamp::Modified(seconds) => ("modifiedAt", seconds),
    };
    for (name, value) in [
        (name, seconds.to_string()),
        ("name", release.name.clone()),
        ("owner", OWNER.to_owned()),
        ("status", release.info.status.as_str().to_owned()),
        ("version", release.version.to_string()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(&release.name, release.version),
            "namespace": release.namespace,
            "labels": labels,
        },
        "type": SECRET_TYPE,
        "data": {"release": encode64(payload.as_bytes())},
    }))
}

/// The release in a Secret, with the user's labels.
pub fn from_secret(secret: &Value) -> Result<Release, ReleaseError> {
    let data = secret.pointer("/data/release").and_then(Value::as_str);
    let data = decode64(data.ok_or(ReleaseError::Missing("data.release"))?)?;
    let mut release = decode(&String::from_utf8_lossy(&data))?;
    let labels = secret
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    release.labels = labels
        .into_iter()
        .flatten()
        .filter(|(name, _)| !SYSTEM_LABELS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    Ok(release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::HookEvent;

    fn release() -> Release {
        Release {
            name: "web".into(),
            info: Info {
                first_deployed: Some("2026-01-02T03:04:05Z".into()),
                last_deployed: Some("2026-01-02T03:04:05Z".into()),
                description: "Install complete".into(),
                status: Status::Deployed,
                ..Info::default()
            },
            chart: Some(StoredChart {
                metadata: Metadata {
                    name: "c".into(),
                    version: "1".into(),
                    ..Default::default()
                },
                templates: vec![StoredFile {
                    name: "templates/a".into(),
                    data: "YQ==".into(),
                }],
                ..StoredChart::default()
            }),
            config: [("n".to_owned(), json!(1.0)), ("t".to_owned(), json!("<&>"))]
                .into_iter()
                .collect(),
            manifest: "---\n# Source: c/templates/a\na\n".into(),
            hooks: vec![Hook {
                name: "h".into(),
                events: vec![HookEvent::PreInstall],
                weight: -5,
                ..Hook::default()
            }],
            version: 3,
            namespace: "ns".into(),
            labels: [("team".to_owned(), "x".to_owned())].into_iter().collect(),
            ..Release::default()
        }
    }

    #[test]
    fn records_come_back_as_they_were() {
        let release = release();
        let secret = to_secret(&release, Stamp::Created(42)).expect("encodes");
        assert_eq!(secret["metadata"]["name"], "sh.helm.release.v1.web.v3");
        assert_eq!(
            secret["metadata"]["labels"],
            json!({"createdAt": "42", "name": "web", "owner": "helm", "status": "deployed", "team": "x", "version": "3"})
        );
        assert_eq!(from_secret(&secret).expect("decodes"), release);
    }

    #[test]
    fn the_json_is_that_of_helm() {
        let text =
            String::from_utf8(goyaml::json::to_vec(&release()).expect("writes")).expect("text");
        assert_eq!(
            text,
            "{\"name\":\"web\",\"info\":{\"first_deployed\":\"2026-01-02T03:04:05Z\",\"last_deployed\":\"2026-01-02T03:04:05Z\",\"description\":\"Install complete\",\"status\":\"deployed\"},\"chart\":{\"metadata\":{\"name\":\"c\",\"version\":\"1\"},\"lock\":null,\"templates\":[{\"name\":\"templates/a\",\"data\":\"YQ==\"}],\"values\":{},\"schema\":null,\"files\":[]},\"config\":{\"n\":1,\"t\":\"\\u003c\\u0026\\u003e\"},\"manifest\":\"---\\n# Source: c/templates/a\\na\\n\",\"hooks\":[{\"name\":\"h\",\"events\":[\"pre-install\"],\"last_run\":{\"phase\":\"\"},\"weight\":-5}],\"version\":3,\"namespace\":\"ns\"}"
        );
    }

    #[test]
    fn records_of_helm_with_nulls_and_unknown_fields_are_read() {
        let json = r#"{"name":"a","info":{"first_deployed":"","status":"superseded","resources":{}},"chart":{"metadata":{"name":"c","kubeVersion":">1"},"lock":null,"templates":null,"values":null,"schema":null,"files":null,"modtime":"x"},"config":null,"hooks":null,"version":2}"#;
        let release = decode(&encode64(json.as_bytes())).expect("decodes");
        assert_eq!(
            (release.version, release.info.status),
            (2, Status::Superseded)
        );
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (secret, want) in [
            (json!({}), "secret has no data.release"),
            (
                json!({"data": {"release": "!"}}),
                "release is not base64: illegal base64 data at input byte 0",
            ),
            (
                json!({"data": {"release": encode64(encode64(b"{").as_bytes())}}),
                "release is no JSON of a release",
            ),
            (
                json!({"data": {"release": encode64(encode64(b"\x1f\x8b\x08x").as_bytes())}}),
                "release cannot be decompressed",
            ),
        ] {
            assert_eq!(from_secret(&secret).expect_err(want).to_string(), want);
        }
    }
}
