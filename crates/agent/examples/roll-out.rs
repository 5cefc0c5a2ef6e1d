//! Measures agents: deploys a directory to many clusters on the sandbox, then a second version of it.
//!
//! `cargo run --profile quick -p agent --example roll-out -- CLUSTERS DIRECTORY`
//!
//! The program plays the hub's controllers. It prints, for each of the two roll-outs, the time until
//! every deployment is ready, CPU time and memory of the whole process, and requests by verb.

#![expect(
    clippy::print_stdout,
    reason = "a program that prints what it measures"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::{Capacity, Options, Shared};
use anyhow::{Context as _, Result, bail};
use api::limits::Limits;
use api::v1alpha1::{BundleDeployment, BundleDeploymentOptions, BundleResource, Cluster, Content};
use apiclient::{
    Budgets, Client, Event, Kind, ObjectKey, ObjectMeta, Patch, Selector, Watch, WriteOptions,
};
use base64::Engine as _;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const BUNDLE: &str = "measured";
const WORKSPACE: &str = "fleet-default";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let n_clusters: usize = arguments.next().context("number of clusters")?.parse()?;
    let directory = arguments.next().context("directory")?;
    let mut resources = Vec::new();
    read(Path::new(&directory), Path::new(&directory), &mut resources)?;
    resources.sort_by(|a, b| a.name.cmp(&b.name));

    let sandbox = Sandbox::start(sandbox::Options::default()).await?;
    let hub = prepare_hub(&sandbox).await?;
    let shared = Shared::new(Capacity::default());
    let stop = CancellationToken::new();
    let mut agents = Vec::new();
    for index in 0..n_clusters {
        agents.push(start_agent(&sandbox, &hub, index, &shared, &stop).await?);
    }
    println!(
        "{n_clusters} agents, {} files, {}",
        resources.len(),
        usage()?
    );
    for version in 1..=2 {
        let marker = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: marker}}\ndata: {{version: \"{version}\"}}\n"
        );
        let file = BundleResource {
            name: "templates/marker.yaml".to_owned(),
            content: marker,
            ..Default::default()
        };
        let mut files = resources.clone();
        files.push(file);
        roll_out(&hub, n_clusters, &files).await?;
        println!("version {version}: {}", usage()?);
        let mut requests: BTreeMap<String, u64> = BTreeMap::new();
        for (request, count) in sandbox.requests() {
            *requests
                .entry(
                    format!("{request:?}")
                        .split("verb: ")
                        .nth(1)
                        .unwrap_or_default()
                        .split(',')
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                )
                .or_default() += count;
        }
        println!("  requests since the start: {requests:?}");
    }
    let largest = sandbox.cluster("hub").context("hub")?.sizes();
    for size in largest
        .iter()
        .filter(|size| size.resource.contains("fleet"))
    {
        println!(
            "  {}: {} objects, largest {} bytes",
            size.resource, size.count, size.largest_bytes
        );
    }
    stop.cancel();
    for agent in agents {
        agent.await?;
    }
    Ok(())
}

fn read(root: &Path, directory: &Path, resources: &mut Vec<BundleResource>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            read(root, &path, resources)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let bytes = std::fs::read(&path)?;
        let (content, encoding) = match String::from_utf8(bytes) {
            Ok(text) => (text, String::new()),
            Err(error) => {
                let text = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
                (text, "base64".to_owned())
            }
        };
        resources.push(BundleResource {
            name,
            content,
            encoding,
        });
    }
    Ok(())
}

async fn create(client: &Client, kind: &Kind, key: &ObjectKey, object: &Value) -> Result<()> {
    client
        .create(kind, key, object, WriteOptions::default())
        .await?;
    Ok(())
}

async fn prepare_hub(sandbox: &Sandbox) -> Result<Client> {
    let cluster = sandbox.add_cluster("hub").await?;
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let hub = Client::new(kube, "measure", Budgets::default());
    let definitions = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    for object in api::crds::crds() {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if name.starts_with("bundledeployments")
            || name.starts_with("contents")
            || name.starts_with("clusters.")
        {
            create(&hub, &definitions, &ObjectKey::new("", name), &object).await?;
        }
    }
    namespace(&hub, WORKSPACE).await?;
    for _ in 0..100 {
        let listed = hub
            .list::<Value, _>(&Kind::of::<Cluster>(), &Selector::default(), drop)
            .await;
        if listed.is_ok() {
            return Ok(hub);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the CRDs are not served")
}

async fn namespace(hub: &Client, name: &str) -> Result<()> {
    let kind = Kind::new("", "v1", "Namespace", "namespaces", false);
    create(
        hub,
        &kind,
        &ObjectKey::new("", name),
        &json!({ "metadata": { "name": name } }),
    )
    .await
}

async fn start_agent(
    sandbox: &Sandbox,
    hub: &Client,
    index: usize,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
) -> Result<tokio::task::JoinHandle<()>> {
    let name = format!("c{index:03}");
    let downstream = sandbox.add_cluster(&name).await?;
    namespace(hub, &format!("cluster-{name}")).await?;
    let key = ObjectKey::new(WORKSPACE, name.clone());
    let kind = Kind::of::<Cluster>();
    create(hub, &kind, &key, &json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster", "metadata": { "name": name, "namespace": WORKSPACE } })).await?;
    let status = json!({ "status": { "namespace": format!("cluster-{name}") } });
    let _: ObjectMeta = hub
        .patch(
            &kind,
            &key,
            Some("status"),
            Patch::Merge(&status),
            0,
            WriteOptions::default(),
        )
        .await?;
    let cluster = sandbox.cluster("hub").context("hub")?;
    let options = Options::new(
        kube::Client::new(cluster.service(cluster.admin_token()), "default"),
        kube::Client::new(downstream.service(downstream.admin_token()), "default"),
        key,
        format!("cluster-{name}"),
        Arc::clone(shared),
    );
    Ok(tokio::spawn(agent::run(options, stop.clone())))
}

async fn roll_out(hub: &Client, n_clusters: usize, files: &[BundleResource]) -> Result<()> {
    let start = Instant::now();
    let contents = bundle::content::pack(BUNDLE, files, &Limits::PRODUCTION)?;
    let id = contents
        .last()
        .and_then(|root| root.metadata.name.clone())
        .context("content")?;
    for content in contents {
        let key = ObjectKey::new("", content.metadata.name.clone().unwrap_or_default());
        match hub
            .create(
                &Kind::of::<Content>(),
                &key,
                &content,
                WriteOptions::default(),
            )
            .await
        {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
    }
    let options = json!({ "defaultNamespace": "measured" });
    let parsed: BundleDeploymentOptions = serde_json::from_value(options.clone())?;
    let id = api::ids::deployment_id(&id, &parsed);
    let kind = Kind::of::<BundleDeployment>();
    for index in 0..n_clusters {
        let key = ObjectKey::new(format!("cluster-c{index:03}"), BUNDLE);
        let spec = json!({ "deploymentID": id, "stagedDeploymentID": id, "options": options, "stagedOptions": options });
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "BundleDeployment",
            "metadata": { "name": BUNDLE, "namespace": key.namespace }, "spec": spec });
        match hub
            .create(&kind, &key, &object, WriteOptions::default())
            .await
        {
            Err(error) if error.is_already_exists() => {
                let patch = json!({ "spec": spec });
                let _: ObjectMeta = hub
                    .patch(
                        &kind,
                        &key,
                        None,
                        Patch::Merge(&patch),
                        0,
                        WriteOptions::default(),
                    )
                    .await?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
    }
    let mut watch: Watch<BundleDeployment> = hub.watch(&kind, Selector::default());
    let mut ready: BTreeMap<ObjectKey, bool> = BTreeMap::new();
    while ready.values().filter(|ready| **ready).count() < n_clusters {
        let Ok(Some(Event::Applied(object))) =
            tokio::time::timeout(Duration::from_mins(10), watch.next()).await
        else {
            continue;
        };
        let key = apiclient::Object::key(&object);
        let deployed = api::conditions::message(&object.status.conditions, "Deployed");
        if !deployed.is_empty() {
            println!("{key}: {deployed}");
        }
        ready.insert(
            key,
            object.status.ready && object.status.applied_deployment_id == id,
        );
    }
    println!("ready after {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// CPU time and memory of the process so far.
fn usage() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name: &str| {
        let found = status.lines().find(|line| line.starts_with(name));
        found
            .map(|line| {
                line.split_whitespace()
                    .skip(1)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .unwrap_or_default()
    };
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let ticks: u64 = stat
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|it| it.parse::<u64>().ok())
        .sum();
    Ok(format!(
        "{:.1} s CPU, {} resident, {} peak",
        ticks as f64 / 100.0,
        line("VmRSS"),
        line("VmHWM")
    ))
}
