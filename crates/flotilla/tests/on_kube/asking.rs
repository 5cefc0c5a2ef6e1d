//! What makes a cluster ask to be registered, as an administrator installs it.

use std::path::Path;

use serde_json::json;

use crate::clusters::{Clusters, WORKSPACE, eventually};

/// How long a step may take, in seconds.
const PATIENCE: u64 = 60;
/// Beside the agent that is there already.
const AT: &str = "asking-system";

/// The command reads the token on the hub; kubectl and the cluster take what it prints.
pub(crate) async fn an_agent_is_installed_by_kubectl(clusters: &Clusters) {
    let token = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "ClusterRegistrationToken",
        "metadata": { "name": "asking", "namespace": WORKSPACE } });
    clusters.apply(&clusters.hub, &token.to_string()).await;
    let command = format!(
        "agent-manifest --image example/agent:1 --registration-token asking --namespace {AT} --agent-scope asking \
         --api-server-url https://hub.example.com --agent-tls-mode system-store --labels env=test"
    );
    let args: Vec<&str> = command.split_whitespace().collect();
    let printed = eventually("the token's values are there", PATIENCE, async || {
        clusters.flotilla(&args, Path::new(".")).await.ok()
    })
    .await;
    clusters.apply(&clusters.downstream, &printed).await;
    let ready = "-o=jsonpath={.items[*].status.readyReplicas}";
    let get = ["get", "deployments", "-n", AT, ready];
    eventually("the agent's pod runs", PATIENCE, async || {
        let ready = clusters.kubectl(&clusters.downstream, &get).await.ok()?;
        (ready == "1").then_some(())
    })
    .await;
    // Again, as administrators do: nothing is different.
    clusters.apply(&clusters.downstream, &printed).await;
    eprintln!("asking: installed");
    clusters
        .remove_applied(&clusters.downstream, &printed)
        .await;
    clusters
        .remove_applied(&clusters.hub, &token.to_string())
        .await;
}
