//! Bundles that reach clusters of other namespaces through BundleNamespaceMappings.

mod common;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, BundleDeployment, BundleNamespaceMapping};
use apiclient::{DeleteOptions, Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use serde_json::{Value, json};

/// A namespace of a team, with one cluster; the namespace of that cluster's deployments.
async fn team(hub: &Hub, name: &str) -> String {
    hub.namespace(name, json!({ "team": name })).await;
    hub.cluster_in(name, "edge", json!({})).await
}

async fn map(hub: &Hub, bundles: Value, namespaces: Value) {
    let object = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "BundleNamespaceMapping",
        "metadata": { "name": "map", "namespace": WORKSPACE },
        "bundleSelector": bundles, "namespaceSelector": namespaces,
    });
    let key = ObjectKey::new(WORKSPACE, "map");
    hub.create_at(&Kind::of::<BundleNamespaceMapping>(), &key, &object)
        .await;
}

async fn edit_map(hub: &Hub, body: Value) {
    let key = ObjectKey::new(WORKSPACE, "map");
    hub.patch(&Kind::of::<BundleNamespaceMapping>(), &key, &body)
        .await;
}

async fn exists(hub: &Hub, namespace: &str, name: &str, wanted: bool) -> BundleDeployment {
    eventually(&format!("{namespace}/{name}: {wanted}"), || async {
        let found = hub.deployment(namespace, name).await;
        (found.is_some() == wanted).then(|| found.unwrap_or_default())
    })
    .await
}

fn share(labels: &Value) -> Value {
    json!({ "matchLabels": labels })
}

#[tokio::test]
async fn a_mapping_and_every_edit_of_it_reaches_the_clusters_it_means() {
    let hub = Hub::start().await;
    let (red, blue) = (team(&hub, "red").await, team(&hub, "blue").await);
    let home = hub.cluster("home", json!({})).await;
    hub.bundle(WORKSPACE, "shared", json!({ "share": "yes" }), json!({}))
        .await;
    hub.bundle(WORKSPACE, "own", json!({}), json!({})).await;
    exists(&hub, &home, "shared", true).await;
    exists(&hub, &home, "own", true).await;

    map(
        &hub,
        share(&json!({ "share": "yes" })),
        share(&json!({ "team": "red" })),
    )
    .await;
    let mapped = exists(&hub, &red, "shared", true).await;
    let labels = mapped.metadata.labels.unwrap();
    assert_eq!(labels["fleet.cattle.io/bundle-namespace"], WORKSPACE);
    assert_eq!(labels["fleet.cattle.io/cluster-namespace"], "red");
    assert!(hub.deployment(&red, "own").await.is_none());
    assert!(hub.deployment(&blue, "shared").await.is_none());
    let agents = hub.play_agents();
    hub.bundle_ready("shared", 2).await;

    // The namespaces of the mapping, the labels of a namespace, the labels of a bundle.
    let blue_too = json!({ "namespaceSelector": { "matchLabels": { "team": "blue" } } });
    edit_map(&hub, blue_too).await;
    exists(&hub, &red, "shared", false).await;
    exists(&hub, &blue, "shared", true).await;
    let namespaces = Kind::new("", "v1", "Namespace", "namespaces", false);
    let relabelled = json!({ "metadata": { "labels": { "team": "blue" } } });
    hub.patch(&namespaces, &ObjectKey::new("", "red"), &relabelled)
        .await;
    exists(&hub, &red, "shared", true).await;
    let labelled = json!({ "metadata": { "labels": { "share": "yes" } } });
    let own = ObjectKey::new(WORKSPACE, "own");
    hub.patch(&Kind::of::<Bundle>(), &own, &labelled).await;
    exists(&hub, &red, "own", true).await;
    hub.bundle_ready("own", 3).await;

    // A cluster that joins a mapped namespace later.
    let late = hub.cluster_in("blue", "late", json!({})).await;
    exists(&hub, &late, "shared", true).await;

    let key = ObjectKey::new(WORKSPACE, "map");
    hub.client
        .delete(
            &Kind::of::<BundleNamespaceMapping>(),
            &key,
            &DeleteOptions::default(),
        )
        .await
        .unwrap();
    for namespace in [&red, &blue, &late] {
        exists(&hub, namespace, "shared", false).await;
    }
    assert!(hub.deployment(&home, "shared").await.is_some());
    agents.abort();
}

#[tokio::test]
async fn a_mapping_that_cannot_be_read_takes_nothing_away_and_is_named() {
    let hub = Hub::start().await;
    let red = team(&hub, "red").await;
    let all = json!({});
    map(&hub, all.clone(), share(&json!({ "team": "red" }))).await;
    hub.bundle(WORKSPACE, "shared", json!({}), json!({})).await;
    exists(&hub, &red, "shared", true).await;
    let wrong = json!([{ "key": "team", "operator": "Sometimes" }]);
    edit_map(
        &hub,
        json!({ "namespaceSelector": { "matchExpressions": wrong } }),
    )
    .await;
    eventually("the bundle names the mapping", || async {
        let bundle: Bundle = hub.get("shared").await?;
        let message = conditions::message(&bundle.status.conditions, READY);
        message.contains("BundleNamespaceMapping map").then_some(())
    })
    .await;
    assert!(hub.deployment(&red, "shared").await.is_some());
    edit_map(
        &hub,
        json!({ "namespaceSelector": { "matchExpressions": null, "matchLabels": { "team": "blue" } } }),
    )
    .await;
    exists(&hub, &red, "shared", false).await;
}

#[tokio::test]
async fn bundles_of_one_name_do_not_overwrite_each_other_on_a_cluster_both_reach() {
    let hub = Hub::start().await;
    let red = team(&hub, "red").await;
    let values = |n: i64| json!({ "helm": { "values": { "n": n } } });
    hub.bundle("red", "same", json!({}), values(1)).await;
    let first = exists(&hub, &red, "same", true).await;
    map(&hub, json!({}), share(&json!({ "team": "red" }))).await;
    hub.bundle(WORKSPACE, "same", json!({}), values(2)).await;
    let message = eventually("the second bundle says why it waits", || async {
        let bundle: Bundle = hub.get("same").await?;
        let message = conditions::message(&bundle.status.conditions, READY).to_owned();
        message.contains("rename").then_some(message)
    })
    .await;
    assert!(message.contains("bundle red/same"), "{message}");
    let now = hub.deployment(&red, "same").await.unwrap();
    assert_eq!(now.metadata.uid, first.metadata.uid);
    assert_eq!(now.spec.deployment_id, first.spec.deployment_id);

    // The name becomes free, and the one that waited gets it.
    let key = ObjectKey::new("red", "same");
    hub.client
        .delete(&Kind::of::<Bundle>(), &key, &DeleteOptions::default())
        .await
        .unwrap();
    let agents = hub.play_agents();
    hub.bundle_ready("same", 1).await;
    let now = hub.deployment(&red, "same").await.unwrap();
    assert_ne!(now.metadata.uid, first.metadata.uid);
    agents.abort();
}
