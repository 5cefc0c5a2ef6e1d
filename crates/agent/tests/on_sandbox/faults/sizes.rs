//! Many objects, large objects, and what is too large.

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};

use super::{others_go_on, value};
use crate::world::{World, bundle, config_map, config_maps, create, eventually};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const OBJECTS: usize = 5_000;

#[tokio::test(start_paused = true)]
async fn a_chart_of_thousands_of_objects_is_deployed_reported_within_bounds_and_removed() {
    let world = World::start().await;
    let template = "{{ range until 5000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: many-{{ . }}}\ndata: {key: \"1\"}\n{{ end }}";
    let many = bundle(
        "many",
        &[("Chart.yaml", CHART), ("templates/a.yaml", template)],
    );
    let id = world.deploy(&many).await;
    let found = world.ready("many", &id).await;
    let counts = &found.status.resource_counts;
    assert_eq!((counts.ready, counts.desired_ready), (5_000, 5_000));
    let shown = found.status.resources.len() as i64;
    assert!(shown > 0 && found.status.resources_omitted > 0);
    assert_eq!(shown + found.status.resources_omitted, 5_000);
    let bytes = api::limits::json_len(&found);
    assert!(
        bytes <= api::limits::Limits::PRODUCTION.deployment_bytes_max,
        "{bytes}"
    );
    assert_eq!(world.names(&config_maps(), "shop").await.len(), OBJECTS + 1);
    world.remove("many").await;
    eventually("all are gone", async || {
        let left = world.names(&config_maps(), "shop").await;
        (left == ["kube-root-ca.crt"]).then_some(())
    })
    .await;
}

/// Nothing that compresses.
fn noise(bytes: usize) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
                [(state % 64) as usize],
        )
    };
    (0..bytes).map(|_| next()).collect()
}

async fn define(world: &World) -> Kind {
    let definitions = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    let definition = json!({ "metadata": { "name": "blobs.example.com" }, "spec": { "group": "example.com",
        "scope": "Namespaced", "names": { "kind": "Blob", "plural": "blobs", "singular": "blob", "listKind": "BlobList" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema":
            { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } });
    create(
        &world.cluster,
        &definitions,
        &ObjectKey::new("", "blobs.example.com"),
        &definition,
    )
    .await;
    Kind::new("example.com", "v1", "Blob", "blobs", true)
}

const LARGE: usize = 1_400 << 10;

#[tokio::test(start_paused = true)]
async fn an_object_nearly_as_large_as_can_be_is_deployed_and_its_drift_told_in_few_words() {
    let world = World::start().await;
    let blobs = define(&world).await;
    let text = "0123456789abcdef".repeat(LARGE / 16);
    let blob = format!(
        "apiVersion: example.com/v1\nkind: Blob\nmetadata: {{name: large}}\nspec:\n  size: 1\n  text: {text}\n"
    );
    let id = world.deploy(&bundle("raw", &[("b.yaml", &blob)])).await;
    world.ready("raw", &id).await;
    let object = world.object(&blobs, "shop", "large").await.unwrap();
    assert_eq!(object["spec"]["text"], text);
    let patch = json!({ "spec": { "text": "other", "size": 2 } });
    let key = ObjectKey::new("shop", "large");
    let edited: Result<ObjectMeta, _> = world
        .cluster
        .patch(
            &blobs,
            &key,
            None,
            Patch::Merge(&patch),
            0,
            WriteOptions::default(),
        )
        .await;
    edited.unwrap();
    let found = world
        .until("raw", "tells of the change", |it| {
            !it.status.modified_status.is_empty()
        })
        .await;
    let bytes = api::limits::json_len(&found);
    assert!(
        bytes <= api::limits::Limits::PRODUCTION.deployment_bytes_max,
        "{bytes}"
    );
}

/// Helm keeps a release in one Secret, which holds 1 MiB.
#[tokio::test(start_paused = true)]
async fn a_release_too_large_for_its_record_is_named_and_what_runs_stays() {
    let world = World::start().await;
    let blobs = define(&world).await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("raw", &id).await;
    let blob = format!(
        "apiVersion: example.com/v1\nkind: Blob\nmetadata: {{name: large}}\nspec: {{text: \"{}\"}}\n",
        noise(LARGE)
    );
    let large = [("a.yaml", &*config_map("a", "2")), ("b.yaml", &blob)]
        .map(|(name, text)| (name, text.to_owned()));
    let large: Vec<(&str, &str)> = large
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    world.deploy(&bundle("raw", &large)).await;
    let error = world.error("raw").await;
    assert!(
        error.contains("encode revision 2 of release shop/raw") && error.contains("bytes"),
        "{error}"
    );
    assert_eq!(value(&world, "a").await.unwrap(), "1");
    assert_eq!(world.object(&blobs, "shop", "large").await, None::<Value>);
    assert_eq!(world.records("shop").await.len(), 1);
    others_go_on(&world, "1").await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "3"))]))
        .await;
    world.ready("raw", &id).await;
}
