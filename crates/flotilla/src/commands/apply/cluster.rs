//! Writes Bundles to a hub.
//!
//! In: what was built from directories. Out: Bundles, their Contents and values Secrets on the hub, and a
//! line in the log for each Bundle. What to write is planned by `bundle`, how by `bundlewriter`.

use std::collections::BTreeSet;

use api::limits::Limits;
use apiclient::{Client, ConnectError, ObjectKey};
use bundle::BuiltBundle;
use bundle::content::{StoreError, Stored};
use bundle::write::{Refusal, plan_write};
use bundlewriter::registry::{self, Problem, Registry};
use bundlewriter::{Writer, Written};

use super::Args;

const FIELD_MANAGER: &str = "flotilla-apply";

/// Why not everything was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no runtime for requests.
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
    /// There is no connection to the hub.
    #[error("connect to the cluster")]
    Connect(#[source] ConnectError),
    /// A Bundle is too large. Nothing was written.
    #[error("{path}: {source}")]
    Store {
        /// The directory.
        path: String,
        /// Why; part of the text, so it is no source.
        source: Box<StoreError>,
    },
    /// What exists was not read. Nothing was written.
    #[error("list the bundles of {repo}")]
    List {
        /// Namespace, and name that the Bundles begin with.
        repo: ObjectKey,
        /// Why.
        source: apiclient::Error,
    },
    /// The registry for contents cannot be used. No Bundle was written.
    #[error(transparent)]
    Registry(Box<Problem>),
    /// A write failed. What was written before it stays.
    #[error("write the bundles of {repo}")]
    Write {
        /// Namespace, and name that the Bundles begin with.
        repo: ObjectKey,
        /// Why.
        source: apiclient::Error,
    },
    /// Bundles that must not be written. The others were.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
}

impl Error {
    /// Whether somebody else wrote at the same time, so that it may work when tried again.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.is_conflict() || source.is_already_exists())
    }
}

fn registry_error(problem: Problem) -> Error {
    Error::Registry(Box::new(problem))
}

fn list(refusals: &[Refusal]) -> String {
    let texts: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Writes the Bundles, and deletes those of the repository that are not among them.
///
/// `attempts`: how often to read, plan and write until nobody else writes at the same time.
///
/// # Errors
/// See [`Error`]. What was written stays; all of it can be repeated.
pub(super) fn write(args: &Args, bundles: Vec<BuiltBundle>, attempts: u64) -> Result<(), Error> {
    let repo = ObjectKey::new(
        args.namespace.clone(),
        args.names.first().cloned().unwrap_or_default(),
    );
    let stored = store(bundles, &Limits::PRODUCTION)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(async {
        let kube = apiclient::connect(args.kubeconfig.as_deref())
            .await
            .map_err(Error::Connect)?;
        let client = Client::new(kube, FIELD_MANAGER, hub::budgets(&Limits::PRODUCTION));
        let variable = std::env::var("OCI_STORAGE").ok();
        let registry = if registry::is_enabled(variable.as_deref()) {
            let named = &args.oci_registry_secret;
            let found = Registry::find(&client, &args.namespace, named).await;
            found.map_err(registry_error)?
        } else {
            None
        };
        let mut attempt = 1;
        loop {
            match write_once(&client, &repo, registry.as_ref(), stored.clone()).await {
                Err(error) if error.is_conflict() && attempt < attempts => {
                    tracing::warn!("{}, trying again", errors::chain(&error));
                    attempt += 1;
                }
                result => return result,
            }
        }
    })
}

/// Decides how each Bundle is stored.
fn store(bundles: Vec<BuiltBundle>, limits: &Limits) -> Result<Vec<Stored>, Error> {
    let store = |built: BuiltBundle| {
        bundle::content::store(built.bundle, limits).map_err(|source| Error::Store {
            path: built.path,
            source: Box::new(source),
        })
    };
    bundles.into_iter().map(store).collect()
}

async fn write_once(
    client: &Client,
    repo: &ObjectKey,
    registry: Option<&Registry>,
    mut stored: Vec<Stored>,
) -> Result<(), Error> {
    let names = stored
        .iter()
        .filter_map(|stored| stored.bundle.metadata.name.clone());
    let names: BTreeSet<String> = names.collect();
    let existing = bundlewriter::existing(client, repo, &names, |_| true).await;
    let existing = existing.map_err(|source| Error::List {
        repo: repo.clone(),
        source,
    })?;
    if let Some(registry) = registry {
        let fallbacks = registry.store(client, &existing, &mut stored).await;
        for fallback in fallbacks.map_err(registry_error)? {
            tracing::warn!("{}", errors::chain(&fallback));
        }
    }
    let plan = plan_write(&repo.name, &existing, stored, true);
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    for name in &plan.unchanged {
        tracing::info!("unchanged (bundle): {}/{name}", repo.namespace);
    }
    let mut writer = Writer::new(client.clone(), &existing);
    for action in plan.actions {
        let written = writer.write(action).await;
        let written = written.map_err(|source| Error::Write {
            repo: repo.clone(),
            source,
        })?;
        let (what, key) = match &written {
            Written::Created(bundle) => ("created", apiclient::Object::key(&**bundle)),
            Written::Updated(bundle) => ("updated", apiclient::Object::key(&**bundle)),
            Written::Deleted(key) => ("deleted", key.clone()),
            Written::Other => continue,
        };
        tracing::info!("{what} (bundle): {key}");
    }
    if plan.refusals.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(plan.refusals))
    }
}
