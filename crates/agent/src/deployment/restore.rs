//! What is on the cluster, as the release records tell, and what the agent remembers of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use apiclient::ObjectKey;
use tokio::time::Instant;

use super::error::{Error, in_store};
use crate::agent::Agent;
use crate::kinds::Kinds;
use crate::monitor;
use crate::object::Entry;
use crate::release::{Record, release_id, store};
use crate::render;
use crate::render::ownership::Ownership;
use crate::world::{Applied, Known};

/// Reads what a revision put on the cluster; `false` when the revision does not exist, or when a later
/// one of ours was begun and may have changed its objects.
pub(super) async fn restore(
    agent: &Arc<Agent>,
    known: &Known,
    release: &ObjectKey,
    revision: u32,
) -> Result<bool, Error> {
    let history = store::history(&agent.cluster, release)
        .await
        .map_err(in_store)?;
    let is_later = |record: &Record| record.revision > revision && !record.deployment_id.is_empty();
    if history.iter().any(is_later) {
        return Ok(false);
    }
    let served = agent
        .kinds
        .fresh(&agent.cluster)
        .await
        .map_err(|source| Error::Kinds { source })?;
    let kinds = Kinds::new(served);
    let Some(recorded) = recorded(agent, release, revision, &kinds).await? else {
        return Ok(false);
    };
    let digest = history
        .iter()
        .find(|record| record.revision == revision)
        .map(|record| record.values_digest.clone());
    agent.track(known.name(), |track| {
        if track.sources.digest.is_empty() {
            track.sources.digest = digest.unwrap_or_default();
        }
    });
    register(agent, known, release_id(release, revision), recorded);
    Ok(true)
}

/// What a record says of its revision.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) inventory: Vec<Entry>,
    pub(super) first_deployed: Option<String>,
}

/// A recorded revision; `None` when it is not there.
pub(super) async fn recorded(
    agent: &Agent,
    release: &ObjectKey,
    revision: u32,
    kinds: &Kinds,
) -> Result<Option<Recorded>, Error> {
    let loaded = store::load(&agent.cluster, &agent.shared, release, revision).await;
    let Some(record) = loaded.map_err(in_store)? else {
        return Ok(None);
    };
    let record = Arc::new(record);
    let mut kinds = kinds.clone();
    let inventory = loop {
        let (record, by) = (Arc::clone(&record), kinds);
        let parsed = agent.shared.compute(move || {
            let mut unknown = BTreeSet::new();
            let (manifest, namespace) = (&record.manifest, &record.namespace);
            let inventory = render::inventory(manifest, namespace, &by, &mut unknown)?;
            Ok((inventory, unknown))
        });
        let parsed = parsed.await.map_err(|source| Error::Panicked { source })?;
        let (inventory, unknown) = parsed.map_err(|error| Error::Render(Box::new(error)))?;
        let again = agent.kinds.look_again(&agent.cluster, &unknown).await;
        match again.map_err(Error::Unclear)? {
            Some(served) => kinds = Kinds::new(served),
            None => break inventory,
        }
    };
    Ok(Some(Recorded {
        inventory,
        first_deployed: record.info.first_deployed.clone(),
    }))
}

/// Remembers what is on the cluster and has it watched.
pub(super) fn register(agent: &Arc<Agent>, known: &Known, release: String, recorded: Recorded) {
    let Recorded {
        mut inventory,
        first_deployed,
    } = recorded;
    inventory.sort_unstable();
    inventory.dedup();
    let hash = Ownership::of(known.name(), &agent.options.agent_scope).hash;
    let applied = Arc::new(Applied {
        deployment_id: known.object.spec.deployment_id.clone(),
        release,
        inventory,
        hash: hash.clone(),
        first_deployed,
        at: Instant::now(),
        account: known.object.spec.options.service_account.clone(),
    });
    agent.world(|world| {
        world.owners.insert(hash, known.name().to_owned());
        world
            .tracks
            .entry(known.name().to_owned())
            .or_default()
            .applied = Some(applied);
    });
    monitor::sync(agent);
}
