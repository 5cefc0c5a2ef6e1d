//! Charts from outside: each installed, upgraded to other values, rolled back and removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::clusters::Clusters;
use crate::inventory::{nothing_left, objects, sweep};
use crate::release::Release;

/// How long a step may take, in seconds. Webhooks that nobody answers cost much of it.
const PATIENCE: u64 = 240;

/// Deploys every chart of the folder that Helm renders and whose kinds are all there.
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

/// Values of the cases of a chart that have no flags; the chart's own come first.
fn values_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(cases) = fs::read_dir(folder.join("cases")) else {
        return Vec::new();
    };
    let mut values: Vec<PathBuf> = cases
        .map(|case| case.unwrap().path())
        .filter(|case| case.join("values.yaml").is_file() && case.join("expected.yaml").is_file())
        .map(|case| case.join("values.yaml"))
        .collect();
    values.sort_by_key(|path| (!path.ends_with("defaults/values.yaml"), path.clone()));
    values
}

async fn one(clusters: &Clusters, name: &str, folder: &Path) -> Result<String, String> {
    let chart = folder.join("chart");
    let before = objects(&clusters.downstream.client).await;
    let mut release = Release::new(clusters, name, &chart);
    let mut deployed: Vec<String> = Vec::new();
    let mut refused = String::from("it has no values");
    for values in values_of(folder) {
        if deployed.len() == 2 {
            break;
        }
        if let Err(error) = try_with_helm(clusters, &release, &chart, &values).await {
            refused = error;
            continue;
        }
        let values = fs::read_to_string(&values).unwrap();
        match release.deploy(clusters, &values, PATIENCE).await {
            Ok(()) => deployed.push(values),
            // The folder has no definitions of other projects, and not all of the charts' own.
            Err(error) if error.contains("no matches for kind") => {
                refused = error;
                clusters.remove(name).await;
                release = Release::new(clusters, name, &chart);
                if !deployed.is_empty() {
                    deployed.clear();
                    break;
                }
            }
            Err(error) => {
                clusters.remove(name).await;
                sweep(clusters, &before).await;
                return Err(error);
            }
        }
    }
    let result = if deployed.is_empty() {
        Ok(format!("skipped: {}", refused.trim()))
    } else {
        if deployed.len() == 2 {
            release.deploy(clusters, &deployed[0], PATIENCE).await?;
        }
        let revisions = deployed.len() as u64 * 2 - 1;
        let shown = release.shown(clusters).await;
        assert_eq!(shown, (revisions, "deployed".to_owned()), "{name}");
        clusters.remove(name).await;
        let left = nothing_left(&clusters.downstream.client, &before).await;
        left.map(|kept| {
            format!(
                "{revisions} revisions; {} objects stay by policy",
                kept.len()
            )
        })
    };
    sweep(clusters, &before).await;
    result
}

/// Whether Helm renders this. What it then cannot apply is found out by applying it.
async fn try_with_helm(
    clusters: &Clusters,
    release: &Release,
    chart: &Path,
    values: &Path,
) -> Result<(), String> {
    let (chart, values) = (chart.to_str().unwrap(), values.to_str().unwrap());
    let at = ["--namespace", &release.namespace, "--values", values];
    let args = [&["template", "rel", chart][..], &at].concat();
    clusters.helm(&args).await.map(drop)
}
