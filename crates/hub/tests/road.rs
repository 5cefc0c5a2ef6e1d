//! The road of a change on the hub: from a commit to deployments and back to statuses.

mod common;

use std::collections::BTreeMap;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::{Call, DeleteOptions, Kind, ObjectKey};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use serde_json::json;

#[tokio::test]
async fn a_commit_reaches_every_cluster_and_every_status_says_so() {
    let hub = Hub::start().await;
    let namespaces = [
        hub.cluster("north", json!({ "region": "n" })).await,
        hub.cluster("south", json!({})).await,
    ];
    let repository = Repository::new();
    let commit = repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;

    let bundle = hub.bundle_ready("repo-app", 2).await;
    assert_eq!(
        bundle.metadata.labels.unwrap()["fleet.cattle.io/commit"],
        commit
    );
    for namespace in &namespaces {
        let deployment = hub.deployment(namespace, "repo-app").await.unwrap();
        assert_eq!(
            deployment.spec.deployment_id,
            deployment.spec.staged_deployment_id
        );
    }
    eventually("the GitRepo is ready", || async {
        let repo: GitRepo = hub.get("repo").await?;
        let base = &repo.status.base;
        let ready = conditions::is_true(&base.conditions, READY);
        (ready
            && base.summary.ready == 2
            && repo.status.commit == commit
            && base.ready_clusters == 2)
            .then_some(())
    })
    .await;
    eventually("the clusters are ready", || async {
        let cluster: Cluster = hub.get("south").await?;
        let display = &cluster.status.display;
        (display.ready_bundles == "1/1" && cluster.status.ready_git_repos == 1).then_some(())
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn a_second_commit_updates_only_the_bundle_it_changes() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[
        ("one/cm.yaml", &config_map("one", "1")),
        ("one/fleet.yaml", ""),
        ("two/cm.yaml", &config_map("two", "1")),
        ("two/fleet.yaml", ""),
    ]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo-one", 1).await;
    let before = hub.bundle_ready("repo-two", 1).await;

    let commit = repository.commit(&[("one/cm.yaml", &config_map("one", "2"))]);
    eventually("the GitRepo saw the commit", || async {
        let repo: GitRepo = hub.get("repo").await?;
        (repo.status.commit == commit && repo.status.git_job_status == "Current").then_some(())
    })
    .await;
    hub.bundle_ready("repo-one", 1).await;
    let after: Bundle = hub.get("repo-two").await.unwrap();
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
    agents.abort();
}

#[tokio::test]
async fn a_path_that_leaves_the_repository_takes_its_deployments_along() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[
        ("one/cm.yaml", &config_map("one", "1")),
        ("one/fleet.yaml", ""),
        ("two/cm.yaml", &config_map("two", "1")),
        ("two/fleet.yaml", ""),
    ]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo-two", 1).await;
    repository.remove("two");
    eventually("the deployment is gone", || async {
        let gone = hub.deployment(&namespace, "repo-two").await.is_none()
            && hub.get::<Bundle>("repo-two").await.is_none();
        gone.then_some(())
    })
    .await;
    hub.bundle_ready("repo-one", 1).await;
    agents.abort();
}

#[tokio::test]
async fn a_commit_without_any_resource_deletes_nothing_and_says_why() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 1).await;
    repository.remove("app");
    let message = eventually("the GitRepo says why", || async {
        let repo: GitRepo = hub.get("repo").await?;
        let message = conditions::message(&repo.status.base.conditions, "Stalled").to_owned();
        (!message.is_empty()).then_some(message)
    })
    .await;
    assert!(
        message.contains("no resource found at the following paths to deploy: [app]"),
        "{message}"
    );
    assert!(hub.deployment(&namespace, "repo-app").await.is_some());
    agents.abort();
}

#[tokio::test]
async fn a_repository_that_vanishes_leaves_everything_in_place() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo", 1).await;
    std::fs::remove_dir_all(repository.path()).unwrap();
    eventually("polling fails", || async {
        let repo: GitRepo = hub.get("repo").await?;
        conditions::is_false(&repo.status.base.conditions, "GitPolling").then_some(())
    })
    .await;
    assert!(hub.deployment(&namespace, "repo").await.is_some());
    agents.abort();
}

#[tokio::test]
async fn repositories_and_branches_that_do_not_exist_are_named() {
    let hub = Hub::start().await;
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    hub.git_repo("nowhere", "/does/not/exist", json!({})).await;
    hub.git_repo("branch", &repository.url(), json!({ "branch": "gone" }))
        .await;
    hub.git_repo("option", "--upload-pack=touch", json!({}))
        .await;
    for (name, wanted) in [
        ("nowhere", "/does/not/exist"),
        ("branch", "gone"),
        ("option", "--upload-pack"),
    ] {
        let message = eventually("the GitRepo is stalled", || async {
            let repo: GitRepo = hub.get(name).await?;
            let found = conditions::get(&repo.status.base.conditions, "Stalled")?;
            (found.status == "True").then(|| found.message.clone())
        })
        .await;
        assert!(message.contains(wanted), "{name}: {message}");
    }
}

#[tokio::test]
async fn a_label_missing_on_one_cluster_holds_up_only_that_cluster() {
    let hub = Hub::start().await;
    let good = hub.cluster("good", json!({ "zone": "z1" })).await;
    let bad = hub.cluster("bad", json!({ "other": "x" })).await;
    let repository = Repository::new();
    repository.commit(&[
        (
            "app/fleet.yaml",
            "helm:\n  values:\n    zone: ${ .ClusterLabels.zone }\n",
        ),
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 0.1.0\n",
        ),
        (
            "app/templates/cm.yaml",
            &config_map("a", "{{ .Values.zone }}"),
        ),
    ]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    eventually("the good cluster is deployed", || async {
        hub.deployment(&good, "repo-app")
            .await
            .filter(|found| found.status.ready)
            .map(drop)
    })
    .await;
    let message = eventually("the bundle names the bad cluster", || async {
        let bundle: Bundle = hub.get("repo-app").await?;
        let message = conditions::message(&bundle.status.conditions, READY).to_owned();
        message.contains("bad").then_some(message)
    })
    .await;
    assert!(
        message.contains("zone") && message.contains("fleet-default/bad"),
        "{message}"
    );
    assert!(hub.deployment(&bad, "repo-app").await.is_none());

    let body = json!({ "metadata": { "labels": { "zone": "z2" } } });
    hub.patch(
        &Kind::of::<Cluster>(),
        &ObjectKey::new(WORKSPACE, "bad"),
        &body,
    )
    .await;
    hub.bundle_ready("repo-app", 2).await;
    agents.abort();
}

#[tokio::test]
async fn deleting_a_git_repo_removes_bundles_deployments_and_secrets() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[
        ("app/fleet.yaml", "helm:\n  values:\n    a: 1\n"),
        (
            "app/Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 0.1.0\n",
        ),
    ]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 1).await;
    let secrets = Kind::new("", "v1", "Secret", "secrets", true);
    let options = ObjectKey::new(namespace.clone(), "repo-app");
    let found: Option<serde_json::Value> = hub.client.get(&secrets, &options).await.unwrap();
    assert_eq!(
        found.unwrap()["type"],
        "fleet.cattle.io/bundle-deployment/v1alpha1"
    );

    let key = ObjectKey::new(WORKSPACE, "repo");
    hub.client
        .delete(&Kind::of::<GitRepo>(), &key, &DeleteOptions::default())
        .await
        .unwrap();
    eventually("everything is gone", || async {
        let secret: Option<serde_json::Value> = hub.client.get(&secrets, &options).await.unwrap();
        let gone = hub.get::<GitRepo>("repo").await.is_none()
            && hub.get::<Bundle>("repo-app").await.is_none()
            && hub.deployment(&namespace, "repo-app").await.is_none()
            && secret.is_none();
        gone.then_some(())
    })
    .await;
    agents.abort();
}

/// Requests of the controllers since `before`, by verb and resource.
fn since(hub: &Hub, before: &BTreeMap<Call, u64>) -> BTreeMap<String, u64> {
    let mut more = BTreeMap::new();
    for (call, n) in hub.controller.stats().calls() {
        let n = n - before.get(&call).copied().unwrap_or_default();
        if n > 0 {
            more.insert(format!("{} {}", call.verb, call.resource), n);
        }
    }
    more
}

#[tokio::test]
async fn a_deployment_costs_three_requests_to_create_and_two_to_update() {
    const N: u64 = 6;
    let hub = Hub::start().await;
    for i in 0..N {
        hub.cluster(&format!("edge-{i}"), json!({})).await;
    }
    let clusters_show = |ready_bundles: &'static str| {
        let hub = &hub;
        async move {
            for i in 0..N {
                let cluster: Cluster = hub.get(&format!("edge-{i}")).await?;
                if cluster.status.display.ready_bundles != ready_bundles {
                    return None;
                }
            }
            Some(())
        }
    };
    eventually("new clusters say so", || clusters_show("0/0")).await;
    let values = |n: u32| format!("helm:\n  values: {{n: {n}, on: \"${{ .ClusterName }}\"}}\n");
    let repository = Repository::new();
    let manifest = config_map("a", "1");
    repository.commit(&[("app/cm.yaml", &manifest), ("app/fleet.yaml", &values(1))]);
    let agents = hub.play_agents();
    let before = hub.controller.stats().calls();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    eventually("all is deployed", || clusters_show("1/1")).await;
    let calls = since(&hub, &before);
    assert_eq!(calls["create bundledeployments.fleet.cattle.io"], N);
    assert_eq!(calls["patch clusters.fleet.cattle.io/status"], N);
    // One more holds the values of the bundle.
    assert_eq!(calls["create secrets"], N + 1);
    let display = "patch bundledeployments.fleet.cattle.io/status";
    assert!(!calls.contains_key(display), "{calls:?}");

    let before = hub.controller.stats().calls();
    let commit = repository.commit(&[("app/fleet.yaml", &values(2))]);
    eventually("the GitRepo shows the commit on all clusters", || async {
        let repo: GitRepo = hub.get("repo").await?;
        let is_current = repo.status.commit == commit && repo.status.git_job_status == "Current";
        (is_current && repo.status.base.summary.ready == N as i64).then_some(())
    })
    .await;
    hub.bundle_ready("repo-app", N as i64).await;
    let calls = since(&hub, &before);
    assert_eq!(calls["patch bundledeployments.fleet.cattle.io"], N);
    assert!(!calls.contains_key(display), "{calls:?}");
    let cluster = "patch clusters.fleet.cattle.io/status";
    assert!(!calls.contains_key(cluster), "{calls:?}");
    agents.abort();
}

#[tokio::test]
async fn a_quiet_hub_and_a_restarted_one_write_nothing() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo", 1).await;
    let settled = || async {
        let before = hub.controller.stats().writes();
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        (hub.controller.stats().writes() == before).then_some(before)
    };
    let before = eventually("the hub is quiet", settled).await;
    hub.stop_controllers().await;
    hub.start_controllers();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(
        hub.controller.stats().writes(),
        before,
        "{:?}",
        hub.controller.stats().calls()
    );
    agents.abort();
}

#[tokio::test]
async fn a_deployment_that_somebody_deletes_or_edits_is_put_right() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo", 1).await;
    let wanted = hub.deployment(&namespace, "repo").await.unwrap();
    let (kind, key) = (
        Kind::of::<BundleDeployment>(),
        ObjectKey::new(namespace.clone(), "repo"),
    );
    hub.patch(&kind, &key, &json!({ "spec": { "deploymentID": "wrong" } }))
        .await;
    eventually("the edit is undone", || async {
        let found = hub.deployment(&namespace, "repo").await?;
        (found.spec.deployment_id == wanted.spec.deployment_id).then_some(())
    })
    .await;
    hub.client
        .delete(&kind, &key, &DeleteOptions::default())
        .await
        .unwrap();
    eventually("the deployment is back", || async {
        let found = hub.deployment(&namespace, "repo").await?;
        (found.metadata.uid != wanted.metadata.uid).then_some(())
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn a_cluster_whose_agent_is_silent_is_offline_until_it_speaks() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    hub.agent_checkin_interval = Some(std::time::Duration::from_secs(1));
    hub.start_controllers();
    let beat = async |at: &str| {
        let status = json!({ "status": { "agent": { "lastSeen": at, "namespace": "agent" } } });
        let key = ObjectKey::new(WORKSPACE, "north");
        hub.patch_status(&Kind::of::<Cluster>(), &key, &status)
            .await;
    };
    let is_offline = async |wanted: bool| {
        eventually(&format!("offline: {wanted}"), || async {
            let cluster: Cluster = hub.get("north").await?;
            let connected = conditions::get(&cluster.status.conditions, "Connected");
            let marked = connected.is_some_and(|found| found.status == "False");
            let shown = cluster.status.display.state == "Offline";
            (marked == wanted && shown == wanted).then_some(())
        })
        .await;
    };
    // By the hub's clock: what the agent's says does not matter.
    beat("2001-01-01T00:00:00Z").await;
    is_offline(false).await;
    is_offline(true).await;
    beat("2001-01-01T00:00:01Z").await;
    is_offline(false).await;
}

#[tokio::test]
async fn a_circle_of_dependencies_is_named_at_once_on_every_bundle_in_it() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let on = |name: &str| json!({ "dependsOn": [{ "name": name }] });
    for (name, needs) in [("a", "b"), ("b", "c"), ("c", "d")] {
        hub.bundle(WORKSPACE, name, json!({}), on(needs)).await;
    }
    hub.bundle(WORKSPACE, "d", json!({}), on("b")).await;
    let message = async |name: &str| {
        let bundle: Bundle = hub.get(name).await?;
        Some(conditions::message(&bundle.status.conditions, READY).to_owned())
    };
    for (name, way) in [
        ("b", "b -> c -> d -> b"),
        ("c", "c -> d -> b -> c"),
        ("d", "d -> b -> c -> d"),
    ] {
        eventually(&format!("{name} names {way}"), || async {
            message(name).await?.contains(way).then_some(())
        })
        .await;
    }
    assert!(!message("a").await.unwrap_or_default().contains("->"));
    let key = ObjectKey::new(WORKSPACE, "d");
    let open = json!({ "spec": { "dependsOn": [] } });
    hub.patch(&Kind::of::<Bundle>(), &key, &open).await;
    eventually("no bundle is in a circle", || async {
        for name in ["b", "c", "d"] {
            if message(name).await?.contains("->") {
                return None;
            }
        }
        Some(())
    })
    .await;
}
