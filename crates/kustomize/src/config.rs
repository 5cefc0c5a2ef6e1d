//! Which fields transformers change, by default and as kustomizations say.
//!
//! Source: kustomize `api/internal/plugins/builtinconfig`, `api/internal/konfig/builtinpluginconsts`.

use std::sync::OnceLock;

use goyaml::Target;
use serde::Deserialize;

use crate::error::Result;
use crate::id::Gvk;
use crate::types::{FIELD_SPECS, FieldSpec, merge_field_specs, struct_of};

/// The fields of each transformer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<Referrers>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// Where names of a kind stand.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Referrers {
    #[serde(flatten)]
    pub(crate) gvk: Gvk,
    #[serde(rename = "fieldSpecs")]
    pub(crate) fields: Vec<FieldSpec>,
}

const TEXT: Target = Target::Text;
const REFERRERS: Target = struct_of(
    "builtinconfig.NameBackReferences",
    "NameBackReferences",
    &[
        ("group", TEXT),
        ("version", TEXT),
        ("kind", TEXT),
        ("fieldSpecs", FIELD_SPECS),
    ],
);
const CONFIG: Target = struct_of(
    "builtinconfig.TransformerConfig",
    "TransformerConfig",
    &[
        ("namePrefix", FIELD_SPECS),
        ("nameSuffix", FIELD_SPECS),
        ("namespace", FIELD_SPECS),
        ("commonLabels", FIELD_SPECS),
        ("labels", FIELD_SPECS),
        ("templateLabels", FIELD_SPECS),
        ("commonAnnotations", FIELD_SPECS),
        (
            "nameReference",
            Target::List {
                go_type: "builtinconfig.nbrSlice",
                item: &REFERRERS,
            },
        ),
        ("varReference", FIELD_SPECS),
        ("images", FIELD_SPECS),
        ("replicas", FIELD_SPECS),
    ],
);

static DEFAULT: &str = include_str!("config/default.yaml");

impl Config {
    /// What kustomize knows by itself.
    pub(crate) fn built_in() -> Result<&'static Self> {
        static PARSED: OnceLock<Result<Config>> = OnceLock::new();
        let parsed = PARSED.get_or_init(|| Self::parse(DEFAULT.as_bytes()));
        parsed.as_ref().map_err(Clone::clone)
    }

    /// Reads a file of `configurations`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut found: Self = crate::decode::strict(text, &CONFIG)?;
        found.sort();
        Ok(found)
    }

    fn sort(&mut self) {
        for specs in [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ] {
            specs.sort_by_cached_key(|spec| order_key(&spec.gvk));
        }
        self.name_reference
            .sort_by_cached_key(|referrers| order_key(&referrers.gvk));
    }

    /// Adds what is not there yet.
    pub(crate) fn merge(&mut self, more: &Self) -> Result<()> {
        for (all, more, what) in [
            (&mut self.name_prefix, &more.name_prefix, "NamePrefix"),
            (&mut self.name_suffix, &more.name_suffix, "NameSuffix"),
            (&mut self.namespace, &more.namespace, "NameSpace"),
            (
                &mut self.common_annotations,
                &more.common_annotations,
                "CommonAnnotations",
            ),
            (&mut self.common_labels, &more.common_labels, "CommonLabels"),
            (&mut self.labels, &more.labels, "Labels"),
            (
                &mut self.template_labels,
                &more.template_labels,
                "TemplateLabels",
            ),
            (&mut self.var_reference, &more.var_reference, "VarReference"),
            (&mut self.images, &more.images, "Images"),
            (&mut self.replicas, &more.replicas, "Replicas"),
        ] {
            merge_field_specs(all, more)
                .map_err(|error| error.within(&format!("failed to merge {what} fieldSpec")))?;
        }
        for referrers in &more.name_reference {
            self.add_referrers(referrers)
                .map_err(|error| error.within("failed to merge NameReference fieldSpec"))?;
        }
        self.sort();
        Ok(())
    }

    pub(crate) fn add_referrers(&mut self, referrers: &Referrers) -> Result<()> {
        let mut is_known = false;
        for known in &mut self.name_reference {
            if known.gvk == referrers.gvk {
                merge_field_specs(&mut known.fields, &referrers.fields)?;
                is_known = true;
            }
        }
        if !is_known {
            self.name_reference.push(referrers.clone());
        }
        Ok(())
    }
}

fn order_key(gvk: &Gvk) -> (i64, String) {
    let rank = crate::id::rank(&gvk.kind, &crate::id::ORDER_FIRST, &crate::id::ORDER_LAST);
    (rank, gvk.sort_text())
}
