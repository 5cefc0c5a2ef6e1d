//! Cases as functions, by topic: what takes more than requests and their answers.

use serde_json::json;

use crate::suite::{Case, Ctx};

/// Cases named after the functions that are given.
macro_rules! cases {
    ($topic:literal: $($function:ident),* $(,)?) => {
        /// The cases of this topic.
        pub(super) fn cases() -> Vec<crate::suite::Case> {
            vec![$(crate::suite::Case::new(
                concat!($topic, "::", stringify!($function)),
                $function,
            )),*]
        }
    };
}

mod access;
mod discovery;
mod forgetting;
mod garbage;
mod limits;
mod lists;
mod namespaces;
mod watches;

/// All cases of all topics.
pub(crate) fn all() -> Vec<Case> {
    let topics = [
        access::cases(),
        discovery::cases(),
        garbage::cases(),
        limits::cases(),
        lists::cases(),
        namespaces::cases(),
        watches::cases(),
    ];
    topics.into_iter().flatten().collect()
}

/// Cases that run one after the other, when all others have ended.
pub(crate) fn alone() -> Vec<Case> {
    forgetting::cases()
}

/// Defines a kind without a schema, `K` and the plural its name; the path of all its objects.
async fn custom(ctx: &Ctx, plural: &str, scope: &str) -> String {
    let group = format!("{}.example.com", ctx.ns);
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
    });
    let body = json!({
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "versions": [version],
            "names": {"plural": plural, "kind": format!("K{plural}")},
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    ctx.api.post(definitions, &body).await.expect(201);
    let path = format!("/apis/{group}/v1/{plural}");
    let served = |answer: &crate::api::Answer| answer.code == 200;
    ctx.api.until(&path, 30, "served", served).await;
    path
}
