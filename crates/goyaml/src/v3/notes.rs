//! What the composer keeps for nodes besides their values: comments, anchors, brackets.
//!
//! Source: go-yaml v3 `parserc.go`, `yaml_parser_set_event_comments` and its neighbours.

use crate::nodes::NodeId;
use crate::scan::Pending;

/// The notes about one document.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// By the number of the node; those behind the end have none.
    nodes: Vec<Note>,
    /// What stands above an entry of a sequence that is a block itself.
    stem: Option<String>,
    /// The comment above the document, and apart from it.
    pub(super) head: String,
    /// The comment below the document.
    pub(super) foot: String,
}

/// The notes about one node.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) head: String,
    pub(super) line: String,
    pub(super) foot: String,
    pub(super) anchor: String,
    pub(super) flow: bool,
}

impl Notes {
    /// Takes what is known of a node.
    pub(super) fn take(&mut self, id: NodeId) -> Note {
        let note = self.nodes.get_mut(id.0 as usize);
        note.map(std::mem::take).unwrap_or_default()
    }

    fn of(&mut self, id: NodeId) -> &mut Note {
        let index = id.0 as usize;
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, Note::default);
        }
        &mut self.nodes[index]
    }

    /// An anchor names a node.
    pub(crate) fn anchor(&mut self, id: NodeId, name: &str) {
        name.clone_into(&mut self.of(id).anchor);
    }

    /// A collection is in brackets.
    pub(crate) fn set_flow(&mut self, id: NodeId) {
        self.of(id).flow = true;
    }

    /// Gives a scalar or an alias the comments that came before what follows it.
    pub(crate) fn set(&mut self, id: NodeId, pending: &mut Pending) {
        let comments = std::mem::take(pending);
        self.stem = None;
        let note = self.of(id);
        note.head = comments.head;
        note.line = comments.line;
        note.foot = comments.foot;
    }

    /// A collection starts. What is below or behind an opening bracket is lost.
    pub(crate) fn start(&mut self, id: NodeId, is_flow: bool, pending: &mut Pending) {
        if is_flow {
            self.stem = None;
            let head = std::mem::take(pending).head;
            let note = self.of(id);
            note.head = head;
            note.flow = true;
        } else if let Some(stem) = self.stem.take() {
            self.of(id).head = stem;
        }
    }

    /// A collection ends.
    pub(crate) fn end(&mut self, id: NodeId, pending: &mut Pending) {
        let comments = std::mem::take(pending);
        self.stem = None;
        let note = self.of(id);
        note.line = comments.line;
        note.foot = comments.foot;
    }

    /// Puts what stands above `- ` aside, `length` bytes, for the block that follows.
    pub(crate) fn split_stem(&mut self, length: usize, pending: &mut Pending) {
        let rest = pending
            .head
            .get(length + 1..)
            .unwrap_or_default()
            .to_owned();
        pending.head.truncate(length);
        self.stem = Some(std::mem::replace(&mut pending.head, rest));
    }

    /// A document starts without `---`: what an empty line divides from it is not about its first
    /// node.
    pub(crate) fn start_document(&mut self, pending: &mut Pending) {
        let bytes = pending.head.as_bytes();
        for at in (1..bytes.len()).rev().filter(|at| bytes[*at] == b'\n') {
            let end = if at == bytes.len() - 1 {
                at
            } else if bytes[at - 1] == b'\n' {
                at - 1
            } else {
                continue;
            };
            let rest = pending.head[at + 1..].to_owned();
            pending.head.truncate(end);
            self.head = std::mem::replace(&mut pending.head, rest);
            return;
        }
    }

    /// A document ends.
    pub(crate) fn end_document(&mut self, pending: &mut Pending) {
        let comments = std::mem::take(pending);
        self.foot = if comments.foot.is_empty() {
            comments.head
        } else {
            comments.foot
        };
    }
}
