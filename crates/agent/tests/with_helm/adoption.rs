//! What a person deploys over what Helm and others made.

use std::rc::Rc;

use agent::local::{Action, Owner, Preview, Target};
use apiclient::ObjectKey;
use serde_json::json;

use crate::setting::{Setting, bundle};
use crate::world::{config_maps, create, given, namespaces};

fn target(setting: &Setting) -> Target {
    Target {
        cluster: setting.kube.clone(),
        agent_namespace: String::new(),
        namespace: "default".to_owned(),
    }
}

fn config(preview: &Preview) -> (Action, Option<Owner>) {
    let mut objects = preview.objects.iter();
    let found = objects.find(|it| it.name == "shop-config").unwrap();
    (found.action, found.owner.clone())
}

pub(crate) async fn what_others_made_is_told_before_it_is_taken_over(setting: Rc<Setting>) {
    let at = "adopted";
    let values = json!({ "greeting": "one" });
    setting.deploy_by_helm(at, "install shop", &values).await;
    let wanted = bundle(at, "shop", &json!({ "greeting": "two" }));
    let preview = agent::local::preview(target(&setting), given(&wanted))
        .await
        .unwrap();
    let release = format!("{at}/shop");
    let by_helm = || {
        Some(Owner::Helm {
            release: release.clone(),
        })
    };
    assert_eq!(
        (preview.is_install, preview.revision, preview.refused()),
        (false, 2, 0)
    );
    assert_eq!(preview.made_by, by_helm());
    assert_eq!(config(&preview), (Action::Adopt, by_helm()));
    // Nothing was changed by looking.
    assert_eq!(setting.history(at, "shop").await.len(), 1);
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["greeting"],
        "one"
    );
    let deployed = agent::local::deploy(target(&setting), given(&wanted))
        .await
        .unwrap();
    assert_eq!(deployed.release, format!("{at}/shop:2"));
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["greeting"],
        "two"
    );
    let history = setting.history(at, "shop").await;
    assert_eq!((history.len(), history[1].1.as_str()), (2, "deployed"));
    setting.helm(at, "uninstall shop").await;
}

/// What somebody made by other means is refused, or taken over on demand.
pub(crate) async fn what_nobody_released_is_taken_over_only_on_demand(setting: Rc<Setting>) {
    let at = "adopted-by-hand";
    let object = json!({ "metadata": { "name": at } });
    create(
        &setting.world.cluster,
        &namespaces(),
        &ObjectKey::new("", at),
        &object,
    )
    .await;
    let object = json!({ "metadata": { "name": "shop-config", "namespace": at },
        "data": { "greeting": "theirs" } });
    let key = ObjectKey::new(at, "shop-config");
    create(&setting.world.cluster, &config_maps(), &key, &object).await;
    let mut wanted = bundle(at, "shop", &json!({ "greeting": "two" }));
    let preview = agent::local::preview(target(&setting), given(&wanted))
        .await
        .unwrap();
    let by_test = Some(Owner::Manager {
        name: "test".to_owned(),
    });
    assert_eq!(config(&preview), (Action::Refuse, by_test.clone()));
    let refused = agent::local::deploy(target(&setting), given(&wanted)).await;
    assert!(errors::chain(&refused.unwrap_err()).contains("invalid ownership metadata"));
    wanted.options["helm"]["takeOwnership"] = true.into();
    let preview = agent::local::preview(target(&setting), given(&wanted))
        .await
        .unwrap();
    assert_eq!(config(&preview), (Action::Adopt, by_test));
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["greeting"],
        "theirs"
    );
    agent::local::deploy(target(&setting), given(&wanted))
        .await
        .unwrap();
    assert_eq!(
        setting.data(at, "shop-config").await.unwrap()["greeting"],
        "two"
    );
    setting.helm(at, "uninstall shop").await;
}
