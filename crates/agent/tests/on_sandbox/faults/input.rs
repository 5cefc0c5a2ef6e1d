//! Bad input: a clear error in the right place, and everything else goes on.

use apiclient::Kind;
use serde_json::{Value, json};

use crate::world::{World, bundle, config_map, config_maps, create, deployment, eventually};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

/// Files, options, the start of the error.
type Case<'a> = (&'a [(&'a str, &'a str)], Value, &'a str);

/// What the deployment says of these files, and that another deployment is not held up.
async fn check(cases: &[Case<'_>]) {
    let world = World::start().await;
    let mut names: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    names.truncate(cases.len());
    assert_eq!(names.len(), cases.len());
    for ((files, options, _), name) in cases.iter().zip(&names) {
        world
            .deploy(&bundle(name, files).with_options(options.clone()))
            .await;
    }
    let id = world
        .deploy(&bundle("good", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("good", &id).await;
    for ((_, _, expected), name) in cases.iter().zip(&names) {
        let error = world.error(name).await;
        let error = error
            .strip_prefix("cluster fleet-default/north: ")
            .unwrap_or(&error);
        assert!(error.starts_with(expected), "{name}: {error}");
        assert!(
            world
                .deployment(name)
                .await
                .status
                .applied_deployment_id
                .is_empty()
        );
    }
    assert_eq!(world.records("shop").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bad_manifests_are_named_with_file_and_document() {
    let options = || json!({ "defaultNamespace": "shop" });
    check(&[
        (&[("m.yaml", "a: [")], options(), "m.yaml: document 1, which starts on line 1: error converting YAML"),
        (&[("m.yaml", "apiVersion: v1\nmetadata: {name: x}\n")], options(), "m.yaml: document 1 has no kind"),
        (&[("m.yaml", "kind: ConfigMap\nmetadata: {name: x}\n")], options(), "m.yaml: document 1 has no apiVersion"),
        (&[("m.yaml", "apiVersion: v1\nkind: ConfigMap\n")], options(), "m.yaml: an object of kind ConfigMap has no name"),
        (
            &[("m.yaml", "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: x}\n")],
            options(),
            "no matches for kind \"Gadget\" in version \"example.com/v1\" (object x); is a CustomResourceDefinition missing?",
        ),
        (
            &[("m.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n")],
            json!({ "namespace": "shop" }),
            "invalid cluster scoped object [name=x kind=Namespace apiVersion=v1] found.",
        ),
        (&[("kustomization.yaml", "resources: [missing.yaml]\n")], options(), "build kustomization \"\": accumulating resources"),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn bad_charts_are_named_with_template_line_and_column() {
    let options = || json!({ "defaultNamespace": "shop" });
    check(&[
        (
            &[
                ("Chart.yaml", CHART),
                ("templates/a.yaml", "kind: {{ .Values.a.b.c }}\n"),
            ],
            options(),
            "render chart web: web/templates/a.yaml:1:16\n  executing ",
        ),
        (
            &[
                ("Chart.yaml", CHART),
                ("templates/a.yaml", "a: 1\n{{ fail \"no region\" }}\n"),
            ],
            options(),
            "render chart web: execution error at (web/templates/a.yaml:2:3): no region",
        ),
        (
            &[("Chart.yaml", CHART), ("templates/a.yaml", "{{ if }}\n")],
            options(),
            "render chart web: parse error at (web/templates/a.yaml:1)",
        ),
        (
            &[("Chart.yaml", "name: web\n"), ("a.yaml", "x: 1\n")],
            options(),
            "load chart \"\": ",
        ),
        (
            &[
                ("Chart.yaml", CHART),
                (
                    "templates/a.yaml",
                    "{{ range until 100000000 }}{{ . }}{{ end }}\n",
                ),
            ],
            options(),
            "render chart web: ",
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_permanent_is_reported_once_as_not_installed() {
    let world = World::start().await;
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '>=920.0.0'\n";
    let id = world.deploy(&bundle("web", &[("Chart.yaml", chart)])).await;
    let found = world
        .until("web", "is given up", |found| {
            found.status.applied_deployment_id == id
        })
        .await;
    let message =
        |type_: &str| api::conditions::message(&found.status.conditions, type_).to_owned();
    assert!(message("Installed").starts_with("not installed: cluster fleet-default/north: "));
    assert!(
        message("Ready").contains(
            "chart requires kubeVersion: >=920.0.0 which is incompatible with Kubernetes"
        )
    );
    assert!(!found.status.ready && found.status.release.is_empty());
    let fixed = world.deploy(&bundle("web", &[("Chart.yaml", CHART)])).await;
    world.ready("web", &fixed).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_of_somebody_else_is_not_taken_over_by_an_install() {
    let world = World::start().await;
    create(
        &world.cluster,
        &crate::world::namespaces(),
        &apiclient::ObjectKey::new("", "shop"),
        &json!({ "metadata": { "name": "shop" } }),
    )
    .await;
    let object = json!({ "metadata": { "name": "a" }, "data": { "key": "theirs" } });
    create(
        &world.cluster,
        &config_maps(),
        &apiclient::ObjectKey::new("shop", "a"),
        &object,
    )
    .await;
    let files = [("a.yaml", config_map("a", "ours"))];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let id = world.deploy(&bundle("raw", &files)).await;
    let found = world
        .until("raw", "is given up", |found| {
            found.status.applied_deployment_id == id
        })
        .await;
    let message = api::conditions::message(&found.status.conditions, "Installed");
    assert!(
        message.contains("ConfigMap shop/a exists and cannot be imported into the current release"),
        "{message}"
    );
    let key =
        async || world.object(&config_maps(), "shop", "a").await.unwrap()["data"]["key"].clone();
    assert_eq!(key().await, "theirs");

    let options = json!({ "defaultNamespace": "shop", "helm": { "takeOwnership": true } });
    let id = world
        .deploy(&bundle("raw", &files).with_options(options))
        .await;
    world.ready("raw", &id).await;
    assert_eq!(key().await, "ours");
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_definition_comes_with_another_bundle_is_waited_for() {
    let world = World::start().await;
    let gadget = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: x}\nspec: {size: 1}\n";
    world.deploy(&bundle("gadget", &[("g.yaml", gadget)])).await;
    world.error("gadget").await;
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}\n";
    let id = world
        .deploy(&bundle("definitions", &[("crd.yaml", definition)]))
        .await;
    world.ready("definitions", &id).await;
    let gadgets = Kind::new("example.com", "v1", "Gadget", "gadgets", true);
    eventually("the object is there", async || {
        world.object(&gadgets, "shop", "x").await
    })
    .await;

    // Definition and object in one bundle need no second try.
    let widget = gadget.replace("Gadget", "Widget");
    let both = definition
        .replace("Gadget", "Widget")
        .replace("gadget", "widget");
    let id = world
        .deploy(&bundle("both", &[("crd.yaml", &both), ("w.yaml", &widget)]))
        .await;
    world.ready("both", &id).await;

    // A definition stays when its release goes: its objects are everybody's.
    world.remove("definitions").await;
    eventually("the release is gone", async || {
        let records = world.records("shop").await;
        (!records.iter().any(|(name, _)| name.contains("definitions"))).then_some(())
    })
    .await;
    assert!(world.object(&gadgets, "shop", "x").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn values_of_secrets_are_checked_and_never_told() {
    let world = World::start().await;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  key: {{ .Values.secret }}\n";
    let files = [("Chart.yaml", CHART), ("templates/a.yaml", template)];
    let options = json!({ "defaultNamespace": "shop", "helm": { "valuesFrom": [
        { "secretKeyRef": { "name": "values", "namespace": "default", "key": "v" } } ] } });
    world
        .deploy(&bundle("web", &files).with_options(options.clone()))
        .await;
    let error = world.error("web").await;
    assert_eq!(
        error,
        "cluster fleet-default/north: values from secret default/values: not found"
    );

    let secret =
        json!({ "metadata": { "name": "values" }, "stringData": { "v": "secret: [hunter2" } });
    create(
        &world.cluster,
        &crate::world::secrets(),
        &apiclient::ObjectKey::new("default", "values"),
        &secret,
    )
    .await;
    let error = "values from secret default/values, key v: no YAML map";
    let found = world
        .until("web", "names the key", |found| {
            api::conditions::message(&found.status.conditions, "Deployed").ends_with(error)
        })
        .await;
    assert!(!format!("{:?}", found.status).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_waits_for_those_it_depends_on() {
    let world = World::start().await;
    let options = json!({ "defaultNamespace": "shop" });
    let web = bundle("web", &[("a.yaml", &config_map("web", "1"))])
        .with_options(options.clone())
        .with_spec(json!({ "dependsOn": [{ "name": "db" }] }));
    let web_id = world.deploy(&web).await;
    let error = world.error("web").await;
    assert!(
        error.starts_with("list bundledeployments: no bundles matching labels "),
        "{error}"
    );
    let broken = deployment("db").replace("/db:1", "/broken:1");
    world.deploy(&bundle("db", &[("db.yaml", &broken)])).await;
    world
        .until("web", "waits for db", |found| {
            api::conditions::message(&found.status.conditions, "Deployed")
                == "dependent bundle(s) are not ready: [db]"
        })
        .await;
    assert!(world.object(&config_maps(), "shop", "web").await.is_none());
    let id = world
        .deploy(&bundle("db", &[("db.yaml", &deployment("db"))]))
        .await;
    world.ready("db", &id).await;
    world.ready("web", &web_id).await;
}

#[tokio::test(start_paused = true)]
async fn gated_deployments_are_left_alone() {
    let world = World::start().await;
    let paused = bundle("paused", &[("a.yaml", &config_map("paused", "1"))]);
    world
        .deploy(&paused.clone().with_spec(json!({ "paused": true })))
        .await;
    let refused = bundle("refused", &[("a.yaml", &config_map("refused", "1"))]);
    world
        .deploy(&refused.with_options(json!({ "serviceAccount": "limited" })))
        .await;
    let error = world.error("refused").await;
    assert_eq!(
        error,
        "cluster fleet-default/north: looking up service account cattle-fleet-system/limited: serviceaccounts \"limited\" not found"
    );
    assert!(
        world
            .deployment("paused")
            .await
            .status
            .conditions
            .is_empty()
    );
    assert!(
        world
            .object(&config_maps(), "shop", "paused")
            .await
            .is_none()
    );
    let id = world.deploy(&paused).await;
    world.ready("paused", &id).await;
}
