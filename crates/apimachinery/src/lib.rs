//! Kubernetes API machinery as pure functions: type graphs, patches, field ownership, structural schemas, selectors.

mod gotext;

pub mod builtin;
pub mod crd;
pub mod field;
pub mod jsonpath;
pub mod managed;
pub mod names;
pub mod openapi;
pub mod patch;
pub mod quantity;
pub mod selectors;
pub mod structural;
pub mod tables;
pub mod types;
