//! From a content id to a chart that is ready to render.
//!
//! [`load`] reads the Content of a deployment and its chunks from the hub, verifies them, and builds
//! the chart: of Helm style, or around plain manifests ([`build`]). The result depends on nothing of
//! this cluster, so it is shared between agents.

mod build;
mod download;
mod kustomization;
mod overlays;
mod style;
mod types;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::fetch::charts::{Contents, RegistryError, Storage, StorageError};
use api::ids::content_id_of;
use api::labels::COMMIT;
use api::v1alpha1::{BundleDeployment, BundleDeploymentOptions, BundleResource, Content};
use apiclient::{Client, Kind, ObjectKey};
use bundle::content::MANIFEST_BYTES_MAX;
use k8s_openapi::api::core::v1::Secret;

pub(crate) use build::{Built, Definition, RawObject, expand};
pub(crate) use kustomization::Error as KustomizationError;

use crate::shared::{Panicked, Shared};

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The hub did not give the content.
    #[error("read content {name} from the hub")]
    Read {
        name: String,
        source: apiclient::Error,
    },
    /// The content, or a chunk of it, is not on the hub.
    #[error("content {name} is not on the hub")]
    Missing { name: String },
    /// The content is damaged.
    #[error("read content {name}")]
    Content {
        name: String,
        source: bundle::content::AssembleError,
    },
    /// The Secret with access to the registry was not read.
    #[error("read secret {secret} from the hub, for content {name} in a registry")]
    ReadAccess {
        name: String,
        secret: ObjectKey,
        source: Box<apiclient::Error>,
    },
    /// The hub has not copied it yet.
    #[error("secret {secret}, for content {name} in a registry, is not on the hub")]
    NoAccess { name: String, secret: ObjectKey },
    /// It says nothing about a registry.
    #[error("secret {secret}, for content {name} in a registry")]
    Access {
        name: String,
        secret: ObjectKey,
        source: StorageError,
    },
    /// The registry did not give the content.
    #[error("pull content {name}")]
    Pull {
        name: String,
        source: Box<RegistryError>,
    },
    /// The registry gave something else. The text is upstream's.
    #[error("invalid or corrupt manifest. Expecting id: {name:?}, got {found:?}")]
    OtherContent { name: String, found: String },
    /// The content holds no files.
    #[error("read content {name}: it is no manifest")]
    NoManifest { name: String },
    /// The chart of a HelmOp was not downloaded.
    #[error(transparent)]
    Download(Box<download::Error>),
    /// The files make no chart.
    #[error(transparent)]
    Build(build::Error),
    /// A defect.
    #[error("build the chart")]
    Panicked { source: Panicked },
}

impl Error {
    /// Whether trying again at once could help; bad files stay bad.
    pub(crate) fn is_transient(&self) -> bool {
        if let Self::Download(error) = self {
            return error.is_transient();
        }
        matches!(
            self,
            Self::Read { .. }
                | Self::Missing { .. }
                | Self::ReadAccess { .. }
                | Self::NoAccess { .. }
                | Self::Pull { .. }
                | Self::Panicked { .. }
        )
    }
}

/// What a chart is built from besides its files. Part of the cache's key.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) content_id: String,
    /// Namespace of the Secret with access to the registry that the content is in; `None` when it is on the hub.
    pub(crate) registry_access: Option<String>,
    /// How the chart is downloaded, if it is one of a HelmOp; `content_id` names nothing then.
    pub(crate) download: Option<download::Download>,
    pub(crate) bundle_id: String,
    pub(crate) commit: String,
    pub(crate) options: BundleDeploymentOptions,
}

impl Recipe {
    pub(crate) fn of(deployment: &BundleDeployment) -> Self {
        let labels = deployment.metadata.labels.as_ref();
        Self {
            content_id: content_id_of(&deployment.spec.deployment_id).to_owned(),
            registry_access: deployment
                .spec
                .oci_contents
                .then(|| deployment.metadata.namespace.clone().unwrap_or_default()),
            download: deployment.spec.helm_chart_options.clone().map(|access| {
                let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
                download::Download { namespace, access }
            }),
            bundle_id: deployment.metadata.name.clone().unwrap_or_default(),
            commit: labels
                .and_then(|labels| labels.get(COMMIT))
                .cloned()
                .unwrap_or_default(),
            options: deployment.spec.options.clone(),
        }
    }

    /// Equal keys give equal charts.
    fn key(&self) -> String {
        let helm = self.options.helm.as_ref();
        let chart = helm.map(|helm| (&helm.chart, &helm.repo, &helm.version));
        let overlays = self.options.yaml.as_ref().map(|yaml| &yaml.overlays);
        let directory = self
            .options
            .kustomize
            .as_ref()
            .map(|kustomize| &kustomize.dir);
        format!(
            "{:?}",
            (
                &self.content_id,
                &self.bundle_id,
                &self.commit,
                chart,
                overlays,
                directory,
                &self.options.templating,
                &self.download,
            )
        )
    }
}

/// The chart of a deployment, built at most once for all agents of the process.
pub(crate) async fn load(
    hub: &Client,
    shared: &Shared,
    recipe: Recipe,
) -> Result<Arc<Built>, Error> {
    let key = recipe.key();
    shared
        .chart(&key, || async {
            let origin = origin(hub, &recipe).await?;
            shared
                .compute(move || built(&recipe, origin))
                .await
                .map_err(|source| Error::Panicked { source })?
        })
        .await
}

/// Makes the chart of a deployment known, from a content that is at hand: [`load`] asks nobody for it then.
pub(crate) async fn provide(
    shared: &Shared,
    recipe: Recipe,
    content: (Content, BTreeMap<String, Content>),
) -> Result<Arc<Built>, Error> {
    let key = recipe.key();
    let build = || async {
        let work = move || built(&recipe, Origin::Hub(Box::new(content)));
        let built = shared.compute(work).await;
        built.map_err(|source| Error::Panicked { source })?
    };
    shared.chart(&key, build).await
}

/// The chart of a deployment, from a content that is at hand. Pure.
pub(crate) fn at_hand(
    recipe: &Recipe,
    content: (Content, BTreeMap<String, Content>),
) -> Result<Arc<Built>, Error> {
    built(recipe, Origin::Hub(Box::new(content))).map(Arc::new)
}

/// The chart of a deployment, from where its files come from.
fn built(recipe: &Recipe, origin: Origin) -> Result<Built, Error> {
    let resources = match origin {
        Origin::Files(files) => files,
        Origin::Registry(manifest) => unpack(&recipe.content_id, &manifest)?,
        Origin::Hub(content) => {
            let assembled = bundle::content::assemble(&content.0, &content.1);
            drop(content);
            assembled.map_err(|source| Error::Content {
                name: recipe.content_id.clone(),
                source,
            })?
        }
    };
    build::build(resources, recipe).map_err(Error::Build)
}

/// What the files of a deployment come from.
enum Origin {
    /// A chart that was downloaded.
    Files(Vec<BundleResource>),
    /// A manifest in a registry.
    Registry(Vec<u8>),
    /// A Content with its chunks.
    Hub(Box<(Content, BTreeMap<String, Content>)>),
}

async fn origin(hub: &Client, recipe: &Recipe) -> Result<Origin, Error> {
    if let Some(namespace) = &recipe.registry_access {
        let manifest = pull(hub, namespace, &recipe.content_id).await?;
        return Ok(Origin::Registry(manifest));
    }
    if let Some(download) = &recipe.download {
        let files = download::files(hub, download, recipe.options.helm.as_ref()).await;
        return files
            .map(Origin::Files)
            .map_err(|error| Error::Download(Box::new(error)));
    }
    let content = fetch(hub, &recipe.content_id).await?;
    Ok(Origin::Hub(Box::new(content)))
}

/// The manifest of a content in a registry, as bytes.
async fn pull(hub: &Client, namespace: &str, name: &str) -> Result<Vec<u8>, Error> {
    let (name, secret) = (name.to_owned(), ObjectKey::new(namespace, name));
    let read = hub.get::<Secret>(&Kind::of::<Secret>(), &secret).await;
    let found = match read {
        Ok(found) => found,
        Err(source) => {
            return Err(Error::ReadAccess {
                name,
                secret,
                source: Box::new(source),
            });
        }
    };
    let Some(found) = found else {
        return Err(Error::NoAccess { name, secret });
    };
    let data = found.data.unwrap_or_default().into_iter();
    let data = data.map(|(key, value)| (key, value.0)).collect();
    let storage = match Storage::of_secret(found.type_.as_deref().unwrap_or_default(), &data) {
        Ok(storage) => storage,
        Err(source) => {
            return Err(Error::Access {
                name,
                secret,
                source,
            });
        }
    };
    let pulled = async {
        let contents = Contents::to_read(&storage)?;
        contents.pull(&name, MANIFEST_BYTES_MAX as u64).await
    };
    pulled.await.map_err(|source| Error::Pull {
        name,
        source: Box::new(source),
    })
}

/// The files of a manifest, which has to be the one that its name says.
fn unpack(name: &str, manifest: &[u8]) -> Result<Vec<BundleResource>, Error> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Manifest {
        resources: Vec<BundleResource>,
    }
    let found = api::ids::content_id(&api::ids::content_sha256(manifest));
    if found != name {
        let name = name.to_owned();
        return Err(Error::OtherContent { name, found });
    }
    let read = serde_json::from_slice::<Manifest>(manifest);
    let manifest = read.map_err(|_| Error::NoManifest {
        name: name.to_owned(),
    })?;
    Ok(manifest.resources)
}

async fn fetch(hub: &Client, name: &str) -> Result<(Content, BTreeMap<String, Content>), Error> {
    let root = fetch_one(hub, name).await?;
    let mut chunks = BTreeMap::new();
    for chunk in &root.chunks {
        if !chunks.contains_key(&chunk.name) {
            chunks.insert(chunk.name.clone(), fetch_one(hub, &chunk.name).await?);
        }
    }
    Ok((root, chunks))
}

async fn fetch_one(hub: &Client, name: &str) -> Result<Content, Error> {
    let read = hub
        .get(&Kind::of::<Content>(), &ObjectKey::new("", name))
        .await;
    let found = read.map_err(|source| Error::Read {
        name: name.to_owned(),
        source,
    })?;
    found.ok_or_else(|| Error::Missing {
        name: name.to_owned(),
    })
}
