//! What changes the objects of a kustomization.
//!
//! Source: kustomize `api/internal/builtins`, `api/filters`.

mod fieldspec;
mod image;
mod labels;
mod names;
mod namespace;
mod patch;
mod references;
mod replace;
mod replicas;
mod sort;
mod value_add;
mod vars;

pub(crate) use image::ImageTransformer;
pub(crate) use labels::Labels;
pub(crate) use names::{Affix, AffixKind};
pub(crate) use namespace::{NamespaceTransformer, Subjects};
pub(crate) use patch::{JsonPatch, Patches, Text};
pub(crate) use references::fix_references;
pub(crate) use replace::replace_all;
pub(crate) use replicas::ReplicaTransformer;
pub(crate) use sort::sort;
pub(crate) use value_add::{ValueAdd, ValueTarget};
pub(crate) use vars::resolve_vars;

use crate::error::Result;
use crate::origin::Origin;
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::Replacement;

/// A transformer that is ready to run.
#[derive(Debug)]
pub(crate) enum Transformer {
    StrategicMerge(Patches),
    Patches(Patches),
    Json(JsonPatch),
    Namespace(NamespaceTransformer),
    Affix(Vec<Affix>),
    Labels(Labels),
    Replicas(ReplicaTransformer),
    Image(ImageTransformer),
    Replacements(Vec<Replacement>),
    ValueAdd(ValueAdd),
    Hash,
}

/// A transformer and what says so.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) transformer: Transformer,
    pub(crate) origin: Option<Origin>,
}

impl Transformer {
    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        match self {
            Self::StrategicMerge(patches) => patches.merge_each(schemas, all),
            Self::Patches(patches) => patches.run(schemas, all),
            Self::Json(patch) => patch.run(schemas, all),
            Self::Namespace(transformer) => transformer.run(schemas, all),
            Self::Affix(affixes) => affixes.iter().try_for_each(|affix| affix.run(schemas, all)),
            Self::Labels(labels) => labels.run(all),
            Self::Replicas(transformer) => transformer.run(schemas, all),
            Self::Image(transformer) => transformer.run(all),
            Self::Replacements(replacements) => replace_all(schemas, all, replacements),
            Self::ValueAdd(transformer) => transformer.run(schemas, all),
            Self::Hash => all.add_hashes(schemas),
        }
    }
}
