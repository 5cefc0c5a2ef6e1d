//! From schemas to the graph.
//!
//! Source: k8s.io/kube-openapi `pkg/schemaconv/openapi.go` (`parseSchema`, `parseObject`,
//! `parseList`) and, for the facts' meaning, `smd.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Facts, Field, FieldFacts, Key, Kind, List, ListKind, Object, Scalar, Strategy, Type, TypeFacts,
    TypeId, TypeRef, Types,
};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Schemas that make no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A `$ref` to no definition.
    #[error("{place} refers to {name:?}, which is not defined")]
    Reference {
        /// Definition and field.
        place: String,
        /// The missing definition.
        name: String,
    },
    /// A `type` that JSON schema does not have.
    #[error("{place} has the unknown type {name:?}")]
    UnknownType {
        /// Definition and field.
        place: String,
        /// The type.
        name: String,
    },
    /// A list type, map type or patch strategy that Kubernetes does not have.
    #[error("{place} has the unknown {what} {name:?}")]
    UnknownTopology {
        /// Definition and field.
        place: String,
        /// Which extension.
        what: &'static str,
        /// Its value.
        name: String,
    },
    /// A `map` list without keys.
    #[error("{place} is a list of type map without keys")]
    Keys {
        /// Definition and field.
        place: String,
    },
    /// Schemas nested deeper than any real one.
    #[error("{place} is nested deeper than {DEPTH_MAX} schemas")]
    Depth {
        /// Definition and field.
        place: String,
    },
}

/// Deepest nesting of schemas within one definition.
const DEPTH_MAX: usize = 200;

impl Types {
    /// Builds the graph of the built-in kinds from JSON schema definitions by name, such as
    /// `io.k8s.api.core.v1.Pod`; references may have any prefix before the name.
    ///
    /// `x-kubernetes-*` extensions in the schemas win over facts.
    pub fn build(definitions: &Map<String, Value>, facts: &Facts) -> Result<Self, Error> {
        let mut builder = Builder::new();
        for name in definitions.keys() {
            builder.reserve(name);
        }
        for (name, schema) in definitions {
            let id = builder.types.names[name.as_str()];
            let nothing = TypeFacts::default();
            let facts = facts.types.get(name).unwrap_or(&nothing);
            let mut node = match well_known(name, builder.types.untyped, builder.types.deduced) {
                Some(node) => node,
                None => builder.schema(&Place::root(name), schema, facts)?,
            };
            node.name = Some(Arc::from(name.as_str()));
            builder.types.nodes[id.0 as usize] = node;
            if let Some((group, version, kind)) = facts.kind.clone() {
                builder.types.kinds.insert(
                    Kind {
                        group,
                        version,
                        kind,
                    },
                    id,
                );
            }
        }
        Ok(builder.finish())
    }

    /// Builds the graph of one version of a custom resource from its structural schema (`Null`
    /// for none: everything is deduced). Metadata has the built-in type, taken from `builtin`.
    pub fn custom(kind: Kind, schema: &Value, builtin: &Types) -> Result<Self, Error> {
        let mut builder = Builder::new();
        builder.meta = builtin
            .named(OBJECT_META)
            .map(|meta| builder.import(meta, &mut BTreeMap::new()));
        let name = format!("{}.{}.{}", kind.group, kind.version, kind.kind);
        let id = builder.reserve(&name);
        let mut node = if schema.is_object() {
            builder.schema(&Place::root(&name), schema, &TypeFacts::default())?
        } else {
            builder.types.deduced().get().clone()
        };
        builder.add_object_fields(&mut node);
        node.name = Some(Arc::from(name.as_str()));
        builder.types.nodes[id.0 as usize] = node;
        builder.types.kinds.insert(kind, id);
        Ok(builder.finish())
    }
}

/// Types whose Go code reads JSON by itself, which their schemas do not tell.
fn well_known(name: &str, untyped: TypeId, deduced: TypeId) -> Option<Type> {
    let scalar = |scalar| {
        Some(Type {
            scalar: Some(scalar),
            ..Type::default()
        })
    };
    let any = |atomic, other| {
        Some(Type {
            name: None,
            scalar: Some(Scalar::Untyped),
            list: Some(List {
                element: untyped,
                kind: ListKind::Atomic,
            }),
            object: Some(Object {
                other: Some(other),
                atomic,
                ..Object::default()
            }),
        })
    };
    let (package, short) = name.rsplit_once('.')?;
    match (package, short) {
        ("io.k8s.apimachinery.pkg.api.resource", "Quantity") => scalar(Scalar::Quantity),
        ("io.k8s.apimachinery.pkg.util.intstr", "IntOrString") => scalar(Scalar::IntOrString),
        ("io.k8s.apimachinery.pkg.apis.meta.v1", "Time" | "MicroTime") => scalar(Scalar::Time),
        ("io.k8s.apimachinery.pkg.runtime", "RawExtension") => any(true, untyped),
        (
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
            "JSON"
            | "JSONSchemaPropsOrArray"
            | "JSONSchemaPropsOrBool"
            | "JSONSchemaPropsOrStringArray",
        ) => any(false, deduced),
        _ => None,
    }
}

/// Where in the schemas the builder is, for errors.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    name: &'a str,
    depth: usize,
}

impl<'a> Place<'a> {
    fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            name,
            depth: 0,
        }
    }

    fn child(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            name,
            depth: self.depth + 1,
        }
    }

    fn text(&self) -> String {
        match self.parent {
            Some(parent) => format!("{}.{}", parent.text(), self.name),
            None => self.name.to_owned(),
        }
    }
}

struct Builder {
    types: Types,
    /// Copies of named types with another map type, to be filled in once all are built.
    overrides: Vec<(TypeId, TypeId, bool)>,
    scalars: Vec<(Scalar, TypeId)>,
    meta: Option<TypeId>,
}

impl Builder {
    fn new() -> Self {
        let (untyped, deduced) = (TypeId(0), TypeId(1));
        let any = |other, atomic| Type {
            name: None,
            scalar: Some(Scalar::Untyped),
            list: Some(List {
                element: untyped,
                kind: ListKind::Atomic,
            }),
            object: Some(Object {
                other: Some(other),
                atomic,
                ..Object::default()
            }),
        };
        let nodes = vec![any(untyped, true), any(deduced, false)];
        let (names, kinds) = (BTreeMap::new(), BTreeMap::new());
        Self {
            types: Types {
                nodes,
                names,
                kinds,
                untyped,
                deduced,
            },
            overrides: Vec::new(),
            scalars: Vec::new(),
            meta: None,
        }
    }

    fn finish(mut self) -> Types {
        for (id, base, atomic) in self.overrides {
            let mut node = self.types.node(base).clone();
            if let Some(object) = &mut node.object {
                object.atomic = atomic;
            }
            self.types.nodes[id.0 as usize] = node;
        }
        resolve_key_defaults(&mut self.types);
        self.types
    }

    fn push(&mut self, node: Type) -> TypeId {
        let id = TypeId(self.types.nodes.len() as u32);
        self.types.nodes.push(node);
        id
    }

    fn reserve(&mut self, name: &str) -> TypeId {
        let id = self.push(Type::default());
        self.types.names.insert(Arc::from(name), id);
        id
    }

    fn scalar(&mut self, scalar: Scalar) -> TypeId {
        if let Some((_, id)) = self.scalars.iter().find(|(one, _)| *one == scalar) {
            return *id;
        }
        let id = self.push(Type {
            scalar: Some(scalar),
            ..Type::default()
        });
        self.scalars.push((scalar, id));
        id
    }

    /// Copies a type and all it leads to from another graph.
    fn import(&mut self, from: TypeRef<'_>, done: &mut BTreeMap<TypeId, TypeId>) -> TypeId {
        if let Some(id) = done.get(&from.id()) {
            return *id;
        }
        let id = self.push(Type::default());
        done.insert(from.id(), id);
        let mut node = from.get().clone();
        if let Some(list) = &mut node.list {
            list.element = self.import(from.to(list.element), done);
        }
        if let Some(object) = &mut node.object {
            for field in object.fields.values_mut() {
                field.of = self.import(from.to(field.of), done);
            }
            object.other = object.other.map(|other| self.import(from.to(other), done));
        }
        self.types.nodes[id.0 as usize] = node;
        id
    }

    /// The type of a schema in place of a reference: a named type, or a new one.
    fn reference(
        &mut self,
        place: &Place<'_>,
        schema: &Value,
        facts: &FieldFacts,
        preserve: bool,
    ) -> Result<TypeId, Error> {
        if let Some(name) = referred(schema) {
            let base = *self.types.names.get(name).ok_or_else(|| Error::Reference {
                place: place.text(),
                name: name.to_owned(),
            })?;
            let atomic = map_type(place, schema, facts.map.as_deref())?;
            return Ok(match atomic {
                None => base,
                Some(atomic) => {
                    let id = self.push(Type::default());
                    self.overrides.push((id, base, atomic));
                    id
                }
            });
        }
        let node = self.node(place, schema, facts, &TypeFacts::default(), preserve)?;
        Ok(match node {
            Type {
                scalar: Some(scalar),
                list: None,
                object: None,
                ..
            } => self.scalar(scalar),
            node => self.push(node),
        })
    }

    fn schema(
        &mut self,
        place: &Place<'_>,
        schema: &Value,
        facts: &TypeFacts,
    ) -> Result<Type, Error> {
        let own = FieldFacts {
            map: facts.map.clone(),
            ..FieldFacts::default()
        };
        self.node(place, schema, &own, facts, false)
    }

    fn node(
        &mut self,
        place: &Place<'_>,
        schema: &Value,
        own: &FieldFacts,
        facts: &TypeFacts,
        preserve: bool,
    ) -> Result<Type, Error> {
        if place.depth > DEPTH_MAX {
            return Err(Error::Depth {
                place: place.text(),
            });
        }
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool) == Some(true);
        let preserve = preserve || flag("x-kubernetes-preserve-unknown-fields");
        let mut node = Type::default();
        match schema.get("type").and_then(Value::as_str).unwrap_or("") {
            "" => {
                // Upstream's schema has no type here, so ownership takes any form; values are
                // validated elsewhere.
                let int_or_string = flag("x-kubernetes-int-or-string");
                node.scalar = Some(if int_or_string {
                    Scalar::IntOrString
                } else {
                    Scalar::Untyped
                });
                node.list = Some(self.list(place, schema, own, preserve)?);
                node.object = Some(self.object(place, schema, own, facts, preserve)?);
            }
            "object" => {
                node.object = Some(self.object(place, schema, own, facts, preserve)?);
            }
            "array" => node.list = Some(self.list(place, schema, own, preserve)?),
            name => {
                node.scalar = Some(scalar_of(name, schema).ok_or_else(|| Error::UnknownType {
                    place: place.text(),
                    name: name.to_owned(),
                })?);
            }
        }
        if flag("x-kubernetes-embedded-resource") {
            self.add_object_fields(&mut node);
        }
        Ok(node)
    }

    fn object(
        &mut self,
        place: &Place<'_>,
        schema: &Value,
        own: &FieldFacts,
        facts: &TypeFacts,
        preserve: bool,
    ) -> Result<Object, Error> {
        let mut fields = BTreeMap::new();
        let required = schema.get("required").and_then(Value::as_array);
        let properties = schema.get("properties").and_then(Value::as_object);
        let none = FieldFacts::default();
        for (name, property) in properties.into_iter().flatten() {
            let place = place.child(name);
            let facts = facts.fields.get(name).unwrap_or(&none);
            let field = Field {
                of: self.reference(&place, property, facts, preserve)?,
                required: required.is_some_and(|names| names.iter().any(|one| one == name)),
                default: property.get("default").or(facts.default.as_ref()).cloned(),
                zero: facts.zero,
                strategy: strategy(&place, property, facts)?,
            };
            fields.insert(Arc::from(name.as_str()), field);
        }
        let free = preserve || properties.is_none_or(Map::is_empty);
        let other = match schema.get("additionalProperties") {
            None if free => Some(self.types.deduced),
            Some(Value::Bool(true)) => Some(self.types.deduced),
            Some(values @ Value::Object(_)) => {
                let place = place.child("*");
                Some(self.reference(&place, values, &none, preserve)?)
            }
            _ => None,
        };
        let atomic = map_type(place, schema, own.map.as_deref())?.unwrap_or(false);
        Ok(Object {
            fields,
            other,
            atomic,
        })
    }

    fn list(
        &mut self,
        place: &Place<'_>,
        schema: &Value,
        facts: &FieldFacts,
        preserve: bool,
    ) -> Result<List, Error> {
        let element = match schema.get("items") {
            Some(items @ Value::Object(_)) => {
                let place = place.child("[]");
                self.reference(&place, items, &FieldFacts::default(), preserve)?
            }
            _ => self.types.untyped,
        };
        Ok(List {
            element,
            kind: list_kind(place, schema, facts)?,
        })
    }

    /// What every object has, also where a structural schema does not say so.
    fn add_object_fields(&mut self, node: &mut Type) {
        let text = self.scalar(Scalar::String);
        let meta = self.meta.unwrap_or(self.types.deduced);
        let object = node.object.get_or_insert_default();
        for (name, of) in [("apiVersion", text), ("kind", text), ("metadata", meta)] {
            let field = Field {
                of,
                required: false,
                default: None,
                zero: None,
                strategy: Strategy::default(),
            };
            object.fields.insert(Arc::from(name), field);
        }
    }
}

/// The definition that a schema refers to, directly or as the only part of an `allOf`.
fn referred(schema: &Value) -> Option<&str> {
    let reference = match schema.get("$ref") {
        Some(reference) => reference.as_str()?,
        None => match schema.get("allOf")?.as_array()?.as_slice() {
            [only] => only.get("$ref")?.as_str()?,
            _ => return None,
        },
    };
    reference.rsplit('/').next().filter(|name| !name.is_empty())
}

fn scalar_of(name: &str, schema: &Value) -> Option<Scalar> {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or("");
    Some(match (name, format) {
        ("integer", "int32") => Scalar::Int32,
        ("integer", _) => Scalar::Int64,
        ("number", _) => Scalar::Double,
        ("boolean", _) => Scalar::Boolean,
        ("string", "byte") => Scalar::Bytes,
        ("string", "") => Scalar::String,
        ("string", "int-or-string") => Scalar::IntOrString,
        ("string", "date-time") => Scalar::Time,
        ("string", _) => Scalar::Untyped,
        _ => return None,
    })
}

fn map_type(place: &Place<'_>, schema: &Value, fact: Option<&str>) -> Result<Option<bool>, Error> {
    let extension = schema.get("x-kubernetes-map-type").and_then(Value::as_str);
    match extension.or(fact) {
        None => Ok(None),
        Some("atomic") => Ok(Some(true)),
        Some("granular") => Ok(Some(false)),
        Some(name) => Err(unknown(place, "map type", name)),
    }
}

fn unknown(place: &Place<'_>, what: &'static str, name: &str) -> Error {
    Error::UnknownTopology {
        place: place.text(),
        what,
        name: name.to_owned(),
    }
}

fn list_kind(place: &Place<'_>, schema: &Value, facts: &FieldFacts) -> Result<ListKind, Error> {
    let key = |name: &str| Key {
        name: Arc::from(name),
        default: None,
    };
    let extension = schema.get("x-kubernetes-list-type").and_then(Value::as_str);
    match extension.or(facts.list.as_deref()) {
        Some("atomic") => return Ok(ListKind::Atomic),
        Some("set") => return Ok(ListKind::Set),
        Some("map") => {
            let keys = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array);
            let keys: Vec<Key> = match keys {
                Some(keys) => keys.iter().filter_map(Value::as_str).map(key).collect(),
                None => facts.keys.iter().map(|name| key(name)).collect(),
            };
            if keys.is_empty() {
                return Err(Error::Keys {
                    place: place.text(),
                });
            }
            return Ok(ListKind::Map(keys));
        }
        Some(name) => return Err(unknown(place, "list type", name)),
        None => {}
    }
    let strategy = strategy(place, schema, facts)?;
    Ok(match strategy.merge_key {
        Some(name) if strategy.merge => ListKind::Map(vec![key(&name)]),
        None if strategy.merge => ListKind::Set,
        _ => ListKind::Atomic,
    })
}

fn strategy(place: &Place<'_>, schema: &Value, facts: &FieldFacts) -> Result<Strategy, Error> {
    let text = |name| schema.get(name).and_then(Value::as_str);
    let merge_key = text("x-kubernetes-patch-merge-key").or(facts.merge_key.as_deref());
    let mut strategy = Strategy {
        merge_key: merge_key.map(Arc::from),
        ..Strategy::default()
    };
    let names = text("x-kubernetes-patch-strategy").or(facts.strategy.as_deref());
    for name in names
        .unwrap_or("")
        .split(',')
        .filter(|name| !name.is_empty())
    {
        match name {
            "merge" => strategy.merge = true,
            "replace" => strategy.replace = true,
            "retainKeys" => strategy.retain_keys = true,
            other => return Err(unknown(place, "patch strategy", other)),
        }
    }
    Ok(strategy)
}

/// Lists learn the defaults of their keys from the element type, which may be built after them.
fn resolve_key_defaults(types: &mut Types) {
    for index in 0..types.nodes.len() {
        let Some(List {
            element,
            kind: ListKind::Map(keys),
        }) = &types.nodes[index].list
        else {
            continue;
        };
        let element = types.at(*element);
        let defaults: Vec<Option<Value>> = keys
            .iter()
            .map(|key| {
                element
                    .declared(&key.name)
                    .and_then(|field| field.default.clone())
            })
            .collect();
        if let Some(List {
            kind: ListKind::Map(keys),
            ..
        }) = &mut types.nodes[index].list
        {
            for (key, default) in keys.iter_mut().zip(defaults) {
                key.default = default;
            }
        }
    }
}
