//! The scale subresource: `autoscaling/v1` Scale over a workload or a custom resource.

use serde_json::{Value, json};

use super::{Call, Written, update};
use crate::machinery::PatchKind;
use crate::object;
use crate::registry::Resource;
use crate::status::Status;
use apimachinery::field::{FieldError, Path};
use apimachinery::selectors::LabelSelector;

/// Paths of the numbers in an object.
struct Paths {
    spec: Vec<String>,
    status: Vec<String>,
    selector: Selector,
}

enum Selector {
    None,
    /// A field that holds a label selector object.
    Object,
    /// A field that holds a map of labels (ReplicationController).
    Map,
    /// A field that holds the text.
    Text(Vec<String>),
}

fn paths(resource: &Resource) -> Paths {
    let fixed = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let split = |path: &str| -> Vec<String> {
        path.split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match resource
        .custom
        .as_ref()
        .and_then(|custom| custom.scale.as_ref())
    {
        Some(scale) => Paths {
            spec: split(&scale.wanted),
            status: split(&scale.present),
            selector: match &scale.selector {
                Some(path) if !path.is_empty() => Selector::Text(split(path)),
                _ => Selector::None,
            },
        },
        None => Paths {
            spec: fixed(["spec", "replicas"]),
            status: fixed(["status", "replicas"]),
            selector: if resource.plural == "replicationcontrollers" {
                Selector::Map
            } else {
                Selector::Object
            },
        },
    }
}

/// The Scale of an object.
pub(crate) fn of(resource: &Resource, object: &Value) -> Value {
    let paths = paths(resource);
    let number = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        object::at(object, &path).and_then(Value::as_i64)
    };
    let mut status = json!({"replicas": number(&paths.status).unwrap_or(0)});
    let selector = selector_text(&paths.selector, object);
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    let mut spec = json!({});
    // A Scale leaves out zero, as Go's omitempty does.
    if let Some(replicas) = number(&paths.spec).filter(|replicas| *replicas != 0) {
        spec["replicas"] = replicas.into();
    }
    let mut meta = json!({});
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object.get("metadata").and_then(|meta| meta.get(field)) {
            meta[field] = value.clone();
        }
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
           "spec": spec, "status": status})
}

fn selector_text(selector: &Selector, object: &Value) -> String {
    match selector {
        Selector::None => String::new(),
        Selector::Text(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            object::str_at(object, &path).to_owned()
        }
        Selector::Map => {
            let labels = object::at(object, &["spec", "selector"]).and_then(Value::as_object);
            let pairs = labels.into_iter().flatten();
            let pairs = pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
            LabelSelector::from_labels(pairs).to_string()
        }
        Selector::Object => object::at(object, &["spec", "selector"])
            .and_then(|selector| LabelSelector::from_object(selector).ok())
            .map(|selector| selector.to_string())
            .unwrap_or_default(),
    }
}

/// A change of a Scale.
pub(crate) enum Edit {
    /// A whole Scale.
    Replace(Value),
    /// A patch of the Scale.
    Patch(PatchKind, Value),
}

/// Changes the scale of the object named by the call.
///
/// # Errors
/// `Invalid` for negative replicas, `Conflict` for an older resourceVersion.
pub(crate) fn update(call: &mut Call, edit: &Edit) -> Result<Written, Status> {
    let current = of(&call.resource, &call.decode(&*call.entry()?)?);
    let wanted = match edit {
        Edit::Replace(scale) => scale.clone(),
        Edit::Patch(kind, patch) => crate::machinery::patch_untyped(*kind, &current, patch)?,
    };
    let given = object::meta_str(&wanted, "resourceVersion");
    if !given.is_empty() && given != object::meta_str(&current, "resourceVersion") {
        return Err(Status::modified(&call.resource.group_resource, &call.name));
    }
    let replicas = match object::at(&wanted, &["spec", "replicas"]) {
        None => 0,
        Some(value) => value
            .as_i64()
            .filter(|n| (0..=i64::from(i32::MAX)).contains(n))
            .ok_or_else(|| {
                let at = Path::new("spec").child("replicas");
                let why = "must be greater than or equal to 0";
                let error = FieldError::invalid(&at, value.clone(), why);
                Status::invalid("autoscaling", "Scale", &call.name, &[error])
            })?,
    };
    let path = paths(&call.resource).spec;
    let mut modify = |object: &mut Value| {
        let (Some((last, parents)), mut at) = (path.split_last(), object) else {
            return false;
        };
        for parent in parents {
            at = object::as_object_mut(at)
                .entry(parent.as_str())
                .or_insert(Value::Null);
        }
        let before = object::as_object_mut(at).insert(last.clone(), replicas.into());
        before.and_then(|value| value.as_i64()) != Some(replicas)
    };
    let written = update::update(call, update::Edit::Modify(&mut modify))?;
    let object = of(&call.resource, &written.object);
    Ok(Written { object, ..written })
}
