//! What a Cluster needs. Pure.

use api::labels::{CLUSTER_FINALIZER, CLUSTER_MANAGEMENT};
use apiclient::ObjectKey;

use crate::index::{Index, label};

/// A Cluster as far as this controller is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) deleting: bool,
    pub(crate) has_finalizer: bool,
    /// Finalizers of others.
    pub(crate) foreign_finalizers: Vec<String>,
    /// `status.namespace`.
    pub(crate) namespace: String,
    /// Somebody else manages the agent of the cluster, and assigns its namespace.
    pub(crate) is_managed_elsewhere: bool,
    /// A write found that namespace missing.
    pub(crate) namespace_missing: bool,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Replaces the list of finalizers.
    SetFinalizers {
        cluster: ObjectKey,
        finalizers: Vec<String>,
    },
    /// Creates the cluster namespace unless it exists.
    CreateNamespace {
        cluster: ObjectKey,
        namespace: String,
    },
    /// Writes `status.namespace`.
    AssignNamespace {
        cluster: ObjectKey,
        namespace: String,
    },
    /// Deletes the cluster namespace and all in it.
    DeleteNamespace {
        cluster: ObjectKey,
        namespace: String,
    },
}

impl Observed {
    /// Reads the index; `None` when the Cluster is gone.
    pub(crate) fn of(index: &Index, key: &ObjectKey) -> Option<Self> {
        let entry = index.clusters.get(key)?;
        let ours = |finalizer: &&String| *finalizer == CLUSTER_FINALIZER;
        let foreign = entry
            .meta
            .finalizers
            .iter()
            .filter(|finalizer| !ours(finalizer));
        Some(Self {
            key: key.clone(),
            deleting: entry.meta.deleting,
            has_finalizer: entry.meta.has_finalizer(CLUSTER_FINALIZER),
            foreign_finalizers: foreign.cloned().collect(),
            namespace: entry.namespace().to_owned(),
            is_managed_elsewhere: label(&entry.meta.labels, CLUSTER_MANAGEMENT).is_some(),
            namespace_missing: index.namespace_missing.contains(key),
        })
    }
}

/// The actions that bring a Cluster to where it has to be; none when it is there.
///
/// The name of the namespace is computed once and then read from the status, as upstream does:
/// renaming rules may change, the namespace of a cluster may not.
pub(crate) fn plan(observed: &Observed) -> Vec<Action> {
    let cluster = observed.key.clone();
    if observed.deleting {
        return plan_deletion(observed);
    }
    let mut actions = Vec::new();
    if !observed.has_finalizer {
        let mut finalizers = observed.foreign_finalizers.clone();
        finalizers.push(CLUSTER_FINALIZER.to_owned());
        actions.push(Action::SetFinalizers {
            cluster: cluster.clone(),
            finalizers,
        });
    }
    if observed.is_managed_elsewhere {
        return actions;
    }
    if observed.namespace.is_empty() {
        let namespace = api::names::cluster_namespace(&cluster.namespace, &cluster.name);
        let create = Action::CreateNamespace {
            cluster: cluster.clone(),
            namespace: namespace.clone(),
        };
        actions.extend([create, Action::AssignNamespace { cluster, namespace }]);
    } else if observed.namespace_missing {
        let namespace = observed.namespace.clone();
        actions.push(Action::CreateNamespace { cluster, namespace });
    }
    actions
}

/// The actions that bring back a cluster namespace that a write found missing.
pub(crate) fn restore(observed: &Observed) -> Vec<Action> {
    if observed.deleting || observed.is_managed_elsewhere || observed.namespace.is_empty() {
        return Vec::new();
    }
    vec![Action::CreateNamespace {
        cluster: observed.key.clone(),
        namespace: observed.namespace.clone(),
    }]
}

fn plan_deletion(observed: &Observed) -> Vec<Action> {
    if !observed.has_finalizer {
        return Vec::new();
    }
    let cluster = observed.key.clone();
    let finalizers = observed.foreign_finalizers.clone();
    let release = Action::SetFinalizers {
        cluster: cluster.clone(),
        finalizers,
    };
    if observed.namespace.is_empty() {
        return vec![release];
    }
    let namespace = observed.namespace.clone();
    vec![Action::DeleteNamespace { cluster, namespace }, release]
}
