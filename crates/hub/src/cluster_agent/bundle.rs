//! The Bundle by which the agent of a Cluster is updated.

use api::labels::{NON_MANAGED_AGENT, OBJECT_SET_ID_AGENT};
use api::names::{agent_bundle_name, sha256_hex};
use api::v1alpha1::Bundle;
use apiclient::{DeleteOptions, Kind, ObjectKey};
use serde_json::{Value, json};

use super::Error;
use super::plan::Observed;
use crate::Ctx;
use crate::agent_manifest::{self, Agent};
use crate::object_set::ObjectSet;

/// Annotation: hash of what the Bundle was made of, so that it need not be read.
pub(crate) const MARK: &str = "fleet.cattle.io/agent-manifest-hash";

/// The agent's Bundle.
pub(crate) fn key(cluster: &ObjectKey) -> ObjectKey {
    ObjectKey::new(cluster.namespace.clone(), agent_bundle_name(&cluster.name))
}

/// Whether the hub deploys the agent.
fn is_managed(observed: &Observed) -> bool {
    observed.config.manage_agent != Some(false)
        && !observed.config.agent_image.is_empty()
        && !observed.has_no_agent
        && !observed.status.namespace.is_empty()
}

/// Writes the Bundle, if it should be there and is not as it should.
pub(super) async fn write(ctx: &Ctx, observed: &Observed) -> Result<(), Error> {
    if !is_managed(observed) {
        return Ok(());
    }
    let agent = Agent::of(
        &observed.spec,
        &observed.config,
        &ctx.agents.defaults,
        &observed.system_namespace,
    );
    let bundle = bundle(observed, &agent).map_err(Error::Print)?;
    let mark = bundle["metadata"]["annotations"][MARK].as_str();
    if observed.bundle.as_deref() == mark {
        return Ok(());
    }
    let set = ObjectSet::of_namespace(OBJECT_SET_ID_AGENT, &observed.key.namespace);
    let written = set.ensure(&ctx.client, &Kind::of::<Bundle>(), bundle).await;
    written.map_err(|source| Error::Write {
        what: "the agent's bundle",
        cluster: observed.key.clone(),
        source,
    })
}

/// The Bundle. Pure.
pub(super) fn bundle(observed: &Observed, agent: &Agent) -> Result<Value, goyaml::WriteError> {
    let content = agent_manifest::yaml(&agent_manifest::objects(agent))?;
    let key = key(&observed.key);
    let spec = json!({
        "defaultNamespace": agent.namespace,
        "helm": { "takeOwnership": true },
        "resources": [{ "name": "agent.yaml", "content": content }],
        "targets": [{
            "clusterName": observed.key.name,
            "clusterSelector": { "matchExpressions": [
                { "key": NON_MANAGED_AGENT, "operator": "DoesNotExist" },
            ] },
        }],
    });
    let mark = sha256_hex(spec.to_string());
    Ok(json!({
        "metadata": { "name": key.name, "namespace": key.namespace, "annotations": { MARK: mark } },
        "spec": spec,
    }))
}

/// Removes the Bundle of a Cluster that is gone, or whose agent moves.
pub(super) async fn remove(ctx: &Ctx, cluster: &ObjectKey) -> Result<(), Error> {
    let key = key(cluster);
    let is_ours = ctx.world.read(|state| {
        let bundle = state.index.bundles.get(&key)?;
        Some(bundle.meta.annotations.contains_key(MARK))
    });
    if is_ours != Some(true) {
        return Ok(());
    }
    let options = DeleteOptions::default();
    let deleted = ctx
        .client
        .delete(&Kind::of::<Bundle>(), &key, &options)
        .await;
    deleted.map(drop).map_err(|source| Error::Write {
        what: "the agent's bundle",
        cluster: cluster.clone(),
        source,
    })
}
