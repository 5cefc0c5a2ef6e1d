//! The agents of all clusters, played by one watch and a few workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apiclient::{
    Client, Event, Kind, Object, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Reports sent at the same time.
const WORKERS: usize = 32;
/// How long objects take to become ready.
const NOT_READY: Duration = Duration::from_millis(60);

/// As much of a BundleDeployment as an agent decides by.
#[derive(Debug, Deserialize)]
struct Deployment {
    metadata: apiclient::Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "deploymentID")]
    deployment_id: String,
}

impl Object for Deployment {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.metadata.namespace, &self.metadata.name)
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// Running agents; they end with the runtime.
#[derive(Clone)]
pub(crate) struct Agents {
    n_ready: Arc<AtomicUsize>,
}

impl Agents {
    /// Starts agents that report `n_resources` objects for each deployment.
    pub(crate) fn start(client: &Client, n_resources: usize) -> Self {
        let n_ready = Arc::new(AtomicUsize::new(0));
        let resources = Arc::new(resources(n_resources));
        let mut senders = Vec::new();
        for _ in 0..WORKERS {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push(sender);
            let (client, count) = (client.clone(), Arc::clone(&n_ready));
            tokio::spawn(work(client, receiver, Arc::clone(&resources), count));
        }
        tokio::spawn(distribute(client.clone(), senders));
        Self { n_ready }
    }

    /// Deployments reported as ready so far; one that changed counts again.
    pub(crate) fn n_ready(&self) -> usize {
        self.n_ready.load(Ordering::Relaxed)
    }
}

async fn distribute(client: Client, workers: Vec<mpsc::UnboundedSender<(ObjectKey, String)>>) {
    let kind = Kind::of::<api::v1alpha1::BundleDeployment>();
    let mut watch = client.watch::<Deployment>(&kind, Selector::default());
    let mut known: HashMap<ObjectKey, String> = HashMap::new();
    let mut turn = 0_usize;
    while let Some(event) = watch.next().await {
        let Event::Applied(deployment) = event else {
            continue;
        };
        let (key, id) = (deployment.key(), deployment.spec.deployment_id);
        if id.is_empty() || known.get(&key) == Some(&id) {
            continue;
        }
        known.insert(key.clone(), id.clone());
        turn += 1;
        // The receivers live as long as this task.
        let _ = workers[turn % workers.len()].send((key, id));
    }
}

async fn work(
    client: Client,
    mut deployments: mpsc::UnboundedReceiver<(ObjectKey, String)>,
    resources: Arc<Vec<Value>>,
    n_ready: Arc<AtomicUsize>,
) {
    while let Some((key, id)) = deployments.recv().await {
        report(&client, &key, &status(&id, &resources, false)).await;
        tokio::time::sleep(NOT_READY).await;
        report(&client, &key, &status(&id, &resources, true)).await;
        n_ready.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes a status; one that is refused is tried again until its deployment is gone.
pub(crate) async fn report(client: &Client, key: &ObjectKey, status: &Value) {
    let kind = Kind::of::<api::v1alpha1::BundleDeployment>();
    let body = json!({ "status": status });
    loop {
        let options = WriteOptions::default();
        let written: Result<ObjectMeta, _> = client
            .patch(&kind, key, Some("status"), Patch::Merge(&body), 0, options)
            .await;
        match written {
            Ok(_) => return,
            Err(error) if error.is_not_found() => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn resources(n: usize) -> Vec<Value> {
    let kinds = [
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ];
    let kinds = kinds.iter().cycle().take(n).enumerate();
    kinds
        .map(|(i, (version, kind))| {
            json!({ "apiVersion": version, "kind": kind, "namespace": "monitoring-system",
                "name": format!("monitoring-stack-component-{i:03}"),
                "createdAt": "2026-01-01T00:00:00Z" })
        })
        .collect()
}

/// What an agent of upstream's reports of a deployment.
fn status(id: &str, resources: &[Value], is_ready: bool) -> Value {
    let condition = |type_: &str, is_true: bool| {
        let status = if is_true { "True" } else { "False" };
        json!({ "type": type_, "status": status, "lastUpdateTime": "2026-01-01T00:00:00Z" })
    };
    let n = resources.len();
    let waiting = resources.iter().skip(3).step_by(10).take(10);
    let non_ready: Vec<Value> = waiting
        .map(|object| {
            let mut object = object.clone();
            object["summary"] = json!({ "state": "in-progress", "transitioning": true,
                "message": ["Available: 0/1", "deployment.apps is progressing"] });
            object
        })
        .collect();
    let n_waiting = if is_ready { 0 } else { non_ready.len() };
    json!({
        "appliedDeploymentID": id, "release": "monitoring-system/monitoring-stack:1",
        "ready": is_ready, "nonModified": true, "resources": resources, "syncGeneration": 0,
        "nonReadyStatus": if is_ready { Value::Null } else { Value::Array(non_ready) },
        "conditions": [condition("Installed", true), condition("Deployed", true),
            condition("Ready", is_ready), condition("Monitored", true)],
        "resourceCounts": { "ready": n - n_waiting, "desiredReady": n, "notReady": n_waiting,
            "waitApplied": 0, "modified": 0, "orphaned": 0, "missing": 0, "unknown": 0 },
    })
}
