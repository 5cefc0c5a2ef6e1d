//! Reads the Secrets and ConfigMaps that bundles take along.
//!
//! * **Object**: a Secret or ConfigMap that `downstreamResources` of a bundle names, or the Secret with access to
//!   the registry that its content is in.
//! * **Reads**: that object. Nothing of it is kept but a fingerprint (invariant T-1).
//! * **Writes**: nothing; copies are written with the deployments that name them.
//! * **Woken by**: bundles that begin or cease to name it; changes of the object, by a watch of metadata in the
//!   namespaces in which anything is named.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::copies::{self, Copied, CopiedKind};
use apiclient::{Event, Kind, Object as _, ObjectKey, ObjectMeta, Selector, Watch};
use k8s_openapi::ByteString;
use serde_json::Value;
use tokio::task::AbortHandle;
use workqueue::Next;

use crate::Ctx;
use crate::index::{Digest, SourceKey, SourceState};

/// Watches that run, by kind and namespace. They end with the hub.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<BTreeMap<(CopiedKind, String), AbortHandle>>);

impl Drop for Watches {
    fn drop(&mut self) {
        let watches = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        watches.values().for_each(AbortHandle::abort);
    }
}

/// The kind of a source at the API server.
pub(crate) fn kind_of(kind: CopiedKind) -> Kind {
    Kind::new("", "v1", kind.name(), kind.plural(), true)
}

/// Looks at one source.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: SourceKey) -> Next {
    let (is_named, any_like) = ctx.world.read(|state| {
        let sources = &state.index.sources;
        (sources.is_named(&key), sources.any_like(&key))
    });
    watch(&ctx, &key, any_like);
    if !is_named {
        return Next::Done;
    }
    let object = ObjectKey::new(key.namespace.clone(), key.object.name.clone());
    let read = ctx
        .client
        .get::<Value>(&kind_of(key.object.kind), &object)
        .await;
    let found = match read {
        Ok(found) => found,
        Err(error) => {
            let error = errors::chain(&error);
            tracing::warn!(source = %key, error, "reading what a bundle takes along failed, trying again");
            return Next::Retry;
        }
    };
    let version = found
        .as_ref()
        .and_then(|found| found.pointer("/metadata/resourceVersion"));
    let version = version
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let state = match found {
        None => SourceState::Missing,
        Some(found) if copies::is_access(&found) => SourceState::Access {
            digest: Digest::of(&copies::payload(&found)),
            reference: reference(&found),
        },
        Some(found) => match copies::refusal(&found) {
            Some(reason) => SourceState::Refused(reason),
            None => SourceState::Known(Digest::of(&copies::payload(&found))),
        },
    };
    ctx.world
        .update(|world| world.index.sources.learned(&key, state, &version));
    Next::Done
}

/// Host and path of a registry, which are no secret; of the Secret they are all that is kept.
fn reference(secret: &Value) -> String {
    let bytes = secret.pointer("/data/reference").cloned();
    let bytes: Option<ByteString> = bytes.and_then(|bytes| serde_json::from_value(bytes).ok());
    String::from_utf8(bytes.unwrap_or_default().0).unwrap_or_default()
}

/// Starts or ends the watch that a source needs.
fn watch(ctx: &Arc<Ctx>, key: &SourceKey, is_needed: bool) {
    let place = (key.object.kind, key.namespace.clone());
    let watches = &ctx.source_watches.0;
    let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_needed {
        if let Some(watch) = watches.remove(&place) {
            watch.abort();
        }
        return;
    }
    watches.entry(place).or_insert_with(|| {
        let selector = Selector {
            metadata_only: true,
            ..Selector::namespace(key.namespace.clone())
        };
        let kind = key.object.kind;
        let watch: Watch<ObjectMeta> = ctx.client.watch(&kind_of(kind), selector);
        // The watches are part of the context: a strong reference would keep it for ever.
        let ctx = Arc::downgrade(ctx);
        tokio::spawn(async move {
            let mut watch = watch;
            while let Some(event) = watch.next().await {
                let (object, version) = match event {
                    Event::Applied(meta) => (meta.key(), meta.resource_version().to_owned()),
                    Event::Deleted(key) => (key, String::new()),
                    Event::Synced | Event::NotServed => continue,
                };
                let Some(ctx) = ctx.upgrade() else {
                    return;
                };
                let name = object.name;
                let key = SourceKey {
                    namespace: object.namespace,
                    object: Copied { kind, name },
                };
                ctx.world
                    .update(|world| world.index.sources.seen(key, &version));
            }
        })
        .abort_handle()
    });
}
