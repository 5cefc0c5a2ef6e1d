//! The protocol around the objects: forms, warnings, dry runs, apply, bookmarks, TLS, restarts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use futures::{StreamExt, TryStreamExt};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use sandbox::{Cluster, Options, Sandbox};
use serde_json::{Value, json};
use tower::ServiceExt;

async fn start(options: Options) -> (Sandbox, Cluster, Client) {
    let sandbox = Sandbox::start(options).await.unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let client = Client::new(cluster.service(cluster.admin_token()), "default");
    (sandbox, cluster, client)
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn config(name: &str) -> ConfigMap {
    object(json!({"metadata": {"name": name, "labels": {"app": name}}, "data": {"k": "v"}}))
}

fn code_of<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result.unwrap_err() {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

/// An answer: code, headers, body.
struct Answer(StatusCode, http::HeaderMap, Value);

/// Sends a request as the administrator.
async fn send(cluster: &Cluster, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = request
        .body(http_body_util::Full::from(body.to_owned()))
        .unwrap();
    let service = cluster.service(cluster.admin_token());
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = || Value::from(String::from_utf8_lossy(&bytes).into_owned());
    Answer(
        parts.status,
        parts.headers,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
    )
}

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn forms_follow_the_accept_header() {
    let (_sandbox, cluster, _) = start(Options::default()).await;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}}).to_string();
    let created = send(&cluster, "POST", CONFIGS, &[], &body).await;
    assert_eq!(
        (created.0, &created.2["kind"]),
        (StatusCode::CREATED, &json!("ConfigMap"))
    );
    let path = format!("{CONFIGS}/a");
    let table = "accept: application/json;as=Table;g=meta.k8s.io;v=v1, application/json";
    let Answer(_, _, table) = send(&cluster, "GET", &path, &[table], "").await;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][1]["name"], "Data");
    assert_eq!(table["rows"][0]["cells"][1], 1);
    let partial = "accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let Answer(_, _, partial) = send(&cluster, "GET", &path, &[partial], "").await;
    assert_eq!(partial["kind"], "PartialObjectMetadata");
    assert!(partial.get("data").is_none());
    let only = ["accept: application/vnd.kubernetes.protobuf"];
    assert_eq!(
        send(&cluster, "GET", &path, &only, "").await.0,
        StatusCode::NOT_ACCEPTABLE
    );
    let cases = [
        ("GET", "/api/v1/nothings", 404),
        ("GET", "/apis/example.com/v1/foos", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("PUT", CONFIGS, 405),
        ("GET", "/api/v1/namespaces/default/pods/a/log", 501),
        ("POST", "/api/v1/namespaces/default/pods/a/exec", 501),
    ];
    for (method, path, code) in cases {
        let Answer(got, _, status) = send(&cluster, method, path, &[], "").await;
        assert_eq!(got.as_u16(), code, "{method} {path}: {status}");
        // A known group says that it lacks the resource.
        let want = if code == 404 && !path.starts_with("/api/") {
            json!("404 page not found\n")
        } else {
            json!("Status")
        };
        assert_eq!(
            status.get("kind").unwrap_or(&status),
            &want,
            "{method} {path}"
        );
    }
    let html = ["content-type: text/html"];
    let refused = send(&cluster, "POST", CONFIGS, &html, "<p>").await;
    assert_eq!(refused.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for bad in ["", "{", "[]", "null", "\"x\"", "{\"kind\": \"Pod\"}"] {
        let Answer(code, _, status) = send(&cluster, "POST", CONFIGS, &[], bad).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{bad:?}: {status}");
    }
}

#[tokio::test]
async fn unknown_and_duplicate_fields_are_treated_as_asked() {
    let (_sandbox, cluster, _) = start(Options::default()).await;
    let body = r#"{"metadata": {"name": "a"}, "dat": 1, "data": {"k": "1", "k": "2"}}"#;
    let path = |how: &str| format!("{CONFIGS}?dryRun=All&fieldValidation={how}");
    let Answer(code, _, status) = send(&cluster, "POST", &path("Strict"), &[], body).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("strict decoding error"), "{message}");
    let Answer(code, headers, created) = send(&cluster, "POST", &path("Warn"), &[], body).await;
    assert_eq!(code, StatusCode::CREATED);
    let warnings: Vec<_> = headers
        .get_all("warning")
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect();
    assert_eq!(
        warnings,
        [
            "299 - \"duplicate field \\\"data.k\\\"\"",
            "299 - \"unknown field \\\"dat\\\"\""
        ]
    );
    assert!(created.get("dat").is_none());
    let Answer(_, headers, _) = send(&cluster, "POST", &path("Ignore"), &[], body).await;
    assert!(headers.get("warning").is_none());
    let Answer(code, _, _) = send(&cluster, "POST", &path("Perhaps"), &[], body).await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
    let Answer(code, _, _) = send(&cluster, "GET", &format!("{CONFIGS}/a"), &[], "").await;
    assert_eq!(code, StatusCode::NOT_FOUND, "dry runs store nothing");
}

#[tokio::test]
async fn generated_names_are_free_and_collections_are_deleted_by_label() {
    let (_sandbox, _, client) = start(Options::default()).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let generate: ConfigMap = object(json!({"metadata": {"generateName": "x-"}}));
    let one = api.create(&PostParams::default(), &generate).await.unwrap();
    let two = api.create(&PostParams::default(), &generate).await.unwrap();
    assert!(one.name_any().starts_with("x-") && one.name_any() != two.name_any());
    for name in ["a", "b"] {
        api.create(&PostParams::default(), &config(name))
            .await
            .unwrap();
    }
    let labelled = ListParams::default().labels("app in (a, c)");
    api.delete_collection(&DeleteParams::default(), &labelled)
        .await
        .unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
    assert!(api.get_opt("b").await.unwrap().is_some());
    let broken = ListParams::default().labels("app in (");
    assert_eq!(code_of(api.list(&broken).await), 400);
    let unknown = ListParams::default().fields("data.k=v");
    assert_eq!(code_of(api.list(&unknown).await), 400);
    let named = api
        .list(&ListParams::default().fields("metadata.name=b"))
        .await
        .unwrap();
    assert_eq!(named.items.len(), 1);
}

#[tokio::test]
async fn appliers_conflict_until_they_force() {
    let (_sandbox, _, client) = start(Options::default()).await;
    let api: Api<Deployment> = Api::default_namespaced(client);
    let deployment = |replicas: i32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let one = PatchParams::apply("one");
    let created = api
        .patch("web", &one, &Patch::Apply(deployment(2)))
        .await
        .unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    let again = api
        .patch("web", &one, &Patch::Apply(deployment(2)))
        .await
        .unwrap();
    assert_eq!(
        again.resource_version(),
        created.resource_version(),
        "no change, no write"
    );
    let two = PatchParams::apply("two");
    let refused = api.patch("web", &two, &Patch::Apply(deployment(3))).await;
    assert_eq!(code_of(refused), 409);
    let forced = api
        .patch("web", &two.force(), &Patch::Apply(deployment(3)))
        .await
        .unwrap();
    assert_eq!(forced.spec.unwrap().replicas, Some(3));
    let owners: Vec<_> = forced.metadata.managed_fields.unwrap();
    assert_eq!(owners.len(), 2);
    let mut wrong = deployment(3);
    wrong["spec"]["replicas"] = json!("many");
    assert!(code_of(api.patch("web", &one, &Patch::Apply(wrong)).await) >= 400);
}

#[tokio::test]
async fn a_streaming_list_ends_with_its_bookmark() {
    let (_sandbox, cluster, client) = start(Options::default()).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &config("a"))
        .await
        .unwrap();
    let params = WatchParams::default().initial_events();
    let mut events = api.watch(&params, "").await.unwrap().boxed();
    let mut added = Vec::new();
    let ended = loop {
        match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(object) => added.push(object.name_any()),
            WatchEvent::Bookmark(bookmark) => break bookmark,
            other => panic!("{other:?}"),
        }
    };
    assert!(added.contains(&"a".to_owned()));
    assert_eq!(
        ended.metadata.annotations["k8s.io/initial-events-end"],
        "true"
    );
    let bare = format!("{CONFIGS}?watch=true&sendInitialEvents=true");
    let Answer(code, _, _) = send(&cluster, "GET", &bare, &[], "").await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_watch_from_compacted_history_is_told_to_start_over() {
    let (sandbox, _, client) = start(Options::default()).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let then = api
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let first = api.list(&ListParams::default().limit(1)).await.unwrap();
    for name in ["a", "b"] {
        api.create(&PostParams::default(), &config(name))
            .await
            .unwrap();
    }
    sandbox.compact();
    let mut events = api
        .watch(&WatchParams::default(), &then)
        .await
        .unwrap()
        .boxed();
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Error(status) => assert_eq!((status.code, &*status.reason), (410, "Expired")),
        other => panic!("{other:?}"),
    }
    if let Some(token) = first.metadata.continue_.filter(|token| !token.is_empty()) {
        let next = ListParams::default().limit(1).continue_token(&token);
        assert_eq!(code_of(api.list(&next).await), 410);
    }
    let future = (then.parse::<u64>().unwrap() + 1_000).to_string();
    assert_eq!(
        code_of(api.watch(&WatchParams::default(), &future).await.map(drop)),
        504
    );
}

#[tokio::test]
async fn metadata_alone_can_be_listed_and_watched() {
    let (_sandbox, _, client) = start(Options::default()).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    api.create(&PostParams::default(), &config("a"))
        .await
        .unwrap();
    let list = api
        .list_metadata(&ListParams::default().labels("app=a"))
        .await
        .unwrap();
    assert_eq!(list.items.len(), 1);
    let one: PartialObjectMeta<ConfigMap> = api.get_metadata("a").await.unwrap();
    assert_eq!(one.labels()["app"], "a");
    let mut events = api
        .watch_metadata(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    assert!(matches!(
        events.try_next().await.unwrap(),
        Some(WatchEvent::Added(_))
    ));
}

#[tokio::test]
async fn services_are_allotted_addresses_and_ports() {
    let (_sandbox, _, client) = start(Options::default()).await;
    let api: Api<Service> = Api::default_namespaced(client);
    let service = |name: &str, spec: Value| -> Service {
        let mut spec = spec;
        spec["ports"] = json!([{"port": 80}]);
        object(json!({"metadata": {"name": name}, "spec": spec}))
    };
    let balanced = service("a", json!({"type": "LoadBalancer"}));
    let balanced = api.create(&PostParams::default(), &balanced).await.unwrap();
    let spec = balanced.spec.clone().unwrap();
    let address = spec.cluster_ip.clone().unwrap();
    assert!(address.starts_with("10."), "{address}");
    assert!(spec.ports.unwrap()[0].node_port.unwrap() >= 30_000);
    let headless = service("b", json!({"clusterIP": "None"}));
    let headless = api.create(&PostParams::default(), &headless).await.unwrap();
    assert_eq!(headless.spec.unwrap().cluster_ip.as_deref(), Some("None"));
    let taken = service("c", json!({"clusterIP": address}));
    assert_eq!(
        code_of(api.create(&PostParams::default(), &taken).await),
        422
    );
    let patch = Patch::Merge(json!({"spec": {"sessionAffinity": "ClientIP"}}));
    let patched = api
        .patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.spec.unwrap().cluster_ip, Some(address));
}

#[tokio::test]
async fn discovery_names_all_kinds_in_both_forms() {
    let (_sandbox, cluster, client) = start(Options::default()).await;
    let known = kube::Discovery::new(client).run_aggregated().await.unwrap();
    assert!(known.has_group("apps") && known.has_group(""));
    let Answer(_, _, groups) = send(&cluster, "GET", "/apis", &[], "").await;
    assert_eq!(groups["kind"], "APIGroupList");
    let Answer(_, _, apps) = send(&cluster, "GET", "/apis/apps/v1", &[], "").await;
    let names: Vec<_> = apps["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["name"])
        .collect();
    assert!(names.contains(&&json!("deployments/scale")));
    let Answer(_, _, index) = send(&cluster, "GET", "/openapi/v3", &[], "").await;
    let path = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let Answer(_, _, document) = send(&cluster, "GET", path, &[], "").await;
    let schemas = &document["components"]["schemas"];
    assert!(schemas["io.k8s.api.apps.v1.Deployment"].is_object());
}

#[tokio::test]
async fn impersonation_needs_permission() {
    let (_sandbox, cluster, _) = start(Options::default()).await;
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let jane = ["impersonate-user: jane", "impersonate-group: devs"];
    let Answer(code, _, who) = send(&cluster, "POST", review, &jane, &body.to_string()).await;
    assert_eq!(code, StatusCode::CREATED);
    assert_eq!(who["status"]["userInfo"]["username"], "jane");
    let Answer(code, _, status) = send(&cluster, "GET", CONFIGS, &jane, "").await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("User \"jane\" cannot list resource")
    );
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let bot = json!({"metadata": {"name": "bot"}}).to_string();
    assert_eq!(
        send(&cluster, "POST", accounts, &[], &bot).await.0,
        StatusCode::CREATED
    );
    let account = format!("{accounts}/bot/token");
    let Answer(code, _, token) = send(&cluster, "POST", &account, &[], "{}").await;
    assert_eq!(code, StatusCode::CREATED, "{token}");
    let token = token["status"]["token"].as_str().unwrap();
    let headers = [
        &format!("authorization: Bearer {token}"),
        "impersonate-user: admin",
    ];
    let Answer(code, _, _) = send(&cluster, "GET", CONFIGS, &headers, "").await;
    assert_eq!(code, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn clusters_share_nothing_but_the_port() {
    let (sandbox, hub, _) = start(Options::default()).await;
    let other = sandbox.add_cluster("other").await.unwrap();
    let server = sandbox.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let client = |cluster: &Cluster, token: &str| {
        let mut config = kube::Config::new(cluster.server().unwrap().parse().unwrap());
        config.root_cert = Some(vec![der(cluster.ca_pem())]);
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).unwrap()
    };
    let configs = |client: Client| -> Api<ConfigMap> { Api::namespaced(client, "default") };
    let own = configs(client(&hub, hub.admin_token()));
    own.create(&PostParams::default(), &config("a"))
        .await
        .unwrap();
    let elsewhere = configs(client(&other, other.admin_token()));
    assert!(elsewhere.get_opt("a").await.unwrap().is_none());
    let wrong = configs(client(&other, hub.admin_token()));
    assert_eq!(code_of(wrong.get("a").await), 401);
    sandbox.take_down("hub");
    assert!(matches!(
        own.get("a").await,
        Err(kube::Error::HyperError(_) | kube::Error::Service(_))
    ));
    sandbox.bring_up("hub");
    assert_eq!(own.get("a").await.unwrap().name_any(), "a");
    drop(server);
}

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let lines: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(lines)
        .unwrap()
}

#[tokio::test]
async fn a_kept_sandbox_comes_back_with_objects_tokens_and_kinds() {
    let directory = tempfile::tempdir().unwrap();
    let options = || Options {
        data: Some(directory.path().to_owned()),
        ..Options::default()
    };
    let token = {
        let (_sandbox, cluster, client) = start(options()).await;
        let api: Api<ConfigMap> = Api::default_namespaced(client);
        api.create(&PostParams::default(), &config("kept"))
            .await
            .unwrap();
        cluster.admin_token().to_owned()
    };
    let sandbox = Sandbox::start(options()).await.unwrap();
    let cluster = sandbox.cluster("hub").unwrap();
    assert_eq!(cluster.admin_token(), token);
    let client = Client::new(cluster.service(&token), "default");
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let kept = api.get("kept").await.unwrap();
    api.replace("kept", &PostParams::default(), &kept)
        .await
        .unwrap();
}

#[tokio::test]
async fn cluster_names_are_checked() {
    let (sandbox, _, _) = start(Options::default()).await;
    for name in ["", "A", "a/b", "a.b", &"x".repeat(64)] {
        assert!(sandbox.add_cluster(name).await.is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn rules_that_are_not_evaluated_are_named_when_they_are_written() {
    let (_sandbox, cluster, _) = start(Options::default()).await;
    let rule = json!([{ "rule": "self.size > 0" }]);
    let crd = |name: &str, schema: Value| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{name}s.example.com") },
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": { "plural": format!("{name}s"), "kind": name },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": schema } }],
            },
        })
        .to_string()
    };
    let size = json!({ "size": { "type": "integer" } });
    let plain = json!({ "type": "object", "properties": size });
    let ruled = json!({ "type": "object", "properties": size, "x-kubernetes-validations": rule });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let json_body = ["content-type: application/json"];
    for (name, schema, warned) in [("plain", plain, false), ("ruled", ruled, true)] {
        let Answer(code, headers, body) =
            send(&cluster, "POST", path, &json_body, &crd(name, schema)).await;
        assert_eq!(code, StatusCode::CREATED, "{body}");
        let warnings: Vec<_> = headers.get_all("warning").iter().collect();
        assert_eq!(!warnings.is_empty(), warned, "{warnings:?}");
    }
}
