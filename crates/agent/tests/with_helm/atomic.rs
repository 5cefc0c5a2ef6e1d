//! `helm.atomic` and `helm --rollback-on-failure`: what fails is taken back in the same way.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::setting::{Setting, bundle, chart};
use crate::world::Bundle;

fn broken() -> Value {
    json!({ "greeting": "broken", "extra": false, "hook": { "image": "registry.example/broken:1" } })
}

fn atomic(namespace: &'static str, values: &Value) -> Bundle {
    let mut bundle = bundle(namespace, "shop", values);
    bundle.options["helm"]["atomic"] = true.into();
    bundle
}

/// What is said of a deployment that was given up.
async fn given_up(setting: &Setting, bundle: &Bundle) -> String {
    let id = setting.world.deploy(bundle).await;
    let found = setting
        .world
        .until(bundle.name, "is given up", |found| {
            found.status.applied_deployment_id == id && found.status.release.is_empty()
        })
        .await;
    let conditions = &found.status.conditions;
    assert!(api::conditions::is_true(conditions, "Deployed") && !found.status.ready);
    api::conditions::message(conditions, "Installed").to_owned()
}

/// Status and the words of the description before what went wrong, oldest revision first.
async fn history(setting: &Setting, namespace: &str) -> Vec<(u64, String, String)> {
    let history = setting.history(namespace, "shop").await.into_iter();
    let words = |text: String| text.split(": ").next().unwrap_or_default().to_owned();
    history
        .map(|(revision, status, text)| (revision, status, words(text)))
        .collect()
}

pub(crate) async fn a_failed_upgrade_is_rolled_back_as_by_helm(setting: Rc<Setting>) {
    let (ours, theirs) = ("atomic-by-flotilla", "atomic-by-helm");
    setting.deploy(&atomic(ours, &json!({}))).await;
    setting
        .deploy_by_helm(theirs, "install shop", &json!({}))
        .await;
    let message = given_up(&setting, &atomic(ours, &broken())).await;
    let words =
        "release shop failed, and has been rolled back due to rollback-on-failure being set: ";
    assert!(
        message.contains(words) && message.contains("shop-after"),
        "{message}"
    );
    let args = "upgrade shop --rollback-on-failure";
    let refused = setting
        .try_deploy_by_helm(theirs, args, &chart(), &broken())
        .await;
    assert!(refused.unwrap_err().contains(words));
    assert_eq!(
        history(&setting, ours).await,
        history(&setting, theirs).await
    );
    for name in ["shop-config", "shop-extra", "shop-before"] {
        let data = setting.data(ours, name).await;
        assert_eq!(data, setting.data(theirs, name).await, "{name}");
    }
    assert_eq!(setting.data(ours, "shop-extra").await, Some(Value::Null));

    // What follows is an upgrade like any other, and Helm agrees.
    setting
        .deploy(&atomic(ours, &json!({ "greeting": "good" })))
        .await;
    let statuses: Vec<String> = history(&setting, ours)
        .await
        .into_iter()
        .map(|row| row.1)
        .collect();
    assert_eq!(statuses, ["superseded", "failed", "superseded", "deployed"]);
    setting.helm(ours, "rollback shop 3").await;
}

pub(crate) async fn a_failed_install_is_uninstalled_as_by_helm(setting: Rc<Setting>) {
    let (ours, theirs) = ("atomic-install-by-flotilla", "atomic-install-by-helm");
    let message = given_up(&setting, &atomic(ours, &broken())).await;
    let words =
        "release shop failed, and has been uninstalled due to rollback-on-failure being set: ";
    assert!(
        message.contains(words) && message.contains("shop-after"),
        "{message}"
    );
    let args = "install shop --rollback-on-failure";
    let refused = setting
        .try_deploy_by_helm(theirs, args, &chart(), &broken())
        .await;
    assert!(refused.unwrap_err().contains(words));
    let mut left = setting.left(ours).await;
    left.sort();
    let mut by_helm = setting.left(theirs).await;
    by_helm.sort();
    assert_eq!(left, by_helm);
    setting.deploy(&atomic(ours, &json!({}))).await;
    assert_eq!(history(&setting, ours).await.len(), 1);
}
