//! Writing a status that differs from the stored one.

use api::conditions::{self, Finding, PINNED, READY};
use api::limits::json_len;
use api::v1alpha1::Condition;
use apiclient::{Kind, ObjectKey, Patch, WriteOptions};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use workqueue::Next;

use crate::Ctx;

/// Sets the Ready condition from a message; an empty one means ready.
pub(super) fn set_ready(conditions: &mut Vec<Condition>, message: &str, now: Timestamp) {
    let error = (!message.is_empty()).then(|| message.to_owned());
    conditions::set(conditions, READY, Finding::from_error(error), now);
}

/// Sets the condition about what stays at an earlier commit; an empty message means nothing does. What never
/// did has no such condition.
pub(super) fn set_pinned(conditions: &mut Vec<Condition>, message: &str, now: Timestamp) {
    if !message.is_empty() {
        let finding = Finding::Full {
            status: "True",
            reason: PINNED.to_owned(),
            message: message.to_owned(),
        };
        conditions::set(conditions, PINNED, finding, now);
    } else if conditions::get(conditions, PINNED).is_some() {
        conditions::set(conditions, PINNED, Finding::False, now);
    }
}

/// Writes `wanted` over `stored` if they differ: only the members that do, so that members of other
/// writers stay. Hands the answer to `answered`.
pub(super) async fn differences<T, K>(
    ctx: &Ctx,
    kind: &Kind,
    key: &ObjectKey,
    (stored, wanted): (&T, &T),
    answered: impl FnOnce(K),
) -> Next
where
    T: Serialize + PartialEq,
    K: DeserializeOwned,
{
    if stored == wanted {
        return Next::Done;
    }
    let body = match (serde_json::to_value(stored), serde_json::to_value(wanted)) {
        (Ok(stored), Ok(wanted)) => json!({ "status": changes(&stored, &wanted) }),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%kind, object = %key, %error, "status does not serialise");
            return Next::Done;
        }
    };
    // What is measured is the status as it will be, however the patch comes to it.
    let stored_bytes = json_len(wanted).saturating_sub(json_len(&body));
    let patch = Patch::Merge(&body);
    let options = WriteOptions::default();
    match ctx
        .client
        .patch(kind, key, Some("status"), patch, stored_bytes, options)
        .await
    {
        Ok(object) => {
            answered(object);
            Next::Done
        }
        Err(error) if error.is_not_found() => Next::Done,
        Err(error) => crate::failure::next("status", key, &Failed(error)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("write the status")]
pub(super) struct Failed(#[source] pub(super) apiclient::Error);

impl crate::failure::Classified for Failed {
    fn request(&self) -> Option<&apiclient::Error> {
        Some(&self.0)
    }
}

/// The merge patch that leads from one object to the other: changed members, and null for those that
/// are gone. Maps are compared member by member, lists as a whole.
fn changes(stored: &Value, wanted: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (stored, wanted) else {
        return wanted.clone();
    };
    let mut patch = serde_json::Map::new();
    for (name, value) in to {
        match from.get(name) {
            Some(old) if old == value => {}
            Some(old) => {
                patch.insert(name.clone(), changes(old, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_only_what_differs_and_removes_what_is_gone() {
        let stored = json!({ "a": 1, "b": { "c": [1], "d": 2 }, "e": 3 });
        let wanted = json!({ "a": 1, "b": { "c": [1, 2] }, "f": 4 });
        let patch = json!({ "b": { "c": [1, 2], "d": null }, "e": null, "f": 4 });
        assert_eq!(changes(&stored, &wanted), patch);
    }

    #[test]
    fn equal_objects_need_no_member() {
        let same = json!({ "a": { "b": [] } });
        assert_eq!(changes(&same, &same), json!({}));
    }
}
