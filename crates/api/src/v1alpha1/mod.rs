//! The kinds of `fleet.cattle.io/v1alpha1`, one file per kind.
//!
//! The types read what any version of upstream or a user wrote: unknown fields are ignored, missing
//! ones and `null` are empty. What they write is what Go's encoder writes for upstream's types, with
//! fields in the same order, so that hashes over them are equal (see `crate::ids`). Fields that upstream
//! does not have say how much of a bounded list was left out, or name chunks of a content; upstream
//! ignores them.
//!
//! No behaviour lives here except reading, writing and label matching.

mod bundle;
mod bundle_deployment;
mod bundle_namespace_mapping;
mod cluster;
mod cluster_group;
mod cluster_registration;
mod cluster_registration_token;
mod condition;
mod content;
mod duration;
mod git_repo;
mod git_repo_restriction;
mod helm_op;
mod image_scan;
mod options;
mod policy;
mod resource;
mod schedule;
mod selector;
mod summary;

pub use bundle::*;
pub use bundle_deployment::*;
pub use bundle_namespace_mapping::*;
pub use cluster::*;
pub use cluster_group::*;
pub use cluster_registration::*;
pub use cluster_registration_token::*;
pub use condition::*;
pub use content::*;
pub use duration::*;
pub use git_repo::*;
pub use git_repo_restriction::*;
pub use helm_op::*;
pub use image_scan::*;
pub use options::*;
pub use policy::*;
pub use schedule::*;
pub use selector::*;
pub use summary::*;

/// API group of all kinds.
pub const GROUP: &str = "fleet.cattle.io";
/// The only version: served and stored.
pub const VERSION: &str = "v1alpha1";
/// `group/version`, as it stands in `apiVersion`.
pub const API_VERSION: &str = "fleet.cattle.io/v1alpha1";

/// Free-form Helm values. Numbers are kept as they were read; hashes take them as float64, as Go does.
pub type Values = serde_json::Map<String, serde_json::Value>;
