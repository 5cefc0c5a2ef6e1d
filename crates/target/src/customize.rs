//! The options of a bundle for one cluster, before templating.
//!
//! Source: fleet, `internal/cmd/controller/target/builder.go`.

use std::collections::BTreeMap;

use api::v1alpha1::{BundleDeploymentOptions, BundleSpec, BundleTarget};

use crate::matching::{ClusterFacts, Targets};
use crate::merge::{BadOverrides, merge, override_with};

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
    /// The targets whose options were merged, in order.
    pub(crate) layers: Vec<&'a BundleTarget>,
}

/// A target cannot be merged.
#[derive(Debug, thiserror::Error)]
#[error("target {target}")]
pub struct Error {
    /// Its name.
    pub target: String,
    /// What is wrong.
    #[source]
    pub source: BadOverrides,
}

/// Selects and merges; `None` when the bundle is not for this cluster.
///
/// # Errors
/// If the overrides of a target that means the cluster make no options.
pub fn select<'a>(
    spec: &'a BundleSpec,
    targets: &Targets<'a>,
    cluster: &ClusterFacts<'_>,
) -> Result<Option<Selected<'a>>, Error> {
    let Some(target) = targets.select(cluster) else {
        return Ok(None);
    };
    if target.do_not_deploy {
        return Ok(None);
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
        return Ok(None);
    }
    // With the first match the customization's options stand in for the target's, with all matches
    // they go on top of them.
    let mut layers: Vec<&BundleTarget> = applied.clone();
    if all || applied.is_empty() {
        layers.insert(0, target);
    }
    let mut selected = Selected {
        target: &target.name,
        customizations: applied
            .iter()
            .map(|customization| customization.name.as_str())
            .collect(),
        options: combine(&spec.options, &layers)?,
        namespace_labels: BTreeMap::new(),
        namespace_annotations: BTreeMap::new(),
        layers: Vec::new(),
    };
    for layer in &layers {
        selected
            .namespace_labels
            .extend(layer.namespace_labels.clone());
        selected
            .namespace_annotations
            .extend(layer.namespace_annotations.clone());
    }
    selected.layers = layers;
    Ok(Some(selected))
}

/// The options of the bundle with those of targets laid over them.
///
/// Without overrides the targets are merged with each other first, as upstream: for a few fields the order
/// makes a difference. Overrides are meant to replace what came before, so that with them each target is
/// applied to all before it, its overrides first.
pub(crate) fn combine(
    bundle: &BundleDeploymentOptions,
    layers: &[&BundleTarget],
) -> Result<BundleDeploymentOptions, Error> {
    if layers.iter().all(|layer| layer.overrides.is_none()) {
        let mut layers = layers.iter();
        let first = layers.next().map(|layer| layer.options.clone());
        let overlay = layers.fold(first.unwrap_or_default(), |overlay, layer| {
            merge(overlay, &layer.options)
        });
        return Ok(merge(bundle.clone(), &overlay));
    }
    let mut options = bundle.clone();
    for layer in layers {
        if let Some(overrides) = &layer.overrides {
            options = override_with(options, overrides).map_err(|source| Error {
                target: layer.name.clone(),
                source,
            })?;
        }
        options = merge(options, &layer.options);
    }
    Ok(options)
}
