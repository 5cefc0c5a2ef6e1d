//! The API as a client sees it, through an in-process `kube::Client`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::{Client, ResourceExt};
use sandbox::{Cluster, Options, Sandbox};
use serde_json::{Value, json};

async fn cluster() -> (Sandbox, Cluster, Client) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let client = Client::new(cluster.service(cluster.admin_token()), "default");
    (sandbox, cluster, client)
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn config(name: &str, key: &str) -> ConfigMap {
    object(json!({"metadata": {"name": name}, "data": {"key": key}}))
}

fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let created = api
        .create(&PostParams::default(), &config("a", "1"))
        .await
        .unwrap();
    assert!(created.uid().is_some() && created.creation_timestamp().is_some());
    let (code, reason, message) =
        refused(api.create(&PostParams::default(), &config("a", "1")).await);
    assert_eq!((code, reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(message, "configmaps \"a\" already exists");
    let mut changed = created.clone();
    changed.data = config("a", "2").data;
    let changed = api
        .replace("a", &PostParams::default(), &changed)
        .await
        .unwrap();
    assert_ne!(changed.resource_version(), created.resource_version());
    let (code, reason, message) = refused(api.replace("a", &PostParams::default(), &created).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(
        message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    let same = api
        .replace("a", &PostParams::default(), &changed)
        .await
        .unwrap();
    assert_eq!(same.resource_version(), changed.resource_version());
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let (code, reason, message) = refused(api.get("a").await);
    assert_eq!((code, reason.as_str()), (404, "NotFound"));
    assert_eq!(message, "configmaps \"a\" not found");
}

#[tokio::test]
async fn a_new_cluster_gets_its_service_accounts_without_further_writes() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ServiceAccount> = Api::all(client.clone());
    wait(|| async { api.list(&ListParams::default()).await.unwrap().items.len() == 4 }).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    wait(|| async { api.get_opt("kube-root-ca.crt").await.unwrap().is_some() }).await;
}

#[tokio::test]
async fn bad_objects_are_refused_with_their_fields() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let cases = [
        (
            json!({"metadata": {"name": "A"}}),
            422,
            "metadata.name: Invalid value: \"A\"",
        ),
        (
            json!({"metadata": {}}),
            422,
            "metadata.name: Required value",
        ),
        (
            json!({"metadata": {"name": "a", "labels": {"x": "a b"}}}),
            422,
            "metadata.labels: Invalid value: \"a b\"",
        ),
        (
            json!({"metadata": {"name": "a", "namespace": "other"}}),
            400,
            "does not match the namespace sent on the request",
        ),
        (
            json!({"metadata": {"name": "a", "resourceVersion": "1"}}),
            500,
            "should not be set",
        ),
    ];
    for (body, code, text) in cases {
        let config: ConfigMap = object(body.clone());
        let (got, _, message) = refused(api.create(&PostParams::default(), &config).await);
        assert_eq!(got, code, "{body}: {message}");
        assert!(message.contains(text), "{body}: {message}");
    }
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let pod: Pod = object(json!({"metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"limits": {"cpu": "much"}}}]}}));
    let (code, _, message) = refused(pods.create(&PostParams::default(), &pod).await);
    assert_eq!(code, 400);
    assert!(
        message.starts_with("Pod in version \"v1\" cannot be handled as a Pod: "),
        "{message}"
    );
    let api: Api<ConfigMap> = Api::namespaced(client, "nowhere");
    let (code, _, message) = refused(api.create(&PostParams::default(), &config("a", "1")).await);
    assert_eq!(
        (code, message.as_str()),
        (404, "namespaces \"nowhere\" not found")
    );
}

#[tokio::test]
async fn every_kind_of_patch_changes_an_object() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &config("a", "1"))
        .await
        .unwrap();
    let params = PatchParams::default();
    let merged = api
        .patch("a", &params, &Patch::Merge(json!({"data": {"other": "2"}})))
        .await
        .unwrap();
    assert_eq!(merged.data.unwrap().len(), 2);
    let remove = json!([{"op": "remove", "path": "/data/key"}]);
    let patched = json_patch(&api, "a", remove.clone()).await.unwrap();
    assert_eq!(
        patched.data.unwrap().into_keys().collect::<Vec<_>>(),
        ["other"]
    );
    assert_eq!(
        refused(json_patch(&api, "a", remove).await).0,
        422,
        "the field is gone"
    );
    assert_eq!(
        refused(json_patch(&api, "a", json!({"op": "remove"})).await).0,
        400
    );
    let wrong = Patch::Merge(json!({"metadata": {"resourceVersion": "1"}}));
    assert_eq!(refused(api.patch("a", &params, &wrong).await).0, 409);
    let missing = Patch::Merge(json!({"data": {}}));
    assert_eq!(refused(api.patch("b", &params, &missing).await).0, 404);
}

/// Sends a JSON patch as it is, malformed ones too.
async fn json_patch(api: &Api<ConfigMap>, name: &str, patch: Value) -> kube::Result<ConfigMap> {
    let request = http::Request::patch(format!("{}/{name}", api.resource_url()))
        .header("content-type", "application/json-patch+json")
        .body(patch.to_string().into_bytes())
        .unwrap();
    api.clone().into_client().request(request).await
}

#[tokio::test]
async fn pages_show_one_state_while_objects_change() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<Secret> = Api::default_namespaced(client);
    for number in 0..5 {
        let secret: Secret = object(json!({"metadata": {"name": format!("s{number}")}}));
        api.create(&PostParams::default(), &secret).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    api.delete("s3", &DeleteParams::default()).await.unwrap();
    let late: Secret = object(json!({"metadata": {"name": "s2a"}}));
    api.create(&PostParams::default(), &late).await.unwrap();
    let mut names: Vec<String> = first.items.iter().map(ResourceExt::name_any).collect();
    let mut token = first.metadata.continue_;
    while let Some(next) = token.filter(|token| !token.is_empty()) {
        let page = api
            .list(&ListParams::default().limit(2).continue_token(&next))
            .await
            .unwrap();
        assert_eq!(
            page.metadata.resource_version,
            first.metadata.resource_version
        );
        names.extend(page.items.iter().map(ResourceExt::name_any));
        token = page.metadata.continue_;
    }
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4"]);
    let wrong = ListParams::default().limit(2).continue_token("x");
    assert_eq!(refused(api.list(&wrong).await).0, 400);
}

#[tokio::test]
async fn a_watch_tells_every_change_in_order() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let params = WatchParams::default().labels("app=web");
    let start = api
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let mut events = api.watch(&params, &start).await.unwrap().boxed();
    let labelled = |value: &str| -> ConfigMap {
        object(json!({"metadata": {"name": "a", "labels": {"app": value}}}))
    };
    api.create(&PostParams::default(), &config("other", "1"))
        .await
        .unwrap();
    api.create(&PostParams::default(), &labelled("web"))
        .await
        .unwrap();
    api.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(json!({"data": {"k": "v"}})),
    )
    .await
    .unwrap();
    api.replace("a", &PostParams::default(), &labelled("db"))
        .await
        .unwrap();
    api.replace("a", &PostParams::default(), &labelled("web"))
        .await
        .unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(object) => format!("added {}", object.name_any()),
            WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
            WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(
        seen,
        ["added a", "modified a", "deleted a", "added a", "deleted a"]
    );
}

#[tokio::test]
async fn a_namespace_goes_with_its_content() {
    let (_sandbox, _, client) = cluster().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let team: Namespace = object(json!({"metadata": {"name": "team"}}));
    namespaces
        .create(&PostParams::default(), &team)
        .await
        .unwrap();
    let configs: Api<ConfigMap> = Api::namespaced(client.clone(), "team");
    let mut held = config("held", "1");
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    configs.create(&PostParams::default(), &held).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "team");
    wait(|| async { accounts.get_opt("default").await.unwrap().is_some() }).await;

    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .unwrap();
    let (code, reason, message) = refused(
        configs
            .create(&PostParams::default(), &config("b", "1"))
            .await,
    );
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        message,
        "configmaps \"b\" is forbidden: unable to create new content in namespace team because \
         it is being terminated"
    );
    wait(|| async { accounts.get_opt("default").await.unwrap().is_none() }).await;
    assert!(namespaces.get_opt("team").await.unwrap().is_some());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    configs
        .patch("held", &PatchParams::default(), &release)
        .await
        .unwrap();
    wait(|| async { namespaces.get_opt("team").await.unwrap().is_none() }).await;
}

/// Polls until a condition holds; fails the test if that takes unreasonably long.
async fn wait<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("condition was not reached");
}

#[tokio::test]
async fn dependents_go_with_their_owner_or_stay_as_orphans() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    for (policy, survives) in [
        (DeleteParams::background(), false),
        (DeleteParams::foreground(), false),
        (DeleteParams::orphan(), true),
    ] {
        let owner = api
            .create(&PostParams::default(), &config("owner", "1"))
            .await
            .unwrap();
        let child: ConfigMap = object(json!({"metadata": {"name": "child", "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid(),
             "blockOwnerDeletion": true}]}}));
        api.create(&PostParams::default(), &child).await.unwrap();
        api.delete("owner", &policy).await.unwrap();
        wait(|| async { api.get_opt("owner").await.unwrap().is_none() }).await;
        if survives {
            let child = api.get("child").await.unwrap();
            assert!(child.owner_references().is_empty());
            api.delete("child", &DeleteParams::default()).await.unwrap();
        } else {
            wait(|| async { api.get_opt("child").await.unwrap().is_none() }).await;
        }
    }
}

#[tokio::test]
async fn status_is_written_through_its_own_path() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<Deployment> = Api::default_namespaced(client);
    let deployment: Deployment = object(json!({"metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"replicas": 7}}));
    let created = api
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    assert_eq!(created.status.unwrap_or_default().replicas, None);
    let status = Patch::Merge(json!({"status": {"replicas": 3}, "spec": {"replicas": 9}}));
    let patched = api
        .patch_status("web", &PatchParams::default(), &status)
        .await
        .unwrap();
    assert_eq!(patched.status.unwrap().replicas, Some(3));
    assert_eq!(patched.spec.unwrap().replicas, Some(2));
    assert_eq!(patched.metadata.generation, Some(1));
    let spec = Patch::Merge(json!({"status": {"replicas": 9}, "spec": {"replicas": 4}}));
    let patched = api
        .patch("web", &PatchParams::default(), &spec)
        .await
        .unwrap();
    assert_eq!(patched.status.unwrap().replicas, Some(3));
    assert_eq!(patched.metadata.generation, Some(2));
    let scale = api.get_scale("web").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    assert_eq!(scale.status.unwrap().selector.as_deref(), Some("a=b"));
    let scale = Patch::Merge(json!({"spec": {"replicas": 5}}));
    api.patch_scale("web", &PatchParams::default(), &scale)
        .await
        .unwrap();
    assert_eq!(
        api.get("web").await.unwrap().spec.unwrap().replicas,
        Some(5)
    );
}

#[tokio::test]
async fn a_crd_adds_a_kind_and_takes_its_objects_along() {
    let (_sandbox, _, client) = cluster().await;
    let crds: Api<DynamicObject> = Api::all_with(
        client.clone(),
        &kube::core::ApiResource::from_gvk_with_plural(
            &kube::core::GroupVersionKind::gvk(
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition",
            ),
            "customresourcedefinitions",
        ),
    );
    let crd: DynamicObject = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
                    "properties": {"size": {"type": "integer", "minimum": 1},
                        "color": {"type": "string", "default": "red"}}}}}}}]}}));
    crds.create(&PostParams::default(), &crd).await.unwrap();
    let foos: Api<DynamicObject> = Api::default_namespaced_with(
        client,
        &kube::core::ApiResource::from_gvk_with_plural(
            &kube::core::GroupVersionKind::gvk("example.com", "v1", "Foo"),
            "foos",
        ),
    );
    wait(|| async { foos.list(&ListParams::default()).await.is_ok() }).await;
    let foo = |size: i64| -> DynamicObject {
        object(
            json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"},
            "spec": {"size": size, "unknown": 1}}),
        )
    };
    let (code, _, message) = refused(foos.create(&PostParams::default(), &foo(0)).await);
    assert_eq!(code, 422);
    assert!(
        message.starts_with("Foo.example.com \"a\" is invalid: spec.size: "),
        "{message}"
    );
    let created = foos.create(&PostParams::default(), &foo(1)).await.unwrap();
    assert_eq!(created.data["spec"], json!({"size": 1, "color": "red"}));
    crds.delete("foos.example.com", &DeleteParams::default())
        .await
        .unwrap();
    wait(|| async { crds.get_opt("foos.example.com").await.unwrap().is_none() }).await;
    wait(|| async { foos.list(&ListParams::default()).await.is_err() }).await;
}

#[tokio::test]
async fn a_service_account_is_held_to_its_role() {
    let (_sandbox, cluster, client) = cluster().await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let bot: ServiceAccount = object(json!({"metadata": {"name": "bot"}}));
    accounts.create(&PostParams::default(), &bot).await.unwrap();
    let secret: Secret = object(json!({"metadata": {"name": "bot-token",
        "annotations": {"kubernetes.io/service-account.name": "bot"}},
        "type": "kubernetes.io/service-account-token"}));
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
    wait(|| async { secrets.get("bot-token").await.unwrap().data.is_some() }).await;
    let token = secrets.get("bot-token").await.unwrap().data.unwrap()["token"]
        .0
        .clone();
    let token = String::from_utf8(token).unwrap();
    let client_of = |token: &str| Client::new(cluster.service(token), "default");
    let configs: Api<ConfigMap> = Api::default_namespaced(client_of(&token));
    let (code, _, message) = refused(configs.get("a").await);
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "configmaps \"a\" is forbidden: User \"system:serviceaccount:default:bot\" cannot get \
         resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let role: k8s_openapi::api::rbac::v1::Role = object(json!({"metadata": {"name": "read"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"],
            "resourceNames": ["a"]}]}));
    let binding: k8s_openapi::api::rbac::v1::RoleBinding = object(json!({
        "metadata": {"name": "read"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"},
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "default"}]}));
    Api::default_namespaced(client.clone())
        .create(&PostParams::default(), &role)
        .await
        .unwrap();
    Api::default_namespaced(client.clone())
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    assert_eq!(refused(configs.get("a").await).0, 404);
    assert_eq!(refused(configs.get("b").await).0, 403);
    assert_eq!(refused(configs.list(&ListParams::default()).await).0, 403);
    accounts
        .delete("bot", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(refused(configs.get("a").await).0, 401);
    for wrong in ["", "x", "a.b.c"] {
        let configs: Api<ConfigMap> = Api::default_namespaced(client_of(wrong));
        assert_eq!(refused(configs.get("a").await).0, 401);
    }
}

#[tokio::test]
async fn sizes_are_limited_as_by_etcd() {
    let (_sandbox, _, client) = cluster().await;
    let api: Api<ControllerRevision> = Api::default_namespaced(client);
    let revision = |bytes: usize| -> ControllerRevision {
        object(
            json!({"metadata": {"name": "large"}, "revision": 1, "data": {"x": "x".repeat(bytes)}}),
        )
    };
    let (code, _, message) = refused(
        api.create(&PostParams::default(), &revision(1_600_000))
            .await,
    );
    assert_eq!(
        (code, message.as_str()),
        (500, "etcdserver: request is too large")
    );
    let huge = api
        .create(&PostParams::default(), &revision(4_000_000))
        .await;
    assert_eq!(refused(huge).0, 413);
    api.create(&PostParams::default(), &revision(1_500_000))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cluster_that_is_down_refuses_connections_and_breaks_watches() {
    let (sandbox, _, client) = cluster().await;
    let api: Api<Pod> = Api::default_namespaced(client);
    let mut events = api
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    sandbox.take_down("hub");
    assert!(matches!(
        api.list(&ListParams::default()).await,
        Err(kube::Error::Service(_))
    ));
    assert!(!matches!(events.next().await, Some(Ok(_))));
    sandbox.bring_up("hub");
    assert!(api.list(&ListParams::default()).await.is_ok());
}
