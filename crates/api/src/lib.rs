//! The `fleet.cattle.io/v1alpha1` API: types, names, hashes, budgets, invariants and CRDs.
//!
//! Pure: nothing here does I/O or reads a clock. Everything whose bytes must equal upstream's (names,
//! ids, canonical JSON) lives in this crate, so that hub, agent and command line cannot disagree.

pub mod conditions;
pub mod config;
pub mod copies;
pub mod crds;
pub mod fleet_yaml;
pub mod ids;
pub mod invariants;
mod json;
pub mod labels;
pub mod limits;
pub mod names;
pub mod state;
pub mod v1alpha1;
