//! Kubernetes API machinery as pure functions: type graphs, patches, field ownership, structural schemas, selectors.

pub mod names;
pub mod patch;
pub mod selectors;
