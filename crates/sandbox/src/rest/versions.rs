//! Built-in kinds that two versions show differently: Events and HorizontalPodAutoscalers.
//!
//! All other kinds are stored as they are served. Events are stored as core/v1, autoscalers as
//! autoscaling/v2. Source: kubernetes `pkg/apis/events/v1/conversion.go`,
//! `pkg/apis/autoscaling/v1/conversion.go`.

use serde_json::{Map, Value, json};

use crate::object;
use crate::registry::Resource;

/// Fields of core/v1 Events under their names in events.k8s.io/v1.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];
/// Where autoscaling/v1 keeps metrics it has no field for.
const METRICS_ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/metrics";
/// Where autoscaling/v1 keeps scaling rules.
const BEHAVIOR_ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The stored form of an object of `resource`.
pub(crate) fn to_stored(resource: &Resource, object: &Value) -> Value {
    let mut stored = object.clone();
    match resource.plural.as_str() {
        "events" => rename(&mut stored, EVENT_FIELDS.map(|(core, new)| (new, core))),
        "horizontalpodautoscalers" => autoscaler_to_v2(&mut stored),
        _ => {}
    }
    object::as_object_mut(&mut stored).insert(
        "apiVersion".to_owned(),
        resource.stored_version.clone().into(),
    );
    stored
}

/// An object of `resource` from its stored form.
pub(crate) fn from_stored(resource: &Resource, stored: &Value) -> Value {
    let mut object = stored.clone();
    match resource.plural.as_str() {
        "events" => rename(&mut object, EVENT_FIELDS),
        "horizontalpodautoscalers" => autoscaler_to_v1(&mut object),
        _ => {}
    }
    object::as_object_mut(&mut object)
        .insert("apiVersion".to_owned(), resource.api_version.clone().into());
    object
}

fn rename<const N: usize>(object: &mut Value, names: [(&str, &str); N]) {
    let fields = object::as_object_mut(object);
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}

fn autoscaler_to_v2(object: &mut Value) {
    let annotations = take_annotations(object);
    let spec = object::member_mut(object, "spec");
    let mut metrics: Vec<Value> = annotations.0;
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage") {
        metrics.insert(
            0,
            json!({"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": percent}}}),
        );
    }
    if !metrics.is_empty() {
        spec.insert("metrics".to_owned(), Value::Array(metrics));
    }
    if let Some(behavior) = annotations.1 {
        spec.insert("behavior".to_owned(), behavior);
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(percent) = status.remove("currentCPUUtilizationPercentage")
    {
        let current = json!([{"type": "Resource", "resource": {"name": "cpu",
            "current": {"averageUtilization": percent}}}]);
        status.insert("currentMetrics".to_owned(), current);
    }
}

fn take_annotations(object: &mut Value) -> (Vec<Value>, Option<Value>) {
    let meta = object::metadata_mut(object);
    let Some(Value::Object(annotations)) = meta.get_mut("annotations") else {
        return (Vec::new(), None);
    };
    let mut take = |key: &str| -> Option<Value> {
        serde_json::from_str(annotations.remove(key)?.as_str()?).ok()
    };
    let metrics = match take(METRICS_ANNOTATION) {
        Some(Value::Array(metrics)) => metrics,
        _ => Vec::new(),
    };
    let behavior = take(BEHAVIOR_ANNOTATION);
    if annotations.is_empty() {
        meta.remove("annotations");
    }
    (metrics, behavior)
}

fn autoscaler_to_v1(object: &mut Value) {
    let spec = object::member_mut(object, "spec");
    let metrics = match spec.remove("metrics") {
        Some(Value::Array(metrics)) => metrics,
        _ => Vec::new(),
    };
    let mut others = Vec::new();
    for metric in metrics {
        match cpu_percent(&metric, "target") {
            Some(percent) if !spec.contains_key("targetCPUUtilizationPercentage") => {
                spec.insert("targetCPUUtilizationPercentage".to_owned(), percent);
            }
            _ => others.push(metric),
        }
    }
    let behavior = spec.remove("behavior");
    let mut annotations = Map::new();
    if !others.is_empty() {
        annotations.insert(
            METRICS_ANNOTATION.to_owned(),
            Value::Array(others).to_string().into(),
        );
    }
    if let Some(behavior) = behavior {
        annotations.insert(BEHAVIOR_ANNOTATION.to_owned(), behavior.to_string().into());
    }
    if !annotations.is_empty() {
        let meta = object::metadata_mut(object);
        let known = meta.entry("annotations").or_insert(Value::Null);
        object::as_object_mut(known).extend(annotations);
    }
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    status.remove("conditions");
    if let Some(Value::Array(current)) = status.remove("currentMetrics")
        && let Some(percent) = current
            .iter()
            .find_map(|metric| cpu_percent(metric, "current"))
    {
        status.insert("currentCPUUtilizationPercentage".to_owned(), percent);
    }
}

fn cpu_percent(metric: &Value, side: &str) -> Option<Value> {
    let resource = metric.get("resource")?;
    if object::str_at(resource, &["name"]) != "cpu" {
        return None;
    }
    resource.get(side)?.get("averageUtilization").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_survives_the_way_through_v1() {
        let v2 = json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Resource", "resource": {"name": "memory",
                "target": {"type": "Utilization", "averageUtilization": 60}}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}});
        let mut object = v2.clone();
        autoscaler_to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 70);
        assert!(object["spec"].get("metrics").is_none());
        autoscaler_to_v2(&mut object);
        assert_eq!(object, v2);
    }
}
