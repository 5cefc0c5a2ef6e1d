//! Objects that somebody changed: seen, told, and put back where that is asked for.

use std::time::Duration;

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use api::v1alpha1::{BundleDeployment, ModifiedStatus};
use apiclient::{Client, DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{
    Bundle, World, bundle, config_map, config_maps, create, deployment, eventually, secrets,
};

/// How soon a change is on the hub.
const SEEN: Duration = Duration::from_secs(5);
/// How soon it is corrected.
const CORRECTED: Duration = Duration::from_secs(10);

fn deployments() -> Kind {
    Kind::new("apps", "v1", "Deployment", "deployments", true)
}

fn services() -> Kind {
    Kind::new("", "v1", "Service", "services", true)
}

/// Changes an object as a person does.
async fn edit(client: &Client, kind: &Kind, name: &str, patch: Value) {
    let key = ObjectKey::new("shop", name);
    let options = WriteOptions::default();
    let edited: Result<ObjectMeta, _> = client
        .patch(kind, &key, None, Patch::Merge(&patch), 0, options)
        .await;
    edited.unwrap();
}

async fn delete(client: &Client, kind: &Kind, name: &str) {
    let key = ObjectKey::new("shop", name);
    assert!(
        client
            .delete(kind, &key, &DeleteOptions::default())
            .await
            .unwrap()
    );
}

fn ready_message(deployment: &BundleDeployment) -> &str {
    api::conditions::message(&deployment.status.conditions, "Ready")
}

impl World {
    /// Waits until the deployment says what is modified, and says how long it took.
    async fn modified(&self, name: &str, message: &str) -> BundleDeployment {
        let began = Instant::now();
        let found = self
            .until(name, message, |it| ready_message(it) == message)
            .await;
        assert!(began.elapsed() < SEEN, "{message}: {:?}", began.elapsed());
        assert!(!found.status.non_modified);
        found
    }

    /// Waits until nothing is modified.
    async fn unmodified(&self, name: &str) -> BundleDeployment {
        self.until(name, "is unmodified", |it| {
            it.status.non_modified
                && it.status.modified_status.is_empty()
                && ready_message(it).is_empty()
        })
        .await
    }

    /// Waits until an object is as `test` wants it.
    async fn becomes(&self, kind: &Kind, name: &str, test: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        let found = eventually("an object is corrected", async || {
            self.object(kind, "shop", name)
                .await
                .filter(|object| test(object))
        })
        .await;
        assert!(began.elapsed() < CORRECTED, "{:?}", began.elapsed());
        found
    }
}

fn service(ports: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: svc-test\nspec:\n  selector: {{app: web}}\n  ports:\n{ports}"
    )
}

const PORT: &str = "  - name: http\n    port: 80\n    targetPort: 9376\n";

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read best as arguments"
)]
fn shop(name: &'static str, options: Value, spec: Value) -> Bundle {
    let mut all = json!({"defaultNamespace": "shop"});
    for (member, value) in options.as_object().unwrap() {
        all[member] = value.clone();
    }
    bundle(
        name,
        &[
            ("cm.yaml", &config_map("cm-test", "1")),
            ("svc.yaml", &service(PORT)),
            ("web.yaml", &deployment("web")),
            ("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: hush\n"),
        ],
    )
    .with_options(all)
    .with_spec(spec)
}

fn correcting(name: &'static str) -> Bundle {
    let drift = json!({"enabled": true});
    shop(
        name,
        json!({"correctDrift": drift}),
        json!({"correctDrift": drift}),
    )
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_on_the_hub_and_forgotten_when_they_are_taken_back() {
    let world = World::start().await;
    let id = world.deploy(&shop("raw", json!({}), json!({}))).await;
    world.ready("raw", &id).await;

    edit(
        &world.cluster,
        &services(),
        "svc-test",
        json!({"spec": {"selector": {"app": "x"}}}),
    )
    .await;
    let found = world
        .modified(
            "raw",
            r#"service.v1 shop/svc-test modified {"spec":{"selector":{"app":"web"}}}"#,
        )
        .await;
    let counts = found.status.resource_counts;
    assert_eq!(
        (counts.modified, counts.ready, counts.desired_ready),
        (1, 3, 4)
    );
    edit(
        &world.cluster,
        &services(),
        "svc-test",
        json!({"spec": {"selector": {"app": "web"}}}),
    )
    .await;
    world.unmodified("raw").await;

    // No value of a Secret is told.
    edit(
        &world.cluster,
        &secrets(),
        "s",
        json!({"data": {"password": "b3RoZXI="}}),
    )
    .await;
    world
        .modified(
            "raw",
            r#"secret.v1 shop/s modified {"data":{"password":"(masked)"}}"#,
        )
        .await;
    edit(
        &world.cluster,
        &secrets(),
        "s",
        json!({"data": {"password": "aHVzaA=="}}),
    )
    .await;
    world.unmodified("raw").await;

    // What is added is no drift.
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"more": "x"}, "metadata": {"labels": {"a": "b"}}}),
    )
    .await;
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"key": "2"}}),
    )
    .await;
    world
        .modified(
            "raw",
            r#"configmap.v1 shop/cm-test modified {"data":{"key":"1"}}"#,
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn missing_and_foreign_objects_are_told_apart() {
    let world = World::start().await;
    let id = world.deploy(&shop("raw", json!({}), json!({}))).await;
    world.ready("raw", &id).await;
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"metadata": {"labels": {OBJECT_SET_HASH: null}}}),
    )
    .await;
    let found = world
        .modified("raw", "configmap.v1 shop/cm-test is not owned by us")
        .await;
    let expected = ModifiedStatus {
        kind: "ConfigMap".to_owned(),
        api_version: "v1".to_owned(),
        namespace: "shop".to_owned(),
        name: "cm-test".to_owned(),
        missing: true,
        exist: true,
        ..ModifiedStatus::default()
    };
    assert_eq!(found.status.modified_status, [expected]);
    delete(&world.cluster, &services(), "svc-test").await;
    world
        .until("raw", "both are told", |it| {
            let told: Vec<_> = it
                .status
                .modified_status
                .iter()
                .map(|it| (it.name.as_str(), it.exist))
                .collect();
            told == [("cm-test", true), ("svc-test", false)]
        })
        .await;
    assert_eq!(
        world.deployment("raw").await.status.resource_counts.missing,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_upgrade_could_not_take_away_is_extra_and_copies_of_labels_are_not() {
    let world = World::start().await;
    let held = "apiVersion: v1\nkind: Service\nmetadata:\n  name: svc-finalizer\n  finalizers: [example.com/held]\nspec:\n  ports:\n  - port: 80\n";
    let first = shop("raw", json!({}), json!({}));
    let mut with_held = first.clone();
    with_held
        .files
        .push(("held.yaml".to_owned(), held.to_owned()));
    let id = world.deploy(&with_held).await;
    world.ready("raw", &id).await;

    // An operator copies our labels onto something of its own.
    let hash = world
        .object(&config_maps(), "shop", "cm-test")
        .await
        .unwrap()["metadata"]["labels"][OBJECT_SET_HASH]
        .clone();
    let copy = json!({"metadata": {"name": "copy", "namespace": "shop", "labels": {OBJECT_SET_HASH: hash},
        "annotations": {OBJECT_SET_ID: "default-raw"}}});
    create(
        &world.cluster,
        &config_maps(),
        &ObjectKey::new("shop", "copy"),
        &copy,
    )
    .await;

    world.deploy(&first).await;
    let found = world
        .modified("raw", "service.v1 shop/svc-finalizer extra")
        .await;
    assert_eq!(found.status.modified_status.len(), 1);
    assert!(found.status.modified_status[0].delete);
    assert_eq!(found.status.resource_counts.orphaned, 1);
    edit(
        &world.cluster,
        &services(),
        "svc-finalizer",
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    world.unmodified("raw").await;
}

#[tokio::test(start_paused = true)]
async fn compare_patches_take_fields_and_missing_objects_out() {
    let world = World::start().await;
    let patches = json!({"comparePatches": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "cm-test", "namespace": "shop",
            "operations": [{"op": "remove", "path": "/data/none"}, {"op": "remove", "path": "/data/key"}]},
        {"apiVersion": "v1", "kind": "Service", "operations": [{"op": "ignore"}]},
    ]});
    let id = world
        .deploy(&shop("raw", json!({"diff": patches}), json!({})))
        .await;
    world.ready("raw", &id).await;
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"key": "2"}}),
    )
    .await;
    delete(&world.cluster, &services(), "svc-test").await;
    edit(
        &world.cluster,
        &deployments(),
        "web",
        json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [
        {"name": "main", "image": "other"}]}}}}),
    )
    .await;
    let message = r#"deployment.apps shop/web modified {"spec":{"template":{"spec":{"containers":[{"image":"registry.example/web:1","name":"main"}]}}}}"#;
    let found = world
        .until("raw", "only the Deployment is told", |it| {
            it.status
                .modified_status
                .iter()
                .any(|it| it.kind == "Deployment")
        })
        .await;
    assert_eq!(found.status.modified_status.len(), 1);
    world
        .until("raw", "says so", |it| {
            ready_message(it).ends_with(message) || !it.status.ready
        })
        .await;
    // Without the exceptions everything is told, without another deployment.
    world.deploy(&shop("raw", json!({}), json!({}))).await;
    let found = world
        .until("raw", "all is told", |it| {
            it.status.modified_status.len() == 3
        })
        .await;
    assert_eq!(found.status.release, "shop/raw:1");
    // With them again only the Deployment is, though nothing on the cluster has changed.
    world
        .deploy(&shop("raw", json!({"diff": patches}), json!({})))
        .await;
    let found = world
        .until("raw", "one is told", |it| {
            it.status.modified_status.len() == 1
        })
        .await;
    assert_eq!(found.status.modified_status[0].kind, "Deployment");
    assert_eq!(found.status.release, "shop/raw:1");
}

#[tokio::test(start_paused = true)]
async fn changes_are_put_back_without_a_revision() {
    let world = World::start().await;
    let id = world.deploy(&correcting("raw")).await;
    world.ready("raw", &id).await;

    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"key": "2"}}),
    )
    .await;
    edit(&world.cluster, &deployments(), "web", json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": "other"}]}}}, "metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})).await;
    edit(&world.cluster, &secrets(), "s", json!({"data": null})).await;
    delete(&world.cluster, &services(), "svc-test").await;
    world
        .becomes(&config_maps(), "cm-test", |it| it["data"]["key"] == "1")
        .await;
    let image = "/spec/template/spec/containers/0/image";
    let web = world
        .becomes(&deployments(), "web", |it| {
            it.pointer(image) == Some(&json!("registry.example/web:1"))
        })
        .await;
    assert_eq!(
        web["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "Helm"
    );
    world
        .becomes(&secrets(), "s", |it| it["data"]["password"] == "aHVzaA==")
        .await;
    world
        .becomes(&services(), "svc-test", |it| {
            it["spec"]["ports"][0]["port"] == 80
        })
        .await;
    // An object that lost its mark is ours again.
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"metadata": {"labels": {OBJECT_SET_HASH: null}}}),
    )
    .await;
    world
        .becomes(&config_maps(), "cm-test", |it| {
            it["metadata"]["labels"][OBJECT_SET_HASH].is_string()
        })
        .await;

    let found = world.ready("raw", &id).await;
    assert_eq!(found.status.release, "shop/raw:1");
    assert_eq!(
        world.records("shop").await,
        [(
            "sh.helm.release.v1.raw.v1".to_owned(),
            "deployed".to_owned()
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_has_drifted_is_corrected_when_that_is_switched_on() {
    let mut world = World::start().await;
    let id = world.deploy(&shop("raw", json!({}), json!({}))).await;
    world.ready("raw", &id).await;
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"key": "2"}}),
    )
    .await;
    world
        .modified(
            "raw",
            r#"configmap.v1 shop/cm-test modified {"data":{"key":"1"}}"#,
        )
        .await;
    // Also by an agent that has just begun.
    world.kill_agent().await;
    world.start_agent();
    assert_eq!(world.deploy(&correcting("raw")).await, id);
    world
        .becomes(&config_maps(), "cm-test", |it| it["data"]["key"] == "1")
        .await;
    world.unmodified("raw").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_corrected_while_paused_or_off_schedule_and_all_of_it_after() {
    let world = World::start().await;
    let id = world.deploy(&correcting("raw")).await;
    world.ready("raw", &id).await;
    for gate in ["paused", "offSchedule"] {
        let mut held = correcting("raw");
        held.spec[gate] = true.into();
        world.deploy(&held).await;
        // The agent has seen it when it no longer tells of what happens.
        let marker = bundle("marker", &[("cm.yaml", &config_map("marker", gate))]);
        let marker = world.deploy(&marker).await;
        world.ready("marker", &marker).await;
        edit(
            &world.cluster,
            &config_maps(),
            "cm-test",
            json!({"data": {"key": gate}}),
        )
        .await;
        let again = bundle(
            "marker",
            &[("cm.yaml", &config_map("marker", &format!("{gate} 2")))],
        );
        let again = world.deploy(&again).await;
        world.ready("marker", &again).await;
        let object = world
            .object(&config_maps(), "shop", "cm-test")
            .await
            .unwrap();
        assert_eq!(object["data"]["key"], gate);
        world.deploy(&correcting("raw")).await;
        world
            .becomes(&config_maps(), "cm-test", |it| it["data"]["key"] == "1")
            .await;
        world.unmodified("raw").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_update_can_change_is_replaced_only_by_force() {
    let world = World::start().await;
    let id = world.deploy(&correcting("raw")).await;
    world.ready("raw", &id).await;
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: once\nspec:\n  completions: 1\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: main\n        image: registry.example/once:1\n";
    let with_job = |force: bool| {
        let drift = json!({"enabled": true, "force": force});
        bundle("job", &[("job.yaml", job)])
            .with_options(json!({"defaultNamespace": "shop", "correctDrift": drift}))
            .with_spec(json!({"correctDrift": drift}))
    };
    let id = world.deploy(&with_job(false)).await;
    world.ready("job", &id).await;
    // Somebody replaces the Job by another with our mark.
    let jobs = Kind::new("batch", "v1", "Job", "jobs", true);
    let live = world.object(&jobs, "shop", "once").await.unwrap();
    let replaced = json!({"metadata": {"name": "once", "namespace": "shop", "labels": live["metadata"]["labels"],
        "annotations": live["metadata"]["annotations"]}, "spec": {"completions": 1, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/once:2"}]}}}});
    world
        .deploy(
            &with_job(false).with_spec(json!({"paused": true, "correctDrift": {"enabled": true}})),
        )
        .await;
    delete(&world.cluster, &jobs, "once").await;
    create(
        &world.cluster,
        &jobs,
        &ObjectKey::new("shop", "once"),
        &replaced,
    )
    .await;
    world.deploy(&with_job(false)).await;
    let found = world
        .until("job", "says that it needs force", |it| {
            ready_message(it).contains("correctDrift.force")
        })
        .await;
    assert!(
        ready_message(&found).contains("Job shop/once"),
        "{}",
        ready_message(&found)
    );
    assert_eq!(
        world.object(&jobs, "shop", "once").await.unwrap()["spec"]["template"]["spec"]["containers"]
            [0]["image"],
        "registry.example/once:2"
    );

    world.deploy(&with_job(true)).await;
    world
        .becomes(&jobs, "once", |it| {
            it.pointer("/spec/template/spec/containers/0/image")
                == Some(&json!("registry.example/once:1"))
        })
        .await;
    world.unmodified("job").await;
}

#[tokio::test(start_paused = true)]
async fn objects_of_another_deployment_are_left_to_it() {
    let world = World::start().await;
    let one = world.deploy(&correcting("one")).await;
    world.ready("one", &one).await;
    let other = "0123456789012345678901234567890123456789";
    edit(
        &world.cluster,
        &config_maps(),
        "cm-test",
        json!({"data": {"key": "theirs"}, "metadata": {"labels": {OBJECT_SET_HASH: other}}}),
    )
    .await;
    world
        .modified("one", "configmap.v1 shop/cm-test is not owned by us")
        .await;
    let object = world
        .object(&config_maps(), "shop", "cm-test")
        .await
        .unwrap();
    assert_eq!(object["data"]["key"], "theirs");
}

#[tokio::test(start_paused = true)]
async fn objects_that_another_bundle_took_away_come_back_without_correction() {
    let world = World::start().await;
    let overwrites = json!([{"kind": "ConfigMap", "name": "cm-test", "namespace": "shop"}]);
    let id = world
        .deploy(&shop("raw", json!({"overwrites": overwrites}), json!({})))
        .await;
    world.ready("raw", &id).await;
    let uid = |object: Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
    let web = uid(world.object(&deployments(), "shop", "web").await.unwrap());
    delete(&world.cluster, &config_maps(), "cm-test").await;
    delete(&world.cluster, &secrets(), "s").await;
    world.becomes(&config_maps(), "cm-test", |_| true).await;
    world.modified("raw", "secret.v1 shop/s missing").await;
    // The release was not uninstalled for it.
    assert_eq!(
        uid(world.object(&deployments(), "shop", "web").await.unwrap()),
        web
    );
}

#[tokio::test(start_paused = true)]
async fn replicas_are_left_to_an_autoscaler_within_its_range() {
    let world = World::start().await;
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: web\nspec:\n  minReplicas: 1\n  maxReplicas: 4\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";
    let web = deployment("web").replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector");
    let files = [("web.yaml", web.as_str()), ("hpa.yaml", scaler)];
    let id = world.deploy(&bundle("raw", &files)).await;
    world
        .until("raw", "is deployed", |it| {
            it.status.applied_deployment_id == id
        })
        .await;
    edit(
        &world.cluster,
        &deployments(),
        "web",
        json!({"spec": {"replicas": 9}}),
    )
    .await;
    let is_told = |it: &BundleDeployment| {
        it.status
            .modified_status
            .iter()
            .any(|it| it.patch == r#"{"spec":{"replicas":2}}"#)
    };
    world.until("raw", "too many are told", is_told).await;
    edit(
        &world.cluster,
        &deployments(),
        "web",
        json!({"spec": {"replicas": 4}}),
    )
    .await;
    world
        .until("raw", "enough are not", |it| it.status.non_modified)
        .await;
}

/// A person changes one Deployment a thousand times.
#[tokio::test(start_paused = true)]
async fn a_thousand_changes_are_reverted_and_the_history_does_not_grow() {
    let world = World::start().await;
    let id = world.deploy(&correcting("raw")).await;
    world.ready("raw", &id).await;
    let image = "/spec/template/spec/containers/0/image";
    for n in 0..1_000 {
        let began = Instant::now();
        if n % 2 == 0 {
            let containers = json!([{"name": "main", "image": "registry.example/other:1"}]);
            edit(
                &world.cluster,
                &deployments(),
                "web",
                json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            )
            .await;
        } else {
            edit(
                &world.cluster,
                &deployments(),
                "web",
                json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "mine"}}}),
            )
            .await;
        }
        world
            .becomes(&deployments(), "web", |it| {
                it.pointer(image) == Some(&json!("registry.example/web:1"))
                    && it["metadata"]["annotations"]["meta.helm.sh/release-name"] == "raw"
            })
            .await;
        assert!(
            began.elapsed() < CORRECTED,
            "change {n}: {:?}",
            began.elapsed()
        );
    }
    let found = world.ready("raw", &id).await;
    assert_eq!(found.status.release, "shop/raw:1");
    assert_eq!(world.records("shop").await.len(), 1);
}
