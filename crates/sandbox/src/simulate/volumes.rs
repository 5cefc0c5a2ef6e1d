//! Claims get a volume each, which goes when they go.

use std::sync::Arc;

use serde_json::{Value, json};

use super::outcome::{Outcome, Settings};
use crate::object;
use crate::registry::Resource;
use crate::rest::delete::DeleteOptions;
use crate::rest::local::Local;
use crate::status::Status;

const PROVISIONER: &str = "sandbox.flotilla.io/simulated";

/// The name of the volume made for a claim.
fn name_of(uid: &str) -> String {
    format!("pvc-{uid}")
}

/// The volume for a claim that is not bound; a claim that names a volume gets that one.
pub(super) fn plan(claim: &Value, settings: &Settings) -> Option<Value> {
    let bound = object::str_at(claim, &["status", "phase"]) == "Bound";
    if bound || settings.outcome(claim) != Outcome::Ready || object::uid(claim).is_empty() {
        return None;
    }
    let name = match object::str_at(claim, &["spec", "volumeName"]) {
        "" => name_of(object::uid(claim)),
        name => name.to_owned(),
    };
    let spec = |field: &str| {
        object::at(claim, &["spec", field])
            .cloned()
            .unwrap_or(Value::Null)
    };
    let size = object::at(claim, &["spec", "resources", "requests", "storage"]).cloned();
    let mut volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "accessModes": spec("accessModes"),
            "capacity": {"storage": size.unwrap_or_else(|| "1Gi".into())},
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": spec("volumeMode"),
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": object::namespace(claim),
                "name": object::name(claim),
                "uid": object::uid(claim),
            },
            "hostPath": {"path": format!("/var/lib/sandbox/{name}"), "type": "DirectoryOrCreate"},
        },
    });
    if let Some(class) =
        object::at(claim, &["spec", "storageClassName"]).filter(|class| !class.is_null())
    {
        volume["spec"]["storageClassName"] = class.clone();
    }
    Some(volume)
}

/// Creates the volume unless it is there, and binds the claim to it; returns the claim.
///
/// # Errors
/// As the server gives them; the claim is planned again.
pub(super) fn bind(
    local: &Local,
    claims: &Arc<Resource>,
    claim: &Value,
    volume: Value,
    now: &str,
) -> Result<Value, Status> {
    let volumes = local.resource("v1", "PersistentVolume")?;
    let name = object::name(&volume).to_owned();
    match local.create(&volumes, volume) {
        Ok(_) => {}
        Err(status) if status.reason == "AlreadyExists" => {}
        Err(status) => return Err(status),
    }
    local.modify(&volumes, ("", &name), "status", &mut |volume| {
        let wanted = json!({"phase": "Bound", "lastPhaseTransitionTime": now});
        let known = object::str_at(volume, &["status", "phase"]) == "Bound";
        object::as_object_mut(volume).insert("status".to_owned(), wanted);
        !known
    })?;
    let key = (object::namespace(claim), object::name(claim));
    local.modify(claims, key, "", &mut |claim| {
        if !object::str_at(claim, &["spec", "volumeName"]).is_empty() {
            return false;
        }
        object::member_mut(claim, "spec").insert("volumeName".to_owned(), name.as_str().into());
        true
    })?;
    local.modify(claims, key, "status", &mut |claim| {
        let wanted = status_of(claim);
        let changed = claim.get("status") != Some(&wanted);
        object::as_object_mut(claim).insert("status".to_owned(), wanted);
        changed
    })
}

/// The status of a bound claim.
fn status_of(claim: &Value) -> Value {
    let size = object::at(claim, &["spec", "resources", "requests", "storage"]).cloned();
    json!({
        "phase": "Bound",
        "accessModes": object::at(claim, &["spec", "accessModes"]).cloned().unwrap_or(Value::Null),
        "capacity": {"storage": size.unwrap_or_else(|| "1Gi".into())},
    })
}

/// Deletes the volume that was made for a claim that is gone.
pub(super) fn release(local: &Local, uid: &str) {
    let Ok(volumes) = local.resource("v1", "PersistentVolume") else {
        return;
    };
    let name = name_of(uid);
    let made_here = local.get(&volumes, "", &name).is_some_and(|volume| {
        object::str_at(
            &volume,
            &["metadata", "annotations", "pv.kubernetes.io/provisioned-by"],
        ) == PROVISIONER
    });
    if made_here && let Err(status) = local.delete(&volumes, "", &name, &DeleteOptions::default()) {
        tracing::debug!(volume = %name, %status, "cannot delete a simulated volume");
    }
}
