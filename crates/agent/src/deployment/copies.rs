//! Secrets and ConfigMaps that a bundle takes along (`downstreamResources`): from the cluster's namespace on the
//! hub to the release namespace, before the release is installed.
//!
//! Several deployments may name one object; see [`api::copies`]. Values never occur in errors.

use std::collections::{BTreeMap, BTreeSet};

use api::copies::{self, COPY_OF_DEPLOYMENT, Copied, CopiedKind, Renewal};
use apiclient::{Client, DeleteOptions, Kind, Object, ObjectKey, Selector, WriteOptions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::apply;
use crate::world::Known;

/// What a bundle takes along was not copied, or not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be copied.
    #[error(transparent)]
    UnknownKind(copies::UnknownKind),
    /// The release namespace was not made.
    #[error(transparent)]
    Namespace(apply::Error),
    /// The hub did not give it.
    #[error("read {object} from the hub, to copy it")]
    Read {
        object: Copied,
        source: apiclient::Error,
    },
    /// The hub has not copied it yet.
    #[error("{object} is not on the hub, in namespace {namespace}")]
    Missing { object: Copied, namespace: String },
    /// The cluster did not take it, or not give it.
    #[error("copy {object} to namespace {namespace}")]
    Write {
        object: Copied,
        namespace: String,
        source: apiclient::Error,
    },
    /// Somebody else's.
    #[error(
        "{object} of namespace {namespace} is not a copy of this bundle's and is left alone; remove it, or set helm.takeOwnership"
    )]
    Foreign { object: Copied, namespace: String },
    /// The copies on the cluster were not listed.
    #[error("list copies on the cluster")]
    List { source: apiclient::Error },
}

fn kind_of(kind: CopiedKind) -> Kind {
    Kind::new("", "v1", kind.name(), kind.plural(), true)
}

/// Copies all that a deployment names into its release namespace, which is made if it may be.
///
/// They are written as whom the deployment acts: a bundle must not bring a Secret where its account may
/// not.
pub(super) async fn bring(
    agent: &Agent,
    cluster: &Client,
    known: &Known,
    namespace: &str,
) -> Result<(), Error> {
    let options = &known.object.spec.options;
    let named = copies::named(options).map_err(Error::UnknownKind)?;
    if named.is_empty() {
        return Ok(());
    }
    let may_create = options.create_namespace.unwrap_or(true);
    let made = apply::namespace::ensure(&agent.cluster, cluster, namespace, may_create).await;
    made.map_err(Error::Namespace)?;
    let helm = options.helm.as_ref();
    let takes_over = helm.is_some_and(|helm| helm.take_ownership);
    for object in named {
        let source = source(agent, &object).await?;
        let target = Target {
            cluster,
            deployment: known.name(),
            namespace,
            object: &object,
        };
        target.write(&source, takes_over).await?;
    }
    Ok(())
}

async fn source(agent: &Agent, object: &Copied) -> Result<Value, Error> {
    let namespace = agent.options.deployment_namespace.clone();
    let key = ObjectKey::new(namespace.clone(), object.name.clone());
    let found = agent.hub.get::<Value>(&kind_of(object.kind), &key).await;
    let found = found.map_err(|source| Error::Read {
        object: object.clone(),
        source,
    })?;
    // What is no copy is a credential of the agent's own.
    let found = found.filter(|found| copies::refusal(found).is_none());
    found.ok_or_else(|| Error::Missing {
        object: object.clone(),
        namespace,
    })
}

/// A copy on the cluster.
struct Target<'a> {
    cluster: &'a Client,
    deployment: &'a str,
    namespace: &'a str,
    object: &'a Copied,
}

impl Target<'_> {
    fn fail(&self, source: apiclient::Error) -> Error {
        Error::Write {
            object: self.object.clone(),
            namespace: self.namespace.to_owned(),
            source,
        }
    }

    fn key(&self) -> (Kind, ObjectKey) {
        let name = self.object.name.clone();
        (
            kind_of(self.object.kind),
            ObjectKey::new(self.namespace, name),
        )
    }

    async fn write(&self, source: &Value, takes_over: bool) -> Result<(), Error> {
        let ((kind, key), once) = (self.key(), WriteOptions::default());
        let payload = copies::payload(source);
        let found = self.cluster.get::<Value>(&kind, &key).await;
        let found = found.map_err(|source| self.fail(source))?;
        let Some(mut copy) = found else {
            let mut copy = json!({ "metadata": { "name": key.name, "namespace": key.namespace } });
            copies::fill(&mut copy, &payload);
            self.mark(&mut copy);
            let created = self.cluster.create(&kind, &key, &copy, once).await;
            return created.map(drop).map_err(|source| self.fail(source));
        };
        let is_ours = copy
            .pointer("/metadata/labels")
            .is_some_and(|labels| labels.get(COPY_OF_DEPLOYMENT).is_some());
        if !is_ours && !takes_over {
            return Err(Error::Foreign {
                object: self.object.clone(),
                namespace: self.namespace.to_owned(),
            });
        }
        let renewal = copies::renew(&mut copy, &payload, self.deployment);
        self.mark(&mut copy);
        let renewed = match renewal {
            Renewal::Nothing => return Ok(()),
            Renewal::Replace => self.cluster.replace(&kind, &key, &copy, once).await,
            Renewal::Recreate => {
                let delete = DeleteOptions::default();
                let deleted = self.cluster.delete(&kind, &key, &delete).await;
                deleted.map_err(|source| self.fail(source))?;
                self.cluster.create(&kind, &key, &copy, once).await
            }
        };
        renewed.map(drop).map_err(|source| self.fail(source))
    }

    fn mark(&self, copy: &mut Value) {
        copies::hold(copy, self.deployment, true);
        copy["metadata"]["labels"][COPY_OF_DEPLOYMENT] = self.deployment.into();
    }

    /// The deployment does not need it any more.
    async fn let_go(&self) -> Result<(), Error> {
        let (kind, key) = self.key();
        let found = self.cluster.get::<Value>(&kind, &key).await;
        let found = found.map_err(|source| self.fail(source))?;
        let ours = found.filter(|copy| {
            let label = copy
                .pointer("/metadata/labels")
                .map(|labels| &labels[COPY_OF_DEPLOYMENT]);
            let by_upstream =
                || label == Some(&self.deployment.into()) && !copies::is_held(copy, None);
            copies::is_held_by(copy, self.deployment) || by_upstream()
        });
        let Some(mut copy) = ours else {
            return Ok(());
        };
        let done = if copies::is_held(&copy, Some(self.deployment)) {
            copies::hold(&mut copy, self.deployment, false);
            let once = WriteOptions::default();
            self.cluster
                .replace(&kind, &key, &copy, once)
                .await
                .map(drop)
        } else {
            self.cluster
                .delete(&kind, &key, &DeleteOptions::default())
                .await
                .map(drop)
        };
        done.map_err(|source| self.fail(source))
    }
}

/// Removes copies that a deployment had and does not name in `keep`, in which namespace they ever are.
pub(super) async fn prune(
    agent: &Agent,
    deployment: &str,
    keep: Option<(&str, BTreeSet<Copied>)>,
) -> Result<(), Error> {
    for kind in [CopiedKind::ConfigMap, CopiedKind::Secret] {
        let mut found: Vec<ObjectKey> = Vec::new();
        let selector = Selector {
            metadata_only: true,
            ..Selector::labels(COPY_OF_DEPLOYMENT)
        };
        let holder = copies::holder_label(deployment);
        let each = |copy: Labelled| {
            let labels = copy.metadata.labels.clone().unwrap_or_default();
            // Those of upstream's agent have its label only.
            let by_upstream = labels
                .get(COPY_OF_DEPLOYMENT)
                .is_some_and(|of| of == deployment);
            if by_upstream || labels.contains_key(&holder) {
                found.push(copy.key());
            }
        };
        let listed = agent.cluster.list(&kind_of(kind), &selector, each).await;
        listed.map_err(|source| Error::List { source })?;
        for key in found {
            let object = Copied {
                kind,
                name: key.name,
            };
            let is_kept = keep.as_ref().is_some_and(|(namespace, named)| {
                *namespace == key.namespace && named.contains(&object)
            });
            if !is_kept {
                let target = Target {
                    cluster: &agent.cluster,
                    deployment,
                    namespace: &key.namespace,
                    object: &object,
                };
                target.let_go().await?;
            }
        }
    }
    Ok(())
}

/// An object read as metadata only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labelled {
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: String,
    name: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
}

impl Object for Labelled {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}
