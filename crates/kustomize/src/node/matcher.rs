//! All nodes that a path with wildcards and patterns leads to.
//!
//! Source: kyaml `yaml/match.go`.

use super::edit::next_kind;
use super::{Kind, Node};
use crate::error::{Error, Result};
use crate::path;
use crate::pattern::Pattern;

/// What is done with a node that was found.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&mut Node) -> Result<()>;

/// Visits the nodes at a path, and gives how many there are. With `create`, what is not there is made,
/// at last of that kind.
pub(crate) fn visit_matches(
    node: &mut Node,
    path: &[String],
    create: Option<Kind>,
    visit: Visit<'_>,
) -> Result<usize> {
    // Nothing may be changed before all of them are found.
    let mut matcher = Matcher {
        create,
        places: Vec::new(),
    };
    matcher.walk(node, path, &mut Vec::new())?;
    let places = matcher.places;
    for place in &places {
        if let Some(found) = at(node, place) {
            visit(found)?;
        }
    }
    Ok(places.len())
}

fn at<'n>(node: &'n mut Node, place: &[usize]) -> Option<&'n mut Node> {
    place
        .iter()
        .try_fold(node, |node, index| node.content.get_mut(*index))
}

struct Matcher {
    create: Option<Kind>,
    places: Vec<Vec<usize>>,
}

impl Matcher {
    fn walk(&mut self, node: &mut Node, path: &[String], place: &mut Vec<usize>) -> Result<()> {
        let Some((part, rest)) = path.split_first() else {
            self.places.push(place.clone());
            return Ok(());
        };
        if path::is_index(part) {
            return self.index(node, (part, rest), place);
        }
        if path::is_selector(part) {
            return self.selector(node, (part, rest), place);
        }
        if part == "*" {
            for index in 0..node.items()?.len() {
                self.below(node, index, rest, place)?;
            }
            return Ok(());
        }
        self.field(node, (part, rest), place)
    }

    fn below(
        &mut self,
        node: &mut Node,
        index: usize,
        rest: &[String],
        place: &mut Vec<usize>,
    ) -> Result<()> {
        place.push(index);
        let done = self.walk(&mut node.content[index], rest, place);
        place.pop();
        done
    }

    fn field(
        &mut self,
        node: &mut Node,
        (part, rest): (&str, &[String]),
        place: &mut Vec<usize>,
    ) -> Result<()> {
        node.expect(Kind::Mapping)?;
        let mut keys = node.entries();
        let found = keys.position(|(key, _)| key.value == part);
        drop(keys);
        let index = match (found.filter(|_| !node.is_null()), self.create) {
            (Some(at), _) => 2 * at + 1,
            (None, None) => return Ok(()),
            (None, Some(kind)) => {
                let kind = next_kind(rest.first().map(String::as_str), kind);
                node.content
                    .extend([Node::plain(part), Node::of_kind(kind)]);
                node.content.len() - 1
            }
        };
        let field = &mut node.content[index];
        if field.kind == Kind::Scalar && !rest.is_empty() {
            // The text may be YAML of its own; what is found in it is not in this tree and is not set.
            let inner = super::parse(&field.value)?;
            let mut inner = inner.unwrap_or_else(|| Node::tagged("", super::NULL));
            let before = self.places.len();
            self.walk(&mut inner, rest, &mut Vec::new())?;
            for place in &mut self.places[before..] {
                *place = vec![usize::MAX];
            }
            return Ok(());
        }
        self.below(node, index, rest, place)
    }

    fn index(
        &mut self,
        node: &mut Node,
        (part, rest): (&str, &[String]),
        place: &mut Vec<usize>,
    ) -> Result<()> {
        let index = path::integer(part).unwrap_or_default() as usize;
        let n = node.items()?.len();
        if n == index
            && let Some(kind) = self.create
        {
            let kind = next_kind(rest.first().map(String::as_str), kind);
            node.content.push(Node::of_kind(kind));
        }
        if node.content.len() <= index {
            return Err(Error(format!(
                "index {index} specified but only {n} elements found"
            )));
        }
        self.below(node, index, rest, place)
    }

    fn selector(
        &mut self,
        node: &mut Node,
        (part, rest): (&str, &[String]),
        place: &mut Vec<usize>,
    ) -> Result<()> {
        let (name, wanted) = path::selector(part).map_err(Error)?;
        let pattern = Pattern::new(wanted);
        let before = self.places.len();
        for round in 0..2 {
            for index in 0..node.items()?.len() {
                let item = &node.content[index];
                let field = if name.is_empty() {
                    Some(item)
                } else {
                    item.field(name)
                };
                let Some(field) = field else {
                    if !name.is_empty() {
                        pattern.as_ref().map_err(Clone::clone)?;
                    }
                    continue;
                };
                let text = field.print();
                let pattern = pattern.as_ref().map_err(Clone::clone)?;
                if !pattern.is_match(text.trim()) {
                    continue;
                }
                if name.is_empty() {
                    // Quirk: what comes after does not count.
                    place.push(index);
                    self.places.push(place.clone());
                    place.pop();
                } else {
                    self.below(node, index, rest, place)?;
                }
            }
            if self.places.len() > before || self.create.is_none() || round > 0 {
                break;
            }
            let value = Node::plain(wanted);
            node.content.push(if name.is_empty() {
                value
            } else {
                Node {
                    content: vec![Node::plain(name), value],
                    ..Node::of_kind(Kind::Mapping)
                }
            });
        }
        Ok(())
    }
}
