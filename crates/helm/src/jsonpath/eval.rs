//! What a template finds in values.

use std::cmp::Ordering;

use gotemplate::gofmt;
use serde_json::Value;

use super::{Bound, Node};

/// Values that one step of a template may find: recursion finds each value once per level.
const FOUND_MAX: usize = 1_000_000;

/// What was found.
#[derive(Clone, Debug)]
enum Found<'a> {
    Value(&'a Value),
    Text(&'a [u8]),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A byte of a text.
    Byte(u8),
    /// What a range over nothing, or over null, is about.
    Nothing,
}

/// A step that failed, and what it had found.
struct Failed<'a>(Vec<Found<'a>>);

type Step<'a> = Result<Vec<Found<'a>>, Failed<'a>>;

/// The state of ranges, which the steps share.
#[derive(Default)]
struct Run {
    begins: usize,
    inside: usize,
    ends: usize,
    /// The part with the `end` that was met last.
    last_end: Option<usize>,
    /// What is left of the values that may be found.
    left: usize,
}

pub(super) fn execute(nodes: &[Node], values: &Value) -> Vec<u8> {
    let mut run = Run {
        left: FOUND_MAX,
        ..Run::default()
    };
    let mut out = Vec::new();
    if let Ok(found) = run.results(nodes, 0, Found::Value(values)) {
        for results in found {
            for (at, result) in results.iter().enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                print(&mut out, result);
            }
        }
    }
    out
}

fn print(out: &mut Vec<u8>, found: &Found<'_>) {
    let text = match found {
        Found::Value(Value::String(text)) => text.clone(),
        Found::Value(Value::Number(number)) => {
            return push_float(out, number.as_f64().unwrap_or_default());
        }
        Found::Value(value) => {
            // Values come from JSON, so they have a JSON form.
            out.extend(goyaml::json::to_vec(value).unwrap_or_default());
            return;
        }
        Found::Text(text) => return out.extend_from_slice(text),
        Found::Int(number) => number.to_string(),
        Found::Float(number) => return push_float(out, *number),
        Found::Bool(value) => value.to_string(),
        Found::Byte(byte) => byte.to_string(),
        Found::Nothing => "<no value>".to_owned(),
    };
    out.extend_from_slice(text.as_bytes());
}

fn push_float(out: &mut Vec<u8>, number: f64) {
    let text = gofmt::sprint(&[gotemplate::Value::Float(number)]);
    out.extend(text.unwrap_or_default());
}

impl Run {
    /// What the parts from `start` on find, each by itself.
    fn results<'a>(
        &mut self,
        nodes: &'a [Node],
        start: usize,
        about: Found<'a>,
    ) -> Result<Vec<Vec<Found<'a>>>, ()> {
        let about = vec![about];
        let mut all = Vec::new();
        let mut at = start;
        while let Some(node) = nodes.get(at) {
            let found = self.walk(&about, node).map_err(|_| ())?;
            if self.ends > 0 && self.ends <= self.inside {
                self.ends -= 1;
                self.last_end = Some(at);
                break;
            }
            if self.begins == 0 {
                all.push(found);
                at += 1;
                continue;
            }
            self.begins -= 1;
            self.inside += 1;
            if found.is_empty() {
                // The parts inside are walked all the same, up to the end of the range.
                self.results(nodes, at + 1, Found::Nothing)?;
            }
            for value in found {
                let about = match value {
                    Found::Value(Value::Null) => Found::Nothing,
                    value => value,
                };
                all.extend(self.results(nodes, at + 1, about)?);
            }
            self.inside -= 1;
            at = self.last_end.filter(|end| *end > at).unwrap_or(at) + 1;
        }
        Ok(all)
    }

    fn list<'a>(&mut self, about: &[Found<'a>], nodes: &'a [Node]) -> Step<'a> {
        let mut found = about.to_vec();
        for node in nodes {
            found = self.walk(&found, node)?;
        }
        Ok(found)
    }

    fn walk<'a>(&mut self, about: &[Found<'a>], node: &'a Node) -> Step<'a> {
        let each = |value: Found<'a>| Ok(vec![value; about.len()]);
        let found = match node {
            Node::List(nodes) => self.list(about, nodes),
            Node::Text(text) => Ok(vec![Found::Text(text)]),
            Node::Int(number) => each(Found::Int(*number)),
            Node::Float(number) => each(Found::Float(*number)),
            Node::Bool(value) => each(Found::Bool(*value)),
            Node::Field(name) => field(about, name),
            Node::Array(bounds) => array(about, bounds, self.left),
            Node::Filter {
                left,
                right,
                operator,
            } => self.filter(about, (left, operator, right)),
            Node::Wildcard => Ok(about
                .iter()
                .flat_map(children)
                .take(self.left.saturating_add(1))
                .collect()),
            Node::Recursive => {
                let mut found = Vec::new();
                for value in about {
                    descend(value, &mut found, self.left);
                }
                Ok(found)
            }
            Node::Union(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    match self.list(about, part) {
                        Ok(more) if found.len() <= FOUND_MAX => found.extend(more),
                        _ => return Err(Failed(about.to_vec())),
                    }
                }
                Ok(found)
            }
            Node::Identifier(name) => self.identifier(about, name),
        }?;
        match self.left.checked_sub(found.len()) {
            Some(left) => self.left = left,
            None => return Err(Failed(Vec::new())),
        }
        Ok(found)
    }

    fn identifier<'a>(&mut self, about: &[Found<'a>], name: &str) -> Step<'a> {
        match name {
            "range" => {
                self.begins += 1;
                Ok(about.to_vec())
            }
            "end" if self.inside > 0 => {
                self.ends += 1;
                Ok(Vec::new())
            }
            "end" => Err(Failed(Vec::new())),
            _ => Err(Failed(about.to_vec())),
        }
    }

    fn filter<'a>(
        &mut self,
        about: &[Found<'a>],
        (left, operator, right): (&'a [Node], &str, &'a [Node]),
    ) -> Step<'a> {
        let mut found = Vec::new();
        for value in about {
            let Found::Value(Value::Array(items)) = value else {
                return Err(Failed(about.to_vec()));
            };
            for item in items {
                let item = [Found::Value(item)];
                let lefts = self.list(&item, left);
                if operator == "exists" {
                    let (Ok(lefts) | Err(Failed(lefts))) = lefts;
                    if !lefts.is_empty() {
                        found.extend(item);
                    }
                    continue;
                }
                let lefts = lefts.map_err(|_| Failed(about.to_vec()))?;
                let Some(left) = one(&lefts, about)? else {
                    continue;
                };
                let rights = self.list(&item, right);
                let rights = rights.map_err(|_| Failed(about.to_vec()))?;
                let Some(right) = one(&rights, about)? else {
                    continue;
                };
                match compare(left, operator, right) {
                    Some(true) => found.extend(item),
                    Some(false) => {}
                    None => return Err(Failed(found)),
                }
            }
        }
        Ok(found)
    }
}

/// The one value of a side of a comparison; several cannot be compared.
fn one<'f, 'a>(
    values: &'f [Found<'a>],
    about: &[Found<'a>],
) -> Result<Option<&'f Found<'a>>, Failed<'a>> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(Failed(about.to_vec())),
    }
}

fn field<'a>(about: &[Found<'a>], name: &str) -> Step<'a> {
    let found: Vec<_> = about
        .iter()
        .filter_map(|value| match value {
            Found::Value(Value::Object(map)) => map.get(name).map(Found::Value),
            _ => None,
        })
        .collect();
    if found.is_empty() && !about.is_empty() {
        return Err(Failed(found));
    }
    Ok(found)
}

fn array<'a>(about: &[Found<'a>], bounds: &[Bound; 3], most: usize) -> Step<'a> {
    let mut found = Vec::new();
    let failed = || Failed(about.to_vec());
    for value in about {
        let items = match value {
            Found::Value(Value::Null) => continue,
            Found::Value(Value::Array(items)) if found.len() <= most => items,
            _ => return Err(failed()),
        };
        let length = items.len() as i64;
        let [mut start, mut end, step] = *bounds;
        if !start.known {
            start.value = 0;
        }
        if start.value < 0 {
            start.value += length;
        }
        if !end.known {
            end.value = length;
        }
        if end.value < 0 || (end.value == 0 && end.derived) {
            end.value += length;
        }
        let (start, end) = (start.value, end.value);
        if start == end {
            return Ok(found);
        }
        let fits = (0..length).contains(&start) && (0..=length).contains(&end);
        if !fits || start > end || (step.known && step.value <= 0) {
            return Err(failed());
        }
        let step = if step.known { step.value as usize } else { 1 };
        let items = items.get(start as usize..end as usize).unwrap_or_default();
        found.extend(items.iter().step_by(step).map(Found::Value));
    }
    Ok(found)
}

/// What is in a value: entries, items, or the bytes of a text.
fn children<'a>(value: &Found<'a>) -> Vec<Found<'a>> {
    match value {
        Found::Value(Value::Object(map)) => map.values().map(Found::Value).collect(),
        Found::Value(Value::Array(items)) => items.iter().map(Found::Value).collect(),
        _ => match text(value) {
            Some(text) => text.iter().map(|byte| Found::Byte(*byte)).collect(),
            None => Vec::new(),
        },
    }
}

/// The bytes of a text.
fn text<'f>(value: &'f Found<'_>) -> Option<&'f [u8]> {
    match value {
        Found::Value(Value::String(text)) => Some(text.as_bytes()),
        Found::Text(text) => Some(text),
        _ => None,
    }
}

fn float(value: &Found<'_>) -> Option<f64> {
    match value {
        Found::Value(Value::Number(number)) => number.as_f64(),
        Found::Float(number) => Some(*number),
        _ => None,
    }
}

/// A value and all below it, but for what has nothing below it.
fn descend<'a>(value: &Found<'a>, found: &mut Vec<Found<'a>>, most: usize) {
    let below = children(value);
    if below.is_empty() || found.len() > most {
        return;
    }
    found.push(value.clone());
    for value in &below {
        descend(value, found, most);
    }
}

/// Compares as Go's templates do; `None` for what cannot be compared.
fn compare(left: &Found<'_>, operator: &str, right: &Found<'_>) -> Option<bool> {
    let bool_of = |value: &Found<'_>| match value {
        Found::Value(Value::Bool(value)) | Found::Bool(value) => Some(*value),
        _ => None,
    };
    let order = match (left, right) {
        (Found::Int(left), Found::Int(right)) => Some(left.cmp(right)),
        (Found::Byte(left), Found::Byte(right)) => Some(left.cmp(right)),
        (Found::Int(left), Found::Byte(right)) => Some(left.cmp(&i64::from(*right))),
        (Found::Byte(left), Found::Int(right)) => Some(i64::from(*left).cmp(right)),
        _ => match (text(left), text(right), float(left), float(right)) {
            (Some(left), Some(right), ..) => Some(left.cmp(right)),
            (_, _, Some(left), Some(right)) => left.partial_cmp(&right),
            _ => {
                let equal = bool_of(left)? == bool_of(right)?;
                return match operator {
                    "==" => Some(equal),
                    "!=" => Some(!equal),
                    // Equality is asked only where `<` has an answer.
                    _ => None,
                };
            }
        },
    }?;
    Some(match operator {
        "<" => order == Ordering::Less,
        ">" => order == Ordering::Greater,
        "==" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<=" => order != Ordering::Greater,
        ">=" => order != Ordering::Less,
        _ => return None,
    })
}
