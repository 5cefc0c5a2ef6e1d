//! Desired against live objects: normalise, compare, readiness of each kind.
//!
//! In: live objects as JSON, the time. Out: how ready each is ([`readiness`]), the bounded lists and the counts that a
//! BundleDeployment reports ([`report`]). Reads no cluster and keeps no state.

pub mod readiness;
pub mod report;
