//! Workloads of `apps`, autoscaling and disruption budgets.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, containers, int, int_or_string, list, name, selector, text};
use super::{AGE, CONTAINERS, CellsFn, Columns, IMAGES, NAME, SELECTOR};

const DEPLOYMENT: Columns = &[
    NAME,
    ("Ready", "string", 0, "Number of the pod with ready state"),
    (
        "Up-to-date",
        "string",
        0,
        "Non-terminated pods that have the desired template spec.",
    ),
    (
        "Available",
        "string",
        0,
        "Available non-terminating pods of this deployment.",
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const STATEFUL_SET: Columns = &[
    NAME,
    ("Ready", "string", 0, "Number of the pod with ready state"),
    AGE,
    CONTAINERS,
    IMAGES,
];
const DAEMON_SET: Columns = &[
    NAME,
    (
        "Desired",
        "integer",
        0,
        "Number of nodes that should be running the daemon pod.",
    ),
    (
        "Current",
        "integer",
        0,
        "Number of nodes that run the daemon pod and are supposed to.",
    ),
    (
        "Ready",
        "integer",
        0,
        "Number of nodes that run a ready daemon pod.",
    ),
    (
        "Up-to-date",
        "integer",
        0,
        "Number of nodes that run the updated daemon pod.",
    ),
    (
        "Available",
        "integer",
        0,
        "Number of nodes that run an available daemon pod.",
    ),
    (
        "Node Selector",
        "string",
        0,
        "Labels a node must have for the pod to fit on it.",
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const REPLICA_SET: Columns = &[
    NAME,
    ("Desired", "integer", 0, "Number of desired pods."),
    ("Current", "integer", 0, "Number of observed pods."),
    ("Ready", "integer", 0, "Number of ready pods."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const REVISION: Columns = &[
    NAME,
    ("Controller", "string", 0, "Controller of the object"),
    (
        "Revision",
        "string",
        0,
        "Revision indicates the revision of the state represented by Data.",
    ),
    AGE,
];
const AUTOSCALER: Columns = &[
    NAME,
    ("Reference", "string", 0, "The target resource to scale."),
    (
        "Targets",
        "string",
        0,
        "The specifications from which to calculate the desired replica count.",
    ),
    (
        "MinPods",
        "string",
        0,
        "The lower limit for the number of replicas.",
    ),
    (
        "MaxPods",
        "string",
        0,
        "The upper limit for the number of replicas.",
    ),
    (
        "Replicas",
        "string",
        0,
        "The current number of replicas of pods managed by this autoscaler.",
    ),
    AGE,
];
const BUDGET: Columns = &[
    NAME,
    (
        "Min Available",
        "string",
        0,
        "The minimum number of pods that must be available.",
    ),
    (
        "Max Unavailable",
        "string",
        0,
        "The maximum number of pods that may be unavailable.",
    ),
    (
        "Allowed Disruptions",
        "integer",
        0,
        "Calculated number of pods that may be disrupted at this time.",
    ),
    AGE,
];

const POD_TEMPLATE: Columns = &[
    NAME,
    ("Containers", "string", 0, CONTAINERS.3),
    ("Images", "string", 0, IMAGES.3),
    (
        "Pod Labels",
        "string",
        0,
        "The labels for the pod template.",
    ),
];

const POD_CONTAINERS: &str = "/spec/template/spec/containers";

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("apps", "Deployment") => (DEPLOYMENT, deployment),
        ("apps", "StatefulSet") => (STATEFUL_SET, stateful_set),
        ("apps", "DaemonSet") => (DAEMON_SET, daemon_set),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => (REPLICA_SET, replica_set),
        ("apps", "ControllerRevision") => (REVISION, revision),
        ("autoscaling", "HorizontalPodAutoscaler") => (AUTOSCALER, autoscaler),
        ("policy", "PodDisruptionBudget") => (BUDGET, budget),
        ("", "PodTemplate") => (POD_TEMPLATE, pod_template),
        _ => return None,
    };
    Some(found)
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(object, POD_CONTAINERS);
    let ready = format!(
        "{}/{}",
        int(object, "/status/readyReplicas"),
        int(object, "/spec/replicas")
    );
    vec![
        name(object),
        ready.into(),
        int(object, "/status/updatedReplicas").into(),
        int(object, "/status/availableReplicas").into(),
        age(object, now),
        names,
        images,
        selector(object.pointer("/spec/selector")),
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(object, POD_CONTAINERS);
    let ready = format!(
        "{}/{}",
        int(object, "/status/readyReplicas"),
        int(object, "/spec/replicas")
    );
    vec![name(object), ready.into(), age(object, now), names, images]
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(object, POD_CONTAINERS);
    vec![
        name(object),
        int(object, "/status/desiredNumberScheduled").into(),
        int(object, "/status/currentNumberScheduled").into(),
        int(object, "/status/numberReady").into(),
        int(object, "/status/updatedNumberScheduled").into(),
        int(object, "/status/numberAvailable").into(),
        super::cells::labels(object.pointer("/spec/template/spec/nodeSelector")),
        age(object, now),
        names,
        images,
        selector(object.pointer("/spec/selector")),
    ]
}

fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(object, POD_CONTAINERS);
    let chosen = object.pointer("/spec/selector");
    let chosen = match text(object, "/kind") {
        "ReplicationController" => super::cells::labels(chosen),
        _ => selector(chosen),
    };
    vec![
        name(object),
        int(object, "/spec/replicas").into(),
        int(object, "/status/replicas").into(),
        int(object, "/status/readyReplicas").into(),
        age(object, now),
        names,
        images,
        chosen,
    ]
}

fn revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let owner = list(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| owner["controller"] == Value::Bool(true));
    let controller = owner.map_or_else(
        || "<none>".to_owned(),
        |owner| {
            let group = text(owner, "/apiVersion")
                .split_once('/')
                .map_or("", |(group, _)| group);
            let kind = text(owner, "/kind").to_lowercase();
            let dot = if group.is_empty() { "" } else { "." };
            format!("{kind}{dot}{group}/{}", text(owner, "/name"))
        },
    );
    vec![
        name(object),
        controller.into(),
        int(object, "/revision").into(),
        age(object, now),
    ]
}

fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let reference = format!(
        "{}/{}",
        text(object, "/spec/scaleTargetRef/kind"),
        text(object, "/spec/scaleTargetRef/name")
    );
    vec![
        name(object),
        reference.into(),
        metrics(object).into(),
        int_or_string(object.pointer("/spec/minReplicas"), "<unset>"),
        int(object, "/spec/maxReplicas").into(),
        int(object, "/status/currentReplicas").into(),
        age(object, now),
    ]
}

/// Current and wanted value of each metric, two at most.
fn metrics(object: &Value) -> String {
    const MAX: usize = 2;
    let specs = list(object, "/spec/metrics");
    // `autoscaling/v1` has one field instead of the list.
    if let (true, Some(percent)) = (
        specs.is_empty(),
        object.pointer("/spec/targetCPUUtilizationPercentage"),
    ) {
        let current = int_or_string(
            object.pointer("/status/currentCPUUtilizationPercentage"),
            "<unknown>",
        );
        let current = current.as_str().map_or("<unknown>", |text| text).to_owned();
        let percent_sign = if current == "<unknown>" { "" } else { "%" };
        return format!("cpu: {current}{percent_sign}/{percent}%");
    }
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let statuses = list(object, "/status/currentMetrics");
    let words: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index)))
        .collect();
    super::cells::some_of(&words, MAX, ", ")
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let kind = text(spec, "/type");
    let key = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let target = &spec[key]["target"];
    let current = status.map_or(&Value::Null, |status| &status[key]["current"]);
    let shown =
        |value: &Value, missing: &str, suffix: &str| match int_or_string(Some(value), missing) {
            Value::String(text) if text != missing => format!("{text}{suffix}"),
            _ => missing.to_owned(),
        };
    let average = target.get("averageValue").is_some();
    if matches!(kind, "Resource" | "ContainerResource") {
        let resource = text(spec, &format!("/{key}/name"));
        if average {
            let now = shown(&current["averageValue"], "<unknown>", "");
            return format!(
                "{resource}: {now}/{}",
                shown(&target["averageValue"], "", "")
            );
        }
        let now = shown(&current["averageUtilization"], "<unknown>", "%");
        return format!(
            "{resource}: {now}/{}",
            shown(&target["averageUtilization"], "<auto>", "%")
        );
    }
    if average || kind == "Pods" {
        let suffix = if kind == "Pods" { "" } else { " (avg)" };
        let now = shown(&current["averageValue"], "<unknown>", "");
        return format!("{now}/{}{suffix}", shown(&target["averageValue"], "", ""));
    }
    format!(
        "{}/{}",
        shown(&current["value"], "<unknown>", ""),
        shown(&target["value"], "", "")
    )
}

fn budget(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        int_or_string(object.pointer("/spec/minAvailable"), "N/A"),
        int_or_string(object.pointer("/spec/maxUnavailable"), "N/A"),
        int(object, "/status/disruptionsAllowed").into(),
        age(object, now),
    ]
}

fn pod_template(object: &Value, _now: Timestamp) -> Vec<Value> {
    let [names, images] = containers(object, "/template/spec/containers");
    let labels = super::cells::labels(object.pointer("/template/metadata/labels"));
    vec![name(object), names, images, labels]
}
