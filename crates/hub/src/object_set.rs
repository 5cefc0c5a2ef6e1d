//! Objects that belong together because one object, which need not own them by reference, is their reason.
//!
//! They carry upstream's marks, so that each can go on where the other left off: the label
//! `objectset.rio.cattle.io/hash` and annotations with the id of the set and its reason. An object is
//! written only when it lacks something; what is in it beside that stays.
//!
//! Source: wrangler, `pkg/objectset`.

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use apiclient::{Class, Client, DeleteOptions, Error, Kind, ObjectKey, ObjectMeta};
use apiclient::{Patch, Selector, WriteOptions};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

/// Annotation: the kind of the reason.
pub(crate) const OWNER_GVK: &str = "objectset.rio.cattle.io/owner-gvk";
/// Annotation: its name.
pub(crate) const OWNER_NAME: &str = "objectset.rio.cattle.io/owner-name";
/// Annotation: its namespace.
pub(crate) const OWNER_NAMESPACE: &str = "objectset.rio.cattle.io/owner-namespace";

/// A set of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectSet {
    id: String,
    /// Group, version and kind of the reason as wrangler prints them; empty without one.
    gvk: String,
    owner: ObjectKey,
}

impl ObjectSet {
    /// A set without a reason.
    pub(crate) fn of_nobody(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            gvk: String::new(),
            owner: ObjectKey::default(),
        }
    }

    /// A set whose reason is an object of Fleet.
    pub(crate) fn of(id: &str, kind: &str, owner: &ObjectKey) -> Self {
        Self {
            id: id.to_owned(),
            gvk: gvk(kind),
            owner: owner.clone(),
        }
    }

    /// A set whose reason is a namespace.
    pub(crate) fn of_namespace(id: &str, namespace: &str) -> Self {
        Self {
            id: id.to_owned(),
            gvk: "/v1, Kind=Namespace".to_owned(),
            owner: ObjectKey::new("", namespace),
        }
    }

    pub(crate) fn hash(&self) -> String {
        let Self { id, gvk, owner } = self;
        let text = format!("{id}{gvk}{}{}", owner.name, owner.namespace);
        hex::encode(Sha1::digest(text.as_bytes()))
    }

    /// Puts the marks on an object.
    pub(crate) fn mark(&self, mut object: Value) -> Value {
        let meta = &mut object["metadata"];
        meta["labels"][OBJECT_SET_HASH] = self.hash().into();
        meta["annotations"][OBJECT_SET_ID] = self.id.as_str().into();
        for (name, value) in [
            (OWNER_GVK, &self.gvk),
            (OWNER_NAME, &self.owner.name),
            (OWNER_NAMESPACE, &self.owner.namespace),
        ] {
            if !value.is_empty() {
                meta["annotations"][name] = value.as_str().into();
            }
        }
        object
    }

    /// Writes an object of the set, if it lacks something.
    pub(crate) async fn ensure(
        &self,
        client: &Client,
        kind: &Kind,
        object: Value,
    ) -> Result<(), Error> {
        ensure(client, kind, self.mark(object)).await
    }

    /// Deletes the objects of the set that registration makes, wherever they are.
    pub(crate) async fn sweep(&self, client: &Client) -> Result<(), Error> {
        for kind in kinds() {
            let mut found = Vec::new();
            let selector = Selector {
                metadata_only: true,
                ..Selector::labels(format!("{OBJECT_SET_HASH}={}", self.hash()))
            };
            let each = |object: ObjectMeta| found.push(object.metadata);
            client.list(&kind, &selector, each).await?;
            for meta in found {
                let key = ObjectKey::new(meta.namespace, meta.name);
                let options = DeleteOptions {
                    uid: meta.uid,
                    ..DeleteOptions::default()
                };
                client.delete(&kind, &key, &options).await?;
            }
        }
        Ok(())
    }
}

/// As wrangler prints the kind of an object of Fleet.
pub(crate) fn gvk(kind: &str) -> String {
    format!("{}, Kind={kind}", api::v1alpha1::API_VERSION)
}

/// Kinds of what registration makes: bindings first, so that rights end before what they are bound to.
pub(crate) fn kinds() -> [Kind; 5] {
    [
        Kind::of::<ClusterRoleBinding>(),
        Kind::of::<RoleBinding>(),
        Kind::of::<Role>(),
        Kind::of::<Secret>(),
        Kind::of::<ServiceAccount>(),
    ]
}

/// Key of an object that is about to be written.
pub(crate) fn key_of(object: &Value) -> ObjectKey {
    let text = |name: &str| {
        let found = object["metadata"][name].as_str();
        found.unwrap_or_default().to_owned()
    };
    ObjectKey::new(text("namespace"), text("name"))
}

/// Writes an object, if it lacks something.
pub(crate) async fn ensure(client: &Client, kind: &Kind, mut object: Value) -> Result<(), Error> {
    let key = key_of(&object);
    let live: Option<Value> = client.get(kind, &key).await?;
    if live.as_ref().is_some_and(|live| covers(live, &object)) {
        return Ok(());
    }
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.as_ref().into();
    let written = apply(client, kind, &key, &object).await;
    let is_binding = kind.kind.ends_with("Binding");
    match written {
        // What a binding gives cannot be changed.
        Err(error) if error.class() == Class::Permanent && is_binding && live.is_some() => {
            client.delete(kind, &key, &DeleteOptions::default()).await?;
            apply(client, kind, &key, &object).await
        }
        written => written,
    }
}

async fn apply(client: &Client, kind: &Kind, key: &ObjectKey, object: &Value) -> Result<(), Error> {
    let options = WriteOptions {
        force: true,
        ..WriteOptions::default()
    };
    let applied: Result<ObjectMeta, _> = client
        .patch(kind, key, None, Patch::Apply(object), 0, options)
        .await;
    applied.map(drop)
}

/// Whether a live object has everything that is wanted of it.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            live.get(name)
                .map_or_else(|| is_nothing(wanted), |live| covers(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(a, b)| covers(a, b))
        }
        (live, wanted) => live == wanted,
    }
}

/// What an API server drops.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value == "" || value == &json!([]) || value == &json!({})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_of_wrangler() {
        // Vector of the agent specification, 7.4: a set without a reason.
        let set = ObjectSet::of_nobody("default-remove-metadata");
        assert_eq!(set.hash(), "0f3e1d9d146fa8b290c0de403881184751430e59");
        let set = ObjectSet::of(
            "cluster-registration",
            "ClusterRegistration",
            &ObjectKey::new("ns", "r"),
        );
        let object = set.mark(json!({ "metadata": { "name": "a", "labels": { "x": "y" } } }));
        assert_eq!(object["metadata"]["labels"]["x"], "y");
        assert_eq!(object["metadata"]["labels"][OBJECT_SET_HASH], set.hash());
        assert_eq!(
            object["metadata"]["annotations"],
            json!({
                "objectset.rio.cattle.io/id": "cluster-registration",
                "objectset.rio.cattle.io/owner-gvk": "fleet.cattle.io/v1alpha1, Kind=ClusterRegistration",
                "objectset.rio.cattle.io/owner-name": "r",
                "objectset.rio.cattle.io/owner-namespace": "ns",
            })
        );
    }

    #[test]
    fn only_what_is_lacking_is_a_reason_to_write() {
        let live = json!({ "metadata": { "name": "a", "uid": "u" }, "rules": [{ "verbs": ["get"], "x": 1 }] });
        for (wanted, want) in [
            (json!({ "metadata": { "name": "a" } }), true),
            (json!({ "rules": [{ "verbs": ["get"] }], "data": {} }), true),
            (json!({ "rules": [{ "verbs": ["get", "list"] }] }), false),
            (json!({ "rules": [] }), false),
            (json!({ "metadata": { "labels": { "a": "b" } } }), false),
        ] {
            assert_eq!(covers(&live, &wanted), want, "{wanted}");
        }
    }
}
