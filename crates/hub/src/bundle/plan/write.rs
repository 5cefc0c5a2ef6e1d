//! What one cluster should have, compared with what is stored. Pure.

use std::collections::BTreeMap;

use api::labels::BUNDLE_DEPLOYMENT_FINALIZER;
use api::v1alpha1::{BundleDeployment, BundleDeploymentSpec};
use target::deployment::{Wanted, deployment_labels};
use target::rollout::Decision;

use super::selection::{Chosen, Selection};
use super::{Action, Write};
use crate::bundle::options::{hash, without_values};
use crate::bundle::settled::Written;
use crate::index::StoredSpec;

impl Selection<'_> {
    pub(super) fn deploy(&self, chosen: &Chosen<'_>, decision: Decision) -> Option<Action> {
        let write = self.write(chosen, decision)?;
        let (deployment, cluster) = (chosen.deployment.clone(), chosen.key.clone());
        Some(Action::Deploy {
            deployment,
            cluster,
            write: Box::new(write),
        })
    }

    /// The spec in which what is wanted is both staged and current.
    fn spec(&self, chosen: &Chosen<'_>, wanted: &Wanted, values: &[u8]) -> BundleDeploymentSpec {
        let (options, id) = (without_values(&wanted.options), &wanted.deployment_id);
        let (spec, status) = (chosen.source.spec, chosen.cluster.status());
        BundleDeploymentSpec {
            paused: chosen.is_paused(self.bundle),
            staged_options: options.clone(),
            staged_deployment_id: id.clone(),
            options,
            deployment_id: id.clone(),
            depends_on: spec.depends_on.clone(),
            correct_drift: wanted.options.correct_drift.clone(),
            oci_contents: chosen.source.in_registry,
            helm_chart_options: spec.helm_op_options.clone(),
            values_hash: hash(values, values),
            downstream_resources_generation: chosen.generation.unwrap_or_else(|| {
                let stored = chosen.stored;
                stored.map_or(0, |entry| entry.downstream_resources_generation)
            }),
            off_schedule: status.scheduled && !status.active_schedule,
            waiting_for_values: false,
        }
    }

    fn labels(&self, chosen: &Chosen<'_>) -> BTreeMap<String, String> {
        let (bundle, content) = (&self.observed.key, chosen.source.content);
        deployment_labels(
            chosen.source.labels,
            &bundle.namespace,
            &bundle.name,
            &chosen.key.namespace,
            &chosen.key.name,
            // Only Contents on the hub are counted by their label.
            (!content.is_empty() && !chosen.source.in_registry).then_some(content),
        )
    }

    /// What has to be written; `None` when the stored deployment is as it should be.
    fn write(&self, chosen: &Chosen<'_>, decision: Decision) -> Option<Write> {
        let wanted = chosen.wanted.as_ref()?;
        let values = api::ids::options_secret_entry(&wanted.options);
        let (mut spec, labels) = (self.spec(chosen, wanted, &values), self.labels(chosen));
        let Some(stored) = chosen.stored else {
            return (decision == Decision::Create).then(|| chosen.create(spec, labels, values));
        };
        if stored.deleting {
            return None;
        }
        if decision != Decision::Promote {
            // Copies go with what runs.
            spec.downstream_resources_generation = stored.downstream_resources_generation;
        }
        let fingerprints = StoredSpec::of(&spec, &labels);
        let staged_id_differs = *stored.staged_deployment_id != *spec.staged_deployment_id;
        let rest_differs = stored.stored.rest != fingerprints.rest;
        let uid = stored.uid.to_string();
        match decision {
            Decision::Promote => {
                let values_differ = *stored.values_hash != *spec.values_hash;
                let differs = staged_id_differs
                    || values_differ
                    || *stored.deployment_id != *spec.deployment_id
                    || stored.stored != fingerprints;
                let values = values_differ.then_some(values);
                differs.then_some(Write::Promote {
                    uid,
                    spec,
                    labels,
                    values,
                    has_values: !stored.values_hash.is_empty(),
                })
            }
            Decision::Stage => {
                let differs = staged_id_differs
                    || rest_differs
                    || stored.stored.staged_options != fingerprints.staged_options;
                differs.then_some(Write::Stage {
                    uid,
                    spec,
                    labels,
                    staged_values: values,
                })
            }
            Decision::Create | Decision::Wait | Decision::Untouched => {
                rest_differs.then_some(Write::Flags { spec, labels })
            }
        }
    }
}

impl Chosen<'_> {
    /// What is stored once an action was carried out, if that is all that is wanted.
    pub(super) fn written(&self, action: &Action) -> Option<Written> {
        let Action::Deploy { write, .. } = action else {
            return None;
        };
        let (cluster, deployment) = (self.cluster.revision, &self.deployment);
        match write.as_ref() {
            Write::Create { object, .. } => {
                let labels = object.metadata.labels.as_ref()?;
                Some(Written::new(cluster, deployment, &object.spec, labels))
            }
            Write::Promote { spec, labels, .. } => {
                Some(Written::new(cluster, deployment, spec, labels))
            }
            Write::Stage { .. } | Write::Flags { .. } => None,
        }
    }

    fn create(
        &self,
        spec: BundleDeploymentSpec,
        labels: BTreeMap<String, String>,
        values: Vec<u8>,
    ) -> Write {
        let mut object = BundleDeployment {
            spec,
            ..BundleDeployment::default()
        };
        object.metadata.name = Some(self.deployment.name.clone());
        object.metadata.namespace = Some(self.deployment.namespace.clone());
        object.metadata.labels = Some(labels);
        object.metadata.finalizers = Some(vec![BUNDLE_DEPLOYMENT_FINALIZER.to_owned()]);
        Write::Create {
            object: Box::new(object),
            values,
        }
    }
}
