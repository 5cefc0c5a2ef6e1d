//! From a tree to a value: what `sigs.k8s.io/yaml` makes of it on the way through JSON.
//!
//! Keys become strings, merge keys apply in place, floats take the form that their JSON text has.
//! Expansion of aliases is bounded by go-yaml's own rule and by a budget of bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::error::{Error, Problem};
use crate::nodes::{Content, Document, Node, NodeId};
use crate::numbers::{general_f32, general_f64, through_json};
use crate::quote::go_quote;
use crate::resolve::{Scalar, TAG_PREFIX, resolve};
use crate::scan::{DEPTH_MAX, Mark};
use crate::typed::Target;

/// Text that aliases may repeat in one document. Go shares strings, a value of ours copies them.
const ALIAS_BYTES_MAX: usize = 64 << 20;

/// Below this many steps 99 % may come from aliases; go-yaml's `alias_ratio_range_low`.
const ALIAS_STEPS_LOW: u64 = 400_000;

/// From this many steps on 10 % may; go-yaml's `alias_ratio_range_high`.
const ALIAS_STEPS_HIGH: u64 = 4_000_000;

/// Nodes of a collection that a message shows.
const KEY_NODES_MAX: usize = 1000;

/// How Go prints the type of a null.
const NIL_TYPE: &str = "%!s(<nil>)";

/// Decodes the node `root`. With `strict`, keys that occur twice are errors, all of them reported.
pub(crate) fn decode(
    document: &Document<'_>,
    root: Option<NodeId>,
    strict: bool,
) -> Result<Value, Error> {
    run(document, root, strict, &Target::Any)
}

/// As [`decode`], with texts where `target` wants them.
pub(crate) fn decode_into(
    document: &Document<'_>,
    root: Option<NodeId>,
    strict: bool,
    target: &Target,
) -> Result<Value, Error> {
    run(document, root, strict, target)
}

fn run(
    document: &Document<'_>,
    root: Option<NodeId>,
    strict: bool,
    target: &Target,
) -> Result<Value, Error> {
    let Some(root) = root else {
        return Ok(Value::Null);
    };
    let mut decoder = Decoder {
        document,
        strict,
        duplicates: Vec::new(),
        open_aliases: HashSet::new(),
        n_steps: 0,
        n_alias_steps: 0,
        alias_bytes: 0,
        depth: 0,
        faults: BTreeMap::new(),
        n_faults: 0,
    };
    let value = decoder.node(root, target)?;
    if !decoder.duplicates.is_empty() {
        return Err(Error::DuplicateKeys(decoder.duplicates));
    }
    // Go first builds its own value and only then turns it into JSON.
    // Keys are the first step of that.
    let mut faults = decoder.faults.into_values().collect::<Vec<_>>();
    faults.sort_by_key(|error| !matches!(error, Error::UnsupportedKey { .. }));
    match faults.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

/// The text of a scalar in a string field of Go, `None` for null.
pub(crate) fn field_text(node: &Node<'_>) -> Result<Option<String>, Error> {
    let Content::Scalar {
        value: text,
        implicit,
        ..
    } = &node.content
    else {
        return Ok(None);
    };
    if node.tag.is_empty() && !implicit {
        return Ok(Some(text.to_string()));
    }
    if is_binary(&node.tag) {
        return binary(node, text).map(Some);
    }
    let resolved = resolve(&node.tag, text).map_err(|message| fault_at(node, message))?;
    Ok(match resolved {
        Scalar::Null => None,
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Int(value) => Some(value.to_string()),
        Scalar::Uint(value) => Some(value.to_string()),
        Scalar::Float(value) => Some(go_float32(value)),
        Scalar::Timestamp | Scalar::Text => Some(text.to_string()),
    })
}

struct Decoder<'d, 'a> {
    document: &'d Document<'a>,
    strict: bool,
    duplicates: Vec<String>,
    open_aliases: HashSet<u32>,
    n_steps: u64,
    n_alias_steps: u64,
    alias_bytes: usize,
    depth: usize,
    /// What JSON has against the value, in order.
    faults: BTreeMap<usize, Error>,
    n_faults: usize,
}

/// A mapping while it is filled, with the typed keys when they matter.
#[derive(Default)]
struct Fields {
    values: Map<String, Value>,
    seen: BTreeSet<(&'static str, String)>,
    /// The faults inside of a field's value, which go when the field is set again.
    faults: BTreeMap<String, Range<usize>>,
}

/// A key: its type in Go, its text in JSON and, as Go prints it, its value.
struct Key {
    go_type: &'static str,
    name: String,
    /// `None` for the name in quotes.
    bare_text: Option<String>,
}

impl Key {
    fn text(name: String) -> Self {
        Self {
            go_type: "string",
            name,
            bare_text: None,
        }
    }

    fn bare(go_type: &'static str, name: String) -> Self {
        Self {
            go_type,
            bare_text: Some(name.clone()),
            name,
        }
    }

    fn go_text(&self) -> String {
        self.bare_text
            .clone()
            .unwrap_or_else(|| go_quote(&self.name))
    }
}

impl Decoder<'_, '_> {
    fn node(&mut self, id: NodeId, wanted: &Target) -> Result<Value, Error> {
        self.count_step()?;
        let node = self.document.node(id);
        match &node.content {
            Content::Alias { name, target } => {
                self.alias(id, name, *target, |decoder, id| decoder.node(id, wanted))
            }
            Content::Scalar { .. } => self.scalar(node, wanted),
            Content::Sequence(first) => self.nested(|decoder| {
                let items = decoder
                    .document
                    .children(*first)
                    .map(|item| decoder.node(item, wanted.item()));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }),
            Content::Mapping(first) => {
                let mut fields = Fields::default();
                self.nested(|decoder| decoder.mapping(*first, wanted, &mut fields))?;
                Ok(Value::Object(fields.values))
            }
        }
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(fault(format!("exceeded max depth of {DEPTH_MAX}")));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn count_step(&mut self) -> Result<(), Error> {
        self.n_steps += 1;
        if !self.open_aliases.is_empty() {
            self.n_alias_steps += 1;
        }
        let excessive = self.n_alias_steps > 100
            && self.n_steps > 1000
            && self.n_alias_steps as f64 / self.n_steps as f64 > allowed_alias_ratio(self.n_steps);
        if excessive {
            Err(fault("document contains excessive aliasing"))
        } else {
            Ok(())
        }
    }

    /// Runs `inner` on the target of an alias.
    fn alias<T>(
        &mut self,
        id: NodeId,
        name: &str,
        target: NodeId,
        inner: impl FnOnce(&mut Self, NodeId) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !self.open_aliases.insert(id.0) {
            let node = self.document.node(id);
            return Err(fault_at(
                node,
                format!("anchor '{name}' value contains itself"),
            ));
        }
        let result = inner(self, target);
        self.open_aliases.remove(&id.0);
        result
    }

    fn scalar(&mut self, node: &Node<'_>, wanted: &Target) -> Result<Value, Error> {
        let Content::Scalar {
            value: text,
            implicit,
            ..
        } = &node.content
        else {
            return Ok(Value::Null);
        };
        if !self.open_aliases.is_empty() {
            self.alias_bytes += text.len();
            if self.alias_bytes > ALIAS_BYTES_MAX {
                return Err(fault("document contains excessive aliasing"));
            }
        }
        if matches!(wanted, Target::Text) {
            return Ok(field_text(node)?.map_or(Value::Null, Value::String));
        }
        if node.tag.is_empty() && !implicit {
            return Ok(Value::String(text.to_string()));
        }
        if is_binary(&node.tag) {
            return binary(node, text).map(Value::String);
        }
        Ok(
            match resolve(&node.tag, text).map_err(|message| fault_at(node, message))? {
                Scalar::Null => Value::Null,
                Scalar::Bool(value) => Value::Bool(value),
                Scalar::Int(value) => Value::from(value),
                Scalar::Uint(value) => Value::from(value),
                Scalar::Timestamp | Scalar::Text => Value::String(text.to_string()),
                Scalar::Float(value) => {
                    if let Some(number) = through_json(value) {
                        Value::Number(number)
                    } else {
                        self.defer(Error::UnsupportedValue(non_finite(value)));
                        Value::Null
                    }
                }
            },
        )
    }

    fn defer(&mut self, error: Error) {
        self.faults.insert(self.n_faults, error);
        self.n_faults += 1;
    }

    fn mapping(
        &mut self,
        first: Option<NodeId>,
        wanted: &Target,
        out: &mut Fields,
    ) -> Result<(), Error> {
        for (key, value) in self.document.pairs(first) {
            if self.is_merge(key) {
                self.merge(value, wanted, out)?;
                continue;
            }
            let key = self.key(key)?;
            let line = self.document.node(value).line + 1;
            let first_fault = self.n_faults;
            let value = self.node(value, wanted.field(&key.name))?;
            if self.strict && !out.seen.insert((key.go_type, key.go_text())) {
                let text = key.go_text();
                self.duplicates
                    .push(format!("line {line}: key {text} already set in map"));
                continue;
            }
            if key.go_type == NIL_TYPE || key.go_type == "uint64" {
                self.defer(Error::UnsupportedKey {
                    go_type: key.go_type,
                    key: key.go_text(),
                });
                continue;
            }
            if let Some(replaced) = out.faults.remove(&key.name) {
                self.faults.retain(|number, _| !replaced.contains(number));
            }
            if self.n_faults > first_fault {
                out.faults
                    .insert(key.name.clone(), first_fault..self.n_faults);
            }
            out.values.insert(key.name, value);
        }
        Ok(())
    }

    fn is_merge(&self, id: NodeId) -> bool {
        let node = self.document.node(id);
        let Content::Scalar {
            value, implicit, ..
        } = &node.content
        else {
            return false;
        };
        value == "<<" && (*implicit || node.tag.strip_prefix(TAG_PREFIX) == Some("merge"))
    }

    /// Applies the value of `<<` to the mapping that holds it: keys set before are overridden, of
    /// several mappings the first wins.
    fn merge(&mut self, id: NodeId, wanted: &Target, out: &mut Fields) -> Result<(), Error> {
        match &self.document.node(id).content {
            Content::Sequence(first) => {
                let items = self.document.children(*first).collect::<Vec<_>>();
                items
                    .into_iter()
                    .rev()
                    .try_for_each(|item| self.merge_one(item, wanted, out))
            }
            _ => self.merge_one(id, wanted, out),
        }
    }

    fn merge_one(&mut self, id: NodeId, wanted: &Target, out: &mut Fields) -> Result<(), Error> {
        let mapping = |id: NodeId| match self.document.node(id).content {
            Content::Mapping(first) => Ok(first),
            _ => Err(fault_at(
                self.document.node(id),
                "map merge requires map or sequence of maps as the value",
            )),
        };
        if let Content::Alias { name, target } = &self.document.node(id).content {
            let first = mapping(*target)?;
            self.count_step()?;
            self.alias(id, name, *target, |decoder, _| {
                decoder.count_step()?;
                decoder.nested(|decoder| decoder.mapping(first, wanted, out))
            })
        } else {
            let first = mapping(id)?;
            self.count_step()?;
            self.nested(|decoder| decoder.mapping(first, wanted, out))
        }
    }

    fn key(&mut self, id: NodeId) -> Result<Key, Error> {
        let mut resolved = self.document.node(id);
        if let Content::Alias { name, target } = &resolved.content {
            self.count_step()?;
            let target = *target;
            let step = |decoder: &mut Self, _| decoder.count_step();
            self.alias(id, name, target, step)?;
            resolved = self.document.node(target);
        } else {
            self.count_step()?;
        }
        if let Content::Scalar {
            value, implicit, ..
        } = &resolved.content
        {
            Self::scalar_key(resolved, value, *implicit)
        } else {
            self.node(id, &Target::Any)?;
            let mut left = KEY_NODES_MAX;
            Err(fault_at(
                resolved,
                format!("invalid map key: {}", self.go_syntax(id, &mut left)),
            ))
        }
    }

    fn scalar_key(node: &Node<'_>, text: &str, implicit: bool) -> Result<Key, Error> {
        if node.tag.is_empty() && !implicit {
            return Ok(Key::text(text.to_owned()));
        }
        if is_binary(&node.tag) {
            return binary(node, text).map(Key::text);
        }
        Ok(
            match resolve(&node.tag, text).map_err(|message| fault_at(node, message))? {
                Scalar::Null => Key::bare(NIL_TYPE, "<nil>".to_owned()),
                Scalar::Bool(value) => Key::bare("bool", value.to_string()),
                Scalar::Int(value) => Key::bare("int", value.to_string()),
                Scalar::Uint(value) => Key::bare("uint64", format!("{value:#x}")),
                Scalar::Float(value) => Key {
                    go_type: "float64",
                    name: general_f32(value),
                    bare_text: Some(go_float(value)),
                },
                Scalar::Timestamp | Scalar::Text => Key::text(text.to_owned()),
            },
        )
    }

    /// A node as Go's `%#v` prints what go-yaml makes of it; merge keys stay as they are.
    fn go_syntax(&self, id: NodeId, nodes_left: &mut usize) -> String {
        *nodes_left = nodes_left.saturating_sub(1);
        let node = self.document.node(id);
        match &node.content {
            Content::Alias { target, .. } => self.go_syntax(*target, nodes_left),
            Content::Scalar {
                value, implicit, ..
            } => match Self::scalar_key(node, value, *implicit) {
                Ok(key) if key.go_type == NIL_TYPE => "interface {}(nil)".to_owned(),
                Ok(key) => key.go_text(),
                Err(_) => go_quote(value),
            },
            Content::Sequence(first) => {
                let mut items = Vec::new();
                for item in self.document.children(*first) {
                    if *nodes_left == 0 {
                        break;
                    }
                    items.push(self.go_syntax(item, nodes_left));
                }
                format!("[]interface {{}}{{{}}}", items.join(", "))
            }
            Content::Mapping(first) => {
                let mut fields = BTreeMap::new();
                for (key, value) in self.document.pairs(*first) {
                    if *nodes_left == 0 {
                        break;
                    }
                    let key = self.go_syntax(key, nodes_left);
                    // The last of equal keys wins here too.
                    fields.insert(key, self.go_syntax(value, nodes_left));
                }
                let mut fields: Vec<_> = fields.into_iter().collect();
                fields.sort_by(|(a, _), (b, _)| key_order(a).total_cmp(&key_order(b)));
                let fields = fields.iter().map(|(key, value)| format!("{key}:{value}"));
                let fields = fields.collect::<Vec<_>>().join(", ");
                format!("map[interface {{}}]interface {{}}{{{fields}}}")
            }
        }
    }
}

/// Where Go prints a key among others, by its text: by type first, in an order that lies in how the
/// reference program was linked, then by value. Texts keep their own order.
fn key_order(key: &str) -> KeyOrder {
    let number = key.parse().unwrap_or(0.0);
    match key.as_bytes() {
        [b'i', ..] => KeyOrder(0, 0.0),
        [b'"', ..] => KeyOrder(1, 0.0),
        [b'0', b'x', ..] => KeyOrder(2, 0.0),
        [b'f', ..] => KeyOrder(5, 0.0),
        [b't', ..] => KeyOrder(5, 1.0),
        _ if key.contains(['.', 'e', 'I', 'N']) => KeyOrder(4, number),
        _ => KeyOrder(3, number),
    }
}

struct KeyOrder(u8, f64);

impl KeyOrder {
    fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0).then(self.1.total_cmp(&other.1))
    }
}

fn fault(message: impl Into<Cow<'static, str>>) -> Error {
    Error::Syntax(Problem::new(message))
}

fn fault_at(node: &Node<'_>, message: impl Into<Cow<'static, str>>) -> Error {
    let mark = Mark {
        at: 0,
        line: node.line,
        column: node.column,
    };
    Error::Syntax(Problem::at(message, mark))
}

/// The share of steps that may come from aliases.
fn allowed_alias_ratio(n_steps: u64) -> f64 {
    if n_steps <= ALIAS_STEPS_LOW {
        return 0.99;
    }
    if n_steps >= ALIAS_STEPS_HIGH {
        return 0.10;
    }
    let range = (ALIAS_STEPS_HIGH - ALIAS_STEPS_LOW) as f64;
    0.99 - 0.89 * ((n_steps - ALIAS_STEPS_LOW) as f64 / range)
}

fn is_binary(tag: &str) -> bool {
    tag.strip_prefix(TAG_PREFIX) == Some("binary")
}

/// Go's standard decoder skips line ends and does not look at the unused bits of the last digit.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The bytes as text, with U+FFFD for every byte that is none.
fn binary(node: &Node<'_>, text: &str) -> Result<String, Error> {
    let digits = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect::<Vec<_>>();
    let bytes = BASE64
        .decode(digits)
        .map_err(|_| fault_at(node, "!!binary value contains invalid base64 data"))?;
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n('\u{FFFD}', chunk.invalid().len()));
    }
    Ok(out)
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

/// A float as `strconv` prints it after rounding to `float32`.
fn go_float32(value: f64) -> String {
    let narrow = f64::from(value as f32);
    if narrow.is_finite() {
        general_f32(value)
    } else {
        non_finite(narrow).to_owned()
    }
}

/// A float as Go's `%#v` prints it.
fn go_float(value: f64) -> String {
    if value.is_finite() {
        general_f64(value)
    } else {
        non_finite(value).to_owned()
    }
}
