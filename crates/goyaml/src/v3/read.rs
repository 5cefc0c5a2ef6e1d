//! From text to a tree.

use super::notes::Notes;
use super::{Document, Kind, MERGE_TAG, NULL_TAG, Node, STRING_TAG, is_plain_string};
use crate::error::Problem;
use crate::nodes::{self, Content, NodeId};
use crate::resolve::TAG_PREFIX;
use crate::scan::ScalarStyle;
use crate::{compose, input};

/// Reads the first document of a text; a text may have none.
///
/// # Errors
/// When the text is no YAML, in go-yaml v3's words. Nesting ends at [`DEPTH_MAX`](crate::DEPTH_MAX).
pub fn parse(text: &str) -> Result<Option<Document>, Problem> {
    let input = input::decode(text.as_bytes());
    let (document, mut notes) = compose::compose_with_notes(&input.text, input.problem)?;
    let Some(root) = document.root else {
        return Ok(None);
    };
    Ok(Some(Document {
        root: convert(&document, &mut notes, root),
        head: std::mem::take(&mut notes.head),
        foot: std::mem::take(&mut notes.foot),
    }))
}

fn convert(document: &nodes::Document<'_>, notes: &mut Notes, id: NodeId) -> Node {
    let from = document.node(id);
    let known = notes.take(id);
    let mut node = Node {
        flow: known.flow,
        anchor: known.anchor,
        head: known.head,
        line: known.line,
        foot: known.foot,
        ..Node::default()
    };
    match &from.content {
        Content::Scalar { value, style, .. } => {
            value.as_ref().clone_into(&mut node.value);
            node.style = *style;
        }
        Content::Sequence(first) => {
            node.kind = Kind::Sequence;
            let children = document.children(*first);
            node.content = children.map(|id| convert(document, notes, id)).collect();
        }
        Content::Mapping(first) => {
            node.kind = Kind::Mapping;
            for (key, value) in document.pairs(*first) {
                entry(&mut node, document, notes, (key, value));
            }
            // What is below the last value of a block belongs to its key.
            let n = node.content.len();
            if !node.flow && !node.foot.is_empty() && n > 1 {
                node.content[n - 2].foot = std::mem::take(&mut node.foot);
            }
        }
        Content::Alias { name, .. } => {
            node.kind = Kind::Alias;
            (*name).clone_into(&mut node.value);
        }
    }
    tag(&mut node, &from.tag);
    node
}

/// Adds an entry to a map. What is below a value belongs to its key.
fn entry(
    map: &mut Node,
    document: &nodes::Document<'_>,
    notes: &mut Notes,
    (key, value): (NodeId, NodeId),
) {
    let mut key = convert(document, notes, key);
    let before = map.content.len().checked_sub(2);
    if let (false, false, Some(before)) = (map.flow, key.foot.is_empty(), before) {
        map.content[before].foot = std::mem::take(&mut key.foot);
    }
    let mut value = convert(document, notes, value);
    if key.foot.is_empty() {
        key.foot = std::mem::take(&mut value.foot);
    }
    map.content.extend([key, value]);
}

/// Sets the tag of a node to the written one or to what it is without one.
fn tag(node: &mut Node, written: &str) {
    if !written.is_empty() && written != "!" {
        node.is_tagged = true;
        node.tag = match written.strip_prefix(TAG_PREFIX) {
            Some(name) => format!("!!{name}"),
            None => written.to_owned(),
        };
        return;
    }
    let tag = match (node.kind, node.value.as_str()) {
        (Kind::Scalar, _) if node.style != ScalarStyle::Plain => STRING_TAG,
        (Kind::Scalar, "<<") => MERGE_TAG,
        (Kind::Scalar, "" | "~" | "null" | "Null" | "NULL") => NULL_TAG,
        (Kind::Scalar, value) if is_plain_string(value) => STRING_TAG,
        _ => "",
    };
    tag.clone_into(&mut node.tag);
}
