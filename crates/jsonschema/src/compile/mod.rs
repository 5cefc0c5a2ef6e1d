//! From documents to schemas.
//!
//! In: the address of a schema among some sources. Out: the schemas it leads to, in the order in which
//! they are first mentioned. Source: jsonschema v6 `compiler.go`, `roots.go`.

mod document;
mod keywords;
pub(crate) mod pointer;
mod sources;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::draft::Version;
use crate::error::Reason;
use crate::json::Json;
use crate::limits::Budget;
use crate::patterns::Patterns;
use crate::schema::{Id, Place, Schema};
use crate::{Loader, meta};

use document::Document;
pub(crate) use document::Resource;
use pointer::located;
use sources::Sources;

/// Compiles schemas of one set of sources into one list.
pub(crate) struct Compiler<'a> {
    sources: Sources<'a>,
    /// Documents by address.
    documents: BTreeMap<String, Document>,
    /// Whether documents are held against their metaschemas; not while these are compiled themselves.
    checks: bool,
    patterns: &'a Patterns,
    /// Where the schemas stand.
    places: Vec<Place>,
    /// The same by address, then by pointer.
    ids: HashMap<Arc<str>, HashMap<Arc<str>, Id>>,
    schemas: Vec<Schema>,
    /// Addresses as they are printed, by addresses as they are written.
    bases: HashMap<String, String>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        loader: &'a dyn Loader,
        checks: bool,
        patterns: &'a Patterns,
        budget: &'a Budget,
    ) -> Self {
        Self {
            sources: Sources::new(loader, budget),
            documents: BTreeMap::new(),
            checks,
            patterns,
            places: Vec::new(),
            ids: HashMap::new(),
            schemas: Vec::new(),
            bases: HashMap::new(),
        }
    }

    /// Adds a document, so that it is not loaded.
    pub(crate) fn add(&mut self, address: &str, document: Json) {
        self.sources.add(address, document);
    }

    /// Compiles the schema at an address without fragment, and all it leads to.
    pub(crate) fn compile(&mut self, address: &str) -> Result<Id, Reason> {
        self.open(address)?;
        let id = self.place(&Arc::from(address), "");
        while let Some(place) = self.places.get(self.schemas.len()).cloned() {
            if !self.sources.budget.spend(1) {
                return Err(self.sources.fault());
            }
            self.ensure_seen(&place.address, &place.pointer)?;
            let schema = self.compile_place(&place)?;
            self.schemas.push(schema);
        }
        Ok(id)
    }

    pub(crate) fn into_schemas(self) -> Vec<Schema> {
        self.schemas
    }

    fn compile_place(&mut self, place: &Place) -> Result<Schema, Reason> {
        let (address, pointer) = (&place.address, &*place.pointer);
        let document = self.document(address)?;
        let json = Arc::clone(&document.json);
        let resource = Arc::clone(document.resource(pointer)?);
        let value = pointer::lookup(&json, address, pointer)?;
        let home = self.place(address, &resource.pointer);
        let mut schema = Schema::new(Some(place.clone()), resource.dialect.version, home);
        if schema.version >= Version::V2020 && resource.pointer == pointer {
            for (anchor, target) in &resource.anchors {
                if resource.dynamic_anchors.contains(anchor) {
                    let target = self.place(address, target);
                    schema.dynamic_anchors.insert(anchor.clone(), target);
                }
            }
        }
        match value {
            Json::Bool(boolean) => schema.boolean = Some(*boolean),
            Json::Object(members) if members.is_empty() => schema.boolean = Some(true),
            Json::Object(members) => {
                let keywords = keywords::Place {
                    members,
                    address: &place.address,
                    pointer: &place.pointer,
                    resource: &resource,
                };
                keywords.compile(self, &mut schema)?;
            }
            _ => {}
        }
        Ok(schema)
    }

    /// The place of the schema at a pointer, queued if it is new.
    fn place(&mut self, address: &Arc<str>, pointer: &str) -> Id {
        let ids = match self.ids.get_mut(address) {
            Some(ids) => ids,
            None => self.ids.entry(Arc::clone(address)).or_default(),
        };
        if let Some(id) = ids.get(pointer) {
            return *id;
        }
        let id = Id(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let pointer: Arc<str> = Arc::from(pointer);
        ids.insert(Arc::clone(&pointer), id);
        self.places.push(Place {
            address: Arc::clone(address),
            pointer,
        });
        id
    }

    /// The place that a reference leads to from a schema of a document.
    fn follow(&mut self, from: &Arc<str>, base: &str, reference: &str) -> Result<Id, Reason> {
        let (address, fragment) = self.join(base, reference)?;
        if let Some(pointer) = self.document(from)?.resolve(&address, &fragment)? {
            return Ok(self.place(from, &pointer));
        }
        let pointer = self.open(&address)?.resolve_fragment(&fragment)?;
        Ok(self.place(&Arc::from(address), &pointer))
    }

    /// As [`pointer::join`]. Most references are fragments, whose address is that of the schema around.
    fn join(&mut self, base: &str, reference: &str) -> Result<(String, String), Reason> {
        if !reference.starts_with('#') {
            return pointer::join(base, reference);
        }
        let address = if let Some(address) = self.bases.get(base) {
            address.clone()
        } else {
            let (address, _) = pointer::join(base, "")?;
            self.bases.insert(base.to_owned(), address.clone());
            address
        };
        let (_, fragment) = pointer::split_fragment(reference)?;
        Ok((address, fragment))
    }

    fn document(&self, address: &str) -> Result<&Document, Reason> {
        self.documents
            .get(address)
            .ok_or_else(|| Reason::NoPointer(located(address, "")))
    }

    /// The document at an address, loaded and checked when first asked for.
    fn open(&mut self, address: &str) -> Result<&Document, Reason> {
        if !self.documents.contains_key(address) {
            let json = self.sources.load(address)?;
            let document = Document::read(address, &json, &mut self.sources)?;
            let published = address
                .strip_prefix("http")
                .map(|rest| rest.strip_prefix('s').unwrap_or(rest))
                .is_some_and(|rest| rest.starts_with("://json-schema.org/"));
            if !published {
                self.check(&document, &json, "")?;
            }
            self.documents.insert(address.to_owned(), document);
        }
        self.document(address)
    }

    /// Looks through and checks a part that no keyword led to before.
    fn ensure_seen(&mut self, address: &str, pointer: &str) -> Result<(), Reason> {
        if self.open(address)?.has_seen(pointer) {
            return Ok(());
        }
        let Some(mut document) = self.documents.remove(address) else {
            return Ok(());
        };
        let json = Arc::clone(&document.json);
        let part = pointer::lookup(&json, address, pointer)?;
        document.read_part(part, pointer, &mut self.sources)?;
        self.check(&document, part, pointer)?;
        self.documents.insert(address.to_owned(), document);
        Ok(())
    }

    /// Checks a part of a document against the metaschema it names.
    fn check(&self, document: &Document, part: &Json, pointer: &str) -> Result<(), Reason> {
        if !self.checks {
            return Ok(());
        }
        let dialect = &document.resource(pointer)?.dialect;
        let checked = meta::check(
            part,
            dialect,
            &document.resources,
            self.patterns,
            self.sources.budget,
        );
        match checked {
            Ok(None) => Ok(()),
            Ok(Some(report)) => Err(Reason::Invalid {
                address: located(&document.address, pointer),
                report,
            }),
            Err(reason) => Err(reason),
        }
    }
}
