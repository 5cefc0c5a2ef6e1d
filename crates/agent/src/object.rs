//! Identity and form of the objects an agent deploys. Pure.

use std::fmt;
use std::sync::Arc;

use apiclient::{Kind, ObjectKey};
use serde_json::Value;
use serde_json::value::RawValue;

/// Keeps an object when its release no longer has it (Helm).
pub(crate) const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// One object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) kind: Arc<Kind>,
    pub(crate) key: ObjectKey,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.kind, self.key)
    }
}

/// An object of a release's inventory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    /// Never deleted (`helm.sh/resource-policy: keep`).
    pub(crate) keep: bool,
}

/// An object as it is to be applied. Its JSON is kept as bytes: a parsed object takes several times
/// their memory, and hundreds of agents may hold theirs at once.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) id: Id,
    pub(crate) keep: bool,
    pub(crate) body: Box<RawValue>,
}

impl Desired {
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            id: self.id.clone(),
            keep: self.keep,
        }
    }
}

/// A text member of an object; empty when it is absent or no text.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An annotation of an object.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(name)?
        .as_str()
}

/// Whether an object is kept when its release no longer has it.
pub(crate) fn is_kept(object: &Value) -> bool {
    annotation(object, RESOURCE_POLICY)
        .is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}
