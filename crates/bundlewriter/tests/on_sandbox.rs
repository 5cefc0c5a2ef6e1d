//! Plans carried out against an API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::limits::Limits;
use api::v1alpha1::{Bundle, BundleResource, Content, HelmOptions};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector, WriteOptions};
use bundle::content::{Stored, store};
use bundle::write::{WritePlan, plan_write};
use bundlewriter::{Writer, Written, existing};
use k8s_openapi::api::core::v1::Secret;
use sandbox::Sandbox;
use serde_json::{Value, json};

const NAMESPACE: &str = "workspace";

/// An API server with Bundles, Contents and a namespace.
async fn server() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let client = Client::new(kube, "test", Budgets::default());
    let crds = "customresourcedefinitions";
    let crd = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        crds,
        false,
    );
    let ours = ["bundles.fleet.cattle.io", "contents.fleet.cattle.io"];
    for object in api::crds::crds() {
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap();
        if ours.contains(&name) {
            create(&client, &crd, &ObjectKey::new("", name), &object).await;
        }
    }
    let namespace = Kind::new("", "v1", "Namespace", "namespaces", false);
    let object = json!({ "metadata": { "name": NAMESPACE } });
    create(&client, &namespace, &ObjectKey::new("", NAMESPACE), &object).await;
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
    (sandbox, client)
}

async fn create(client: &Client, kind: &Kind, key: &ObjectKey, object: &Value) {
    client
        .create(kind, key, object, WriteOptions::default())
        .await
        .unwrap();
}

fn repo() -> ObjectKey {
    ObjectKey::new(NAMESPACE, "repo")
}

fn wanted(name: &str, files: &[(&str, &str)], values: Option<Value>, limits: &Limits) -> Stored {
    let mut bundle = Bundle::default();
    bundle.metadata.name = Some(name.to_owned());
    bundle.metadata.namespace = Some(NAMESPACE.to_owned());
    bundle.metadata.labels = Some(BTreeMap::from([(
        "fleet.cattle.io/repo-name".into(),
        "repo".into(),
    )]));
    let files = files.iter().map(|(name, content)| BundleResource {
        name: (*name).to_owned(),
        content: (*content).to_owned(),
        encoding: String::new(),
    });
    bundle.spec.resources = files.collect();
    bundle.spec.options.helm = values.map(|values| HelmOptions {
        values: values.as_object().cloned(),
        ..HelmOptions::default()
    });
    store(bundle, limits).unwrap()
}

/// What is planned for the server as it is now.
async fn plan(client: &Client, wanted: &[Stored]) -> (WritePlan, Writer) {
    let names = wanted
        .iter()
        .filter_map(|stored| stored.bundle.metadata.name.clone());
    let names: BTreeSet<String> = names.collect();
    let found = existing(client, &repo(), &names, |_| true).await.unwrap();
    let plan = plan_write("repo", &found, wanted.to_vec(), true);
    (plan, Writer::new(client.clone(), &found))
}

/// Plans and carries out; says what happened to which Bundle.
async fn bring(client: &Client, wanted: &[Stored]) -> Vec<String> {
    let (plan, mut writer) = plan(client, wanted).await;
    let mut told = Vec::new();
    for action in plan.actions {
        match writer.write(action).await.unwrap() {
            Written::Created(bundle) => told.push(format!("created {}", name(&bundle))),
            Written::Updated(bundle) => told.push(format!("updated {}", name(&bundle))),
            Written::Deleted(key) => told.push(format!("deleted {}", key.name)),
            Written::Other => told.push("other".to_owned()),
        }
    }
    told
}

fn name(bundle: &Bundle) -> &str {
    bundle.metadata.name.as_deref().unwrap()
}

async fn get<T: serde::de::DeserializeOwned>(
    client: &Client,
    kind: &Kind,
    name: &str,
) -> Option<T> {
    client
        .get(kind, &ObjectKey::new(NAMESPACE, name))
        .await
        .unwrap()
}

/// Text that does not compress.
fn noise() -> String {
    let numbers = (0..9_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    numbers.collect::<Vec<_>>().concat()
}

const MAP: &str = "kind: ConfigMap\nmetadata: {name: moved}\n";

#[tokio::test]
async fn what_was_carried_out_is_found_again_and_not_repeated() {
    let (_sandbox, client) = server().await;
    let (limits, noise) = (Limits::TINY, noise());
    let small = wanted(
        "small",
        &[("a.yaml", MAP)],
        Some(json!({"password": "x"})),
        &limits,
    );
    let large = wanted(
        "large",
        &[("a.yaml", MAP), ("noise", &noise)],
        None,
        &limits,
    );
    let n_contents = large.contents.len();
    assert!(n_contents > 2, "{n_contents}");
    let both = [small, large];
    let told = bring(&client, &both).await;
    assert_eq!(
        told.iter().filter(|what| *what == "other").count(),
        n_contents + 1
    );
    assert!(
        told.contains(&"created small".to_owned()) && told.contains(&"created large".to_owned())
    );

    let bundle: Bundle = get(&client, &Kind::of::<Bundle>(), "small").await.unwrap();
    let secret: Secret = get(&client, &Kind::of::<Secret>(), "small").await.unwrap();
    assert_eq!(
        secret.type_.as_deref(),
        Some("fleet.cattle.io/bundle-values/v1alpha1")
    );
    assert_eq!(
        secret.data.unwrap()["values.yaml"].0,
        br#"{"password":"x"}"#
    );
    let owners = secret.metadata.owner_references.unwrap();
    assert_eq!(Some(&owners[0].uid), bundle.metadata.uid.as_ref());

    let (plan, _) = plan(&client, &both).await;
    assert_eq!(plan.actions, []);
    assert_eq!(plan.unchanged, ["small", "large"]);
}

#[tokio::test]
async fn values_follow_their_bundle() {
    let (_sandbox, client) = server().await;
    let limits = Limits::PRODUCTION;
    let with = |values| [wanted("b", &[("a.yaml", MAP)], values, &limits)];
    bring(&client, &with(Some(json!({"n": 1})))).await;
    assert_eq!(
        bring(&client, &with(Some(json!({"n": 2})))).await,
        ["updated b", "other"]
    );
    let secret: Secret = get(&client, &Kind::of::<Secret>(), "b").await.unwrap();
    assert_eq!(secret.data.unwrap()["values.yaml"].0, br#"{"n":2}"#);
    assert_eq!(bring(&client, &with(None)).await, ["updated b", "other"]);
    let secret: Option<Secret> = get(&client, &Kind::of::<Secret>(), "b").await;
    assert_eq!(secret, None);
}

#[tokio::test]
async fn a_file_moves_out_of_a_bundle_that_keeps_it_in_chunks() {
    let (_sandbox, client) = server().await;
    let (limits, noise) = (Limits::TINY, noise());
    let old = wanted("old", &[("a.yaml", MAP), ("noise", &noise)], None, &limits);
    bring(&client, &[old]).await;
    let new = [wanted("new", &[("a.yaml", MAP)], None, &limits)];
    assert_eq!(bring(&client, &new).await, ["created new", "deleted old"]);
    let bundle: Bundle = get(&client, &Kind::of::<Bundle>(), "new").await.unwrap();
    let names: Vec<&str> = bundle
        .spec
        .options
        .overwrites
        .iter()
        .map(|object| object.name.as_str())
        .collect();
    assert_eq!(names, ["moved"]);
    let gone: Option<Bundle> = get(&client, &Kind::of::<Bundle>(), "old").await;
    assert_eq!(gone.map(|bundle| bundle.metadata.name), None);
}

#[tokio::test]
async fn a_bundle_that_goes_without_its_content_goes_all_the_same() {
    let (_sandbox, client) = server().await;
    let (limits, noise) = (Limits::TINY, noise());
    let mut old = wanted("old", &[("a.yaml", MAP), ("noise", &noise)], None, &limits);
    old.contents.clear();
    bring(&client, &[old]).await;
    let new = [wanted("new", &[("a.yaml", MAP)], None, &limits)];
    assert_eq!(bring(&client, &new).await, ["created new", "deleted old"]);
}

#[tokio::test]
async fn bundles_of_others_are_never_deleted() {
    let (_sandbox, client) = server().await;
    let mut foreign = wanted("foreign", &[("a.yaml", MAP)], None, &Limits::PRODUCTION);
    foreign.bundle.metadata.labels = Some(BTreeMap::from([(
        "fleet.cattle.io/repo-name".into(),
        "other".into(),
    )]));
    bring(&client, &[foreign]).await;
    let own = [wanted("own", &[("a.yaml", MAP)], None, &Limits::PRODUCTION)];
    assert_eq!(bring(&client, &own).await, ["created own"]);
    assert_eq!(bring(&client, &[]).await, ["deleted own"]);
}

#[tokio::test]
async fn a_secret_of_somebody_else_with_the_name_of_the_bundle_is_left_alone() {
    let (_sandbox, client) = server().await;
    let key = ObjectKey::new(NAMESPACE, "b");
    let object = json!({ "metadata": { "name": "b" }, "stringData": { "theirs": "1" } });
    create(&client, &Kind::of::<Secret>(), &key, &object).await;
    let values = Some(json!({"n": 1}));
    let wanted = [wanted("b", &[("a.yaml", MAP)], values, &Limits::PRODUCTION)];
    let (plan, mut writer) = plan(&client, &wanted).await;
    let mut last = Ok(Written::Other);
    for action in plan.actions {
        last = writer.write(action).await;
    }
    assert!(last.is_err(), "{last:?}");
    let secret: Secret = get(&client, &Kind::of::<Secret>(), "b").await.unwrap();
    assert_eq!(secret.data.unwrap().keys().collect::<Vec<_>>(), ["theirs"]);
}

#[tokio::test]
async fn a_write_by_somebody_else_meanwhile_is_a_conflict() {
    let (_sandbox, client) = server().await;
    let with = |file| [wanted("b", &[("a.yaml", file)], None, &Limits::PRODUCTION)];
    bring(&client, &with("a: 1")).await;
    let (stale, mut writer) = plan(&client, &with("a: 2")).await;
    bring(&client, &with("a: 3")).await;
    for action in stale.actions {
        let error = writer.write(action).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
    }
    let (missed, mut writer) = plan(
        &client,
        &[wanted("c", &[("a", "a")], None, &Limits::PRODUCTION)],
    )
    .await;
    let key = ObjectKey::new(NAMESPACE, "c");
    let object = json!({ "apiVersion": api::v1alpha1::API_VERSION, "kind": "Bundle", "metadata": { "name": "c" }, "spec": {} });
    create(&client, &Kind::of::<Bundle>(), &key, &object).await;
    let error = writer.write(missed.actions[0].clone()).await.unwrap_err();
    assert!(error.is_already_exists(), "{error}");
}
