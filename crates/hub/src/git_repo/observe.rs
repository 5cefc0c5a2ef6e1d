//! Asks the repository which commit is current.

use apiclient::{Kind, ObjectKey};
use fetch::{Commit, Credentials, Reference, RepoUrl, Repository};
use k8s_openapi::api::core::v1::Secret;

use super::{Sync, credentials};
use crate::Ctx;
use crate::index::GitRepoEntry;

/// Name of the Secret with the credential when the GitRepo names none.
const DEFAULT_SECRET: &str = "gitcredential";

/// The repository and its current commit.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) repository: Repository,
    pub(crate) commit: Commit,
}

/// Why there is no commit, for people.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) text: String,
}

impl From<&dyn std::error::Error> for Problem {
    fn from(error: &dyn std::error::Error) -> Self {
        Self {
            text: errors::chain(error),
        }
    }
}

/// Resolves the commit of a GitRepo. With polling switched off the known commit stays, until the
/// GitRepo itself changes.
pub(crate) async fn commit(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    sync: &Sync,
) -> Result<Observed, Problem> {
    let spec = &repo.spec;
    let url = RepoUrl::parse(&spec.repo)
        .map_err(|error| Problem::from(&error as &dyn std::error::Error))?;
    let reference = Reference::of(&spec.branch, &spec.revision)
        .map_err(|error| Problem::from(&error as &dyn std::error::Error))?;
    let credentials = credential(ctx, key, repo).await?;
    let repository = Repository { url, credentials };
    let known = !sync.commit.is_empty() && sync.generation == repo.meta.generation;
    if spec.disable_polling && known {
        let commit = Commit {
            id: sync.commit.clone(),
            reference: None,
        };
        return Ok(Observed { repository, commit });
    }
    let commit = ctx.fetcher.resolve(&repository, &reference).await;
    let commit = commit.map_err(|error| Problem::from(&error as &dyn std::error::Error))?;
    Ok(Observed { repository, commit })
}

async fn credential(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
) -> Result<Credentials, Problem> {
    let spec = &repo.spec;
    let named = !spec.client_secret_name.is_empty();
    let name = if named {
        spec.client_secret_name.as_str()
    } else {
        DEFAULT_SECRET
    };
    let secret_key = ObjectKey::new(key.namespace.clone(), name);
    let secret: Option<Secret> = ctx
        .client
        .get(&Kind::of::<Secret>(), &secret_key)
        .await
        .map_err(|error| Problem::from(&error as &dyn std::error::Error))?;
    let mut credentials = match secret {
        Some(secret) => credentials::read(&secret_key, &secret)
            .map_err(|error| Problem::from(&error as &dyn std::error::Error))?,
        None if named => {
            return Err(Problem {
                text: format!("secret {secret_key} does not exist"),
            });
        }
        None => Credentials::default(),
    };
    credentials.ca_bundle = spec.ca_bundle.as_ref().map(|bundle| bundle.0.clone());
    credentials.insecure_skip_tls_verify = spec.insecure_skip_tls_verify;
    Ok(credentials)
}
