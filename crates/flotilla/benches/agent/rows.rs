//! The rows. Edits by hand are told, and taken back, in all of them (`correctDrift`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use apiclient::Discovery;
use conformance::control_plane::Options;
use serde_json::{Value, json};

use crate::Args;
use crate::clusters::Clusters;
use crate::edits::Edit;
use crate::goals;
use crate::process::usage;

/// How long an agent gets to put away what its last work needed.
const REST: Duration = Duration::from_secs(30);

/// What makes a bundle one whose edits are taken back.
const CORRECTED: &str = "correctDrift: {enabled: true}\n";
/// By then the agent knows of other options.
const SETTLE: Duration = Duration::from_secs(5);

/// What a request of the agent to its own cluster leaves behind in the audit log.
const AUDIT: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: [\"system:serviceaccount:cattle-fleet-system:fleet-agent\"]
- level: None
";

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Prints a row, and returns whether it reaches its goals.
fn row(row: Value) -> bool {
    let (row, holds) = goals::judge(row);
    println!("{row}");
    holds
}

/// The size of the program, and whether it needs libraries of the system.
pub(crate) fn binary(args: &Args) -> bool {
    let program = args.agent.as_ref().unwrap_or(&args.program);
    let size = fs::metadata(program).unwrap().len();
    let linked = Command::new("ldd").arg(program).output().unwrap();
    // Of a static program at a fixed address, ldd says that it cannot tell.
    let is_static = !linked.status.success() || linked.stdout.ends_with(b"statically linked\n");
    row(json!({"name": "binary", "size_mb": round(size as f64 / 1e6), "static": is_static}))
}

async fn start(args: &Args) -> Clusters {
    let policy = tempfile::NamedTempFile::new().unwrap();
    fs::write(policy.path(), AUDIT).unwrap();
    let options = Options {
        nodes: 3,
        apiserver: vec![
            format!("--audit-policy-file={}", policy.path().display()),
            "--audit-log-path=audit.log".to_owned(),
            "--audit-log-mode=blocking".to_owned(),
        ],
        ..Options::default()
    };
    Clusters::start(
        &args.kube_bin,
        &args.program,
        args.agent.as_deref(),
        options,
    )
    .await
}

/// Requests of the agent to its cluster so far: watches, and others.
fn requests(clusters: &Clusters) -> (usize, usize) {
    let log = clusters.downstream.plane.folder().join("audit.log");
    let log = fs::read_to_string(log).unwrap_or_default();
    let (watches, others): (Vec<&str>, Vec<&str>) = log
        .lines()
        .partition(|line| line.contains("\"verb\":\"watch\""));
    (watches.len(), others.len())
}

/// One chart.
pub(crate) async fn chart(args: &Args, chart: &Path) -> bool {
    let clusters = start(args).await;
    let agent = clusters.agent.as_ref().unwrap().id();
    let folder = clusters.folder.path().join("bundle");
    copy(chart, &folder.join("chart"));
    let mut options = format!(
        "{CORRECTED}defaultNamespace: monitoring\nhelm:\n  releaseName: rel\n  chart: chart\n  disablePreProcess: true\n"
    );
    if let Some(values) = &args.values {
        fs::copy(values, folder.join("values.yaml")).unwrap();
        options.push_str("  valuesFiles: [values.yaml]\n");
    }
    fs::write(folder.join("fleet.yaml"), &options).unwrap();
    let idle = usage(agent);
    let begin = Instant::now();
    clusters.deploy("chart", &folder).await.unwrap();
    clusters.ready("chart", "", 600).await.unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    let ready = usage(agent);
    tokio::time::sleep(REST).await;
    let steady = usage(agent);
    let (watches, others) = requests(&clusters);
    let holds = row(
        json!({"name": "chart", "steady_mib": round(steady.rss_mib), "peak_mib": round(steady.peak_mib),
        "cpu_s": round(ready.cpu_s), "idle_mib": round(idle.rss_mib), "idle_cpu_s": round(idle.cpu_s),
        "ready_mib": round(ready.rss_mib), "anonymous_mib": round(steady.anonymous_mib), "wall_s": round(seconds), "watches": watches,
        "requests": others}),
    );
    let manifest = ["get", "manifest", "rel", "-n", "monitoring"];
    let manifest = clusters.helm(&manifest).await.unwrap();
    let objects = parse(&manifest);
    let untold = options.replace(CORRECTED, "");
    let bundle = Bundle {
        name: "chart",
        applied: ("chart", &folder),
        options: &folder.join("fleet.yaml"),
        untold: &untold,
    };
    holds & edits(args, &clusters, "edit", &bundle, &objects).await
}

/// Many bundles, and nothing to do.
pub(crate) async fn many(args: &Args) -> bool {
    let clusters = start(args).await;
    let agent = clusters.agent.as_ref().unwrap().id();
    let begin = Instant::now();
    let root = clusters.folder.path().join("many");
    for number in 0..args.bundles {
        let folder = root.join(format!("b{number:03}"));
        fs::create_dir_all(&folder).unwrap();
        let namespace = format!("{CORRECTED}defaultNamespace: many-{}\n", number % 10);
        fs::write(folder.join("fleet.yaml"), namespace).unwrap();
        fs::write(folder.join("objects.yaml"), objects(number, args.objects)).unwrap();
    }
    clusters.deploy("many", &root).await.unwrap();
    for number in 0..args.bundles {
        let name = format!("many-b{number:03}");
        clusters.ready(&name, "", 900).await.unwrap();
    }
    let (seconds, ready) = (begin.elapsed().as_secs_f64(), usage(agent));
    tokio::time::sleep(REST).await;
    let (_, before) = requests(&clusters);
    let quiet = usage(agent);
    tokio::time::sleep(Duration::from_secs(args.quiet_secs)).await;
    let (watches, after) = requests(&clusters);
    let steady = usage(agent);
    let holds = row(
        json!({"name": "many", "steady_mib": round(steady.rss_mib), "peak_mib": round(steady.peak_mib),
        "cpu_s": round(ready.cpu_s), "anonymous_mib": round(steady.anonymous_mib), "bundles": args.bundles, "objects": args.bundles * args.objects,
        "quiet_secs": args.quiet_secs, "quiet_cpu_s": round(steady.cpu_s - quiet.cpu_s),
        "requests_per_s": round((after - before) as f64 / args.quiet_secs as f64),
        "requests": after, "watches": watches, "wall_s": round(seconds)}),
    );
    let objects = parse(&objects(0, args.objects));
    let bundle = Bundle {
        name: "many-b000",
        applied: ("many", &root),
        options: &root.join("b000/fleet.yaml"),
        untold: "defaultNamespace: many-0\n",
    };
    holds & edits(args, &clusters, "many_edit", &bundle, &objects).await
}

/// What is edited by hand.
struct Bundle<'a> {
    name: &'a str,
    /// What is given to `flotilla apply`: a name and a folder.
    applied: (&'a str, &'a Path),
    /// Its `fleet.yaml`, and what is in there when nothing is corrected.
    options: &'a Path,
    untold: &'a str,
}

/// How long it takes until an edit is taken back, and, where it is not, until it is told; the slowest of some.
async fn edits(
    args: &Args,
    clusters: &Clusters,
    name: &str,
    bundle: &Bundle<'_>,
    objects: &[Value],
) -> bool {
    let agent = clusters.agent.as_ref().unwrap().id();
    let before = usage(agent);
    let discovery = Discovery::read(&clusters.downstream.client).await.unwrap();
    let deployment = clusters.deployment(bundle.name).await.unwrap();
    let namespace = deployment.spec.options.default_namespace;
    let edit = Edit::of(objects, &discovery, &namespace).unwrap();
    let (mut corrected, mut seen) = (0.0_f64, 0.0_f64);
    for _ in 0..args.edits {
        let begin = edit.make(clusters).await.unwrap();
        corrected = corrected.max(edit.corrected(clusters, begin).await.unwrap());
        edit.undo(clusters, bundle.name).await.unwrap();
    }
    fs::write(bundle.options, bundle.untold).unwrap();
    let (applied, folder) = bundle.applied;
    clusters.deploy(applied, folder).await.unwrap();
    tokio::time::sleep(SETTLE).await;
    for _ in 0..args.edits {
        let begin = edit.make(clusters).await.unwrap();
        seen = seen.max(edit.seen(clusters, bundle.name, begin).await.unwrap());
        edit.undo(clusters, bundle.name).await.unwrap();
    }
    let after = usage(agent);
    row(
        json!({"name": name, "what": edit.what(), "edits": args.edits, "seen_s": round(seen),
        "corrected_s": round(corrected), "steady_mib": round(after.rss_mib),
        "peak_mib": round(after.peak_mib), "cpu_s": round(after.cpu_s - before.cpu_s)}),
    )
}

/// A tenth are Deployments, the rest ConfigMaps, Secrets, Services and ServiceAccounts.
fn objects(bundle: usize, count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let name = format!("o-{bundle}-{number}");
        let object = match number % 10 {
            0 => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": "example/main:1"}]}}}}),
            1 => json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80}], "clusterIP": "None"}}),
            2 => json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
            3 | 4 => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                "stringData": {"password": "x".repeat(200)}}),
            _ => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"key": "x".repeat(500)}}),
        };
        let _ = writeln!(text, "---\n{object}");
    }
    text
}

/// The documents of a manifest that are objects.
fn parse(manifest: &str) -> Vec<Value> {
    goyaml::documents::split(manifest)
        .filter_map(|part| goyaml::parse(part.text.as_bytes()).ok())
        .filter(Value::is_object)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
