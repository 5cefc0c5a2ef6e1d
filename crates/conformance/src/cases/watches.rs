//! Watches: order, bookmarks, beginnings in the past, ends.

use serde_json::{Value, json};

use crate::api::{Answer, Request, Watch};
use crate::suite::Ctx;

cases!["watches":
    a_watch_tells_all_changes_in_order,
    a_watch_begins_after_its_version,
    a_watch_without_version_begins_with_what_is,
    a_watch_follows_its_selector,
    a_watch_follows_one_object,
    initial_events_end_with_a_bookmark,
    a_watch_ends_after_its_timeout,
    a_watch_of_tables_and_of_metadata,
    a_watch_of_custom_objects,
    a_deletion_with_finalizers_is_a_change,
    an_unchanged_write_is_no_event,
];

fn map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"v": value}})
}

async fn version(ctx: &Ctx, path: &str) -> String {
    let list = ctx.api.get(path).await.expect(200);
    list.text("/metadata/resourceVersion").to_owned()
}

/// Events until one is about `name`.
async fn until_named(watch: &mut Watch, name: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let event = watch.next_name().await;
        seen.push(event.clone());
        if event.1 == name {
            return seen;
        }
    }
}

async fn a_watch_tells_all_changes_in_order(ctx: Ctx) {
    let maps = format!("{}/secrets", ctx.namespace().await);
    let from = version(&ctx, &maps).await;
    let mut watch = ctx
        .api
        .watch(format!("{maps}?watch=1&resourceVersion={from}"))
        .await;
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "a"}}))
        .await
        .expect(201);
    let label = json!({"metadata": {"labels": {"v": "2"}}});
    ctx.api.merge(format!("{maps}/a"), &label).await.expect(200);
    ctx.api.post(&*maps, &map("refused", "1")).await.expect(400);
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "b"}}))
        .await
        .expect(201);
    ctx.api.delete(format!("{maps}/a")).await.expect(200);
    let mut last = from.parse::<u64>().unwrap();
    for (kind, name) in [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ] {
        let event = watch.next().await.unwrap();
        let meta = &event["object"]["metadata"];
        assert_eq!(
            (&event["type"], &meta["name"]),
            (&json!(kind), &json!(name))
        );
        assert_eq!(event["object"]["kind"], "Secret");
        assert_eq!(event["object"]["apiVersion"], "v1");
        let version: u64 = meta["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(version > last, "{version} after {last}");
        last = version;
    }
}

async fn a_watch_begins_after_its_version(ctx: Ctx) {
    let maps = format!("{}/secrets", ctx.namespace().await);
    let object = json!({"metadata": {"name": "a"}});
    let a = ctx.api.post(&*maps, &object).await.expect(201);
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "b"}}))
        .await
        .expect(201);
    let from = a.text("/metadata/resourceVersion");
    let mut watch = ctx
        .api
        .watch(format!("{maps}?watch=true&resourceVersion={from}"))
        .await;
    assert_eq!(
        watch.next_name().await,
        ("ADDED".to_owned(), "b".to_owned())
    );
}

async fn a_watch_without_version_begins_with_what_is(ctx: Ctx) {
    let maps = format!("{}/secrets", ctx.namespace().await);
    for name in ["a", "b"] {
        ctx.api
            .post(&*maps, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    for query in ["watch=true", "watch=1&resourceVersion=0"] {
        let mut watch = ctx.api.watch(format!("{maps}?{query}")).await;
        let mut seen = [watch.next_name().await, watch.next_name().await];
        seen.sort();
        let expected = ["a", "b"].map(|name| ("ADDED".to_owned(), name.to_owned()));
        assert_eq!(seen, expected, "{query}");
    }
}

async fn a_watch_follows_its_selector(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let from = version(&ctx, &maps).await;
    let path = format!("{maps}?watch=1&resourceVersion={from}&labelSelector=v%3D1");
    let mut watch = ctx.api.watch(path).await;
    ctx.api.post(&*maps, &map("other", "2")).await.expect(201);
    ctx.api.post(&*maps, &map("a", "1")).await.expect(201);
    ctx.api
        .merge(format!("{maps}/a"), &map("a", "2"))
        .await
        .expect(200);
    ctx.api
        .merge(format!("{maps}/a"), &map("a", "3"))
        .await
        .expect(200);
    ctx.api
        .merge(format!("{maps}/a"), &map("a", "1"))
        .await
        .expect(200);
    ctx.api.delete(format!("{maps}/a")).await.expect(200);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let event = watch.next().await.unwrap();
        assert_eq!(event["object"]["metadata"]["name"], "a");
        let value = &event["object"]["data"]["v"];
        kinds.push((event["type"].clone(), value.clone()));
    }
    // What leaves the selection is told as it was before.
    let expected = [
        ("ADDED", "1"),
        ("DELETED", "1"),
        ("ADDED", "1"),
        ("DELETED", "1"),
    ];
    let expected = expected.map(|(kind, value)| (json!(kind), json!(value)));
    assert_eq!(kinds, expected);
}

async fn a_watch_follows_one_object(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let from = version(&ctx, &maps).await;
    let path = format!("{maps}?watch=1&resourceVersion={from}&fieldSelector=metadata.name%3Db");
    let mut watch = ctx.api.watch(path).await;
    for name in ["a", "b", "c"] {
        ctx.api.post(&*maps, &map(name, "1")).await.expect(201);
    }
    ctx.api.delete(format!("{maps}/b")).await.expect(200);
    assert_eq!(
        watch.next_name().await,
        ("ADDED".to_owned(), "b".to_owned())
    );
    assert_eq!(
        watch.next_name().await,
        ("DELETED".to_owned(), "b".to_owned())
    );
}

async fn initial_events_end_with_a_bookmark(ctx: Ctx) {
    let maps = format!("{}/secrets", ctx.namespace().await);
    for name in ["a", "b"] {
        ctx.api
            .post(&*maps, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true\
                 &resourceVersionMatch=NotOlderThan";
    let mut watch = ctx.api.watch(format!("{maps}?{query}")).await;
    let mut seen = [watch.next_name().await.1, watch.next_name().await.1];
    seen.sort();
    assert_eq!(seen, ["a", "b"]);
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    let object = &bookmark["object"];
    assert_eq!(
        (&object["kind"], &object["apiVersion"]),
        (&json!("Secret"), &json!("v1"))
    );
    let marks = &object["metadata"]["annotations"];
    assert_eq!(marks, &json!({"k8s.io/initial-events-end": "true"}));
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "c"}}))
        .await
        .expect(201);
    assert_eq!(
        watch.next_name().await,
        ("ADDED".to_owned(), "c".to_owned())
    );
}

async fn a_watch_ends_after_its_timeout(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let from = version(&ctx, &maps).await;
    let path = format!("{maps}?watch=1&resourceVersion={from}&timeoutSeconds=1");
    let begin = std::time::Instant::now();
    let mut watch = ctx.api.watch(path).await;
    while watch.next().await.is_some() {}
    assert!(begin.elapsed().as_millis() >= 900, "{:?}", begin.elapsed());
}

async fn a_watch_of_tables_and_of_metadata(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    ctx.api.post(&*maps, &map("a", "1")).await.expect(201);
    let read = async |kind: &str| -> Answer {
        let path = format!("{maps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da");
        let accept = format!("application/json;as={kind};g=meta.k8s.io;v=v1");
        let request = Request::new("GET", path).header("accept", &accept);
        ctx.api.send(request).await.expect(200)
    };
    let table = read("Table").await;
    assert_eq!(table.text("/type"), "ADDED", "{}", table.body);
    assert_eq!(table.text("/object/kind"), "Table");
    assert_eq!(table.text("/object/rows/0/cells/0"), "a");
    assert_eq!(table.text("/object/columnDefinitions/0/name"), "Name");
    let meta = read("PartialObjectMetadata").await;
    assert_eq!(meta.text("/object/kind"), "PartialObjectMetadata");
    assert_eq!(meta.text("/object/metadata/labels/v"), "1");
    assert_eq!(meta.at("/object/data"), &Value::Null);
}

async fn a_watch_of_custom_objects(ctx: Ctx) {
    let things = super::custom(&ctx, "things", "Cluster").await;
    let from = version(&ctx, &things).await;
    let mut watch = ctx
        .api
        .watch(format!("{things}?watch=1&resourceVersion={from}"))
        .await;
    let group = things
        .trim_start_matches("/apis/")
        .trim_end_matches("/things");
    let body = json!({"apiVersion": group, "kind": "Kthings", "metadata": {"name": "a"}});
    ctx.api.post(&*things, &body).await.expect(201);
    ctx.api
        .merge(format!("{things}/a"), &json!({"x": 1}))
        .await
        .expect(200);
    ctx.api.delete(format!("{things}/a")).await.expect(200);
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(watch.next_name().await, (kind.to_owned(), "a".to_owned()));
    }
}

async fn a_deletion_with_finalizers_is_a_change(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let body = json!({"metadata": {"name": "a", "finalizers": ["example.com/a"]}});
    let created = ctx.api.post(&*maps, &body).await.expect(201);
    let from = created.text("/metadata/resourceVersion");
    let mut watch = ctx
        .api
        .watch(format!("{maps}?watch=1&resourceVersion={from}"))
        .await;
    ctx.api.delete(format!("{maps}/a")).await.expect(200);
    let event = until_marked(&mut watch).await;
    assert_eq!(event["type"], "MODIFIED");
    let release = json!({"metadata": {"finalizers": null}});
    ctx.api
        .merge(format!("{maps}/a"), &release)
        .await
        .expect(200);
    let last = until_named(&mut watch, "a").await;
    assert_eq!(last.last().unwrap().0, "DELETED");
}

async fn until_marked(watch: &mut Watch) -> Value {
    loop {
        let event = watch.next().await.unwrap();
        if event["object"]["metadata"]["deletionTimestamp"].is_string() {
            return event;
        }
    }
}

async fn an_unchanged_write_is_no_event(ctx: Ctx) {
    let maps = format!("{}/secrets", ctx.namespace().await);
    let body = json!({"metadata": {"name": "a"}, "type": "Opaque"});
    let created = ctx.api.post(&*maps, &body).await.expect(201);
    let from = created.text("/metadata/resourceVersion");
    let mut watch = ctx
        .api
        .watch(format!("{maps}?watch=1&resourceVersion={from}"))
        .await;
    let same = ctx.api.put(format!("{maps}/a"), &body).await.expect(200);
    assert_eq!(same.text("/metadata/resourceVersion"), from);
    let same = ctx
        .api
        .merge(format!("{maps}/a"), &json!({"type": "Opaque"}))
        .await
        .expect(200);
    assert_eq!(same.text("/metadata/resourceVersion"), from);
    ctx.api
        .post(&*maps, &json!({"metadata": {"name": "b"}}))
        .await
        .expect(201);
    assert_eq!(
        watch.next_name().await,
        ("ADDED".to_owned(), "b".to_owned())
    );
}
