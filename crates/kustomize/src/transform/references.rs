//! Names of objects in other objects, which follow when those are renamed.
//!
//! Source: kustomize `api/filters/nameref`, `api/internal/accumulator/namereferencetransformer.go`.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::fieldspec;
use crate::config::Referrers;
use crate::error::{Error, Result};
use crate::id::{Gvk, Id};
use crate::node::{Kind, Node};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::FieldSpec;

/// What is asked of an object that names may stand for.
struct Candidate {
    current: Id,
    original: Id,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Candidate {
    fn of(schemas: &Schemas, resource: &Resource) -> Self {
        let (prefixes, suffixes) = resource.prefixes_and_suffixes();
        let current = resource.current_id(schemas);
        let previous = resource.previous_ids(schemas);
        Self {
            original: previous.first().unwrap_or(&current).clone(),
            current,
            previous,
            prefixes,
            suffixes,
        }
    }

    fn has_affixes_of(&self, other: &Self, allow_empty: bool) -> bool {
        let same = |own: &[String], theirs: &[String]| {
            (allow_empty && (own.is_empty() || theirs.is_empty())) || same_ending(own, theirs)
        };
        same(&self.prefixes, &other.prefixes) && same(&self.suffixes, &other.suffixes)
    }
}

/// Whether the shorter list is the end of the longer one.
fn same_ending(a: &[String], b: &[String]) -> bool {
    let (shorter, longer) = if a.len() > b.len() { (b, a) } else { (a, b) };
    if shorter.is_empty() {
        return longer.is_empty();
    }
    longer.ends_with(shorter)
}

/// Changes the names that stand for objects that were renamed.
pub(crate) fn fix_references(
    schemas: &Schemas,
    all: &mut Resources,
    references: &[Referrers],
) -> Result<()> {
    let mut candidates: Vec<Candidate> = all
        .iter()
        .map(|resource| Candidate::of(schemas, resource))
        .collect();
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let names: BTreeSet<&String> = candidate.previous.iter().map(|id| &id.name).collect();
        for name in names {
            by_name.entry(name.clone()).or_default().push(index);
        }
    }
    for index in 0..all.len() {
        let Some(resource) = all.get_mut(index) else {
            break;
        };
        let original = candidates[index].original.gvk.clone();
        let wanted = references.iter().flat_map(|referrers| {
            let fields = referrers.fields.iter();
            fields
                .filter(|spec| original.is_selected(&spec.gvk))
                .map(move |spec| (&referrers.gvk, spec))
        });
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            continue;
        }
        let reachable = reachable(resource, &candidates, index)?;
        for (target, spec) in wanted {
            let fixer = Fixer {
                referrer: &candidates[index],
                role: role_of(&resource.node, spec),
                target,
                candidates: &candidates,
                by_name: &by_name,
                reachable: &reachable,
                is_changed: Cell::new(false),
            };
            fixer.run(resource, spec)?;
            if fixer.is_changed.get() {
                resource.settle();
                candidates[index] = Candidate::of(schemas, resource);
            }
        }
    }
    Ok(())
}

/// Which objects one can refer to.
fn reachable(resource: &Resource, all: &[Candidate], index: usize) -> Result<Vec<bool>> {
    let own = &all[index].current;
    if own.is_cluster_scoped {
        return Ok(vec![true; all.len()]);
    }
    let namespaces = namespaces_of_subjects(resource, own)?;
    let fits = |other: &Candidate| {
        other.current.is_cluster_scoped
            || other.current.is_in_namespace_of(own)
            || namespaces.contains(&other.current.namespace)
    };
    Ok(all.iter().map(fits).collect())
}

/// The namespaces of service accounts that a role binding names.
fn namespaces_of_subjects(resource: &Resource, own: &Id) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    if resource.node.kind_text() != "RoleBinding" {
        return Ok(found);
    }
    let subjects = resource.node.lookup(&["subjects"]).ok().flatten();
    let Some(subjects) = subjects.filter(|subjects| subjects.kind == Kind::Sequence) else {
        return Ok(found);
    };
    for subject in &subjects.content {
        let is_account = subject
            .field("kind")
            .is_some_and(|kind| kind.value == "ServiceAccount");
        let Some(namespace) = subject.field("namespace").filter(|_| is_account) else {
            continue;
        };
        match namespace.decode()? {
            serde_json::Value::String(namespace) => found.insert(namespace),
            _ => {
                return Err(Error(format!(
                    "Invalid Input: namespace is blank for resource {:?}\n",
                    own.to_string()
                )));
            }
        };
    }
    Ok(found)
}

/// The kind of the role that a binding names.
fn role_of(node: &Node, spec: &FieldSpec) -> Option<Gvk> {
    if !spec.path.ends_with("roleRef/name") {
        return None;
    }
    let role = node.field("roleRef")?;
    let text = |name: &str| role.field(name).map(|field| field.value.clone());
    Some(Gvk {
        group: text("apiGroup")?,
        kind: text("kind")?,
        ..Gvk::default()
    })
}

struct Fixer<'a> {
    referrer: &'a Candidate,
    role: Option<Gvk>,
    target: &'a Gvk,
    candidates: &'a [Candidate],
    /// Their places by the names that they had.
    by_name: &'a HashMap<String, Vec<usize>>,
    /// Which of them can be meant.
    reachable: &'a [bool],
    is_changed: Cell<bool>,
}

impl Fixer<'_> {
    fn run(&self, resource: &mut Resource, spec: &FieldSpec) -> Result<()> {
        let anywhere = FieldSpec {
            gvk: resource.gvk(),
            ..spec.clone()
        };
        fieldspec::visit(&mut resource.node, &anywhere, None, &mut |node| {
            self.set(node)
        })
        .map_err(|error| {
            error.within(&format!(
                "updating name reference in '{}' field of '{}'",
                spec.path, self.referrer.current
            ))
        })
    }

    fn set(&self, node: &mut Node) -> Result<()> {
        if node.is_null() {
            return Ok(());
        }
        match node.kind {
            Kind::Scalar => self.set_scalar(node),
            Kind::Mapping => self.set_mapping(node),
            Kind::Sequence => {
                for item in node.content.iter_mut().filter(|item| !item.is_null()) {
                    match item.kind {
                        Kind::Scalar => self.set_scalar(item)?,
                        Kind::Mapping => self.set_mapping(item)?,
                        Kind::Sequence => {
                            return Err(Error::new(
                                "a list in a list is expected to be either a string or a map of string",
                            ));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set_scalar(&self, node: &mut Node) -> Result<()> {
        let found = self.select(self.named(&node.value), |a, b| a.name == b.name)?;
        match found {
            Some(found) if found.current.name != node.value => {
                self.is_changed.set(true);
                node.set_scalar(Node::plain(found.current.name.as_str()))
            }
            _ => Ok(()),
        }
    }

    fn set_mapping(&self, node: &mut Node) -> Result<()> {
        let Some(name) = node.field("name") else {
            return Err(Error::new("path config error; no 'name' field in node"));
        };
        let name = name.value.clone();
        let namespace = node.field("namespace").map(|node| node.value.as_str());
        let found = self.select(self.in_namespace(&name, namespace), |a, b| {
            a.name == b.name && a.namespace == b.namespace
        })?;
        let Some(found) = found else {
            return Ok(());
        };
        let Id {
            name: new_name,
            namespace,
            ..
        } = &found.current;
        if *new_name == name && namespace.is_empty() {
            return Ok(());
        }
        self.is_changed.set(true);
        node.set_field("name", Node::plain(new_name.as_str()))?;
        if namespace.is_empty() {
            return Ok(());
        }
        node.set_field("namespace", Node::plain(namespace.as_str()))
    }

    /// Those that had a name and can be meant.
    fn named(&self, name: &str) -> Vec<&Candidate> {
        let places = self.by_name.get(name).into_iter().flatten();
        let meant = places.filter(|index| self.reachable[**index]);
        meant.map(|index| &self.candidates[*index]).collect()
    }

    /// Those whose namespace was, else is, the one that is named.
    fn in_namespace(&self, name: &str, namespace: Option<&str>) -> Vec<&Candidate> {
        let mut found = self.named(name);
        let Some(namespace) = namespace else {
            return found;
        };
        let is_in = |id: &Id| !id.is_cluster_scoped && id.effective_namespace() == namespace;
        let all = self.candidates.iter().zip(self.reachable);
        let was_used = all
            .filter(|(_, is_reachable)| **is_reachable)
            .any(|(one, _)| is_in(&one.original));
        found.retain(|one| {
            is_in(if was_used {
                &one.original
            } else {
                &one.current
            })
        });
        found
    }

    /// The object that a name stands for.
    fn select<'c>(
        &self,
        candidates: Vec<&'c Candidate>,
        are_same: fn(&Id, &Id) -> bool,
    ) -> Result<Option<&'c Candidate>> {
        let mut left = candidates;
        left.retain(|one| {
            one.previous
                .iter()
                .any(|id| id.gvk.is_selected(self.target))
        });
        if let Some(role) = &self.role {
            left.retain(|one| one.previous.iter().any(|id| id.gvk.is_selected(role)));
        }
        let own = &self.referrer.current;
        if !own.is_cluster_scoped {
            left.retain(|one| {
                one.current.is_cluster_scoped
                    || one.current.gvk.kind == "ServiceAccount"
                    || own.is_in_namespace_of(&one.current)
            });
        }
        if left.len() > 1 {
            left.retain(|one| one.has_affixes_of(self.referrer, true));
        }
        if left.len() > 1 {
            left.retain(|one| one.has_affixes_of(self.referrer, false));
        }
        let Some(first) = left.first().copied() else {
            return Ok(None);
        };
        if left
            .iter()
            .all(|one| are_same(&one.current, &first.current))
        {
            return Ok(Some(first));
        }
        let ids: Vec<_> = left.iter().map(|one| one.current.to_string()).collect();
        Err(Error(format!(
            "found multiple possible referrals: {}",
            ids.join(", ")
        )))
    }
}
