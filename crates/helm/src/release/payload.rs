//! The payload of a record: from a release to text and back.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize as _;
use serde::de::Error as _;
use serde_json::{Map, Value};
use sprig::gotime;
use sprig::json as gojson;

use super::{JSON_BYTES_MAX, Release, ReleaseError, Status, ZERO_TIME};
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

/// Brings what Go reads into the one form that is read here: no nulls, no times that are none, whole
/// numbers as such, known words only. Values keep their nulls.
fn as_written_today(release: &mut Value) -> Result<(), ReleaseError> {
    if release.is_null() {
        *release = Value::Object(Map::new());
    }
    let release = members(release)?;
    let config = release.remove("config");
    let chart = release.get_mut("chart").and_then(Value::as_object_mut);
    let values = chart.and_then(|chart| chart.remove("values"));
    for part in release.values_mut() {
        drop_nulls(part);
    }
    release.retain(|_, part| !part.is_null());
    release.extend(config.map(|config| ("config".to_owned(), config)));
    whole(release, "version")?;
    if let Some(info) = members_at(release, "info")? {
        whole(info, "rollback_revision")?;
        for name in ["first_deployed", "last_deployed", "deleted"] {
            time(info, name)?;
        }
        // Helm takes any word.
        if let Some(status @ Value::String(_)) = info.get_mut("status")
            && Status::deserialize(&*status).is_err()
        {
            *status = Status::Unknown.as_str().into();
        }
    }
    if let Some(chart) = members_at(release, "chart")? {
        chart.extend(values.map(|values| ("values".to_owned(), values)));
        check_chart(chart)?;
    }
    items_at(release, "hooks").try_for_each(|hook| check_hook(members(hook)?))
}

/// The members of an object. A list is none, though serde would take its items for them.
fn members(value: &mut Value) -> Result<&mut Map<String, Value>, ReleaseError> {
    match value {
        Value::Object(members) => Ok(members),
        other => {
            let text = format!("{} in place of an object", goyaml::json_kind(other));
            Err(ReleaseError::Json(serde_json::Error::custom(text)))
        }
    }
}

fn members_at<'a>(
    parent: &'a mut Map<String, Value>,
    name: &str,
) -> Result<Option<&'a mut Map<String, Value>>, ReleaseError> {
    parent.get_mut(name).map(members).transpose()
}

fn items_at<'a>(
    parent: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    let items = parent.get_mut(name).and_then(Value::as_array_mut);
    items.into_iter().flatten()
}

fn check_chart(chart: &mut Map<String, Value>) -> Result<(), ReleaseError> {
    time(chart, "schemamodtime")?;
    time(chart, "modtime")?;
    base64_at(chart, "schema")?;
    if let Some(metadata) = members_at(chart, "metadata")? {
        for list in ["maintainers", "dependencies"] {
            items_at(metadata, list).try_for_each(|item| members(item).map(|_| ()))?;
        }
    }
    if let Some(lock) = members_at(chart, "lock")? {
        time(lock, "generated")?;
        lock.entry("generated").or_insert_with(|| ZERO_TIME.into());
    }
    for list in ["templates", "files"] {
        for file in items_at(chart, list) {
            let file = members(file)?;
            time(file, "modtime")?;
            base64_at(file, "data")?;
        }
    }
    Ok(())
}

fn check_hook(hook: &mut Map<String, Value>) -> Result<(), ReleaseError> {
    whole(hook, "weight")?;
    if let Some(events) = hook.get_mut("events").and_then(Value::as_array_mut) {
        events.retain(|event| {
            event
                .as_str()
                .is_none_or(|word| HookEvent::parse(word).is_some())
        });
    }
    match members_at(hook, "last_run")? {
        None => Ok(()),
        Some(run) => ["started_at", "completed_at"]
            .into_iter()
            .try_for_each(|name| time(run, name)),
    }
}

/// Refuses what Go does not read as a time; one that is not set goes.
fn time(members: &mut Map<String, Value>, name: &str) -> Result<(), ReleaseError> {
    let Some(text) = members.get(name).and_then(Value::as_str) else {
        return Ok(());
    };
    if !text.is_empty() {
        gotime::parse("2006-01-02T15:04:05Z07:00", text)
            .map_err(|error| ReleaseError::Time(error.to_string()))?;
    }
    if text.is_empty() || text == ZERO_TIME {
        members.remove(name);
    }
    Ok(())
}

fn base64_at(members: &Map<String, Value>, name: &str) -> Result<(), ReleaseError> {
    let Some(text) = members.get(name).and_then(Value::as_str) else {
        return Ok(());
    };
    let read = sprig::decode64(text.as_bytes());
    read.map(|_| ()).map_err(ReleaseError::File)
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
