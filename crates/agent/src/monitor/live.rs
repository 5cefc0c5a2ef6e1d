//! A live object, reduced to what a status needs of it.

use std::collections::{BTreeMap, BTreeSet};

use api::labels::OBJECT_SET_HASH;
use api::v1alpha1::Summary;
use apiclient::{Kind, ObjectKey};
use diff::compare::Scaler;
use diff::readiness::{HealthChecks, ignore_conditions, is_ready, readiness};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::object::text;

/// Label of objects that may be left over.
const PRUNE: &str = "objectset.rio.cattle.io/prune";
/// By now every rule that depends on an object's age has come to its end.
const AGED: Duration = Duration::from_mins(1);

/// The live objects of one kind.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Everything that exists has been seen.
    pub(crate) synced: bool,
    pub(crate) objects: BTreeMap<ObjectKey, LiveObject>,
    /// What a watch has seen that took over from another; the rest is gone once it has seen everything.
    pub(super) seen: Option<BTreeSet<ObjectKey>>,
}

impl Live {
    /// Another watch begins. What the last one saw stands until the new one has seen everything.
    pub(crate) fn renew(&mut self) {
        self.seen = Some(BTreeSet::new());
    }

    /// Gives what the object was before.
    pub(crate) fn applied(&mut self, key: ObjectKey, object: LiveObject) -> Option<LiveObject> {
        if let Some(seen) = &mut self.seen {
            seen.insert(key.clone());
        }
        self.objects.insert(key, object)
    }

    pub(crate) fn synced(&mut self) {
        if let Some(seen) = self.seen.take() {
            self.objects.retain(|key, _| seen.contains(key));
        }
        self.synced = true;
    }
}

/// What the objects of a deployment are judged by, beside what is known of their kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    /// Conditions that do not count.
    pub(crate) ignored: Vec<BTreeMap<String, String>>,
    pub(crate) health: HealthChecks,
}

impl Judge {
    fn summary(&self, object: &Value, now: Timestamp) -> Summary {
        let own = self.health.summarize(object);
        own.unwrap_or_else(|| readiness(object, now))
    }
}

/// A live object. Ready ones, which most are, take the least memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveObject {
    pub(crate) uid: Box<str>,
    pub(crate) created_at: Option<Timestamp>,
    /// Value of the ownership label.
    pub(crate) hash: Box<str>,
    /// Its resource version.
    pub(crate) version: Box<str>,
    /// Never reported as left over (`objectset.rio.cattle.io/prune: "false"`).
    pub(crate) is_exempt: bool,
    /// What it scales, for an autoscaler.
    pub(crate) scaler: Option<Box<Scaler>>,
    /// A Job that is neither complete nor failed.
    pub(crate) runs: bool,
    /// Why it is not ready; `None` when it is.
    pub(crate) trouble: Option<Box<Trouble>>,
}

/// Why an object is not ready.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) summary: Summary,
    /// What will be said of the unchanged object from `aged_at` on, if that differs.
    pub(crate) aged: Option<Summary>,
    /// Counted here: clocks jump, and that of the cluster shows another time.
    pub(crate) aged_at: Instant,
}

impl LiveObject {
    /// Why the object is not ready at `now`.
    pub(crate) fn trouble(&self, now: Instant) -> Option<&Summary> {
        let trouble = self.trouble.as_ref()?;
        match &trouble.aged {
            Some(aged) if now >= trouble.aged_at => (!is_ready(aged)).then_some(aged),
            _ => Some(&trouble.summary),
        }
    }

    /// When there will be something else to say of the unchanged object, if that is after `now`.
    pub(crate) fn ages_at(&self, now: Instant) -> Option<Instant> {
        let trouble = self.trouble.as_ref()?;
        (trouble.aged.is_some() && now < trouble.aged_at).then_some(trouble.aged_at)
    }
}

/// An object as a watch brings it.
#[derive(Debug)]
pub(crate) struct Seen(Value);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(from)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        Ok(Self(object))
    }
}

impl apiclient::Object for Seen {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(
            text(&self.0, "/metadata/namespace"),
            text(&self.0, "/metadata/name"),
        )
    }

    fn resource_version(&self) -> &str {
        text(&self.0, "/metadata/resourceVersion")
    }
}

impl Seen {
    pub(crate) fn hash(&self) -> &str {
        label(&self.0, OBJECT_SET_HASH).unwrap_or_default()
    }

    pub(crate) fn object(&self) -> &Value {
        &self.0
    }
}

fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// Whether the metadata of a kind's objects tells all about their readiness.
pub(crate) fn is_metadata_enough(kind: &Kind) -> bool {
    matches!(
        (kind.group.as_ref(), kind.kind.as_ref()),
        ("", "ConfigMap" | "Secret" | "ServiceAccount" | "LimitRange")
            | ("rbac.authorization.k8s.io", _)
            | (
                "admissionregistration.k8s.io",
                "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration"
            )
            | ("scheduling.k8s.io", "PriorityClass")
            | ("storage.k8s.io", "StorageClass")
            | ("networking.k8s.io", "NetworkPolicy" | "IngressClass")
    )
}

/// Reduces an object that is seen `at`, when this machine's clock shows `now`.
pub(crate) fn reduce(
    kind: &Kind,
    seen: Seen,
    judge: &Judge,
    at: Instant,
    now: Timestamp,
) -> LiveObject {
    let hash = seen.hash().into();
    let Seen(mut object) = seen;
    if let Some(fields) = object.as_object_mut() {
        // Metadata alone comes as a kind of its own.
        fields.insert("apiVersion".to_owned(), kind.api_version().into());
        fields.insert("kind".to_owned(), kind.kind.as_ref().into());
    }
    ignore_conditions(&mut object, &judge.ignored);
    let summary = judge.summary(&object, now);
    let trouble = (!is_ready(&summary)).then(|| {
        let aged = judge.summary(&object, when_aged(&object, now));
        let aged = (aged != summary).then_some(aged);
        Box::new(Trouble {
            summary,
            aged,
            aged_at: at + AGED,
        })
    });
    LiveObject {
        uid: text(&object, "/metadata/uid").into(),
        created_at: text(&object, "/metadata/creationTimestamp").parse().ok(),
        hash,
        version: text(&object, "/metadata/resourceVersion").into(),
        is_exempt: label(&object, PRUNE) == Some("false"),
        scaler: Scaler::is_kind(&kind.group, &kind.kind)
            .then(|| Scaler::of(&object).map(Box::new))
            .flatten(),
        runs: kind.group == "batch" && kind.kind == "Job" && !is_finished(&object),
        trouble,
    }
}

/// A time by which the object is of age, also where the cluster's clock is ahead of this machine's.
fn when_aged(object: &Value, now: Timestamp) -> Timestamp {
    let times = ["/metadata/creationTimestamp", "/metadata/deletionTimestamp"]
        .map(|at| text(object, at).parse().unwrap_or(now));
    let last = times.into_iter().fold(now, Timestamp::max);
    last.checked_add(AGED).unwrap_or(last)
}

fn is_finished(job: &Value) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        matches!(text(condition, "/type"), "Complete" | "Failed")
            && text(condition, "/status") == "True"
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(object: Value) -> Seen {
        serde_json::from_value(object).unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn reduced(kind: &Kind, object: Value) -> LiveObject {
        reduce(kind, seen(object), &Judge::default(), Instant::now(), now())
    }

    #[test]
    fn metadata_alone_is_summarised_as_its_kind() {
        let kind = Kind::new("", "v1", "ConfigMap", "configmaps", true);
        let partial = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "a", "uid": "u", "creationTimestamp": "2025-12-31T00:00:00Z",
                "labels": {OBJECT_SET_HASH: "h"}, "managedFields": [{}]}});
        let live = reduced(&kind, partial);
        assert_eq!(
            (live.trouble.is_none(), &*live.uid, &*live.hash),
            (true, "u", "h")
        );
        assert!(live.created_at.is_some());
    }

    #[test]
    fn what_is_not_ready_says_why_and_what_it_will_say_when_it_is_older() {
        let kind = Kind::new("", "v1", "Pod", "pods", true);
        // The clock of the cluster may be an hour behind, right, or ahead by a day.
        for created in [
            "2025-12-31T23:00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
        ] {
            let pending = json!({"metadata": {"name": "a", "creationTimestamp": created}, "status": {
                "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "lastTransitionTime": created}]}});
            let at = Instant::now();
            let live = reduce(&kind, seen(pending), &Judge::default(), at, now());
            let says = |at, what: &str| live.trouble(at).unwrap().message.concat().contains(what);
            let (young, old) = ("has not been scheduled", "could not be scheduled");
            let first = if created < "2026" { old } else { young };
            assert!(
                says(at, first) && says(at + AGED, old),
                "{created}: {live:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_reduced_to_an_object_without_owner() {
        let kind = Kind::new("", "v1", "Secret", "secrets", true);
        for object in [
            json!(null),
            json!([]),
            json!({"metadata": 3}),
            json!({"metadata": {"labels": []}}),
        ] {
            let live = reduced(&kind, object);
            assert_eq!((&*live.uid, &*live.hash, live.created_at), ("", "", None));
        }
    }

    #[test]
    fn jobs_run_until_they_are_complete_or_failed() {
        let kind = Kind::new("batch", "v1", "Job", "jobs", true);
        let runs = |status: Value| reduced(&kind, json!({"metadata": {}, "status": status})).runs;
        assert!(runs(json!({})));
        assert!(runs(
            json!({"conditions": [{"type": "Complete", "status": "False"}]})
        ));
        assert!(!runs(
            json!({"conditions": [{"type": "Complete", "status": "True"}]})
        ));
        assert!(!runs(
            json!({"conditions": [{"type": "Failed", "status": "True"}]})
        ));
    }
}
