//! Patches: strategic merge, and JSON patches.
//!
//! Source: kustomize `api/internal/builtins/PatchTransformer.go` and its kin.

use serde_json::Value;

use crate::error::{Error, Result, quoted};
use crate::files::Loader;
use crate::node;
use crate::resource::{self, Resource};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::{Patch, Selector};

/// Patches of one text and what they are for.
#[derive(Debug)]
pub(crate) struct Patches {
    pub(crate) text: Text,
    pub(crate) target: Option<Selector>,
    /// Where the text is from, for errors.
    pub(crate) source: String,
}

/// What a text of patches is.
#[derive(Debug)]
pub(crate) enum Text {
    Merge(Vec<Resource>),
    Json(Value),
}

/// The operations of a JSON patch; YAML is as good, but for a text that starts like JSON.
fn json_patch(text: &str) -> Result<Value> {
    if text.is_empty() {
        return Err(Error::new("empty json patch operations"));
    }
    let patch = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| Error(format!("invalid JSON: {error}")))?
    } else {
        goyaml::parse(text.as_bytes()).map_err(|error| Error(error.to_string()))?
    };
    match &patch {
        Value::Null => Ok(patch),
        Value::Array(operations)
            if operations
                .iter()
                .all(|operation| operation.is_object() || operation.is_null()) =>
        {
            Ok(patch)
        }
        _ => Err(Error::new(
            "json: cannot unmarshal the text into Go value of type jsonpatch.Patch",
        )),
    }
}

impl Patches {
    /// Reads an entry of `patches`.
    pub(crate) fn new(loader: &Loader<'_>, patch: &Patch) -> Result<Self> {
        let config = || quoted(&crate::plugin::yaml(patch));
        let inline = patch.text.trim();
        let (text, source) = match (inline.is_empty(), patch.path.is_empty()) {
            (true, true) => {
                return Err(Error(format!(
                    "must specify one of patch and path in\n{}",
                    config()
                )));
            }
            (false, false) => {
                return Err(Error(format!(
                    "patch and path can't be set at the same time\n{}",
                    config()
                )));
            }
            (false, true) => (
                inline.to_owned(),
                format!("[patch: {}]", quoted(&crate::plugin::quote(inline))),
            ),
            (true, false) => {
                let content = loader.load(&patch.path).map_err(|error| {
                    error.within(&format!(
                        "failed to get the patch file from path({})",
                        patch.path
                    ))
                })?;
                (
                    String::from_utf8_lossy(&content).into_owned(),
                    format!("[path: {}]", crate::plugin::quote(&patch.path)),
                )
            }
        };
        let text = match (resource::parse(text.as_bytes()), json_patch(&text)) {
            (Ok(merge), Ok(json))
                if !merge.is_empty() && json.as_array().is_some_and(|list| !list.is_empty()) =>
            {
                return Err(Error(format!(
                    "illegally qualifies as both an SM and JSON patch: {source}"
                )));
            }
            (Err(_), Err(_)) => {
                return Err(Error(format!(
                    "unable to parse SM or JSON patch from {source}"
                )));
            }
            (Ok(mut merge), _) => {
                let options = patch.options.clone().unwrap_or_default();
                for patch in &mut merge {
                    if options.allow_name_change {
                        patch.allow_name_change()?;
                    }
                    if options.allow_kind_change {
                        patch.allow_kind_change()?;
                    }
                }
                Text::Merge(merge)
            }
            (Err(_), Ok(json)) => Text::Json(json),
        };
        Ok(Self {
            text,
            target: patch.target.clone(),
            source,
        })
    }

    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        match (&self.text, &self.target) {
            (Text::Merge(patches), _) if patches.is_empty() => Ok(()),
            (Text::Json(Value::Null), _) => Ok(()),
            (Text::Merge(patches), Some(target)) => {
                let [patch] = patches.as_slice() else {
                    return Err(Error(format!(
                        "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                        self.source
                    )));
                };
                let selected = all
                    .select(schemas, target)
                    .map_err(|error| error.within("unable to find patch target in `resources`"))?;
                all.apply_patch(schemas, &selected, patch)
            }
            (Text::Merge(patches), None) => {
                for patch in patches {
                    let id = patch.original_id(schemas);
                    let index = all.find(schemas, &id).map_err(|error| {
                        error.within(&format!(
                            "no resource matches strategic merge patch \"{id}\""
                        ))
                    })?;
                    if let Some(target) = all.get_mut(index) {
                        target.apply_patch(schemas, patch.clone())?;
                    }
                }
                Ok(())
            }
            (Text::Json(patch), Some(target)) => {
                for index in all.select(schemas, target)? {
                    if let Some(resource) = all.get_mut(index) {
                        resource.store_previous_id(schemas)?;
                        apply_json(resource, patch)?;
                    }
                }
                Ok(())
            }
            (Text::Json(_), None) => Err(Error(format!(
                "must specify a target for JSON patch {}",
                self.source
            ))),
        }
    }

    /// As `patchesStrategicMerge` does it: each for the object of its name.
    pub(crate) fn merge_each(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        let Text::Merge(patches) = &self.text else {
            return Ok(());
        };
        for patch in patches {
            let index = all.find(schemas, &patch.original_id(schemas))?;
            all.apply_patch(schemas, &[index], patch)?;
        }
        Ok(())
    }
}

/// An entry of `patchesJson6902`.
#[derive(Debug)]
pub(crate) struct JsonPatch {
    target: Selector,
    patch: Value,
}

impl JsonPatch {
    pub(crate) fn new(
        loader: &Loader<'_>,
        target: Option<&Selector>,
        path: &str,
        inline: &str,
    ) -> Result<Self> {
        let Some(target) = target.filter(|target| !target.name.is_empty()) else {
            return Err(Error::new("must specify the target name"));
        };
        let text = match (path.is_empty(), inline.is_empty()) {
            (true, true) => return Err(Error::new("empty file path and empty jsonOp")),
            (false, false) => {
                return Err(Error::new("must specify a file path or jsonOp, not both"));
            }
            (true, false) => inline.to_owned(),
            (false, true) => {
                let content = loader.load(path)?;
                if content.is_empty() {
                    return Err(Error(format!(
                        "patch file '{path}' empty seems to be empty"
                    )));
                }
                String::from_utf8_lossy(&content).into_owned()
            }
        };
        let operations = json_patch(&text)
            .map_err(|error| error.within(&format!("decoding {}", quoted(&text))))?;
        if operations.as_array().is_none_or(Vec::is_empty) {
            return Err(Error(format!(
                "patch appears to be empty; file={path}, JsonOp={}",
                quoted(&text)
            )));
        }
        Ok(Self {
            target: target.clone(),
            patch: operations,
        })
    }

    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        for index in all.select(schemas, &self.target)? {
            if let Some(resource) = all.get_mut(index) {
                apply_json(resource, &self.patch)?;
            }
        }
        Ok(())
    }
}

/// Applies a JSON patch; annotations of tools stay.
fn apply_json(resource: &mut Resource, patch: &Value) -> Result<()> {
    let internal = resource.internal_annotations();
    let patched = apimachinery::patch::json_patch(&resource.node.to_value()?, patch)?;
    let patched = match patched {
        Value::Object(_) => patched,
        Value::Null => Value::Object(serde_json::Map::new()),
        other => {
            return Err(Error(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                goyaml::json_kind(&other)
            )));
        }
    };
    resource.node = node::from_value(patched)?;
    resource.links = 0;
    resource.add_annotations(internal)
}
