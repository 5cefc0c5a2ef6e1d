//! Cases: objects with what is filled in, and objects with what is wrong.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn good(kind: &str) -> (&'static str, Value) {
    let pod = json!({"containers": [{"name": "a", "image": "i"}]});
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod});
    let workload = json!({"selector": {"matchLabels": {"app": "x"}}, "template": template});
    let mut job = json!({"template": template});
    job["template"]["spec"]["restartPolicy"] = json!("Never");
    let rbac = "rbac.authorization.k8s.io";
    let claim =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let (group, mut object) = match kind {
        "Pod" => ("", json!({"spec": pod})),
        "Deployment" | "DaemonSet" | "ReplicaSet" => ("apps", json!({"spec": workload})),
        "StatefulSet" => {
            let mut spec = workload;
            spec["serviceName"] = json!("s");
            spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "d"}, "spec": claim}]);
            spec["template"]["spec"]["containers"][0]["volumeMounts"] =
                json!([{"name": "d", "mountPath": "/d"}]);
            ("apps", json!({"spec": spec}))
        }
        "Job" => ("batch", json!({"spec": job})),
        "CronJob" => (
            "batch",
            json!({"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": job}}}),
        ),
        "Service" => (
            "",
            json!({"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80}]}}),
        ),
        "ConfigMap" => ("", json!({"data": {"a": "1"}})),
        "Secret" => ("", json!({"stringData": {"a": "1"}})),
        "PersistentVolumeClaim" => ("", json!({"spec": claim, "status": {}})),
        "Namespace" => ("", json!({"metadata": {"name": "n"}})),
        "Role" => (
            rbac,
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        "RoleBinding" => (
            rbac,
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        ),
        "Ingress" => (
            "networking.k8s.io",
            json!({"spec": {"rules": [{"host": "h", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
        ),
        "NetworkPolicy" => (
            "networking.k8s.io",
            json!({"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}}),
        ),
        "HorizontalPodAutoscaler" => (
            "autoscaling",
            json!({"apiVersion": "autoscaling/v2",
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "behavior": {"scaleDown": {}}}}),
        ),
        "ValidatingWebhookConfiguration" => (
            "admissionregistration.k8s.io",
            json!({"webhooks": [{"name": "a.b.c",
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"name": "s", "namespace": "n"}},
            "rules": [{"apiGroups": [""]}]}]}),
        ),
        "StorageClass" => ("storage.k8s.io", json!({"provisioner": "p"})),
        other => panic!("no good {other}"),
    };
    object["kind"] = json!(kind);
    (group, object)
}

const KINDS: [&str; 20] = [
    "Pod",
    "Deployment",
    "DaemonSet",
    "ReplicaSet",
    "StatefulSet",
    "Job",
    "CronJob",
    "Service",
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "Namespace",
    "Role",
    "RoleBinding",
    "Ingress",
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
    "ValidatingWebhookConfiguration",
    "StorageClass",
    "Pod",
];

/// Sets the value at a JSON pointer, making the last field; null removes it.
fn set(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(key)),
        (Value::Object(map), value) => drop(map.insert(key.to_owned(), value.clone())),
        (Value::Array(list), value) => list[key.parse::<usize>().unwrap()] = value.clone(),
        _ => panic!("nothing at {pointer}"),
    }
}

#[test]
fn objects_are_refused_in_the_words_of_the_server() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/data/builtin-errors.json")).unwrap();
    for case in cases {
        let kind = case["base"].as_str().unwrap();
        let (group, mut old) = good(kind);
        let mut new = old.clone();
        apply_defaults(group, kind, &mut old);
        for (pointer, value) in case["before"].as_object().into_iter().flatten() {
            set(&mut old, pointer, value);
        }
        for (pointer, value) in case["set"].as_object().into_iter().flatten() {
            set(&mut new, pointer, value);
        }
        apply_defaults(group, kind, &mut new);
        let errors = if case["update"] == json!(true) {
            validate_update(group, kind, &new, &old)
        } else {
            validate(group, kind, &new)
        };
        let mut found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut expected: Vec<String> = serde_json::from_value(case["errors"].clone()).unwrap();
        if case["prefix"] == json!(true) {
            assert!(
                found.len() == 1 && found[0].starts_with(&expected[0]),
                "{}: {found:?}",
                case["name"]
            );
            continue;
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", case["name"]);
    }
}

/// What a real API server made of each object, but for what it allocates and what admission adds.
#[test]
fn objects_are_filled_in_as_by_a_real_server() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/data/builtin-defaults.json")).unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let (group, kind) = (
            case["group"].as_str().unwrap(),
            case["kind"].as_str().unwrap(),
        );
        let mut object = case["input"].clone();
        apply_defaults(group, kind, &mut object);
        prepare_create(group, kind, &mut object);
        assert_eq!(object, case["output"], "{kind}");
    }
}

#[test]
fn every_good_object_is_taken_and_may_stay_as_it_is() {
    for kind in KINDS {
        let (group, mut object) = good(kind);
        apply_defaults(group, kind, &mut object);
        assert_eq!(validate(group, kind, &object), vec![], "{kind}");
        assert_eq!(
            validate_update(group, kind, &object, &object),
            vec![],
            "{kind}"
        );
    }
}

#[test]
fn a_deployment_gets_the_defaults_of_its_pods_too() {
    let (_, mut object) = good("Deployment");
    set(
        &mut object,
        "/spec/template/spec/volumes",
        &json!([{"name": "v"}, {"name": "c", "configMap": {"name": "m"}}]),
    );
    set(
        &mut object,
        "/spec/template/spec/serviceAccountName",
        &json!("s"),
    );
    set(
        &mut object,
        "/spec/template/spec/containers/0/livenessProbe",
        &json!({"httpGet": {"port": 1}}),
    );
    apply_defaults("apps", "Deployment", &mut object);
    assert_eq!(
        object["spec"],
        json!({
            "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 30,
                "serviceAccountName": "s", "serviceAccount": "s",
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "m", "defaultMode": 420}}],
                "containers": [{
                    "name": "a", "image": "i", "imagePullPolicy": "Always", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "livenessProbe": {"httpGet": {"port": 1, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                }],
            }},
        })
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn other_kinds_get_what_their_api_says() {
    // (kind, changes, pointer, value)
    let cases = [
        (
            "Service",
            json!({}),
            "/spec/ports",
            json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]),
        ),
        (
            "Service",
            json!({}),
            "/spec/internalTrafficPolicy",
            json!("Cluster"),
        ),
        (
            "Service",
            json!({"/spec/type": "LoadBalancer"}),
            "/spec/allocateLoadBalancerNodePorts",
            json!(true),
        ),
        (
            "Service",
            json!({"/spec/type": "NodePort"}),
            "/spec/externalTrafficPolicy",
            json!("Cluster"),
        ),
        (
            "Service",
            json!({"/spec/sessionAffinity": "ClientIP"}),
            "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
            json!(10800),
        ),
        ("Secret", json!({}), "/data", json!({"a": "MQ=="})),
        ("Secret", json!({}), "/type", json!("Opaque")),
        (
            "Namespace",
            json!({}),
            "/metadata/labels",
            json!({"kubernetes.io/metadata.name": "n"}),
        ),
        ("Job", json!({}), "/spec/completions", json!(1)),
        ("Job", json!({}), "/metadata/labels", json!({"app": "x"})),
        (
            "CronJob",
            json!({}),
            "/spec/successfulJobsHistoryLimit",
            json!(3),
        ),
        (
            "StatefulSet",
            json!({}),
            "/spec/updateStrategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ),
        (
            "StatefulSet",
            json!({}),
            "/spec/volumeClaimTemplates/0/spec/volumeMode",
            json!("Filesystem"),
        ),
        (
            "DaemonSet",
            json!({}),
            "/spec/updateStrategy/rollingUpdate",
            json!({"maxUnavailable": 1, "maxSurge": 0}),
        ),
        (
            "RoleBinding",
            json!({}),
            "/subjects/0/apiGroup",
            json!("rbac.authorization.k8s.io"),
        ),
        (
            "RoleBinding",
            json!({}),
            "/roleRef/apiGroup",
            json!("rbac.authorization.k8s.io"),
        ),
        (
            "NetworkPolicy",
            json!({}),
            "/spec/policyTypes",
            json!(["Ingress", "Egress"]),
        ),
        (
            "NetworkPolicy",
            json!({}),
            "/spec/egress/0/ports/0/protocol",
            json!("TCP"),
        ),
        (
            "HorizontalPodAutoscaler",
            json!({}),
            "/spec/minReplicas",
            json!(1),
        ),
        (
            "HorizontalPodAutoscaler",
            json!({}),
            "/spec/behavior/scaleDown/selectPolicy",
            json!("Max"),
        ),
        (
            "ValidatingWebhookConfiguration",
            json!({}),
            "/webhooks/0/clientConfig/service/port",
            json!(443),
        ),
        (
            "ValidatingWebhookConfiguration",
            json!({}),
            "/webhooks/0/rules/0/scope",
            json!("*"),
        ),
        (
            "Pod",
            json!({"/spec/containers/0/resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
            "/status/qosClass",
            json!("Guaranteed"),
        ),
        ("Pod", json!({}), "/status/qosClass", json!("BestEffort")),
        ("StorageClass", json!({}), "/reclaimPolicy", json!("Delete")),
    ];
    for (kind, changes, pointer, value) in cases {
        let (group, mut object) = good(kind);
        for (pointer, value) in changes.as_object().unwrap() {
            set(&mut object, pointer, value);
        }
        apply_defaults(group, kind, &mut object);
        assert_eq!(object.pointer(pointer), Some(&value), "{kind} {pointer}");
    }
    let (group, mut subject) = good("RoleBinding");
    apply_defaults(group, "RoleBinding", &mut subject);
    assert_eq!(subject["subjects"][1].get("apiGroup"), None);
}

#[test]
fn a_job_selects_its_pods_by_its_uid() {
    let (group, mut job) = good("Job");
    job["metadata"] = json!({"name": "j", "uid": "u"});
    apply_defaults(group, "Job", &mut job);
    prepare_create(group, "Job", &mut job);
    assert_eq!(
        job["spec"]["selector"],
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}})
    );
    assert_eq!(
        job["spec"]["template"]["metadata"]["labels"]["job-name"],
        "j"
    );
    let (group, mut manual) = good("Job");
    manual["metadata"] = json!({"name": "j", "uid": "u"});
    manual["spec"]["manualSelector"] = json!(true);
    prepare_create(group, "Job", &mut manual);
    assert_eq!(manual["spec"].get("selector"), None);
}

proptest! {
    #[test]
    fn objects_of_any_shape_never_panic_and_defaults_are_idempotent(
        which in 0..KINDS.len(),
        path in "/(spec|data|metadata|roleRef|subjects|webhooks)(/(template|ports|selector|containers|rules|0))?",
        value in prop_oneof![
            Just(json!(null)), Just(json!("é")), Just(json!([[], {"name": 1}, null])), Just(json!({"metadata": [], "spec": {"containers": {}}})),
            Just(json!(-5)), Just(json!({"matchLabels": 1, "matchExpressions": [1]}))
        ],
    ) {
        let kind = KINDS[which];
        let (group, mut object) = good(kind);
        let before = object.clone();
        if let Some(place) = object.pointer_mut(&path) {
            *place = value;
        }
        apply_defaults(group, kind, &mut object);
        let mut again = object.clone();
        apply_defaults(group, kind, &mut again);
        prop_assert_eq!(&again, &object);
        validate(group, kind, &object);
        validate_update(group, kind, &object, &before);
        validate_update(group, kind, &before, &object);
        prepare_create(group, kind, &mut object);
    }
}
