//! Which bundles a change of a cluster concerns, without looking at any other cluster (W-1).
//!
//! Holds the targets of all bundles and the mappings between namespaces. A change of one cluster costs
//! as much as there are bundles that could reach its namespace.

use std::collections::{BTreeMap, BTreeSet};

use api::labels::{OBJECT_SET_ID, OBJECT_SET_ID_AGENT};
use api::names::agent_bundle_name;
use api::v1alpha1::{
    Bundle, BundleDeploymentOptions, BundleNamespaceMapping, BundleSpec, BundleTarget,
    LabelSelector,
};

use crate::matching::{ClusterFacts, Targets};

/// Namespace and name.
pub type Key = (String, String);

/// Why a bundle is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// It means the cluster now: options may have changed.
    Refresh,
    /// It meant the cluster before and does not any more: a deployment may be left over.
    CleanUp,
}

#[derive(Debug)]
struct IndexedBundle {
    /// Targets and restrictions only; everything else is left out.
    spec: BundleSpec,
    labels: BTreeMap<String, String>,
    is_agent_bundle: bool,
}

#[derive(Debug)]
struct Mapping {
    bundles: LabelSelector,
    namespaces: LabelSelector,
}

/// All bundles by namespace, and the mappings.
#[derive(Debug, Default)]
pub struct TargetIndex {
    bundles: BTreeMap<String, BTreeMap<String, IndexedBundle>>,
    mappings: BTreeMap<Key, Mapping>,
}

impl TargetIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bundle, or replaces what was known of it.
    pub fn set_bundle(&mut self, bundle: &Bundle) {
        let metadata = &bundle.metadata;
        let annotation = metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(OBJECT_SET_ID));
        let only_targets = BundleSpec {
            targets: bundle
                .spec
                .targets
                .iter()
                .map(|target| BundleTarget {
                    options: BundleDeploymentOptions::default(),
                    ..target.clone()
                })
                .collect(),
            target_restrictions: bundle.spec.target_restrictions.clone(),
            ..BundleSpec::default()
        };
        let indexed = IndexedBundle {
            spec: only_targets,
            labels: metadata.labels.clone().unwrap_or_default(),
            is_agent_bundle: annotation.is_some_and(|id| id == OBJECT_SET_ID_AGENT),
        };
        self.bundles
            .entry(metadata.namespace.clone().unwrap_or_default())
            .or_default()
            .insert(metadata.name.clone().unwrap_or_default(), indexed);
    }

    /// Forgets a bundle.
    pub fn remove_bundle(&mut self, namespace: &str, name: &str) {
        if let Some(bundles) = self.bundles.get_mut(namespace) {
            bundles.remove(name);
            if bundles.is_empty() {
                self.bundles.remove(namespace);
            }
        }
    }

    /// Adds a mapping, or replaces what was known of it. One without both selectors, or with an invalid
    /// one, maps nothing.
    pub fn set_mapping(&mut self, mapping: &BundleNamespaceMapping) {
        let metadata = &mapping.metadata;
        let key = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        match (&mapping.bundle_selector, &mapping.namespace_selector) {
            (Some(bundles), Some(namespaces)) => {
                let (bundles, namespaces) = (bundles.clone(), namespaces.clone());
                self.mappings.insert(
                    key,
                    Mapping {
                        bundles,
                        namespaces,
                    },
                );
            }
            _ => {
                self.mappings.remove(&key);
            }
        }
    }

    /// Forgets a mapping.
    pub fn remove_mapping(&mut self, namespace: &str, name: &str) {
        self.mappings
            .remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The bundles that mean a cluster now or meant it before, sorted.
    ///
    /// `maybe_before` and `maybe_now` are the cluster with its groups; none for one that did not or does
    /// not exist. `namespace` is where the cluster is, with that namespace's labels.
    pub fn concerned(
        &self,
        maybe_before: Option<&ClusterFacts<'_>>,
        maybe_now: Option<&ClusterFacts<'_>>,
        namespace: &str,
        namespace_labels: &BTreeMap<String, String>,
    ) -> BTreeMap<Key, Concern> {
        let Some(cluster) = maybe_now.or(maybe_before) else {
            return BTreeMap::new();
        };
        let agent_bundle = agent_bundle_name(cluster.name);
        let mut concerned = BTreeMap::new();
        for (key, bundle) in self.in_scope(namespace, namespace_labels) {
            // The bundles of other clusters' agents mean this one by selector; they are not for it.
            if bundle.is_agent_bundle && key.1 != agent_bundle {
                continue;
            }
            let targets = Targets::of(&bundle.spec);
            // Customizations are not asked: leaving a cluster out is decided when targets are resolved,
            // and a bundle that is asked in vain loses nothing.
            let means = |maybe_cluster: Option<&ClusterFacts<'_>>| {
                maybe_cluster.is_some_and(|cluster| targets.select(cluster).is_some())
            };
            if means(maybe_now) {
                concerned.insert(key, Concern::Refresh);
            } else if means(maybe_before) {
                concerned.insert(key, Concern::CleanUp);
            }
        }
        concerned
    }

    /// The namespaces whose clusters a bundle may reach beside its own, as selectors.
    pub fn mapped_namespaces<'a>(
        &'a self,
        bundle: &'a Bundle,
    ) -> impl Iterator<Item = &'a LabelSelector> {
        let labels = bundle.metadata.labels.clone().unwrap_or_default();
        let namespace = bundle.metadata.namespace.clone().unwrap_or_default();
        self.mappings
            .iter()
            .filter(move |((at, _), mapping)| *at == namespace && mapping.bundles.matches(&labels))
            .map(|(_, mapping)| &mapping.namespaces)
    }

    fn in_scope<'a>(
        &'a self,
        namespace: &str,
        namespace_labels: &BTreeMap<String, String>,
    ) -> Vec<(Key, &'a IndexedBundle)> {
        let own = self.bundles.get_key_value(namespace);
        let mut seen = BTreeSet::new();
        let mut scope = Vec::new();
        let mapped = self
            .mappings
            .iter()
            .filter(|(_, mapping)| mapping.namespaces.matches(namespace_labels))
            .filter_map(|((from, _), mapping)| {
                Some((self.bundles.get_key_value(from)?, Some(&mapping.bundles)))
            });
        for ((from, bundles), selector) in own.map(|own| (own, None)).into_iter().chain(mapped) {
            for (name, bundle) in bundles {
                let is_mapped = selector.is_none_or(|selector| selector.matches(&bundle.labels));
                if is_mapped && seen.insert((from, name)) {
                    scope.push(((from.clone(), name.clone()), bundle));
                }
            }
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn index() -> TargetIndex {
        let mut index = TargetIndex::new();
        let dev = json!({"targets": [{"clusterSelector": {"matchLabels": {"env": "dev"}}}]});
        let all = json!({"targets": [{"clusterSelector": {}}]});
        for (namespace, name, labels, annotations, spec) in [
            ("a", "dev", json!({}), json!({}), &dev),
            ("a", "all", json!({}), json!({}), &all),
            ("b", "shared", json!({"share": "yes"}), json!({}), &all),
            ("b", "own", json!({}), json!({}), &all),
            (
                "a",
                "fleet-agent-one",
                json!({}),
                json!({OBJECT_SET_ID: "fleet-manage-agent"}),
                &all,
            ),
            (
                "a",
                "fleet-agent-two",
                json!({}),
                json!({OBJECT_SET_ID: "fleet-manage-agent"}),
                &all,
            ),
        ] {
            let metadata = json!({
                "namespace": namespace, "name": name, "labels": labels, "annotations": annotations,
            });
            index.set_bundle(&read(json!({"metadata": metadata, "spec": spec})));
        }
        index
    }

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("a good fixture")
    }

    fn mapping() -> BundleNamespaceMapping {
        read(json!({
            "metadata": {"namespace": "b", "name": "to-a"},
            "bundleSelector": {"matchLabels": {"share": "yes"}},
            "namespaceSelector": {"matchLabels": {"team": "a"}},
        }))
    }

    fn concerned(index: &TargetIndex, before: Option<&str>, now: Option<&str>) -> Vec<String> {
        let labels = |env: &str| BTreeMap::from([("env".to_owned(), env.to_owned())]);
        let (before, now) = (before.map(labels), now.map(labels));
        let facts = |labels| ClusterFacts {
            name: "one",
            labels,
            groups: &[],
        };
        let team = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let (before, now) = (before.as_ref().map(facts), now.as_ref().map(facts));
        index
            .concerned(before.as_ref(), now.as_ref(), "a", &team)
            .into_iter()
            .map(|((namespace, name), concern)| format!("{namespace}/{name} {concern:?}"))
            .collect()
    }

    #[test]
    fn a_change_concerns_the_bundles_that_mean_or_meant_the_cluster() {
        let index = index();
        let agent = "a/fleet-agent-one Refresh".to_owned();
        let everything = |dev: &str| {
            vec![
                "a/all Refresh".to_owned(),
                format!("a/dev {dev}"),
                agent.clone(),
            ]
        };
        assert_eq!(concerned(&index, None, Some("dev")), everything("Refresh"));
        assert_eq!(
            concerned(&index, Some("dev"), Some("prod")),
            everything("CleanUp")
        );
        assert_eq!(
            concerned(&index, Some("prod"), Some("prod")),
            ["a/all Refresh".to_owned(), agent]
        );
        assert_eq!(
            concerned(&index, Some("dev"), None),
            [
                "a/all CleanUp",
                "a/dev CleanUp",
                "a/fleet-agent-one CleanUp"
            ]
        );
        assert!(concerned(&index, None, None).is_empty());
    }

    #[test]
    fn mapped_bundles_are_concerned_while_they_are_mapped() {
        let mut index = index();
        index.set_mapping(&mapping());
        assert!(concerned(&index, None, Some("x")).contains(&"b/shared Refresh".to_owned()));
        assert!(!concerned(&index, None, Some("x")).contains(&"b/own Refresh".to_owned()));
        index.set_mapping(&BundleNamespaceMapping {
            bundle_selector: None,
            ..mapping()
        });
        assert_eq!(concerned(&index, None, Some("x")).len(), 2);
        index.set_mapping(&mapping());
        index.remove_mapping("b", "to-a");
        assert_eq!(concerned(&index, None, Some("x")).len(), 2);
    }

    #[test]
    fn a_removed_bundle_is_concerned_by_nothing() {
        let mut index = index();
        for name in [
            "all",
            "fleet-agent-one",
            "fleet-agent-two",
            "dev",
            "never-was",
        ] {
            index.remove_bundle("a", name);
        }
        assert!(concerned(&index, Some("dev"), Some("dev")).is_empty());
    }
}
