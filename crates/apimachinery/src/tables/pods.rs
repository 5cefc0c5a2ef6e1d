//! Pods: the one kind whose status column is computed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cells::{age, int, is_true, list, name, since, text, text_or};
use super::{AGE, CellsFn, Columns, NAME};

const POD: Columns = &[
    NAME,
    (
        "Ready",
        "string",
        0,
        "The aggregate readiness state of this pod for accepting traffic.",
    ),
    (
        "Status",
        "string",
        0,
        "The aggregate status of the containers in this pod.",
    ),
    (
        "Restarts",
        "string",
        0,
        "The number of times the containers in this pod have been restarted and when the last \
         container in this pod has restarted.",
    ),
    AGE,
    ("IP", "string", 1, "IP address allocated to the pod."),
    (
        "Node",
        "string",
        1,
        "NodeName indicates in which node this pod is scheduled.",
    ),
    (
        "Nominated Node",
        "string",
        1,
        "Node that the pod is expected to run on after preemption.",
    ),
    (
        "Readiness Gates",
        "string",
        1,
        "Conditions that must be true for the pod to be ready.",
    ),
];

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    matches!((group, kind), ("", "Pod")).then_some((POD, pod as CellsFn))
}

/// The conditions of a row: pods that have ended are `Completed`.
pub(super) fn row_conditions(object: &Value) -> Option<Value> {
    if text(object, "/kind") != "Pod" {
        return None;
    }
    let (reason, message) = match text(object, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

/// What the containers of a pod add up to.
struct Tally {
    ready: usize,
    total: usize,
    restarts: i64,
    /// End of the last run before the present one; RFC 3339 in UTC sorts as text.
    last: String,
    reason: String,
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let tally = tally(object);
    let restarts = match tally.restarts {
        n if n != 0 && !tally.last.is_empty() => format!("{n} ({} ago)", since(&tally.last, now)),
        n => n.to_string(),
    };
    vec![
        name(object),
        format!("{}/{}", tally.ready, tally.total).into(),
        status(object, &tally.reason).into(),
        restarts.into(),
        age(object, now),
        text_or(object, "/status/podIPs/0/ip", "<none>"),
        text_or(object, "/spec/nodeName", "<none>"),
        text_or(object, "/status/nominatedNodeName", "<none>"),
        gates(object).into(),
    ]
}

fn status(object: &Value, reason: &str) -> String {
    let deleted = !text(object, "/metadata/deletionTimestamp").is_empty();
    let ended = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
    if deleted && text(object, "/status/reason") == "NodeLost" {
        "Unknown".to_owned()
    } else if deleted && !ended {
        "Terminating".to_owned()
    } else {
        reason.to_owned()
    }
}

fn gates(object: &Value) -> String {
    let gates = list(object, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let n_true = gates
        .iter()
        .filter(|gate| is_true(object, text(gate, "/conditionType")))
        .count();
    format!("{n_true}/{}", gates.len())
}

fn tally(object: &Value) -> Tally {
    let gated = list(object, "/status/conditions").iter().any(|one| {
        text(one, "/type") == "PodScheduled" && text(one, "/reason") == "SchedulingGated"
    });
    let reason = match (gated, text(object, "/status/reason")) {
        (true, _) => "SchedulingGated",
        (false, "") => text(object, "/status/phase"),
        (false, reason) => reason,
    };
    let sidecars: Vec<&str> = list(object, "/spec/initContainers")
        .iter()
        .filter(|one| text(one, "/restartPolicy") == "Always")
        .map(|one| text(one, "/name"))
        .collect();
    let mut tally = Tally {
        ready: 0,
        total: list(object, "/spec/containers").len() + sidecars.len(),
        restarts: 0,
        last: String::new(),
        reason: reason.to_owned(),
    };
    let initializing = init_containers(object, &sidecars, &mut tally);
    if !initializing || is_true(object, "Initialized") {
        containers(object, &sidecars, &mut tally);
    }
    tally
}

fn note_restarts(one: &Value, restarts: &mut i64, last: &mut String) {
    *restarts += int(one, "/restartCount");
    let ended = text(one, "/lastState/terminated/finishedAt");
    if ended > last.as_str() {
        ended.clone_into(last);
    }
}

/// Walks the init containers up to the first that has not ended; says whether there is one.
fn init_containers(object: &Value, sidecars: &[&str], tally: &mut Tally) -> bool {
    let total = list(object, "/spec/initContainers").len();
    for (index, one) in list(object, "/status/initContainerStatuses")
        .iter()
        .enumerate()
    {
        note_restarts(one, &mut tally.restarts, &mut tally.last);
        let is_sidecar = sidecars.contains(&text(one, "/name"));
        let terminated = &one["state"]["terminated"];
        if terminated.is_object() && int(terminated, "/exitCode") == 0 {
            continue;
        }
        if is_sidecar && one["started"] == json!(true) {
            tally.ready += usize::from(one["ready"] == json!(true));
            continue;
        }
        let waiting = text(one, "/state/waiting/reason");
        tally.reason = if terminated.is_object() {
            format!("Init:{}", ended(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{total}")
        };
        return true;
    }
    false
}

/// Why a container ended.
fn ended(terminated: &Value) -> String {
    let signal = int(terminated, "/signal");
    match text(terminated, "/reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", int(terminated, "/exitCode")),
        reason => reason.to_owned(),
    }
}

fn containers(object: &Value, sidecars: &[&str], tally: &mut Tally) {
    // Restarts of plain init containers count only while these run.
    (tally.restarts, tally.last) = (0, String::new());
    for one in list(object, "/status/initContainerStatuses") {
        if sidecars.contains(&text(one, "/name")) {
            note_restarts(one, &mut tally.restarts, &mut tally.last);
        }
    }
    let mut running = false;
    let mut error = String::new();
    for one in list(object, "/status/containerStatuses").iter().rev() {
        note_restarts(one, &mut tally.restarts, &mut tally.last);
        let waiting = text(one, "/state/waiting/reason");
        let terminated = &one["state"]["terminated"];
        if !waiting.is_empty() {
            waiting.clone_into(&mut tally.reason);
        } else if terminated.is_object() {
            tally.reason = ended(terminated);
            if int(terminated, "/exitCode") != 0 {
                tally.reason.clone_into(&mut error);
            }
        } else if one["ready"] == json!(true) && one["state"]["running"].is_object() {
            running = true;
            tally.ready += 1;
        }
    }
    if tally.reason == "Completed" {
        if running && is_true(object, "Ready") {
            "Running".clone_into(&mut tally.reason);
        } else if !error.is_empty() {
            tally.reason = error;
        } else if running {
            "NotReady".clone_into(&mut tally.reason);
        }
    }
}
