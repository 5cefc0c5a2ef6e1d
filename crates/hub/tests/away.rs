//! What cannot be reached for a while.

mod common;

use api::v1alpha1::GitRepo;
use common::{Hub, Repository, config_map, eventually};
use serde_json::json;

/// Waits until the GitRepo's condition has this status.
async fn condition(hub: &Hub, type_: &str, status: &str) {
    eventually(&format!("{type_} is {status}"), || async {
        let repo: GitRepo = hub.get("repo").await?;
        let mut conditions = repo.status.base.conditions.into_iter();
        let found = conditions.find(|condition| condition.type_ == type_)?;
        (found.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_repository_that_was_away_and_has_not_changed_is_in_order_when_it_is_back() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let agents = hub.play_agents();
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("app", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 1).await;
    condition(&hub, "Ready", "True").await;

    let elsewhere = repository.path().with_extension("away");
    assert!(std::fs::rename(repository.path(), &elsewhere).is_ok());
    condition(&hub, "GitPolling", "False").await;
    condition(&hub, "Stalled", "True").await;
    assert!(std::fs::rename(&elsewhere, repository.path()).is_ok());
    condition(&hub, "GitPolling", "True").await;
    condition(&hub, "Stalled", "False").await;
    condition(&hub, "Ready", "True").await;
    agents.abort();
}
