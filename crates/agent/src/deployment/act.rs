//! Installs or upgrades a release.
//!
//! The order is what makes it safe to be killed anywhere: first the record says what is going to be
//! on the cluster (`pending-…`), then the objects come, then the record says that they are there
//! (`deployed`). Whoever finds a record that is pending, and of the wanted deployment, goes on with the
//! same revision; whoever finds it deployed has nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::{HelmOptions, Values};
use apiclient::ObjectKey;
use helm::HookEvent;
use helm::release::{Info, Release, Status, StoredChart};
use jiff::Timestamp;
use tokio::time::Instant;

use super::error::{Error, in_store, in_values};
use super::restore::{Recorded, recorded, register, restore};
use super::{copies, policy, uninstall};
use crate::agent::Agent;
use crate::kinds::{Kinds, Served};
use crate::monitor::{Tally, View, view};
use crate::object::Entry;
use crate::release::plan::{
    Next, applied_before, is_install, labels, next, to_forget, to_supersede,
};
use crate::release::{self, Record, release_id, store};
use crate::render::lookup::Lookup;
use crate::render::ownership::Ownership;
use crate::render::{self, Input, Rendered};
use crate::source::{self, Built, Recipe, values};
use crate::world::{Applied, Known};
use crate::{apply, kinds};

/// How often, and after which pause, kinds are looked up again that the cluster does not know.
const KIND_RETRIES: u32 = 3;
const KIND_PAUSE: Duration = Duration::from_secs(1);

/// One deployment on its way.
struct Run<'a> {
    agent: &'a Arc<Agent>,
    known: &'a Known,
    release: ObjectKey,
    revision: u32,
    /// The record of the revision exists: another run began it.
    is_begun: bool,
    /// Nothing of the release is there before this revision.
    is_install: bool,
    history: Vec<Record>,
}

/// What earlier revisions, and an earlier attempt at this one, left behind.
#[derive(Default)]
struct Before {
    /// May be on the cluster.
    entries: BTreeSet<Entry>,
    first_deployed: Option<String>,
}

/// Installs or upgrades. `before` is what is on the cluster as far as this process knows.
///
/// `is_forced`: what is deployed is rendered anew, because a copy has changed.
pub(super) async fn deploy(
    agent: &Arc<Agent>,
    known: &Known,
    before: Option<Arc<Applied>>,
    is_forced: bool,
) -> Result<(), Error> {
    let release = release::release_of(&known.object);
    helm::release::check_name(&release.name).map_err(Error::Name)?;
    check_policy(agent, known, &release.namespace).await?;
    copies::bring(agent, known, &release.namespace)
        .await
        .map_err(|error| Error::Copies(Box::new(error)))?;
    let values = hub_values(agent, known).await?;
    let _room = agent.shared.deployment().await;
    let mut history = store::history(&agent.cluster, &release)
        .await
        .map_err(in_store)?;
    let mut step = next(&history, &known.object.spec.deployment_id, is_forced);
    if step == Next::Uninstall {
        let uninstalled = uninstall::release(agent, &release, known.name()).await;
        uninstalled.map_err(|error| Error::Uninstall(Box::new(error)))?;
        history = store::history(&agent.cluster, &release)
            .await
            .map_err(in_store)?;
        step = next(&history, &known.object.spec.deployment_id, is_forced);
    }
    let revision = match step {
        Next::Adopt(revision) if restore(agent, known, &release, revision).await? => return Ok(()),
        Next::Adopt(revision) | Next::Resume(revision) | Next::Create(revision) => revision,
        Next::Uninstall => 1,
    };
    note_renamed(agent, known, &release);
    Run {
        agent,
        known,
        release,
        revision,
        is_begun: history.iter().any(|record| record.revision == revision),
        is_install: is_install(&history, revision),
        history,
    }
    .deploy(values, before)
    .await
}

/// A release of another name or namespace goes once the new one is there.
fn note_renamed(agent: &Agent, known: &Known, release: &ObjectKey) {
    let old = release::parse_release_id(&known.object.status.release);
    if let Some((old, _)) = old.filter(|(old, _)| old != release) {
        agent.world(|world| {
            world
                .stale
                .entry(known.name().to_owned())
                .or_default()
                .insert(old);
        });
    }
}

async fn check_policy(agent: &Agent, known: &Known, namespace: &str) -> Result<(), Error> {
    let Some(selector) = &known.object.spec.options.allowed_target_namespace_selector else {
        return Ok(());
    };
    let found = apply::namespace::read(&agent.cluster, namespace)
        .await
        .map_err(Error::Apply)?;
    let labels = found.map(|found| found.metadata.labels.unwrap_or_default());
    match policy::violation(namespace, labels.as_ref(), selector) {
        None => Ok(()),
        Some(text) => Err(Error::Policy(text)),
    }
}

async fn hub_values(agent: &Agent, known: &Known) -> Result<Values, Error> {
    let spec = &known.object.spec;
    if spec.values_hash.is_empty() {
        return Ok(helm_options(known).values.unwrap_or_default());
    }
    let key = ObjectKey::new(agent.options.deployment_namespace.clone(), known.name());
    values::from_hub(&agent.hub, &key, &spec.values_hash)
        .await
        .map_err(in_values)
}

fn helm_options(known: &Known) -> HelmOptions {
    known.object.spec.options.helm.clone().unwrap_or_default()
}

impl Run<'_> {
    async fn deploy(&self, values: Values, before: Option<Arc<Applied>>) -> Result<(), Error> {
        let (agent, options) = (self.agent, &self.known.object.spec.options);
        let helm = helm_options(self.known);
        let copied = api::copies::named(options).unwrap_or_default();
        let recipe = Recipe::of(&self.known.object);
        let built = source::load(&agent.hub, &agent.shared, recipe)
            .await
            .map_err(Error::Source)?;
        let values = values::with_references(
            &agent.cluster,
            values,
            &helm,
            &copied,
            &self.release.namespace,
        );
        let values = values.await.map_err(in_values)?;
        let (mut rendered, kinds) = self.render(&built, &values).await?;
        let before = self.before(before.as_deref(), &kinds).await?;

        let cluster = &agent.cluster;
        let created = apply::definitions::ensure(cluster, &rendered.definitions).await;
        if created.map_err(Error::Apply)? {
            agent.kinds.expire();
        }
        let may_create = options.create_namespace.unwrap_or(true);
        let namespace =
            apply::namespace::ensure(cluster, &self.release.namespace, may_create).await;
        namespace.map_err(Error::Apply)?;
        if self.is_install && !helm.take_ownership {
            let foreign = apply::check_foreign(cluster, &rendered.objects, &self.release).await;
            foreign.map_err(Error::Apply)?;
        }
        let record = self.record(&mut rendered, values, &before);
        // From here on the cluster has neither the old nor the new: only another run can tell.
        self.forget();
        let mut record = self.write(record, !self.is_begun).await?;
        let brought = self.bring(&mut rendered, &before, &record, &helm).await;
        // They say how they ran.
        record.hooks = rendered.hooks.into_iter().map(|hook| hook.record).collect();
        match brought {
            Ok(()) => self.finish(record).await,
            Err(error) => {
                self.forget();
                self.fail(record, &error).await;
                Err(error)
            }
        }
    }

    /// The record says that the revision failed, in Helm's words.
    async fn fail(&self, record: Release, error: &Error) {
        let what = if self.is_install {
            "Release"
        } else {
            "Upgrade"
        };
        let error = errors::chain(error);
        let description = format!("{what} {:?} failed: {error}", self.release.name);
        let failed = with_status(record, Status::Failed, &description);
        if let Err(error) = self.write(failed, false).await {
            let error = errors::chain(&error);
            tracing::warn!(release = %self.release, error, "cannot record a failure");
        }
    }

    fn forget(&self) {
        self.agent
            .track(self.known.name(), |track| track.applied = None);
    }

    /// Renders; kinds that the cluster does not know yet are looked up again a few times.
    async fn render(
        &self,
        built: &Arc<Built>,
        values: &Values,
    ) -> Result<(Rendered, Kinds), Error> {
        let mut tries = 0;
        loop {
            let served = self.agent.kinds.fresh(&self.agent.cluster).await;
            let served = served.map_err(|source| Error::Kinds { source })?;
            match self.render_once(built, values, &served).await? {
                Err(render::Error::UnknownKinds { .. }) if tries < KIND_RETRIES => {
                    tries += 1;
                    tokio::time::sleep(KIND_PAUSE).await;
                    self.agent.kinds.expire();
                }
                rendered => {
                    let rendered = rendered.map_err(|error| Error::Render(Box::new(error)))?;
                    return Ok((rendered, Kinds::new(served)));
                }
            }
        }
    }

    async fn render_once(
        &self,
        built: &Arc<Built>,
        values: &Values,
        served: &Arc<Served>,
    ) -> Result<Result<Rendered, render::Error>, Error> {
        let options = &self.known.object.spec.options;
        let input = Input {
            built: Arc::clone(built),
            options: self.render_options(values, served)?,
            ownership: Ownership::of(self.known.name(), &self.agent.options.agent_scope),
            target_namespace: options.namespace.clone(),
            delete_definitions: options.delete_crd_resources,
            kinds: Kinds::new(Arc::clone(served)),
        };
        let lookup = Lookup {
            cluster: self.agent.cluster.clone(),
            served: Arc::clone(served),
            runtime: tokio::runtime::Handle::current(),
        };
        let work = move || {
            let random = Box::new(helm::SystemRandom);
            let host = helm::Host::new(Timestamp::now(), random).with_lookup(Box::new(lookup));
            render::render(input, host)
        };
        self.agent
            .shared
            .compute(work)
            .await
            .map_err(|source| Error::Panicked { source })
    }

    fn render_options(
        &self,
        values: &Values,
        served: &kinds::Served,
    ) -> Result<helm::RenderOptions, Error> {
        let kube_version = helm::KubeVersion::parse(&served.version)
            .map_err(|source| Error::Version { source })?;
        let values = serde_json::Value::Object(values.clone());
        Ok(helm::RenderOptions {
            release_name: self.release.name.clone(),
            namespace: self.release.namespace.clone(),
            // Helm counts anew when it installs over what was uninstalled.
            revision: if self.is_install { 1 } else { self.revision },
            is_upgrade: !self.is_install,
            values: helm::values::as_decoded(values),
            capabilities: helm::Capabilities {
                kube_version,
                api_versions: served.discovery.api_versions(),
            },
            skip_schema_validation: helm_options(self.known).skip_schema_validation,
            ..helm::RenderOptions::default()
        })
    }

    /// What is recorded of the time before this run.
    async fn before(&self, known: Option<&Applied>, kinds: &Kinds) -> Result<Before, Error> {
        let mut before = Before::default();
        for revision in applied_before(&self.history, self.revision + 1) {
            let id = release_id(&self.release, revision);
            let first_deployed = if let Some(known) = known.filter(|known| known.release == id) {
                before.entries.extend(known.inventory.iter().cloned());
                known.first_deployed.clone()
            } else {
                let found = recorded(self.agent, &self.release, revision, kinds).await?;
                let found = found.unwrap_or_default();
                before.entries.extend(found.inventory);
                found.first_deployed
            };
            // The newest comes first.
            before.first_deployed = before.first_deployed.or(first_deployed);
        }
        Ok(before)
    }

    fn record(&self, rendered: &mut Rendered, values: Values, before: &Before) -> Release {
        let options = &self.known.object.spec.options;
        let mut metadata = std::mem::take(&mut rendered.chart_metadata);
        let recipe = Recipe::of(&self.known.object);
        let annotations = [
            (release::BUNDLE_ID, self.known.name().to_owned()),
            (
                release::AGENT_NAMESPACE,
                self.agent.options.agent_namespace.clone(),
            ),
            (release::SERVICE_ACCOUNT, options.service_account.clone()),
            (release::KEEP_RESOURCES, options.keep_resources.to_string()),
        ];
        let annotations = annotations
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        metadata.annotations.extend(annotations);
        if !recipe.commit.is_empty() {
            metadata
                .annotations
                .insert(release::COMMIT.to_owned(), recipe.commit);
        }
        let now = Some(Timestamp::now().to_string());
        let (status, description, first_deployed) = if self.is_install {
            (Status::PendingInstall, "Initial install underway", None)
        } else {
            let first_deployed = before.first_deployed.clone();
            (Status::PendingUpgrade, "Preparing upgrade", first_deployed)
        };
        Release {
            name: self.release.name.clone(),
            namespace: self.release.namespace.clone(),
            version: self.revision,
            info: Info {
                first_deployed: first_deployed.or_else(|| now.clone()),
                last_deployed: now,
                description: description.to_owned(),
                status,
                notes: std::mem::take(&mut rendered.notes),
                ..Info::default()
            },
            // Neither templates nor files: rolling back needs the manifest, upgrading the values, and a
            // record that holds a large chart again and again fills etcd.
            chart: Some(StoredChart {
                metadata,
                values: rendered
                    .chart_values
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                ..StoredChart::default()
            }),
            config: values,
            manifest: std::mem::take(&mut rendered.manifest),
            hooks: rendered
                .hooks
                .iter()
                .map(|hook| hook.record.clone())
                .collect(),
            apply_method: "ssa".to_owned(),
            labels: labels(&self.history, self.revision),
        }
    }

    async fn write(&self, record: Release, is_new: bool) -> Result<Release, Error> {
        let annotations = BTreeMap::from([
            (release::BUNDLE_ID.to_owned(), self.known.name().to_owned()),
            (
                release::AGENT_NAMESPACE.to_owned(),
                self.agent.options.agent_namespace.clone(),
            ),
            (
                release::DEPLOYMENT_ID.to_owned(),
                self.known.object.spec.deployment_id.clone(),
            ),
        ]);
        let (cluster, shared) = (&self.agent.cluster, &self.agent.shared);
        store::write(cluster, shared, record, annotations, is_new)
            .await
            .map_err(in_store)
    }

    /// Hooks, objects, what is no longer wanted, hooks.
    async fn bring(
        &self,
        rendered: &mut Rendered,
        before: &Before,
        record: &Release,
        helm: &HelmOptions,
    ) -> Result<(), Error> {
        let cluster = &self.agent.cluster;
        let options = &self.known.object.spec.options;
        let timeout = apply::hooks::timeout(helm.timeout_seconds);
        let (pre, post) = if self.is_install {
            (HookEvent::PreInstall, HookEvent::PostInstall)
        } else {
            (HookEvent::PreUpgrade, HookEvent::PostUpgrade)
        };
        apply::hooks::run(cluster, &mut rendered.hooks, pre, timeout)
            .await
            .map_err(Error::Apply)?;
        let drift = options.correct_drift.as_ref();
        let force = helm.force || helm.take_ownership || drift.is_some_and(|drift| drift.force);
        let applied = apply::apply_all(cluster, &rendered.objects, force).await;
        let has_definitions = rendered
            .objects
            .iter()
            .any(|desired| apply::definitions::is_kind(&desired.id.kind));
        if has_definitions {
            self.agent.kinds.expire();
        }
        applied.map_err(Error::Apply)?;
        let hash = Ownership::of(self.known.name(), &self.agent.options.agent_scope).hash;
        let stale = apply::stale(&before.entries, &rendered.objects);
        apply::delete_all(cluster, &stale, &hash)
            .await
            .map_err(Error::Apply)?;
        let inventory = rendered
            .objects
            .iter()
            .map(crate::object::Desired::entry)
            .collect();
        let recorded = Recorded {
            inventory,
            first_deployed: record.info.first_deployed.clone(),
        };
        let id = release_id(&self.release, self.revision);
        register(self.agent, self.known, id, recorded);
        if helm.timeout_seconds > 0 {
            self.wait(timeout, helm.wait_for_jobs).await?;
        }
        apply::hooks::run(cluster, &mut rendered.hooks, post, timeout)
            .await
            .map_err(Error::Apply)?;
        let described = apply::namespace::describe(cluster, &self.release.namespace, options).await;
        described.map_err(Error::Apply)
    }

    /// Waits until all objects are ready.
    async fn wait(&self, timeout: Duration, for_jobs: bool) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let changed = self.agent.changed.notified();
            let tally = self.look();
            let is_ready = tally.as_ref().is_some_and(|tally| {
                tally.non_ready.is_empty()
                    && tally.missing.is_empty()
                    && !(for_jobs && tally.jobs_run)
            });
            if is_ready {
                return Ok(());
            }
            let pause = deadline.min(Instant::now() + Duration::from_secs(5));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(pause) => {}
            }
            if Instant::now() >= deadline {
                let tally = tally.unwrap_or_default();
                let first = tally.non_ready.first().map(api::state::describe_non_ready);
                let first =
                    first.or_else(|| tally.missing.first().map(api::state::describe_modified));
                return Err(Error::NotReady {
                    not_ready: tally.non_ready.len() + tally.missing.len(),
                    seconds: timeout.as_secs(),
                    first: first.map_or_else(String::new, |text| format!(": {text}")),
                });
            }
        }
    }

    /// What is live, as far as it can be seen.
    fn look(&self) -> Option<Tally> {
        self.agent.world(|world| {
            let applied = world.tracks.get(self.known.name())?.applied.clone()?;
            match view(world, &applied, Instant::now(), Timestamp::now()) {
                View::Known(tally) => Some(tally),
                View::Settling | View::Blind { .. } => None,
            }
        })
    }

    /// The record says that everything is there; older ones say that they are history.
    async fn finish(&self, record: Release) -> Result<(), Error> {
        let what = if self.is_install {
            "Install complete"
        } else {
            "Upgrade complete"
        };
        self.write(with_status(record, Status::Deployed, what), false)
            .await?;
        let (cluster, shared) = (&self.agent.cluster, &self.agent.shared);
        let max = usize::try_from(helm_options(self.known).max_history).unwrap_or_default();
        let max = if max == 0 { release::HISTORY_MAX } else { max };
        let forgotten = to_forget(&self.history, self.revision, max);
        for (revision, status) in to_supersede(&self.history, self.revision) {
            if forgotten.contains(&revision) {
                continue;
            }
            store::change(cluster, shared, &self.release, revision, status)
                .await
                .map_err(in_store)?;
        }
        for revision in forgotten {
            store::delete(cluster, &self.release, revision)
                .await
                .map_err(in_store)?;
        }
        Ok(())
    }
}

fn with_status(record: Release, status: Status, description: &str) -> Release {
    let description = description.to_owned();
    Release {
        info: Info {
            status,
            description,
            ..record.info
        },
        ..record
    }
}
