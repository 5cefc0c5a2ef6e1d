//! What the agents of a process share: parsed charts, and the right to use much CPU or memory.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::source::Built;

/// How much the agents of a process may use together.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Bytes of bundle files whose parsed form is kept for others who want the same. The parsed form takes a few
    /// times as much. What is larger by itself is not kept at all.
    pub charts_bytes_max: usize,
    /// Renders at a time.
    pub renders_max: usize,
    /// Deployments that hold their rendered objects in memory at a time, without those that wait for hooks or
    /// readiness.
    pub deployments_max: usize,
    /// Deployments that leave their place to others while they wait for hooks or readiness. They have their objects in
    /// memory too; past this number who waits keeps its place.
    pub waits_max: usize,
}

impl Default for Capacity {
    /// 64 MiB of files; a render for each core; 64 deployments, and 1,024 that wait.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            charts_bytes_max: 64 << 20,
            renders_max: cores,
            deployments_max: 64,
            waits_max: 1024,
        }
    }
}

impl Capacity {
    /// For an agent that has the process for itself: it needs each chart once, and memory for other things. What
    /// is kept is for tries that follow one another.
    pub fn alone() -> Self {
        Self {
            charts_bytes_max: 256 << 10,
            renders_max: 1,
            deployments_max: 4,
            waits_max: 100,
        }
    }
}

/// Shared by all agents of a process; one that runs alone has one for itself.
#[derive(Debug)]
pub struct Shared {
    cpu: Semaphore,
    deployments: Arc<Semaphore>,
    waits: Semaphore,
    charts_bytes_max: usize,
    charts: Mutex<Charts>,
}

/// Built charts by what they are built from.
#[derive(Debug, Default)]
struct Charts {
    slots: BTreeMap<String, Slot>,
    /// Counts uses, to find the one that was used the longest time ago.
    clock: u64,
}

#[derive(Debug)]
struct Slot {
    cell: Arc<OnceCell<Arc<Built>>>,
    used: u64,
}

/// Work on another thread ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("the work was given up because of a defect in this program")]
pub(crate) struct Panicked;

impl Shared {
    /// A new one; wrap it in an `Arc` for several agents.
    pub fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            cpu: Semaphore::new(capacity.renders_max.max(1)),
            deployments: Arc::new(Semaphore::new(capacity.deployments_max.max(1))),
            waits: Semaphore::new(capacity.waits_max),
            charts_bytes_max: capacity.charts_bytes_max,
            charts: Mutex::default(),
        })
    }

    /// Runs CPU-heavy work on a thread of its own as soon as there is room for it.
    pub(crate) async fn compute<T, F>(&self, work: F) -> Result<T, Panicked>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        // The semaphore is never closed; without a permit the work would only be less orderly.
        let _permit = self.cpu.acquire().await.ok();
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Panicked)
    }

    /// Waits until another deployment may hold its objects in memory.
    pub(crate) async fn deployment(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.deployments).acquire_owned().await.ok()
    }

    /// The right to wait beside those that work; `None` when too many do.
    pub(crate) fn wait_aside(&self) -> Option<SemaphorePermit<'_>> {
        self.waits.try_acquire().ok()
    }

    /// The chart of `key`, built once however many agents ask for it at the same time. A failure is
    /// not kept.
    pub(crate) async fn chart<E, Fut>(
        &self,
        key: &str,
        build: impl FnOnce() -> Fut,
    ) -> Result<Arc<Built>, E>
    where
        Fut: Future<Output = Result<Built, E>>,
    {
        let cell = self.slot(key);
        let found = cell
            .get_or_try_init(|| async { build().await.map(Arc::new) })
            .await
            .cloned();
        self.evict();
        found
    }

    fn slot(&self, key: &str) -> Arc<OnceCell<Arc<Built>>> {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        charts.clock += 1;
        let used = charts.clock;
        let slot = charts.slots.entry(key.to_owned()).or_insert_with(|| Slot {
            cell: Arc::default(),
            used,
        });
        slot.used = used;
        Arc::clone(&slot.cell)
    }

    /// Drops what was used the longest time ago until the rest fits, and before that what does not fit by itself;
    /// what is being built stays. Failures leave empty slots, which go too.
    fn evict(&self) {
        let mut charts = self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        charts
            .slots
            .retain(|_, slot| slot.cell.initialized() || Arc::strong_count(&slot.cell) > 1);
        let bytes = |slot: &Slot| slot.cell.get().map_or(0, |built| built.bytes);
        let max = self.charts_bytes_max;
        charts.slots.retain(|_, slot| bytes(slot) <= max);
        loop {
            let total: usize = charts.slots.values().map(bytes).sum();
            let oldest = charts
                .slots
                .iter()
                .filter(|(_, slot)| slot.cell.initialized())
                .min_by_key(|(_, slot)| slot.used)
                .map(|(key, _)| key.clone());
            match oldest {
                Some(key) if total > max => {
                    charts.slots.remove(&key);
                }
                _ => return,
            }
        }
    }
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
