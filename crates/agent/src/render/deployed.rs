//! The objects of a release record as they were sent to the cluster. Pure.

use std::collections::BTreeMap;

use apiclient::ObjectKey;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ownership::Ownership;
use super::{Error, mark_release, parse};
use crate::object::{Entry, Id, text};
use crate::source::RawObject;

/// Calls `each` with the place in the `inventory` and the JSON of every object of a record's manifest.
/// Objects that are not in the inventory are left out: their kinds are gone.
pub(crate) fn deployed(
    manifest: &str,
    release: &ObjectKey,
    ownership: &Ownership,
    inventory: &[Entry],
    mut each: impl FnMut(usize, &RawValue),
) -> Result<(), Error> {
    let mut places: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, Entry { id, .. }) in inventory.iter().enumerate() {
        let named = places.entry((&id.kind.kind, &id.key.name)).or_default();
        named.push(at);
    }
    for document in helm::split_manifests(manifest) {
        let mut objects = Vec::new();
        parse("release", document, &mut objects)?;
        for RawObject { path, mut object } in objects {
            let named = (text(&object, "/kind"), text(&object, "/metadata/name"));
            let is_it = |at: &&usize| is_entry(&inventory[**at].id, release, &object);
            let found = places
                .get(&named)
                .and_then(|places| places.iter().find(is_it));
            let Some(at) = found.copied() else { continue };
            let entry = &inventory[at];
            ownership.mark(&mut object);
            mark_release(&mut object, release);
            let desired = super::desired(&path, entry.id.clone(), entry.keep, object)?;
            each(at, &desired.body);
        }
    }
    Ok(())
}

/// Whether an object of the same kind and name is the one of the inventory.
fn is_entry(id: &Id, release: &ObjectKey, object: &Value) -> bool {
    let given = text(object, "/metadata/namespace");
    let namespace = super::namespace_of(&id.kind, given, &release.namespace);
    id.key.namespace == namespace && id.kind.api_version() == text(object, "/apiVersion")
}
