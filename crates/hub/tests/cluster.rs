//! What a Cluster gets on the hub.

mod common;

use api::v1alpha1::Cluster;
use apiclient::{Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;

#[tokio::test]
async fn the_namespace_of_a_cluster_is_as_upstream_makes_it_and_goes_with_it() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    assert_eq!(namespace, api::names::cluster_namespace(WORKSPACE, "north"));
    let (kind, key) = (Kind::of::<Namespace>(), ObjectKey::new("", &*namespace));
    let found: Option<Namespace> = hub.client.get(&kind, &key).await.unwrap();
    let meta = found.unwrap().metadata;
    assert_eq!(meta.labels.unwrap()["fleet.cattle.io/managed"], "true");
    let annotations = meta.annotations.unwrap();
    assert_eq!(annotations["fleet.cattle.io/cluster"], "north");
    assert_eq!(annotations["fleet.cattle.io/cluster-namespace"], WORKSPACE);
    eventually("the cluster is processed", || async {
        let cluster: Cluster = hub.get("north").await?;
        let mut conditions = cluster.status.conditions.into_iter();
        let processed = conditions.find(|condition| condition.type_ == "Processed")?;
        (processed.status == "True" && processed.message.is_empty()).then_some(())
    })
    .await;

    // What somebody gave it already stays as it is.
    let own = json!({ "metadata": { "annotations": { "field.cattle.io/projectId": "p" } } });
    hub.patch(&kind, &key, &own).await;
    let cluster = ObjectKey::new(WORKSPACE, "north");
    let label = json!({ "metadata": { "labels": { "zone": "x" } } });
    hub.patch(&Kind::of::<Cluster>(), &cluster, &label).await;
    hub.cluster("south", json!({})).await;
    let found: Option<Namespace> = hub.client.get(&kind, &key).await.unwrap();
    assert_eq!(found.unwrap().metadata.annotations.unwrap().len(), 3);

    let options = apiclient::DeleteOptions::default();
    let deleted = hub
        .client
        .delete(&Kind::of::<Cluster>(), &cluster, &options)
        .await;
    assert!(deleted.is_ok());
    eventually("the namespace is gone", || async {
        let found: Option<Namespace> = hub.client.get(&kind, &key).await.ok()?;
        found.is_none().then_some(())
    })
    .await;
}
