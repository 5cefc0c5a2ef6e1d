//! The metadata of objects.

use std::collections::BTreeMap;

use super::{Kind, Node, STRING, Style};
use crate::error::{Error, Result};

const METADATA: &str = "metadata";
const ANNOTATIONS: &str = "annotations";

/// What kyaml reads of an object.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl std::fmt::Display for Meta {
    /// As Go's `%v`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let map = |map: &BTreeMap<String, String>| {
            let entries = map.iter().map(|(key, value)| format!("{key}:{value}"));
            entries.collect::<Vec<_>>().join(" ")
        };
        write!(
            f,
            "{{{{{} {}}} {{{{{} {}}} map[{}] map[{}]}}}}",
            self.api_version,
            self.kind,
            self.name,
            self.namespace,
            map(&self.labels),
            map(&self.annotations)
        )
    }
}

impl Node {
    fn filled(&self, name: &str) -> Option<&Self> {
        self.field(name).filter(|field| !field.is_nil_or_empty())
    }

    /// The metadata; an error for what has nothing of an object.
    pub(crate) fn meta(&self) -> Result<Meta> {
        let mut meta = Meta::default();
        if self.is_null() {
            return Ok(meta);
        }
        let mut is_object = false;
        for (name, slot) in [
            ("apiVersion", &mut meta.api_version),
            ("kind", &mut meta.kind),
        ] {
            if let Some(field) = self.filled(name) {
                field.value.clone_into(slot);
                is_object = true;
            }
        }
        if let Some(metadata) = self.filled(METADATA) {
            for (name, slot) in [("name", &mut meta.name), ("namespace", &mut meta.namespace)] {
                if let Some(field) = metadata.filled(name) {
                    field.value.clone_into(slot);
                    is_object = true;
                }
            }
            for (name, slot) in [
                ("labels", &mut meta.labels),
                (ANNOTATIONS, &mut meta.annotations),
            ] {
                if let Some(field) = metadata.filled(name) {
                    *slot = field.texts();
                    is_object = true;
                }
            }
        }
        if !is_object {
            return Err(Error::new("missing Resource metadata"));
        }
        Ok(meta)
    }

    /// As [`Node::meta`], of an object with kind and name, or a list.
    pub(crate) fn validated_meta(&self) -> Result<Meta> {
        let meta = self.meta()?;
        if meta.kind.is_empty() {
            return Err(Error(format!("missing kind in object {meta}")));
        }
        if !meta.kind.ends_with("List") && meta.name.is_empty() {
            return Err(Error(format!("missing metadata.name in object {meta}")));
        }
        Ok(meta)
    }

    pub(crate) fn kind_text(&self) -> &str {
        self.field("kind").map_or("", |node| &node.value)
    }

    pub(crate) fn api_version(&self) -> &str {
        self.field("apiVersion").map_or("", |node| &node.value)
    }

    fn metadata(&self) -> Option<&Self> {
        if self.is_null() {
            return None;
        }
        self.filled(METADATA)
    }

    fn meta_text(&self, name: &str) -> &str {
        let field = self.metadata().and_then(|metadata| metadata.filled(name));
        field.map_or("", |field| &field.value)
    }

    pub(crate) fn name(&self) -> &str {
        self.meta_text("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    fn meta_map(&self, name: &str) -> BTreeMap<String, String> {
        let field = self.metadata().and_then(|metadata| metadata.field(name));
        let mut found = BTreeMap::new();
        for (key, value) in field.iter().flat_map(|field| field.entries()) {
            found.insert(key.value.clone(), value.value.clone());
        }
        found
    }

    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.meta_map(ANNOTATIONS)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = self.metadata()?.field(ANNOTATIONS)?;
        let mut entries = annotations.entries();
        entries
            .find(|(key, _)| key.value == name)
            .map(|(_, value)| value.value.as_str())
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.meta_map("labels")
    }

    pub(crate) fn set_kind(&mut self, kind: &str) -> Result<()> {
        self.set_field("kind", Self::plain(kind))
    }

    pub(crate) fn set_api_version(&mut self, api_version: &str) -> Result<()> {
        self.set_field("apiVersion", Self::plain(api_version))
    }

    fn set_meta(&mut self, name: &str, value: Self) -> Result<()> {
        match self.lookup_create(Kind::Mapping, &[METADATA])? {
            Some(metadata) => metadata.set_field(name, value),
            None => Ok(()),
        }
    }

    pub(crate) fn set_name(&mut self, name: &str) -> Result<()> {
        self.set_meta("name", Self::plain(name))
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) -> Result<()> {
        if !namespace.is_empty() {
            return self.set_meta("namespace", Self::plain(namespace));
        }
        match self.lookup_mut(&[METADATA])? {
            Some(metadata) => metadata.clear("namespace").map(drop),
            None => Ok(()),
        }
    }

    /// A name or a namespace of something new.
    pub(crate) fn set_meta_string(&mut self, name: &str, value: &str) -> Result<()> {
        self.set_meta(name, Self::string(value))
    }

    pub(crate) fn set_annotations(&mut self, annotations: &BTreeMap<String, String>) -> Result<()> {
        self.set_meta_map(ANNOTATIONS, annotations)
    }

    pub(crate) fn set_labels(&mut self, labels: &BTreeMap<String, String>) -> Result<()> {
        self.set_meta_map("labels", labels)
    }

    fn set_meta_map(&mut self, field: &str, map: &BTreeMap<String, String>) -> Result<()> {
        let Some(metadata) = self.lookup_create(Kind::Mapping, &[METADATA])? else {
            return Ok(());
        };
        metadata.clear(field)?;
        if map.is_empty() {
            return Ok(());
        }
        let Some(node) = metadata.lookup_create(Kind::Mapping, &[field])? else {
            return Ok(());
        };
        for (key, value) in map {
            node.set_field(key, Self::string(value.as_str()))?;
        }
        Ok(())
    }

    /// Sets one annotation, in quotes if it is new.
    pub(crate) fn set_annotation(&mut self, key: &str, value: &str) -> Result<()> {
        if let Some(metadata) = self.get_mut(METADATA)? {
            metadata.clear_empty(ANNOTATIONS)?;
        }
        self.clear_empty(METADATA)?;
        self.add_metadata(ANNOTATIONS, key, value)
    }

    /// Sets one label, in quotes if it is new.
    pub(crate) fn set_label(&mut self, key: &str, value: &str) -> Result<()> {
        self.add_metadata("labels", key, value)
    }

    fn add_metadata(&mut self, field: &str, key: &str, value: &str) -> Result<()> {
        let value = Self {
            tag: STRING.into(),
            style: Style::SINGLE_QUOTED,
            ..Self::plain(value)
        };
        match self.lookup_create(Kind::Mapping, &[METADATA, field])? {
            Some(map) => map.set_field(key, value),
            None => Ok(()),
        }
    }
}
