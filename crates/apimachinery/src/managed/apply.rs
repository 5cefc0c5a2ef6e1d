//! Server-side apply.
//!
//! Source: structured-merge-diff `merge/update.go` (`Apply`, `prune`) and k8s.io/apimachinery
//! `structuredmerge.go`, `skipnonapplied.go`, `lastappliedmanager.go`, `lastappliedupdater.go`.

use serde_json::{Map, Value};

use super::compare::compare;
use super::element::{equal, html_safe};
use super::entries::{Manager, Managers, Owned, decode, encode};
use super::merge::{merge, remove};
use super::set::Set;
use super::typed::{field_set, problems};
use super::update::{
    conflicts, entries_of, reconcile, record, set_entries, strip, take_from_others,
};
use super::{Error, LAST_APPLIED, Writer};
use crate::types::TypeRef;

/// Owner of what an object held before anything was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager whose applies take over from client-side apply.
const KUBECTL: &str = "kubectl";
/// Most bytes of all annotations of an object.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Applies `config` to the live object (`None`: creates it): the object to store, with its
/// managed fields.
///
/// Fields that `writer` applied before and no longer does go, unless somebody else owns them.
/// Without `force`, fields that others own with other values are [`Error::Conflicts`]. `ignored`
/// are fields that the endpoint does not write, with all below them. `kind` is that of the
/// request. An apply that changes no field keeps the time of the writer's entry, so that the
/// result equals the live object if ownership stays the same too. Fields that lost all below them
/// are null and, like nulls of the applied object, go when the result is decoded
/// ([`crate::types::drop_nulls`]).
///
/// Whether `ignored` fields of the result are written is for the caller.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    of: TypeRef<'_>,
    kind: &str,
    writer: &Writer<'_>,
    ignored: &Set,
    force: bool,
) -> Result<Value, Error> {
    check_config(config, of, kind, writer)?;
    let empty = skeleton(config);
    let managers = decode(live.and_then(entries_of)).map_err(Error::Decode)?;
    let managers = match live {
        Some(live) if managers.is_empty() => {
            let before = Writer {
                manager: BEFORE_FIRST_APPLY,
                ..*writer
            };
            record(&empty, live, of, managers, &before, ignored)
        }
        _ => managers,
    };
    let step = Step {
        live: live.unwrap_or(&empty),
        config,
        of,
        writer,
        ignored,
    };
    let (mut object, managers) = match step.run(managers.clone(), force) {
        Err(Error::Conflicts(found)) if writer.manager == KUBECTL => {
            let Some(allowed) = last_applied_fields(step.live, of, writer) else {
                return Err(Error::Conflicts(found));
            };
            let rest: Vec<_> = found
                .into_iter()
                .filter(|one| !allowed.contains(one.elements()))
                .collect();
            if !rest.is_empty() {
                return Err(Error::Conflicts(rest));
            }
            step.run(managers, true)?
        }
        other => other?,
    };
    if writer.manager == KUBECTL && last_applied(&object).is_some() {
        refresh_last_applied(&mut object, config);
    }
    set_entries(&mut object, encode(&managers));
    Ok(object)
}

fn check_config(
    config: &Value,
    of: TypeRef<'_>,
    kind: &str,
    writer: &Writer<'_>,
) -> Result<(), Error> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or("");
    let (found, found_kind) = (text("apiVersion"), text("kind"));
    let shown = || {
        let (group, version) = found.split_once('/').unwrap_or(("", found));
        format!("{group}/{version}, Kind={found_kind}")
    };
    if found_kind != kind || found != writer.api_version {
        return Err(Error::Kind { found: shown() });
    }
    if entries_of(config).is_some() {
        return Err(Error::ManagedFields);
    }
    match problems(config, of) {
        None => Ok(()),
        Some(problems) => {
            let meta = |name| config.get("metadata").and_then(|meta| meta.get(name));
            let meta = |name| meta(name).and_then(Value::as_str).unwrap_or("");
            let object = format!("{}/{}; {}", meta("namespace"), meta("name"), shown());
            Err(Error::Typed { object, problems })
        }
    }
}

/// An object of the kind with nothing in it.
fn skeleton(config: &Value) -> Value {
    ["apiVersion", "kind"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), config.get(name)?.clone())))
        .collect::<Map<_, _>>()
        .into()
}

struct Step<'a> {
    live: &'a Value,
    config: &'a Value,
    of: TypeRef<'a>,
    writer: &'a Writer<'a>,
    ignored: &'a Set,
}

impl Step<'_> {
    /// The merged object, its managed fields not yet set, and the managers.
    fn run(&self, mut managers: Managers, force: bool) -> Result<(Value, Managers), Error> {
        reconcile(&mut managers, self.of);
        let own = Manager::of(self.writer, true);
        let last = managers.remove(&own);
        let set = field_set(self.config, self.of).recursive_difference(self.ignored);
        let time = last.as_ref().and_then(|last| last.time.clone());
        let api_version = self.writer.api_version.to_owned();
        managers.insert(
            own.clone(),
            Owned {
                set: set.clone(),
                api_version,
                time,
            },
        );

        let merged = merge(self.live, self.config, self.of);
        let object = match &last {
            // Upstream prunes always; when everything applied last is applied again, pruning
            // gives back all it took.
            Some(last) if !last.set.difference(&set).is_empty() => {
                self.prune(&merged, &managers, &last.set)
            }
            _ => merged,
        };
        let change = compare(self.live, &object, self.of).without(self.ignored);
        if !force {
            let found = conflicts(&managers, &change, &own);
            if !found.is_empty() {
                return Err(Error::Conflicts(found));
            }
        }
        take_from_others(&mut managers, &change, Some(&own));
        strip(&mut managers, &own);
        if !equal(self.live, &object)
            && let Some(owned) = managers.get_mut(&own)
        {
            owned.time = Some(self.writer.now.to_owned());
        }
        Ok((object, managers))
    }

    /// Removes what was applied last and is owned by nobody now.
    fn prune(&self, merged: &Value, managers: &Managers, last: &Set) -> Value {
        let named = |set: Set| set.with_named_fields(Some(self.of));
        let last = last.with_named_fields(Some(self.of));
        let all = named(field_set(merged, self.of));
        let owned = managers
            .values()
            .fold(Set::default(), |owned, manager| owned.union(&manager.set));
        let pruned = remove(merged, &last, self.of);
        let kept = named(field_set(&pruned, self.of)).union(&named(owned));
        let pruned = remove(merged, &all.difference(&kept), self.of);
        // What stood below a removed field without ever being applied stays.
        let gone = all.difference(&named(field_set(&pruned, self.of)));
        remove(merged, &gone.intersection(&last), self.of)
    }
}

fn last_applied(object: &Value) -> Option<&str> {
    let annotations = object.get("metadata")?.get("annotations")?;
    annotations
        .get(LAST_APPLIED)?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// The fields that client-side apply set and that still have the values it set.
fn last_applied_fields(live: &Value, of: TypeRef<'_>, writer: &Writer<'_>) -> Option<Set> {
    let applied: Value = serde_json::from_str(last_applied(live)?).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(writer.api_version)
        || problems(&applied, of).is_some()
    {
        return None;
    }
    let change = compare(&applied, live, of);
    let set = field_set(&applied, of);
    Some(
        set.difference(&change.modified)
            .difference(&change.added)
            .difference(&change.removed),
    )
}

/// Keeps client-side apply's annotation in step, so that users can go back to it.
fn refresh_last_applied(object: &mut Value, config: &Value) {
    let mut applied = config.clone();
    let annotations = |object: &mut Value| -> Option<Map<String, Value>> {
        let annotations = object.get_mut("metadata")?.get_mut("annotations")?;
        annotations.as_object_mut().map(std::mem::take)
    };
    if let Some(mut others) = annotations(&mut applied) {
        others.remove(LAST_APPLIED);
        let meta = applied.get_mut("metadata").and_then(Value::as_object_mut);
        if let Some(meta) = meta {
            if others.is_empty() {
                meta.remove("annotations");
            } else {
                meta.insert("annotations".to_owned(), Value::Object(others));
            }
        }
    }
    let text = html_safe(applied.to_string()) + "\n";
    let meta = object
        .get_mut("metadata")
        .and_then(|meta| meta.get_mut("annotations"));
    if let Some(annotations) = meta.and_then(Value::as_object_mut) {
        annotations.insert(LAST_APPLIED.to_owned(), Value::from(text));
        let bytes = |value: &Value| value.as_str().map_or(0, str::len);
        let total: usize = annotations
            .iter()
            .map(|(name, text)| name.len() + bytes(text))
            .sum();
        if total > ANNOTATIONS_BYTES_MAX {
            annotations.remove(LAST_APPLIED);
        }
    }
}
