//! Garbage collection by owner references.
//!
//! Dependents of an owner that is gone are deleted; a dependent with another living owner only forgets
//! the one that is gone. An owner with the finalizer `orphan` is forgotten by its dependents before it
//! goes, one with `foregroundDeletion` goes after the dependents that block it. Source: kubernetes
//! `pkg/controller/garbagecollector`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::Controller;
use crate::object;
use crate::registry::Resource;
use crate::rest::delete::{DeleteOptions, FOREGROUND, ORPHAN, Preconditions};
use crate::rest::local::Local;
use crate::store::{Change, ClusterId, Entry, Event, GroupResource, ObjectKey};

/// Where an object is.
type Place = (GroupResource, ObjectKey);

/// The graph of one cluster.
#[derive(Default)]
struct Graph {
    /// Dependents by owner's uid.
    dependents: HashMap<Arc<str>, HashSet<Place>>,
    /// Owners' uids by dependent.
    owners: HashMap<Place, Vec<Arc<str>>>,
    /// Owners that wait for dependents to go, by uid.
    waiting: HashMap<Arc<str>, Place>,
}

impl Graph {
    fn follow(&mut self, place: Place, entry: &Entry, gone: bool) {
        for owner in self.owners.remove(&place).into_iter().flatten() {
            if let Some(dependents) = self.dependents.get_mut(&owner) {
                dependents.remove(&place);
                if dependents.is_empty() {
                    self.dependents.remove(&owner);
                }
            }
        }
        if gone || entry.meta.owners.is_empty() {
            return;
        }
        let owners: Vec<Arc<str>> = entry.meta.owners.iter().map(|uid| (**uid).into()).collect();
        for owner in &owners {
            self.dependents
                .entry(Arc::clone(owner))
                .or_default()
                .insert(place.clone());
        }
        self.owners.insert(place, owners);
    }
}

/// See the module's text. Queue keys carry `plural.group` and `namespace/name`.
#[derive(Default)]
pub(super) struct Garbage {
    graphs: HashMap<ClusterId, Graph>,
}

fn to_key(place: &Place) -> ObjectKey {
    let (resource, key) = place;
    ObjectKey::new(
        resource.as_str(),
        &format!("{}/{}", key.namespace, key.name),
    )
}

fn to_place(key: &ObjectKey) -> Option<Place> {
    let (namespace, name) = key.name.split_once('/')?;
    Some((
        GroupResource(Arc::clone(&key.namespace)),
        ObjectKey::new(namespace, name),
    ))
}

impl Controller for Garbage {
    const NAME: &'static str = "generic-garbage-collector";

    fn keys(&mut self, event: &Event) -> Vec<ObjectKey> {
        let graph = self.graphs.entry(event.cluster).or_default();
        let place = (event.resource.clone(), event.entry.key.clone());
        let gone = event.change == Change::Deleted;
        let mut keys: Vec<ObjectKey> = Vec::new();
        if !graph.waiting.is_empty() {
            let owners = graph.owners.get(&place).into_iter().flatten();
            keys.extend(owners.filter_map(|uid| graph.waiting.get(uid)).map(to_key));
        }
        graph.follow(place.clone(), &event.entry, gone);
        let owners = &event.entry.meta.owners;
        let same_owners = event
            .previous
            .as_ref()
            .is_some_and(|old| old.meta.owners == *owners);
        if gone {
            graph.waiting.remove(&event.entry.meta.uid);
            let dependents = graph.dependents.get(&event.entry.meta.uid);
            keys.extend(dependents.into_iter().flatten().map(to_key));
        } else if event.entry.meta.deleting || (!owners.is_empty() && !same_owners) {
            keys.push(to_key(&place));
        }
        keys
    }

    fn all(&mut self, local: &Local) -> Vec<ObjectKey> {
        let mut graph = Graph::default();
        let mut keys = Vec::new();
        for resource in local.cluster().registry.stored() {
            for entry in local.entries(&resource, None) {
                let place = (resource.bucket.clone(), entry.key.clone());
                if !entry.meta.owners.is_empty() || entry.meta.deleting {
                    keys.push(to_key(&place));
                }
                graph.follow(place, &entry, false);
            }
        }
        self.graphs.insert(local.cluster().id, graph);
        keys
    }

    fn reconcile(&mut self, local: &Local, key: &ObjectKey) -> bool {
        let Some(place) = to_place(key) else {
            return true;
        };
        let Some(resource) = local.cluster().registry.by_bucket(&place.0) else {
            return true;
        };
        let Some(object) = local.get(&resource, &place.1.namespace, &place.1.name) else {
            return true;
        };
        if object::is_deleting(&object) {
            return self.finalize(local, &resource, &object);
        }
        collect(local, &resource, &object)
    }
}

impl Garbage {
    fn dependents(&self, local: &Local, uid: &str) -> Vec<Place> {
        let graph = self.graphs.get(&local.cluster().id);
        let dependents = graph.and_then(|graph| graph.dependents.get(uid));
        dependents
            .map(|places| places.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Carries out the finalizers that stand for this controller.
    fn finalize(&mut self, local: &Local, resource: &Arc<Resource>, owner: &Value) -> bool {
        let finalizers = object::finalizers(owner);
        let (uid, key) = (
            object::uid(owner),
            (object::namespace(owner), object::name(owner)),
        );
        if finalizers.contains(&ORPHAN) {
            let forgotten = self
                .dependents(local, uid)
                .into_iter()
                .all(|place| forget(local, &place, &[uid]));
            return forgotten && release(local, resource, key, ORPHAN);
        }
        if !finalizers.contains(&FOREGROUND) {
            return true;
        }
        let mut blocked = false;
        for (bucket, dependent) in self.dependents(local, uid) {
            let Some(kind) = local.cluster().registry.by_bucket(&bucket) else {
                continue;
            };
            let Some(object) = local.get(&kind, &dependent.namespace, &dependent.name) else {
                continue;
            };
            blocked |= blocks(&object, uid);
            if !object::is_deleting(&object) {
                delete(local, &kind, &object, "Foreground");
            }
        }
        let still = self
            .dependents(local, uid)
            .iter()
            .any(|(bucket, dependent)| {
                let kind = local.cluster().registry.by_bucket(bucket);
                kind.and_then(|kind| local.get(&kind, &dependent.namespace, &dependent.name))
                    .is_some_and(|object| blocks(&object, uid))
            });
        let graph = self.graphs.entry(local.cluster().id).or_default();
        if blocked && still {
            // Each dependent that goes wakes its owner up again.
            let place = (resource.bucket.clone(), ObjectKey::new(key.0, key.1));
            graph.waiting.insert(uid.into(), place);
            return true;
        }
        graph.waiting.remove(uid);
        release(local, resource, key, FOREGROUND)
    }
}

/// Whether `object` keeps its owner `uid` from going first.
fn blocks(object: &Value, uid: &str) -> bool {
    object::list_at(object, &["metadata", "ownerReferences"])
        .iter()
        .any(|owner| {
            object::str_at(owner, &["uid"]) == uid
                && owner.get("blockOwnerDeletion").and_then(Value::as_bool) == Some(true)
        })
}

fn release(local: &Local, resource: &Arc<Resource>, key: (&str, &str), finalizer: &str) -> bool {
    let done = local.modify(resource, key, "", &mut |object| {
        object::set_finalizer(object, finalizer, false)
    });
    done.is_ok_and(|_| true) || local.get(resource, key.0, key.1).is_none()
}

/// Deletes a dependent whose owners are all gone, or drops the references to those that are.
fn collect(local: &Local, resource: &Arc<Resource>, object: &Value) -> bool {
    let owners = object::list_at(object, &["metadata", "ownerReferences"]);
    let mut absent = Vec::new();
    let mut waiting = false;
    let mut solid = 0;
    for owner in owners {
        match state(local, resource, object, owner) {
            Owner::Absent => absent.push(object::str_at(owner, &["uid"])),
            Owner::WaitsForDependents => waiting = true,
            Owner::Lives => solid += 1,
        }
    }
    if solid > 0 {
        let place = (
            resource.bucket.clone(),
            ObjectKey::new(object::namespace(object), object::name(object)),
        );
        return absent.is_empty() || forget(local, &place, &absent);
    }
    if absent.is_empty() && !waiting {
        return true;
    }
    let policy = if waiting { "Foreground" } else { "Background" };
    delete(local, resource, object, policy)
}

enum Owner {
    Lives,
    Absent,
    WaitsForDependents,
}

fn state(local: &Local, resource: &Resource, object: &Value, owner: &Value) -> Owner {
    let text = |field: &str| object::str_at(owner, &[field]);
    let Ok(kind) = local.resource(text("apiVersion"), text("kind")) else {
        // A kind that is not served now may come back; the real collector waits as well.
        return Owner::Lives;
    };
    if kind.namespaced && !resource.namespaced {
        // A cluster-scoped object cannot have a namespaced owner; nothing can be said about it.
        return Owner::Lives;
    }
    let namespace = if kind.namespaced {
        object::namespace(object)
    } else {
        ""
    };
    match local.get(&kind, namespace, text("name")) {
        Some(found) if object::uid(&found) == text("uid") => {
            let finalizers = object::finalizers(&found);
            if object::is_deleting(&found) && finalizers.contains(&FOREGROUND) {
                Owner::WaitsForDependents
            } else {
                Owner::Lives
            }
        }
        _ => Owner::Absent,
    }
}

/// Removes references to owners from a dependent.
fn forget(local: &Local, (bucket, key): &Place, uids: &[&str]) -> bool {
    let Some(resource) = local.cluster().registry.by_bucket(bucket) else {
        return true;
    };
    let done = local.modify(&resource, (&key.namespace, &key.name), "", &mut |object| {
        let meta = object::metadata_mut(object);
        let Some(Value::Array(owners)) = meta.get_mut("ownerReferences") else {
            return false;
        };
        let before = owners.len();
        owners.retain(|owner| !uids.contains(&object::str_at(owner, &["uid"])));
        owners.len() != before
    });
    match done {
        Ok(_) => true,
        Err(error) => error.reason == "NotFound",
    }
}

fn delete(local: &Local, resource: &Arc<Resource>, object: &Value, policy: &str) -> bool {
    let options = DeleteOptions {
        propagation_policy: Some(policy.to_owned()),
        preconditions: Some(Preconditions {
            uid: Some(object::uid(object).to_owned()),
            resource_version: None,
        }),
        ..DeleteOptions::default()
    };
    match local.delete(
        resource,
        object::namespace(object),
        object::name(object),
        &options,
    ) {
        Ok(()) => true,
        Err(error) => matches!(error.reason, "NotFound" | "Conflict"),
    }
}
