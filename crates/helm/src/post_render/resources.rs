//! Objects as kustomize's kyaml reads, annotates and writes them.
//!
//! Text goes in and objects come out that keep comments and styles, and back. While an object is read it
//! carries its number in annotations, which are gone when it is written: what that does to the maps
//! around them stays.
//!
//! Source: kyaml `kio/byteio_reader.go`, `kio/byteio_writer.go`, `yaml/kfns.go`, `yaml/fns.go`.

use std::collections::BTreeMap;

use goyaml::v3::{self, Document, Kind, NULL_TAG, Node, Printer, ScalarStyle};
use sprig::gopath;

const METADATA: &str = "metadata";
const ANNOTATIONS: &str = "annotations";

/// Annotations with the number of an object in its stream, in the order in which they are set.
const INDEX: [&str; 2] = [
    "config.kubernetes.io/index",
    "internal.config.kubernetes.io/index",
];
/// Annotations with a file's path.
const PATH: [&str; 2] = [
    "config.kubernetes.io/path",
    "internal.config.kubernetes.io/path",
];
const ID: [&str; 2] = ["config.k8s.io/id", "internal.config.kubernetes.io/id"];
/// Annotation that says how far in the items of lists stand.
const SEQUENCE_INDENT: &str = "internal.config.kubernetes.io/seqindent";

/// What a map is called that stands for a bare list.
const BARE_SEQUENCE: &str = "bareSeqNodeWrappingKey";

/// An object with its comments.
#[derive(Debug)]
pub(super) struct Resource(Document);

/// Reads the objects of a stream. The items of a `List` that is alone in it are objects of their own.
pub(super) fn read(stream: &str) -> Result<Vec<Resource>, String> {
    let stream = stream.replace("\r\n", "\n");
    let texts = goyaml::documents::split_kyaml(&stream)?;
    let is_alone = texts.len() == 1;
    let mut found = Vec::new();
    let mut index = 0_usize;
    for text in texts {
        let document =
            v3::parse(&text).map_err(|problem| format!("MalformedYAMLError: {problem}"))?;
        let Some(document) = document.filter(|document| !document.root.is_null()) else {
            continue;
        };
        let mut resource = Resource(document);
        resource.mirror_annotations()?;
        for key in INDEX {
            resource.set_annotation(key, &index.to_string())?;
        }
        if is_alone && resource.is_list() {
            let items = resource.0.root.get_mut("items");
            let items = items.map(|items| std::mem::take(&mut items.content));
            found.extend(items.unwrap_or_default().into_iter().map(Resource::bare));
            continue;
        }
        found.push(resource);
        index += 1;
    }
    Ok(found)
}

/// Prints objects, divided by `---`.
pub(super) fn write(resources: Vec<Resource>) -> Result<String, String> {
    let is_alone = resources.len() == 1;
    let mut printer = Printer::default();
    for mut resource in resources {
        let annotations = resource.annotations().unwrap_or_default();
        if is_alone {
            refuse_json(&annotations)?;
        }
        let is_wide = annotations
            .get(SEQUENCE_INDENT)
            .is_some_and(|text| text == "wide");
        let [legacy, index] = INDEX;
        for key in [index, legacy, SEQUENCE_INDENT] {
            resource.clear_annotation(key)?;
        }
        clear_empty_annotations(&mut resource.0.root)?;
        let bare = resource.0.root.get(BARE_SEQUENCE);
        match bare.filter(|bare| !is_empty(bare)).cloned() {
            Some(bare) => printer.document(&Resource::bare(bare).0, !is_wide),
            None => printer.document(&resource.0, !is_wide),
        }
    }
    Ok(printer.finish())
}

/// A single object that says it is from a JSON file would be printed as JSON.
fn refuse_json(annotations: &BTreeMap<String, String>) -> Result<(), String> {
    let [legacy, path] = PATH;
    let path = annotations.get(path).or(annotations.get(legacy));
    if path.is_some_and(|path| gopath::ext(path.as_bytes()) == b".json") {
        return Err(format!(
            "an object with an annotation {legacy} that names a JSON file is not supported"
        ));
    }
    Ok(())
}

impl Resource {
    fn bare(root: Node) -> Self {
        Self(Document {
            root,
            ..Document::default()
        })
    }

    /// Whether its items are objects.
    fn is_list(&self) -> bool {
        let root = &self.0.root;
        let kind = root.get("kind").map_or("", value);
        matches!(kind, "ResourceList" | "List")
            && (root.get("items").is_some() || root.get("functionConfig").is_some())
    }

    /// The annotations, or nothing if this has nothing that an object has.
    pub(super) fn annotations(&self) -> Option<BTreeMap<String, String>> {
        let root = &self.0.root;
        if root.is_null() {
            return Some(BTreeMap::new());
        }
        let field = |map: &Node, name: &str| map.get(name).is_some_and(|value| !is_empty(value));
        let is_typed = field(root, "apiVersion") || field(root, "kind");
        let Some(metadata) = root.get(METADATA).filter(|metadata| !is_empty(metadata)) else {
            return is_typed.then(BTreeMap::new);
        };
        let is_named = ["name", "namespace", "labels", ANNOTATIONS]
            .into_iter()
            .any(|name| field(metadata, name));
        if !is_typed && !is_named {
            return None;
        }
        let mut found = BTreeMap::new();
        if let Some(annotations) = metadata
            .get(ANNOTATIONS)
            .filter(|map| map.kind == Kind::Mapping)
        {
            for (key, text) in annotations.entries() {
                // The first of keys that occur twice counts.
                let name = value(key).to_owned();
                found.entry(name).or_insert_with(|| value(text).to_owned());
            }
        }
        Some(found)
    }

    /// Gives annotations that have two names the other one too.
    fn mirror_annotations(&mut self) -> Result<(), String> {
        let annotations = self.annotations().unwrap_or_default();
        let text = |name: &str| annotations.get(name).filter(|text| !text.is_empty());
        for [legacy, name] in [PATH, INDEX, ID] {
            match (text(legacy), text(name)) {
                (None, Some(text)) => self.set_annotation(legacy, text)?,
                (Some(text), None) => self.set_annotation(name, text)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets an annotation, in quotes if it is new.
    pub(super) fn set_annotation(&mut self, key: &str, text: &str) -> Result<(), String> {
        let root = &mut self.0.root;
        clear_empty_annotations(root)?;
        let Some(metadata) = below(root, METADATA)? else {
            return Ok(());
        };
        let Some(annotations) = below(metadata, ANNOTATIONS)? else {
            return Ok(());
        };
        if annotations.is_null() {
            return Ok(());
        }
        expect_mapping(annotations)?;
        if let Some(old) = annotations.get_mut(key) {
            *old = Node {
                is_tagged: old.is_tagged,
                ..Node::string(text, old.style)
            };
            return Ok(());
        }
        let new = Node::string(text, ScalarStyle::SingleQuoted);
        annotations.content.extend([Node::plain(key), new]);
        Ok(())
    }

    /// Takes an annotation away.
    pub(super) fn clear_annotation(&mut self, key: &str) -> Result<(), String> {
        let root = &mut self.0.root;
        match lookup(root, METADATA)?.map(|metadata| lookup(metadata, ANNOTATIONS)) {
            Some(Ok(Some(annotations))) => clear(annotations, key, false),
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// The text of a scalar, nothing for null.
fn value(node: &Node) -> &str {
    if node.is_null() { "" } else { &node.value }
}

/// Whether a node is null or an empty collection.
fn is_empty(node: &Node) -> bool {
    let is_collection = matches!(node.kind, Kind::Mapping | Kind::Sequence);
    node.tag == NULL_TAG || (is_collection && node.content.is_empty())
}

/// Null counts as an empty map.
fn expect_mapping(node: &Node) -> Result<(), String> {
    let found = match node.kind {
        _ if node.is_null() => return Ok(()),
        Kind::Mapping => return Ok(()),
        Kind::Scalar => "ScalarNode",
        Kind::Sequence => "SequenceNode",
        Kind::Alias => "AliasNode",
    };
    let mut printer = Printer::default();
    printer.document(&Resource::bare(node.clone()).0, true);
    let text = printer.finish();
    Err(format!(
        "wrong node kind: expected MappingNode but got {found}: node contents:\n{text}"
    ))
}

/// The value of a field; null has none.
fn lookup<'a>(map: &'a mut Node, name: &str) -> Result<Option<&'a mut Node>, String> {
    expect_mapping(map)?;
    Ok(map.get_mut(name))
}

/// As [`lookup`]; a map that lacks the field gets it, an empty map.
fn below<'a>(map: &'a mut Node, name: &str) -> Result<Option<&'a mut Node>, String> {
    expect_mapping(map)?;
    if map.kind == Kind::Mapping && !map.is_null() && map.get(name).is_none() {
        map.content.extend([Node::plain(name), Node::mapping()]);
    }
    Ok(map.get_mut(name))
}

/// Takes a field out of a map; with `if_empty` the first with nothing inside.
fn clear(map: &mut Node, name: &str, if_empty: bool) -> Result<(), String> {
    expect_mapping(map)?;
    let goes =
        |(key, value): (&Node, &Node)| key.value == name && (!if_empty || value.content.is_empty());
    let at = map.entries().position(goes);
    if let Some(at) = at {
        map.content.drain(2 * at..2 * at + 2);
    }
    Ok(())
}

/// Takes empty annotations and then empty metadata away. What is no collection counts as empty.
fn clear_empty_annotations(root: &mut Node) -> Result<(), String> {
    if let Some(metadata) = lookup(root, METADATA)? {
        clear(metadata, ANNOTATIONS, true)?;
    }
    clear(root, METADATA, true)
}
