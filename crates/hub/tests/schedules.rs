//! Schedules: clusters that may be deployed to in windows of time only.

mod common;

use api::conditions::{self, READY};
use api::labels::SCHEDULE_FINALIZER;
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, Schedule};
use apiclient::{DeleteOptions, Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use serde_json::{Value, json};

/// Open for good.
const OPEN: &str = "0 0 0 1 1 ? 2020";
/// Closed for long.
const CLOSED: &str = "0 0 0 1 1 ? 2090";

async fn schedule(hub: &Hub, name: &str, when: &str, targets: Value) {
    let object = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Schedule",
        "metadata": { "name": name, "namespace": WORKSPACE },
        "spec": { "schedule": when, "duration": "1000000h", "location": "Europe/Berlin",
            "targets": { "clusters": targets } },
    });
    let key = ObjectKey::new(WORKSPACE, name);
    hub.create_at(&Kind::of::<Schedule>(), &key, &object).await;
}

async fn edit(hub: &Hub, name: &str, body: Value) {
    let key = ObjectKey::new(WORKSPACE, name);
    hub.patch(&Kind::of::<Schedule>(), &key, &body).await;
}

/// Waits until a cluster is scheduled and its window is open, or not.
async fn is(hub: &Hub, name: &str, scheduled: bool, active: bool) {
    eventually(&format!("{name}: {scheduled} {active}"), || async {
        let cluster: Cluster = hub.get(name).await?;
        let now = (cluster.status.scheduled, cluster.status.active_schedule);
        (now == (scheduled, active)).then_some(())
    })
    .await;
}

async fn deploys(hub: &Hub, namespace: &str, wanted: impl Fn(&BundleDeployment) -> bool) {
    eventually(&format!("the deployment in {namespace}"), || async {
        hub.deployment(namespace, "app")
            .await
            .filter(|found| wanted(found))
            .map(drop)
    })
    .await;
}

async fn change(hub: &Hub, to: &str) {
    let key = ObjectKey::new(WORKSPACE, "app");
    let body = json!({ "spec": { "defaultNamespace": to } });
    hub.patch(&Kind::of::<Bundle>(), &key, &body).await;
}

fn by_name(name: &str) -> Value {
    json!([{ "clusterName": name }])
}

#[tokio::test]
async fn outside_of_its_window_a_cluster_is_staged_and_follows_when_it_opens() {
    let mut hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let south = hub.cluster("south", json!({})).await;
    let agents = hub.play_agents();
    let strategy = json!({ "defaultNamespace": "v1", "rolloutStrategy": { "maxUnavailable": 1 } });
    hub.bundle(WORKSPACE, "app", json!({}), strategy).await;
    hub.bundle_ready("app", 2).await;
    schedule(&hub, "nightly", CLOSED, by_name("north")).await;
    is(&hub, "north", true, false).await;
    deploys(&hub, &north, |found| found.spec.off_schedule).await;
    let found = eventually("the schedule says what it does", || async {
        let found: Schedule = hub.get("nightly").await?;
        (!found.status.matching_clusters.is_empty()).then_some(found.status)
    })
    .await;
    assert_eq!(found.matching_clusters, ["north"]);
    let start = found.next_start_time.map(|time| time.0.to_string());
    assert_eq!(
        start.as_deref(),
        Some("2089-12-31T23:00:00Z"),
        "midnight in Berlin"
    );
    assert!(!found.active && found.conditions.is_empty());

    change(&hub, "v2").await;
    deploys(&hub, &south, |found| {
        found.spec.options.default_namespace == "v2"
    })
    .await;
    deploys(&hub, &north, |found| {
        let staged = &found.spec.staged_options.default_namespace;
        staged == "v2" && found.spec.options.default_namespace == "v1"
    })
    .await;
    hub.stop_controllers().await;
    hub.start_controllers();
    // A new bundle is there, and its agent is told to wait.
    hub.bundle(WORKSPACE, "new", json!({}), json!({})).await;
    eventually("the new deployment waits", || async {
        let found = hub.deployment(&north, "new").await?;
        found.spec.off_schedule.then_some(())
    })
    .await;
    let still = hub.deployment(&north, "app").await.unwrap();
    assert_eq!(still.spec.options.default_namespace, "v1");

    edit(&hub, "nightly", json!({ "spec": { "schedule": OPEN } })).await;
    is(&hub, "north", true, true).await;
    deploys(&hub, &north, |found| {
        found.spec.options.default_namespace == "v2" && !found.spec.off_schedule
    })
    .await;
    eventually("the schedule is active", || async {
        let found: Schedule = hub.get("nightly").await?;
        (found.status.active && found.status.next_start_time.is_none()).then_some(())
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn a_window_opens_and_closes_by_itself() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let key = ObjectKey::new(WORKSPACE, "short");
    let object = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Schedule",
        "metadata": { "name": "short", "namespace": WORKSPACE },
        "spec": { "schedule": "0/12 * * * * ?", "duration": "6s",
            "targets": { "clusters": by_name("north") } },
    });
    hub.create_at(&Kind::of::<Schedule>(), &key, &object).await;
    for active in [true, false, true] {
        is(&hub, "north", true, active).await;
        eventually("the schedule agrees", || async {
            let found: Schedule = hub.get("short").await?;
            (found.status.active == active).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_cluster_in_several_schedules_may_be_deployed_to_while_one_is_open() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({ "env": "prod" })).await;
    let group = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "ClusterGroup",
        "metadata": { "name": "prod", "namespace": WORKSPACE },
        "spec": { "selector": { "matchLabels": { "env": "prod" } } } });
    let key = ObjectKey::new(WORKSPACE, "prod");
    hub.create_at(&Kind::of::<ClusterGroup>(), &key, &group)
        .await;
    schedule(&hub, "one", CLOSED, json!([{ "clusterGroup": "prod" }])).await;
    is(&hub, "north", true, false).await;
    schedule(
        &hub,
        "two",
        OPEN,
        json!([{ "clusterSelector": { "matchLabels": { "env": "prod" } } }]),
    )
    .await;
    is(&hub, "north", true, true).await;
    let kind = Kind::of::<Schedule>();
    let two = ObjectKey::new(WORKSPACE, "two");
    hub.client
        .delete(&kind, &two, &DeleteOptions::default())
        .await
        .unwrap();
    is(&hub, "north", true, false).await;
    let labels = json!({ "metadata": { "labels": { "env": "dev" } } });
    let north = ObjectKey::new(WORKSPACE, "north");
    hub.patch(&Kind::of::<Cluster>(), &north, &labels).await;
    is(&hub, "north", false, false).await;
    eventually("nobody matches", || async {
        let found: Schedule = hub.get("one").await?;
        found.status.matching_clusters.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_means_nothing_says_so_and_keeps_its_clusters_closed() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    schedule(&hub, "wrong", OPEN, by_name("north")).await;
    is(&hub, "north", true, true).await;
    for (spec, wanted) in [
        (json!({ "schedule": "every night" }), "no cron expression"),
        (json!({ "schedule": OPEN, "location": "Mars" }), "Mars"),
        (
            json!({ "location": "", "targets": { "clusters": [
                { "clusterName": "north" },
                { "clusterSelector": { "matchExpressions": [{ "key": "a", "operator": "Is" }] } },
            ] } }),
            "targets.clusters[1]",
        ),
    ] {
        edit(&hub, "wrong", json!({ "spec": spec })).await;
        eventually(&format!("it says {wanted}"), || async {
            let found: Schedule = hub.get("wrong").await?;
            let said = conditions::message(&found.status.conditions, READY);
            (said.contains(wanted) && !found.status.active).then_some(())
        })
        .await;
        is(&hub, "north", true, false).await;
    }
    edit(
        &hub,
        "wrong",
        json!({ "spec": { "targets": { "clusters": by_name("north") } } }),
    )
    .await;
    is(&hub, "north", true, true).await;
    eventually("it says nothing more", || async {
        let found: Schedule = hub.get("wrong").await?;
        let said = conditions::message(&found.status.conditions, READY);
        (said.is_empty() && found.status.active).then_some(())
    })
    .await;
}

#[tokio::test]
async fn schedules_that_upstream_held_go_and_without_them_clusters_are_free() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    schedule(&hub, "held", CLOSED, by_name("north")).await;
    let finalizers = json!({ "metadata": { "finalizers": [SCHEDULE_FINALIZER] } });
    edit(&hub, "held", finalizers).await;
    is(&hub, "north", true, false).await;
    let (kind, key) = (Kind::of::<Schedule>(), ObjectKey::new(WORKSPACE, "held"));
    hub.client
        .delete(&kind, &key, &DeleteOptions::default())
        .await
        .unwrap();
    is(&hub, "north", false, false).await;
    eventually("it is gone", || async {
        hub.get::<Schedule>("held").await.is_none().then_some(())
    })
    .await;

    schedule(&hub, "off", CLOSED, by_name("north")).await;
    is(&hub, "north", true, false).await;
    hub.stop_controllers().await;
    hub.schedules = false;
    hub.start_controllers();
    is(&hub, "north", false, false).await;
}
