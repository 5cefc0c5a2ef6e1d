use api::v1alpha1::DiffOptions;
use apimachinery::builtin::apply_defaults;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn no_rules() -> Rules {
    Rules::default()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read best as arguments"
)]
fn paths(desired: &Value, live: Value) -> Vec<String> {
    let found = compare(desired, &live, &no_rules(), How::AsSent);
    found
        .differences
        .iter()
        .map(|it| it.path.to_string())
        .collect()
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n", "labels": {"a": "1"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {}},
            "spec": {"hostNetwork": false, "containers": [
                {"name": "main", "image": "i:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
                    "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}},
                {"name": "side", "image": "s:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}]}}}})
}

/// As the server stores it, with what controllers add.
fn stored(object: &Value) -> Value {
    let mut live = object.clone();
    let identity = Identity::of(object);
    apply_defaults(&identity.group, &identity.kind, &mut live);
    live["metadata"]["uid"] = "u".into();
    live["metadata"]["resourceVersion"] = "7".into();
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
    live["status"] = json!({"replicas": 1, "conditions": []});
    live
}

/// One of each common kind, as charts write them.
#[expect(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<Value> {
    let typed = |api_version: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}});
        for (member, value) in rest.as_object().unwrap() {
            object[member] = value.clone();
        }
        object
    };
    let template = deployment()["spec"]["template"].clone();
    let selector = json!({"matchLabels": {"app": "web"}});
    vec![
        deployment(),
        typed(
            "v1",
            "ConfigMap",
            json!({"data": {"k": "v", "e": ""}, "binaryData": {}}),
        ),
        typed(
            "v1",
            "Secret",
            json!({"stringData": {"k": "v"}, "data": {"n": null, "b": "Yg=="}}),
        ),
        typed(
            "v1",
            "Service",
            json!({"spec": {"ports": [{"port": 80, "targetPort": "http"}], "selector": {"app": "x"}}}),
        ),
        typed(
            "v1",
            "ServiceAccount",
            json!({"automountServiceAccountToken": true, "imagePullSecrets": [{"name": "p"}]}),
        ),
        typed(
            "apps/v1",
            "StatefulSet",
            json!({"spec": {"serviceName": "x", "selector": selector, "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1024Mi"}}}}]}}),
        ),
        typed(
            "apps/v1",
            "DaemonSet",
            json!({"spec": {"selector": selector, "template": template}}),
        ),
        typed("batch/v1", "Job", json!({"spec": {"template": template}})),
        typed(
            "batch/v1",
            "CronJob",
            json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
        ),
        typed(
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"rules": [{"host": "h", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}}),
        ),
        typed(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}),
        ),
        typed(
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": 1, "selector": selector}}),
        ),
        typed(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        typed(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({"subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "n"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}}),
        ),
        typed(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "AverageValue", "averageValue": "0.5"}}}]}}),
        ),
        typed(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            json!({"webhooks": [{"name": "w",
            "clientConfig": {"caBundle": "Cg==", "service": {"name": "x", "namespace": "n"}}, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]}),
        ),
        typed(
            "apps/v1",
            "Whatever",
            json!({"spec": {"free": [1, {"a": null}]}}),
        ),
        typed(
            "example.com/v1",
            "Custom",
            json!({"spec": {"list": [{"a": 1}], "number": 1.0, "none": null}}),
        ),
    ]
}

#[test]
fn an_object_as_the_server_stored_it_is_as_it_was_deployed() {
    for sample in samples() {
        let live = stored(&sample);
        assert_eq!(
            paths(&sample, live.clone()),
            Vec::<String>::new(),
            "{sample}"
        );
        let exact = compare(&live, &live, &no_rules(), How::Exact);
        assert_eq!(exact, Comparison::default());
    }
}

#[test]
fn every_change_of_a_deployed_field_is_named() {
    let mut live = stored(&deployment());
    live["metadata"]["labels"]["a"] = "2".into();
    live["spec"]["replicas"] = 5.into();
    let pod = &mut live["spec"]["template"]["spec"];
    pod["containers"][0]["image"] = "i:2".into();
    pod["containers"][0]["env"][0]["value"] = "2".into();
    pod["containers"][0]["resources"]["limits"]["cpu"] = "2".into();
    pod["containers"][1]["volumeMounts"] = json!([]);
    pod["containers"].as_array_mut().unwrap().reverse();
    assert_eq!(
        paths(&deployment(), live),
        [
            "metadata.labels.a",
            "spec.replicas",
            "spec.template.spec.containers[name=main].env[name=A].value",
            "spec.template.spec.containers[name=main].image",
            "spec.template.spec.containers[name=main].resources.limits.cpu",
            "spec.template.spec.containers[name=side].volumeMounts",
        ]
    );
}

#[test]
fn what_only_the_live_object_has_is_no_difference() {
    let mut live = stored(&deployment());
    live["metadata"]["labels"]["new"] = "x".into();
    live["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "injected"}));
    assert_eq!(paths(&deployment(), live), Vec::<String>::new());
}

#[test]
fn what_a_whole_list_has_in_addition_is_in_doubt_until_the_server_says() {
    let role = |rule: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [rule]});
    let desired = role(json!({"verbs": ["get"], "resources": ["pods"]}));
    let live = role(json!({"verbs": ["get"], "resources": ["pods"], "resourceNames": ["x"]}));
    let found = compare(&desired, &live, &no_rules(), How::AsSent);
    assert!(found.differences.is_empty() && found.doubts);
    let exact = compare(&desired, &live, &no_rules(), How::Exact);
    assert_eq!(
        exact.differences[0].path.to_string(),
        "rules[0].resourceNames"
    );
    assert_eq!(exact.differences[0].desired, None);
    let longer = role(json!({"verbs": ["get", "list"], "resources": ["pods"]}));
    assert_eq!(paths(&desired, longer), ["rules[0].verbs"]);
}

#[test]
fn what_is_empty_and_not_there_is_in_doubt() {
    let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "C", "metadata": {"name": "c"}, "spec": spec});
    for spec in [
        json!({"a": false}),
        json!({"a": {}}),
        json!({"a": [{}]}),
        json!({"a": ""}),
        json!({"a": 0}),
    ] {
        let found = compare(
            &object(spec.clone()),
            &object(json!({})),
            &no_rules(),
            How::AsSent,
        );
        assert!(found.differences.is_empty() && found.doubts, "{spec}");
        let exact = compare(&object(spec), &object(json!({})), &no_rules(), How::Exact);
        assert_eq!(exact.differences.len(), 1);
    }
    assert_eq!(
        paths(&object(json!({"a": true})), object(json!({}))),
        ["spec.a"]
    );
}

#[test]
fn special_kinds_leave_to_others_what_others_fill_in() {
    let role = |rules: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": rules})
    };
    assert_eq!(
        paths(&role(json!([])), role(json!([{"verbs": ["*"]}]))),
        Vec::<String>::new()
    );
    let webhook = |bundle: &str| {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "w"}, "webhooks": [{"name": "a", "clientConfig": {"caBundle": bundle}}]})
    };
    assert_eq!(paths(&webhook("\n"), webhook("Q0E=")), Vec::<String>::new());
    assert_eq!(
        paths(&webhook("T0xE"), webhook("Q0E=")),
        ["webhooks[name=a].clientConfig.caBundle"]
    );
    let subsets = |addresses: Value| json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"}, "subsets": [{"addresses": addresses}]});
    let (a, b) = (json!({"ip": "1.1.1.1"}), json!({"ip": "2.2.2.2"}));
    assert_eq!(
        paths(&subsets(json!([a, b])), subsets(json!([b, a]))),
        Vec::<String>::new()
    );
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}});
    let live = |value: &str| json!({"metadata": {"name": "s"}, "data": {"k": value}});
    assert_eq!(paths(&secret, live("dg==")), Vec::<String>::new());
    assert_eq!(paths(&secret, live("dw==")), ["data.k"]);
    // A text that reads as a quantity is still a text.
    let map = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"cpu": value}});
    assert_eq!(paths(&map("1000m"), map("1")), ["data.cpu"]);
}

#[test]
fn nonsense_is_compared_without_failing() {
    let odd = [
        json!(null),
        json!(3),
        json!([]),
        json!({"metadata": 3}),
        json!({"kind": "Secret", "data": [], "stringData": 3}),
        json!({"kind": "Endpoints", "subsets": 3}),
        json!({"spec": {"containers": [1, {"name": 2}]}}),
    ];
    for left in &odd {
        for right in &odd {
            let _ = compare(left, right, &no_rules(), How::AsSent);
        }
        assert_eq!(
            compare(left, left, &no_rules(), How::AsSent),
            Comparison::default()
        );
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read best as arguments"
)]
fn rules(patches: Value) -> Rules {
    let options: DiffOptions =
        serde_json::from_value(json!({ "comparePatches": patches })).unwrap();
    Rules::new(Some(&options))
}

#[test]
fn rules_take_fields_out_of_the_comparison_one_by_one() {
    let desired = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"}, "spec": {"a": 1, "b": 1, "c": 1}});
    let live = json!({"metadata": {}, "spec": {"a": 2, "b": 2, "c": 2}});
    let left = |patches: Value| {
        let found = compare(&desired, &live, &rules(patches), How::AsSent);
        found
            .differences
            .iter()
            .map(|it| it.path.to_string())
            .collect::<Vec<_>>()
    };
    let (v1, kind) = ("apps/v1", "Deployment");
    // One operation that fails does not cancel the others, and neither name nor namespace is needed.
    let remove = |path: &str| json!({"op": "remove", "path": path});
    let both = json!([remove("/spec/none"), remove("/spec/a"), {"op": "nonsense"}, {"op": "replace", "path": "/spec/b", "value": "x"}]);
    assert_eq!(
        left(json!([{"apiVersion": v1, "kind": kind, "operations": both}])),
        ["spec.c"]
    );
    for (entry, expected) in [
        (
            json!({"apiVersion": "apps/v9", "kind": "D*y?ent", "jsonPointers": ["/spec/a", "/x/y"]}),
            2,
        ),
        (
            json!({"apiVersion": "*/v1", "kind": "*", "name": "we.", "jsonPointers": ["/spec"]}),
            0,
        ),
        (
            json!({"apiVersion": v1, "kind": kind, "namespace": "n", "name": "web", "jsonPointers": ["/spec/a"]}),
            2,
        ),
        (
            json!({"apiVersion": v1, "kind": kind, "name": "we", "jsonPointers": ["/spec/a"]}),
            3,
        ),
        (
            json!({"apiVersion": v1, "kind": kind, "name": "(", "jsonPointers": ["/spec/a"]}),
            3,
        ),
        (
            json!({"apiVersion": v1, "kind": kind, "namespace": "m", "jsonPointers": ["/spec/a"]}),
            3,
        ),
        (
            json!({"apiVersion": "v1", "kind": kind, "jsonPointers": ["/spec/a"]}),
            3,
        ),
        (
            json!({"apiVersion": v1, "kind": kind, "jsonPointers": ["", "nonsense"]}),
            3,
        ),
        (json!({}), 3),
    ] {
        assert_eq!(left(json!([entry])).len(), expected, "{entry}");
    }
}

#[test]
fn missing_objects_are_ignored_by_name_or_pattern() {
    let identity = Identity {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "n".to_owned(),
        name: "made-by-hand".to_owned(),
    };
    let ignores = |name: &str, op: &str| {
        rules(json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "operations": [{"op": op}]}])).ignores_missing(&identity)
    };
    assert!(ignores("", "ignore") && ignores("made-by-hand", "ignore") && ignores("by-", "ignore"));
    assert!(!ignores("other", "ignore") && !ignores("(", "ignore") && !ignores("", "remove"));
}

#[test]
fn replicas_within_the_range_of_an_autoscaler_are_its_own() {
    let autoscaler = |min: Value| {
        json!({"metadata": {"namespace": "n"}, "spec": {"minReplicas": min, "maxReplicas": 5,
        "scaleTargetRef": {"kind": "Deployment", "name": "web"}}})
    };
    let live = |replicas: i64| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n"}, "spec": {"replicas": replicas}})
    };
    let scaler = Scaler::of(&autoscaler(json!(2))).unwrap();
    for (replicas, expected) in [(1, false), (2, true), (5, true), (6, false)] {
        assert_eq!(scaler.accounts_for(&live(replicas)), expected);
    }
    assert!(
        Scaler::of(&autoscaler(Value::Null))
            .unwrap()
            .accounts_for(&live(1))
    );
    let mut elsewhere = live(3);
    elsewhere["metadata"]["namespace"] = "m".into();
    assert!(!scaler.accounts_for(&elsewhere));
    assert_eq!(Scaler::of(&json!({"spec": 3})), None);
    let mut other = live(3);
    let entry = |subresource: &str| {
        json!([{"manager": "kube-controller-manager", "subresource": subresource,
        "fieldsV1": {"f:spec": {"f:replicas": {}}}}])
    };
    other["metadata"]["managedFields"] = entry("scale");
    assert!(is_scaled_from_outside(&other));
    other["metadata"]["managedFields"] = entry("");
    assert!(!is_scaled_from_outside(&other) && !is_scaled_from_outside(&json!(3)));
}

#[test]
fn patches_are_short_and_hold_no_secret() {
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"l": value}}, "stringData": {"k": value}});
    let mut found = compare(
        &secret("hidden"),
        &secret("other"),
        &no_rules(),
        How::AsSent,
    )
    .differences;
    mask(&Identity::of(&secret("")), &mut found);
    let text = patch_text(&found, 1_000);
    assert_eq!(
        text,
        r#"{"data":{"k":"(masked)"},"metadata":{"labels":{"l":"hidden"}}}"#
    );
    assert!(!format!("{:?}", found[0].live).contains("b3RoZXI"));

    let mut live = stored(&deployment());
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
    let found = compare(&deployment(), &live, &no_rules(), How::AsSent).differences;
    assert_eq!(
        patch_text(&found, 1_000),
        r#"{"spec":{"template":{"spec":{"containers":[{"image":"i:1","name":"main"}]}}}}"#
    );
    let map = |value: &str| {
        let data: serde_json::Map<_, _> = (0..500)
            .map(|i| (format!("key{i}"), json!(value.repeat(99))))
            .collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
    };
    let found = compare(&map("a"), &map("b"), &no_rules(), How::AsSent).differences;
    assert_eq!(found.len(), 500);
    for bytes_max in [2_048, 100] {
        let text = patch_text(&found, bytes_max);
        assert!(
            text.len() <= bytes_max && text.contains("fields differ"),
            "{text}"
        );
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}

/// Any JSON without null, which says nothing.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0-9]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

/// Pointers to all leaves.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), found)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| leaves(value, &format!("{at}/{index}"), found)),
        _ => found.push(at.to_owned()),
    }
}

proptest! {
    #[test]
    fn any_custom_object_is_as_itself_and_any_changed_leaf_is_found(spec in tree(), pick in any::<prop::sample::Index>()) {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Custom", "metadata": {"name": "x"}, "spec": spec});
        let same = compare(&object, &object, &no_rules(), How::AsSent);
        prop_assert_eq!(same, Comparison::default());
        let mut all = Vec::new();
        leaves(&object["spec"], "/spec", &mut all);
        if !all.is_empty() {
            let mut live = object.clone();
            *live.pointer_mut(&all[pick.index(all.len())]).unwrap() = json!("changed by hand");
            let found = compare(&object, &live, &no_rules(), How::AsSent);
            prop_assert_eq!(found.differences.len(), 1);
            // Where it is, is what it says.
            let path = &found.differences[0].path;
            prop_assert_eq!(path.find(&object), found.differences[0].desired.as_ref());
            prop_assert_eq!(path.find(&live), found.differences[0].live.as_ref());
        }
    }

    #[test]
    fn any_changed_field_of_a_built_in_kind_is_found(sample in 0..16_usize, pick in any::<prop::sample::Index>()) {
        let mut object = samples().swap_remove(sample);
        // What is empty, null or to be filled in says nothing.
        apply_defaults(&Identity::of(&object).group, &Identity::of(&object).kind.clone(), &mut object);
        let mut all = Vec::new();
        for member in ["spec", "data", "rules", "webhooks", "subjects"] {
            if let Some(value) = object.get(member) {
                leaves(value, &format!("/{member}"), &mut all);
            }
        }
        all.retain(|path| !path.ends_with("caBundle"));
        if !all.is_empty() {
            let mut live = object.clone();
            *live.pointer_mut(&all[pick.index(all.len())]).unwrap() = json!("changed by hand");
            let found = compare(&object, &live, &no_rules(), How::AsSent);
            prop_assert!(!found.differences.is_empty(), "{}", all[pick.index(all.len())]);
        }
    }

    #[test]
    fn defaults_are_never_drift(sample in 0..18_usize) {
        let object = samples().swap_remove(sample);
        let live = stored(&object);
        prop_assert_eq!(compare(&object, &live, &no_rules(), How::AsSent).differences, vec![]);
        // The live object again as deployed: nothing more to say.
        prop_assert_eq!(compare(&live, &live, &no_rules(), How::Exact), Comparison::default());
    }

    #[test]
    fn a_patch_text_is_json_within_its_bound(left in tree(), right in tree(), bytes_max in 64..512_usize) {
        let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Custom", "metadata": {"name": "x"}, "spec": spec});
        let found = compare(&object(left), &object(right), &no_rules(), How::AsSent).differences;
        let text = patch_text(&found, bytes_max);
        prop_assert!(text.len() <= bytes_max);
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
