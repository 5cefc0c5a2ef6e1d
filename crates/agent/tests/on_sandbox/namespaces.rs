//! `deleteNamespace`: when the namespace of a release goes with its bundle, and when it stays.

use apiclient::ObjectKey;
use serde_json::{Value, json};

use crate::world::{
    Bundle, World, bundle, config_map, config_maps, create, deployment, eventually, namespaces,
    secrets,
};

fn web(options: &Value) -> Bundle {
    let (map, workload) = (config_map("a", "1"), deployment("web"));
    let files = [("a.yaml", map.as_str()), ("web.yaml", workload.as_str())];
    bundle("web", &files).with_options(options.clone())
}

async fn deployed(world: &World, bundle: &Bundle) {
    let id = world.deploy(bundle).await;
    world.ready(bundle.name, &id).await;
}

async fn removed(world: &World, bundle: &str, namespace: &str) {
    world.remove(bundle).await;
    eventually("the release is gone", async || {
        let records = world.records(namespace).await;
        let is_its = |(name, _): &(String, String)| name.contains(&format!(".{bundle}."));
        (!records.iter().any(is_its)).then_some(())
    })
    .await;
}

async fn is_going(world: &World, namespace: &str) -> bool {
    let found = world.object(&namespaces(), "", namespace).await;
    found.is_none_or(|found| found["metadata"]["deletionTimestamp"].is_string())
}

#[tokio::test]
async fn an_empty_namespace_goes_with_its_bundle_if_that_was_asked_for() {
    let world = World::start().await;
    for options in [
        json!({ "defaultNamespace": "shop", "deleteNamespace": true }),
        json!({ "namespace": "forced", "deleteNamespace": true }),
    ] {
        deployed(&world, &web(&options)).await;
        let namespace = options["namespace"].as_str().unwrap_or("shop");
        removed(&world, "web", namespace).await;
        eventually("the namespace goes", async || {
            is_going(&world, namespace).await.then_some(())
        })
        .await;
    }
    // Not without being asked, and not with what is kept.
    for (namespace, options) in [
        ("plain", json!({ "defaultNamespace": "plain" })),
        (
            "kept",
            json!({ "defaultNamespace": "kept", "deleteNamespace": true, "keepResources": true }),
        ),
        ("default", json!({ "deleteNamespace": true })),
        (
            "kube-system",
            json!({ "defaultNamespace": "kube-system", "deleteNamespace": true }),
        ),
    ] {
        deployed(&world, &web(&options)).await;
        removed(&world, "web", namespace).await;
        assert!(!is_going(&world, namespace).await, "{namespace}");
    }
    assert!(world.object(&config_maps(), "kept", "a").await.is_some());
}

#[tokio::test]
async fn a_namespace_with_anything_of_others_in_it_stays() {
    let world = World::start().await;
    let asked = |namespace: &str| json!({ "defaultNamespace": namespace, "deleteNamespace": true });
    // What a person put there.
    deployed(&world, &web(&asked("person"))).await;
    let object = json!({ "metadata": { "name": "theirs", "namespace": "person" } });
    create(
        &world.cluster,
        &config_maps(),
        &ObjectKey::new("person", "theirs"),
        &object,
    )
    .await;
    removed(&world, "web", "person").await;
    assert!(!is_going(&world, "person").await);

    // A release of Helm's.
    deployed(&world, &web(&asked("helm"))).await;
    let record = json!({ "metadata": { "name": "sh.helm.release.v1.db.v1", "namespace": "helm",
        "labels": { "owner": "helm", "name": "db", "version": "1", "status": "deployed" } } });
    let key = ObjectKey::new("helm", "sh.helm.release.v1.db.v1");
    create(&world.cluster, &secrets(), &key, &record).await;
    removed(&world, "web", "helm").await;
    assert!(!is_going(&world, "helm").await);

    // Another bundle; the last one to go takes the namespace with it.
    deployed(&world, &web(&asked("both"))).await;
    let text = config_map("other", "1");
    let other = bundle("other", &[("o.yaml", &text)]).with_options(asked("both"));
    deployed(&world, &other).await;
    removed(&world, "web", "both").await;
    assert!(!is_going(&world, "both").await);
    assert!(
        world
            .object(&config_maps(), "both", "other")
            .await
            .is_some()
    );
    removed(&world, "other", "both").await;
    eventually("the namespace goes", async || {
        is_going(&world, "both").await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_a_release_leaves_for_another_stays() {
    let mut world = World::start().await;
    // Records are sealed where the agent has a namespace; what others wrote asks in vain.
    let object = json!({ "metadata": { "name": "cattle-fleet-system" } });
    let key = ObjectKey::new("", "cattle-fleet-system");
    create(&world.cluster, &namespaces(), &key, &object).await;
    let asked = |namespace: &str| json!({ "defaultNamespace": namespace, "deleteNamespace": true });
    deployed(&world, &web(&asked("old"))).await;
    deployed(&world, &web(&asked("new"))).await;
    eventually("the old release is gone", async || {
        world.records("old").await.is_empty().then_some(())
    })
    .await;
    assert!(!is_going(&world, "old").await);
    // What was asked for is known after a restart, and when the bundle went meanwhile.
    world.kill_agent().await;
    world.remove("web").await;
    world.start_agent();
    eventually("the namespace goes", async || {
        is_going(&world, "new").await.then_some(())
    })
    .await;
    assert!(!is_going(&world, "old").await);
}
