//! Deployments on a cluster: install, upgrade, uninstall.

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use serde_json::{Value, json};

use crate::world::{World, bundle, config_map, config_maps, deployment, eventually, namespaces};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\nkubeVersion: '>=1.20.0-0'\n";

fn status_of(statuses: &[(String, String)], revision: u32) -> Option<&str> {
    let suffix = format!(".v{revision}");
    statuses
        .iter()
        .find(|(name, _)| name.ends_with(&suffix))
        .map(|(_, status)| status.as_str())
}

#[tokio::test(start_paused = true)]
async fn plain_manifests_are_applied_marked_and_reported() {
    let world = World::start().await;
    let id = world
        .deploy(&bundle(
            "raw",
            &[
                ("cm.yaml", &config_map("a", "1")),
                ("web.yaml", &deployment("web")),
            ],
        ))
        .await;
    let found = world.ready("raw", &id).await;

    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    let meta = &object["metadata"];
    assert_eq!(meta["annotations"][OBJECT_SET_ID], "default-raw");
    assert_eq!(meta["annotations"]["meta.helm.sh/release-name"], "raw");
    assert_eq!(meta["labels"]["app.kubernetes.io/managed-by"], "Helm");
    assert!(meta["labels"][OBJECT_SET_HASH].as_str().unwrap().len() == 40);

    let status = &found.status;
    assert_eq!(status.release, "shop/raw:1");
    assert_eq!(
        (
            status.resource_counts.ready,
            status.resource_counts.desired_ready
        ),
        (2, 2)
    );
    let names: Vec<&str> = status.resources.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "web"]);
    assert!(status.resources.iter().all(|it| it.created_at.is_some()));
    assert_eq!(
        world.records("shop").await,
        [(
            "sh.helm.release.v1.raw.v1".to_owned(),
            "deployed".to_owned()
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_chart_is_rendered_with_values_and_capabilities() {
    let world = World::start().await;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Values.suffix }}\ndata:\n  has: {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" | quote }}\n  namespace: {{ .Release.Namespace }}\n  first: {{ .Release.IsInstall | quote }}\n";
    let id = world
        .deploy(
            &bundle("web", &[("Chart.yaml", CHART), ("values.yaml", "suffix: default\n"), ("templates/cm.yaml", template)])
                .with_options(json!({ "defaultNamespace": "shop", "helm": { "releaseName": "front", "values": { "suffix": "given" } } })),
        )
        .await;
    let found = world.ready("web", &id).await;
    assert_eq!(found.status.release, "shop/front:1");
    let object = world
        .object(&config_maps(), "shop", "front-given")
        .await
        .unwrap();
    assert_eq!(
        object["data"],
        json!({ "has": "true", "namespace": "shop", "first": "true" })
    );
    let namespace = world.object(&namespaces(), "", "shop").await.unwrap();
    assert_eq!(namespace["metadata"]["labels"]["name"], "shop");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_prunes_what_left_and_keeps_what_says_so() {
    let world = World::start().await;
    let kept = config_map("kept", "1").replace(
        "  name: kept\n",
        "  name: kept\n  annotations: {helm.sh/resource-policy: keep}\n",
    );
    let first = bundle(
        "raw",
        &[
            ("a.yaml", &config_map("a", "1")),
            ("b.yaml", &config_map("b", "1")),
            ("k.yaml", &kept),
        ],
    );
    let id = world.deploy(&first).await;
    world.ready("raw", &id).await;
    let foreign = json!({ "metadata": { "name": "foreign" } });
    crate::world::create(
        &world.cluster,
        &config_maps(),
        &apiclient::ObjectKey::new("shop", "foreign"),
        &foreign,
    )
    .await;

    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "2"))]))
        .await;
    let found = world.ready("raw", &id).await;
    assert_eq!(found.status.release, "shop/raw:2");
    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(object["data"]["key"], "2");
    let mut names = world.names(&config_maps(), "shop").await;
    names.retain(|name| name != "kube-root-ca.crt");
    assert_eq!(names, ["a", "foreign", "kept"]);
    let records = world.records("shop").await;
    assert_eq!(status_of(&records, 1), Some("superseded"));
    assert_eq!(status_of(&records, 2), Some("deployed"));

    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "3"))]))
        .await;
    world.ready("raw", &id).await;
    let records = world.records("shop").await;
    assert_eq!((records.len(), status_of(&records, 1)), (2, None));
}

#[tokio::test(start_paused = true)]
async fn fields_of_somebody_else_are_a_conflict_until_they_are_forced() {
    let world = World::start().await;
    let files = |value: &str| config_map("a", value);
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &files("1"))]))
        .await;
    world.ready("raw", &id).await;
    let key = apiclient::ObjectKey::new("shop", "a");
    let edit = json!({ "data": { "key": "edited" } });
    let options = apiclient::WriteOptions::default();
    let patch = apiclient::Patch::Merge(&edit);
    let edited: Result<Value, _> = world
        .cluster
        .patch(&config_maps(), &key, None, patch, 0, options)
        .await;
    edited.unwrap();
    let second = bundle("raw", &[("a.yaml", &files("2"))]);
    world.deploy(&second).await;
    let error = world.error("raw").await;
    assert!(
        error.starts_with("cluster fleet-default/north: apply ConfigMap shop/a: Apply failed with 1 conflict: conflict with \"test\""),
        "{error}"
    );
    let forced = json!({ "defaultNamespace": "shop", "helm": { "force": true } });
    let id = world.deploy(&second.with_options(forced)).await;
    world.ready("raw", &id).await;
    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(object["data"]["key"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_removed_deployment_takes_its_objects_along() {
    let world = World::start().await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("raw", &id).await;
    let keep = json!({ "defaultNamespace": "other", "keepResources": true });
    let kept = bundle("kept", &[("k.yaml", &config_map("k", "1"))]).with_options(keep);
    let id = world.deploy(&kept).await;
    world.ready("kept", &id).await;

    world.remove("raw").await;
    world.remove("kept").await;
    eventually("the objects and records are gone", async || {
        let gone = world.object(&config_maps(), "shop", "a").await.is_none()
            && world.records("shop").await.is_empty()
            && world.records("other").await.is_empty();
        gone.then_some(())
    })
    .await;
    assert!(world.object(&config_maps(), "other", "k").await.is_some());
}

#[tokio::test]
async fn what_is_kept_stays_whatever_the_release_is_called_and_no_record_of_it_does() {
    let mut world = World::start().await;
    let long = "a-bundle-with-a-name-that-is-longer-than-fifty-three-characters";
    let options = |release: Value| json!({ "defaultNamespace": "shop", "keepResources": true, "helm": release });
    for (name, object, release) in [
        ("kept", "k", json!({ "releaseName": "other-name" })),
        (long, "l", json!({})),
    ] {
        let kept = bundle(name, &[("k.yaml", &config_map(object, "1"))]);
        let id = world.deploy(&kept.with_options(options(release))).await;
        world.ready(name, &id).await;
    }
    let gone = bundle("gone", &[("g.yaml", &config_map("g", "1"))]);
    let id = world.deploy(&gone).await;
    world.ready("gone", &id).await;
    assert_eq!(world.records("shop").await.len(), 3);
    // One goes while the agent is there, the others while it is not.
    world.remove("kept").await;
    eventually("its record is gone", async || {
        (world.records("shop").await.len() == 2).then_some(())
    })
    .await;
    world.kill_agent().await;
    world.remove(long).await;
    world.remove("gone").await;
    world.start_agent();
    eventually("no record is left", async || {
        let is_gone = world.object(&config_maps(), "shop", "g").await.is_none();
        (is_gone && world.records("shop").await.is_empty()).then_some(())
    })
    .await;
    for object in ["k", "l"] {
        assert!(world.object(&config_maps(), "shop", object).await.is_some());
    }
    // Another bundle can have them, if that is asked for.
    let heir = bundle("heir", &[("k.yaml", &config_map("k", "2"))]);
    let taken = json!({ "defaultNamespace": "shop", "helm": { "takeOwnership": true } });
    let id = world.deploy(&heir.with_options(taken)).await;
    world.ready("heir", &id).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_not_ready_says_which_object_and_why() {
    let world = World::start().await;
    let broken = deployment("web").replace("/web:1", "/broken:1");
    let id = world.deploy(&bundle("raw", &[("web.yaml", &broken)])).await;
    let found = world
        .until("raw", "is applied and not ready", |found| {
            found.status.applied_deployment_id == id && !found.status.non_ready_status.is_empty()
        })
        .await;
    assert!(!found.status.ready);
    let message = api::conditions::message(&found.status.conditions, "Ready");
    assert!(
        message.starts_with("deployment.apps shop/web error] "),
        "{message}"
    );

    let id = world
        .deploy(&bundle("raw", &[("web.yaml", &deployment("web"))]))
        .await;
    world.ready("raw", &id).await;
}

fn simulated(name: &str, word: &str) -> String {
    let annotations = format!("  annotations: {{sandbox.flotilla.io/simulate: '{word}'}}\n");
    deployment(name).replace(
        "spec:\n  selector",
        &format!("{annotations}spec:\n  selector"),
    )
}

#[tokio::test(start_paused = true)]
async fn a_timeout_waits_for_readiness_and_gives_up_when_it_is_over() {
    let world = World::start().await;
    let options =
        |seconds: i64| json!({ "defaultNamespace": "shop", "helm": { "timeoutSeconds": seconds } });
    let slow = bundle("slow", &[("web.yaml", &simulated("slow", "delay=300ms"))]);
    let slow_id = world.deploy(&slow.with_options(options(60))).await;
    let never = bundle("never", &[("web.yaml", &simulated("never", "never"))]);
    let never_id = world.deploy(&never.with_options(options(1))).await;

    let found = world
        .until("slow", "is applied", |found| {
            found.status.applied_deployment_id == slow_id
        })
        .await;
    assert!(
        found.status.ready,
        "nothing is told before the objects are ready"
    );
    let found = world
        .until("never", "is given up", |found| {
            found.status.applied_deployment_id == never_id
        })
        .await;
    let message = api::conditions::message(&found.status.conditions, "Installed");
    assert!(
        message.contains("timed out waiting for the condition: 1 objects are not ready after 1 s"),
        "{message}"
    );
    assert!(message.contains("deployment.apps shop/never"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_release_namespace_gets_its_labels_and_annotations() {
    let world = World::start().await;
    let options = json!({ "defaultNamespace": "shop", "namespaceLabels": { "team": "a" },
        "namespaceAnnotations": { "contact": "b" } });
    let files = [("a.yaml", config_map("a", "1"))];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let id = world
        .deploy(&bundle("raw", &files).with_options(options))
        .await;
    world.ready("raw", &id).await;
    let namespace = world.object(&namespaces(), "", "shop").await.unwrap();
    let meta = &namespace["metadata"];
    assert_eq!(
        meta["labels"],
        json!({ "kubernetes.io/metadata.name": "shop", "name": "shop", "team": "a" })
    );
    assert_eq!(meta["annotations"]["contact"], "b");

    let refused = json!({ "defaultNamespace": "nowhere", "createNamespace": false });
    world
        .deploy(&bundle("other", &files).with_options(refused))
        .await;
    let error = world.error("other").await;
    assert_eq!(
        error,
        "cluster fleet-default/north: namespace nowhere: it does not exist, and createNamespace is false"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_is_reported_as_missing() {
    let world = World::start().await;
    let id = world
        .deploy(&bundle(
            "raw",
            &[
                ("a.yaml", &config_map("a", "1")),
                ("b.yaml", &config_map("b", "1")),
            ],
        ))
        .await;
    world.ready("raw", &id).await;
    let key = apiclient::ObjectKey::new("shop", "a");
    world
        .cluster
        .delete(&config_maps(), &key, &apiclient::DeleteOptions::default())
        .await
        .unwrap();
    let found = world
        .until("raw", "is modified", |found| !found.status.non_modified)
        .await;
    let message = api::conditions::message(&found.status.conditions, "Ready");
    assert_eq!(message, "configmap.v1 shop/a missing");
    assert_eq!(
        (
            found.status.resource_counts.missing,
            found.status.resource_counts.desired_ready
        ),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn the_agent_says_that_it_is_alive() {
    let world = World::start().await;
    let seen = eventually("the agent was seen", async || {
        let kind = apiclient::Kind::of::<api::v1alpha1::Cluster>();
        let key = apiclient::ObjectKey::new(crate::world::WORKSPACE, "north");
        let cluster: Value = world.hub.get(&kind, &key).await.unwrap()?;
        cluster.pointer("/status/agent").cloned()
    })
    .await;
    assert_eq!(seen["namespace"], "cattle-fleet-system");
    assert!(!seen["lastSeen"].as_str().unwrap().is_empty());
}
