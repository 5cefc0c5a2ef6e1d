//! From a file tree and fleet.yaml to Bundles and content chunks.
//!
//! In: a view of files ([`tree::Files`]) and options. Out: Bundles, image of their contents, warnings
//! and errors. Nothing here reads a disk, a clock, the environment or the network.

pub mod path;
pub mod tree;
