//! The Secret of a record: labels and payload.

use serde_json::{Value, json};

use super::members::Members;
use super::payload::{decode, decode64, encode, encode64, pack, unpack};
use super::{
    OWNER, PAYLOAD_BYTES_MAX, Release, ReleaseError, SECRET_TYPE, SYSTEM_LABELS, Status,
    secret_name,
};

/// When a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The record is new; Unix seconds.
    Created(i64),
    /// The record is an update; Unix seconds.
    Modified(i64),
}

/// What changes of a record when it is not deployed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The new status.
    pub status: Status,
    /// The new description; `None` leaves the old one.
    pub description: Option<&'a str>,
    /// When it was removed, as RFC 3339; `None` leaves what is there.
    pub deleted: Option<&'a str>,
}

/// The Secret that holds a release. Labels of the user that are Helm's own are replaced.
///
/// # Errors
/// If the release does not fit into a Secret ([`PAYLOAD_BYTES_MAX`]).
pub fn to_secret(release: &Release, stamp: Stamp) -> Result<Value, ReleaseError> {
    let payload = fitting(encode(release)?)?;
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

fn fitting(payload: String) -> Result<String, ReleaseError> {
    match payload.len() {
        bytes if bytes > PAYLOAD_BYTES_MAX => Err(ReleaseError::NoRoom { bytes }),
        _ => Ok(payload),
    }
}

fn payload(secret: &Value) -> Result<Vec<u8>, ReleaseError> {
    let data = secret.pointer("/data/release").and_then(Value::as_str);
    decode64(
        data.ok_or(ReleaseError::Missing("data.release"))?
            .as_bytes(),
    )
}

/// The release in a Secret, with the user's labels.
pub fn from_secret(secret: &Value) -> Result<Release, ReleaseError> {
    let mut release = decode(&String::from_utf8_lossy(&payload(secret)?))?;
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

/// The same Secret with another status, in its record and its label. Everything else stays as it is:
/// fields that nobody here knows, annotations, the resource version.
pub fn changed(
    mut secret: Value,
    change: &Change<'_>,
    modified_at: i64,
) -> Result<Value, ReleaseError> {
    let json = unpack(&payload(&secret)?)?;
    let mut release = Members::of(&json).map_err(ReleaseError::Json)?;
    let info = release.get("info").unwrap_or("null").as_bytes();
    let mut info = Members::of(info).map_err(ReleaseError::Json)?;
    let set = |info: &mut Members| {
        if let Some(deleted) = change.deleted {
            info.set("deleted", deleted)?;
        }
        if let Some(description) = change.description {
            info.set("description", description)?;
        }
        info.set("status", &change.status)
    };
    set(&mut info).map_err(ReleaseError::Json)?;
    release.set("info", &info).map_err(ReleaseError::Json)?;
    let json = serde_json::to_vec(&release).map_err(ReleaseError::Json)?;
    let payload = fitting(pack(&json)?)?;
    if let Some(stored) = secret.pointer_mut("/data/release") {
        *stored = encode64(payload.as_bytes()).into();
    }
    let labels = secret.pointer_mut("/metadata/labels");
    let labels = labels.and_then(Value::as_object_mut);
    let labels = labels.ok_or(ReleaseError::Missing("metadata.labels"))?;
    labels.insert("status".to_owned(), change.status.as_str().into());
    labels.insert("modifiedAt".to_owned(), modified_at.to_string().into());
    Ok(secret)
}
