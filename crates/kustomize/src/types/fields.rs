//! The Go types of a kustomization file, for errors in Go's words.

use goyaml::Target;

const TEXT: Target = Target::Text;

/// A struct.
pub(crate) const fn struct_of(
    go_type: &'static str,
    name: &'static str,
    fields: &'static [(&'static str, Target)],
) -> Target {
    Target::Struct {
        go_type,
        name,
        fields,
    }
}

const fn list(go_type: &'static str, item: &'static Target) -> Target {
    Target::List { go_type, item }
}

pub(crate) const TEXTS: Target = list("[]string", &TEXT);
pub(crate) const TEXT_MAP: Target = Target::Map {
    go_type: "map[string]string",
    value: &TEXT,
};

pub(crate) const OBJECT_META: Target = struct_of(
    "types.ObjectMeta",
    "ObjectMeta",
    &[
        ("name", TEXT),
        ("namespace", TEXT),
        ("labels", TEXT_MAP),
        ("annotations", TEXT_MAP),
    ],
);

pub(crate) const SELECTOR: Target = struct_of(
    "types.Selector",
    "Selector",
    &[
        ("group", TEXT),
        ("version", TEXT),
        ("kind", TEXT),
        ("name", TEXT),
        ("namespace", TEXT),
        ("annotationSelector", TEXT),
        ("labelSelector", TEXT),
    ],
);

const FIELD_SPEC: Target = struct_of(
    "types.FieldSpec",
    "FieldSpec",
    &[
        ("group", TEXT),
        ("version", TEXT),
        ("kind", TEXT),
        ("path", TEXT),
        ("create", Target::Bool),
    ],
);
pub(crate) const FIELD_SPECS: Target = list("[]types.FieldSpec", &FIELD_SPEC);

const LABEL: Target = struct_of(
    "types.Label",
    "Label",
    &[
        ("pairs", TEXT_MAP),
        ("includeSelectors", Target::Bool),
        ("includeTemplates", Target::Bool),
        ("fields", FIELD_SPECS),
    ],
);

pub(crate) const PATCH_ARGS: Target = struct_of(
    "types.PatchArgs",
    "PatchArgs",
    &[
        ("allowNameChange", Target::Bool),
        ("allowKindChange", Target::Bool),
    ],
);

const PATCH: Target = struct_of(
    "types.Patch",
    "Patch",
    &[
        ("path", TEXT),
        ("patch", TEXT),
        ("target", SELECTOR),
        ("options", PATCH_ARGS),
    ],
);
const PATCHES: Target = list("[]types.Patch", &PATCH);

pub(crate) const IMAGE: Target = struct_of(
    "types.Image",
    "Image",
    &[
        ("name", TEXT),
        ("newName", TEXT),
        ("tagSuffix", TEXT),
        ("newTag", TEXT),
        ("digest", TEXT),
    ],
);
const IMAGES: Target = list("[]types.Image", &IMAGE);

pub(crate) const REPLICA: Target = struct_of(
    "types.Replica",
    "Replica",
    &[("name", TEXT), ("count", Target::Int { go_type: "int64" })],
);

const FIELD_OPTIONS: Target = struct_of(
    "types.FieldOptions",
    "FieldOptions",
    &[
        ("delimiter", TEXT),
        ("index", Target::Int { go_type: "int" }),
        ("encoding", TEXT),
        ("create", Target::Bool),
    ],
);

const SOURCE: Target = struct_of(
    "types.SourceSelector",
    "SourceSelector",
    &[
        ("group", TEXT),
        ("version", TEXT),
        ("kind", TEXT),
        ("name", TEXT),
        ("namespace", TEXT),
        ("fieldPath", TEXT),
        ("options", FIELD_OPTIONS),
    ],
);

const TARGET_SELECTOR: Target = struct_of(
    "types.TargetSelector",
    "TargetSelector",
    &[
        ("select", SELECTOR),
        ("reject", list("[]*types.Selector", &SELECTOR)),
        ("fieldPaths", TEXTS),
        ("options", FIELD_OPTIONS),
    ],
);
const TARGET_SELECTORS: Target = list("[]*types.TargetSelector", &TARGET_SELECTOR);

pub(crate) const REPLACEMENT: Target = struct_of(
    "types.Replacement",
    "Replacement",
    &[
        ("source", SOURCE),
        ("targets", TARGET_SELECTORS),
        ("sourceValue", TEXT),
    ],
);
pub(crate) const REPLACEMENTS: Target = list("[]types.Replacement", &REPLACEMENT);

const REPLACEMENT_FIELD: Target = struct_of(
    "types.ReplacementField",
    "ReplacementField",
    &[
        ("source", SOURCE),
        ("targets", TARGET_SELECTORS),
        ("sourceValue", TEXT),
        ("path", TEXT),
    ],
);
pub(crate) const REPLACEMENT_FIELDS: Target = list("[]types.ReplacementField", &REPLACEMENT_FIELD);

const VAR: Target = struct_of(
    "types.Var",
    "Var",
    &[
        ("name", TEXT),
        (
            "objref",
            struct_of(
                "types.Target",
                "Target",
                &[
                    ("apiVersion", TEXT),
                    ("group", TEXT),
                    ("version", TEXT),
                    ("kind", TEXT),
                    ("name", TEXT),
                    ("namespace", TEXT),
                ],
            ),
        ),
        (
            "fieldref",
            struct_of(
                "types.FieldSelector",
                "FieldSelector",
                &[("fieldPath", TEXT)],
            ),
        ),
    ],
);

const SORT_OPTIONS: Target = struct_of(
    "types.SortOptions",
    "SortOptions",
    &[
        ("order", TEXT),
        (
            "legacySortOptions",
            struct_of(
                "types.LegacySortOptions",
                "LegacySortOptions",
                &[("orderFirst", TEXTS), ("orderLast", TEXTS)],
            ),
        ),
    ],
);

const GENERATOR_OPTIONS: Target = struct_of(
    "types.GeneratorOptions",
    "GeneratorOptions",
    &[
        ("labels", TEXT_MAP),
        ("annotations", TEXT_MAP),
        ("disableNameSuffixHash", Target::Bool),
        ("immutable", Target::Bool),
    ],
);

macro_rules! generator {
    ($($more:expr),*) => {
        &[
            ("namespace", TEXT),
            ("name", TEXT),
            ("behavior", TEXT),
            ("literals", TEXTS),
            ("files", TEXTS),
            ("envs", TEXTS),
            ("env", TEXT),
            ("options", GENERATOR_OPTIONS),
            $($more),*
        ]
    };
}

const CONFIG_MAP: Target = struct_of("types.ConfigMapArgs", "ConfigMapArgs", generator!());
const SECRET: Target = struct_of("types.SecretArgs", "SecretArgs", generator!(("type", TEXT)));

/// A ConfigMap generator that is a resource.
pub(crate) const CONFIG_MAP_ARGS: Target = struct_of(
    "builtins.ConfigMapGeneratorPlugin",
    "ConfigMapGeneratorPlugin",
    generator!(("metadata", OBJECT_META)),
);
/// A Secret generator that is a resource.
pub(crate) const SECRET_ARGS: Target = struct_of(
    "builtins.SecretGeneratorPlugin",
    "SecretGeneratorPlugin",
    generator!(("type", TEXT), ("metadata", OBJECT_META)),
);

const ANY: Target = Target::Any;
const ANY_MAP: Target = Target::Map {
    go_type: "map[string]interface {}",
    value: &ANY,
};

const HELM_CHART: Target = struct_of(
    "types.HelmChart",
    "HelmChart",
    &[
        ("name", TEXT),
        ("version", TEXT),
        ("repo", TEXT),
        ("releaseName", TEXT),
        ("namespace", TEXT),
        ("additionalValuesFiles", TEXTS),
        ("valuesFile", TEXT),
        ("valuesInline", ANY_MAP),
        ("valuesMerge", TEXT),
        ("includeCRDs", Target::Bool),
        ("skipHooks", Target::Bool),
        ("apiVersions", TEXTS),
        ("kubeVersion", TEXT),
        ("nameTemplate", TEXT),
        ("skipTests", Target::Bool),
        ("debug", Target::Bool),
        ("devel", Target::Bool),
    ],
);

const HELM_CHART_ARGS: Target = struct_of(
    "types.HelmChartArgs",
    "HelmChartArgs",
    &[
        ("chartName", TEXT),
        ("chartVersion", TEXT),
        ("chartRepoUrl", TEXT),
        ("chartHome", TEXT),
        ("chartRepoName", TEXT),
        ("helmBin", TEXT),
        ("helmHome", TEXT),
        ("values", TEXT),
        ("valuesLocal", ANY_MAP),
        ("valuesMerge", TEXT),
        ("releaseName", TEXT),
        ("releaseNamespace", TEXT),
        ("extraArgs", TEXTS),
    ],
);

/// The kustomization file.
pub(crate) const KUSTOMIZATION: Target = struct_of(
    "types.Kustomization",
    "Kustomization",
    &[
        ("kind", TEXT),
        ("apiVersion", TEXT),
        ("metadata", OBJECT_META),
        ("openapi", TEXT_MAP),
        ("namePrefix", TEXT),
        ("nameSuffix", TEXT),
        ("namespace", TEXT),
        ("commonLabels", TEXT_MAP),
        ("labels", list("[]types.Label", &LABEL)),
        ("commonAnnotations", TEXT_MAP),
        (
            "patchesStrategicMerge",
            list("[]types.PatchStrategicMerge", &PATCH_TEXT),
        ),
        ("patchesJson6902", PATCHES),
        ("patches", PATCHES),
        ("images", IMAGES),
        ("imageTags", IMAGES),
        ("replacements", REPLACEMENT_FIELDS),
        ("replicas", list("[]types.Replica", &REPLICA)),
        ("vars", list("[]types.Var", &VAR)),
        ("sortOptions", SORT_OPTIONS),
        ("resources", TEXTS),
        ("components", TEXTS),
        ("crds", TEXTS),
        ("bases", TEXTS),
        (
            "configMapGenerator",
            list("[]types.ConfigMapArgs", &CONFIG_MAP),
        ),
        ("secretGenerator", list("[]types.SecretArgs", &SECRET)),
        (
            "helmGlobals",
            struct_of(
                "types.HelmGlobals",
                "HelmGlobals",
                &[("chartHome", TEXT), ("configHome", TEXT)],
            ),
        ),
        ("helmCharts", list("[]types.HelmChart", &HELM_CHART)),
        (
            "helmChartInflationGenerator",
            list("[]types.HelmChartArgs", &HELM_CHART_ARGS),
        ),
        ("generatorOptions", GENERATOR_OPTIONS),
        ("configurations", TEXTS),
        ("generators", TEXTS),
        ("transformers", TEXTS),
        ("validators", TEXTS),
        ("buildMetadata", TEXTS),
    ],
);

const PATCH_TEXT: Target = TEXT;
