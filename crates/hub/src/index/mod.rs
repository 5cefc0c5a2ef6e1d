//! The world as the controllers know it: what the watches said, reduced to what decisions need.
//!
//! Every watch event goes in through one function per kind, which updates the maps and the roll-up
//! and returns whom to wake: a pure mapping from a changed object to keys. Nothing here does I/O.
//! Work per event is bounded by the objects that the event touches (invariant W-1): a status change
//! of a BundleDeployment is a few map operations; a change of a Cluster's labels looks at the
//! groups of its namespace and at the bundles that may go there.

mod apply;
mod bundle;
mod cluster;
mod content;
mod dependencies;
mod deployment;
mod digest;
mod git_repo;
mod groups;
mod meta;
mod namespace;
mod pins;
mod reach;
mod registration;
mod rolling;
mod rules;
mod schedule;
mod sources;
#[cfg(test)]
mod tests;

use apiclient::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use target::mapping::Mappings;

pub(crate) use apply::key_of;
pub(crate) use bundle::{BundleEntry, ContentSource, label};
pub(crate) use cluster::{ClusterEntry, GroupEntry};
pub(crate) use content::{ContentEntry, ContentMeta};
pub(crate) use deployment::{DeploymentEntry, StoredSpec};
pub(crate) use digest::Digest;
pub(crate) use git_repo::GitRepoEntry;
pub(crate) use groups::{Membership, group_facts};
pub(crate) use namespace::NamespaceMeta;
pub(crate) use registration::is_managed_elsewhere;
pub(crate) use rules::NotServed;
pub(crate) use schedule::{ScheduleEntry, Window};
pub(crate) use sources::{SourceKey, SourceState};

/// Somebody who has to look again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// The GitRepo controller.
    GitRepo(ObjectKey),
    /// The Bundle controller.
    Bundle(ObjectKey),
    /// The BundleDeployment controller.
    Deployment(ObjectKey),
    /// The Cluster controller.
    Cluster(ObjectKey),
    /// The reader of what bundles take along.
    Source(SourceKey),
    /// The Schedule controller.
    Schedule(ObjectKey),
    /// The collector of unused Contents.
    Contents,
    /// The ClusterRegistration controller.
    Registration(ObjectKey),
    /// The ClusterRegistrationToken controller.
    Token(ObjectKey),
    /// Who deploys the agent of a Cluster.
    Agent(ObjectKey),
    /// Who makes what must be there before an agent can register.
    StartUp,
    /// The collector of what registration left behind.
    CleanUp,
}

/// The maps. Keys are namespace and name, unless said otherwise. Entries are shared, so that a
/// controller takes what it needs out of the lock without copying.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) clusters: BTreeMap<ObjectKey, Arc<ClusterEntry>>,
    /// The cluster that owns a cluster namespace.
    pub(crate) cluster_of_namespace: BTreeMap<String, ObjectKey>,
    pub(crate) groups: BTreeMap<ObjectKey, Arc<GroupEntry>>,
    /// The groups of every cluster.
    pub(crate) memberships: BTreeMap<ObjectKey, Membership>,
    pub(crate) schedules: BTreeMap<ObjectKey, Arc<ScheduleEntry>>,
    pub(crate) git_repos: BTreeMap<ObjectKey, Arc<GitRepoEntry>>,
    pub(crate) bundles: BTreeMap<ObjectKey, Arc<BundleEntry>>,
    pub(crate) deployments: BTreeMap<ObjectKey, Arc<DeploymentEntry>>,
    /// The deployments of a bundle, by its key.
    pub(crate) deployments_of: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// By name: Contents are cluster-scoped.
    pub(crate) contents: BTreeMap<String, ContentEntry>,
    /// Contents that clusters need which stay at an earlier commit, by GitRepo.
    pub(crate) pinned_contents: BTreeMap<ObjectKey, BTreeSet<String>>,
    /// Number of deployments that refer to a Content.
    pub(crate) content_users: BTreeMap<String, usize>,
    /// Bundles whose roll-out may wait for deployments to become available.
    pub(crate) rolling: rolling::Rolling,
    /// Clusters whose namespace was found missing.
    pub(crate) namespace_missing: BTreeSet<ObjectKey>,
    /// BundleNamespaceMappings, and the namespaces they select from.
    pub(crate) mappings: Mappings,
    /// GitRepoRestrictions and Policies.
    pub(crate) rules: rules::RuleBook,
    /// Secrets and ConfigMaps that bundles take along.
    pub(crate) sources: sources::Sources,
    /// Requests of agents to be registered.
    pub(crate) registrations: registration::Registrations,
    /// The last number that was given to a state of a cluster or deployment.
    revision: u64,
    /// Deployments that are being created, so that no two bundles take one name.
    pub(crate) claims: reach::Claims,
}

impl Index {
    /// A number that no other state has.
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }
}
