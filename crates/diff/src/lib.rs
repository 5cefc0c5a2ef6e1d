//! Desired against live objects: normalise, compare, readiness of each kind.
//!
//! In: deployed and live objects as JSON, the time. Out: what is not as it was deployed ([`compare`]), how ready each is ([`readiness`]),
//! the bounded lists and the counts that a BundleDeployment reports ([`report`]). Reads no cluster and keeps no state.

pub mod compare;
pub mod readiness;
pub mod report;
