//! The transformers of a kustomization's own fields, in kustomize's order.

use serde::Serialize;
use sprig::gopath;

use super::Target;
use crate::config::Config;
use crate::error::{Error, Result, quoted};
use crate::origin::Origin;
use crate::plugin;
use crate::transform::{
    Affix, AffixKind, ImageTransformer, JsonPatch, Labels, NamespaceTransformer, Patches,
    ReplicaTransformer, Step, Subjects, Transformer,
};
use crate::types::{FieldSpec, Label, Selector, merge_field_specs};

fn within(kind: &'static str, config: impl Serialize) -> impl FnOnce(Error) -> Error {
    move |error| {
        error.within(&format!(
            "trouble configuring builtin {kind} with config: `\n{}`",
            quoted(&plugin::yaml(&config))
        ))
    }
}

#[derive(Serialize)]
struct JsonPatchConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Selector>,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(rename = "jsonOp", skip_serializing_if = "str::is_empty")]
    json_op: &'a str,
}

impl Target<'_> {
    /// Says that a built-in generator or transformer is in this kustomization.
    pub(super) fn builtin_origin(&self, kind: &str) -> Option<Origin> {
        let origin = self.origin.as_ref()?;
        let file = gopath::join(&[&origin.path, self.file]);
        Some(Origin::of_builtin(file, kind))
    }

    pub(super) fn builtin_steps(&self, config: &Config) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        self.add_patches(&mut steps)?;
        let own = &self.kustomization;
        if !own.namespace.is_empty() {
            let transformer = Transformer::Namespace(NamespaceTransformer {
                namespace: own.namespace.clone(),
                fields: config.namespace.clone(),
                unset_only: false,
                subjects: Subjects::Default,
            });
            self.add(&mut steps, "NamespaceTransformer", transformer);
        }
        for (kind, text, fields, name) in [
            (
                AffixKind::Prefix,
                &own.name_prefix,
                &config.name_prefix,
                "PrefixTransformer",
            ),
            (
                AffixKind::Suffix,
                &own.name_suffix,
                &config.name_suffix,
                "SuffixTransformer",
            ),
        ] {
            if !text.is_empty() {
                let affix = Affix {
                    kind,
                    text: text.clone(),
                    fields: fields.clone(),
                };
                self.add(&mut steps, name, Transformer::Affix(vec![affix]));
            }
        }
        self.add_labels(&mut steps, config)?;
        self.add_json_patches(&mut steps)?;
        for replica in &own.replicas {
            let transformer = Transformer::Replicas(ReplicaTransformer {
                replica: replica.clone(),
                fields: config.replicas.clone(),
            });
            self.add(&mut steps, "ReplicaCountTransformer", transformer);
        }
        for image in &own.images {
            let transformer = Transformer::Image(ImageTransformer {
                image: image.clone(),
                fields: config.images.clone(),
            });
            self.add(&mut steps, "ImageTagTransformer", transformer);
        }
        if !own.replacements.is_empty() {
            const KIND: &str = "ReplacementTransformer";
            let replacements = plugin::replacements(&self.loader, &own.replacements);
            let config = serde_json::json!({"Replacements": own.replacements});
            let replacements = replacements.map_err(within(KIND, config))?;
            self.add(&mut steps, KIND, Transformer::Replacements(replacements));
        }
        Ok(steps)
    }

    fn add(&self, steps: &mut Vec<Step>, kind: &str, transformer: Transformer) {
        steps.push(Step {
            transformer,
            origin: self.builtin_origin(kind),
        });
    }

    fn add_patches(&self, steps: &mut Vec<Step>) -> Result<()> {
        let paths = self.kustomization.patches_strategic_merge.as_deref();
        if let Some(paths) = paths.filter(|paths| !paths.is_empty()) {
            const KIND: &str = "PatchStrategicMergeTransformer";
            let patches = plugin::strategic_merge(&self.loader, paths, "");
            let patches = patches.map_err(within(KIND, serde_json::json!({"paths": paths})))?;
            self.add(steps, KIND, Transformer::StrategicMerge(patches));
        }
        for patch in &self.kustomization.patches {
            const KIND: &str = "PatchTransformer";
            let patches = Patches::new(&self.loader, patch).map_err(within(KIND, patch))?;
            self.add(steps, KIND, Transformer::Patches(patches));
        }
        Ok(())
    }

    fn add_json_patches(&self, steps: &mut Vec<Step>) -> Result<()> {
        const KIND: &str = "PatchJson6902Transformer";
        for patch in self.kustomization.patches_json6902.iter().flatten() {
            let config = JsonPatchConfig {
                target: patch.target.as_ref(),
                path: &patch.path,
                json_op: &patch.text,
            };
            let read = JsonPatch::new(
                &self.loader,
                patch.target.as_ref(),
                &patch.path,
                &patch.text,
            );
            let patch = read.map_err(within(KIND, config))?;
            self.add(steps, KIND, Transformer::Json(patch));
        }
        Ok(())
    }

    fn add_labels(&self, steps: &mut Vec<Step>, config: &Config) -> Result<()> {
        const KIND: &str = "LabelTransformer";
        let own = &self.kustomization;
        for label in &own.labels {
            let transformer = Transformer::Labels(Labels {
                entries: label.pairs.clone(),
                fields: label_fields(label, config)?,
            });
            self.add(steps, KIND, transformer);
        }
        let common = own.common_labels.clone().unwrap_or_default();
        if !own.labels.is_empty() || !common.is_empty() {
            let transformer = Transformer::Labels(Labels {
                entries: common,
                fields: config.common_labels.clone(),
            });
            self.add(steps, KIND, transformer);
        }
        if !own.common_annotations.is_empty() {
            let transformer = Transformer::Labels(Labels {
                entries: own.common_annotations.clone(),
                fields: config.common_annotations.clone(),
            });
            self.add(steps, "AnnotationsTransformer", transformer);
        }
        Ok(())
    }
}

/// The maps that labels are added to.
fn label_fields(label: &Label, config: &Config) -> Result<Vec<FieldSpec>> {
    let mut fields = label.fields.clone();
    let within = |error: Error| error.within("failed to merge labels");
    merge_field_specs(&mut fields, &config.labels).map_err(within)?;
    if label.include_selectors {
        merge_field_specs(&mut fields, &config.common_labels).map_err(within)?;
        return Ok(fields);
    }
    if label.include_templates {
        merge_field_specs(&mut fields, &config.template_labels)
            .map_err(|error| error.within("failed to merge template fieldSpec"))?;
    }
    let own = [FieldSpec::new("metadata/labels", true)];
    merge_field_specs(&mut fields, &own).map_err(within)?;
    Ok(fields)
}
