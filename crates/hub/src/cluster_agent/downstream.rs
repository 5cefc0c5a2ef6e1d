//! The agent's objects on its cluster.

use apiclient::{Client, DeleteOptions, Error, Kind, ObjectKey};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde_json::Value;

use crate::agent_manifest::{BOOTSTRAP, NAME};
use crate::object_set::ObjectSet;

/// Field manager of the agent's objects: that of what agents deploy, because the next one to write them is
/// the agent itself, by its Bundle.
pub(super) const FIELD_MANAGER: &str = "helm";

/// What keeps a running agent from taking in what it is told now. Its rights and accounts stay.
fn told(namespace: &str) -> Vec<(Kind, ObjectKey)> {
    let own = |kind: Kind, name: &str| (kind, ObjectKey::new(namespace, name));
    vec![
        own(Kind::of::<Deployment>(), NAME),
        own(Kind::of::<StatefulSet>(), NAME),
        own(Kind::of::<Secret>(), NAME),
        own(Kind::of::<Secret>(), BOOTSTRAP),
        own(Kind::of::<ConfigMap>(), NAME),
        own(
            Kind::of::<PodDisruptionBudget>(),
            "fleet-agent-pod-disruption-budget",
        ),
    ]
}

/// Everything of an agent that has moved away.
fn all(namespace: &str) -> Vec<(Kind, ObjectKey)> {
    let role = api::names::safe_concat(&[namespace, NAME, "role"]);
    let binding = api::names::safe_concat(&[namespace, NAME, "role", "binding"]);
    let mut all = told(namespace);
    all.extend([
        (
            Kind::of::<ClusterRoleBinding>(),
            ObjectKey::new("", binding),
        ),
        (Kind::of::<ClusterRole>(), ObjectKey::new("", role)),
        (
            Kind::of::<ServiceAccount>(),
            ObjectKey::new(namespace, NAME),
        ),
        (
            Kind::of::<NetworkPolicy>(),
            ObjectKey::new(namespace, "default-allow-all"),
        ),
    ]);
    all
}

async fn delete(client: &Client, objects: Vec<(Kind, ObjectKey)>) -> Result<(), Error> {
    for (kind, key) in objects {
        client
            .delete(&kind, &key, &DeleteOptions::default())
            .await?;
    }
    Ok(())
}

/// Removes an agent that has moved to another namespace.
pub(super) async fn remove(client: &Client, namespace: &str) -> Result<(), Error> {
    delete(client, all(namespace)).await
}

/// Stops the agent that runs, and starts it with what it is told now.
pub(super) async fn restart(
    client: &Client,
    namespace: &str,
    set: &ObjectSet,
    objects: Vec<(Kind, Value)>,
) -> Result<(), Error> {
    delete(client, told(namespace)).await?;
    // Its value cannot be changed.
    let class = objects
        .iter()
        .find(|(kind, _)| *kind == Kind::of::<PriorityClass>());
    if let Some((kind, object)) = class {
        let key = crate::object_set::key_of(object);
        client.delete(kind, &key, &DeleteOptions::default()).await?;
    }
    for (kind, object) in objects {
        set.ensure(client, &kind, object).await?;
    }
    Ok(())
}
