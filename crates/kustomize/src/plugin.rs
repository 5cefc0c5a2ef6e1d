//! Generators and transformers that are resources themselves.
//!
//! Source: kustomize `api/internal/plugins/loader`, `api/internal/builtins`.

use std::collections::BTreeMap;

use goyaml::Target;
use serde::{Deserialize, Serialize};
use sprig::gopath;

use crate::decode::lenient;
use crate::error::{Error, Result, quoted};
use crate::files::Loader;
use crate::generate;
use crate::node::{self, Node};
use crate::origin::{Configurer, Origin};
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::transform::{
    Affix, AffixKind, ImageTransformer, JsonPatch, Labels, NamespaceTransformer, Patches,
    ReplicaTransformer, Step, Subjects, Text, Transformer, ValueAdd, ValueTarget,
};
use crate::types::{
    CONFIG_MAP_ARGS, FIELD_SPECS, FieldSpec, GeneratorArgs, IMAGE, Image, OBJECT_META, ObjectMeta,
    PATCH_ARGS, Patch, REPLACEMENT, REPLACEMENT_FIELDS, REPLACEMENTS, REPLICA, Replacement,
    ReplacementField, Replica, SECRET_ARGS, SELECTOR, Selector, TEXT_MAP, TEXTS, struct_of,
};

/// A configuration as it stands in errors.
pub(crate) fn yaml(config: &impl Serialize) -> String {
    let value = serde_json::to_value(config).unwrap_or_default();
    goyaml::to_yaml(&value).unwrap_or_default()
}

/// Go's `%q`.
pub(crate) fn quote(text: &str) -> String {
    let quoted = sprig::gotext::quote(text.as_bytes());
    // What is marked stays so.
    quoted.replace("\\x01", "\u{1}").replace("\\x02", "\u{2}")
}

const TEXT: Target = Target::Text;

/// All fields of built-in transformers, each of which takes its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    metadata: ObjectMeta,
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    field_specs: Option<Vec<FieldSpec>>,
    image_tag: Image,
    unset_only: bool,
    set_role_binding_subjects: String,
    target: Option<Selector>,
    path: String,
    json_op: String,
    patch: String,
    options: Option<crate::types::PatchOptions>,
    paths: Vec<String>,
    patches: String,
    prefix: String,
    suffix: String,
    replacements: Vec<ReplacementField>,
    replica: Replica,
    value: String,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}

const TARGETS: Target = Target::List {
    go_type: "[]builtins.Target",
    item: &struct_of(
        "builtins.Target",
        "Target",
        &[
            ("selector", SELECTOR),
            ("fieldPath", TEXT),
            ("filePathPosition", Target::Int { go_type: "int" }),
        ],
    ),
};

const fn of(fields: &'static [(&'static str, Target)]) -> Target {
    struct_of("builtins.Plugin", "Plugin", fields)
}

const ANNOTATIONS: Target = of(&[("annotations", TEXT_MAP), ("fieldSpecs", FIELD_SPECS)]);
const LABELS: Target = of(&[("labels", TEXT_MAP), ("fieldSpecs", FIELD_SPECS)]);
const IMAGES: Target = of(&[("imageTag", IMAGE), ("fieldSpecs", FIELD_SPECS)]);
const NAMESPACE: Target = of(&[
    ("metadata", OBJECT_META),
    ("fieldSpecs", FIELD_SPECS),
    ("unsetOnly", Target::Bool),
    ("setRoleBindingSubjects", TEXT),
]);
const JSON_PATCH: Target = of(&[("target", SELECTOR), ("path", TEXT), ("jsonOp", TEXT)]);
const MERGE_PATCH: Target = of(&[("paths", TEXTS), ("patches", TEXT)]);
const PATCH: Target = of(&[
    ("path", TEXT),
    ("patch", TEXT),
    ("target", SELECTOR),
    ("options", PATCH_ARGS),
]);
const AFFIX: Target = of(&[
    ("prefix", TEXT),
    ("suffix", TEXT),
    ("fieldSpecs", FIELD_SPECS),
]);
const REPLACE: Target = of(&[("replacements", REPLACEMENT_FIELDS)]);
const REPLICAS: Target = of(&[("replica", REPLICA), ("fieldSpecs", FIELD_SPECS)]);
const VALUE_ADD: Target = of(&[
    ("value", TEXT),
    ("targets", TARGETS),
    ("targetFilePath", TEXT),
]);

/// Whether a resource is a built-in generator or transformer; others are refused.
fn builtin_kind(schemas: &Schemas, resource: &Resource) -> Result<String> {
    let gvk = resource.gvk();
    if !gvk.group.is_empty() || gvk.version != "builtin" {
        let kind = resource.original_id(schemas).gvk.kind;
        return Err(Error(format!(
            "external plugins disabled; unable to load external plugin '{kind}'"
        )));
    }
    Ok(gvk.kind)
}

fn config_text(resource: &Resource) -> Result<String> {
    let value = resource.node.to_value()?;
    goyaml::to_yaml(&value).map_err(|error| Error(error.to_string()))
}

const GENERATORS: [&str; 4] = [
    "ConfigMapGenerator",
    "SecretGenerator",
    "IAMPolicyGenerator",
    "HelmChartInflationGenerator",
];
const TRANSFORMERS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "SuffixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "ValueAddTransformer",
];

/// Where a plugin's configuration is from.
fn origin_of(resource: &Resource) -> Result<Option<Origin>> {
    let Some(origin) = resource.origin()? else {
        return Ok(None);
    };
    Ok(Some(Origin {
        path: String::new(),
        configured_in: origin.path,
        configured_by: Configurer {
            api_version: resource.node.api_version().to_owned(),
            kind: resource.node.kind_text().to_owned(),
            name: resource.node.name().to_owned(),
            namespace: resource.node.namespace().to_owned(),
        },
    }))
}

/// Generates what a generator says.
pub(crate) fn generate(
    schemas: &Schemas,
    loader: &Loader<'_>,
    resource: &Resource,
) -> Result<(Vec<Resource>, Option<Origin>)> {
    let id = resource.original_id(schemas);
    let kind = builtin_kind(schemas, resource)?;
    let (target, fields) = match kind.as_str() {
        "ConfigMapGenerator" => (generate::Target::ConfigMap, &CONFIG_MAP_ARGS),
        "SecretGenerator" => (generate::Target::Secret, &SECRET_ARGS),
        "IAMPolicyGenerator" => {
            let generated = service_account(&resource.node)?;
            return Ok((vec![generated], origin_of(resource)?));
        }
        other if GENERATORS.contains(&other) => {
            return Err(Error(format!(
                "plugin {id} fails configuration: must specify --enable-helm: charts are not supported in kustomizations"
            )));
        }
        other if TRANSFORMERS.contains(&other) => {
            return Err(Error(format!("plugin {id} not a generator")));
        }
        _ => return Err(Error(format!("unable to load builtin {}", id.gvk))),
    };
    let mut args: GeneratorArgs = lenient(config_text(resource)?.as_bytes(), fields)
        .map_err(|error| error.within(&format!("plugin {id} fails configuration")))?;
    if args.name.is_empty() {
        args.name.clone_from(&args.metadata.name);
    }
    if args.namespace.is_empty() {
        args.namespace.clone_from(&args.metadata.namespace);
    }
    let generated = generate::generate(loader, target, &args)?;
    Ok((vec![generated], origin_of(resource)?))
}

/// A service account for Google's cloud.
fn service_account(config: &Node) -> Result<Resource> {
    let text = |path: &[&str]| -> Result<String> {
        let found = config.lookup(path)?;
        Ok(found.map_or_else(String::new, |node| node.text().to_owned()))
    };
    let cloud = text(&["cloud"])?;
    if cloud != "gke" {
        return Err(Error(format!("cloud provider {cloud} not supported yet")));
    }
    let account = format!(
        "{}@{}.iam.gserviceaccount.com",
        text(&["serviceAccount", "name"])?,
        text(&["serviceAccount", "projectId"])?
    );
    let mut node = Node::of_kind(node::Kind::Mapping);
    node.content = ["apiVersion", "v1", "kind", "ServiceAccount"]
        .map(|text| Node::tagged(text, node::STRING))
        .into();
    node.set_annotation("iam.gke.io/gcp-service-account", &account)?;
    node.set_name(&text(&["kubernetesService", "name"])?)?;
    node.set_namespace(&text(&["kubernetesService", "namespace"])?)?;
    Ok(Resource::from(node))
}

/// The transformer that a resource is.
pub(crate) fn transformer(
    schemas: &Schemas,
    loader: &Loader<'_>,
    resource: &Resource,
) -> Result<Step> {
    let id = resource.original_id(schemas);
    let kind = builtin_kind(schemas, resource)?;
    if GENERATORS.contains(&kind.as_str()) {
        return Err(Error(format!("plugin {id} not a transformer")));
    }
    if !TRANSFORMERS.contains(&kind.as_str()) {
        return Err(Error(format!("unable to load builtin {}", id.gvk)));
    }
    let transformer = configure(loader, &kind, &config_text(resource)?)
        .map_err(|error| error.within(&format!("plugin {id} fails configuration")))?;
    Ok(Step {
        transformer,
        origin: origin_of(resource)?,
    })
}

fn configure(loader: &Loader<'_>, kind: &str, text: &str) -> Result<Transformer> {
    let read = |target: &Target| lenient::<Config>(text.as_bytes(), target);
    Ok(match kind {
        "AnnotationsTransformer" => {
            let config = read(&ANNOTATIONS)?;
            Transformer::Labels(Labels {
                entries: config.annotations,
                fields: config.field_specs.unwrap_or_default(),
            })
        }
        "LabelTransformer" => {
            let config = read(&LABELS)?;
            Transformer::Labels(Labels {
                entries: config.labels,
                fields: config.field_specs.unwrap_or_default(),
            })
        }
        "ImageTagTransformer" => {
            let config = read(&IMAGES)?;
            Transformer::Image(ImageTransformer {
                image: config.image_tag,
                fields: config.field_specs.unwrap_or_default(),
            })
        }
        "NamespaceTransformer" => {
            let config = read(&NAMESPACE)?;
            Transformer::Namespace(NamespaceTransformer {
                namespace: config.metadata.namespace,
                fields: config.field_specs.unwrap_or_default(),
                unset_only: config.unset_only,
                subjects: Subjects::of(&config.set_role_binding_subjects)?,
            })
        }
        "PatchJson6902Transformer" => {
            let config = read(&JSON_PATCH)?;
            let patch = JsonPatch::new(
                loader,
                config.target.as_ref(),
                &config.path,
                &config.json_op,
            )?;
            Transformer::Json(patch)
        }
        "PatchStrategicMergeTransformer" => {
            let config = read(&MERGE_PATCH)?;
            Transformer::StrategicMerge(strategic_merge(loader, &config.paths, &config.patches)?)
        }
        "PatchTransformer" => {
            let config = read(&PATCH)?;
            let patch = Patch {
                path: config.path,
                text: config.patch,
                target: config.target,
                options: config.options,
            };
            Transformer::Patches(Patches::new(loader, &patch)?)
        }
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            affixes(kind, read(&AFFIX)?)?
        }
        "ReplacementTransformer" => {
            let config = read(&REPLACE)?;
            Transformer::Replacements(replacements(loader, &config.replacements)?)
        }
        "ReplicaCountTransformer" => {
            let config = read(&REPLICAS)?;
            Transformer::Replicas(ReplicaTransformer {
                replica: config.replica,
                fields: config.field_specs.unwrap_or_default(),
            })
        }
        "ValueAddTransformer" => Transformer::ValueAdd(value_add(loader, read(&VALUE_ADD)?)?),
        _ => Transformer::Hash,
    })
}

fn affixes(kind: &str, config: Config) -> Result<Transformer> {
    let Some(fields) = config.field_specs else {
        return Err(Error::new("fieldSpecs is not expected to be nil"));
    };
    let mut affixes = Vec::new();
    if kind != "SuffixTransformer" {
        affixes.push(Affix {
            kind: AffixKind::Prefix,
            text: config.prefix,
            fields: fields.clone(),
        });
    }
    if kind != "PrefixTransformer" {
        affixes.push(Affix {
            kind: AffixKind::Suffix,
            text: config.suffix,
            fields,
        });
    }
    Ok(Transformer::Affix(affixes))
}

fn value_add(loader: &Loader<'_>, config: Config) -> Result<ValueAdd> {
    let mut value = config.value.trim().to_owned();
    if value.is_empty() {
        gopath::base_str(loader.root()).clone_into(&mut value);
    }
    let mut targets = config.targets;
    if !config.target_file_path.is_empty() {
        let content = loader.load(&config.target_file_path)?;
        targets.extend(lenient::<Config>(&content, &of(&[("targets", TARGETS)]))?.targets);
    }
    let value_add = ValueAdd { value, targets };
    value_add.check()?;
    Ok(value_add)
}

/// The patches of `patchesStrategicMerge`: texts, or paths of files.
pub(crate) fn strategic_merge(
    loader: &Loader<'_>,
    paths: &[String],
    inline: &str,
) -> Result<Patches> {
    if paths.is_empty() && inline.is_empty() {
        return Err(Error::new("empty file path and empty patch content"));
    }
    let mut patches = Vec::new();
    for path in paths {
        match crate::resource::parse(path.as_bytes()) {
            Ok(found) => patches.extend(found),
            Err(_) => patches.extend(crate::target::parse_file(&loader.load(path)?, path)?),
        }
    }
    if !inline.is_empty() {
        patches.extend(crate::resource::parse(inline.as_bytes())?);
    }
    if patches.is_empty() {
        return Err(Error(format!(
            "patch appears to be empty; files=[{}], Patch={}",
            quoted(&paths.join(" ")),
            quoted(inline)
        )));
    }
    Ok(Patches {
        text: Text::Merge(patches),
        target: None,
        source: String::new(),
    })
}

/// Replacements with those of files.
pub(crate) fn replacements(
    loader: &Loader<'_>,
    fields: &[ReplacementField],
) -> Result<Vec<Replacement>> {
    let mut found = Vec::new();
    for field in fields {
        let own = &field.replacement;
        if field.path.is_empty() {
            found.push(own.clone());
            continue;
        }
        if own.source.is_some()
            || own
                .targets
                .as_ref()
                .is_some_and(|targets| !targets.is_empty())
        {
            return Err(Error::new(
                "cannot specify both path and inline replacement",
            ));
        }
        let content = loader.load(&field.path)?;
        let value = goyaml::parse(&content).map_err(|error| Error(error.to_string()))?;
        if value.is_array() {
            found.extend(lenient::<Vec<Replacement>>(&content, &REPLACEMENTS)?);
        } else if value.is_object() {
            found.push(lenient(&content, &REPLACEMENT)?);
        } else {
            return Err(Error(format!(
                "unsupported replacement type encountered within replacement path: {}",
                match goyaml::json_kind(&value) {
                    "null" => "invalid",
                    "number" => "float64",
                    kind => kind,
                }
            )));
        }
    }
    Ok(found)
}
