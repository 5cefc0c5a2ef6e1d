//! Executes the plan for a Bundle.

use api::labels::{
    BUNDLE_NAME, BUNDLE_NAMESPACE, DEPLOYMENT_VALUES_KEY, SECRET_TYPE_BUNDLE_VALUES,
};
use api::v1alpha1::{Bundle, BundleDeployment, BundleDeploymentSpec};
use apiclient::{Class, DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::artifact;
use super::copies::{self, Copies};
use super::options;
use super::plan::{Action, Write};
use crate::Ctx;
use crate::index::Wake;
use crate::sharding::Item;

/// Deployments written at the same time. The API server is shared with agents and people.
const WRITES_AT_ONCE: usize = 16;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The bundle's finalizers were not written.
    #[error("set the finalizers of bundle {bundle}")]
    SetFinalizers {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// The files were not stored.
    #[error("store the content of bundle {bundle}")]
    StoreContent {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// The files are too many or too large to be stored.
    #[error("pack the content of bundle {bundle}")]
    PackContent {
        bundle: ObjectKey,
        source: bundle::content::StoreError,
    },
    /// A deployment's Secret was not written.
    #[error("write the values of deployment {deployment}")]
    WriteValues {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
    /// A deployment was not written.
    #[error("write deployment {deployment} of cluster {cluster}")]
    WriteDeployment {
        deployment: ObjectKey,
        cluster: ObjectKey,
        source: apiclient::Error,
    },
    /// A deployment was not deleted.
    #[error("delete deployment {deployment}")]
    DeleteDeployment {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
    /// The Secret with access to the bundle's content was not read or deleted.
    #[error("delete the content of bundle {bundle} from its registry")]
    DeleteArtifact {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
    /// What the deployment takes along was not copied.
    #[error("deployment {deployment} of cluster {cluster}")]
    Copy {
        deployment: ObjectKey,
        cluster: ObjectKey,
        source: copies::Error,
    },
    /// A bundle with the same name in another namespace was faster. The next run says so.
    #[error("create deployment {deployment}, which belongs to another bundle")]
    Taken { deployment: ObjectKey },
    /// The bundle's Secret was not deleted.
    #[error("delete the values of bundle {bundle}")]
    DeleteValues {
        bundle: ObjectKey,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::SetFinalizers { source, .. }
            | Self::StoreContent { source, .. }
            | Self::WriteValues { source, .. }
            | Self::WriteDeployment { source, .. }
            | Self::DeleteDeployment { source, .. }
            | Self::DeleteValues { source, .. }
            | Self::DeleteArtifact { source, .. } => Some(source),
            Self::Copy { source, .. } => source.request(),
            Self::PackContent { .. } | Self::Taken { .. } => None,
        }
    }
}

/// Runs the actions. What concerns the whole bundle goes first and stops at the first failure;
/// deployments go side by side, and one that fails does not hold up the others (invariant I-1).
pub(crate) async fn act(ctx: &Ctx, bundle: &ObjectKey, actions: Vec<Action>) -> Result<(), Error> {
    let (deployments, first): (Vec<Action>, Vec<Action>) = actions
        .into_iter()
        .partition(|action| matches!(action, Action::Deploy { .. } | Action::Delete { .. }));
    let (last, first): (Vec<Action>, Vec<Action>) = first.into_iter().partition(|action| {
        matches!(
            action,
            Action::DeleteValues { .. } | Action::DeleteArtifact { .. }
        )
    });
    // At the end of a deletion: the Secret before the finalizer that lets the bundle go.
    let mut files = None;
    for action in last.into_iter().chain(first) {
        Box::pin(run(ctx, bundle, action, &mut files)).await?;
    }
    drop(files);
    let copies = Copies::new(ctx, &bundle.namespace);
    let runs = futures::stream::iter(deployments)
        .map(async |action| Box::pin(run_one(ctx, bundle, &copies, action)).await);
    let results: Vec<Result<(), Error>> = runs.buffer_unordered(WRITES_AT_ONCE).collect().await;
    let n_written = results.len();
    let mut failed: Vec<Error> = Vec::new();
    for id in copies.unused().await {
        let deleted = artifact::delete(ctx, bundle, &id).await;
        failed.extend(deleted.err().map(|source| Error::DeleteArtifact {
            bundle: bundle.clone(),
            source,
        }));
    }
    failed.extend(results.into_iter().filter_map(Result::err));
    if failed.len() > 1 {
        let n_failed = failed.len();
        tracing::warn!(%bundle, n_failed, n_written, "some deployments were not written");
    }
    failed.pop().map_or(Ok(()), Err)
}

/// Runs the action of one deployment, with its copies before it.
async fn run_one(
    ctx: &Ctx,
    bundle: &ObjectKey,
    copies: &Copies<'_>,
    action: Action,
) -> Result<(), Error> {
    if let Action::Deploy {
        deployment,
        cluster,
        write,
    } = &action
    {
        let spec = match write.as_ref() {
            Write::Create { object, .. } => Some(&object.spec),
            Write::Promote { spec, .. } => Some(spec),
            Write::Stage { .. } | Write::Flags { .. } => None,
        };
        if let Some(spec) = spec {
            let done = copies.bring(deployment, spec).await;
            done.map_err(|source| Error::Copy {
                deployment: deployment.clone(),
                cluster: cluster.clone(),
                source,
            })?;
        }
    }
    run(ctx, bundle, action, &mut None).await
}

/// `files` is the bundle as the API server answered the last write of it: who stores its files next
/// need not read again what may be a megabyte.
async fn run(
    ctx: &Ctx,
    bundle: &ObjectKey,
    action: Action,
    files: &mut Option<Bundle>,
) -> Result<(), Error> {
    match action {
        Action::SetFinalizers { bundle, finalizers } => {
            let (client, kind) = (&ctx.client, Kind::of::<Bundle>());
            let set =
                crate::finalizers::replace_and_read(client, &kind, &bundle, &finalizers).await;
            *files = set.map_err(|source| Error::SetFinalizers { bundle, source })?;
            Ok(())
        }
        Action::StoreContent { bundle, id } => store_content(ctx, &bundle, &id, files.take()).await,
        Action::Deploy {
            deployment,
            cluster,
            write,
        } => Box::pin(deploy(ctx, bundle, deployment, cluster, *write)).await,
        Action::Delete { deployment } => {
            let kind = Kind::of::<BundleDeployment>();
            match ctx
                .client
                .delete(&kind, &deployment, &DeleteOptions::default())
                .await
            {
                Ok(_) => Ok(()),
                Err(source) => Err(Error::DeleteDeployment { deployment, source }),
            }
        }
        Action::DeleteValues { bundle } => delete_values(ctx, bundle).await,
        Action::DeleteArtifact { bundle, id } => artifact::delete(ctx, &bundle, &id)
            .await
            .map_err(|source| Error::DeleteArtifact { bundle, source }),
    }
}

/// Stores the files of the bundle, read anew unless `files` are given.
async fn store_content(
    ctx: &Ctx,
    key: &ObjectKey,
    id: &str,
    files: Option<Bundle>,
) -> Result<(), Error> {
    let fail = |source| Error::StoreContent {
        bundle: key.clone(),
        source,
    };
    let kind = Kind::of::<Bundle>();
    let read = match files {
        Some(bundle) => Some(bundle),
        None => ctx.client.get::<Bundle>(&kind, key).await.map_err(fail)?,
    };
    let Some(bundle) = read else {
        return Ok(());
    };
    let packed = bundle::content::pack(&key.name, &bundle.spec.resources, &ctx.limits);
    let contents = packed.map_err(|source| Error::PackContent {
        bundle: key.clone(),
        source,
    })?;
    // The bundle may have changed since the plan; then the next run stores what it holds now.
    if contents
        .last()
        .and_then(|root| root.metadata.name.as_deref())
        != Some(id)
    {
        return Ok(());
    }
    crate::content::store(ctx, contents).await.map_err(fail)
}

async fn delete_values(ctx: &Ctx, bundle: ObjectKey) -> Result<(), Error> {
    let kind = Kind::of::<Secret>();
    let result = async {
        let Some(secret) = ctx.client.get::<Secret>(&kind, &bundle).await? else {
            return Ok(());
        };
        // A Secret of this name that is not ours stays.
        if secret.type_.as_deref() == Some(SECRET_TYPE_BUNDLE_VALUES) {
            ctx.client
                .delete(&kind, &bundle, &DeleteOptions::default())
                .await?;
        }
        Ok(())
    };
    result
        .await
        .map_err(|source| Error::DeleteValues { bundle, source })
}

async fn deploy(
    ctx: &Ctx,
    bundle: &ObjectKey,
    deployment: ObjectKey,
    cluster: ObjectKey,
    write: Write,
) -> Result<(), Error> {
    let written = match write {
        Write::Create { object, values } => {
            let Some(_claim) = Claim::of(ctx, &deployment, &object) else {
                return Err(Error::Taken { deployment });
            };
            if !values.is_empty() {
                let secret = options::secret(&deployment, "", values.clone(), values);
                write_values(ctx, &deployment, &secret, false).await?;
            }
            create(ctx, &deployment, &object).await
        }
        Write::Promote {
            uid,
            spec,
            labels,
            values,
            has_values,
        } => {
            let emptied = spec.values_hash.is_empty();
            if emptied && has_values {
                delete_options(ctx, &deployment).await?;
            }
            if let Some(values) = values.filter(|_| !emptied) {
                let secret = options::secret(&deployment, &uid, values.clone(), values);
                write_values(ctx, &deployment, &secret, has_values).await?;
            }
            replace(ctx, &deployment, &spec, &labels).await
        }
        Write::Stage {
            uid,
            spec,
            labels,
            staged_values,
        } => {
            return stage(ctx, deployment, cluster, (uid, spec, labels), staged_values).await;
        }
        Write::Flags { spec, labels } => flags(ctx, &deployment, spec, &labels).await,
    };
    match written {
        Ok(()) => Ok(()),
        Err(source) => {
            note_missing_namespace(ctx, &cluster, &source).await;
            note_unsure(ctx, bundle, &deployment, &source);
            Err(Error::WriteDeployment {
                deployment,
                cluster,
                source,
            })
        }
    }
}

/// A cluster namespace that somebody deleted is created again by its controller; if that is another
/// process, which does not hear of it, at once.
async fn note_missing_namespace(ctx: &Ctx, cluster: &ObjectKey, error: &apiclient::Error) {
    if !error.is_not_found() {
        return;
    }
    let item = Item::Cluster(cluster.clone());
    let is_ours = ctx.world.read(|state| ctx.gate.has(&state.index, &item));
    if is_ours {
        ctx.world.update(|state| {
            state.index.namespace_missing.insert(cluster.clone());
            vec![Wake::Cluster(cluster.clone())]
        });
    } else if let Err(error) = crate::cluster::restore_namespace(ctx, cluster).await {
        let error = errors::chain(&error);
        tracing::warn!(%cluster, error, "cannot create the namespace of a cluster");
    }
}

/// What was not answered may have been done all the same.
fn note_unsure(ctx: &Ctx, bundle: &ObjectKey, deployment: &ObjectKey, error: &apiclient::Error) {
    if error.class() == Class::Transient {
        ctx.world.update(|state| {
            let unsure = state.unsure.entry(bundle.clone()).or_default();
            unsure.insert(deployment.clone());
            Vec::new()
        });
    }
}

async fn delete_options(ctx: &Ctx, deployment: &ObjectKey) -> Result<(), Error> {
    let (kind, options) = (Kind::of::<Secret>(), DeleteOptions::default());
    match ctx.client.delete(&kind, deployment, &options).await {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::WriteValues {
            deployment: deployment.clone(),
            source,
        }),
    }
}

/// Writes the Secret of a deployment. `exists` is what the deployment says, which is right at once
/// but for a crash between the two writes.
async fn write_values(
    ctx: &Ctx,
    deployment: &ObjectKey,
    secret: &Secret,
    exists: bool,
) -> Result<(), Error> {
    let kind = Kind::of::<Secret>();
    let once = WriteOptions::default();
    let result = if exists {
        match ctx.client.replace(&kind, deployment, secret, once).await {
            Err(error) if error.is_not_found() => {
                ctx.client.create(&kind, deployment, secret, once).await
            }
            result => result,
        }
    } else {
        match ctx.client.create(&kind, deployment, secret, once).await {
            Err(error) if error.is_already_exists() => {
                ctx.client.replace(&kind, deployment, secret, once).await
            }
            result => result,
        }
    };
    match result {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::WriteValues {
            deployment: deployment.clone(),
            source,
        }),
    }
}

async fn create(
    ctx: &Ctx,
    key: &ObjectKey,
    object: &BundleDeployment,
) -> Result<(), apiclient::Error> {
    let kind = Kind::of::<BundleDeployment>();
    match ctx
        .client
        .create(&kind, key, object, WriteOptions::default())
        .await
    {
        Ok(ObjectMeta { metadata }) => {
            let mut object = object.clone();
            object.metadata.uid = Some(metadata.uid);
            object.metadata.resource_version = Some(metadata.resource_version);
            ctx.world.update(|state| state.deployment_written(&object));
            Ok(())
        }
        // Left by a run before a restart, or by upstream: take it over as it should be.
        Err(error) if error.is_already_exists() => {
            let existing: Option<BundleDeployment> = ctx.client.get(&kind, key).await?;
            let is_anothers = existing.is_some_and(|existing| {
                let owner_now = owner(&existing);
                !owner_now.name.is_empty() && owner_now != owner(object)
            });
            if is_anothers {
                return Err(error);
            }
            let labels = object.metadata.labels.clone().unwrap_or_default();
            replace(ctx, key, &object.spec, &labels).await
        }
        Err(error) => Err(error),
    }
}

/// The name of a deployment, reserved for a bundle until dropped.
struct Claim<'a> {
    ctx: &'a Ctx,
    deployment: &'a ObjectKey,
}

impl<'a> Claim<'a> {
    /// `None` when another bundle has the name.
    fn of(ctx: &'a Ctx, deployment: &'a ObjectKey, object: &BundleDeployment) -> Option<Self> {
        let bundle = owner(object);
        let mut is_ours = false;
        ctx.world.update(|state| {
            is_ours = state.index.claim(deployment, &bundle);
            Vec::new()
        });
        is_ours.then_some(Self { ctx, deployment })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.ctx.world.update(|state| {
            state.index.claims.remove(self.deployment);
            Vec::new()
        });
    }
}

/// The bundle of a deployment, by its labels.
fn owner(deployment: &BundleDeployment) -> ObjectKey {
    let labels = deployment.metadata.labels.as_ref();
    let label = |name| {
        labels
            .and_then(|all| all.get(name))
            .cloned()
            .unwrap_or_default()
    };
    ObjectKey::new(label(BUNDLE_NAMESPACE), label(BUNDLE_NAME))
}

/// Replaces spec and labels and leaves the rest of the object alone.
async fn replace(
    ctx: &Ctx,
    key: &ObjectKey,
    spec: &BundleDeploymentSpec,
    labels: &std::collections::BTreeMap<String, String>,
) -> Result<(), apiclient::Error> {
    let body = json!([
        { "op": "add", "path": "/metadata/labels", "value": labels },
        { "op": "add", "path": "/spec", "value": spec },
    ]);
    let kind = Kind::of::<BundleDeployment>();
    let patch = Patch::Json(&body);
    let object = ctx
        .client
        .patch(&kind, key, None, patch, 0, WriteOptions::default())
        .await?;
    ctx.world.update(|state| state.deployment_written(&object));
    Ok(())
}

async fn stage(
    ctx: &Ctx,
    deployment: ObjectKey,
    cluster: ObjectKey,
    (uid, wanted, labels): (
        String,
        BundleDeploymentSpec,
        std::collections::BTreeMap<String, String>,
    ),
    staged_values: Vec<u8>,
) -> Result<(), Error> {
    let fail = |source| Error::WriteDeployment {
        deployment: deployment.clone(),
        cluster: cluster.clone(),
        source,
    };
    let kind = Kind::of::<BundleDeployment>();
    let current: Option<BundleDeployment> =
        ctx.client.get(&kind, &deployment).await.map_err(fail)?;
    let Some(current) = current else {
        return Ok(());
    };
    let secret: Option<Secret> = ctx
        .client
        .get(&Kind::of::<Secret>(), &deployment)
        .await
        .map_err(fail)?;
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    let values = data
        .get(DEPLOYMENT_VALUES_KEY)
        .map(|value| value.0.clone())
        .unwrap_or_default();
    let hash = options::hash(&values, &staged_values);
    if !hash.is_empty() && hash != current.spec.values_hash {
        let secret = options::secret(&deployment, &uid, values, staged_values);
        write_values(
            ctx,
            &deployment,
            &secret,
            !current.spec.values_hash.is_empty(),
        )
        .await?;
    }
    let spec = BundleDeploymentSpec {
        options: current.spec.options,
        deployment_id: current.spec.deployment_id,
        values_hash: hash,
        ..wanted
    };
    replace(ctx, &deployment, &spec, &labels)
        .await
        .map_err(fail)
}

async fn flags(
    ctx: &Ctx,
    deployment: &ObjectKey,
    wanted: BundleDeploymentSpec,
    labels: &std::collections::BTreeMap<String, String>,
) -> Result<(), apiclient::Error> {
    let kind = Kind::of::<BundleDeployment>();
    let Some(current) = ctx
        .client
        .get::<BundleDeployment>(&kind, deployment)
        .await?
    else {
        return Ok(());
    };
    let spec = BundleDeploymentSpec {
        options: current.spec.options,
        deployment_id: current.spec.deployment_id,
        staged_options: current.spec.staged_options,
        staged_deployment_id: current.spec.staged_deployment_id,
        values_hash: current.spec.values_hash,
        ..wanted
    };
    replace(ctx, deployment, &spec, labels).await
}
