//! Filling in what clients leave out of built-in kinds.
//!
//! In: group, kind and object. Out: the object as the server would store it, but for what it allocates (addresses, ports, names) and
//! what admission adds. Most of it is in `defaults.txt`; here is what depends on more than one field.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::normalise::normalise;
use super::rules::Rules;

fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    // A test reads the text, so it can be read.
    RULES.get_or_init(|| Rules::parse(include_str!("defaults.txt")).unwrap_or_default())
}

/// Fills in the defaults of a built-in kind; idempotent. Kinds without defaults stay as they are.
///
/// `group` is empty for the core group. The object may have any shape: what is not as it should be is left alone.
pub fn apply_defaults(group: &str, kind: &str, object: &mut Value) {
    if !object.is_object() {
        return;
    }
    before(group, kind, object);
    rules().apply(&format!("{group}/{kind}"), object);
    if let Some(spec) = pod_spec(group, kind, object) {
        pod_defaults(spec);
    }
    after(group, kind, object);
    normalise(kind, object);
}

/// What an object gets once, when it is created with its `metadata.uid`: the selector and labels of a Job, the finalizer of a
/// Namespace.
pub fn prepare_create(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Namespace") => {
            if let Some(spec) = make(object, "spec") {
                spec.entry("finalizers")
                    .or_insert_with(|| json!(["kubernetes"]));
            }
        }
        ("batch", "Job") => select_by_uid(object),
        _ => {}
    }
}

/// The pod spec of a kind that has one.
fn pod_spec<'a>(group: &str, kind: &str, object: &'a mut Value) -> Option<&'a mut Value> {
    let pointer = match (group, kind) {
        ("", "Pod") => "/spec",
        ("", "PodTemplate") => "/template/spec",
        ("", "ReplicationController")
        | ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet")
        | ("batch", "Job") => "/spec/template/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    object.pointer_mut(pointer)
}

/// The object at `key`, made when it is missing.
fn make<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = object.as_object_mut()?.entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = json!({});
    }
    entry.as_object_mut()
}

fn before(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Secret") => fold_string_data(object),
        ("batch", "Job") => {
            if !object
                .pointer("/spec/backoffLimitPerIndex")
                .unwrap_or(&Value::Null)
                .is_null()
                && let Some(spec) = make(object, "spec")
            {
                spec.entry("backoffLimit").or_insert(json!(i32::MAX));
            }
        }
        _ => {}
    }
}

fn after(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Pod") => {
            requests_from_limits(object);
            host_ports(object);
            quality_of_service(object);
        }
        ("", "Service") => service(object),
        ("", "Namespace") => {
            let name = object
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if let (Some(name), Some(metadata)) = (name, object.get_mut("metadata"))
                && let Some(labels) = make(metadata, "labels")
            {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
            }
        }
        ("", "ReplicationController") => labels_from_template(object, true),
        ("batch", "Job") => labels_from_template(object, false),
        ("networking.k8s.io", "NetworkPolicy") => policy_types(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => subjects(object),
        _ => {}
    }
}

/// `stringData` is written into `data` and dropped.
fn fold_string_data(object: &mut Value) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    let Some(Value::Object(plain)) = map.remove("stringData") else {
        return;
    };
    if plain.is_empty() {
        return;
    }
    let data = map.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = json!({});
    }
    let Some(data) = data.as_object_mut() else {
        return;
    };
    for (key, value) in plain {
        if let Value::String(text) = value {
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

fn each<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = object.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn pod_defaults(spec: &mut Value) {
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for container in each(spec, key) {
            let image = container
                .get("image")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let policy = if is_latest(image) {
                "Always"
            } else {
                "IfNotPresent"
            };
            let policy_entry = container.entry("imagePullPolicy").or_insert(Value::Null);
            if policy_entry.is_null() || policy_entry == "" {
                *policy_entry = policy.into();
            }
        }
    }
    for volume in each(spec, "volumes") {
        if !volume
            .iter()
            .any(|(key, value)| key != "name" && !value.is_null())
        {
            volume.insert("emptyDir".to_owned(), json!({}));
        }
    }
    // The old name of the service account is kept in step with the new one.
    if let Some(map) = spec.as_object_mut() {
        let name = ["serviceAccountName", "serviceAccount"]
            .into_iter()
            .find_map(|key| {
                map.get(key)
                    .filter(|value| value.as_str().is_some_and(|name| !name.is_empty()))
                    .cloned()
            });
        if let Some(name) = name {
            map.insert("serviceAccountName".to_owned(), name.clone());
            map.insert("serviceAccount".to_owned(), name);
        }
    }
}

/// On the network of the node a port of a container is one of the node.
fn host_ports(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for key in ["containers", "initContainers"] {
        for container in each(spec, key).filter(|_| host_network) {
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
                if let Some(number) = port.get("containerPort").cloned() {
                    port.entry("hostPort").or_insert(number);
                }
            }
        }
    }
}

/// Whether an image reference means the tag `latest`: it names it, or neither a tag nor a digest.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn requests_from_limits(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    for key in ["containers", "initContainers"] {
        for container in each(spec, key) {
            let Some(resources) = container.get_mut("resources") else {
                continue;
            };
            let Some(Value::Object(limits)) = resources.get("limits").cloned() else {
                continue;
            };
            let Some(requests) = make(resources, "requests") else {
                continue;
            };
            for (resource, amount) in limits {
                requests.entry(resource).or_insert(amount);
            }
        }
    }
}

/// `status.qosClass` from the resources of the containers, which cannot change afterwards.
fn quality_of_service(object: &mut Value) {
    let containers = object
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let amount =
        |one: &Value, kind: &str, resource: &str| one["resources"][kind].get(resource).cloned();
    let guaranteed = !containers.is_empty()
        && containers.iter().all(|one| {
            ["cpu", "memory"].iter().all(|resource| {
                let limit = amount(one, "limits", resource);
                limit.is_some() && limit == amount(one, "requests", resource)
            })
        });
    let asks = containers.iter().any(|one| {
        ["limits", "requests"].iter().any(|kind| {
            ["cpu", "memory"]
                .iter()
                .any(|resource| amount(one, kind, resource).is_some())
        })
    });
    let class = match (guaranteed, asks) {
        (true, _) => "Guaranteed",
        (false, true) => "Burstable",
        (false, false) => "BestEffort",
    };
    if let Some(status) = make(object, "status") {
        status.entry("qosClass").or_insert(class.into());
    }
}

fn service(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    if spec.get("sessionAffinity").and_then(Value::as_str) == Some("None")
        && let Some(map) = spec.as_object_mut()
    {
        map.remove("sessionAffinityConfig");
    }
    for port in each(spec, "ports") {
        let number = port.get("port").cloned().unwrap_or(json!(0));
        let target = port.entry("targetPort").or_insert(Value::Null);
        if target.is_null() || *target == json!(0) || *target == json!("") {
            *target = number;
        }
    }
}

fn labels_from_template(object: &mut Value, selector_too: bool) {
    let Some(Value::Object(labels)) = object.pointer("/spec/template/metadata/labels").cloned()
    else {
        return;
    };
    let empty = |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(Map::is_empty);
    if selector_too
        && empty(object.pointer("/spec/selector"))
        && let Some(spec) = make(object, "spec")
    {
        spec.insert("selector".to_owned(), Value::Object(labels.clone()));
    }
    if empty(object.pointer("/metadata/labels"))
        && let Some(metadata) = make(object, "metadata")
    {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
}

fn policy_types(object: &mut Value) {
    let has_egress = object
        .pointer("/spec/egress")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    let Some(spec) = make(object, "spec") else {
        return;
    };
    let types = spec.entry("policyTypes").or_insert(Value::Null);
    if types.is_null() || *types == json!([]) {
        *types = if has_egress {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
    }
}

fn autoscaler(object: &mut Value) {
    // Version 1 has a percentage in place of the list of metrics, without a default.
    if object.get("apiVersion").and_then(Value::as_str) == Some("autoscaling/v1") {
        return;
    }
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    if let Some(map) = spec.as_object_mut() {
        let metrics = map.entry("metrics").or_insert(Value::Null);
        if metrics.is_null() || *metrics == json!([]) {
            *metrics = json!([{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        }
    }
    let Some(behavior) = spec
        .get_mut("behavior")
        .filter(|behavior| behavior.is_object())
    else {
        return;
    };
    let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]});
    let down = json!({"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]});
    for (key, defaults) in [("scaleUp", up), ("scaleDown", down)] {
        let Some(rules) = make(behavior, key) else {
            continue;
        };
        for (field, value) in defaults.as_object().into_iter().flatten() {
            let entry = rules.entry(field.clone()).or_insert(Value::Null);
            if entry.is_null() {
                *entry = value.clone();
            }
        }
    }
}

fn subjects(object: &mut Value) {
    for subject in each(object, "subjects") {
        let kind = subject
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_person = matches!(kind, "User" | "Group");
        let blank = subject
            .get("apiGroup")
            .is_none_or(|group| group.is_null() || group == "");
        if is_person && blank {
            subject.insert("apiGroup".to_owned(), "rbac.authorization.k8s.io".into());
        }
    }
}

/// A Job without `manualSelector` selects the pods it makes by its own uid.
fn select_by_uid(object: &mut Value) {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (uid, name) = (text("/metadata/uid"), text("/metadata/name"));
    let manual = object.pointer("/spec/manualSelector") == Some(&Value::Bool(true));
    if manual || uid.is_empty() {
        return;
    }
    let labels = [
        ("controller-uid", &uid),
        ("job-name", &name),
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
    ];
    // Labels taken over from the template stay in step with it.
    if object.pointer("/metadata/labels") == object.pointer("/spec/template/metadata/labels")
        && let Some(Value::Object(map)) = object.pointer_mut("/metadata/labels")
    {
        map.extend(
            labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_str().into())),
        );
    }
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    let selector = make(spec, "selector").and_then(|selector| {
        let chosen = selector.entry("matchLabels").or_insert(Value::Null);
        if chosen.is_null() {
            *chosen = json!({});
        }
        chosen.as_object_mut()
    });
    if let Some(selector) = selector {
        selector.insert(
            "batch.kubernetes.io/controller-uid".to_owned(),
            uid.as_str().into(),
        );
    }
    if let Some(template) = spec.get_mut("template")
        && make(template, "metadata").is_some()
        && let Some(metadata) = template.get_mut("metadata")
        && let Some(map) = make(metadata, "labels")
    {
        for (key, value) in labels {
            map.insert(key.to_owned(), value.as_str().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_can_be_read() {
        assert!(Rules::parse(include_str!("defaults.txt")).is_ok());
    }

    #[test]
    fn images_without_tag_and_digest_are_latest() {
        let cases = [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1", false),
            ("r:5000/nginx", true),
            ("r:5000/nginx:1", false),
            ("nginx@sha256:0", false),
            ("nginx:latest@sha256:0", false),
            ("", true),
        ];
        for (image, latest) in cases {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }
}
