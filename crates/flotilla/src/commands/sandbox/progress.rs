//! Follows a deployment from the statuses on the hub until everything is ready.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use api::conditions::{READY, is_true, message};
use api::state::State;
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::{Client, Event, Kind, ObjectKey, Selector};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::source::WORKSPACE;
use crate::output;

const TICK: Duration = Duration::from_millis(200);
/// Between two lines when nobody sees a moving display.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What has to be reached.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Clusters that have to be ready.
    pub(super) n_clusters: usize,
    /// The commit that has to be deployed, where it is known.
    pub(super) commit: Option<String>,
}

/// How a deployment ended.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) is_ready: bool,
    pub(super) n_bundles: usize,
    pub(super) n_deployments: usize,
    pub(super) n_resources: i64,
    pub(super) n_clusters_ready: usize,
    /// Why it is not ready, for people.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default)]
struct View {
    deployments: BTreeMap<ObjectKey, (State, i64)>,
    bundles: BTreeMap<ObjectKey, (bool, String)>,
    clusters: BTreeMap<ObjectKey, bool>,
    git_repos: BTreeMap<ObjectKey, (bool, String)>,
    commits: BTreeMap<ObjectKey, String>,
}

impl View {
    fn deployment(&mut self, event: Event<BundleDeployment>) {
        note(&mut self.deployments, event, |deployment| {
            (
                State::of(deployment),
                deployment.status.resource_counts.desired_ready,
            )
        });
    }

    fn bundle(&mut self, event: Event<Bundle>) {
        note(&mut self.bundles, event, |bundle| {
            let (status, generation) = (&bundle.status, bundle.metadata.generation.unwrap_or(0));
            let summary = &status.summary;
            let ready = is_true(&status.conditions, READY)
                && status.observed_generation == generation
                && summary.ready == summary.desired_ready
                && summary.desired_ready > 0;
            (ready, message(&status.conditions, READY).to_owned())
        });
    }

    fn cluster(&mut self, event: Event<Cluster>) {
        note(&mut self.clusters, event, |cluster| {
            let (summary, status) = (&cluster.status.summary, &cluster.status);
            summary.desired_ready > 0
                && summary.ready == summary.desired_ready
                && is_true(&status.conditions, READY)
        });
    }

    fn git_repo(&mut self, event: Event<GitRepo>) {
        if let Event::Applied(repo) = &event {
            self.commits
                .insert(apiclient::Object::key(repo), repo.status.commit.clone());
        }
        note(&mut self.git_repos, event, |repo| {
            let (base, status) = (&repo.status.base, &repo.status);
            let ready = is_true(&base.conditions, READY)
                && status.git_job_status == "Current"
                && status.observed_generation == repo.metadata.generation.unwrap_or(0)
                && base.summary.desired_ready > 0
                && base.summary.ready == base.summary.desired_ready;
            (ready, message(&base.conditions, READY).to_owned())
        });
    }

    fn count(&self, state: State) -> usize {
        self.deployments
            .values()
            .filter(|(found, _)| *found == state)
            .count()
    }

    fn n_clusters_ready(&self) -> usize {
        self.clusters.values().filter(|ready| **ready).count()
    }

    /// Every status says so: GitRepo, Bundles, Clusters and BundleDeployments.
    fn is_ready(&self, wanted: &Wanted) -> bool {
        let commit = wanted.commit.as_ref();
        if commit.is_some_and(|commit| self.commits.values().any(|found| found != commit)) {
            return false;
        }
        let repos = !self.git_repos.is_empty() && self.git_repos.values().all(|(ready, _)| *ready);
        let bundles = !self.bundles.is_empty() && self.bundles.values().all(|(ready, _)| *ready);
        repos
            && bundles
            && self.n_clusters_ready() == wanted.n_clusters
            && self.count(State::Ready) == self.deployments.len()
    }

    fn line(&self, n_clusters: usize) -> String {
        let mut line = format!("clusters {}/{n_clusters} ready", self.n_clusters_ready());
        for state in State::ALL
            .into_iter()
            .filter(|state| self.count(*state) > 0)
        {
            // Writing to a string cannot fail.
            let _ = write!(line, "  {state} {}", self.count(state));
        }
        if self.deployments.is_empty() {
            line.push_str("  waiting for bundles");
        }
        line
    }

    fn finished(&self, wanted: &Wanted) -> Finished {
        let is_ready = self.is_ready(wanted);
        let unready = self
            .git_repos
            .iter()
            .chain(&self.bundles)
            .filter(|(_, (ready, _))| !ready);
        let problems = unready.map(|(key, (_, message))| format!("{}: {message}", key.name));
        Finished {
            is_ready,
            n_bundles: self.bundles.len(),
            n_deployments: self.deployments.len(),
            n_resources: self
                .deployments
                .values()
                .map(|(_, resources)| resources)
                .sum(),
            n_clusters_ready: self.n_clusters_ready(),
            problems: if is_ready {
                Vec::new()
            } else {
                problems.collect()
            },
        }
    }
}

fn note<T: apiclient::Object, V>(
    map: &mut BTreeMap<ObjectKey, V>,
    event: Event<T>,
    value: impl FnOnce(&T) -> V,
) {
    match event {
        Event::Applied(object) => {
            map.insert(object.key(), value(&object));
        }
        Event::Deleted(key) => {
            map.remove(&key);
        }
        Event::Synced | Event::NotServed => {}
    }
}

/// Shows the progress until everything is ready, `timeout` has passed or a signal came.
pub(super) async fn follow(
    hub: &Client,
    wanted: &Wanted,
    started: Instant,
    timeout: Option<Duration>,
    stop: &CancellationToken,
) -> anyhow::Result<Finished> {
    let here = || Selector::namespace(WORKSPACE);
    let mut deployments =
        hub.watch::<BundleDeployment>(&Kind::of::<BundleDeployment>(), Selector::default());
    let mut bundles = hub.watch::<Bundle>(&Kind::of::<Bundle>(), here());
    let mut clusters = hub.watch::<Cluster>(&Kind::of::<Cluster>(), here());
    let mut git_repos = hub.watch::<GitRepo>(&Kind::of::<GitRepo>(), here());
    let mut view = View::default();
    let mut display = Display::new(started)?;
    let mut tick = tokio::time::interval(TICK);
    let deadline = timeout.map(|timeout| started + timeout);
    loop {
        tokio::select! {
            Some(event) = deployments.next() => view.deployment(event),
            Some(event) = bundles.next() => view.bundle(event),
            Some(event) = clusters.next() => view.cluster(event),
            Some(event) = git_repos.next() => view.git_repo(event),
            _ = tick.tick() => display.show(&view.line(wanted.n_clusters)),
            () = stop.cancelled() => break,
            () = passed(deadline) => break,
        }
        if view.is_ready(wanted) {
            break;
        }
    }
    display.finish(&view.line(wanted.n_clusters));
    Ok(view.finished(wanted))
}

/// Ends when the instant has come; never without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A moving line for people, a line now and then for logs.
struct Display {
    bar: Option<ProgressBar>,
    started: Instant,
    last: Option<Instant>,
}

impl Display {
    fn new(started: Instant) -> anyhow::Result<Self> {
        let bar = output::stderr_is_terminal().then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
        }
        Ok(Self {
            bar,
            started,
            last: None,
        })
    }

    fn show(&mut self, line: &str) {
        let line = self.with_time(line);
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            bar.tick();
            return;
        }
        let due = self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if due {
            self.last = Some(Instant::now());
            output::note(&line);
        }
    }

    fn finish(&self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        output::note(&self.with_time(line));
    }

    fn with_time(&self, line: &str) -> String {
        format!("{:6.1} s  {line}", self.started.elapsed().as_secs_f64())
    }
}
