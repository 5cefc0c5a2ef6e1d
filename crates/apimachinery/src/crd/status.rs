//! The names a CRD gets, and whether it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::text;
use crate::field::go_quote;

/// Names of a group that other CRDs hold already (their `status.acceptedNames`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenNames {
    /// Plural, singular and short names.
    pub resources: BTreeSet<String>,
    /// Kinds and list kinds.
    pub kinds: BTreeSet<String>,
}

impl TakenNames {
    /// Adds the accepted names of a CRD of the group.
    pub fn add(&mut self, crd: &Value) {
        let names = &crd["status"]["acceptedNames"];
        let words = |key: &str| {
            names[key]
                .as_str()
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
        };
        self.resources
            .extend(["plural", "singular"].into_iter().filter_map(words));
        self.kinds
            .extend(["kind", "listKind"].into_iter().filter_map(words));
        let short = names["shortNames"].as_array().into_iter().flatten();
        self.resources
            .extend(short.filter_map(|word| word.as_str().map(str::to_owned)));
    }
}

/// The status that the naming and the establishing controller leave behind.
///
/// `taken` are the names of the *other* CRDs of the group. `now` is an RFC 3339 time in seconds;
/// it becomes `lastTransitionTime` of conditions whose status changes. `acceptedNames` keeps a name
/// that was accepted before while its successor is in conflict. Equal input gives an equal status,
/// so a caller may compare before it writes.
pub fn next_status(crd: &Value, taken: &TakenNames, now: &str) -> Value {
    let mut status = crd
        .get("status")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let requested = &crd["spec"]["names"];
    let mut accepted = status
        .get("acceptedNames")
        .cloned()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    let conflict = accept_names(requested, &mut accepted, taken);
    let (names_status, reason, message) = match &conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some((reason, message)) => ("False", *reason, message.clone()),
    };
    let established = match &conflict {
        None => Some((
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted".to_owned(),
        )),
        // A CRD that is served stays served when a later change of names is in conflict.
        Some(_) if condition(&status, "Established").is_some() => None,
        Some(_) => Some((
            "False",
            "NotAccepted",
            "not all names are accepted".to_owned(),
        )),
    };
    status.insert("acceptedNames".to_owned(), accepted);
    set_condition(
        &mut status,
        "NamesAccepted",
        (names_status, reason, message),
        now,
    );
    if let Some(established) = established {
        set_condition(&mut status, "Established", established, now);
    }
    Value::Object(status)
}

fn accept_names(
    requested: &Value,
    accepted: &mut Value,
    taken: &TakenNames,
) -> Option<(&'static str, String)> {
    let mut conflict = None;
    for (key, reason, used) in [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("shortNames", "ShortNamesConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ] {
        let errors: Vec<String> = wanted(&requested[key])
            .filter(|name| {
                !wanted(&accepted[key]).any(|held| held == *name) && used.contains(*name)
            })
            .map(|name| format!("{} is already in use", go_quote(name)))
            .collect();
        match errors.as_slice() {
            [] => take(requested, accepted, key),
            [one] => conflict = Some((reason, one.clone())),
            several => conflict = Some((reason, format!("[{}]", several.join(", ")))),
        }
    }
    take(requested, accepted, "categories");
    conflict
}

fn wanted(value: &Value) -> impl Iterator<Item = &str> {
    let list = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn take(requested: &Value, accepted: &mut Value, key: &str) {
    match requested.get(key).filter(|value| !value.is_null()) {
        Some(value) => accepted[key] = value.clone(),
        None => {
            accepted.as_object_mut().map(|map| map.remove(key));
        }
    }
}

fn condition<'a>(status: &'a Map<String, Value>, kind: &str) -> Option<&'a Value> {
    let list = status.get("conditions")?.as_array()?;
    list.iter()
        .find(|condition| text(condition, "/type") == kind)
}

fn set_condition(
    status: &mut Map<String, Value>,
    kind: &str,
    (word, reason, message): (&str, &str, String),
    now: &str,
) {
    let old = condition(status, kind);
    let since = old
        .filter(|old| text(old, "/status") == word)
        .and_then(|old| old["lastTransitionTime"].as_str())
        .unwrap_or(now)
        .to_owned();
    let new = json!({
        "type": kind, "status": word, "reason": reason, "message": message, "lastTransitionTime": since,
    });
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else {
        return;
    };
    match list
        .iter_mut()
        .find(|condition| text(condition, "/type") == kind)
    {
        Some(condition) => *condition = new,
        None => list.push(new),
    }
}
