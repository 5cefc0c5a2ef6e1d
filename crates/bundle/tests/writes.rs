//! What is written to the hub for what exists and what is wanted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;

use api::limits::Limits;
use api::v1alpha1::{Bundle, BundleHelmOptions, BundleResource, HelmOptions};
use bundle::content::{Stored, store};
use bundle::write::{Action, Existing, WritePlan, plan_write};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

fn labelled(name: &str, file: &str, commit: &str) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.metadata.name = Some(name.into());
    bundle.metadata.namespace = Some("ns".into());
    bundle.metadata.labels = Some(BTreeMap::from([
        ("fleet.cattle.io/repo-name".into(), "repo".into()),
        ("fleet.cattle.io/commit".into(), commit.into()),
    ]));
    bundle.spec.resources = vec![BundleResource {
        name: "a.yaml".into(),
        content: file.into(),
        encoding: String::new(),
    }];
    bundle
}

fn with_values(mut bundle: Bundle, replicas: i64) -> Bundle {
    let values = json!({"replicas": replicas}).as_object().cloned();
    bundle.spec.options.helm = Some(HelmOptions {
        values,
        ..HelmOptions::default()
    });
    bundle
}

fn wanted(bundle: Bundle) -> Stored {
    store(bundle, &Limits::PRODUCTION).unwrap()
}

/// As an API server keeps it.
fn existing(bundle: Bundle) -> Existing {
    let stored = wanted(bundle);
    let mut bundle = stored.bundle;
    bundle.metadata.resource_version = Some("7".into());
    bundle.spec.target_customization_mode = "FirstMatch".into();
    let values_hash = Some(bundle.spec.values_hash.clone()).filter(|hash| !hash.is_empty());
    Existing {
        bundle,
        values_hash,
        stored_files: Vec::new(),
    }
}

fn plan(existing: &[Existing], wanted: Vec<Stored>) -> WritePlan {
    plan_write("repo", existing, wanted, true)
}

fn words(plan: &WritePlan) -> Vec<String> {
    plan.actions
        .iter()
        .map(|action| match action {
            Action::CreateContent(_) => "content".to_owned(),
            Action::CreateBundle(b) => format!("create {}", b.metadata.name.clone().unwrap()),
            Action::UpdateBundle(b) => format!("update {}", b.metadata.name.clone().unwrap()),
            Action::WriteValues { name, .. } => format!("values {name}"),
            Action::DeleteValues { name, .. } => format!("no values {name}"),
            Action::DeleteBundle { name, .. } => format!("delete {name}"),
        })
        .collect()
}

#[test]
fn new_bundles_are_created_after_their_contents_and_before_their_values() {
    let large = with_values(labelled("b", &"x".repeat(200_000), "1"), 1);
    assert_eq!(
        words(&plan(&[], vec![wanted(large)])),
        ["content", "create b", "values b"]
    );
}

#[test]
fn nothing_changed_means_nothing_written() {
    let before = existing(with_values(labelled("b", "x", "1"), 1));
    let after = wanted(with_values(labelled("b", "x", "2"), 1));
    let plan = plan(&[before], vec![after]);
    assert_eq!(words(&plan), [""; 0]);
    assert_eq!(plan.unchanged, ["b"]);
}

#[test]
fn only_what_differs_is_written() {
    let before = [
        existing(labelled("a", "x", "1")),
        existing(labelled("b", "x", "1")),
    ];
    let after = vec![
        wanted(labelled("a", "x", "2")),
        wanted(labelled("b", "y", "2")),
    ];
    let plan = plan(&before, after);
    assert_eq!(words(&plan), ["update b"]);
    let Action::UpdateBundle(bundle) = &plan.actions[0] else {
        panic!("update")
    };
    assert_eq!(bundle.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(
        bundle.metadata.labels.as_ref().unwrap()["fleet.cattle.io/commit"],
        "2"
    );
}

#[test]
fn changed_values_touch_bundle_and_secret() {
    let before = existing(with_values(labelled("b", "x", "1"), 1));
    let after = wanted(with_values(labelled("b", "x", "1"), 2));
    assert_eq!(
        words(&plan(&[before], vec![after])),
        ["update b", "values b"]
    );
}

#[test]
fn values_that_are_gone_take_their_secret_along() {
    let before = existing(with_values(labelled("b", "x", "1"), 1));
    let after = wanted(labelled("b", "x", "1"));
    assert_eq!(
        words(&plan(&[before], vec![after.clone()])),
        ["update b", "no values b"]
    );
    // A Bundle that never had values has no Secret to delete.
    assert_eq!(
        words(&plan(&[existing(labelled("b", "x", "1"))], vec![after])),
        [""; 0]
    );
}

#[test]
fn a_secret_lost_to_a_kill_between_two_writes_is_written_again() {
    let bundle = with_values(labelled("b", "x", "1"), 1);
    let mut before = existing(bundle.clone());
    before.values_hash = None;
    assert_eq!(words(&plan(&[before], vec![wanted(bundle)])), ["values b"]);
}

#[test]
fn bundles_of_the_repository_that_are_gone_are_deleted_last() {
    let mut foreign = existing(labelled("foreign", "x", "1"));
    foreign.bundle.metadata.labels = None;
    let before = [existing(labelled("old", "x", "1")), foreign];
    assert_eq!(
        words(&plan(&before, vec![wanted(labelled("new", "x", "1"))])),
        ["create new", "delete old"]
    );
}

#[test]
fn nothing_is_deleted_while_something_could_not_be_built() {
    let before = [
        existing(labelled("broken", "x", "1")),
        existing(labelled("gone", "x", "1")),
    ];
    let after = vec![wanted(labelled("new", "x", "1"))];
    assert_eq!(
        words(&plan_write("repo", &before, after, false)),
        ["create new"]
    );
    assert_eq!(
        words(&plan(&before, vec![])),
        ["delete broken", "delete gone"]
    );
}

#[test]
fn bundles_being_deleted_or_of_a_helm_op_are_refused() {
    let mut going = existing(labelled("going", "x", "1"));
    going.bundle.metadata.deletion_timestamp =
        serde_json::from_value::<Time>(json!("2026-01-01T00:00:00Z")).ok();
    let mut op = existing(labelled("op", "x", "1"));
    op.bundle.spec.helm_op_options = Some(BundleHelmOptions::default());
    let after = vec![
        wanted(labelled("going", "y", "1")),
        wanted(labelled("op", "y", "1")),
    ];
    let refused = plan(&[going.clone(), op], after);
    let texts: Vec<String> = refused.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "the bundle \"going\" is being deleted, cannot create during a delete operation",
            "a helmOps bundle with name \"op\" already exists",
        ]
    );
    assert!(refused.actions.is_empty());
    // One that is going is not deleted a second time.
    assert_eq!(plan(&[going], vec![]), WritePlan::default());
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
    let bundles = [
        labelled("a", "x", "1"),
        with_values(labelled("b", &"y".repeat(200_000), "1"), 3),
    ];
    let carried_out: Vec<Existing> = bundles.iter().cloned().map(existing).collect();
    let plan = plan(&carried_out, bundles.into_iter().map(wanted).collect());
    let nothing = WritePlan {
        unchanged: vec!["a".to_owned(), "b".to_owned()],
        ..WritePlan::default()
    };
    assert_eq!(plan, nothing);
}

const MOVED: &str = "kind: ConfigMap\nmetadata: {name: moved, namespace: app}\n---\nkind: Role\nmetadata: {name: also}\n";

/// What the new bundle says it takes over, written `kind namespace/name`, when files of a bundle that
/// leaves have these names and texts.
fn taken_over(old: &Existing, new: Bundle, limits: &Limits) -> Vec<String> {
    let plan = plan(std::slice::from_ref(old), vec![store(new, limits).unwrap()]);
    let Some(Action::CreateBundle(bundle)) = plan
        .actions
        .iter()
        .find(|action| matches!(action, Action::CreateBundle(_)))
    else {
        panic!("create")
    };
    let overwrites = bundle.spec.options.overwrites.iter();
    overwrites
        .map(|object| format!("{} {}/{}", object.kind, object.namespace, object.name))
        .collect()
}

#[test]
fn a_file_that_moves_to_another_bundle_is_named_there() {
    let none: &[&str] = &[];
    let cases: &[(&str, &str, &[&str])] = &[
        (MOVED, MOVED, &["ConfigMap app/moved", "Role /also"]),
        ("kind: Role\nmetadata: {name: also}", MOVED, &["Role /also"]),
        (
            "kind: A\nmetadata: {name: b}\nx: {{ .Values.x }}",
            "kind: A\nmetadata: {name: b}\nx: {{ .Values.y }}",
            &["A /b"],
        ),
        (
            "kind: A\nmetadata: {name: b}",
            "kind: A\nmetadata: {name: c}",
            none,
        ),
        (
            "kind: A\nmetadata: {name: b, namespace: x}",
            "kind: A\nmetadata: {name: b, namespace: y}",
            none,
        ),
        (
            "kind: A\nmetadata: {name: \"{{ .a }}\"}",
            "kind: A\nmetadata: {name: \"{{ .a }}\"}",
            none,
        ),
        ("replicas: 1", "replicas: 1", none),
        ("{: no yaml", "{: no yaml", none),
        ("[1, 2]", "[1, 2]", none),
        ("kind: 1\nmetadata: x", "kind: 1\nmetadata: x", none),
        ("\u{0}", "\u{0}", none),
        ("", "", none),
    ];
    for (old, new, expected) in cases {
        let old = existing(labelled("old", old, "1"));
        let found = taken_over(&old, labelled("new", new, "2"), &Limits::PRODUCTION);
        assert_eq!(found, *expected, "{new}");
    }
}

#[test]
fn files_are_compared_however_they_are_stored() {
    let moved = ["ConfigMap app/moved", "Role /also"];
    let mut old = existing(labelled("old", MOVED, "1"));
    let large = |name: &str| {
        let mut bundle = labelled(name, MOVED, "1");
        // Does not compress, so that there are several chunks.
        let noise: Vec<String> = (0..9_000_u64)
            .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        bundle.spec.resources.push(BundleResource {
            name: "noise".into(),
            content: noise.concat(),
            encoding: String::new(),
        });
        bundle
    };
    let stored = store(large("new"), &Limits::TINY).unwrap();
    assert!(stored.contents.len() > 2, "{}", stored.contents.len());
    assert_eq!(taken_over(&old, large("new"), &Limits::TINY), moved);

    // The old one kept its files elsewhere.
    old.stored_files = std::mem::take(&mut old.bundle.spec.resources);
    old.bundle.spec.contents_id = "s-0".into();
    assert_eq!(
        taken_over(&old, labelled("new", MOVED, "2"), &Limits::PRODUCTION),
        moved
    );
    // They are not known: nothing is guessed.
    old.stored_files.clear();
    assert_eq!(
        taken_over(&old, labelled("new", MOVED, "2"), &Limits::PRODUCTION),
        [""; 0]
    );
}

/// `kind: A\nmetadata: {name: b}\n`, compressed.
const COMPRESSED: &str = "H4sIAAAAAAAC/8vOzEuxUnDkyk0tSUxJLEm0UqjOS8xNtVJIquUCANoAGdkcAAAA";

#[test]
fn compressed_files_are_compared_too_and_damaged_ones_are_not() {
    for (content, encoding, expected) in [
        (
            "a2luZDogQQptZXRhZGF0YToge25hbWU6IGJ9Cg==",
            "base64",
            &["A /b"][..],
        ),
        (COMPRESSED, "base64+gz", &["A /b"]),
        (&COMPRESSED[..20], "base64+gz", &[]),
        ("not base64", "base64+gz", &[]),
        ("kind: A", "rot13", &[]),
    ] {
        let mut old = existing(labelled("old", "", "1"));
        content.clone_into(&mut old.bundle.spec.resources[0].content);
        encoding.clone_into(&mut old.bundle.spec.resources[0].encoding);
        let new = labelled("new", "kind: A\nmetadata: {name: b}\n", "2");
        assert_eq!(
            taken_over(&old, new, &Limits::PRODUCTION),
            expected,
            "{encoding} {content}"
        );
    }
}

#[test]
fn overwrites_stay_until_the_other_bundle_is_gone() {
    let mut going = existing(labelled("old", MOVED, "1"));
    going.bundle.metadata.deletion_timestamp =
        serde_json::from_value::<Time>(json!("2026-01-01T00:00:00Z")).ok();
    let mut new = existing(labelled("new", MOVED, "2"));
    new.bundle.spec.options.overwrites = vec![
        api::v1alpha1::OverwrittenResource {
            kind: "ConfigMap".into(),
            namespace: "app".into(),
            name: "moved".into(),
        },
        api::v1alpha1::OverwrittenResource {
            kind: "Role".into(),
            namespace: String::new(),
            name: "also".into(),
        },
    ];
    let after = || vec![wanted(labelled("new", MOVED, "2"))];
    assert_eq!(words(&plan(&[new.clone(), going], after())), [""; 0]);
    assert_eq!(words(&plan(&[new], after())), ["update new"]);
}

#[test]
fn nothing_is_taken_over_from_a_bundle_that_stays() {
    let old = existing(labelled("old", MOVED, "1"));
    let after = vec![wanted(labelled("new", MOVED, "2"))];
    let plan = plan_write("repo", &[old], after, false);
    let Action::CreateBundle(bundle) = &plan.actions[0] else {
        panic!("create")
    };
    assert!(bundle.spec.options.overwrites.is_empty());
}

#[test]
fn more_overwrites_than_fit_are_counted() {
    let documents: Vec<String> = (0..300)
        .map(|n| format!("kind: A\nmetadata: {{name: b{n}}}\n"))
        .collect();
    let text = documents.join("---\n");
    let old = existing(labelled("old", &text, "1"));
    let plan = plan(&[old], vec![wanted(labelled("new", &text, "2"))]);
    assert_eq!(plan.warnings.len(), 1);
    assert_eq!(plan.warnings[0].omitted, 44);
}
