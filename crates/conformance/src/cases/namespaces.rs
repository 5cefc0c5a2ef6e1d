//! Namespaces: what comes with them, and how they end.

use serde_json::{Value, json};

use crate::api::Answer;
use crate::suite::Ctx;

/// How long a namespace may take to end.
const END_SECS: u64 = 60;

cases!["namespaces":
    a_namespace_takes_all_with_it,
    an_ending_namespace_takes_nothing_new,
    an_object_with_a_finalizer_holds_its_namespace,
    custom_objects_go_with_their_namespace,
    protected_namespaces_stay,
    a_namespace_gets_an_account_and_the_authority,
    a_namespace_is_finalized_by_its_subresource,
    custom_objects_go_with_their_definition,
];

async fn end(ctx: &Ctx, path: &str) {
    let gone = |answer: &Answer| answer.code == 404;
    ctx.api
        .until(path, END_SECS, "the namespace gone", gone)
        .await;
}

async fn a_namespace_takes_all_with_it(ctx: Ctx) {
    let path = ctx.namespace().await;
    let body = json!({"metadata": {"name": "a"}});
    ctx.api
        .post(format!("{path}/secrets"), &body)
        .await
        .expect(201);
    ctx.api
        .post(format!("{path}/serviceaccounts"), &body)
        .await
        .expect(201);
    let roles = format!(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
        ctx.ns
    );
    ctx.api.post(&*roles, &body).await.expect(201);
    let deleted = ctx.api.delete(&*path).await.expect(200);
    assert_eq!(deleted.text("/status/phase"), "Terminating");
    assert_eq!(deleted.at("/spec/finalizers"), &json!(["kubernetes"]));
    end(&ctx, &path).await;
    for path in [format!("{path}/secrets"), roles] {
        assert_eq!(ctx.api.get(&*path).await.at("/items"), &json!([]), "{path}");
    }
    ctx.namespace().await;
}

async fn an_ending_namespace_takes_nothing_new(ctx: Ctx) {
    let path = ctx.namespace().await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    ctx.api
        .post(format!("{path}/secrets"), &held)
        .await
        .expect(201);
    ctx.api.delete(&*path).await.expect(200);
    let refused = ctx
        .api
        .post(
            format!("{path}/secrets"),
            &json!({"metadata": {"name": "b"}}),
        )
        .await;
    let message = format!(
        "secrets \"b\" is forbidden: unable to create new content in namespace {} because it is \
         being terminated",
        ctx.ns
    );
    let refused = refused.expect_refusal(403, "Forbidden", &message);
    let causes = json!([{
        "reason": "NamespaceTerminating", "field": "metadata.namespace",
        "message": format!("namespace {} is being terminated", ctx.ns),
    }]);
    assert_eq!(refused.at("/details/causes"), &causes);
    let body = json!({"metadata": {"name": &ctx.ns}});
    let again = ctx.api.post("/api/v1/namespaces", &body).await;
    again.expect_refusal(409, "AlreadyExists", "object is being deleted: namespaces");
    let release = json!({"metadata": {"finalizers": null}});
    ctx.api
        .merge(format!("{path}/secrets/held"), &release)
        .await
        .expect(200);
    end(&ctx, &path).await;
}

async fn an_object_with_a_finalizer_holds_its_namespace(ctx: Ctx) {
    let path = ctx.namespace().await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    ctx.api
        .post(format!("{path}/secrets"), &held)
        .await
        .expect(201);
    ctx.api.delete(&*path).await.expect(200);
    let remaining = |answer: &Answer| condition(answer, "NamespaceFinalizersRemaining").is_some();
    let waiting = ctx.api.until(&path, END_SECS, "held", remaining).await;
    let finalizers = condition(&waiting, "NamespaceFinalizersRemaining").unwrap();
    assert_eq!(finalizers["status"], "True");
    assert_eq!(finalizers["reason"], "SomeFinalizersRemain");
    let message = "Some content in the namespace has finalizers remaining: example.com/hold in 1 \
                   resource instances";
    assert_eq!(finalizers["message"], message);
    let content = condition(&waiting, "NamespaceContentRemaining").unwrap();
    assert_eq!(content["reason"], "SomeResourcesRemain");
    let message = "Some resources are remaining: secrets. has 1 resource instances";
    assert_eq!(content["message"], message);
    let release = json!({"metadata": {"finalizers": null}});
    ctx.api
        .merge(format!("{path}/secrets/held"), &release)
        .await
        .expect(200);
    end(&ctx, &path).await;
}

fn condition<'a>(answer: &'a Answer, kind: &str) -> Option<&'a Value> {
    let conditions = answer.at("/status/conditions").as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

async fn custom_objects_go_with_their_namespace(ctx: Ctx) {
    let path = ctx.namespace().await;
    let things = super::custom(&ctx, "things", "Namespaced").await;
    let version = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things")
        .to_owned();
    let own = format!("/apis/{version}/namespaces/{}/things", ctx.ns);
    let body = json!({"apiVersion": version, "kind": "Kthings", "metadata": {"name": "a"}});
    ctx.api.post(&*own, &body).await.expect(201);
    ctx.api.delete(&*path).await.expect(200);
    end(&ctx, &path).await;
    assert_eq!(ctx.api.get(&*things).await.at("/items"), &json!([]));
}

async fn custom_objects_go_with_their_definition(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Cluster").await;
    let version = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things")
        .to_owned();
    let mut body = json!({"apiVersion": version, "kind": "Kthings", "metadata": {"name": "a"}});
    body["metadata"]["finalizers"] = json!(["example.com/hold"]);
    ctx.api.post(&*things, &body).await.expect(201);
    let group = version.trim_end_matches("/v1");
    let definition =
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}");
    let deleted = ctx.api.delete(&*definition).await.expect(200);
    let finalizers = deleted.at("/metadata/finalizers");
    assert_eq!(
        finalizers,
        &json!(["customresourcecleanup.apiextensions.k8s.io"])
    );
    let marked = |answer: &Answer| !answer.text("/metadata/deletionTimestamp").is_empty();
    let object = format!("{things}/a");
    ctx.api.until(&object, END_SECS, "marked", marked).await;
    let release = json!({"metadata": {"finalizers": null}});
    ctx.api.merge(&*object, &release).await.expect(200);
    let gone = |answer: &Answer| answer.code == 404;
    ctx.api
        .until(&definition, END_SECS, "the definition gone", gone)
        .await;
    ctx.api
        .until(&things, END_SECS, "the kind gone", gone)
        .await;
}

async fn protected_namespaces_stay(ctx: Ctx) {
    for name in ["default", "kube-system", "kube-public"] {
        let refused = ctx.api.delete(format!("/api/v1/namespaces/{name}")).await;
        let message = "this namespace may not be deleted";
        refused.expect_refusal(403, "Forbidden", message);
    }
}

async fn a_namespace_gets_an_account_and_the_authority(ctx: Ctx) {
    let path = ctx.namespace().await;
    let there = |answer: &Answer| answer.code == 200;
    let account = format!("{path}/serviceaccounts/default");
    ctx.api.until(&account, END_SECS, "an account", there).await;
    let map = format!("{path}/configmaps/kube-root-ca.crt");
    let map = ctx.api.until(&map, END_SECS, "the authority", there).await;
    assert!(
        map.text("/data/ca.crt")
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
}

async fn a_namespace_is_finalized_by_its_subresource(ctx: Ctx) {
    let body = json!({"metadata": {"name": &ctx.ns}, "spec": {"finalizers": ["example.com/x"]}});
    let created = ctx.api.post("/api/v1/namespaces", &body).await.expect(201);
    let finalizers = created.at("/spec/finalizers");
    assert_eq!(finalizers, &json!(["example.com/x", "kubernetes"]));
    let path = format!("/api/v1/namespaces/{}", ctx.ns);
    ctx.api.delete(&*path).await.expect(200);
    let alone = |answer: &Answer| answer.at("/spec/finalizers") == &json!(["example.com/x"]);
    let held = ctx
        .api
        .until(&path, END_SECS, "left by the server", alone)
        .await;
    let mut released = held.body.clone();
    released["spec"] = json!({});
    ctx.api
        .put(format!("{path}/finalize"), &released)
        .await
        .expect(200);
    end(&ctx, &path).await;
}
