//! Files of Bundles in a registry instead of on the hub.
//!
//! Each is pushed, and a Secret with access to it written beside the Bundle, before the Bundle names it. A
//! registry that does not take it is no reason not to deploy: then the hub keeps the files, as if there were no
//! registry. Artifact and Secret are deleted by the hub, with what needed them last.
//!
//! `spec.overwrites` names no objects that move between bundles which are stored like this, as upstream.

use std::collections::BTreeMap;

use api::ids::{content_id, content_sha256, manifest_json};
use api::labels::{BUNDLE_INTERNAL_SECRET, SECRET_TYPE_OCI_STORAGE};
use api::v1alpha1::{BundleResource, Content};
use apiclient::{Client, Error, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use bundle::content::{AssembleError, Stored, assemble};
use bundle::write::Existing;
use fetch::charts::{Contents, RegistryError, Storage, StorageError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

/// Name of the Secret with access to the registry when none is named.
const SECRET_DEFAULT: &str = "ocistorage";

/// A registry cannot be used, or what it needs not be written. Nothing was written to the hub but access to
/// contents.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The Secret was not read.
    #[error("read secret {secret} for the registry that contents are stored in")]
    Read {
        /// The Secret.
        secret: ObjectKey,
        /// Why.
        source: Error,
    },
    /// The Secret that was asked for is not there.
    #[error("secret {secret} for the registry that contents are stored in does not exist")]
    Missing {
        /// The Secret.
        secret: ObjectKey,
    },
    /// It says nothing about a registry.
    #[error("secret {secret} for the registry that contents are stored in")]
    Invalid {
        /// The Secret.
        secret: ObjectKey,
        /// Why.
        source: StorageError,
    },
    /// Its certificates cannot be used.
    #[error("secret {secret} for the registry that contents are stored in")]
    Unusable {
        /// The Secret.
        secret: ObjectKey,
        /// Why.
        source: Box<RegistryError>,
    },
    /// Whether a content is stored is not known, or agents were not given access to it.
    #[error("write access to content {secret} in its registry")]
    Access {
        /// The Secret, named like the content.
        secret: ObjectKey,
        /// Why.
        source: Error,
    },
}

impl Problem {
    /// The request that failed, if one did.
    pub fn request(&self) -> Option<&Error> {
        match self {
            Self::Read { source, .. } | Self::Access { source, .. } => Some(source),
            Self::Missing { .. } | Self::Invalid { .. } | Self::Unusable { .. } => None,
        }
    }
}

/// Files of one bundle stay on the hub. Agents get them all the same.
#[derive(Debug, thiserror::Error)]
pub enum Fallback {
    /// The registry did not take them, nor was it asked for those of later bundles.
    #[error("bundles from {bundle:?} on are stored on the hub")]
    Push {
        /// Name of the first Bundle.
        bundle: String,
        /// Why.
        source: Box<RegistryError>,
    },
    /// They cannot be put together.
    #[error("bundle {bundle:?} is stored on the hub")]
    Assemble {
        /// Name of the Bundle.
        bundle: String,
        /// Why.
        source: AssembleError,
    },
}

/// What the variable `OCI_STORAGE` says: whether registries are used at all. Upstream's environment.
pub fn is_enabled(variable: Option<&str>) -> bool {
    !matches!(
        variable,
        Some("0" | "f" | "F" | "false" | "FALSE" | "False")
    )
}

/// Where a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is a Content.
    Hub,
    /// There is access to it, as the registry wants it now.
    Registry,
    /// Neither, as far as anybody is told.
    Nowhere,
}

/// A registry that the Bundles of a namespace are stored in.
#[derive(Debug)]
pub struct Registry {
    contents: Contents,
    /// Of the Secret, for those beside the Bundles.
    data: BTreeMap<String, ByteString>,
}

impl Registry {
    /// Reads the Secret with access. `named` is empty for the one that is used where it exists; else it has to.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn find(
        client: &Client,
        namespace: &str,
        named: &str,
    ) -> Result<Option<Self>, Problem> {
        let name = if named.is_empty() {
            SECRET_DEFAULT
        } else {
            named
        };
        let secret = ObjectKey::new(namespace, name);
        let found = client.get::<Secret>(&Kind::of::<Secret>(), &secret).await;
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) if named.is_empty() => return Ok(None),
            Ok(None) => return Err(Problem::Missing { secret }),
            Err(source) => return Err(Problem::Read { secret, source }),
        };
        let data = found.data.unwrap_or_default();
        let bytes = data.iter();
        let bytes = bytes.map(|(key, value)| (key.clone(), value.0.clone()));
        let kind = found.type_.unwrap_or_default();
        let storage = match Storage::of_secret(&kind, &bytes.collect()) {
            Ok(storage) => storage,
            Err(source) => return Err(Problem::Invalid { secret, source }),
        };
        match Contents::to_write(&storage) {
            Ok(contents) => Ok(Some(Self { contents, data })),
            Err(source) => Err(Problem::Unusable {
                secret,
                source: Box::new(source),
            }),
        }
    }

    /// Stores the files of Bundles in the registry. What comes back says why some of them stay on the hub.
    ///
    /// Files that are on the hub already stay there until they change.
    ///
    /// # Errors
    /// [`Problem::Access`]. It may be repeated.
    pub async fn store(
        &self,
        client: &Client,
        existing: &[Existing],
        bundles: &mut [Stored],
    ) -> Result<Vec<Fallback>, Problem> {
        let mut fallbacks = Vec::new();
        for stored in bundles {
            let name = super::key_of(&stored.bundle).name;
            let files = match files(stored) {
                Ok(files) if files.is_empty() => continue,
                Ok(files) => files,
                Err(source) => {
                    let bundle = name;
                    fallbacks.push(Fallback::Assemble { bundle, source });
                    continue;
                }
            };
            let manifest = manifest_json(&files);
            let id = content_id(&content_sha256(&manifest));
            let access = ObjectKey::new(super::key_of(&stored.bundle).namespace, id.as_str());
            let is_of = |one: &&Existing| one.bundle.metadata.name == stored.bundle.metadata.name;
            let old = existing.iter().find(is_of).map(|one| &one.bundle);
            if old.is_some_and(|old| bundle::write::refuse(old).is_some()) {
                continue;
            }
            let is_known = old.is_some_and(|old| old.spec.contents_id == id);
            let place = self.place(client, &access).await;
            let place = place.map_err(|source| Problem::Access {
                secret: access.clone(),
                source,
            })?;
            if place == Place::Hub && !is_known {
                continue;
            }
            if place == Place::Nowhere || (place == Place::Registry && !is_known) {
                if let Err(source) = self.contents.push(&id, manifest).await {
                    let (bundle, source) = (name, Box::new(source));
                    fallbacks.push(Fallback::Push { bundle, source });
                    return Ok(fallbacks);
                }
                let written = self.grant(client, &access).await;
                written.map_err(|source| Problem::Access {
                    secret: access.clone(),
                    source,
                })?;
            }
            stored.bundle.spec.contents_id = id;
            stored.bundle.spec.resources = Vec::new();
            stored.contents = Vec::new();
        }
        Ok(fallbacks)
    }

    /// Where agents find a content now.
    async fn place(&self, client: &Client, access: &ObjectKey) -> Result<Place, Error> {
        let content = ObjectKey::new("", access.name.as_str());
        let content: Option<ObjectMeta> = client.get(&Kind::of::<Content>(), &content).await?;
        if content.is_some() {
            return Ok(Place::Hub);
        }
        let secret: Option<Secret> = client.get(&Kind::of::<Secret>(), access).await?;
        let is_access = secret.and_then(|secret| secret.data).as_ref() == Some(&self.data);
        Ok(if is_access {
            Place::Registry
        } else {
            Place::Nowhere
        })
    }

    /// Writes the Secret that the hub copies for agents.
    async fn grant(&self, client: &Client, access: &ObjectKey) -> Result<(), Error> {
        let mut secret = Secret::default();
        secret.metadata.namespace = Some(access.namespace.clone());
        secret.metadata.name = Some(access.name.clone());
        let label = (BUNDLE_INTERNAL_SECRET.to_owned(), "true".to_owned());
        secret.metadata.labels = Some(BTreeMap::from([label]));
        secret.type_ = Some(SECRET_TYPE_OCI_STORAGE.to_owned());
        secret.data = Some(self.data.clone());
        let (kind, once) = (Kind::of::<Secret>(), WriteOptions::default());
        match client.create(&kind, access, &secret, once).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error),
        }
        // One of another type is not ours to touch.
        let body = json!([
            { "op": "test", "path": "/type", "value": SECRET_TYPE_OCI_STORAGE },
            { "op": "add", "path": "/data", "value": self.data },
        ]);
        let patch = Patch::Json(&body);
        let patched: Result<ObjectMeta, _> =
            client.patch(&kind, access, None, patch, 0, once).await;
        patched.map(drop)
    }
}

fn files(stored: &Stored) -> Result<Vec<BundleResource>, AssembleError> {
    let Some((root, chunks)) = stored.contents.split_last() else {
        return Ok(stored.bundle.spec.resources.clone());
    };
    let name = |content: &Content| content.metadata.name.clone().unwrap_or_default();
    let chunks = chunks.iter().map(|chunk| (name(chunk), chunk.clone()));
    assemble(root, &chunks.collect())
}

#[cfg(test)]
mod tests {
    use super::is_enabled;

    #[test]
    fn registries_are_used_unless_the_variable_says_no() {
        assert!([None, Some(""), Some("true"), Some("no")].map(is_enabled) == [true; 4]);
        assert!(!is_enabled(Some("false")) && !is_enabled(Some("0")));
    }
}
