//! The loop that drains a queue with a bounded number of workers.

use std::fmt::Debug;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;

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
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers.max(1) {
        tasks.spawn(worker(name, queue.clone(), work.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

async fn worker<K, F, Fut>(name: &'static str, queue: Queue<K>, work: F)
where
    K: Ord + Clone + Debug,
    F: Fn(K) -> Fut,
    Fut: Future<Output = Next>,
{
    while let Some(key) = queue.next().await {
        let outcome = AssertUnwindSafe(async { work(key.clone()).await })
            .catch_unwind()
            .await;
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
