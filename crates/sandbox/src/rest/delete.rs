//! Deleting objects: at once, or by a deletion timestamp when finalizers have to run first.
//!
//! Source: apiserver `pkg/registry/rest/delete.go`, `pkg/registry/generic/registry/store.go`.
//! Pods have no kubelet here that would end their grace period, so they go at once, as unscheduled
//! pods do on a real server.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::select::Selection;
use super::{Call, generation};
use crate::object;
use crate::registry::{self, Resource};
use crate::status::{self, Status};
use crate::store::{self, Entry, ListRange};

/// Finalizer that keeps an owner until its blocking dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer that keeps an owner until its dependents have forgotten it.
pub(crate) const ORPHAN: &str = "orphan";
/// Finalizer that keeps a CRD until its objects are gone.
pub(crate) const CRD_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Namespaces that a cluster cannot do without.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];
/// Rounds of compare and swap before a deletion gives up.
const ATTEMPTS_MAX: usize = 16;

/// The body of a delete request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    /// `Orphan`, `Background` or `Foreground`.
    pub(crate) propagation_policy: Option<String>,
    /// The older form of `propagationPolicy`.
    pub(crate) orphan_dependents: Option<bool>,
    /// Seconds a pod gets to end; accepted, see the module's text.
    pub(crate) grace_period_seconds: Option<i64>,
    /// What must still hold.
    pub(crate) preconditions: Option<Preconditions>,
    /// `["All"]` for a dry run.
    pub(crate) dry_run: Vec<String>,
}

/// What must still hold of the object to delete.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preconditions {
    /// Its uid.
    pub(crate) uid: Option<String>,
    /// Its resourceVersion.
    pub(crate) resource_version: Option<String>,
}

impl DeleteOptions {
    /// Refuses unknown and contradictory options.
    pub(crate) fn check(&self) -> Result<(), Status> {
        let policy = self.propagation_policy.as_deref();
        if let Some(other) =
            policy.filter(|p| !matches!(*p, "Orphan" | "Background" | "Foreground"))
        {
            let error = apimachinery::field::FieldError::not_supported(
                &apimachinery::field::Path::new("propagationPolicy"),
                other,
                &["Foreground", "Background", "Orphan", "nil"],
            );
            return Err(Status::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[error],
            ));
        }
        if policy.is_some() && self.orphan_dependents.is_some() {
            let error = apimachinery::field::FieldError::invalid(
                &apimachinery::field::Path::new("propagationPolicy"),
                policy.unwrap_or_default(),
                "orphanDependents and deletionPropagation cannot be both set",
            );
            return Err(Status::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[error],
            ));
        }
        Ok(())
    }

    /// The finalizer this deletion adds, if any.
    fn finalizer(&self, resource: &Resource) -> Option<&'static str> {
        match (self.propagation_policy.as_deref(), self.orphan_dependents) {
            (Some("Orphan"), _) | (None, Some(true)) => Some(ORPHAN),
            (Some("Foreground"), _) => Some(FOREGROUND),
            (None, None) if orphans_by_default(resource) => Some(ORPHAN),
            _ => None,
        }
    }
}

/// Kinds whose dependents stay unless told otherwise (`DefaultGarbageCollectionPolicy`).
fn orphans_by_default(resource: &Resource) -> bool {
    matches!(
        resource.bucket.as_str(),
        "jobs.batch" | "replicationcontrollers"
    )
}

/// What a deletion did.
pub(crate) struct Deleted {
    /// What the client gets: the object, or a `Status` when it is gone.
    pub(crate) body: Value,
    /// The revision of the write; absent for dry runs.
    pub(crate) revision: Option<u64>,
}

/// Deletes the object named by the call.
///
/// # Errors
/// `NotFound`, `Conflict` for failed preconditions and for namespaces that are being emptied.
pub(crate) fn delete(call: &mut Call, options: &DeleteOptions) -> Result<Deleted, Status> {
    options.check()?;
    if call.resource.bucket.as_str() == "jobs.batch"
        && options.propagation_policy.is_none()
        && options.orphan_dependents.is_none()
    {
        call.warnings.push(
            "child pods are preserved by default when jobs are deleted; set \
             propagationPolicy=Background to remove them or set propagationPolicy=Orphan to \
             suppress this warning"
                .to_owned(),
        );
    }
    for _ in 0..ATTEMPTS_MAX {
        let entry = call.entry()?;
        check_preconditions(call, &entry, options)?;
        match delete_at(call, &entry, options) {
            Err(error) if error.reason == "Conflict" && !is_pinned(options) => {
                if call.entry().is_ok_and(|now| now.revision == entry.revision) {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
    Err(Status::modified(&call.resource.group_resource, &call.name))
}

fn is_pinned(options: &DeleteOptions) -> bool {
    options
        .preconditions
        .as_ref()
        .is_some_and(|wanted| wanted.resource_version.is_some())
}

fn check_preconditions(call: &Call, entry: &Entry, options: &DeleteOptions) -> Result<(), Status> {
    let Some(wanted) = &options.preconditions else {
        return Ok(());
    };
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| **uid != *entry.meta.uid) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The \
             object might have been deleted and then recreated",
            entry.meta.uid
        );
        return Err(precondition(call, &why));
    }
    let revision = entry.revision.to_string();
    if let Some(version) = wanted.resource_version.as_ref().filter(|v| **v != revision) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the \
             ResourceVersion in record ({revision}). The object might have been modified"
        );
        return Err(precondition(call, &why));
    }
    Ok(())
}

/// Quirk: here a real server names the kind, not the resource.
fn precondition(call: &Call, why: &str) -> Status {
    let kind = store::GroupResource::new(&call.resource.group, &call.resource.kind);
    Status::conflict(&kind, &call.name, why)
}

fn delete_at(call: &Call, entry: &Arc<Entry>, options: &DeleteOptions) -> Result<Deleted, Status> {
    let is_namespace = call.resource.bucket.as_str() == "namespaces";
    let adds = options.finalizer(&call.resource);
    let dry_run = call.options.dry_run || options.dry_run.iter().any(|value| value == "All");
    let mut object = call.decode(entry)?;
    if is_namespace && PROTECTED.contains(&&*call.name) {
        let why = "this namespace may not be deleted";
        return Err(Status::forbidden(
            &call.resource.group_resource,
            &call.name,
            why,
        ));
    }
    if is_namespace && entry.meta.deleting {
        let why = "The system is ensuring all content is removed from this namespace.  Upon \
                   completion, this namespace will automatically be purged by the system.";
        return Err(Status::conflict(
            &call.resource.group_resource,
            &call.name,
            why,
        ));
    }
    let is_crd = call.resource.bucket == *registry::CRDS;
    let waits = entry.meta.has_finalizers
        || adds.is_some()
        || (is_crd && !entry.meta.deleting)
        || (is_namespace && !object::strings_at(&object, &["spec", "finalizers"]).is_empty());
    if !waits {
        return delete_now(call, entry, object, dry_run);
    }
    let changed = mark(call, &mut object, adds);
    if dry_run || !changed {
        return Ok(Deleted {
            body: object,
            revision: None,
        });
    }
    let draft = call.encode(&object)?;
    let store = &call.cluster.store;
    let written = store
        .update(
            call.cluster.id,
            &call.resource.bucket,
            &entry.key,
            entry.revision,
            draft,
        )
        .map_err(|error| to_status(call, &error))?;
    object::metadata_mut(&mut object).insert(
        "resourceVersion".to_owned(),
        written.revision.to_string().into(),
    );
    Ok(Deleted {
        body: object,
        revision: Some(written.revision),
    })
}

/// Marks the object as being deleted; returns whether that changed it.
fn mark(call: &Call, object: &mut Value, adds: Option<&str>) -> bool {
    let mut changed = false;
    if let Some(finalizer) = adds {
        let other = if finalizer == ORPHAN {
            FOREGROUND
        } else {
            ORPHAN
        };
        changed |= object::set_finalizer(object, other, false);
        changed |= object::set_finalizer(object, finalizer, true);
    }
    if !object::is_deleting(object) {
        let now = call.now();
        let meta = object::metadata_mut(object);
        meta.insert("deletionTimestamp".to_owned(), now.into());
        if call.resource.bucket.as_str() != "namespaces" {
            meta.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        }
        generation::deletion(object);
        if call.resource.bucket == *registry::CRDS {
            mark_crd(object, &call.now());
        }
        changed = true;
    }
    if call.resource.bucket.as_str() == "namespaces" {
        object::member_mut(object, "status").insert("phase".to_owned(), "Terminating".into());
    }
    changed
}

/// A CRD goes after its objects, which a controller deletes.
fn mark_crd(crd: &mut Value, now: &str) {
    object::set_finalizer(crd, CRD_CLEANUP, true);
    object::set_condition(
        crd,
        "Terminating",
        "True",
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        now,
    );
}

fn delete_now(
    call: &Call,
    entry: &Arc<Entry>,
    mut object: Value,
    dry_run: bool,
) -> Result<Deleted, Status> {
    let mut revision = None;
    if !dry_run {
        let store = &call.cluster.store;
        let gone = store
            .delete(
                call.cluster.id,
                &call.resource.bucket,
                &entry.key,
                entry.revision,
            )
            .map_err(|error| to_status(call, &error))?;
        revision = Some(gone.revision);
    }
    if returns_object(&call.resource) {
        if let Some(revision) = revision {
            object::metadata_mut(&mut object)
                .insert("resourceVersion".to_owned(), revision.to_string().into());
        }
        return Ok(Deleted {
            body: object,
            revision,
        });
    }
    let body = status::deleted(&call.resource.group_resource, &call.name, &entry.meta.uid);
    Ok(Deleted { body, revision })
}

/// Kinds that answer a deletion with the object (`ReturnDeletedObject`).
fn returns_object(resource: &Resource) -> bool {
    matches!(
        resource.bucket.as_str(),
        "namespaces"
            | "persistentvolumeclaims"
            | "persistentvolumes"
            | "pods"
            | "podtemplates"
            | "resourcequotas"
            | "serviceaccounts"
            | "services"
            | "podsecuritypolicies.policy"
            | "storageclasses.storage.k8s.io"
            | "csidrivers.storage.k8s.io"
            | "csinodes.storage.k8s.io"
            | "volumeattachments.storage.k8s.io"
            | "volumeattributesclasses.storage.k8s.io"
            | "resourceclaims.resource.k8s.io"
            | "resourceclaimtemplates.resource.k8s.io"
            | "resourceslices.resource.k8s.io"
            | "deviceclasses.resource.k8s.io"
    )
}

fn to_status(call: &Call, error: &store::Error) -> Status {
    Status::of_store(error, &call.resource.group_resource, &call.name)
}

/// Deletes every selected object of a collection; returns the entries and the newest revision.
///
/// # Errors
/// The first failure ends it; objects that vanish meanwhile are no failure.
pub(crate) fn delete_collection(
    call: &mut Call,
    selection: &Selection,
    options: &DeleteOptions,
) -> Result<(Vec<Arc<Entry>>, Option<u64>), Status> {
    options.check()?;
    let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
    let range = ListRange {
        namespace,
        ..ListRange::default()
    };
    let page = call
        .cluster
        .store
        .list(call.cluster.id, &call.resource.bucket, &range)
        .map_err(|error| to_status(call, &error))?;
    let mut deleted = Vec::new();
    let mut newest = None;
    for entry in page.entries {
        if !selection.matches(&call.resource, &entry) {
            continue;
        }
        call.name = entry.key.name.to_string();
        call.namespace = entry.key.namespace.to_string();
        match delete(call, options) {
            Ok(done) => {
                newest = done.revision.max(newest);
                deleted.push(entry);
            }
            Err(status) if status.reason == "NotFound" => {}
            Err(status) => return Err(status),
        }
    }
    Ok((deleted, newest))
}
