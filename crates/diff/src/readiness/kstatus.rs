//! kstatus: what state an object is in, from its generation, its conditions and the counters of its kind.
//!
//! In: an object, the time. Out: [`Computed`], or `None` where kstatus gives an error, which upstream takes for no answer. Source:
//! sigs.k8s.io/cli-utils `pkg/kstatus/status`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::value::{Condition, at, int, list, status_conditions, text};

/// How long a pod may stay unscheduled.
const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Failed,
    Current,
    Terminating,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Computed {
    pub(super) status: Status,
    pub(super) message: String,
}

fn in_progress(message: impl Into<String>) -> Computed {
    Computed {
        status: Status::InProgress,
        message: message.into(),
    }
}

fn failed(message: impl Into<String>) -> Computed {
    Computed {
        status: Status::Failed,
        message: message.into(),
    }
}

fn current(message: impl Into<String>) -> Computed {
    Computed {
        status: Status::Current,
        message: message.into(),
    }
}

/// The status of an object.
pub(super) fn compute(object: &Value, now: Timestamp) -> Option<Computed> {
    if !text(object, &["metadata", "deletionTimestamp"]).is_empty() {
        let message = "Resource scheduled for deletion".to_owned();
        return Some(Computed {
            status: Status::Terminating,
            message,
        });
    }
    let kind = text(object, &["kind"]);
    let conditions = status_conditions(object);
    if let Some(result) = generation(object, &kind) {
        return Some(result);
    }
    let conditions = conditions?;
    if let Some(result) = standard_conditions(&conditions) {
        return Some(result);
    }
    let version = text(object, &["apiVersion"]);
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind.as_str()) {
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => {
            Some(current("Resource is always ready"))
        }
        ("", "Service") => Some(service(object)),
        ("", "Pod") => pod(object, &conditions, now),
        ("", "PersistentVolumeClaim") => Some(claim(object)),
        ("apps", "StatefulSet") => Some(stateful_set(object)),
        ("apps" | "extensions", "DaemonSet") => Some(daemon_set(object)),
        ("apps" | "extensions", "Deployment") => Some(deployment(object, &conditions)),
        ("apps" | "extensions", "ReplicaSet") => Some(replica_set(object, &conditions)),
        ("policy", "PodDisruptionBudget") => Some(current("AllowedDisruptions has been computed.")),
        ("batch", "Job") => Some(job(object, &conditions)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Some(definition(&conditions)),
        _ => Some(ready_condition(&conditions)),
    }
}

fn generation(object: &Value, kind: &str) -> Option<Computed> {
    let generation = int(object, &["metadata", "generation"])?;
    let observed = int(object, &["status", "observedGeneration"])?;
    (observed != generation).then(|| {
        in_progress(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        ))
    })
}

fn standard_conditions(conditions: &[Condition]) -> Option<Computed> {
    conditions
        .iter()
        .filter(|one| one.status == "True")
        .find_map(|one| match one.kind.as_str() {
            "Reconciling" => Some(in_progress(&one.message)),
            "Stalled" => Some(failed(&one.message)),
            _ => None,
        })
}

fn ready_condition(conditions: &[Condition]) -> Computed {
    let ready = conditions
        .iter()
        .filter(|one| one.kind == "Ready")
        .find_map(|one| match one.status.as_str() {
            "True" => Some(current("Resource is Ready")),
            "False" | "Unknown" => Some(in_progress(&one.message)),
            _ => None,
        });
    ready.unwrap_or_else(|| current("Resource is current"))
}

/// A counter of `status`, 0 when it is missing.
fn count(object: &Value, field: &str) -> i64 {
    int(object, &["status", field]).unwrap_or_default()
}

fn replicas(object: &Value) -> i64 {
    int(object, &["spec", "replicas"]).unwrap_or(1)
}

fn deployment(object: &Value, conditions: &[Condition]) -> Computed {
    const NO_DEADLINE: i64 = i32::MAX as i64;
    let deadline = int(object, &["spec", "progressDeadlineSeconds"]).unwrap_or(NO_DEADLINE);
    let mut progressing = deadline == NO_DEADLINE;
    let mut available = false;
    for one in conditions {
        match one.kind.as_str() {
            "Progressing" if one.reason == "ProgressDeadlineExceeded" => {
                return failed("Progress deadline exceeded");
            }
            "Progressing" if one.status == "True" && one.reason == "NewReplicaSetAvailable" => {
                progressing = true;
            }
            "Available" if one.status == "True" => available = true,
            _ => {}
        }
    }
    let wanted = replicas(object);
    let [total, updated, ready, up] = [
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
    ]
    .map(|field| count(object, field));
    if wanted > total {
        in_progress(format!("Replicas: {total}/{wanted}"))
    } else if wanted > updated {
        in_progress(format!("Updated: {updated}/{wanted}"))
    } else if total > wanted {
        in_progress(format!("Pending termination: {}", total - wanted))
    } else if updated > up {
        in_progress(format!("Available: {up}/{updated}"))
    } else if wanted > ready {
        in_progress(format!("Ready: {ready}/{wanted}"))
    } else if !progressing {
        in_progress("ReplicaSet not Available")
    } else if !available {
        in_progress("Deployment not Available")
    } else {
        current(format!("Deployment is available. Replicas: {total}"))
    }
}

fn stateful_set(object: &Value) -> Computed {
    if text(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return current("StatefulSet is using the ondelete update strategy");
    }
    let wanted = replicas(object);
    let [total, ready, updated, created] = [
        "replicas",
        "readyReplicas",
        "updatedReplicas",
        "currentReplicas",
    ]
    .map(|field| count(object, field));
    if wanted > total {
        return in_progress(format!("Replicas: {total}/{wanted}"));
    }
    if wanted > ready {
        return in_progress(format!("Ready: {ready}/{wanted}"));
    }
    if total > wanted {
        return in_progress(format!("Pending termination: {}", total - wanted));
    }
    let partition = int(
        object,
        &["spec", "updateStrategy", "rollingUpdate", "partition"],
    );
    if let Some(partition) = partition.filter(|partition| *partition != -1) {
        let wanted = wanted.saturating_sub(partition);
        if updated < wanted {
            return in_progress(format!("updated: {updated}/{wanted}"));
        }
        return current(format!("Partition rollout complete. updated: {updated}"));
    }
    if wanted > created {
        return in_progress(format!("current: {created}/{wanted}"));
    }
    if text(object, &["status", "currentRevision"]) != text(object, &["status", "updateRevision"]) {
        return in_progress("Waiting for updated revision to match current");
    }
    current(format!(
        "All replicas scheduled as expected. Replicas: {total}"
    ))
}

fn daemon_set(object: &Value) -> Computed {
    for path in [["metadata", "generation"], ["status", "observedGeneration"]] {
        if int(object, &path).is_none() {
            return in_progress(format!(
                "{} {} not found",
                text(object, &["kind"]),
                path.join(".")
            ));
        }
    }
    let Some(wanted) = int(object, &["status", "desiredNumberScheduled"]) else {
        return in_progress("Missing .status.desiredNumberScheduled");
    };
    let steps = [
        ("Current", "currentNumberScheduled"),
        ("Updated", "updatedNumberScheduled"),
        ("Available", "numberAvailable"),
        ("Ready", "numberReady"),
    ];
    let behind = steps
        .into_iter()
        .map(|(word, field)| (word, count(object, field)))
        .find(|(_, n)| wanted > *n);
    match behind {
        Some((word, number)) => in_progress(format!("{word}: {number}/{wanted}")),
        None => current(format!(
            "All replicas scheduled as expected. Replicas: {wanted}"
        )),
    }
}

fn replica_set(object: &Value, conditions: &[Condition]) -> Computed {
    if conditions
        .iter()
        .any(|one| one.kind == "ReplicaFailure" && one.status == "True")
    {
        return in_progress("Replica Failure condition. Check Pods");
    }
    let wanted = replicas(object);
    let total = count(object, "replicas");
    let steps = [
        ("Labelled", "fullyLabeledReplicas"),
        ("Available", "availableReplicas"),
        ("Ready", "readyReplicas"),
    ];
    let behind = steps
        .into_iter()
        .map(|(word, field)| (word, count(object, field)))
        .find(|(_, n)| wanted > *n);
    match behind {
        Some((word, number)) => in_progress(format!("{word}: {number}/{wanted}")),
        None if total > wanted => in_progress(format!("Pending termination: {}", total - wanted)),
        None => current(format!("ReplicaSet is available. Replicas: {total}")),
    }
}

fn claim(object: &Value) -> Computed {
    match at(object, &["status", "phase"])
        .and_then(Value::as_str)
        .unwrap_or("unknown")
    {
        "Bound" => current("PVC is Bound"),
        phase => in_progress(format!("PVC is not Bound. phase: {phase}")),
    }
}

/// `None` for a phase that is none.
fn pod(object: &Value, conditions: &[Condition], now: Timestamp) -> Option<Computed> {
    let find = |kind: &str, status: &str| {
        conditions
            .iter()
            .find(|one| one.kind == kind && one.status == status)
    };
    Some(match text(object, &["status", "phase"]).as_str() {
        "Succeeded" => current("Pod has completed successfully"),
        "Failed" => current("Pod has completed, but not successfully"),
        "Running" if find("Ready", "True").is_some() => current("Pod is Ready"),
        "Running" => {
            let looping: Vec<String> = list(object, &["status", "containerStatuses"])
                .iter()
                .filter(|one| text(one, &["state", "waiting", "reason"]) == "CrashLoopBackOff")
                .map(|one| text(one, &["name"]))
                .collect();
            if looping.is_empty() {
                in_progress("Pod is running but is not Ready")
            } else {
                failed(format!(
                    "Containers in CrashLoop state: {}",
                    looping.join(",")
                ))
            }
        }
        "Pending"
            if find("PodScheduled", "False").is_some_and(|one| one.reason == "Unschedulable") =>
        {
            let created = text(object, &["metadata", "creationTimestamp"]).parse::<Timestamp>();
            if created.is_ok_and(|created| now.duration_since(created) < SCHEDULE_WINDOW) {
                in_progress("Pod has not been scheduled")
            } else {
                failed("Pod could not be scheduled")
            }
        }
        "Pending" => in_progress("Pod is in the Pending phase"),
        "" => in_progress("Pod phase not available"),
        _ => return None,
    })
}

fn job(object: &Value, conditions: &[Condition]) -> Computed {
    let parallelism = int(object, &["spec", "parallelism"]).unwrap_or(1);
    let wanted = int(object, &["spec", "completions"]).unwrap_or(parallelism);
    let [succeeded, active, lost] =
        ["succeeded", "active", "failed"].map(|field| count(object, field));
    for one in conditions.iter().filter(|one| one.status == "True") {
        match one.kind.as_str() {
            "Complete" => {
                return current(format!("Job Completed. succeeded: {succeeded}/{wanted}"));
            }
            "Failed" => return failed(format!("Job Failed. failed: {lost}/{wanted}")),
            _ => {}
        }
    }
    if text(object, &["status", "startTime"]).is_empty() {
        return in_progress("Job not started");
    }
    current(format!(
        "Job in progress. success:{succeeded}, active: {active}, failed: {lost}"
    ))
}

fn service(object: &Value) -> Computed {
    if text(object, &["spec", "type"]) == "LoadBalancer"
        && text(object, &["spec", "clusterIP"]).is_empty()
    {
        return in_progress("ClusterIP not set. Service type: LoadBalancer");
    }
    current("Service is ready")
}

fn definition(conditions: &[Condition]) -> Computed {
    let decided =
        conditions
            .iter()
            .find_map(|one| match (one.kind.as_str(), one.status.as_str()) {
                ("NamesAccepted", "False") => Some(failed(&one.message)),
                ("Established", "False") if one.reason != "Installing" => {
                    Some(failed(&one.message))
                }
                ("Established", "True") => Some(current("CRD is established")),
                _ => None,
            });
    decided.unwrap_or_else(|| in_progress("Install in progress"))
}
