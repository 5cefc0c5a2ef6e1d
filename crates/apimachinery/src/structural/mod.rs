//! Structural schemas of custom resources: what an API server does with `openAPIV3Schema`.
//!
//! In: the schema of one version of a CRD, compiled once into a [`Schema`], and objects of that version. Out: unknown fields pruned,
//! defaults filled in, field errors. Does not read the CRD around the schema (see [`crate::crd`]), and does not touch `metadata`,
//! which has rules of its own.
//!
//! The order on a write is [`Schema::prune`], [`Schema::apply_defaults`], [`Schema::validate`] or [`Schema::validate_update`]; on a
//! read from storage the first two again.

mod check;
mod formats;
mod node;
mod pattern;
mod prune;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::node::Error;
use self::node::{Additional, Node, Parser};
use crate::field::{FieldError, Path};

/// Where a CRD has its schemas, for errors that name a Go field.
const PLACE: &str = "spec.versions.schema.openAPIV3Schema";

/// A compiled schema. Cheap to share: [`SchemaCache`] gives equal schemas the same allocation.
pub struct Schema {
    root: Node,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("properties", &self.root.properties.len())
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// Compiles the JSON of `openAPIV3Schema`.
    ///
    /// # Errors
    /// When a keyword holds the wrong JSON type, as the server's decoder would refuse it. A schema that is well formed but not
    /// permitted compiles; [`Schema::check`] says what is wrong with it.
    pub fn compile(schema: &Value) -> Result<Self, Error> {
        Ok(Self {
            root: Parser::default().node(schema, PLACE, 0)?,
        })
    }

    /// What keeps this schema from being that of a CRD; `path` is its place in the CRD, `spec.validation.openAPIV3Schema` or
    /// `spec.versions[0].schema.openAPIV3Schema`.
    pub fn check(&self, path: &Path) -> Vec<FieldError> {
        check::check(&self.root, path)
    }

    /// Removes fields that the schema does not specify; `apiVersion`, `kind` and `metadata` of the root stay.
    ///
    /// Returns the paths of what was removed (`spec.a[0].b`), sorted: the server words them `unknown field "<path>"`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut removed = Vec::new();
        prune::prune_root(object, &self.root, &mut removed);
        removed.sort();
        removed
    }

    /// Fills in defaults, after dropping nulls where null is not allowed. Idempotent.
    pub fn apply_defaults(&self, object: &mut Value) {
        prune::apply_defaults(object, &self.root);
    }

    /// Checks a new object: types and values, then sets and list-maps, then rules.
    pub fn validate(&self, object: &Value) -> Vec<FieldError> {
        self.errors(object, None)
    }

    /// Checks an object that replaces `old`: parts that did not change are not checked again.
    pub fn validate_update(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        self.errors(object, Some(old))
    }

    /// The rules of `x-kubernetes-validations`, which are accepted but not evaluated: where each
    /// stands (`spec.items`), and its text. A server that takes such a schema should say so in a
    /// warning.
    pub fn unevaluated_rules(&self) -> Vec<UnevaluatedRule> {
        let mut rules = Vec::new();
        collect_rules(&self.root, "", &mut rules);
        rules
    }

    fn errors(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let root = Path::new("");
        let mut errors = validate::validate(&self.root, object, old, &root);
        if old != Some(object) {
            validate::lists(&self.root, object, &root, &mut errors);
        }
        errors
    }
}

/// A validation rule in CEL that is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnevaluatedRule {
    /// Dotted path of the schema that has the rule; `[]` for list items, `{}` for map values,
    /// empty at the root.
    pub path: String,
    /// The CEL expression.
    pub rule: String,
}

fn collect_rules(node: &Node, path: &str, rules: &mut Vec<UnevaluatedRule>) {
    rules.extend(node.rules.iter().map(|rule| UnevaluatedRule {
        path: path.to_owned(),
        rule: rule.expression.clone(),
    }));
    for (name, child) in &node.properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect_rules(child, &path, rules);
    }
    if let Some(items) = node.items.as_deref() {
        collect_rules(items, &format!("{path}[]"), rules);
    }
    if let Some(Additional::Schema(child)) = &node.additional {
        collect_rules(child, &format!("{path}{{}}"), rules);
    }
}

/// Compiles each schema once, however many logical clusters hold it.
///
/// Holds weak references: a schema whose last user is gone is forgotten.
#[derive(Debug, Default)]
pub struct SchemaCache {
    by_hash: Mutex<BTreeMap<[u8; 32], Weak<Schema>>>,
}

impl SchemaCache {
    /// The compiled form of `schema`, shared with every equal schema in use.
    pub fn compile(&self, schema: &Value) -> Result<Arc<Schema>, Error> {
        // Maps are sorted, so equal schemas have equal bytes.
        let hash: [u8; 32] = Sha256::digest(schema.to_string().as_bytes()).into();
        if let Some(schema) = self.lock().get(&hash).and_then(Weak::upgrade) {
            return Ok(schema);
        }
        let compiled = Arc::new(Schema::compile(schema)?);
        let mut by_hash = self.lock();
        by_hash.retain(|_, schema| schema.strong_count() > 0);
        // Another thread may have been faster; its schema is the one to share.
        if let Some(schema) = by_hash.get(&hash).and_then(Weak::upgrade) {
            return Ok(schema);
        }
        by_hash.insert(hash, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Weak<Schema>>> {
        // The map is valid after any panic: entries are inserted whole.
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
