//! Makes the hub a cluster of its own.
//!
//! * **Object**: `bootstrap` of the ConfigMap `fleet-controller`.
//! * **Reads**: the service account `fleet-controller-bootstrap` and the Deployment `fleet-controller` of the
//!   system namespace; how this process itself reaches the hub.
//! * **Writes**: the bootstrap namespace, and in it the Secret `local-cluster` with a kubeconfig, the Cluster
//!   `local`, the ClusterGroup `default` and the GitRepo `bootstrap`; the Secret with the account's token.
//! * **Woken by**: the start, and changes of the configuration.
//!
//! The agent comes to the Cluster like to any other that a kubeconfig reaches (`crate::cluster_agent`). Of what
//! was made before, only a GitRepo that is configured no more is deleted.
//!
//! Source: hub specification 10.2.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use api::config::{Bootstrap, CONFIG_MAP};
use api::labels::OBJECT_SET_HASH;
use api::v1alpha1::GitRepo;
use apiclient::{DeleteOptions, Kind, ObjectKey};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use serde_json::{Value, json};
use workqueue::Next;

use crate::Ctx;
use crate::cluster_registration_token::{token, token_secret};
use crate::object_set::{ObjectSet, ensure};
use plan::Observed;

/// The account whose token the kubeconfig holds.
const ACCOUNT: &str = "fleet-controller-bootstrap";
/// How soon the account's token is looked for again.
const POLL: Duration = Duration::from_secs(2);
/// How soon a credential is handed on again that does not last.
const RENEW: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("read {what} of the hub")]
    Read {
        what: &'static str,
        source: apiclient::Error,
    },
    #[error("read the token of account {ACCOUNT}")]
    Token(#[source] Box<crate::cluster_registration_token::Error>),
    #[error("make a kubeconfig for the hub itself")]
    Kubeconfig(#[source] apiclient::OwnError),
    #[error("write {what}, by which the hub is a cluster")]
    Write {
        what: String,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            // Files and accounts come without an event.
            Self::Token(_) | Self::Kubeconfig(_) => None,
        }
    }
}

/// One look.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, (): ()) -> Next {
    let bootstrap = ctx
        .world
        .read(|state| state.config.config().bootstrap.clone());
    let Some(namespace) = plan::namespace(&bootstrap).map(str::to_owned) else {
        return Next::Done;
    };
    let Some(own) = &ctx.own else {
        return Next::Done;
    };
    match run(&ctx, own, bootstrap, &namespace).await {
        Ok(next) => next,
        Err(error) => {
            let key = ObjectKey::new(namespace, crate::cluster_agent::plan::LOCAL);
            crate::failure::next("bootstrap", &key, &error)
        }
    }
}

async fn run(
    ctx: &Ctx,
    own: &apiclient::Own,
    bootstrap: Bootstrap,
    namespace: &str,
) -> Result<Next, Error> {
    let Some(token) = account_token(ctx).await? else {
        return Ok(Next::After(POLL));
    };
    let kubeconfig = own.kubeconfig(token.as_deref(), namespace);
    let observed = Observed {
        server: own.server().to_owned(),
        ca_pem: own.ca_pem().map_err(Error::Kubeconfig)?,
        kubeconfig: kubeconfig.map_err(Error::Kubeconfig)?,
        tolerations: tolerations(ctx).await?,
        bootstrap,
    };
    act(ctx, namespace, &observed).await?;
    let lasts = token.is_some() || !own.is_short_lived();
    Ok(if lasts {
        Next::Done
    } else {
        Next::After(RENEW)
    })
}

/// The token of the account; inside `None` without an account, outside while it has no token yet.
async fn account_token(ctx: &Ctx) -> Result<Option<Option<String>>, Error> {
    let key = ObjectKey::new(ctx.namespace.clone(), ACCOUNT);
    let account = ctx
        .client
        .get::<ServiceAccount>(&Kind::of::<ServiceAccount>(), &key)
        .await;
    let account = account.map_err(|source| Error::Read {
        what: "account fleet-controller-bootstrap",
        source,
    })?;
    if account.is_none() {
        return Ok(Some(None));
    }
    let found = token(ctx, &key).await;
    let found = found.map_err(|source| Error::Token(Box::new(source)))?;
    if found.is_none() {
        let kind = Kind::of::<Secret>();
        let written = ensure(&ctx.client, &kind, token_secret(&ctx.namespace, ACCOUNT)).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    Ok(found.map(Some))
}

/// Where the hub may run its agent may run too. Null without a Deployment, or the right to look at it.
async fn tolerations(ctx: &Ctx) -> Result<Value, Error> {
    let key = ObjectKey::new(ctx.namespace.clone(), CONFIG_MAP);
    let found = ctx
        .client
        .get::<Value>(&Kind::of::<Deployment>(), &key)
        .await;
    match found {
        Ok(found) => Ok(found
            .and_then(|found| found.pointer("/spec/template/spec/tolerations").cloned())
            .unwrap_or_default()),
        Err(error) if error.code() == 403 => Ok(Value::Null),
        Err(source) => Err(Error::Read {
            what: "deployment fleet-controller",
            source,
        }),
    }
}

async fn act(ctx: &Ctx, namespace: &str, observed: &Observed) -> Result<(), Error> {
    let set = ObjectSet::of_nobody("fleet-bootstrap");
    let kind = Kind::of::<Namespace>();
    // Namespaces are never part of what is cleaned up.
    let object = json!({ "metadata": { "name": namespace } });
    let written = ensure(&ctx.client, &kind, object).await;
    written.map_err(|source| failed(&kind, source))?;
    for (kind, object) in plan::objects(namespace, observed) {
        let written = set.ensure(&ctx.client, &kind, object).await;
        written.map_err(|source| failed(&kind, source))?;
    }
    if !observed.bootstrap.repo.is_empty() {
        return Ok(());
    }
    let key = plan::repository(namespace);
    let ours = ctx.world.read(|state| {
        let repo = state.index.git_repos.get(&key)?;
        let is_ours = repo.meta.labels.get(OBJECT_SET_HASH) == Some(&set.hash());
        is_ours.then(|| repo.meta.uid.clone())
    });
    if let Some(uid) = ours {
        let kind = Kind::of::<GitRepo>();
        let options = DeleteOptions {
            uid,
            ..DeleteOptions::default()
        };
        let deleted = ctx.client.delete(&kind, &key, &options).await;
        deleted.map_err(|source| failed(&kind, source))?;
    }
    Ok(())
}

fn failed(kind: &Kind, source: apiclient::Error) -> Error {
    Error::Write {
        what: kind.to_string(),
        source,
    }
}
