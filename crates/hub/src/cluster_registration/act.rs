//! Executes the plan for a ClusterRegistration.

use std::time::Duration;

use api::v1alpha1::{Cluster, ClusterRegistration};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use workqueue::Next;

use super::plan::{self, Grant, Observed};
use super::set;
use crate::Ctx;
use crate::cluster_registration_token::{token, token_secret};
use crate::object_set::ensure;

/// How often the token of a new account is looked for.
const POLL: Duration = Duration::from_secs(1);

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("create cluster {cluster}")]
    CreateCluster {
        cluster: ObjectKey,
        source: apiclient::Error,
    },
    #[error("write {what} for the agent of cluster {cluster}")]
    Write {
        what: String,
        cluster: String,
        source: apiclient::Error,
    },
    #[error(transparent)]
    Token(#[from] crate::cluster_registration_token::Error),
    #[error("write status and owner")]
    Update(#[source] apiclient::Error),
    #[error("delete the older request {request}")]
    DeleteOlder {
        request: ObjectKey,
        source: apiclient::Error,
    },
    #[error("take back what was granted")]
    Sweep(#[source] apiclient::Error),
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::CreateCluster { source, .. }
            | Self::Write { source, .. }
            | Self::DeleteOlder { source, .. }
            | Self::Update(source)
            | Self::Sweep(source) => Some(source),
            Self::Token(error) => error.request(),
        }
    }
}

/// Takes back everything a request was granted that is gone.
pub(crate) async fn sweep(ctx: &Ctx, key: &ObjectKey) -> Result<Next, Error> {
    let swept = set(key).sweep(&ctx.client).await;
    swept.map(|()| Next::Done).map_err(Error::Sweep)
}

/// Creates the Cluster of an agent that nobody announced. Its namespace wakes the request again.
pub(crate) async fn create_cluster(
    ctx: &Ctx,
    observed: &Observed,
    name: &str,
) -> Result<Next, Error> {
    let object = plan::cluster(observed, name);
    let key = ObjectKey::new(observed.key.namespace.clone(), name);
    let options = WriteOptions::default();
    let created = ctx
        .client
        .create(&Kind::of::<Cluster>(), &key, &object, options)
        .await;
    match created {
        Ok(_) => name_cluster(ctx, observed, name, false).await,
        Err(source) => Err(Error::CreateCluster {
            cluster: key,
            source,
        }),
    }
}

/// Writes which Cluster it is, and whether the credential is there.
pub(crate) async fn name_cluster(
    ctx: &Ctx,
    observed: &Observed,
    cluster: &str,
    granted: bool,
) -> Result<Next, Error> {
    if observed.cluster_name == cluster && observed.granted == granted {
        return Ok(Next::Done);
    }
    let body = json!({ "status": { "clusterName": cluster, "granted": granted } });
    update(ctx, observed, Some("status"), &body).await?;
    Ok(Next::Done)
}

async fn update(
    ctx: &Ctx,
    observed: &Observed,
    subresource: Option<&str>,
    body: &Value,
) -> Result<(), Error> {
    let kind = Kind::of::<ClusterRegistration>();
    let (patch, options) = (Patch::Merge(body), WriteOptions::default());
    let patched: Result<ObjectMeta, _> = ctx
        .client
        .patch(&kind, &observed.key, subresource, patch, 0, options)
        .await;
    patched.map(drop).map_err(Error::Update)
}

/// Grants a request: account, rights, answer; then it is marked, and older requests go.
pub(crate) async fn grant(ctx: &Ctx, observed: &Observed, grant: &Grant) -> Result<Next, Error> {
    let cluster = &grant.cluster;
    let set = set(&observed.key);
    let failed = |kind: &Kind, source| Error::Write {
        what: kind.to_string(),
        cluster: cluster.name.clone(),
        source,
    };
    for (kind, object) in plan::roles() {
        let written = ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    let account = ObjectKey::new(cluster.namespace.clone(), observed.account());
    let secret = token_secret(&account.namespace, &account.name);
    let accounts = [
        plan::account(observed, cluster),
        (Kind::of::<Secret>(), secret),
    ];
    for (kind, object) in accounts.into_iter().chain(plan::grants(observed, cluster)) {
        let written = set.ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    let Some(token) = token(ctx, &account).await? else {
        name_cluster(ctx, observed, &cluster.name, false).await?;
        return Ok(Next::After(POLL));
    };
    // The Cluster takes the request along when it goes.
    let owner = json!({ "metadata": { "ownerReferences": plan::owner(cluster) } });
    update(ctx, observed, None, &owner).await?;
    for (kind, object) in plan::answer(observed, grant, &token) {
        let written = set.ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    name_cluster(ctx, observed, &cluster.name, true).await?;
    tracing::info!(registration = %observed.key, cluster = cluster.name, "registered");
    forget_older(ctx, &observed.older).await?;
    Ok(Next::Done)
}

/// The agent of an older request is the one that asks now, or one that lost its cluster.
async fn forget_older(ctx: &Ctx, older: &[ObjectKey]) -> Result<(), Error> {
    let kind = Kind::of::<ClusterRegistration>();
    for request in older {
        let deleted = ctx
            .client
            .delete(&kind, request, &DeleteOptions::default())
            .await;
        deleted.map_err(|source| Error::DeleteOlder {
            request: request.clone(),
            source,
        })?;
    }
    Ok(())
}
