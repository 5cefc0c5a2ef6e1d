//! Reading: single objects and lists, in each form.

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::{self, Body};
use super::negotiate::Form;
use super::query::{At, ListOptions, continue_token};
use crate::rest::select::Selection;
use crate::rest::{Call, scale, versions};
use crate::status::Status;
use crate::store::{Entry, Error, ListRange, Page};
use crate::tables;

/// Answers a GET of one object.
pub(super) fn get(call: &Call, form: Form, query_version: &str) -> Result<Response<Body>, Status> {
    if let Ok(wanted) = query_version.parse::<u64>() {
        let current = call.cluster.store.revision();
        if wanted > current {
            let error = Error::Future {
                requested: wanted,
                current,
            };
            return Err(Status::of_store(
                &error,
                &call.resource.group_resource,
                &call.name,
            ));
        }
    }
    let entry = call.entry()?;
    if call.subresource == "scale" {
        let scale = scale::of(&call.resource, &call.decode(&entry)?);
        return Ok(body::value(StatusCode::OK, &scale));
    }
    Ok(body::json(
        StatusCode::OK,
        encode_one(call, &entry, form)?,
        false,
    ))
}

/// An entry in the form asked for, with its type.
pub(super) fn encode_one(call: &Call, entry: &Entry, form: Form) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    match form {
        Form::Partial => entry.payload.write_partial(&mut out, entry.revision),
        Form::Table(include) => {
            let object = call.decode(entry)?;
            let options = tables::Options {
                include,
                ..tables::Options::default()
            };
            let table = tables::table(
                call,
                std::slice::from_ref(&object),
                &table_meta(entry),
                options,
            );
            out = table.to_string().into_bytes();
        }
        Form::Object => write_object(call, entry, &mut out, true)?,
    }
    Ok(out)
}

fn table_meta(entry: &Entry) -> Value {
    json!({"resourceVersion": entry.revision.to_string()})
}

/// Appends the entry in the call's version. Items of typed lists carry no type.
pub(super) fn write_object(
    call: &Call,
    entry: &Entry,
    out: &mut Vec<u8>,
    with_type: bool,
) -> Result<(), Status> {
    let resource = &call.resource;
    if resource.serves_stored_bytes() {
        let type_meta = with_type.then_some((&*resource.kind, &*resource.api_version));
        entry.payload.write(out, type_meta, entry.revision);
        return Ok(());
    }
    let stored = entry
        .payload
        .decode(&resource.kind, &resource.stored_version, entry.revision)
        .map_err(|error| Status::internal(&format!("cannot decode stored object: {error}")))?;
    let mut object = versions::from_stored(resource, &stored);
    if !with_type {
        let fields = crate::object::as_object_mut(&mut object);
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    serde_json::to_writer(out, &object)
        .map_err(|error| Status::internal(&format!("cannot encode object: {error}")))
}

/// A page of selected entries.
struct Selected {
    entries: Vec<Arc<Entry>>,
    revision: u64,
    /// Token of the next page, empty on the last.
    next: String,
    /// Entries behind this page, if known.
    remaining: Option<usize>,
}

/// Answers a GET of a collection.
pub(super) fn list(
    call: &Call,
    form: Form,
    options: &ListOptions,
    selection: &Selection,
    gzip: bool,
) -> Result<Response<Body>, Status> {
    let selected = select(call, options, selection)?;
    let mut meta = json!({"resourceVersion": selected.revision.to_string()});
    if !selected.next.is_empty() {
        meta["continue"] = selected.next.clone().into();
        if let Some(remaining) = selected.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
    }
    let bytes = match form {
        Form::Table(include) => {
            let objects: Result<Vec<Value>, Status> = selected
                .entries
                .iter()
                .map(|entry| call.decode(entry))
                .collect();
            let options = tables::Options {
                include,
                ..tables::Options::default()
            };
            tables::table(call, &objects?, &meta, options)
                .to_string()
                .into_bytes()
        }
        Form::Object => {
            let kind = (
                call.resource.list_kind.as_str(),
                call.resource.api_version.as_str(),
            );
            // Custom resources are unstructured on the server and keep their type in lists.
            let with_type = call.resource.custom.is_some();
            encode_list(kind, &meta, &selected.entries, |entry, out| {
                write_object(call, entry, out, with_type)
            })?
        }
        Form::Partial => {
            let kind = ("PartialObjectMetadataList", "meta.k8s.io/v1");
            encode_list(kind, &meta, &selected.entries, |entry, out| {
                entry.payload.write_partial(out, entry.revision);
                Ok(())
            })?
        }
    };
    Ok(body::json(StatusCode::OK, bytes, gzip))
}

/// Writes a list object around items.
pub(super) fn encode_list(
    (kind, api_version): (&str, &str),
    meta: &Value,
    entries: &[Arc<Entry>],
    mut write: impl FnMut(&Entry, &mut Vec<u8>) -> Result<(), Status>,
) -> Result<Vec<u8>, Status> {
    let size: usize = entries.iter().map(|entry| entry.payload.len() + 160).sum();
    let mut out = Vec::with_capacity(size + 256);
    let head = format!(
        "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{meta},\"items\":["
    );
    out.extend_from_slice(head.as_bytes());
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(entry, &mut out)?;
    }
    out.extend_from_slice(b"]}\n");
    Ok(out)
}

fn select(call: &Call, options: &ListOptions, selection: &Selection) -> Result<Selected, Status> {
    if let At::NotOlder(wanted) = options.at {
        let current = call.cluster.store.revision();
        if wanted > current {
            let error = Error::Future {
                requested: wanted,
                current,
            };
            return Err(Status::of_store(&error, &call.resource.group_resource, ""));
        }
    }
    if let Some(name) = selection.name() {
        return Ok(select_one(call, selection, name));
    }
    let namespace = match (call.namespace.as_str(), selection.namespace()) {
        ("", Some(namespace)) if call.resource.namespaced => Some(namespace),
        ("", _) => None,
        (namespace, _) => Some(namespace),
    };
    let mut after = options.after.clone();
    let mut revision = match options.at {
        At::Exact(revision) => Some(revision),
        At::Newest | At::NotOlder(_) => None,
    };
    let pinned = revision.is_some();
    let mut entries = Vec::new();
    loop {
        let range = ListRange {
            namespace,
            after: after.clone(),
            limit: options.limit,
            revision,
        };
        let page = page(call, &range, options)?;
        revision = Some(page.revision);
        let last = page.entries.last().map(|entry| entry.key.clone());
        for entry in page.entries {
            if options.limit > 0 && entries.len() == options.limit {
                return Ok(cut(entries, page.revision, None));
            }
            if selection.matches(&call.resource, &entry) {
                entries.push(entry);
            }
        }
        let Some(last) = last.filter(|_| page.remaining > 0) else {
            let revision = page.revision;
            return Ok(Selected {
                entries,
                revision,
                next: String::new(),
                remaining: None,
            });
        };
        if selection.is_everything() {
            return Ok(cut(entries, page.revision, Some(page.remaining)));
        }
        debug_assert!(
            options.limit > 0 || pinned,
            "only paged lists have a next page"
        );
        after = Some(last);
    }
}

/// Ends a page behind its last entry.
fn cut(entries: Vec<Arc<Entry>>, revision: u64, remaining: Option<usize>) -> Selected {
    let next = entries
        .last()
        .map(|entry| continue_token(&entry.key, Some(revision)))
        .unwrap_or_default();
    Selected {
        entries,
        revision,
        next,
        remaining,
    }
}

fn select_one(call: &Call, selection: &Selection, name: &str) -> Selected {
    let store = &call.cluster.store;
    let revision = store.revision();
    let namespaces: Vec<Arc<Entry>> = if call.resource.namespaced && call.namespace.is_empty() {
        let page = store.list(
            call.cluster.id,
            &call.resource.bucket,
            &ListRange::default(),
        );
        let all = page.map(|page| page.entries).unwrap_or_default();
        all.into_iter()
            .filter(|entry| *entry.key.name == *name)
            .collect()
    } else {
        let key = crate::store::ObjectKey::new(&call.namespace, name);
        store
            .get(call.cluster.id, &call.resource.bucket, &key)
            .into_iter()
            .collect()
    };
    let entries = namespaces
        .into_iter()
        .filter(|entry| selection.matches(&call.resource, entry))
        .collect();
    Selected {
        entries,
        revision,
        next: String::new(),
        remaining: None,
    }
}

fn page(call: &Call, range: &ListRange<'_>, options: &ListOptions) -> Result<Page, Status> {
    let (cluster, bucket) = (&call.cluster, &call.resource.bucket);
    cluster.store.list(cluster.id, bucket, range).map_err(|error| match (&error, &range.after) {
        (Error::Compacted { .. }, Some(after)) if options.after.is_some() => {
            let mut status = Status::expired(
                "The provided continue parameter is too old to display a consistent list result. \
                 You can start a new list without the continue parameter, or use the continue \
                 token in this response to retrieve the remainder of the results. Continuing with \
                 the provided token results in an inconsistent list - objects that were created, \
                 modified, or deleted between the time the first chunk was returned and now may \
                 show up in the list.",
            );
            status.resume = continue_token(after, None);
            status
        }
        (Error::Compacted { .. }, _) => Status::expired(
            "The resourceVersion for the provided list is too old.",
        ),
        _ => Status::of_store(&error, &call.resource.group_resource, ""),
    })
}
