//! Reads what the plan for a Bundle needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::v1alpha1::{Bundle, BundleDeployment, BundleSpec, Values};
use apiclient::{Kind, ObjectKey, Selector};
use k8s_openapi::api::core::v1::Secret;
use kube_core::ObjectMeta;
use target::mapping::Unclear;
use target::policy::Rules;

use super::Settled;
use super::revision::{self, Pin};
use crate::Ctx;
use crate::index::{
    BundleEntry, ClusterEntry, ContentSource, DeploymentEntry, GroupEntry, Index, Membership,
    NotServed, SourceKey, SourceState,
};
use crate::world::State;

/// A Bundle and the world around it.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) bundle: Arc<BundleEntry>,
    /// The Bundle without files and with its Helm values back in place, or why they are not.
    pub(crate) object: Result<Bundle, ValuesProblem>,
    /// The Content that its deployments refer to exists.
    pub(crate) content_exists: bool,
    /// Clusters of the namespaces it reaches, by name, then by namespace.
    pub(crate) clusters: Vec<(ObjectKey, Arc<ClusterEntry>)>,
    /// Groups of these clusters, if the bundle looks at groups.
    pub(crate) memberships: BTreeMap<ObjectKey, Membership>,
    /// These groups.
    pub(crate) groups: BTreeMap<ObjectKey, Arc<GroupEntry>>,
    /// Its deployments.
    pub(crate) deployments: BTreeMap<ObjectKey, Arc<DeploymentEntry>>,
    /// Deployments of its name, on these clusters, that belong to the bundle that is named.
    pub(crate) taken: BTreeMap<ObjectKey, ObjectKey>,
    /// The rules of its namespace.
    pub(crate) rules: Result<Arc<Rules>, NotServed>,
    /// It is the hub's own bundle for the agent of a cluster.
    pub(crate) is_of_agent: bool,
    /// The way from the bundle back to itself by `dependsOn`, as names.
    pub(crate) circle: Option<Vec<String>>,
    /// What the last run found in order.
    pub(crate) settled: Arc<Settled>,
    /// Why it is not known which other namespaces it reaches.
    pub(crate) unclear: Option<Unclear>,
    /// What some clusters get instead, in order.
    pub(crate) pins: Vec<Pin>,
    /// Secrets and ConfigMaps that it named when it was planned last.
    pub(crate) sources: BTreeMap<SourceKey, SourceState>,
}

/// Why the Helm values of a bundle are not usable right now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValuesProblem {
    /// The Bundle is written before its Secret.
    #[error("the secret with its helm values does not exist yet")]
    Missing,
    /// The Secret is older or newer than the Bundle.
    #[error("the secret with its helm values does not have the hash that the bundle names")]
    OtherHash,
    /// The Secret holds no JSON. Its content is not quoted.
    #[error("key {key} of the secret with its helm values holds no map")]
    NotAMap { key: String },
}

/// Reading failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The Secret with the values cannot be read.
    #[error("read the helm values of bundle {bundle}")]
    Values {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// It is not known how far another process came.
    #[error("list the deployments of bundle {bundle}, which another process worked on")]
    TakeOver {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// The bundle as an earlier commit gave it cannot be read.
    #[error("read what clusters get of bundle {bundle} that stay at an earlier commit")]
    Revision {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// It is not known whether a deployment was written.
    #[error("read deployment {deployment} after its write was not answered")]
    Reread {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Values { source, .. }
            | Self::Revision { source, .. }
            | Self::TakeOver { source, .. }
            | Self::Reread { source, .. } => Some(source),
        }
    }
}

/// Reads the index and the Secret; `None` when the Bundle is gone.
pub(crate) async fn observe(ctx: &Ctx, key: &ObjectKey) -> Result<Option<Observed>, Error> {
    read_taken_over(ctx, key).await?;
    reread(ctx, key).await?;
    let mut observed = None;
    ctx.world.update(|state| {
        observed = look(state, key);
        Vec::new()
    });
    let Some(mut observed) = observed else {
        return Ok(None);
    };
    let hash = &observed.bundle.spec.values_hash;
    if !hash.is_empty() && !observed.bundle.meta.deleting {
        let kind = Kind::of::<Secret>();
        let secret: Option<Secret> = match ctx.client.get(&kind, key).await {
            Ok(secret) => secret,
            Err(source) => {
                return Err(Error::Values {
                    bundle: key.clone(),
                    source,
                });
            }
        };
        observed.object = with_values(&observed.bundle.spec, hash, secret)
            .map(|spec| object(key, &observed.bundle, spec));
    }
    if !observed.bundle.meta.deleting {
        revision::read(ctx, key, &mut observed.pins)
            .await
            .map_err(|source| Error::Revision {
                bundle: key.clone(),
                source,
            })?;
    }
    Ok(Some(observed))
}

/// Reads the deployments of a bundle that another process worked on until now: the watch may not have told
/// yet what that one promoted last, and no budget may be spent twice.
async fn read_taken_over(ctx: &Ctx, bundle: &ObjectKey) -> Result<(), Error> {
    if !ctx.world.read(|state| state.taken_over.contains(bundle)) {
        return Ok(());
    }
    let (name, namespace) = (api::labels::BUNDLE_NAME, api::labels::BUNDLE_NAMESPACE);
    let selector = Selector {
        labels: Some(format!(
            "{name}={},{namespace}={}",
            bundle.name, bundle.namespace
        )),
        ..Selector::default()
    };
    let take_in = |deployment: BundleDeployment| {
        ctx.world
            .update(|state| state.deployment_written(&deployment));
    };
    let kind = Kind::of::<BundleDeployment>();
    let listed = ctx.client.list(&kind, &selector, take_in).await;
    listed.map_err(|source| Error::TakeOver {
        bundle: bundle.clone(),
        source,
    })?;
    ctx.world.update(|state| {
        state.taken_over.remove(bundle);
        Vec::new()
    });
    Ok(())
}

/// Reads the deployments that an earlier run may or may not have written: one that was promoted must not
/// be taken for one that runs.
async fn reread(ctx: &Ctx, bundle: &ObjectKey) -> Result<(), Error> {
    let unsure = ctx.world.read(|state| state.unsure.get(bundle).cloned());
    for deployment in unsure.into_iter().flatten() {
        let kind = Kind::of::<BundleDeployment>();
        let found = ctx.client.get::<BundleDeployment>(&kind, &deployment).await;
        let found = found.map_err(|source| Error::Reread {
            deployment: deployment.clone(),
            source,
        })?;
        ctx.world.update(|state| {
            if let Some(unsure) = state.unsure.get_mut(bundle) {
                unsure.remove(&deployment);
                if unsure.is_empty() {
                    state.unsure.remove(bundle);
                }
            }
            found.map_or_else(Vec::new, |found| state.deployment_written(&found))
        });
    }
    Ok(())
}

/// Takes out of the world what a run for a bundle needs, and begins the run.
pub(super) fn look(state: &mut State, key: &ObjectKey) -> Option<Observed> {
    let observed = Observed {
        settled: state.settled.get(key).cloned().unwrap_or_default(),
        ..from_index(&state.index, key)?
    };
    state.index.rolling.look(key);
    Some(observed)
}

fn from_index(index: &Index, key: &ObjectKey) -> Option<Observed> {
    let bundle = Arc::clone(index.bundles.get(key)?);
    let reach = index.mappings.reach(&key.namespace, &bundle.meta.labels);
    let namespaces = std::iter::once(&key.namespace).chain(&reach.namespaces);
    let mut clusters = Vec::new();
    let (mut memberships, mut groups) = (BTreeMap::new(), BTreeMap::new());
    let pins = index.pins_of(key, &bundle);
    let looks_at_groups = index.looks_at_groups(key, &bundle);
    for namespace in namespaces {
        let first = || ObjectKey::new(namespace.clone(), "");
        let near = |other: &ObjectKey| other.namespace == *namespace;
        let own = index.clusters.range(first()..);
        let own = own.take_while(|(other, _)| near(other));
        clusters.extend(own.map(|(key, entry)| (key.clone(), Arc::clone(entry))));
        if !looks_at_groups {
            continue;
        }
        let own = index.memberships.range(first()..);
        let own = own.take_while(|(other, _)| near(other));
        memberships.extend(own.map(|(key, groups)| (key.clone(), Arc::clone(groups))));
        let own = index.groups.range(first()..);
        let own = own.take_while(|(other, _)| near(other));
        groups.extend(own.map(|(key, entry)| (key.clone(), Arc::clone(entry))));
    }
    if !reach.namespaces.is_empty() {
        clusters.sort_by(|(a, _), (b, _)| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    }
    let taken = clusters.iter().filter_map(|(_, cluster)| {
        let deployment = ObjectKey::new(cluster.namespace(), key.name.clone());
        let owner = index.other_owner(&deployment, key)?.clone();
        Some((deployment, owner))
    });
    let taken = taken.collect();
    let deployments = index.deployments_of.get(key).into_iter().flatten();
    let deployments = deployments.filter_map(|key| {
        index
            .deployments
            .get(key)
            .map(|entry| (key.clone(), Arc::clone(entry)))
    });
    let content_exists = match &bundle.content {
        ContentSource::Chart => true,
        stored => index.has_content(stored.id()),
    };
    Some(Observed {
        key: key.clone(),
        object: Ok(object(key, &bundle, (*bundle.spec).clone())),
        content_exists,
        clusters,
        memberships,
        groups,
        deployments: deployments.collect(),
        circle: index.circle_of(key),
        taken,
        rules: index.rules.of(&key.namespace),
        is_of_agent: is_of_agent(index, key, &bundle),
        settled: Arc::default(),
        unclear: reach.unclear,
        pins: pins.into_iter().map(Pin::unread).collect(),
        sources: index.sources.of(key),
        bundle,
    })
}

/// Only a bundle that is called as the one for the agent of an existing cluster can be it.
fn is_of_agent(index: &Index, key: &ObjectKey, bundle: &BundleEntry) -> bool {
    let annotation = bundle.meta.annotations.get(api::labels::OBJECT_SET_ID);
    let clusters = || {
        let first = ObjectKey::new(key.namespace.clone(), "");
        let clusters = index.clusters.range(first..);
        clusters.take_while(|(cluster, _)| cluster.namespace == key.namespace)
    };
    annotation.is_some_and(|id| id == api::labels::OBJECT_SET_ID_AGENT)
        && clusters().any(|(cluster, _)| api::names::agent_bundle_name(&cluster.name) == key.name)
}

fn object(key: &ObjectKey, entry: &BundleEntry, spec: BundleSpec) -> Bundle {
    let metadata = ObjectMeta {
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        labels: Some(entry.meta.labels.clone()),
        annotations: Some(entry.meta.annotations.clone()),
        ..ObjectMeta::default()
    };
    Bundle {
        metadata,
        spec,
        ..Bundle::default()
    }
}

/// Puts the values of the Secret back where they were taken from.
fn with_values(
    spec: &BundleSpec,
    hash: &str,
    secret: Option<Secret>,
) -> Result<BundleSpec, ValuesProblem> {
    let data = secret
        .and_then(|secret| secret.data)
        .ok_or(ValuesProblem::Missing)?;
    let data: BTreeMap<String, Vec<u8>> = data
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect();
    if api::ids::values_hash(&data) != *hash {
        return Err(ValuesProblem::OtherHash);
    }
    let mut spec = spec.clone();
    fill_values(&mut spec, data)?;
    Ok(spec)
}

/// Puts values, as they stand in a Secret, back where they were taken from.
pub(super) fn fill_values(
    spec: &mut BundleSpec,
    data: BTreeMap<String, Vec<u8>>,
) -> Result<(), ValuesProblem> {
    for (key, bytes) in data {
        let Ok(values) = serde_json::from_slice::<Values>(&bytes) else {
            return Err(ValuesProblem::NotAMap { key });
        };
        if key == api::labels::BUNDLE_VALUES_KEY {
            spec.options.helm.get_or_insert_default().values = Some(values);
        } else if let Some(target) = spec.targets.iter_mut().find(|target| target.name == key) {
            target.options.helm.get_or_insert_default().values = Some(values);
        }
    }
    Ok(())
}

impl Observed {
    /// The Secret with access to the registry that the content may be in.
    pub(super) fn access(&self) -> SourceKey {
        SourceKey {
            namespace: self.key.namespace.clone(),
            object: api::copies::access_to(self.bundle.content.id()),
        }
    }

    /// Whether the content is in a registry: it is stored, not on the hub, and there is access to it.
    pub(super) fn is_in_registry(&self) -> bool {
        let is_stored = matches!(self.bundle.content, ContentSource::Stored { .. });
        let access = || self.sources.get(&self.access());
        is_stored && !self.content_exists && matches!(access(), Some(SourceState::Access { .. }))
    }
}
