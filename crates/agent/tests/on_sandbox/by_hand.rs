//! What a person deployed from a file, and an agent that goes on with it.

use agent::local::{Action, Preview, Target};
use serde_json::json;

use crate::world::{World, bundle, config_map, config_maps, given};

fn target(world: &World, agent_namespace: &str) -> Target {
    let cluster = world.sandbox.cluster("north").unwrap();
    Target {
        cluster: kube::Client::new(cluster.service(cluster.admin_token()), "default"),
        agent_namespace: agent_namespace.to_owned(),
        namespace: "default".to_owned(),
    }
}

fn actions(preview: &Preview) -> Vec<(String, Action)> {
    let objects = preview.objects.iter();
    objects.map(|it| (it.name.clone(), it.action)).collect()
}

#[tokio::test]
async fn an_agent_goes_on_with_what_was_deployed_for_it() {
    let mut world = World::start().await;
    let (first, other) = (config_map("a", "1"), config_map("b", "1"));
    let two = bundle("raw", &[("a.yaml", &first), ("b.yaml", &other)]);
    let id = world.deploy(&two).await;
    world.ready("raw", &id).await;
    world.kill_agent().await;

    // By hand `b` goes and `c` comes.
    let (next, third) = (config_map("a", "2"), config_map("c", "1"));
    let changed = bundle("raw", &[("a.yaml", &next), ("c.yaml", &third)]);
    let for_agent = || target(&world, "cattle-fleet-system");
    let preview = agent::local::preview(for_agent(), given(&changed))
        .await
        .unwrap();
    let expected = [
        ("a", Action::Update),
        ("c", Action::Create),
        ("b", Action::Delete),
    ];
    let expected = expected.map(|(name, action)| (name.to_owned(), action));
    assert_eq!(actions(&preview), expected);
    assert_eq!((preview.is_install, preview.revision), (false, 2));
    assert_eq!(
        preview.made_by.unwrap().to_string(),
        "bundle raw, release shop/raw"
    );
    assert!(world.object(&config_maps(), "shop", "b").await.is_some());
    let deployed = agent::local::deploy(for_agent(), given(&changed))
        .await
        .unwrap();
    assert_eq!(deployed.release, "shop/raw:2");
    assert_eq!(deployed.objects.len(), 2);
    assert!(world.object(&config_maps(), "shop", "b").await.is_none());

    // The hub wants the same by now: nothing is deployed again.
    let id = world.deploy(&changed).await;
    world.start_agent();
    let found = world.ready("raw", &id).await;
    assert_eq!(found.status.release, "shop/raw:2");
    assert_eq!(world.records("shop").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_deployed_by_hand_changes_nothing() {
    let mut world = World::start().await;
    let text = config_map("a", "1");
    let first = bundle("first", &[("a.yaml", &text)]);
    let id = world.deploy(&first).await;
    world.ready("first", &id).await;
    world.kill_agent().await;
    let of =
        |options: serde_json::Value| bundle("second", &[("a.yaml", &text)]).with_options(options);
    for (options, words) in [
        (
            json!({ "defaultNamespace": "shop" }),
            "ConfigMap shop/a belongs to bundle first and is left alone",
        ),
        (
            json!({ "defaultNamespace": "shop", "helm": { "releaseName": "first" } }),
            "release shop/first belongs to bundle first",
        ),
        (
            json!({ "defaultNamespace": "shop", "downstreamResources": [{ "kind": "Pod", "name": "p" }] }),
            "unknown resource type for copy to downstream cluster: \"Pod\"",
        ),
        (
            json!({ "defaultNamespace": "shop", "helm": { "crds": "Delete" } }),
            "helm.crds is \"Delete\"",
        ),
        (
            json!({ "defaultNamespace": "none", "createNamespace": false }),
            "it does not exist, and createNamespace is false",
        ),
        (
            json!({ "defaultNamespace": "shop", "serviceAccount": "none" }),
            "serviceaccounts \"none\" not found",
        ),
    ] {
        let agent_namespace = "cattle-fleet-system";
        let failed =
            agent::local::deploy(target(&world, agent_namespace), given(&of(options.clone())));
        let text = errors::chain(&failed.await.unwrap_err());
        assert!(text.contains(words), "{options}: {text}");
        let wanted = given(&of(options.clone()));
        let foreseen = agent::local::preview(target(&world, agent_namespace), wanted).await;
        match foreseen {
            Err(error) => assert!(errors::chain(&error).contains(words), "{options}"),
            Ok(preview) => {
                assert!(words.starts_with("ConfigMap"), "{options}");
                assert_eq!(preview.refused(), 1);
            }
        }
    }
    assert_eq!(world.records("shop").await.len(), 1);
    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(
        object["metadata"]["annotations"]["meta.helm.sh/release-name"],
        "first"
    );
}
