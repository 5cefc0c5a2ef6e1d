//! A hub on the sandbox, a git repository on disk, and agents played by the test.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get fails the test"
)]
#![allow(dead_code, reason = "no suite uses everything")]

pub(crate) mod flaky;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api::limits::Limits;
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::{
    Budgets, Client, Event, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions,
};
use sandbox::Sandbox;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where clusters and repositories are.
pub(crate) const WORKSPACE: &str = "fleet-default";
const PATIENCE: Duration = Duration::from_mins(2);

/// A running hub. Dropping it stops everything.
pub(crate) struct Hub {
    /// The API server as a person uses it.
    pub(crate) client: Client,
    /// The API server as the controllers use it: for its counters.
    pub(crate) controller: Client,
    _sandbox: Sandbox,
    cluster: sandbox::Cluster,
    stop: CancellationToken,
    controllers: Option<JoinHandle<()>>,
    dir: tempfile::TempDir,
    /// Where the controllers that are started next tell metrics and health.
    pub(crate) endpoints: hub::telemetry::Endpoints,
    /// What they expect of agents.
    pub(crate) agent_checkin_interval: Option<Duration>,
    /// Whether Schedules count for them.
    pub(crate) schedules: bool,
}

/// A process of the hub among several.
pub(crate) struct Candidate {
    /// For its counters.
    pub(crate) client: Client,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), hub::Error>>,
}

fn controller_client(cluster: &sandbox::Cluster) -> Client {
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let budgets = hub::budgets(&Limits::PRODUCTION);
    Client::new(kube, hub::FIELD_MANAGER, budgets)
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Hub {
    /// A hub with CRDs, controllers and a workspace, without clusters.
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
        let cluster = sandbox.add_cluster("hub").await.unwrap();
        let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
        let client = Client::new(kube, "test", Budgets::default());
        let controller = controller_client(&cluster);
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let mut hub = Self {
            client,
            controller,
            _sandbox: sandbox,
            cluster,
            stop,
            controllers: None,
            dir,
            endpoints: hub::telemetry::Endpoints::default(),
            agent_checkin_interval: None,
            schedules: true,
        };
        let crd = Kind::new(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        );
        for object in api::crds::crds() {
            let name = object
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap();
            hub.create_at(&crd, &ObjectKey::new("", name), &object)
                .await;
        }
        hub.namespace(WORKSPACE, json!({})).await;
        let kind = Kind::of::<GitRepo>();
        let served = || async {
            let list = hub
                .client
                .list::<GitRepo, _>(&kind, &Selector::default(), drop)
                .await;
            list.is_ok().then_some(())
        };
        eventually("the CRDs are served", served).await;
        hub.start_controllers();
        hub
    }

    /// Starts the controllers, as after a restart of their process.
    pub(crate) fn start_controllers(&mut self) {
        self.stop = CancellationToken::new();
        let mut options = hub::Options::new(self.dir.path().join("git"));
        options.allow_local_repositories = true;
        options.polling_interval = Duration::from_millis(300);
        options.endpoints = self.endpoints.clone();
        options.agent_checkin_interval = self.agent_checkin_interval;
        options.schedules = self.schedules;
        let (client, stop) = (self.controller.clone(), self.stop.clone());
        self.controllers = Some(tokio::spawn(async move {
            hub::run_with(client, options, stop).await.unwrap();
        }));
    }

    /// Starts one more process of the hub, which acts only while it leads.
    pub(crate) fn start_candidate(&self, identity: &str) -> Candidate {
        self.start_process(identity, |_| {})
    }

    /// Starts one more process of the hub that shares the work with others.
    pub(crate) fn start_replica(&self, identity: &str) -> Candidate {
        self.start_process(identity, |options| {
            options.election.as_mut().unwrap().together = true;
        })
    }

    /// Starts one more process of the hub that works on a shard.
    pub(crate) fn start_shard(&self, shard: &str) -> Candidate {
        self.start_process(&format!("of-{shard}"), |options| {
            shard.clone_into(&mut options.shard);
            let election = options.election.as_mut().unwrap();
            shard.clone_into(&mut election.shard);
        })
    }

    /// The same with metrics at an address.
    pub(crate) fn start_candidate_at(&self, identity: &str, metrics: SocketAddr) -> Candidate {
        self.start_process(identity, |options| {
            options.endpoints.metrics = Some(metrics);
        })
    }

    /// A process that shares the work, reaching the API server through a service.
    pub(crate) fn start_replica_through(&self, identity: &str, service: flaky::Flaky) -> Candidate {
        let kube = kube::Client::new(service, "default");
        let budgets = hub::budgets(&Limits::PRODUCTION);
        let client = Client::new(kube, hub::FIELD_MANAGER, budgets);
        self.start_process_with(client, identity, |options| {
            let election = options.election.as_mut().unwrap();
            election.together = true;
            // Some renewals fail.
            election.lease_duration = Duration::from_secs(5);
            election.renew_deadline = Duration::from_millis(3_500);
        })
    }

    fn start_process(&self, identity: &str, change: impl FnOnce(&mut hub::Options)) -> Candidate {
        self.start_process_with(controller_client(&self.cluster), identity, change)
    }

    fn start_process_with(
        &self,
        client: Client,
        identity: &str,
        change: impl FnOnce(&mut hub::Options),
    ) -> Candidate {
        let mut options = hub::Options::new(self.dir.path().join(identity));
        let mut election = hub::leader::Election::new("cattle-fleet-system", identity);
        election.lease_duration = Duration::from_secs(2);
        election.renew_deadline = Duration::from_secs(1);
        election.retry_period = Duration::from_millis(100);
        options.election = Some(election);
        options.allow_local_repositories = true;
        options.polling_interval = Duration::from_millis(300);
        change(&mut options);
        let stop = CancellationToken::new();
        let (shared, stopping) = (client.clone(), stop.clone());
        let task = tokio::spawn(async move { hub::run_with(shared, options, stopping).await });
        Candidate { client, stop, task }
    }

    /// A directory for this test.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// The API server without sockets.
    pub(crate) fn service(&self) -> sandbox::Service {
        self.cluster.service(self.cluster.admin_token())
    }

    /// Lets controllers that are started from now on reach the API server through a service.
    pub(crate) fn control_through(&mut self, service: flaky::Flaky) {
        let kube = kube::Client::new(service, "default");
        let budgets = hub::budgets(&Limits::PRODUCTION);
        self.controller = Client::new(kube, hub::FIELD_MANAGER, budgets);
    }

    /// Stops the controllers and waits until they have ended.
    pub(crate) async fn stop_controllers(&mut self) {
        self.stop.cancel();
        if let Some(controllers) = self.controllers.take() {
            controllers.await.unwrap();
        }
    }

    /// Creates an object of any kind.
    pub(crate) async fn create_at(&self, kind: &Kind, key: &ObjectKey, object: &Value) {
        self.client
            .create(kind, key, object, WriteOptions::default())
            .await
            .unwrap();
    }

    /// Creates a namespace.
    pub(crate) async fn namespace(&self, name: &str, labels: Value) {
        let kind = Kind::new("", "v1", "Namespace", "namespaces", false);
        let object = json!({ "metadata": { "name": name, "labels": labels } });
        self.create_at(&kind, &ObjectKey::new("", name), &object)
            .await;
    }

    /// Registers a cluster in the workspace and waits for its namespace.
    pub(crate) async fn cluster(&self, name: &str, labels: Value) -> String {
        self.cluster_in(WORKSPACE, name, labels).await
    }

    /// Registers a cluster and waits for its namespace.
    pub(crate) async fn cluster_in(&self, namespace: &str, name: &str, labels: Value) -> String {
        let (kind, key) = (Kind::of::<Cluster>(), ObjectKey::new(namespace, name));
        let object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster",
            "metadata": { "name": name, "namespace": namespace, "labels": labels },
        });
        self.create_at(&kind, &key, &object).await;
        let assigned = || async {
            let cluster: Option<Cluster> = self.client.get(&kind, &key).await.unwrap();
            let cluster = cluster?;
            (!cluster.status.namespace.is_empty()).then_some(cluster.status.namespace)
        };
        eventually("the cluster has a namespace", assigned).await
    }

    /// Creates a GitRepo for all clusters on the repository, with further members of its spec.
    pub(crate) async fn git_repo(&self, name: &str, repo: &str, spec: Value) {
        let mut object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepo",
            "metadata": { "name": name, "namespace": WORKSPACE },
            "spec": { "repo": repo, "branch": "main", "pollingInterval": "300ms",
                "targets": [{ "clusterSelector": {} }] },
        });
        for (member, value) in spec.as_object().unwrap() {
            object["spec"][member] = value.clone();
        }
        self.create_at(
            &Kind::of::<GitRepo>(),
            &ObjectKey::new(WORKSPACE, name),
            &object,
        )
        .await;
    }

    /// Creates a Bundle with one file for all clusters it reaches, with further members of its spec.
    pub(crate) async fn bundle(&self, namespace: &str, name: &str, labels: Value, spec: Value) {
        let mut object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Bundle",
            "metadata": { "name": name, "namespace": namespace, "labels": labels },
            "spec": { "targets": [{ "clusterSelector": {} }],
                "resources": [{ "name": "cm.yaml", "content": config_map(name, "1") }] },
        });
        for (member, value) in spec.as_object().unwrap() {
            object["spec"][member] = value.clone();
        }
        let key = ObjectKey::new(namespace, name);
        self.create_at(&Kind::of::<Bundle>(), &key, &object).await;
    }

    /// An object of the workspace.
    pub(crate) async fn get<T>(&self, name: &str) -> Option<T>
    where
        T: kube_core::Resource<DynamicType = ()> + DeserializeOwned,
        T::Scope: apiclient::Scope,
    {
        self.client
            .get(&Kind::of::<T>(), &ObjectKey::new(WORKSPACE, name))
            .await
            .unwrap()
    }

    /// A deployment of a bundle.
    pub(crate) async fn deployment(
        &self,
        namespace: &str,
        bundle: &str,
    ) -> Option<BundleDeployment> {
        let key = ObjectKey::new(namespace, bundle);
        self.client
            .get(&Kind::of::<BundleDeployment>(), &key)
            .await
            .unwrap()
    }

    /// Waits until a Bundle reports this many ready deployments.
    pub(crate) async fn bundle_ready(&self, name: &str, ready: i64) -> Bundle {
        let found = || async {
            let bundle: Bundle = self.get(name).await?;
            let status = &bundle.status;
            let current = status.observed_generation == bundle.metadata.generation.unwrap_or(0);
            (current && status.summary.ready == ready && status.summary.desired_ready == ready)
                .then_some(bundle)
        };
        eventually(
            &format!("bundle {name} is ready on {ready} clusters"),
            found,
        )
        .await
    }

    /// Patches an object with a merge patch.
    pub(crate) async fn patch(&self, kind: &Kind, key: &ObjectKey, body: &Value) {
        let options = WriteOptions::default();
        let _: ObjectMeta = self
            .client
            .patch(kind, key, None, Patch::Merge(body), 0, options)
            .await
            .unwrap();
    }

    /// Patches a status with a merge patch.
    pub(crate) async fn patch_status(&self, kind: &Kind, key: &ObjectKey, body: &Value) {
        let (patch, options) = (Patch::Merge(body), WriteOptions::default());
        let _: ObjectMeta = self
            .client
            .patch(kind, key, Some("status"), patch, 0, options)
            .await
            .unwrap();
    }

    /// Plays the agents of all clusters: every deployment is applied and ready at once.
    pub(crate) fn play_agents(&self) -> JoinHandle<()> {
        let client = self.client.clone();
        tokio::spawn(async move {
            let kind = Kind::of::<BundleDeployment>();
            let mut watch = client.watch::<BundleDeployment>(&kind, Selector::default());
            while let Some(event) = watch.next().await {
                let Event::Applied(deployment) = event else {
                    continue;
                };
                let id = &deployment.spec.deployment_id;
                if *id == deployment.status.applied_deployment_id {
                    continue;
                }
                let key = apiclient::Object::key(&deployment);
                let body = json!({ "status": {
                    "appliedDeploymentID": id, "ready": true, "nonModified": true,
                    "conditions": [{ "type": "Deployed", "status": "True" }],
                    "resourceCounts": { "ready": 1, "desiredReady": 1 },
                } });
                let options = WriteOptions::default();
                let patched: Result<ObjectMeta, _> = client
                    .patch(&kind, &key, Some("status"), Patch::Merge(&body), 0, options)
                    .await;
                assert!(patched.is_ok() || patched.unwrap_err().is_not_found());
            }
        })
    }
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let [port] = conformance::ports::free().unwrap();
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Waits until `check` finds something.
pub(crate) async fn eventually<T, F, Fut>(what: &str, check: F) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A git repository on disk.
pub(crate) struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let repository = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    /// Its path, as a GitRepo names it.
    pub(crate) fn url(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Writes files and commits everything. Returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.commit_all()
    }

    /// Removes a path and commits.
    pub(crate) fn remove(&self, path: &str) -> String {
        let path = self.dir.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        self.commit_all()
    }

    fn commit_all(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "change"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn git(&self, args: &[&str]) -> String {
        git(self.dir.path(), args)
    }
}

fn git(directory: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    // The same files make the same commit.
    for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        command.env(name, "2026-01-01T00:00:00Z");
    }
    for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
        command.env(name, "test");
    }
    for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
        command.env(name, "test@localhost");
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A ConfigMap's manifest.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value}\n")
}
