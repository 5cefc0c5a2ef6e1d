//! What a live object lacks of what was deployed.
//!
//! In: the deployed object, the live one, the rules about what is not compared. Out: the fields that differ ([`Difference`]), and whether
//! only the API server can tell for sure ([`Comparison::doubts`]). What only the live object has is no difference: the server fills in
//! defaults, controllers add annotations. What people added is found by [`additions`], for those who ask. Reads no cluster.
//!
//! ```text
//! deployed, live ── normalise ──> rules ──> walk ──> differences ──> patch (masked, bounded)
//! ```
//!
//! Source of rules: fleet `internal/cmd/agent/deployer/{plan,normalizers,internal/diff}`; agent.md 8.3.

mod additions;
mod lists;
mod normalise;
mod patch;
mod path;
mod rules;
mod scaling;
mod walk;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::additions::additions;
pub use self::patch::{MASK, mask, patch_text};
pub use self::path::{Path, Step};
pub use self::rules::{Identity, Rules};
pub use self::scaling::{Scaler, is_scaled_from_outside};

/// A field that is not as it was deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// What was deployed; absent only in an [exact](How::Exact) comparison.
    pub desired: Option<Value>,
    /// What is there.
    pub live: Option<Value>,
}

/// How two objects differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// In order of the paths of the deployed object.
    pub differences: Vec<Difference>,
    /// Something looks different that the server may have filled in or left out. Who can should ask it, by a dry run, what it
    /// makes of the deployed object, and compare that one exactly.
    pub doubts: bool,
}

/// What the deployed side of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The object as it was sent.
    AsSent,
    /// The object as the server would store it over the live one: nothing is in doubt.
    Exact,
}

/// Compares.
///
/// Objects may have any shape. Both are taken as objects of the kind that `desired` names.
pub fn compare(desired: &Value, live: &Value, rules: &Rules, how: How) -> Comparison {
    let identity = Identity::of(desired);
    let (mut desired, mut live) = (desired.clone(), live.clone());
    normalise::prepare(&identity, &mut desired);
    normalise::prepare(&identity, &mut live);
    normalise::leave_to_others(&mut desired, &mut live);
    rules.apply(&identity, &mut desired);
    rules.apply(&identity, &mut live);
    walk::walk(&identity, &desired, &live, how)
}
