//! What somebody added to a live object.
//!
//! A field that was not deployed may be the server's default, or a controller's note. So only those count
//! of which the API server says that somebody else wrote them: they are found by the managers of fields,
//! and told by the path and value of what is live.

use serde_json::{Map, Value};

use super::Difference;
use super::normalise;
use super::path::{Path, Step};
use super::rules::{Identity, Rules};

/// Most additions of an object.
const ADDITIONS_MAX: usize = 100;
/// How deep fields nest.
const DEPTH_MAX: usize = 64;

/// Parts of Kubernetes that write into objects of others by design.
const CONTROLLERS: [&str; 6] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "kubelet",
    "cloud-controller-manager",
    "k3s",
];
/// What `kubectl apply` notes.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fields of `live` that `desired` does not have and that another manager than `ours` wrote, at most
/// 100. Status, subresources and what metadata holds beside labels and annotations are left out, and so is
/// what `rules` except. `managedFields` have to be there.
pub fn additions(
    desired: &Value,
    live: &Value,
    rules: &Rules,
    ours: impl Fn(&str) -> bool,
) -> Vec<Difference> {
    let entries = live.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    let text = |entry: &Value, member: &str| {
        let found = entry.get(member).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let foreign: Vec<&Map<String, Value>> = entries
        .filter(|entry| {
            let manager = text(entry, "manager");
            let is_own = ours(&manager) || CONTROLLERS.contains(&manager.as_str());
            !is_own && text(entry, "subresource").is_empty()
        })
        .filter_map(|entry| entry.get("fieldsV1")?.as_object())
        .collect();
    if foreign.is_empty() {
        return Vec::new();
    }
    let identity = Identity::of(desired);
    let (mut desired, mut live) = (desired.clone(), live.clone());
    for object in [&mut desired, &mut live] {
        normalise::prepare(&identity, object);
        rules.apply(&identity, object);
    }
    let mut found = Vec::new();
    for fields in foreign {
        let mut path = Vec::new();
        walk(fields, &live, Some(&desired), &mut path, &mut found);
    }
    found
}

/// Goes through the fields of a manager.
fn walk(
    fields: &Map<String, Value>,
    live: &Value,
    desired: Option<&Value>,
    path: &mut Vec<Step>,
    found: &mut Vec<Difference>,
) {
    if path.len() > DEPTH_MAX {
        return;
    }
    for (key, below) in fields {
        let Some(step) = step_of(key) else { continue };
        if is_left_out(path, &step) {
            continue;
        }
        let at = Path(vec![step.clone()]);
        // It was taken away by somebody, or by a rule.
        let Some(value) = at.find(live) else { continue };
        let wanted = desired.and_then(|desired| at.find(desired));
        path.push(step);
        let below = below
            .as_object()
            .filter(|below| below.keys().any(|key| key != "."));
        let is_element = matches!(path.last(), Some(Step::Keyed(_)));
        match (below, wanted) {
            // A whole element: the keys alone say nothing.
            (_, None) if is_element => add(path, value, found),
            (Some(below), _) => walk(below, value, wanted, path, found),
            (None, None) => add(path, value, found),
            (None, Some(_)) => {}
        }
        path.pop();
    }
}

fn add(path: &[Step], value: &Value, found: &mut Vec<Difference>) {
    let path = Path(path.to_vec());
    if found.len() < ADDITIONS_MAX && !found.iter().any(|known| known.path == path) {
        found.push(Difference {
            path,
            desired: None,
            live: Some(value.clone()),
        });
    }
}

/// A step as managed fields write it; elements that are known by value or place are none.
fn step_of(key: &str) -> Option<Step> {
    if let Some(name) = key.strip_prefix("f:") {
        return Some(Step::Member(name.to_owned()));
    }
    let keys: Map<String, Value> = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    Some(Step::Keyed(keys.into_iter().collect()))
}

fn is_left_out(path: &[Step], step: &Step) -> bool {
    let Step::Member(name) = step else {
        return false;
    };
    match path {
        [] => matches!(name.as_str(), "apiVersion" | "kind" | "status"),
        [Step::Member(first)] if first == "metadata" => {
            !matches!(name.as_str(), "labels" | "annotations")
        }
        [Step::Member(first), Step::Member(second)]
            if first == "metadata" && second == "annotations" =>
        {
            name == LAST_APPLIED
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn found(desired: Value, mut live: Value, managed: Value, except: Value) -> Vec<String> {
        live["metadata"]["managedFields"] = managed;
        let rules = serde_json::from_value(json!({ "comparePatches": except })).unwrap();
        let rules = Rules::new(Some(&rules));
        let all = additions(&desired, &live, &rules, |manager| manager == "helm");
        let text = |it: &Difference| format!("{}={}", it.path, it.live.clone().unwrap());
        all.iter().map(text).collect()
    }

    fn by(manager: &str, fields: &Value) -> Value {
        json!({ "manager": manager, "operation": "Update", "fieldsV1": fields })
    }

    #[test]
    fn only_what_somebody_else_wrote_and_was_not_deployed_is_an_addition() {
        let config_map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"l": "1", "added": "x"}}, "data": data});
        let desired = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"a": "1"}});
        let fields = json!({"f:data": {"f:a": {}, "f:b": {}, "f:gone": {}},
            "f:metadata": {"f:labels": {"f:added": {}}, "f:finalizers": {".": {}}}});
        let live = config_map(json!({"a": "2", "b": "2", "defaulted": "3"}));
        let see = |managed: Value| found(desired.clone(), live.clone(), managed, json!([]));
        assert_eq!(
            see(json!([by("kubectl-edit", &fields)])),
            ["data.b=\"2\"", "metadata.labels.added=\"x\""]
        );
        // Twice is once.
        assert_eq!(see(json!([by("x", &fields), by("y", &fields)])).len(), 2);
        for nobodys in [
            json!([by("helm", &fields)]),
            json!([by("kube-controller-manager", &fields)]),
            json!([]),
            json!(null),
            json!("x"),
            json!([3, {"manager": "x"}, {"manager": "x", "fieldsV1": []}]),
            json!([{"manager": "x", "subresource": "status", "fieldsV1": fields}]),
            json!([by(
                "x",
                &json!({"f:status": {"f:b": {}}, "k:{": {}, "v:1": {}, "i:0": {}, "q": 1})
            )]),
        ] {
            assert!(see(nobodys.clone()).is_empty(), "{nobodys}");
        }
        let except = json!([{"kind": "ConfigMap", "apiVersion": "v1", "jsonPointers": ["/data/b", "/metadata/labels"]}]);
        let managed = json!([by("x", &fields)]);
        assert!(found(desired, live, managed, except).is_empty());
    }

    #[test]
    fn elements_of_lists_are_told_as_a_whole_and_fields_of_them_by_themselves() {
        let pod = |containers: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}});
        let desired = pod(json!([{"name": "web", "image": "i"}]));
        let live = pod(
            json!([{"name": "web", "image": "i", "tty": true}, {"name": "side", "image": "s"}]),
        );
        let fields = json!({"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": {"f:tty": {}, "f:image": {}},
            "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}}}}});
        assert_eq!(
            found(desired, live, json!([by("x", &fields)]), json!([])),
            [
                "spec.containers[name=side]={\"image\":\"s\",\"name\":\"side\"}",
                "spec.containers[name=web].tty=true"
            ]
        );
    }

    #[test]
    fn additions_are_bounded() {
        let keys = |value: fn(usize) -> (String, Value)| (0..500).map(value).collect::<Map<_, _>>();
        let data = keys(|n| (format!("k{n}"), json!("v")));
        let fields = keys(|n| (format!("f:k{n}"), json!({})));
        let object = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        let managed = json!([by("x", &json!({"f:data": fields}))]);
        let all = found(object(json!({})), object(json!(data)), managed, json!([]));
        assert_eq!(all.len(), ADDITIONS_MAX);
    }
}
