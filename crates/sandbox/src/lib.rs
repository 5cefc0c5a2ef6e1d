//! A Kubernetes-compatible API server in the process with many logical clusters.
//!
//! In: HTTP requests, over one TLS port or through an in-process [`Service`]. Out: what a kube-apiserver
//! 1.36 would answer. Each logical cluster has its own objects, kinds, users and rules; all share one
//! store. No etcd, no kubelet, no containers: workloads become ready by simulation.
//!
//! It knows no kinds but those of Kubernetes and of the CRDs it is given, and refuses by name what it
//! does not implement.

mod auth;
mod cluster;
mod http;
mod lifecycle;
mod machinery;
mod metrics;
mod object;
mod openapi;
mod registry;
mod rest;
mod sandbox;
mod serve;
mod simulate;
mod status;
mod store;
mod tables;

pub use crate::cluster::Clock;
pub use crate::http::{Body, BoxError};
pub use crate::metrics::Request as RequestCounter;
pub use crate::sandbox::{Cluster, Error, KindSize, Options, Sandbox, Service};
pub use crate::serve::{Error as ServeError, Server};
pub use crate::simulate::{Outcome, Rule, Settings as SimulationSettings};
pub use crate::status::Status;
pub use crate::store::{JournalError, Limits};
