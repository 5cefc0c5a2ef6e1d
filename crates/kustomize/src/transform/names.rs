//! Prefixes and suffixes of names.

use super::fieldspec::{self, Create};
use crate::error::Result;
use crate::id::Gvk;
use crate::node::{Kind, Node, STRING};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::FieldSpec;

/// Which end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AffixKind {
    Prefix,
    Suffix,
}

/// A text before or behind names.
#[derive(Debug)]
pub(crate) struct Affix {
    pub(crate) kind: AffixKind,
    pub(crate) text: String,
    pub(crate) fields: Vec<FieldSpec>,
}

/// Whether objects of a kind keep their names.
fn keeps_name(gvk: &Gvk) -> bool {
    matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (gvk.group == "apiregistration.k8s.io" && gvk.kind == "APIService")
}

impl Affix {
    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        const NAME: Create = Create {
            kind: Kind::Scalar,
            tag: STRING,
        };
        for resource in all.iter_mut() {
            let id = resource.original_id(schemas);
            if keeps_name(&id.gvk) {
                continue;
            }
            for spec in &self.fields {
                if !id.gvk.is_selected(&spec.gvk) {
                    continue;
                }
                if spec.path == "metadata/name" {
                    match self.kind {
                        AffixKind::Prefix => resource.add_name_prefix(&self.text)?,
                        AffixKind::Suffix => resource.add_name_suffix(&self.text)?,
                    }
                    if !self.text.is_empty() {
                        resource.store_previous_id(schemas)?;
                    }
                }
                fieldspec::visit(&mut resource.node, spec, Some(NAME), &mut |node| {
                    let text = match self.kind {
                        AffixKind::Prefix => format!("{}{}", self.text, node.value),
                        AffixKind::Suffix => format!("{}{}", node.value, self.text),
                    };
                    node.set_scalar(Node::plain(text))
                })?;
            }
            resource.settle();
        }
        Ok(())
    }
}
