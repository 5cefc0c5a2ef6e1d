//! The payload of a record: from a release to text and back.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize as _;
use serde::de::Error as _;
use serde_json::{Map, Value};
use sprig::json as gojson;

use super::{JSON_BYTES_MAX, Release, ReleaseError, Status};
use crate::manifest::HookEvent;

/// What a compressed payload begins with.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

pub(super) fn encode64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn decode64(text: &[u8]) -> Result<Vec<u8>, ReleaseError> {
    sprig::decode64(text).map_err(ReleaseError::Base64)
}

/// The payload of a record: the text that Helm keeps under the key `release`.
pub fn encode(release: &Release) -> Result<String, ReleaseError> {
    pack(&goyaml::json::to_vec(release).map_err(ReleaseError::Json)?)
}

/// The release in a payload; what is not compressed is read as it is.
pub fn decode(payload: &str) -> Result<Release, ReleaseError> {
    let json = unpack(payload.as_bytes())?;
    let mut value = gojson::parse(&json).map_err(ReleaseError::Syntax)?;
    as_written_today(&mut value)?;
    serde_json::from_value(value).map_err(ReleaseError::Json)
}

/// The payload that holds this JSON.
pub(super) fn pack(json: &[u8]) -> Result<String, ReleaseError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json).map_err(ReleaseError::Gzip)?;
    Ok(encode64(&encoder.finish().map_err(ReleaseError::Gzip)?))
}

/// The JSON in a payload.
pub(super) fn unpack(payload: &[u8]) -> Result<Vec<u8>, ReleaseError> {
    let bytes = decode64(payload)?;
    // Before Helm compressed, the JSON stood there itself.
    if bytes.len() <= GZIP.len() || !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut json = Vec::new();
    let mut limited = MultiGzDecoder::new(bytes.as_slice()).take(JSON_BYTES_MAX + 1);
    limited.read_to_end(&mut json).map_err(ReleaseError::Gzip)?;
    if json.len() as u64 > JSON_BYTES_MAX {
        return Err(ReleaseError::TooLarge);
    }
    Ok(json)
}

/// Brings what Go reads into the one form that is read here: no nulls, whole numbers as such, known
/// events only. Values keep their nulls.
fn as_written_today(release: &mut Value) -> Result<(), ReleaseError> {
    let Some(release) = release.as_object_mut() else {
        return Ok(());
    };
    let config = release.remove("config");
    let chart = release.get_mut("chart").and_then(Value::as_object_mut);
    let values = chart.and_then(|chart| chart.remove("values"));
    for part in release.values_mut() {
        drop_nulls(part);
    }
    release.retain(|_, part| !part.is_null());
    if let Some(config) = config {
        release.insert("config".to_owned(), config);
    }
    let chart = release.get_mut("chart").and_then(Value::as_object_mut);
    if let (Some(chart), Some(values)) = (chart, values) {
        chart.insert("values".to_owned(), values);
    }
    whole(release, "version")?;
    if let Some(info) = release.get_mut("info").and_then(Value::as_object_mut) {
        whole(info, "rollback_revision")?;
        // Helm takes any word.
        if let Some(status @ Value::String(_)) = info.get_mut("status")
            && Status::deserialize(&*status).is_err()
        {
            *status = Status::Unknown.as_str().into();
        }
    }
    let hooks = release.get_mut("hooks").and_then(Value::as_array_mut);
    for hook in hooks.into_iter().flatten().filter_map(Value::as_object_mut) {
        whole(hook, "weight")?;
        if let Some(events) = hook.get_mut("events").and_then(Value::as_array_mut) {
            events.retain(|event| {
                event
                    .as_str()
                    .is_none_or(|word| HookEvent::parse(word).is_some())
            });
        }
    }
    Ok(())
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

/// Makes a number whole, which a reader of floats does not give as such.
fn whole(members: &mut Map<String, Value>, name: &str) -> Result<(), ReleaseError> {
    let Some(number) = members.get_mut(name) else {
        return Ok(());
    };
    let Some(float) = number.as_f64() else {
        return Ok(());
    };
    if float.fract() != 0.0 || float.abs() > f64::from(u32::MAX) {
        let text = format!("{name} is {float}, which is no whole number of a release");
        return Err(ReleaseError::Json(serde_json::Error::custom(text)));
    }
    *number = Value::from(float as i64);
    Ok(())
}
