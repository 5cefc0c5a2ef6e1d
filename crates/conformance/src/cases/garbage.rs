//! Owner references: background, foreground and orphaning deletion.

use serde_json::{Value, json};

use crate::api::{Answer, Request};
use crate::suite::Ctx;

/// How long the garbage collector may take; a real one learns of new kinds every 30 s.
const COLLECT_SECS: u64 = 60;

cases!["garbage":
    dependents_go_with_their_owner,
    orphans_stay_and_lose_their_owner,
    a_foreground_deletion_waits_for_blocking_dependents,
    a_dependent_of_two_owners_stays,
    a_dependent_of_a_missing_owner_goes,
    an_owner_of_another_namespace_is_missing,
    dependents_go_over_two_levels,
    the_default_of_jobs_is_to_orphan,
];

fn object(name: &str, owners: &[&Value]) -> Value {
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

/// A reference to what was created.
fn reference(kind: &str, created: &Answer) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "name": created.text("/metadata/name"), "uid": created.text("/metadata/uid"),
    })
}

async fn gone(ctx: &Ctx, path: &str) {
    let what = format!("{path} gone");
    ctx.api
        .until(path, COLLECT_SECS, &what, |answer| answer.code == 404)
        .await;
}

async fn delete(ctx: &Ctx, path: &str, policy: &str) -> Answer {
    let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
    let answer = ctx.api.send(Request::new("DELETE", path).json(&body)).await;
    answer.expect(200)
}

async fn owner(ctx: &Ctx, maps: &str, name: &str) -> Value {
    let created = ctx.api.post(maps, &object(name, &[])).await.expect(201);
    reference("ConfigMap", &created)
}

async fn dependents_go_with_their_owner(ctx: Ctx) {
    let path = ctx.namespace().await;
    let (maps, secrets) = (format!("{path}/configmaps"), format!("{path}/secrets"));
    let owner = owner(&ctx, &maps, "owner").await;
    ctx.api
        .post(&*secrets, &object("a", &[&owner]))
        .await
        .expect(201);
    ctx.api
        .post(&*secrets, &object("free", &[]))
        .await
        .expect(201);
    delete(&ctx, &format!("{maps}/owner"), "Background").await;
    ctx.api.get(format!("{maps}/owner")).await.expect(404);
    gone(&ctx, &format!("{secrets}/a")).await;
    ctx.api.get(format!("{secrets}/free")).await.expect(200);
}

async fn orphans_stay_and_lose_their_owner(ctx: Ctx) {
    let path = ctx.namespace().await;
    let (maps, secrets) = (format!("{path}/configmaps"), format!("{path}/secrets"));
    let owner = owner(&ctx, &maps, "owner").await;
    ctx.api
        .post(&*secrets, &object("a", &[&owner]))
        .await
        .expect(201);
    let deleted = delete(&ctx, &format!("{maps}/owner"), "Orphan").await;
    assert_eq!(deleted.at("/metadata/finalizers"), &json!(["orphan"]));
    gone(&ctx, &format!("{maps}/owner")).await;
    let orphan = ctx.api.get(format!("{secrets}/a")).await.expect(200);
    assert_eq!(orphan.at("/metadata/ownerReferences"), &Value::Null);
}

async fn a_foreground_deletion_waits_for_blocking_dependents(ctx: Ctx) {
    let path = ctx.namespace().await;
    let (maps, secrets) = (format!("{path}/configmaps"), format!("{path}/secrets"));
    let mut owner = owner(&ctx, &maps, "owner").await;
    owner["blockOwnerDeletion"] = json!(true);
    let mut held = object("a", &[&owner]);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    ctx.api.post(&*secrets, &held).await.expect(201);
    let deleted = delete(&ctx, &format!("{maps}/owner"), "Foreground").await;
    assert_eq!(
        deleted.at("/metadata/finalizers"),
        &json!(["foregroundDeletion"])
    );
    let dependent = format!("{secrets}/a");
    let marked = |answer: &Answer| !answer.text("/metadata/deletionTimestamp").is_empty();
    ctx.api
        .until(&dependent, COLLECT_SECS, "the dependent marked", marked)
        .await;
    ctx.api.get(format!("{maps}/owner")).await.expect(200);
    let release = json!({"metadata": {"finalizers": null}});
    ctx.api.merge(&*dependent, &release).await.expect(200);
    gone(&ctx, &format!("{maps}/owner")).await;
}

async fn a_dependent_of_two_owners_stays(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let one = owner(&ctx, &maps, "one").await;
    let two = owner(&ctx, &maps, "two").await;
    ctx.api
        .post(&*maps, &object("a", &[&one, &two]))
        .await
        .expect(201);
    ctx.api
        .post(&*maps, &object("witness", &[&one]))
        .await
        .expect(201);
    delete(&ctx, &format!("{maps}/one"), "Background").await;
    gone(&ctx, &format!("{maps}/witness")).await;
    let left = |answer: &Answer| {
        answer
            .at("/metadata/ownerReferences")
            .as_array()
            .map(Vec::len)
            == Some(1)
    };
    let path = format!("{maps}/a");
    let kept = ctx
        .api
        .until(&path, COLLECT_SECS, "one owner left", left)
        .await;
    assert_eq!(kept.text("/metadata/ownerReferences/0/name"), "two");
    delete(&ctx, &format!("{maps}/two"), "Background").await;
    gone(&ctx, &path).await;
}

async fn a_dependent_of_a_missing_owner_goes(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let uid = "6f7f4c3e-0000-4000-8000-000000000001";
    let missing = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": uid});
    ctx.api
        .post(&*maps, &object("a", &[&missing]))
        .await
        .expect(201);
    gone(&ctx, &format!("{maps}/a")).await;
    // The name alone does not make it the owner.
    ctx.api.post(&*maps, &object("none", &[])).await.expect(201);
    ctx.api
        .post(&*maps, &object("b", &[&missing]))
        .await
        .expect(201);
    gone(&ctx, &format!("{maps}/b")).await;
    ctx.api.get(format!("{maps}/none")).await.expect(200);
}

async fn an_owner_of_another_namespace_is_missing(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let elsewhere = ctx.namespace_called(&format!("{}-2", ctx.ns)).await;
    let elsewhere = format!("{elsewhere}/configmaps");
    let owner = owner(&ctx, &elsewhere, "owner").await;
    ctx.api
        .post(&*maps, &object("a", &[&owner]))
        .await
        .expect(201);
    gone(&ctx, &format!("{maps}/a")).await;
}

async fn dependents_go_over_two_levels(ctx: Ctx) {
    let maps = format!("{}/configmaps", ctx.namespace().await);
    let top = owner(&ctx, &maps, "top").await;
    let middle = ctx
        .api
        .post(&*maps, &object("middle", &[&top]))
        .await
        .expect(201);
    let middle = reference("ConfigMap", &middle);
    ctx.api
        .post(&*maps, &object("leaf", &[&middle]))
        .await
        .expect(201);
    ctx.api.delete(format!("{maps}/top")).await.expect(200);
    gone(&ctx, &format!("{maps}/middle")).await;
    gone(&ctx, &format!("{maps}/leaf")).await;
}

async fn the_default_of_jobs_is_to_orphan(ctx: Ctx) {
    let path = ctx.namespace().await;
    let jobs = format!("/apis/batch/v1/namespaces/{}/jobs", ctx.ns);
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]});
    let body =
        json!({"metadata": {"name": "a"}, "spec": {"suspend": true, "template": {"spec": pod}}});
    let job = ctx.api.post(&*jobs, &body).await.expect(201);
    let mut owner = reference("Job", &job);
    owner["apiVersion"] = json!("batch/v1");
    let secrets = format!("{path}/secrets");
    ctx.api
        .post(&*secrets, &object("a", &[&owner]))
        .await
        .expect(201);
    let deleted = ctx.api.delete(format!("{jobs}/a")).await.expect(200);
    let warning = deleted.header("warning");
    assert!(
        warning
            .join("")
            .contains("child pods are preserved by default"),
        "{warning:?}"
    );
    gone(&ctx, &format!("{jobs}/a")).await;
    let orphan = ctx.api.get(format!("{secrets}/a")).await.expect(200);
    assert_eq!(orphan.at("/metadata/ownerReferences"), &Value::Null);
}
