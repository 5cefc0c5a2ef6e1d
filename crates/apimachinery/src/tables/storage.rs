//! Volumes, claims, quotas and storage drivers.

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

const DRIVER: Columns = &[
    NAME,
    (
        "AttachRequired",
        "boolean",
        0,
        "Whether volumes must be attached before they are mounted.",
    ),
    (
        "PodInfoOnMount",
        "boolean",
        0,
        "Whether the driver needs information about pods on mount.",
    ),
    (
        "StorageCapacity",
        "boolean",
        0,
        "Whether scheduling considers the capacity the driver reports.",
    ),
    (
        "TokenRequests",
        "string",
        0,
        "Audiences of the tokens the driver needs.",
    ),
    (
        "RequiresRepublish",
        "boolean",
        0,
        "Whether mounts are published again from time to time.",
    ),
    (
        "Modes",
        "string",
        0,
        "The kinds of volumes the driver supports.",
    ),
    AGE,
];
const CSI_NODE: Columns = &[
    NAME,
    (
        "Drivers",
        "integer",
        0,
        "Drivers indicates the number of CSI drivers registered on the node",
    ),
    AGE,
];
const ATTACHMENT: Columns = &[
    NAME,
    (
        "Attacher",
        "string",
        0,
        "The driver that must handle the request.",
    ),
    ("PV", "string", 0, "The persistent volume to attach."),
    (
        "Node",
        "string",
        0,
        "The node that the volume should be attached to.",
    ),
    ("Attached", "boolean", 0, "Whether the volume is attached."),
    AGE,
];

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("", "PersistentVolume") => (VOLUME, volume),
        ("", "PersistentVolumeClaim") => (CLAIM, claim),
        ("", "ResourceQuota") => (QUOTA, quota),
        ("storage.k8s.io", "CSIDriver") => (DRIVER, driver),
        ("storage.k8s.io", "CSINode") => (CSI_NODE, csi_node),
        ("storage.k8s.io", "VolumeAttachment") => (ATTACHMENT, attachment),
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

fn flag(object: &Value, pointer: &str) -> Value {
    (object.pointer(pointer) == Some(&Value::Bool(true))).into()
}

/// Words joined by commas, `<unset>` when there are none.
fn words(words: &[&str]) -> Value {
    if words.is_empty() {
        "<unset>".into()
    } else {
        words.join(",").into()
    }
}

fn driver(object: &Value, now: Timestamp) -> Vec<Value> {
    let audiences: Vec<&str> = list(object, "/spec/tokenRequests")
        .iter()
        .map(|one| text(one, "/audience"))
        .collect();
    let modes: Vec<&str> = list(object, "/spec/volumeLifecycleModes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    vec![
        name(object),
        flag(object, "/spec/attachRequired"),
        flag(object, "/spec/podInfoOnMount"),
        flag(object, "/spec/storageCapacity"),
        words(&audiences),
        flag(object, "/spec/requiresRepublish"),
        words(&modes),
        age(object, now),
    ]
}

fn csi_node(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        list(object, "/spec/drivers").len().into(),
        age(object, now),
    ]
}

fn attachment(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/spec/attacher").into(),
        text(object, "/spec/source/persistentVolumeName").into(),
        text(object, "/spec/nodeName").into(),
        flag(object, "/status/attached"),
        age(object, now),
    ]
}
