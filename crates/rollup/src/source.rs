//! Counters of a GitRepo or HelmOp: those of its deployments, by cluster, and the list of objects.
//!
//! Changes cost a logarithm, and for the list of objects as much as the deployment's own list changed.
//! The list is only made when a status is asked for. Its cost is bounded by its budget: either all of it
//! fits, or a part that fits is taken, what is not ready first.
//!
//! Source of the complete form: fleet, `internal/cmd/controller/status` (resource list algorithm).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::limits::{Limits, fit, json_len};
use api::state::State;
use api::v1alpha1::{PerClusterState, Resource, ResourceCounts, StatusBase, StatusDisplay};

use crate::contribution::{Contribution, ObjectId};
use crate::key::ObjectKey;
use crate::tally::{Deployments, Tally, View, add_counts};

/// Less than the smallest entry of the list of objects; used to bound work before measuring.
const ENTRY_BYTES_MIN: usize = 48;
/// Quotes and comma of a cluster in a list.
const CLUSTER_OVERHEAD_BYTES: usize = 3;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ClusterShare {
    n_deployments: usize,
    n_ready: usize,
    counts: ResourceCounts,
}

impl ClusterShare {
    fn is_ready(&self) -> bool {
        self.n_ready == self.n_deployments
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTally {
    tally: Tally,
    clusters: BTreeMap<ObjectKey, ClusterShare>,
    /// Clusters with what is not ready first.
    clusters_by_need: BTreeSet<(bool, ObjectKey)>,
    n_ready_clusters: usize,
    /// Deployments by cluster.
    deployments: BTreeSet<(ObjectKey, ObjectKey)>,
    /// Number of deployments that have an object.
    objects: BTreeMap<Arc<ObjectId>, usize>,
    /// Bytes of all cluster lists in the complete form.
    cluster_list_bytes: usize,
}

impl SourceTally {
    pub(crate) fn new() -> Self {
        Self {
            tally: Tally::new(View::Other),
            clusters: BTreeMap::new(),
            clusters_by_need: BTreeSet::new(),
            n_ready_clusters: 0,
            deployments: BTreeSet::new(),
            objects: BTreeMap::new(),
            cluster_list_bytes: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deployments.is_empty()
    }

    /// Replaces the contribution of a deployment.
    pub(crate) fn replace(
        &mut self,
        deployment: &ObjectKey,
        old: Option<&Contribution>,
        new: Option<&Contribution>,
    ) {
        let same_objects = matches!((old, new), (Some(old), Some(new))
            if Arc::ptr_eq(&old.objects, &new.objects)
                && old.exceptions.is_empty() && new.exceptions.is_empty()
                && old.cluster == new.cluster);
        if let Some(old) = old {
            self.tally.remove(deployment, old);
            self.change_cluster(old, -1);
            self.deployments
                .remove(&(old.cluster.clone(), deployment.clone()));
            if !same_objects {
                self.remove_objects(old);
            }
        }
        if let Some(new) = new {
            self.tally.add(deployment, new);
            self.change_cluster(new, 1);
            self.deployments
                .insert((new.cluster.clone(), deployment.clone()));
            if !same_objects {
                self.add_objects(new);
            }
        }
    }

    fn change_cluster(&mut self, contribution: &Contribution, sign: i64) {
        let cluster = &contribution.cluster;
        let mut share = self.clusters.remove(cluster).unwrap_or_default();
        if share.n_deployments > 0 {
            self.clusters_by_need
                .remove(&(share.is_ready(), cluster.clone()));
            self.n_ready_clusters -= usize::from(share.is_ready());
        }
        let is_ready = usize::from(contribution.maybe_state == Some(State::Ready));
        if sign > 0 {
            share.n_deployments += 1;
            share.n_ready += is_ready;
        } else {
            share.n_deployments = share.n_deployments.saturating_sub(1);
            share.n_ready = share.n_ready.saturating_sub(is_ready);
        }
        add_counts(&mut share.counts, &contribution.counts, sign);
        if share.n_deployments > 0 {
            self.clusters_by_need
                .insert((share.is_ready(), cluster.clone()));
            self.n_ready_clusters += usize::from(share.is_ready());
            self.clusters.insert(cluster.clone(), share);
        }
    }

    fn add_objects(&mut self, contribution: &Contribution) {
        let cluster_bytes = contribution.cluster.as_str().len() + CLUSTER_OVERHEAD_BYTES;
        for (id, _) in contribution.object_states() {
            *self.objects.entry(Arc::clone(id)).or_default() += 1;
            self.cluster_list_bytes += cluster_bytes;
        }
    }

    fn remove_objects(&mut self, contribution: &Contribution) {
        let cluster_bytes = contribution.cluster.as_str().len() + CLUSTER_OVERHEAD_BYTES;
        for (id, _) in contribution.object_states() {
            self.cluster_list_bytes = self.cluster_list_bytes.saturating_sub(cluster_bytes);
            if let Some(n) = self.objects.get_mut(id) {
                *n -= 1;
                if *n == 0 {
                    self.objects.remove(id);
                }
            }
        }
    }

    /// Message of the Ready condition.
    pub(crate) fn ready_message(&self, all: &Deployments, limits: &Limits) -> String {
        self.tally.ready_message(all, limits)
    }

    /// The status without its conditions.
    pub(crate) fn status(&self, all: &Deployments, limits: &Limits) -> StatusBase {
        let mut status = StatusBase {
            ready_clusters: count(self.n_ready_clusters),
            desired_ready_clusters: count(self.clusters.len()),
            summary: self.tally.summary(all, limits),
            display: self.display(all),
            resource_counts: self.tally.counts,
            ..StatusBase::default()
        };
        (status.resources, status.resources_omitted) = self.objects(all, limits);
        (
            status.per_cluster_resource_counts,
            status.per_cluster_resource_counts_omitted,
        ) = self.cluster_counts(limits);
        status
    }

    fn display(&self, all: &Deployments) -> StatusDisplay {
        let (state, message) = self
            .tally
            .worst(all)
            .map_or_else(Default::default, |(state, text)| (state.to_string(), text));
        StatusDisplay {
            ready_bundle_deployments: self.tally.ready_of_total(),
            state,
            error: !message.is_empty(),
            message,
            ..StatusDisplay::default()
        }
    }

    /// Counts by cluster, clusters that are not ready first, as far as they fit.
    fn cluster_counts(&self, limits: &Limits) -> (BTreeMap<String, ResourceCounts>, i64) {
        let mut kept = BTreeMap::new();
        let mut used = 2;
        for (_, cluster) in &self.clusters_by_need {
            let Some(share) = self.clusters.get(cluster) else {
                continue;
            };
            // Colon and comma.
            used += json_len(cluster.as_str()) + json_len(&share.counts) + 2;
            if used > limits.cluster_counts_bytes_max {
                break;
            }
            kept.insert(cluster.as_str().to_owned(), share.counts);
        }
        let n_omitted = count(self.clusters.len() - kept.len());
        (kept, n_omitted)
    }

    /// The list of objects and how many of them are not in it.
    fn objects(&self, all: &Deployments, limits: &Limits) -> (Vec<Resource>, i64) {
        let bytes_max = limits.resources_bytes_max;
        if self.cluster_list_bytes + self.objects.len() * ENTRY_BYTES_MIN <= bytes_max {
            let complete = self.complete_objects(all);
            if json_len(&complete) <= bytes_max {
                return (complete, 0);
            }
        }
        let fitted = fit(
            self.most_important_objects(all, bytes_max),
            usize::MAX,
            bytes_max,
        );
        let n_omitted = count(self.objects.len() - fitted.kept.len());
        let mut kept = fitted.kept;
        // As one text: that is how upstream orders them.
        kept.sort_by_cached_key(|r| (format!("{}/{}", r.type_, r.id), r.api_version.clone()));
        (kept, n_omitted)
    }

    /// Every object with every cluster, sorted.
    fn complete_objects(&self, all: &Deployments) -> Vec<Resource> {
        let mut entries: BTreeMap<&ObjectId, Resource> = BTreeMap::new();
        for (cluster, deployment) in &self.deployments {
            let Some(contribution) = all.get(deployment) else {
                continue;
            };
            for (id, state) in contribution.object_states() {
                let entry = entries.entry(id.as_ref()).or_insert_with(|| new_entry(id));
                entry.incomplete_state |= contribution.is_incomplete;
                if entry.state == State::Ready.as_str() && state != State::Ready.as_str() {
                    state.clone_into(&mut entry.state);
                }
                if let Some(list) = cluster_list(&mut entry.per_cluster_state, state) {
                    list.push(cluster.as_str().to_owned());
                }
            }
        }
        entries.into_values().collect()
    }

    /// Objects that are not ready, worst deployments first, each with as many clusters as its share of
    /// the budget holds; then others, with no cluster. What was not looked at has an unknown state.
    fn most_important_objects(&self, all: &Deployments, bytes_max: usize) -> Vec<Resource> {
        let mut parts = Partial::new(bytes_max / self.objects.len().max(1));
        // A cluster in a list takes at least these bytes, so more steps could not be stored anyway.
        let mut steps = bytes_max / CLUSTER_OVERHEAD_BYTES;
        'deployments: for deployment in self.tally.troubled_deployments() {
            let Some(contribution) = all.get(deployment) else {
                continue;
            };
            for (id, state) in contribution.object_states() {
                if steps == 0 {
                    break 'deployments;
                }
                steps -= 1;
                if state != State::Ready.as_str() {
                    parts.add(id, state, contribution);
                }
            }
        }
        let room = (bytes_max / ENTRY_BYTES_MIN).saturating_sub(parts.entries.len());
        let others = self
            .objects
            .keys()
            .filter(|id| !parts.places.contains_key(id.as_ref()))
            .take(room);
        let fillers: Vec<_> = others
            .map(|id| {
                let mut entry = new_entry(id);
                if steps == 0 {
                    "Unknown".clone_into(&mut entry.state);
                    entry.incomplete_state = true;
                }
                (id.as_ref(), entry)
            })
            .collect();
        let mut entries: Vec<_> = parts.finish();
        entries.extend(fillers);
        for (id, entry) in &mut entries {
            let n_listed = n_listed(&entry.per_cluster_state);
            let n_all = self.objects.get(*id).copied().unwrap_or(n_listed);
            entry.per_cluster_state.omitted = count(n_all.saturating_sub(n_listed));
        }
        entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// The part of the list of objects that is looked at when all of it does not fit.
struct Partial<'a> {
    share_bytes: usize,
    entries: Vec<(&'a ObjectId, Resource, usize, &'a ObjectKey)>,
    places: BTreeMap<&'a ObjectId, usize>,
}

impl<'a> Partial<'a> {
    fn new(share_bytes: usize) -> Self {
        Self {
            share_bytes,
            entries: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    fn add(&mut self, id: &'a ObjectId, state: &str, contribution: &'a Contribution) {
        let at = *self.places.entry(id).or_insert_with(|| {
            let entry = new_entry(id);
            let used = json_len(&entry);
            self.entries.push((id, entry, used, &contribution.cluster));
            self.entries.len() - 1
        });
        let Some((_, entry, used, first)) = self.entries.get_mut(at) else {
            return;
        };
        entry.incomplete_state |= contribution.is_incomplete;
        if entry.state == State::Ready.as_str() || contribution.cluster < **first {
            state.clone_into(&mut entry.state);
            *first = &contribution.cluster;
        }
        let cluster = contribution.cluster.as_str();
        if *used + cluster.len() + CLUSTER_OVERHEAD_BYTES > self.share_bytes {
            return;
        }
        if let Some(list) = cluster_list(&mut entry.per_cluster_state, state) {
            *used += cluster.len() + CLUSTER_OVERHEAD_BYTES;
            list.push(cluster.to_owned());
        }
    }

    fn finish(self) -> Vec<(&'a ObjectId, Resource)> {
        let sort = |mut entry: Resource| {
            for state in LISTED_STATES {
                if let Some(list) = cluster_list(&mut entry.per_cluster_state, state) {
                    list.sort_unstable();
                }
            }
            entry
        };
        self.entries
            .into_iter()
            .map(|(id, entry, ..)| (id, sort(entry)))
            .collect()
    }
}

fn new_entry(id: &ObjectId) -> Resource {
    let (type_, full_name) = id.type_and_id();
    Resource {
        api_version: id.api_version.to_string(),
        kind: id.kind.to_string(),
        type_: type_.to_owned(),
        id: full_name.to_owned(),
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        state: State::Ready.as_str().to_owned(),
        ..Resource::default()
    }
}

/// One state for each list.
const LISTED_STATES: [&str; 8] = [
    "Ready",
    "WaitApplied",
    "Pending",
    "Modified",
    "Orphaned",
    "Missing",
    "Unknown",
    "NotReady",
];

/// The list that a cluster goes into. `ErrApplied`, `OutOfSync` and unusual states have none, as
/// upstream.
fn cluster_list<'a>(lists: &'a mut PerClusterState, state: &str) -> Option<&'a mut Vec<String>> {
    Some(match state {
        "Ready" => &mut lists.ready,
        "WaitApplied" => &mut lists.wait_applied,
        "Pending" => &mut lists.pending,
        "Modified" => &mut lists.modified,
        "Orphaned" => &mut lists.orphaned,
        "Missing" => &mut lists.missing,
        "Unknown" => &mut lists.unknown,
        "NotReady" | "updating" | "error" => &mut lists.not_ready,
        _ => return None,
    })
}

fn n_listed(lists: &PerClusterState) -> usize {
    lists.ready.len()
        + lists.wait_applied.len()
        + lists.pending.len()
        + lists.modified.len()
        + lists.orphaned.len()
        + lists.missing.len()
        + lists.unknown.len()
        + lists.not_ready.len()
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
