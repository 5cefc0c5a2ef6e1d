//! `apps`, `batch`, autoscaling and disruption budgets.

use serde_json::Value;

use super::context::{Findings, at, list, text};
use super::pods;
use crate::field::{FieldError, Path};

pub(super) fn check(kind: &str, object: &Value, old: Option<&Value>, found: &mut Findings) {
    let path = Path::new("spec");
    let spec = &object["spec"];
    let before = old.map(|old| &old["spec"]);
    match kind {
        "Deployment" => deployment(spec, before, &path, found),
        "StatefulSet" => stateful_set(spec, before, &path, found),
        "DaemonSet" => daemon_set(spec, before, &path, found),
        "ReplicaSet" => replica_set(spec, before, &path, found),
        "Job" => {
            job(spec, &path, found);
            if let Some(before) = before {
                job_update(spec, before, object, &path, found);
            }
        }
        "CronJob" => cron_job(object, spec, &path, found),
        "HorizontalPodAutoscaler" => autoscaler(spec, &path, found),
        "PodDisruptionBudget" => budget(spec, &path, found),
        _ => {}
    }
}

/// Pods of these kinds run for ever.
fn always_restarts(spec: &Value, kind: &str, path: &Path, found: &mut Findings) {
    let path = path.child("template").child("spec");
    let policy = text(spec, "/template/spec/restartPolicy");
    if policy != "Always" {
        found.errors.push(FieldError::not_supported(
            &path.child("restartPolicy"),
            policy,
            &["Always"],
        ));
    }
    if !at(spec, "/template/spec/activeDeadlineSeconds").is_null() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        found.forbidden(&path.child("activeDeadlineSeconds"), &why);
    }
}

fn deployment(spec: &Value, old: Option<&Value>, path: &Path, found: &mut Findings) {
    found.non_negative(spec, &["replicas"], path);
    found.selector_of_template(spec, "deployment", path);
    pods::template(&spec["template"], &path.child("template"), found);
    always_restarts(spec, "ReplicaSet", path, found);
    strategy(spec, path, found);
    found.non_negative(
        spec,
        &[
            "minReadySeconds",
            "revisionHistoryLimit",
            "progressDeadlineSeconds",
        ],
        path,
    );
    if let (Some(deadline), ready) = (
        spec["progressDeadlineSeconds"].as_i64(),
        spec["minReadySeconds"].as_i64().unwrap_or_default(),
    ) && deadline <= ready
    {
        found.invalid(
            &path.child("progressDeadlineSeconds"),
            deadline,
            "must be greater than minReadySeconds",
        );
    }
    if let Some(old) = old {
        found.immutable(&spec["selector"], &old["selector"], &path.child("selector"));
    }
}

fn strategy(spec: &Value, path: &Path, found: &mut Findings) {
    let path = path.child("strategy");
    let strategy = &spec["strategy"];
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "/type") {
        "Recreate" if !rolling.is_null() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            found.forbidden(&path.child("rollingUpdate"), why);
        }
        "Recreate" => {}
        "RollingUpdate" => {
            let path = path.child("rollingUpdate");
            for key in ["maxUnavailable", "maxSurge"] {
                int_or_percent(&rolling[key], &path.child(key), found);
            }
            let zero = |value: &Value| *value == 0 || *value == "0%";
            if zero(&rolling["maxUnavailable"]) && zero(&rolling["maxSurge"]) {
                let why = "may not be 0 when `maxSurge` is 0";
                found.invalid(
                    &path.child("maxUnavailable"),
                    rolling["maxUnavailable"].clone(),
                    why,
                );
            }
        }
        other => {
            let words = ["Recreate", "RollingUpdate"];
            found.errors.push(FieldError::not_supported(
                &path.child("type"),
                other,
                &words,
            ));
        }
    }
}

fn int_or_percent(value: &Value, path: &Path, found: &mut Findings) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            found.invalid(path, value.clone(), "must be greater than or equal to 0");
        }
        Value::String(text) => {
            let digits = text.strip_suffix('%').unwrap_or_default();
            let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !good {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                           '93%', regex used for validation is '[0-9]+%')";
                found.invalid(path, text.as_str(), why);
            } else if digits.parse::<u32>().map_or(true, |percent| percent > 100) {
                found.invalid(path, text.as_str(), "must not be greater than 100%");
            }
        }
        _ => {}
    }
}

/// What an update of a StatefulSet may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn stateful_set(spec: &Value, old: Option<&Value>, path: &Path, found: &mut Findings) {
    let policy = text(spec, "/podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") {
        found.invalid(
            &path.child("podManagementPolicy"),
            policy,
            "must be 'OrderedReady' or 'Parallel'",
        );
    }
    if !matches!(
        text(spec, "/updateStrategy/type"),
        "RollingUpdate" | "OnDelete"
    ) {
        let why = "must be 'RollingUpdate' or 'OnDelete'";
        found.invalid(
            &path.child("updateStrategy"),
            spec["updateStrategy"].clone(),
            why,
        );
    }
    found.non_negative(spec, &["replicas", "minReadySeconds"], path);
    let service = text(spec, "/serviceName");
    if old.is_none() && !service.is_empty() {
        found.dns_label(service, &path.child("serviceName"));
    }
    found.selector_of_template(spec, "statefulset", path);
    let template = with_claim_volumes(spec);
    pods::template(&template, &path.child("template"), found);
    always_restarts(spec, "StatefulSet", path, found);
    let Some(old) = old else { return };
    if without(spec, &MUTABLE) != without(old, &MUTABLE) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                   'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        found.forbidden(path, why);
    }
}

fn without(spec: &Value, keys: &[&str]) -> Value {
    let mut copy = spec.clone();
    if let Some(map) = copy.as_object_mut() {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
    copy
}

/// The template with a volume for each claim template, as its pods will have them.
fn with_claim_volumes(spec: &Value) -> Value {
    let mut template = spec["template"].clone();
    let claims: Vec<Value> = list(spec, "/volumeClaimTemplates")
        .iter()
        .map(|claim| {
            let name = text(claim, "/metadata/name");
            serde_json::json!({"name": name, "persistentVolumeClaim": {"claimName": name}})
        })
        .collect();
    if claims.is_empty() {
        return template;
    }
    let named = |volume: &Value| claims.iter().any(|claim| claim["name"] == volume["name"]);
    let own: Vec<Value> = list(&template, "/spec/volumes")
        .iter()
        .filter(|volume| !named(volume))
        .cloned()
        .collect();
    if let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) {
        pod.insert(
            "volumes".to_owned(),
            claims.into_iter().chain(own).collect(),
        );
    }
    template
}

fn daemon_set(spec: &Value, old: Option<&Value>, path: &Path, found: &mut Findings) {
    found.selector_of_template(spec, "daemonset", path);
    pods::template(&spec["template"], &path.child("template"), found);
    always_restarts(spec, "DaemonSet", path, found);
    found.non_negative(spec, &["minReadySeconds", "revisionHistoryLimit"], path);
    if let Some(old) = old {
        found.immutable(&spec["selector"], &old["selector"], &path.child("selector"));
    }
}

fn replica_set(spec: &Value, old: Option<&Value>, path: &Path, found: &mut Findings) {
    found.non_negative(spec, &["replicas", "minReadySeconds"], path);
    found.selector_of_template(spec, "deployment", path);
    pods::template(&spec["template"], &path.child("template"), found);
    always_restarts(spec, "ReplicaSet", path, found);
    if let Some(old) = old {
        found.immutable(&spec["selector"], &old["selector"], &path.child("selector"));
    }
}

fn job(spec: &Value, path: &Path, found: &mut Findings) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ];
    found.non_negative(spec, &numbers, path);
    found.one_of(spec, "completionMode", &["NonIndexed", "Indexed"], path);
    if text(spec, "/completionMode") == "Indexed" && spec["completions"].is_null() {
        found.required(
            &path.child("completions"),
            "when completion mode is Indexed",
        );
    }
    pods::template(&spec["template"], &path.child("template"), found);
    let at = path.child("template").child("spec").child("restartPolicy");
    match text(spec, "/template/spec/restartPolicy") {
        "OnFailure" | "Never" => {}
        "" | "Always" => found.required(&at, "valid values: \"OnFailure\", \"Never\""),
        other => found.errors.push(FieldError::not_supported(
            &at,
            other,
            &["OnFailure", "Never"],
        )),
    }
}

fn job_update(spec: &Value, old: &Value, object: &Value, path: &Path, found: &mut Findings) {
    if text(spec, "/completionMode") != "Indexed" {
        found.immutable(
            &spec["completions"],
            &old["completions"],
            &path.child("completions"),
        );
    }
    for key in [
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        found.immutable(&spec[key], &old[key], &path.child(key));
    }
    // A suspended Job that has not started may get other scheduling directives.
    let idle = old["suspend"] == Value::Bool(true) && at(object, "/status/startTime").is_null();
    let compared = |spec: &Value| {
        let mut template = spec["template"].clone();
        if idle {
            for key in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                template
                    .get_mut("spec")
                    .and_then(Value::as_object_mut)
                    .map(|pod| pod.remove(key));
            }
            template
                .get_mut("metadata")
                .and_then(Value::as_object_mut)
                .map(|metadata| {
                    metadata.remove("labels");
                    metadata.remove("annotations")
                });
        }
        template
    };
    if compared(spec) != compared(old) {
        found.immutable(&spec["template"], &old["template"], &path.child("template"));
    }
}

fn cron_job(object: &Value, spec: &Value, path: &Path, found: &mut Findings) {
    // Jobs get eleven more characters.
    let name = text(object, "/metadata/name");
    if name.len() > 52 {
        let path = Path::new("metadata.name");
        found.invalid(&path, name, "must be no more than 52 characters");
    }
    match text(spec, "/schedule") {
        "" => found.required(&path.child("schedule"), ""),
        schedule => schedule_errors(schedule, &path.child("schedule"), found),
    }
    found.non_negative(
        spec,
        &[
            "startingDeadlineSeconds",
            "successfulJobsHistoryLimit",
            "failedJobsHistoryLimit",
        ],
        path,
    );
    found.one_of(
        spec,
        "concurrencyPolicy",
        &["Allow", "Forbid", "Replace"],
        path,
    );
    job(
        at(spec, "/jobTemplate/spec"),
        &path.child("jobTemplate").child("spec"),
        found,
    );
}

fn schedule_errors(schedule: &str, path: &Path, found: &mut Findings) {
    if schedule.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        return found.invalid(path, schedule, why);
    }
    if schedule.starts_with('@') {
        return;
    }
    let n_fields = schedule.split_whitespace().count();
    if n_fields != 5 {
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        let why = format!(
            "expected exactly 5 fields, found {n_fields}: [{}]",
            fields.join(" ")
        );
        found.invalid(path, schedule, why);
    }
}

fn autoscaler(spec: &Value, path: &Path, found: &mut Findings) {
    let (min, max) = (
        spec["minReplicas"].as_i64(),
        spec["maxReplicas"].as_i64().unwrap_or_default(),
    );
    if let Some(min) = min.filter(|min| *min < 1) {
        found.invalid(
            &path.child("minReplicas"),
            min,
            "must be greater than or equal to 1",
        );
    }
    if max < 1 {
        found.invalid(&path.child("maxReplicas"), max, "must be greater than 0");
    }
    if min.is_some_and(|min| max < min) {
        found.invalid(
            &path.child("maxReplicas"),
            max,
            "must be greater than or equal to `minReplicas`",
        );
    }
    let target = path.child("scaleTargetRef");
    let version = text(spec, "/scaleTargetRef/apiVersion");
    if !version.contains('/') && text(spec, "/scaleTargetRef/kind") != "ReplicationController" {
        let why = "apiVersion must specify API group";
        found.invalid(&target.child("apiVersion"), version, why);
    }
    for key in ["kind", "name"] {
        found.text_required(&spec["scaleTargetRef"], key, &target);
    }
}

fn budget(spec: &Value, path: &Path, found: &mut Findings) {
    let (min, max) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !min.is_null() && !max.is_null() {
        let why = "minAvailable and maxUnavailable cannot be both set";
        // The server prints its internal form.
        let shown = serde_json::json!({"MinAvailable": min, "Selector": spec["selector"], "MaxUnavailable": max,
            "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"]});
        found.invalid(path, shown, why);
    }
    int_or_percent(min, &path.child("minAvailable"), found);
    int_or_percent(max, &path.child("maxUnavailable"), found);
    found.selector(&spec["selector"], &path.child("selector"));
}
