//! Records that are odd, broken or too large.

use std::fmt::Write as _;
use std::rc::Rc;

use helm::release::{Release, Status};
use serde_json::{Value, json};

use crate::setting::{Setting, bundle};
use crate::world::{eventually, secrets};

/// Changes a record behind everybody's back.
async fn rewrite(setting: &Setting, at: &str, revision: u32, change: impl FnOnce(&mut Release)) {
    let mut record = setting.record(at, "shop", revision).await;
    let mut release = helm::release::from_secret(&record).unwrap();
    change(&mut release);
    record["metadata"]["labels"]["status"] = release.info.status.as_str().into();
    record["data"] = Value::Null;
    record["stringData"] = json!({ "release": helm::release::encode(&release).unwrap() });
    setting.replace(&secrets(), &record).await;
}

pub(crate) async fn an_interrupted_upgrade_of_helm_is_gone_over(setting: Rc<Setting>) {
    let at = "interrupted";
    setting.deploy_by_helm(at, "install shop", &json!({})).await;
    setting
        .deploy_by_helm(at, "upgrade shop", &json!({ "greeting": "two" }))
        .await;
    rewrite(&setting, at, 1, |release| {
        release.info.status = Status::Deployed;
    })
    .await;
    rewrite(&setting, at, 2, |release| {
        release.info.status = Status::PendingUpgrade;
    })
    .await;
    let refused = setting.refused(at, "rollback shop 7").await;
    assert!(refused.contains("release has no 7 version"), "{refused}");
    setting
        .deploy(&bundle(
            at,
            "shop",
            &json!({ "greeting": "three", "extra": false }),
        ))
        .await;
    let history = setting.history(at, "shop").await;
    let statuses: Vec<&str> = history
        .iter()
        .map(|(_, status, _)| status.as_str())
        .collect();
    assert_eq!(statuses, ["superseded", "failed", "deployed"]);
    assert_eq!(setting.data(at, "shop-extra").await, None);
}

pub(crate) async fn odd_names_are_records_too(setting: Rc<Setting>) {
    let longest = "a23456789-123456789-123456789-123456789-123456789-123";
    for (at, name) in [
        ("odd-dots", "a.b-c.v2"),
        ("odd-digits", "1"),
        ("odd-long", longest),
    ] {
        setting.deploy(&bundle(at, name, &json!({}))).await;
        let listed = setting.json(at, "list").await;
        assert_eq!(listed[0]["name"], name);
        setting
            .deploy_by_helm(
                at,
                &format!("upgrade {name}"),
                &json!({ "greeting": "two" }),
            )
            .await;
        setting
            .deploy(&bundle(at, name, &json!({ "greeting": "three" })))
            .await;
        assert_eq!(setting.history(at, name).await.len(), 3);
        setting.world.remove(at).await;
        eventually("everything is gone", async || {
            (setting.left(at).await == [format!("configmaps/{name}-before")]).then_some(())
        })
        .await;
    }
}

pub(crate) async fn a_release_too_large_for_its_secret_is_refused_before_anything_happens(
    setting: Rc<Setting>,
) {
    let at = "too-large";
    setting.namespace(at).await;
    let mut bundle = bundle(at, "shop", &json!({}));
    // A sequence that does not repeat compresses to about half of its hexadecimal digits.
    let mut state = 1_u64;
    for part in 0..4 {
        let mut text = String::new();
        for _ in 0..30_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let _ = write!(text, "{:08x}{:08x}", state >> 32, (state >> 16) as u32);
        }
        let name = format!("templates/large-{part}.yaml");
        bundle.files.push((
            name,
            crate::world::config_map(&format!("large-{part}"), &text),
        ));
    }
    setting.world.deploy(&bundle).await;
    let message = setting.world.error(at).await;
    assert!(message.contains("at most 1048576"), "{message}");
    assert!(setting.left(at).await.is_empty());
}

pub(crate) async fn records_that_cannot_be_read_are_named(setting: Rc<Setting>) {
    let at = "unreadable";
    setting.deploy_by_helm(at, "install shop", &json!({})).await;
    let mut record = setting.record(at, "shop", 1).await;
    record["data"] = json!({ "release": "bm8gcmVjb3Jk" });
    setting.replace(&secrets(), &record).await;
    setting
        .world
        .deploy(&bundle(at, "shop", &json!({ "greeting": "two" })))
        .await;
    let message = setting.world.error(at).await;
    assert!(
        message.contains("decode revision 1 of release unreadable/shop"),
        "{message}"
    );
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["greeting"],
        "hello"
    );
}
