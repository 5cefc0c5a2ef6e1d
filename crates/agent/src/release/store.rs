//! Reads and writes release records.

use std::collections::BTreeMap;

use apiclient::{Client, DeleteOptions, Kind, ObjectKey, Selector, WriteOptions};
use helm::release::{Change, OWNER, Release, ReleaseError, Stamp, Status, secret_name};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::{Record, SecretMeta};
use crate::shared::{Panicked, Shared};

/// How often a record is changed that somebody else changes at the same time.
const CHANGE_TRIES: u32 = 5;
/// What Helm says about a release that is being removed.
const UNINSTALLING: &str = "Deletion in progress (or silently failed)";

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
    /// A release is no record, because it is too large.
    #[error("encode revision {revision} of release {release}")]
    Encode {
        release: ObjectKey,
        revision: u32,
        source: ReleaseError,
    },
    /// Somebody else began the revision.
    #[error(
        "revision {revision} of release {release} has just been begun by somebody else; trying again"
    )]
    Taken { release: ObjectKey, revision: u32 },
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
            Self::Decode { .. }
            | Self::Encode { .. }
            | Self::Taken { .. }
            | Self::Panicked { .. } => None,
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

/// Writes a record and gives the release back. A new one must not exist: another process that began the
/// same revision must not be overwritten.
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
    let mut secret = secret.map_err(|source| Error::Encode {
        release: place.clone(),
        revision,
        source,
    })?;
    secret["metadata"]["annotations"] = annotations.into_iter().collect();
    let key = secret_of(&place, revision);
    let options = WriteOptions::default();
    let written = if is_new {
        cluster.create(&kind(), &key, &secret, options).await
    } else {
        cluster.replace(&kind(), &key, &secret, options).await
    };
    match written {
        Ok(_) => Ok(release),
        Err(error) if is_new && error.is_already_exists() => Err(Error::Taken {
            release: place,
            revision,
        }),
        Err(source) => Err(Error::Write {
            release: place,
            revision,
            source,
        }),
    }
}

/// Changes the status in a record and nothing else of it; what is gone stays so. `own` reads, `cluster`
/// writes.
pub(crate) async fn change(
    (own, cluster): (&Client, &Client),
    shared: &Shared,
    release: &ObjectKey,
    revision: u32,
    status: Status,
) -> Result<(), Error> {
    let key = secret_of(release, revision);
    let in_write = |source| Error::Write {
        release: release.clone(),
        revision,
        source,
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let read = own.get::<Value>(&kind(), &key).await;
        let read = read.map_err(|source| Error::Read {
            release: release.clone(),
            revision,
            source,
        })?;
        let Some(secret) = read else { return Ok(()) };
        let now = Timestamp::now();
        let changed = shared.compute(move || {
            let at = now.to_string();
            let (description, deleted) = match status {
                Status::Uninstalling => (Some(UNINSTALLING), Some(at.as_str())),
                _ => (None, None),
            };
            let change = Change {
                status,
                description,
                deleted,
            };
            helm::release::changed(secret, &change, now.as_second())
        });
        let changed = changed.await.map_err(|source| Error::Panicked {
            release: release.clone(),
            source,
        })?;
        let changed = changed.map_err(|source| Error::Decode {
            release: release.clone(),
            revision,
            source,
        })?;
        let options = WriteOptions::default();
        match cluster.replace(&kind(), &key, &changed, options).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.is_conflict() && tries < CHANGE_TRIES => {}
            Err(error) => return Err(in_write(error)),
        }
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
