//! Fences: what a task may no longer write.
//!
//! Several processes share the work on one API server by Leases. Whoever has lost a Lease must not
//! write any more, wherever it is at that moment: in the middle of a run, or awake again after it was
//! suspended. So every write of a task that runs under a [`Fence`] asks it right before it is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

tokio::task_local! {
    static FENCE: Fence;
}

/// Until when a right is valid, by the clock of this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Validity(Arc<Mutex<Until>>);

#[derive(Clone, Copy, Debug, Default)]
enum Until {
    #[default]
    Never,
    At(Instant),
    Always,
}

impl Validity {
    /// A right that nobody can take away.
    pub fn unlimited() -> Self {
        Self(Arc::new(Mutex::new(Until::Always)))
    }

    /// The right lasts until `end`.
    pub fn extend(&self, end: Instant) {
        *lock(&self.0) = Until::At(end);
    }

    /// The right is lost.
    pub fn end(&self) {
        *lock(&self.0) = Until::Never;
    }

    /// Whether the right is there at `now`.
    pub fn holds(&self, now: Instant) -> bool {
        match *lock(&self.0) {
            Until::Never => false,
            Until::At(end) => now < end,
            Until::Always => true,
        }
    }
}

/// The rights that a task's writes depend on. Clones share it.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rights: Vec<Validity>,
    gate: Mutex<Gate>,
    idle: Notify,
}

#[derive(Debug, Default)]
struct Gate {
    closed: bool,
    /// Writes that are under way.
    n_writes: usize,
}

/// A write under way.
pub(crate) struct Pass(Option<Fence>);

impl Fence {
    /// A fence that lets writes pass while all `rights` hold and nobody closes it.
    pub fn new(rights: Vec<Validity>) -> Self {
        Self(Arc::new(Shared {
            rights,
            gate: Mutex::default(),
            idle: Notify::new(),
        }))
    }

    /// Runs `work` under this fence. Tasks that it spawns are not under it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        FENCE.scope(self, work).await
    }

    /// Lets no write begin any more.
    pub fn close(&self) {
        lock(&self.0.gate).closed = true;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.gate).closed
    }

    /// Waits until no write is under way.
    pub async fn idle(&self) {
        loop {
            let notified = self.0.idle.notified();
            if lock(&self.0.gate).n_writes == 0 {
                return;
            }
            notified.await;
        }
    }

    fn pass(&self) -> Option<Pass> {
        let now = Instant::now();
        let mut gate = lock(&self.0.gate);
        if gate.closed || !self.0.rights.iter().all(|right| right.holds(now)) {
            return None;
        }
        gate.n_writes += 1;
        Some(Pass(Some(self.clone())))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(Fence(shared)) = self.0.take() {
            let mut gate = lock(&shared.gate);
            gate.n_writes -= 1;
            if gate.n_writes == 0 {
                shared.idle.notify_waiters();
            }
        }
    }
}

/// Asks the fence of this task for a write; `None` when it must not be sent.
pub(crate) fn pass() -> Option<Pass> {
    match FENCE.try_with(Fence::pass) {
        Ok(asked) => asked,
        // Not every task is under a fence.
        Err(_) => Some(Pass(None)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_pass_while_every_right_holds() {
        let (lease, leadership) = (Validity::default(), Validity::unlimited());
        let fence = Fence::new(vec![lease.clone(), leadership.clone()]);
        let may_write = || fence.clone().scope(async { pass().is_some() });
        assert!(!may_write().await, "a right that was never given");
        lease.extend(Instant::now() + Duration::from_secs(10));
        assert!(may_write().await);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!may_write().await, "a right that has run out");
        lease.extend(Instant::now() + Duration::from_secs(10));
        leadership.end();
        assert!(!may_write().await, "one of two rights is lost");
        assert!(pass().is_some(), "who is under no fence");
    }

    #[tokio::test]
    async fn a_closed_fence_is_idle_when_the_last_write_is_over() {
        let fence = Fence::new(Vec::new());
        let write = fence.clone().scope(async { pass() }).await;
        fence.close();
        assert!(fence.clone().scope(async { pass() }).await.is_none());
        let waiting = tokio::spawn({
            let fence = fence.clone();
            async move { fence.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(write);
        assert!(waiting.await.is_ok());
    }
}
