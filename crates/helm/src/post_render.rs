//! Between rendering and sorting: files to one stream for a post-renderer, and its answer back to files.
//!
//! In: rendered files by path. Out: a stream in which every object carries the path of its file in an
//! annotation, and files again from a stream in which the annotation leads the way. Texts stay as they
//! are but for the annotation, where Helm prints them anew.
//!
//! Source: Helm `annotateAndMerge`, `splitAndDeannotate`.

use std::collections::BTreeMap;

use goyaml::documents;
use goyaml::nodes::{self, Kind, NodeRef, ScalarStyle};
use sprig::gopath;

use crate::manifest;

/// Annotation with the path of the file that an object is from.
const FILE_NAME: &str = "postrenderer.helm.sh/postrender-filename";

/// A program that changes manifests: it gets the stream, and gives the changed one or its error.
pub type PostRenderer<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Runs the program over rendered files.
pub(crate) fn run(
    files: &BTreeMap<String, String>,
    program: PostRenderer<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let merged = merge(files).map_err(|error| format!("error merging manifests: {error}"))?;
    let changed = program(&merged)
        .map_err(|error| format!("error while running post render on files: {error}"))?;
    split(&changed).map_err(|error| format!("error while parsing post rendered output: {error}"))
}

fn merge(files: &BTreeMap<String, String>) -> Result<String, String> {
    let mut documents = Vec::new();
    for (path, text) in files {
        if gopath::base_str(path).starts_with('_') {
            continue;
        }
        for document in manifest::split(text) {
            let annotated = annotate(document, path);
            documents.extend(annotated.map_err(|error| format!("parsing {path}: {error}"))?);
        }
    }
    Ok(documents.join("---\n"))
}

fn split(stream: &str) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::<String, String>::new();
    let mut n = 0;
    for part in documents::split(stream) {
        let text = part.text.strip_prefix("---").unwrap_or(part.text);
        let text = text.trim_start_matches(['\n', '\r']);
        let Some((text, path)) =
            take_annotation(text).map_err(|error| format!("error parsing YAML: {error}"))?
        else {
            continue;
        };
        let path = path.unwrap_or_else(|| format!("generated-by-postrender-{n}.yaml"));
        n += 1;
        let file = files.entry(path).or_default();
        if !file.is_empty() {
            file.push_str("---\n");
        }
        file.push_str(&text);
    }
    Ok(files)
}

/// The lines of a document, each without its line feed.
struct Text<'a> {
    lines: Vec<&'a str>,
}

/// What to do to a text: at a line and column (from one, in characters) remove that much, put that in.
struct Edit {
    line: usize,
    column: usize,
    removed: usize,
    inserted: String,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.lines().collect(),
        }
    }

    /// The text from a node on in its line.
    fn at(&self, node: &NodeRef<'_, '_>) -> &'a str {
        let line = self.lines.get(node.line() as usize - 1).unwrap_or(&"");
        let start = byte_of(line, node.column() as usize);
        line.get(start..).unwrap_or_default()
    }

    fn is_flow(&self, node: &NodeRef<'_, '_>) -> bool {
        self.at(node).starts_with('{')
    }

    fn edited(&self, edit: &Edit) -> String {
        let mut out = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            if number + 1 == edit.line {
                let start = byte_of(line, edit.column);
                let end = byte_of(line, edit.column + edit.removed);
                out.push_str(&line[..start]);
                out.push_str(&edit.inserted);
                out.push_str(&line[end..]);
            } else {
                out.push_str(line);
            }
            out.push('\n');
        }
        if edit.line > self.lines.len() {
            out.push_str(&edit.inserted);
        }
        out
    }
}

/// Where a character of a line begins.
fn byte_of(line: &str, column: usize) -> usize {
    line.char_indices()
        .nth(column - 1)
        .map_or(line.len(), |(at, _)| at)
}

/// The document with the path among its annotations; nothing for a document without content.
fn annotate(document: &str, path: &str) -> Result<Option<String>, String> {
    let parsed = nodes::parse(document.as_bytes());
    let tree = parsed.document().map_err(|error| error.to_string())?;
    let Some(root) = mapping(&tree, document)? else {
        return Ok(None);
    };
    let text = Text::new(document);
    let entry = format!("{FILE_NAME}: '{}'", path.replace('\'', "''"));
    let edit = add(&text, &root, &["metadata", "annotations"], &entry)?;
    Ok(Some(text.edited(&edit)))
}

/// The root of a document if it is a map; nothing for a document without content.
fn mapping<'d, 'a>(
    tree: &'d nodes::Document<'a>,
    document: &str,
) -> Result<Option<NodeRef<'d, 'a>>, String> {
    let Some(root) = tree.root() else {
        return Ok(None);
    };
    let found = match root.kind() {
        Kind::Mapping => return Ok(Some(root)),
        Kind::Scalar if root.text() == Some("") => return Ok(None),
        Kind::Scalar => "ScalarNode",
        Kind::Sequence => "SequenceNode",
    };
    Err(format!(
        "wrong node kind: expected MappingNode but got {found}: node contents:\n{}\n",
        document.trim_end()
    ))
}

/// How to put an entry into the map below `path`, making the maps that are missing.
fn add(text: &Text<'_>, map: &NodeRef<'_, '_>, path: &[&str], entry: &str) -> Result<Edit, String> {
    let Some((name, below)) = path.split_first() else {
        return Ok(insert(text, map, &[], entry));
    };
    let Some((key, value)) = map
        .entries()
        .filter(|(key, _)| key.text() == Some(name))
        .last()
    else {
        return Ok(insert(text, map, path, entry));
    };
    let is_null = value.kind() == Kind::Scalar
        && matches!(value.text(), Some("" | "null" | "~" | "Null" | "NULL"))
        && value.style() == Some(ScalarStyle::Plain);
    if value.alias().is_some() || !(is_null || value.kind() == Kind::Mapping) {
        return Err(format!("{name} is no map of its own"));
    }
    if !is_null {
        return add(text, &value, below, entry);
    }
    // `name:` or `name: null` becomes a map in braces.
    let written = value.text().unwrap_or_default().chars().count();
    let (line, column) = if written == 0 {
        let after = text.at(&key).find(':').unwrap_or_default() + 1;
        (key.line(), key.column() as usize + after)
    } else {
        (value.line(), value.column() as usize)
    };
    let space = if written == 0 { " " } else { "" };
    Ok(Edit {
        line: line as usize,
        column,
        removed: written,
        inserted: format!("{space}{{{}}}", flow(below, entry)),
    })
}

/// `a: {b: {entry}}` without the outer braces.
fn flow(path: &[&str], entry: &str) -> String {
    match path.split_first() {
        Some((name, below)) => format!("{name}: {{{}}}", flow(below, entry)),
        None => entry.to_owned(),
    }
}

/// How to put an entry with new maps around it at the start of a map.
fn insert(text: &Text<'_>, map: &NodeRef<'_, '_>, path: &[&str], entry: &str) -> Edit {
    let first = map.entries().next().map(|(key, _)| key);
    if text.is_flow(map) {
        let comma = if first.is_some() { ", " } else { "" };
        return Edit {
            line: map.line() as usize,
            column: map.column() as usize + 1,
            removed: 0,
            inserted: format!("{}{comma}", flow(path, entry)),
        };
    }
    let first = first.as_ref().unwrap_or(map);
    let (line, column) = (first.line() as usize, first.column() as usize);
    let mut inserted = String::new();
    for (depth, line) in path
        .iter()
        .map(|name| format!("{name}:"))
        .chain([entry.to_owned()])
        .enumerate()
    {
        inserted.push_str(&line);
        inserted.push('\n');
        let next = if depth < path.len() {
            2 * (depth + 1)
        } else {
            0
        };
        inserted.push_str(&" ".repeat(column - 1 + next));
    }
    Edit {
        line,
        column,
        removed: 0,
        inserted,
    }
}

/// The document without the annotation, and what it said; nothing for a document without content.
fn take_annotation(document: &str) -> Result<Option<(String, Option<String>)>, String> {
    let parsed = nodes::parse(document.as_bytes());
    let tree = parsed.document().map_err(|error| {
        let text = error.to_string();
        let text = text
            .rsplit_once("to JSON: ")
            .map_or(text.as_str(), |(_, text)| text);
        format!("MalformedYAMLError: {text}")
    })?;
    let Some(root) = mapping(&tree, document)? else {
        return Ok(None);
    };
    let mut chain = vec![root];
    for name in ["metadata", "annotations"] {
        match chain.last().and_then(|map| map.get(name)) {
            Some(map) if map.kind() == Kind::Mapping && map.alias().is_none() => chain.push(map),
            _ => break,
        }
    }
    let text = Text::new(document);
    let annotation = chain.get(2).and_then(|map| map.get(FILE_NAME));
    let Some(path) = annotation.and_then(|value| value.text()) else {
        return Ok(Some((text.edited(&NOTHING), None)));
    };
    // Maps that hold nothing else go with it.
    let mut name = FILE_NAME;
    while chain.len() > 1 && chain.last().is_some_and(|map| map.entries().count() == 1) {
        name = if chain.len() == 3 {
            "annotations"
        } else {
            "metadata"
        };
        chain.pop();
    }
    let Some(map) = chain.last() else {
        return Ok(Some((text.edited(&NOTHING), None)));
    };
    let changed = remove(&text, map, name);
    Ok(Some((changed, Some(path.to_owned()))))
}

const NOTHING: Edit = Edit {
    line: 0,
    column: 1,
    removed: 0,
    inserted: String::new(),
};

/// The text without an entry of a map.
fn remove(text: &Text<'_>, map: &NodeRef<'_, '_>, name: &str) -> String {
    let entries: Vec<_> = map.entries().collect();
    let at = entries.iter().position(|(key, _)| key.text() == Some(name));
    let Some((at, (key, value))) = at.and_then(|at| Some((at, entries.get(at)?))) else {
        return text.edited(&NOTHING);
    };
    if text.is_flow(map) {
        let next = entries.get(at + 1).map(|(key, _)| *key);
        let before = at
            .checked_sub(1)
            .and_then(|at| entries.get(at))
            .map(|(_, value)| *value);
        return remove_from_flow(text, key, value, next.as_ref(), before.as_ref());
    }
    let (first, column) = (key.line() as usize - 1, key.column() as usize);
    let is_inside = |line: &&&str| {
        let indent = line.chars().take_while(|c| *c == ' ').count();
        line.trim().is_empty() || indent >= column
    };
    let lines = text.lines.get(first + 1..).unwrap_or_default();
    let inside = lines.iter().take_while(is_inside).count();
    // Blank lines at the end belong to what follows.
    let blank = lines[..inside]
        .iter()
        .rev()
        .take_while(|line| line.trim().is_empty())
        .count();
    let mut kept: Vec<&str> = text.lines.get(..first).unwrap_or_default().to_vec();
    kept.extend(&lines[inside - blank..]);
    kept.iter().flat_map(|line| [*line, "\n"]).collect()
}

/// The text without an entry of a map in braces: up to the next entry, or from the one before.
fn remove_from_flow(
    text: &Text<'_>,
    key: &NodeRef<'_, '_>,
    value: &NodeRef<'_, '_>,
    next: Option<&NodeRef<'_, '_>>,
    before: Option<&NodeRef<'_, '_>>,
) -> String {
    let offset = |node: &NodeRef<'_, '_>| {
        let above = text.lines.iter().take(node.line() as usize - 1);
        let above: usize = above.map(|line| line.len() + 1).sum();
        let line = text.lines.get(node.line() as usize - 1).unwrap_or(&"");
        above + byte_of(line, node.column() as usize)
    };
    let all = text.edited(&NOTHING);
    let end = offset(value) + length(all.get(offset(value)..).unwrap_or_default());
    let (start, end) = match (next, before) {
        (Some(next), _) => (offset(key), offset(next)),
        (None, Some(before)) => {
            let after = offset(before);
            (after + length(all.get(after..).unwrap_or_default()), end)
        }
        (None, None) => (offset(key), end),
    };
    let kept = [all.get(..start), all.get(end..)];
    kept.into_iter().flatten().collect()
}

/// How long the flow node at the start of a text is.
fn length(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, ',' | '}' | ']') if depth == 0 => return at,
            (None, '}' | ']') => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        list.iter().map(owned).collect()
    }

    #[test]
    fn every_object_says_which_file_it_is_from() {
        let f = "postrenderer.helm.sh/postrender-filename: 'a'";
        for (text, want) in [
            (
                "kind: A\n",
                format!("metadata:\n  annotations:\n    {f}\nkind: A\n"),
            ),
            (
                "metadata:\n  name: x # y\n",
                format!("metadata:\n  annotations:\n    {f}\n  name: x # y\n"),
            ),
            (
                "metadata:\n    annotations:\n        b: c\n",
                format!("metadata:\n    annotations:\n        {f}\n        b: c\n"),
            ),
            (
                "metadata: {name: x}\n",
                format!("metadata: {{annotations: {{{f}}}, name: x}}\n"),
            ),
            (
                "metadata: {annotations: {b: c}}",
                format!("metadata: {{annotations: {{{f}, b: c}}}}\n"),
            ),
            (
                "metadata:\nkind: A\n",
                format!("metadata: {{annotations: {{{f}}}}}\nkind: A\n"),
            ),
            (
                "metadata:\n  annotations:\n  name: x\n",
                format!("metadata:\n  annotations: {{{f}}}\n  name: x\n"),
            ),
            (
                "metadata:\n  annotations: null # y\n",
                format!("metadata:\n  annotations: {{{f}}} # y\n"),
            ),
            (
                "{\"kind\": \"A\"}",
                format!("{{metadata: {{annotations: {{{f}}}}}, \"kind\": \"A\"}}\n"),
            ),
            ("# only words\n", String::new()),
        ] {
            let merged = merge(&files(&[("a", text)]));
            assert_eq!(merged.as_ref(), Ok(&want), "{text}");
            let back = split(&want).unwrap();
            if text.contains("kind: A\n") && !text.contains("metadata:\nkind") {
                assert_eq!(back, files(&[("a", text)]));
            }
        }
    }

    #[test]
    fn files_come_back_from_the_stream() {
        let all = files(&[
            ("c/a.yaml", "kind: A\nmetadata:\n  name: x\n---\nkind: B\n"),
            (
                "c/b.yaml",
                "\n# words\nkind: C\ndata:\n  text: |\n    a\n\n    b\n",
            ),
            ("c/_no.yaml", "never"),
            ("c/empty.yaml", "\n\n"),
        ]);
        let stream = merge(&all).unwrap();
        let back = split(&stream).unwrap();
        let mut want = all.clone();
        want.retain(|path, _| path.ends_with("a.yaml") || path.ends_with("b.yaml"));
        want.insert(
            "c/b.yaml".to_owned(),
            "# words\nkind: C\ndata:\n  text: |\n    a\n\n    b\n".to_owned(),
        );
        assert_eq!(back, want);
    }

    #[test]
    fn the_annotation_leaves_however_it_was_printed() {
        for (text, want) in [
            (
                "metadata:\n  annotations:\n    a: b\n    postrenderer.helm.sh/postrender-filename: >-\n      p\n    c: d\n  name: x\n",
                "metadata:\n  annotations:\n    a: b\n    c: d\n  name: x\n",
            ),
            (
                "metadata:\n  annotations:\n    postrenderer.helm.sh/postrender-filename: p\n  name: x\n",
                "metadata:\n  name: x\n",
            ),
            (
                "{\"metadata\": {\"annotations\": {\"a\": \"b\", \"postrenderer.helm.sh/postrender-filename\": \"p\"}}}",
                "{\"metadata\": {\"annotations\": {\"a\": \"b\"}}}\n",
            ),
            (
                "{\"metadata\": {\"annotations\": {\"postrenderer.helm.sh/postrender-filename\": \"p\"}, \"name\": \"x\"}}",
                "{\"metadata\": {\"name\": \"x\"}}\n",
            ),
        ] {
            assert_eq!(split(text).unwrap(), files(&[("p", want)]), "{text}");
        }
        let new = split("---\nkind: A\n---\n# nothing\n---\nkind: B\n").unwrap();
        let want = [
            ("generated-by-postrender-0.yaml", "kind: A\n"),
            ("generated-by-postrender-1.yaml", "kind: B\n"),
        ];
        assert_eq!(new, files(&want));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (stream, want) in [
            (
                "a: b: c\n",
                "error parsing YAML: MalformedYAMLError: yaml: mapping values are not allowed in this context",
            ),
            (
                "- 1\n",
                "error parsing YAML: wrong node kind: expected MappingNode but got SequenceNode: node contents:\n- 1\n",
            ),
            (
                "word\n",
                "error parsing YAML: wrong node kind: expected MappingNode but got ScalarNode: node contents:\nword\n",
            ),
        ] {
            assert_eq!(split(stream).unwrap_err(), want);
        }
        for text in [
            "metadata: 7\n",
            "a: &a {}\nmetadata: *a\n",
            "- 1\n",
            "a: b: c\n",
        ] {
            assert!(merge(&files(&[("p", text)])).is_err(), "{text}");
        }
    }
}
