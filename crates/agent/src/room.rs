//! The place that a deployment has among those that are worked on.
//!
//! A deployment that waits, for a hook or for readiness, does nothing: its place and its share of the memory are
//! for others meanwhile. Whatever waits is deep inside of a run and of many kinds of runs, so the room is known to
//! the task that runs the deployment, and not handed down.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;
use workqueue::Place;

use crate::shared::Shared;

tokio::task_local! {
    static ROOM: Arc<Room>;
}

struct Room {
    place: Place,
    shared: Arc<Shared>,
    /// The right to hold objects in memory, once the run asked for it.
    memory: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Room {
    fn set_memory(&self, permit: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *memory, permit)
    }
}

fn current() -> Option<Arc<Room>> {
    ROOM.try_with(Arc::clone).ok()
}

/// Runs `work`, the run of a deployment, in `place`.
pub(crate) async fn occupied<T>(
    place: Place,
    shared: Arc<Shared>,
    work: impl Future<Output = T>,
) -> T {
    let room = Room {
        place,
        shared,
        memory: Mutex::default(),
    };
    ROOM.scope(Arc::new(room), work).await
}

/// Waits until the run may hold objects in memory, which it may until it ends.
pub(crate) async fn enter() {
    if let Some(room) = current() {
        let permit = room.shared.deployment().await;
        room.set_memory(permit);
    }
}

/// Lets others work as long as `wait` lasts, and then waits for a place.
pub(crate) async fn left_for<T>(wait: impl Future<Output = T>) -> T {
    let Some(room) = current() else {
        return wait.await;
    };
    let had_memory = room.set_memory(None).is_some();
    let waited = room.place.left_for(wait).await;
    // In the order of the beginning: who has a share of the memory has a place, so that nobody waits for ever.
    if had_memory {
        let permit = room.shared.deployment().await;
        room.set_memory(permit);
    }
    waited
}
