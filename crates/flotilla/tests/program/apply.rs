//! `apply` against an API server.

#[path = "../../../fetch/tests/support/registry.rs"]
mod registry;

use std::path::Path;
use std::time::Duration;

use crate::{Answer, flotilla};
use api::v1alpha1::{Bundle, Content};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector, WriteOptions};
use k8s_openapi::api::core::v1::Secret;
use sandbox::{Cluster, Sandbox};
use serde_json::{Value, json};

/// An API server, a directory with a kubeconfig for it, and what the program finds there.
struct World {
    client: Client,
    directory: tempfile::TempDir,
    _sandbox: Sandbox,
    _server: sandbox::Server,
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
        let server = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let cluster = sandbox.add_cluster("hub").await.unwrap();
        let client = client(&cluster);
        install(&client).await;
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = cluster.kubeconfig().unwrap();
        std::fs::write(directory.path().join("kubeconfig"), kubeconfig).unwrap();
        Self {
            client,
            directory,
            _sandbox: sandbox,
            _server: server,
        }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Applies as the repository `demo`.
    fn apply(&self, variables: &[(&str, &str)], paths: &[&str]) -> Answer {
        let mut arguments = vec!["apply", "--kubeconfig", "kubeconfig", "-n", "default"];
        arguments.extend(["-l", "fleet.cattle.io/repo-name=demo", "demo"]);
        arguments.extend(paths);
        let directory: &Path = self.directory.path();
        tokio::task::block_in_place(|| flotilla(directory, variables, &arguments))
    }

    async fn bundle(&self, name: &str) -> Option<Bundle> {
        let key = ObjectKey::new("default", name);
        self.client.get(&Kind::of::<Bundle>(), &key).await.unwrap()
    }
}

fn client(cluster: &Cluster) -> Client {
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    Client::new(kube, "test", Budgets::default())
}

/// The kinds that are written here.
async fn install(client: &Client) {
    let crds = "customresourcedefinitions";
    let crd = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        crds,
        false,
    );
    for object in api::crds::crds() {
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap();
        if ["bundles.fleet.cattle.io", "contents.fleet.cattle.io"].contains(&name) {
            let key = ObjectKey::new("", name);
            client
                .create(&crd, &key, &object, WriteOptions::default())
                .await
                .unwrap();
        }
    }
    for kind in [Kind::of::<Bundle>(), Kind::of::<Content>()] {
        tokio::time::timeout(Duration::from_secs(30), async {
            let selector = Selector::default();
            while client
                .list::<Value, _>(&kind, &selector, drop)
                .await
                .is_err()
            {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the kinds are served");
    }
}

/// What the log says about Bundles, in order of their names.
fn told(answer: &Answer) -> Vec<String> {
    let lines = answer
        .stderr
        .lines()
        .filter(|line| line.contains(" (bundle): "));
    let words = lines.map(|line| {
        let (before, key) = line.split_once(" (bundle): ").unwrap();
        format!("{key} {}", before.rsplit(' ').next().unwrap())
    });
    let mut words: Vec<String> = words.collect();
    words.sort();
    words
}

const MAP: &str = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: moved}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_follows_the_directories() {
    let world = World::start().await;
    world.write("a/map.yaml", MAP);
    world.write("b/fleet.yaml", "helm: {values: {password: hidden}}\n");
    world.write("b/role.yaml", "kind: Role\n");

    let answer = world.apply(&[], &["a", "b"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_eq!(
        told(&answer),
        ["default/demo-a created", "default/demo-b created"]
    );
    assert!(!answer.stderr.contains("hidden"));
    let bundle = world.bundle("demo-b").await.unwrap();
    assert_eq!(bundle.spec.resources.len(), 1);
    assert!(!bundle.spec.values_hash.is_empty());
    let key = ObjectKey::new("default", "demo-b");
    let secret: Option<Secret> = world.client.get(&Kind::of::<Secret>(), &key).await.unwrap();
    assert_eq!(
        secret.unwrap().data.unwrap()["values.yaml"].0,
        br#"{"password":"hidden"}"#
    );

    let answer = world.apply(&[], &["a", "b"]);
    assert_eq!(
        told(&answer),
        ["default/demo-a unchanged", "default/demo-b unchanged"]
    );

    world.write("b/role.yaml", "kind: ClusterRole\n");
    world.write("c/map.yaml", MAP);
    let answer = world.apply(&[], &["b", "c"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_eq!(
        told(&answer),
        [
            "default/demo-a deleted",
            "default/demo-b updated",
            "default/demo-c created"
        ]
    );
    assert!(world.bundle("demo-a").await.is_none());
    let overwrites = world
        .bundle("demo-c")
        .await
        .unwrap()
        .spec
        .options
        .overwrites;
    assert_eq!(overwrites.len(), 1);
    assert_eq!(
        (overwrites[0].kind.as_str(), overwrites[0].name.as_str()),
        ("ConfigMap", "moved")
    );

    // A mistake in a path deletes nothing.
    let answer = world.apply(&[], &["none"]);
    assert_eq!(answer.code, 1);
    assert!(world.bundle("demo-b").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_bundle_keeps_its_files_in_contents() {
    let world = World::start().await;
    world.write(
        "a/text.yaml",
        &format!("{MAP}data: {{text: {}}}\n", "x".repeat(200_000)),
    );
    let answer = world.apply(&[], &["a"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let bundle = world.bundle("demo-a").await.unwrap();
    assert!(bundle.spec.resources.is_empty());
    let key = ObjectKey::new("", bundle.spec.contents_id);
    let content: Option<Content> = world
        .client
        .get(&Kind::of::<Content>(), &key)
        .await
        .unwrap();
    assert!(content.is_some(), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_helm_op_is_refused_and_the_others_are_written() {
    let world = World::start().await;
    let key = ObjectKey::new("default", "demo-a");
    let object = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Bundle",
        "metadata": { "name": "demo-a", "namespace": "default" },
        "spec": { "helmOpOptions": {} },
    });
    let kind = Kind::of::<Bundle>();
    world
        .client
        .create(&kind, &key, &object, WriteOptions::default())
        .await
        .unwrap();
    world.write("a/map.yaml", MAP);
    world.write("b/map.yaml", MAP);
    let answer = world.apply(&[("FLEET_JSON_OUTPUT", "true")], &["a", "b"]);
    assert_eq!(answer.code, 1);
    assert_eq!(told(&answer), ["default/demo-b created"]);
    let last: Value = serde_json::from_str(answer.stderr.lines().last().unwrap()).unwrap();
    let text = "a helmOps bundle with name \"demo-a\" already exists";
    assert_eq!(last["fleetErrorMessage"], text);
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_with_the_same_name_write_nothing() {
    let world = World::start().await;
    world.write("a/fleet.yaml", "name: same\n");
    world.write("a/map.yaml", MAP);
    world.write("b/fleet.yaml", "name: same\n");
    world.write("b/map.yaml", "kind: Role\n");
    let answer = world.apply(&[], &["a", "b"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("\"same\""), "{}", answer.stderr);
    assert!(world.bundle("same").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_to_the_registry_that_the_namespace_has() {
    const KIND: &str = "fleet.cattle.io/bundle-oci-storage/v1alpha1";
    let world = World::start().await;
    let registry = registry::Registry::start();
    let offer = async |name: &str| {
        let reference = format!("{}/contents", registry.address);
        let object = json!({ "metadata": { "name": name, "namespace": "default" }, "type": KIND,
            "stringData": { "reference": reference, "basicHTTP": "true", "password": "hunter2" } });
        let (kind, key) = (Kind::of::<Secret>(), ObjectKey::new("default", name));
        let once = WriteOptions::default();
        let created = world.client.create(&kind, &key, &object, once).await;
        created.unwrap();
    };
    let is_stored = |bundle: &Bundle| {
        let repository = format!("contents/{}", bundle.spec.contents_id);
        registry.state().manifests.contains_key(&repository)
    };
    world.write("a/map.yaml", MAP);
    let answer = world.apply(&[], &["--oci-registry-secret=named", "a"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("default/named"), "{}", answer.stderr);
    assert!(world.bundle("demo-a").await.is_none());

    offer("named").await;
    let answer = world.apply(&[], &["--oci-registry-secret=named", "a"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let bundle = world.bundle("demo-a").await.unwrap();
    assert!(bundle.spec.resources.is_empty() && is_stored(&bundle));
    let key = ObjectKey::new("default", bundle.spec.contents_id.as_str());
    let access: Option<Secret> = world.client.get(&Kind::of::<Secret>(), &key).await.unwrap();
    assert_eq!(access.unwrap().type_.as_deref(), Some(KIND));

    offer("ocistorage").await;
    registry.state().asked.clear();
    let answer = world.apply(&[], &["a"]);
    assert_eq!(told(&answer), ["default/demo-a unchanged"]);
    assert!(registry.state().asked.is_empty(), "nothing new to store");
    world.write("a/map.yaml", &format!("{MAP}data: {{a: b}}\n"));
    let answer = world.apply(&[("OCI_STORAGE", "false")], &["a"]);
    assert_eq!(told(&answer), ["default/demo-a updated"]);
    assert_eq!(
        world.bundle("demo-a").await.unwrap().spec.resources.len(),
        1
    );
    assert!(registry.state().asked.is_empty(), "it is switched off");

    registry.state().is_away = true;
    world.write("a/map.yaml", &format!("{MAP}data: {{a: c}}\n"));
    let answer = world.apply(&[], &["a"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("are stored on the hub") && !answer.stderr.contains("hunter2"),
        "{}",
        answer.stderr
    );
    let bundle = world.bundle("demo-a").await.unwrap();
    assert_eq!(bundle.spec.resources.len(), 1);
    registry.state().is_away = false;
    let answer = world.apply(&[], &["a"]);
    assert_eq!(told(&answer), ["default/demo-a updated"]);
    assert!(is_stored(&world.bundle("demo-a").await.unwrap()));
}
