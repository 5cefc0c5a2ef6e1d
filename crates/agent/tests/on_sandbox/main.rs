//! Agents on the sandbox: the whole road from a BundleDeployment to its status.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod additions;
mod atomic;
mod by_hand;
mod copies;
mod crashes;
mod definitions;
mod deploy;
mod drift;
#[path = "../common/escapes.rs"]
mod escapes;
mod faults;
#[path = "../common/faulty.rs"]
mod faulty;
mod health;
mod helm_ops;
mod hooks;
mod kinds;
mod kustomize;
mod namespaces;
mod ownership;
mod registration;
mod registry;
mod restart;
mod templating;
mod tenants;
mod values;
#[path = "../common/mod.rs"]
mod world;
