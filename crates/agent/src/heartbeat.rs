//! Tells the hub that the agent is alive: `status.agent` of its Cluster.
//!
//! The first report is sent at once, unlike upstream's, which waits for 15 seconds: a new cluster
//! should not look dead. A failed report is tried again soon, and one is sent soon after the hub did not answer
//! something else: the first that arrives has all tried again that failed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::Cluster;
use apiclient::{Client, Error, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agent::{Agent, Options};

/// How soon a failed report is tried again, at most.
const RETRY: Duration = Duration::from_secs(15);

/// Reports for ever.
pub(crate) async fn run(agent: Arc<Agent>) {
    let Options {
        cluster,
        agent_namespace,
        checkin_interval,
        contact,
        ..
    } = &agent.options;
    let mut was_away = false;
    loop {
        let pause = match beat(&agent.hub, cluster, agent_namespace, Timestamp::now()).await {
            Ok(()) => {
                contact.reported(Ok(()));
                if std::mem::take(&mut was_away) {
                    agent.hub_is_back();
                }
                *checkin_interval
            }
            Err(error) => {
                let error = errors::chain(&error);
                tracing::warn!(%cluster, error, "cannot report to the hub");
                contact.reported(Err(error));
                was_away = true;
                RETRY.min(*checkin_interval)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = agent.unanswered.notified() => {
                was_away = true;
                tokio::time::sleep(RETRY.min(*checkin_interval)).await;
            }
        }
    }
}

async fn beat(
    hub: &Client,
    cluster: &ObjectKey,
    namespace: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let body = report(namespace, now);
    let options = WriteOptions::default();
    let kind = Kind::of::<Cluster>();
    let _: ObjectMeta = hub
        .patch(
            &kind,
            cluster,
            Some("status"),
            Patch::Json(&body),
            0,
            options,
        )
        .await?;
    Ok(())
}

/// The JSON patch of a report; all of `status.agent` is replaced.
fn report(namespace: &str, now: Timestamp) -> Value {
    json!([{ "op": "add", "path": "/status/agent", "value": {
        "lastSeen": api::conditions::rfc3339(now), "namespace": namespace,
    } }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_the_whole_agent_status() {
        assert_eq!(
            report("cattle-fleet-system", Timestamp::UNIX_EPOCH).to_string(),
            r#"[{"op":"add","path":"/status/agent","value":{"lastSeen":"1970-01-01T00:00:00Z","namespace":"cattle-fleet-system"}}]"#
        );
    }
}
