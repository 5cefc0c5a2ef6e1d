//! GitRepoRestrictions and Policies: what they deny, complete and impose, and that edits count at once.

mod common;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, GitRepo, GitRepoRestriction, Policy};
use apiclient::{DeleteOptions, Kind, ObjectKey};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use serde_json::{Value, json};

async fn restrict(hub: &Hub, rules: Value) {
    let kind = Kind::of::<GitRepoRestriction>();
    create(hub, &kind, "GitRepoRestriction", rules).await;
}

async fn police(hub: &Hub, rules: Value) {
    create(hub, &Kind::of::<Policy>(), "Policy", rules).await;
}

async fn create(hub: &Hub, kind: &Kind, name: &str, mut object: Value) {
    object["apiVersion"] = json!("fleet.cattle.io/v1alpha1");
    object["kind"] = json!(name);
    object["metadata"] = json!({ "name": "rules", "namespace": WORKSPACE });
    hub.create_at(kind, &rules(), &object).await;
}

fn rules() -> ObjectKey {
    ObjectKey::new(WORKSPACE, "rules")
}

fn repository() -> Repository {
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    repository
}

/// The message with which a GitRepo is denied.
async fn denied(hub: &Hub, name: &str) -> String {
    eventually("the GitRepo is denied", || async {
        let repo: GitRepo = hub.get(name).await?;
        let conditions = &repo.status.base.conditions;
        let is_denied = conditions::is_false(conditions, "Accepted")
            && conditions::is_true(conditions, "Stalled")
            && conditions::is_false(conditions, READY);
        is_denied.then(|| conditions::message(conditions, "Accepted").to_owned())
    })
    .await
}

async fn bundle_denied(hub: &Hub, name: &str, text: &str) {
    eventually(&format!("bundle {name} says {text}"), || async {
        let bundle: Bundle = hub.get(name).await?;
        let message = conditions::message(&bundle.status.conditions, READY);
        message.contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_git_repo_is_denied_until_it_or_the_restriction_is_edited() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    restrict(&hub, json!({ "allowedTargetNamespaces": ["apps"] })).await;
    let (repository, agents) = (repository(), hub.play_agents());
    hub.git_repo("repo", &repository.url(), json!({})).await;
    assert_eq!(
        denied(&hub, "repo").await,
        "empty targetNamespace denied, because allowedTargetNamespaces restriction is present"
    );
    assert!(hub.get::<Bundle>("repo").await.is_none());
    let (kind, key) = (Kind::of::<GitRepo>(), ObjectKey::new(WORKSPACE, "repo"));
    let named = json!({ "spec": { "targetNamespace": "apps" } });
    hub.patch(&kind, &key, &named).await;
    let bundle = hub.bundle_ready("repo", 1).await;
    assert_eq!(bundle.spec.options.namespace, "apps");
    eventually("it is accepted", || async {
        let repo: GitRepo = hub.get("repo").await?;
        conditions::is_true(&repo.status.base.conditions, "Accepted").then_some(())
    })
    .await;

    // What was allowed is not any more: GitRepo and Bundle say so, and nothing is taken away.
    let restriction = Kind::of::<GitRepoRestriction>();
    let other = json!({ "allowedTargetNamespaces": ["other"] });
    hub.patch(&restriction, &rules(), &other).await;
    let message = denied(&hub, "repo").await;
    assert_eq!(
        message,
        "disallowed targetNamespace apps: apps not in allowed set [other]"
    );
    bundle_denied(&hub, "repo", "disallowed namespace apps").await;
    repository.commit(&[("cm.yaml", &config_map("a", "2"))]);
    let before: Bundle = hub.get("repo").await.unwrap();

    hub.client
        .delete(&restriction, &rules(), &DeleteOptions::default())
        .await
        .unwrap();
    eventually("the commit is deployed", || async {
        let bundle: Bundle = hub.get("repo").await?;
        (bundle.metadata.generation > before.metadata.generation).then_some(())
    })
    .await;
    hub.bundle_ready("repo", 1).await;
    agents.abort();
}

#[tokio::test]
async fn defaults_are_written_where_nothing_is_given() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    restrict(&hub, json!({ "defaultServiceAccount": "tenant" })).await;
    police(
        &hub,
        json!({ "gitRepo": { "defaultServiceAccount": "other",
            "defaultClientSecretName": "credential" } }),
    )
    .await;
    let secrets = Kind::new("", "v1", "Secret", "secrets", true);
    let secret = json!({ "metadata": { "name": "credential" }, "type": "kubernetes.io/basic-auth",
        "stringData": { "username": "u", "password": "p" } });
    let key = ObjectKey::new(WORKSPACE, "credential");
    hub.create_at(&secrets, &key, &secret).await;
    let repository = repository();
    hub.git_repo("plain", &repository.url(), json!({})).await;
    hub.git_repo("own", &repository.url(), json!({ "serviceAccount": "own" }))
        .await;
    for (name, account) in [("plain", "tenant"), ("own", "own")] {
        eventually("the deployment has the service account", || async {
            let found = hub.deployment(&namespace, name).await?;
            (found.spec.options.service_account == account).then_some(())
        })
        .await;
        let repo: GitRepo = hub.get(name).await.unwrap();
        assert_eq!(repo.spec.service_account, account);
        assert_eq!(repo.spec.client_secret_name, "credential");
    }
}

#[tokio::test]
async fn bundles_without_a_git_repo_are_bound_by_the_same_rules() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    restrict(
        &hub,
        json!({ "allowedTargetNamespaces": ["apps"], "allowedServiceAccounts": ["tenant"],
            "allowedTargetNamespaceSelector": { "matchLabels": { "team": "a" } } }),
    )
    .await;
    let good = json!({ "namespace": "apps", "serviceAccount": "tenant" });
    hub.bundle(WORKSPACE, "good", json!({}), good).await;
    hub.bundle(WORKSPACE, "anywhere", json!({}), json!({}))
        .await;
    let elsewhere = json!({ "namespace": "apps", "targets": [
        { "name": "t", "clusterSelector": {}, "namespace": "kube-system" }] });
    hub.bundle(WORKSPACE, "elsewhere", json!({}), elsewhere)
        .await;
    let admin = json!({ "namespace": "apps", "serviceAccount": "admin" });
    hub.bundle(WORKSPACE, "admin", json!({}), admin).await;
    // Nobody becomes an agent's bundle by saying so.
    let said = json!({ "objectset.rio.cattle.io/id": "fleet-manage-agent" });
    hub.bundle(WORKSPACE, "pretender", json!({}), json!({}))
        .await;
    let key = ObjectKey::new(WORKSPACE, "pretender");
    let annotated = json!({ "metadata": { "annotations": said } });
    hub.patch(&Kind::of::<Bundle>(), &key, &annotated).await;

    let deployed = eventually("the good one is deployed", || {
        hub.deployment(&namespace, "good")
    })
    .await;
    let selector = deployed
        .spec
        .options
        .allowed_target_namespace_selector
        .unwrap();
    assert_eq!(selector.match_labels["team"], "a");
    for (name, text) in [
        ("anywhere", "empty targetNamespace denied"),
        ("elsewhere", "disallowed namespace kube-system in target t"),
        ("admin", "disallowed serviceAccount admin"),
        ("pretender", "empty targetNamespace denied"),
    ] {
        bundle_denied(&hub, name, text).await;
        assert!(hub.deployment(&namespace, name).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_policy_requires_service_accounts_and_keeps_namespaces_from_being_created() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let account = json!({ "serviceAccount": "tenant" });
    hub.bundle(WORKSPACE, "app", json!({}), account).await;
    hub.bundle(WORKSPACE, "none", json!({}), json!({})).await;
    let wanted = |name: &'static str, create: Option<bool>| {
        let (hub, namespace) = (&hub, &namespace);
        eventually(
            "the deployment is as the policy wants it",
            move || async move {
                let found = hub.deployment(namespace, name).await?;
                (found.spec.options.create_namespace == create).then_some(found)
            },
        )
    };
    wanted("app", None).await;
    let before = wanted("none", None).await;
    police(&hub, json!({ "requireServiceAccount": true })).await;
    wanted("app", Some(false)).await;
    bundle_denied(&hub, "none", "serviceAccount is required by Policy").await;
    let kept = hub.deployment(&namespace, "none").await.unwrap();
    assert_eq!(kept.spec, before.spec, "a denied bundle stays as it is");
    let allowing = json!({ "allowNamespaceCreation": true });
    hub.patch(&Kind::of::<Policy>(), &rules(), &allowing).await;
    wanted("app", None).await;
}

#[tokio::test]
async fn without_the_definition_of_a_kind_of_rules_nothing_is_allowed() {
    let mut hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    hub.bundle(WORKSPACE, "before", json!({}), json!({})).await;
    eventually("it is deployed", || hub.deployment(&namespace, "before")).await;
    let definitions = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    let key = ObjectKey::new("", "policies.fleet.cattle.io");
    hub.client
        .delete(&definitions, &key, &DeleteOptions::default())
        .await
        .unwrap();
    let repository = repository();
    bundle_denied(&hub, "before", "does not know Policy").await;
    // The same for controllers that start without it.
    hub.stop_controllers().await;
    hub.start_controllers();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    let message = denied(&hub, "repo").await;
    assert!(message.contains("flotilla crds"), "{message}");
    assert!(hub.deployment(&namespace, "before").await.is_some());

    let policies = api::crds::crds();
    let policies = policies.iter().find(|object| {
        object.pointer("/metadata/name") == Some(&json!("policies.fleet.cattle.io"))
    });
    hub.create_at(&definitions, &key, policies.unwrap()).await;
    eventually("the GitRepo is deployed", || {
        hub.deployment(&namespace, "repo")
    })
    .await;
}
