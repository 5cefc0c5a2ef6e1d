//! Each right that an agent has to have on the hub.

use api::v1alpha1::{BundleDeployment, Cluster, Content};
use apiclient::{Client, Error, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};

use super::report::{Over, Report};

/// A name that no object has, and that is allowed.
const NOBODY: &str = "flotilla-doctor-asks-for-nothing";
const RIGHTS: &str = "rights";

/// What the hub says to one request.
enum Answer {
    Allowed,
    Refused(String),
    Token(String),
    Other(String),
}

/// Whether an answer tells of a right: that there is no such object, or that the patch is none, does.
fn answer<T>(result: Result<T, Error>) -> Answer {
    match result {
        Ok(_) => Answer::Allowed,
        Err(error) => {
            let text = errors::chain(&error);
            match error.code() {
                403 => Answer::Refused(text),
                401 => Answer::Token(text),
                404 | 409 | 422 => Answer::Allowed,
                _ => Answer::Other(text),
            }
        }
    }
}

/// Patches a status with nothing, and stores nothing; what is answered is the object.
async fn patch(hub: &Client, kind: &Kind, key: &ObjectKey) -> Result<Value, Error> {
    let options = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let body = json!({});
    hub.patch(kind, key, Some("status"), Patch::Merge(&body), 0, options)
        .await
}

/// Tries everything an agent does; the first is how its token is told from its rights. When the hub heard of
/// the agent last is in the answer to a patch: an agent may not read its Cluster.
pub(super) async fn check(
    report: &mut Report,
    hub: &Client,
    namespace: &str,
    cluster: &ObjectKey,
) -> Result<Option<Timestamp>, Over> {
    let deployments = Kind::of::<BundleDeployment>();
    let selector = Selector {
        fields: Some(format!("metadata.name={NOBODY}")),
        metadata_only: true,
        ..Selector::namespace(namespace)
    };
    let listed = hub
        .list::<ObjectMeta, _>(&deployments, &selector, drop)
        .await;
    let first = answer(listed);
    if let Answer::Token(found) = &first {
        let advice = "the agent's token is not valid any more. With the secret fleet-agent-bootstrap it gets another by itself; \
            else make a ClusterRegistrationToken on the hub and create that secret from its values, or increase spec.redeployAgentGeneration of an imported Cluster";
        return Err(report.fail("token", found.clone(), advice));
    }
    report.ok("token", "the hub knows the agent");
    let nobody = ObjectKey::new(namespace, NOBODY);
    let read = async |kind: Kind, key: &ObjectKey| answer(hub.get::<Value>(&kind, key).await);
    let patched = patch(hub, &Kind::of::<Cluster>(), cluster).await;
    let seen = patched.as_ref().ok();
    let seen = seen.and_then(|cluster| {
        cluster
            .pointer("/status/agent/lastSeen")?
            .as_str()?
            .parse()
            .ok()
    });
    let rights = [
        ("list bundledeployments", first),
        (
            "get bundledeployments",
            read(deployments.clone(), &nobody).await,
        ),
        (
            "patch bundledeployments/status",
            answer(patch(hub, &deployments, &nobody).await),
        ),
        ("get secrets", read(Kind::of::<Secret>(), &nobody).await),
        (
            "get configmaps",
            read(Kind::of::<ConfigMap>(), &nobody).await,
        ),
        (
            "get contents",
            read(Kind::of::<Content>(), &ObjectKey::new("", NOBODY)).await,
        ),
        ("patch clusters/status", answer(patched)),
    ];
    let n_rights = rights.len();
    for (right, answer) in rights {
        match answer {
            Answer::Allowed => {}
            Answer::Refused(found) | Answer::Token(found) => {
                let advice = format!(
                    "the agent may not {right}: look on the hub at the ClusterRegistration of cluster {cluster} and its RoleBindings; \
                     delete it, and the agent registers anew"
                );
                return Err(report.fail(RIGHTS, found, advice));
            }
            Answer::Other(found) => {
                let advice = "the hub's API server cannot answer: look at it";
                return Err(report.fail(RIGHTS, found, advice));
            }
        }
    }
    report.ok(RIGHTS, format!("all {n_rights} are there"));
    Ok(seen)
}
