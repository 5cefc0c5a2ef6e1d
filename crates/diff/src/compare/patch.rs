//! Differences as one short text: a JSON patch from what is live to what was deployed.

use api::limits::fit_text;
use serde_json::{Map, Value, json};

use super::path::Step;
use super::{Difference, Identity};

/// Stands for every value of a Secret.
pub const MASK: &str = "(masked)";

/// Values longer than this are cut.
const VALUE_BYTES_MAX: usize = 256;

/// Replaces the values of Secrets. Two values that differ stay told apart by being there or not only.
pub fn mask(identity: &Identity, differences: &mut [Difference]) {
    if !(identity.group.is_empty() && identity.kind == "Secret") {
        return;
    }
    for difference in differences {
        if !matches!(difference.path.first(), "data" | "stringData" | "") {
            continue;
        }
        let sides = [&mut difference.desired, &mut difference.live];
        sides.into_iter().flatten().for_each(hide);
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(hide),
        other => *other = MASK.into(),
    }
}

/// What would have to be changed, as text of at most `bytes_max` bytes: a JSON merge patch in which an element of a list has what
/// identifies it and what changes. Long values are cut; what does not fit is told by the number of fields at the place where they are.
pub fn patch_text(differences: &[Difference], bytes_max: usize) -> String {
    let text = tree(differences.iter()).to_string();
    if text.len() <= bytes_max {
        return text;
    }
    // Fewer and fewer fields in full, the rest as numbers by their first two members.
    let mut shown = differences.len() / 2;
    loop {
        let text = shortened(differences, shown).to_string();
        if text.len() <= bytes_max || shown == 0 {
            return if text.len() <= bytes_max {
                text
            } else {
                json!({ "…": format!("{} fields differ", differences.len()) }).to_string()
            };
        }
        shown /= 2;
    }
}

fn shortened(differences: &[Difference], shown: usize) -> Value {
    let mut patch = tree(differences[..shown].iter());
    let mut omitted: Map<String, Value> = Map::new();
    for difference in &differences[shown..] {
        let count = omitted.entry(difference.path.first()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or_default() + 1);
    }
    if let Some(members) = patch.as_object_mut() {
        for (member, count) in omitted {
            let below = members.entry(member.clone()).or_insert_with(|| json!({}));
            let text = json!(format!("{count} more fields differ"));
            match below.as_object_mut() {
                Some(below) => below.insert("…".to_owned(), text),
                None => members.insert(format!("{member}…"), text),
            };
        }
    }
    patch
}

fn tree<'a>(differences: impl Iterator<Item = &'a Difference>) -> Value {
    let mut root = json!({});
    for difference in differences {
        let value = difference.desired.as_ref().map_or(Value::Null, cut);
        put(&mut root, &difference.path.0, value);
    }
    root
}

fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) => fit_text(text, VALUE_BYTES_MAX).into_owned().into(),
        Value::Array(list) => list.iter().map(cut).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), cut(value)))
            .collect(),
        other => other.clone(),
    }
}

fn put(at: &mut Value, path: &[Step], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    match step {
        Step::Member(name) => {
            if !at.is_object() {
                *at = json!({});
            }
            if let Some(members) = at.as_object_mut() {
                put(
                    members.entry(name.clone()).or_insert(Value::Null),
                    rest,
                    value,
                );
            }
        }
        Step::At(_) | Step::Keyed(_) => {
            if !at.is_array() {
                *at = json!([]);
            }
            if let Some(list) = at.as_array_mut() {
                put(element(list, step), rest, value);
            }
        }
    }
}

/// The element of a step, made if there is none. Elements before a place that do not differ are null.
fn element<'a>(list: &'a mut Vec<Value>, step: &Step) -> &'a mut Value {
    let at = match step {
        Step::At(index) => {
            list.resize(list.len().max(index + 1), Value::Null);
            *index
        }
        Step::Keyed(keys) => {
            let has = |element: &Value, member: &str, value: &Value| {
                element.pointer(&format!("/{member}")) == Some(value)
            };
            let is_it = |element: &Value| {
                keys.iter()
                    .all(|(member, value)| has(element, member, value))
            };
            list.iter().position(is_it).unwrap_or_else(|| {
                let mut identity = json!({});
                for (member, value) in keys {
                    let steps = member.split('/').map(|name| Step::Member(name.to_owned()));
                    put(&mut identity, &steps.collect::<Vec<_>>(), value.clone());
                }
                list.push(identity);
                list.len() - 1
            })
        }
        Step::Member(_) => 0,
    };
    &mut list[at]
}
