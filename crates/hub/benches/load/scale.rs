//! A hub of many deployments: what it holds, and how soon it answers.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use api::labels::{BUNDLE_NAMESPACE, REPO_NAME};
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use serde_json::json;

use crate::Args;
use crate::agents::{Agents, report};
use crate::controller::{Controller, between};
use crate::fleet::{Fleet, OWNER, WORKSPACE, cluster_name, eventually};

const SETTLE: Duration = Duration::from_secs(10);

/// Measures and prints rows.
pub(crate) async fn measure(args: &Args) -> Result<()> {
    let fleet = Fleet::start(args.kubeconfig.as_deref()).await?;
    let controller = Controller::start(&fleet.kubeconfig, fleet.directory.path())?;
    fleet.clusters(args.clusters, args.timeout()).await?;
    fleet.owner().await?;
    let agents = Agents::start(&fleet.client, args.resources);
    let n = args.clusters * args.bundles;
    let (start, mut last) = (Instant::now(), Instant::now());
    for i in 0..args.bundles {
        fleet.bundle(&bundle_name(i), 1).await?;
    }
    eventually("all agents reported", args.timeout(), || async {
        Ok((agents.n_ready() >= n).then_some(()))
    })
    .await?;
    for i in 0..args.bundles {
        let name = bundle_name(i);
        fleet
            .bundle_ready(&name, args.clusters, args.timeout())
            .await?;
        last = Instant::now();
    }
    let requests: u64 = controller.settled(SETTLE).await.values().sum();
    let usage = controller.usage()?;
    let what = format!(
        "{n} deployments ({} clusters x {} bundles)",
        args.clusters, args.bundles
    );
    row(&format!(
        "{what}: all Ready; controller; requests per deployment | {:.0} s; {:.0} CPU-s, {:.0} MiB, at most {:.0}; {:.2}",
        (last - start).as_secs_f64(),
        usage.cpu_secs,
        usage.rss_mib,
        usage.peak_mib,
        requests as f64 / n as f64,
    ))?;
    let seen = change(&fleet, false, args.timeout()).await?;
    change(&fleet, true, args.timeout()).await?;
    row(&format!(
        "one agent's report is in Bundle, GitRepo and Cluster after | {:.1} s",
        seen.as_secs_f64()
    ))?;
    let labelled = label(args, &fleet, &controller).await?;
    row(&format!(
        "a label on one cluster gives it the deployments of {} GitRepos after | {:.1} s",
        args.git_repos,
        labelled.as_secs_f64()
    ))?;
    let controller = restart(args, &fleet, controller).await?;
    quiet(args, &controller).await
}

fn row(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "| {text} |")?)
}

fn bundle_name(i: usize) -> String {
    format!("load-{i:03}")
}

/// The deployment of the first bundle on the first cluster.
async fn first_deployment(fleet: &Fleet) -> Result<ObjectKey> {
    let cluster: Cluster = fleet.get(&cluster_name(0)).await?;
    Ok(ObjectKey::new(cluster.status.namespace, bundle_name(0)))
}

/// Lets one agent report a change and waits until all statuses say so.
async fn change(fleet: &Fleet, is_ready: bool, timeout: Duration) -> Result<Duration> {
    let key = first_deployment(fleet).await?;
    let start = Instant::now();
    report(&fleet.client, &key, &json!({ "ready": is_ready })).await;
    shown(fleet, is_ready, timeout).await?;
    Ok(start.elapsed())
}

async fn shown(fleet: &Fleet, is_ready: bool, timeout: Duration) -> Result<()> {
    let wanted = i64::from(!is_ready);
    eventually("the report is shown", timeout, || async {
        let bundle: Bundle = fleet.get(&bundle_name(0)).await?;
        let repo: GitRepo = fleet.get(OWNER).await?;
        let cluster: Cluster = fleet.get(&cluster_name(0)).await?;
        let n_not_ready = [
            bundle.status.summary.not_ready,
            repo.status.base.summary.not_ready,
            cluster.status.summary.not_ready,
        ];
        Ok((n_not_ready == [wanted; 3]).then_some(()))
    })
    .await
}

/// Creates GitRepos for a label that no cluster has, gives it to one, and waits for the deployments.
async fn label(args: &Args, fleet: &Fleet, controller: &Controller) -> Result<Duration> {
    let repository = fleet.directory.path().join("repository");
    commit(&repository)?;
    let kind = Kind::of::<GitRepo>();
    for i in 0..args.git_repos {
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepo",
            "metadata": { "name": format!("late-{i:03}"), "namespace": WORKSPACE },
            "spec": { "repo": repository, "branch": "main", "pollingInterval": "24h",
                "paths": ["app"], "targets": [{ "clusterSelector": { "matchLabels": { "late": "yes" } } }] } });
        fleet.create(&kind, WORKSPACE, &object).await?;
    }
    let count = async |selector: Selector, kind: Kind| -> Result<usize> {
        let mut n = 0;
        let each = |_: ObjectMeta| n += 1;
        fleet.client.list(&kind, &selector, each).await?;
        Ok(n)
    };
    eventually("all repositories have bundles", args.timeout(), || async {
        let late = Selector {
            labels: Some(format!("{REPO_NAME}!={OWNER}")),
            ..Selector::namespace(WORKSPACE)
        };
        let n = count(late, Kind::of::<Bundle>()).await?;
        Ok((n >= args.git_repos).then_some(()))
    })
    .await?;
    controller.settled(SETTLE).await;
    let namespace = first_deployment(fleet).await?.namespace;
    let (key, body) = (
        ObjectKey::new(WORKSPACE, cluster_name(0)),
        json!({ "metadata": { "labels": { "late": "yes" } } }),
    );
    let start = Instant::now();
    let options = WriteOptions::default();
    let _: ObjectMeta = fleet
        .client
        .patch(
            &Kind::of::<Cluster>(),
            &key,
            None,
            Patch::Merge(&body),
            0,
            options,
        )
        .await?;
    eventually(
        "the cluster has all deployments",
        args.timeout(),
        || async {
            let there = Selector {
                labels: Some(format!("{BUNDLE_NAMESPACE}={WORKSPACE}")),
                ..Selector::namespace(namespace.clone())
            };
            let n = count(there, Kind::of::<BundleDeployment>()).await?;
            Ok((n >= args.git_repos + args.bundles).then_some(()))
        },
    )
    .await?;
    let took = start.elapsed();
    controller.settled(SETTLE).await;
    Ok(took)
}

/// A repository with one object.
fn commit(repository: &Path) -> Result<()> {
    std::fs::create_dir_all(repository.join("app"))?;
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: late\n";
    std::fs::write(repository.join("app/late.yaml"), manifest)?;
    let identity = ["-c", "user.name=load", "-c", "user.email=load@localhost"];
    for args in [
        &["init", "--quiet", "--initial-branch", "main"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "load"],
    ] {
        let mut git = Command::new("git");
        let status = git
            .current_dir(repository)
            .args(identity)
            .args(args)
            .status();
        ensure!(status.context("run git")?.success(), "git {args:?} failed");
    }
    Ok(())
}

/// Kills the controllers, lets an agent report meanwhile, and waits until new ones show it.
async fn restart(args: &Args, fleet: &Fleet, controller: Controller) -> Result<Controller> {
    drop(controller);
    let key = first_deployment(fleet).await?;
    report(&fleet.client, &key, &json!({ "ready": false })).await;
    let controller = Controller::start(&fleet.kubeconfig, fleet.directory.path())?;
    shown(fleet, false, args.timeout()).await?;
    let took = controller.started.elapsed();
    let requests = controller.settled(SETTLE).await;
    let usage = controller.usage()?;
    row(&format!(
        "a restart shows what an agent reported meanwhile after; controller; writes | {:.0} s; {:.0} CPU-s, at most {:.0} MiB; {}",
        took.as_secs_f64(),
        usage.cpu_secs,
        usage.peak_mib,
        n_writes(&requests),
    ))?;
    change(fleet, true, args.timeout()).await?;
    controller.settled(SETTLE).await;
    Ok(controller)
}

fn n_writes(requests: &crate::controller::Requests) -> u64 {
    let writes = requests
        .iter()
        .filter(|(call, _)| !call.starts_with("get "));
    writes.map(|(_, n)| n).sum()
}

/// Counts the writes of a hub on which nothing happens.
async fn quiet(args: &Args, controller: &Controller) -> Result<()> {
    let (before, used) = (controller.requests(), controller.usage()?);
    tokio::time::sleep(Duration::from_secs(args.quiet_secs)).await;
    let requests = between(&before, &controller.requests());
    let usage = controller.usage()?;
    row(&format!(
        "{} quiet seconds: writes; CPU | {}; {:.2} s",
        args.quiet_secs,
        n_writes(&requests),
        usage.cpu_secs - used.cpu_secs,
    ))?;
    Ok(writeln!(std::io::stderr(), "{requests:?}")?)
}
