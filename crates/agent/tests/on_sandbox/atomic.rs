//! `helm.atomic`: what fails is taken back, and not tried again.

use serde_json::{Value, json};

use crate::world::{Bundle, World, bundle, config_map, config_maps, deployment};

/// A ConfigMap and a Deployment; `broken` in its name keeps that from becoming ready.
fn web(name: &str, image: &str, helm: &Value) -> Bundle {
    let (config, workload) = (config_map(name, image), deployment(image));
    let mut options =
        json!({ "defaultNamespace": "shop", "helm": { "atomic": true, "timeoutSeconds": 1 } });
    for (option, value) in helm.as_object().unwrap() {
        options["helm"][option] = value.clone();
    }
    bundle("web", &[("a.yaml", &config), ("b.yaml", &workload)]).with_options(options)
}

async fn given_up(world: &World, bundle: &Bundle) -> String {
    let id = world.deploy(bundle).await;
    let found = world
        .until("web", "is given up", |found| {
            found.status.applied_deployment_id == id
                && !found.status.ready
                && found.status.release.is_empty()
        })
        .await;
    api::conditions::message(&found.status.conditions, "Installed").to_owned()
}

async fn records(world: &World) -> Vec<(String, String)> {
    let mut records = world.records("shop").await;
    records.sort();
    let short = |name: String| name.rsplit('.').next().unwrap_or_default().to_owned();
    records
        .into_iter()
        .map(|(name, status)| (short(name), status))
        .collect()
}

/// ConfigMaps but for that of the server.
async fn configs(world: &World) -> Vec<String> {
    let mut names = world.names(&config_maps(), "shop").await;
    names.retain(|name| name != "kube-root-ca.crt");
    names
}

fn row(revision: &str, status: &str) -> (String, String) {
    (revision.to_owned(), status.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_does_not_become_ready_goes_back_and_its_objects_go() {
    let world = World::start().await;
    let first = web("a", "good", &json!({ "maxHistory": 5 }));
    let id = world.deploy(&first).await;
    world.ready("web", &id).await;
    let message = given_up(&world, &web("b", "broken", &json!({ "maxHistory": 5 }))).await;
    assert!(
        message.contains("release web failed, and has been rolled back due to rollback-on-failure being set: timed out waiting for the condition"),
        "{message}"
    );
    assert_eq!(configs(&world).await, ["a"]);
    let expected = [
        row("v1", "superseded"),
        row("v2", "failed"),
        row("v3", "deployed"),
    ];
    assert_eq!(records(&world).await, expected);

    // Going back to what is there again is no new release.
    let id = world.deploy(&first).await;
    let found = world.ready("web", &id).await;
    assert_eq!(found.status.release, "shop/web:3");
    assert_eq!(records(&world).await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_install_that_does_not_become_ready_is_uninstalled_once() {
    let mut world = World::start().await;
    let message = given_up(&world, &web("a", "broken", &json!({}))).await;
    assert!(
        message.contains(
            "release web failed, and has been uninstalled due to rollback-on-failure being set: "
        ),
        "{message}"
    );
    assert!(configs(&world).await.is_empty());
    assert!(records(&world).await.is_empty());
    // Nor is it tried again by another process.
    world.kill_agent().await;
    world.start_agent();
    let other = config_map("other", "1");
    let id = world.deploy(&bundle("other", &[("a.yaml", &other)])).await;
    world.ready("other", &id).await;
    assert_eq!(configs(&world).await, ["other"]);
    let id = world.deploy(&web("a", "good", &json!({}))).await;
    world.ready("web", &id).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_taken_back_too_and_what_it_refuses_for_now_is_not() {
    let world = World::start().await;
    let id = world.deploy(&web("a", "good", &json!({}))).await;
    world.ready("web", &id).await;
    let mut bad = web("b", "good", &json!({}));
    bad.files.push((
        "z.yaml".to_owned(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: z}\nspec: {ports: [{port: 99999999}]}\n"
            .to_owned(),
    ));
    let message = given_up(&world, &bad).await;
    assert!(
        message.contains("rolled back") && message.contains("Service shop/z"),
        "{message}"
    );
    assert_eq!(configs(&world).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_revision_to_go_back_to_an_upgrade_says_so() {
    let world = World::start().await;
    let mut first = web("a", "broken", &json!({}));
    first.options["helm"]["atomic"] = false.into();
    let id = world.deploy(&first).await;
    world
        .until("web", "is given up", |found| {
            found.status.applied_deployment_id == id
        })
        .await;
    let message = given_up(&world, &web("b", "broken2", &json!({}))).await;
    assert!(
        message.contains("unable to find a previously successful release when attempting to rollback. original upgrade error: timed out"),
        "{message}"
    );
}
