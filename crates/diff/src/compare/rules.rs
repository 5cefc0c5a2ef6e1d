//! `diff.comparePatches`: what people do not want to be compared.
//!
//! An entry concerns objects of its kind and group; name and namespace may be left out and then match any. A name is also a regular
//! expression for the whole name, for `ignore` for any part of it; kind and group may hold `*` and `?`. Each operation stands for itself: one that does not apply to an
//! object, as `remove` of a field that only the other side has, changes nothing and hinders no other.

use api::v1alpha1::{ComparePatch, DiffOptions};
use apimachinery::patch::json_patch;
use regex::Regex;
use serde_json::{Value, json};

/// What an object is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// API group; empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Identity {
    /// That of `object`.
    pub fn of(object: &Value) -> Self {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        Self {
            group: group(text("/apiVersion")).to_owned(),
            kind: text("/kind").to_owned(),
            namespace: text("/metadata/namespace").to_owned(),
            name: text("/metadata/name").to_owned(),
        }
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The rules of one deployment.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    entries: Vec<Entry>,
    reports_additions: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    group: String,
    kind: String,
    namespace: String,
    name: Name,
    pointers: Vec<String>,
    /// JSON patches of one operation each.
    operations: Vec<Value>,
    ignores_missing: bool,
}

#[derive(Clone, Debug)]
enum Name {
    Any,
    Is {
        name: String,
        whole: Option<Regex>,
        part: Option<Regex>,
    },
}

impl Rules {
    /// Reads the rules. What is no regular expression matches objects of exactly that name.
    pub fn new(options: Option<&DiffOptions>) -> Self {
        let patches = options.map_or(&[][..], |options| options.compare_patches.as_slice());
        Self {
            entries: patches.iter().map(Entry::new).collect(),
            reports_additions: options.is_some_and(|options| options.report_additions),
        }
    }

    /// Whether nothing is excepted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether what somebody added counts.
    pub fn reports_additions(&self) -> bool {
        self.reports_additions
    }

    /// Takes away from `object` what is not compared.
    pub fn apply(&self, identity: &Identity, object: &mut Value) {
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.matches(identity, false))
        {
            let removals = entry
                .pointers
                .iter()
                .map(|path| json!([{"op": "remove", "path": path}]));
            for operation in entry.operations.iter().cloned().chain(removals) {
                if let Ok(changed) = json_patch(object, &operation) {
                    *object = changed;
                }
            }
        }
    }

    /// Whether the object may be missing.
    pub fn ignores_missing(&self, identity: &Identity) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.ignores_missing && entry.matches(identity, true))
    }
}

impl Entry {
    fn new(patch: &ComparePatch) -> Self {
        let name = if patch.name.is_empty() {
            Name::Any
        } else {
            Name::Is {
                name: patch.name.clone(),
                whole: Regex::new(&format!("^(?:{})$", patch.name)).ok(),
                part: Regex::new(&patch.name).ok(),
            }
        };
        let (ignores, others): (Vec<_>, Vec<_>) = patch
            .operations
            .iter()
            .partition(|operation| operation.op == "ignore");
        let operation = |operation: &&api::v1alpha1::Operation| json!([{"op": operation.op, "path": operation.path, "from": operation.value, "value": operation.value}]);
        Self {
            group: group(&patch.api_version).to_owned(),
            kind: patch.kind.clone(),
            namespace: patch.namespace.clone(),
            name,
            pointers: patch.json_pointers.clone(),
            operations: others.iter().map(operation).collect(),
            ignores_missing: !ignores.is_empty(),
        }
    }

    fn matches(&self, identity: &Identity, by_part: bool) -> bool {
        let is_named = match &self.name {
            Name::Any => true,
            Name::Is { name, whole, part } => {
                let pattern = if by_part { part } else { whole };
                *name == identity.name
                    || pattern
                        .as_ref()
                        .is_some_and(|pattern| pattern.is_match(&identity.name))
            }
        };
        is_named
            && glob(self.kind.as_bytes(), identity.kind.as_bytes())
            && glob(self.group.as_bytes(), identity.group.as_bytes())
            && (self.namespace.is_empty() || self.namespace == identity.namespace)
    }
}

/// `*` is any text, `?` any character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, text @ ..]) => glob(rest, text),
        ([wanted, rest @ ..], [found, text @ ..]) => wanted == found && glob(rest, text),
        _ => false,
    }
}
