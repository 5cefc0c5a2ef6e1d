//! Sizes: what etcd and the server refuse.

use serde_json::{Value, json};

use crate::api::Request;
use crate::suite::Ctx;

cases!["limits":
    an_object_of_more_than_a_request_of_etcd_is_refused,
    an_update_to_more_than_a_request_of_etcd_is_refused,
    an_object_just_below_the_limit_is_stored,
    a_body_of_more_than_three_mebibytes_is_refused,
    data_of_more_than_a_mebibyte_is_refused,
    annotations_of_more_than_256_kibibytes_are_refused,
    patches_of_many_operations_are_refused,
    deep_json_is_refused,
];

/// An object of a kind without limits of its own.
fn thing(version: &str, bytes: usize) -> Value {
    json!({"apiVersion": version, "kind": "Kthings", "metadata": {"name": "a"}, "x": "y".repeat(bytes)})
}

async fn an_object_of_more_than_a_request_of_etcd_is_refused(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Cluster").await;
    let version = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things");
    let refused = ctx.api.post(&*things, &thing(version, 1_600_000)).await;
    assert_eq!(refused.code, 500, "{}", refused.message());
    assert_eq!(refused.message(), "etcdserver: request is too large");
    assert_eq!(refused.at("/reason"), &Value::Null);
    ctx.api.get(format!("{things}/a")).await.expect(404);
}

async fn an_update_to_more_than_a_request_of_etcd_is_refused(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Cluster").await;
    let version = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things");
    ctx.api
        .post(&*things, &thing(version, 10))
        .await
        .expect(201);
    let refused = ctx
        .api
        .merge(format!("{things}/a"), &json!({"z": "z".repeat(1_600_000)}))
        .await;
    assert_eq!(
        (refused.code, refused.message()),
        (500, "etcdserver: request is too large")
    );
    let kept = ctx.api.get(format!("{things}/a")).await.expect(200);
    assert_eq!(kept.text("/x"), "yyyyyyyyyy");
}

async fn an_object_just_below_the_limit_is_stored(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Cluster").await;
    let version = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things");
    ctx.api
        .post(&*things, &thing(version, 1_571_000))
        .await
        .expect(201);
    let stored = ctx.api.get(format!("{things}/a")).await.expect(200);
    assert_eq!(stored.text("/x").len(), 1_571_000);
}

async fn a_body_of_more_than_three_mebibytes_is_refused(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "x".repeat(3_200_000)}});
    let refused = ctx.api.post(&*maps, &body).await;
    let message = "Request entity too large: limit is 3145728";
    refused.expect_refusal(413, "RequestEntityTooLarge", message);
}

async fn data_of_more_than_a_mebibyte_is_refused(ctx: Ctx) {
    let path = ctx.namespace().await;
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "x".repeat(1_050_000)}});
    let refused = ctx.api.post(format!("{path}/configmaps"), &body).await;
    let message = "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes";
    refused.expect_refusal(422, "Invalid", message);
    let body = json!({"metadata": {"name": "a"}, "stringData": {"a": "x".repeat(1_050_000)}});
    let refused = ctx.api.post(format!("{path}/secrets"), &body).await;
    let message = "Secret \"a\" is invalid: data: Too long: may not be more than 1048576 bytes";
    refused.expect_refusal(422, "Invalid", message);
    let body = json!({"metadata": {"name": "a"}, "data": {"a": "x".repeat(1_048_576)}});
    ctx.api
        .post(format!("{path}/configmaps"), &body)
        .await
        .expect(201);
}

async fn annotations_of_more_than_256_kibibytes_are_refused(ctx: Ctx) {
    let path = ctx.namespace().await;
    let annotations = json!({"a": "x".repeat(262_144)});
    let body = json!({"metadata": {"name": "a", "annotations": annotations}});
    let refused = ctx.api.post(format!("{path}/configmaps"), &body).await;
    let message = "metadata.annotations: Too long: may not be more than 262144 bytes";
    refused.expect_refusal(422, "Invalid", message);
}

async fn patches_of_many_operations_are_refused(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "a"}}))
        .await
        .expect(201);
    let step = json!({"op": "add", "path": "/data", "value": {}});
    let patch = Value::from(vec![step; 10_001]);
    let request = Request::new("PATCH", format!("{maps}/a")).json(&patch);
    let request = request.header("content-type", "application/json-patch+json");
    let refused = ctx.api.send(request).await;
    let message = "The allowed maximum operations in a JSON patch is 10000, got 10001";
    refused.expect_refusal(413, "RequestEntityTooLarge", message);
}

async fn deep_json_is_refused(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let mut request = Request::new("POST", &*maps);
    let (open, close) = ("{\"a\":".repeat(20_000), "}".repeat(20_000));
    request.body = format!("{{\"metadata\":{{\"name\":\"a\"}},\"x\":{open}1{close}}}").into_bytes();
    let refused = ctx.api.send(request).await;
    assert_eq!(
        (refused.code, refused.reason()),
        (400, "BadRequest"),
        "{}",
        refused.message()
    );
    ctx.api.get(format!("{maps}/a")).await.expect(404);
}
