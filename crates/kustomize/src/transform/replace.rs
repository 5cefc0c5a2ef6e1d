//! Values of fields that are copied to other fields.
//!
//! Source: kustomize `api/filters/replacement`.

use serde_json::Value;

use crate::error::{Error, Result, quoted};
use crate::id::{DEFAULT_NAMESPACE, Id};
use crate::node::{self, Kind, Node, visit_matches};
use crate::path;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::{FieldOptions, Patterns, Replacement, ReplacementTarget, Source};

const DEFAULT_PATH: &str = "metadata.name";

/// Carries replacements out, one after the other.
pub(crate) fn replace_all(
    schemas: &Schemas,
    all: &mut Resources,
    replacements: &[Replacement],
) -> Result<()> {
    for replacement in replacements {
        let is_complete = replacement.source.is_some() || replacement.source_value.is_some();
        let Some(targets) = replacement.targets.as_ref().filter(|_| is_complete) else {
            return Err(Error::new(
                "replacements must specify a source and at least one target",
            ));
        };
        let value = match (&replacement.source, &replacement.source_value) {
            (Some(_), Some(_)) => {
                return Err(Error::new(
                    "value and resource selectors are mutually exclusive",
                ));
            }
            (Some(source), None) => value_of(schemas, all, source)?,
            (None, value) => Node::plain(value.clone().unwrap_or_default()),
        };
        for target in targets {
            apply(schemas, all, target, &value)?;
        }
    }
    all.drop_empty();
    Ok(())
}

fn describe(source: &Source) -> String {
    let mut text = id_of(source).to_string();
    if !source.field_path.is_empty() {
        text = format!("{text}:{}", source.field_path);
    }
    if let Some(options) = &source.options
        && (!options.delimiter.is_empty() || options.create)
    {
        let FieldOptions {
            delimiter,
            index,
            create,
            ..
        } = options;
        text = format!("{text}:{delimiter}({index}), create={create}");
    }
    text
}

fn id_of(source: &Source) -> Id {
    Id {
        gvk: source.gvk.clone(),
        is_cluster_scoped: false,
        name: source.name.clone(),
        namespace: source.namespace.clone(),
    }
}

fn is_selected(id: &Id, source: &Source) -> bool {
    let or_default = |namespace: &str| match namespace {
        "" => DEFAULT_NAMESPACE.to_owned(),
        other => other.to_owned(),
    };
    (source.name.is_empty() || source.name == id.name)
        && (source.namespace.is_empty()
            || or_default(&source.namespace) == or_default(&id.namespace))
        && id.gvk.is_selected(&source.gvk)
}

fn value_of(schemas: &Schemas, all: &Resources, source: &Source) -> Result<Node> {
    let mut found: Option<&Resource> = None;
    for resource in all.iter() {
        let ids = resource.ids(schemas);
        if !ids.iter().any(|id| is_selected(id, source)) {
            continue;
        }
        if found.is_some() {
            return Err(Error(format!(
                "multiple matches for selector {}",
                describe(source)
            )));
        }
        found = Some(resource);
    }
    let Some(resource) = found else {
        return Err(Error(format!("nothing selected by {}", describe(source))));
    };
    let path = match source.field_path.as_str() {
        "" => DEFAULT_PATH,
        path => path,
    };
    let found = resource
        .node
        .lookup(&path::split_smartly(path))
        .map_err(|error| error.within("error looking up replacement source"))?;
    let Some(found) = found.filter(|found| !found.is_nil_or_empty()) else {
        return Err(Error(format!(
            "fieldPath `{path}` is missing for replacement source {}",
            id_of(source)
        )));
    };
    let mut value = found.copy();
    if let Some(options) = &source.options
        && !options.delimiter.is_empty()
    {
        if value.kind != Kind::Scalar {
            return Err(Error::new(
                "delimiter option can only be used with scalar nodes",
            ));
        }
        let part = usize::try_from(options.index)
            .ok()
            .and_then(|index| value.text().split(&options.delimiter).nth(index));
        let Some(part) = part else {
            return Err(Error(format!(
                "options.index {} is out of bounds for value {}",
                options.index,
                quoted(value.text())
            )));
        };
        value.value = part.to_owned();
    }
    Ok(value)
}

fn apply(
    schemas: &Schemas,
    all: &mut Resources,
    target: &ReplacementTarget,
    value: &Node,
) -> Result<()> {
    let Some(select) = &target.select else {
        return Err(Error::new("target must specify resources to select"));
    };
    let default = [DEFAULT_PATH.to_owned()];
    let paths = match target.field_paths.as_slice() {
        [] => &default,
        paths => paths,
    };
    let selected =
        Patterns::new(select).map_err(|error| error.within("error creating target selector"))?;
    let rejected: Result<Vec<_>> = target.reject.iter().map(Patterns::new).collect();
    let rejected = rejected.map_err(|error| error.within("error creating target selector"))?;
    for resource in all.iter_mut() {
        if !select.fits_metadata(resource)? {
            continue;
        }
        let mut is_rejected = false;
        for reject in &target.reject {
            let has_metadata = !reject.annotations.is_empty() || !reject.labels.is_empty();
            is_rejected |= has_metadata && reject.fits_metadata(resource)?;
        }
        let ids = resource.ids(schemas);
        for (patterns, reject) in rejected.iter().zip(&target.reject) {
            is_rejected |= !reject.has_no_id() && ids.iter().any(|id| patterns.fits_id(id));
        }
        if is_rejected || !ids.iter().any(|id| selected.fits_id(id)) {
            continue;
        }
        for path in paths {
            copy(&mut resource.node, path, target.options.as_ref(), value)?;
        }
        resource.settle();
    }
    Ok(())
}

fn copy(object: &mut Node, path: &str, options: Option<&FieldOptions>, value: &Node) -> Result<()> {
    let is_create = options.is_some_and(|options| options.create);
    let create = is_create.then_some(value.kind);
    let parts = path::split_smartly(path);
    if copy_into_text(object, &parts, create, value).is_some() {
        return Ok(());
    }
    let what = || {
        let or_create = if is_create { " or create" } else { "" };
        format!("unable to find{or_create} field {path:?} in replacement target")
    };
    let mut failure = None;
    let found = visit_matches(object, &parts, create, &mut |field| {
        if failure.is_none() {
            failure = set(field, options, value).err();
        }
        Ok(())
    });
    match (found, failure) {
        (Err(error), _) => Err(error.within(&what())),
        (Ok(0), _) => Err(Error(what())),
        (Ok(_), Some(error)) => Err(error),
        (Ok(_), None) => Ok(()),
    }
}

fn set(field: &mut Node, options: Option<&FieldOptions>, value: &Node) -> Result<()> {
    let mut value = value.copy();
    if let Some(FieldOptions {
        delimiter, index, ..
    }) = options.filter(|options| !options.delimiter.is_empty())
    {
        if field.kind != Kind::Scalar {
            return Err(Error::new(
                "delimiter option can only be used with scalar nodes",
            ));
        }
        let new = value.text().to_owned();
        let mut parts: Vec<&str> = field.value.split(delimiter.as_str()).collect();
        match usize::try_from(*index) {
            Err(_) => parts.insert(0, &new),
            Ok(index) => match parts.get_mut(index) {
                Some(part) => *part = &new,
                None => parts.push(&new),
            },
        }
        value.value = parts.join(delimiter);
    }
    if field.kind == Kind::Scalar {
        field.set_value(value.value);
    } else {
        field.assign(value);
    }
    Ok(())
}

/// Copies a value into the YAML or JSON that a text on the way is. `None` when there is none, or the
/// field is not in it.
fn copy_into_text(
    object: &mut Node,
    parts: &[String],
    create: Option<Kind>,
    value: &Node,
) -> Option<()> {
    for end in 1..parts.len() {
        let (outer, inner) = parts.split_at(end);
        let Ok(Some(field)) = object.lookup_mut(outer) else {
            continue;
        };
        if field.kind != Kind::Scalar {
            continue;
        }
        let Ok(parsed) = node::parse(&field.value) else {
            continue;
        };
        let mut parsed = parsed?;
        let found = visit_matches(&mut parsed, inner, create, &mut |place| {
            if place.kind == Kind::Scalar {
                place.set_value(value.value.as_str());
            } else {
                place.assign(value.copy());
            }
            Ok(())
        });
        if found.ok()? == 0 {
            return None;
        }
        let text = print_as(&parsed, &field.value)?;
        field.set_value(text);
        return Some(());
    }
    None
}

/// The text of a document in the manner of the old one.
fn print_as(document: &Node, old: &str) -> Option<String> {
    if !old.trim().starts_with(['{', '[']) {
        return Some(document.print().trim().to_owned());
    }
    let value: Value = document.decode().ok()?;
    if old.contains('\n') && old.contains("  ") {
        return goyaml::json::to_string_indent(&value, "", "  ").ok();
    }
    let bytes = goyaml::json::to_vec(&value).ok()?;
    String::from_utf8(bytes).ok()
}
