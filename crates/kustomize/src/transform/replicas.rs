//! How many there are of an object.

use super::fieldspec::{self, Create};
use crate::error::{Error, Result};
use crate::node::{INTEGER, Kind, Node};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::{FieldSpec, Replica};

/// Sets the number of objects of one name.
#[derive(Debug)]
pub(crate) struct ReplicaTransformer {
    pub(crate) replica: Replica,
    pub(crate) fields: Vec<FieldSpec>,
}

impl ReplicaTransformer {
    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        const NUMBER: Create = Create {
            kind: Kind::Scalar,
            tag: INTEGER,
        };
        let Replica { name, count } = &self.replica;
        let mut is_found = false;
        for spec in &self.fields {
            for resource in all
                .iter_mut()
                .filter(|resource| !resource.is_nil_or_empty())
            {
                let ids = resource.ids(schemas);
                let fits = ids
                    .iter()
                    .any(|id| id.name == *name && id.gvk.is_selected(&spec.gvk));
                if !fits {
                    continue;
                }
                is_found = true;
                fieldspec::visit(&mut resource.node, spec, Some(NUMBER), &mut |node| {
                    node.set_scalar(Node::tagged(count.to_string(), INTEGER))
                })?;
                resource.settle();
            }
        }
        if is_found {
            return Ok(());
        }
        let kinds: Vec<_> = self
            .fields
            .iter()
            .map(|spec| spec.gvk.to_string())
            .collect();
        Err(Error(format!(
            "resource with name {name} does not match a config with the following GVK [{}]",
            kinds.join(" ")
        )))
    }
}
