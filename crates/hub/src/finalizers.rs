//! Writing the list of finalizers.

use apiclient::{Client, Error, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde::de::DeserializeOwned;
use serde_json::json;

/// Replaces the finalizers of an object. An object that is gone has none, which is what removing
/// them is for.
pub(crate) async fn replace(
    client: &Client,
    kind: &Kind,
    key: &ObjectKey,
    finalizers: &[String],
) -> Result<(), Error> {
    let patched = replace_and_read::<ObjectMeta>(client, kind, key, finalizers).await;
    patched.map(drop)
}

/// [`replace`] for a caller that needs more of the object than its finalizers: what the API server
/// answers saves a read. `None` if the object is gone and should have no finalizers.
pub(crate) async fn replace_and_read<T: DeserializeOwned>(
    client: &Client,
    kind: &Kind,
    key: &ObjectKey,
    finalizers: &[String],
) -> Result<Option<T>, Error> {
    let body = json!({ "metadata": { "finalizers": finalizers } });
    let options = WriteOptions::default();
    let patched = client
        .patch(kind, key, None, Patch::Merge(&body), 0, options)
        .await;
    match patched {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() && finalizers.is_empty() => Ok(None),
        Err(error) => Err(error),
    }
}
