//! The loop that drains a queue with a bounded number of workers.

use std::fmt::Debug;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::Queue;

/// What to do with a key after its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until somebody adds the key again. Failures are forgotten.
    Done,
    /// Run again after this long. Failures are forgotten.
    After(Duration),
    /// The run failed: run again after the key's back-off.
    Retry,
}

/// Hands keys of `queue` to `work`, at most `workers` at a time, until the queue is closed.
///
/// A panic in `work` is logged, counts as [`Next::Retry`] for that key and stops nothing else
/// (invariant I-1).
pub async fn run<K, F, Fut>(name: &'static str, queue: Queue<K>, workers: usize, work: F)
where
    K: Ord + Clone + Debug + Send + Sync + 'static,
    F: Fn(K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Next> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..workers.max(1) {
        tasks.spawn(worker(name, queue.clone(), work.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

/// The place of one run among those that [`run_in_places`] has going.
#[derive(Debug)]
pub struct Place {
    places: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    /// Lets another run have the place as long as `wait` lasts, and then waits for one.
    pub async fn left_for<T>(&self, wait: impl Future<Output = T>) -> T {
        drop(self.set(None));
        let waited = wait.await;
        // The semaphore is never closed; without a permit the work would only be less orderly.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        self.set(permit);
        waited
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        let mut place = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, permit)
    }
}

/// Like [`run`], with runs that only wait for something and leave their place to others meanwhile. There are at
/// most `places` runs that do not.
pub async fn run_in_places<K, F, Fut>(name: &'static str, queue: Queue<K>, places: usize, work: F)
where
    K: Ord + Clone + Debug + Send + Sync + 'static,
    F: Fn(K, Place) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Next> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(places.max(1)));
    let mut runs = JoinSet::new();
    loop {
        // A place is only taken for what is there: the last one may be that of a run that comes back.
        queue.wait().await;
        let permit = Arc::clone(&places).acquire_owned().await.ok();
        let Some(key) = queue.next().await else { break };
        // Those that have ended are not kept.
        while runs.try_join_next().is_some() {}
        let place = Place {
            places: Arc::clone(&places),
            permit: Mutex::new(permit),
        };
        let (queue, work) = (queue.clone(), work.clone());
        runs.spawn(async move { one(name, &queue, key.clone(), work(key, place)).await });
    }
    while runs.join_next().await.is_some() {}
}

async fn worker<K, F, Fut>(name: &'static str, queue: Queue<K>, work: F)
where
    K: Ord + Clone + Debug,
    F: Fn(K) -> Fut,
    Fut: Future<Output = Next>,
{
    while let Some(key) = queue.next().await {
        let run = async { work(key.clone()).await };
        one(name, &queue, key.clone(), run).await;
    }
}

/// One run, and what becomes of its key.
async fn one<K: Ord + Clone + Debug>(
    name: &'static str,
    queue: &Queue<K>,
    key: K,
    run: impl Future<Output = Next>,
) {
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    let next = outcome.unwrap_or_else(|_| {
        tracing::error!(controller = name, ?key, "reconcile panicked");
        Next::Retry
    });
    match next {
        Next::Done => queue.forget(&key),
        Next::After(delay) => {
            queue.forget(&key);
            queue.add_after(key.clone(), delay);
        }
        Next::Retry => {
            queue.retry(key.clone());
        }
    }
    queue.done(&key);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panicking_key_is_retried_and_the_others_go_on() {
        let queue = Queue::default();
        queue.add("bad");
        queue.add("good");
        let runs = Arc::new(AtomicUsize::new(0));
        let (seen, all) = (runs.clone(), queue.clone());
        let work = move |key: &'static str| {
            let (seen, all) = (seen.clone(), all.clone());
            async move {
                assert!(
                    key != "bad" || seen.fetch_add(1, Ordering::SeqCst) > 0,
                    "first run fails"
                );
                if key == "bad" {
                    all.close();
                }
                Next::Done
            }
        };
        run("test", queue, 1, work).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn runs_that_wait_leave_their_places_and_come_back_to_them() {
        let queue = Queue::default();
        for key in 0..10 {
            queue.add(key);
        }
        let (all, start) = (queue.clone(), tokio::time::Instant::now());
        let (working, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = move |_, place: Place| {
            let (working, done, all) = (working.clone(), done.clone(), all.clone());
            async move {
                let busy = async || {
                    assert!(working.fetch_add(1, Ordering::SeqCst) < 2);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    working.fetch_sub(1, Ordering::SeqCst);
                };
                busy().await;
                place
                    .left_for(tokio::time::sleep(Duration::from_mins(1)))
                    .await;
                busy().await;
                if done.fetch_add(1, Ordering::SeqCst) == 9 {
                    all.close();
                }
                Next::Done
            }
        };
        run_in_places("test", queue, 2, work).await;
        // The last begins after five seconds and ends five after it has waited, not after ten minutes.
        assert!(
            (62..=75).contains(&start.elapsed().as_secs()),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_place_is_that_of_a_run_that_comes_back() {
        let queue = Queue::default();
        queue.add(0);
        let all = queue.clone();
        let work = move |_, place: Place| {
            let all = all.clone();
            async move {
                place
                    .left_for(tokio::time::sleep(Duration::from_mins(1)))
                    .await;
                all.close();
                Next::Done
            }
        };
        let ran = run_in_places("test", queue, 1, work);
        tokio::time::timeout(Duration::from_mins(2), ran)
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_requeued_key_runs_again_after_its_delay() {
        let queue = Queue::default();
        queue.add(0);
        let start = tokio::time::Instant::now();
        let runs = Arc::new(AtomicUsize::new(0));
        let (count, all) = (runs.clone(), queue.clone());
        run("test", queue, 4, move |_| {
            let (count, all) = (count.clone(), all.clone());
            async move {
                if count.fetch_add(1, Ordering::SeqCst) == 2 {
                    all.close();
                }
                Next::After(Duration::from_secs(10))
            }
        })
        .await;
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}
