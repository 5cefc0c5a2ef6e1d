//! What a real API server refuses or changes, and what is said of it.

use std::rc::Rc;

use apiclient::{Kind, ObjectKey, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::setting::Setting;
use crate::world::{
    Bundle, bundle, config_map, config_maps, create, deployment, eventually, namespaces,
};

fn admission(kind: &'static str, plural: &'static str) -> Kind {
    Kind::new("admissionregistration.k8s.io", "v1", kind, plural, false)
}

/// Of ConfigMaps in one namespace.
fn concerns(namespace: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
        "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
            "operations": ["CREATE", "UPDATE"] }] })
}

fn of(namespace: &'static str, value: &str) -> Bundle {
    let drift = json!({ "enabled": true });
    bundle(namespace, &[("a.yaml", &config_map("a", value))])
        .with_options(json!({ "defaultNamespace": namespace, "correctDrift": drift }))
        .with_spec(json!({ "correctDrift": drift }))
}

/// Waits until a policy is in force: a ConfigMap like that of the bundle has this value, or none can be.
async fn in_force(setting: &Setting, namespace: &str, expected: Option<&str>) {
    let key = ObjectKey::new(namespace, "probe");
    eventually("a policy is in force", async || {
        let probe = json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "probe", "namespace": namespace }, "data": { "key": "1" } });
        let options = WriteOptions::default();
        let cluster = &setting.world.cluster;
        let created = cluster.create(&config_maps(), &key, &probe, options).await;
        let found = setting.data(namespace, "probe").await;
        if created.is_ok() {
            let options = apiclient::DeleteOptions::default();
            cluster
                .delete(&config_maps(), &key, &options)
                .await
                .unwrap();
        }
        let value = found.and_then(|data| data["key"].as_str().map(str::to_owned));
        (value.as_deref() == expected).then_some(())
    })
    .await;
}

pub(crate) async fn what_a_policy_refuses_is_named_and_what_it_allows_is_deployed(
    setting: Rc<Setting>,
) {
    let cluster = &setting.world.cluster;
    setting.namespace("refused").await;
    let (policies, bindings) = (
        admission("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        admission(
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
        ),
    );
    let key = ObjectKey::new("", "none.example.com");
    let policy = json!({ "metadata": { "name": "none.example.com" }, "spec": { "matchConstraints": concerns("refused"),
        "validations": [{ "expression": "!has(object.data) || object.data.key != '1'", "message": "one is not allowed" }] } });
    create(cluster, &policies, &key, &policy).await;
    let binding = json!({ "metadata": { "name": "none.example.com" },
        "spec": { "policyName": "none.example.com", "validationActions": ["Deny"] } });
    create(cluster, &bindings, &key, &binding).await;
    in_force(&setting, "refused", None).await;

    setting.world.deploy(&of("refused", "1")).await;
    let error = setting.world.error("refused").await;
    assert!(
        error.contains("ConfigMap refused/a: ") && error.contains("one is not allowed"),
        "{error}"
    );
    assert_eq!(setting.data("refused", "a").await, None);
    let id = setting.world.deploy(&of("refused", "2")).await;
    setting.world.ready("refused", &id).await;
    assert_eq!(setting.data("refused", "a").await.unwrap()["key"], "2");

    // Policies are objects too: what one refuses is tried again.
    let id = setting.world.deploy(&of("refused", "1")).await;
    setting.world.error("refused").await;
    let options = apiclient::DeleteOptions::default();
    cluster.delete(&bindings, &key, &options).await.unwrap();
    setting.world.ready("refused", &id).await;
    assert_eq!(setting.data("refused", "a").await.unwrap()["key"], "1");
    setting.world.remove("refused").await;
}

pub(crate) async fn a_namespace_that_is_going_is_waited_for_and_made_again(setting: Rc<Setting>) {
    let cluster = &setting.world.cluster;
    setting.namespace("going").await;
    let (held, key) = (ObjectKey::new("going", "held"), ObjectKey::new("", "going"));
    let finalizers = json!(["example.com/held"]);
    let object = json!({ "metadata": { "name": "held", "finalizers": finalizers } });
    create(cluster, &config_maps(), &held, &object).await;
    let options = apiclient::DeleteOptions::default();
    cluster.delete(&namespaces(), &key, &options).await.unwrap();

    let id = setting.world.deploy(&of("going", "1")).await;
    let error = setting.world.error("going").await;
    assert!(
        error.contains("going") && error.contains("is being terminated"),
        "{error}"
    );
    let other = bundle("goes-on", &[("a.yaml", &config_map("goes-on", "1"))])
        .with_options(json!({ "defaultNamespace": "goes-on" }));
    let other = setting.world.deploy(&other).await;
    setting.world.ready("goes-on", &other).await;

    let patch = json!({ "metadata": { "finalizers": null } });
    let _: apiclient::ObjectMeta = cluster
        .patch(
            &config_maps(),
            &held,
            None,
            Patch::Merge(&patch),
            0,
            WriteOptions::default(),
        )
        .await
        .unwrap();
    setting.world.ready("going", &id).await;
    assert_eq!(setting.data("going", "a").await.unwrap()["key"], "1");
    for name in ["going", "goes-on"] {
        setting.world.remove(name).await;
    }
}

pub(crate) async fn what_a_policy_changes_is_no_drift_and_not_fought(setting: Rc<Setting>) {
    let cluster = &setting.world.cluster;
    setting.namespace("changed").await;
    let (policies, bindings) = (
        admission("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
        admission(
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
        ),
    );
    let key = ObjectKey::new("", "theirs.example.com");
    let policy = json!({ "metadata": { "name": "theirs.example.com" }, "spec": { "matchConstraints": concerns("changed"),
        "failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": [{ "patchType": "ApplyConfiguration",
            "applyConfiguration": { "expression": "Object{data: {'key': 'theirs'}}" } }] } });
    create(cluster, &policies, &key, &policy).await;
    let binding = json!({ "metadata": { "name": "theirs.example.com" },
        "spec": { "policyName": "theirs.example.com" } });
    create(cluster, &bindings, &key, &binding).await;
    in_force(&setting, "changed", Some("theirs")).await;

    let id = setting.world.deploy(&of("changed", "1")).await;
    setting.world.ready("changed", &id).await;
    let live = async || {
        let found = setting.world.object(&config_maps(), "changed", "a").await;
        found.unwrap()["metadata"]["resourceVersion"].clone()
    };
    let before = live().await;
    assert_eq!(setting.data("changed", "a").await.unwrap()["key"], "theirs");
    // Whatever there was to be corrected is by the time that something else has been.
    let more = bundle("changed-more", &[("b.yaml", &config_map("b", "1"))])
        .with_options(json!({ "defaultNamespace": "changed" }));
    let more = setting.world.deploy(&more).await;
    setting.world.ready("changed-more", &more).await;
    assert_eq!(live().await, before);
    setting.world.ready("changed", &id).await;
    for name in ["changed", "changed-more"] {
        setting.world.remove(name).await;
    }
}

pub(crate) async fn a_quota_is_named_and_waited_for(setting: Rc<Setting>) {
    let cluster = &setting.world.cluster;
    setting.namespace("quota").await;
    let quotas = Kind::new("", "v1", "ResourceQuota", "resourcequotas", true);
    let key = ObjectKey::new("quota", "few");
    let quota = json!({ "metadata": { "name": "few" }, "spec": { "hard": { "count/deployments.apps": "0" } } });
    create(cluster, &quotas, &key, &quota).await;
    eventually("the quota is in force", async || {
        let found = setting.world.object(&quotas, "quota", "few").await?;
        found["status"]["used"].is_object().then_some(())
    })
    .await;
    let web = bundle("quota", &[("a.yaml", &deployment("web"))])
        .with_options(json!({ "defaultNamespace": "quota" }));
    let id = setting.world.deploy(&web).await;
    let error = setting.world.error("quota").await;
    assert!(
        error.contains("Deployment quota/web: ") && error.contains("exceeded quota: few"),
        "{error}"
    );
    let options = apiclient::DeleteOptions::default();
    cluster.delete(&quotas, &key, &options).await.unwrap();
    setting
        .world
        .until("quota", "is applied", |it| {
            it.status.applied_deployment_id == id
        })
        .await;
    setting.world.remove("quota").await;
}

pub(crate) async fn a_field_that_a_kind_does_not_have_is_named(setting: Rc<Setting>) {
    let web = deployment("web").replace("spec:\n  selector", "spec:\n  replica: 2\n  selector");
    let bad =
        bundle("field", &[("a.yaml", &web)]).with_options(json!({ "defaultNamespace": "field" }));
    setting.world.deploy(&bad).await;
    let error = setting.world.error("field").await;
    assert!(
        error.contains("apply Deployment field/web: failed to create typed patch object")
            && error.contains(".spec.replica"),
        "{error}"
    );
    setting.world.remove("field").await;
}
