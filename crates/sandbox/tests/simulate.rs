//! Workloads become ready, fail or hang in a running sandbox, as a client sees it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::core::GroupVersionKind;
use sandbox::{Options, Outcome, Rule, Sandbox, SimulationSettings};
use serde_json::{Value, json};

/// Whether an object is where it should be.
type Ready = fn(&Value) -> bool;

/// Far longer than any of this takes.
const GUARD: Duration = Duration::from_mins(1);

async fn sandbox(settings: SimulationSettings) -> Sandbox {
    let options = Options {
        simulation: settings,
        ..Options::default()
    };
    Sandbox::start(options).await.unwrap()
}

fn at_once() -> SimulationSettings {
    SimulationSettings {
        delay_min: Duration::ZERO,
        delay_max: Duration::ZERO,
        rules: vec![Rule {
            image_contains: Some("broken".to_owned()),
            outcome: Outcome::Fail,
            ..Rule::default()
        }],
        ..SimulationSettings::default()
    }
}

async fn client(sandbox: &Sandbox, name: &str) -> Client {
    let cluster = sandbox.add_cluster(name).await.unwrap();
    Client::new(cluster.service(cluster.admin_token()), "default")
}

fn api(client: &Client, version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == "PersistentVolume" {
        return Api::all_with(client.clone(), &resource);
    }
    Api::default_namespaced_with(client.clone(), &resource)
}

async fn create(api: &Api<DynamicObject>, name: &str, body: Value) {
    let mut object: DynamicObject =
        serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    object.data = body;
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// The state of an object, `None` once it is gone, as soon as `ready` holds of it.
async fn watch(
    api: &Api<DynamicObject>,
    name: &str,
    ready: impl Fn(Option<&Value>) -> bool,
) -> Option<Value> {
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = api.watch(&only, "0").await.unwrap().boxed();
    while let Some(event) = events.next().await {
        let state = match event.unwrap() {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => Some(object.data),
            WatchEvent::Deleted(_) => None,
            _ => continue,
        };
        if ready(state.as_ref()) {
            return state;
        }
    }
    panic!("the watch of {name} ended");
}

/// The object once `ready` holds of it.
async fn wait(api: &Api<DynamicObject>, name: &str, ready: Ready) -> Value {
    let found =
        tokio::time::timeout(GUARD, watch(api, name, |state| state.is_some_and(ready))).await;
    let Ok(found) = found else {
        panic!("{name} does not get there: {:?}", api.get(name).await)
    };
    found.unwrap()
}

fn holds(object: &Value, kind: &str, status: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == kind && one["status"] == status)
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn workload(image: &str) -> Value {
    json!({"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template(image)}})
}

#[tokio::test]
async fn every_workload_becomes_ready() {
    let sandbox = sandbox(at_once()).await;
    let client = client(&sandbox, "one").await;
    let mut job = json!({"spec": {"template": template("i")}});
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    let mut daemons = workload("i");
    daemons["spec"].as_object_mut().unwrap().remove("replicas");
    let cases: [(&str, &str, Value, Ready); 8] = [
        ("apps/v1", "Deployment", workload("i"), |object| {
            holds(object, "Available", "True") && object["status"]["readyReplicas"] == 2
        }),
        ("apps/v1", "StatefulSet", workload("i"), |object| {
            object["status"]["readyReplicas"] == 2
        }),
        ("apps/v1", "DaemonSet", daemons, |object| {
            object["status"]["numberReady"] == 1
        }),
        ("apps/v1", "ReplicaSet", workload("i"), |object| {
            object["status"]["availableReplicas"] == 2
        }),
        ("batch/v1", "Job", job, |object| {
            holds(object, "Complete", "True")
        }),
        (
            "v1",
            "Pod",
            json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}),
            |object| holds(object, "Ready", "True"),
        ),
        (
            "v1",
            "Service",
            json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}),
            |object| object["status"]["loadBalancer"]["ingress"][0]["ip"].is_string(),
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}),
            |object| object["status"]["observedGeneration"] == 1,
        ),
    ];
    for (version, kind, body, ready) in cases {
        let api = api(&client, version, kind);
        create(&api, "x", body).await;
        wait(&api, "x", ready).await;
    }
}

#[tokio::test]
async fn a_change_is_rolled_out_and_a_broken_image_is_not() {
    let sandbox = sandbox(at_once()).await;
    let client = client(&sandbox, "one").await;
    let api = api(&client, "apps/v1", "Deployment");
    create(&api, "x", workload("i")).await;
    wait(&api, "x", |object| holds(object, "Available", "True")).await;
    let image = |image: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}});
    let patch = |body| async {
        api.patch("x", &PatchParams::default(), &Patch::Strategic(body))
            .await
            .unwrap()
    };
    patch(image("broken:1")).await;
    let failed = wait(&api, "x", |object| holds(object, "Progressing", "False")).await;
    assert_eq!(failed["status"]["observedGeneration"], 2);
    patch(image("mended:1")).await;
    wait(&api, "x", |object| {
        holds(object, "Available", "True") && object["status"]["observedGeneration"] == 3
    })
    .await;
}

#[tokio::test]
async fn a_claim_is_bound_and_its_volume_goes_with_it() {
    let sandbox = sandbox(at_once()).await;
    let client = client(&sandbox, "one").await;
    let claims = api(&client, "v1", "PersistentVolumeClaim");
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    create(&claims, "x", json!({"spec": spec})).await;
    let claim = wait(&claims, "x", |object| object["status"]["phase"] == "Bound").await;
    let volumes = api(&client, "v1", "PersistentVolume");
    let name = claim["spec"]["volumeName"].as_str().unwrap();
    assert_eq!(
        volumes.get(name).await.unwrap().data["status"]["phase"],
        "Bound"
    );
    claims.delete("x", &DeleteParams::default()).await.unwrap();
    // The volume may be gone before a watch could begin.
    let gone = async {
        while volumes.get_opt(name).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GUARD, gone).await.unwrap();
}

#[tokio::test]
async fn annotations_decide_for_one_object() {
    let sandbox = sandbox(at_once()).await;
    let client = client(&sandbox, "one").await;
    let api = api(&client, "apps/v1", "Deployment");
    create(&api, "x", workload("i")).await;
    wait(&api, "x", |object| holds(object, "Available", "True")).await;
    let annotate = |word: Value| {
        let body = json!({"metadata": {"annotations": {"sandbox.flotilla.io/simulate": word}}});
        let api = api.clone();
        async move {
            api.patch("x", &PatchParams::default(), &Patch::Merge(body))
                .await
                .unwrap()
        }
    };
    annotate(json!("never")).await;
    wait(&api, "x", |object| holds(object, "Available", "False")).await;
    annotate(Value::Null).await;
    wait(&api, "x", |object| holds(object, "Available", "True")).await;
}

#[tokio::test]
async fn many_clusters_share_one_simulation_and_settle() {
    let sandbox = sandbox(at_once()).await;
    let mut clients = Vec::new();
    for number in 0..10 {
        let client = client(&sandbox, &format!("c{number}")).await;
        let api = api(&client, "apps/v1", "Deployment");
        for name in ["a", "b", "c"] {
            create(&api, name, workload("i")).await;
        }
        clients.push(api);
    }
    let mut revisions = Vec::new();
    for api in &clients {
        for name in ["a", "b", "c"] {
            wait(api, name, |object| holds(object, "Available", "True")).await;
            revisions.push(api.get(name).await.unwrap().metadata.resource_version);
        }
    }
    // A later write would show that the simulation does not leave settled objects alone.
    let extra = &clients[0];
    create(extra, "last", workload("i")).await;
    wait(extra, "last", |object| holds(object, "Available", "True")).await;
    let mut again = Vec::new();
    for api in &clients {
        for name in ["a", "b", "c"] {
            again.push(api.get(name).await.unwrap().metadata.resource_version);
        }
    }
    assert_eq!(again, revisions);
}
