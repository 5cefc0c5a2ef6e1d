//! Which cluster gets which bundle, with which options, and when.
//!
//! In: a bundle, what is known of clusters and their groups, the rules of the workspace, what is deployed.
//! Out: for every cluster what it gets or why it gets nothing, and a decision for one pass of the
//! roll-out. Pure: reading and writing is the hub's work, and so is repeating passes.
//!
//! | module | question |
//! |---|---|
//! | `matching` | does a target mean a cluster? |
//! | `merge` | what do bundle and target options give together? |
//! | `customize` | which options does a cluster get? |
//! | `template` | what do values become for a cluster? |
//! | `templating` | what do other options become, where that is asked for? |
//! | `policy` | what may bundles of a namespace use, and what is imposed on them? |
//! | `deployment` | what does a cluster get, all in all? |
//! | `explain` | why does a cluster get what it gets? |
//! | `rollout` | which clusters get it now? |
//! | `schedule` | when may clusters be deployed to? |
//! | `pins` | which clusters stay at an earlier commit? |
//! | `mapping` | which bundles reach clusters of other namespaces? |
//!
//! Unlike upstream, a template that fails for one cluster leaves the others alone, and namespace labels
//! of a target reach the clusters of that target only.

pub mod customize;
pub mod dependencies;
pub mod deployment;
mod engine;
pub mod explain;
pub mod mapping;
pub mod matching;
pub mod merge;
pub mod pins;
pub mod policy;
pub mod rollout;
pub mod schedule;
pub mod template;
mod templating;
