//! From a content id to a chart that is ready to render.
//!
//! [`load`] reads the Content of a deployment and its chunks from the hub, verifies them, and builds
//! the chart: of Helm style, or around plain manifests ([`build`]). The result depends on nothing of
//! this cluster, so it is shared between agents.

mod build;
mod overlays;
mod style;
mod types;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::ids::content_id_of;
use api::labels::COMMIT;
use api::v1alpha1::{BundleDeployment, BundleDeploymentOptions, Content};
use apiclient::{Client, Kind, ObjectKey};

pub(crate) use build::{Built, Definition, RawObject, expand};

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
        matches!(
            self,
            Self::Read { .. } | Self::Missing { .. } | Self::Panicked { .. }
        )
    }
}

/// What a chart is built from besides its files. Part of the cache's key.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) content_id: String,
    pub(crate) bundle_id: String,
    pub(crate) commit: String,
    pub(crate) options: BundleDeploymentOptions,
}

impl Recipe {
    pub(crate) fn of(deployment: &BundleDeployment) -> Self {
        let labels = deployment.metadata.labels.as_ref();
        Self {
            content_id: content_id_of(&deployment.spec.deployment_id).to_owned(),
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
            let (root, chunks) = fetch(hub, &recipe.content_id).await?;
            let work = move || {
                let resources =
                    bundle::content::assemble(&root, &chunks).map_err(|source| Error::Content {
                        name: recipe.content_id.clone(),
                        source,
                    })?;
                build::build(&resources, &recipe).map_err(Error::Build)
            };
            shared
                .compute(work)
                .await
                .map_err(|source| Error::Panicked { source })?
        })
        .await
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
