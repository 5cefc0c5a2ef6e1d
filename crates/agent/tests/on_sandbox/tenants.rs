//! Bundles that run under an account of their own.

use apiclient::{Kind, ObjectKey};
use serde_json::{Value, json};

use crate::escapes;
use crate::world::{World, bundle, config_map, config_maps, create, eventually, namespaces};

#[tokio::test(flavor = "multi_thread")]
async fn none_of_many_ways_leads_out_of_a_namespace() {
    let world = World::start().await;
    escapes::none_succeeds(&world).await;
}

async fn account(world: &World, name: &str, rules: Value) {
    let agent = "cattle-fleet-system";
    for namespace in [agent, "shop"] {
        if world.object(&namespaces(), "", namespace).await.is_none() {
            let object = json!({ "metadata": { "name": namespace } });
            let key = ObjectKey::new("", namespace);
            create(&world.cluster, &namespaces(), &key, &object).await;
        }
    }
    let accounts = Kind::new("", "v1", "ServiceAccount", "serviceaccounts", true);
    let object = json!({ "metadata": { "name": name } });
    create(
        &world.cluster,
        &accounts,
        &ObjectKey::new(agent, name),
        &object,
    )
    .await;
    let kind = |kind, plural| Kind::new("rbac.authorization.k8s.io", "v1", kind, plural, false);
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    let key = ObjectKey::new("", name);
    create(
        &world.cluster,
        &kind("ClusterRole", "clusterroles"),
        &key,
        &role,
    )
    .await;
    let binding = json!({ "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": agent }] });
    let bindings = kind("ClusterRoleBinding", "clusterrolebindings");
    create(&world.cluster, &bindings, &key, &binding).await;
}

#[tokio::test]
async fn the_default_account_is_used_where_it_exists_and_none_is_named() {
    let world = World::start().await;
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["*"] }]);
    account(&world, "fleet-default", rules).await;
    let files = [("a.yaml", config_map("a", "1"))];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    world.deploy(&bundle("web", &files)).await;
    let error = world.error("web").await;
    assert!(
        error.contains("ConfigMap shop/a")
            && error.contains("system:serviceaccount:cattle-fleet-system:fleet-default"),
        "{error}"
    );
    assert_eq!(world.object(&config_maps(), "shop", "a").await, None);
}

#[tokio::test]
async fn a_namespace_that_the_account_may_not_label_is_named_and_the_release_stays() {
    let world = World::start().await;
    let rules =
        json!([{ "apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["*"] }]);
    account(&world, "plain", rules).await;
    let text = config_map("a", "1");
    let options = json!({ "defaultNamespace": "shop", "serviceAccount": "plain",
        "namespaceLabels": { "team": "a" } });
    let wanted = bundle("web", &[("a.yaml", &text)]).with_options(options.clone());
    let id = world.deploy(&wanted).await;
    let found = world
        .until("web", "is deployed without labels", |found| {
            found.status.applied_deployment_id == id
        })
        .await;
    let of = |type_: &str| api::conditions::message(&found.status.conditions, type_).to_owned();
    let text =
        "the deployment's service account is not allowed to get namespace \"shop\"; grant it";
    assert!(of("Installed").contains(text), "{}", of("Installed"));
    assert!(api::conditions::is_true(
        &found.status.conditions,
        "Deployed"
    ));
    assert_eq!(
        (found.status.release.as_str(), found.status.ready),
        ("shop/web:1", false)
    );

    // Without the wish it is as ready as it was all the time.
    let options = json!({ "defaultNamespace": "shop", "serviceAccount": "plain" });
    let same = json!({ "deploymentID": id, "stagedDeploymentID": id });
    world
        .deploy(&wanted.with_options(options).with_spec(same))
        .await;
    let found = world.ready("web", &id).await;
    assert_eq!(found.status.release, "shop/web:1");

    let rules = json!([{ "apiGroups": [""], "resources": ["secrets", "configmaps", "namespaces"], "verbs": ["*"] }]);
    account(&world, "labels", rules).await;
    let options = json!({ "defaultNamespace": "shop", "serviceAccount": "labels",
        "namespaceLabels": { "team": "a" }, "namespaceAnnotations": { "note": "n" } });
    let text = config_map("a", "2");
    let wanted = bundle("web", &[("a.yaml", &text)]).with_options(options);
    let id = world.deploy(&wanted).await;
    world.ready("web", &id).await;
    let namespace = world.object(&namespaces(), "", "shop").await.unwrap();
    assert_eq!(namespace["metadata"]["labels"]["team"], "a");
    assert_eq!(namespace["metadata"]["annotations"]["note"], "n");

    // Only the labels change: the release does not.
    let options = json!({ "defaultNamespace": "shop", "serviceAccount": "labels",
        "namespaceLabels": { "team": "b" } });
    let same = json!({ "deploymentID": id, "stagedDeploymentID": id });
    world
        .deploy(&wanted.with_options(options).with_spec(same))
        .await;
    eventually("the label follows", async || {
        let namespace = world.object(&namespaces(), "", "shop").await.unwrap();
        let metadata = &namespace["metadata"];
        (metadata["labels"]["team"] == "b" && metadata["annotations"]["note"].is_null())
            .then_some(())
    })
    .await;
    assert_eq!(world.records("shop").await.len(), 2);
}
