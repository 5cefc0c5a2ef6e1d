//! Helm, or upstream's agent, installs; Flotilla goes on and uninstalls.

use std::rc::Rc;

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use helm::release::SYSTEM_LABELS;
use serde_json::{Value, json};

use crate::setting::{Setting, bundle};
use crate::world::{config_maps, eventually};

/// Both managers of the fields of an object, without repetition.
async fn managers(setting: &Setting, namespace: &str, name: &str) -> Vec<String> {
    let object = setting.world.object(&config_maps(), namespace, name).await;
    let object = object.unwrap();
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    entries
        .iter()
        .map(|entry| format!("{}/{}", text(entry, "manager"), text(entry, "operation")))
        .collect()
}

/// Flotilla goes on from what greets with `one` and has everything extra.
async fn goes_on(setting: &Setting, at: &'static str, greeting: &str) {
    let values = json!({ "greeting": greeting, "extra": false });
    setting.deploy(&bundle(at, "shop", &values)).await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["action"]),
        (&json!(greeting), &json!("upgrade"))
    );
    assert_eq!(
        data["extra"],
        Value::Null,
        "the field is gone with the chart's"
    );
    assert_eq!(setting.data(at, "shop-extra").await, None);
    let deployments = Kind::new("apps", "v1", "Deployment", "deployments", true);
    let deployment = setting
        .world
        .object(&deployments, at, "shop")
        .await
        .unwrap();
    let containers = &deployment["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["env"], Value::Null, "{containers}");
    assert_eq!(managers(setting, at, "shop-config").await, ["helm/Apply"]);
}

async fn uninstalls(setting: &Setting, at: &'static str) {
    setting.world.remove(at).await;
    eventually("everything is gone", async || {
        (setting.left(at).await == ["configmaps/shop-before"]).then_some(())
    })
    .await;
}

pub(crate) async fn flotilla_upgrades_and_uninstalls(setting: Rc<Setting>) {
    let at = "goes-on-by-flotilla";
    let values = json!({ "greeting": "one" });
    setting.deploy_by_helm(at, "install shop", &values).await;
    goes_on(&setting, at, "two").await;
    let row =
        |revision: u64, status: &str, text: &str| (revision, status.to_owned(), text.to_owned());
    assert_eq!(
        setting.history(at, "shop").await,
        [
            row(1, "superseded", "Install complete"),
            row(2, "deployed", "Upgrade complete")
        ]
    );
    setting.helm(at, "rollback shop 1").await;
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["extra"],
        "here"
    );
    setting.helm(at, "rollback shop 2").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("two"), &Value::Null)
    );
    let values = json!({ "greeting": "three" });
    setting.deploy(&bundle(at, "shop", &values)).await;
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["extra"],
        "here"
    );
    uninstalls(&setting, at).await;
}

pub(crate) async fn flotilla_upgrades_what_was_applied_client_side(setting: Rc<Setting>) {
    let at = "client-side";
    let values = json!({ "greeting": "one" });
    setting
        .deploy_by_helm(at, "install shop --server-side=false", &values)
        .await;
    let release = helm::release::from_secret(&setting.record(at, "shop", 1).await).unwrap();
    assert_eq!(release.apply_method, "csa");
    goes_on(&setting, at, "two").await;
    setting.helm(at, "rollback shop 1").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("one"), &json!("here"))
    );
    goes_on(&setting, at, "three").await;
    uninstalls(&setting, at).await;
}

pub(crate) async fn flotilla_and_helm_3_share_a_release(setting: Rc<Setting>) {
    let at = "by-helm-3";
    let values = json!({ "greeting": "one" });
    setting.deploy_by_helm(at, "3: install shop", &values).await;
    let release = helm::release::from_secret(&setting.record(at, "shop", 1).await).unwrap();
    assert_eq!(release.apply_method, "");
    goes_on(&setting, at, "two").await;
    let listed = setting.json(at, "3: list").await;
    let of = |key: &str| listed[0][key].clone();
    assert_eq!(
        (of("revision"), of("status")),
        (json!("2"), json!("deployed"))
    );
    setting.helm(at, "3: get all shop").await;
    setting.helm(at, "3: rollback shop 1").await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(
        (&data["greeting"], &data["extra"]),
        (&json!("one"), &json!("here"))
    );
    goes_on(&setting, at, "three").await;
    let history = setting.history(at, "shop").await;
    let texts: Vec<&str> = history.iter().map(|(_, _, text)| text.as_str()).collect();
    let expected = [
        "Install complete",
        "Upgrade complete",
        "Rollback to 1",
        "Upgrade complete",
    ];
    assert_eq!(texts, expected);
    uninstalls(&setting, at).await;
}

pub(crate) async fn flotilla_takes_over_what_upstreams_agent_applied(setting: Rc<Setting>) {
    let at = "by-upstream";
    let values = json!({ "greeting": "one" });
    setting.deploy_by_helm(at, "install shop", &values).await;
    // Upstream's agent is a Helm whose fields are its own.
    for (kind, name) in [
        (config_maps(), "shop-config"),
        (
            Kind::new("apps", "v1", "Deployment", "deployments", true),
            "shop",
        ),
    ] {
        let object = setting.world.object(&kind, at, name).await.unwrap();
        let mut entries = object["metadata"]["managedFields"].clone();
        for entry in entries.as_array_mut().unwrap() {
            if entry["manager"] == "helm" {
                entry["manager"] = "fleetagent".into();
            }
        }
        let patch =
            json!([{ "op": "replace", "path": "/metadata/managedFields", "value": entries }]);
        let key = ObjectKey::new(at, name);
        let options = WriteOptions::default();
        let patched: Result<ObjectMeta, _> = setting
            .world
            .cluster
            .patch(&kind, &key, None, Patch::Json(&patch), 0, options)
            .await;
        patched.unwrap();
    }
    assert_eq!(
        managers(&setting, at, "shop-config").await,
        ["fleetagent/Apply"]
    );
    goes_on(&setting, at, "two").await;
    uninstalls(&setting, at).await;
}

pub(crate) async fn labels_and_the_first_deployment_live_on(setting: Rc<Setting>) {
    let at = "labelled";
    let args = "install shop --labels team=a,stage=b";
    setting.deploy_by_helm(at, args, &json!({})).await;
    let first = setting.json(at, "status shop").await["info"]["first_deployed"].clone();
    let values = json!({ "greeting": "two" });
    setting.deploy(&bundle(at, "shop", &values)).await;
    let status = setting.json(at, "status shop").await;
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time(&status["info"]["first_deployed"]), time(&first));
    assert!(time(&status["info"]["last_deployed"]) > time(&first));
    let listed = setting.json(at, "list --selector team=a,stage=b").await;
    assert_eq!(
        (&listed[0]["revision"], &listed[0]["status"]),
        (&json!("2"), &json!("deployed"))
    );
    for (revision, status) in [(1, "superseded"), (2, "deployed")] {
        let record = setting.record(at, "shop", revision).await;
        let labels = record["metadata"]["labels"].as_object().unwrap();
        let known = |key: &str| SYSTEM_LABELS.contains(&key) || ["team", "stage"].contains(&key);
        assert!(labels.keys().all(|key| known(key)), "{labels:?}");
        assert_eq!(
            (&labels["team"], &labels["status"]),
            (&json!("a"), &json!(status))
        );
        assert_eq!(record["type"], "helm.sh/release.v1");
    }
}

pub(crate) async fn an_uninstalled_release_is_installed_again(setting: Rc<Setting>) {
    let at = "uninstalled";
    setting.deploy_by_helm(at, "install shop", &json!({})).await;
    setting.helm(at, "uninstall shop --keep-history").await;
    setting.deploy(&bundle(at, "shop", &json!({}))).await;
    let data = setting.data(at, "shop-config").await.unwrap();
    assert_eq!(data["action"], "install");
    let history = setting.history(at, "shop").await;
    let statuses: Vec<&str> = history
        .iter()
        .map(|(_, status, _)| status.as_str())
        .collect();
    assert_eq!(statuses, ["uninstalled", "deployed"]);
    assert_eq!(history[1].2, "Install complete");
    uninstalls(&setting, at).await;
}
