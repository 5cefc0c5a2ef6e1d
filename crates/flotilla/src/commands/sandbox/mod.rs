//! `sandbox`: a hub and downstream clusters in this process, and a deployment to all of them.
//!
//! The steps, a file each: [`world`] brings up API servers, controllers and agents; [`source`] commits
//! what is to be deployed and registers it as a GitRepo; [`progress`] follows the statuses until
//! everything is ready; [`report`] sums up.

mod progress;
mod report;
mod source;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use crate::output::{self, Format};
use source::Source;
use world::World;

/// Run a hub and downstream clusters in this process
///
/// Needs neither Docker nor Kubernetes: API servers, controllers, agents and workloads that become
/// ready live in this process. With --directory, --chart or --repo something is deployed to all
/// clusters, with its progress shown and a table at the end. It then stays up; kubectl works on the
/// hub and on every cluster with the kubeconfigs whose paths are printed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Number of downstream clusters
    #[arg(long, value_name = "N", default_value_t = 3)]
    clusters: usize,
    /// Commit this directory to a new git repository and deploy it
    #[arg(long, value_name = "DIR", group = "what")]
    directory: Option<PathBuf>,
    /// Commit this Helm chart to a new git repository and deploy it
    #[arg(long, value_name = "DIR", group = "what")]
    chart: Option<PathBuf>,
    /// Deploy this git repository: a path or a URL
    #[arg(long, value_name = "REPO", group = "what")]
    repo: Option<String>,
    /// Branch of --repo
    #[arg(long, value_name = "BRANCH", requires = "repo", default_value = "main")]
    branch: String,
    /// Address of the TLS port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where kubeconfigs, the repository and git mirrors are kept
    #[arg(long, value_name = "DIR", default_value = ".flotilla")]
    dir: PathBuf,
    /// Keep the state of all clusters here, and go on from it after a restart
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seconds between two looks at the git repository
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    polling_interval: u64,
    /// End as soon as everything is ready
    #[arg(long, requires = "what")]
    exit_when_ready: bool,
    /// Follow this many commits: after the first, each changes one value of every bundle
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "repo")]
    rounds: u32,
    /// After the last round count the hub's writes for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    quiet: u64,
    /// Seconds after which --exit-when-ready gives up, with exit code 3
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// How to print the closing table
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Exit code when not everything became ready in time.
const NOT_READY: u8 = 3;

/// Runs the command.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.clusters == 0 {
        bail!("--clusters 0: nothing can be deployed without a downstream cluster");
    }
    let stop = super::stop_on_signal();
    std::fs::create_dir_all(&args.dir).with_context(|| format!("create {}", args.dir.display()))?;
    let dir = args.dir.canonicalize()?;
    let options = world::Options {
        clusters: args.clusters,
        listen: args.listen,
        dir: dir.clone(),
        data: args.data.clone(),
        polling_interval: Duration::from_secs(args.polling_interval.max(1)),
    };
    let brought_up = tokio::select! {
        world = World::bring_up(options, &stop) => world?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let outcome = deploy(args, &brought_up, &dir, &stop).await;
    let code = match outcome {
        Ok(code) => code,
        Err(error) => {
            brought_up.shut_down().await;
            return Err(error);
        }
    };
    if !args.exit_when_ready && !stop.is_cancelled() {
        brought_up.print_kubeconfigs();
        output::note("Press Ctrl-C to end.");
        stop.cancelled().await;
    }
    brought_up.shut_down().await;
    Ok(code)
}

async fn deploy(
    args: &Args,
    world: &World,
    dir: &std::path::Path,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let source = match (&args.directory, &args.chart, &args.repo) {
        (Some(directory), ..) => Source::commit_directory(directory, dir).await?,
        (_, Some(chart), _) => Source::commit_chart(chart, dir).await?,
        (.., Some(repo)) => Source::existing(repo, &args.branch)?,
        _ => return Ok(ExitCode::SUCCESS),
    };
    output::note(&format!(
        "Deploying {} to {} clusters",
        source.title, args.clusters
    ));
    let timeout = args
        .exit_when_ready
        .then(|| Duration::from_secs(args.timeout));
    let mut code = ExitCode::SUCCESS;
    for round in 1..=args.rounds {
        let started = tokio::time::Instant::now();
        let before = world.controller.stats().calls();
        if round == 1 {
            source.register(&world.hub, world.polling_interval).await?;
        } else {
            source.change(round).await?;
            output::note(&format!("Committed change {round}"));
        }
        let wanted = progress::Wanted {
            n_clusters: args.clusters,
            commit: source.commit().await?,
        };
        let finished = progress::follow(&world.hub, &wanted, started, timeout, stop).await?;
        let report = report::Report::of(world, round, &before, &finished, started.elapsed());
        report.print(args.output)?;
        if !finished.is_ready {
            code = ExitCode::from(NOT_READY);
            break;
        }
    }
    count_quiet_writes(args.quiet, world).await;
    Ok(code)
}

/// Counts what the hub writes while nothing changes.
async fn count_quiet_writes(seconds: u64, world: &World) {
    if seconds == 0 {
        return;
    }
    // The last statuses of a roll-out are written a moment after it is done.
    tokio::time::sleep(SETTLE).await;
    let before = world.controller.stats().writes();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let writes = world.controller.stats().writes() - before;
    output::note(&format!(
        "{writes} writes of the hub in {seconds} s without a change"
    ));
}

const SETTLE: Duration = Duration::from_secs(15);
