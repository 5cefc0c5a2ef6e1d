//! A Bundle as an earlier commit gave it, for clusters that stay at that commit.
//!
//! The GitRepo controller writes a Secret for each bundle and pinned commit, because it holds Helm values;
//! the Bundle controller reads it. Files are Contents, as always. A Secret that says that the commit does
//! not have the bundle tells that from one that is still to come.

use std::collections::BTreeMap;

use api::labels::{
    BUNDLE_NAME, BUNDLE_REVISION_KEY, PINNED_COMMIT, REPO_NAME, SECRET_TYPE_BUNDLE_REVISION,
};
use api::v1alpha1::{API_VERSION, Bundle, BundleSpec, GitRepoPin};
use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::observe::{ValuesProblem, fill_values};
use crate::Ctx;
use crate::index::Digest;

/// A pin that concerns a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) spec: GitRepoPin,
    pub(crate) revision: Revision,
    /// Of what was read.
    pub(crate) digest: Digest,
    /// The Contents that it names are there.
    pub(crate) has_content: bool,
}

/// What a pinned commit has of a bundle.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Revision {
    /// Nobody has looked yet: what runs stays.
    #[default]
    Unknown,
    /// Nothing: what runs stays.
    Absent,
    /// This, with values and without files.
    Known(Box<Kept>),
}

/// The Secret's content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: BundleSpec,
}

impl Kept {
    /// Takes over a bundle whose files are stored elsewhere.
    pub(crate) fn of(
        bundle: Bundle,
        values: BTreeMap<String, Vec<u8>>,
        commit: &str,
    ) -> Result<Self, ValuesProblem> {
        let mut labels = bundle.metadata.labels.unwrap_or_default();
        labels.insert(PINNED_COMMIT.to_owned(), commit.to_owned());
        let mut spec = bundle.spec;
        spec.values_hash = String::new();
        fill_values(&mut spec, values)?;
        Ok(Self { labels, spec })
    }
}

impl Pin {
    pub(super) fn unread(spec: GitRepoPin) -> Self {
        Self {
            spec,
            revision: Revision::Unknown,
            digest: Digest::default(),
            has_content: false,
        }
    }
}

/// The Secret of a bundle and a commit.
pub(crate) fn key(bundle: &ObjectKey, commit: &str) -> ObjectKey {
    let short = commit.get(..12).unwrap_or(commit);
    let name = api::names::safe_concat(&[bundle.name.as_str(), "at", short]);
    ObjectKey::new(bundle.namespace.clone(), name)
}

/// Reads what the commits of pins have of a bundle: a request for each commit.
pub(super) async fn read(
    ctx: &Ctx,
    bundle: &ObjectKey,
    pins: &mut [Pin],
) -> Result<(), apiclient::Error> {
    let mut known: BTreeMap<String, (Revision, Digest)> = BTreeMap::new();
    for pin in pins {
        let commit = &pin.spec.commit;
        let found = if let Some(found) = known.get(commit) {
            found.clone()
        } else {
            let key = key(bundle, commit);
            let secret: Option<Secret> = ctx.client.get(&Kind::of::<Secret>(), &key).await?;
            let found = parse(secret, commit);
            known.insert(commit.clone(), found.clone());
            found
        };
        (pin.revision, pin.digest) = found;
        if let Revision::Known(kept) = &pin.revision {
            let content = &kept.spec.contents_id;
            pin.has_content = ctx.world.read(|state| state.index.has_content(content));
        }
    }
    Ok(())
}

fn parse(secret: Option<Secret>, commit: &str) -> (Revision, Digest) {
    let unknown = (Revision::Unknown, Digest::default());
    let Some(secret) =
        secret.filter(|secret| secret.type_.as_deref() == Some(SECRET_TYPE_BUNDLE_REVISION))
    else {
        return unknown;
    };
    let labels = secret.metadata.labels.unwrap_or_default();
    let data = secret.data.unwrap_or_default();
    let kept = data
        .get(BUNDLE_REVISION_KEY)
        .filter(|_| labels.get(PINNED_COMMIT).is_some_and(|of| of == commit));
    // A Secret that somebody damaged is written again with the next look at the commit.
    let Some(Ok(kept)) = kept.map(|kept| serde_json::from_slice::<Option<Kept>>(&kept.0)) else {
        return unknown;
    };
    let digest = Digest::of(&kept);
    let revision = kept.map_or(Revision::Absent, |kept| Revision::Known(Box::new(kept)));
    (revision, digest)
}

/// Writes the Secret for a bundle that exists; `None` says that the commit does not have it.
pub(crate) async fn write(
    ctx: &Ctx,
    repo: &str,
    (bundle, uid): (&ObjectKey, &str),
    commit: &str,
    maybe_kept: Option<&Kept>,
) -> Result<(), apiclient::Error> {
    let key = key(bundle, commit);
    let kind = Kind::of::<Secret>();
    let mut secret = Secret::default();
    secret.metadata.namespace = Some(key.namespace.clone());
    secret.metadata.name = Some(key.name.clone());
    secret.metadata.labels = Some(BTreeMap::from([
        (REPO_NAME.to_owned(), repo.to_owned()),
        (BUNDLE_NAME.to_owned(), bundle.name.clone()),
        (PINNED_COMMIT.to_owned(), commit.to_owned()),
    ]));
    secret.metadata.owner_references = Some(vec![OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Bundle".to_owned(),
        name: bundle.name.clone(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }]);
    secret.type_ = Some(SECRET_TYPE_BUNDLE_REVISION.to_owned());
    // What is made of strings, numbers and maps with text keys serialises.
    let json = serde_json::to_vec(&maybe_kept).unwrap_or_default();
    secret.data = Some(BTreeMap::from([(
        BUNDLE_REVISION_KEY.to_owned(),
        ByteString(json),
    )]));
    let existing: Option<Secret> = ctx.client.get(&kind, &key).await?;
    let Some(existing) = existing else {
        let once = WriteOptions::default();
        return ctx
            .client
            .create(&kind, &key, &secret, once)
            .await
            .map(drop);
    };
    if existing.data == secret.data
        && existing.metadata.labels == secret.metadata.labels
        && existing.metadata.owner_references == secret.metadata.owner_references
    {
        return Ok(());
    }
    // A Secret of another type is not ours to touch.
    let body = json!([
        { "op": "test", "path": "/type", "value": SECRET_TYPE_BUNDLE_REVISION },
        { "op": "add", "path": "/metadata/labels", "value": secret.metadata.labels },
        { "op": "add", "path": "/metadata/ownerReferences", "value": secret.metadata.owner_references },
        { "op": "add", "path": "/data", "value": secret.data },
    ]);
    let (patch, once) = (Patch::Json(&body), WriteOptions::default());
    let patched: Result<ObjectMeta, _> = ctx.client.patch(&kind, &key, None, patch, 0, once).await;
    patched.map(drop)
}
