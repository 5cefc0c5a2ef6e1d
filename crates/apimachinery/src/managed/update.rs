//! Ownership after creates, updates and patches.
//!
//! Source: structured-merge-diff `merge/update.go` (`update`, `Update`) and
//! k8s.io/apimachinery `managedfieldsupdater.go`, `stripmeta.go`, `capmanagers.go`,
//! `skipnonapplied.go`, `fieldmanager.go` (`decodeLiveOrNew`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Writer;
use super::compare::{Comparison, compare};
use super::entries::{Conflict, Manager, Managers, Owned, decode, encode};
use super::set::Set;
use crate::types::TypeRef;

/// Most entries of updates; older ones are merged into one of this name.
const UPDATERS_MAX: usize = 10;
const OLD_UPDATERS: &str = "ancient-changes";

/// Fields that nobody owns, since the server rules them.
static UNOWNED: LazyLock<Set> = LazyLock::new(|| {
    Set::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// Records a create (`live` is `None`), update or patch: `new` with its managed fields set.
///
/// `ignored` are fields that the endpoint does not write, with all below them, such as `status`
/// for the object itself. Managed fields that `new` brings replace the recorded ones, an empty
/// list resets them (not on subresources). An object whose managers were reset stays without.
/// An update that changes nothing leaves the recorded entries as they are.
pub fn update(
    live: Option<&Value>,
    mut new: Value,
    of: TypeRef<'_>,
    writer: &Writer<'_>,
    ignored: &Set,
) -> Value {
    let managers = start(live, &new, writer);
    set_entries(&mut new, None);
    if managers.is_empty() && live.is_some() {
        return new;
    }
    let empty = Value::Object(Map::new());
    let managers = record(live.unwrap_or(&empty), &new, of, managers, writer, ignored);
    set_entries(&mut new, encode(&managers));
    new
}

/// The entries that a create by `writer` leaves behind, for servers that work them out when they
/// are first asked for: as long as nothing else was written, `object` tells them.
pub fn created_entries(
    object: &Value,
    of: TypeRef<'_>,
    writer: &Writer<'_>,
    ignored: &Set,
) -> Option<Value> {
    let empty = Value::Object(Map::new());
    encode(&record(
        &empty,
        object,
        of,
        Managers::new(),
        writer,
        ignored,
    ))
}

/// Whether two objects differ in nothing but the times of their managed fields, so that storing
/// `new` over `live` would be a write without a change.
pub fn same_but_for_times(live: &Value, new: &Value) -> bool {
    let entries = |live: &Value, new: &Value| match (live.as_array(), new.as_array()) {
        (Some(live), Some(new)) => {
            let same = |(live, new)| same_but(live, new, "time", |_, _| true);
            live.len() == new.len() && live.iter().zip(new).all(same)
        }
        _ => live == new,
    };
    same_but(live, new, "metadata", |live, new| {
        same_but(live, new, "managedFields", entries)
    })
}

/// Whether two objects are equal, with the field `name`, null where absent, compared by `compare`.
fn same_but(
    live: &Value,
    new: &Value,
    name: &str,
    compare: impl Fn(&Value, &Value) -> bool,
) -> bool {
    let (Some(live), Some(new)) = (live.as_object(), new.as_object()) else {
        return live == new;
    };
    let rest = |fields: &Map<String, Value>| fields.len() - usize::from(fields.contains_key(name));
    rest(live) == rest(new)
        && live
            .iter()
            .all(|(one, value)| one == name || new.get(one) == Some(value))
        && compare(
            live.get(name).unwrap_or(&Value::Null),
            new.get(name).unwrap_or(&Value::Null),
        )
}

/// The managers to start from.
fn start(live: Option<&Value>, new: &Value, writer: &Writer<'_>) -> Managers {
    let of_live = || decode(live.and_then(entries_of)).unwrap_or_default();
    if !writer.subresource.is_empty() {
        return of_live();
    }
    let brought = entries_of(new);
    if brought.is_some_and(is_reset) {
        return Managers::new();
    }
    match decode(brought) {
        Ok(managers) if !managers.is_empty() => managers,
        _ => of_live(),
    }
}

fn is_reset(entries: &Value) -> bool {
    match entries.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one
            .as_object()
            .is_some_and(|entry| entry.values().all(Value::is_null)),
        _ => false,
    }
}

pub(super) fn entries_of(object: &Value) -> Option<&Value> {
    object
        .get("metadata")?
        .get("managedFields")
        .filter(|entries| !entries.is_null())
}

pub(super) fn set_entries(object: &mut Value, entries: Option<Value>) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    match entries {
        Some(entries) => {
            let meta = object
                .entry("metadata")
                .or_insert_with(|| Value::Object(Map::new()));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("managedFields".to_owned(), entries);
            }
        }
        None => {
            if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.remove("managedFields");
            }
        }
    }
}

/// The managers after an update from `live` to `new`.
pub(super) fn record(
    live: &Value,
    new: &Value,
    of: TypeRef<'_>,
    mut managers: Managers,
    writer: &Writer<'_>,
    ignored: &Set,
) -> Managers {
    reconcile(&mut managers, of);
    let change = compare(live, new, of).without(ignored);
    if !change.is_same() {
        // Nobody else keeps what this write changed or took away.
        take_from_others(&mut managers, &change, None);
        let set = change
            .modified
            .union(&change.added)
            .recursive_difference(ignored);
        let set = set.difference(&UNOWNED);
        if !set.is_empty() {
            let manager = Manager::of(writer, false);
            let previous = managers.get(&manager).map(|owned| owned.set.union(&set));
            let owned = Owned {
                set: previous.unwrap_or(set),
                api_version: writer.api_version.to_owned(),
                time: Some(writer.now.to_owned()),
            };
            managers.insert(manager, owned);
        }
    }
    cap_updaters(&mut managers);
    managers
}

/// Brings ownership recorded under an older type up to date.
pub(super) fn reconcile(managers: &mut Managers, of: TypeRef<'_>) {
    for owned in managers.values_mut() {
        if let Some(set) = owned.set.reconciled(of) {
            owned.set = set;
        }
    }
}

/// What others own among the changed fields, sorted by manager.
pub(super) fn conflicts(managers: &Managers, change: &Comparison, own: &Manager) -> Vec<Conflict> {
    let changed = change.modified.union(&change.added);
    let mut conflicts = Vec::new();
    for (manager, owned) in managers.iter().filter(|(manager, _)| *manager != own) {
        let paths = owned.set.intersection(&changed).paths();
        conflicts.extend(paths.into_iter().map(|path| Conflict::new(manager, path)));
    }
    conflicts
}

/// Takes all changed fields from all managers but `own`, and drops those left with nothing.
pub(super) fn take_from_others(
    managers: &mut Managers,
    change: &Comparison,
    own: Option<&Manager>,
) {
    let changed = change.modified.union(&change.added);
    for (manager, owned) in managers.iter_mut() {
        if Some(manager) == own {
            continue;
        }
        if !changed.is_empty() {
            owned.set = owned.set.difference(&changed);
        }
        if !change.removed.is_empty() {
            owned.set = owned.set.difference(&change.removed);
        }
    }
    managers.retain(|_, owned| !owned.set.is_empty());
}

/// Takes from a manager what nobody owns.
pub(super) fn strip(managers: &mut Managers, manager: &Manager) {
    if let Some(owned) = managers.get_mut(manager) {
        owned.set = owned.set.difference(&UNOWNED);
        if owned.set.is_empty() {
            managers.remove(manager);
        }
    }
}

/// Merges the oldest updates of each version until few enough are left.
fn cap_updaters(managers: &mut Managers) {
    let mut updaters: Vec<Manager> = managers
        .keys()
        .filter(|manager| !manager.applies)
        .cloned()
        .collect();
    if updaters.len() <= UPDATERS_MAX {
        return;
    }
    updaters.sort_by_key(|manager| {
        (
            managers.get(manager).and_then(|owned| owned.time.clone()),
            manager.clone(),
        )
    });
    let mut left = updaters.len();
    let mut firsts: BTreeMap<String, Manager> = BTreeMap::new();
    for manager in updaters {
        if left <= UPDATERS_MAX {
            return;
        }
        let version = manager.api_version.clone();
        let Some(first) = firsts.get(&version) else {
            firsts.insert(version, manager);
            continue;
        };
        let bucket = Manager {
            name: OLD_UPDATERS.to_owned(),
            applies: false,
            api_version: version,
            subresource: String::new(),
        };
        if !managers.contains_key(&bucket)
            && let Some(owned) = managers.remove(first)
        {
            managers.insert(bucket.clone(), owned);
        }
        let Some(merged) = managers.get(&manager).cloned() else {
            continue;
        };
        if manager != bucket {
            managers.remove(&manager);
        }
        if let Some(owned) = managers.get_mut(&bucket) {
            owned.set = owned.set.union(&merged.set);
            owned.time = merged.time;
        }
        left -= 1;
    }
}
