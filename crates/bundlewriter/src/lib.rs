//! Brings the Bundles of a repository on a hub to what `bundle::write::plan_write` planned.
//!
//! The hub's controllers and the `apply` command both read what exists with [`existing`], plan with
//! `bundle`, which is pure, and carry the plan out with a [`Writer`]. What is decided is decided there;
//! here are only the requests: retries, conflicts and what people are told are the callers'.

pub mod registry;

use std::collections::{BTreeMap, BTreeSet};

use api::labels::{REPO_NAME, SECRET_TYPE_BUNDLE_VALUES};
use api::v1alpha1::{API_VERSION, Bundle, BundleResource, Content};
use apiclient::{
    Client, DeleteOptions, Error, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions,
};
use bundle::write::{Action, Existing, is_leaving};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

/// What a [`Writer`] did.
#[derive(Debug)]
pub enum Written {
    /// A Bundle, with the metadata that the API server gave it.
    Created(Box<Bundle>),
    /// A Bundle, with the metadata that the API server gave it.
    Updated(Box<Bundle>),
    /// A Bundle.
    Deleted(ObjectKey),
    /// What belongs to a Bundle.
    Other,
}

/// Reads what `bundle::write::plan_write` has to know: the Bundles labelled with the repository, and
/// those with a wanted name.
///
/// `repo`: namespace of the Bundles and name of the repository. `wanted`: names. `may_exist`: false for
/// a Bundle that is known not to exist, which saves a request.
///
/// # Errors
/// The first request that failed. Files of a leaving Bundle that are missing or damaged are none: they
/// are logged and count as unknown.
pub async fn existing(
    client: &Client,
    repo: &ObjectKey,
    wanted: &BTreeSet<String>,
    may_exist: impl Fn(&ObjectKey) -> bool,
) -> Result<Vec<Existing>, Error> {
    let kind = Kind::of::<Bundle>();
    let mut found: Vec<Bundle> = Vec::new();
    let selector = Selector {
        namespace: Some(repo.namespace.clone()),
        labels: Some(format!("{REPO_NAME}={}", repo.name)),
        ..Selector::default()
    };
    client
        .list(&kind, &selector, |bundle| found.push(bundle))
        .await?;
    let listed: BTreeSet<String> = found.iter().map(|bundle| key_of(bundle).name).collect();
    for name in wanted.difference(&listed) {
        let key = ObjectKey::new(repo.namespace.clone(), name.clone());
        if may_exist(&key) {
            found.extend(client.get::<Bundle>(&kind, &key).await?);
        }
    }
    let mut existing = Vec::with_capacity(found.len());
    for bundle in found {
        let stored_files = if is_leaving(&bundle, &repo.name, wanted) {
            stored_files(client, &bundle).await?
        } else {
            Vec::new()
        };
        existing.push(Existing {
            values_hash: values_hash(client, &bundle).await?,
            bundle,
            stored_files,
        });
    }
    Ok(existing)
}

/// The hash of what the values Secret of a Bundle holds, if it should have one.
async fn values_hash(client: &Client, bundle: &Bundle) -> Result<Option<String>, Error> {
    if bundle.spec.values_hash.is_empty() {
        return Ok(None);
    }
    let secret: Option<Secret> = client.get(&Kind::of::<Secret>(), &key_of(bundle)).await?;
    let ours = secret.filter(|secret| secret.type_.as_deref() == Some(SECRET_TYPE_BUNDLE_VALUES));
    Ok(ours.and_then(|secret| secret.data).map(|data| {
        let data = data
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect();
        api::ids::values_hash(&data)
    }))
}

/// The files that a Bundle keeps in Contents; none if it keeps them itself or they cannot be read.
async fn stored_files(client: &Client, bundle: &Bundle) -> Result<Vec<BundleResource>, Error> {
    let name = &bundle.spec.contents_id;
    if name.is_empty() || !bundle.spec.resources.is_empty() {
        return Ok(Vec::new());
    }
    let kind = Kind::of::<Content>();
    let root: Option<Content> = client.get(&kind, &ObjectKey::new("", name.clone())).await?;
    let Some(root) = root else {
        tracing::warn!(bundle = %key_of(bundle), content = name, "the content of a bundle that goes is not on the hub");
        return Ok(Vec::new());
    };
    let mut chunks = BTreeMap::new();
    for chunk in &root.chunks {
        let key = ObjectKey::new("", chunk.name.clone());
        let content: Option<Content> = client.get(&kind, &key).await?;
        chunks.extend(content.map(|content| (chunk.name.clone(), content)));
    }
    Ok(bundle::content::assemble(&root, &chunks).unwrap_or_else(|error| {
        let error = errors::chain(&error);
        tracing::warn!(bundle = %key_of(bundle), error, "the content of a bundle that goes cannot be read");
        Vec::new()
    }))
}

/// Carries out actions, one after another.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    /// Of Bundles by name, for what they own.
    uids: BTreeMap<ObjectKey, String>,
}

impl Writer {
    /// A writer for a plan that was made for `existing`.
    pub fn new(client: Client, existing: &[Existing]) -> Self {
        let uid = |bundle: &Bundle| bundle.metadata.uid.clone().unwrap_or_default();
        let uids = existing
            .iter()
            .map(|existing| (key_of(&existing.bundle), uid(&existing.bundle)))
            .collect();
        Self { client, uids }
    }

    /// Carries out one action.
    ///
    /// # Errors
    /// What the API server said; that a Content exists already, or what is to be deleted does not, is
    /// no error. A Bundle that somebody else wrote meanwhile is one (`is_conflict`,
    /// `is_already_exists`): read again and plan again.
    pub async fn write(&mut self, action: Action) -> Result<Written, Error> {
        let kind = Kind::of::<Bundle>();
        let once = WriteOptions::default();
        match action {
            Action::CreateContent(content) => {
                store_content(&self.client, &content).await?;
                Ok(Written::Other)
            }
            Action::CreateBundle(mut bundle) => {
                let key = key_of(&bundle);
                let answer = self.client.create(&kind, &key, &*bundle, once).await?;
                self.uids.insert(key, answer.metadata.uid.clone());
                set_metadata(&mut bundle, answer);
                Ok(Written::Created(bundle))
            }
            Action::UpdateBundle(mut bundle) => {
                let key = key_of(&bundle);
                let answer = self.client.replace(&kind, &key, &*bundle, once).await?;
                set_metadata(&mut bundle, answer);
                Ok(Written::Updated(bundle))
            }
            Action::WriteValues {
                namespace,
                name,
                labels,
                data,
            } => {
                let key = ObjectKey::new(namespace, name);
                let uid = self.uids.get(&key).map_or("", String::as_str);
                let secret = values_secret(&key, labels, data, uid);
                self.write_values(&key, &secret).await?;
                Ok(Written::Other)
            }
            Action::DeleteValues { namespace, name } => {
                let key = ObjectKey::new(namespace, name);
                let options = DeleteOptions::default();
                self.client
                    .delete(&Kind::of::<Secret>(), &key, &options)
                    .await?;
                Ok(Written::Other)
            }
            Action::DeleteBundle { namespace, name } => {
                let key = ObjectKey::new(namespace, name);
                self.client
                    .delete(&kind, &key, &DeleteOptions::default())
                    .await?;
                Ok(Written::Deleted(key))
            }
        }
    }

    async fn write_values(&self, key: &ObjectKey, secret: &Secret) -> Result<(), Error> {
        let (kind, once) = (Kind::of::<Secret>(), WriteOptions::default());
        match self.client.create(&kind, key, secret, once).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error),
        }
        // The type of a Secret cannot change; one of another type is not ours to touch.
        let body = json!([
            { "op": "test", "path": "/type", "value": SECRET_TYPE_BUNDLE_VALUES },
            { "op": "add", "path": "/metadata/labels", "value": secret.metadata.labels },
            { "op": "add", "path": "/metadata/ownerReferences", "value": secret.metadata.owner_references },
            { "op": "add", "path": "/data", "value": secret.data },
        ]);
        let patched: Result<ObjectMeta, _> = self
            .client
            .patch(&kind, key, None, Patch::Json(&body), 0, once)
            .await;
        patched.map(drop)
    }
}

/// Writes a Content unless it exists: what it holds follows from its name.
///
/// # Errors
/// What the API server said.
pub async fn store_content(client: &Client, content: &Content) -> Result<(), Error> {
    let key = ObjectKey::new("", content.metadata.name.clone().unwrap_or_default());
    let created = client
        .create(
            &Kind::of::<Content>(),
            &key,
            content,
            WriteOptions::default(),
        )
        .await;
    match created {
        Err(error) if !error.is_already_exists() => Err(error),
        _ => Ok(()),
    }
}

fn set_metadata(bundle: &mut Bundle, answer: ObjectMeta) {
    let written = answer.metadata;
    bundle.metadata.uid = Some(written.uid);
    bundle.metadata.resource_version = Some(written.resource_version);
    bundle.metadata.generation = Some(written.generation);
}

fn values_secret(
    key: &ObjectKey,
    labels: BTreeMap<String, String>,
    data: BTreeMap<String, Vec<u8>>,
    uid: &str,
) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.namespace = Some(key.namespace.clone());
    secret.metadata.name = Some(key.name.clone());
    secret.metadata.labels = Some(labels);
    secret.metadata.owner_references = Some(vec![OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Bundle".to_owned(),
        name: key.name.clone(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    secret.type_ = Some(SECRET_TYPE_BUNDLE_VALUES.to_owned());
    secret.data = Some(
        data.into_iter()
            .map(|(key, value)| (key, ByteString(value)))
            .collect(),
    );
    secret
}

fn key_of(bundle: &Bundle) -> ObjectKey {
    let meta = &bundle.metadata;
    ObjectKey::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}
