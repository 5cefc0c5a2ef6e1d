//! Visiting the fields that a path leads to, through all items of lists on the way.
//!
//! Source: kustomize `api/filters/fieldspec`.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::id::{Gvk, group_version};
use crate::node::{Kind, MAP, Node};
use crate::path;
use crate::types::FieldSpec;

/// What is made where a field is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Create {
    pub(crate) kind: Kind,
    pub(crate) tag: &'static str,
}

type Visit<'v> = &'v mut dyn FnMut(&mut Node) -> Result<()>;

/// Visits the fields of an object, if it is of the kind.
pub(crate) fn visit(
    object: &mut Node,
    spec: &FieldSpec,
    create: Option<Create>,
    visit: Visit<'_>,
) -> Result<()> {
    if !fits(&spec.gvk, object) {
        return Ok(());
    }
    let path = path::split(&spec.path, '/');
    let walker = Walker {
        create: create.filter(|_| spec.create),
    };
    walker.walk(object, &path, visit).map_err(|error| {
        let (group, version) = group_version(object.api_version());
        let id = crate::id::Id {
            gvk: Gvk {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: object.kind_text().to_owned(),
            },
            is_cluster_scoped: false,
            name: object.name().to_owned(),
            namespace: object.namespace().to_owned(),
        };
        error.within(&format!("considering field '{}' of object {id}", spec.path))
    })
}

fn fits(gvk: &Gvk, object: &Node) -> bool {
    let (group, version) = group_version(object.api_version());
    (gvk.kind.is_empty() || gvk.kind == object.kind_text())
        && (gvk.group.is_empty() || gvk.group == group)
        && (gvk.version.is_empty() || gvk.version == version)
}

struct Walker {
    create: Option<Create>,
}

impl Walker {
    fn walk(&self, node: &mut Node, path: &[String], visit: Visit<'_>) -> Result<()> {
        let Some((part, rest)) = path.split_first() else {
            return visit(node);
        };
        if node.is_null() {
            return Ok(());
        }
        match node.kind {
            Kind::Sequence => {
                for item in &mut node.content {
                    self.walk(item, path, visit).map_err(|error| {
                        error.within(&format!("visit traversal on path: [{}]", path.join(" ")))
                    })?;
                }
                Ok(())
            }
            Kind::Mapping => self.field(node, part, rest, visit),
            Kind::Scalar => Err(Error::new("expected sequence or mapping node")),
        }
    }

    fn field(&self, node: &mut Node, part: &str, rest: &[String], visit: Visit<'_>) -> Result<()> {
        let name = part.strip_suffix("[]").unwrap_or(part);
        let is_list = name != part;
        if name.is_empty() {
            return Err(Error::new("cannot set or create an empty field name"));
        }
        let within = |error: Error| error.within(&format!("fieldName: {name}"));
        let create = self.create.filter(|_| !is_list).map(|create| {
            if rest.is_empty() {
                create
            } else {
                Create {
                    kind: Kind::Mapping,
                    tag: MAP,
                }
            }
        });
        let found = match create {
            Some(create) => node.lookup_create(create.kind, &[name]),
            None => node.lookup_mut(&[name]),
        };
        let Some(field) = found.map_err(within)? else {
            return Ok(());
        };
        if field.is_null() {
            let made = match create {
                Some(create) => Some((create.kind, create.tag)),
                None if is_list => Some((Kind::Sequence, "")),
                None => None,
            };
            if let Some((kind, tag)) = made {
                field.kind = kind;
                field.tag = Cow::Borrowed(tag);
            }
        }
        self.walk(field, rest, visit)
    }
}
