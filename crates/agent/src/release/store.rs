//! Reads and writes release records.

use std::collections::BTreeMap;

use apiclient::{Client, DeleteOptions, Kind, ObjectKey, Selector, WriteOptions};
use helm::release::{OWNER, Release, ReleaseError, Stamp, secret_name};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::{Record, SecretMeta};
use crate::shared::{Panicked, Shared};

/// A record was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The history was not read.
    #[error("list the records of release {release}")]
    List {
        release: ObjectKey,
        source: apiclient::Error,
    },
    /// A record was not read.
    #[error("read revision {revision} of release {release}")]
    Read {
        release: ObjectKey,
        revision: u32,
        source: apiclient::Error,
    },
    /// A record holds no release.
    #[error("decode revision {revision} of release {release}")]
    Decode {
        release: ObjectKey,
        revision: u32,
        source: ReleaseError,
    },
    /// A record was not written.
    #[error("write revision {revision} of release {release}")]
    Write {
        release: ObjectKey,
        revision: u32,
        source: apiclient::Error,
    },
    /// A record was not deleted.
    #[error("delete revision {revision} of release {release}")]
    Delete {
        release: ObjectKey,
        revision: u32,
        source: apiclient::Error,
    },
    /// A defect.
    #[error("pack a revision of release {release}")]
    Panicked {
        release: ObjectKey,
        source: Panicked,
    },
}

impl Error {
    /// The failed request, if it was one.
    pub(crate) fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::List { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Delete { source, .. } => Some(source),
            Self::Decode { .. } | Self::Panicked { .. } => None,
        }
    }
}

fn kind() -> Kind {
    Kind::of::<Secret>()
}

fn secret_of(release: &ObjectKey, revision: u32) -> ObjectKey {
    ObjectKey::new(
        release.namespace.clone(),
        secret_name(&release.name, revision),
    )
}

/// Selects the metadata of all records of Helm.
pub(crate) fn all_records() -> Selector {
    Selector {
        metadata_only: true,
        ..Selector::labels(format!("owner={OWNER}"))
    }
}

/// All revisions of a release, in no particular order.
pub(crate) async fn history(cluster: &Client, release: &ObjectKey) -> Result<Vec<Record>, Error> {
    let selector = Selector {
        namespace: Some(release.namespace.clone()),
        labels: Some(format!("owner={OWNER},name={}", release.name)),
        metadata_only: true,
        ..Selector::default()
    };
    let mut records = Vec::new();
    let each = |secret: SecretMeta| records.extend(Record::of(secret));
    let listed = cluster.list(&kind(), &selector, each).await;
    listed.map_err(|source| Error::List {
        release: release.clone(),
        source,
    })?;
    Ok(records)
}

/// A revision with everything in it; `None` when it is not there.
pub(crate) async fn load(
    cluster: &Client,
    shared: &Shared,
    release: &ObjectKey,
    revision: u32,
) -> Result<Option<Release>, Error> {
    let read = cluster
        .get::<Value>(&kind(), &secret_of(release, revision))
        .await;
    let read = read.map_err(|source| Error::Read {
        release: release.clone(),
        revision,
        source,
    })?;
    let Some(secret) = read else { return Ok(None) };
    let unpacked = shared
        .compute(move || helm::release::from_secret(&secret))
        .await;
    let unpacked = unpacked.map_err(|source| Error::Panicked {
        release: release.clone(),
        source,
    })?;
    unpacked.map(Some).map_err(|source| Error::Decode {
        release: release.clone(),
        revision,
        source,
    })
}

/// Writes a record, whether it exists or not, and gives the release back.
pub(crate) async fn write(
    cluster: &Client,
    shared: &Shared,
    release: Release,
    annotations: BTreeMap<String, String>,
    is_new: bool,
) -> Result<Release, Error> {
    let place = ObjectKey::new(release.namespace.clone(), release.name.clone());
    let revision = release.version;
    let now = Timestamp::now().as_second();
    let stamp = if is_new {
        Stamp::Created(now)
    } else {
        Stamp::Modified(now)
    };
    let packed = shared.compute(move || {
        let secret = helm::release::to_secret(&release, stamp);
        (release, secret)
    });
    let packed = packed.await;
    let (release, secret) = packed.map_err(|source| Error::Panicked {
        release: place.clone(),
        source,
    })?;
    let mut secret = secret.map_err(|source| Error::Decode {
        release: place.clone(),
        revision,
        source,
    })?;
    secret["metadata"]["annotations"] = annotations.into_iter().collect();
    let key = secret_of(&place, revision);
    let write = async {
        if is_new {
            match cluster
                .create(&kind(), &key, &secret, WriteOptions::default())
                .await
            {
                Err(error) if error.is_already_exists() => {}
                created => return created,
            }
        }
        cluster
            .replace(&kind(), &key, &secret, WriteOptions::default())
            .await
    };
    match write.await {
        Ok(_) => Ok(release),
        Err(source) => Err(Error::Write {
            release: place,
            revision,
            source,
        }),
    }
}

/// Deletes a record.
pub(crate) async fn delete(
    cluster: &Client,
    release: &ObjectKey,
    revision: u32,
) -> Result<(), Error> {
    let deleted = cluster
        .delete(
            &kind(),
            &secret_of(release, revision),
            &DeleteOptions::default(),
        )
        .await;
    deleted.map(|_| ()).map_err(|source| Error::Delete {
        release: release.clone(),
        revision,
        source,
    })
}
