//! Statuses of Pods, as a kubelet writes them.

use serde_json::{Map, Value, json};

use super::conditions::{Times, Wanted, conditions};
use super::outcome::{Outcome, fnv};
use super::plan::merged;
use crate::object;

const NODE_IP: &str = "192.0.2.1";

/// `None` for a Pod that has ended, which nothing changes any more.
pub(super) fn pod(present: &Value, outcome: Outcome, now: &str) -> Option<Value> {
    let phase = object::str_at(present, &["status", "phase"]);
    if matches!(phase, "Succeeded" | "Failed") {
        return None;
    }
    let goes_on = matches!(
        object::str_at(present, &["spec", "restartPolicy"]),
        "" | "Always"
    );
    let state = State::of(goes_on, outcome);
    // Init containers have ended well, whatever becomes of the others.
    let changes = json!({
        "phase": state.phase(),
        "conditions": pod_conditions(present, state, now),
        "containerStatuses": statuses(present, "containers", state, now),
        "initContainerStatuses": statuses(present, "initContainers", State::Succeeded, now),
        "hostIP": NODE_IP,
        "hostIPs": [{"ip": NODE_IP}],
        "podIP": address(present),
        "podIPs": [{"ip": address(present)}],
        "startTime": started(present, now),
    });
    Some(merged(present, changes))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Started, and restarting without end.
    Crashing,
    /// Started, but never ready.
    Unready,
    Succeeded,
    Failed,
}

impl State {
    fn of(goes_on: bool, outcome: Outcome) -> Self {
        match (goes_on, outcome) {
            (true, Outcome::Ready) => Self::Running,
            (true, Outcome::Fail) => Self::Crashing,
            (_, Outcome::Never) => Self::Unready,
            (false, Outcome::Ready) => Self::Succeeded,
            (false, Outcome::Fail) => Self::Failed,
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Self::Running | Self::Crashing | Self::Unready => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

fn pod_conditions(present: &Value, state: State, now: &str) -> Value {
    let (ready, reason) = match state {
        State::Running => ("True", ""),
        State::Crashing | State::Unready => ("False", "ContainersNotReady"),
        State::Succeeded => ("False", "PodCompleted"),
        State::Failed => ("False", "PodFailed"),
    };
    let names: Vec<&str> = object::list_at(present, &["spec", "containers"])
        .iter()
        .map(|one| object::str_at(one, &["name"]))
        .collect();
    let message = match state {
        State::Crashing | State::Unready => {
            format!("containers with unready status: [{}]", names.join(" "))
        }
        _ => String::new(),
    };
    let has_sandbox = if matches!(state, State::Succeeded | State::Failed) {
        "False"
    } else {
        "True"
    };
    let wanted = [
        ("PodReadyToStartContainers", has_sandbox, "", String::new()),
        (
            "Initialized",
            "True",
            if state == State::Succeeded {
                "PodCompleted"
            } else {
                ""
            },
            String::new(),
        ),
        ("Ready", ready, reason, message.clone()),
        ("ContainersReady", ready, reason, message),
        ("PodScheduled", "True", "", String::new()),
    ]
    .map(|(kind, status, reason, message)| Wanted {
        kind,
        status,
        reason,
        message,
    });
    conditions(present, &wanted, Times::Transition, now)
}

fn started<'a>(present: &'a Value, now: &'a str) -> &'a str {
    match object::str_at(present, &["status", "startTime"]) {
        "" => now,
        time => time,
    }
}

/// An address from the range of pods in many clusters, fixed by the name.
fn address(present: &Value) -> String {
    let hash = fnv(&[object::namespace(present), object::name(present)]);
    format!("10.244.{}.{}", (hash >> 8) % 256, 1 + hash % 254)
}

/// Statuses of the containers at `key`; null when there are none.
fn statuses(present: &Value, key: &str, state: State, now: &str) -> Value {
    let containers = object::list_at(present, &["spec", key]);
    if containers.is_empty() {
        return Value::Null;
    }
    let field = if key == "containers" {
        "containerStatuses"
    } else {
        "initContainerStatuses"
    };
    let known = object::list_at(present, &["status", field]);
    let old = |name: &str| {
        known
            .iter()
            .find(|one| object::str_at(one, &["name"]) == name)
    };
    containers
        .iter()
        .map(|one| {
            let name = object::str_at(one, &["name"]);
            status(one, old(name), state, started(present, now), now)
        })
        .collect()
}

fn status(container: &Value, old: Option<&Value>, state: State, started: &str, now: &str) -> Value {
    let (name, image) = (
        object::str_at(container, &["name"]),
        object::str_at(container, &["image"]),
    );
    let terminated = |code: i64, reason: &str| {
        let finished = old
            .map(|old| object::str_at(old, &["state", "terminated", "finishedAt"]))
            .filter(|time| !time.is_empty())
            .unwrap_or(now);
        json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished}})
    };
    let running = |is_ready: bool| {
        (
            json!({"running": {"startedAt": started}}),
            is_ready,
            true,
            0,
        )
    };
    let (shown, is_ready, is_started, restarts) = match state {
        State::Running => running(true),
        State::Unready => running(false),
        State::Crashing => {
            let message = format!("back-off 5m0s restarting failed container={name}");
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}),
                false,
                false,
                5,
            )
        }
        State::Succeeded => (terminated(0, "Completed"), false, false, 0),
        State::Failed => (terminated(1, "Error"), false, false, 0),
    };
    let mut fields = Map::new();
    fields.insert("name".to_owned(), name.into());
    fields.insert("image".to_owned(), image.into());
    fields.insert("imageID".to_owned(), image.into());
    fields.insert("state".to_owned(), shown);
    fields.insert("lastState".to_owned(), json!({}));
    fields.insert("ready".to_owned(), is_ready.into());
    fields.insert("started".to_owned(), is_started.into());
    fields.insert("restartCount".to_owned(), restarts.into());
    Value::Object(fields)
}
