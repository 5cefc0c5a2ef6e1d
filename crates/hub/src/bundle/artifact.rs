//! The end of a content in a registry: with the bundle that named it, unless another bundle names it too.

use apiclient::{DeleteOptions, Kind, ObjectKey};
use fetch::charts::{Contents, Storage};
use k8s_openapi::api::core::v1::Secret;

use crate::Ctx;
use crate::events::about_artifact;
use crate::index::ContentSource;

/// Deletes a content and the Secret with access to it.
///
/// A registry that does not delete, or is away, holds up nobody: an event tells of it, as upstream's does.
///
/// # Errors
/// What the API server said about the Secret.
pub(super) async fn delete(
    ctx: &Ctx,
    bundle: &ObjectKey,
    id: &str,
) -> Result<(), apiclient::Error> {
    let others = ctx.world.read(|state| {
        let mut near = false;
        let mut any = false;
        for (key, entry) in &state.index.bundles {
            let is_itself = key == bundle && entry.meta.deleting;
            let is_stored = matches!(entry.content, ContentSource::Stored { .. });
            if !is_itself && is_stored && entry.content.id() == id {
                any = true;
                near |= key.namespace == bundle.namespace;
            }
        }
        (near, any)
    });
    let (is_access_needed, is_content_needed) = others;
    let kind = Kind::of::<Secret>();
    let key = ObjectKey::new(bundle.namespace.clone(), id);
    let Some(secret) = ctx.client.get::<Secret>(&kind, &key).await? else {
        return Ok(());
    };
    let data = secret.data.unwrap_or_default().into_iter();
    let data = data.map(|(key, value)| (key, value.0)).collect();
    let Ok(storage) = Storage::of_secret(secret.type_.as_deref().unwrap_or_default(), &data) else {
        // Somebody else's.
        return Ok(());
    };
    if !is_content_needed {
        let deleted = async { Contents::to_write(&storage)?.delete(id).await };
        if let Err(error) = deleted.await {
            let error = errors::chain(&error);
            tracing::warn!(%bundle, content = id, error, "the content stays in its registry");
            let uid = ctx.world.read(|state| {
                let entry = state.index.bundles.get(bundle);
                entry.map(|entry| entry.meta.uid.clone())
            });
            let uid = uid.unwrap_or_default();
            ctx.events
                .record([about_artifact((bundle, &uid), id, &error)]);
        }
    }
    if !is_access_needed {
        ctx.client
            .delete(&kind, &key, &DeleteOptions::default())
            .await?;
    }
    Ok(())
}
