//! Which clusters are in which groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::v1alpha1::{ClusterGroup, LabelSelector};
use apiclient::ObjectKey;
use target::matching::GroupFacts;

use super::{ClusterEntry, GroupEntry, Index, Wake, key_of};

/// Names of the groups of a cluster, which are in its namespace.
pub(crate) type Membership = Arc<BTreeSet<String>>;

/// The groups of a cluster as matchers see them.
pub(crate) fn group_facts<'a>(
    memberships: &'a BTreeMap<ObjectKey, Membership>,
    groups: &'a BTreeMap<ObjectKey, Arc<GroupEntry>>,
    cluster: &ObjectKey,
) -> Vec<GroupFacts<'a>> {
    static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();
    let names = memberships.get(cluster).into_iter();
    let names = names.flat_map(|names| names.iter());
    names
        .filter_map(|name| {
            let group = ObjectKey::new(cluster.namespace.clone(), name.clone());
            let group = &groups.get(&group)?.group;
            let labels = group.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
            Some(GroupFacts { name, labels })
        })
        .collect()
}

/// What a change of a group means.
#[derive(Debug, Default)]
pub(crate) struct GroupChange {
    pub(crate) wakes: Vec<Wake>,
    /// Clusters that joined or left.
    pub(crate) moved: Vec<ObjectKey>,
    /// To somebody clusters may be in another group than before.
    pub(crate) matters: bool,
}

impl Index {
    /// A ClusterGroup is new or has changed.
    pub(crate) fn group_applied(&mut self, group: ClusterGroup) -> GroupChange {
        let key = key_of(&group);
        let entry = Arc::new(GroupEntry::from(group));
        let selector = entry.group.spec.selector.clone();
        let previous = self.groups.insert(key.clone(), Arc::clone(&entry));
        if previous
            .as_ref()
            .is_some_and(|previous| !previous.targets_differ(&entry))
        {
            return GroupChange::default();
        }
        let is_relabelled = previous
            .is_some_and(|previous| previous.group.metadata.labels != entry.group.metadata.labels);
        self.regroup(&key, selector.as_ref(), is_relabelled)
    }

    /// A ClusterGroup is gone.
    pub(crate) fn group_deleted(&mut self, key: &ObjectKey) -> GroupChange {
        self.groups.remove(key);
        self.regroup(key, None, false)
    }

    /// Moves clusters into and out of a group. Without a selector nobody is in it.
    fn regroup(
        &mut self,
        group: &ObjectKey,
        maybe_selector: Option<&LabelSelector>,
        is_relabelled: bool,
    ) -> GroupChange {
        let first = ObjectKey::new(group.namespace.clone(), "");
        let clusters = self.clusters.range(first..);
        let near = clusters.take_while(|(key, _)| key.namespace == group.namespace);
        let (mut moved, mut members) = (Vec::new(), Vec::new());
        for (key, cluster) in near {
            let is_member =
                maybe_selector.is_some_and(|selector| selector.matches(&cluster.meta.labels));
            if is_member {
                members.push(key.clone());
            }
            let known = self.memberships.entry(key.clone()).or_default();
            if known.contains(&group.name) == is_member {
                continue;
            }
            let names = Arc::make_mut(known);
            if is_member {
                names.insert(group.name.clone());
            } else {
                names.remove(&group.name);
            }
            moved.push(key.clone());
        }
        self.renumber(&moved);
        if is_relabelled {
            self.renumber(&members);
        }
        let concerns_somebody = !moved.is_empty() || (is_relabelled && !members.is_empty());
        let wakes = if concerns_somebody {
            self.bundles_by_group(&group.namespace)
        } else {
            Vec::new()
        };
        GroupChange {
            wakes,
            moved,
            matters: concerns_somebody,
        }
    }

    /// Tells the state of clusters from the one in which their groups were others.
    fn renumber(&mut self, clusters: &[ObjectKey]) {
        for key in clusters {
            let revision = self.next_revision();
            if let Some(cluster) = self.clusters.get_mut(key) {
                Arc::make_mut(cluster).revision = revision;
            }
        }
    }

    /// The bundles that may go to clusters of a namespace and look at their groups.
    fn bundles_by_group(&self, namespace: &str) -> Vec<Wake> {
        let mut wakes = self.bundles_near(namespace);
        wakes.retain(|wake| {
            let Wake::Bundle(key) = wake else { return true };
            let bundle = self.bundles.get(key);
            bundle.is_some_and(|bundle| self.looks_at_groups(key, bundle))
        });
        wakes
    }

    /// Finds the groups of a cluster that is new or was labelled.
    pub(super) fn join_groups(&mut self, key: &ObjectKey, cluster: &ClusterEntry) {
        let first = ObjectKey::new(key.namespace.clone(), "");
        let groups = self.groups.range(first..);
        let near = groups.take_while(|(group, _)| group.namespace == key.namespace);
        let members = near.filter(|(_, entry)| {
            let selector = entry.group.spec.selector.as_ref();
            selector.is_some_and(|selector| selector.matches(&cluster.meta.labels))
        });
        let names: BTreeSet<String> = members.map(|(group, _)| group.name.clone()).collect();
        self.memberships.insert(key.clone(), Arc::new(names));
    }
}
