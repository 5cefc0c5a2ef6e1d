//! What marks an object as part of a deployment. Pure.
//!
//! Source: fleet `internal/helmdeployer`, wrangler `pkg/objectset`; agent.md 7.4.

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use api::names::safe_concat;
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

/// Bundles of this prefix deploy the agent itself.
const AGENT_PREFIX: &str = "fleet-agent";
/// Set id of what was created when the cluster was imported.
const AGENT_SET: &str = "fleet-agent-bootstrap";
/// First part of all other set ids.
const PREFIX: &str = "default";

/// The marks of one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// Value of the annotation.
    pub(crate) set_id: String,
    /// Value of the label.
    pub(crate) hash: String,
}

/// Whether a set is one that an agent applied. Others, such as what the hub of upstream applies, carry the same label.
pub(crate) fn is_our_set(set_id: &str) -> bool {
    set_id.starts_with(&format!("{PREFIX}-")) || set_id.starts_with(AGENT_SET)
}

impl Ownership {
    /// The marks of a bundle; `scope` tells agents apart that share a cluster.
    pub(crate) fn of(bundle_id: &str, scope: &str) -> Self {
        Self::in_set(PREFIX, bundle_id, scope)
    }

    /// The marks that `fleet deploy` shows without a cluster. No agent makes them.
    pub(crate) fn shown(bundle_id: &str) -> Self {
        Self::in_set("", bundle_id, "")
    }

    fn in_set(prefix: &str, bundle_id: &str, scope: &str) -> Self {
        let first = if is_agent(bundle_id) {
            vec![AGENT_SET]
        } else {
            vec![prefix, bundle_id]
        };
        let parts: Vec<&str> = first
            .into_iter()
            .chain((!scope.is_empty()).then_some(scope))
            .collect();
        let set_id = safe_concat(&parts);
        let hash = hex::encode(Sha1::digest(set_id.as_bytes()));
        Self { set_id, hash }
    }

    /// Marks an object.
    pub(crate) fn mark(&self, object: &mut Value) {
        set(object, "labels", OBJECT_SET_HASH, &self.hash);
        set(object, "annotations", OBJECT_SET_ID, &self.set_id);
    }
}

/// Whether a bundle deploys the agent itself: it is never uninstalled.
pub(crate) fn is_agent(bundle_id: &str) -> bool {
    bundle_id.starts_with(AGENT_PREFIX)
}

/// Sets a label or annotation. What is no map there is replaced: the API server would refuse it.
pub(crate) fn set(object: &mut Value, map: &str, key: &str, value: &str) {
    let Some(metadata) = object
        .as_object_mut()
        .and_then(|fields| map_at(fields, "metadata"))
    else {
        return;
    };
    if let Some(map) = map_at(metadata, map) {
        map.insert(key.to_owned(), value.into());
    }
}

/// The map under a key, made if there is none.
fn map_at<'a>(fields: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    if !fields.get(key).is_some_and(Value::is_object) {
        fields.insert(key.to_owned(), Value::Object(Map::new()));
    }
    fields.get_mut(key).and_then(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hashes_are_upstreams() {
        let ownership = Ownership::of("remove-metadata", "");
        assert_eq!(ownership.set_id, "default-remove-metadata");
        assert_eq!(ownership.hash, "0f3e1d9d146fa8b290c0de403881184751430e59");
        assert_eq!(Ownership::of("b", "scope").set_id, "default-b-scope");
        assert_eq!(
            Ownership::of("fleet-agent-c1", "").set_id,
            "fleet-agent-bootstrap"
        );
        assert_eq!(
            Ownership::of("fleet-agent-c1", "s").set_id,
            "fleet-agent-bootstrap-s"
        );
        let shown = Ownership::shown("demo-app");
        assert_eq!(shown.set_id, "-demo-app");
        assert_eq!(shown.hash, "bc56e25b9b1de874dc2aad1e5ec888bd8b455f37");
    }

    #[test]
    fn marks_stand_beside_what_is_there_and_replace_nonsense() {
        let ownership = Ownership::of("b", "");
        let mut object = json!({"metadata": {"labels": {"a": "1"}, "annotations": [3]}});
        ownership.mark(&mut object);
        assert_eq!(object["metadata"]["labels"]["a"], "1");
        assert_eq!(
            object["metadata"]["annotations"][OBJECT_SET_ID],
            "default-b"
        );
        let mut nothing = json!({"metadata": null});
        ownership.mark(&mut nothing);
        assert_eq!(
            nothing["metadata"]["labels"][OBJECT_SET_HASH],
            ownership.hash
        );
        let mut text = json!("text");
        ownership.mark(&mut text);
        assert_eq!(text, "text");
    }
}
