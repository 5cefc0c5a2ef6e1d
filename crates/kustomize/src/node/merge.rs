//! Strategic merge as kyaml does it: with the schemas of built-in kinds, by which lists are merged.
//!
//! Source: kyaml `yaml/walk`, `yaml/merge2`.

use std::collections::BTreeSet;

use super::{Kind, NULL, Node};
use crate::error::{Error, Result, quoted};
use crate::schema::{Schema, Schemas};

/// Merges a patch into an object. `None` when the patch takes the object away.
pub(crate) fn merge(schemas: &Schemas, object: Node, patch: Node) -> Result<Option<Node>> {
    let walker = Merger { schemas };
    let result = walker.walk(Some(object), Some(patch), None, 0)?;
    Ok(result.map(Merged::into_node))
}

/// Deepest nesting that is merged.
const DEPTH_MAX: usize = 300;

struct Merger<'s> {
    schemas: &'s Schemas,
}

/// What a merge gave.
enum Merged {
    /// The old node, changed in its place.
    Old(Node),
    /// A node of the patch.
    New(Node),
    /// Null that stays.
    Null(Node),
}

impl Merged {
    fn node(&self) -> &Node {
        let (Self::Old(node) | Self::New(node) | Self::Null(node)) = self;
        node
    }

    fn into_node(self) -> Node {
        let (Self::Old(node) | Self::New(node) | Self::Null(node)) = self;
        node
    }

    /// As the result of something below: the old node only if that is old too.
    fn of(node: Node, is_old: bool) -> Self {
        if is_old {
            Self::Old(node)
        } else {
            Self::New(node)
        }
    }
}

/// What a patch says about a map or a list.
#[derive(PartialEq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

impl<'s> Merger<'s> {
    fn walk(
        &self,
        old: Option<Node>,
        patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Option<Merged>> {
        if depth > DEPTH_MAX {
            return Err(Error(format!("nesting is deeper than {DEPTH_MAX}")));
        }
        let schema = schema.or_else(|| {
            [old.as_ref(), patch.as_ref()]
                .into_iter()
                .flatten()
                .filter(|node| !node.is_null())
                .find_map(|node| self.schemas.of(node.api_version(), node.kind_text()))
        });
        let kind = [old.as_ref(), patch.as_ref()]
            .into_iter()
            .flatten()
            .find(|node| !node.is_null())
            .map(|node| node.kind);
        if let Some(kind) = kind {
            for node in [old.as_ref(), patch.as_ref()].into_iter().flatten() {
                node.expect(kind)?;
            }
        }
        match kind {
            None | Some(Kind::Mapping) => self.map(old, patch, schema, depth),
            Some(Kind::Sequence) if schema.is_some_and(Schema::is_merged_list) => {
                self.list(old, patch, schema, depth)
            }
            Some(Kind::Sequence | Kind::Scalar) => {
                Ok(patch.map(Merged::New).or(old.map(Merged::Old)))
            }
        }
    }

    fn map(
        &self,
        old: Option<Node>,
        mut patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Option<Merged>> {
        let Some(old) = old.filter(|old| !old.is_null() || patch.is_none()) else {
            return self.new_map(patch, schema, depth);
        };
        if old.is_null() {
            // Null without a text goes.
            let text = old.value;
            return Ok((!text.is_empty()).then(|| Merged::Null(Node::tagged(text, NULL))));
        }
        if is_null(patch.as_ref()) {
            return Ok(None);
        }
        let directive = match &mut patch {
            Some(patch) => directive(patch)?,
            None => Directive::Merge,
        };
        match directive {
            Directive::Delete => Ok(None),
            Directive::Replace => self.beside_itself(patch, schema, depth),
            Directive::Merge => {
                let node = self.fields(old, patch, schema, depth)?;
                Ok(Some(Merged::Old(node)))
            }
        }
    }

    /// A map that is in the patch only.
    fn new_map(
        &self,
        mut patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Option<Merged>> {
        let directive = patch.as_mut().map(directive);
        if let Some(Ok(Directive::Delete)) = directive {
            return Ok(None);
        }
        self.beside_itself(patch, schema, depth)
    }

    /// The map of a patch, in which directives are carried out by merging it with itself.
    fn beside_itself(
        &self,
        patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Option<Merged>> {
        let Some(patch) = patch else {
            return Ok(None);
        };
        let node = self.fields(patch.clone(), Some(patch), schema, depth)?;
        Ok(Some(Merged::New(node)))
    }

    fn fields(
        &self,
        mut result: Node,
        patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Node> {
        if result.is_null() || result.kind != Kind::Mapping {
            return Ok(result);
        }
        let mut patch = patch.unwrap_or_default();
        let names: BTreeSet<String> = [&result, &patch]
            .into_iter()
            .filter(|node| node.kind == Kind::Mapping)
            .flat_map(|node| node.entries().map(|(key, _)| key.value.clone()))
            .collect();
        for name in names {
            let is_in_patch = patch.field(&name).is_some();
            let place = result.field_mut(&name);
            if !is_in_patch && place.as_ref().is_none_or(|place| !place.needs_settling()) {
                continue;
            }
            let of_field = schema.and_then(|schema| schema.field(&name));
            let key_style = patch
                .entries()
                .find(|(key, _)| key.value == name)
                .map(|(key, _)| key.style)
                .unwrap_or_default();
            let change = patch.field_mut(&name).map(std::mem::take);
            let merged = self.walk(
                place.map(|place| place.clone()),
                change,
                of_field,
                depth + 1,
            )?;
            set(&mut result, &name, merged, key_style)?;
        }
        Ok(result)
    }

    fn list(
        &self,
        old: Option<Node>,
        mut patch: Option<Node>,
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Option<Merged>> {
        let (result, patch, is_old) = match old.filter(|old| !old.is_null()) {
            None => match patch {
                Some(patch) => (patch.clone(), Some(patch), false),
                None => return Ok(None),
            },
            Some(_) if is_null(patch.as_ref()) => return Ok(None),
            Some(old) => {
                let directive = match &mut patch {
                    Some(patch) => directive(patch)?,
                    None => Directive::Merge,
                };
                match (directive, patch) {
                    (Directive::Delete, _) => return Ok(None),
                    (Directive::Replace, Some(patch)) => (patch.clone(), Some(patch), false),
                    (_, patch) => (old, patch, true),
                }
            }
        };
        let keys = schema.map_or_else(Vec::new, Schema::merge_keys);
        let sources = [Some(&result), patch.as_ref()];
        let (keys, values) = if keys.is_empty() {
            (vec![String::new()], primitive_values(sources))
        } else {
            let values = element_values(sources, &keys);
            (keys, values)
        };
        let list = self.elements(result, patch.as_ref(), (&keys, values), schema, depth)?;
        Ok(Some(Merged::of(list, is_old)))
    }

    fn elements(
        &self,
        mut result: Node,
        patch: Option<&Node>,
        (keys, mut values): (&[String], Vec<Vec<String>>),
        schema: Option<Schema<'s>>,
        depth: usize,
    ) -> Result<Node> {
        let schema = schema.and_then(Schema::items);
        if keys.len() > 1 {
            merge_values(&mut values);
        }
        let mut added = Node::of_kind(Kind::Sequence);
        let mut valid_keys = Vec::new();
        for of_item in &values {
            let (item_keys, item_values) = validate_keys(&values, of_item, keys);
            valid_keys.clone_from(&item_keys);
            let (search_keys, search_values) =
                validate_keys(std::slice::from_ref(&item_values), &item_values, &item_keys);
            let find = |node: &Node| node.find_item(&search_keys, &search_values).ok().flatten();
            let at = find(&result);
            let old = at.map(|at| result.content[at].clone());
            let change = patch.and_then(|patch| Some(patch.content[find(patch)?].clone()));
            let merged = self.walk(old, change, schema, depth + 1)?;
            let Some(merged) = merged.filter(|merged| !merged.node().is_empty_map()) else {
                result.set_item(None, &item_keys, &item_values)?;
                continue;
            };
            let is_old = matches!(merged, Merged::Old(_));
            let mut item = merged.into_node();
            for (key, value) in item_keys.iter().zip(&item_values) {
                if item.field(key).is_none() && !value.is_empty() {
                    set_named(&mut item, key, value)?;
                }
            }
            // An old item is changed in its place, one of the patch that is in its place is not.
            if let Some(at) = at.filter(|_| is_old) {
                result.content[at] = item.clone();
            }
            added.set_item(Some(item), &item_keys, &item_values)?;
        }
        if values.is_empty() {
            return Ok(result);
        }
        append_items(&mut added, result, &valid_keys)?;
        Ok(added)
    }
}

/// `SetField` on what is no map.
fn set_named(item: &mut Node, key: &str, value: &str) -> Result<()> {
    if key.is_empty() {
        return item.set_scalar(Node::plain(value));
    }
    item.set_field(key, Node::plain(value))
}

fn is_null(node: Option<&Node>) -> bool {
    node.is_some_and(Node::is_null)
}

impl Node {
    /// Whether merging nothing into it could change it: nulls without a text go, texts get quotes.
    fn needs_settling(&self) -> bool {
        match self.kind {
            _ if self.is_null() => true,
            Kind::Scalar => self.needs_guard(),
            Kind::Mapping => self.entries().any(|(_, value)| value.needs_settling()),
            // Lists that are merged by keys lose empty items and double ones.
            Kind::Sequence => true,
        }
    }
}

fn set(map: &mut Node, name: &str, merged: Option<Merged>, key_style: super::Style) -> Result<()> {
    match merged {
        Some(Merged::Old(mut node)) => {
            node.guard();
            if let Some(place) = map.field_mut(name) {
                *place = node;
            }
            Ok(())
        }
        Some(Merged::New(mut node)) if !node.is_null() => {
            node.guard();
            map.put_field(name, node, key_style)
        }
        Some(Merged::Null(node)) => map.put_field(name, node, key_style),
        _ => map.clear(name).map(drop),
    }
}

/// Reads the directive of a patch and takes it out.
fn directive(patch: &mut Node) -> Result<Directive> {
    const KEY: &str = "$patch";
    let found = match patch.kind {
        Kind::Mapping => patch.field(KEY).map(|value| value.value.clone()),
        Kind::Sequence => {
            let mut items = patch.content.iter();
            let item = items.find(|item| !item.is_null() && item.field(KEY).is_some());
            let item = item.filter(|item| item.content.len() <= 2);
            item.and_then(|item| item.field(KEY))
                .map(|value| value.value.clone())
        }
        Kind::Scalar => {
            return Err(Error(format!(
                "no implemented strategic merge patch strategy for '{}' ('{}')",
                patch.tag,
                quoted(&patch.print())
            )));
        }
    };
    let Some(found) = found else {
        return Ok(Directive::Merge);
    };
    let directive = match found.as_str() {
        "delete" => Directive::Delete,
        "replace" => Directive::Replace,
        "merge" => Directive::Merge,
        _ => return Err(Error(format!("unknown patch strategy '{found}'"))),
    };
    match patch.kind {
        Kind::Mapping => {
            patch.clear(KEY)?;
        }
        _ => patch.set_item(None, &[KEY], &[found.as_str()])?,
    }
    Ok(directive)
}

/// The texts of scalars, those of the patch first.
fn primitive_values(sources: [Option<&Node>; 2]) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for source in sources.into_iter().rev().flatten() {
        for item in &source.content {
            if seen.insert(item.value.as_str()) {
                found.push(vec![item.value.clone()]);
            }
        }
    }
    found
}

/// The texts of the keys of items, those of the patch first.
fn element_values(sources: [Option<&Node>; 2], keys: &[String]) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for source in sources.into_iter().rev().flatten() {
        for item in &source.content {
            let text = |key: &String| {
                let field = item.field(key).filter(|field| !field.is_nil_or_empty());
                field.map_or_else(String::new, |field| field.value.clone())
            };
            let values: Vec<String> = keys.iter().map(text).collect();
            if seen.insert(values.clone()) {
                found.push(values);
            }
        }
    }
    found
}

/// The keys that any item has, and the values of this one for them.
fn validate_keys(
    all: &[Vec<String>],
    values: &[String],
    keys: &[String],
) -> (Vec<String>, Vec<String>) {
    let is_used = |index: usize| {
        all.iter()
            .any(|values| values.get(index).is_some_and(|value| !value.is_empty()))
    };
    if !(0..keys.len()).any(is_used) {
        return (keys.to_vec(), values.to_vec());
    }
    let used = keys.iter().enumerate().filter(|(index, _)| is_used(*index));
    let kept = values
        .iter()
        .enumerate()
        .filter(|(index, value)| !value.is_empty() || is_used(*index));
    (
        used.map(|(_, key)| key.clone()).collect(),
        kept.map(|(_, value)| value.clone()).collect(),
    )
}

/// Items whose keys agree as far as both have them become one.
fn merge_values(all: &mut [Vec<String>]) {
    for i in 0..all.len() {
        for j in 0..all.len() {
            if let Some(values) = common(&all[i].clone(), &all[j]) {
                all[j].clone_from(&values);
                all[i] = values;
            }
        }
    }
}

fn common(a: &[String], b: &[String]) -> Option<Vec<String>> {
    if a.len() != b.len() {
        return None;
    }
    let mut is_common = false;
    let mut values = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        if a == b {
            is_common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        values.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    is_common.then_some(values)
}

/// Adds the items of a list that are not there yet; what is there already is replaced.
fn append_items(list: &mut Node, from: Node, keys: &[String]) -> Result<()> {
    let no_keys = keys.first().is_none_or(String::is_empty);
    for item in from.content {
        if no_keys {
            let value = item.value.clone();
            list.set_item(Some(item), &[""], &[value])?;
            continue;
        }
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            match item.get(key)? {
                Some(value) => values.push(value.value.clone()),
                None => list.content.push(item.clone()),
            }
        }
        if keys.len() > 1 {
            list.set_item(None, keys, &values)?;
        }
        list.set_item(Some(item), keys, &values)?;
    }
    Ok(())
}
