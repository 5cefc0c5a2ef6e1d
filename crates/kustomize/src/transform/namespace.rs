//! The namespace of all objects, and of the subjects of bindings.

use super::fieldspec::{self, Create};
use crate::error::{Error, Result};
use crate::node::{Kind, Node, STRING};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::FieldSpec;

/// Which subjects of bindings get the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those that are called `default`.
    #[default]
    Default,
    ServiceAccounts,
    None,
}

impl Subjects {
    pub(crate) fn of(text: &str) -> Result<Self> {
        match text {
            "" | "defaultOnly" => Ok(Self::Default),
            "allServiceAccounts" => Ok(Self::ServiceAccounts),
            "none" => Ok(Self::None),
            other => Err(Error(format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            ))),
        }
    }
}

/// Sets a namespace.
#[derive(Debug)]
pub(crate) struct NamespaceTransformer {
    pub(crate) namespace: String,
    pub(crate) fields: Vec<FieldSpec>,
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

const NAMESPACE: &str = "metadata/namespace";

impl NamespaceTransformer {
    pub(crate) fn run(&self, schemas: &Schemas, all: &mut Resources) -> Result<()> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let mut conflicts = Conflicts::new(schemas, all);
        for index in 0..all.len() {
            let Some(resource) = all.get_mut(index) else {
                break;
            };
            if resource.is_nil_or_empty() {
                continue;
            }
            resource.store_previous_id(schemas)?;
            self.change(schemas, resource)?;
            resource.settle();
            conflicts.moved(schemas, index, resource)?;
        }
        Ok(())
    }

    /// Sets the namespace of one object.
    pub(super) fn change(&self, schemas: &Schemas, resource: &mut Resource) -> Result<()> {
        let gvk = resource.gvk();
        let node = &mut resource.node;
        if !schemas.is_cluster_scoped(node.api_version(), node.kind_text()) {
            let own = FieldSpec::new(NAMESPACE, true);
            self.set(node, &own, "")?;
        }
        let is_binding = |kind: &str| matches!(kind, "RoleBinding" | "ClusterRoleBinding");
        if is_binding(&gvk.kind) {
            self.set_subjects(node)?;
        }
        let is_core = node.api_version() == "v1";
        for spec in &self.fields {
            let is_handled = spec.path == NAMESPACE
                || (spec.path == "metadata/name" && !is_core)
                || (is_binding(&gvk.kind)
                    && is_binding(&spec.gvk.kind)
                    && spec.path == "subjects/namespace");
            if !is_handled {
                self.set(node, spec, STRING).map_err(|error| {
                    let is_wrong_kind = error.0.contains("wrong node kind: expected ScalarNode");
                    error.within(if is_wrong_kind {
                        "namespace field specs must target scalar nodes"
                    } else {
                        "namespace transformation failed"
                    })
                })?;
            }
        }
        Ok(())
    }

    fn set(&self, node: &mut Node, spec: &FieldSpec, tag: &'static str) -> Result<()> {
        let create = Create {
            kind: Kind::Scalar,
            tag,
        };
        fieldspec::visit(node, spec, Some(create), &mut |field| self.put(field))
    }

    fn put(&self, field: &mut Node) -> Result<()> {
        let is_set = !field.is_nil_or_empty()
            && match field.kind {
                Kind::Scalar => !field.text().is_empty(),
                _ => false,
            };
        if self.unset_only && is_set {
            return Ok(());
        }
        field.set_string(&self.namespace)
    }

    fn set_subjects(&self, node: &mut Node) -> Result<()> {
        let (name, value) = match self.subjects {
            Subjects::None => return Ok(()),
            Subjects::Default => ("name", "default"),
            Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
        };
        let within =
            |error: Error| error.within("setting namespace on (cluster)role binding subjects");
        let Some(subjects) = node.lookup_mut(&["subjects"])? else {
            return Ok(());
        };
        if subjects.is_null() {
            return Ok(());
        }
        for subject in subjects.items_mut().map_err(within)? {
            let found = subject.get(name).map_err(within)?;
            if found.is_none_or(|found| found.is_null() || found.value != value) {
                continue;
            }
            if let Some(field) = subject
                .lookup_create(Kind::Scalar, &["namespace"])
                .map_err(within)?
            {
                self.put(field).map_err(within)?;
            }
        }
        Ok(())
    }
}

type Key = (crate::id::Gvk, String, String);

/// Ids that are taken while objects move.
struct Conflicts {
    keys: Vec<Key>,
    count: std::collections::HashMap<Key, usize>,
}

impl Conflicts {
    fn new(schemas: &Schemas, all: &Resources) -> Self {
        let keys: Vec<_> = all
            .iter()
            .map(|resource| resource.current_id(schemas).key())
            .collect();
        let mut count = std::collections::HashMap::new();
        for key in &keys {
            *count.entry(key.clone()).or_default() += 1;
        }
        Self { keys, count }
    }

    fn moved(&mut self, schemas: &Schemas, index: usize, resource: &Resource) -> Result<()> {
        let id = resource.current_id(schemas);
        let key = id.key();
        if let Some(count) = self.count.get_mut(&self.keys[index]) {
            *count -= 1;
        }
        let count = self.count.entry(key.clone()).or_default();
        *count += 1;
        if *count > 1 {
            return Err(Error(format!(
                "namespace transformation produces ID conflict: {count} objects would be {id}"
            )));
        }
        self.keys[index] = key;
        Ok(())
    }
}
