//! The type graph of Kubernetes' own schemas, and decoding against it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::types::{self, Facts, Kind, ListKind, Scalar, Types};
use serde_json::{Map, Value, json};

fn builtin() -> Types {
    let definitions: Map<String, Value> =
        serde_json::from_str(include_str!("data/definitions.json")).unwrap();
    Types::build(&definitions, &Facts::builtin().unwrap()).unwrap()
}

fn widget(schema: &Value) -> Result<Types, types::Error> {
    let [group, version, kind] = ["example.com", "v1", "Widget"].map(str::to_owned);
    Types::custom(
        Kind {
            group,
            version,
            kind,
        },
        schema,
        &builtin(),
    )
}

#[test]
fn facts_give_lists_their_keys_and_defaults() {
    let types = builtin();
    let deployment = types.kind("apps", "v1", "Deployment").unwrap();
    let pod = deployment
        .field("spec")
        .unwrap()
        .field("template")
        .unwrap()
        .field("spec")
        .unwrap();
    let containers = pod.field("containers").unwrap().list().unwrap();
    let ports = pod
        .to(containers.element)
        .field("ports")
        .unwrap()
        .list()
        .unwrap();
    let ListKind::Map(keys) = &ports.kind else {
        panic!("ports are a map list")
    };
    let keys: Vec<_> = keys
        .iter()
        .map(|key| (&*key.name, key.default.clone()))
        .collect();
    assert_eq!(
        keys,
        [
            ("containerPort", Some(json!(0))),
            ("protocol", Some(json!("TCP")))
        ]
    );
    assert!(pod.declared("volumes").unwrap().strategy.retain_keys);
    assert!(pod.field("nodeSelector").unwrap().object().unwrap().atomic);
    assert!(
        deployment
            .field("spec")
            .unwrap()
            .field("selector")
            .unwrap()
            .object()
            .unwrap()
            .atomic
    );
    let finalizers = deployment
        .field("metadata")
        .unwrap()
        .field("finalizers")
        .unwrap();
    assert_eq!(finalizers.list().unwrap().kind, ListKind::Set);
    assert!(
        deployment
            .field("spec")
            .unwrap()
            .declared("template")
            .unwrap()
            .required
    );
}

#[test]
fn types_that_read_their_own_json_are_known() {
    let types = builtin();
    let named = |name: &str| {
        types
            .named(&format!("io.k8s.apimachinery.pkg.{name}"))
            .unwrap()
    };
    assert_eq!(
        named("api.resource.Quantity").scalar(),
        Some(Scalar::Quantity)
    );
    assert_eq!(
        named("util.intstr.IntOrString").scalar(),
        Some(Scalar::IntOrString)
    );
    let json = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";
    let json = types.named(json).unwrap();
    assert!(json.scalar().is_some() && json.list().is_some() && json.object().is_some());
}

#[test]
fn a_custom_resource_has_built_in_metadata() {
    let types = widget(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "rows": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id"],
                "items": {"type": "object", "properties": {
                    "id": {"type": "integer", "default": 7}, "size": {"x-kubernetes-int-or-string": true}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                "properties": {"spec": {"type": "object"}}},
        }}}}))
    .unwrap();
    let widget = types.kind("example.com", "v1", "Widget").unwrap();
    let owners = widget
        .field("metadata")
        .unwrap()
        .field("ownerReferences")
        .unwrap();
    assert!(matches!(&owners.list().unwrap().kind, ListKind::Map(keys) if &*keys[0].name == "uid"));
    let spec = widget.field("spec").unwrap();
    let rows = spec.field("rows").unwrap().list().unwrap();
    assert!(matches!(&rows.kind, ListKind::Map(keys) if keys[0].default == Some(json!(7))));
    let row = spec.to(rows.element);
    assert_eq!(
        row.field("size").unwrap().scalar(),
        Some(Scalar::IntOrString)
    );
    assert!(spec.field("free").unwrap().field("anything").is_some());
    assert!(
        spec.field("pod")
            .unwrap()
            .field("metadata")
            .unwrap()
            .field("labels")
            .is_some()
    );
    assert!(spec.field("unheard").is_none());
}

#[test]
fn schemas_that_make_no_graph_say_where() {
    for (schema, error) in [
        (
            json!({"type": "objekt"}),
            r#"example.com.v1.Widget has the unknown type "objekt""#,
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/x/Missing"}}}),
            r#"example.com.v1.Widget.a refers to "Missing", which is not defined"#,
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map"}}}),
            "example.com.v1.Widget.a is a list of type map without keys",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "bag"}}}),
            r#"example.com.v1.Widget.a has the unknown list type "bag""#,
        ),
        (
            json!({"type": "object", "x-kubernetes-map-type": "loose"}),
            r#"example.com.v1.Widget has the unknown map type "loose""#,
        ),
    ] {
        assert_eq!(widget(&schema).unwrap_err().to_string(), error);
    }
    let mut deep = json!({"type": "string"});
    for _ in 0..300 {
        deep = json!({"type": "array", "items": deep});
    }
    assert!(
        widget(&deep)
            .unwrap_err()
            .to_string()
            .ends_with("nested deeper than 200 schemas")
    );
    assert!(Facts::parse("{\"types\": 1}").is_err());
}

fn findings(kind: (&str, &str, &str), object: &Value) -> types::Findings {
    let types = builtin();
    types::check(object, types.kind(kind.0, kind.1, kind.2).unwrap())
}

#[test]
fn unknown_fields_are_found_by_path() {
    let found = findings(
        ("apps", "v1", "Deployment"),
        &json!({"metadata": {"labels": {"any": "x"}, "lables": {}}, "spec": {"foo": 1, "template":
            {"spec": {"containers": [{"name": "a"}, {"name": "b", "imagee": null,
                "resources": {"limits": {"cpu": 1, "example.com/x": "2"}},
                "ports": [{"containerPort": 80, "x": 1}]}]}}}}),
    );
    assert_eq!(found.mismatch, None);
    assert_eq!(
        found.strict_error().unwrap(),
        "strict decoding error: unknown field \"metadata.lables\", unknown field \"spec.foo\", \
         unknown field \"spec.template.spec.containers[1].imagee\", unknown field \
         \"spec.template.spec.containers[1].ports[0].x\""
    );
}

#[test]
fn wrong_json_types_are_worded_like_the_decoder() {
    let spec = |spec: Value| json!({"spec": spec});
    let pod = |pod: Value| json!({"spec": {"template": {"spec": pod}}});
    for (object, error) in [
        (
            spec(json!({"replicas": "3"})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            spec(json!({"replicas": 1.5})),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            spec(json!({"replicas": 3_000_000_000_i64})),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            spec(json!([])),
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            spec(json!({"paused": "yes"})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            pod(json!({"containers": {}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            pod(json!({"containers": [{"image": 1}]})),
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string",
        ),
        (
            pod(json!({"nodeSelector": {"a": true}})),
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.template.spec.nodeSelector of type string",
        ),
        (
            pod(json!({"nodeSelector": []})),
            "json: cannot unmarshal array into Go struct field PodSpec.spec.template.spec.nodeSelector of type map[string]string",
        ),
        (
            json!({"metadata": {"creationTimestamp": 1}}),
            "json: cannot unmarshal number into Go value of type string",
        ),
        (
            json!("text"),
            "json: cannot unmarshal string into Go value of type v1.Deployment",
        ),
        (
            pod(json!({"containers": [{"resources": {"limits": {"cpu": []}}}]})),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        let found = findings(("apps", "v1", "Deployment"), &object);
        assert_eq!(found.mismatch.as_deref(), Some(error), "{object}");
    }
    let fine = pod(json!({"containers": null, "volumes": [], "priority": 1}));
    assert_eq!(
        findings(("apps", "v1", "Deployment"), &fine),
        types::Findings::default()
    );
}

#[test]
fn decoding_drops_nulls_and_writes_quantities_canonically() {
    let types = builtin();
    let mut pod = json!({"metadata": {"name": "p", "creationTimestamp": null, "labels": {"a": null}},
        "spec": {"volumes": null, "containers": [{"name": "c", "image": null, "resources":
            {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": 1000, "memory": "x"}}}]}});
    types::normalize(&mut pod, types.kind("", "v1", "Pod").unwrap());
    assert_eq!(
        pod,
        json!({"metadata": {"name": "p", "labels": {"a": ""}},
            "spec": {"containers": [{"name": "c", "resources":
                {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "1k", "memory": "x"}}}]}})
    );
}
