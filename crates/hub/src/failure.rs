//! What a controller does about a failed run.

use std::time::Duration;

use apiclient::{Class, ObjectKey};
use workqueue::Next;

/// How long an object waits whose write will fail the same way until somebody changes something.
/// The change wakes its controller; this is for causes that no watch sees, such as permissions.
const PERMANENT_RETRY: Duration = Duration::from_mins(5);

/// An error with a failed request at its root.
pub(crate) trait Classified: std::error::Error {
    /// The failed request; `None` when something else failed, which is tried again.
    fn request(&self) -> Option<&apiclient::Error>;
}

/// Logs the failure, once, and decides when the next run is.
pub(crate) fn next<E: Classified>(controller: &'static str, key: &ObjectKey, error: &E) -> Next {
    let class = error
        .request()
        .map_or(Class::Transient, apiclient::Error::class);
    let text = errors::chain(error);
    match class {
        // Somebody else wrote first: the watch brings the new state.
        Class::Conflict | Class::AlreadyExists => {
            tracing::debug!(controller, object = %key, error = text, "object changed meanwhile");
            Next::Retry
        }
        // Unless another process is in charge now, this one soon is again.
        Class::Fenced => {
            tracing::debug!(controller, object = %key, error = text, "not in charge");
            Next::Retry
        }
        Class::Permanent => {
            tracing::error!(controller, object = %key, error = text, "reconcile failed");
            Next::After(PERMANENT_RETRY)
        }
        Class::NotFound | Class::Transient | Class::Expired => {
            tracing::warn!(controller, object = %key, error = text, "reconcile failed, trying again");
            Next::Retry
        }
    }
}
