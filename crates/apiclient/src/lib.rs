//! The one place that talks to an API server.
//!
//! A [`Client`] reads, writes and watches objects of any [`Kind`] as any type that serde can decode;
//! callers choose small types when they need little of an object. It sits on [`kube::Client`], so
//! the same code runs over TLS with a kubeconfig and in the process on the sandbox, and cannot tell.
//!
//! What it guarantees to its callers:
//!
//! * every write is measured before it is sent and refused when it exceeds the [`Budgets`]
//!   (invariant B-1);
//! * neither bodies nor responses are ever logged or quoted in errors (invariant T-1): the parts of
//!   [`kube`] that log a response which does not decode are not used;
//! * a [`watch`](Client::watch) tells only differences: after a broken or expired watch it lists
//!   again and reports what changed or vanished meanwhile (invariant W-2);
//! * reads and writes are counted by verb and kind in [`Stats`];
//! * a task that runs under a [`Fence`] sends no write that the fence does not let pass.
//!
//! It takes no decisions: retries of failed writes, conflicts and back-off are the callers'.

mod access;
mod answer;
mod budget;
mod client;
mod connect;
mod discovery;
mod error;
mod fence;
mod kind;
mod options;
mod own;
mod stats;
mod watch;

pub use access::{Access, reaches_out, server_of};
pub use budget::Budgets;
pub use client::{Body, Client};
pub use connect::{
    ConnectError, connect, connect_and_tell, from_kubeconfig_text, from_strangers_kubeconfig,
    is_trusted_by_system,
};
pub use discovery::Discovery;
pub use error::{Class, Error, Target, certificate_error};
pub use fence::{Fence, Validity};
pub use kind::{Kind, Metadata, Object, ObjectKey, ObjectMeta, Scope};
pub use options::{DeleteOptions, Patch, Propagation, Selector, WriteOptions};
pub use own::{Own, OwnError};
pub use stats::{Call, Outcome, Size, Stats};
pub use watch::{Event, Watch};
