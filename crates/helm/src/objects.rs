//! What templates see besides values: `.Chart`, `.Files`, `.Capabilities`, `.Release`.
//!
//! In: the chart tree, capabilities and options. Out: template values of the Go types that Helm gives
//! them, methods included.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use gotemplate::{
    Args, CallError, Context, List, Map, Method, NamedType, Native, Signature, Str, Type, Value,
};

use crate::capabilities::{
    Capabilities, GO_VERSION, HELM_VERSION, KUBE_CLIENT_VERSION, KubeVersion,
};
use crate::chart::{Dependency, File, Metadata};
use crate::glob::Glob;
use crate::values::dependencies::{path_value, table};
use sprig::encoding;
use sprig::gopath;
use sprig::values::to_template;

const fn signature(params: &'static [Type], result: Type) -> Signature {
    Signature {
        params,
        variadic: None,
        result,
    }
}

/// `common.Values`: a map with methods, which `.Values` is.
static VALUES: NamedType = NamedType {
    name: "common.Values",
    underlying: Type::MAP,
    methods: &[
        Method {
            name: "YAML",
            signature: signature(&[], Type::String),
            call: |_, this, _| Ok(Value::from(encoding::to_yaml(this)? + "\n")),
        },
        Method {
            name: "AsMap",
            signature: signature(&[], Type::MAP),
            call: |_, this, _| {
                let map = map_of(this);
                Ok(Value::Map(if map.is_empty() {
                    Map::new()
                } else {
                    map.retyped(&Type::MAP)
                }))
            },
        },
        Method {
            name: "Table",
            signature: signature(&[Type::String], VALUES_TYPE),
            call: |_, this, args| {
                let path: Str = args.take();
                match table(&map_of(this), &path.to_str_lossy()) {
                    Ok(found) => Ok(Value::Map(found.retyped(&VALUES_TYPE))),
                    Err(name) => Err(CallError::text(format!(
                        "{} is not a table",
                        sprig::gotext::quote(name.as_bytes())
                    ))),
                }
            },
        },
        Method {
            name: "PathValue",
            signature: signature(&[Type::String], Type::Interface),
            call: |_, this, args| {
                let path: Str = args.take();
                let path = path.to_str_lossy();
                if path.is_empty() {
                    return Err(CallError::text("YAML path cannot be empty"));
                }
                path_value(&map_of(this), &path).ok_or_else(|| {
                    let key = path.rsplit('.').next().unwrap_or_default();
                    CallError::text(format!(
                        "{} is not a value",
                        sprig::gotext::quote(key.as_bytes())
                    ))
                })
            },
        },
    ],
};

static VALUES_TYPE: Type = Type::Named(&VALUES);

fn map_of(value: &Value) -> Map {
    value.as_map().cloned().unwrap_or_default()
}

/// A map under the type of `.Values`.
pub(crate) fn values(map: &Map) -> Value {
    Value::Map(map.retyped(&VALUES_TYPE))
}

static FILES: NamedType = NamedType {
    name: "engine.files",
    underlying: Type::Map(&Type::BYTES),
    methods: &[
        Method {
            name: "GetBytes",
            signature: signature(&[Type::String], Type::BYTES),
            call: |_, this, args| Ok(Value::Bytes(file(this, args))),
        },
        Method {
            name: "Get",
            signature: signature(&[Type::String], Type::String),
            call: |_, this, args| Ok(Value::Str(file(this, args))),
        },
        Method {
            name: "Glob",
            signature: signature(&[Type::String], FILES_TYPE),
            call: |ctx, this, args| glob(ctx, &map_of(this), &args.take()),
        },
        Method {
            name: "AsConfig",
            signature: signature(&[], Type::String),
            call: |_, this, _| Ok(as_yaml(&map_of(this), |data| Value::Str(data.clone()))),
        },
        Method {
            name: "AsSecrets",
            signature: signature(&[], Type::String),
            // Bytes are base64 in JSON, and so in YAML.
            call: |_, this, _| Ok(as_yaml(&map_of(this), |data| Value::Bytes(data.clone()))),
        },
        Method {
            name: "Lines",
            signature: signature(&[Type::String], Type::STRINGS),
            call: |_, this, args| Ok(lines(&file(this, args))),
        },
    ],
};

static FILES_TYPE: Type = Type::Named(&FILES);

/// `.Files` of a chart.
pub(crate) fn files(files: &[File]) -> Value {
    let entries = files.iter().map(|file| {
        (
            Str::from(&file.name),
            Value::Bytes(Str::from(Arc::clone(&file.data))),
        )
    });
    Value::Map(Map::typed(&FILES_TYPE, entries.collect()))
}

fn bytes(value: Option<Value>) -> Str {
    match value {
        Some(Value::Bytes(data) | Value::Str(data)) => data,
        _ => Str::EMPTY,
    }
}

/// The file whose name is the next argument; nothing if there is none.
fn file(this: &Value, args: &mut Args) -> Str {
    let name: Str = args.take();
    bytes(map_of(this).get(&name))
}

/// What it is worth to compile a short pattern, in steps of a template.
const GLOB_STEPS: u64 = 1_000;
/// Bytes of a pattern that cost as much as a step for each name that is held against it.
const GLOB_BYTES_PER_STEP: u64 = 16;

/// A bad pattern matches everything, as in Helm.
fn glob(ctx: &mut Context<'_>, files: &Map, pattern: &Str) -> Result<Value, CallError> {
    let bytes = pattern.len() as u64;
    let per_name = 1 + bytes / GLOB_BYTES_PER_STEP;
    ctx.spend_steps(GLOB_STEPS + 4 * bytes + per_name * files.len() as u64)?;
    let glob = Glob::new(&pattern.to_str_lossy());
    let kept: BTreeMap<Str, Value> = files
        .borrow()
        .iter()
        .filter(|(name, _)| {
            glob.as_ref()
                .map_or(true, |g| g.matches(&name.to_str_lossy()))
        })
        .map(|(name, data)| (name.clone(), data.clone()))
        .collect();
    Ok(Value::Map(Map::typed(&FILES_TYPE, kept)))
}

/// The files by their last names; of equal names the last wins.
fn as_yaml(files: &Map, convert: impl Fn(&Str) -> Value) -> Value {
    let entries = files
        .to_vec()
        .into_iter()
        .map(|(name, data)| (Str::from(gopath::base(&name)), convert(&bytes(Some(data)))));
    let map = Map::from_entries(entries.collect());
    Value::from(encoding::to_yaml(&Value::Map(map)).unwrap_or_default())
}

fn lines(data: &Str) -> Value {
    if data.is_empty() {
        return Value::strings(Vec::<Str>::new());
    }
    let text = data.strip_suffix(b"\n").unwrap_or(data);
    Value::strings(text.split(|b| *b == b'\n').map(Str::from))
}

/// `.Chart`: the metadata as a map under Go's field names.
pub(crate) fn chart(metadata: &Metadata, is_root: bool) -> Map {
    let texts = |list: &[String]| Value::list(list.iter().map(text).collect());
    let maintainers = metadata.maintainers.iter().map(|m| {
        Value::Map(
            [("Name", &m.name), ("Email", &m.email), ("URL", &m.url)]
                .into_iter()
                .map(|(name, part)| (name, text(part)))
                .collect(),
        )
    });
    let annotations = if metadata.annotations.is_empty() {
        Map::nil(&Type::STRING_MAP)
    } else {
        let entries = metadata.annotations.iter();
        let entries = entries.map(|(k, v)| (Str::from(k), text(v)));
        Map::typed(&Type::STRING_MAP, entries.collect())
    };
    let dependencies = metadata
        .dependencies
        .iter()
        .flatten()
        .map(dependency)
        .collect();
    [
        ("Name", text(&metadata.name)),
        ("Home", text(&metadata.home)),
        ("Sources", texts(&metadata.sources)),
        ("Version", text(&metadata.version)),
        ("Description", text(&metadata.description)),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", Value::list(maintainers.collect())),
        ("Icon", text(&metadata.icon)),
        ("APIVersion", text(&metadata.api_version)),
        ("Condition", text(&metadata.condition)),
        ("Tags", text(&metadata.tags)),
        ("AppVersion", text(&metadata.app_version)),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Annotations", Value::Map(annotations)),
        ("KubeVersion", text(&metadata.kube_version)),
        ("Dependencies", Value::list(dependencies)),
        ("Type", text(&metadata.kind)),
        ("IsRoot", Value::Bool(is_root)),
    ]
    .into_iter()
    .collect()
}

fn text(text: &String) -> Value {
    Value::str(text)
}

fn dependency(dependency: &Dependency) -> Value {
    let imports = dependency
        .import_values
        .iter()
        .map(|import| match to_template(import) {
            Value::Map(map) => Value::Map(map.retyped(&Type::STRING_MAP)),
            other => other,
        });
    Value::Map(
        [
            ("Name", text(&dependency.name)),
            ("Version", text(&dependency.version)),
            ("Repository", text(&dependency.repository)),
            ("Condition", text(&dependency.condition)),
            (
                "Tags",
                Value::list(dependency.tags.iter().map(text).collect()),
            ),
            ("Enabled", Value::Bool(dependency.enabled)),
            ("ImportValues", Value::list(imports.collect())),
            ("Alias", text(&dependency.alias)),
        ]
        .into_iter()
        .collect(),
    )
}

/// `.Capabilities`
pub(crate) fn capabilities(capabilities: &Capabilities) -> Value {
    Value::Native(Rc::new(CapabilitiesObject(capabilities.clone())))
}

struct CapabilitiesObject(Capabilities);
struct KubeVersionObject {
    version: KubeVersion,
    /// Whether it is a copy, which has fields only.
    is_copy: bool,
}
struct BuildInfo;

static CAPABILITIES: NamedType = NamedType {
    name: "common.Capabilities",
    underlying: Type::Struct,
    methods: &[],
};

static VERSION_SET: NamedType = NamedType {
    name: "common.VersionSet",
    underlying: Type::STRINGS,
    methods: &[Method {
        name: "Has",
        signature: signature(&[Type::String], Type::Bool),
        call: |_, this, args| {
            let wanted: Str = args.take();
            let known = this.as_list().is_some_and(|list| {
                list.borrow()
                    .iter()
                    .any(|version| version.as_str() == Some(&wanted))
            });
            Ok(Value::Bool(known))
        },
    }],
};

static VERSION_SET_TYPE: Type = Type::Named(&VERSION_SET);

static KUBE_VERSION: NamedType = NamedType {
    name: "common.KubeVersion",
    underlying: Type::Struct,
    methods: &[
        Method {
            name: "String",
            signature: signature(&[], Type::String),
            call: |_, this, _| Ok(kube_text(this, |v| &v.normalized)),
        },
        Method {
            name: "GitVersion",
            signature: signature(&[], Type::String),
            call: |_, this, _| Ok(kube_text(this, |v| &v.version)),
        },
    ],
};

fn kube_text(this: &Value, part: fn(&KubeVersion) -> &String) -> Value {
    this.as_native::<KubeVersionObject>()
        .map_or(Value::str(""), |v| text(part(&v.version)))
}

static KUBE_VERSION_COPY: NamedType = NamedType {
    name: "common.KubeVersion",
    underlying: Type::Struct,
    methods: &[],
};

static BUILD_INFO: NamedType = NamedType {
    name: "version.BuildInfo",
    underlying: Type::Struct,
    methods: &[],
};

impl Native for CapabilitiesObject {
    fn named_type(&self) -> &'static NamedType {
        &CAPABILITIES
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let versions = self.0.api_versions.iter().map(text).collect();
        vec![
            (
                "KubeVersion",
                Value::Native(Rc::new(KubeVersionObject {
                    version: self.0.kube_version.clone(),
                    is_copy: false,
                })),
            ),
            (
                "APIVersions",
                Value::List(List::typed(&VERSION_SET_TYPE, versions)),
            ),
            ("HelmVersion", Value::Native(Rc::new(BuildInfo))),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Native for KubeVersionObject {
    fn named_type(&self) -> &'static NamedType {
        if self.is_copy {
            &KUBE_VERSION_COPY
        } else {
            &KUBE_VERSION
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", text(&self.version.version)),
            ("normalizedVersion", text(&self.version.normalized)),
            ("Major", text(&self.version.major)),
            ("Minor", text(&self.version.minor)),
        ]
    }

    fn text(&self) -> Option<Str> {
        (!self.is_copy).then(|| Str::from(&self.version.normalized))
    }

    fn text_by_pointer(&self) -> bool {
        true
    }

    fn copied(&self) -> Option<Value> {
        let version = KubeVersion {
            normalized: String::new(),
            ..self.version.clone()
        };
        Some(Value::Native(Rc::new(Self {
            version,
            is_copy: true,
        })))
    }

    fn detached(&self) -> Option<Value> {
        let version = self.version.clone();
        (!self.is_copy).then(|| {
            Value::Native(Rc::new(Self {
                version,
                is_copy: true,
            }))
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Native for BuildInfo {
    fn named_type(&self) -> &'static NamedType {
        &BUILD_INFO
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::str(HELM_VERSION)),
            ("GitCommit", Value::str("")),
            ("GitTreeState", Value::str("")),
            ("GoVersion", Value::str(GO_VERSION)),
            ("KubeClientVersion", Value::str(KUBE_CLIENT_VERSION)),
        ]
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("version", Value::str(HELM_VERSION)),
            ("go_version", Value::str(GO_VERSION)),
            ("kube_client_version", Value::str(KUBE_CLIENT_VERSION)),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
