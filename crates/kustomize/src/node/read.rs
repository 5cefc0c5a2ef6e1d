//! From text and values to trees.

use std::borrow::Cow;
use std::collections::HashMap;

use goyaml::v3::{self, ScalarStyle};
use serde_json::Value;

use super::{Kind, MAP, MERGE, Node, SEQUENCE, STRING, Style};
use crate::error::{Error, Result};

/// Most nodes of a document once its aliases are resolved.
const NODES_MAX: usize = 2_000_000;

/// The objects of a stream, without anchors. The items of a `List` that is alone in it are objects of
/// their own.
///
/// Source: kyaml `kio.FromBytes`.
pub(crate) fn parse_stream(text: &[u8]) -> Result<Vec<Node>> {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let texts = goyaml::documents::split_kyaml(&text).map_err(Error)?;
    let is_alone = texts.len() == 1;
    let mut found = Vec::new();
    for text in texts {
        let node = parse(&text).map_err(|error| error.within("MalformedYAMLError"))?;
        let Some(mut node) = node.filter(|node| !node.is_null()) else {
            continue;
        };
        let is_list = matches!(node.kind_text(), "List" | "ResourceList")
            && (node.field("items").is_some() || node.field("functionConfig").is_some());
        if is_alone && is_list {
            if let Some(items) = node.field_mut("items") {
                found.append(&mut items.content);
            }
            continue;
        }
        found.push(node);
    }
    Ok(found)
}

/// The first document of a text, without anchors.
pub(crate) fn parse(text: &str) -> Result<Option<Node>> {
    let document = v3::parse(text).map_err(|problem| Error(problem.to_string()))?;
    let Some(document) = document else {
        return Ok(None);
    };
    let mut reader = Reader {
        anchors: HashMap::new(),
        left: NODES_MAX,
    };
    reader.node(document.root).map(Some)
}

/// The tree of what `encoding/json` decoded, as kyaml makes it from what YAML it would be.
pub(crate) fn from_value(mut value: Value) -> Result<Node> {
    goyaml::numbers_as_float64(&mut value);
    let text = goyaml::to_yaml_v3(&value, 2).map_err(|error| Error(error.to_string()))?;
    Ok(parse(&text)?.unwrap_or_default())
}

/// The tree of a JSON text.
pub(crate) fn from_json(value: &Value) -> Node {
    match value {
        Value::Null => Node::tagged("null", super::NULL),
        Value::Bool(value) => Node::tagged(value.to_string(), super::BOOLEAN),
        Value::Number(number) => {
            let text = super::value::go_number(number);
            let tag = v3::resolve(&text).tag();
            Node::tagged(text, tag)
        }
        Value::String(text) => Node {
            style: Style::DOUBLE_QUOTED,
            ..Node::tagged(text.as_str(), STRING)
        },
        Value::Array(items) => Node {
            tag: Cow::Borrowed(SEQUENCE),
            content: items.iter().map(from_json).collect(),
            ..Node::of_kind(Kind::Sequence)
        },
        Value::Object(fields) => {
            let entry = |(key, value): (&String, &Value)| {
                let key = Node {
                    style: Style::DOUBLE_QUOTED,
                    ..Node::tagged(key.as_str(), STRING)
                };
                [key, from_json(value)]
            };
            Node {
                tag: Cow::Borrowed(MAP),
                content: fields.iter().flat_map(entry).collect(),
                ..Node::of_kind(Kind::Mapping)
            }
        }
    }
}

struct Reader {
    /// Nodes by anchor, the last of a name.
    anchors: HashMap<String, Node>,
    left: usize,
}

impl Reader {
    fn count(&mut self, n: usize) -> Result<()> {
        let left = self.left.checked_sub(n);
        self.left =
            left.ok_or_else(|| Error(format!("the document has more than {NODES_MAX} nodes")))?;
        Ok(())
    }

    fn node(&mut self, from: v3::Node) -> Result<Node> {
        self.count(1)?;
        if from.kind == v3::Kind::Alias {
            let Some(node) = self.anchors.get(&from.value) else {
                return Err(Error(format!(
                    "anchor {:?} stands for something that it is part of",
                    from.value
                )));
            };
            let node = node.clone();
            self.count(size(&node))?;
            return Ok(node);
        }
        let mut node = Node {
            kind: match from.kind {
                v3::Kind::Sequence => Kind::Sequence,
                v3::Kind::Mapping => Kind::Mapping,
                v3::Kind::Scalar | v3::Kind::Alias => Kind::Scalar,
            },
            tag: tag(&from),
            value: from.value,
            style: Style {
                scalar: from.style,
                flow: from.flow,
                tagged: from.is_tagged,
            },
            ..Node::default()
        };
        node.content.reserve_exact(from.content.len());
        for child in from.content {
            let child = self.node(child)?;
            node.content.push(child);
        }
        if node.kind == Kind::Mapping {
            self.merge(&mut node)?;
        }
        if !from.anchor.is_empty() {
            self.anchors.insert(from.anchor, node.clone());
        }
        Ok(node)
    }

    /// Fills a map with what its merge key says.
    fn merge(&mut self, node: &mut Node) -> Result<()> {
        let mut keys = node.entries().filter(|(key, _)| key.tag == MERGE);
        if keys.next().is_none() {
            return Ok(());
        }
        if keys.next().is_some() {
            return Err(Error::new("duplicate merge key"));
        }
        drop(keys);
        let mut maps = Vec::new();
        if let Some(value) = node.clear("<<")? {
            maps_to_merge(value, &mut maps)?;
        }
        // The map's own entries come first and win.
        let own = node.clone();
        maps.push(own);
        for map in maps {
            self.count(size(&map))?;
            let mut content = map.content.into_iter();
            while let (Some(key), Some(value)) = (content.next(), content.next()) {
                node.set_entry(key, value);
            }
        }
        Ok(())
    }
}

/// The maps that a merge key names, the strongest last.
fn maps_to_merge(value: Node, maps: &mut Vec<Node>) -> Result<()> {
    match value.kind {
        Kind::Mapping => maps.push(value),
        Kind::Sequence => {
            for item in value.content.into_iter().rev() {
                if item.kind == Kind::Sequence {
                    return Err(Error::new("invalid map merge: received a nested sequence"));
                }
                maps_to_merge(item, maps)?;
            }
        }
        Kind::Scalar => {
            return Err(Error::new(
                "map merge requires map or sequence of maps as the value",
            ));
        }
    }
    Ok(())
}

fn size(node: &Node) -> usize {
    1 + node.content.iter().map(size).sum::<usize>()
}

fn tag(node: &v3::Node) -> Cow<'static, str> {
    if node.is_tagged {
        return Cow::Owned(node.tag.clone());
    }
    Cow::Borrowed(match node.kind {
        v3::Kind::Mapping => MAP,
        v3::Kind::Sequence => SEQUENCE,
        _ if node.style != ScalarStyle::Plain => STRING,
        _ => v3::resolve(&node.value).tag(),
    })
}
