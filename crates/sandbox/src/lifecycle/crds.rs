//! Accepts the names of CRDs, establishes them, and removes their objects when they go.
//!
//! Source: apiextensions `pkg/controller/{status,establish,finalizer}`.

use std::sync::Arc;

use apimachinery::crd::{self, TakenNames};
use serde::Deserialize;
use serde_json::Value;

use super::Controller;
use crate::object;
use crate::registry::{CRDS, Resource};
use crate::rest::delete::{CRD_CLEANUP, DeleteOptions};
use crate::rest::local::Local;
use crate::store::{Entry, Event, GroupResource, ObjectKey};

/// See the module's text.
pub(super) struct Crds;

impl Controller for Crds {
    const NAME: &'static str = "crd-controller";

    fn keys(&mut self, event: &Event) -> Vec<ObjectKey> {
        if event.resource == *CRDS {
            return vec![event.entry.key.clone()];
        }
        // Objects of a terminating CRD wake it up when they go; other kinds find no such CRD.
        if event.change == crate::store::Change::Deleted && event.resource.group().contains('.') {
            return vec![ObjectKey::new("", event.resource.as_str())];
        }
        Vec::new()
    }

    fn all(&mut self, local: &Local) -> Vec<ObjectKey> {
        let Some(resource) = resource(local) else {
            return Vec::new();
        };
        local
            .entries(&resource, None)
            .iter()
            .map(|entry| entry.key.clone())
            .collect()
    }

    fn reconcile(&mut self, local: &Local, key: &ObjectKey) -> bool {
        let Some(resource) = resource(local) else {
            return true;
        };
        let store = &local.cluster().store;
        let Some(entry) = store.get(local.cluster().id, &CRDS, key) else {
            return true;
        };
        if entry.meta.deleting {
            let crd = local.get(&resource, "", &key.name);
            return crd.is_none_or(|crd| terminate(local, &resource, &crd));
        }
        let Some(names) = names(&entry) else {
            return true;
        };
        let taken = taken(local, &resource, &names.group, &key.name);
        let now = local.now();
        let done = local.modify_own_status(&resource, &key.name, &mut |crd| {
            let mut whole = crd.clone();
            object::member_mut(&mut whole, "spec").insert("names".to_owned(), names.names.clone());
            let status = crd::next_status(&whole, &taken, &now);
            if crd.get("status") == Some(&status) {
                return false;
            }
            object::as_object_mut(crd).insert("status".to_owned(), status);
            true
        });
        done.is_ok() || store.get(local.cluster().id, &CRDS, key).is_none()
    }
}

/// The part of a CRD's spec that its status depends on; schemas, which may be large, are skipped.
#[derive(Deserialize)]
struct Names {
    group: String,
    names: Value,
}

fn names(entry: &Entry) -> Option<Names> {
    #[derive(Deserialize)]
    struct Crd {
        spec: Names,
    }
    let mut bytes = Vec::new();
    entry.payload.write(&mut bytes, None, entry.revision);
    serde_json::from_slice::<Crd>(&bytes)
        .ok()
        .map(|crd| crd.spec)
}

fn resource(local: &Local) -> Option<Arc<Resource>> {
    local
        .resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        .ok()
}

/// The names that the other CRDs of the group hold.
fn taken(local: &Local, resource: &Resource, group: &str, name: &str) -> TakenNames {
    let suffix = format!(".{group}");
    let mut taken = TakenNames::default();
    for entry in local.entries(resource, None) {
        // A CRD's name ends in its group, and names are accepted in status, a small part of it.
        if entry.key.name.ends_with(&suffix)
            && *entry.key.name != *name
            && let Ok(other) =
                entry
                    .payload
                    .decode_own(&resource.kind, &resource.api_version, entry.revision)
        {
            taken.add(&other);
        }
    }
    taken
}

fn terminate(local: &Local, resource: &Arc<Resource>, crd: &Value) -> bool {
    let name = object::name(crd).to_owned();
    if !object::finalizers(crd).contains(&CRD_CLEANUP) {
        return true;
    }
    let bucket = GroupResource(name.as_str().into());
    let mut left = 0;
    if let Some(kind) = local.cluster().registry.by_bucket(&bucket) {
        let options = DeleteOptions::default();
        for entry in local.entries(&kind, None) {
            if !entry.meta.deleting {
                // What cannot be deleted now is counted as left and tried again.
                let _ = local.delete(&kind, &entry.key.namespace, &entry.key.name, &options);
            }
        }
        left = local.entries(&kind, None).len();
    }
    let now = local.now();
    let done = local.modify(resource, ("", &name), "status", &mut |crd| {
        let before = crd.clone();
        let (status, reason, message) = if left == 0 {
            (
                "False",
                "InstanceDeletionCompleted",
                "removed all instances".to_owned(),
            )
        } else {
            let message = format!("{left} instances are being deleted");
            ("True", "InstanceDeletionInProgress", message)
        };
        object::set_condition(crd, "Terminating", status, reason, &message, &now);
        *crd != before
    });
    if left > 0 || done.is_err() {
        return left > 0;
    }
    let done = local.modify(resource, ("", &name), "", &mut |crd| {
        object::set_finalizer(crd, CRD_CLEANUP, false)
    });
    done.is_ok() || local.get(resource, "", &name).is_none()
}
