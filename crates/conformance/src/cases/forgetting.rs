//! What clients are told about versions that the server forgot.

use serde_json::json;

use crate::suite::Ctx;

cases!["forgetting":
    a_watch_of_a_forgotten_version_is_too_old,
    a_list_at_a_forgotten_version_is_too_old,
    a_watch_goes_on_when_history_is_forgotten,
];

/// A new kind with `count` objects; the path of all of them.
async fn things(ctx: &Ctx, count: usize) -> String {
    let path = super::custom(ctx, "things", "Cluster").await;
    let version = path
        .trim_start_matches("/apis/")
        .trim_end_matches("/things")
        .to_owned();
    for index in 0..count {
        let name = format!("t{index}");
        let body = json!({"apiVersion": version, "kind": "Kthings", "metadata": {"name": name}});
        ctx.api.post(&*path, &body).await.expect(201);
    }
    path
}

async fn a_watch_of_a_forgotten_version_is_too_old(ctx: Ctx) {
    let path = things(&ctx, 2).await;
    (ctx.forget)().await;
    let path = format!("{path}?watch=1&resourceVersion=1&timeoutSeconds=5");
    let answer = ctx.api.get(path).await.expect(200);
    assert_eq!(answer.text("/type"), "ERROR", "{}", answer.body);
    assert_eq!(answer.at("/object/code"), 410);
    assert_eq!(answer.text("/object/reason"), "Expired");
    assert_eq!(answer.text("/object/kind"), "Status");
    let message = answer.text("/object/message");
    assert!(
        message.starts_with("too old resource version: 1 ("),
        "{message}"
    );
}

async fn a_list_at_a_forgotten_version_is_too_old(ctx: Ctx) {
    let path = things(&ctx, 2).await;
    (ctx.forget)().await;
    let path = format!("{path}?resourceVersion=1&resourceVersionMatch=Exact");
    let refused = ctx.api.get(path).await;
    let message = "The resourceVersion for the provided list is too old.";
    refused.expect_refusal(410, "Expired", message);
}

async fn a_watch_goes_on_when_history_is_forgotten(ctx: Ctx) {
    let path = things(&ctx, 1).await;
    let list = ctx.api.get(&*path).await.expect(200);
    let from = list.text("/metadata/resourceVersion");
    let mut watch = ctx
        .api
        .watch(format!("{path}?watch=1&resourceVersion={from}"))
        .await;
    ctx.api
        .merge(format!("{path}/t0"), &json!({"x": 1}))
        .await
        .expect(200);
    (ctx.forget)().await;
    ctx.api
        .merge(format!("{path}/t0"), &json!({"x": 2}))
        .await
        .expect(200);
    for x in [1, 2] {
        let event = watch.next().await.unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["x"]),
            (&json!("MODIFIED"), &json!(x))
        );
    }
}
