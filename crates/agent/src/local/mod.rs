//! A deployment from a file, brought to a cluster by whoever asks: no hub, and no agent that goes on.
//!
//! What is deployed, how and in which order is the agent's own code. The release is as an agent of the
//! same namespace would have made it, so that such an agent goes on with it. Gates and dependencies are not
//! looked at, and `downstreamResources` are not copied, as with upstream's `fleet deploy`.

mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::v1alpha1::{BundleDeployment, Content};
use apiclient::ObjectKey;
use serde_json::Value;

pub use crate::deployment::preview::{Action, Owner, PlannedObject, Preview};
pub use template::template;

use crate::agent::{Agent, Options};
use crate::deployment::{act, error, preview, uninstall};
use crate::release::{parse_release_id, release_of, store};
use crate::shared::{Capacity, Shared};
use crate::source::{self, Recipe};
use crate::world::Known;

/// Whoever asks for a deployment gets one, even if nothing has changed.
pub(crate) const IS_FORCED: bool = true;

/// A deployment, and the files that it is made of.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The deployment.
    pub deployment: BundleDeployment,
    /// The content that it names.
    pub content: Content,
    /// Chunks that the content lists, by name.
    pub chunks: BTreeMap<String, Content>,
}

/// A deployment was not made, or it is not known what it would do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its values are on a hub.
    #[error(
        "the values of deployment {name} are in a Secret of its hub (spec.valuesHash); use what `flotilla target` prints, which has them"
    )]
    HiddenValues {
        /// Name of the deployment.
        name: String,
    },
    /// No version of Kubernetes. The text is upstream's.
    #[error("invalid kubeVersion: {0}")]
    KubeVersion(String),
    /// It asks for something that cannot be.
    #[error("{0}")]
    Refused(String),
    /// The releases of the cluster were not read.
    #[error("list the release records of the cluster")]
    Records(#[source] Box<apiclient::Error>),
    /// What the agent would fail with.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<error::Error> for Error {
    fn from(error: error::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// What was deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// `namespace/name:revision`.
    pub release: String,
    /// As the release recorded them, followed by the hooks.
    pub objects: Vec<Value>,
}

/// Where and as which agent to deploy.
#[derive(Clone)]
pub struct Target {
    /// Reaches the cluster with the rights of whoever asks.
    pub cluster: kube::Client,
    /// Namespace of the agent that the release is for; empty for none. Service accounts are looked up there.
    pub agent_namespace: String,
    /// Release namespace of deployments that name none.
    pub namespace: String,
}

/// Deploys, and waits as the options of the deployment say.
///
/// # Errors
/// When it was not deployed; the release record says how far it came.
pub async fn deploy(target: Target, given: Given) -> Result<Deployed, Error> {
    let (agent, known) = Box::pin(prepare(target, given)).await?;
    Box::pin(act::deploy(&agent, &known, None, IS_FORCED)).await?;
    act::describe(&agent, &known).await?;
    let applied = agent.track(known.name(), |track| track.applied.clone());
    let id = applied.map(|applied| applied.release.clone());
    let found = id.as_deref().and_then(parse_release_id);
    let Some((release, revision)) = found else {
        return Err(Error::Refused("nothing was deployed".to_owned()));
    };
    let record = store::load(&agent.cluster, &agent.shared, &release, revision).await;
    let record = record.map_err(|error| Error::Failed(Box::new(error)))?;
    let record = record.unwrap_or_default();
    let hooks = record.hooks.iter().map(|hook| hook.manifest.as_str());
    Ok(Deployed {
        objects: template::objects(&record.manifest, hooks)?,
        release: id.unwrap_or_default(),
    })
}

/// Tells what [`deploy`] would do. Changes nothing.
///
/// # Errors
/// When the deployment would fail before its objects are looked at, or the cluster does not answer.
pub async fn preview(target: Target, given: Given) -> Result<Preview, Error> {
    let (agent, known) = Box::pin(prepare(target, given)).await?;
    Ok(Box::pin(preview::preview(&agent, &known)).await?)
}

/// Refuses what cannot be deployed without a hub, and leaves out what it would be needed for.
fn check(given: &mut Given) -> Result<(), Error> {
    let BundleDeployment { metadata, spec, .. } = &mut given.deployment;
    if !spec.values_hash.is_empty() {
        let name = metadata.name.clone().unwrap_or_default();
        return Err(Error::HiddenValues { name });
    }
    Ok(())
}

/// Values that come from copies are looked for where the copies would be; there are none.
fn forget_copies(deployment: &mut BundleDeployment) -> Result<(), Error> {
    let options = &mut deployment.spec.options;
    let copied = api::copies::named(options).map_err(|error| Error::Refused(error.to_string()))?;
    options.downstream_resources = Vec::new();
    let is_copied = |kind: &str, name: &str| {
        let mut copied = copied.iter();
        copied.any(|it| it.kind.name() == kind && it.name == name)
    };
    for from in options
        .helm
        .iter_mut()
        .flat_map(|helm| &mut helm.values_from)
    {
        for (kind, selector) in [
            ("ConfigMap", &mut from.config_map_key_ref),
            ("Secret", &mut from.secret_key_ref),
        ] {
            if let Some(selector) = selector
                && is_copied(kind, &selector.name)
            {
                selector.namespace = String::new();
            }
        }
    }
    Ok(())
}

/// An agent that knows this one deployment, and what the cluster says of others.
async fn prepare(target: Target, mut given: Given) -> Result<(Arc<Agent>, Arc<Known>), Error> {
    check(&mut given)?;
    forget_copies(&mut given.deployment)?;
    let options = &mut given.deployment.spec.options;
    if options.namespace.is_empty() && options.default_namespace.is_empty() {
        options.default_namespace = target.namespace;
    }
    let shared = Shared::new(Capacity {
        charts_bytes_max: usize::MAX,
        ..Capacity::default()
    });
    let recipe = Recipe::of(&given.deployment);
    source::provide(&shared, recipe, (given.content, given.chunks))
        .await
        .map_err(|error| Error::Failed(Box::new(error)))?;
    let agent = Agent::new(Options {
        agent_namespace: target.agent_namespace,
        ..Options::new(
            // Never asked: the files are there, and there is nothing else.
            target.cluster.clone(),
            target.cluster,
            ObjectKey::default(),
            String::new(),
            shared,
        )
    });
    let known = Arc::new(Known::new(given.deployment));
    if let Err(error) = known.health() {
        return Err(Error::Refused(error.to_string()));
    }
    let records = uninstall::recorded(&agent).await;
    let records = records.map_err(|error| Error::Records(Box::new(error)))?;
    let wanted = release_of(&known.object);
    let mut others = BTreeMap::new();
    for record in records {
        let is_another = !record.bundle_id.is_empty() && record.bundle_id != known.name();
        if is_another && (record.release == wanted || !others.contains_key(&record.bundle_id)) {
            others.insert(record.bundle_id, record.release);
        }
    }
    agent.world(|world| {
        let known = (known.name().to_owned(), Arc::clone(&known));
        world.deployments.extend([known]);
        let others = others.into_iter().map(|(bundle, release)| {
            let other = Known::of_release(&bundle, &release);
            (bundle, Arc::new(other))
        });
        world.deployments.extend(others);
    });
    Ok((agent, known))
}
