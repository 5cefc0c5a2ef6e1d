//! Objects as the controllers inside the process read and write them: the same verbs and rules as
//! over HTTP, without authorization, encoding and waiting for disk.

use std::sync::Arc;

use serde_json::Value;

use super::delete::{self, DeleteOptions};
use super::{Call, WriteOptions, create, decode, update};
use crate::auth::User;
use crate::cluster::ClusterState;
use crate::object;
use crate::registry::Resource;
use crate::status::Status;
use crate::store::{Entry, ListRange, ObjectKey};

/// A controller's access to one logical cluster.
#[derive(Clone)]
pub(crate) struct Local {
    cluster: Arc<ClusterState>,
    manager: &'static str,
}

impl Local {
    /// Access as the controller `manager`, which field ownership and user names show.
    pub(crate) fn new(cluster: Arc<ClusterState>, manager: &'static str) -> Self {
        Self { cluster, manager }
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Arc<ClusterState> {
        &self.cluster
    }

    /// The time as objects show it.
    pub(crate) fn now(&self) -> String {
        self.cluster.now_text()
    }

    /// The resource of a kind.
    pub(crate) fn resource(&self, api_version: &str, kind: &str) -> Result<Arc<Resource>, Status> {
        self.cluster
            .registry
            .by_kind(api_version, kind)
            .ok_or_else(|| {
                Status::not_implemented(&format!("kind {kind} of {api_version} in this cluster"))
            })
    }

    fn call(&self, resource: Arc<Resource>, namespace: &str, name: &str) -> Call {
        let user = format!("system:serviceaccount:kube-system:{}", self.manager);
        Call {
            cluster: Arc::clone(&self.cluster),
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: String::new(),
            user: User::system(&user),
            options: WriteOptions {
                manager: self.manager.to_owned(),
                ..WriteOptions::default()
            },
            warnings: Vec::new(),
        }
    }

    /// An object, `None` if it does not exist.
    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Value> {
        let key = ObjectKey::new(namespace, name);
        let entry = self
            .cluster
            .store
            .get(self.cluster.id, &resource.bucket, &key)?;
        decode(resource, &entry).ok()
    }

    /// The entries of a namespace, or of all.
    pub(crate) fn entries(&self, resource: &Resource, namespace: Option<&str>) -> Vec<Arc<Entry>> {
        let range = ListRange {
            namespace,
            ..ListRange::default()
        };
        let page = self
            .cluster
            .store
            .list(self.cluster.id, &resource.bucket, &range);
        page.map(|page| page.entries).unwrap_or_default()
    }

    /// The objects of a namespace, or of all.
    pub(crate) fn list(&self, resource: &Resource, namespace: Option<&str>) -> Vec<Value> {
        let entries = self.entries(resource, namespace);
        entries
            .iter()
            .filter_map(|entry| decode(resource, entry).ok())
            .collect()
    }

    /// Creates an object; its namespace and name are those in its metadata.
    ///
    /// # Errors
    /// As a client gets them, `AlreadyExists` among them.
    pub(crate) fn create(&self, resource: &Arc<Resource>, object: Value) -> Result<Value, Status> {
        let namespace = object::namespace(&object).to_owned();
        let mut call = self.call(Arc::clone(resource), &namespace, "");
        create::create(&mut call, object).map(|written| written.object)
    }

    /// Changes an object through `subresource` (empty, `status`, ...), again on conflict, until
    /// `modify` returns `false` for "nothing to do" or the write succeeds.
    ///
    /// # Errors
    /// As a client gets them; `NotFound` if the object is gone.
    pub(crate) fn modify(
        &self,
        resource: &Arc<Resource>,
        key: (&str, &str),
        subresource: &str,
        modify: &mut dyn FnMut(&mut Value) -> bool,
    ) -> Result<Value, Status> {
        let mut call = self.call(Arc::clone(resource), key.0, key.1);
        subresource.clone_into(&mut call.subresource);
        update::update(&mut call, update::Edit::Modify(modify)).map(|written| written.object)
    }

    /// Changes the status of an object as [`update::update_own_status`] does.
    ///
    /// # Errors
    /// As a client gets them; `NotFound` if the object is gone.
    pub(crate) fn modify_own_status(
        &self,
        resource: &Arc<Resource>,
        name: &str,
        modify: &mut dyn FnMut(&mut Value) -> bool,
    ) -> Result<(), Status> {
        let mut call = self.call(Arc::clone(resource), "", name);
        "status".clone_into(&mut call.subresource);
        update::update_own_status(&mut call, modify)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// As a client gets them; `NotFound` if the object is gone.
    pub(crate) fn delete(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        let mut call = self.call(Arc::clone(resource), namespace, name);
        delete::delete(&mut call, options).map(|_| ())
    }
}
