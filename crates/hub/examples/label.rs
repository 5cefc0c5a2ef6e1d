//! How long the hub takes to give a cluster its deployments when somebody labels it, and what that costs.
//!
//! `cargo run --profile quick -p hub --example label -- [GITREPOS] [CLUSTERS] [RINGS]`
//!
//! Every GitRepo is for one ring of clusters. One cluster after another is moved to the next ring; printed
//! are the time until its deployments are those of its new ring, and the processor time of this process,
//! which runs the hub and the API server.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that prints its result and fails loudly"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::limits::Limits;
use api::v1alpha1::{BundleDeployment, Cluster, GitRepo};
use apiclient::{Budgets, Client, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const NS: &str = "fleet-default";
const MOVES: usize = 5;

/// How many there are of what; the ring of an object is its number modulo the number of rings.
struct Size {
    repos: usize,
    clusters: usize,
    rings: usize,
}

impl Size {
    fn in_ring(&self, items: usize, ring: usize) -> usize {
        (0..items).filter(|n| n % self.rings == ring).count()
    }

    fn deployments(&self) -> usize {
        let of = |ring| self.in_ring(self.repos, ring) * self.in_ring(self.clusters, ring);
        (0..self.rings).map(of).sum()
    }
}

struct World {
    client: Client,
    controller: Client,
}

impl World {
    async fn create(&self, kind: &Kind, key: &ObjectKey, object: &Value) {
        let once = WriteOptions::default();
        let mut object = object.clone();
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.kind);
        self.client.create(kind, key, &object, once).await.unwrap();
    }

    async fn until(&self, what: &str, namespace: Option<&str>, count: usize) {
        let kind = Kind::of::<BundleDeployment>();
        let selector = Selector {
            namespace: namespace.map(str::to_owned),
            metadata_only: true,
            ..Selector::default()
        };
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            let mut found = 0;
            let each = |_: ObjectMeta| found += 1;
            self.client.list(&kind, &selector, each).await.unwrap();
            if found == count {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {found} of {count}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Processor time of this process in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn git(dir: &Path, args: &[&str]) {
    let done = std::process::Command::new("git")
        .args(["-c", "user.name=x", "-c", "user.email=x@localhost"])
        .args(args)
        .current_dir(dir)
        .status();
    assert!(done.unwrap().success());
}

/// A repository with one manifest whose values look at labels.
fn repository(dir: &Path) -> PathBuf {
    let repository = dir.join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    std::fs::write(repository.join("cm.yaml"), map).unwrap();
    let values = "helm: {values: {ring: '${ .ClusterLabels.ring }'}}\n";
    std::fs::write(repository.join("fleet.yaml"), values).unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-qm", "x"]);
    repository
}

impl World {
    async fn install(&self) {
        let definition = Kind::new(
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
            self.create(&definition, &ObjectKey::new("", name), &object)
                .await;
        }
        let namespace = Kind::new("", "v1", "Namespace", "namespaces", false);
        let object = json!({ "metadata": { "name": NS } });
        self.create(&namespace, &ObjectKey::new("", NS), &object)
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    async fn add_clusters(&self, size: &Size) {
        for n in 0..size.clusters {
            let key = ObjectKey::new(NS, format!("c{n}"));
            let labels = json!({ "ring": format!("r{}", n % size.rings), "n": format!("{n}") });
            let object = json!({ "metadata": { "name": key.name, "labels": labels } });
            self.create(&Kind::of::<Cluster>(), &key, &object).await;
        }
    }

    async fn add_repos(&self, size: &Size, repository: &Path) {
        for n in 0..size.repos {
            let key = ObjectKey::new(NS, format!("repo{n}"));
            let selector = json!({ "matchLabels": { "ring": format!("r{}", n % size.rings) } });
            let object = json!({ "metadata": { "name": key.name }, "spec": {
                "repo": repository.display().to_string(), "branch": "main",
                "targets": [{ "clusterSelector": selector }] } });
            self.create(&Kind::of::<GitRepo>(), &key, &object).await;
        }
    }

    /// Labels a cluster and waits for its deployments.
    async fn relabel(&self, name: &str, ring: &str, count: usize) {
        let (kind, key) = (Kind::of::<Cluster>(), ObjectKey::new(NS, name));
        let cluster: Option<Cluster> = self.client.get(&kind, &key).await.unwrap();
        let namespace = cluster.unwrap().status.namespace;
        let requests = || self.controller.stats().calls().values().sum::<u64>();
        let (began, before, n_before) = (Instant::now(), cpu(), requests());
        let body = json!({ "metadata": { "labels": { "ring": ring } } });
        let (once, patch) = (WriteOptions::default(), Patch::Merge(&body));
        let patched = self.client.patch(&kind, &key, None, patch, 0, once).await;
        let _: ObjectMeta = patched.unwrap();
        self.until("the deployments of one cluster", Some(&namespace), count)
            .await;
        let took = began.elapsed();
        // What follows, such as statuses, counts too.
        tokio::time::sleep(Duration::from_secs(5)).await;
        println!(
            "{name} to {ring}: {count} deployments after {:.0} ms, {:.2} s of processor, {} requests",
            took.as_secs_f64() * 1e3,
            cpu() - before,
            requests() - n_before,
        );
    }
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().unwrap());
    let size = Size {
        repos: args.next().unwrap_or(300),
        clusters: args.next().unwrap_or(500),
        rings: args.next().unwrap_or(100),
    };
    let sandbox = sandbox::Sandbox::start(sandbox::Options::default())
        .await
        .unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let kube = || kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let budgets = hub::budgets(&Limits::PRODUCTION);
    let world = World {
        client: Client::new(kube(), "test", Budgets::default()),
        controller: Client::new(kube(), hub::FIELD_MANAGER, budgets),
    };
    let dir = tempfile::tempdir().unwrap();
    let repository = repository(dir.path());
    world.install().await;
    world.add_clusters(&size).await;
    let mut options = hub::Options::new(dir.path().join("git"));
    options.allow_local_repositories = true;
    options.polling_interval = Duration::from_hours(1);
    let stop = CancellationToken::new();
    let running = tokio::spawn(hub::run_with(
        world.controller.clone(),
        options,
        stop.clone(),
    ));
    let began = (Instant::now(), cpu());
    world.add_repos(&size, &repository).await;
    let all = size.deployments();
    world.until("all deployments", None, all).await;
    println!(
        "{} GitRepos, {} clusters, {all} deployments: {:.1} s, {:.1} s of processor",
        size.repos,
        size.clusters,
        began.0.elapsed().as_secs_f64(),
        cpu() - began.1,
    );
    tokio::time::sleep(Duration::from_secs(8)).await;
    for n in 0..MOVES {
        // Out of every ring first, so that the count says when the new ones are there.
        let name = format!("c{n}");
        world.relabel(&name, "none", 0).await;
        let ring = (n + 1) % size.rings;
        let count = size.in_ring(size.repos, ring);
        world.relabel(&name, &format!("r{ring}"), count).await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}
