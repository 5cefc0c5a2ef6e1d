//! Downstream: deploy, watch, report.
//!
//! ```text
//!  hub: BundleDeployments ──watch──> world ──> deployment (observe, plan, act) ──> downstream cluster
//!                                      ^                                                │
//!  hub: status <── report (pure) <─────┴──────────────── monitor <──watches by kind─────┘
//! ```
//!
//! [`run`] is one agent of one cluster. It watches the BundleDeployments of its namespace on the hub,
//! renders and applies them on its own cluster, watches the deployed objects and writes the statuses
//! back. The inventory of a deployment is Helm's own release record; nothing else is ever deleted
//! (invariant I-2), and a process that is killed at any moment goes on where the record says it was
//! (invariant I-3).
//!
//! Many agents may run in one process: what is equal between them (contents, parsed charts) and what
//! is heavy (rendering, compression) goes through [`Shared`].
//!
//! [`local`] brings a deployment from a file to a cluster, or tells what that would do.
//!
//! [`service`] is the process around it: it gets the agent a credential ([`registration`]), keeps others of its
//! kind waiting and answers probes and scrapes.

mod agent;
mod apply;
pub mod audit;
mod contact;
mod deployment;
mod drift;
mod failure;
mod heartbeat;
mod identity;
mod kinds;
pub mod local;
mod monitor;
mod object;
pub mod registration;
mod release;
mod render;
mod report;
mod room;
pub mod service;
mod shared;
mod source;
mod sources;
mod telemetry;
mod world;

pub use agent::{Ended, Options, run, run_or_end};
pub use contact::Contact;
pub use drift::inspect::{
    Error as InspectError, FieldDifference, ObjectDifferences, ObjectState, differences,
};
pub use shared::{Capacity, Shared};
pub use telemetry::Telemetry;

/// Name under which the agent owns fields of objects on the hub.
pub const FIELD_MANAGER: &str = "fleetagent";

/// Name under which the agent owns fields of what it deploys: Helm's, so that each can go on where the
/// other left off. With a name of our own every `helm upgrade` and `helm rollback` of a release of ours
/// would be a conflict, and fields that leave a chart would stay because the other still owns them.
pub const DEPLOY_FIELD_MANAGER: &str = "helm";
