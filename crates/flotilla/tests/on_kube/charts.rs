//! Charts from outside: each installed, upgraded to other values, rolled back and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use apiclient::Discovery;
use serde_json::{Value, json};

use crate::clusters::{Clusters, Printed};
use crate::inventory::{Objects, nothing_left, objects, sweep};
use crate::release::Release;

/// How long a step may take, in seconds. Webhooks that nobody answers cost much of it.
const PATIENCE: u64 = 180;

/// Deploys every chart of the folder that Helm renders.
pub(crate) async fn live(clusters: &Clusters, folder: &Path) {
    let filter = std::env::var("CHART_FILTER").unwrap_or_default();
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| folder.join(name).join("chart/Chart.yaml").is_file())
        .filter(|name| filter.is_empty() || filter.split_whitespace().any(|it| name.contains(it)))
        .collect();
    names.sort();
    let mut failed = Vec::new();
    for name in names {
        let begin = Instant::now();
        match one(clusters, &name, &folder.join(&name)).await {
            Ok(said) => eprintln!("{name}: {said} ({:.0?})", begin.elapsed()),
            Err(error) => {
                eprintln!("{name}: FAILED: {error}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Values of the cases of a chart; the chart's own come first. Those that turn on everything a template mentions have
/// fields in places where servers do not know them.
fn values_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(cases) = fs::read_dir(folder.join("cases")) else {
        return Vec::new();
    };
    let mut values: Vec<PathBuf> = cases
        .map(|case| case.unwrap().path())
        .filter(|case| case.join("values.yaml").is_file() && case.join("expected.yaml").is_file())
        .filter(|case| !case.ends_with("features") && !case.ends_with("mixed"))
        .map(|case| case.join("values.yaml"))
        .collect();
    values.sort_by_key(|path| (!path.ends_with("defaults/values.yaml"), path.clone()));
    values
}

async fn one(clusters: &Clusters, name: &str, folder: &Path) -> Result<String, String> {
    let before = objects(&clusters.downstream.client).await;
    let lived = live_and_go(clusters, name, folder, &before).await;
    // It is still there if something failed or was refused.
    clusters.remove(name).await;
    let swept = sweep(clusters, &before).await;
    match (lived, swept) {
        (Ok(said), Ok(())) => Ok(said),
        (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
        (Err(error), Err(left)) => Err(format!("{error}\n{left}")),
    }
}

async fn live_and_go(
    clusters: &Clusters,
    name: &str,
    folder: &Path,
    before: &Objects,
) -> Result<String, String> {
    let chart = folder.join("chart");
    let mut release = Release::new(clusters, name, &chart);
    let mut deployed: Vec<String> = Vec::new();
    let mut refused = String::from("it has no values");
    for values in values_of(folder) {
        if deployed.len() == 2 {
            break;
        }
        let rendered = match render_with_helm(clusters, &release, &chart, &values).await {
            Ok(rendered) => rendered,
            Err(error) => {
                refused = format!("Helm says: {}", error.trim());
                continue;
            }
        };
        add_kinds(clusters, &rendered).await;
        let values = fs::read_to_string(&values).unwrap();
        match release.deploy(clusters, &values, PATIENCE).await {
            Ok(()) => deployed.push(values),
            // What the server does not take from anybody is not to be deployed.
            Err(error) => match try_with_kubectl(clusters, &release, &rendered).await {
                Ok(_) => return Err(error),
                Err(said) => refused = format!("kubectl says: {}", said.trim()),
            },
        }
    }
    if deployed.is_empty() {
        return Ok(format!("skipped, {refused}"));
    }
    if deployed.len() == 2 {
        release.deploy(clusters, &deployed[0], PATIENCE).await?;
    }
    let (revision, status) = release.shown(clusters).await;
    assert_eq!(status, "deployed", "{name}");
    clusters.remove(name).await;
    let left = nothing_left(&clusters.downstream.client, before).await;
    left.map(|kept| {
        format!(
            "{revision} revisions; {} objects stay by policy",
            kept.len()
        )
    })
}

/// Whether the server would take all of it.
async fn try_with_kubectl(clusters: &Clusters, release: &Release, rendered: &str) -> Printed {
    let file = clusters.folder.path().join("rendered.yaml");
    fs::write(&file, rendered).unwrap();
    let file = format!("--filename={}", file.display());
    let flags = [
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        &file,
    ];
    let args = [&["apply", "--namespace", &release.namespace][..], &flags].concat();
    clusters.kubectl(&clusters.downstream, &args).await
}

/// What Helm renders, with the definitions of `crds/`.
async fn render_with_helm(
    clusters: &Clusters,
    release: &Release,
    chart: &Path,
    values: &Path,
) -> Result<String, String> {
    let (chart, values) = (chart.to_str().unwrap(), values.to_str().unwrap());
    let at = ["--namespace", &release.namespace, "--values", values];
    let args = [&["template", "rel", chart, "--include-crds"][..], &at].concat();
    clusters.helm(&args).await
}

/// Defines kinds of other projects, which neither the cluster nor the chart has: anything may be in them.
async fn add_kinds(clusters: &Clusters, rendered: &str) {
    let text = |object: &Value, at: &str| {
        object
            .pointer(at)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let parse = |part: goyaml::documents::Part<'_>| goyaml::parse(part.text.as_bytes()).ok();
    let objects: Vec<Value> = goyaml::documents::split(rendered)
        .filter_map(parse)
        .collect();
    let defined = |object: &Value| {
        Some((
            text(object, "/spec/group")?,
            text(object, "/spec/names/kind")?,
        ))
    };
    let defined: BTreeSet<(String, String)> = objects.iter().filter_map(defined).collect();
    let discovery = Discovery::read(&clusters.downstream.client).await.unwrap();
    let mut wanted: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for object in &objects {
        let (Some(api_version), Some(kind)) = (text(object, "/apiVersion"), text(object, "/kind"))
        else {
            continue;
        };
        if let Some((group, version)) = api_version.split_once('/')
            && discovery.find(&api_version, &kind).is_err()
            && !defined.contains(&(group.to_owned(), kind.clone()))
        {
            let versions = wanted.entry((group.to_owned(), kind)).or_default();
            versions.insert(version.to_owned());
        }
    }
    let mut definitions = String::new();
    for ((group, kind), versions) in wanted {
        let plural = format!("{}s", kind.to_lowercase());
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version = |(index, name): (usize, &String)| {
            json!({"name": name, "served": true, "storage": index == 0,
                "schema": {"openAPIV3Schema": anything}})
        };
        let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}"),
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {"group": group, "scope": "Namespaced", "versions": versions,
                "names": {"kind": kind, "plural": plural}}});
        let _ = writeln!(definitions, "---\n{definition}");
    }
    if !definitions.is_empty() {
        clusters.apply(&clusters.downstream, &definitions).await;
    }
}
