//! Lists: pages, versions, and what is in them.

use serde_json::{Value, json};

use crate::suite::Ctx;

cases!["lists":
    a_list_comes_in_pages_of_one_version,
    a_page_may_not_mix_its_position_with_a_version,
    a_position_is_of_its_server_alone,
    a_list_at_a_version_or_newer,
    an_exact_version_shows_the_past,
    items_of_a_list_have_no_kind,
    an_empty_list_is_an_empty_array,
    a_list_of_all_namespaces_is_in_order,
    a_collection_is_deleted_in_pages,
];

async fn fill(ctx: &Ctx, path: &str, count: usize) {
    for index in 0..count {
        let body = json!({"metadata": {"name": format!("m{index}"), "labels": {"c": &ctx.ns}}});
        ctx.api.post(path, &body).await.expect(201);
    }
}

async fn a_list_comes_in_pages_of_one_version(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 5).await;
    let first = ctx.api.get(format!("{secrets}?limit=2")).await.expect(200);
    assert_eq!(first.names(), ["m0", "m1"]);
    assert_eq!(first.at("/metadata/remainingItemCount"), 3);
    let version = first.text("/metadata/resourceVersion").to_owned();
    // A page shows the moment of the first one.
    ctx.api.delete(format!("{secrets}/m3")).await.expect(200);
    let next = first.text("/metadata/continue");
    let second = ctx
        .api
        .get(format!("{secrets}?limit=2&continue={next}"))
        .await
        .expect(200);
    assert_eq!(second.names(), ["m2", "m3"]);
    assert_eq!(second.at("/metadata/remainingItemCount"), 1);
    assert_eq!(second.text("/metadata/resourceVersion"), version);
    let next = second.text("/metadata/continue");
    let last = ctx
        .api
        .get(format!("{secrets}?limit=2&continue={next}"))
        .await
        .expect(200);
    assert_eq!(last.names(), ["m4"]);
    assert_eq!(last.at("/metadata/continue"), &Value::Null);
    assert_eq!(last.at("/metadata/remainingItemCount"), &Value::Null);
    let selected = ctx
        .api
        .get(format!("{secrets}?limit=2&labelSelector=c"))
        .await
        .expect(200);
    assert_eq!(selected.names(), ["m0", "m1"]);
    assert_eq!(selected.at("/metadata/remainingItemCount"), &Value::Null);
}

async fn a_page_may_not_mix_its_position_with_a_version(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 3).await;
    let first = ctx.api.get(format!("{secrets}?limit=2")).await.expect(200);
    let next = first.text("/metadata/continue");
    let version = first.text("/metadata/resourceVersion");
    let path = format!("{secrets}?limit=2&continue={next}&resourceVersion={version}");
    let message = "specifying resource version is not allowed when using continue";
    ctx.api
        .get(path)
        .await
        .expect_refusal(400, "BadRequest", message);
    let path = format!("{secrets}?continue={next}&resourceVersionMatch=Exact");
    ctx.api
        .get(path)
        .await
        .expect_refusal(422, "Invalid", "resourceVersionMatch");
}

async fn a_position_is_of_its_server_alone(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    let refused = ctx.api.get(format!("{secrets}?continue=bm90aGluZw")).await;
    refused.expect_refusal(400, "BadRequest", "continue key is not valid");
}

async fn a_list_at_a_version_or_newer(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 1).await;
    let now = ctx.api.get(&*secrets).await.expect(200);
    let version = now.text("/metadata/resourceVersion");
    fill_one_more(&ctx, &secrets).await;
    let path = format!("{secrets}?resourceVersion={version}&resourceVersionMatch=NotOlderThan");
    let list = ctx.api.get(path).await.expect(200);
    let got: u64 = list.text("/metadata/resourceVersion").parse().unwrap();
    assert!(got >= version.parse().unwrap());
    let any = ctx
        .api
        .get(format!("{secrets}?resourceVersion=0"))
        .await
        .expect(200);
    assert_eq!(any.text("/kind"), "SecretList");
    let one = ctx
        .api
        .get(format!("{secrets}/m0?resourceVersion={version}"))
        .await
        .expect(200);
    assert_eq!(one.text("/metadata/name"), "m0");
}

async fn fill_one_more(ctx: &Ctx, path: &str) {
    ctx.api
        .post(path, &json!({"metadata": {"name": "more"}}))
        .await
        .expect(201);
}

async fn an_exact_version_shows_the_past(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 2).await;
    let now = ctx.api.get(&*secrets).await.expect(200);
    let version = now.text("/metadata/resourceVersion");
    ctx.api.delete(format!("{secrets}/m0")).await.expect(200);
    let path = format!("{secrets}?resourceVersion={version}&resourceVersionMatch=Exact");
    let past = ctx.api.get(path).await.expect(200);
    assert_eq!(past.names(), ["m0", "m1"]);
    assert_eq!(past.text("/metadata/resourceVersion"), version);
    assert_eq!(ctx.api.get(&*secrets).await.names(), ["m1"]);
}

async fn items_of_a_list_have_no_kind(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 1).await;
    let list = ctx.api.get(&*secrets).await.expect(200);
    assert_eq!(
        (list.text("/kind"), list.text("/apiVersion")),
        ("SecretList", "v1")
    );
    assert_eq!(list.at("/items/0/kind"), &Value::Null);
    assert_eq!(list.at("/items/0/apiVersion"), &Value::Null);
    let things = super::custom(&ctx, "listed", "Cluster").await;
    let group = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/listed")
        .to_owned();
    let body = json!({"apiVersion": group, "kind": "Klisted", "metadata": {"name": "a"}});
    ctx.api.post(&*things, &body).await.expect(201);
    let list = ctx.api.get(&*things).await.expect(200);
    assert_eq!(list.text("/kind"), "KlistedList");
    assert_eq!(list.text("/items/0/kind"), "Klisted");
    assert_eq!(list.text("/items/0/apiVersion"), group);
}

async fn an_empty_list_is_an_empty_array(ctx: Ctx) {
    let path = ctx.namespace().await;
    for resource in ["secrets", "pods", "services", "resourcequotas"] {
        let list = ctx.api.get(format!("{path}/{resource}")).await.expect(200);
        assert_eq!(list.at("/items"), &json!([]), "{resource}");
        assert!(!list.text("/metadata/resourceVersion").is_empty());
    }
}

async fn a_list_of_all_namespaces_is_in_order(ctx: Ctx) {
    let (first, second) = (format!("{}-1", ctx.ns), format!("{}-2", ctx.ns));
    for ns in [&second, &first] {
        let path = ctx.namespace_called(ns).await;
        fill(&ctx, &format!("{path}/secrets"), 2).await;
    }
    let path = format!("/api/v1/secrets?labelSelector=c%3D{}", ctx.ns);
    let list = ctx.api.get(path).await.expect(200);
    let items = list.at("/items").as_array().unwrap();
    let places: Vec<_> = items
        .iter()
        .map(|item| (&item["metadata"]["namespace"], &item["metadata"]["name"]))
        .collect();
    let (first, second) = (json!(first), json!(second));
    let (m0, m1) = (json!("m0"), json!("m1"));
    assert_eq!(
        places,
        [(&first, &m0), (&first, &m1), (&second, &m0), (&second, &m1)]
    );
}

async fn a_collection_is_deleted_in_pages(ctx: Ctx) {
    let secrets = format!("{}/secrets", ctx.namespace().await);
    fill(&ctx, &secrets, 7).await;
    let deleted = ctx.api.delete(&*secrets).await.expect(200);
    assert_eq!(deleted.text("/kind"), "SecretList");
    assert_eq!(deleted.names().len(), 7);
    assert_eq!(ctx.api.get(&*secrets).await.at("/items"), &json!([]));
}
