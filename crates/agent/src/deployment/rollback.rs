//! Takes back what failed, as `helm.atomic` asks: an install is uninstalled, an upgrade goes back to the
//! revision before it that was deployed.
//!
//! Can be killed anywhere: the record of the failed revision stays, and whoever finds it, or a rollback
//! that was begun, tries the upgrade again. Source: Helm `pkg/action/{install,upgrade,rollback}.go`.

use std::collections::BTreeSet;

use helm::HookEvent;
use helm::release::{Info, Release, Status};
use jiff::Timestamp;

use super::act::{Run, helm_options, readiness_timeout};
use super::error::{Error, in_store};
use super::record::with_status;
use super::restore::{Recorded, register};
use super::uninstall;
use crate::apply;
use crate::kinds::Kinds;
use crate::object::{Desired, Entry};
use crate::release::plan::to_return_to;
use crate::release::{Record, release_id, store};
use crate::render::ownership::Ownership;
use crate::render::{self, Hook};

/// Takes back what failed with `error`, and says how that ended.
pub(super) async fn after(run: &Run<'_>, error: Error) -> Error {
    let source = Box::new(error);
    let release = run.release.name.clone();
    if run.is_install {
        let gone = uninstall::now(
            run.agent,
            &run.release,
            run.known.name(),
            &run.cluster,
            uninstall::Why::Replaced,
        )
        .await;
        return match gone {
            Ok(_) => Error::TakenBack {
                release,
                how: "uninstalled",
                source,
            },
            Err(error) => Error::NotTakenBack {
                what: "uninstalling",
                of: "install",
                original: errors::chain(&*source),
                source: Box::new(Error::Uninstall(Box::new(error))),
            },
        };
    }
    let Some(target) = to_return_to(&run.history, run.revision) else {
        return Error::NoWayBack { source };
    };
    match back_to(run, target).await {
        Ok(()) => Error::TakenBack {
            release,
            how: "rolled back",
            source,
        },
        Err(error) => Error::NotTakenBack {
            what: "rolling back",
            of: "upgrade",
            original: errors::chain(&*source),
            source: Box::new(error),
        },
    }
}

/// What a revision put on the cluster, ready to be put there again.
struct Earlier {
    record: Release,
    objects: Vec<Desired>,
    hooks: Vec<Hook>,
}

/// Begins a revision with what `target` deployed and sees it through.
async fn back_to(run: &Run<'_>, target: &Record) -> Result<(), Error> {
    let kinds = run.agent.kinds.fresh(&run.agent.cluster).await;
    let kinds = Kinds::new(kinds.map_err(|source| Error::Kinds { source })?);
    let Earlier {
        record,
        objects,
        mut hooks,
    } = earlier(run, target.revision, &kinds).await?;
    let revision = run.revision.saturating_add(1);
    let now = Some(Timestamp::now().to_string());
    let record = Release {
        version: revision,
        info: Info {
            last_deployed: now,
            description: format!("Rollback to {}", target.revision),
            status: Status::PendingRollback,
            rollback_revision: target.revision,
            ..record.info
        },
        ..record
    };
    let mut record = run.write_as(&target.deployment_id, record, true).await?;
    let brought = bring(run, revision, &objects, &mut hooks, &kinds).await;
    run.forget();
    record.hooks = hooks.into_iter().map(|hook| hook.record).collect();
    if let Err(error) = brought {
        let name = &run.release.name;
        let description = format!("Rollback {name:?} failed: {}", errors::chain(&error));
        let failed = with_status(record, Status::Failed, &description);
        run.write_as(&target.deployment_id, failed, false).await?;
        return Err(error);
    }
    let description = record.info.description.clone();
    let done = with_status(record, Status::Deployed, &description);
    run.write_as(&target.deployment_id, done, false).await?;
    let history = store::history(&run.agent.cluster, &run.release).await;
    run.tidy(&history.map_err(in_store)?, revision).await
}

async fn earlier(run: &Run<'_>, revision: u32, kinds: &Kinds) -> Result<Earlier, Error> {
    let (agent, release) = (run.agent, run.release.clone());
    let loaded = store::load(&agent.cluster, &agent.shared, &release, revision).await;
    let loaded = loaded.map_err(in_store)?;
    let record = loaded.ok_or_else(|| Error::RevisionGone {
        id: release_id(&release, revision),
    })?;
    let kinds = kinds.clone();
    let ownership = Ownership::of(run.known.name(), &agent.options.agent_scope);
    let parsed = agent.shared.compute(move || {
        let objects = render::recorded_objects(&record.manifest, &release, &ownership, &kinds)?;
        let mut unknown = BTreeSet::new();
        let (hooks, at) = (&record.hooks, &release.namespace);
        let hooks = render::recorded_hooks(hooks, at, &kinds, &mut unknown)?;
        Ok(Earlier {
            record,
            objects,
            hooks,
        })
    });
    let parsed = parsed.await.map_err(|source| Error::Panicked { source })?;
    parsed.map_err(|error| Error::Render(Box::new(error)))
}

/// Hooks, objects, what the failed revision had beside them, hooks.
async fn bring(
    run: &Run<'_>,
    revision: u32,
    objects: &[Desired],
    hooks: &mut [Hook],
    kinds: &Kinds,
) -> Result<(), Error> {
    let (cluster, helm) = (&run.cluster, helm_options(run.known));
    let timeout = apply::hooks::timeout(helm.timeout_seconds);
    apply::hooks::run(cluster, hooks, HookEvent::PreRollback, timeout)
        .await
        .map_err(Error::Apply)?;
    apply::apply_all(cluster, objects, run.force())
        .await
        .map_err(Error::Apply)?;
    let failed = super::restore::recorded(run.agent, &run.release, run.revision, kinds).await?;
    let failed: BTreeSet<Entry> = failed.unwrap_or_default().inventory.into_iter().collect();
    let stale = apply::stale(&failed, objects);
    apply::delete_all(cluster, &stale, &run.owner())
        .await
        .map_err(Error::Apply)?;
    let recorded = Recorded {
        inventory: objects.iter().map(Desired::entry).collect(),
        first_deployed: None,
    };
    register(
        run.agent,
        run.known,
        release_id(&run.release, revision),
        recorded,
    );
    if let Some(timeout) = readiness_timeout(&helm) {
        run.wait(timeout, helm.wait_for_jobs).await?;
    }
    apply::hooks::run(cluster, hooks, HookEvent::PostRollback, timeout)
        .await
        .map_err(Error::Apply)
}
