//! A value in fields of selected objects.

use serde::Deserialize;
use sprig::gopath;

use super::namespace::{NamespaceTransformer, Subjects};
use crate::error::{Error, Result};
use crate::node::{Kind, Node};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::Selector;

/// Sets fields, or parts of paths in them, to a value.
#[derive(Debug)]
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) targets: Vec<ValueTarget>,
}

/// A field that gets the value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ValueTarget {
    pub(crate) selector: Option<Selector>,
    pub(crate) field_path: String,
    /// Counts from one; zero for all of the field.
    pub(crate) file_path_position: i64,
}

impl ValueAdd {
    pub(crate) fn check(&self) -> Result<()> {
        if self.targets.is_empty() {
            return Err(Error::new("must specify at least one target"));
        }
        for target in &self.targets {
            if target.field_path.is_empty() {
                return Err(Error::new("fieldPath cannot be empty"));
            }
            if target.file_path_position < 0 {
                return Err(Error(format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    target.file_path_position
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        for target in &self.targets {
            let selected = match &target.selector {
                Some(selector) => all.select(schemas, selector)?,
                None => (0..all.len()).collect(),
            };
            for index in selected {
                if let Some(resource) = all.get_mut(index) {
                    self.set(schemas, resource, target)?;
                    resource.settle();
                }
            }
        }
        Ok(())
    }

    fn set(&self, schemas: &Schemas, resource: &mut Resource, target: &ValueTarget) -> Result<()> {
        if target.field_path == "metadata/namespace" {
            let namespace = NamespaceTransformer {
                namespace: self.value.clone(),
                fields: Vec::new(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            return namespace.change(schemas, resource);
        }
        let mut path: Vec<String> = Vec::new();
        for part in target.field_path.split('/') {
            match path.last_mut() {
                Some(last) if last.ends_with('\\') => {
                    last.pop();
                    last.push('/');
                    last.push_str(part);
                }
                _ => path.push(part.to_owned()),
            }
        }
        let Some(field) = resource.node.lookup_create(Kind::Scalar, &path)? else {
            return Ok(());
        };
        field.expect(Kind::Scalar)?;
        let value = match target.file_path_position {
            0 => self.value.clone(),
            position => insert(&field.value, position as usize - 1, &self.value),
        };
        field.set_scalar(Node::plain(value))
    }
}

/// Inserts a part into a path.
fn insert(path: &str, position: usize, part: &str) -> String {
    if part.is_empty() {
        return path.to_owned();
    }
    let clean: Vec<&str> = path.split('/').collect();
    let mut parts: Vec<&str> = if path.is_empty() { Vec::new() } else { clean };
    let mut position = position.min(parts.len());
    if parts.first() == Some(&"") && position < parts.len() {
        position += 1;
    }
    parts.insert(position, part);
    if parts.first() == Some(&"") {
        return format!("/{}", gopath::join(&parts[1..]));
    }
    gopath::join(&parts)
}
