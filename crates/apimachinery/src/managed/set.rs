//! Sets of field paths, and their `fieldsV1` form.
//!
//! In and out: paths, other sets, JSON. A set is a tree; each node says whether its path is a
//! member, and membership of a path says nothing about paths below it. Nodes without any member
//! do not exist. Source: sigs.k8s.io/structured-merge-diff `fieldpath/set.go`, `serialize.go`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::element::{Element, ElementError};
use crate::types::{ListKind, TypeRef};

/// A set of field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Sorted by element, each element once.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    element: Element,
    member: bool,
    children: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

/// Whether the type of an object's fields is the deduced one.
fn deduces(of: TypeRef<'_>) -> bool {
    let other = of.object().and_then(|object| object.other);
    other == Some(of.types().deduced().id())
}

/// Nodes of two sets side by side.
struct Zip<'a> {
    left: std::iter::Peekable<std::slice::Iter<'a, Node>>,
    right: std::iter::Peekable<std::slice::Iter<'a, Node>>,
}

impl<'a> Iterator for Zip<'a> {
    type Item = (Option<&'a Node>, Option<&'a Node>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.left.peek(), self.right.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.element.cmp(&right.element),
        };
        Some(match order {
            Ordering::Less => (self.left.next(), None),
            Ordering::Greater => (None, self.right.next()),
            Ordering::Equal => (self.left.next(), self.right.next()),
        })
    }
}

impl Set {
    /// The set of these paths of field names, such as `&["status"]` or `&["metadata", "labels"]`.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let elements: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            set.insert(&elements);
        }
        set
    }

    /// Whether it holds no path.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a path; the empty path stands for the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[Element]) {
        if let Some((first, rest)) = path.split_first() {
            let node = self.node_mut(first);
            if rest.is_empty() {
                node.member = true;
            } else {
                node.children.insert(rest);
            }
        }
    }

    fn node_mut(&mut self, element: &Element) -> &mut Node {
        let at = match self
            .nodes
            .binary_search_by(|node| node.element.cmp(element))
        {
            Ok(at) => at,
            Err(at) => {
                let node = Node {
                    element: element.clone(),
                    member: false,
                    children: Self::default(),
                };
                self.nodes.insert(at, node);
                at
            }
        };
        &mut self.nodes[at]
    }

    /// Adds a node that sorts after all others, or merges it in; empty ones are left out.
    pub(super) fn add(&mut self, element: Element, member: bool, children: Self) {
        if !member && children.is_empty() {
            return;
        }
        if self.nodes.last().is_none_or(|last| last.element < element) {
            self.nodes.push(Node {
                element,
                member,
                children,
            });
            return;
        }
        let node = self.node_mut(&element);
        node.member |= member;
        node.children = node.children.union(&children);
    }

    fn node(&self, element: &Element) -> Option<&Node> {
        let at = self
            .nodes
            .binary_search_by(|node| node.element.cmp(element))
            .ok()?;
        self.nodes.get(at)
    }

    /// Whether a path is a member.
    pub fn contains(&self, path: &[Element]) -> bool {
        match path.split_first() {
            None => false,
            Some((first, rest)) => self.node(first).is_some_and(|node| {
                if rest.is_empty() {
                    node.member
                } else {
                    node.children.contains(rest)
                }
            }),
        }
    }

    pub(super) fn has(&self, element: &Element) -> bool {
        self.node(element).is_some_and(|node| node.member)
    }

    /// The paths below an element, without it; `None` when there are none.
    pub(super) fn below(&self, element: &Element) -> Option<&Self> {
        self.node(element)
            .map(|node| &node.children)
            .filter(|children| !children.is_empty())
    }

    /// All members, in order, as paths.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    /// Upstream lists the members of a level before what lies below them.
    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Vec<Element>>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            let mut path = prefix.clone();
            path.push(node.element.clone());
            paths.push(path);
        }
        for node in &self.nodes {
            prefix.push(node.element.clone());
            node.children.collect(prefix, paths);
            prefix.pop();
        }
    }

    fn zip<'a>(&'a self, other: &'a Self) -> Zip<'a> {
        Zip {
            left: self.nodes.iter().peekable(),
            right: other.nodes.iter().peekable(),
        }
    }

    fn combine(
        &self,
        other: &Self,
        pick: impl Fn(Option<&Node>, Option<&Node>) -> Option<Node>,
    ) -> Self {
        let nodes = self
            .zip(other)
            .filter_map(|(left, right)| pick(left, right));
        Self {
            nodes: nodes.filter(|node| !node.is_empty()).collect(),
        }
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        self.combine(other, |left, right| match (left, right) {
            (Some(left), Some(right)) => Some(Node {
                element: left.element.clone(),
                member: left.member || right.member,
                children: left.children.union(&right.children),
            }),
            (left, right) => left.or(right).cloned(),
        })
    }

    /// Members of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |left, right| {
            let (left, right) = (left?, right?);
            Some(Node {
                element: left.element.clone(),
                member: left.member && right.member,
                children: left.children.intersection(&right.children),
            })
        })
    }

    /// Members that `other` does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.combine(other, |left, right| {
            let left = left?;
            let Some(right) = right else {
                return Some(left.clone());
            };
            Some(Node {
                element: left.element.clone(),
                member: left.member && !right.member,
                children: left.children.difference(&right.children),
            })
        })
    }

    /// Members that neither are in `other` nor lie below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.combine(other, |left, right| {
            let left = left?;
            let Some(right) = right else {
                return Some(left.clone());
            };
            (!right.member).then(|| Node {
                element: left.element.clone(),
                member: left.member,
                children: left.children.recursive_difference(&right.children),
            })
        })
    }

    /// Adds declared fields of structs that have members below them.
    #[must_use]
    pub(super) fn with_named_fields(&self, of: Option<TypeRef<'_>>) -> Self {
        let nodes = self.nodes.iter().map(|node| {
            let (declared, below) = match (&node.element, of) {
                (Element::Field(name), Some(of)) => (of.declared(name).is_some(), of.field(name)),
                (Element::Key(_), Some(of)) => (false, of.list().map(|list| of.to(list.element))),
                _ => (false, None),
            };
            Node {
                element: node.element.clone(),
                member: node.member || (declared && !node.children.is_empty()),
                children: node.children.with_named_fields(below),
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// The set as the type has it today: whoever owns something below an object or list that is
    /// one value now owns that value. `None` when nothing changes.
    ///
    /// Source: structured-merge-diff `typed/reconcile_schema.go`.
    pub(super) fn reconciled(&self, of: TypeRef<'_>) -> Option<Self> {
        let mut changed: Option<Self> = None;
        for (index, node) in self.nodes.iter().enumerate() {
            if node.children.is_empty() {
                continue;
            }
            let below = match &node.element {
                Element::Field(name) => of.field(name),
                _ => of.list().map(|list| of.to(list.element)),
            };
            let Some(below) = below else { continue };
            let one_value = match (below.object(), below.list()) {
                // Deduced types know no such change.
                (Some(object), _) if object.fields.is_empty() && deduces(below) => continue,
                (Some(object), _) => object.atomic,
                (None, Some(list)) => below.scalar().is_none() && list.kind == ListKind::Atomic,
                (None, None) => false,
            };
            if one_value {
                let node = &mut changed.get_or_insert_with(|| self.clone()).nodes[index];
                node.member = true;
                node.children = Self::default();
            } else if let Some(children) = node.children.reconciled(below) {
                changed.get_or_insert_with(|| self.clone()).nodes[index].children = children;
            }
        }
        changed
    }

    /// The `fieldsV1` form.
    pub fn to_fields(&self) -> Value {
        let mut fields = Map::new();
        for node in &self.nodes {
            let mut below = node.children.to_fields();
            if let (true, false, Value::Object(below)) =
                (node.member, node.children.is_empty(), &mut below)
            {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(node.element.serialize(), below);
        }
        Value::Object(fields)
    }

    /// Reads the `fieldsV1` form. Elements of unknown kinds are left out.
    pub fn from_fields(fields: &Value) -> Result<Self, ElementError> {
        let mut set = Self::default();
        for (key, below) in fields.as_object().into_iter().flatten() {
            if key == "." {
                continue;
            }
            let Some(element) = Element::parse(key)? else {
                continue;
            };
            let children = Self::from_fields(below)?;
            let listed = below
                .as_object()
                .is_some_and(|below| below.contains_key("."));
            let member = listed || children.is_empty();
            set.add(element, member, children);
        }
        Ok(set)
    }
}
