//! The core group but for pods and storage.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cells::{age, int, is_true, labels, len, list, name, since, some_of, text, text_or};
use super::{AGE, CellsFn, Columns, NAME};

const SERVICE: Columns = &[
    NAME,
    (
        "Type",
        "string",
        0,
        "Type determines how the Service is exposed.",
    ),
    (
        "Cluster-IP",
        "string",
        0,
        "ClusterIP is the IP address of the service.",
    ),
    (
        "External-IP",
        "string",
        0,
        "Addresses for which nodes in the cluster accept traffic for this service.",
    ),
    (
        "Port(s)",
        "string",
        0,
        "The list of ports that are exposed by this service.",
    ),
    AGE,
    (
        "Selector",
        "string",
        1,
        "Route service traffic to pods with matching label keys and values.",
    ),
];
const ENDPOINTS: Columns = &[
    NAME,
    (
        "Endpoints",
        "string",
        0,
        "The set of all endpoints is the union of all subsets.",
    ),
    AGE,
];
const CONFIG_MAP: Columns = &[
    NAME,
    ("Data", "string", 0, "Data contains the configuration data."),
    AGE,
];
const SECRET: Columns = &[
    NAME,
    (
        "Type",
        "string",
        0,
        "Used to facilitate programmatic handling of secret data.",
    ),
    ("Data", "string", 0, "Data contains the secret data."),
    AGE,
];
const NAMESPACE: Columns = &[
    NAME,
    ("Status", "string", 0, "The status of the namespace"),
    AGE,
];
const AGED: Columns = &[NAME, AGE];
const NODE: Columns = &[
    NAME,
    ("Status", "string", 0, "The status of the node"),
    ("Roles", "string", 0, "The roles of the node"),
    AGE,
    (
        "Version",
        "string",
        0,
        "Kubelet Version reported by the node.",
    ),
    (
        "Internal-IP",
        "string",
        1,
        "List of addresses reachable to the node.",
    ),
    (
        "External-IP",
        "string",
        1,
        "List of addresses reachable to the node.",
    ),
    (
        "OS-Image",
        "string",
        1,
        "OS Image reported by the node from /etc/os-release.",
    ),
    (
        "Kernel-Version",
        "string",
        1,
        "Kernel Version reported by the node.",
    ),
    (
        "Container-Runtime",
        "string",
        1,
        "ContainerRuntime Version reported by the node.",
    ),
];
const EVENT: Columns = &[
    (
        "Last Seen",
        "string",
        0,
        "The time at which the most recent occurrence was recorded.",
    ),
    ("Type", "string", 0, "Type of this event (Normal, Warning)."),
    (
        "Reason",
        "string",
        0,
        "The reason for the transition into the object's current status.",
    ),
    (
        "Object",
        "string",
        0,
        "The object that this event is about.",
    ),
    (
        "Subobject",
        "string",
        1,
        "The part of the object that this event is about.",
    ),
    ("Source", "string", 1, "The component reporting this event."),
    (
        "Message",
        "string",
        0,
        "A human-readable description of the status of this operation.",
    ),
    (
        "First Seen",
        "string",
        1,
        "The time at which the event was first recorded.",
    ),
    (
        "Count",
        "string",
        1,
        "The number of times this event has occurred.",
    ),
    ("Name", "string", 1, NAME.3),
];
pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("", "Service") => (SERVICE, service),
        ("", "Endpoints") => (ENDPOINTS, endpoints),
        ("", "ConfigMap") => (CONFIG_MAP, config_map),
        ("", "Secret") => (SECRET, secret),
        ("", "Namespace") => (NAMESPACE, namespace),
        ("", "ServiceAccount") => (AGED, |object, now| vec![name(object), age(object, now)]),
        ("", "Node") => (NODE, node),
        ("" | "events.k8s.io", "Event") => (EVENT, event),
        _ => return None,
    };
    Some(found)
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let port = |port: &Value| {
        let (number, protocol) = (int(port, "/port"), text(port, "/protocol"));
        match int(port, "/nodePort") {
            0 => format!("{number}/{protocol}"),
            node_port => format!("{number}:{node_port}/{protocol}"),
        }
    };
    let ports: Vec<String> = list(object, "/spec/ports").iter().map(port).collect();
    let ports = if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports.join(",")
    };
    vec![
        name(object),
        text(object, "/spec/type").into(),
        text_or(object, "/spec/clusterIPs/0", "<none>"),
        external(object).into(),
        ports.into(),
        age(object, now),
        labels(object.pointer("/spec/selector")),
    ]
}

fn external(object: &Value) -> String {
    let given: Vec<&str> = list(object, "/spec/externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match text(object, "/spec/type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given.join(","),
        "LoadBalancer" => {
            let mut all = balancer(object);
            all.extend(given);
            if all.is_empty() {
                "<pending>".to_owned()
            } else {
                all.join(",")
            }
        }
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses of a load balancer, sorted.
pub(super) fn balancer(object: &Value) -> Vec<&str> {
    let address = |one: &'_ Value| match text(one, "/ip") {
        "" => text(one, "/hostname").to_owned(),
        ip => ip.to_owned(),
    };
    let ingress = list(object, "/status/loadBalancer/ingress");
    let wanted: BTreeSet<String> = ingress
        .iter()
        .map(address)
        .filter(|word| !word.is_empty())
        .collect();
    let words = ingress
        .iter()
        .flat_map(|one| [text(one, "/ip"), text(one, "/hostname")]);
    let found: BTreeSet<&str> = words.filter(|word| wanted.contains(*word)).collect();
    found.into_iter().collect()
}

fn endpoints(object: &Value, now: Timestamp) -> Vec<Value> {
    const MAX: usize = 3;
    let mut words = Vec::new();
    for subset in list(object, "/subsets") {
        let ips: Vec<&str> = list(subset, "/addresses")
            .iter()
            .map(|one| text(one, "/ip"))
            .collect();
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            words.extend(ips.iter().map(|ip| (*ip).to_owned()));
        }
        for port in ports {
            let host = |ip: &str| {
                if ip.contains(':') {
                    format!("[{ip}]")
                } else {
                    ip.to_owned()
                }
            };
            words.extend(
                ips.iter()
                    .map(|ip| format!("{}:{}", host(ip), int(port, "/port"))),
            );
        }
    }
    let shown = if len(object, "/subsets") == 0 {
        "<none>".to_owned()
    } else {
        some_of(&words, MAX, ",")
    };
    vec![name(object), shown.into(), age(object, now)]
}

fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        (len(object, "/data") + len(object, "/binaryData")).into(),
        age(object, now),
    ]
}

fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/type").into(),
        len(object, "/data").into(),
        age(object, now),
    ]
}

fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/status/phase").into(),
        age(object, now),
    ]
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let known = list(object, "/status/conditions")
        .iter()
        .any(|one| text(one, "/type") == "Ready");
    let mut status = match (known, is_true(object, "Ready")) {
        (false, _) => "Unknown".to_owned(),
        (true, true) => "Ready".to_owned(),
        (true, false) => "NotReady".to_owned(),
    };
    if object.pointer("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let found = list(object, "/status/addresses")
            .iter()
            .find(|one| text(one, "/type") == kind);
        found
            .map_or("<none>", |one| text(one, "/address"))
            .to_owned()
    };
    let mut kernel = text_or(object, "/status/nodeInfo/kernelVersion", "<unknown>");
    let architecture = text(object, "/status/nodeInfo/architecture");
    if let (Value::String(kernel), false) = (&mut kernel, architecture.is_empty()) {
        *kernel = format!("{kernel} ({architecture})");
    }
    vec![
        name(object),
        status.into(),
        roles(object).into(),
        age(object, now),
        text(object, "/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        text_or(object, "/status/nodeInfo/osImage", "<unknown>"),
        kernel,
        text_or(
            object,
            "/status/nodeInfo/containerRuntimeVersion",
            "<unknown>",
        ),
    ]
}

fn roles(object: &Value) -> String {
    let labels = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let role = |(key, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()),
            None => (key == "kubernetes.io/role").then(|| value.to_owned()),
        }
    };
    let roles: BTreeSet<String> = labels
        .into_iter()
        .flatten()
        .filter_map(role)
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() {
        return "<none>".to_owned();
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    // `events.k8s.io/v1` has other names for the same fields.
    let either = |old: &str, new: &str| match text(object, old) {
        "" => text(object, new).to_owned(),
        text => text.to_owned(),
    };
    let first = since(&either(&either_time(object, "first"), "/eventTime"), now);
    let last_time = either(&either_time(object, "last"), "");
    let mut last = if last_time.is_empty() {
        first.clone()
    } else {
        since(&last_time, now)
    };
    let mut count = int(object, "/count")
        .max(int(object, "/deprecatedCount"))
        .max(1);
    if object["series"].is_object() {
        last = since(text(object, "/series/lastObservedTime"), now);
        count = int(object, "/series/count");
    }
    let about = if object["involvedObject"].is_object() {
        "/involvedObject"
    } else {
        "/regarding"
    };
    let kind = text(object, &format!("{about}/kind")).to_lowercase();
    let target = match text(object, &format!("{about}/name")) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = either("/source/component", "/reportingController");
    let component = if component.is_empty() {
        either("/reportingComponent", "")
    } else {
        component
    };
    let source = match either("/source/host", "/reportingInstance") {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    };
    vec![
        last.into(),
        text(object, "/type").into(),
        text(object, "/reason").into(),
        target.into(),
        text(object, &format!("{about}/fieldPath")).into(),
        source.into(),
        either("/message", "/note").trim().into(),
        first.into(),
        count.into(),
        name(object),
    ]
}

/// The pointer of the first or last timestamp in the form the event has.
fn either_time(object: &Value, which: &str) -> String {
    let old = format!("/{which}Timestamp");
    if text(object, &old).is_empty() {
        let (head, tail) = which.split_at(1);
        return format!("/deprecated{}{tail}Timestamp", head.to_uppercase());
    }
    old
}
