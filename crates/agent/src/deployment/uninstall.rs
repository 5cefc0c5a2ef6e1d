//! Takes releases away: hooks, objects of the inventory, records.
//!
//! Can be killed anywhere: the record says `uninstalling` before anything is deleted and goes last.
//! Source: Helm `pkg/action/uninstall.go`, agent.md 7.12.
//!
//! A record that nobody vouches for may have been written by whoever may write Secrets in its namespace. It makes the
//! agent run no hook as itself, and delete only what carries the mark of a deployment.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::v1alpha1::BundleDeployment;
use apiclient::{Client, Kind, ObjectKey};
use helm::HookEvent;
use helm::release::{Release, Status};
use k8s_openapi::api::core::v1::Secret;

use super::{claims, namespace};
use crate::agent::Agent;
use crate::apply::{self, hooks};
use crate::identity;
use crate::kinds::{self, Kinds};
use crate::object::Entry;
use crate::release::plan::{applied_before, newest};
use crate::release::{self, Record, SecretMeta, store};
use crate::render;
use crate::render::ownership::{Ownership, is_agent};
use crate::shared::Panicked;
use crate::world::World;

/// An uninstall failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Records were not read or written.
    #[error("uninstall bundle {bundle}")]
    Store {
        bundle: String,
        source: store::Error,
    },
    /// The kinds of the cluster were not read.
    #[error("uninstall bundle {bundle}: read the kinds of the cluster")]
    Kinds {
        bundle: String,
        source: apiclient::Error,
    },
    /// It is not known whether recorded objects are there.
    #[error("uninstall bundle {bundle}")]
    Unclear {
        bundle: String,
        source: kinds::Unclear,
    },
    /// It is not known as whom the release was deployed.
    #[error("uninstall bundle {bundle}")]
    Identity {
        bundle: String,
        source: identity::Error,
    },
    /// A record's manifest is broken.
    #[error("uninstall bundle {bundle}: read the inventory")]
    Inventory {
        bundle: String,
        source: Box<render::Error>,
    },
    /// A hook failed or an object was not deleted.
    #[error("uninstall bundle {bundle}")]
    Apply {
        bundle: String,
        source: apply::Error,
    },
    /// A defect.
    #[error("uninstall bundle {bundle}")]
    Panicked { bundle: String, source: Panicked },
}

/// All records of releases that this agent owns.
pub(super) async fn owned(agent: &Agent) -> Result<Vec<Record>, apiclient::Error> {
    let mut records = recorded(agent).await?;
    records.retain(|record| record.agent_namespace == agent.options.agent_namespace);
    Ok(records)
}

/// The records of all releases of the cluster.
pub(crate) async fn recorded(agent: &Agent) -> Result<Vec<Record>, apiclient::Error> {
    let mut records = Vec::new();
    let each = |secret: SecretMeta| records.extend(Record::of(secret));
    agent
        .cluster
        .list(&Kind::of::<Secret>(), &store::all_records(), each)
        .await?;
    Ok(records)
}

/// What is on the cluster after an uninstall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing of it.
    Nothing,
    /// Objects that were to be kept, and what they need.
    Objects,
}

/// Uninstalls every release of a bundle.
pub(super) async fn all_of(agent: &Arc<Agent>, bundle: &str) -> Result<Left, Error> {
    let listed = owned(agent).await.map_err(|source| Error::Store {
        bundle: bundle.to_owned(),
        source: store::Error::List {
            release: ObjectKey::default(),
            source,
        },
    })?;
    let mut releases: BTreeSet<ObjectKey> = listed
        .into_iter()
        .filter(|record| record.bundle_id == bundle)
        .map(|record| record.release)
        .collect();
    // Records of upstream carry no annotations; those that were found to be ours are remembered.
    let (stale, applied) = agent.world(|world| {
        let applied = world
            .tracks
            .get(bundle)
            .and_then(|track| track.applied.clone());
        (
            world.stale.get(bundle).cloned().unwrap_or_default(),
            applied,
        )
    });
    releases.extend(stale);
    let applied = applied.and_then(|applied| release::parse_release_id(&applied.release));
    releases.extend(applied.map(|(release, _)| release));
    let mut left = Left::Nothing;
    for found in releases {
        if release(agent, &found, bundle, Why::BundleGone).await? == Left::Objects {
            left = Left::Objects;
        }
    }
    Ok(left)
}

/// Why a release goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The bundle is gone. With it goes the namespace, if that was asked for.
    BundleGone,
    /// The bundle has another release, or is about to.
    Replaced,
}

/// Uninstalls one release, if it is still the bundle's and nobody else wants it.
pub(super) async fn release(
    agent: &Arc<Agent>,
    release: &ObjectKey,
    bundle: &str,
    why: Why,
) -> Result<Left, Error> {
    let in_store = |source| Error::Store {
        bundle: bundle.to_owned(),
        source,
    };
    let (own, shared) = (&agent.cluster, &agent.shared);
    let history = store::history(own, release).await.map_err(in_store)?;
    let Some(last) = newest(&history) else {
        return Ok(Left::Nothing);
    };
    if !last.bundle_id.is_empty() && last.bundle_id != bundle {
        tracing::info!(%release, bundle, of = last.bundle_id, "the release is another bundle's now");
        return Ok(Left::Nothing);
    }
    let record = store::load(own, shared, release, last.revision)
        .await
        .map_err(in_store)?;
    let account = account(agent, release, bundle, record.as_ref()).await;
    let cluster = match &account {
        Some(account) => identity::client(agent, account).await,
        None => Ok(agent.cluster.clone()),
    };
    let cluster = &cluster.map_err(|source| Error::Identity {
        bundle: bundle.to_owned(),
        source,
    })?;
    let account = account.as_deref().unwrap_or_default();
    if let Some(heir) = agent.world(|world| claims::heir(world, release, bundle, account)) {
        tracing::info!(%release, bundle, heir, "the release is handed on");
        agent.deploys.add(heir);
        return Ok(Left::Nothing);
    }
    now(agent, release, bundle, cluster, why).await
}

/// The account of a release, as its sealed record says or the hub has said; `None` when nobody vouches for
/// the record.
async fn account(
    agent: &Agent,
    release: &ObjectKey,
    bundle: &str,
    record: Option<&Release>,
) -> Option<String> {
    if let Some(record) = record
        && agent.seal().await.is_some_and(|key| key.is_sealed(record))
    {
        let account = annotation_of(record, release::SERVICE_ACCOUNT);
        return Some(account.unwrap_or_default().to_owned());
    }
    agent.world(|world| account_by_hub(world, release, bundle))
}

/// The account of a release that this process has brought or found in place, or that the hub says it has.
fn account_by_hub(world: &World, release: &ObjectKey, bundle: &str) -> Option<String> {
    let is_it =
        |id: &str| release::parse_release_id(id).is_some_and(|(found, _)| found == *release);
    let applied = world
        .tracks
        .get(bundle)
        .and_then(|track| track.applied.as_ref());
    if let Some(applied) = applied.filter(|applied| is_it(&applied.release)) {
        return Some(applied.account.clone());
    }
    let BundleDeployment { spec, status, .. } = &world.deployments.get(bundle)?.object;
    is_it(&status.release).then(|| spec.options.service_account.clone())
}

/// Uninstalls one release, whosever it is. `cluster` is the cluster, as whom the release acts.
pub(super) async fn now(
    agent: &Arc<Agent>,
    release: &ObjectKey,
    bundle: &str,
    cluster: &Client,
    why: Why,
) -> Result<Left, Error> {
    let in_store = |source| Error::Store {
        bundle: bundle.to_owned(),
        source,
    };
    let (own, shared) = (&agent.cluster, &agent.shared);
    let history = store::history(own, release).await.map_err(in_store)?;
    let Some(last) = newest(&history) else {
        return Ok(Left::Nothing);
    };
    let record = store::load(own, shared, release, last.revision)
        .await
        .map_err(in_store)?;
    let mut left = Left::Nothing;
    if let Some(record) = record {
        if keeps_objects(&record, bundle) {
            left = Left::Objects;
        } else {
            let is_vouched = cluster.is_impersonating()
                || account(agent, release, bundle, Some(&record))
                    .await
                    .is_some();
            let asked = annotation_of(&record, release::DELETE_NAMESPACE);
            let with_namespace = is_vouched && why == Why::BundleGone && asked == Some("true");
            remove((agent, cluster), record, &history, bundle, is_vouched).await?;
            if with_namespace {
                // Before the records go: a process that ends here finds what was asked for.
                let deleted = namespace::delete(agent, cluster, release, bundle).await;
                deleted.map_err(|source| Error::Apply {
                    bundle: bundle.to_owned(),
                    source,
                })?;
            }
        }
    }
    let mut revisions: Vec<u32> = history.iter().map(|record| record.revision).collect();
    revisions.sort_unstable();
    for revision in revisions {
        store::delete(cluster, release, revision)
            .await
            .map_err(in_store)?;
    }
    tracing::info!(%release, bundle, cluster = %agent.options.cluster, "uninstalled");
    Ok(left)
}

/// Whether only the records go.
fn keeps_objects(record: &Release, bundle: &str) -> bool {
    let keep = annotation_of(record, release::KEEP_RESOURCES);
    is_agent(bundle) || keep.is_some_and(|keep| keep == "true")
}

pub(super) fn annotation_of<'a>(record: &'a Release, key: &str) -> Option<&'a str> {
    let annotations = &record.chart.as_ref()?.metadata.annotations;
    annotations.get(key).map(String::as_str)
}

async fn remove(
    (agent, cluster): (&Arc<Agent>, &Client),
    record: Release,
    history: &[Record],
    bundle: &str,
    is_vouched: bool,
) -> Result<(), Error> {
    let in_store = |source| Error::Store {
        bundle: bundle.to_owned(),
        source,
    };
    let in_apply = |source| Error::Apply {
        bundle: bundle.to_owned(),
        source,
    };
    let (own, shared) = (&agent.cluster, &agent.shared);
    let served = agent.kinds.fresh(own).await;
    let served = served.map_err(|source| Error::Kinds {
        bundle: bundle.to_owned(),
        source,
    })?;
    let kinds = Kinds::new(served);
    let release = ObjectKey::new(record.namespace.clone(), record.name.clone());
    let mut revisions = vec![record.manifest.clone()];
    for revision in applied_before(history, record.version) {
        let older = store::load(own, shared, &release, revision)
            .await
            .map_err(in_store)?;
        revisions.extend(older.map(|older| older.manifest));
    }
    if record.info.status != Status::Uninstalling {
        let status = Status::Uninstalling;
        let marked = store::change((own, cluster), shared, &release, record.version, status);
        marked.await.map_err(in_store)?;
    }
    let (entries, mut found) = inventory(agent, &record, revisions, kinds, bundle).await?;
    if !is_vouched && !found.is_empty() {
        tracing::warn!(%release, bundle, "the record is not known to be the agent's: its hooks do not run");
        found.clear();
    }
    let timeout = hooks::timeout(0);
    hooks::run(cluster, &mut found, HookEvent::PreDelete, timeout)
        .await
        .map_err(in_apply)?;
    let bundles: BTreeSet<&str> = history
        .iter()
        .map(|record| record.bundle_id.as_str())
        .filter(|bundle| !bundle.is_empty())
        .chain([bundle])
        .collect();
    let scope = &agent.options.agent_scope;
    let hashes = bundles
        .into_iter()
        .map(|name| Ownership::of(name, scope).hash);
    let owner = apply::Owner {
        hashes: hashes.collect(),
        release,
        is_vouched,
    };
    let gone = apply::stale(&entries, &[]);
    apply::delete_all(cluster, &gone, &owner)
        .await
        .map_err(in_apply)?;
    hooks::run(cluster, &mut found, HookEvent::PostDelete, timeout)
        .await
        .map_err(in_apply)
}

async fn inventory(
    agent: &Agent,
    record: &Release,
    manifests: Vec<String>,
    kinds: Kinds,
    bundle: &str,
) -> Result<(BTreeSet<Entry>, Vec<render::Hook>), Error> {
    let recorded = Arc::new((manifests, record.namespace.clone(), record.hooks.clone()));
    let mut kinds = kinds;
    loop {
        let recorded = Arc::clone(&recorded);
        let read = agent.shared.compute(move || {
            let (manifests, namespace, hooks) = &*recorded;
            let mut unknown = BTreeSet::new();
            let mut entries = BTreeSet::new();
            for manifest in manifests {
                entries.extend(render::inventory(
                    manifest,
                    namespace,
                    &kinds,
                    &mut unknown,
                )?);
            }
            let hooks = render::recorded_hooks(hooks, namespace, &kinds, &mut unknown)?;
            Ok(((entries, hooks), unknown))
        });
        let read = read.await.map_err(|source| Error::Panicked {
            bundle: bundle.to_owned(),
            source,
        })?;
        let (found, unknown) = read.map_err(|source| Error::Inventory {
            bundle: bundle.to_owned(),
            source: Box::new(source),
        })?;
        let again = agent.kinds.look_again(&agent.cluster, &unknown).await;
        match again.map_err(|source| Error::Unclear {
            bundle: bundle.to_owned(),
            source,
        })? {
            Some(served) => kinds = Kinds::new(served),
            None => return Ok(found),
        }
    }
}
