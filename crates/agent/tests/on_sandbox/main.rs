//! Agents on the sandbox: the whole road from a BundleDeployment to its status.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod copies;
mod deploy;
mod faults;
mod health;
mod hooks;
mod registration;
mod registry;
mod restart;
mod templating;
#[path = "../common/mod.rs"]
mod world;
