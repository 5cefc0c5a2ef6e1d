//! Reading and writing Leases.

use std::time::Duration;

use apiclient::{Class, Client, Error, Kind, ObjectKey, WriteOptions};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube_core::ObjectMeta;
use tokio::time::Instant;

use crate::plan::{Memory, Step, held};

/// Reads the Lease and writes it for `holder` if it is free or its own; false when it is another's.
///
/// # Errors
/// When a request fails, also because somebody else was faster ([`Class::Conflict`], [`Class::AlreadyExists`]).
pub async fn try_hold(
    client: &Client,
    key: &ObjectKey,
    memory: &mut Memory,
    holder: &str,
    duration: Duration,
) -> Result<bool, Error> {
    let kind = Kind::of::<Lease>();
    let lease: Option<Lease> = client.get(&kind, key).await?;
    let step = memory.step(lease.as_ref(), holder, Instant::now());
    let spec = held(lease.as_ref(), holder, duration, Timestamp::now());
    match (step, lease) {
        (Step::Wait, _) => return Ok(false),
        (Step::Take | Step::Renew, Some(lease)) => replace(client, key, lease, spec).await?,
        (_, _) => {
            let metadata = ObjectMeta {
                name: Some(key.name.clone()),
                namespace: Some(key.namespace.clone()),
                ..ObjectMeta::default()
            };
            create(client, key, metadata, spec).await?;
        }
    }
    Ok(true)
}

/// Writes a Lease over the state that was read.
///
/// # Errors
/// When the request fails.
pub async fn replace(
    client: &Client,
    key: &ObjectKey,
    mut lease: Lease,
    spec: LeaseSpec,
) -> Result<(), Error> {
    lease.spec = Some(spec);
    let options = WriteOptions::default();
    let kind = Kind::of::<Lease>();
    client.replace(&kind, key, &lease, options).await.map(drop)
}

/// Creates a Lease, and its namespace if that is missing.
///
/// # Errors
/// When a request fails.
pub async fn create(
    client: &Client,
    key: &ObjectKey,
    metadata: ObjectMeta,
    spec: LeaseSpec,
) -> Result<(), Error> {
    let (kind, options) = (Kind::of::<Lease>(), WriteOptions::default());
    let lease = Lease {
        metadata,
        spec: Some(spec),
    };
    match client.create(&kind, key, &lease, options).await {
        Err(error) if error.is_not_found() => {}
        created => return created.map(drop),
    }
    let namespace = ObjectKey::new("", key.namespace.clone());
    let mut object = Namespace::default();
    object.metadata.name = Some(namespace.name.clone());
    let made = client
        .create(&Kind::of::<Namespace>(), &namespace, &object, options)
        .await;
    match made {
        Err(error) if error.class() != Class::AlreadyExists => Err(error),
        _ => client.create(&kind, key, &lease, options).await.map(drop),
    }
}
