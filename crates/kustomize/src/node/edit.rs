//! Looking for fields and setting them.

use super::{Kind, Node, STRING, Style};
use crate::error::{Error, Result};
use crate::path;

/// Whether YAML 1.1 takes a plain text for anything but a string.
fn is_no_string(value: &str) -> bool {
    if value.is_empty() || value.contains('\n') {
        return false;
    }
    // Letters that start no word of YAML 1.1 and no punctuation are the most common texts by far.
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let starts_word = matches!(
        value.as_bytes()[0].to_ascii_lowercase(),
        b'y' | b'n' | b't' | b'f' | b'o'
    );
    if value.as_bytes()[0].is_ascii_alphabetic() && !starts_word && value.bytes().all(is_word) {
        return false;
    }
    goyaml::parse(value.as_bytes()).is_ok_and(|value| !value.is_string())
}

impl Node {
    /// Puts a string in quotes that would be something else without.
    pub(super) fn guard(&mut self) {
        if self.is_string() && self.style == Style::default() && is_no_string(&self.value) {
            self.style = Style::DOUBLE_QUOTED;
        }
    }

    /// Whether quotes would make it mean something else.
    pub(super) fn needs_guard(&self) -> bool {
        self.tag.is_empty() && self.style == Style::default() && is_no_string(&self.value)
    }

    /// The value of a field of a map; null has none.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&Self>> {
        self.expect(Kind::Mapping)?;
        Ok(self.field(name).filter(|_| !self.is_null()))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Result<Option<&mut Self>> {
        self.expect(Kind::Mapping)?;
        if self.is_null() {
            return Ok(None);
        }
        Ok(self.field_mut(name))
    }

    /// Sets a field of a map, which keeps the style that its value had. Null takes it away.
    pub(crate) fn set_field(&mut self, name: &str, mut value: Self) -> Result<()> {
        value.guard();
        if value.is_null() {
            return self.clear(name).map(drop);
        }
        self.put_field(name, value, Style::default())
    }

    /// As [`Node::set_field`], null too.
    pub(super) fn put_field(
        &mut self,
        name: &str,
        mut value: Self,
        key_style: Style,
    ) -> Result<()> {
        if let Some(field) = self.get_mut(name)? {
            value.style = field.style;
            field.assign(value);
            return Ok(());
        }
        let key = Self {
            style: key_style,
            ..Self::plain(name)
        };
        self.content.extend([key, value]);
        Ok(())
    }

    /// Sets a scalar, which keeps its style.
    pub(crate) fn set_scalar(&mut self, mut value: Self) -> Result<()> {
        value.guard();
        self.expect(Kind::Scalar)?;
        if !value.is_null() {
            value.style = self.style;
            self.assign(value);
        }
        Ok(())
    }

    /// Takes the first entry with a key away, and gives its value.
    pub(crate) fn clear(&mut self, name: &str) -> Result<Option<Self>> {
        self.expect(Kind::Mapping)?;
        Ok(self.take(name, |_| true))
    }

    /// As [`Node::clear`], of an entry with nothing inside.
    pub(crate) fn clear_empty(&mut self, name: &str) -> Result<()> {
        self.expect(Kind::Mapping)?;
        self.take(name, |value| value.content.is_empty());
        Ok(())
    }

    fn take(&mut self, name: &str, goes: impl Fn(&Self) -> bool) -> Option<Self> {
        let mut entries = self.entries();
        let at = entries.position(|(key, value)| key.value == name && goes(value))?;
        drop(entries);
        self.content.drain(2 * at..2 * at + 2).nth(1)
    }

    /// Sets an entry with a key of its own.
    pub(super) fn set_entry(&mut self, key: Self, value: Self) {
        let mut entries = self.entries_mut();
        if let Some((old_key, old_value)) = entries.find(|(old, _)| old.value == key.value) {
            *old_key = key;
            *old_value = value;
            return;
        }
        drop(entries);
        self.content.extend([key, value]);
    }

    /// The items of a list; null has none.
    pub(crate) fn items(&self) -> Result<&[Self]> {
        self.expect(Kind::Sequence)?;
        Ok(&self.content)
    }

    pub(crate) fn items_mut(&mut self) -> Result<&mut [Self]> {
        self.expect(Kind::Sequence)?;
        Ok(&mut self.content)
    }

    /// What is at a path of fields, places in lists and `[key=value]`.
    pub(crate) fn lookup<S: AsRef<str>>(&self, path: &[S]) -> Result<Option<&Self>> {
        let mut node = self;
        for part in path {
            let part = part.as_ref().trim();
            if part.is_empty() {
                continue;
            }
            match node.step(part)? {
                Some(at) => node = &node.content[at],
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// As [`Node::lookup`].
    pub(crate) fn lookup_mut<S: AsRef<str>>(&mut self, path: &[S]) -> Result<Option<&mut Self>> {
        let mut node = self;
        for part in path {
            let part = part.as_ref().trim();
            if part.is_empty() {
                continue;
            }
            match node.step(part)? {
                Some(at) => node = &mut node.content[at],
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// As [`Node::lookup`]; what is not there is made, at last a node of the kind.
    pub(crate) fn lookup_create<S: AsRef<str>>(
        &mut self,
        kind: Kind,
        path: &[S],
    ) -> Result<Option<&mut Self>> {
        let mut node = self;
        let parts: Vec<&str> = path
            .iter()
            .map(|part| part.as_ref().trim())
            .filter(|part| !part.is_empty())
            .collect();
        for (n, part) in parts.iter().enumerate() {
            let at = match node.step(part)? {
                Some(at) => at,
                None if node.is_null() => return Ok(None),
                None => match node.create(part, next_kind(parts.get(n + 1).copied(), kind))? {
                    Some(at) => at,
                    None => return Ok(None),
                },
            };
            node = &mut node.content[at];
        }
        Ok(Some(node))
    }

    /// Where in the content the next part of a path is.
    fn step(&self, part: &str) -> Result<Option<usize>> {
        if let Some(index) = path::integer(part) {
            if index < 0 {
                return Err(Error(format!("array index {index} cannot be negative")));
            }
            let index = index as usize;
            return Ok((index < self.items()?.len()).then_some(index));
        }
        if part == "-" {
            return Ok(self.items()?.len().checked_sub(1));
        }
        if part == "*" {
            return Err(Error::new("wildcard is not supported in PathGetter"));
        }
        if path::is_selector(part) {
            let (name, value) = path::selector(part).map_err(Error)?;
            return self.find_item(&[name], &[value]);
        }
        self.expect(Kind::Mapping)?;
        if self.is_null() {
            return Ok(None);
        }
        let mut keys = self.entries();
        Ok(keys
            .position(|(key, _)| key.value == part)
            .map(|at| 2 * at + 1))
    }

    /// Adds what a part of a path stands for; places in lists cannot be made.
    fn create(&mut self, part: &str, kind: Kind) -> Result<Option<usize>> {
        if path::integer(part).is_some() || part == "-" {
            return Ok(None);
        }
        if path::is_selector(part) {
            let (name, value) = path::selector(part).map_err(Error)?;
            let mut item = Self::plain(value);
            if !name.is_empty() {
                item = Self {
                    content: vec![Self::plain(name), item],
                    ..Self::of_kind(Kind::Mapping)
                };
            }
            self.content.push(item);
        } else {
            self.content
                .extend([Self::plain(part), Self::of_kind(kind)]);
        }
        Ok(Some(self.content.len() - 1))
    }

    /// Where in a list the first item is whose fields have these values. Without a key, which scalar it
    /// is.
    pub(crate) fn find_item<K: AsRef<str>, V: AsRef<str>>(
        &self,
        keys: &[K],
        values: &[V],
    ) -> Result<Option<usize>> {
        let items = self.items()?;
        let first = values.first().map_or("", AsRef::as_ref);
        if keys.first().is_none_or(|key| key.as_ref().is_empty()) {
            return Ok(items.iter().position(|item| item.value == first));
        }
        if keys.len() != values.len() {
            return Err(Error::new(
                "length of keys must equal length of values when MatchAnyValue is false",
            ));
        }
        let fits = |item: &Self| {
            keys.iter().zip(values).all(|(key, value)| {
                item.field(key.as_ref())
                    .is_some_and(|field| field.value == value.as_ref())
            })
        };
        Ok(items
            .iter()
            .position(|item| !item.is_null() && item.kind == Kind::Mapping && fits(item)))
    }

    /// Sets, or without an item takes away, the items of a list whose fields have these values. Items
    /// with nothing inside go too.
    pub(crate) fn set_item<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        item: Option<Self>,
        keys: &[K],
        values: &[V],
    ) -> Result<()> {
        self.expect(Kind::Sequence)?;
        let by_field = keys.first().is_some_and(|key| !key.as_ref().is_empty())
            && values
                .first()
                .is_some_and(|value| !value.as_ref().is_empty());
        let mut is_found = false;
        let mut content = Vec::with_capacity(self.content.len() + 1);
        for old in std::mem::take(&mut self.content) {
            if old.is_empty_map() {
                continue;
            }
            if by_field && old.kind != Kind::Mapping {
                content.push(old);
                continue;
            }
            if !old.matches(keys, values)? {
                if !values.is_empty() {
                    content.push(old);
                }
                continue;
            }
            is_found = true;
            content.extend(item.clone());
        }
        self.content = content;
        if let Some(item) = item
            && !is_found
            && !item.is_null()
        {
            self.content.push(item);
        }
        Ok(())
    }

    /// Whether the fields of an item have these values; an empty value is any.
    fn matches<K: AsRef<str>, V: AsRef<str>>(&self, keys: &[K], values: &[V]) -> Result<bool> {
        for (key, value) in keys.iter().zip(values) {
            let (key, value) = (key.as_ref(), value.as_ref());
            if key.is_empty() {
                self.expect(Kind::Scalar)?;
                if self.text() != value {
                    return Ok(false);
                }
                continue;
            }
            let field = self.get(key)?;
            if !field.is_some_and(|field| value.is_empty() || field.value == value) {
                return Ok(false);
            }
        }
        Ok(!values.is_empty())
    }

    /// The texts of a map's entries; the first of those with one key counts.
    pub(crate) fn texts(&self) -> std::collections::BTreeMap<String, String> {
        let mut found = std::collections::BTreeMap::new();
        if self.kind == Kind::Mapping {
            for (key, value) in self.entries() {
                found
                    .entry(key.text().to_owned())
                    .or_insert_with(|| value.text().to_owned());
            }
        }
        found
    }
}

/// The kind of a node that is made for the part before.
pub(super) fn next_kind(next: Option<&str>, last: Kind) -> Kind {
    match next {
        None | Some("") => last,
        Some(part) if path::is_selector(part) || path::is_index(part) => Kind::Sequence,
        Some(_) => Kind::Mapping,
    }
}

impl Node {
    pub(crate) fn set_string(&mut self, value: &str) -> Result<()> {
        self.set_scalar(Self {
            tag: STRING.into(),
            ..Self::plain(value)
        })
    }
}
