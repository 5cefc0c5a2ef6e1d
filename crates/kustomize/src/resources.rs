//! The objects of a kustomization, in their order.
//!
//! Source: kustomize `api/resmap`.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::generate;
use crate::id::Id;
use crate::origin::Origin;
use crate::resource::{Behavior, Resource};
use crate::schema::Schemas;
use crate::types::{Patterns, Selector};

/// Most objects of a build.
const OBJECTS_MAX: usize = 100_000;

/// Objects, each of its id once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources(Vec<Resource>);

fn registered(id: &Id) -> Error {
    Error(format!(
        "may not add resource with an already registered id: {id}"
    ))
}

impl Resources {
    /// Objects of which none has the id of another.
    pub(crate) fn new(schemas: &Schemas, list: Vec<Resource>) -> Result<Self> {
        let mut all = Self::default();
        all.append(schemas, list)?;
        Ok(all)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.0.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Resource> {
        self.0.get_mut(index)
    }

    pub(crate) fn into_list(self) -> Vec<Resource> {
        self.0
    }

    pub(crate) fn drop_empty(&mut self) {
        self.0.retain(|resource| !resource.is_nil_or_empty());
    }

    /// Adds objects at the end. What comes before one that is there already is added.
    pub(crate) fn append(&mut self, schemas: &Schemas, list: Vec<Resource>) -> Result<()> {
        if self.0.len() + list.len() > OBJECTS_MAX {
            return Err(Error(format!("more than {OBJECTS_MAX} objects")));
        }
        let mut keys: HashSet<_> = self
            .0
            .iter()
            .map(|resource| resource.current_id(schemas).key())
            .collect();
        for resource in list {
            let id = resource.current_id(schemas);
            if !keys.insert(id.key()) {
                return Err(registered(&id));
            }
            self.0.push(resource);
        }
        Ok(())
    }

    /// Adds generated objects, which may replace others or be merged into them.
    pub(crate) fn absorb(&mut self, schemas: &Schemas, resource: Resource) -> Result<()> {
        let id = resource.current_id(schemas);
        let matches: Vec<usize> = self.matching(schemas, &id);
        match (matches.as_slice(), resource.behavior()) {
            ([], Behavior::Merge | Behavior::Replace) => Err(Error(format!(
                "id {} does not exist; cannot merge or replace",
                go_syntax(&id)
            ))),
            ([], _) => self.append(schemas, vec![resource]),
            ([index], Behavior::Replace) => self.stand_for(schemas, *index, resource, false),
            ([index], Behavior::Merge) => self.stand_for(schemas, *index, resource, true),
            ([_], behavior) => Err(Error(format!(
                "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
                go_syntax(&id),
                behavior.name()
            ))),
            _ => Err(Error(format!(
                "found multiple objects that could accept merge of {id}"
            ))),
        }
    }

    fn stand_for(
        &mut self,
        schemas: &Schemas,
        index: usize,
        mut resource: Resource,
        with_data: bool,
    ) -> Result<()> {
        let old = &self.0[index];
        resource.take_metadata(old)?;
        if with_data {
            generate::merge_data(&mut resource.node, &old.node)?;
            if let Some(origin) = old.origin()? {
                resource.set_origin(Some(&origin))?;
            }
        }
        let id = resource.current_id(schemas);
        let same = self
            .0
            .iter()
            .filter(|one| one.current_id(schemas).equals(&id));
        if same.count() != 1 {
            return Err(Error(format!(
                "cannot find resource with id {id} to replace"
            )));
        }
        self.0[index] = resource;
        Ok(())
    }

    /// Places of objects that have, or had, an id.
    fn matching(&self, schemas: &Schemas, id: &Id) -> Vec<usize> {
        self.matching_by(schemas, |other| id.equals(other))
    }

    pub(crate) fn matching_by(&self, schemas: &Schemas, fits: impl Fn(&Id) -> bool) -> Vec<usize> {
        let places = self.0.iter().enumerate();
        places
            .filter(|(_, resource)| {
                !resource.is_nil_or_empty() && resource.ids(schemas).iter().any(&fits)
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// The place of the one object that has, or had, an id.
    pub(crate) fn find(&self, schemas: &Schemas, id: &Id) -> Result<usize> {
        let problem = match self.matching(schemas, id).as_slice() {
            [index] => return Ok(*index),
            [] => "no matches",
            _ => "multiple matches",
        };
        Err(Error(format!(
            "{problem} for Id {id}; failed to find unique target for patch {id}"
        )))
    }

    /// Places of the objects that are selected.
    pub(crate) fn select(&self, schemas: &Schemas, selector: &Selector) -> Result<Vec<usize>> {
        let patterns = Patterns::new(selector)?;
        let mut found = Vec::new();
        for (index, resource) in self.0.iter().enumerate() {
            if resource.is_deleted {
                continue;
            }
            let (current, original) = (resource.current_id(schemas), resource.original_id(schemas));
            let either = |fits: &dyn Fn(&Id) -> bool| fits(&original) || fits(&current);
            if either(&|id| patterns.fits_namespace(id.effective_namespace()))
                && either(&|id| patterns.fits_name(&id.name))
                && patterns.fits_kind(&current.gvk)
                && selector.fits_metadata(resource)?
            {
                found.push(index);
            }
        }
        Ok(found)
    }

    /// Merges a patch into objects, whatever it is called itself.
    pub(crate) fn apply_patch(
        &mut self,
        schemas: &Schemas,
        selected: &[usize],
        patch: &Resource,
    ) -> Result<()> {
        let ids: HashSet<_> = selected
            .iter()
            .map(|index| self.0[*index].current_id(schemas))
            .collect();
        for resource in &mut self.0 {
            if !ids.contains(&resource.current_id(schemas)) {
                continue;
            }
            let mut copy = patch.clone();
            copy.take_metadata(patch)?;
            copy.node.set_kind(resource.node.kind_text())?;
            copy.node.set_api_version(resource.node.api_version())?;
            copy.node.set_kind(patch.node.kind_text())?;
            resource.apply_patch(schemas, copy)?;
        }
        let mut list = std::mem::take(&mut self.0);
        list.retain(|resource| !resource.is_nil_or_empty());
        self.append(schemas, list)
    }

    pub(crate) fn add_hashes(&mut self, schemas: &Schemas) -> Result<()> {
        for resource in self.0.iter_mut().filter(|resource| resource.needs_hash()) {
            let hash = generate::hash(&resource.node)?;
            resource.store_previous_id(schemas)?;
            let name = format!("{}-{hash}", resource.node.name());
            resource.node.set_name(&name)?;
        }
        Ok(())
    }

    pub(crate) fn sort_by<K: Ord>(&mut self, key: impl FnMut(&Resource) -> K) {
        self.0.sort_by_cached_key(key);
    }

    /// Takes away what is for tools only.
    pub(crate) fn drop_local(&mut self) -> Result<()> {
        self.drop_empty();
        for resource in std::mem::take(&mut self.0) {
            if !resource.is_local()? {
                self.0.push(resource);
            }
        }
        Ok(())
    }

    /// Says where objects are from that do not say so yet.
    pub(crate) fn add_origin(&mut self, origin: Option<&Origin>) -> Result<()> {
        for resource in &mut self.0 {
            if origin.is_some() && matches!(resource.origin(), Ok(None)) {
                resource.set_origin(origin)?;
            }
        }
        Ok(())
    }

    /// Says what changed objects; those that were patched away have no place for it.
    pub(crate) fn add_transformation(&mut self, origin: &Origin) -> Result<()> {
        for resource in self.0.iter_mut().filter(|resource| !resource.is_deleted) {
            match resource.origin()? {
                None => resource.set_origin(Some(origin))?,
                Some(_) => resource.add_transformation(origin)?,
            }
        }
        Ok(())
    }
}

/// Go's `%#v` of an id.
fn go_syntax(id: &Id) -> String {
    let quote = crate::plugin::quote;
    format!(
        "resid.ResId{{Gvk:resid.Gvk{{Group:{}, Version:{}, Kind:{}, isClusterScoped:{}}}, Name:{}, Namespace:{}}}",
        quote(&id.gvk.group),
        quote(&id.gvk.version),
        quote(&id.gvk.kind),
        id.is_cluster_scoped,
        quote(&id.name),
        quote(&id.namespace)
    )
}
