//! The file that a deployment is read from.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use agent::local::Given;
use api::ids::content_id_of;
use api::v1alpha1::{BundleDeployment, Content};
use serde_json::Value;

/// The file holds no deployment. Texts about what is missing are upstream's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read.
    #[error("read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A document is no YAML.
    #[error("{}: document {number}", file.display())]
    Yaml {
        file: PathBuf,
        number: usize,
        #[source]
        source: goyaml::Error,
    },
    /// A document has fields of another type.
    #[error("{}: document {number}", file.display())]
    Fields {
        file: PathBuf,
        number: usize,
        #[source]
        source: serde_json::Error,
    },
    /// There is no Content.
    #[error("failed to read content resource from file")]
    NoContent,
    /// There is no BundleDeployment.
    #[error("failed to read bundledeployment resource from file")]
    NoDeployment,
    /// There are BundleDeployments of several clusters.
    #[error(
        "{} has {count} BundleDeployments, give the one of the cluster: {names}", file.display()
    )]
    Several {
        file: PathBuf,
        count: usize,
        names: String,
    },
    /// The Contents are of other deployments.
    #[error("{} does not have content {name}, which the BundleDeployment names", file.display())]
    OtherContent { file: PathBuf, name: String },
}

/// Reads a Content, its chunks if it has any, and a BundleDeployment, in any order. Other kinds are passed
/// over.
pub(crate) fn read(file: &Path) -> Result<Given, Error> {
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|source| Error::Read {
        file: file.to_owned(),
        source,
    })?;
    let mut contents: BTreeMap<String, Content> = BTreeMap::new();
    let mut deployments: Vec<BundleDeployment> = Vec::new();
    for (at, part) in goyaml::documents::split(&text).enumerate() {
        let number = at + 1;
        let object = goyaml::parse(part.text.as_bytes()).map_err(|source| Error::Yaml {
            file: file.to_owned(),
            number,
            source,
        })?;
        let in_fields = |source| Error::Fields {
            file: file.to_owned(),
            number,
            source,
        };
        match object.get("kind").and_then(Value::as_str) {
            Some("Content") => {
                let content: Content = serde_json::from_value(object).map_err(in_fields)?;
                let name = content.metadata.name.clone().unwrap_or_default();
                contents.insert(name, content);
            }
            Some("BundleDeployment") => {
                deployments.push(serde_json::from_value(object).map_err(in_fields)?);
            }
            _ => {}
        }
    }
    choose(file, contents, deployments)
}

fn choose(
    file: &Path,
    mut contents: BTreeMap<String, Content>,
    mut deployments: Vec<BundleDeployment>,
) -> Result<Given, Error> {
    if contents.is_empty() {
        return Err(Error::NoContent);
    }
    if deployments.len() > 1 {
        let metadata = deployments.iter().map(|it| &it.metadata);
        let names = metadata.map(|it| {
            let namespace = it.namespace.as_deref().unwrap_or_default();
            format!("{namespace}/{}", it.name.as_deref().unwrap_or_default())
        });
        return Err(Error::Several {
            file: file.to_owned(),
            count: deployments.len(),
            names: names.collect::<Vec<_>>().join(", "),
        });
    }
    let deployment = deployments.pop().ok_or(Error::NoDeployment)?;
    let name = content_id_of(&deployment.spec.deployment_id);
    let Some(content) = contents.remove(name) else {
        return Err(Error::OtherContent {
            file: file.to_owned(),
            name: name.to_owned(),
        });
    };
    Ok(Given {
        deployment,
        content,
        chunks: contents,
    })
}
