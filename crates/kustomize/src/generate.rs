//! ConfigMaps and Secrets from files and literals, and the hashes of their names.
//!
//! Source: kustomize `api/internal/generators`, `api/kv`, `api/hasher`.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sprig::gopath;

use crate::error::{Error, Result, quoted};
use crate::files::Loader;
use crate::node::{BOOLEAN, Kind, Node, STRING, Style};
use crate::resource::{Behavior, Resource};
use crate::types::GeneratorArgs;

/// Longest line of a file with environment variables, of Go's scanner. It stops there, silently.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Characters of a line of Base64.
const BASE64_LINE: usize = 70;

/// What is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    ConfigMap,
    Secret,
}

/// Generates an object.
pub(crate) fn generate(
    loader: &Loader<'_>,
    target: Target,
    args: &GeneratorArgs,
) -> Result<Resource> {
    let mut node = Node::of_kind(Kind::Mapping);
    let kind = match target {
        Target::ConfigMap => "ConfigMap",
        Target::Secret => "Secret",
    };
    node.content = ["apiVersion", "v1", "kind", kind]
        .map(|text| Node::tagged(text, STRING))
        .into();
    if args.name.is_empty() {
        return Err(Error::new("a configmap must have a name"));
    }
    node.set_meta_string("name", &args.name)?;
    if !args.namespace.is_empty() {
        node.set_meta_string("namespace", &args.namespace)?;
    }
    if target == Target::Secret {
        let type_ = if args.type_.is_empty() {
            "Opaque"
        } else {
            &args.type_
        };
        node.set_field("type", Node::string(type_))?;
    }
    let data = pairs(loader, args)?;
    match target {
        Target::ConfigMap => set_config_map_data(&mut node, &data)?,
        Target::Secret => set_secret_data(&mut node, &data)?,
    }
    if let Some(options) = &args.options {
        for (key, value) in &options.labels {
            node.set_label(key, value)?;
        }
        for (key, value) in &options.annotations {
            node.set_annotation(key, value)?;
        }
        if options.immutable {
            node.set_field("immutable", Node::tagged("true", BOOLEAN))?;
        }
    }
    let mut resource = Resource::from(node);
    let options = args.options.as_ref();
    if !options.is_some_and(|options| options.disable_name_suffix_hash) {
        resource.enable_hash()?;
    }
    resource.set_behavior(Behavior::of(&args.behavior))?;
    Ok(resource)
}

type Data = BTreeMap<String, Vec<u8>>;

fn pairs(loader: &Loader<'_>, args: &GeneratorArgs) -> Result<Data> {
    let list = |texts: &[String]| quoted(&format!("[{}]", texts.join(" ")));
    let within = |what: String| move |error: Error| error.within(&what).within("loading KV pairs");
    let mut all = Vec::new();
    for path in &args.envs {
        let found = loader.load(path).and_then(|content| environment(&content));
        all.extend(found.map_err(within(format!("env source files: {}", list(&args.envs))))?);
    }
    for literal in &args.literals {
        let found = parse_literal(literal);
        all.push(found.map_err(within(format!("literal sources {}", list(&args.literals))))?);
    }
    for source in &args.files {
        let found = parse_file_source(source)
            .and_then(|(key, path)| Ok((key.to_owned(), loader.load(path)?.into_owned())));
        all.push(found.map_err(within(format!("file sources: {}", list(&args.files))))?);
    }
    let mut data = Data::new();
    for (key, value) in all {
        if data.insert(key.clone(), value).is_some() {
            return Err(Error(format!(
                "configmap {} illegally repeats the key `{key}`",
                args.name
            )));
        }
    }
    Ok(data)
}

/// The lines of a file with environment variables.
fn environment(content: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let lines = content.split(|byte| *byte == b'\n');
    let n = lines.clone().count();
    for (number, line) in lines.enumerate() {
        if line.len() >= LINE_BYTES_MAX {
            break;
        }
        if number + 1 == n && line.is_empty() {
            break;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            return Err(Error(format!("line {} has invalid utf8 bytes", number + 1)));
        };
        let text = match number {
            0 => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            _ => text,
        };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            found.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(found)
}

fn parse_literal(source: &str) -> Result<(String, Vec<u8>)> {
    let found = source.split_once('=').filter(|(key, _)| !key.is_empty());
    let Some((key, value)) = found else {
        return Err(Error(format!(
            "invalid literal source {}, expected key=value",
            quoted(source)
        )));
    };
    let inner = ['"', '\''].into_iter().find_map(|quote| {
        value
            .strip_prefix(quote)
            .and_then(|value| value.strip_suffix(quote))
    });
    Ok((key.to_owned(), inner.unwrap_or(value).as_bytes().to_vec()))
}

/// Key and path of `key=path`, or of a path.
fn parse_file_source(source: &str) -> Result<(&str, &str)> {
    match (source.matches('=').count(), source.split_once('=')) {
        (1, Some(("", path))) => Err(Error(format!(
            "missing key name for file path {path:?} in source {source:?}"
        ))),
        (1, Some((key, ""))) => Err(Error(format!(
            "missing file path for key name {key:?} in source {source:?}"
        ))),
        (1, Some((key, path))) => Ok((key, path)),
        (0, _) | (_, None) => Ok((gopath::base_str(source), source)),
        _ => Err(Error(format!(
            "source {source:?} key name or file path contains '='"
        ))),
    }
}

/// Base64 in lines, if it is longer than one.
fn base64(data: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(data);
    if text.len() < BASE64_LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(BASE64_LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

fn text_node(text: String) -> Node {
    let style = if text.contains('\n') {
        Style::LITERAL
    } else {
        Style::default()
    };
    Node {
        style,
        ..Node::tagged(text, STRING)
    }
}

/// Sets data, what is no text as binary data.
fn set_config_map_data(node: &mut Node, data: &Data) -> Result<()> {
    for (key, value) in data {
        let (field, text) = match std::str::from_utf8(value) {
            Ok(text) => ("data", text.to_owned()),
            Err(_) => ("binaryData", base64(value)),
        };
        if let Some(map) = node.lookup_create(Kind::Mapping, &[field])? {
            map.set_field(key, text_node(text))?;
        }
    }
    Ok(())
}

fn set_secret_data(node: &mut Node, data: &Data) -> Result<()> {
    let Some(map) = node.lookup_create(Kind::Mapping, &["data"])? else {
        return Ok(());
    };
    for (key, value) in data {
        map.set_field(key, text_node(base64(value)))?;
    }
    Ok(())
}

/// Adds the data of an object that this one is merged into.
pub(crate) fn merge_data(node: &mut Node, old: &Node) -> Result<()> {
    for field in ["data", "binaryData"] {
        let texts = |node: &Node| -> Result<BTreeMap<String, String>> {
            Ok(node.get(field)?.map(Node::texts).unwrap_or_default())
        };
        let mut merged = texts(old)?;
        merged.extend(texts(node)?);
        node.clear(field)?;
        for (key, value) in merged {
            if let Some(map) = node.lookup_create(Kind::Mapping, &[field])? {
                map.set_field(&key, text_node(value))?;
            }
        }
    }
    Ok(())
}

/// The hash of an object, for its name.
pub(crate) fn hash(node: &Node) -> Result<String> {
    let encoded = match node.kind_text() {
        "ConfigMap" => {
            let mut all = json!({
                "kind": "ConfigMap",
                "name": field(node, &["metadata", "name"], true)?,
                "data": field(node, &["data"], false)?,
            });
            add_map(&mut all, "binaryData", node)?;
            all
        }
        "Secret" => {
            let mut all = json!({
                "kind": "Secret",
                "type": field(node, &["type"], false)?,
                "name": field(node, &["metadata", "name"], true)?,
                "data": field(node, &["data"], false)?,
            });
            add_map(&mut all, "stringData", node)?;
            all
        }
        kind => {
            return Err(Error(format!(
                "a name with a hash is for ConfigMaps and Secrets only, not for a {kind}"
            )));
        }
    };
    let text = goyaml::json::to_vec(&encoded).map_err(|error| Error(error.to_string()))?;
    let digest = hex::encode(Sha256::digest(&text));
    let letter = |c| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    };
    Ok(digest.chars().take(10).map(letter).collect())
}

/// A field as it goes into the hash. The name is looked up under that very name, which is none.
fn field(node: &Node, path: &[&str], is_name: bool) -> Result<Value> {
    if is_name {
        return Ok(Value::String(String::new()));
    }
    match node.lookup(path)? {
        None => Ok(Value::String(String::new())),
        Some(field) if field.kind == Kind::Scalar => Ok(field.value.clone().into()),
        Some(field) if field.kind == Kind::Mapping => field.to_value().map(as_floats),
        Some(_) => Ok(Value::Null),
    }
}

fn as_floats(mut value: Value) -> Value {
    goyaml::numbers_as_float64(&mut value);
    value
}

fn add_map(all: &mut Value, name: &str, node: &Node) -> Result<()> {
    let found = node.get(name)?.filter(|field| field.kind == Kind::Mapping);
    if let (Some(found), Some(all)) = (found, all.as_object_mut()) {
        let map: Map<String, Value> = match as_floats(found.to_value()?) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        all.insert(name.to_owned(), Value::Object(map));
    }
    Ok(())
}
