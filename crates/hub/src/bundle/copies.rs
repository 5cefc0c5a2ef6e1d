//! Copies of Secrets and ConfigMaps for the agents of clusters: written before the deployment that names them,
//! and let go of when it no longer does.
//!
//! A copy may be for several deployments of a cluster; see [`api::copies`]. An object of that name which is no
//! copy is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::copies::{self, Copied, Renewal};
use api::ids::content_id_of;
use api::labels::BUNDLE_INTERNAL_SECRET;
use api::v1alpha1::BundleDeploymentSpec;
use apiclient::{DeleteOptions, ObjectKey, WriteOptions};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::Ctx;
use crate::source::kind_of;

/// A copy was not written or removed. Values never occur.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The source was not read.
    #[error("read {object} of namespace {namespace} to copy it")]
    Read {
        object: Copied,
        namespace: String,
        source: apiclient::Error,
    },
    /// It went, or became something that is not copied, since it was planned. The next run says so.
    #[error("{object} of namespace {namespace} cannot be copied any more")]
    Gone { object: Copied, namespace: String },
    /// The copy was not written.
    #[error("write the copy of {object} in namespace {namespace}")]
    Write {
        object: Copied,
        namespace: String,
        source: apiclient::Error,
    },
    /// Something else has the name.
    #[error("{object} of namespace {namespace} is not a copy and is left alone; rename the source")]
    Foreign { object: Copied, namespace: String },
}

impl Error {
    /// The failed request.
    pub(crate) fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            Self::Gone { .. } | Self::Foreign { .. } => None,
        }
    }
}

type Payload = Arc<Map<String, Value>>;

/// Copies of one run for a bundle: each source is read once, however many clusters get it.
pub(super) struct Copies<'a> {
    ctx: &'a Ctx,
    namespace: &'a str,
    read: Mutex<BTreeMap<Copied, Payload>>,
    /// Contents in a registry that a deployment needs no more.
    released: Mutex<BTreeSet<String>>,
}

impl<'a> Copies<'a> {
    /// For a bundle of this namespace.
    pub(super) fn new(ctx: &'a Ctx, namespace: &'a str) -> Self {
        let (read, released) = (Mutex::default(), Mutex::default());
        Self {
            ctx,
            namespace,
            read,
            released,
        }
    }

    /// Copies what a deployment is going to name and lets go of what it does not name any more.
    pub(super) async fn bring(
        &self,
        deployment: &ObjectKey,
        spec: &BundleDeploymentSpec,
    ) -> Result<(), Error> {
        // What cannot be copied was refused by the plan.
        let mut named = copies::named(&spec.options).unwrap_or_default();
        let access = copies::access_to(content_id_of(&spec.deployment_id));
        if spec.oci_contents {
            named.insert(access.clone());
        }
        let stored = self.ctx.world.read(|state| {
            let entry = state.index.deployments.get(deployment)?;
            let copied: BTreeSet<Copied> = entry.copied.iter().cloned().collect();
            Some((entry.downstream_resources_generation, copied))
        });
        let (generation, before) = stored.unwrap_or_default();
        if named == before && generation == spec.downstream_resources_generation {
            return Ok(());
        }
        for object in &named {
            let payload = self
                .payload(object, spec.oci_contents && *object == access)
                .await?;
            write(self.ctx, deployment, object, &payload).await?;
        }
        for object in before.difference(&named) {
            if let_go(self.ctx, deployment, object).await? == Was::Access {
                self.released.lock().await.insert(object.name.clone());
            }
        }
        Ok(())
    }

    /// Contents in a registry that no deployment needs any more.
    pub(super) async fn unused(&self) -> Vec<String> {
        let released = self.released.lock().await;
        let is_used = |id: &String| {
            let access = copies::access_to(id);
            self.ctx.world.read(|state| {
                let mut entries = state.index.deployments.values();
                entries.any(|entry| entry.copied.contains(&access))
            })
        };
        released.iter().filter(|id| !is_used(id)).cloned().collect()
    }

    async fn payload(&self, object: &Copied, is_access: bool) -> Result<Payload, Error> {
        // Held while reading: the others want the same.
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(object) {
            return Ok(Arc::clone(known));
        }
        let key = ObjectKey::new(self.namespace, object.name.clone());
        let found = self
            .ctx
            .client
            .get::<Value>(&kind_of(object.kind), &key)
            .await;
        let found = found.map_err(|source| Error::Read {
            object: object.clone(),
            namespace: self.namespace.to_owned(),
            source,
        })?;
        let found = found.filter(|found| {
            if is_access {
                copies::is_access(found)
            } else {
                copies::refusal(found).is_none()
            }
        });
        let found = found.ok_or_else(|| Error::Gone {
            object: object.clone(),
            namespace: self.namespace.to_owned(),
        })?;
        let payload = Arc::new(copies::payload(&found));
        read.insert(object.clone(), Arc::clone(&payload));
        Ok(payload)
    }
}

/// Whether an object may be overwritten: it is a copy of ours, or of upstream, which has the deployment as its
/// owner.
fn is_copy(object: &Value) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    let mut by_upstream = || owners.any(|owner| owner["kind"] == "BundleDeployment");
    let may_be = copies::refusal(object).is_none() || copies::is_access(object);
    may_be && (copies::is_held(object, None) || by_upstream())
}

async fn write(
    ctx: &Ctx,
    deployment: &ObjectKey,
    object: &Copied,
    payload: &Map<String, Value>,
) -> Result<(), Error> {
    let namespace = &deployment.namespace;
    let fail = |source| Error::Write {
        object: object.clone(),
        namespace: namespace.clone(),
        source,
    };
    let (kind, key) = (
        kind_of(object.kind),
        ObjectKey::new(namespace.clone(), object.name.clone()),
    );
    let once = WriteOptions::default();
    let found = ctx.client.get::<Value>(&kind, &key).await.map_err(fail)?;
    let Some(mut copy) = found else {
        let mut copy = json!({ "metadata": { "name": object.name, "namespace": namespace } });
        copies::fill(&mut copy, payload);
        copies::hold(&mut copy, &deployment.name, true);
        if copies::is_access(&copy) {
            copy["metadata"]["labels"][BUNDLE_INTERNAL_SECRET] = "true".into();
        }
        ctx.client
            .create(&kind, &key, &copy, once)
            .await
            .map_err(fail)?;
        return Ok(());
    };
    if !is_copy(&copy) {
        return Err(Error::Foreign {
            object: object.clone(),
            namespace: namespace.clone(),
        });
    }
    let renewal = copies::renew(&mut copy, payload, &deployment.name);
    if let Some(metadata) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        // Upstream's only owner would take it away from the others.
        metadata.remove("ownerReferences");
    }
    let renewed = match renewal {
        Renewal::Nothing => return Ok(()),
        Renewal::Replace => ctx.client.replace(&kind, &key, &copy, once).await,
        Renewal::Recreate => {
            let delete = DeleteOptions::default();
            let deleted = ctx.client.delete(&kind, &key, &delete).await;
            deleted.map_err(fail)?;
            ctx.client.create(&kind, &key, &copy, once).await
        }
    };
    renewed.map(drop).map_err(fail)
}

/// What was let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// Access to a content in a registry.
    Access,
    /// Anything else, or nothing.
    Other,
}

/// A deployment does not need a copy any more: it goes when no other deployment does.
pub(crate) async fn let_go(
    ctx: &Ctx,
    deployment: &ObjectKey,
    object: &Copied,
) -> Result<Was, Error> {
    let namespace = &deployment.namespace;
    let fail = |source| Error::Write {
        object: object.clone(),
        namespace: namespace.clone(),
        source,
    };
    let (kind, key) = (
        kind_of(object.kind),
        ObjectKey::new(namespace.clone(), object.name.clone()),
    );
    let found = ctx.client.get::<Value>(&kind, &key).await.map_err(fail)?;
    let Some(mut copy) = found.filter(|copy| copies::is_held_by(copy, &deployment.name)) else {
        return Ok(Was::Other);
    };
    let was = if copies::is_access(&copy) {
        Was::Access
    } else {
        Was::Other
    };
    if copies::is_held(&copy, Some(&deployment.name)) {
        copies::hold(&mut copy, &deployment.name, false);
        let once = WriteOptions::default();
        ctx.client
            .replace(&kind, &key, &copy, once)
            .await
            .map_err(fail)?;
    } else {
        let delete = DeleteOptions::default();
        ctx.client
            .delete(&kind, &key, &delete)
            .await
            .map_err(fail)?;
    }
    Ok(was)
}
