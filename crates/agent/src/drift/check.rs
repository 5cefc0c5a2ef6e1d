//! Finds out about objects: reads what is live and compares it with what was deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use api::labels::OBJECT_SET_HASH;
use apiclient::{Class, Kind, Patch, Selector, WriteOptions};
use diff::compare::{
    self, Comparison, Difference, How, Identity, Rules, Scaler, compare, patch_text,
};
use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::excepted::{beyond_doubt, leave_scaled};
use super::memory::{Drift, State};
use super::packed::Packed;
use super::{Job, memory_of};
use crate::agent::Agent;
use crate::apply::is_deployer;
use crate::object::{Entry, Id, RESOURCE_POLICY, annotation, text};
use crate::release::{self, parse_release_id, store};
use crate::render;
use crate::render::ownership::Ownership;
use crate::world::{Applied, World};

/// Requests of one deployment at a time.
const CONCURRENCY: usize = 4;
/// From so many objects of a kind on they are listed.
const LIST_MIN: usize = 4;
/// A reported patch.
const PATCH_BYTES_MAX: usize = 1_024;

/// Something was not found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The record of the release was not read.
    #[error("read what was deployed")]
    Record { source: Box<store::Error> },
    /// There is no record.
    #[error("the record of release {release} is gone")]
    NoRecord { release: String },
    /// The record's objects were not read.
    #[error("read what release {release} deployed")]
    Objects {
        release: String,
        source: Box<render::Error>,
    },
    /// A defect.
    #[error("read what release {release} deployed")]
    Panicked {
        release: String,
        source: crate::shared::Panicked,
    },
    /// Objects were not read.
    #[error("read {what}: {reason}")]
    Live { what: String, reason: String },
}

/// An object that differs as far as can be told from here.
struct Suspect {
    at: usize,
    live: Value,
    found: Comparison,
    added: Vec<Difference>,
}

/// What was found out about an object.
struct Finding {
    at: usize,
    version: String,
    digest: u64,
    state: State,
}

/// Finds out what is not known of the job's objects.
pub(super) async fn all(agent: &Arc<Agent>, job: &Job) -> Result<(), Error> {
    let is_loaded = agent.world(|world| memory_of(world, job).is_some());
    if !is_loaded {
        let deployed = load(agent, job).await?;
        agent.world(|world| {
            if let Some(track) = world.tracks.get_mut(&job.name) {
                track.drift.begin(&job.applied, deployed);
            }
        });
    }
    let options = job.known.object.spec.options.diff.as_ref();
    agent.world(|world| memory_of(world, job).map(|memory| memory.follow(options)));
    let looked = look(agent, job, &due(agent, job)).await;
    extra(agent, job).await?;
    looked
}

/// What was deployed, in the order of the inventory.
async fn load(agent: &Arc<Agent>, job: &Job) -> Result<Vec<Option<Packed>>, Error> {
    let id = job.applied.release.clone();
    let gone = || Error::NoRecord {
        release: id.clone(),
    };
    let (release, revision) = parse_release_id(&id).ok_or_else(gone)?;
    let record = store::load(&agent.cluster, &agent.shared, &release, revision).await;
    let record = record.map_err(|source| Error::Record {
        source: Box::new(source),
    })?;
    let record = record.ok_or_else(gone)?;
    let applied = Arc::clone(&job.applied);
    let ownership = Ownership::of(&job.name, &agent.options.agent_scope);
    let read = move || {
        let inventory = &applied.inventory;
        let mut deployed = vec![None; inventory.len()];
        let each = |at: usize, body: &serde_json::value::RawValue| {
            deployed[at] = Some(Packed::pack(body));
        };
        render::deployed(&record.manifest, &release, &ownership, inventory, each)?;
        Ok(deployed)
    };
    let read = agent.shared.compute(read).await;
    let read = read.map_err(|source| Error::Panicked {
        release: id.clone(),
        source,
    })?;
    read.map_err(|source| Error::Objects {
        release: id,
        source: Box::new(source),
    })
}

/// Places in the inventory to look at; those that the watch has are listed first.
struct Due {
    present: Vec<usize>,
    absent: Vec<usize>,
}

fn due(agent: &Agent, job: &Job) -> Due {
    agent.world(|world| {
        let mut due = Due {
            present: Vec::new(),
            absent: Vec::new(),
        };
        let Some(track) = world.tracks.get(&job.name) else {
            return due;
        };
        let checked = track.drift.objects.iter();
        for (at, (entry, checked)) in job.applied.inventory.iter().zip(checked).enumerate() {
            let live = world.live.get(&entry.id.kind);
            let live = live.and_then(|live| live.objects.get(&entry.id.key));
            let live = live.filter(|live| *live.hash == *job.applied.hash);
            if checked.is_due(live) {
                let list = if live.is_some() {
                    &mut due.present
                } else {
                    &mut due.absent
                };
                list.push(at);
            }
        }
        due
    })
}

/// Looks at objects whatever is known of them.
pub(super) async fn again(agent: &Arc<Agent>, job: &Job, places: &[usize]) -> Result<(), Error> {
    let due = Due {
        present: Vec::new(),
        absent: places.to_vec(),
    };
    look(agent, job, &due).await
}

async fn look(agent: &Arc<Agent>, job: &Job, due: &Due) -> Result<(), Error> {
    let (rules, scalers) = agent.world(|world| {
        let scalers = scalers(world, &job.applied);
        let rules = memory_of(world, job).map(|memory| memory.rules());
        (rules.unwrap_or_default(), scalers)
    });
    let mut looking = Looking {
        agent,
        job,
        rules,
        scalers,
        suspects: Vec::new(),
        findings: Vec::new(),
        failed: None,
    };
    let mut by_kind: BTreeMap<&Arc<Kind>, Vec<usize>> = BTreeMap::new();
    for at in &due.present {
        let kind = &job.applied.inventory[*at].id.kind;
        by_kind.entry(kind).or_default().push(*at);
    }
    let mut singles = due.absent.clone();
    for (kind, places) in by_kind {
        if places.len() < LIST_MIN {
            singles.extend(places);
        } else {
            looking.list(kind, places).await;
        }
    }
    looking.get(singles).await;
    looking.confirm().await;
    looking.end()
}

struct Looking<'a> {
    agent: &'a Arc<Agent>,
    job: &'a Job,
    rules: Arc<Rules>,
    scalers: Vec<Scaler>,
    suspects: Vec<Suspect>,
    findings: Vec<Finding>,
    failed: Option<Error>,
}

impl Looking<'_> {
    /// Reads the objects of a kind, a page at a time.
    async fn list(&mut self, kind: &Arc<Kind>, places: Vec<usize>) {
        let hash = &self.job.applied.hash;
        let selector = Selector::labels(format!("{OBJECT_SET_HASH}={hash}"));
        let wanted: BTreeSet<usize> = places.into_iter().collect();
        let cluster = self.agent.cluster.clone();
        let each = |live: Value| {
            let namespace = text(&live, "/metadata/namespace");
            let key = apiclient::ObjectKey::new(namespace, text(&live, "/metadata/name"));
            let at = super::position(&self.job.applied, kind, &key);
            // What is not there any more is looked at when the watch says so.
            if let Some(at) = at.filter(|at| wanted.contains(at)) {
                self.judge(at, Some(live));
            }
        };
        if let Err(error) = cluster.list(kind, &selector, each).await {
            self.fail(kind.to_string(), &error);
        }
    }

    /// Reads objects one by one.
    async fn get(&mut self, places: Vec<usize>) {
        let (cluster, inventory) = (&self.agent.cluster, &self.job.applied.inventory);
        let read = async |at: usize| {
            let Entry { id, .. } = &inventory[at];
            (at, cluster.get::<Value>(&id.kind, &id.key).await)
        };
        let mut reads = stream::iter(places.into_iter().map(read)).buffer_unordered(CONCURRENCY);
        while let Some((at, read)) = reads.next().await {
            match read {
                Ok(live) => self.judge(at, live),
                Err(error) => self.fail(inventory[at].id.to_string(), &error),
            }
        }
    }

    fn fail(&mut self, what: String, error: &apiclient::Error) {
        let reason = crate::apply::reason(error);
        self.failed.get_or_insert(Error::Live { what, reason });
    }

    fn judge(&mut self, at: usize, live: Option<Value>) {
        let id = &self.job.applied.inventory[at].id;
        let Some(mut live) = live else {
            let identity = Identity {
                group: id.kind.group.to_string(),
                kind: id.kind.kind.to_string(),
                namespace: id.key.namespace.clone(),
                name: id.key.name.clone(),
            };
            let state = if self.rules.ignores_missing(&identity) {
                State::Excused
            } else {
                State::Missing {
                    exists: false,
                    foreign: false,
                }
            };
            return self.find(at, &Value::Null, state);
        };
        let mark = live
            .get("metadata")
            .and_then(|metadata| metadata.get("labels")?.get(OBJECT_SET_HASH)?.as_str());
        if mark != Some(&self.job.applied.hash) {
            let foreign = mark.is_some();
            let exists = true;
            return self.find(at, &live, State::Missing { exists, foreign });
        }
        let Some(deployed) = self.deployed(at) else {
            return self.find(at, &live, State::InSync);
        };
        // Elements of lists do not say what they are.
        if let Some(members) = live.as_object_mut() {
            members.insert("apiVersion".to_owned(), id.kind.api_version().into());
            members.insert("kind".to_owned(), id.kind.kind.as_ref().into());
        }
        let mut found = compare(&deployed, &live, &self.rules, How::AsSent);
        leave_scaled(&mut found.differences, &live, &self.scalers);
        let added = added(&deployed, &live, &self.rules);
        if found.differences.is_empty() && !found.doubts {
            let state = describe(id, Vec::new(), added);
            self.find(at, &live, state);
        } else {
            self.suspects.push(Suspect {
                at,
                live,
                found,
                added,
            });
        }
    }

    fn deployed(&self, at: usize) -> Option<Value> {
        let packed = self.agent.world(|world| {
            let memory = memory_of(world, self.job)?;
            memory.objects.get(at)?.deployed.clone()
        });
        serde_json::from_str(packed?.unpack()?.get()).ok()
    }

    fn find(&mut self, at: usize, live: &Value, state: State) {
        self.findings.push(Finding {
            at,
            version: text(live, "/metadata/resourceVersion").to_owned(),
            digest: content_digest(live),
            state,
        });
    }

    /// Asks the server about the suspects: it knows its defaults, its types and its webhooks.
    async fn confirm(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        for Suspect {
            at,
            live,
            found,
            added,
        } in suspects
        {
            let id = &self.job.applied.inventory[at].id;
            let packed = self.agent.world(|world| {
                let memory = memory_of(world, self.job)?;
                memory.objects.get(at)?.deployed.clone()
            });
            let Some(body) = packed.and_then(|packed| packed.unpack()) else {
                continue;
            };
            let options = WriteOptions {
                dry_run: true,
                force: true,
            };
            let predicted: Result<Value, apiclient::Error> = self
                .agent
                .cluster
                .patch(&id.kind, &id.key, None, Patch::Apply(&body), 0, options)
                .await;
            let version = |object: &Value| text(object, "/metadata/resourceVersion").to_owned();
            let differences = match predicted {
                // Somebody wrote it since it was read, and the watch has that looked at; what they wrote is no drift yet.
                Ok(predicted) if version(&predicted) != version(&live) => continue,
                Ok(predicted) => beyond_doubt(&predicted, &live, &self.rules, &self.scalers),
                Err(error) if matches!(error.class(), Class::Transient | Class::NotFound) => {
                    self.fail(id.to_string(), &error);
                    continue;
                }
                // It cannot be as it was deployed, or a webhook takes no dry runs: what is known stays.
                Err(_) => found.differences,
            };
            let state = describe(id, differences, added);
            self.find(at, &live, state);
        }
    }

    /// Remembers what was found out.
    fn end(self) -> Result<(), Error> {
        let Self {
            agent,
            job,
            findings,
            failed,
            ..
        } = self;
        agent.world(|world| {
            let Some(memory) = memory_of(world, job) else {
                return;
            };
            for finding in findings {
                let Some(checked) = memory.objects.get_mut(finding.at) else {
                    continue;
                };
                let is_new = checked.state != finding.state;
                if is_new && finding.state.is_drift() {
                    agent.options.telemetry.drift_seen();
                }
                if let (State::Differs(drift), true) = (&finding.state, is_new) {
                    let object = &job.applied.inventory[finding.at].id;
                    tracing::info!(deployment = job.name, %object, patch = drift.patch, "an object was changed");
                }
                checked.version = finding.version.into();
                checked.digest = finding.digest;
                checked.state = finding.state;
            }
        });
        failed.map_or(Ok(()), Err)
    }
}

/// What somebody added to a live object, if that counts.
pub(super) fn added(deployed: &Value, live: &Value, rules: &Rules) -> Vec<Difference> {
    if !rules.reports_additions() {
        return Vec::new();
    }
    compare::additions(deployed, live, rules, is_deployer)
}

fn describe(id: &Id, mut differences: Vec<Difference>, added: Vec<Difference>) -> State {
    let can_be_corrected = !differences.is_empty();
    differences.extend(added);
    if differences.is_empty() {
        return State::InSync;
    }
    let mut hasher = DefaultHasher::new();
    for difference in &differences {
        difference.path.to_string().hash(&mut hasher);
        difference
            .live
            .as_ref()
            .map(ToString::to_string)
            .hash(&mut hasher);
    }
    let identity = Identity {
        group: id.kind.group.to_string(),
        kind: id.kind.kind.to_string(),
        ..Identity::default()
    };
    compare::mask(&identity, &mut differences);
    State::Differs(Box::new(Drift {
        patch: patch_text(&differences, PATCH_BYTES_MAX),
        fingerprint: hasher.finish(),
        can_be_corrected,
    }))
}

/// Whether an object is certainly as it was deployed.
pub(super) fn glance(
    packed: &Packed,
    live: &Value,
    kind: &Kind,
    rules: &Rules,
    scalers: &[Scaler],
) -> bool {
    // Who wrote what is not known here.
    if rules.reports_additions() {
        return false;
    }
    let deployed = packed.unpack();
    let Some(deployed) = deployed.and_then(|body| serde_json::from_str(body.get()).ok()) else {
        return false;
    };
    let mut found = compare(&deployed, live, rules, How::AsSent);
    if !found.differences.is_empty() && matches!(&*kind.kind, "Deployment" | "StatefulSet") {
        leave_scaled(&mut found.differences, live, scalers);
    }
    found.differences.is_empty() && !found.doubts
}

/// The live autoscalers of a deployment.
pub(super) fn scalers(world: &World, applied: &Applied) -> Vec<Scaler> {
    let kinds = world
        .live
        .iter()
        .filter(|(kind, _)| Scaler::is_kind(&kind.group, &kind.kind));
    kinds
        .flat_map(|(_, live)| live.objects.values())
        .filter(|object| *object.hash == *applied.hash)
        .filter_map(|object| object.scaler.as_deref().cloned())
        .collect()
}

/// Of what counts in a live object: neither its status nor who wrote what when.
pub(super) fn content_digest(live: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (member, value) in live.as_object().into_iter().flatten() {
        match member.as_str() {
            "status" | "apiVersion" | "kind" => {}
            "metadata" => {
                let metadata = value.as_object().into_iter().flatten();
                for (member, value) in metadata {
                    if !matches!(
                        member.as_str(),
                        "resourceVersion" | "generation" | "managedFields"
                    ) {
                        (member, value.to_string()).hash(&mut hasher);
                    }
                }
            }
            _ => (member, value.to_string()).hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Finds live objects that carry our mark, were part of the revision before and are not of this one.
async fn extra(agent: &Arc<Agent>, job: &Job) -> Result<(), Error> {
    let candidates = agent.world(|world| candidates(world, &job.applied));
    if candidates.is_empty() {
        agent.world(|world| {
            if let Some(memory) = memory_of(world, job) {
                memory.extra = Vec::new();
            }
        });
        return Ok(());
    }
    let known = agent.world(|world| memory_of(world, job)?.before.clone());
    let before = match known {
        Some(before) => before,
        None => Arc::new(before(agent, job).await?),
    };
    agent.world(|world| {
        if let Some(memory) = memory_of(world, job) {
            let was = |id: &Id| before.contains(&(id.kind.kind.to_string(), id.key.name.clone()));
            memory.extra = candidates.into_iter().filter(was).collect();
            memory.before = Some(before);
        }
    });
    Ok(())
}

fn candidates(world: &World, applied: &Applied) -> Vec<Id> {
    let mut kinds: Vec<&Arc<Kind>> = applied
        .inventory
        .iter()
        .map(|entry| &entry.id.kind)
        .collect();
    kinds.dedup();
    let mut found = Vec::new();
    for kind in kinds {
        let objects = world.live.get(kind).map(|live| &live.objects);
        for (key, live) in objects.into_iter().flatten() {
            if *live.hash == *applied.hash
                && !live.is_exempt
                && super::position(applied, kind, key).is_none()
                && !is_in_another_version(applied, kind, key)
            {
                found.push(Id {
                    kind: Arc::clone(kind),
                    key: key.clone(),
                });
            }
        }
    }
    found
}

fn is_in_another_version(applied: &Applied, kind: &Kind, key: &apiclient::ObjectKey) -> bool {
    applied.inventory.iter().any(|Entry { id, .. }| {
        id.key == *key && id.kind.kind == kind.kind && id.kind.group == kind.group
    })
}

/// Kinds and names of what the revision before had, but for what stays on purpose. Empty when there is none.
async fn before(agent: &Arc<Agent>, job: &Job) -> Result<BTreeSet<(String, String)>, Error> {
    let id = job.applied.release.clone();
    let parsed = parse_release_id(&id).filter(|(_, revision)| *revision > 1);
    let Some((release, revision)) = parsed else {
        return Ok(BTreeSet::new());
    };
    let record = store::load(&agent.cluster, &agent.shared, &release, revision - 1).await;
    let record = record.map_err(|source| Error::Record {
        source: Box::new(source),
    })?;
    let Some(record) = record else {
        return Ok(BTreeSet::new());
    };
    let read = agent.shared.compute(move || {
        let documents = helm::split_manifests(&record.manifest);
        let objects = documents
            .into_iter()
            .filter_map(|document| goyaml::parse(document.as_bytes()).ok());
        objects
            .filter(|object| annotation(object, RESOURCE_POLICY) != Some("keep"))
            .map(|object| {
                let text = |pointer: &str| text(&object, pointer).to_owned();
                (text("/kind"), text("/metadata/name"))
            })
            .collect()
    });
    let release = release::release_id(&release, revision - 1);
    read.await
        .map_err(|source| Error::Panicked { release, source })
}
