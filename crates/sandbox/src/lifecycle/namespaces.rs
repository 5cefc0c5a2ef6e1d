//! Deletes the content of terminating namespaces, then lets the namespaces go.
//!
//! Source: kubernetes `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::Controller;
use crate::object;
use crate::rest::delete::DeleteOptions;
use crate::rest::local::Local;
use crate::store::{ClusterId, Event, ObjectKey};

/// The finalizer in `spec.finalizers` that stands for this controller.
const KUBERNETES: &str = "kubernetes";

/// See the module's text.
#[derive(Default)]
pub(super) struct Namespaces {
    /// Terminating namespaces, to be looked at whenever something in them goes.
    terminating: HashSet<(ClusterId, ObjectKey)>,
}

impl Controller for Namespaces {
    const NAME: &'static str = "namespace-controller";

    fn keys(&mut self, event: &Event) -> Vec<ObjectKey> {
        let key = &event.entry.key;
        if event.resource.as_str() == "namespaces" {
            return vec![key.clone()];
        }
        if key.namespace.is_empty() || self.terminating.is_empty() {
            return Vec::new();
        }
        let namespace = ObjectKey::new("", &key.namespace);
        let found = self
            .terminating
            .contains(&(event.cluster, namespace.clone()));
        if found { vec![namespace] } else { Vec::new() }
    }

    fn all(&mut self, local: &Local) -> Vec<ObjectKey> {
        let Ok(resource) = local.resource("v1", "Namespace") else {
            return Vec::new();
        };
        local
            .entries(&resource, None)
            .iter()
            .map(|entry| entry.key.clone())
            .collect()
    }

    fn reconcile(&mut self, local: &Local, key: &ObjectKey) -> bool {
        let Ok(resource) = local.resource("v1", "Namespace") else {
            return true;
        };
        let slot = (local.cluster().id, key.clone());
        let namespace = local.get(&resource, "", &key.name);
        let Some(namespace) = namespace.filter(object::is_deleting) else {
            self.terminating.remove(&slot);
            return true;
        };
        self.terminating.insert(slot);
        if !object::strings_at(&namespace, &["spec", "finalizers"]).contains(&KUBERNETES) {
            return true;
        }
        let left = delete_content(local, &key.name);
        let now = local.now();
        let reported = local.modify(&resource, ("", &key.name), "status", &mut |namespace| {
            let before = namespace.clone();
            report(namespace, &left, &now);
            *namespace != before
        });
        if !left.resources.is_empty() {
            // Whatever goes next wakes this up again.
            return reported.is_ok();
        }
        let done = local.modify(&resource, ("", &key.name), "finalize", &mut |namespace| {
            let spec = object::member_mut(namespace, "spec");
            let Some(Value::Array(list)) = spec.get_mut("finalizers") else {
                return false;
            };
            let before = list.len();
            list.retain(|finalizer| finalizer.as_str() != Some(KUBERNETES));
            list.len() != before
        });
        done.is_ok_and(|namespace| object::name(&namespace) == &*key.name)
    }
}

/// What is still in a namespace after everything was told to go.
#[derive(Default)]
struct Left {
    /// Count by `plural.group`.
    resources: BTreeMap<String, usize>,
    /// Objects that wait, by finalizer.
    finalizers: BTreeMap<String, usize>,
}

fn delete_content(local: &Local, namespace: &str) -> Left {
    let mut left = Left::default();
    let options = DeleteOptions {
        propagation_policy: Some("Background".to_owned()),
        ..DeleteOptions::default()
    };
    for resource in local.cluster().registry.stored() {
        if !resource.namespaced {
            continue;
        }
        for entry in local.entries(&resource, Some(namespace)) {
            if !entry.meta.deleting
                && let Err(error) = local.delete(&resource, namespace, &entry.key.name, &options)
                && error.reason != "NotFound"
            {
                tracing::warn!(%namespace, name = %entry.key.name, %error, "cannot delete content");
            }
        }
        for object in local.list(&resource, Some(namespace)) {
            *left
                .resources
                .entry(resource.group_resource.as_str().to_owned())
                .or_insert(0) += 1;
            for finalizer in object::finalizers(&object) {
                *left.finalizers.entry(finalizer.to_owned()).or_insert(0) += 1;
            }
        }
    }
    left
}

fn report(namespace: &mut Value, left: &Left, now: &str) {
    let mut set = |kind: &str, holds: bool, reason: &str, message: &str| {
        let status = if holds { "True" } else { "False" };
        object::set_condition(namespace, kind, status, reason, message, now);
    };
    set(
        "NamespaceDeletionDiscoveryFailure",
        false,
        "ResourcesDiscovered",
        "All resources successfully discovered",
    );
    set(
        "NamespaceDeletionGroupVersionParsingFailure",
        false,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    );
    set(
        "NamespaceDeletionContentFailure",
        false,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    );
    if left.resources.is_empty() {
        set(
            "NamespaceContentRemaining",
            false,
            "ContentRemoved",
            "All content successfully removed",
        );
    } else {
        let all: Vec<String> = left
            .resources
            .iter()
            .map(|(resource, count)| {
                // The core group has no name, and the dot stays.
                let dot = if resource.contains('.') { "" } else { "." };
                format!("{resource}{dot} has {count} resource instances")
            })
            .collect();
        let message = format!("Some resources are remaining: {}", all.join(", "));
        set(
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            &message,
        );
    }
    if left.finalizers.is_empty() {
        set(
            "NamespaceFinalizersRemaining",
            false,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        );
    } else {
        let all: Vec<String> = left
            .finalizers
            .iter()
            .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
            .collect();
        let message = format!(
            "Some content in the namespace has finalizers remaining: {}",
            all.join(", ")
        );
        set(
            "NamespaceFinalizersRemaining",
            true,
            "SomeFinalizersRemain",
            &message,
        );
    }
}
