//! Clusters and bundles that stay at an earlier commit.

mod common;

use api::conditions::{self, PINNED};
use api::labels::PINNED_COMMIT;
use api::v1alpha1::{Bundle, BundleDeployment, GitRepo};
use apiclient::{Kind, ObjectKey, Selector};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

const BUNDLE: &str = "repo-app";

/// A bundle with values, a template and a file of its own for each number.
fn version(repository: &Repository, n: u32) -> String {
    let values = format!("helm:\n  values: {{n: {n}, on: \"${{ .ClusterName }}\"}}\n");
    repository.commit(&[
        ("app/cm.yaml", &config_map("a", &n.to_string())),
        ("app/fleet.yaml", &values),
    ])
}

async fn pin(hub: &Hub, pins: Value) {
    let key = ObjectKey::new(WORKSPACE, "repo");
    let body = json!({ "spec": { "pins": pins } });
    hub.patch(&Kind::of::<GitRepo>(), &key, &body).await;
}

async fn runs(hub: &Hub, namespace: &str, id: &str) -> BundleDeployment {
    eventually(&format!("{namespace} runs {id}"), || async {
        let found = hub.deployment(namespace, BUNDLE).await?;
        let spec = &found.spec;
        (spec.deployment_id == id && spec.staged_deployment_id == id).then_some(found)
    })
    .await
}

/// Waits until a cluster runs something else; what that is.
async fn runs_other(hub: &Hub, namespace: &str, ids: &[&str]) -> String {
    eventually(&format!("{namespace} runs something new"), || async {
        let found = hub.deployment(namespace, BUNDLE).await?;
        let id = found.spec.deployment_id;
        (!ids.contains(&id.as_str())).then_some(id)
    })
    .await
}

fn pinned_to(deployment: &BundleDeployment) -> Option<&str> {
    let labels = deployment.metadata.labels.as_ref()?;
    labels.get(PINNED_COMMIT).map(String::as_str)
}

async fn repo_says(hub: &Hub, wanted: &str) -> GitRepo {
    eventually(&format!("the GitRepo is pinned: {wanted:?}"), || async {
        let repo: GitRepo = hub.get("repo").await?;
        let message = conditions::message(&repo.status.base.conditions, PINNED);
        let is_true = conditions::is_true(&repo.status.base.conditions, PINNED);
        (message.contains(wanted) && is_true != wanted.is_empty()).then_some(repo)
    })
    .await
}

async fn bundle_says(hub: &Hub, wanted: &str) {
    eventually(&format!("the Bundle is pinned: {wanted:?}"), || async {
        let bundle: Bundle = hub.get(BUNDLE).await?;
        let message = conditions::message(&bundle.status.conditions, PINNED);
        let is_true = conditions::is_true(&bundle.status.conditions, PINNED);
        (message.contains(wanted) && is_true != wanted.is_empty()).then_some(())
    })
    .await;
}

async fn revisions(hub: &Hub) -> usize {
    let mut n = 0;
    let selector = Selector {
        labels: Some(PINNED_COMMIT.to_owned()),
        ..Selector::default()
    };
    let each = |_: Secret| n += 1;
    let listed = hub
        .client
        .list(&Kind::of::<Secret>(), &selector, each)
        .await;
    assert!(listed.is_ok(), "{listed:?}");
    n
}

#[tokio::test]
async fn a_repository_goes_back_as_a_whole_stays_there_and_goes_on() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    let first = version(&repository, 1);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["*"] }))
        .await;
    hub.bundle_ready(BUNDLE, 1).await;
    let old = hub.deployment(&namespace, BUNDLE).await.unwrap();
    let old = old.spec.deployment_id;
    let second = repository.commit(&[
        ("app/cm.yaml", &config_map("a", "2")),
        ("more/cm.yaml", &config_map("more", "1")),
    ]);
    hub.bundle_ready("repo-more", 1).await;
    let new = runs_other(&hub, &namespace, &[&old]).await;

    pin(&hub, json!([{ "commit": first }])).await;
    let found = runs(&hub, &namespace, &old).await;
    assert_eq!(pinned_to(&found), Some(first.as_str()));
    let repo = repo_says(&hub, "all bundles on all clusters").await;
    let history = repo.status.history.iter();
    let history: Vec<&str> = history.map(|known| known.commit.as_str()).collect();
    assert_eq!(history, [&first, &second]);
    assert_eq!(repo.status.commit, first);
    assert_eq!(repo.status.base.display.pinned, first[..12]);
    bundle_says(&hub, "with its GitRepo").await;
    eventually("what the commit does not have is gone", || async {
        hub.get::<Bundle>("repo-more").await.is_none().then_some(())
    })
    .await;
    eventually("the deployment shows it", || async {
        let found = hub.deployment(&namespace, BUNDLE).await?;
        (found.status.display.pinned == first).then_some(())
    })
    .await;

    let third = version(&repository, 3);
    eventually("the commit was seen", || async {
        let repo: GitRepo = hub.get("repo").await?;
        (repo.status.polling_commit == third).then_some(())
    })
    .await;
    runs(&hub, &namespace, &old).await;
    pin(&hub, json!([])).await;
    runs_other(&hub, &namespace, &[&old, &new]).await;
    repo_says(&hub, "").await;
    bundle_says(&hub, "").await;
    eventually("nothing is pinned", || async {
        let found = hub.deployment(&namespace, BUNDLE).await?;
        (pinned_to(&found).is_none() && found.status.display.pinned.is_empty()).then_some(())
    })
    .await;
    hub.bundle_ready("repo-more", 1).await;
    agents.abort();
}

#[tokio::test]
async fn some_clusters_go_back_while_others_go_on_over_restarts_and_lost_repositories() {
    let mut hub = Hub::start().await;
    let north = hub.cluster("north", json!({ "env": "prod" })).await;
    let south = hub.cluster("south", json!({ "env": "dev" })).await;
    let repository = Repository::new();
    let first = version(&repository, 1);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["*"] }))
        .await;
    hub.bundle_ready(BUNDLE, 2).await;
    let old = hub.deployment(&north, BUNDLE).await.unwrap();
    let old = old.spec.deployment_id;
    version(&repository, 2);
    let new = runs_other(&hub, &north, &[&old]).await;

    let targets = json!([{ "clusterSelector": { "matchLabels": { "env": "prod" } } }]);
    pin(&hub, json!([{ "commit": first, "targets": targets }])).await;
    let found = runs(&hub, &north, &old).await;
    assert_eq!(pinned_to(&found), Some(first.as_str()));
    hub.bundle_ready(BUNDLE, 2).await;
    repo_says(&hub, "for all bundles on clusters with").await;
    bundle_says(&hub, "on 1 clusters").await;
    let other = hub.deployment(&south, BUNDLE).await.unwrap();
    assert_eq!(pinned_to(&other), None);

    version(&repository, 3);
    let third = runs_other(&hub, &south, &[&other.spec.deployment_id]).await;
    runs(&hub, &north, &old).await;
    hub.bundle_ready(BUNDLE, 2).await;

    hub.stop_controllers().await;
    let away = repository.path().with_extension("away");
    std::fs::rename(repository.path(), &away).unwrap();
    hub.start_controllers();
    eventually("the repository is away", || async {
        let repo: GitRepo = hub.get("repo").await?;
        conditions::is_false(&repo.status.base.conditions, "GitPolling").then_some(())
    })
    .await;
    // The cluster that goes back while the repository is away finds what was kept.
    let key = ObjectKey::new(WORKSPACE, "south");
    let prod = json!({ "metadata": { "labels": { "env": "prod" } } });
    hub.patch(&Kind::of::<api::v1alpha1::Cluster>(), &key, &prod)
        .await;
    let south_back = runs_other(&hub, &south, &[&third]).await;
    assert_ne!(south_back, old, "the values name the cluster");
    bundle_says(&hub, "on 2 clusters").await;
    std::fs::rename(&away, repository.path()).unwrap();

    pin(&hub, json!(null)).await;
    let last = runs_other(&hub, &north, &[&old, &new]).await;
    runs(&hub, &south, &third).await;
    assert_ne!(last, third, "the values name the cluster");
    repo_says(&hub, "").await;
    eventually("nothing is kept", || async {
        (revisions(&hub).await == 0).then_some(())
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn a_commit_that_the_repository_does_not_have_changes_nothing_and_is_named() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    version(&repository, 1);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["*"] }))
        .await;
    hub.bundle_ready(BUNDLE, 1).await;
    let before = hub.deployment(&namespace, BUNDLE).await.unwrap();
    let gone = "d".repeat(40);
    for pins in [
        json!([{ "commit": gone }]),
        json!([{ "commit": gone, "targets": [{ "clusterName": "north" }] }]),
        json!([{ "commit": "main" }]),
    ] {
        let named = pins[0]["commit"].as_str().unwrap().to_owned();
        pin(&hub, pins).await;
        eventually("the GitRepo names it", || async {
            let repo: GitRepo = hub.get("repo").await?;
            let stalled = conditions::get(&repo.status.base.conditions, "Stalled")?;
            (stalled.status == "True" && stalled.message.contains(&named)).then_some(())
        })
        .await;
    }
    let after = hub.deployment(&namespace, BUNDLE).await.unwrap();
    assert_eq!(after.spec, before.spec);
    pin(&hub, json!([])).await;
    eventually("all is well", || async {
        let repo: GitRepo = hub.get("repo").await?;
        conditions::is_false(&repo.status.base.conditions, "Stalled").then_some(())
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn a_pin_of_one_bundle_leaves_the_others_alone_and_a_commit_without_it_takes_nothing() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    let empty = repository.commit(&[("other/cm.yaml", &config_map("other", "1"))]);
    let first = version(&repository, 1);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["*"] }))
        .await;
    hub.bundle_ready(BUNDLE, 1).await;
    let old = hub.deployment(&namespace, BUNDLE).await.unwrap();
    let old = old.spec.deployment_id;
    repository.commit(&[
        ("app/cm.yaml", &config_map("a", "2")),
        ("other/cm.yaml", &config_map("other", "2")),
    ]);
    let new = runs_other(&hub, &namespace, &[&old]).await;
    hub.bundle_ready("repo-other", 1).await;

    pin(&hub, json!([{ "commit": first, "bundles": [BUNDLE] }])).await;
    runs(&hub, &namespace, &old).await;
    let other = hub.deployment(&namespace, "repo-other").await.unwrap();
    assert_eq!(pinned_to(&other), None);

    pin(&hub, json!([{ "commit": empty, "bundles": [BUNDLE] }])).await;
    bundle_says(&hub, "does not have this bundle").await;
    runs(&hub, &namespace, &old).await;
    pin(&hub, json!([])).await;
    runs(&hub, &namespace, &new).await;
    agents.abort();
}
