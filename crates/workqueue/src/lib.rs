//! A keyed work queue with de-duplication, delays and per-key back-off, and the loop that drains it.
//!
//! The semantics are those of client-go's work queue, which every controller author knows:
//!
//! * a key waits at most once, however often it is added;
//! * a key is never handed to two workers at a time: one that is added while it is being worked on
//!   waits until that run is over and is then handed out again;
//! * a failed key comes back after a delay that doubles with every failure in a row.
//!
//! The queue knows nothing of Kubernetes. Time is tokio's, so tests run with a paused clock.

mod queue;
mod run;

pub use queue::{Backoff, Queue};
pub use run::{Next, Place, run, run_in_places};
