//! Roll-outs on a hub: budgets, offline clusters, pauses, forced syncs.

mod common;

use std::time::Duration;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::{Kind, ObjectKey, Selector};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use serde_json::{Value, json};

async fn clusters(hub: &Hub, n: usize) -> Vec<String> {
    let mut namespaces = Vec::new();
    for i in 0..n {
        namespaces.push(hub.cluster(&format!("c{i:02}"), json!({})).await);
    }
    namespaces
}

async fn edit_bundle(hub: &Hub, name: &str, spec: Value) {
    let key = ObjectKey::new(WORKSPACE, name);
    hub.patch(&Kind::of::<Bundle>(), &key, &json!({ "spec": spec }))
        .await;
}

async fn edit_cluster(hub: &Hub, name: &str, spec: Value) {
    let key = ObjectKey::new(WORKSPACE, name);
    hub.patch(&Kind::of::<Cluster>(), &key, &json!({ "spec": spec }))
        .await;
}

async fn deployments(hub: &Hub) -> Vec<BundleDeployment> {
    let mut all = Vec::new();
    let kind = Kind::of::<BundleDeployment>();
    let listed = hub
        .client
        .list(&kind, &Selector::default(), |one| all.push(one))
        .await;
    assert!(listed.is_ok(), "{listed:?}");
    all
}

/// The default namespace that a deployment runs with.
async fn runs(hub: &Hub, namespace: &str) -> Option<String> {
    let found = hub.deployment(namespace, "app").await?;
    Some(found.spec.options.default_namespace)
}

/// The one that waits for it.
async fn waits(hub: &Hub, namespace: &str) -> Option<String> {
    let found = hub.deployment(namespace, "app").await?;
    Some(found.spec.staged_options.default_namespace)
}

async fn all_run(hub: &Hub, namespaces: &[String], wanted: &str) {
    eventually(&format!("all run {wanted}"), || async {
        for namespace in namespaces {
            if runs(hub, namespace).await? != wanted {
                return None;
            }
        }
        Some(())
    })
    .await;
}

fn budget(max_unavailable: u32) -> Value {
    json!({ "defaultNamespace": "v1", "rolloutStrategy": { "maxUnavailable": max_unavailable } })
}

#[tokio::test]
async fn a_roll_out_with_a_budget_of_one_ends_and_never_exceeds_it() {
    let hub = Hub::start().await;
    let namespaces = clusters(&hub, 8).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), budget(1)).await;
    hub.bundle_ready("app", 8).await;
    edit_bundle(&hub, "app", json!({ "defaultNamespace": "v2" })).await;
    let most = eventually("all run v2", || async {
        let all = deployments(&hub).await;
        let status = |one: &BundleDeployment| {
            one.status.applied_deployment_id == one.spec.deployment_id && one.status.ready
        };
        let n_unavailable = all.iter().filter(|one| !status(one)).count();
        assert!(n_unavailable <= 1, "{n_unavailable} are unavailable");
        let done = all
            .iter()
            .all(|one| one.spec.options.default_namespace == "v2");
        done.then_some(n_unavailable)
    })
    .await;
    assert!(most <= 1);
    all_run(&hub, &namespaces, "v2").await;
    hub.bundle_ready("app", 8).await;
    agents.abort();
}

#[tokio::test]
async fn no_more_than_max_new_are_created_in_a_pass_and_all_in_the_end() {
    let hub = Hub::start().await;
    clusters(&hub, 7).await;
    let agents = hub.play_agents();
    let strategy = json!({ "rolloutStrategy": { "maxNew": 2 } });
    hub.bundle(WORKSPACE, "app", json!({}), strategy).await;
    hub.bundle_ready("app", 7).await;
    let none = json!({ "rolloutStrategy": { "maxNew": 0 } });
    hub.bundle(WORKSPACE, "never", json!({}), none).await;
    eventually("the bundle says what waits", || async {
        let bundle: Bundle = hub.get("never").await?;
        (bundle.status.summary.pending == 7).then_some(())
    })
    .await;
    assert_eq!(deployments(&hub).await.len(), 7);
    agents.abort();
}

/// A hub that expects agents to report every second, and a cluster whose agent did so once.
async fn with_silent_cluster(hub: &mut Hub, name: &str) {
    hub.stop_controllers().await;
    hub.agent_checkin_interval = Some(Duration::from_secs(1));
    hub.start_controllers();
    beat(hub, name, 0).await;
    is_offline(hub, name, true).await;
}

async fn beat(hub: &Hub, name: &str, second: u32) {
    let at = format!("2026-01-01T00:00:{second:02}Z");
    let status = json!({ "status": { "agent": { "lastSeen": at, "namespace": "agent" } } });
    let key = ObjectKey::new(WORKSPACE, name);
    hub.patch_status(&Kind::of::<Cluster>(), &key, &status)
        .await;
}

async fn is_offline(hub: &Hub, name: &str, wanted: bool) {
    eventually(&format!("{name} is offline: {wanted}"), || async {
        let cluster: Cluster = hub.get(name).await?;
        ((cluster.status.display.state == "Offline") == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_offline_cluster_does_not_hold_up_a_roll_out_and_follows_when_it_is_back() {
    let mut hub = Hub::start().await;
    let namespaces = clusters(&hub, 3).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), budget(1)).await;
    hub.bundle_ready("app", 3).await;
    with_silent_cluster(&mut hub, "c00").await;
    edit_bundle(&hub, "app", json!({ "defaultNamespace": "v2" })).await;
    all_run(&hub, &namespaces[1..], "v2").await;
    let silent = &namespaces[0];
    assert_eq!(waits(&hub, silent).await.as_deref(), Some("v2"));
    assert_eq!(runs(&hub, silent).await.as_deref(), Some("v1"));
    beat(&hub, "c00", 1).await;
    is_offline(&hub, "c00", false).await;
    all_run(&hub, &namespaces, "v2").await;
    agents.abort();
}

#[tokio::test]
async fn what_an_offline_cluster_lacks_is_there_for_its_return() {
    let mut hub = Hub::start().await;
    let namespaces = clusters(&hub, 1).await;
    with_silent_cluster(&mut hub, "c00").await;
    hub.bundle(WORKSPACE, "app", json!({}), budget(1)).await;
    all_run(&hub, &namespaces, "v1").await;
}

#[tokio::test]
async fn more_offline_clusters_than_are_allowed_stop_a_roll_out() {
    let mut hub = Hub::start().await;
    let namespaces = clusters(&hub, 2).await;
    let agents = hub.play_agents();
    let strategy = json!({ "defaultNamespace": "v1",
        "rolloutStrategy": { "maxUnavailable": 1, "maxOffline": 0 } });
    hub.bundle(WORKSPACE, "app", json!({}), strategy).await;
    hub.bundle_ready("app", 2).await;
    with_silent_cluster(&mut hub, "c00").await;
    edit_bundle(&hub, "app", json!({ "defaultNamespace": "v2" })).await;
    eventually("all is staged", || async {
        let mut staged = 0;
        for namespace in &namespaces {
            staged += usize::from(waits(&hub, namespace).await? == "v2");
        }
        (staged == 2).then_some(())
    })
    .await;
    for namespace in &namespaces {
        assert_eq!(runs(&hub, namespace).await.as_deref(), Some("v1"));
    }
    let strategy = json!({ "rolloutStrategy": { "maxOffline": 1 } });
    edit_bundle(&hub, "app", strategy).await;
    all_run(&hub, &namespaces[1..], "v2").await;
    agents.abort();
}

#[tokio::test]
async fn a_paused_bundle_stages_and_goes_on_when_it_may() {
    let hub = Hub::start().await;
    let namespaces = clusters(&hub, 2).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), budget(2)).await;
    hub.bundle_ready("app", 2).await;
    edit_bundle(
        &hub,
        "app",
        json!({ "paused": true, "defaultNamespace": "v2" }),
    )
    .await;
    for namespace in &namespaces {
        eventually("the change waits", || async {
            let found = hub.deployment(namespace, "app").await?;
            assert_eq!(found.spec.options.default_namespace, "v1");
            let waits = found.spec.staged_options.default_namespace == "v2";
            (waits && found.spec.paused).then_some(())
        })
        .await;
    }
    edit_bundle(&hub, "app", json!({ "paused": false })).await;
    all_run(&hub, &namespaces, "v2").await;
    hub.bundle_ready("app", 2).await;
    agents.abort();
}

#[tokio::test]
async fn a_paused_cluster_is_left_alone_and_holds_up_nobody() {
    let hub = Hub::start().await;
    let namespaces = clusters(&hub, 3).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), budget(1)).await;
    hub.bundle_ready("app", 3).await;
    edit_cluster(&hub, "c00", json!({ "paused": true })).await;
    edit_bundle(&hub, "app", json!({ "defaultNamespace": "v2" })).await;
    all_run(&hub, &namespaces[1..], "v2").await;
    let paused = hub.deployment(&namespaces[0], "app").await.unwrap();
    assert_eq!(paused.spec.options.default_namespace, "v1");
    assert!(paused.spec.paused);
    edit_cluster(&hub, "c00", json!({ "paused": false })).await;
    all_run(&hub, &namespaces, "v2").await;
    agents.abort();
}

#[tokio::test]
async fn a_git_repo_hands_its_pause_and_forced_syncs_to_its_bundles() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 1).await;
    let id = async || {
        let found = hub.deployment(&namespace, "repo-app").await.unwrap();
        (found.spec.deployment_id, found.spec.staged_deployment_id)
    };
    let (first, _) = id().await;
    let (kind, key) = (Kind::of::<GitRepo>(), ObjectKey::new(WORKSPACE, "repo"));
    hub.patch(&kind, &key, &json!({ "spec": { "paused": true } }))
        .await;
    eventually("the bundle is paused", || async {
        let bundle: Bundle = hub.get("repo-app").await?;
        bundle.spec.paused.then_some(())
    })
    .await;
    repository.commit(&[("app/cm.yaml", &config_map("a", "2"))]);
    let staged = eventually("the commit is staged", || async {
        let (now, staged) = id().await;
        assert_eq!(now, first);
        (staged != first).then_some(staged)
    })
    .await;
    hub.patch(&kind, &key, &json!({ "spec": { "paused": false } }))
        .await;
    eventually("the commit is deployed", || async {
        (id().await.0 == staged).then_some(())
    })
    .await;

    let forced = json!({ "spec": { "forceSyncGeneration": 7 } });
    hub.patch(&kind, &key, &forced).await;
    eventually("the same commit is deployed again", || async {
        let (now, _) = id().await;
        let repo: GitRepo = hub.get("repo").await?;
        (now != staged && repo.status.update_generation == 7).then_some(())
    })
    .await;
    hub.bundle_ready("repo-app", 1).await;
    agents.abort();
}
