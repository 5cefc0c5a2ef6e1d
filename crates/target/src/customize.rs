//! The options of a bundle for one cluster, before templating.
//!
//! Source: fleet, `internal/cmd/controller/target/builder.go`.

use std::collections::BTreeMap;

use api::v1alpha1::{BundleDeploymentOptions, BundleSpec, BundleTarget};

use crate::matching::{ClusterFacts, Targets};
use crate::merge::merge;

/// `targetCustomizationMode` that applies every matching customization. All other texts, an empty
/// one and an unknown one included, mean the first match.
pub(crate) const ALL_MATCHES: &str = "AllMatches";

/// What a bundle means for a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected<'a> {
    /// Name of the target that selected the cluster.
    pub target: &'a str,
    /// Names of the customizations that were applied, in order.
    pub customizations: Vec<&'a str>,
    /// Merged options, not templated yet.
    pub options: BundleDeploymentOptions,
    /// Labels that the target or its customizations add to the release namespace. Kept apart because
    /// they are no part of the deployment id.
    pub namespace_labels: BTreeMap<String, String>,
    /// Annotations that the target or its customizations add to the release namespace.
    pub namespace_annotations: BTreeMap<String, String>,
}

/// Selects and merges; `None` when the bundle is not for this cluster.
pub fn select<'a>(
    spec: &'a BundleSpec,
    targets: &Targets<'a>,
    cluster: &ClusterFacts<'_>,
) -> Option<Selected<'a>> {
    let target = targets.select(cluster)?;
    if target.do_not_deploy {
        return None;
    }
    let all = spec.target_customization_mode == ALL_MATCHES;
    let matching = targets.customizations(cluster);
    let applied: Vec<&BundleTarget> = if all {
        matching.collect()
    } else {
        matching.take(1).collect()
    };
    if applied
        .iter()
        .any(|customization| customization.do_not_deploy)
    {
        return None;
    }
    // With the first match the customization's options stand in for the target's, with all matches
    // they go on top of them.
    let mut layers: Vec<&BundleTarget> = applied.clone();
    if all || applied.is_empty() {
        layers.insert(0, target);
    }
    let mut overlay = BundleDeploymentOptions::default();
    for (depth, layer) in layers.iter().enumerate() {
        overlay = if depth == 0 {
            layer.options.clone()
        } else {
            merge(overlay, &layer.options)
        };
    }
    let mut selected = Selected {
        target: &target.name,
        customizations: applied
            .iter()
            .map(|customization| customization.name.as_str())
            .collect(),
        options: merge(spec.options.clone(), &overlay),
        namespace_labels: BTreeMap::new(),
        namespace_annotations: BTreeMap::new(),
    };
    for layer in layers {
        selected
            .namespace_labels
            .extend(layer.namespace_labels.clone());
        selected
            .namespace_annotations
            .extend(layer.namespace_annotations.clone());
    }
    Some(selected)
}
