//! Discovery, versions and `OpenAPI`: what clients read before anything else.

use serde_json::{Value, json};

use crate::api::{Answer, Request};
use crate::suite::Ctx;

/// A real server publishes schemas some seconds after their definition.
const PUBLISH_SECS: u64 = 60;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

cases!["discovery":
    the_core_group_names_its_version,
    groups_name_their_versions,
    resources_name_what_they_can_do,
    discovery_comes_in_one_document,
    a_defined_kind_is_discovered_and_forgotten,
    openapi_lists_groups_and_describes_kinds,
    openapi_describes_a_defined_kind,
    a_second_kind_of_a_name_is_not_accepted,
    health_is_answered_in_words,
    groups_that_do_not_exist_are_not_found,
];

async fn the_core_group_names_its_version(ctx: Ctx) {
    let api = ctx.api.get("/api").await.expect(200);
    assert_eq!(api.text("/kind"), "APIVersions");
    assert_eq!(api.at("/versions"), &json!(["v1"]));
    let version = ctx.api.get("/version").await.expect(200);
    assert_eq!(version.text("/major"), "1");
    assert!(version.text("/gitVersion").starts_with("v1.") || version.text("/minor") == "36");
}

async fn groups_name_their_versions(ctx: Ctx) {
    let groups = ctx.api.get("/apis").await.expect(200);
    assert_eq!(
        (groups.text("/kind"), groups.text("/apiVersion")),
        ("APIGroupList", "v1")
    );
    let names: Vec<&str> = groups
        .at("/groups")
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    for name in [
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "rbac.authorization.k8s.io",
        "networking.k8s.io",
        "storage.k8s.io",
        "coordination.k8s.io",
        "apiextensions.k8s.io",
        "discovery.k8s.io",
        "admissionregistration.k8s.io",
        "scheduling.k8s.io",
        "events.k8s.io",
        "node.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "apiregistration.k8s.io",
        "flowcontrol.apiserver.k8s.io",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let apps = ctx.api.get("/apis/apps").await.expect(200);
    assert_eq!(apps.text("/kind"), "APIGroup");
    let version = json!({"groupVersion": "apps/v1", "version": "v1"});
    assert_eq!(apps.at("/versions"), &json!([version]));
    assert_eq!(apps.at("/preferredVersion"), &version);
    let scaling = ctx.api.get("/apis/autoscaling").await.expect(200);
    assert_eq!(scaling.text("/preferredVersion/version"), "v2");
}

fn named<'a>(list: &'a Answer, name: &str) -> &'a Value {
    let resources = list.at("/resources").as_array().unwrap();
    let found = resources.iter().find(|resource| resource["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

async fn resources_name_what_they_can_do(ctx: Ctx) {
    let core = ctx.api.get("/api/v1").await.expect(200);
    assert_eq!(core.text("/kind"), "APIResourceList");
    assert_eq!(core.text("/groupVersion"), "v1");
    let maps = json!({
        "name": "configmaps", "singularName": "configmap", "namespaced": true, "kind": "ConfigMap",
        "shortNames": ["cm"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    let mut got = named(&core, "configmaps").clone();
    got.as_object_mut().unwrap().remove("storageVersionHash");
    assert_eq!(got, maps);
    let spaces = named(&core, "namespaces");
    assert_eq!(spaces["namespaced"], false);
    assert_eq!(
        spaces["verbs"],
        json!([
            "create", "delete", "get", "list", "patch", "update", "watch"
        ])
    );
    let status = named(&core, "namespaces/status");
    assert_eq!(status["verbs"], json!(["get", "patch", "update"]));
    assert_eq!(status["singularName"], "");
    let token = named(&core, "serviceaccounts/token");
    assert_eq!(
        (&token["kind"], &token["verbs"]),
        (&json!("TokenRequest"), &json!(["create"]))
    );
    assert_eq!(token["group"], "authentication.k8s.io");
    let eviction = named(&core, "pods/eviction");
    assert_eq!(
        (&eviction["group"], &eviction["version"]),
        (&json!("policy"), &json!("v1"))
    );
    let apps = ctx.api.get("/apis/apps/v1").await.expect(200);
    let scale = named(&apps, "deployments/scale");
    assert_eq!(
        (&scale["group"], &scale["version"]),
        (&json!("autoscaling"), &json!("v1"))
    );
    let categories = &named(&apps, "deployments")["categories"];
    assert_eq!(categories, &json!(["all"]));
    let rbac = ctx
        .api
        .get("/apis/rbac.authorization.k8s.io/v1")
        .await
        .expect(200);
    assert_eq!(named(&rbac, "clusterroles")["singularName"], "clusterrole");
    let auth = ctx
        .api
        .get("/apis/authorization.k8s.io/v1")
        .await
        .expect(200);
    assert_eq!(
        named(&auth, "selfsubjectaccessreviews")["verbs"],
        json!(["create"])
    );
}

async fn discovery_comes_in_one_document(ctx: Ctx) {
    for (path, group, resource) in [
        ("/api", Value::Null, "configmaps"),
        ("/apis", json!("apps"), "deployments"),
    ] {
        let request = Request::new("GET", path).header("accept", AGGREGATED);
        let all = ctx.api.send(request).await.expect(200);
        assert_eq!(all.text("/kind"), "APIGroupDiscoveryList");
        assert_eq!(all.text("/apiVersion"), "apidiscovery.k8s.io/v2");
        let items = all.at("/items").as_array().unwrap();
        let found = items.iter().find(|item| item["metadata"]["name"] == group);
        let version = &found.unwrap_or_else(|| panic!("no {group}"))["versions"][0];
        assert_eq!(version["version"], "v1");
        assert_eq!(version["freshness"], "Current");
        let resources = version["resources"].as_array().unwrap();
        let found = resources
            .iter()
            .find(|entry| entry["resource"] == resource)
            .unwrap();
        assert_eq!(found["scope"], "Namespaced");
        if resource == "deployments" {
            // A real server leaves out what is that of the document.
            let kind = json!({"group": "", "version": "", "kind": "Deployment"});
            assert_eq!(found["responseKind"], kind);
            assert_eq!(found["singularResource"], "deployment");
            let subresources = found["subresources"].as_array().unwrap();
            let scale = subresources
                .iter()
                .find(|sub| sub["subresource"] == "scale")
                .unwrap();
            let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
            assert_eq!(scale["responseKind"], kind);
        }
    }
}

async fn a_defined_kind_is_discovered_and_forgotten(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Namespaced").await;
    let group = format!("{}.example.com", ctx.ns);
    let path = format!("/apis/{group}/v1");
    let there = |answer: &Answer| answer.code == 200;
    let list = ctx
        .api
        .until(&path, PUBLISH_SECS, "discovered", there)
        .await;
    let resource = named(&list, "things");
    assert_eq!(resource["kind"], "Kthings");
    assert_eq!(resource["singularName"], "kthings");
    assert_eq!(
        resource["verbs"],
        json!([
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch"
        ])
    );
    let apis = |answer: &Answer| answer.body.to_string().contains(&group);
    ctx.api
        .until("/apis", PUBLISH_SECS, "in the list", apis)
        .await;
    let one = ctx.api.get(format!("/apis/{group}")).await.expect(200);
    assert_eq!(
        one.text("/preferredVersion/groupVersion"),
        format!("{group}/v1")
    );
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    ctx.api
        .delete(format!("{definitions}/things.{group}"))
        .await
        .expect(200);
    let gone = |answer: &Answer| answer.code == 404;
    ctx.api.until(&things, PUBLISH_SECS, "gone", gone).await;
    ctx.api.until(&path, PUBLISH_SECS, "forgotten", gone).await;
    let apis = |answer: &Answer| !answer.body.to_string().contains(&group);
    ctx.api
        .until("/apis", PUBLISH_SECS, "out of the list", apis)
        .await;
}

async fn openapi_lists_groups_and_describes_kinds(ctx: Ctx) {
    let index = ctx.api.get("/openapi/v3").await.expect(200);
    for (path, kind) in [
        ("api/v1", "io.k8s.api.core.v1.ConfigMap"),
        ("apis/apps/v1", "io.k8s.api.apps.v1.Deployment"),
        (
            "apis/rbac.authorization.k8s.io/v1",
            "io.k8s.api.rbac.v1.Role",
        ),
    ] {
        let entry = index.at("/paths")[path]["serverRelativeURL"]
            .as_str()
            .unwrap();
        assert!(
            entry.starts_with(&format!("/openapi/v3/{path}?hash=")),
            "{entry}"
        );
        let document = ctx.api.get(entry).await.expect(200);
        assert!(document.text("/openapi").starts_with("3."));
        let schema = &document.at("/components/schemas")[kind];
        assert_eq!(schema["type"], "object", "{kind}");
        let gvk = &schema["x-kubernetes-group-version-kind"][0];
        assert_eq!(gvk["kind"], kind.rsplit('.').next().unwrap());
        assert!(schema["properties"]["metadata"].is_object());
        assert!(schema["description"].is_string());
        let paths = document.at("/paths").as_object().unwrap();
        assert!(
            paths
                .keys()
                .any(|key| key.contains("/namespaces/{namespace}/"))
        );
    }
    ctx.api
        .get("/openapi/v3/apis/none.example.com/v1")
        .await
        .expect(404);
}

async fn openapi_describes_a_defined_kind(ctx: Ctx) {
    super::custom(&ctx, "things", "Namespaced").await;
    let path = format!("/openapi/v3/apis/{}.example.com/v1", ctx.ns);
    let there = |answer: &Answer| answer.code == 200;
    let document = ctx.api.until(&path, PUBLISH_SECS, "published", there).await;
    let schemas = document.at("/components/schemas").as_object().unwrap();
    let (_, schema) = schemas
        .iter()
        .find(|(name, _)| name.ends_with(".Kthings"))
        .unwrap();
    assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true);
    assert_eq!(
        schema["x-kubernetes-group-version-kind"][0]["kind"],
        "Kthings"
    );
    assert!(schema["properties"]["apiVersion"]["type"] == "string");
}

async fn a_second_kind_of_a_name_is_not_accepted(ctx: Ctx) {
    super::custom(&ctx, "things", "Namespaced").await;
    let group = format!("{}.example.com", ctx.ns);
    let version = json!({"name": "v1", "served": true, "storage": true,
                         "schema": {"openAPIV3Schema": {"type": "object"}}});
    let body = json!({
        "metadata": {"name": format!("others.{group}")},
        "spec": {"group": group, "scope": "Cluster", "versions": [version],
                 "names": {"plural": "others", "kind": "Kthings"}},
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    ctx.api.post(definitions, &body).await.expect(201);
    let path = format!("{definitions}/others.{group}");
    let decided = |answer: &Answer| !answer.text("/status/conditions/0/type").is_empty();
    let answer = ctx.api.until(&path, PUBLISH_SECS, "decided", decided).await;
    let conditions = answer.at("/status/conditions").as_array().unwrap();
    let accepted = conditions
        .iter()
        .find(|one| one["type"] == "NamesAccepted")
        .unwrap();
    assert_eq!(
        (&accepted["status"], &accepted["reason"]),
        (&json!("False"), &json!("ListKindConflict"))
    );
    assert_eq!(accepted["message"], "\"KthingsList\" is already in use");
    let established = conditions
        .iter()
        .find(|one| one["type"] == "Established")
        .unwrap();
    assert_eq!(established["status"], "False");
    ctx.api
        .get(format!("/apis/{group}/v1/others"))
        .await
        .expect(404);
}

async fn health_is_answered_in_words(ctx: Ctx) {
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(ctx.api.get(path).await.expect(200).body, "ok", "{path}");
    }
}

async fn groups_that_do_not_exist_are_not_found(ctx: Ctx) {
    for path in ["/apis/none.example.com", "/apis/none.example.com/v1"] {
        let answer = ctx.api.get(path).await.expect(404);
        assert_eq!(answer.body, "404 page not found\n", "{path}");
    }
    let message = "the server could not find the requested resource";
    let refused = ctx.api.get("/apis/apps/v9").await;
    refused.expect_refusal(404, "NotFound", message);
}
