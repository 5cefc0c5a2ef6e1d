//! Writing the list of finalizers.

use apiclient::{Client, Error, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::json;

/// Replaces the finalizers of an object. An object that is gone has none, which is what removing
/// them is for.
pub(crate) async fn replace(
    client: &Client,
    kind: &Kind,
    key: &ObjectKey,
    finalizers: &[String],
) -> Result<(), Error> {
    let body = json!({ "metadata": { "finalizers": finalizers } });
    let options = WriteOptions::default();
    let patched: Result<ObjectMeta, Error> = client
        .patch(kind, key, None, Patch::Merge(&body), 0, options)
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() && finalizers.is_empty() => Ok(()),
        Err(error) => Err(error),
    }
}
