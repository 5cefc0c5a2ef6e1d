//! Statuses of workloads, as the controllers of Kubernetes 1.36 write them.

use serde_json::{Value, json};

use super::conditions::{Times, Wanted, conditions};
use super::outcome::{Outcome, fnv};
use super::plan::merged;
use crate::object;

fn replicas(present: &Value) -> i64 {
    object::at(present, &["spec", "replicas"])
        .and_then(Value::as_i64)
        .unwrap_or(1)
        .max(0)
}

/// How many of the wanted pods are ready.
fn ready(wanted: i64, outcome: Outcome) -> i64 {
    if outcome == Outcome::Ready { wanted } else { 0 }
}

/// A count as fields with `omitempty` have it.
fn count(number: i64) -> Value {
    if number == 0 {
        Value::Null
    } else {
        number.into()
    }
}

/// A name for the revision of a template, as `pod-template-hash` would name it.
fn revision(present: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let template = object::at(present, &["spec", "template"])
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut hash = fnv(&[&template]);
    let mut name = String::new();
    for _ in 0..10 {
        name.push(char::from(LETTERS[(hash % LETTERS.len() as u64) as usize]));
        hash /= LETTERS.len() as u64;
    }
    name
}

pub(super) fn deployment(present: &Value, outcome: Outcome, now: &str) -> Value {
    let wanted = replicas(present);
    let ready = ready(wanted, outcome);
    let set = format!("{}-{}", object::name(present), revision(present));
    let available = if ready == wanted {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.".to_owned(),
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.".to_owned(),
        )
    };
    let progressing = match outcome {
        Outcome::Fail if wanted > 0 => (
            "False",
            "ProgressDeadlineExceeded",
            format!("ReplicaSet \"{set}\" has timed out progressing."),
        ),
        Outcome::Never if wanted > 0 => (
            "True",
            "ReplicaSetUpdated",
            format!("ReplicaSet \"{set}\" is progressing."),
        ),
        _ => (
            "True",
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{set}\" has successfully progressed."),
        ),
    };
    let wanted_conditions = [("Available", available), ("Progressing", progressing)].map(
        |(kind, (status, reason, message))| Wanted {
            kind,
            status,
            reason,
            message,
        },
    );
    merged(
        present,
        json!({
            "observedGeneration": object::generation(present),
            "replicas": count(wanted),
            "updatedReplicas": count(wanted),
            "readyReplicas": count(ready),
            "availableReplicas": count(ready),
            "unavailableReplicas": count(wanted - ready),
            "conditions": conditions(present, &wanted_conditions, Times::Update, now),
        }),
    )
}

pub(super) fn stateful_set(present: &Value, outcome: Outcome) -> Value {
    let wanted = replicas(present);
    let ready = ready(wanted, outcome);
    // Pods that never get ready hold up those after them.
    let created = match (
        outcome,
        object::str_at(present, &["spec", "podManagementPolicy"]),
    ) {
        (Outcome::Ready, _) | (_, "Parallel") => wanted,
        _ => wanted.min(1),
    };
    let revision = format!("{}-{}", object::name(present), revision(present));
    merged(
        present,
        json!({
            "observedGeneration": object::generation(present),
            "replicas": created,
            "currentReplicas": count(created),
            "updatedReplicas": count(created),
            "readyReplicas": count(ready),
            "availableReplicas": ready,
            "currentRevision": revision,
            "updateRevision": revision,
            "collisionCount": 0,
        }),
    )
}

pub(super) fn daemon_set(present: &Value, outcome: Outcome, nodes: u32) -> Value {
    let wanted = i64::from(nodes);
    let ready = ready(wanted, outcome);
    merged(
        present,
        json!({
            "observedGeneration": object::generation(present),
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": wanted,
            "updatedNumberScheduled": count(wanted),
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": count(ready),
            "numberUnavailable": count(wanted - ready),
        }),
    )
}

pub(super) fn replica_set(present: &Value, outcome: Outcome, now: &str) -> Value {
    let wanted = replicas(present);
    let created = if outcome == Outcome::Fail { 0 } else { wanted };
    let ready = ready(wanted, outcome);
    let mut status = merged(
        present,
        json!({
            "observedGeneration": object::generation(present),
            "replicas": created,
            "fullyLabeledReplicas": count(created),
            "readyReplicas": count(ready),
            "availableReplicas": count(ready),
        }),
    );
    if outcome == Outcome::Fail {
        let failure = [Wanted {
            kind: "ReplicaFailure",
            status: "True",
            reason: "FailedCreate",
            message: "pods cannot be created".to_owned(),
        }];
        status["conditions"] = conditions(present, &failure, Times::Transition, now);
    } else if let Some(fields) = status.as_object_mut() {
        fields.remove("conditions");
    }
    status
}

/// `None` for a Job that has ended, which nothing changes any more.
pub(super) fn job(present: &Value, outcome: Outcome, now: &str) -> Option<Value> {
    let holds = |kind: &str| {
        object::condition(present, kind)
            .is_some_and(|one| object::str_at(one, &["status"]) == "True")
    };
    if holds("Complete") || holds("Failed") {
        return None;
    }
    let number = |field: &str| object::at(present, &["spec", field]).and_then(Value::as_i64);
    let started = match object::str_at(present, &["status", "startTime"]) {
        "" => object::meta_str(present, "creationTimestamp"),
        time => time,
    };
    let started = if started.is_empty() { now } else { started };
    let idle = json!({"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}});
    let with = |changes: Value| {
        let mut all = idle.clone();
        if let (Some(all), Value::Object(changes)) = (all.as_object_mut(), changes) {
            all.extend(changes);
        }
        merged(present, all)
    };
    let ended = |kinds: [&'static str; 2], reason: &'static str, message: &str| {
        let wanted = kinds.map(|kind| Wanted {
            kind,
            status: "True",
            reason,
            message: message.to_owned(),
        });
        conditions(present, &wanted, Times::Probe, now)
    };
    if object::at(present, &["spec", "suspend"]) == Some(&Value::Bool(true)) {
        let wanted = [Wanted {
            kind: "Suspended",
            status: "True",
            reason: "JobSuspended",
            message: "Job suspended".to_owned(),
        }];
        let listed = conditions(present, &wanted, Times::Probe, now);
        return Some(with(
            json!({"startTime": null, "active": null, "conditions": listed}),
        ));
    }
    Some(match outcome {
        Outcome::Ready => {
            let message = "Reached expected number of succeeded pods";
            let listed = ended(
                ["SuccessCriteriaMet", "Complete"],
                "CompletionsReached",
                message,
            );
            let succeeded = number("completions")
                .or_else(|| number("parallelism"))
                .unwrap_or(1);
            with(
                json!({"startTime": started, "completionTime": now, "active": null,
                        "succeeded": count(succeeded), "conditions": listed}),
            )
        }
        Outcome::Fail => {
            let message = "Job has reached the specified backoff limit";
            let listed = ended(["FailureTarget", "Failed"], "BackoffLimitExceeded", message);
            let failed = number("backoffLimit").unwrap_or(6).saturating_add(1);
            with(
                json!({"startTime": started, "active": null, "failed": failed, "conditions": listed}),
            )
        }
        Outcome::Never => {
            let active = number("parallelism").unwrap_or(1);
            with(json!({"startTime": started, "active": count(active)}))
        }
    })
}
