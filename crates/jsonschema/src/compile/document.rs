//! A document with the identifiers, anchors and drafts found in it.
//!
//! Source: jsonschema v6 `root.go`, `roots.go`. Where Go walks a map at random, this walks it in order.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sprig::stack;

use super::pointer::{self, located};
use super::sources::Sources;
use crate::draft::{Dialect, Version};
use crate::error::Reason;
use crate::json::Json;

/// A part of a document with an address of its own.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) pointer: String,
    /// Its address.
    pub(crate) id: String,
    pub(crate) dialect: Dialect,
    /// Pointers by names.
    pub(crate) anchors: BTreeMap<String, String>,
    pub(crate) dynamic_anchors: BTreeSet<String>,
}

/// A document and what was found in it so far.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) address: String,
    pub(crate) json: Arc<Json>,
    /// By pointer; the empty one is always there.
    pub(crate) resources: BTreeMap<String, Arc<Resource>>,
    /// Pointers of the resources by their addresses.
    by_id: BTreeMap<String, String>,
    seen: HashSet<String>,
}

impl Document {
    /// Looks through a whole document.
    pub(crate) fn read(
        address: &str,
        json: &Arc<Json>,
        sources: &mut Sources<'_>,
    ) -> Result<Self, Reason> {
        let mut document = Self {
            address: address.to_owned(),
            json: Arc::clone(json),
            resources: BTreeMap::new(),
            by_id: BTreeMap::new(),
            seen: HashSet::new(),
        };
        let fallback = Dialect {
            version: crate::draft::LATEST,
            vocabularies: None,
        };
        document.collect(json, address, "", &fallback, sources)?;
        Ok(document)
    }

    pub(crate) fn has_seen(&self, pointer: &str) -> bool {
        self.seen.contains(pointer)
    }

    /// Looks through a part that no keyword leads to.
    pub(crate) fn read_part(
        &mut self,
        part: &Json,
        pointer: &str,
        sources: &mut Sources<'_>,
    ) -> Result<(), Reason> {
        let around = self.resource(pointer)?;
        let (base, dialect) = (around.id.clone(), around.dialect.clone());
        self.collect(part, &base, pointer, &dialect, sources)
    }

    /// The nearest resource around a pointer.
    pub(crate) fn resource(&self, pointer: &str) -> Result<&Arc<Resource>, Reason> {
        let mut rest = if self.resources.len() > 1 {
            pointer
        } else {
            ""
        };
        loop {
            if let Some(found) = self.resources.get(rest) {
                return Ok(found);
            }
            match rest.rfind('/') {
                Some(slash) => rest = &rest[..slash],
                None => return self.root(),
            }
        }
    }

    fn root(&self) -> Result<&Arc<Resource>, Reason> {
        self.resources
            .get("")
            .ok_or_else(|| Reason::NoPointer(located(&self.address, "")))
    }

    /// The pointer that a fragment of the document stands for.
    pub(crate) fn resolve_fragment(&self, fragment: &str) -> Result<String, Reason> {
        self.resolve_in(self.root()?, fragment)
    }

    /// The pointer that an address stands for; None when it is not in this document.
    pub(crate) fn resolve(&self, address: &str, fragment: &str) -> Result<Option<String>, Reason> {
        let resource = if address == self.address {
            self.root()?
        } else {
            let found = self.by_id.get(address);
            match found.and_then(|pointer| self.resources.get(pointer)) {
                Some(resource) => resource,
                None => return Ok(None),
            }
        };
        self.resolve_in(resource, fragment).map(Some)
    }

    fn resolve_in(&self, resource: &Resource, fragment: &str) -> Result<String, Reason> {
        if pointer::is_pointer(fragment) {
            return Ok(format!("{}{fragment}", resource.pointer));
        }
        match resource.anchors.get(fragment) {
            Some(pointer) => Ok(pointer.clone()),
            None => Err(Reason::NoAnchor {
                reference: located(&resource.id, fragment),
                address: self.address.clone(),
            }),
        }
    }

    fn collect(
        &mut self,
        schema: &Json,
        base: &str,
        at: &str,
        fallback: &Dialect,
        sources: &mut Sources<'_>,
    ) -> Result<(), Reason> {
        if self.seen.contains(at) {
            return Ok(());
        }
        if !sources.budget.spend(1) {
            return Err(sources.fault());
        }
        if schema.object().is_some() {
            stack::grow(|| self.collect_object(schema, base, at, fallback, sources))?;
        } else if at.is_empty() {
            self.add_resource(at, base, fallback.clone())?;
        }
        self.seen.insert(at.to_owned());
        Ok(())
    }

    fn collect_object(
        &mut self,
        schema: &Json,
        base: &str,
        at: &str,
        fallback: &Dialect,
        sources: &mut Sources<'_>,
    ) -> Result<(), Reason> {
        let mut names_draft = schema.text("$schema").is_some();
        let mut version = sources.draft(&self.address, at, schema, fallback.version)?;
        if version.id(schema).is_empty() && !at.is_empty() {
            // Only schemas with an address of their own choose their draft.
            version = fallback.version;
            names_draft = false;
        }
        let id = version.id(schema);
        let mut address = base.to_owned();
        if !id.is_empty() {
            let Ok((joined, _)) = pointer::join(base, id) else {
                return Err(Reason::Id(located(&self.address, at)));
            };
            address = joined;
        }
        if !id.is_empty() || at.is_empty() {
            let dialect = if names_draft {
                Dialect {
                    version,
                    vocabularies: sources.vocabularies(schema, version)?,
                }
            } else {
                fallback.clone()
            };
            self.add_resource(at, &address, dialect)?;
        }
        let home = self.by_id.get(&address).cloned().unwrap_or_default();
        self.collect_anchors(schema, at, &home)?;
        let dialect = match self.resources.get(&home) {
            Some(resource) => resource.dialect.clone(),
            None => fallback.clone(),
        };
        for (pointer, value) in version.subschemas(schema, at) {
            self.collect(value, &address, &pointer, &dialect, sources)?;
        }
        Ok(())
    }

    fn add_resource(&mut self, at: &str, id: &str, dialect: Dialect) -> Result<(), Reason> {
        if let Some(before) = self.by_id.get(id) {
            if before == at {
                return Ok(());
            }
            return Err(Reason::DuplicateId {
                id: id.to_owned(),
                address: self.address.clone(),
                at: at.to_owned(),
                before: before.clone(),
            });
        }
        self.by_id.insert(id.to_owned(), at.to_owned());
        let resource = Resource {
            pointer: at.to_owned(),
            id: id.to_owned(),
            dialect,
            anchors: BTreeMap::new(),
            dynamic_anchors: BTreeSet::new(),
        };
        self.resources.insert(at.to_owned(), Arc::new(resource));
        Ok(())
    }

    /// Notes the anchors of a schema at the resource it belongs to.
    fn collect_anchors(&mut self, schema: &Json, at: &str, home: &str) -> Result<(), Reason> {
        let Some(resource) = self.resources.get_mut(home).map(Arc::make_mut) else {
            return Ok(());
        };
        let version = resource.dialect.version;
        let mut anchors = Vec::new();
        if version < Version::V2019 {
            let referring = schema.object().is_some_and(|m| m.contains_key("$ref"));
            if let Some(id) = schema.text(version.id_keyword()).filter(|_| !referring) {
                let Ok((_, fragment)) = pointer::split_fragment(id) else {
                    return Err(Reason::Anchor(located(&self.address, at)));
                };
                if !pointer::is_pointer(&fragment) {
                    anchors.push(fragment);
                }
            }
        } else {
            anchors.extend(schema.text("$anchor").map(str::to_owned));
        }
        if version >= Version::V2020
            && let Some(anchor) = schema.text("$dynamicAnchor")
        {
            anchors.push(anchor.to_owned());
            resource.dynamic_anchors.insert(anchor.to_owned());
        }
        for anchor in anchors {
            let before = resource
                .anchors
                .entry(anchor.clone())
                .or_insert_with(|| at.to_owned());
            if before != at {
                return Err(Reason::DuplicateAnchor {
                    anchor,
                    address: self.address.clone(),
                    before: before.clone(),
                    at: at.to_owned(),
                });
            }
        }
        Ok(())
    }
}
