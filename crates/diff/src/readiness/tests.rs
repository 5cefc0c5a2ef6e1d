//! Cases by rule, and arbitrary input.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: &str = "2026-01-01T00:01:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// `state`, `error`, `transitioning`, messages.
fn read(object: &Value) -> (String, bool, bool, Vec<String>) {
    let summary = readiness(object, now());
    (
        summary.state,
        summary.error,
        summary.transitioning,
        summary.message,
    )
}

fn check(object: &Value, state: &str, flags: &str, messages: &[&str]) {
    let expected = (
        state.to_owned(),
        flags.contains('e'),
        flags.contains('t'),
        messages
            .iter()
            .map(|message| (*message).to_owned())
            .collect(),
    );
    assert_eq!(read(object), expected, "{object}");
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers make the values in place"
)]
fn workload(kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec, "status": status})
}

#[test]
fn deployments_progress_until_all_is_available() {
    let good = [
        condition("Available", "True", "", ""),
        condition("Progressing", "True", "NewReplicaSetAvailable", ""),
    ];
    let with = |fields: Value| {
        let mut status = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2, "conditions": good});
        for (key, value) in fields.as_object().unwrap() {
            status[key] = value.clone();
        }
        workload(
            "Deployment",
            json!({"replicas": 2, "progressDeadlineSeconds": 600}),
            status,
        )
    };
    check(
        &with(json!({})),
        "active",
        "",
        &["Deployment is available. Replicas: 2"],
    );
    let cases = [
        (
            json!({"observedGeneration": 1}),
            "Deployment generation is 2, but latest observed generation is 1",
        ),
        (json!({"replicas": 1}), "Replicas: 1/2"),
        (json!({"updatedReplicas": 1}), "Updated: 1/2"),
        (json!({"replicas": 3}), "Pending termination: 1"),
        (json!({"availableReplicas": 0}), "Available: 0/2"),
        (json!({"readyReplicas": 1}), "Ready: 1/2"),
        (json!({"conditions": [good[0]]}), "ReplicaSet not Available"),
        (json!({"conditions": [good[1]]}), "Deployment not Available"),
    ];
    for (fields, message) in cases {
        check(&with(fields), "in-progress", "t", &[message]);
    }
    let exceeded = condition(
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        "timed out",
    );
    let failed = with(json!({"conditions": [exceeded]}));
    check(
        &failed,
        "error",
        "e",
        &["timed out", "Progress deadline exceeded"],
    );
    let updating = with(
        json!({"availableReplicas": 0, "conditions": [condition("Available", "False", "", "too few")]}),
    );
    check(&updating, "updating", "t", &["too few", "Available: 0/2"]);
    let denied = with(
        json!({"replicas": 0, "conditions": [condition("ReplicaFailure", "True", "", "quota")]}),
    );
    check(&denied, "error", "et", &["quota", "Replicas: 0/2"]);
}

#[test]
fn other_workloads_progress_too() {
    let stateful = |spec: Value, status: Value| workload("StatefulSet", spec, status);
    let full = json!({"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "a"});
    check(
        &stateful(json!({}), full.clone()),
        "active",
        "",
        &["All replicas scheduled as expected. Replicas: 1"],
    );
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    check(
        &stateful(on_delete, json!({})),
        "active",
        "",
        &["StatefulSet is using the ondelete update strategy"],
    );
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
    let half = json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": 1});
    check(
        &stateful(partition, half),
        "in-progress",
        "t",
        &["updated: 1/2"],
    );
    let mut rolling = full;
    rolling["updateRevision"] = json!("b");
    check(
        &stateful(json!({}), rolling),
        "in-progress",
        "t",
        &["Waiting for updated revision to match current"],
    );
    let daemons = |status: Value| workload("DaemonSet", json!({}), status);
    check(
        &daemons(json!({})),
        "in-progress",
        "t",
        &["DaemonSet status.observedGeneration not found"],
    );
    check(
        &daemons(json!({"observedGeneration": 2})),
        "in-progress",
        "t",
        &["Missing .status.desiredNumberScheduled"],
    );
    let behind = json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1});
    check(&daemons(behind), "in-progress", "t", &["Available: 1/2"]);
    check(
        &daemons(json!({"observedGeneration": 2, "desiredNumberScheduled": 0})),
        "active",
        "",
        &["All replicas scheduled as expected. Replicas: 0"],
    );
    let replicas = workload(
        "ReplicaSet",
        json!({"replicas": 1}),
        json!({"fullyLabeledReplicas": 1, "availableReplicas": 0}),
    );
    check(&replicas, "in-progress", "t", &["Available: 0/1"]);
}

#[test]
fn jobs_and_pods_say_how_they_ended() {
    let job = |status: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"completions": 1}, "status": status});
    check(&job(json!({})), "in-progress", "t", &["Job not started"]);
    check(
        &job(json!({"startTime": NOW, "active": 1})),
        "active",
        "",
        &["Job in progress. success:0, active: 1, failed: 0"],
    );
    let complete =
        job(json!({"succeeded": 1, "conditions": [condition("Complete", "True", "", "")]}));
    check(&complete, "active", "", &["Job Completed. succeeded: 1/1"]);
    let failed = job(
        json!({"failed": 7, "conditions": [condition("Failed", "True", "BackoffLimitExceeded", "limit")]}),
    );
    check(&failed, "error", "e", &["limit", "Job Failed. failed: 7/1"]);

    let pod = |status: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": "2026-01-01T00:00:50Z"}, "status": status});
    check(
        &pod(json!({"phase": "Succeeded"})),
        "succeeded",
        "",
        &["Pod has completed successfully"],
    );
    check(
        &pod(json!({"phase": "Failed"})),
        "failed",
        "",
        &["Pod has completed, but not successfully"],
    );
    let ready =
        pod(json!({"phase": "Running", "conditions": [condition("Ready", "True", "", "")]}));
    check(&ready, "running", "", &["Pod is Ready"]);
    let looping = pod(json!({"phase": "Running", "containerStatuses": [
        {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"name": "b", "state": {"running": {}}}]}));
    check(
        &looping,
        "running",
        "e",
        &["Containers in CrashLoop state: a"],
    );
    let unschedulable = condition("PodScheduled", "False", "Unschedulable", "no nodes");
    let waiting = pod(json!({"phase": "Pending", "conditions": [unschedulable]}));
    check(
        &waiting,
        "scheduling",
        "et",
        &["no nodes", "Pod has not been scheduled"],
    );
    let mut stuck = waiting;
    stuck["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    check(
        &stuck,
        "scheduling",
        "e",
        &["no nodes", "Pod could not be scheduled"],
    );
    check(
        &pod(json!({})),
        "in-progress",
        "t",
        &["Pod phase not available"],
    );
    check(&pod(json!({"phase": "Odd"})), "odd", "", &[]);
}

#[test]
fn kinds_without_controllers_are_ready_at_once() {
    for (version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("batch/v1", "CronJob"),
    ] {
        check(
            &json!({"apiVersion": version, "kind": kind}),
            "active",
            "",
            &["Resource is always ready"],
        );
    }
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"});
    check(
        &budget,
        "active",
        "",
        &["AllowedDisruptions has been computed."],
    );
    check(
        &json!({"apiVersion": "x/v1", "kind": "Anything"}),
        "active",
        "",
        &["Resource is current"],
    );
}

#[test]
fn services_wait_for_their_address_and_claims_for_their_volume() {
    let service = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": spec});
    check(&service(json!({})), "active", "", &["Service is ready"]);
    check(
        &service(json!({"type": "LoadBalancer"})),
        "in-progress",
        "t",
        &["ClusterIP not set. Service type: LoadBalancer"],
    );
    let pending = service(json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}));
    check(
        &pending,
        "pending",
        "t",
        &["Service is ready", "Load balancer is being provisioned"],
    );
    let mut served = pending;
    served["status"] = json!({"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}});
    check(&served, "active", "", &["Service is ready"]);
    let claim = |status: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": status});
    check(
        &claim(json!({"phase": "Bound"})),
        "bound",
        "",
        &["PVC is Bound"],
    );
    check(
        &claim(json!({"phase": "Pending"})),
        "pending",
        "t",
        &["PVC is not Bound. phase: Pending"],
    );
    check(
        &claim(json!({})),
        "in-progress",
        "t",
        &["PVC is not Bound. phase: unknown"],
    );
}

#[test]
fn definitions_are_ready_when_established() {
    let crd = |conditions: Value| json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": {"conditions": conditions}});
    check(
        &crd(json!([])),
        "in-progress",
        "t",
        &["Install in progress"],
    );
    check(
        &crd(json!([condition("Established", "True", "", "")])),
        "active",
        "",
        &["CRD is established"],
    );
    check(
        &crd(json!([condition("Established", "False", "Installing", "")])),
        "in-progress",
        "t",
        &["Install in progress"],
    );
    check(
        &crd(json!([condition(
            "Established",
            "False",
            "NotAccepted",
            "no"
        )])),
        "failed",
        "e",
        &["no"],
    );
    check(
        &crd(json!([condition(
            "NamesAccepted",
            "False",
            "PluralConflict",
            "taken"
        )])),
        "failed",
        "e",
        &["taken"],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn conditions_of_custom_resources_are_read_by_type() {
    let custom = |conditions: Value| json!({"apiVersion": "x/v1", "kind": "X", "status": {"conditions": conditions}});
    let cases = [
        (
            json!([condition("Ready", "False", "", "m")]),
            "unavailable",
            "t",
            vec!["m"],
        ),
        (
            json!([condition("Ready", "Unknown", "", "m")]),
            "unavailable",
            "et",
            vec!["m"],
        ),
        (
            json!([condition("Ready", "True", "", "m")]),
            "active",
            "",
            vec!["Resource is Ready"],
        ),
        (
            json!([
                condition("Ready", "False", "", "m"),
                condition("Available", "False", "", "n")
            ]),
            "updating",
            "t",
            vec!["n", "m"],
        ),
        (
            json!([condition("InfrastructureReady", "False", "Waiting", "m")]),
            "waiting",
            "t",
            vec!["m", "Resource is current"],
        ),
        (
            json!([condition("Stalled", "True", "", "m")]),
            "error",
            "e",
            vec!["m"],
        ),
        (
            json!([condition("Failed", "True", "", "m")]),
            "error",
            "e",
            vec!["m", "Resource is current"],
        ),
        (
            json!([condition("Anything", "True", "Error", "m")]),
            "error",
            "e",
            vec!["m", "Resource is current"],
        ),
        (
            json!([condition("Reconciling", "True", "", "m")]),
            "reconciling",
            "t",
            vec!["m"],
        ),
        (
            json!([condition("Deployed", "Unknown", "", "m")]),
            "deploying",
            "t",
            vec!["m", "Resource is current"],
        ),
        (
            json!([
                condition("Deployed", "False", "", "m"),
                condition("Active", "False", "", "n")
            ]),
            "activating",
            "e",
            vec!["m", "n", "Resource is current"],
        ),
        (
            json!([condition("Ready", "True", "", " m ")]),
            "active",
            "",
            vec!["Resource is Ready"],
        ),
    ];
    for (conditions, state, flags, messages) in cases {
        check(&custom(conditions), state, flags, &messages);
    }
    let mut annotated = custom(json!([]));
    annotated["metadata"] = json!({"annotations": {"cattle.io/status": "{\"conditions\": [{\"type\": \"Failed\", \"status\": \"True\", \"message\": \"a\"}]}"}});
    check(&annotated, "error", "e", &["a", "Resource is current"]);
}

#[test]
fn objects_that_summarise_themselves_are_believed() {
    let own = |status: Value| json!({"apiVersion": "x/v1", "kind": "X", "status": status});
    check(
        &own(json!({"display": {"state": "Odd", "error": true, "message": "m"}})),
        "odd",
        "e",
        &["m", "Resource is current"],
    );
    check(
        &own(json!({"summary": {"state": "s", "transitioning": "true"}})),
        "s",
        "t",
        &["Resource is current"],
    );
    check(
        &own(json!({"summary": {"ready": 1}})),
        "active",
        "",
        &["Resource is current"],
    );
    check(
        &json!({"spec": {"active": false}}),
        "inactive",
        "",
        &["Resource is current"],
    );
    check(
        &json!({"type": "/v3/x"}),
        "active",
        "",
        &["Resource is current"],
    );
}

#[test]
fn removal_and_birth_are_transitions() {
    check(
        &json!({"metadata": {"deletionTimestamp": NOW}}),
        "removing",
        "t",
        &["Resource scheduled for deletion"],
    );
    let removed = |time: &str| json!({"metadata": {"removed": time, "finalizers": ["controller.cattle.io/clean-up"]}});
    check(
        &removed("2026-01-01T00:00:00Z"),
        "removing",
        "t",
        &["waiting on clean-up", "Resource is current"],
    );
    check(
        &removed("2025-01-01T00:00:00Z"),
        "removing",
        "et",
        &["waiting on clean-up", "Resource is current"],
    );
    let born = |time: &str| json!({"apiVersion": "management.cattle.io/v3", "metadata": {"created": time}, "status": {"conditions": []}});
    check(
        &born("2026-01-01T00:00:58Z"),
        "initializing",
        "t",
        &["Resource is current"],
    );
    check(
        &born("2026-01-01T00:00:00Z"),
        "active",
        "",
        &["Resource is current"],
    );
}

#[test]
fn repeated_messages_are_said_once() {
    let object = json!({"apiVersion": "x/v1", "kind": "X", "status": {"conditions": [condition("Ready", "False", "", "a; b; a")]}});
    check(&object, "unavailable", "t", &["a; b; a", "a; b"]);
}

#[test]
fn a_mapping_adds_to_the_table_and_replaces_statuses() {
    let mapping = ErrorMapping::with(
        r#"[{"gvk": "sample.io/v1, Kind=Sample", "conditionMappings": [{"type": "Failed"}, {"type": "Broken", "status": ["False", "Unknown"]}]},
            {"gvk": "/v1, Kind=Node", "conditionMappings": [{"type": "MemoryPressure", "status": []}]}]"#,
    )
    .unwrap();
    let object = |version: &str, kind: &str, condition: Value| json!({"apiVersion": version, "kind": kind, "status": {"conditions": [condition]}});
    let error = |object: &Value| summarize(object, &mapping, now()).error;
    assert!(!error(&object(
        "sample.io/v1",
        "Sample",
        condition("Failed", "True", "", "")
    )));
    assert!(error(&object(
        "sample.io/v1",
        "Sample",
        condition("Broken", "Unknown", "", "")
    )));
    assert!(!error(&object(
        "v1",
        "Node",
        condition("MemoryPressure", "True", "", "")
    )));
    assert!(error(&object(
        "v1",
        "Node",
        condition("DiskPressure", "True", "", "")
    )));
    assert!(error(&object(
        "other.io/v1",
        "Other",
        condition("Failed", "True", "", "")
    )));
}

#[test]
fn err_mappings_that_are_none_are_refused() {
    assert!(matches!(
        ErrorMapping::with("{"),
        Err(MappingError::Decode(_))
    ));
    assert!(matches!(
        ErrorMapping::with("{}"),
        Err(MappingError::Decode(_))
    ));
    assert!(matches!(
        ErrorMapping::with(r#"[{"gvk": "apps/v1 Deployment"}]"#),
        Err(MappingError::Kind { .. })
    ));
}

#[test]
fn conditions_are_ignored_only_when_all_entries_match() {
    let wanted = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let mut object = json!({"status": {"conditions": [condition("A", "False", "", ""), condition("B", "False", "", "")]}});
    ignore_conditions(
        &mut object,
        &[
            wanted(&[("type", "A"), ("status", "True")]),
            wanted(&[("type", "B"), ("status", "False")]),
        ],
    );
    assert_eq!(
        object["status"]["conditions"],
        json!([condition("A", "False", "", "")])
    );
    let mut bare = json!({"kind": "X"});
    ignore_conditions(&mut bare, &[]);
    assert_eq!(bare, json!({"kind": "X"}));
    ignore_conditions(&mut bare, &[wanted(&[("type", "A")])]);
    assert_eq!(bare["status"]["conditions"], json!([]));
    for mut odd in [
        json!(null),
        json!({"status": 3}),
        json!({"status": {"conditions": "x"}}),
        json!({"status": {"conditions": [1]}}),
    ] {
        let before = odd.clone();
        ignore_conditions(&mut odd, &[wanted(&[("type", "A")])]);
        assert_eq!(odd, before);
    }
}

proptest! {
    #[test]
    fn objects_of_any_shape_are_summarised(
        kind in prop::sample::select(vec!["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod", "Service", "Other"]),
        number in any::<i64>(),
        odd in prop_oneof![Just(json!(null)), Just(json!("é")), Just(json!([1, {"type": 2}])), Just(json!({"conditions": 1})),
            Just(json!({"conditions": [{"type": "Ready", "status": []}], "replicas": -1, "phase": {}}))],
    ) {
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"generation": number, "annotations": odd},
            "spec": {"replicas": number, "updateStrategy": {"rollingUpdate": {"partition": number}}}, "status": odd});
        let summary = readiness(&object, now());
        prop_assert!(!summary.state.is_empty());
        object["metadata"] = odd;
        readiness(&object, now());
    }
}
