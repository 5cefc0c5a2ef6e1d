//! What one deployment adds to the counters: a few numbers, and for one that is not ready a bounded
//! description.
//!
//! In: a BundleDeployment as the agent and the hub left it. Out: a value that is small, comparable (an
//! event that changes nothing the counters show is recognised) and free of references to the object.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::labels;
use api::limits::{Limits, fit, fit_text, json_len};
use api::state::{self, State};
use api::v1alpha1::{
    BundleDeployment, BundleDeploymentResource, ModifiedStatus, NonReadyResource, NonReadyStatus,
    ResourceCounts,
};

use crate::key::{ObjectKey, Source};

/// A deployment does not say where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("deployment {deployment} has no label {label}")]
pub struct MissingLabel {
    /// Namespace and name of the deployment.
    pub deployment: ObjectKey,
    /// The label.
    pub label: &'static str,
}

/// Identity of a deployed object, with the texts that upstream shows and sorts by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId {
    /// `type/id`: `apps.deployment/namespace/name`. First, because lists are sorted by it.
    pub(crate) sort_key: Box<str>,
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

impl ObjectId {
    fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        // Upstream takes what stands before a slash; of core objects only `v1` has no group.
        let group = api_version
            .split('/')
            .next()
            .filter(|group| *group != "v1")
            .unwrap_or_default();
        let dot = if group.is_empty() { "" } else { "." };
        let slash = if namespace.is_empty() { "" } else { "/" };
        let kind_lower = kind.to_lowercase();
        Self {
            sort_key: format!("{group}{dot}{kind_lower}/{namespace}{slash}{name}").into(),
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Group and lower-case kind, and `namespace/name`.
    pub(crate) fn type_and_id(&self) -> (&str, &str) {
        self.sort_key
            .split_once('/')
            .unwrap_or((&self.sort_key, ""))
    }
}

/// The objects of a release, sorted. Deployments of one bundle mostly share one list.
pub(crate) type ObjectList = Arc<[Arc<ObjectId>]>;

/// What one deployment adds to the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub(crate) bundle: ObjectKey,
    pub(crate) cluster: ObjectKey,
    pub(crate) maybe_source: Option<Source>,
    /// Measured against the deployment's own spec; `None` while it does not exist.
    pub(crate) maybe_state: Option<State>,
    /// Measured against what the bundle wants.
    pub(crate) wanted_state: State,
    pub(crate) is_unavailable: bool,
    pub(crate) is_incomplete: bool,
    pub(crate) counts: ResourceCounts,
    pub(crate) objects: ObjectList,
    /// State of single objects, where it differs from that of the deployment. Sorted.
    pub(crate) exceptions: Arc<[(Arc<ObjectId>, Arc<str>)]>,
    /// JSON of a `NonReadyResource` without name and state; empty when there is nothing to say.
    pub(crate) details: Arc<[u8]>,
}

impl Contribution {
    /// Measured against the deployment's own spec; `None` while it does not exist.
    pub fn state(&self) -> Option<State> {
        self.maybe_state
    }

    /// The contribution of a deployment. `maybe_wanted_id` is the deployment id that its bundle wants for
    /// the cluster; without it, what is staged counts as wanted.
    ///
    /// # Errors
    /// If a label that says where the deployment belongs is missing.
    pub fn of(
        deployment: &BundleDeployment,
        maybe_wanted_id: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, MissingLabel> {
        let place = Place::of(deployment)?;
        let (spec, status) = (&deployment.spec, &deployment.status);
        let state = State::of(deployment);
        let wanted_id = maybe_wanted_id.unwrap_or(&spec.staged_deployment_id);
        let wanted_state = State::of_wanted(deployment, wanted_id);
        let is_troubled = state != State::Ready || wanted_state != State::Ready;
        Ok(Self {
            bundle: place.bundle,
            cluster: place.cluster,
            maybe_source: place.maybe_source,
            maybe_state: Some(state),
            wanted_state,
            is_unavailable: status.applied_deployment_id != spec.deployment_id || !status.ready,
            is_incomplete: status.incomplete_state,
            counts: plausible(status.resource_counts),
            objects: object_list(&status.resources),
            exceptions: exceptions(deployment),
            details: if is_troubled {
                details(deployment, limits)
            } else {
                Arc::from([])
            },
        })
    }

    /// The contribution of a target whose deployment does not exist yet. Only its Bundle counts it.
    pub fn pending(bundle: ObjectKey, cluster: ObjectKey) -> Self {
        Self {
            bundle,
            cluster,
            maybe_source: None,
            maybe_state: None,
            wanted_state: State::Pending,
            is_unavailable: false,
            is_incomplete: false,
            counts: ResourceCounts::default(),
            objects: Arc::from([]),
            exceptions: Arc::from([]),
            details: Arc::from([]),
        }
    }

    /// The bundle it belongs to.
    pub fn bundle(&self) -> &ObjectKey {
        &self.bundle
    }

    /// The cluster it is on.
    pub fn cluster(&self) -> &ObjectKey {
        &self.cluster
    }

    /// State of every object that is listed, and of those that are not but are reported.
    pub(crate) fn object_states(&self) -> impl Iterator<Item = (&Arc<ObjectId>, &str)> {
        let exceptional = |id: &Arc<ObjectId>| self.exceptions.binary_search_by(|(e, _)| e.cmp(id));
        let listed = self.objects.iter().map(move |id| match exceptional(id) {
            Ok(at) => (
                id,
                self.exceptions
                    .get(at)
                    .map_or("", |(_, state)| state.as_ref()),
            ),
            Err(_) => (id, self.usual_state()),
        });
        listed.chain(self.unlisted().map(|(id, state)| (id, state.as_ref())))
    }

    /// Reported objects that are not in the list.
    pub(crate) fn unlisted(&self) -> impl Iterator<Item = &(Arc<ObjectId>, Arc<str>)> {
        self.exceptions
            .iter()
            .filter(|(id, _)| self.objects.binary_search(id).is_err())
    }

    /// State of the objects that nothing is reported about.
    fn usual_state(&self) -> &'static str {
        match self.maybe_state {
            Some(State::NotReady | State::Modified) if self.is_incomplete => "Unknown",
            Some(State::NotReady | State::Modified) => State::Ready.as_str(),
            Some(state) => state.as_str(),
            None => State::Pending.as_str(),
        }
    }
}

/// Where a deployment belongs, from its labels.
struct Place {
    bundle: ObjectKey,
    cluster: ObjectKey,
    maybe_source: Option<Source>,
}

impl Place {
    fn of(deployment: &BundleDeployment) -> Result<Self, MissingLabel> {
        let metadata = &deployment.metadata;
        let label = |key: &str| {
            metadata
                .labels
                .as_ref()?
                .get(key)
                .map(String::as_str)
                .filter(|text| !text.is_empty())
        };
        let required = |key: &'static str| {
            label(key).ok_or_else(|| MissingLabel {
                deployment: ObjectKey::new(
                    metadata.namespace.as_deref().unwrap_or_default(),
                    metadata.name.as_deref().unwrap_or_default(),
                ),
                label: key,
            })
        };
        let bundle_namespace = required(labels::BUNDLE_NAMESPACE)?;
        let git_repo = label(labels::REPO_NAME)
            .map(|name| Source::GitRepo(ObjectKey::new(bundle_namespace, name)));
        let helm_op = label(labels::HELM_OP_NAME)
            .map(|name| Source::HelmOp(ObjectKey::new(bundle_namespace, name)));
        Ok(Self {
            bundle: ObjectKey::new(bundle_namespace, required(labels::BUNDLE_NAME)?),
            cluster: ObjectKey::new(
                required(labels::CLUSTER_NAMESPACE)?,
                required(labels::CLUSTER)?,
            ),
            maybe_source: git_repo.or(helm_op),
        })
    }
}

/// More objects than one deployment can have.
const OBJECTS_MAX: i64 = i32::MAX as i64;

/// The counts with what no cluster has taken out: sums over all deployments of a hub must not overflow
/// because of one agent.
fn plausible(mut counts: ResourceCounts) -> ResourceCounts {
    for n in [
        &mut counts.ready,
        &mut counts.desired_ready,
        &mut counts.wait_applied,
        &mut counts.modified,
        &mut counts.orphaned,
        &mut counts.missing,
        &mut counts.unknown,
        &mut counts.not_ready,
    ] {
        *n = (*n).clamp(0, OBJECTS_MAX);
    }
    counts
}

fn object_list(resources: &[BundleDeploymentResource]) -> ObjectList {
    let mut ids: Vec<_> = resources
        .iter()
        .map(|r| {
            Arc::new(ObjectId::new(
                &r.api_version,
                &r.kind,
                &r.namespace,
                &r.name,
            ))
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into()
}

/// States of objects that the agent reports on. What differs wins over what is not ready, as upstream
/// lays one over the other.
fn exceptions(deployment: &BundleDeployment) -> Arc<[(Arc<ObjectId>, Arc<str>)]> {
    let mut states = BTreeMap::new();
    for r in &deployment.status.non_ready_status {
        let id = ObjectId::new(&r.api_version, &r.kind, &r.namespace, &r.name);
        states.insert(id, r.summary.state.as_str());
    }
    for r in &deployment.status.modified_status {
        let id = ObjectId::new(&r.api_version, &r.kind, &r.namespace, &r.name);
        let state = match (r.delete, r.missing) {
            (true, _) => "Orphaned",
            (false, true) => "Missing",
            (false, false) => "Modified",
        };
        states.insert(id, state);
    }
    states
        .into_iter()
        .map(|(id, state)| (Arc::new(id), Arc::from(state)))
        .collect()
}

/// The description of a deployment that is not ready, within `detail_bytes_max` together with a name
/// and a state of usual length.
fn details(deployment: &BundleDeployment, limits: &Limits) -> Arc<[u8]> {
    let status = &deployment.status;
    let mut entry = NonReadyResource {
        message: fit_text(state::message(deployment), limits.message_bytes_max).into_owned(),
        ..NonReadyResource::default()
    };
    // Half of what the message leaves goes to each list; the first list hands on what it does not use.
    let room = limits
        .detail_bytes_max
        .saturating_sub(json_len(&entry) + ENTRY_OVERHEAD_BYTES);
    let modified = fit(
        status
            .modified_status
            .iter()
            .map(|object| shorten_patch(object, limits)),
        limits.details_max,
        room / 2,
    );
    let rest = room.saturating_sub(json_len(&modified.kept));
    let non_ready = fit(
        status
            .non_ready_status
            .iter()
            .map(|object| shorten_messages(object, limits)),
        limits.details_max,
        rest,
    );
    entry.modified_status = modified.kept;
    entry.non_ready_status = non_ready.kept;
    entry.omitted = i64::try_from(modified.omitted + non_ready.omitted).unwrap_or(i64::MAX);
    if entry == NonReadyResource::default() {
        return Arc::from([]);
    }
    // Serializing strings and numbers into memory cannot fail.
    serde_json::to_vec(&entry).unwrap_or_default().into()
}

/// Keys, quotes and commas of the members that are not measured with the lists, and the state.
const ENTRY_OVERHEAD_BYTES: usize = 110;

fn shorten_patch(object: &ModifiedStatus, limits: &Limits) -> ModifiedStatus {
    ModifiedStatus {
        patch: fit_text(&object.patch, limits.patch_bytes_max).into_owned(),
        ..object.clone()
    }
}

fn shorten_messages(object: &NonReadyStatus, limits: &Limits) -> NonReadyStatus {
    let mut object = object.clone();
    for text in &mut object.summary.message {
        *text = fit_text(text, limits.message_bytes_max / 2).into_owned();
    }
    object
}
