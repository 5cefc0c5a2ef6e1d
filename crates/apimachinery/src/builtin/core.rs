//! ConfigMaps, Secrets, claims and volumes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::context::{Findings, IMMUTABLE, at, config_key, list, pairs, text};
use super::quantity::Quantity;
use crate::field::{FieldError, Path};

/// What a ConfigMap or Secret may hold, in bytes.
const DATA_BYTES_MAX: usize = 1 << 20;
const FROZEN: &str = "field is immutable when `immutable` is set";
const ACCESS_MODES: [&str; 4] = [
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

pub(super) fn check(kind: &str, object: &Value, old: Option<&Value>, found: &mut Findings) {
    match kind {
        "ConfigMap" => config_map(object, old, found),
        "Secret" => secret(object, old, found),
        "PersistentVolumeClaim" => claim(object, old, found),
        "PersistentVolume" => volume(object, old, found),
        "Event" => event(object, found),
        "ResourceQuota" => quota(&object["spec"], found),
        _ => {}
    }
}

/// An event lies in the namespace of what it is about; of cluster-wide things, in `default`.
fn event(object: &Value, found: &mut Findings) {
    let about = text(object, "/involvedObject/namespace");
    let own = text(object, "/metadata/namespace");
    let fits = if about.is_empty() {
        own == "default"
    } else {
        about == own
    };
    if !fits {
        let path = Path::new("involvedObject.namespace");
        found.invalid(&path, about, "does not match event.namespace");
    }
}

/// Quotas count objects of these kinds.
const COUNTED: [&str; 8] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
];
/// Quotas add up amounts of these.
const MEASURED: [&str; 12] = [
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "services.nodeports",
    "storage",
];
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

fn quota(spec: &Value, found: &mut Findings) {
    let path = Path::new("spec.hard");
    for (name, amount) in pairs(spec, "/hard") {
        let path = path.key(name);
        let counted = COUNTED.contains(&name.as_str());
        if !counted && !MEASURED.contains(&name.as_str()) && !name.contains('/') {
            let why = "must be a standard resource type or fully qualified";
            found.invalid(&path, name.as_str(), why);
            let why = "must be a standard resource for quota";
            found.invalid(&path, name.as_str(), why);
        }
        let Ok(quantity) = Quantity::from_json(amount) else {
            continue;
        };
        if quantity.sign().is_lt() {
            let why = "must be greater than or equal to 0";
            found.invalid(&path, amount.clone(), why);
        }
        if counted && amount.as_str().is_some_and(|text| text.ends_with('m')) {
            found.invalid(&path, amount.clone(), "must be an integer");
        }
    }
    let scopes = list(spec, "/scopes");
    let known = |scope: &Value| scope.as_str().is_some_and(|scope| SCOPES.contains(&scope));
    if !scopes.iter().all(known) {
        let path = Path::new("spec.scopes");
        found.invalid(&path, scopes.to_vec(), "unsupported scope");
    }
}

/// Fields that stay as they are once `immutable` is set.
fn frozen(object: &Value, old: Option<&Value>, keys: &[&str], found: &mut Findings) {
    let Some(old) = old.filter(|old| old["immutable"] == Value::Bool(true)) else {
        return;
    };
    if object["immutable"] != Value::Bool(true) {
        found.forbidden(&Path::new("immutable"), FROZEN);
    }
    for key in keys {
        if object[*key] != old[*key] {
            found.forbidden(&Path::new(key), FROZEN);
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok())
        .unwrap_or_default()
}

fn config_map(object: &Value, old: Option<&Value>, found: &mut Findings) {
    frozen(object, old, &["data", "binaryData"], found);
    let mut size = 0;
    for (key, value) in pairs(object, "/data") {
        let path = Path::new("data").key(key);
        found.complaints(&path, key, config_key(key));
        if object["binaryData"].get(key).is_some() {
            found.invalid(
                &path,
                key.as_str(),
                "duplicate of key present in binaryData",
            );
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in pairs(object, "/binaryData") {
        found.complaints(&Path::new("binaryData").key(key), key, config_key(key));
        size += bytes(value).len();
    }
    if size > DATA_BYTES_MAX {
        found.errors.push(FieldError::too_long(
            &Path::new("[]"),
            DATA_BYTES_MAX as i64,
        ));
    }
}

fn secret(object: &Value, old: Option<&Value>, found: &mut Findings) {
    if let Some(old) = old {
        if object["type"] != old["type"] {
            found.invalid(&Path::new("type"), object["type"].clone(), IMMUTABLE);
        }
        frozen(object, Some(old), &["data"], found);
    }
    let path = Path::new("data");
    let mut size = 0;
    for (key, value) in pairs(object, "/data") {
        found.complaints(&path.key(key), key, config_key(key));
        size += bytes(value).len();
    }
    if size > DATA_BYTES_MAX {
        found
            .errors
            .push(FieldError::too_long(&path, DATA_BYTES_MAX as i64));
    }
    let has = |key: &str| object["data"].get(key).is_some();
    let mut need = |keys: &[&str]| {
        for key in keys.iter().filter(|key| !has(key)) {
            found.required(&path.key(key), "");
        }
    };
    match text(object, "/type") {
        "kubernetes.io/tls" => need(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => need(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            need(&["username", "password"]);
        }
        "kubernetes.io/dockercfg" => {
            need(&[".dockercfg"]);
            docker_config(object, ".dockercfg", found);
        }
        "kubernetes.io/dockerconfigjson" => {
            need(&[".dockerconfigjson"]);
            docker_config(object, ".dockerconfigjson", found);
        }
        "kubernetes.io/service-account-token" => {
            let name = at(
                object,
                "/metadata/annotations/kubernetes.io~1service-account.name",
            );
            if name.as_str().unwrap_or_default().is_empty() {
                let path =
                    Path::new("metadata.annotations").key("kubernetes.io/service-account.name");
                found.required(&path, "");
            }
        }
        _ => {}
    }
}

/// Credentials must be a JSON object; they never show in the error.
fn docker_config(object: &Value, key: &str, found: &mut Findings) {
    let Some(value) = object["data"].get(key) else {
        return;
    };
    if !serde_json::from_slice::<Value>(&bytes(value)).is_ok_and(|value| value.is_object()) {
        let path = Path::new("data").key(key);
        found.invalid(&path, "<secret contents redacted>", "must be a JSON object");
    }
}

fn access_modes(spec: &Value, path: &Path, found: &mut Findings) {
    let path = path.child("accessModes");
    let modes = list(spec, "/accessModes");
    for mode in modes
        .iter()
        .filter_map(Value::as_str)
        .filter(|mode| !ACCESS_MODES.contains(mode))
    {
        found
            .errors
            .push(FieldError::not_supported(&path, mode, &ACCESS_MODES));
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        found.forbidden(
            &path,
            "may not use ReadWriteOncePod with other access modes",
        );
    }
}

fn claim(object: &Value, old: Option<&Value>, found: &mut Findings) {
    let path = Path::new("spec");
    let spec = &object["spec"];
    if list(spec, "/accessModes").is_empty() {
        found.required(
            &path.child("accessModes"),
            "at least 1 access mode is required",
        );
    }
    found.selector(&spec["selector"], &path.child("selector"));
    access_modes(spec, &path, found);
    let storage = at(spec, "/resources/requests/storage");
    let storage_path = path.child("resources").key("storage");
    if storage.is_null() {
        found.required(&storage_path, "");
    } else if Quantity::from_json(storage).is_ok_and(|amount| amount.sign().is_le()) {
        found.invalid(&storage_path, storage.clone(), "must be greater than zero");
    }
    found.one_of(spec, "volumeMode", &["Block", "Filesystem"], &path);
    let Some(old) = old else { return };
    claim_update(object, old, &path, found);
}

fn claim_update(object: &Value, old: &Value, path: &Path, found: &mut Findings) {
    let bound = text(old, "/status/phase") == "Bound";
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            // The binder sets the volume, and the class of a claim without one.
            if text(old, "/spec/volumeName").is_empty() {
                map.remove("volumeName");
            }
            if at(old, "/spec/storageClassName").is_null() {
                map.remove("storageClassName");
            }
            map.remove("volumeAttributesClassName");
        }
        if bound && let Some(resources) = spec.get_mut("resources").and_then(Value::as_object_mut) {
            resources.remove("requests");
        }
        spec
    };
    if fixed(object) != fixed(old) {
        let why = "spec is immutable after creation except resources.requests and \
                   volumeAttributesClassName for bound claims";
        found.forbidden(path, why);
        return;
    }
    let amount = |object: &Value, pointer: &str| Quantity::from_json(at(object, pointer)).ok();
    let requested = "/spec/resources/requests/storage";
    let new = amount(object, requested);
    // A claim may shrink to what it has, so that a failed expansion can be taken back.
    if new < amount(old, requested) && new <= amount(old, "/status/capacity/storage") {
        let path = path.child("resources").child("requests").child("storage");
        found.forbidden(&path, "field can not be less than status.capacity");
    }
}

fn volume(object: &Value, old: Option<&Value>, found: &mut Findings) {
    const PLAIN: [&str; 10] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
        "",
    ];
    let path = Path::new("spec");
    let spec = &object["spec"];
    if list(spec, "/accessModes").is_empty() {
        found.required(&path.child("accessModes"), "");
    }
    access_modes(spec, &path, found);
    if at(spec, "/capacity")
        .as_object()
        .is_none_or(serde_json::Map::is_empty)
    {
        found.required(&path.child("capacity"), "");
    }
    found.one_of(
        spec,
        "persistentVolumeReclaimPolicy",
        &["Delete", "Recycle", "Retain"],
        &path,
    );
    let sources = |spec: &Value| -> Vec<(String, Value)> {
        let all = spec.as_object().into_iter().flatten();
        let source =
            |(key, value): &(&String, &Value)| !PLAIN.contains(&key.as_str()) && !value.is_null();
        all.filter(source)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let given = sources(spec);
    if given.is_empty() {
        found.required(&path, "must specify a volume type");
    }
    for (extra, _) in given.iter().skip(1) {
        found.forbidden(
            &path.child(extra),
            "may not specify more than 1 volume type",
        );
    }
    if old.is_some_and(|old| sources(&old["spec"]) != given) {
        let path = path.child("persistentvolumesource");
        found.forbidden(
            &path,
            "spec.persistentvolumesource is immutable after creation",
        );
    }
}
