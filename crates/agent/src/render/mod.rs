//! From a chart, values and the kinds of a cluster to objects that are ready to be applied. Pure but
//! for what a chart may ask of its [`helm::Host`].
//!
//! Renders with the Helm engine, lets a kustomization change the objects, adds plain manifests, marks every object as part of the deployment,
//! applies the namespace rules and takes hooks apart from the rest. Source: fleet
//! `internal/helmdeployer/postrender.go`.

mod deployed;
mod hooks;
pub(crate) mod lookup;
pub(crate) mod ownership;
mod recorded;

use std::collections::BTreeSet;
use std::sync::Arc;

use apiclient::ObjectKey;
use helm::{INSTALL_ORDER, kind_rank};
use serde_json::Value;

pub(crate) use deployed::deployed;
pub(crate) use hooks::{Hook, at as hooks_at, has_policy as hooks_have_policy};
use ownership::{Ownership, set};
pub(crate) use recorded::recorded_objects;

use crate::kinds::{Kinds, Named, is_definition};
use crate::object::{Desired, Id, RESOURCE_POLICY, annotation, is_kept, text};
use crate::source::{Built, Definition, KustomizationError, RawObject};

/// Most objects of one deployment.
const OBJECTS_MAX: usize = 50_000;

/// What a render needs besides the chart.
pub(crate) struct Input {
    pub(crate) built: Arc<Built>,
    pub(crate) options: helm::RenderOptions,
    pub(crate) ownership: Ownership,
    /// Every object goes here (`options.namespace`); empty when not forced.
    pub(crate) target_namespace: String,
    /// CustomResourceDefinitions go with the release (`options.deleteCRDResources`).
    pub(crate) delete_definitions: bool,
    /// Those of `crds/` directories are left out (`options.helm.crds`).
    pub(crate) skip_definitions: bool,
    pub(crate) kinds: Kinds,
}

/// What is to be on the cluster.
pub(crate) struct Rendered {
    /// Of `crds/` directories, parents first.
    pub(crate) definitions: Vec<Definition>,
    pub(crate) hooks: Vec<Hook>,
    /// In the order in which they are installed.
    pub(crate) objects: Vec<Desired>,
    /// The objects as a release record keeps them.
    pub(crate) manifest: String,
    /// The chart's notes.
    pub(crate) notes: String,
    /// The chart's defaults, for the release record.
    pub(crate) chart_values: Value,
    /// What the chart says about itself, for the release record.
    pub(crate) chart_metadata: helm::Metadata,
}

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The chart does not render; the text is Helm's, with template, line and column.
    #[error("render chart {chart}")]
    Chart {
        chart: String,
        source: Box<helm::RenderFailure>,
    },
    /// A file of a `crds/` directory is broken.
    #[error("read the definitions of the chart")]
    Definitions {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A document is no object.
    #[error("{path}: {reason}")]
    Object { path: String, reason: String },
    /// Kinds that neither the cluster nor the bundle has.
    #[error("{}; is a CustomResourceDefinition missing?", unknown_text(.objects))]
    UnknownKinds { objects: Vec<UnknownKind> },
    /// `options.namespace` is set.
    #[error(
        "invalid cluster scoped object [name={name} kind={kind} apiVersion={api_version}] found. Your config uses targetNamespace or namespace and thus forbids cluster-scoped resources. To allow cluster-scoped resources, switch to defaultNamespace"
    )]
    ClusterScoped {
        name: String,
        kind: String,
        api_version: String,
    },
    /// The kustomization refuses the objects.
    #[error(transparent)]
    Kustomize(KustomizationError),
    /// Beyond what an agent holds in memory.
    #[error("the bundle has {count} objects, at most {OBJECTS_MAX} are possible")]
    TooMany { count: usize },
}

/// An object of a kind that the cluster does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownKind {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) key: ObjectKey,
}

fn unknown_text(objects: &[UnknownKind]) -> String {
    let Some(first) = objects.first() else {
        return String::new();
    };
    let more = match objects.len() - 1 {
        0 => String::new(),
        n => format!(", and {n} more objects of unknown kinds"),
    };
    let UnknownKind {
        api_version,
        kind,
        key,
    } = first;
    format!("no matches for kind {kind:?} in version {api_version:?} (object {key}){more}")
}

/// Renders.
pub(crate) fn render(mut input: Input, host: helm::Host) -> Result<Rendered, Error> {
    let built = Arc::clone(&input.built);
    let output =
        helm::render(&built.chart, &input.options, host).map_err(|source| Error::Chart {
            chart: built.chart.chart().name().to_owned(),
            source,
        })?;
    let mut definitions = Vec::new();
    let files = output.crds.iter().filter(|_| !input.skip_definitions);
    for file in files {
        let found = built.definitions(file);
        let found = found.map_err(|source| Error::Definitions {
            source: Box::new(source),
        })?;
        definitions.extend(found.iter().cloned());
    }
    let hooks = output
        .hooks
        .iter()
        .map(|hook| (hook.path.as_str(), hook.manifest.as_str()));
    let mut objects = Vec::new();
    for manifest in &output.manifests {
        // Helm parses them where they stand in the release, each with a line end behind it; a block
        // scalar that keeps its line ends has one more then.
        parse(
            &manifest.path,
            &format!("{}\n", manifest.text),
            &mut objects,
        )?;
    }
    for (path, text) in hooks {
        parse(path, text, &mut objects)?;
    }
    if let Some(kustomization) = &built.kustomization {
        let changed = kustomization.build(objects.iter().map(|raw| &raw.object));
        let path = "kustomization".to_owned();
        objects = changed
            .map_err(Error::Kustomize)?
            .into_iter()
            .map(|object| RawObject {
                path: path.clone(),
                object,
            })
            .collect();
    }
    objects.extend(built.raw.iter().cloned());
    if objects.len() > OBJECTS_MAX {
        return Err(Error::TooMany {
            count: objects.len(),
        });
    }
    for definition in &definitions {
        input.kinds.add_definition(&definition.outline);
    }
    for raw in &objects {
        input.kinds.add_definition(&raw.object);
    }
    // Stable: objects of a kind stay in the order of their files.
    objects.sort_by(|a, b| rank(&a.object).cmp(&rank(&b.object)));
    let mut rendered = Rendered {
        definitions,
        hooks: Vec::new(),
        objects: Vec::with_capacity(objects.len()),
        manifest: String::new(),
        notes: output.notes,
        chart_values: output.chart_values,
        chart_metadata: output.chart_metadata,
    };
    finish(&input, objects, &mut rendered)?;
    Ok(rendered)
}

fn rank(object: &Value) -> (usize, &str) {
    kind_rank(&INSTALL_ORDER, text(object, "/kind"))
}

fn parse(path: &str, manifest: &str, objects: &mut Vec<RawObject>) -> Result<(), Error> {
    let bad = |reason: String| Error::Object {
        path: path.to_owned(),
        reason,
    };
    let object = goyaml::parse(manifest.as_bytes()).map_err(|error| bad(error.to_string()))?;
    if object.is_null() {
        return Ok(());
    }
    let mut items = Vec::new();
    crate::source::expand(object, &mut items);
    objects.extend(items.into_iter().map(|object| RawObject {
        path: path.to_owned(),
        object,
    }));
    Ok(())
}

/// Marks, places and sorts the objects into hooks and others.
fn finish(input: &Input, objects: Vec<RawObject>, rendered: &mut Rendered) -> Result<(), Error> {
    let mut unknown = Vec::new();
    let mut seen = BTreeSet::new();
    for RawObject { path, mut object } in objects {
        check(&path, &object)?;
        input.ownership.mark(&mut object);
        let (api_version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
        if is_definition(api_version, kind) && !input.delete_definitions {
            set(&mut object, "annotations", RESOURCE_POLICY, "keep");
        }
        let Some(id) = place(input, &mut object, &mut unknown)? else {
            continue;
        };
        if hooks::is_hook(&object) {
            rendered.hooks.extend(hooks::hook(&path, id, &object)?);
            continue;
        }
        if !seen.insert(id.clone()) {
            return Err(Error::Object {
                path,
                reason: format!("{id} occurs twice in the bundle"),
            });
        }
        let yaml = goyaml::to_yaml(&object).map_err(|error| Error::Object {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        rendered.manifest.push_str("---\n# Source: ");
        rendered.manifest.push_str(&path);
        rendered.manifest.push('\n');
        rendered.manifest.push_str(&yaml);
        let keep = is_kept(&object);
        let (name, namespace) = (&input.options.release_name, &input.options.namespace);
        let release = ObjectKey::new(namespace.as_str(), name.as_str());
        mark_release(&mut object, &release);
        rendered.objects.push(desired(&path, id, keep, object)?);
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Error::UnknownKinds { objects: unknown })
    }
}

fn check(path: &str, object: &Value) -> Result<(), Error> {
    let bad = |reason: String| {
        Err(Error::Object {
            path: path.to_owned(),
            reason,
        })
    };
    if !object.is_object() {
        return bad("a document is no object".to_owned());
    }
    let name = text(object, "/metadata/name");
    for (what, found) in [
        ("apiVersion", text(object, "/apiVersion")),
        ("kind", text(object, "/kind")),
    ] {
        if found.is_empty() {
            return bad(format!("object {name:?} has no {what}"));
        }
    }
    if name.is_empty() {
        return bad(format!(
            "an object of kind {} has no name",
            text(object, "/kind")
        ));
    }
    // What a path of the API takes for something else than a name.
    for (what, part) in [
        ("name", name),
        ("namespace", text(object, "/metadata/namespace")),
    ] {
        if matches!(part, "." | "..") || part.contains(['/', '%']) {
            let kind = text(object, "/kind");
            return bad(format!(
                "an object of kind {kind} has the {what} {part:?}, which is none"
            ));
        }
    }
    Ok(())
}

/// Finds the kind of an object and puts the object into its namespace; `None` for an unknown kind.
///
/// The namespace is written into the object only where it is forced. Elsewhere Helm leaves it out of
/// the record, and so do we; the id has it.
fn place(
    input: &Input,
    object: &mut Value,
    unknown: &mut Vec<UnknownKind>,
) -> Result<Option<Id>, Error> {
    let (api_version, kind_name) = (text(object, "/apiVersion"), text(object, "/kind"));
    let (name, given) = (
        text(object, "/metadata/name"),
        text(object, "/metadata/namespace"),
    );
    let Some(kind) = input.kinds.find(api_version, kind_name) else {
        unknown.push(UnknownKind {
            api_version: api_version.to_owned(),
            kind: kind_name.to_owned(),
            key: ObjectKey::new(given, name),
        });
        return Ok(None);
    };
    let forced = &input.target_namespace;
    if !kind.namespaced && !forced.is_empty() {
        return Err(Error::ClusterScoped {
            name: name.to_owned(),
            kind: kind_name.to_owned(),
            api_version: api_version.to_owned(),
        });
    }
    let namespace = match (kind.namespaced, forced.is_empty(), given.is_empty()) {
        (false, ..) => "",
        (true, false, _) => forced,
        (true, true, true) => &input.options.namespace,
        (true, true, false) => given,
    };
    let key = ObjectKey::new(namespace, name);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        if !kind.namespaced {
            metadata.remove("namespace");
        } else if !forced.is_empty() {
            metadata.insert("namespace".to_owned(), forced.as_str().into());
        }
    }
    Ok(Some(Id { kind, key }))
}

/// What Helm adds when it applies, and does not record.
fn mark_release(object: &mut Value, release: &ObjectKey) {
    set(object, "labels", "app.kubernetes.io/managed-by", "Helm");
    set(object, "annotations", RELEASE_NAME, &release.name);
    set(object, "annotations", RELEASE_NAMESPACE, &release.namespace);
}

/// Annotation with the name of an object's release.
pub(crate) const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Annotation with the namespace of an object's release.
pub(crate) const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

fn desired(path: &str, id: Id, keep: bool, mut object: Value) -> Result<Desired, Error> {
    if !id.key.namespace.is_empty()
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("namespace".to_owned(), id.key.namespace.as_str().into());
    }
    let body = serde_json::value::to_raw_value(&object).map_err(|error| Error::Object {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Desired { id, keep, body })
}

/// The namespace of a recorded object: the one it gives, or the release's.
fn namespace_of<'a>(kind: &apiclient::Kind, given: &'a str, release: &'a str) -> &'a str {
    match (kind.namespaced, given.is_empty()) {
        (false, _) => "",
        (true, true) => release,
        (true, false) => given,
    }
}

/// The objects of a release record's manifest. Kinds that are not found go to `unknown`, and their
/// objects are left out.
pub(crate) fn inventory(
    manifest: &str,
    namespace: &str,
    kinds: &Kinds,
    unknown: &mut BTreeSet<Named>,
) -> Result<Vec<crate::object::Entry>, Error> {
    let mut objects = Vec::new();
    for document in helm::split_manifests(manifest) {
        parse("release", document, &mut objects)?;
    }
    let mut entries = Vec::with_capacity(objects.len());
    for RawObject { object, .. } in &objects {
        if let Some(id) = recorded_id(object, namespace, kinds, unknown) {
            let keep = is_kept(object);
            entries.push(crate::object::Entry { id, keep });
        }
    }
    Ok(entries)
}

/// The hooks of a release record, ready to run. Kinds that are not found go to `unknown`, and their
/// hooks are left out.
pub(crate) fn recorded_hooks(
    records: &[helm::Hook],
    namespace: &str,
    kinds: &Kinds,
    unknown: &mut BTreeSet<Named>,
) -> Result<Vec<Hook>, Error> {
    let mut hooks = Vec::new();
    for record in records {
        let mut objects = Vec::new();
        parse(&record.path, &record.manifest, &mut objects)?;
        for RawObject { path, object } in objects {
            let id = recorded_id(&object, namespace, kinds, unknown);
            // It can be made in the version it is written in only.
            let is_served = |id: &Id| id.kind.api_version() == text(&object, "/apiVersion");
            let Some(id) = id.filter(is_served) else {
                continue;
            };
            let desired = desired(&path, id, false, object)?;
            hooks.push(Hook {
                record: record.clone(),
                desired,
            });
        }
    }
    Ok(hooks)
}

/// Where a recorded object is, if its kind is served, be it in another version.
fn recorded_id(
    object: &Value,
    namespace: &str,
    kinds: &Kinds,
    unknown: &mut BTreeSet<Named>,
) -> Option<Id> {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let Some(kind) = kinds.find_recorded(api_version, kind) else {
        unknown.insert((api_version.to_owned(), kind.to_owned()));
        return None;
    };
    let given = text(object, "/metadata/namespace");
    let place = namespace_of(&kind, given, namespace);
    Some(Id {
        key: ObjectKey::new(place, text(object, "/metadata/name")),
        kind,
    })
}

/// Whether an object is a hook; such objects are not part of a release's inventory.
fn has_hook_annotation(object: &Value) -> bool {
    annotation(object, helm::HOOK_ANNOTATION).is_some()
}
