//! Charts from outside: each installed, edited by hand, corrected, upgraded to other values, rolled back by Helm
//! and by the hub, and removed. What cannot run here is left out, and says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use apiclient::Discovery;
use serde_json::{Value, json};

use crate::clusters::{Clusters, Printed};
use crate::edits::Edit;
use crate::inventory::{Objects, nothing_left, objects, sweep};
use crate::release::{Release, parse};

/// How long a step may take, in seconds. Webhooks that nobody answers cost much of it.
const PATIENCE: u64 = 180;
/// What a cluster says whose nodes are only played: their pods answer nobody, and have no devices, labels, volumes
/// or classes that an administrator would have made. The agent itself may do everything.
const PLAYED: &[&str] = &[
    "is forbidden: ",
    "failing or missing response from",
    "have no addresses with port name",
];
/// By then an edit by hand is told, or taken back.
const SEEN_SECS: f64 = 5.0;
const CORRECTED_SECS: f64 = 10.0;

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

/// Values of the cases of a chart; the chart's own come first. Those that turn on everything a template mentions come
/// last: they have fields in places where servers do not know them.
fn values_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(cases) = fs::read_dir(folder.join("cases")) else {
        return Vec::new();
    };
    let mut values: Vec<PathBuf> = cases
        .map(|case| case.unwrap().path())
        .filter(|case| case.join("values.yaml").is_file() && case.join("expected.yaml").is_file())
        .map(|case| case.join("values.yaml"))
        .collect();
    let is_of = |path: &Path, case: &str| path.ends_with(format!("{case}/values.yaml"));
    values.sort_by_key(|path| {
        let is_everything = is_of(path, "features") || is_of(path, "mixed");
        (is_everything, !is_of(path, "defaults"), path.clone())
    });
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
    let mut said = Vec::new();
    let mut refused = Vec::new();
    let mut first: Option<String> = None;
    let mut is_upgraded = false;
    for values in values_of(folder) {
        match deploy(clusters, &mut release, &chart, &values).await? {
            Tried::Refused(why) => refused.push(why),
            Tried::Deployed(values) if first.is_none() => {
                said.push("installed".to_owned());
                said.extend(edit(clusters, &mut release).await?);
                first = Some(values);
            }
            Tried::Deployed(_) => {
                said.push("upgraded".to_owned());
                is_upgraded = true;
                break;
            }
        }
    }
    let Some(first) = first else {
        let why = match refused.as_slice() {
            [] => "no values are there to deploy it with".to_owned(),
            why => why.join("; "),
        };
        return Ok(format!("left out: {why}"));
    };
    if !is_upgraded && release.values != first {
        // What was refused last is still wanted.
        release.deploy(clusters, &first, PATIENCE).await?;
    }
    // Failures are revisions too, and push the first one out.
    let revisions = release.revisions(clusters).await;
    let earlier = revisions.iter().rev().find(|(_, it)| it == "superseded");
    if let Some((revision, _)) = earlier {
        release.roll_back_by_helm(clusters, *revision).await?;
        said.push("rolled back by Helm".to_owned());
    }
    if is_upgraded {
        release.deploy(clusters, &first, PATIENCE).await?;
        said.push("rolled back".to_owned());
    }
    let (revision, status) = release.shown(clusters).await;
    let history = release.history(clusters).await;
    let deployed = history.iter().filter(|it| *it == "deployed").count();
    if status != "deployed" || deployed != 1 {
        return Err(format!(
            "{status} after {}; history {history:?}",
            said.join(", ")
        ));
    }
    clusters.remove(name).await;
    let kept = nothing_left(&clusters.downstream.client, before).await?;
    said.push("removed".to_owned());
    let mut said = format!(
        "{}; {revision} revisions, {} objects stay by policy",
        said.join(", "),
        kept.len()
    );
    for why in refused {
        let _ = write!(said, "\n  left out: {why}");
    }
    Ok(said)
}

/// How a chart fared with values.
enum Tried {
    /// It runs with these.
    Deployed(String),
    /// Helm or the server takes it from nobody.
    Refused(String),
}

async fn deploy(
    clusters: &Clusters,
    release: &mut Release,
    chart: &Path,
    values: &Path,
) -> Result<Tried, String> {
    let case = values.parent().unwrap().file_name().unwrap();
    let case = case.to_string_lossy();
    let rendered = match render_with_helm(clusters, release, chart, values).await {
        Ok(rendered) => rendered,
        Err(error) => {
            return Ok(Tried::Refused(format!(
                "{case}: Helm says {}",
                brief(&error)
            )));
        }
    };
    if let Err(error) = add_kinds(clusters, &rendered).await {
        return Ok(Tried::Refused(format!(
            "{case}: kubectl says {}",
            brief(&error)
        )));
    }
    let values = fs::read_to_string(values).unwrap();
    let Err(error) = release.deploy(clusters, &values, PATIENCE).await else {
        return Ok(Tried::Deployed(values));
    };
    // What the server does not take from anybody is not to be deployed.
    match try_with_kubectl(clusters, release, &rendered).await {
        Ok(_) => {
            let pods = unscheduled(clusters, &release.namespace).await;
            let is_clusters = PLAYED.iter().any(|words| error.contains(words));
            if pods.is_empty() && !is_clusters {
                return Err(format!("{case}: {error}"));
            }
            Ok(Tried::Refused(format!("{case}: {error} {pods}")))
        }
        Err(said) => {
            let (error, said) = (brief(&error), brief(&said));
            Ok(Tried::Refused(format!(
                "{case}: kubectl says {said}, and the agent {error}"
            )))
        }
    }
}

/// What the scheduler says of pods that it has no place for, or that are left to another one.
async fn unscheduled(clusters: &Clusters, namespace: &str) -> String {
    let pods = ["get", "pods", "-n", namespace, "-o=json"];
    let pods = clusters.kubectl(&clusters.downstream, &pods).await;
    let pods: Value = serde_json::from_str(&pods.unwrap_or_default()).unwrap_or_default();
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let waits = pods.iter().filter(|pod| pod["spec"]["nodeName"].is_null());
    let says = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let mut said = conditions.filter(|it| it["reason"] == "Unschedulable");
        let said = said.next().and_then(|it| it["message"].as_str());
        let scheduler = || format!("left to {}", pod["spec"]["schedulerName"]);
        said.map_or_else(scheduler, str::to_owned)
    };
    let said: BTreeSet<String> = waits.map(says).collect();
    said.into_iter().collect::<Vec<_>>().join(" ")
}

/// The first line that is no warning, cut.
fn brief(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.starts_with("Warning:"));
    lines.next().unwrap_or_default().chars().take(300).collect()
}

/// Edits an object of what is deployed by hand: once to see it told, then with correction, twice to see it
/// taken back.
async fn edit(clusters: &Clusters, release: &mut Release) -> Result<Option<String>, String> {
    let discovery = Discovery::read(&clusters.downstream.client).await.unwrap();
    let objects = release.objects(clusters).await?;
    let Some(edit) = Edit::of(&objects, &discovery, &release.namespace) else {
        return Ok(None);
    };
    let begin = edit.make(clusters).await?;
    let seen = edit.seen(clusters, &release.name, begin).await?;
    release.correct(clusters, true).await?;
    edit.corrected(clusters, begin).await?;
    let begin = edit.make(clusters).await?;
    let corrected = edit.corrected(clusters, begin).await?;
    release.correct(clusters, false).await?;
    if seen > SEEN_SECS || corrected > CORRECTED_SECS {
        let what = edit.what();
        return Err(format!(
            "the edit of {what} was seen after {seen:.1} s and corrected after {corrected:.1} s"
        ));
    }
    Ok(Some(format!(
        "drifted (seen after {seen:.1} s), corrected (after {corrected:.1} s)"
    )))
}

/// Whether the server would take all of it.
async fn try_with_kubectl(clusters: &Clusters, release: &Release, rendered: &str) -> Printed {
    let discovery = Discovery::read(&clusters.downstream.client).await.unwrap();
    let mut objects = parse(rendered);
    for object in &mut objects {
        // Hooks and charts may bring objects of other namespaces, with which kubectl takes no flag for the others.
        let kind = |at: &str| object[at].as_str().unwrap_or_default();
        let kind = discovery.find(kind("apiVersion"), kind("kind"));
        if kind.is_ok_and(|kind| kind.namespaced) {
            let namespace = &mut object["metadata"]["namespace"];
            if namespace.as_str().is_none_or(str::is_empty) {
                *namespace = json!(release.namespace);
            }
        }
    }
    let file = clusters.folder.path().join("rendered.yaml");
    fs::write(
        &file,
        json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
    )
    .unwrap();
    let file = format!("--filename={}", file.display());
    let flags = [
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        &file,
    ];
    clusters
        .kubectl(&clusters.downstream, &[&["apply"][..], &flags].concat())
        .await
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
async fn add_kinds(clusters: &Clusters, rendered: &str) -> Result<(), String> {
    let text = |object: &Value, at: &str| {
        object
            .pointer(at)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let objects = parse(rendered);
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
        clusters
            .try_apply(&clusters.downstream, &definitions)
            .await?;
    }
    Ok(())
}
