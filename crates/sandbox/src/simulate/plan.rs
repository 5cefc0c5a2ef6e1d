//! What the status of an object should be.
//!
//! In: an object of a simulated kind, settings, the time. Out: the step that brings it there, or `None` when
//! it is there already or is not to be touched. Applying a step and planning again gives `None`.

use serde_json::{Value, json};

use super::conditions::{Times, Wanted, conditions};
use super::outcome::{Outcome, Settings, fnv};
use super::{pods, volumes, workloads};
use crate::object;

/// A simulated kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ReplicationController,
    Job,
    Pod,
    PersistentVolumeClaim,
    Service,
    Ingress,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    ApiService,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Job,
        Self::Pod,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::Ingress,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::ApiService,
    ];

    /// The kind stored in a bucket.
    pub(super) fn of(bucket: &str) -> Option<Self> {
        Some(match bucket {
            "deployments.apps" => Self::Deployment,
            "statefulsets.apps" => Self::StatefulSet,
            "daemonsets.apps" => Self::DaemonSet,
            "replicasets.apps" => Self::ReplicaSet,
            "replicationcontrollers" => Self::ReplicationController,
            "jobs.batch" => Self::Job,
            "pods" => Self::Pod,
            "persistentvolumeclaims" => Self::PersistentVolumeClaim,
            "services" => Self::Service,
            "ingresses.networking.k8s.io" => Self::Ingress,
            "horizontalpodautoscalers.autoscaling" => Self::HorizontalPodAutoscaler,
            "poddisruptionbudgets.policy" => Self::PodDisruptionBudget,
            "apiservices.apiregistration.k8s.io" => Self::ApiService,
            _ => return None,
        })
    }

    /// Version and name under which the kind is read and written.
    pub(super) fn api(self) -> (&'static str, &'static str) {
        match self {
            Self::Deployment => ("apps/v1", "Deployment"),
            Self::StatefulSet => ("apps/v1", "StatefulSet"),
            Self::DaemonSet => ("apps/v1", "DaemonSet"),
            Self::ReplicaSet => ("apps/v1", "ReplicaSet"),
            Self::ReplicationController => ("v1", "ReplicationController"),
            Self::Job => ("batch/v1", "Job"),
            Self::Pod => ("v1", "Pod"),
            Self::PersistentVolumeClaim => ("v1", "PersistentVolumeClaim"),
            Self::Service => ("v1", "Service"),
            Self::Ingress => ("networking.k8s.io/v1", "Ingress"),
            Self::HorizontalPodAutoscaler => ("autoscaling/v2", "HorizontalPodAutoscaler"),
            Self::PodDisruptionBudget => ("policy/v1", "PodDisruptionBudget"),
            Self::ApiService => ("apiregistration.k8s.io/v1", "APIService"),
        }
    }
}

/// What to write.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// The status that [`status`] gives.
    Status,
    /// This volume, and the claim bound to it.
    Bind(Box<Value>),
}

/// The step for an object as it is now.
pub(super) fn plan(kind: Kind, present: &Value, settings: &Settings, now: &str) -> Option<Step> {
    if object::is_deleting(present) {
        return None;
    }
    if kind == Kind::PersistentVolumeClaim {
        return volumes::plan(present, settings).map(|volume| Step::Bind(Box::new(volume)));
    }
    status(kind, present, settings, now).map(|_| Step::Status)
}

/// The whole status that an object should have, unless it has it.
pub(super) fn status(kind: Kind, present: &Value, settings: &Settings, now: &str) -> Option<Value> {
    let outcome = settings.outcome(present);
    let wanted = match kind {
        Kind::Deployment => workloads::deployment(present, outcome, now),
        Kind::StatefulSet => workloads::stateful_set(present, outcome),
        Kind::DaemonSet => workloads::daemon_set(present, outcome, settings.nodes),
        Kind::ReplicaSet | Kind::ReplicationController => {
            workloads::replica_set(present, outcome, now)
        }
        Kind::Job => workloads::job(present, outcome, now)?,
        Kind::Pod => pods::pod(present, outcome, now)?,
        Kind::PersistentVolumeClaim => return None,
        Kind::Service => balancer(present, outcome, "LoadBalancer")?,
        Kind::Ingress => balancer(present, outcome, "")?,
        Kind::HorizontalPodAutoscaler => autoscaler(present, now),
        Kind::PodDisruptionBudget => budget(present, now),
        Kind::ApiService => api_service(present, outcome, now),
    };
    (present.get("status") != Some(&wanted)).then_some(wanted)
}

/// A status with the fields of `changes` over those the object has; null removes a field.
pub(super) fn merged(present: &Value, changes: Value) -> Value {
    let mut status = present
        .get("status")
        .filter(|status| status.is_object())
        .cloned()
        .unwrap_or_else(|| json!({}));
    if let (Some(status), Value::Object(changes)) = (status.as_object_mut(), changes) {
        for (key, value) in changes {
            if value.is_null() {
                status.remove(&key);
            } else {
                status.insert(key, value);
            }
        }
    }
    status
}

/// An address for Services of one type and for Ingresses, from the range of benchmarks (RFC 2544).
fn balancer(present: &Value, outcome: Outcome, of_type: &str) -> Option<Value> {
    let is_wanted = of_type.is_empty() || object::str_at(present, &["spec", "type"]) == of_type;
    if !is_wanted || outcome != Outcome::Ready {
        return None;
    }
    let given = object::list_at(present, &["status", "loadBalancer", "ingress"]);
    if !given.is_empty() {
        return None;
    }
    let hash = fnv(&[object::namespace(present), object::name(present)]);
    let ip = format!(
        "198.{}.{}.{}",
        18 + (hash >> 16) % 2,
        (hash >> 8) % 256,
        1 + hash % 254
    );
    let ingress = if of_type.is_empty() {
        json!([{"ip": ip}])
    } else {
        json!([{"ip": ip, "ipMode": "VIP"}])
    };
    Some(merged(
        present,
        json!({"loadBalancer": {"ingress": ingress}}),
    ))
}

fn autoscaler(present: &Value, now: &str) -> Value {
    let replicas = object::at(present, &["spec", "minReplicas"])
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let wanted = [
        (
            "AbleToScale",
            "True",
            "ReadyForNewScale",
            "recommended size matches current size",
        ),
        (
            "ScalingActive",
            "True",
            "ValidMetricFound",
            "the HPA was able to successfully calculate a replica count",
        ),
        (
            "ScalingLimited",
            "False",
            "DesiredWithinRange",
            "the desired count is within the acceptable range",
        ),
    ]
    .map(|(kind, status, reason, message)| Wanted {
        kind,
        status,
        reason,
        message: message.to_owned(),
    });
    merged(
        present,
        json!({
            "conditions": conditions(present, &wanted, Times::Transition, now),
            "currentReplicas": replicas,
            "desiredReplicas": replicas,
        }),
    )
}

fn budget(present: &Value, now: &str) -> Value {
    let wanted = [Wanted {
        kind: "DisruptionAllowed",
        status: "False",
        reason: "InsufficientPods",
        message: String::new(),
    }];
    merged(
        present,
        json!({
            "conditions": conditions(present, &wanted, Times::Transition, now),
            "observedGeneration": object::generation(present),
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "disruptionsAllowed": 0,
            "expectedPods": 0,
        }),
    )
}

fn api_service(present: &Value, outcome: Outcome, now: &str) -> Value {
    let local = object::at(present, &["spec", "service"]).is_none_or(Value::is_null);
    let (status, reason, message) = match (local, outcome) {
        (true, _) => ("True", "Local", "Local APIServices are always available"),
        (false, Outcome::Ready) => ("True", "Passed", "all checks passed"),
        (false, _) => (
            "False",
            "MissingEndpoints",
            "endpoints for the service have no addresses",
        ),
    };
    let wanted = [Wanted {
        kind: "Available",
        status,
        reason,
        message: message.to_owned(),
    }];
    merged(
        present,
        json!({"conditions": conditions(present, &wanted, Times::Transition, now)}),
    )
}
