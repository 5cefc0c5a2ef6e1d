//! One object: how large it is and what is wrong with it. Pure.

use std::collections::BTreeMap;

use api::limits::ETCD_REQUEST_BYTES;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// From this share of etcd's limit an object is worth a warning, in percent.
const WARN_PERCENT: usize = 60;
/// Members of an object that are named.
const PARTS_MAX: usize = 3;
/// Members below this share of an object are not named, in percent.
const PART_PERCENT_MIN: usize = 5;
/// How long a deletion may take before somebody should look.
const DELETION_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Directories of a bundle that are named.
const DIRECTORIES_MAX: usize = 5;

/// Size of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Size {
    pub(super) object: String,
    pub(super) bytes: usize,
    /// Share of what etcd takes.
    pub(super) etcd_percent: usize,
    /// Its largest members, largest first, with their bytes.
    pub(super) parts: Vec<(String, usize)>,
    /// What to do about it; empty while it is small enough.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    pub(super) object: String,
    pub(super) what: String,
}

/// `kind namespace/name`
pub(super) fn name(kind: &str, object: &Value) -> String {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match (text("/metadata/namespace"), text("/metadata/name")) {
        ("", name) => format!("{kind} {name}"),
        (namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

/// Measures an object as it is stored.
pub(super) fn size(kind: &str, object: &Value) -> Size {
    let bytes = bytes_of(object);
    let etcd_percent = percent(bytes, ETCD_REQUEST_BYTES);
    let advice = if etcd_percent < WARN_PERCENT {
        String::new()
    } else if kind == "Bundle" {
        split(object)
    } else {
        format!("more than {WARN_PERCENT} % of what etcd takes")
    };
    Size {
        object: name(kind, object),
        bytes,
        etcd_percent,
        parts: parts(object, bytes),
        advice,
    }
}

fn bytes_of(value: &Value) -> usize {
    api::limits::json_len(value)
}

fn percent(part: usize, whole: usize) -> usize {
    part.saturating_mul(100) / whole.max(1)
}

/// The largest members of the members at the top: `spec.resources`, `metadata.managedFields`.
fn parts(object: &Value, bytes: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (outer, value) in object.as_object().into_iter().flatten() {
        for (inner, value) in value.as_object().into_iter().flatten() {
            found.push((format!("{outer}.{inner}"), bytes_of(value)));
        }
        if value.is_string() {
            found.push((outer.clone(), bytes_of(value)));
        }
    }
    found.retain(|(_, part)| percent(*part, bytes) >= PART_PERCENT_MIN);
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found.truncate(PARTS_MAX);
    found
}

/// How to make smaller bundles of a large one: by its directories.
fn split(bundle: &Value) -> String {
    let resources = bundle.pointer("/spec/resources").and_then(Value::as_array);
    let mut directories: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in resources.into_iter().flatten() {
        let name = resource
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let directory = name
            .rsplit_once('/')
            .map_or(".", |(directory, _)| directory);
        *directories.entry(directory).or_default() += bytes_of(resource);
    }
    let mut largest: Vec<(&str, usize)> = directories.into_iter().collect();
    if largest.is_empty() {
        return "its status is what makes it large, not its files".to_owned();
    }
    largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    largest.truncate(DIRECTORIES_MAX);
    let largest: Vec<String> = largest
        .into_iter()
        .map(|(directory, bytes)| format!("{directory} ({})", super::kilobytes(bytes)))
        .collect();
    format!(
        "deploy it from a GitRepo or with flotilla apply, which store its files in chunks; or give directories a \
         fleet.yaml of their own, largest first: {}",
        largest.join(", ")
    )
}

/// What is wrong with an object by its own account.
pub(super) fn problem(kind: &str, object: &Value, now: Timestamp) -> Option<Problem> {
    let what = deletion(object, now)
        .or_else(|| silent_agent(kind, object))
        .or_else(|| condition(object))?;
    Some(Problem {
        object: name(kind, object),
        what,
    })
}

/// What a deployment says without the cluster in front, so that clusters in the same trouble say the
/// same.
pub(super) fn without_cluster(what: &str) -> &str {
    let rest = what.strip_prefix("cluster ");
    rest.and_then(|rest| rest.split_once(": "))
        .map_or(what, |(_, rest)| rest)
}

fn deletion(object: &Value, now: Timestamp) -> Option<String> {
    let since = object.pointer("/metadata/deletionTimestamp")?.as_str()?;
    let at: Timestamp = since.parse().ok()?;
    if now.duration_since(at) < DELETION_PATIENCE {
        return None;
    }
    let finalizers = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Some(format!(
        "deleted since {since}, waits for {}",
        finalizers.join(", ")
    ))
}

fn silent_agent(kind: &str, object: &Value) -> Option<String> {
    if kind != "Cluster" {
        return None;
    }
    if let Some(message) = message_of(object, "Connected", "False") {
        return Some(message);
    }
    let never = object
        .pointer("/status/agent/lastSeen")
        .is_none_or(Value::is_null);
    never.then(|| "its agent never reported".to_owned())
}

/// The first of the conditions that say what is wrong.
fn condition(object: &Value) -> Option<String> {
    let bad = [
        ("Stalled", "True"),
        ("Accepted", "False"),
        ("Ready", "False"),
        ("Deployed", "False"),
    ];
    bad.into_iter()
        .find_map(|(name, status)| message_of(object, name, status))
}

fn message_of(object: &Value, name: &str, status: &str) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let is = |condition: &&Value, member: &str, wanted: &str| {
        condition.get(member).and_then(Value::as_str) == Some(wanted)
    };
    let found = conditions
        .iter()
        .find(|condition| is(condition, "type", name) && is(condition, "status", status))?;
    let message = found
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(if message.is_empty() {
        format!("{name} is {status}")
    } else {
        message.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_largest_members_are_named_and_small_ones_are_not() {
        let object = json!({
            "metadata": { "name": "a", "namespace": "ns", "labels": { "a": "b" } },
            "spec": { "resources": ["x".repeat(4_000)], "targets": ["y".repeat(900)] },
            "content": "z".repeat(2_000),
        });
        let size = size("Bundle", &object);
        assert_eq!(size.object, "Bundle ns/a");
        let parts: Vec<&str> = size.parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(parts, ["spec.resources", "content", "spec.targets"]);
        assert_eq!((size.etcd_percent, size.advice.as_str()), (0, ""));
    }

    #[test]
    fn a_large_bundle_is_to_be_split_by_its_directories() {
        let file = |name: &str, bytes: usize| json!({ "name": name, "content": "x".repeat(bytes) });
        let object = json!({ "metadata": { "name": "a" }, "spec": { "resources": [
            file("charts/large/values.yaml", 800_000), file("charts/large/Chart.yaml", 100),
            file("charts/small/values.yaml", 200_000), file("top.yaml", 10),
        ] } });
        let found = size("Bundle", &object);
        assert_eq!(
            (found.object.as_str(), found.etcd_percent),
            ("Bundle a", 63)
        );
        let largest = "largest first: charts/large (782 kB), charts/small (196 kB), . (1 kB)";
        assert!(found.advice.ends_with(largest), "{}", found.advice);
        let object = json!({ "status": { "resourceKey": ["x".repeat(1_000_000)] } });
        assert!(size("Bundle", &object).advice.contains("its status"));
        assert!(size("GitRepo", &object).advice.contains("60 %"));
    }

    #[test]
    fn clusters_in_the_same_trouble_say_the_same() {
        for (what, want) in [
            (
                "cluster ns/a: render chart web: no way",
                "render chart web: no way",
            ),
            ("cluster unreachable", "cluster unreachable"),
            ("timed out: cluster ns/a: x", "timed out: cluster ns/a: x"),
        ] {
            assert_eq!(without_cluster(what), want);
        }
    }

    #[test]
    fn what_an_object_says_of_itself_is_repeated() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let with = |name: &str, status: &str, message: &str| {
            json!({ "metadata": { "name": "x", "namespace": "ns" }, "status": {
                "agent": { "lastSeen": "2026-11-23T11:59:00Z" },
                "conditions": [{ "type": name, "status": status, "message": message }] } })
        };
        let deleted = |at: &str| json!({ "metadata": { "name": "x", "deletionTimestamp": at, "finalizers": ["a/b", "c/d"] } });
        for (kind, object, want) in [
            (
                "Bundle",
                with("Ready", "False", "NotReady(1)"),
                Some("NotReady(1)"),
            ),
            ("Bundle", with("Ready", "True", ""), None),
            (
                "GitRepo",
                with("Stalled", "True", "no such branch"),
                Some("no such branch"),
            ),
            ("GitRepo", with("Stalled", "False", ""), None),
            (
                "BundleDeployment",
                with("Deployed", "False", ""),
                Some("Deployed is False"),
            ),
            (
                "Cluster",
                with("Connected", "False", "last heard of"),
                Some("last heard of"),
            ),
            (
                "Cluster",
                json!({ "metadata": {}, "status": {} }),
                Some("its agent never reported"),
            ),
            (
                "Bundle",
                deleted("2026-11-23T11:49:00Z"),
                Some("deleted since 2026-11-23T11:49:00Z, waits for a/b, c/d"),
            ),
            ("Bundle", deleted("2026-11-23T11:55:00Z"), None),
            ("Bundle", deleted("yesterday"), None),
            (
                "Bundle",
                json!({ "status": { "conditions": "none" } }),
                None,
            ),
            ("Bundle", json!(null), None),
        ] {
            let found = problem(kind, &object, now).map(|problem| problem.what);
            assert_eq!(found.as_deref(), want, "{kind} {object}");
        }
    }
}
