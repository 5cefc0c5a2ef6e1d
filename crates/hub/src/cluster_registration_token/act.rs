//! Executes the plan for a ClusterRegistrationToken.

use api::v1alpha1::{ClusterRegistrationToken, ClusterRegistrationTokenStatus};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use workqueue::Next;

use super::plan::{self, Observed};
use super::{POLL, set};
use crate::Ctx;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("write {what} for agents to register")]
    Write {
        what: String,
        source: apiclient::Error,
    },
    #[error("read the token of account {account}")]
    Token {
        account: ObjectKey,
        source: apiclient::Error,
    },
    #[error("print the values for agents")]
    Print(#[source] goyaml::WriteError),
    #[error("delete the token")]
    Delete(#[source] apiclient::Error),
    #[error("write the status")]
    Status(#[source] apiclient::Error),
    #[error("delete what belongs to a token that is gone")]
    Sweep(#[source] apiclient::Error),
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Write { source, .. }
            | Self::Token { source, .. }
            | Self::Delete(source)
            | Self::Status(source)
            | Self::Sweep(source) => Some(source),
            Self::Print(_) => None,
        }
    }
}

/// Deletes a token that is not valid any more; what belongs to it goes with the next run.
pub(crate) async fn delete(ctx: &Ctx, observed: &Observed, why: &str) -> Result<(), Error> {
    tracing::info!(token = %observed.key, why, "a registration token is deleted");
    let options = DeleteOptions {
        uid: observed.uid.clone(),
        ..DeleteOptions::default()
    };
    let kind = Kind::of::<ClusterRegistrationToken>();
    let deleted = ctx.client.delete(&kind, &observed.key, &options).await;
    deleted.map(drop).map_err(Error::Delete)
}

/// Writes everything an agent needs to ask, and says where it is.
pub(crate) async fn provide(
    ctx: &Ctx,
    observed: &Observed,
    expires: Option<Timestamp>,
) -> Result<Next, Error> {
    let set = set(&observed.key);
    let write = |kind: &Kind, source| Error::Write {
        what: kind.to_string(),
        source,
    };
    for (kind, object) in plan::account_objects(observed) {
        let written = set.ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| write(&kind, source))?;
    }
    let account = plan::account(&observed.key.name, &observed.uid);
    let account = ObjectKey::new(observed.key.namespace.clone(), account);
    let Some(token) = token(ctx, &account).await? else {
        return Ok(Next::After(POLL));
    };
    for (kind, object) in plan::objects(observed, &token).map_err(Error::Print)? {
        let written = set.ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| write(&kind, source))?;
    }
    let wanted = ClusterRegistrationTokenStatus {
        expires: expires.map(Time),
        secret_name: observed.key.name.clone(),
    };
    if observed.status != wanted {
        let body = json!({ "status": wanted });
        let kind = Kind::of::<ClusterRegistrationToken>();
        let (patch, options) = (Patch::Merge(&body), WriteOptions::default());
        let patched: Result<ObjectMeta, _> = ctx
            .client
            .patch(&kind, &observed.key, Some("status"), patch, 0, options)
            .await;
        patched.map_err(Error::Status)?;
    }
    let left = expires.map(|expires| expires.duration_since(Timestamp::now()));
    Ok(left.map_or(Next::Done, |left| Next::After(left.unsigned_abs())))
}

/// The token of an account, once Kubernetes has made it.
pub(crate) async fn token(ctx: &Ctx, account: &ObjectKey) -> Result<Option<String>, Error> {
    let key = ObjectKey::new(account.namespace.clone(), format!("{}-token", account.name));
    let found = ctx.client.get::<Secret>(&Kind::of::<Secret>(), &key).await;
    let found = found.map_err(|source| Error::Token {
        account: account.clone(),
        source,
    })?;
    let token = found.and_then(|secret| secret.data?.remove("token"));
    Ok(token
        .filter(|token| !token.0.is_empty())
        .map(|token| String::from_utf8_lossy(&token.0).into_owned()))
}
