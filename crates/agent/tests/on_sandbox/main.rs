//! Agents on the sandbox: the whole road from a BundleDeployment to its status.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod atomic;
mod copies;
mod deploy;
mod drift;
#[path = "../common/escapes.rs"]
mod escapes;
mod faults;
mod health;
mod hooks;
mod ownership;
mod registration;
mod registry;
mod restart;
mod templating;
mod tenants;
#[path = "../common/mod.rs"]
mod world;
