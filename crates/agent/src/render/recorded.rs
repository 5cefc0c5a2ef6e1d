//! Objects of a release record, as they are applied again. Pure.

use apiclient::ObjectKey;

use super::ownership::Ownership;
use super::{Error, desired, mark_release, parse, text};
use crate::kinds::Kinds;
use crate::object::{Desired, Id, is_kept};
use crate::source::RawObject;

/// The objects of a record's manifest, marked as the deployment's, in the order of the record. What the
/// cluster no longer has a kind for is an error: it cannot be there again.
pub(crate) fn recorded_objects(
    manifest: &str,
    release: &ObjectKey,
    ownership: &Ownership,
    kinds: &Kinds,
) -> Result<Vec<Desired>, Error> {
    let mut objects = Vec::new();
    for document in helm::split_manifests(manifest) {
        parse("release", document, &mut objects)?;
    }
    let mut kinds = kinds.clone();
    for raw in &objects {
        kinds.add_definition(&raw.object);
    }
    let mut unknown = Vec::new();
    let mut ready = Vec::with_capacity(objects.len());
    for RawObject { path, mut object } in objects {
        let (api_version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
        let name = text(&object, "/metadata/name");
        let given = text(&object, "/metadata/namespace");
        let Some(kind) = kinds.find(api_version, kind) else {
            unknown.push(super::UnknownKind {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                key: ObjectKey::new(given, name),
            });
            continue;
        };
        let namespace = super::namespace_of(&kind, given, &release.namespace);
        let key = ObjectKey::new(namespace, name);
        let keep = is_kept(&object);
        ownership.mark(&mut object);
        mark_release(&mut object, release);
        ready.push(desired(&path, Id { kind, key }, keep, object)?);
    }
    if unknown.is_empty() {
        Ok(ready)
    } else {
        Err(Error::UnknownKinds { objects: unknown })
    }
}
