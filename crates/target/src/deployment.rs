//! What one cluster gets of a bundle: from its targets to options and a deployment id.
//!
//! A fault on that road is the cluster's own and stays with it (I-1); a bundle whose selectors mean
//! nothing is found by `Targets::validate` before.
//!
//! Source: fleet, `internal/cmd/controller/target/builder.go`, and the bundle controller for labels.

use std::collections::BTreeMap;

use api::v1alpha1::{BundleDeploymentOptions, BundleSpec, LabelSelector};
use api::{ids, labels};

use crate::customize::{self, select};
use crate::matching::{ClusterFacts, Targets};
use crate::policy::{self, Rules};
use crate::template::{self, ClusterValues, Templates};

/// A cluster cannot get a bundle.
#[derive(Debug, thiserror::Error)]
#[error("cluster {cluster} in namespace {namespace}")]
pub struct Error {
    /// Name of the cluster.
    pub cluster: String,
    /// Namespace of the cluster.
    pub namespace: String,
    /// What went wrong.
    #[source]
    pub source: Cause,
}

impl Error {
    /// Why, where the cluster is named otherwise, with the value that is wrong.
    pub fn reason(&self) -> String {
        let reason = errors::chain(&self.source);
        let value = match &self.source {
            Cause::Template(error) => error.value(),
            Cause::Select(_) | Cause::Denied(_) => None,
        };
        match value {
            Some(value) => format!("{reason} (in helm.values.{value})"),
            None => reason,
        }
    }
}

/// Why a cluster cannot get a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A target that means it cannot be merged.
    #[error(transparent)]
    Select(customize::Error),
    /// Its templates fail.
    #[error(transparent)]
    Template(template::Error),
    /// What its templates give is not allowed.
    #[error(transparent)]
    Denied(Box<policy::Denied>),
}

/// Options that the rules of a workspace set last and that no bundle or target can change: see
/// `policy::Rules::imposed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imposed {
    /// Labels that a release namespace must carry.
    pub allowed_target_namespace_selector: Option<LabelSelector>,
    /// Set to false where a Policy demands service accounts and does not allow namespaces to be created.
    pub create_namespace: Option<bool>,
    /// Checked where templates give options that only a cluster decides.
    pub rules: Rules,
    /// The bundle is the hub's own for the agent of a cluster.
    pub is_of_agent: bool,
}

impl Imposed {
    fn apply(&self, options: &mut BundleDeploymentOptions) {
        if self.allowed_target_namespace_selector.is_some() {
            options
                .allowed_target_namespace_selector
                .clone_from(&self.allowed_target_namespace_selector);
        }
        if self.create_namespace.is_some() {
            options.create_namespace = self.create_namespace;
        }
    }
}

/// What one cluster gets of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Name of the target that selected the cluster.
    pub target: String,
    /// Names of the customizations that were applied, in order.
    pub customizations: Vec<String>,
    /// Merged and templated options, values included, and the namespace labels and annotations of the
    /// targets.
    pub options: BundleDeploymentOptions,
    /// Content id and hash of the options. Namespace labels and annotations of targets are no part of it.
    pub deployment_id: String,
}

/// What a cluster gets; `None` when the bundle is not for it.
///
/// Helm values must have been put into the bundle from its Secret before.
///
/// # Errors
/// If options or values cannot be made for this cluster.
pub fn wanted(
    spec: &BundleSpec,
    targets: &Targets<'_>,
    content_id: &str,
    imposed: &Imposed,
    cluster: &ClusterFacts<'_>,
    values: &ClusterValues<'_>,
    templates: &Templates,
) -> Result<Option<Wanted>, Error> {
    let fail = |source| Error {
        cluster: values.name.to_owned(),
        namespace: values.namespace.to_owned(),
        source,
    };
    let selected = select(spec, targets, cluster).map_err(|source| fail(Cause::Select(source)))?;
    let Some(selected) = selected else {
        return Ok(None);
    };
    let mut options = selected.options;
    let (mut labels, mut annotations) = (selected.namespace_labels, selected.namespace_annotations);
    let is_rendered = templates
        .fill_options(&mut options, [&mut labels, &mut annotations], values)
        .map_err(|source| fail(Cause::Template(source)))?;
    if is_rendered {
        let allowed = imposed
            .rules
            .authorize_options(&options, imposed.is_of_agent);
        allowed.map_err(|source| fail(Cause::Denied(Box::new(source))))?;
    }
    imposed.apply(&mut options);
    templates
        .fill(&mut options, values)
        .map_err(|source| fail(Cause::Template(source)))?;
    let deployment_id = ids::deployment_id(content_id, &options);
    options.namespace_labels.extend(labels);
    options.namespace_annotations.extend(annotations);
    Ok(Some(Wanted {
        target: selected.target.to_owned(),
        customizations: selected
            .customizations
            .into_iter()
            .map(str::to_owned)
            .collect(),
        options,
        deployment_id,
    }))
}

/// Labels of a deployment. The content id is given for content on the hub only, where deployments are
/// counted by it.
pub fn deployment_labels(
    bundle_labels: &BTreeMap<String, String>,
    bundle_namespace: &str,
    bundle: &str,
    cluster_namespace: &str,
    cluster: &str,
    maybe_content_id: Option<&str>,
) -> BTreeMap<String, String> {
    let own = [
        (labels::BUNDLE_NAMESPACE, bundle_namespace),
        (labels::BUNDLE_NAME, bundle),
        (labels::CLUSTER_NAMESPACE, cluster_namespace),
        (labels::CLUSTER, cluster),
        (labels::MANAGED, "true"),
    ];
    let content = maybe_content_id.map(|id| (labels::CONTENT_NAME, id));
    let mut all = labels::inherited_by_deployments(bundle_labels);
    let own = own.into_iter().chain(content);
    all.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    all
}

#[cfg(test)]
mod tests {
    use api::v1alpha1::BundleSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_names_the_value_and_upstreams_text_does_not() {
        let spec = json!({
            "helm": { "values": {
                "a": { "list": [{ "k": 1, "w": "${ .ClusterLabels.gone }" }, 2], "v": 1 },
            } },
            "targets": [{ "clusterSelector": {} }],
        });
        let spec: BundleSpec = serde_json::from_value(spec).expect("a spec");
        let labels = BTreeMap::from([("l".to_owned(), "v".to_owned())]);
        let cluster = ClusterFacts {
            name: "c",
            labels: &labels,
            groups: &[],
        };
        let values = ClusterValues {
            namespace: "ns",
            name: "c",
            labels: &labels,
            annotations: &BTreeMap::new(),
            template_values: None,
        };
        let (targets, imposed) = (Targets::of(&spec), Imposed::default());
        let templates = Templates::production();
        let wanted = wanted(
            &spec, &targets, "s-1", &imposed, &cluster, &values, &templates,
        );
        let error = wanted.expect_err("a label is missing");
        let text = "failed to render helm values template: template: values:4:24: executing \
                    \"values\" at <.ClusterLabels.gone>: map has no entry for key \"gone\"";
        assert_eq!(errors::chain(&error.source), text);
        let reason = format!("{text} (in helm.values.a.list[0].w)");
        assert_eq!(error.reason(), reason);
    }
}
