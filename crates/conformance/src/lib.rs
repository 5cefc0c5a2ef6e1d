//! One suite of Kubernetes API behaviour for the sandbox and for a real API server.
//!
//! In: a server, as a [`Target`]. Out: a [`Report`] with every case that failed.
//! The same cases run on both servers; what the real one answers is right. A case is either an async
//! function below [`cases`] or a [`script`] in `data/`: requests, with the answers that a real server
//! gave. `CONFORMANCE_RECORD=1` with the `kube` test records the answers in the scripts again.
//!
//! Cases share a server and run at the same time: each has a namespace and names of its own, and none
//! looks at what others could change. What depends on a kubelet or a scheduler is not tested here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    clippy::similar_names,
    reason = "cases fail by panicking, and so do their helpers"
)]

mod api;
mod cases;
pub mod control_plane;
pub mod ports;
mod script;
mod suite;

pub use crate::api::{Answer, Api, Request, Watch};
pub use crate::suite::{Case, Ctx, Forget, Mode, Report, Server, Target, run};
