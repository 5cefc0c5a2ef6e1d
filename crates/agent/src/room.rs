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

/// Lets others work as long as `wait` lasts, and then waits for a place. When too many wait already, their objects
/// take the memory of those who would work: who comes now keeps its place.
pub(crate) async fn left_for<T>(wait: impl Future<Output = T>) -> T {
    let Some(room) = current() else {
        return wait.await;
    };
    let Some(_aside) = room.shared.wait_aside() else {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, sleep};
    use workqueue::{Next, Queue, run_in_places};

    use super::*;
    use crate::shared::Capacity;

    const RUNS: usize = 10;

    /// How many runs were under way together, and how long all of them took, when each waits for a minute.
    async fn waiting(waits_max: usize) -> (usize, Duration) {
        let shared = Shared::new(Capacity {
            deployments_max: 1,
            waits_max,
            ..Capacity::default()
        });
        let queue = Queue::default();
        for key in 0..RUNS {
            queue.add(key);
        }
        let (begin, all) = (Instant::now(), queue.clone());
        let [now, most, ended] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        run_in_places("test", queue, 1, move |_, place| {
            let (shared, all) = (Arc::clone(&shared), all.clone());
            let [now, most, ended] = [&now, &most, &ended].map(Arc::clone);
            let work = async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                enter().await;
                left_for(sleep(Duration::from_mins(1))).await;
                now.fetch_sub(1, Ordering::SeqCst);
                if ended.fetch_add(1, Ordering::SeqCst) + 1 == RUNS {
                    all.close();
                }
                Next::Done
            };
            occupied(place, shared, work)
        })
        .await;
        (seen.load(Ordering::SeqCst), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_wait_beside_those_that_work_as_there_is_memory_for() {
        assert_eq!(waiting(RUNS).await, (RUNS, Duration::from_mins(1)));
        let (most, took) = waiting(2).await;
        assert_eq!(most, 3);
        assert!(took <= Duration::from_mins(5), "{took:?}");
        assert_eq!(waiting(0).await, (1, Duration::from_mins(10)));
    }
}
