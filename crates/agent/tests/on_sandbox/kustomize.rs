//! Bundles with kustomizations: by themselves, behind a chart, and broken ones.

use serde_json::json;

use crate::world::{World, bundle, config_map, config_maps};

const BASE: &str = "resources: [cm.yaml]\nconfigMapGenerator:\n- {name: gen, literals: [a=b]}\n";
const DEV: &str = "resources: [../../base]\nnamePrefix: dev-\n";
const PROD: &str = "resources: [../../base]\nnamePrefix: prod-\npatches:\n- path: p.yaml\n";
const PATCH: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {size: large}\n";

fn shop() -> crate::world::Bundle {
    bundle(
        "shop",
        &[
            ("base/kustomization.yaml", BASE),
            ("base/cm.yaml", &config_map("cm", "1")),
            ("base/unused.yaml", &config_map("unused", "1")),
            ("overlays/dev/kustomization.yaml", DEV),
            ("overlays/prod/kustomization.yml", PROD),
            ("overlays/prod/p.yaml", PATCH),
            (
                "overlays/broken/Kustomization",
                "resources: [../../base]\npatches:\n- path: gone.yaml\n",
            ),
            (
                "overlays/remote/kustomization.yaml",
                "resources: ['https://example.com/base']\n",
            ),
        ],
    )
}

/// ConfigMaps of bundles; every namespace has one of its own besides.
async fn names(world: &World) -> Vec<String> {
    let mut names = world.names(&config_maps(), "shop").await;
    names.retain(|name| name != "kube-root-ca.crt");
    names
}

fn overlay(name: &str) -> serde_json::Value {
    json!({ "defaultNamespace": "shop", "kustomize": { "dir": format!("overlays/{name}") } })
}

#[tokio::test(start_paused = true)]
async fn each_target_gets_the_objects_of_its_overlay() {
    let world = World::start().await;
    let id = world.deploy(&shop().with_options(overlay("dev"))).await;
    world.ready("shop", &id).await;
    assert_eq!(names(&world).await, ["dev-cm", "dev-gen-4h2mbtbbt6"]);

    let id = world.deploy(&shop().with_options(overlay("prod"))).await;
    world.ready("shop", &id).await;
    assert_eq!(names(&world).await, ["prod-cm", "prod-gen-4h2mbtbbt6"]);
    let object = world
        .object(&config_maps(), "shop", "prod-cm")
        .await
        .unwrap();
    assert_eq!(object["data"]["size"], "large");
}

#[tokio::test(start_paused = true)]
async fn a_broken_overlay_is_named_and_deletes_nothing() {
    for (name, expected) in [
        (
            "broken",
            "failed to get the patch file from path(gone.yaml): '/overlays/broken/gone.yaml' doesn't exist",
        ),
        (
            "remote",
            "remote file 'https://example.com/base' is not supported",
        ),
    ] {
        let world = World::start().await;
        let id = world.deploy(&shop().with_options(overlay("dev"))).await;
        world.ready("shop", &id).await;
        world.deploy(&shop().with_options(overlay(name))).await;
        let message = world.error("shop").await;
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&format!("overlays/{name}")), "{message}");
        assert_eq!(names(&world).await, ["dev-cm", "dev-gen-4h2mbtbbt6"]);
        let id = world.deploy(&shop().with_options(overlay("prod"))).await;
        world.ready("shop", &id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_objects_of_a_chart_go_through_the_kustomization() {
    let world = World::start().await;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chart-cm}\ndata: {v: {{ .Values.v | quote }}}\n";
    let chart = bundle(
        "charted",
        &[
            (
                "chart/Chart.yaml",
                "apiVersion: v2\nname: c\nversion: 1.0.0\n",
            ),
            ("chart/templates/cm.yaml", template),
            (
                "k/kustomization.yaml",
                "nameSuffix: -k\nresources: [own.yaml]\ncommonAnnotations: {by: kustomize}\n",
            ),
            ("k/own.yaml", &config_map("own", "1")),
        ],
    );
    let options = json!({ "defaultNamespace": "shop", "kustomize": { "dir": "k" },
        "helm": { "chart": "chart", "values": { "v": "7" } } });
    let id = world.deploy(&chart.with_options(options)).await;
    world.ready("charted", &id).await;
    assert_eq!(names(&world).await, ["chart-cm-k", "own-k"]);
    let object = world
        .object(&config_maps(), "shop", "chart-cm-k")
        .await
        .unwrap();
    assert_eq!(object["data"]["v"], "7");
    assert_eq!(object["metadata"]["annotations"]["by"], "kustomize");
}
