//! `flotilla rollback`: takes all or some bundles and clusters of a GitRepo back to an earlier commit.
//!
//! In: a GitRepo on the hub, and what is to go back where. Out: its `spec.pins`. The hub does the rest;
//! the command waits until it has understood, and takes the pin back if it cannot.

mod plan;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::conditions::{self, STALLED};
use api::labels::{BUNDLE_NAMESPACE, CLUSTER, REPO_NAME};
use api::v1alpha1::{
    Bundle, BundleDeployment, Cluster, ClusterGroup, DeployedCommit, GitRepo, GitRepoPin, GitTarget,
};
use apiclient::{Budgets, Client, Kind, ObjectKey, Patch, Selector, WriteOptions};
use clap::ArgGroup;
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::Serialize;
use serde_json::json;
use target::matching::{ClusterFacts, GroupFacts};
use target::pins::{self, short};
use tokio::time::Instant;

use crate::output::{self, Format};
use plan::Scope;

/// Exit code when the hub did not say in time that it has understood.
const NOT_IN_TIME: u8 = 3;
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often a write is tried that somebody else got in the way of.
const ATTEMPTS: usize = 5;
/// Clusters that are named.
const NAMED_MAX: usize = 10;

/// Take all or some clusters of a GitRepo or Bundle back to an earlier commit
///
/// The clusters stay at the commit, whatever is committed, until --unpin; the others follow. What the
/// commit has is built from the repository again. GitRepo, Bundles and BundleDeployments show it: condition
/// Pinned, display.pinned, label fleet.cattle.io/pinned-commit.
///
/// Ends with 0 when the hub has taken it up, with 1 when something is wrong (a commit that the repository
/// does not have is not kept as a pin), and with 3 when the hub did not say so in time.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).args(["to", "list", "unpin"])))]
pub(crate) struct Args {
    /// The GitRepo, or bundle/NAME for one of its Bundles
    #[arg(value_name = "[gitrepo/]NAME|bundle/NAME")]
    source: String,
    /// Go back to this commit: its id, or the first digits of one that --list shows
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    /// List the commits that were deployed
    #[arg(long)]
    list: bool,
    /// Follow the repository again
    #[arg(long, visible_alias = "resume")]
    unpin: bool,
    /// Namespace of the GitRepo
    #[arg(long, short, env = "NAMESPACE", default_value = "fleet-local")]
    namespace: String,
    /// Only these clusters
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "list"
    )]
    clusters: Vec<String>,
    /// Only clusters with these labels, such as env=prod,tier!=db
    #[arg(long, value_name = "SELECTOR", conflicts_with = "list")]
    cluster_selector: Option<String>,
    /// Only clusters of this ClusterGroup; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    cluster_group: Vec<String>,
    /// Say what would be done, and change nothing
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,
    /// How many seconds the hub has to take it up; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Kubeconfig of the hub; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    namespace: String,
    git_repo: String,
    dry_run: bool,
    /// The commit that is gone back to; empty when the repository is followed again.
    commit: String,
    /// The commit that was deployed before.
    previous_commit: String,
    /// Empty means all.
    bundles: Vec<String>,
    /// Clusters of the namespace that this concerns.
    clusters: Vec<String>,
    /// All pins of the GitRepo from now on.
    pins: Vec<GitRepoPin>,
    /// The hub has taken it up.
    taken_up: bool,
}

/// A commit that one can go back to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    deployed: DeployedCommit,
    /// It is the one that clusters follow, or all stay at.
    current: bool,
    /// Something stays at it.
    pinned: bool,
}

/// Runs the command.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let kube = apiclient::connect(args.kubeconfig.as_deref()).await?;
    let hub = Hub {
        client: Client::new(kube, "flotilla-rollback", Budgets::default()),
    };
    let (key, bundles) = hub.source(args).await?;
    if args.list {
        return list(&hub.repo(&key).await?, args.output);
    }
    let scope = scope(args, bundles)?;
    roll_back(&hub, &key, &scope, args).await
}

fn list(repo: &GitRepo, format: Format) -> anyhow::Result<ExitCode> {
    let pinned: BTreeSet<&str> = repo
        .spec
        .pins
        .iter()
        .map(|pin| pin.commit.as_str())
        .collect();
    let listed = repo.status.history.iter().map(|deployed| Listed {
        deployed: deployed.clone(),
        current: deployed.commit == repo.status.commit,
        pinned: pinned.contains(deployed.commit.as_str()),
    });
    let listed: Vec<Listed> = listed.collect();
    if format != Format::Text {
        output::print_value(&listed, format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["commit", "deployed at", ""]);
    for one in &listed {
        let time = one.deployed.time.as_ref();
        let time = time.map_or_else(String::new, |time| conditions::rfc3339(time.0));
        let marks = [(one.current, "current"), (one.pinned, "pinned")];
        let marks: Vec<&str> = marks
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, mark)| *mark)
            .collect();
        table.add_row([one.deployed.commit.clone(), time, marks.join(", ")]);
    }
    let note = if listed.is_empty() {
        "\nNothing was deployed yet, or by an older version. Any commit of the repository will do.\n"
    } else {
        "\nAny other commit of the repository will do too.\n"
    };
    output::print(&format!("{table}{note}"))?;
    Ok(ExitCode::SUCCESS)
}

fn scope(args: &Args, bundles: Vec<String>) -> anyhow::Result<Scope> {
    let mut targets: Vec<GitTarget> = Vec::new();
    targets.extend(args.clusters.iter().map(|name| GitTarget {
        cluster_name: name.clone(),
        ..GitTarget::default()
    }));
    if let Some(given) = &args.cluster_selector {
        targets.push(GitTarget {
            cluster_selector: Some(plan::selector(given)?),
            ..GitTarget::default()
        });
    }
    targets.extend(args.cluster_group.iter().map(|name| GitTarget {
        cluster_group: name.clone(),
        ..GitTarget::default()
    }));
    if targets.iter().any(|target| *target == GitTarget::default()) {
        bail!("a cluster or group has no name");
    }
    Ok(Scope { bundles, targets })
}

async fn roll_back(
    hub: &Hub,
    key: &ObjectKey,
    scope: &Scope,
    args: &Args,
) -> anyhow::Result<ExitCode> {
    let clusters = hub.clusters(key, scope).await?;
    if clusters.is_empty() && args.to.is_some() {
        bail!("no cluster that gitrepo {key} is deployed to, or could be, is meant");
    }
    for _ in 0..ATTEMPTS {
        let repo = hub.repo(key).await?;
        let (commit, pins) = match &args.to {
            Some(given) => {
                let commit = plan::commit(given, &repo.status.history)?;
                let pins = plan::add(&repo.spec.pins, scope, &commit)?;
                (commit, pins)
            }
            None => (String::new(), plan::remove(&repo.spec.pins, scope)?),
        };
        let mut outcome = Outcome {
            namespace: key.namespace.clone(),
            git_repo: key.name.clone(),
            dry_run: args.dry_run,
            commit,
            previous_commit: repo.status.commit.clone(),
            bundles: scope.bundles.clone(),
            clusters: clusters.clone(),
            pins,
            taken_up: false,
        };
        if args.dry_run {
            return print(&outcome, args.output, 0);
        }
        let generation = if outcome.pins == repo.spec.pins {
            repo.metadata.generation.unwrap_or_default()
        } else {
            match hub.write(key, &repo, &outcome.pins).await? {
                Some(generation) => generation,
                None => continue,
            }
        };
        let patience = Duration::from_secs(args.timeout);
        outcome.taken_up = hub.wait(key, &repo, &outcome, generation, patience).await?;
        let is_late = !outcome.taken_up && args.timeout > 0;
        return print(&outcome, args.output, if is_late { NOT_IN_TIME } else { 0 });
    }
    bail!("gitrepo {key} is changed by others all the time; try again")
}

fn print(outcome: &Outcome, format: Format, code: u8) -> anyhow::Result<ExitCode> {
    if format == Format::Text {
        output::print(&outcome.text())?;
    } else {
        output::print_value(outcome, format)?;
    }
    if code == NOT_IN_TIME {
        output::note("the hub has not taken it up yet; it will as soon as it can");
    }
    Ok(ExitCode::from(code))
}

impl Outcome {
    fn text(&self) -> String {
        let what = match self.bundles.as_slice() {
            [] => format!("gitrepo {}/{}", self.namespace, self.git_repo),
            some => format!("bundle {}/{}", self.namespace, some.join(", ")),
        };
        let (named, more) = self.clusters.split_at(self.clusters.len().min(NAMED_MAX));
        let mut clusters = named.join(", ");
        if !more.is_empty() {
            clusters = format!("{clusters} and {} more", more.len());
        }
        let n = self.clusters.len();
        let would = if self.dry_run { "would " } else { "" };
        let deed = match self.commit.as_str() {
            "" => format!("{what}: {would}follow the repository again"),
            commit => format!("{what}: {would}stay at {commit}"),
        };
        let pins = match pins::describe(&self.pins).as_str() {
            "" => "nothing is pinned".to_owned(),
            pins => format!("pinned: {pins}"),
        };
        let previous = short(&self.previous_commit);
        format!("{deed}\n  on {n} clusters: {clusters}\n  deployed before: {previous}\n  {pins}\n")
    }
}

/// Requests to the hub.
struct Hub {
    client: Client,
}

impl Hub {
    async fn repo(&self, key: &ObjectKey) -> anyhow::Result<GitRepo> {
        let repo: Option<GitRepo> = self.client.get(&Kind::of::<GitRepo>(), key).await?;
        repo.with_context(|| format!("gitrepo {key} does not exist"))
    }

    /// The GitRepo that is named, by itself or by a Bundle, and the Bundles that are meant.
    async fn source(&self, args: &Args) -> anyhow::Result<(ObjectKey, Vec<String>)> {
        let here = |name: &str| ObjectKey::new(args.namespace.clone(), name);
        let (kind, name) = args
            .source
            .split_once('/')
            .unwrap_or(("gitrepo", &args.source));
        match kind {
            "gitrepo" | "gitrepos" => Ok((here(name), Vec::new())),
            "bundle" | "bundles" => {
                let key = here(name);
                let bundle: Option<Bundle> = self.client.get(&Kind::of::<Bundle>(), &key).await?;
                let bundle = bundle.with_context(|| format!("bundle {key} does not exist"))?;
                let labels = bundle.metadata.labels.unwrap_or_default();
                let repo = labels.get(REPO_NAME).with_context(|| {
                    format!("bundle {key} comes from no GitRepo: apply its earlier files again")
                })?;
                Ok((here(repo), vec![name.to_owned()]))
            }
            other => bail!("{other}/{name}: only a gitrepo or a bundle can go back"),
        }
    }

    /// Names of the clusters that are meant: those of the namespace, and those that are deployed to.
    async fn clusters(&self, key: &ObjectKey, scope: &Scope) -> anyhow::Result<Vec<String>> {
        let near = Selector {
            namespace: Some(key.namespace.clone()),
            ..Selector::default()
        };
        let (mut clusters, mut groups) = (Vec::<Cluster>::new(), Vec::<ClusterGroup>::new());
        let (cluster, group) = (Kind::of::<Cluster>(), Kind::of::<ClusterGroup>());
        let client = &self.client;
        client
            .list(&cluster, &near, |one| clusters.push(one))
            .await?;
        client.list(&group, &near, |one| groups.push(one)).await?;
        let deployed = Selector {
            labels: Some(format!(
                "{REPO_NAME}={},{BUNDLE_NAMESPACE}={}",
                key.name, key.namespace
            )),
            ..Selector::default()
        };
        let mut on = BTreeSet::new();
        let each = |one: BundleDeployment| {
            let mut labels = one.metadata.labels.unwrap_or_default();
            on.extend(labels.remove(CLUSTER));
        };
        let deployments = Kind::of::<BundleDeployment>();
        client.list(&deployments, &deployed, each).await?;
        let pin = GitRepoPin {
            targets: scope.targets.clone(),
            ..GitRepoPin::default()
        };
        let meant = clusters.iter().filter(|cluster| {
            let name = cluster.metadata.name.as_deref().unwrap_or_default();
            let is_deployed = on.contains(name) || on.is_empty();
            is_deployed && is_meant(&pin, name, cluster, &groups)
        });
        let names = meant.filter_map(|cluster| cluster.metadata.name.clone());
        // Clusters of other namespaces are known by name only.
        let elsewhere = scope.targets.iter().map(|target| &target.cluster_name);
        let elsewhere = elsewhere.filter(|name| on.contains(*name)).cloned();
        let all: BTreeSet<String> = names.chain(elsewhere).collect();
        Ok(all.into_iter().collect())
    }

    /// Writes the pins; the generation they make, or `None` if somebody else wrote meanwhile.
    async fn write(
        &self,
        key: &ObjectKey,
        repo: &GitRepo,
        pins: &[GitRepoPin],
    ) -> anyhow::Result<Option<i64>> {
        let body = json!({
            "metadata": { "resourceVersion": repo.metadata.resource_version },
            "spec": { "pins": (!pins.is_empty()).then_some(pins) },
        });
        let (kind, options) = (Kind::of::<GitRepo>(), WriteOptions::default());
        let patch = Patch::Merge(&body);
        let written: Result<GitRepo, _> =
            self.client.patch(&kind, key, None, patch, 0, options).await;
        match written {
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error.into()),
            Ok(written) if written.spec.pins != pins => bail!(
                "the hub does not keep pins: its CustomResourceDefinitions are not Flotilla's (`flotilla crds`)"
            ),
            Ok(written) => Ok(Some(written.metadata.generation.unwrap_or_default())),
        }
    }

    /// Waits until the hub has taken up a generation. A commit that it cannot use is taken back.
    async fn wait(
        &self,
        key: &ObjectKey,
        before: &GitRepo,
        outcome: &Outcome,
        generation: i64,
        patience: Duration,
    ) -> anyhow::Result<bool> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let repo = self.repo(key).await?;
            let status = &repo.status;
            let stalled = conditions::get(&status.base.conditions, STALLED);
            let stalled = stalled.filter(|condition| condition.status == "True");
            match stalled {
                None if status.observed_generation >= generation => return Ok(true),
                Some(found) if names(&found.message, &outcome.commit) => {
                    self.write(key, &repo, &before.spec.pins).await?;
                    bail!(
                        "{}; nothing is pinned to it, what runs stays",
                        found.message
                    );
                }
                _ => tokio::time::sleep(INTERVAL).await,
            }
        }
        Ok(false)
    }
}

fn names(message: &str, commit: &str) -> bool {
    !commit.is_empty() && message.contains(commit)
}

fn is_meant(pin: &GitRepoPin, name: &str, cluster: &Cluster, groups: &[ClusterGroup]) -> bool {
    let none = std::collections::BTreeMap::new();
    let labels = cluster.metadata.labels.as_ref().unwrap_or(&none);
    let own = groups.iter().filter(|group| {
        let selector = group.spec.selector.as_ref();
        selector.is_some_and(|selector| selector.matches(labels))
    });
    let own: Vec<GroupFacts<'_>> = own
        .map(|group| GroupFacts {
            name: group.metadata.name.as_deref().unwrap_or_default(),
            labels: group.metadata.labels.as_ref().unwrap_or(&none),
        })
        .collect();
    let facts = ClusterFacts {
        name,
        labels,
        groups: &own,
    };
    pins::matches(pin, &facts)
}
