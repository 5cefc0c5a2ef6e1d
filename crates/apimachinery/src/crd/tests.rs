//! Whole CRDs, good and bad.

use serde_json::{Value, json};

use super::*;
use crate::structural::SchemaCache;

fn good() -> Value {
    let mut crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo", "shortNames": ["fo"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".spec.a"}]
            }]
        }
    });
    apply_defaults(&mut crd);
    crd
}

fn errors(crd: &Value) -> Vec<String> {
    validate(crd, &SchemaCache::default())
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn defaults_are_filled_in_once() {
    let crd = good();
    assert_eq!(crd["spec"]["names"]["singular"], "foo");
    assert_eq!(crd["spec"]["names"]["listKind"], "FooList");
    assert_eq!(crd["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    let mut again = crd.clone();
    apply_defaults(&mut again);
    assert_eq!(again, crd);
    assert_eq!(errors(&crd), Vec::<String>::new());
}

#[test]
fn versions_that_have_been_stored_are_added_up() {
    let stored = |status: Value, storage: &str| {
        let mut crd =
            json!({"spec": {"versions": [{"name": "v0"}, {"name": storage, "storage": true}]}});
        crd["status"] = status;
        add_stored_version(&mut crd);
        crd["status"]["storedVersions"].clone()
    };
    assert_eq!(
        stored(json!({"storedVersions": ["v1"]}), "v2"),
        json!(["v1", "v2"])
    );
    assert_eq!(
        stored(json!({"storedVersions": ["v1"]}), "v1"),
        json!(["v1"])
    );
    for bad in [
        json!(null),
        json!("x"),
        json!({}),
        json!({"storedVersions": 3}),
    ] {
        assert_eq!(stored(bad, "v1"), json!(["v1"]));
    }
    let mut nothing = json!({"spec": {"versions": [{"name": "v1"}]}});
    add_stored_version(&mut nothing);
    assert_eq!(nothing.get("status"), None);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn err_bad_definitions_are_refused_in_the_words_of_the_server() {
    // (pointer, new value, errors)
    let cases: Vec<(&str, Value, Vec<&str>)> = vec![
        (
            "/metadata/name",
            json!("bars.example.com"),
            vec![
                "metadata.name: Invalid value: \"bars.example.com\": must be spec.names.plural+\".\"+spec.group",
            ],
        ),
        ("/spec/scope", json!(""), vec!["spec.scope: Required value"]),
        (
            "/spec/scope",
            json!("Galaxy"),
            vec![
                "spec.scope: Unsupported value: \"Galaxy\": supported values: \"Cluster\", \"Namespaced\"",
            ],
        ),
        (
            "/spec/versions/0/storage",
            json!(false),
            vec![
                "spec.versions: Invalid value: [{\"AdditionalPrinterColumns\":null,\"Deprecated\":false,\"DeprecationWarning\":null,\"Name\":\"v1\",\"Schema\":null,\"SelectableFields\":null,\"Served\":true,\"Storage\":false,\"Subresources\":null}]: must have exactly one version marked as storage version",
            ],
        ),
        (
            "/spec/versions/0/schema",
            Value::Null,
            vec!["spec.versions[0].schema.openAPIV3Schema: Required value"],
        ),
        (
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec",
            json!({}),
            vec![
                "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
            ],
        ),
        (
            "/spec/versions/0/additionalPrinterColumns/0/type",
            json!("text"),
            vec![
                "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
            ],
        ),
        (
            "/spec/versions/0/additionalPrinterColumns/0/jsonPath",
            json!("spec.a"),
            vec![
                "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec.a\": must be a simple json path starting with .",
            ],
        ),
        (
            "/spec/versions/0/subresources/scale/specReplicasPath",
            json!(".status.a"),
            vec![
                "spec.subresources.scale.specReplicasPath: Invalid value: \".status.a\": should be a json path under .spec",
            ],
        ),
        (
            "/spec/names/listKind",
            json!("Foo"),
            vec![
                "spec.names.listKind: Invalid value: \"Foo\": kind and listKind may not be the same",
            ],
        ),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook"}),
            vec![
                "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
                "spec.conversion.conversionReviewVersions: Required value",
            ],
        ),
        (
            "/status/storedVersions",
            json!(["v0", "v1"]),
            vec![
                "status.storedVersions[0]: Invalid value: \"v0\": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions",
            ],
        ),
        (
            "/spec",
            json!(null),
            vec![
                "metadata.name: Invalid value: \"foos.example.com\": must be spec.names.plural+\".\"+spec.group",
                "spec.group: Required value",
                "spec.scope: Required value",
                "spec.versions: Invalid value: null: must have exactly one version marked as storage version",
                "spec.names.plural: Required value",
                "spec.names.singular: Required value",
                "spec.names.kind: Required value",
                "spec.names.listKind: Required value",
                "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions",
            ],
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut crd = good();
        *crd.pointer_mut(pointer).unwrap() = value;
        assert_eq!(errors(&crd), expected, "{pointer}");
    }
}

#[test]
fn differing_versions_are_named_one_by_one() {
    let mut crd = good();
    let mut second = crd["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    second["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({"type": "array"});
    crd["spec"]["versions"].as_array_mut().unwrap().push(second);
    assert_eq!(
        errors(&crd),
        [
            "spec.versions[1].schema.openAPIV3Schema.properties[spec].items: Required value: must be specified"
        ]
    );
}

#[test]
fn groups_of_kubernetes_need_a_word_about_approval() {
    let mut crd = good();
    crd["spec"]["group"] = json!("x.k8s.io");
    crd["metadata"]["name"] = json!("foos.x.k8s.io");
    let missing = "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
    assert_eq!(errors(&crd), [missing]);
    let cache = SchemaCache::default();
    assert_eq!(validate_update(&crd, &crd, &cache).unwrap(), vec![]);
    for approval in ["unapproved, a trial", "https://example.com/pull/1"] {
        crd["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": approval});
        assert_eq!(errors(&crd), Vec::<String>::new());
    }
}

#[test]
fn err_names_and_scope_stay_once_established() {
    let cache = SchemaCache::default();
    let mut old = good();
    let mut new = good();
    new["spec"]["scope"] = json!("Cluster");
    assert_eq!(validate_update(&new, &old, &cache).unwrap(), vec![]);
    old["status"] = next_status(&old, &TakenNames::default(), "2026-01-01T00:00:00Z");
    let found = validate_update(&new, &old, &cache).unwrap();
    assert_eq!(
        found[0].to_string(),
        "spec.scope: Invalid value: \"Cluster\": field is immutable"
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn names_are_accepted_and_served_or_in_conflict() {
    let crd = good();
    let now = "2026-01-01T00:00:00Z";
    let status = next_status(&crd, &TakenNames::default(), now);
    assert_eq!(status["acceptedNames"], crd["spec"]["names"]);
    assert_eq!(
        status["conditions"],
        json!([
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
             "message": "no conflicts found", "lastTransitionTime": now},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
             "message": "the initial names have been accepted", "lastTransitionTime": now},
        ])
    );
    let mut served = crd.clone();
    served["status"] = status.clone();
    assert_eq!(
        next_status(&served, &TakenNames::default(), "2027-01-01T00:00:00Z"),
        status
    );

    let mut taken = TakenNames::default();
    taken.add(&served);
    let conflict = next_status(&crd, &taken, now);
    assert_eq!(conflict["conditions"][0]["reason"], "ListKindConflict");
    assert_eq!(
        conflict["conditions"][0]["message"],
        "\"FooList\" is already in use"
    );
    assert_eq!(conflict["conditions"][1]["reason"], "NotAccepted");
    assert_eq!(conflict["conditions"][1]["status"], "False");
}
