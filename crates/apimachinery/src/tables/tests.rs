//! Rows of each kind as `kubectl get -o wide` shows them, and tables around them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-01-10T00:00:00Z".parse().unwrap()
}

/// `[group, kind, object without metadata, cells without name and age]`
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn cases() -> Vec<(&'static str, &'static str, Value, Value)> {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}});
    let chosen = json!({"matchLabels": {"app": "x"}, "matchExpressions": [
        {"key": "e", "operator": "Exists"}, {"key": "b", "operator": "In", "values": ["2", "1"]}]});
    vec![
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": 3, "template": template, "selector": chosen},
                   "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}}),
            json!(["N", "2/3", 3, 2, "9d", "a,b", "i:1,j", "app=x,b in (1,2),e"]),
        ),
        (
            "apps",
            "StatefulSet",
            json!({"spec": {"replicas": 1, "template": template}}),
            json!(["N", "0/1", "9d", "a,b", "i:1,j"]),
        ),
        (
            "apps",
            "DaemonSet",
            json!({"spec": {"template": {"spec": {"nodeSelector": {"os": "linux"}}}}, "status": {"desiredNumberScheduled": 2,
                   "currentNumberScheduled": 2, "numberReady": 1, "updatedNumberScheduled": 2, "numberAvailable": 1}}),
            json!(["N", 2, 2, 1, 2, 1, "os=linux", "9d", "", "", "<none>"]),
        ),
        (
            "batch",
            "Job",
            json!({"spec": {"completions": 1, "template": template}, "status": {"succeeded": 1,
                   "startTime": "2026-01-09T00:00:00Z", "completionTime": "2026-01-09T00:01:05Z",
                   "conditions": [{"type": "Complete", "status": "True"}]}}),
            json!([
                "N", "Complete", "1/1", "65s", "9d", "a,b", "i:1,j", "<none>"
            ]),
        ),
        (
            "batch",
            "CronJob",
            json!({"spec": {"schedule": "* * * * *", "suspend": false}, "status": {"lastScheduleTime": "2026-01-09T23:59:00Z"}}),
            json!([
                "N",
                "* * * * *",
                "<none>",
                "False",
                0,
                "60s",
                "9d",
                "",
                "",
                "<none>"
            ]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "selector": {"a": "b"},
                   "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}),
            json!([
                "N",
                "LoadBalancer",
                "10.0.0.1",
                "<pending>",
                "80:30000/TCP,53/UDP",
                "9d",
                "a=b"
            ]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "ExternalName", "externalName": "x.y"}}),
            json!([
                "N",
                "ExternalName",
                "<none>",
                "x.y",
                "<none>",
                "9d",
                "<none>"
            ]),
        ),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": ""}, "binaryData": {"b": ""}}),
            json!(["N", 2, "9d"]),
        ),
        (
            "",
            "Secret",
            json!({"type": "Opaque", "data": {"a": ""}}),
            json!(["N", "Opaque", 1, "9d"]),
        ),
        (
            "",
            "Namespace",
            json!({"status": {"phase": "Active"}}),
            json!(["N", "Active", "9d"]),
        ),
        (
            "",
            "PersistentVolumeClaim",
            json!({"spec": {"volumeName": "v", "storageClassName": "c", "volumeMode": "Filesystem"},
                   "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}}),
            json!([
                "N",
                "Bound",
                "v",
                "1Gi",
                "RWO,RWX",
                "c",
                "<unset>",
                "9d",
                "Filesystem"
            ]),
        ),
        (
            "",
            "PersistentVolume",
            json!({"spec": {"claimRef": {"namespace": "a", "name": "b"}, "capacity": {"storage": "1Gi"}}}),
            json!([
                "N", "1Gi", "", "", "", "a/b", "", "<unset>", "", "9d", "<unset>"
            ]),
        ),
        (
            "",
            "Node",
            json!({"spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
                   "nodeInfo": {"kubeletVersion": "v1.36.3"}}}),
            json!([
                "N",
                "Ready,SchedulingDisabled",
                "<none>",
                "9d",
                "v1.36.3",
                "<none>",
                "<none>",
                "<unknown>",
                "<unknown>",
                "<unknown>"
            ]),
        ),
        (
            "networking.k8s.io",
            "Ingress",
            json!({"spec": {"rules": [{"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}], "tls": [{}]},
                   "status": {"loadBalancer": {"ingress": [{"hostname": "z"}, {"ip": "1.1.1.1"}]}}}),
            json!([
                "N",
                "<none>",
                "a,b,c + 1 more...",
                "1.1.1.1,z",
                "80, 443",
                "9d"
            ]),
        ),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
                {"kind": "ServiceAccount", "namespace": "n", "name": "s"}, {"kind": "User", "name": "u"}]}),
            json!(["N", "Role/r", "9d", "u", "", "n/s"]),
        ),
        (
            "rbac.authorization.k8s.io",
            "Role",
            json!({}),
            json!(["N", "2026-01-01T00:00:00Z"]),
        ),
        (
            "autoscaling",
            "HorizontalPodAutoscaler",
            json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3,
                   "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}}),
            json!(["N", "Deployment/d", "cpu: <unknown>/80%", "1", 3, 0, "9d"]),
        ),
        (
            "policy",
            "PodDisruptionBudget",
            json!({"spec": {"maxUnavailable": "50%"}}),
            json!(["N", "N/A", "50%", 0, "9d"]),
        ),
        (
            "storage.k8s.io",
            "StorageClass",
            json!({"provisioner": "p"}),
            json!(["N", "p", "Delete", "Immediate", false, "9d"]),
        ),
        (
            "discovery.k8s.io",
            "EndpointSlice",
            json!({"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["1", "2"]}, {"addresses": ["3", "4"]}]}),
            json!(["N", "IPv4", "80", "1,2,3 + 1 more...", "9d"]),
        ),
        (
            "apiregistration.k8s.io",
            "APIService",
            json!({"status": {"conditions": [{"type": "Available", "status": "False", "reason": "Lost"}]}}),
            json!(["N", "Local", "False (Lost)", "9d"]),
        ),
        (
            "",
            "Event",
            json!({"type": "Normal", "reason": "R", "message": " m\n", "lastTimestamp": "2026-01-09T23:59:50Z",
                   "firstTimestamp": "2026-01-09T23:00:00Z", "count": 4, "source": {"component": "c"}, "involvedObject": {"kind": "Pod", "name": "p"}}),
            json!(["10s", "Normal", "R", "pod/p", "", "c", "m", "60m", 4, "N"]),
        ),
        (
            "coordination.k8s.io",
            "Lease",
            json!({"spec": {"holderIdentity": "h"}}),
            json!(["N", "h", "9d"]),
        ),
        (
            "made.up",
            "Thing",
            json!({}),
            json!(["N", "2026-01-01T00:00:00Z"]),
        ),
    ]
}

fn with_metadata(kind: &str, mut object: Value) -> Value {
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": "N", "creationTimestamp": "2026-01-01T00:00:00Z"});
    object
}

#[test]
fn rows_are_those_of_kubectl_get() {
    for (group, kind, object, cells) in cases() {
        let printer = Printer::for_builtin(group, kind);
        let found = printer.cells(&with_metadata(kind, object), now());
        assert_eq!(json!(found), cells, "{group} {kind}");
        assert_eq!(found.len(), printer.columns().len(), "{group} {kind}");
    }
}

/// Tables of a real API server: columns, cells and row conditions of one object of each kind.
#[test]
fn tables_are_those_of_a_real_server() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/data/tables.json")).unwrap();
    assert!(cases.len() > 35);
    let mut different = Vec::new();
    for case in &cases {
        let (group, kind) = (
            case["group"].as_str().unwrap(),
            case["kind"].as_str().unwrap(),
        );
        let now = case["now"].as_str().unwrap().parse().unwrap();
        let printer = Printer::for_builtin(group, kind);
        let column =
            |column: &Column| json!([column.name, column.kind, column.format, column.priority]);
        let row = printer.row(&case["object"], IncludeObject::None, now);
        let found = json!({
            "columns": printer.columns().iter().map(column).collect::<Vec<_>>(),
            "cells": row["cells"],
            "conditions": row.get("conditions"),
        });
        for part in ["columns", "cells", "conditions"] {
            if found[part] != case[part] {
                different.push(format!(
                    "{kind} {part}: {} instead of {}",
                    found[part], case[part]
                ));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn the_status_of_a_pod_is_computed() {
    // (pod, ready, status, restarts)
    let cases = [
        (
            json!({"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Pending"}}),
            "0/1",
            "Pending",
            "0",
        ),
        (
            json!({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [
            {"ready": true, "restartCount": 2, "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2026-01-09T23:59:00Z"}}}]}}),
            "1/1",
            "Running",
            "2 (60s ago)",
        ),
        (
            json!({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [
            {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
            "0/1",
            "CrashLoopBackOff",
            "1",
        ),
        (
            json!({"spec": {"containers": [{}]}, "status": {"phase": "Succeeded", "containerStatuses": [
            {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}}),
            "0/1",
            "Completed",
            "0",
        ),
        (
            json!({"spec": {"containers": [{}]}, "status": {"phase": "Failed", "containerStatuses": [
            {"state": {"terminated": {"exitCode": 3}}}]}}),
            "0/1",
            "ExitCode:3",
            "0",
        ),
        (
            json!({"spec": {"containers": [{}], "initContainers": [{"name": "i"}, {"name": "j"}]}, "status": {"phase": "Pending",
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}}]}}),
            "0/1",
            "Init:1/2",
            "0",
        ),
        (
            json!({"spec": {"containers": [{}], "initContainers": [{"name": "i"}]}, "status": {"phase": "Pending",
            "initContainerStatuses": [{"name": "i", "restartCount": 4, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}),
            "0/1",
            "Init:ImagePullBackOff",
            "4",
        ),
        (
            json!({"spec": {"containers": [{}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]}, "status": {"phase": "Running",
            "initContainerStatuses": [{"name": "s", "started": true, "ready": true, "state": {"running": {}}}],
            "containerStatuses": [{"ready": true, "state": {"running": {}}}]}}),
            "2/2",
            "Running",
            "0",
        ),
        (
            json!({"metadata": {"deletionTimestamp": "2026-01-09T00:00:00Z"}, "spec": {"containers": [{}]}, "status": {"phase": "Running"}}),
            "0/1",
            "Terminating",
            "0",
        ),
    ];
    for (pod, ready, status, restarts) in cases {
        let cells = Printer::for_builtin("", "Pod").cells(&pod, now());
        assert_eq!(
            json!(cells[1..4]),
            json!([ready, status, restarts]),
            "{pod}"
        );
        assert_eq!(cells.len(), 9);
    }
}

#[test]
fn custom_columns_show_the_first_value_of_their_type() {
    let columns = json!([
        {"name": "S", "type": "string", "jsonPath": ".spec.s"},
        {"name": "Map", "type": "string", "jsonPath": ".spec.m", "priority": 1, "description": "A map"},
        {"name": "I", "type": "integer", "jsonPath": ".spec.i"},
        {"name": "Not an integer", "type": "integer", "jsonPath": ".spec.s"},
        {"name": "B", "type": "boolean", "jsonPath": ".spec.b"},
        {"name": "N", "type": "number", "jsonPath": ".spec.n"},
        {"name": "D", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Not a date", "type": "date", "jsonPath": ".spec.s"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
        {"name": "Missing", "type": "string", "jsonPath": ".spec.none"},
        {"name": "Text of a number", "type": "string", "jsonPath": ".spec.i"},
    ]);
    let object = with_metadata(
        "K",
        json!({"spec": {"s": "x", "m": {"a": 1}, "i": 3, "b": true, "n": 1.5},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
    );
    let printer = Printer::for_custom(&columns).unwrap();
    assert_eq!(
        json!(printer.cells(&object, now())),
        json!([
            "N",
            "x",
            "{\"a\":1}",
            3,
            null,
            true,
            1.5,
            "9d",
            "<invalid>",
            "False",
            null,
            "3"
        ])
    );
    assert_eq!(printer.columns()[2].description, "A map");
    assert_eq!(
        printer.columns()[1].description,
        "Custom resource definition column (in JSONPath format): .spec.s"
    );
    let plain = Printer::for_custom(&Value::Null).unwrap();
    assert_eq!(json!(plain.cells(&object, now())), json!(["N", "9d"]));
    assert_eq!(
        (
            plain.columns()[1].name.as_str(),
            plain.columns()[1].kind.as_str()
        ),
        ("Age", "date")
    );
}

#[test]
fn err_a_column_whose_path_is_none_is_refused() {
    let columns = json!([{"name": "S", "type": "string", "jsonPath": ".spec["}]);
    assert!(Printer::for_custom(&columns).is_err());
}

#[test]
fn tables_hold_as_much_of_the_object_as_is_asked_for() {
    let object = with_metadata(
        "Pod",
        json!({"apiVersion": "v1", "status": {"phase": "Succeeded"}}),
    );
    let printer = Printer::for_builtin("", "Pod");
    let table = |include, headers| {
        printer.table(
            [&object],
            &json!({"resourceVersion": "7"}),
            include,
            headers,
            now(),
        )
    };
    let metadata = table(IncludeObject::Metadata, true);
    assert_eq!(metadata["metadata"], json!({"resourceVersion": "7"}));
    assert_eq!(metadata["columnDefinitions"][0]["format"], "name");
    assert_eq!(metadata["columnDefinitions"][5]["priority"], 1);
    assert_eq!(
        metadata["rows"][0]["object"]["kind"],
        "PartialObjectMetadata"
    );
    assert_eq!(metadata["rows"][0]["conditions"][0]["type"], "Completed");
    assert_eq!(
        table(IncludeObject::None, true)["rows"][0]["object"],
        Value::Null
    );
    assert_eq!(
        table(IncludeObject::Object, false)["rows"][0]["object"],
        object
    );
    assert_eq!(
        table(IncludeObject::Object, false)["columnDefinitions"],
        Value::Null
    );
    assert_eq!(IncludeObject::parse("All"), None);
}

#[test]
fn ages_have_two_units_while_the_larger_is_small() {
    let cases = [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (252_288_000, "8y"),
        (i64::MAX, "292471208677y"),
    ];
    for (seconds, text) in cases {
        assert_eq!(human_duration(seconds), text);
    }
}

proptest! {
    #[test]
    fn arbitrary_objects_always_give_one_cell_per_column(
        which in 0..26_usize,
        value in prop_oneof![Just(json!(null)), Just(json!("x")), Just(json!([1, "é", {"state": []}])), Just(json!({"conditions": 1}))],
    ) {
        let cases = cases();
        let (group, kind, mut object, _) = cases[which % cases.len()].clone();
        for key in ["metadata", "spec", "status", "data", "subjects"] {
            object[key] = value.clone();
        }
        let printer = Printer::for_builtin(group, kind);
        prop_assert_eq!(printer.cells(&object, now()).len(), printer.columns().len());
        Printer::for_builtin("", "Pod").cells(&object, now());
    }
}
