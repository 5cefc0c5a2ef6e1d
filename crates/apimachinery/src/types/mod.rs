//! The type graph: what the API server knows about the fields of a kind.
//!
//! In: JSON schema definitions of the built-in kinds plus the [`Facts`] that such schemas lack, or
//! the structural schema of a custom resource. Out: a [`Types`] graph, walked through [`TypeRef`],
//! that strategic merge patches, field ownership and strict decoding are driven by. It validates
//! no values beyond their JSON type, and holds no documentation.
//!
//! A type is an atom as in structured-merge-diff: a scalar, a list, an object or, where the value
//! decides, several of them. Source: k8s.io/kube-openapi `pkg/schemaconv`.

mod build;
mod check;
mod facts;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use build::Error;
pub use check::{Findings, check, drop_nulls, normalize};
pub use facts::{Facts, FactsError, FieldFacts, TypeFacts, Zero};

/// Place of a type in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

/// The leaves of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Any scalar.
    Untyped,
    /// Text.
    String,
    /// Text in base64.
    Bytes,
    /// An integer of 32 bits.
    Int32,
    /// An integer of 64 bits.
    Int64,
    /// A floating point number.
    Double,
    /// true or false.
    Boolean,
    /// Text that is a time.
    Time,
    /// A number or text such as `100m`.
    Quantity,
    /// An integer or text.
    IntOrString,
}

/// One field that identifies an element of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Name of the field.
    pub name: Arc<str>,
    /// The value that counts when the element leaves the field out.
    pub default: Option<Value>,
}

/// How the elements of a list are told apart.
#[derive(Debug, Clone, PartialEq)]
pub enum ListKind {
    /// Not at all: the list is one value.
    Atomic,
    /// By their value.
    Set,
    /// By the values of some of their fields, in this order in no other meaning.
    Map(Vec<Key>),
}

/// A list type.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Type of all elements.
    pub element: TypeId,
    /// How elements are told apart.
    pub kind: ListKind,
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategy {
    /// Lists are merged, element by element.
    pub merge: bool,
    /// The value is replaced even if it could be merged.
    pub replace: bool,
    /// Fields that the patch does not list in `$retainKeys` go.
    pub retain_keys: bool,
    /// The field that tells elements of a merged list apart; absent for lists of scalars.
    pub merge_key: Option<Arc<str>>,
}

/// A declared field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its type.
    pub of: TypeId,
    /// Whether the schema lists it as required.
    pub required: bool,
    /// Its default in the schema or the facts; for custom resources only as a list key's default.
    pub default: Option<Value>,
    /// What ownership counts the field as where it is absent.
    pub zero: Option<Zero>,
    /// Strategic merge.
    pub strategy: Strategy,
}

/// An object type: a struct, a map, or both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// Declared fields.
    pub fields: BTreeMap<Arc<str>, Field>,
    /// Type of all other fields; `None` when there may be none.
    pub other: Option<TypeId>,
    /// The object is one value that is owned and replaced as a whole.
    pub atomic: bool,
}

/// A type: what a value of it may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Type {
    /// Name of the definition, for named types, such as `io.k8s.api.core.v1.Pod`.
    pub name: Option<Arc<str>>,
    /// It may be a scalar.
    pub scalar: Option<Scalar>,
    /// It may be a list.
    pub list: Option<List>,
    /// It may be an object.
    pub object: Option<Object>,
}

/// Group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// API group; empty for core.
    pub group: String,
    /// API version within the group, such as `v1`.
    pub version: String,
    /// Kind, such as `Pod`.
    pub kind: String,
}

/// A graph of types. Cheap to share, never changed after it is built.
#[derive(Debug, Clone)]
pub struct Types {
    nodes: Vec<Type>,
    names: BTreeMap<Arc<str>, TypeId>,
    kinds: BTreeMap<Kind, TypeId>,
    untyped: TypeId,
    deduced: TypeId,
}

impl Types {
    /// The type of a kind.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef<'_>> {
        let [group, version, kind] = [group, version, kind].map(str::to_owned);
        self.kinds
            .get(&Kind {
                group,
                version,
                kind,
            })
            .map(|id| self.at(*id))
    }

    /// All kinds, sorted by group, version and kind.
    pub fn kinds(&self) -> impl Iterator<Item = (&Kind, TypeRef<'_>)> {
        self.kinds.iter().map(|(kind, id)| (kind, self.at(*id)))
    }

    /// The type of a definition, such as `io.k8s.api.core.v1.PodSpec`.
    pub fn named(&self, name: &str) -> Option<TypeRef<'_>> {
        self.names.get(name).map(|id| self.at(*id))
    }

    /// The type of values that nothing is known about: objects merge by field, lists are atomic.
    pub fn deduced(&self) -> TypeRef<'_> {
        self.at(self.deduced)
    }

    /// The type of an id from this graph.
    pub fn at(&self, id: TypeId) -> TypeRef<'_> {
        TypeRef { types: self, id }
    }

    fn node(&self, id: TypeId) -> &Type {
        // An id of another graph would be a mistake of the caller; it reads as untyped.
        self.nodes
            .get(id.0 as usize)
            .unwrap_or(&self.nodes[self.untyped.0 as usize])
    }
}

/// A type together with the graph it is in.
#[derive(Debug, Clone, Copy)]
pub struct TypeRef<'a> {
    types: &'a Types,
    id: TypeId,
}

impl<'a> TypeRef<'a> {
    /// The graph.
    pub fn types(self) -> &'a Types {
        self.types
    }

    /// Place in the graph.
    pub fn id(self) -> TypeId {
        self.id
    }

    /// The type itself.
    pub fn get(self) -> &'a Type {
        self.types.node(self.id)
    }

    /// The list it may be.
    pub fn list(self) -> Option<&'a List> {
        self.get().list.as_ref()
    }

    /// The object it may be.
    pub fn object(self) -> Option<&'a Object> {
        self.get().object.as_ref()
    }

    /// The scalar it may be.
    pub fn scalar(self) -> Option<Scalar> {
        self.get().scalar
    }

    /// Another type of the same graph.
    #[must_use]
    pub fn to(self, id: TypeId) -> TypeRef<'a> {
        self.types.at(id)
    }

    /// The declared field `name` of the object it may be.
    pub fn declared(self, name: &str) -> Option<&'a Field> {
        self.object()?.fields.get(name)
    }

    /// The type of field `name`: declared, or that of all other fields.
    pub fn field(self, name: &str) -> Option<TypeRef<'a>> {
        let object = self.object()?;
        let declared = object.fields.get(name).map(|field| field.of);
        declared.or(object.other).map(|id| self.to(id))
    }
}
