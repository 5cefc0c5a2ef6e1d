//! The hub under load: an API server with clusters, bundles and repositories on it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use api::v1alpha1::{Bundle, Cluster, GitRepo};
use apiclient::{Budgets, Client, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where clusters and bundles are.
pub(crate) const WORKSPACE: &str = "fleet-default";
/// The repository that the bundles say they come from.
pub(crate) const OWNER: &str = "load";
const AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_millis(100);
const NAMESPACE: Kind = Kind::new("", "v1", "Namespace", "namespaces", false);
const CRD: Kind = Kind::new(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
);

/// An API server with the CRDs installed.
pub(crate) struct Fleet {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) directory: tempfile::TempDir,
    _sandbox: Option<(sandbox::Sandbox, sandbox::Server)>,
}

impl Fleet {
    /// Connects, or starts a sandbox.
    pub(crate) async fn start(kubeconfig: Option<&Path>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (kubeconfig, sandbox) = if let Some(kubeconfig) = kubeconfig {
            (kubeconfig.to_owned(), None)
        } else {
            let sandbox = sandbox::Sandbox::start(sandbox::Options::default()).await?;
            let cluster = sandbox.add_cluster("hub").await?;
            let server = sandbox.serve(([127, 0, 0, 1], 0).into()).await?;
            let path = directory.path().join("kubeconfig");
            let text = cluster.kubeconfig().context("the sandbox serves no port")?;
            std::fs::write(&path, text)?;
            (path, Some((sandbox, server)))
        };
        let kube = apiclient::connect(Some(&kubeconfig)).await?;
        let client = Client::new(kube, "load", Budgets::default());
        let fleet = Self {
            client,
            kubeconfig,
            directory,
            _sandbox: sandbox,
        };
        for crd in api::crds::crds() {
            fleet.create(&CRD, "", &crd).await?;
        }
        let served = || async {
            let (kind, everywhere) = (Kind::of::<Bundle>(), Selector::default());
            let list = fleet.client.list::<Value, _>(&kind, &everywhere, drop);
            Ok(list.await.is_ok().then_some(()))
        };
        eventually("the CRDs are served", Duration::from_mins(1), served).await?;
        let workspace = json!({ "metadata": { "name": WORKSPACE } });
        fleet.create(&NAMESPACE, "", &workspace).await?;
        Ok(fleet)
    }

    /// Creates an object in a namespace, unless it exists.
    pub(crate) async fn create(&self, kind: &Kind, namespace: &str, object: &Value) -> Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let key = ObjectKey::new(namespace, name);
        let options = WriteOptions::default();
        match self.client.create(kind, &key, object, options).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => Err(error).with_context(|| format!("create {kind} {key}")),
        }
    }

    /// Creates clusters and waits until the hub gave each its namespace.
    pub(crate) async fn clusters(&self, n: usize, timeout: Duration) -> Result<()> {
        let kind = &Kind::of::<Cluster>();
        let cluster = |i: usize| async move {
            let labels = json!({ "load": "yes", "region": format!("r{}", i % 10) });
            let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster",
                "metadata": { "name": cluster_name(i), "namespace": WORKSPACE, "labels": labels } });
            self.create(kind, WORKSPACE, &object).await
        };
        let runs = futures::stream::iter((0..n).map(cluster)).buffer_unordered(AT_ONCE);
        let results: Vec<Result<()>> = runs.collect().await;
        results.into_iter().collect::<Result<()>>()?;
        eventually("all clusters have namespaces", timeout, || async {
            let mut n_assigned = 0;
            let count = |cluster: Cluster| {
                n_assigned += usize::from(!cluster.status.namespace.is_empty());
            };
            let everywhere = Selector::namespace(WORKSPACE);
            self.client.list(kind, &everywhere, count).await?;
            Ok((n_assigned >= n).then_some(()))
        })
        .await
    }

    /// The object that the bundles of a load say they come from.
    pub(crate) async fn owner(&self) -> Result<()> {
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepo",
            "metadata": { "name": OWNER, "namespace": WORKSPACE },
            "spec": { "repo": "http://127.0.0.1:9/none.git", "disablePolling": true,
                "pollingInterval": "24h" } });
        self.create(&Kind::of::<GitRepo>(), WORKSPACE, &object)
            .await
    }

    /// Creates a bundle for all clusters, with values of its own for each, or changes its values.
    pub(crate) async fn bundle(&self, name: &str, round: usize) -> Result<()> {
        let (kind, key) = (Kind::of::<Bundle>(), ObjectKey::new(WORKSPACE, name));
        let values = json!({ "round": round, "cluster": "${ .ClusterName }" });
        if round > 1 {
            let body = json!({ "spec": { "helm": { "values": values } } });
            let options = WriteOptions::default();
            let _: ObjectMeta = self
                .client
                .patch(&kind, &key, None, Patch::Merge(&body), 0, options)
                .await?;
            return Ok(());
        }
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: load\n";
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Bundle",
            "metadata": { "name": name, "namespace": WORKSPACE,
                "labels": { "fleet.cattle.io/repo-name": OWNER } },
            "spec": { "helm": { "values": values }, "targets": [{ "clusterSelector": {} }],
                "resources": [{ "name": "load.yaml", "content": manifest }] } });
        self.create(&kind, WORKSPACE, &object).await
    }

    /// An object of the workspace.
    pub(crate) async fn get<T>(&self, name: &str) -> Result<T>
    where
        T: kube_core::Resource<DynamicType = ()> + DeserializeOwned,
        T::Scope: apiclient::Scope,
    {
        let key = ObjectKey::new(WORKSPACE, name);
        let found = self.client.get(&Kind::of::<T>(), &key).await?;
        found.with_context(|| format!("{key} does not exist"))
    }

    /// Waits until a bundle says that all of `n` clusters are ready.
    pub(crate) async fn bundle_ready(&self, name: &str, n: usize, timeout: Duration) -> Result<()> {
        eventually("the bundle is ready", timeout, || async {
            let bundle: Bundle = self.get(name).await?;
            let current = bundle.metadata.generation == Some(bundle.status.observed_generation);
            let is_ready = bundle.status.summary.ready == n as i64;
            Ok((current && is_ready).then_some(()))
        })
        .await
    }
}

/// Name of a cluster.
pub(crate) fn cluster_name(i: usize) -> String {
    format!("cluster-{i:05}")
}

/// Waits until `check` finds something.
pub(crate) async fn eventually<T, F, Fut>(what: &str, timeout: Duration, check: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = check().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("not within {} s: {what}", timeout.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
