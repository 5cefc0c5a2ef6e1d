//! Labels and annotations for all objects.

use std::collections::BTreeMap;

use super::fieldspec::{self, Create};
use crate::error::Result;
use crate::node::{Kind, Link, MAP, Node, STRING};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::types::FieldSpec;

/// Labels or annotations, and the maps that they are added to.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) entries: BTreeMap<String, String>,
    pub(crate) fields: Vec<FieldSpec>,
}

impl Labels {
    pub(crate) fn run(&self, all: &mut Resources) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        for resource in all.iter_mut() {
            self.add(resource)?;
        }
        all.drop_empty();
        Ok(())
    }

    fn add(&self, resource: &mut Resource) -> Result<()> {
        const MAP_NODE: Create = Create {
            kind: Kind::Mapping,
            tag: MAP,
        };
        for (key, value) in &self.entries {
            let number = resource.next_link();
            for spec in &self.fields {
                fieldspec::visit(&mut resource.node, spec, Some(MAP_NODE), &mut |map| {
                    set_entry(map, key, value, number)
                })?;
            }
            resource.settle();
        }
        Ok(())
    }
}

/// Sets an entry. A new one is the same node wherever it is added.
fn set_entry(map: &mut Node, key: &str, value: &str, number: u32) -> Result<()> {
    let is_new = map.get(key)?.is_none();
    map.set_field(key, Node::tagged(value, STRING))?;
    if is_new && let Some(node) = map.content.last_mut() {
        node.link = Link {
            number,
            is_changed: false,
        };
    }
    Ok(())
}
