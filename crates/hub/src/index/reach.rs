//! Which bundles meet which clusters, beyond the borders of namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::v1alpha1::BundleNamespaceMapping;
use apiclient::ObjectKey;
use target::mapping::Concerned;
use target::matching::{ClusterFacts, GroupFacts, Targets};

use super::{BundleEntry, ClusterEntry, Index, Membership, NamespaceMeta, Wake};

impl Index {
    /// A BundleNamespaceMapping is new or has changed.
    pub(crate) fn mapping_applied(&mut self, mapping: &BundleNamespaceMapping) -> Vec<Wake> {
        let concerned = self.mappings.set_mapping(mapping);
        self.wake_concerned(&concerned)
    }

    /// A BundleNamespaceMapping is gone.
    pub(crate) fn mapping_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let concerned = self.mappings.remove_mapping(&key.namespace, &key.name);
        self.wake_concerned(&concerned)
    }

    /// A Namespace is new or has changed.
    pub(crate) fn namespace_applied(&mut self, namespace: NamespaceMeta) -> Vec<Wake> {
        let (name, labels) = namespace.into_parts();
        let concerned = self.mappings.set_namespace(&name, labels);
        self.wake_concerned(&concerned)
    }

    /// A Namespace is gone.
    pub(crate) fn namespace_deleted(&mut self, name: &str) -> Vec<Wake> {
        let concerned = self.mappings.remove_namespace(name);
        self.wake_concerned(&concerned)
    }

    fn wake_concerned(&self, concerned: &[Concerned]) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for concerned in concerned {
            let near = self.bundles_of(&concerned.namespace);
            let hit = near.filter(|(_, bundle)| concerned.includes(&bundle.meta.labels));
            wakes.extend(hit.map(|(key, _)| Wake::Bundle(key.clone())));
        }
        wakes
    }

    /// The bundles of a namespace, by name.
    pub(crate) fn bundles_of(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &BundleEntry)> {
        let bundles = self.bundles.range(ObjectKey::new(namespace, "")..);
        bundles
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(key, entry)| (key, entry.as_ref()))
    }

    /// The bundles for which a cluster counts: those whose targets mean it in one of the given states,
    /// and those that are deployed on it.
    ///
    /// Costs as much as there are bundles that may go to its namespace, not as much as these have
    /// clusters. Customizations and templates are not asked: a bundle that looks in vain loses nothing.
    pub(super) fn bundles_meaning(
        &self,
        cluster: &ObjectKey,
        states: &[(Arc<ClusterEntry>, Membership)],
    ) -> Vec<Wake> {
        static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();
        let labels_of = |group: &String| {
            let group = ObjectKey::new(cluster.namespace.clone(), group.clone());
            let labels = self.groups.get(&group)?.group.metadata.labels.as_ref();
            Some(labels.unwrap_or(&NO_LABELS))
        };
        let groups = states.iter().map(|(_, groups)| {
            let facts = groups.iter().map(|name| GroupFacts {
                name,
                labels: labels_of(name).unwrap_or(&NO_LABELS),
            });
            facts.collect::<Vec<_>>()
        });
        let groups: Vec<Vec<GroupFacts<'_>>> = groups.collect();
        let facts = states.iter().zip(&groups);
        let facts: Vec<ClusterFacts<'_>> = facts
            .map(|((entry, _), groups)| ClusterFacts {
                name: &cluster.name,
                labels: &entry.meta.labels,
                groups,
            })
            .collect();
        let mut concerned = BTreeSet::new();
        for wake in self.bundles_near(&cluster.namespace) {
            let Wake::Bundle(key) = wake else { continue };
            let Some(bundle) = self.bundles.get(&key) else {
                continue;
            };
            let targets = Targets::of(&bundle.spec);
            if facts.iter().any(|facts| targets.select(facts).is_some()) {
                concerned.insert(key);
            }
        }
        let namespaces: BTreeSet<&str> =
            states.iter().map(|(entry, _)| entry.namespace()).collect();
        for namespace in namespaces.into_iter().filter(|name| !name.is_empty()) {
            let deployed = self.deployments.range(ObjectKey::new(namespace, "")..);
            let deployed = deployed.take_while(|(key, _)| key.namespace == namespace);
            concerned.extend(deployed.map(|(_, entry)| entry.bundle.clone()));
        }
        concerned.into_iter().map(Wake::Bundle).collect()
    }

    /// The bundles that may go to clusters of a namespace: its own and those that are mapped to it.
    pub(crate) fn bundles_near(&self, namespace: &str) -> Vec<Wake> {
        let mut keys: BTreeSet<&ObjectKey> =
            self.bundles_of(namespace).map(|(key, _)| key).collect();
        for (from, selector) in self.mappings.reaching(namespace) {
            let mapped = self.bundles_of(from);
            let mapped = mapped.filter(|(_, bundle)| selector.matches(&bundle.meta.labels));
            keys.extend(mapped.map(|(key, _)| key));
        }
        keys.into_iter().cloned().map(Wake::Bundle).collect()
    }

    /// Those of [`Self::bundles_near`] for the cluster that owns the deployment which are called as it
    /// is: one of them may have waited for this name.
    pub(crate) fn waiting_for(&self, deployment: &ObjectKey) -> Vec<Wake> {
        let Some(cluster) = self.cluster_of_namespace.get(&deployment.namespace) else {
            return Vec::new();
        };
        let own = std::iter::once(cluster.namespace.as_str());
        let mapped = self.mappings.reaching(&cluster.namespace);
        let namespaces: BTreeSet<&str> = own.chain(mapped.map(|(from, _)| from)).collect();
        let keys = namespaces
            .into_iter()
            .map(|namespace| ObjectKey::new(namespace, deployment.name.clone()));
        keys.filter(|key| self.bundles.contains_key(key))
            .map(Wake::Bundle)
            .collect()
    }

    /// The bundle that a deployment of this name belongs to or is being created for, if it is another one.
    pub(crate) fn other_owner(
        &self,
        deployment: &ObjectKey,
        bundle: &ObjectKey,
    ) -> Option<&ObjectKey> {
        let stored = self
            .deployments
            .get(deployment)
            .map(|entry| &entry.bundle)
            .or_else(|| self.claims.get(deployment));
        stored.filter(|owner| *owner != bundle)
    }

    /// Reserves the name of a deployment that is about to be created; false when another bundle has it.
    ///
    /// Bundles of different namespaces may have one name. On a cluster that both reach only one of them
    /// can be deployed, and the first one stays.
    pub(crate) fn claim(&mut self, deployment: &ObjectKey, bundle: &ObjectKey) -> bool {
        if self.other_owner(deployment, bundle).is_some() {
            return false;
        }
        self.claims.insert(deployment.clone(), bundle.clone());
        true
    }
}

/// The deployments that are being created, with their bundles.
pub(crate) type Claims = BTreeMap<ObjectKey, ObjectKey>;
