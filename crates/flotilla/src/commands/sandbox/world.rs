//! Brings up API servers, controllers and agents in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::limits::Limits;
use api::v1alpha1::{Cluster, ClusterGroup};
use apiclient::{Budgets, Client, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox::{Sandbox, Server};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::source::WORKSPACE;
use crate::output;

const HUB: &str = "hub";
/// Field manager of what a person would write with kubectl.
const PERSON: &str = "flotilla-sandbox";
const REGIONS: [&str; 4] = ["eu-central", "eu-west", "us-east", "ap-south"];
/// Every how many-th cluster is a small one.
const EDGE_EVERY: usize = 4;
/// Clusters set up at the same time.
const SET_UPS_AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_millis(50);

/// What is brought up.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) clusters: usize,
    pub(super) listen: SocketAddr,
    pub(super) dir: PathBuf,
    pub(super) data: Option<PathBuf>,
    pub(super) polling_interval: Duration,
}

/// Everything that runs.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    /// The hub's API server, as a person uses it.
    pub(super) hub: Client,
    /// The hub's API server, as the controllers use it: for its counters.
    pub(super) controller: Client,
    pub(super) polling_interval: Duration,
    kubeconfigs: Vec<(String, PathBuf)>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _server: Server,
}

impl World {
    /// Brings up the hub, its controllers, the clusters and their agents.
    pub(super) async fn bring_up(
        options: Options,
        parent: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let started = tokio::time::Instant::now();
        let sandbox = Sandbox::start(sandbox::Options {
            data: options.data.clone(),
            ..sandbox::Options::default()
        })
        .await?;
        let server = sandbox.serve(options.listen).await?;
        let hub_cluster = sandbox.add_cluster(HUB).await?;
        let kube = || kube::Client::new(hub_cluster.service(hub_cluster.admin_token()), "default");
        let limits = Limits::PRODUCTION;
        let hub = Client::new(kube(), PERSON, Budgets::default());
        install(&hub).await?;
        let controller = Client::new(kube(), hub::FIELD_MANAGER, hub::budgets(&limits));
        let stop = parent.child_token();
        let mut tasks = JoinSet::new();
        start_controllers(&options, &controller, &stop, &mut tasks);
        let names: Vec<String> = (1..=options.clusters)
            .map(|number| format!("cluster-{number:03}"))
            .collect();
        let shared = agent::Shared::new(agent::Capacity::default());
        let starting = names
            .iter()
            .enumerate()
            .map(|(index, name)| start_cluster(&sandbox, &hub, &hub_cluster, index, name, &shared));
        let agents: Vec<agent::Options> = futures::stream::iter(starting)
            .buffer_unordered(SET_UPS_AT_ONCE)
            .try_collect()
            .await?;
        for agent in agents {
            start_agent(agent, &stop, &mut tasks);
        }
        let kubeconfigs = write_kubeconfigs(&sandbox, &options.dir, &names)?;
        output::note(&format!(
            "A hub and {} clusters are up after {:.1} s",
            options.clusters,
            started.elapsed().as_secs_f64()
        ));
        Ok(Self {
            sandbox,
            hub,
            controller,
            polling_interval: options.polling_interval,
            kubeconfigs,
            stop,
            tasks,
            _server: server,
        })
    }

    /// Prints where the kubeconfigs are and how to use them.
    pub(super) fn print_kubeconfigs(&self) {
        let show =
            |name: &str, path: &Path| output::note(&format!("  {name:<12} {}", path.display()));
        output::note("Kubeconfigs:");
        let (first, last) = (self.kubeconfigs.iter().take(2), self.kubeconfigs.last());
        for (name, path) in first {
            show(name, path);
        }
        if self.kubeconfigs.len() > 3 {
            output::note("  ...");
        }
        if let Some((name, path)) = last.filter(|_| self.kubeconfigs.len() > 2) {
            show(name, path);
        }
        if let Some((_, hub)) = self.kubeconfigs.first() {
            output::note(&format!(
                "Try: kubectl --kubeconfig {} get gitrepos,bundles,clusters -A",
                hub.display()
            ));
        }
        if let Some((_, cluster)) = self.kubeconfigs.get(1) {
            output::note(&format!(
                "     kubectl --kubeconfig {} get all -A",
                cluster.display()
            ));
        }
    }

    /// Stops agents and controllers and waits for them.
    pub(super) async fn shut_down(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What does not end by itself is cut off; state on disk is consistent at any moment.
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
    }
}

fn start_controllers(
    options: &Options,
    controller: &Client,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let mut hub_options = hub::Options::new(options.dir.join("git-cache"));
    hub_options.allow_local_repositories = true;
    hub_options.polling_interval = options.polling_interval;
    let (controller, stop) = (controller.clone(), stop.clone());
    tasks.spawn(async move {
        if let Err(error) = hub::run_with(controller, hub_options, stop.clone()).await {
            output::print_error(&anyhow::Error::new(error).context("the hub's controllers ended"));
            stop.cancel();
        }
    });
}

fn start_agent(options: agent::Options, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let stop = stop.clone();
    tasks.spawn(agent::run(options, stop));
}

/// Installs the CRDs on the hub, the workspace and the group of all clusters.
async fn install(hub: &Client) -> anyhow::Result<()> {
    let kind = Kind::of::<CustomResourceDefinition>();
    for crd in api::crds::crds() {
        let name = crd
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let key = ObjectKey::new("", name);
        apply(hub, &kind, &key, &crd)
            .await
            .with_context(|| format!("install CRD {name}"))?;
    }
    apply(
        hub,
        &Kind::of::<Namespace>(),
        &ObjectKey::new("", WORKSPACE),
        &json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": WORKSPACE },
        }),
    )
    .await?;
    // A CRD is served a moment after it was written.
    let key = ObjectKey::new(WORKSPACE, "default");
    let group = json!({
        "apiVersion": api::v1alpha1::API_VERSION, "kind": "ClusterGroup",
        "metadata": { "name": key.name, "namespace": key.namespace },
        "spec": { "selector": {} },
    });
    let mut tries = 0;
    while let Err(error) = apply(hub, &Kind::of::<ClusterGroup>(), &key, &group).await {
        tries += 1;
        if tries > 100 {
            return Err(error).context("create the cluster group");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn apply(
    hub: &Client,
    kind: &Kind,
    key: &ObjectKey,
    object: &Value,
) -> Result<(), apiclient::Error> {
    let options = WriteOptions {
        force: true,
        ..WriteOptions::default()
    };
    let applied: Result<ObjectMeta, _> = hub
        .patch(kind, key, None, Patch::Apply(object), 0, options)
        .await;
    applied.map(drop)
}

/// Adds a downstream cluster, registers it on the hub and returns what its agent needs.
async fn start_cluster(
    sandbox: &Sandbox,
    hub: &Client,
    hub_cluster: &sandbox::Cluster,
    index: usize,
    name: &str,
    shared: &Arc<agent::Shared>,
) -> anyhow::Result<agent::Options> {
    let downstream = sandbox.add_cluster(name).await?;
    let tier = if (index + 1).is_multiple_of(EDGE_EVERY) {
        "edge"
    } else {
        "core"
    };
    let key = ObjectKey::new(WORKSPACE, name);
    let object = json!({
        "apiVersion": api::v1alpha1::API_VERSION, "kind": "Cluster",
        "metadata": { "name": name, "namespace": WORKSPACE, "labels": {
            "region": REGIONS[index % REGIONS.len()], "tier": tier,
        } },
        "spec": { "clientID": name },
    });
    let kind = Kind::of::<Cluster>();
    apply(hub, &kind, &key, &object)
        .await
        .with_context(|| format!("register {name}"))?;
    let cluster = loop {
        let cluster: Option<Cluster> = hub.get(&kind, &key).await?;
        match cluster.filter(|cluster| !cluster.status.namespace.is_empty()) {
            Some(cluster) => break cluster,
            None => tokio::time::sleep(POLL).await,
        }
    };
    let access = hub::registration::grant(hub, &cluster).await?;
    let hub_kube = kube::Client::new(hub_cluster.service(&access.token), "default");
    let kube = kube::Client::new(downstream.service(downstream.admin_token()), "default");
    let (namespace, shared) = (access.deployment_namespace, Arc::clone(shared));
    Ok(agent::Options::new(hub_kube, kube, key, namespace, shared))
}

fn write_kubeconfigs(
    sandbox: &Sandbox,
    dir: &Path,
    names: &[String],
) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let directory = dir.join("kubeconfigs");
    std::fs::create_dir_all(&directory)?;
    let mut written = Vec::with_capacity(names.len() + 1);
    for name in std::iter::once(HUB).chain(names.iter().map(String::as_str)) {
        let text = sandbox
            .cluster(name)
            .and_then(|cluster| cluster.kubeconfig());
        let text = text.with_context(|| format!("make the kubeconfig of {name}"))?;
        let path = directory.join(format!("{name}.yaml"));
        write_private(&path, &text).with_context(|| format!("write {}", path.display()))?;
        written.push((name.to_owned(), path));
    }
    Ok(written)
}

/// Kubeconfigs hold tokens: only the user may read them.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}
