//! Ends the Pods of hooks and Jobs, as a kubelet would: those whose image says `broken` fail.

use apiclient::{Budgets, Client, Event, Kind, ObjectKey, ObjectMeta, Patch, Selector, Watch};
use apiclient::{Object, WriteOptions};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(transparent)]
struct Pod(Value);

impl Object for Pod {
    fn key(&self) -> ObjectKey {
        let text = |pointer| self.0.pointer(pointer).and_then(Value::as_str).unwrap();
        ObjectKey::new(text("/metadata/namespace"), text("/metadata/name"))
    }

    fn resource_version(&self) -> &str {
        self.0["metadata"]["resourceVersion"].as_str().unwrap()
    }
}

/// Runs until it is dropped.
pub(crate) async fn run(kube: kube::Client) {
    let client = Client::new(kube, "kubelet", Budgets::default());
    let kind = Kind::new("", "v1", "Pod", "pods", true);
    let mut watch: Watch<Pod> = client.watch(&kind, Selector::default());
    while let Some(event) = watch.next().await {
        let Event::Applied(pod) = event else { continue };
        let runs_for_ever = pod.0["spec"]["restartPolicy"] == "Always";
        if runs_for_ever || pod.0["status"]["phase"] != "Pending" {
            continue;
        }
        let image = &pod.0["spec"]["containers"][0]["image"];
        let phase = if image.as_str().unwrap().contains("broken") {
            "Failed"
        } else {
            "Succeeded"
        };
        let status = json!({"status": {"phase": phase}});
        let patch = Patch::Merge(&status);
        let options = WriteOptions::default();
        // The Pod may be gone already.
        let _: Result<ObjectMeta, _> = client
            .patch(&kind, &pod.key(), Some("status"), patch, 0, options)
            .await;
    }
}
