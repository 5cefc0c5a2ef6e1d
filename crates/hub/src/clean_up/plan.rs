//! What is left behind. Pure.

use std::time::Duration;

use api::labels::{CLUSTER, CLUSTER_NAMESPACE};
use api::v1alpha1::{ClusterRegistration, ClusterRegistrationToken};
use apiclient::{Kind, ObjectKey};
use jiff::Timestamp;
use kube_core::ObjectMeta;

use crate::object_set::{OWNER_GVK, OWNER_NAME, OWNER_NAMESPACE, gvk};

/// How long an answer is kept: longer than agents wait for it.
pub(crate) const ANSWER: Duration = Duration::from_mins(40);

/// The reason of an object, if it is a request or a token.
pub(crate) fn reason(meta: &ObjectMeta) -> Option<(Kind, ObjectKey)> {
    let annotations = meta.annotations.as_ref()?;
    let text = |name: &str| {
        annotations
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let kinds = [
        Kind::of::<ClusterRegistration>(),
        Kind::of::<ClusterRegistrationToken>(),
    ];
    let mut kinds = kinds.into_iter();
    let kind = kinds.find(|kind| gvk(&kind.kind) == text(OWNER_GVK))?;
    let key = ObjectKey::new(text(OWNER_NAMESPACE), text(OWNER_NAME));
    (!key.namespace.is_empty() && !key.name.is_empty()).then_some((kind, key))
}

/// The Cluster of a cluster namespace.
pub(crate) fn cluster(meta: &ObjectMeta) -> Option<ObjectKey> {
    let annotations = meta.annotations.as_ref()?;
    let (namespace, name) = (
        annotations.get(CLUSTER_NAMESPACE)?,
        annotations.get(CLUSTER)?,
    );
    let is_named = !namespace.is_empty() && !name.is_empty();
    is_named.then(|| ObjectKey::new(namespace.clone(), name.clone()))
}

/// Whether an answer is of no use any more.
pub(crate) fn is_stale(meta: &ObjectMeta, now: Timestamp) -> bool {
    let created = meta.creation_timestamp.as_ref().map(|time| time.0);
    created.is_some_and(|created| {
        let age = now.duration_since(created);
        age.unsigned_abs() >= ANSWER && age.is_positive()
    })
}
