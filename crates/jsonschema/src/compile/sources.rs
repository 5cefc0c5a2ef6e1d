//! The documents that schemas refer to, and what their `$schema` says.
//!
//! Source: jsonschema v6 `loader.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pointer::{self, located};
use crate::address::Address;
use crate::draft::{self, Published, Version};
use crate::error::Reason;
use crate::json::{self, Json};
use crate::limits::{Budget, Fault};
use crate::{Loader, Location};

/// Most documents of one schema.
const DOCUMENTS_MAX: usize = 256;

/// Documents by address, loaded when they are first asked for.
pub(crate) struct Sources<'a> {
    loader: &'a dyn Loader,
    documents: BTreeMap<String, Arc<Json>>,
    pub(crate) budget: &'a Budget,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(loader: &'a dyn Loader, budget: &'a Budget) -> Self {
        Self {
            loader,
            documents: BTreeMap::new(),
            budget,
        }
    }

    pub(crate) fn add(&mut self, address: &str, document: Json) {
        self.documents
            .insert(address.to_owned(), Arc::new(document));
    }

    /// Why the budget is at its end.
    pub(crate) fn fault(&self) -> Reason {
        Reason::Fault(self.budget.fault().unwrap_or(Fault::Steps))
    }

    /// The document at an address without fragment.
    pub(crate) fn load(&mut self, address: &str) -> Result<Arc<Json>, Reason> {
        if let Some(document) = self.documents.get(address) {
            return Ok(Arc::clone(document));
        }
        let failed = |reason: String| Reason::Load {
            address: address.to_owned(),
            reason,
        };
        let document = match draft::metaschema(address) {
            Some(Published::Schema(text)) => json::parse(text.as_bytes()).map_err(Reason::Parse)?,
            Some(Published::Directory(path)) => return Err(Reason::Directory(path)),
            None if self.documents.len() >= DOCUMENTS_MAX => {
                return Err(failed("too many documents".to_owned()));
            }
            None => {
                let text = self.fetch(address).map_err(failed)?;
                json::parse(&text).map_err(|error| failed(error.to_string()))?
            }
        };
        let document = Arc::new(document);
        self.documents
            .insert(address.to_owned(), Arc::clone(&document));
        Ok(document)
    }

    fn fetch(&self, address: &str) -> Result<Vec<u8>, String> {
        let parsed = Address::parse(address).map_err(|flaw| flaw.to_string())?;
        let location = Location {
            address,
            scheme: &parsed.scheme,
            path: &parsed.path(),
        };
        self.loader.load(&location)?.ok_or_else(|| {
            let address = sprig::gotext::quote(parsed.text().as_bytes());
            format!("no URLLoader registered for {address}")
        })
    }

    /// The draft of a schema at a place.
    pub(crate) fn draft(
        &mut self,
        address: &str,
        at: &str,
        schema: &Json,
        fallback: Version,
    ) -> Result<Version, Reason> {
        let mut passed = BTreeSet::new();
        let mut place = (address.to_owned(), at.to_owned());
        let mut loaded: Option<Arc<Json>> = None;
        loop {
            let schema = loaded.as_deref().unwrap_or(schema);
            let Some(name) = schema.text("$schema") else {
                return Ok(fallback);
            };
            if let Some(version) = Version::named(name) {
                return Ok(version);
            }
            let metaschema = pointer::split(name).0.to_owned();
            if let Err(flaw) = Address::parse(&metaschema) {
                let place = located(&place.0, &place.1);
                return Err(Reason::SchemaAddress { place, flaw });
            }
            if place.1.is_empty() && metaschema == place.0 {
                return Err(Reason::Draft(metaschema));
            }
            if !passed.insert(metaschema.clone()) {
                return Err(Reason::MetaschemaCycle(metaschema));
            }
            loaded = Some(self.load(&metaschema)?);
            place = (metaschema, String::new());
        }
    }

    /// The vocabularies that a schema's own metaschema chooses; None for a draft's own.
    pub(crate) fn vocabularies(
        &mut self,
        schema: &Json,
        version: Version,
    ) -> Result<Option<Vec<&'static str>>, Reason> {
        let Some(name) = schema.text("$schema") else {
            return Ok(None);
        };
        if Version::named(name).is_some() {
            return Ok(None);
        }
        let address = pointer::split(name).0;
        let metaschema = self.load(address)?;
        let Some(Json::Object(choice)) = metaschema.object().and_then(|m| m.get("$vocabulary"))
        else {
            return Ok(None);
        };
        if version < Version::V2019 {
            return Ok(None);
        }
        let mut chosen = Vec::new();
        for (vocabulary, required) in choice {
            if *required != Json::Bool(true) {
                continue;
            }
            let name = vocabulary.strip_prefix(version.vocabulary_prefix());
            let known = version.vocabularies().iter();
            match known.copied().find(|known| Some(*known) == name) {
                Some(name) => chosen.push(name),
                None => {
                    return Err(Reason::Vocabulary {
                        address: address.to_owned(),
                        vocabulary: vocabulary.clone(),
                    });
                }
            }
        }
        if !chosen.contains(&"core") {
            chosen.push("core");
        }
        Ok(Some(chosen))
    }
}
