//! Two roll-outs of one bundle to all clusters.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::limits::json_len;
use api::v1alpha1::GitRepo;

use crate::Args;
use crate::agents::Agents;
use crate::controller::{Controller, Requests, Usage, between};
use crate::fleet::{Fleet, OWNER, eventually};

/// Requests that follow a roll-out this soon belong to it.
const SETTLE: Duration = Duration::from_secs(6);

struct Round {
    time: Duration,
    usage: Usage,
    requests: Requests,
}

/// Measures and prints a row.
pub(crate) async fn measure(args: &Args) -> Result<()> {
    let fleet = Fleet::start(args.kubeconfig.as_deref()).await?;
    let controller = Controller::start(&fleet.kubeconfig, fleet.directory.path())?;
    fleet.clusters(args.clusters, args.timeout()).await?;
    fleet.owner().await?;
    let agents = Agents::start(&fleet.client, args.resources);
    controller.settled(SETTLE).await;
    let first = round(args, &fleet, &controller, &agents, 1).await?;
    let second = round(args, &fleet, &controller, &agents, 2).await?;
    let owner: GitRepo = fleet.get(OWNER).await?;
    let per_deployment =
        |round: &Round| round.requests.values().sum::<u64>() as f64 / args.clusters as f64;
    writeln!(
        std::io::stdout(),
        "| {} clusters, {} objects each | {:.2} / {:.2} | {:.2} / {:.2} s | {:.0} MiB | {:.0} kB | {:.0} / {:.0} s |",
        args.clusters,
        args.resources,
        per_deployment(&first),
        per_deployment(&second),
        first.usage.cpu_secs,
        second.usage.cpu_secs,
        second.usage.peak_mib,
        json_len(&owner.status) as f64 / 1000.0,
        first.time.as_secs_f64(),
        second.time.as_secs_f64(),
    )?;
    for round in [&first, &second] {
        writeln!(std::io::stderr(), "{:?}", round.requests)?;
    }
    Ok(())
}

async fn round(
    args: &Args,
    fleet: &Fleet,
    controller: &Controller,
    agents: &Agents,
    number: usize,
) -> Result<Round> {
    let (before, used) = (controller.requests(), controller.usage()?);
    let (start, reported) = (Instant::now(), agents.n_ready());
    fleet.bundle("load", number).await?;
    eventually("all agents reported", args.timeout(), || async {
        Ok((agents.n_ready() >= reported + args.clusters).then_some(()))
    })
    .await?;
    fleet
        .bundle_ready("load", args.clusters, args.timeout())
        .await?;
    let time = start.elapsed();
    let after = controller.settled(SETTLE).await;
    let mut usage = controller.usage()?;
    usage.cpu_secs -= used.cpu_secs;
    Ok(Round {
        time,
        usage,
        requests: between(&before, &after),
    })
}
