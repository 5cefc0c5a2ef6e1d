//! What the index keeps of a BundleDeployment: identities and digests, a few hundred bytes.

use std::collections::BTreeSet;

use api::copies::{self, Copied};
use api::ids::content_id_of;
use api::v1alpha1::{
    BundleDeployment, BundleDeploymentDisplay, BundleDeploymentOptions, BundleDeploymentSpec,
};
use apiclient::ObjectKey;

use super::bundle::label;
use super::digest::Digest;
use super::meta::Version;

/// A BundleDeployment without its options and status lists.
#[derive(Clone, Debug)]
pub(crate) struct DeploymentEntry {
    /// Another number for each state but for the reports of the agent. Zero outside of the index.
    pub(crate) revision: u64,
    pub(crate) uid: Box<str>,
    pub(crate) version: Version,
    /// The Bundle it belongs to, by its labels.
    pub(crate) bundle: ObjectKey,
    pub(crate) deleting: bool,
    pub(crate) has_finalizer: bool,
    /// The Content it refers to, by its label.
    pub(crate) content: Box<str>,
    pub(crate) deployment_id: Box<str>,
    pub(crate) staged_deployment_id: Box<str>,
    pub(crate) applied_deployment_id: Box<str>,
    pub(crate) ready: bool,
    pub(crate) values_hash: Box<str>,
    pub(crate) downstream_resources_generation: i64,
    /// What its options name to be copied. Empty for most.
    pub(crate) copied: Box<[Copied]>,
    pub(crate) off_schedule: bool,
    /// Fingerprints of what is stored, to write only differences.
    pub(crate) stored: StoredSpec,
    /// The stored display, and the one that its status calls for.
    pub(crate) display: Box<BundleDeploymentDisplay>,
    pub(crate) display_wanted: Box<BundleDeploymentDisplay>,
}

/// Fingerprints of the parts of a BundleDeployment that the hub writes separately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredSpec {
    /// `options`.
    pub(crate) options: Digest,
    /// `stagedOptions`.
    pub(crate) staged_options: Digest,
    /// Labels, and all of the spec but options, ids and the hash of the values.
    pub(crate) rest: Digest,
}

impl StoredSpec {
    /// The fingerprints of a BundleDeployment with this spec and these labels.
    pub(crate) fn of<L: serde::Serialize>(spec: &BundleDeploymentSpec, labels: &L) -> Self {
        let rest = BundleDeploymentSpec {
            options: BundleDeploymentOptions::default(),
            staged_options: BundleDeploymentOptions::default(),
            deployment_id: String::new(),
            staged_deployment_id: String::new(),
            depends_on: spec.depends_on.clone(),
            helm_chart_options: spec.helm_chart_options.clone(),
            values_hash: String::new(),
            correct_drift: spec.correct_drift.clone(),
            paused: spec.paused,
            oci_contents: spec.oci_contents,
            downstream_resources_generation: spec.downstream_resources_generation,
            off_schedule: spec.off_schedule,
            waiting_for_values: spec.waiting_for_values,
        };
        Self {
            options: Digest::of(&spec.options),
            staged_options: Digest::of(&spec.staged_options),
            rest: Digest::of(&(rest, labels)),
        }
    }
}

impl DeploymentEntry {
    /// Whether the agent has this deployment running and ready; upstream calls the opposite `isUnavailable`.
    pub(crate) fn is_available(&self) -> bool {
        self.applied_deployment_id == self.deployment_id && self.ready
    }

    /// The Contents that it needs: by its label, for what is staged, and for what runs.
    pub(super) fn contents(&self) -> BTreeSet<&str> {
        let ids = [&self.staged_deployment_id, &self.deployment_id];
        let ids = ids.map(|id| api::ids::content_id_of(id));
        let all = ids.into_iter().chain([&*self.content]);
        all.filter(|content| !content.is_empty()).collect()
    }

    /// Whether somebody other than the agent has to act after the change from `previous`.
    pub(crate) fn moved_from(&self, previous: &Self) -> bool {
        self.uid != previous.uid
            || self.stored != previous.stored
            || self.deployment_id != previous.deployment_id
            || self.staged_deployment_id != previous.staged_deployment_id
            || self.deleting != previous.deleting
    }

    /// Whether only the agent has reported since `previous`.
    fn is_same_but_for_reports(&self, previous: &Self) -> bool {
        !self.moved_from(previous)
            && self.values_hash == previous.values_hash
            && self.bundle == previous.bundle
            && self.downstream_resources_generation == previous.downstream_resources_generation
    }

    /// The revision to go on with: none when it is another state than `previous`.
    pub(super) fn revision_after(&self, previous: Option<&Self>) -> Option<u64> {
        let previous = previous.filter(|previous| self.is_same_but_for_reports(previous));
        previous.map(|previous| previous.revision)
    }

    /// Takes the object apart; `None` when it lacks the labels that name its bundle, which makes it
    /// somebody else's.
    pub(crate) fn new(deployment: &BundleDeployment) -> Option<Self> {
        let meta = &deployment.metadata;
        let no_labels = std::collections::BTreeMap::new();
        let labels = meta.labels.as_ref().unwrap_or(&no_labels);
        let bundle = ObjectKey::new(
            label(labels, api::labels::BUNDLE_NAMESPACE)?,
            label(labels, api::labels::BUNDLE_NAME)?,
        );
        let finalizers = meta.finalizers.as_deref().unwrap_or_default();
        let (spec, status) = (&deployment.spec, &deployment.status);
        Some(Self {
            revision: 0,
            version: Version::parse(meta.resource_version.as_deref().unwrap_or_default()),
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            bundle,
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: finalizers
                .iter()
                .any(|set| set == api::labels::BUNDLE_DEPLOYMENT_FINALIZER),
            content: label(labels, api::labels::CONTENT_NAME)
                .unwrap_or_default()
                .into(),
            deployment_id: spec.deployment_id.as_str().into(),
            staged_deployment_id: spec.staged_deployment_id.as_str().into(),
            applied_deployment_id: status.applied_deployment_id.as_str().into(),
            ready: status.ready,
            values_hash: spec.values_hash.as_str().into(),
            downstream_resources_generation: spec.downstream_resources_generation,
            copied: copied(spec),
            off_schedule: spec.off_schedule,
            stored: StoredSpec::of(spec, labels),
            display: Box::new(status.display.clone()),
            display_wanted: Box::new(api::state::display(deployment)),
        })
    }
}

/// What was copied for a deployment. What cannot be copied was not.
fn copied(spec: &BundleDeploymentSpec) -> Box<[Copied]> {
    let mut named = copies::named(&spec.options).unwrap_or_default();
    if spec.oci_contents {
        named.insert(copies::access_to(content_id_of(&spec.deployment_id)));
    }
    named.into_iter().collect()
}
