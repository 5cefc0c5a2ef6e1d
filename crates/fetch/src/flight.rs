//! Many askers, one answer: callers who ask the same question while it is being worked on share the
//! result. Nothing is remembered after the last of them has gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

/// Questions being worked on.
#[derive(Debug)]
pub(crate) struct Flights<K, T> {
    running: Mutex<BTreeMap<K, Weak<OnceCell<T>>>>,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Flights {
            running: Mutex::new(BTreeMap::new()),
        }
    }
}

impl<K: Ord + Clone, T: Clone> Flights<K, T> {
    /// The answer to `key`: from `work`, or from a caller who is already at it. When that caller is
    /// dropped, one of those who wait takes over with its own `work`. Who asks after the answer came
    /// makes a new question.
    pub(crate) async fn run<F, Fut>(&self, key: &K, work: F) -> T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let cell = self.join(key);
        let answer = cell.get_or_init(work).await.clone();
        self.leave(key, &cell);
        answer
    }

    fn join(&self, key: &K) -> Arc<OnceCell<T>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, cell| cell.strong_count() > 0);
        if let Some(cell) = running.get(key).and_then(Weak::upgrade)
            && !cell.initialized()
        {
            return cell;
        }
        let cell = Arc::new(OnceCell::new());
        running.insert(key.clone(), Arc::downgrade(&cell));
        cell
    }

    fn leave(&self, key: &K, cell: &Arc<OnceCell<T>>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running
            .get(key)
            .is_some_and(|other| other.as_ptr() == Arc::as_ptr(cell))
        {
            running.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_ask_together_share_and_later_ones_ask_again() {
        let flights: Flights<u8, usize> = Flights::default();
        let n_runs = AtomicUsize::new(0);
        let ask = || {
            flights.run(&1, || async {
                tokio::task::yield_now().await;
                n_runs.fetch_add(1, Ordering::SeqCst)
            })
        };
        assert_eq!(tokio::join!(ask(), ask(), ask()), (0, 0, 0));
        assert_eq!(ask().await, 1);
        assert!(flights.running.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_dropped_leader_is_followed_by_one_who_waits() {
        let flights: Flights<u8, u8> = Flights::default();
        let mut leader = Box::pin(flights.run(&1, std::future::pending));
        let mut follower = Box::pin(flights.run(&1, || async { 7 }));
        assert!(futures_poll(leader.as_mut()).await.is_none());
        assert!(futures_poll(follower.as_mut()).await.is_none());
        drop(leader);
        assert_eq!(follower.await, 7);
    }

    /// Polls once.
    async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
