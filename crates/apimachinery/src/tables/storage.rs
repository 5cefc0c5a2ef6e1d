//! Volumes, claims and quotas.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{access_modes, age, list, name, text, text_or};
use super::{AGE, CellsFn, Columns, NAME};

const VOLUME: Columns = &[
    NAME,
    (
        "Capacity",
        "string",
        0,
        "The persistent volume's resources and capacity.",
    ),
    (
        "Access Modes",
        "string",
        0,
        "All the ways the volume can be mounted.",
    ),
    (
        "Reclaim Policy",
        "string",
        0,
        "What happens to a persistent volume when released from its claim.",
    ),
    (
        "Status",
        "string",
        0,
        "Whether the volume is available, bound to a claim, or released.",
    ),
    ("Claim", "string", 0, "The claim this volume is bound to."),
    ("StorageClass", "string", 0, "StorageClass of the pv"),
    (
        "VolumeAttributesClass",
        "string",
        0,
        "VolumeAttributesClass of the pv",
    ),
    (
        "Reason",
        "string",
        0,
        "A brief string that describes any failure.",
    ),
    AGE,
    (
        "VolumeMode",
        "string",
        1,
        "Whether the volume is a file system or a raw block device.",
    ),
];
const CLAIM: Columns = &[
    NAME,
    ("Status", "string", 0, "The current phase of the claim."),
    ("Volume", "string", 0, "The volume backing this claim."),
    (
        "Capacity",
        "string",
        0,
        "The actual resources of the underlying volume.",
    ),
    (
        "Access Modes",
        "string",
        0,
        "The actual access modes the volume backing the claim has.",
    ),
    ("StorageClass", "string", 0, "StorageClass of the pvc"),
    (
        "VolumeAttributesClass",
        "string",
        0,
        "VolumeAttributesClass of the pvc",
    ),
    AGE,
    (
        "VolumeMode",
        "string",
        1,
        "What type of volume is required by the claim.",
    ),
];
const QUOTA: Columns = &[
    NAME,
    (
        "Request",
        "string",
        0,
        "The minimum amounts that containers may consume.",
    ),
    (
        "Limit",
        "string",
        0,
        "The maximum amounts that containers may use.",
    ),
    AGE,
];

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("", "PersistentVolume") => (VOLUME, volume),
        ("", "PersistentVolumeClaim") => (CLAIM, claim),
        ("", "ResourceQuota") => (QUOTA, quota),
        _ => return None,
    };
    Some(found)
}

fn phase(object: &Value) -> Value {
    if text(object, "/metadata/deletionTimestamp").is_empty() {
        text(object, "/status/phase").into()
    } else {
        "Terminating".into()
    }
}

fn class(object: &Value) -> Value {
    match text(
        object,
        "/metadata/annotations/volume.beta.kubernetes.io~1storage-class",
    ) {
        "" => text(object, "/spec/storageClassName").into(),
        class => class.into(),
    }
}

fn volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let claim = match object.pointer("/spec/claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")),
        None => String::new(),
    };
    vec![
        name(object),
        text(object, "/spec/capacity/storage").into(),
        access_modes(list(object, "/spec/accessModes")),
        text(object, "/spec/persistentVolumeReclaimPolicy").into(),
        phase(object),
        claim.into(),
        class(object),
        text_or(object, "/spec/volumeAttributesClassName", "<unset>"),
        text(object, "/status/reason").into(),
        age(object, now),
        text_or(object, "/spec/volumeMode", "<unset>"),
    ]
}

fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let bound = !text(object, "/spec/volumeName").is_empty();
    let (capacity, modes) = if bound {
        (
            text(object, "/status/capacity/storage"),
            access_modes(list(object, "/status/accessModes")),
        )
    } else {
        ("", "".into())
    };
    vec![
        name(object),
        phase(object),
        text(object, "/spec/volumeName").into(),
        capacity.into(),
        modes,
        class(object),
        text_or(object, "/spec/volumeAttributesClassName", "<unset>"),
        age(object, now),
        text_or(object, "/spec/volumeMode", "<unset>"),
    ]
}

fn quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    for (resource, hard) in hard.into_iter().flatten() {
        let used = object
            .pointer("/status/used")
            .map_or(&Value::Null, |used| &used[resource]);
        let used = used.as_str().unwrap_or("0");
        let term = format!("{resource}: {used}/{}", hard.as_str().unwrap_or_default());
        if resource.starts_with("limits.") {
            limits.push(term);
        } else {
            requests.push(term);
        }
    }
    vec![
        name(object),
        requests.join(", ").into(),
        limits.join(", ").into(),
        age(object, now),
    ]
}
