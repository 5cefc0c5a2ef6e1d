//! Applies every manifest of some files to N clusters: `cargo run -p sandbox --example load -- N FILE...`.
//!
//! Prints the time it took, the largest object, shared bytes and the process's memory. CRDs are
//! applied first and are waited for.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::{Discovery, Scope};
use kube::{Client, ResourceExt};
use sandbox::{Cluster, Options, Sandbox};
use serde_json::json;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn read(path: &str) -> Result<Vec<DynamicObject>, Error> {
    let text = std::fs::read_to_string(path)?;
    let mut objects = Vec::new();
    for part in text.split("\n---") {
        let value = goyaml::parse(part.trim_start_matches("---").as_bytes())?;
        if value.get("kind").is_some() {
            objects.push(serde_json::from_value(value)?);
        }
    }
    Ok(objects)
}

fn is_crd(object: &DynamicObject) -> bool {
    object
        .types
        .as_ref()
        .is_some_and(|types| types.kind == "CustomResourceDefinition")
}

async fn apply_one(
    client: &Client,
    known: &Discovery,
    object: &DynamicObject,
) -> Result<(), Error> {
    let Some(types) = &object.types else {
        return Ok(());
    };
    let Some((resource, abilities)) = known.resolve_gvk(&types.clone().try_into()?) else {
        return Err(format!("{} is not served", types.kind).into());
    };
    let api: Api<DynamicObject> = match object.namespace() {
        _ if abilities.scope == Scope::Cluster => Api::all_with(client.clone(), &resource),
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::default_namespaced_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("load").force();
    let applied = api
        .patch(&object.name_any(), &params, &Patch::Apply(object))
        .await;
    applied.map_err(|error| format!("{} {}: {error}", types.kind, object.name_any()))?;
    Ok(())
}

async fn apply(cluster: Cluster, objects: Arc<Vec<DynamicObject>>) -> Result<(), Error> {
    let client = Client::new(cluster.service(cluster.admin_token()), "default");
    let names: BTreeSet<String> = objects.iter().filter_map(ResourceExt::namespace).collect();
    for name in names {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let api: Api<Namespace> = Api::all(client.clone());
        api.patch(&name, &PatchParams::apply("load"), &Patch::Apply(namespace))
            .await?;
    }
    for crds in [true, false] {
        let known = loop {
            let known = Discovery::new(client.clone()).run_aggregated().await?;
            let all = objects.iter().filter(|object| is_crd(object) == crds);
            let mut gvks = all.filter_map(|o| o.types.clone()?.try_into().ok());
            if gvks.all(|gvk| known.resolve_gvk(&gvk).is_some()) {
                break known;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        for object in objects.iter().filter(|object| is_crd(object) == crds) {
            apply_one(&client, &known, object).await?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().ok_or("how many clusters?")?.parse()?;
    let mut objects = Vec::new();
    for path in args {
        objects.extend(read(&path)?);
    }
    let objects = Arc::new(objects);
    let mut out = std::io::stdout();
    let sandbox = Sandbox::start(Options::default()).await?;
    let start = Instant::now();
    for number in 0..count {
        sandbox.add_cluster(&format!("c{number}")).await?;
    }
    writeln!(out, "{count} clusters in {:?}", start.elapsed())?;
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for cluster in sandbox.clusters() {
        tasks.spawn(apply(cluster, Arc::clone(&objects)));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    writeln!(
        out,
        "{} objects each in {:?}",
        objects.len(),
        start.elapsed()
    )?;
    for cluster in sandbox.clusters().iter().take(1) {
        let largest = cluster
            .sizes()
            .into_iter()
            .max_by_key(|size| size.largest_bytes);
        writeln!(out, "largest: {largest:?}")?;
    }
    writeln!(out, "shared: {} bytes", sandbox.shared_bytes())?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
    {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
