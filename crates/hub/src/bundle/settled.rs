//! What a run found in order, so that the next one need not look at it again.
//!
//! A change of one cluster wakes the bundles that mean it, and a bundle looks at all its clusters: rendering
//! and comparing each would cost bundles times clusters for one label. What was in order stays so while
//! neither the bundle, nor the cluster, nor the deployment has changed, which the index counts as revisions.
//! Forgetting it costs time only.

use std::collections::BTreeMap;

use api::v1alpha1::{BundleDeploymentSpec, LabelSelector};
use apiclient::ObjectKey;
use target::deployment::Imposed;

use super::observe::Observed;
use crate::index::{ClusterEntry, DeploymentEntry, Digest, SourceState, StoredSpec};

/// What was found about one state of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The bundle is not for it.
    NotMeant,
    /// Its deployment is as it should be, in this revision.
    Deployed(u64),
}

/// A deployment that a run wants written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    /// Revision of the cluster.
    cluster: u64,
    deployment: ObjectKey,
    id: String,
    values_hash: String,
    stored: StoredSpec,
}

impl Written {
    /// A deployment with this spec, staged and current, and these labels.
    pub(crate) fn new(
        cluster: u64,
        deployment: &ObjectKey,
        spec: &BundleDeploymentSpec,
        labels: &BTreeMap<String, String>,
    ) -> Self {
        Self {
            cluster,
            deployment: deployment.clone(),
            id: spec.deployment_id.clone(),
            values_hash: spec.values_hash.clone(),
            stored: StoredSpec::of(spec, labels),
        }
    }

    fn is(&self, entry: &DeploymentEntry) -> bool {
        !entry.deleting
            && entry.stored == self.stored
            && *entry.deployment_id == *self.id
            && *entry.staged_deployment_id == *self.id
            && *entry.values_hash == *self.values_hash
    }
}

/// The answers of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    inputs: Digest,
    /// By revision of the cluster, sorted.
    answers: Vec<(u64, Answer)>,
}

impl Settled {
    /// Answers that hold for a bundle as it is, with what is imposed on it and what pins change.
    pub(crate) fn new(
        observed: &Observed,
        imposed: &Imposed,
        pins: &Digest,
        mut answers: Vec<(u64, Answer)>,
    ) -> Self {
        answers.retain(|(cluster, answer)| *cluster != 0 && *answer != Answer::Deployed(0));
        answers.sort_unstable_by_key(|(cluster, _)| *cluster);
        Self {
            inputs: inputs(observed, imposed, pins),
            answers,
        }
    }

    /// Adds deployments that were written meanwhile and are stored as they were meant.
    pub(crate) fn add_written<'a>(
        &mut self,
        written: &[Written],
        stored: impl Fn(&ObjectKey) -> Option<&'a DeploymentEntry>,
    ) {
        for written in written {
            let entry = stored(&written.deployment).filter(|entry| written.is(entry));
            if let Some(entry) = entry.filter(|_| written.cluster != 0) {
                let answer = Answer::Deployed(entry.revision);
                self.answers.push((written.cluster, answer));
            }
        }
        self.answers.sort_unstable_by_key(|(cluster, _)| *cluster);
    }

    /// Whether the answers hold for this bundle.
    pub(crate) fn holds_for(&self, observed: &Observed, imposed: &Imposed, pins: &Digest) -> bool {
        self.inputs == inputs(observed, imposed, pins)
    }

    /// What is known of a cluster, if that still holds.
    pub(crate) fn get(
        &self,
        cluster: &ClusterEntry,
        maybe_deployment: Option<&DeploymentEntry>,
    ) -> Option<Answer> {
        let found = self
            .answers
            .binary_search_by_key(&cluster.revision, |(cluster, _)| *cluster);
        let (_, answer) = self.answers.get(found.ok()?)?;
        let holds = match answer {
            Answer::NotMeant => true,
            Answer::Deployed(revision) => {
                maybe_deployment.is_some_and(|entry| entry.revision == *revision)
            }
        };
        holds.then_some(*answer)
    }
}

/// All that a deployment depends on beside its cluster and what is stored of it.
fn inputs(observed: &Observed, imposed: &Imposed, pins: &Digest) -> Digest {
    let meta = &observed.bundle.meta;
    let digests = observed.sources.values().map(|state| match state {
        SourceState::Known(digest) | SourceState::Access { digest, .. } => Some(digest.number()),
        SourceState::Unknown | SourceState::Missing | SourceState::Refused(_) => None,
    });
    let sources: Vec<Option<i64>> = digests.collect();
    let Imposed {
        allowed_target_namespace_selector,
        create_namespace,
        rules,
        is_of_agent,
    } = imposed;
    let selector: &Option<LabelSelector> = allowed_target_namespace_selector;
    Digest::of(&(
        &meta.uid,
        meta.generation,
        &meta.labels,
        selector,
        create_namespace,
        rules,
        is_of_agent,
        pins,
        sources,
    ))
}
