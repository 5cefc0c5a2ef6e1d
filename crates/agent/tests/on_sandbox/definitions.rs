//! `helm.crds`: what becomes of the definitions in a chart's `crds/` directory.

use apiclient::Kind;
use serde_json::{Value, json};

use crate::world::{Bundle, World, bundle, config_map, eventually};

const DEFINITIONS: Kind = Kind::new(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
);

const GADGETS: Kind = Kind::new("example.com", "v1", "Gadget", "gadgets", true);

/// A chart with a definition of this many versions; `none` has no definition.
fn chart(versions: usize, crds: &str) -> Bundle {
    let mut definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.example.com, annotations: {of: chart}}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}\n  versions:\n".to_owned();
    for version in 1..=versions {
        let storage = version == 1;
        let version = format!(
            "  - name: v{version}\n    served: true\n    storage: {storage}\n    schema:\n      openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
        );
        definition.push_str(&version);
    }
    let map = config_map("a", &versions.to_string());
    let mut files = vec![
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/a.yaml", &map),
    ];
    if versions > 0 {
        files.push(("crds/gadget.yaml", &definition));
    }
    let helm = if crds.is_empty() {
        json!({})
    } else {
        json!({ "crds": crds })
    };
    bundle("web", &files).with_options(json!({ "defaultNamespace": "shop", "helm": helm }))
}

async fn definition(world: &World) -> Option<Value> {
    world.object(&DEFINITIONS, "", "gadgets.example.com").await
}

async fn versions(world: &World) -> usize {
    let found = definition(world).await.unwrap_or_default();
    found["spec"]["versions"].as_array().map_or(0, Vec::len)
}

async fn deployed(world: &World, bundle: &Bundle) {
    let id = world.deploy(bundle).await;
    world.ready("web", &id).await;
}

#[tokio::test]
async fn definitions_are_created_and_changed_only_on_demand() {
    let world = World::start().await;
    deployed(&world, &chart(1, "Skip")).await;
    assert_eq!(versions(&world).await, 0);
    deployed(&world, &chart(1, "")).await;
    assert_eq!(versions(&world).await, 1);
    let uid = definition(&world).await.unwrap()["metadata"]["uid"].clone();
    for kept in ["", "Create", "Skip"] {
        deployed(&world, &chart(2, kept)).await;
        assert_eq!(versions(&world).await, 1, "{kept:?}");
    }
    let gadget = json!({ "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": { "name": "x", "namespace": "shop" } });
    let key = apiclient::ObjectKey::new("shop", "x");
    crate::world::create(&world.cluster, &GADGETS, &key, &gadget).await;
    deployed(&world, &chart(2, "CreateReplace")).await;
    assert_eq!(versions(&world).await, 2);
    deployed(&world, &chart(1, "CreateReplace")).await;
    assert_eq!(versions(&world).await, 1);
    // The same one, with its objects and without a mark of the release.
    let found = definition(&world).await.unwrap();
    assert_eq!(found["metadata"]["uid"], uid);
    assert_eq!(found["metadata"]["annotations"], json!({ "of": "chart" }));
    assert!(world.object(&GADGETS, "shop", "x").await.is_some());

    // Neither a chart without it nor the end of the release takes it away.
    deployed(&world, &chart(0, "CreateReplace")).await;
    deployed(&world, &chart(1, "CreateReplace")).await;
    world.remove("web").await;
    eventually("the release is gone", async || {
        world.records("shop").await.is_empty().then_some(())
    })
    .await;
    let found = definition(&world).await.unwrap();
    assert_eq!(found["metadata"]["uid"], uid);
    assert!(world.object(&GADGETS, "shop", "x").await.is_some());
}

#[tokio::test]
async fn a_policy_that_is_none_is_named_and_nothing_is_deployed() {
    let world = World::start().await;
    for wrong in ["create-replace", "Delete", "skip "] {
        world.deploy(&chart(1, wrong)).await;
        let words =
            format!("helm.crds is {wrong:?}, which is none of Skip, Create and CreateReplace");
        eventually("the policy is named", async || {
            world.error("web").await.contains(&words).then_some(())
        })
        .await;
    }
    assert_eq!(versions(&world).await, 0);
    assert!(world.records("shop").await.is_empty());
}
