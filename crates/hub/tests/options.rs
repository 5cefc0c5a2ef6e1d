//! Options that differ from cluster to cluster: overrides and templates, and what rules say about them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepoRestriction};
use apiclient::{Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use serde_json::json;

async fn deployment(hub: &Hub, namespace: &str, bundle: &str) -> BundleDeployment {
    eventually("the deployment is there", || {
        hub.deployment(namespace, bundle)
    })
    .await
}

async fn message_with(hub: &Hub, bundle: &str, part: &str) -> String {
    eventually(&format!("{bundle} says {part}"), || async {
        let found: Bundle = hub.get(bundle).await?;
        let message = conditions::message(&found.status.conditions, READY);
        message.contains(part).then(|| message.to_owned())
    })
    .await
}

async fn restrict(hub: &Hub, spec: serde_json::Value) {
    let (kind, key) = (
        Kind::of::<GitRepoRestriction>(),
        ObjectKey::new(WORKSPACE, "rules"),
    );
    let mut object = spec;
    object["metadata"] = json!({ "name": "rules", "namespace": WORKSPACE });
    object["apiVersion"] = json!("fleet.cattle.io/v1alpha1");
    object["kind"] = json!("GitRepoRestriction");
    hub.create_at(&kind, &key, &object).await;
}

#[tokio::test]
async fn a_target_overrides_options_with_false_and_nothing() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let south = hub.cluster("south", json!({})).await;
    let spec = json!({
        "keepResources": true, "namespace": "shop", "helm": { "atomic": true, "releaseName": "web" },
        "targets": [
            { "name": "one", "clusterName": "north", "overrides": {
                "keepResources": false, "namespace": null, "helm": { "atomic": false } } },
            { "name": "all", "clusterSelector": {} },
        ],
    });
    hub.bundle(WORKSPACE, "app", json!({}), spec).await;
    let other = deployment(&hub, &south, "app").await.spec.options;
    assert!(other.keep_resources && other.helm.unwrap().atomic && other.namespace == "shop");
    let own = deployment(&hub, &north, "app").await.spec.options;
    let helm = own.helm.unwrap();
    assert!(!own.keep_resources && !helm.atomic && own.namespace.is_empty());
    assert_eq!(helm.release_name, "web");
}

#[tokio::test]
async fn a_template_that_fails_leaves_the_last_good_deployment_and_names_the_place() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({ "team": "a" })).await;
    let south = hub.cluster("south", json!({ "team": "b" })).await;
    let agents = hub.play_agents();
    let spec = json!({
        "namespace": "team-${ .ClusterLabels.team }",
        "helm": { "releaseName": "${ .ClusterName }-web" },
        "templating": { "options": true, "files": ["*.yaml"] },
    });
    hub.bundle(WORKSPACE, "app", json!({}), spec).await;
    hub.bundle_ready("app", 2).await;
    let good = deployment(&hub, &north, "app").await.spec;
    assert_eq!(good.options.namespace, "team-a");
    assert_eq!(
        good.options.helm.as_ref().unwrap().release_name,
        "north-web"
    );
    let templating = good.options.templating.clone().unwrap();
    assert_eq!(
        templating.data.unwrap()["ClusterLabels"],
        json!({ "team": "a" })
    );
    let other = deployment(&hub, &south, "app").await.spec;
    assert_eq!(other.options.namespace, "team-b");

    let key = ObjectKey::new(WORKSPACE, "north");
    let gone = json!({ "metadata": { "labels": { "team": null, "new": "x" } } });
    hub.patch(&Kind::of::<Cluster>(), &key, &gone).await;
    let message = message_with(&hub, "app", "north").await;
    let place = "option namespace: failed to render template: template: namespace:1:22: executing \
                 \"namespace\" at <.ClusterLabels.team>: map has no entry for key \"team\"";
    assert!(message.contains(place), "{message}");
    assert!(!message.contains("south"), "{message}");
    assert_eq!(deployment(&hub, &north, "app").await.spec, good);

    let back = json!({ "metadata": { "labels": { "team": "c" } } });
    hub.patch(&Kind::of::<Cluster>(), &key, &back).await;
    eventually("the other team", || async {
        let found = hub.deployment(&north, "app").await?;
        (found.spec.options.namespace == "team-c").then_some(())
    })
    .await;
    hub.bundle_ready("app", 2).await;
    agents.abort();
}

#[tokio::test]
async fn every_kind_of_template_fails_on_its_cluster_only() {
    let hub = Hub::start().await;
    let good = hub.cluster("good", json!({ "zone": "z1" })).await;
    hub.cluster("bad", json!({ "other": "x" })).await;
    let zone = "${ .ClusterLabels.zone }";
    let missing = "map has no entry for key \"zone\"";
    let kinds = [
        (
            "values",
            json!({ "helm": { "values": { "a": { "zone": zone } } } }),
            "template: values:2:25",
            "helm.values.a.zone",
        ),
        (
            "entry",
            json!({ "helm": { "templateValues": { "zone": zone } } }),
            "template: values:1:17",
            "templateValues.zone",
        ),
        (
            "option",
            json!({ "templating": { "options": true }, "kustomize": { "dir": zone } }),
            "template: kustomize.dir:1:17",
            "option kustomize.dir",
        ),
    ];
    for (name, spec, _, _) in &kinds {
        hub.bundle(WORKSPACE, name, json!({}), spec.clone()).await;
    }
    for (name, _, place, key) in kinds {
        deployment(&hub, &good, name).await;
        let message = message_with(&hub, name, "bad").await;
        for part in [place, key, missing] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[tokio::test]
async fn templates_and_overrides_are_bound_by_the_rules_of_the_namespace() {
    let hub = Hub::start().await;
    restrict(&hub, json!({ "allowedTargetNamespaces": ["team-a"] })).await;
    let north = hub.cluster("north", json!({ "team": "a" })).await;
    hub.cluster("south", json!({ "team": "kube" })).await;
    let by_template = json!({
        "namespace": "team-${ .ClusterLabels.team }", "templating": { "options": true } });
    hub.bundle(WORKSPACE, "by-template", json!({}), by_template)
        .await;
    let message = message_with(&hub, "by-template", "south").await;
    assert!(
        message.contains("disallowed namespace team-kube for this cluster"),
        "{message}"
    );
    deployment(&hub, &north, "by-template").await;
    let by_override = json!({ "namespace": "team-a",
        "targets": [{ "name": "t", "clusterSelector": {}, "overrides": { "namespace": null } }] });
    hub.bundle(WORKSPACE, "by-override", json!({}), by_override)
        .await;
    message_with(&hub, "by-override", "empty targetNamespace denied").await;
    // Without being asked for, a template is a text like any other.
    let plain = json!({ "namespace": "team-${ .ClusterLabels.team }" });
    hub.bundle(WORKSPACE, "plain", json!({}), plain).await;
    message_with(&hub, "plain", "disallowed namespace team-$").await;
    assert!(hub.deployment(&north, "by-override").await.is_none());
    assert!(hub.deployment(&north, "plain").await.is_none());
}
