//! A cluster that is away during a commit: the others go on, and it follows when it is back.

use std::sync::Arc;
use std::time::Duration;

use api::limits::Limits;
use api::v1alpha1::{BundleDeployment, Cluster};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector, WriteOptions};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::repository::{Repository, config_map};
use crate::view::{Hub, WORKSPACE, eventually, text};

const CONFIG_MAPS: Kind = Kind::new("", "v1", "ConfigMap", "configmaps", true);
const CLUSTERS: [&str; 2] = ["north", "south"];

/// A hub with controllers and clusters with agents, in this process.
struct World {
    hub: Hub,
    sandbox: Sandbox,
    shared: Arc<agent::Shared>,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
        sandbox.add_cluster("hub").await.unwrap();
        let hub = Hub {
            client: client(&sandbox, "hub", "test", Budgets::default()),
        };
        prepare(&hub).await;
        let (stop, dir) = (CancellationToken::new(), tempfile::tempdir().unwrap());
        let mut options = hub::Options::new(dir.path().join("git"));
        options.allow_local_repositories = true;
        options.polling_interval = Duration::from_secs(1);
        let budgets = hub::budgets(&Limits::PRODUCTION);
        let controllers = client(&sandbox, "hub", hub::FIELD_MANAGER, budgets);
        let stopped = stop.clone();
        tokio::spawn(async move { hub::run_with(controllers, options, stopped).await.unwrap() });
        let shared = agent::Shared::new(agent::Capacity::default());
        Self {
            hub,
            sandbox,
            shared,
            stop,
            _dir: dir,
        }
    }

    /// Registers a cluster and starts its agent, which ends with the token.
    async fn join(&self, name: &str) -> CancellationToken {
        let downstream = match self.sandbox.cluster(name) {
            Some(cluster) => cluster,
            None => self.sandbox.add_cluster(name).await.unwrap(),
        };
        let (kind, key) = (Kind::of::<Cluster>(), ObjectKey::new(WORKSPACE, name));
        let object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster",
            "metadata": { "name": name, "namespace": WORKSPACE },
        });
        if self.hub.get::<Cluster>(name).await.is_none() {
            create(&self.hub.client, &kind, &key, &object).await;
        }
        let cluster = eventually("the cluster has a namespace", async || {
            let cluster: Cluster = self.hub.get(name).await?;
            (!cluster.status.namespace.is_empty()).then_some(cluster)
        })
        .await;
        let access = hub::registration::grant(&self.hub.client, &cluster)
            .await
            .unwrap();
        let hub = self.sandbox.cluster("hub").unwrap();
        let hub = kube::Client::new(hub.service(&access.token), "default");
        let own = kube::Client::new(downstream.service(downstream.admin_token()), "default");
        let namespace = access.deployment_namespace;
        let options = agent::Options::new(hub, own, key, namespace, Arc::clone(&self.shared));
        let stop = self.stop.child_token();
        tokio::spawn(agent::run(options, stop.clone()));
        stop
    }

    /// What a cluster holds.
    async fn value(&self, cluster: &str) -> String {
        let client = client(&self.sandbox, cluster, "test", Budgets::default());
        let map: Option<Value> = client
            .get(&CONFIG_MAPS, &ObjectKey::new("default", "map"))
            .await
            .unwrap();
        map.map(|map| text(&map, "/data/value").to_owned())
            .unwrap_or_default()
    }

    async fn uids(&self) -> Vec<Option<String>> {
        let mut uids = Vec::new();
        for cluster in CLUSTERS {
            let client = client(&self.sandbox, cluster, "test", Budgets::default());
            let key = ObjectKey::new("default", "map");
            let map: Option<Value> = client.get(&CONFIG_MAPS, &key).await.unwrap();
            uids.push(map.map(|map| text(&map, "/metadata/uid").to_owned()));
        }
        uids
    }
}

fn client(sandbox: &Sandbox, cluster: &str, manager: &str, budgets: Budgets) -> Client {
    let cluster = sandbox.cluster(cluster).unwrap();
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    Client::new(kube, manager, budgets)
}

async fn create(client: &Client, kind: &Kind, key: &ObjectKey, object: &Value) {
    client
        .create(kind, key, object, WriteOptions::default())
        .await
        .unwrap();
}

async fn prepare(hub: &Hub) {
    for object in api::crds::crds() {
        let key = ObjectKey::new("", text(&object, "/metadata/name"));
        create(
            &hub.client,
            &Kind::of::<CustomResourceDefinition>(),
            &key,
            &object,
        )
        .await;
    }
    let namespace = json!({ "metadata": { "name": WORKSPACE } });
    create(
        &hub.client,
        &Kind::of::<Namespace>(),
        &ObjectKey::new("", WORKSPACE),
        &namespace,
    )
    .await;
    eventually("the kinds are served", async || {
        let (kind, selector) = (Kind::of::<BundleDeployment>(), Selector::default());
        hub.client
            .list::<BundleDeployment, _>(&kind, &selector, drop)
            .await
            .ok()
    })
    .await;
}

/// Whether an agent's process is away along with the API server of its cluster.
async fn check(agent_too: bool) {
    let world = World::start().await;
    world.join("north").await;
    let agent = world.join("south").await;
    let repository = Repository::new();
    let commit = repository.commit(&[("map.yaml", &config_map("map", "first"))]);
    world.hub.git_repo("repo", &repository.url()).await;
    world.hub.git_repo_ready("repo", &commit).await;
    world.hub.bundle_ready("repo", 2).await;
    let uids = world.uids().await;

    world.sandbox.take_down("south");
    if agent_too {
        agent.cancel();
    }
    let commit = repository.commit(&[("map.yaml", &config_map("map", "second"))]);
    eventually("the cluster that is there has the commit", async || {
        (world.value("north").await == "second").then_some(())
    })
    .await;
    world.hub.bundle_tells("repo", &["south"]).await;
    // An agent that is away tells nothing: the GitRepo only names the Bundle, and that the cluster.
    let told = if agent_too {
        "WaitApplied(1) [Bundle repo]"
    } else {
        "fleet-default/south"
    };
    world.hub.git_repo_tells("repo", &[told]).await;
    let deployments = world.hub.deployments("repo").await;
    let applied: Vec<bool> = deployments
        .iter()
        .map(|one| one.status.applied_deployment_id == one.spec.deployment_id)
        .collect();
    assert_eq!(applied, [true, false], "in order of their clusters");

    world.sandbox.bring_up("south");
    if agent_too {
        world.join("south").await;
    }
    world.hub.bundle_ready("repo", 2).await;
    world.hub.git_repo_ready("repo", &commit).await;
    assert_eq!(world.value("south").await, "second");
    assert_eq!(world.uids().await, uids);
}

#[tokio::test]
async fn a_cluster_whose_api_server_was_away_during_a_commit_follows() {
    check(false).await;
}

#[tokio::test]
async fn a_cluster_that_was_away_with_its_agent_during_a_commit_follows() {
    check(true).await;
}
