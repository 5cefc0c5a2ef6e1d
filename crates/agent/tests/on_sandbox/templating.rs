//! Templates in files, rendered with what the hub says about the cluster.

use serde_json::{Value, json};

use crate::world::{World, bundle, config_maps};

const FILE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm\ndata:\n  zone: ${ .ClusterLabels.zone | quote }\n  kept: \"{{ .Values.x }} $HOME\"\n";

fn options(labels: &Value) -> Value {
    json!({ "defaultNamespace": "shop", "templating": { "files": ["cm.yaml"],
        "data": { "ClusterName": "north", "ClusterLabels": labels } } })
}

#[tokio::test(start_paused = true)]
async fn files_are_rendered_with_the_data_of_the_deployment() {
    let world = World::start().await;
    let raw = bundle(
        "raw",
        &[
            ("cm.yaml", FILE),
            ("other.yaml", &FILE.replace("name: cm", "name: other")),
        ],
    );
    let id = world
        .deploy(&raw.clone().with_options(options(&json!({ "zone": "z1" }))))
        .await;
    world.ready("raw", &id).await;
    let data = async |name: &str| {
        let object = world.object(&config_maps(), "shop", name).await.unwrap();
        object["data"].clone()
    };
    let kept = "{{ .Values.x }} $HOME";
    assert_eq!(data("cm").await, json!({ "zone": "z1", "kept": kept }));
    let untouched = "${ .ClusterLabels.zone | quote }";
    assert_eq!(
        data("other").await,
        json!({ "zone": untouched, "kept": kept })
    );

    let id = world
        .deploy(&raw.clone().with_options(options(&json!({ "zone": "z2" }))))
        .await;
    world.ready("raw", &id).await;
    assert_eq!(data("cm").await["zone"], "z2");

    world.deploy(&raw.with_options(options(&json!({})))).await;
    let message = world.error("raw").await;
    let place = "cm.yaml: failed to render template: template: cm.yaml:6:25: executing \"cm.yaml\" at \
                 <.ClusterLabels.zone>: map has no entry for key \"zone\"";
    assert!(message.contains(place), "{message}");
    assert_eq!(data("cm").await["zone"], "z2");
}
