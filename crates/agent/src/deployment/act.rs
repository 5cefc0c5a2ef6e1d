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
use apiclient::{Client, ObjectKey};
use helm::HookEvent;
use helm::release::{Release, Status};
use jiff::Timestamp;

use super::error::{Error, in_store, in_values};
use super::record::with_status;
use super::restore::{Recorded, recorded, register, restore};
use super::uninstall::Why;
use super::{claims, copies, plan, policy, rollback, uninstall};
use crate::agent::Agent;
use crate::apply::definitions::Policy;
use crate::kinds::{Kinds, Served};
use crate::object::Entry;
use crate::release::plan::{
    Next, Wanted, applied_before, is_install, next, to_forget, to_supersede,
};
use crate::release::{self, Record, release_id, store};
use crate::render::lookup::Lookup;
use crate::render::ownership::Ownership;
use crate::render::{self, Input, Rendered};
use crate::source::values::{self, Referenced};
use crate::source::{self, Built, Recipe};
use crate::world::{Applied, Known, Sources};
use crate::{apply, identity, kinds, room, sources};

/// How often, and after which pause, kinds are looked up again that the cluster does not know.
const KIND_RETRIES: u32 = 3;
const KIND_PAUSE: Duration = Duration::from_secs(1);
/// How long `helm.atomic` waits for objects without a timeout of its own. Source: Helm 4, agent.md 7.6.
const ATOMIC_TIMEOUT: Duration = Duration::from_secs(30);

/// One deployment on its way.
pub(super) struct Run<'a> {
    pub(super) agent: &'a Arc<Agent>,
    /// The cluster, as whom the deployment acts.
    pub(super) cluster: Client,
    pub(super) known: &'a Known,
    pub(super) release: ObjectKey,
    pub(super) revision: u32,
    /// The record of the revision exists: another run began it.
    pub(super) is_begun: bool,
    /// Nothing of the release is there before this revision.
    pub(super) is_install: bool,
    pub(super) history: Vec<Record>,
}

/// What earlier revisions, and an earlier attempt at this one, left behind.
#[derive(Default)]
pub(super) struct Before {
    /// May be on the cluster.
    pub(super) entries: BTreeSet<Entry>,
    pub(super) first_deployed: Option<String>,
}

/// Installs or upgrades. `before` is what is on the cluster as far as this process knows.
///
/// `is_forced`: what is deployed is rendered anew, because a copy has changed.
pub(crate) async fn deploy(
    agent: &Arc<Agent>,
    known: &Known,
    before: Option<Arc<Applied>>,
    is_forced: bool,
) -> Result<(), Error> {
    let release = release::release_of(&known.object);
    helm::release::check_name(&release.name).map_err(Error::Name)?;
    let account = &known.object.spec.options.service_account;
    let cluster = identity::client(agent, account)
        .await
        .map_err(Error::Identity)?;
    check_policy(agent, known, &release.namespace).await?;
    copies::bring(agent, &cluster, known, &release.namespace)
        .await
        .map_err(|error| Error::Copies(Box::new(error)))?;
    let values = hub_values(agent, known).await?;
    room::enter().await;
    let mut history = store::history(&agent.cluster, &release)
        .await
        .map_err(in_store)?;
    claims::check_release(agent, known, &history)?;
    let wanted = Wanted {
        bundle: known.name(),
        deployment_id: &known.object.spec.deployment_id,
        is_forced,
    };
    let mut step = next(&history, wanted);
    if step == Next::Uninstall {
        let uninstalled =
            uninstall::now(agent, &release, known.name(), &cluster, Why::Replaced).await;
        uninstalled.map_err(|error| Error::Uninstall(Box::new(error)))?;
        history = store::history(&agent.cluster, &release)
            .await
            .map_err(in_store)?;
        step = next(&history, wanted);
    }
    let (revision, is_there) = match step {
        Next::Adopt(revision) => {
            let is_there = restore(agent, known, &release, revision).await?;
            (revision, is_there)
        }
        Next::Resume(revision) | Next::Create(revision) => (revision, false),
        Next::Uninstall => (1, false),
    };
    note_renamed(agent, known, &release);
    let run = Run {
        agent,
        cluster,
        known,
        release,
        revision,
        is_begun: history.iter().any(|record| record.revision == revision),
        is_install: is_install(&history, revision),
        history,
    };
    if is_there {
        // Whoever ended after it had said that this revision is deployed may not have said it of the others.
        return run.tidy(&run.history, revision).await;
    }
    run.deploy(values, before).await
}

/// The values with what `valuesFrom` names.
pub(super) async fn read_values(
    agent: &Agent,
    cluster: &Client,
    known: &Known,
    values: Values,
) -> Result<Values, Error> {
    let references = sources::of(known);
    let read = values::with_references(cluster, values, &references).await;
    let Referenced {
        values,
        digest,
        versions,
    } = read.map_err(in_values)?;
    agent.track(known.name(), |track| {
        track.reading = Sources { versions, digest }
    });
    Ok(values)
}

/// Whether `valuesFrom` gives something else than what a deployment was rendered with.
pub(super) async fn are_values_new(agent: &Agent, known: &Known) -> Result<bool, Error> {
    let account = &known.object.spec.options.service_account;
    let cluster = identity::client(agent, account)
        .await
        .map_err(Error::Identity)?;
    let references = sources::of(known);
    let read = values::with_references(&cluster, Values::new(), &references).await;
    let Referenced {
        digest, versions, ..
    } = read.map_err(in_values)?;
    Ok(agent.track(known.name(), |track| {
        let sources = &mut track.sources;
        // A record of upstream does not tell; nothing is deployed again for that.
        let is_new = !sources.digest.is_empty() && sources.digest != digest;
        if !is_new {
            *sources = Sources { versions, digest };
        }
        is_new
    }))
}

/// Gives the namespace of a deployment its labels and annotations, if it does not have them.
pub(crate) async fn describe(agent: &Arc<Agent>, known: &Known) -> Result<(), Error> {
    let spec = &known.object.spec;
    let described = agent.track(known.name(), |track| track.described);
    if plan::is_described(spec, described) {
        return Ok(());
    }
    let cluster = identity::client(agent, &spec.options.service_account)
        .await
        .map_err(Error::Identity)?;
    let owner = Ownership::of(known.name(), &agent.options.agent_scope).hash;
    let namespace = release::release_of(&known.object).namespace;
    let done = apply::namespace::describe(&cluster, &namespace, &owner, &spec.options).await;
    done.map_err(Error::Apply)?;
    agent.track(known.name(), |track| {
        track.described = plan::description(spec);
    });
    Ok(())
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

pub(super) async fn check_policy(
    agent: &Agent,
    known: &Known,
    namespace: &str,
) -> Result<(), Error> {
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

pub(super) async fn hub_values(agent: &Agent, known: &Known) -> Result<Values, Error> {
    let spec = &known.object.spec;
    if spec.values_hash.is_empty() {
        return Ok(helm_options(known).values.unwrap_or_default());
    }
    let key = ObjectKey::new(agent.options.deployment_namespace.clone(), known.name());
    values::from_hub(&agent.hub, &key, &spec.values_hash)
        .await
        .map_err(in_values)
}

pub(super) fn helm_options(known: &Known) -> HelmOptions {
    known.object.spec.options.helm.clone().unwrap_or_default()
}

impl Run<'_> {
    async fn deploy(&self, values: Values, before: Option<Arc<Applied>>) -> Result<(), Error> {
        let (agent, options) = (self.agent, &self.known.object.spec.options);
        let helm = helm_options(self.known);
        let recipe = Recipe::of(&self.known.object);
        let built = source::load(&agent.hub, &agent.shared, recipe)
            .await
            .map_err(Error::Source)?;
        let values = read_values(agent, &self.cluster, self.known, values).await?;
        let (mut rendered, kinds) = self.render(&built, &values).await?;
        // Nothing more is needed of it, and it is large.
        drop(built);
        let before = self.before(before.as_deref(), &kinds).await?;

        let (own, cluster) = (&agent.cluster, &self.cluster);
        let (definitions, policy) = (&rendered.definitions, self.definitions()?);
        let created = apply::definitions::ensure(own, cluster, definitions, policy).await;
        if created.map_err(Error::Apply)? {
            agent.kinds.expire();
        }
        let may_create = options.create_namespace.unwrap_or(true);
        let namespace =
            apply::namespace::ensure(own, cluster, &self.release.namespace, may_create).await;
        namespace.map_err(Error::Apply)?;
        self.check_objects(&rendered.objects, &before).await?;
        let mut record = self.record(&mut rendered, values, &before);
        if let Some(key) = agent.seal().await {
            key.seal(&mut record);
        }
        // From here on the cluster has neither the old nor the new: only another run can tell.
        self.forget();
        let mut record = self.write(record, !self.is_begun).await?;
        let brought = self.bring(&mut rendered, &before, &record, &helm).await;
        // They say how they ran.
        record.hooks = rendered.hooks.into_iter().map(|hook| hook.record).collect();
        match brought {
            Ok(()) => {
                let done = with_status(record, Status::Deployed, self.done());
                // Else what is left to be said of older revisions would never be.
                self.finish(done).await.inspect_err(|_| self.forget())
            }
            Err(error) => {
                self.forget();
                self.fail(record, &error).await;
                if helm.atomic && error.is_of_the_release() {
                    return Err(rollback::after(self, error).await);
                }
                Err(error)
            }
        }
    }

    /// What happens to the definitions of `crds/` directories.
    pub(super) fn definitions(&self) -> Result<Policy, Error> {
        Policy::of(&self.known.object.spec.options).map_err(Error::Definitions)
    }

    fn done(&self) -> &'static str {
        if self.is_install {
            "Install complete"
        } else {
            "Upgrade complete"
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
        // Failures are revisions too, and each deployment that fails leaves one.
        let deployed = applied_before(&self.history, self.revision).pop();
        for revision in to_forget(&self.history, self.revision, deployed, self.history_max()) {
            if let Err(error) = store::delete(&self.cluster, &self.release, revision).await {
                let error = errors::chain(&error);
                tracing::warn!(release = %self.release, revision, error, "cannot forget a revision");
            }
        }
    }

    /// How many revisions are kept.
    fn history_max(&self) -> usize {
        let max = usize::try_from(helm_options(self.known).max_history).unwrap_or_default();
        if max == 0 { release::HISTORY_MAX } else { max }
    }

    pub(super) fn forget(&self) {
        self.agent
            .track(self.known.name(), |track| track.applied = None);
    }

    /// Renders; kinds that the cluster does not know yet are looked up again a few times.
    pub(super) async fn render(
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
            skip_definitions: self.definitions()? == Policy::Skip,
            kinds: Kinds::new(Arc::clone(served)),
        };
        let lookup = Lookup {
            cluster: self.cluster.clone(),
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
    pub(super) async fn before(
        &self,
        known: Option<&Applied>,
        kinds: &Kinds,
    ) -> Result<Before, Error> {
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

    async fn write(&self, record: Release, is_new: bool) -> Result<Release, Error> {
        let id = &self.known.object.spec.deployment_id;
        self.write_as(id, record, is_new).await
    }

    /// Writes the record of a revision that was made of `deployment_id`.
    pub(super) async fn write_as(
        &self,
        deployment_id: &str,
        record: Release,
        is_new: bool,
    ) -> Result<Release, Error> {
        let values_digest = self
            .agent
            .track(self.known.name(), |track| track.reading.digest.clone());
        let mut annotations = BTreeMap::from([
            (release::BUNDLE_ID.to_owned(), self.known.name().to_owned()),
            (
                release::AGENT_NAMESPACE.to_owned(),
                self.agent.options.agent_namespace.clone(),
            ),
            (release::DEPLOYMENT_ID.to_owned(), deployment_id.to_owned()),
        ]);
        if !values_digest.is_empty() {
            annotations.insert(release::VALUES_DIGEST.to_owned(), values_digest);
        }
        let (cluster, shared) = (&self.cluster, &self.agent.shared);
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
        let cluster = &self.cluster;
        let timeout = apply::hooks::timeout(helm.timeout_seconds);
        let (pre, post) = if self.is_install {
            (HookEvent::PreInstall, HookEvent::PostInstall)
        } else {
            (HookEvent::PreUpgrade, HookEvent::PostUpgrade)
        };
        apply::hooks::run(cluster, &mut rendered.hooks, pre, timeout)
            .await
            .map_err(Error::Apply)?;
        let applied = apply::apply_all(cluster, &rendered.objects, self.force()).await;
        let has_definitions = rendered
            .objects
            .iter()
            .any(|desired| apply::definitions::is_kind(&desired.id.kind));
        if has_definitions {
            self.agent.kinds.expire();
        }
        applied.map_err(Error::Apply)?;
        let stale = apply::stale(&before.entries, &rendered.objects);
        apply::delete_all(cluster, &stale, &self.owner())
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
        if let Some(timeout) = readiness_timeout(helm) {
            self.wait(timeout, helm.wait_for_jobs).await?;
        }
        apply::hooks::run(cluster, &mut rendered.hooks, post, timeout)
            .await
            .map_err(Error::Apply)
    }

    /// What may be done to objects that are not as they are wanted.
    pub(super) fn force(&self) -> apply::Force {
        let options = &self.known.object.spec.options;
        let helm = options.helm.as_ref();
        let drift = options.correct_drift.as_ref();
        let recreate =
            helm.is_some_and(|helm| helm.force) || drift.is_some_and(|drift| drift.force);
        apply::Force {
            fields: recreate || helm.is_some_and(|helm| helm.take_ownership),
            recreate,
        }
    }

    /// Whose the objects are: this deployment's, and those that had the release before.
    pub(super) fn owner(&self) -> apply::Owner {
        let scope = &self.agent.options.agent_scope;
        let before = self.history.iter().map(|record| record.bundle_id.as_str());
        let bundles: BTreeSet<&str> = before
            .filter(|bundle| !bundle.is_empty())
            .chain([self.known.name()])
            .collect();
        let hashes = bundles
            .into_iter()
            .map(|name| Ownership::of(name, scope).hash);
        apply::Owner {
            hashes: hashes.collect(),
            release: self.release.clone(),
            is_vouched: true,
        }
    }

    /// The record says that everything is there; older ones say that they are history.
    async fn finish(&self, record: Release) -> Result<(), Error> {
        self.write(record, false).await?;
        self.tidy(&self.history, self.revision).await
    }

    /// What was deployed before `revision` is history, and only so much of it is kept.
    pub(super) async fn tidy(&self, history: &[Record], revision: u32) -> Result<(), Error> {
        let (cluster, shared) = (&self.cluster, &self.agent.shared);
        let max = self.history_max();
        let forgotten = to_forget(history, revision, None, max);
        for (revision, status) in to_supersede(history, revision) {
            if forgotten.contains(&revision) {
                continue;
            }
            let clients = (&self.agent.cluster, cluster);
            store::change(clients, shared, &self.release, revision, status)
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

/// How long objects are waited for; `None` when they are not. As in Helm, what is taken back when it fails
/// is waited for in any case.
pub(super) fn readiness_timeout(helm: &HelmOptions) -> Option<Duration> {
    let asked = u64::try_from(helm.timeout_seconds).unwrap_or_default();
    match (asked, helm.atomic) {
        (0, false) => None,
        (0, true) => Some(ATOMIC_TIMEOUT),
        (asked, _) => Some(Duration::from_secs(asked)),
    }
}
