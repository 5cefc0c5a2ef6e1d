//! Kinds added by CRDs, controllers of kube-rs on top, disruption budgets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Crd;
use kube::api::{Api, DynamicObject, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use sandbox::{Options, Sandbox};
use serde_json::{Value, json};

async fn start() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let client = Client::new(cluster.service(cluster.admin_token()), "default");
    (sandbox, client)
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        other => panic!("{other}"),
    }
}

/// A CRD of group `example.com` with a version of each name, the first one stored.
fn crd(plural: &str, kind: &str, versions: &[&str]) -> Value {
    let version = |(index, name): (usize, &&str)| {
        json!({"name": name, "served": true, "storage": index == 0,
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas"}},
            "additionalPrinterColumns": [
                {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}],
            "selectableFields": [{"jsonPath": ".spec.color"}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"replicas": {"type": "integer"},
                    "color": {"type": "string"}}},
                "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}}})
    };
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    json!({"metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind}, "versions": versions}})
}

async fn establish(client: &Client, value: Value) {
    let crds: Api<Crd> = Api::all(client.clone());
    let created = crds
        .create(&PostParams::default(), &object(value))
        .await
        .unwrap();
    let established = conditions::is_crd_established();
    await_condition(crds, &created.name_any(), established)
        .await
        .unwrap();
}

fn custom(client: &Client, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("example.com", version, kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::default_namespaced_with(client.clone(), &resource)
}

#[tokio::test]
async fn a_custom_resource_has_versions_status_scale_and_selectable_fields() {
    let (_sandbox, client) = start().await;
    establish(&client, crd("foos", "Foo", &["v1", "v2"])).await;
    let (old, new) = (
        custom(&client, "v1", "Foo", "foos"),
        custom(&client, "v2", "Foo", "foos"),
    );
    let foo: DynamicObject = object(json!({"apiVersion": "example.com/v1", "kind": "Foo",
        "metadata": {"name": "a"}, "spec": {"replicas": 1, "color": "red"},
        "status": {"replicas": 9}}));
    let created = old.create(&PostParams::default(), &foo).await.unwrap();
    assert!(created.data.get("status").is_none());
    let shown = new.get("a").await.unwrap();
    assert_eq!(shown.types.unwrap().api_version, "example.com/v2");
    let status = Patch::Merge(json!({"status": {"replicas": 1}, "spec": {"replicas": 7}}));
    let patched = new
        .patch_status("a", &PatchParams::default(), &status)
        .await
        .unwrap();
    assert_eq!(patched.data["spec"]["replicas"], 1);
    assert_eq!(patched.metadata.generation, Some(1));
    let scale = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let scale = new
        .patch_scale("a", &PatchParams::default(), &scale)
        .await
        .unwrap();
    assert_eq!(scale.status.unwrap().replicas, 1);
    assert_eq!(new.get("a").await.unwrap().data["spec"]["replicas"], 4);
    let red = new
        .list(&ListParams::default().fields("spec.color=red"))
        .await
        .unwrap();
    let blue = new
        .list(&ListParams::default().fields("spec.color=blue"))
        .await
        .unwrap();
    assert_eq!((red.items.len(), blue.items.len()), (1, 0));
    let strategic = Patch::Strategic(json!({"spec": {"replicas": 5}}));
    assert_eq!(
        refused(new.patch("a", &PatchParams::default(), &strategic).await).0,
        415
    );
    let mut without_version = new.get("a").await.unwrap();
    without_version.metadata.resource_version = None;
    let replaced = new
        .replace("a", &PostParams::default(), &without_version)
        .await;
    assert_eq!(refused(replaced).0, 422);
}

#[tokio::test]
async fn bad_crds_are_refused_by_what_is_wrong() {
    let (_sandbox, client) = start().await;
    let crds: Api<Crd> = Api::all(client.clone());
    let with = |pointer: &str, value: Value| {
        let mut crd = crd("foos", "Foo", &["v1"]);
        *crd.pointer_mut(pointer).unwrap() = value;
        crd
    };
    let mut webhook = crd("foos", "Foo", &["v1"]);
    webhook["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.com"}}});
    let cases = [
        (
            with("/metadata/name", json!("bars.example.com")),
            "metadata.name",
        ),
        (with("/spec/scope", json!("Everywhere")), "spec.scope"),
        (with("/spec/versions/0/storage", json!(false)), "storage"),
        (
            with(
                "/spec/versions/0/schema/openAPIV3Schema/type",
                json!("string"),
            ),
            "openAPIV3Schema",
        ),
        (
            webhook,
            "the sandbox does not implement conversion webhooks",
        ),
    ];
    for (body, text) in cases {
        let (code, message) = refused(
            crds.create(&PostParams::default(), &object(body.clone()))
                .await,
        );
        assert_eq!(code, 422, "{message}");
        assert!(message.contains(text), "{message}");
    }
}

#[tokio::test]
async fn a_taken_kind_is_not_served() {
    let (_sandbox, client) = start().await;
    establish(&client, crd("foos", "Foo", &["v1"])).await;
    let crds: Api<Crd> = Api::all(client.clone());
    let second: Crd = object(crd("others", "Foo", &["v1"]));
    crds.create(&PostParams::default(), &second).await.unwrap();
    let refused_names = |crd: Option<&Crd>| {
        let conditions = crd.and_then(|crd| crd.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one.type_ == "NamesAccepted" && one.status == "False")
        })
    };
    await_condition(crds, "others.example.com", refused_names)
        .await
        .unwrap();
    let others = custom(&client, "v1", "Foo", "others");
    assert_eq!(refused(others.list(&ListParams::default()).await).0, 404);
}

/// Whether a watcher comes to show an object, through errors and new lists.
async fn shows(
    events: &mut (impl futures::Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin),
    name: &str,
) -> bool {
    for _ in 0..50 {
        match events.next().await {
            Some(Ok(Event::InitApply(object) | Event::Apply(object)))
                if object.name_any() == name =>
            {
                return true;
            }
            None => return false,
            _ => {}
        }
    }
    false
}

#[tokio::test]
async fn a_kube_watcher_starts_over_after_outage_and_compaction() {
    let (sandbox, client) = start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let config = |name: &str| -> ConfigMap { object(json!({"metadata": {"name": name}})) };
    for streaming in [false, true] {
        let settings = watcher::Config::default();
        let settings = if streaming {
            settings.streaming_lists()
        } else {
            settings
        };
        let mut events = Box::pin(watcher(api.clone(), settings));
        let (first, second) = (format!("a-{streaming}"), format!("b-{streaming}"));
        api.create(&PostParams::default(), &config(&first))
            .await
            .unwrap();
        assert!(shows(&mut events, &first).await);
        sandbox.take_down("hub");
        assert!(api.get(&first).await.is_err());
        sandbox.bring_up("hub");
        api.create(&PostParams::default(), &config(&second))
            .await
            .unwrap();
        sandbox.compact();
        assert!(shows(&mut events, &second).await);
    }
}

#[tokio::test]
async fn pods_are_evicted_as_far_as_budgets_allow() {
    let (_sandbox, client) = start().await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(client);
    let pod: Pod = object(json!({"metadata": {"name": "p", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}));
    pods.create(&PostParams::default(), &pod).await.unwrap();
    await_condition(pods.clone(), "p", conditions::is_pod_running())
        .await
        .unwrap();
    let budget: PodDisruptionBudget = object(json!({"metadata": {"name": "b",
            "annotations": {"sandbox.local/simulate": "none"}},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}}}));
    budgets
        .create(&PostParams::default(), &budget)
        .await
        .unwrap();
    let (code, message) = refused(pods.evict("p", &EvictParams::default()).await);
    assert_eq!(code, 429);
    assert_eq!(
        message,
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    budgets
        .delete("b", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    pods.evict("p", &EvictParams::default()).await.unwrap();
    assert!(pods.get_opt("p").await.unwrap().is_none());
}
