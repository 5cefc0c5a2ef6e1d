//! Flotilla installs; Helm looks, goes on and uninstalls.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::setting::{Setting, bundle};
use crate::shown;
use crate::world::eventually;

fn values() -> Value {
    json!({ "greeting": "<hi> & bye", "port": 81, "ratio": 1.5, "none": null, "list": [1, "a", null],
        "db": { "size": 3 } })
}

pub(crate) async fn helm_shows_what_it_would_have_written(setting: Rc<Setting>) {
    let (ours, theirs) = ("shown-by-flotilla", "shown-by-helm");
    setting.deploy(&bundle(ours, "shop", &values())).await;
    setting
        .deploy_by_helm(theirs, "install shop", &values())
        .await;
    for upgraded in [false, true] {
        if upgraded {
            let mut values = values();
            values["extra"] = false.into();
            setting.deploy(&bundle(ours, "shop", &values)).await;
            setting
                .deploy_by_helm(theirs, "upgrade shop", &values)
                .await;
        }
        let of_ours = shown::of(&setting, ours, "shop").await;
        let of_theirs = shown::of(&setting, theirs, "shop").await;
        for (command, of_theirs) in &of_theirs {
            assert_eq!(
                &of_ours[command], of_theirs,
                "{command}, upgraded: {upgraded}"
            );
        }
        for name in ["shop-config", "shop-kept", "shop-db", "shop-before"] {
            let of_ours = setting.data(ours, name).await.unwrap();
            assert_eq!(of_ours, setting.data(theirs, name).await.unwrap(), "{name}");
        }
        let all = setting.helm(ours, "get all shop").await;
        for part in ["USER-SUPPLIED VALUES:", "HOOKS:", "MANIFEST:", "NOTES:"] {
            assert!(all.contains(part), "{part} in {all}");
        }
    }
}

pub(crate) async fn helm_upgrades_tests_rolls_back_and_uninstalls(setting: Rc<Setting>) {
    let at = "goes-on-by-helm";
    let by_flotilla = bundle(at, "shop", &json!({ "greeting": "one" }));
    setting.deploy(&by_flotilla).await;
    let values = json!({ "greeting": "two", "extra": false });
    setting.deploy_by_helm(at, "upgrade shop", &values).await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("two"), &Value::Null)
    );
    assert_eq!(setting.data(at, "shop-extra").await, None);
    setting.helm(at, "test shop").await;
    setting.helm(at, "rollback shop 1").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("one"), &json!("here"))
    );
    assert_eq!(setting.data(at, "shop-extra").await, Some(json!(null)));

    let values = json!({ "greeting": "four", "extra": false });
    setting.deploy(&bundle(at, "shop", &values)).await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("four"), &Value::Null)
    );
    assert_eq!(setting.data(at, "shop-extra").await, None);
    let row =
        |revision: u64, status: &str, text: &str| (revision, status.to_owned(), text.to_owned());
    assert_eq!(
        setting.history(at, "shop").await,
        [
            row(1, "superseded", "Install complete"),
            row(2, "superseded", "Upgrade complete"),
            row(3, "superseded", "Rollback to 1"),
            row(4, "deployed", "Upgrade complete"),
        ]
    );
    setting.helm(at, "rollback shop 2").await;
    setting.helm(at, "rollback shop 4").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["revision"]),
        (&json!("four"), &json!("4"))
    );
    setting.helm(at, "uninstall shop").await;
    // Helm leaves hooks that have no policy to be deleted.
    assert_eq!(setting.left(at).await, ["configmaps/shop-before"]);
}

pub(crate) async fn a_failed_upgrade_is_history_and_can_be_rolled_back(setting: Rc<Setting>) {
    let at = "fails-by-flotilla";
    setting.deploy(&bundle(at, "shop", &json!({}))).await;
    let broken = json!({ "greeting": "broken", "hook": { "image": "registry.example/broken:1" } });
    let mut broken = bundle(at, "shop", &broken);
    setting.world.deploy(&broken).await;
    let message = setting.world.error(at).await;
    assert!(message.contains("shop-after"), "{message}");
    // It is not tried again, so that there is one end to look at.
    broken.spec = json!({ "paused": true });
    setting.world.deploy(&broken).await;
    let status = eventually("the revision has failed for good", async || {
        let status = setting.json(at, "status shop").await;
        (status["info"]["status"] == "failed").then_some(status)
    })
    .await;
    let hooks = status["hooks"].as_array().unwrap();
    let phase = |name: &str| {
        let hook = hooks.iter().find(|hook| hook["name"] == name);
        hook.unwrap()["last_run"]["phase"].clone()
    };
    assert_eq!(phase("shop-before"), "Succeeded");
    assert_eq!(phase("shop-after"), "Failed");
    let history = setting.history(at, "shop").await;
    assert_eq!(
        (history.len(), history[0].1.as_str()),
        (2, "deployed"),
        "{history:?}"
    );
    let start = "Upgrade \"shop\" failed: ";
    assert!(history[1].2.starts_with(start), "{history:?}");

    setting.helm(at, "rollback shop 1").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(data["greeting"], "hello");
    setting
        .deploy(&bundle(at, "shop", &json!({ "greeting": "good" })))
        .await;
    let history = setting.history(at, "shop").await;
    let statuses: Vec<&str> = history.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(statuses, ["superseded", "failed", "superseded", "deployed"]);
}

pub(crate) async fn only_so_many_revisions_are_kept(setting: Rc<Setting>) {
    let at = "kept-by-flotilla";
    for revision in 1..=4 {
        let mut bundle = bundle(at, "shop", &json!({ "greeting": revision.to_string() }));
        bundle.options["helm"]["maxHistory"] = 3.into();
        setting.deploy(&bundle).await;
    }
    let revisions: Vec<u64> = setting
        .history(at, "shop")
        .await
        .into_iter()
        .map(|(revision, _, _)| revision)
        .collect();
    assert_eq!(revisions, [2, 3, 4]);
    // Helm keeps as many as it is told, counting those of Flotilla.
    setting.helm(at, "rollback shop 3 --history-max 2").await;
    let history = setting.history(at, "shop").await;
    assert_eq!(history.len(), 2, "{history:?}");
    assert_eq!((history[1].0, history[1].1.as_str()), (5, "deployed"));
}
