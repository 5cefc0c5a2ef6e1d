//! Bundles that run under an account of their own.

use apiclient::{Kind, ObjectKey};
use serde_json::{Value, json};

use crate::escapes;
use crate::world::{
    World, bundle, config_map, config_maps, create, eventually, namespaces, secrets,
};

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

/// A record of a release `forged` of nobody's bundle, as whoever may write Secrets in the namespace can write one.
async fn forge(world: &World, bundle: &str, manifest: &str, hook: &str) {
    let text = hook.to_owned();
    let hook = json!({ "name": "stolen", "kind": "ConfigMap", "path": "web/templates/a.yaml",
        "manifest": text, "events": ["pre-delete", "post-delete"] });
    let annotations = json!({ "fleet.cattle.io/bundle-id": bundle,
        "fleet.cattle.io/agent-namespace": "cattle-fleet-system" });
    let release = json!({ "name": "forged", "namespace": "tenant", "version": 1, "manifest": manifest,
        "info": { "status": "deployed" }, "hooks": [hook],
        "chart": { "metadata": { "name": "web", "version": "1.0.0", "annotations": annotations,
            "apiVersion": "v2" } } });
    let release: helm::release::Release = serde_json::from_value(release).unwrap();
    let stamp = helm::release::Stamp::Created(1);
    let mut secret = helm::release::to_secret(&release, stamp).unwrap();
    secret["metadata"]["annotations"] = annotations;
    let name = helm::release::secret_name("forged", 1);
    create(
        &world.cluster,
        &secrets(),
        &ObjectKey::new("tenant", name),
        &secret,
    )
    .await;
}

#[tokio::test]
async fn a_forged_record_makes_the_agent_run_no_hook_and_delete_nothing_unmarked() {
    let mut world = World::start().await;
    for name in ["tenant", "victim", "cattle-fleet-system"] {
        let object = json!({ "metadata": { "name": name } });
        create(
            &world.cluster,
            &namespaces(),
            &ObjectKey::new("", name),
            &object,
        )
        .await;
    }
    for (namespace, name) in [("tenant", "imposed"), ("victim", "theirs")] {
        let object = json!({ "metadata": { "name": name } });
        create(
            &world.cluster,
            &config_maps(),
            &ObjectKey::new(namespace, name),
            &object,
        )
        .await;
    }
    let object = |namespace: &str, name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: {namespace}, name: {name}}}\n"
        )
    };
    // Of a bundle that never was, and of one that lives.
    for bundle_id in ["gone", "web"] {
        let config = config_map("a", "1");
        let id = world.deploy(&bundle("web", &[("a.yaml", &config)])).await;
        world.ready("web", &id).await;
        world.kill_agent().await;
        let manifest = object("tenant", "imposed") + "---\n" + &object("victim", "theirs");
        forge(&world, bundle_id, &manifest, &object("victim", "stolen")).await;
        world.start_agent();
        eventually("the forged record is gone", async || {
            let records = world.records("tenant").await;
            records.is_empty().then_some(())
        })
        .await;
        assert_eq!(world.object(&config_maps(), "victim", "stolen").await, None);
        for (namespace, name) in [("tenant", "imposed"), ("victim", "theirs")] {
            let object = world.object(&config_maps(), namespace, name).await;
            assert!(object.is_some(), "{namespace}/{name} is gone");
        }
        world.ready("web", &id).await;
    }
}

#[tokio::test]
async fn hooks_of_what_went_while_the_agent_was_away_run() {
    let mut world = World::start().await;
    let object = json!({ "metadata": { "name": "cattle-fleet-system" } });
    let key = ObjectKey::new("", "cattle-fleet-system");
    create(&world.cluster, &namespaces(), &key, &object).await;
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bye, annotations: {helm.sh/hook: post-delete}}\n";
    let files = [("Chart.yaml", chart), ("templates/hook.yaml", hook)];
    let files: Vec<(&str, &str)> = files.to_vec();
    let web = bundle("web", &files).with_options(json!({ "defaultNamespace": "shop" }));
    let id = world.deploy(&web).await;
    world.ready("web", &id).await;
    world.kill_agent().await;
    world.remove("web").await;
    world.start_agent();
    eventually("the release is gone", async || {
        world.records("shop").await.is_empty().then_some(())
    })
    .await;
    assert!(world.object(&config_maps(), "shop", "bye").await.is_some());
}
