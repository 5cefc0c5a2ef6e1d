//! The kustomization file and the types that it is made of.
//!
//! Source: kustomize `api/types`.

mod fields;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{Gvk, Id};
use crate::pattern::Pattern;
use crate::resource::Resource;

pub(crate) use fields::{
    CONFIG_MAP_ARGS, FIELD_SPECS, IMAGE, KUSTOMIZATION, OBJECT_META, PATCH_ARGS, REPLACEMENT,
    REPLACEMENT_FIELDS, REPLACEMENTS, REPLICA, SECRET_ARGS, SELECTOR, TEXT_MAP, TEXTS, struct_of,
};

type Texts = BTreeMap<String, String>;

/// What is in a kustomization file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Kustomization {
    pub(crate) kind: String,
    pub(crate) api_version: String,
    #[serde(rename = "openapi")]
    pub(crate) open_api: Texts,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Option<Texts>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Texts,
    pub(crate) patches_strategic_merge: Option<Vec<String>>,
    pub(crate) patches_json6902: Option<Vec<Patch>>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) image_tags: Option<Vec<Image>>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Option<Vec<Var>>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) bases: Option<Vec<String>>,
    pub(crate) config_map_generator: Vec<GeneratorArgs>,
    pub(crate) secret_generator: Vec<GeneratorArgs>,
    pub(crate) helm_charts: Vec<serde_json::Value>,
    pub(crate) helm_chart_inflation_generator: Vec<serde_json::Value>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
}

pub(crate) const KUSTOMIZATION_KIND: &str = "Kustomization";
pub(crate) const COMPONENT_KIND: &str = "Component";
const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

impl Kustomization {
    /// Reads a kustomization file. Warnings are about fields that have successors.
    pub(crate) fn parse(text: &[u8], warnings: &mut Vec<String>) -> Result<Self> {
        let (mut found, value) = crate::decode::exact::<Self>(text, &KUSTOMIZATION)
            .map_err(|error| error.within("invalid Kustomization"))?;
        found.warn(warnings);
        found.fix();
        if is_empty(&value) {
            return Err(Error::new("kustomization.yaml is empty"));
        }
        Ok(found)
    }

    fn warn(&self, warnings: &mut Vec<String>) {
        const FIX: &str = "Run 'kustomize edit fix' to update your Kustomization automatically.";
        let deprecated = [
            (self.bases.is_some(), "bases", "resources"),
            (self.common_labels.is_some(), "commonLabels", "labels"),
            (self.image_tags.is_some(), "imageTags", "images"),
            (
                self.patches_json6902.is_some(),
                "patchesJson6902",
                "patches",
            ),
            (
                self.patches_strategic_merge.is_some(),
                "patchesStrategicMerge",
                "patches",
            ),
            (self.vars.is_some(), "vars", "replacements"),
        ];
        for (is_used, field, successor) in deprecated {
            if is_used {
                let experimental = if field == "vars" {
                    "[EXPERIMENTAL] "
                } else {
                    ""
                };
                warnings.push(format!(
                    "# Warning: '{field}' is deprecated. Please use '{successor}' instead. {experimental}{FIX}"
                ));
            }
        }
    }

    /// Moves what is in old fields into their successors.
    fn fix(&mut self) {
        if self.kind.is_empty() {
            KUSTOMIZATION_KIND.clone_into(&mut self.kind);
        }
        if self.api_version.is_empty() {
            self.wanted_version().clone_into(&mut self.api_version);
        }
        self.resources
            .append(&mut self.bases.take().unwrap_or_default());
        self.images
            .append(&mut self.image_tags.take().unwrap_or_default());
        for generator in self
            .config_map_generator
            .iter_mut()
            .chain(&mut self.secret_generator)
        {
            if !generator.env.is_empty() {
                generator.envs.push(std::mem::take(&mut generator.env));
            }
        }
    }

    fn wanted_version(&self) -> &'static str {
        if self.kind == COMPONENT_KIND {
            COMPONENT_VERSION
        } else {
            KUSTOMIZATION_VERSION
        }
    }

    /// What is wrong with kind and version.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.kind != KUSTOMIZATION_KIND && self.kind != COMPONENT_KIND {
            faults.push(format!(
                "kind should be {KUSTOMIZATION_KIND} or {COMPONENT_KIND}"
            ));
        }
        let wanted = self.wanted_version();
        if self.api_version != wanted {
            faults.push(format!("apiVersion for {} should be {wanted}", self.kind));
        }
        faults
    }
}

/// Whether a file says nothing.
fn is_empty(value: &serde_json::Value) -> bool {
    let Some(fields) = value.as_object() else {
        return true;
    };
    fields.iter().all(|(name, value)| match name.as_str() {
        "kind" | "apiVersion" => true,
        "bases" | "imageTags" | "helmChartInflationGenerator" => {
            value.as_array().is_some_and(Vec::is_empty)
        }
        _ => value.is_null() || value.as_str() == Some(""),
    })
}

/// Labels to add.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Label {
    pub(crate) pairs: Texts,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// Fields of objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FieldSpec {
    #[serde(flatten)]
    pub(crate) gvk: Gvk,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) fn new(path: &str, create: bool) -> Self {
        Self {
            path: path.to_owned(),
            create,
            ..Self::default()
        }
    }
}

/// Adds fields that are not there yet.
pub(crate) fn merge_field_specs(all: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<()> {
    for spec in more {
        let known = all
            .iter()
            .find(|known| known.gvk.is_selected(&spec.gvk) && known.path == spec.path);
        match known {
            None => all.push(spec.clone()),
            Some(known) if known.create != spec.create => {
                return Err(Error::new("conflicting fieldspecs"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Which objects are meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Selector {
    #[serde(flatten)]
    pub(crate) gvk: Gvk,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    #[serde(
        rename = "annotationSelector",
        skip_serializing_if = "String::is_empty"
    )]
    pub(crate) annotations: String,
    #[serde(rename = "labelSelector", skip_serializing_if = "String::is_empty")]
    pub(crate) labels: String,
}

impl Selector {
    pub(crate) fn has_no_id(&self) -> bool {
        self.gvk == Gvk::default() && self.name.is_empty() && self.namespace.is_empty()
    }

    /// Whether labels and annotations fit.
    pub(crate) fn fits_metadata(&self, resource: &Resource) -> Result<bool> {
        use apimachinery::selectors::LabelSelector;
        let parse = |text| LabelSelector::parse(text).map_err(|error| Error(error.to_string()));
        let by_annotations = parse(&self.annotations)?;
        if !by_annotations.is_everything() && !by_annotations.matches(&resource.node.annotations())
        {
            return Ok(false);
        }
        let by_labels = parse(&self.labels)?;
        Ok(by_labels.is_everything() || by_labels.matches(&resource.node.labels()))
    }
}

/// A selector whose patterns are compiled.
#[derive(Debug)]
pub(crate) struct Patterns {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
}

impl Patterns {
    pub(crate) fn new(selector: &Selector) -> Result<Self> {
        let pattern = |text: &String| {
            let wanted = (!text.is_empty()).then(|| Pattern::anchored(text));
            wanted.transpose()
        };
        Ok(Self {
            group: pattern(&selector.gvk.group)?,
            version: pattern(&selector.gvk.version)?,
            kind: pattern(&selector.gvk.kind)?,
            name: pattern(&selector.name)?,
            namespace: pattern(&selector.namespace)?,
        })
    }

    pub(crate) fn fits_kind(&self, gvk: &Gvk) -> bool {
        fits(self.group.as_ref(), &gvk.group)
            && fits(self.version.as_ref(), &gvk.version)
            && fits(self.kind.as_ref(), &gvk.kind)
    }

    pub(crate) fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    pub(crate) fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    pub(crate) fn fits_id(&self, id: &Id) -> bool {
        self.fits_kind(&id.gvk) && self.fits_name(&id.name) && self.fits_namespace(&id.namespace)
    }
}

fn fits(pattern: Option<&Pattern>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

/// A patch and what it is for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Patch {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(rename = "patch", skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Selector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<PatchOptions>,
}

/// What a patch may change besides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PatchOptions {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_name_change: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_kind_change: bool,
}

/// What becomes of an image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

/// How many there are of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// A text that stands for a field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) objref: VarTarget,
    pub(crate) fieldref: VarField,
}

/// The object of a var.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VarTarget {
    pub(crate) api_version: String,
    #[serde(flatten)]
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// The field of a var.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VarField {
    pub(crate) field_path: String,
}

impl Var {
    /// Puts group and version in their places.
    pub(crate) fn set_kind(&mut self) {
        let target = &mut self.objref;
        match target.api_version.split('/').collect::<Vec<_>>()[..] {
            [""] => {}
            [version] => version.clone_into(&mut target.gvk.version),
            [group, version] => {
                group.clone_into(&mut target.gvk.group);
                version.clone_into(&mut target.gvk.version);
            }
            _ => {}
        }
    }
}

impl std::fmt::Display for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.fieldref.field_path;
        write!(f, "{{{} {} {{{path}}}}}", self.name, self.objref.gvk)
    }
}

/// The order of the result.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

/// Kinds that come first and last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// A ConfigMap or Secret to generate.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GeneratorArgs {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    pub(crate) options: Option<GeneratorOptions>,
    /// Of a Secret.
    #[serde(rename = "type")]
    pub(crate) type_: String,
    /// Of one that is a resource itself.
    pub(crate) metadata: ObjectMeta,
}

/// The metadata of a generator or transformer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectMeta {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// What all that is generated has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Texts,
    pub(crate) annotations: Texts,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

impl GeneratorOptions {
    /// Own options, completed by those for all.
    pub(crate) fn merge(own: Option<&Self>, all: Option<&Self>) -> Option<Self> {
        let Some(all) = all else {
            return own.cloned();
        };
        let mut merged = own.cloned().unwrap_or_default();
        for (own, all) in [
            (&mut merged.labels, &all.labels),
            (&mut merged.annotations, &all.annotations),
        ] {
            for (key, value) in all {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        merged.disable_name_suffix_hash |= all.disable_name_suffix_hash;
        merged.immutable |= all.immutable;
        Some(merged)
    }
}

/// A replacement, or the file with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReplacementField {
    #[serde(flatten)]
    pub(crate) replacement: Replacement,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
}

/// A value that is copied.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Replacement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<Vec<ReplacementTarget>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_value: Option<String>,
}

/// Where a value is from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Source {
    #[serde(flatten)]
    pub(crate) gvk: Gvk,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) field_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<FieldOptions>,
}

/// Where a value is copied to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reject: Vec<Selector>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) field_paths: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<FieldOptions>,
}

/// A part of a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FieldOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) delimiter: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) index: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) encoding: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) create: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
