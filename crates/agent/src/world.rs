//! What one agent knows: its BundleDeployments, what it deployed of them, and the live objects.
//!
//! All of it is small: lists of statuses are reduced to digests, live objects to summaries.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use api::limits::json_len;
use api::state::State;
use api::v1alpha1::{
    BundleDeployment, BundleDeploymentOptions, BundleDeploymentStatus, Condition, HelmOptions,
};
use apiclient::{Kind, ObjectKey};
use diff::readiness::{CheckError, HealthChecks};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::deployment::Outcome;
use crate::drift::Memory;
use crate::monitor::{Judge, Live};
use crate::object::Entry;
use crate::source::values::Reference;

/// Digests of the members of a stored status, by name. Empty members have none.
pub(crate) type Digests = BTreeMap<&'static str, u64>;

/// Members of a status that the agent owns.
pub(crate) const MEMBERS: [&str; 13] = [
    "conditions",
    "appliedDeploymentID",
    "release",
    "ready",
    "nonModified",
    "nonReadyStatus",
    "modifiedStatus",
    "incompleteState",
    "syncGeneration",
    "downstreamResourcesGeneration",
    "resources",
    "resourcesOmitted",
    "resourceCounts",
];

/// A BundleDeployment as the agent keeps it: without the long lists of its status.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) object: BundleDeployment,
    /// Of the stored status, taken before the lists were dropped.
    pub(crate) digests: Digests,
    /// Bytes of the object without the members of the status that the agent owns.
    pub(crate) other_bytes: usize,
    health: OnceLock<Result<HealthChecks, CheckError>>,
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BundleDeployment::deserialize(from).map(Self::new)
    }
}

impl Known {
    pub(crate) fn new(mut object: BundleDeployment) -> Self {
        object.metadata.managed_fields = None;
        let digests = digests(&object.status);
        let (meta, spec) = (&object.metadata, &object.spec);
        let other_bytes = json_len(meta) + json_len(spec) + json_len(&object.status.display);
        let status = &mut object.status;
        status.resources = Vec::new();
        status.non_ready_status = Vec::new();
        status.modified_status = Vec::new();
        object.spec.staged_options = BundleDeploymentOptions::default();
        Self {
            object,
            digests,
            other_bytes,
            health: OnceLock::new(),
        }
    }

    /// A deployment of which nothing is known but the release that it has.
    pub(crate) fn of_release(name: &str, release: &ObjectKey) -> Self {
        let mut object = BundleDeployment::default();
        object.metadata.name = Some(name.to_owned());
        let options = &mut object.spec.options;
        options.default_namespace.clone_from(&release.namespace);
        options.helm = Some(HelmOptions {
            release_name: release.name.clone(),
            ..HelmOptions::default()
        });
        Self::new(object)
    }
}

impl apiclient::Object for Known {
    fn key(&self) -> ObjectKey {
        apiclient::Object::key(&self.object)
    }

    fn resource_version(&self) -> &str {
        self.object
            .metadata
            .resource_version
            .as_deref()
            .unwrap_or_default()
    }
}

impl Known {
    pub(crate) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The user's rules of readiness, read when they are needed for the first time.
    pub(crate) fn health(&self) -> &Result<HealthChecks, CheckError> {
        let rules = &self.object.spec.options.health_check_exprs;
        self.health.get_or_init(|| HealthChecks::compile(rules))
    }

    /// Tells apart what [`Self::judge`] gives; 0 is what it gives without rules.
    pub(crate) fn rules(&self) -> u64 {
        let options = &self.object.spec.options;
        if options.ignore.is_none() && options.health_check_exprs.is_empty() {
            return 0;
        }
        digest(&json!([options.ignore, options.health_check_exprs]))
    }

    /// What objects of the deployment are judged by.
    pub(crate) fn judge(&self) -> Judge {
        let ignored = self.object.spec.options.ignore.as_ref();
        Judge {
            ignored: ignored.map_or_else(Vec::new, |ignore| ignore.conditions.clone()),
            health: self.health().as_ref().cloned().unwrap_or_default(),
        }
    }
}

/// The members of a status that the agent owns, as JSON.
pub(crate) fn members(status: &BundleDeploymentStatus) -> BTreeMap<&'static str, Value> {
    let mut all = serde_json::to_value(status).unwrap_or_default();
    MEMBERS
        .iter()
        .map(|name| (*name, all.get_mut(*name).map_or(Value::Null, Value::take)))
        .collect()
}

pub(crate) fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

fn digests(status: &BundleDeploymentStatus) -> Digests {
    let present =
        |(name, value): (&'static str, Value)| (!value.is_null()).then(|| (name, digest(&value)));
    members(status).into_iter().filter_map(present).collect()
}

/// What is on the cluster of one deployment.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) deployment_id: String,
    /// `namespace/name:revision`.
    pub(crate) release: String,
    /// Sorted.
    pub(crate) inventory: Vec<Entry>,
    /// Value of the label of its objects.
    pub(crate) hash: String,
    /// When the release was first deployed, as its records have it.
    pub(crate) first_deployed: Option<String>,
    /// When this was found out; watches may lag behind for a moment after.
    pub(crate) at: Instant,
    /// The service account that the hub named.
    pub(crate) account: String,
}

/// What the values of a deployment were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Resource versions; those that were not read have none.
    pub(crate) versions: BTreeMap<Reference, String>,
    /// Of what was read; empty when it is not known.
    pub(crate) digest: String,
}

/// What the agent remembers of one deployment beside the object.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// How the last run ended; `None` before the first, and while the deployment is paused.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) applied: Option<Arc<Applied>>,
    /// By which rules its objects were judged last ([`Known::rules`]).
    pub(crate) rules: u64,
    /// State of the copies that it was rendered with, as the hub counts them.
    pub(crate) copied: Option<i64>,
    /// What the values were read from that it was rendered with.
    pub(crate) sources: Sources,
    /// The same of the attempt that is under way.
    pub(crate) reading: Sources,
    /// Digest of the labels and annotations that its namespace was given last.
    pub(crate) described: Option<u64>,
    /// Id of the deployment for which copies were looked through.
    pub(crate) pruned: Option<String>,
    /// Conditions as last written or read.
    pub(crate) conditions: Vec<Condition>,
    /// Digests of what is stored.
    pub(crate) stored: Digests,
    /// Version of what `stored` was taken from.
    pub(crate) stored_version: String,
    /// What is known about its objects.
    pub(crate) drift: Memory,
    /// Held by whoever changes something on the cluster.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Track {
    /// Takes over what is stored, unless it is older than what is known.
    pub(crate) fn store(&mut self, known: &Known) {
        let version = apiclient::Object::resource_version(known);
        if is_older(version, &self.stored_version) {
            return;
        }
        version.clone_into(&mut self.stored_version);
        self.stored.clone_from(&known.digests);
        self.conditions.clone_from(&known.object.status.conditions);
    }
}

/// Whether a resource version is older than another. Versions that are no numbers are never older:
/// then the watch decides.
pub(crate) fn is_older(version: &str, than: &str) -> bool {
    matches!((version.parse::<u64>(), than.parse::<u64>()), (Ok(a), Ok(b)) if a < b)
}

/// All that an agent knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) deployments: BTreeMap<String, Arc<Known>>,
    pub(crate) tracks: BTreeMap<String, Track>,
    /// Deployments that wait for others.
    pub(crate) waiting: BTreeSet<String>,
    /// Releases that deployments had under other names, to be removed.
    pub(crate) stale: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// Live objects by kind.
    pub(crate) live: BTreeMap<Arc<Kind>, Live>,
    /// Resource versions of objects that values come from; those that do not exist have none.
    pub(crate) sources: BTreeMap<Reference, String>,
    /// Deployments by the hash label of their objects.
    pub(crate) owners: BTreeMap<String, String>,
}

/// What an event of the hub's watch asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wake {
    /// Run these.
    pub(crate) deployments: Vec<String>,
    /// The stored status differs from what was last computed.
    pub(crate) report: bool,
}

impl World {
    /// A BundleDeployment is new or has changed.
    pub(crate) fn applied(&mut self, known: Known) -> Wake {
        let name = known.name().to_owned();
        let before = self.deployments.get(&name).cloned();
        let track = self.tracks.entry(name.clone()).or_default();
        let had = track.stored.clone();
        track.store(&known);
        let mut wake = Wake {
            report: before.is_some() && had != track.stored,
            ..Wake::default()
        };
        let asks = before
            .as_ref()
            .is_none_or(|before| is_asked(&before.object, &known.object));
        let state = |known: &Known| State::of(&known.object);
        let changed = before
            .as_ref()
            .is_none_or(|before| state(before) != state(&known));
        self.deployments.insert(name.clone(), Arc::new(known));
        if changed {
            wake.deployments
                .extend(self.waiting.iter().filter(|other| **other != name).cloned());
        }
        if asks {
            wake.deployments.push(name);
        }
        wake
    }

    /// A BundleDeployment is gone.
    pub(crate) fn deleted(&mut self, name: &str) -> Wake {
        self.deployments.remove(name);
        let mut deployments: Vec<String> = self.waiting.iter().cloned().collect();
        deployments.push(name.to_owned());
        Wake {
            deployments,
            report: false,
        }
    }
}

/// Whether a change asks for something to be done. Writes of statuses do not, but for an applied id
/// that somebody else removed.
fn is_asked(before: &BundleDeployment, after: &BundleDeployment) -> bool {
    let meta = |object: &BundleDeployment| {
        let meta = &object.metadata;
        (
            meta.generation,
            meta.labels.clone(),
            meta.annotations.clone(),
            meta.uid.clone(),
        )
    };
    let was_reset = |object: &BundleDeployment| object.status.applied_deployment_id.is_empty();
    meta(before) != meta(after)
        || before.spec != after.spec
        || (was_reset(after) && !was_reset(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn known(name: &str, version: u64, spec: Value, status: Value) -> Known {
        let object = json!({"metadata": {"name": name, "resourceVersion": version.to_string()},
            "spec": spec, "status": status});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn lists_are_reduced_to_digests() {
        let resources = json!({"resources": [{"kind": "A", "name": "x"}], "ready": true});
        let one = known("a", 1, json!({}), resources);
        assert!(one.object.status.resources.is_empty());
        let other = json!({"resources": [{"kind": "A", "name": "y"}], "ready": true});
        let other = known("a", 1, json!({}), other);
        assert_eq!(one.digests["ready"], other.digests["ready"]);
        assert_ne!(one.digests["resources"], other.digests["resources"]);
        assert!(!one.digests.contains_key("nonReadyStatus"));
    }

    #[test]
    fn a_status_alone_wakes_only_those_who_wait_for_its_state() {
        let mut world = World::default();
        let spec = json!({"deploymentID": "s:o"});
        assert_eq!(
            world
                .applied(known("a", 1, spec.clone(), json!({})))
                .deployments,
            ["a"]
        );
        world.waiting.insert("b".to_owned());
        let running = json!({"appliedDeploymentID": "s:o"});
        assert_eq!(
            world
                .applied(known("a", 2, spec.clone(), running))
                .deployments,
            ["b"]
        );
        let same = json!({"appliedDeploymentID": "s:o", "release": "n/a:1"});
        let wake = world.applied(known("a", 3, spec.clone(), same));
        assert!(wake.deployments.is_empty() && wake.report);
        let other = json!({"deploymentID": "t:o"});
        assert_eq!(
            world
                .applied(known("a", 4, other.clone(), json!({})))
                .deployments,
            ["b", "a"]
        );
        assert_eq!(world.deleted("a").deployments, ["b", "a"]);
    }

    #[test]
    fn an_older_status_does_not_replace_what_is_known() {
        let mut track = Track::default();
        track.store(&known("a", 9, json!({}), json!({"release": "n/a:2"})));
        let newest = track.stored.clone();
        track.store(&known("a", 8, json!({}), json!({"release": "n/a:1"})));
        assert_eq!((track.stored, track.stored_version.as_str()), (newest, "9"));
        assert!(!is_older("x", "9") && !is_older("10", "9") && is_older("8", "9"));
    }
}
