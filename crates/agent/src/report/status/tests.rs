//! Statuses of deployments in all situations.

use api::v1alpha1::{ModifiedStatus, Summary};
use serde_json::json;
use tokio::time::Instant;

use super::*;

fn applied() -> Applied {
    Applied {
        deployment_id: "s:o".to_owned(),
        release: "n/web:3".to_owned(),
        inventory: Vec::new(),
        hash: "h".to_owned(),
        first_deployed: None,
        at: Instant::now(),
        account: String::new(),
    }
}

fn resource(name: &str) -> BundleDeploymentResource {
    BundleDeploymentResource {
        kind: "ConfigMap".to_owned(),
        api_version: "v1".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
        created_at: None,
    }
}

fn non_ready(name: &str, message: &str) -> NonReadyStatus {
    NonReadyStatus {
        uid: name.to_owned(),
        kind: "ConfigMap".to_owned(),
        api_version: "v1".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
        summary: Summary {
            transitioning: true,
            message: vec![message.to_owned()],
            ..Summary::default()
        },
    }
}

fn missing(name: &str) -> ModifiedStatus {
    ModifiedStatus {
        kind: "ConfigMap".to_owned(),
        api_version: "v1".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
        missing: true,
        ..ModifiedStatus::default()
    }
}

fn computed(
    outcome: &Outcome,
    applied: Option<&Applied>,
    view: View,
    limits: &Limits,
) -> BTreeMap<&'static str, Value> {
    let spec = BundleDeploymentSpec::default();
    let now = Timestamp::UNIX_EPOCH;
    status(Inputs {
        spec: &spec,
        other_bytes: 100,
        conditions: &[],
        outcome,
        applied,
        copied: None,
        view,
        limits,
        now,
    })
}

fn messages(status: &BTreeMap<&'static str, Value>) -> Vec<String> {
    let conditions = status["conditions"].as_array().unwrap().iter();
    let text = |condition: &Value| {
        let of = |key: &str| {
            condition
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        format!("{}={} {}", of("type"), of("status"), of("message"))
            .trim_end()
            .to_owned()
    };
    conditions.map(text).collect()
}

#[test]
fn the_texts_for_display_are_those_of_what_will_be_stored() {
    let mut stored = BundleDeployment::default();
    stored.spec.deployment_id = "s:o".to_owned();
    stored.spec.staged_deployment_id = "s:o".to_owned();
    let failed = Outcome::Failed {
        message: "boom".to_owned(),
    };
    let limits = &Limits::PRODUCTION;
    let told = computed(&failed, None, View::Settling, limits);
    let texts = display(&stored, &told);
    assert_eq!(
        (texts.deployed.as_str(), texts.state.as_str()),
        ("Error: boom", "ErrApplied")
    );
    let known = View::Known(Tally::default());
    let told = computed(&Outcome::Deployed, Some(&applied()), known, limits);
    let texts = display(&stored, &told);
    assert_eq!(
        (texts.deployed.as_str(), texts.monitored.as_str()),
        ("True", "True")
    );
    assert_eq!(texts.state, "Ready");
}

#[test]
fn a_failure_tells_nothing_but_itself() {
    let outcome = Outcome::Failed {
        message: "boom".to_owned(),
    };
    let status = computed(
        &outcome,
        Some(&applied()),
        View::Known(Tally::default()),
        &Limits::PRODUCTION,
    );
    assert_eq!(status.keys().copied().collect::<Vec<_>>(), ["conditions"]);
    assert_eq!(messages(&status), ["Deployed=False boom"]);
}

#[test]
fn what_was_given_up_counts_as_applied_without_a_release() {
    let outcome = Outcome::GivenUp {
        deployment_id: "s:o".to_owned(),
        message: "boom".to_owned(),
    };
    let status = computed(&outcome, None, View::Settling, &Limits::PRODUCTION);
    assert_eq!(
        messages(&status),
        [
            "Ready=False not ready: boom",
            "Installed=False not installed: boom",
            "Deployed=True"
        ]
    );
    assert_eq!(status["appliedDeploymentID"], "s:o");
    assert_eq!(
        (&status["release"], &status["ready"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(status["nonModified"], true);
    assert!(!status.contains_key("resources"));
}

#[test]
fn nothing_new_is_told_before_the_objects_are_seen() {
    let limits = &Limits::PRODUCTION;
    assert!(computed(&Outcome::Deployed, Some(&applied()), View::Settling, limits).is_empty());
    let nothing = View::Known(Tally::default());
    assert!(computed(&Outcome::Deployed, None, nothing, limits).is_empty());
}

#[test]
fn a_deployment_that_cannot_be_watched_is_not_ready() {
    let view = View::Blind {
        kinds: vec!["cats.example.com".to_owned()],
    };
    let status = computed(
        &Outcome::Deployed,
        Some(&applied()),
        view,
        &Limits::PRODUCTION,
    );
    assert_eq!(
        messages(&status),
        [
            "Installed=True",
            "Deployed=True",
            "Ready=False cannot watch cats.example.com",
            "Monitored=False cannot watch cats.example.com"
        ]
    );
    assert_eq!(
        (&status["release"], &status["ready"]),
        (&json!("n/web:3"), &Value::Null)
    );
    assert!(!status.contains_key("resourceCounts"));
}

#[test]
fn a_watched_deployment_tells_the_worst_first() {
    let tally = Tally {
        resources: vec![resource("a"), resource("b")],
        non_ready: vec![non_ready("b", "slow")],
        missing: vec![missing("c")],
        ..Tally::default()
    };
    let status = computed(
        &Outcome::Deployed,
        Some(&applied()),
        View::Known(tally),
        &Limits::PRODUCTION,
    );
    assert_eq!(
        messages(&status),
        [
            "Installed=True",
            "Deployed=True",
            "Ready=False configmap.v1 n/b [progressing] slow",
            "Monitored=True"
        ]
    );
    let counts = &status["resourceCounts"];
    assert_eq!(
        (
            &counts["ready"],
            &counts["notReady"],
            &counts["missing"],
            &counts["desiredReady"]
        ),
        (&json!(1), &json!(1), &json!(1), &json!(3))
    );
    assert_eq!(status["syncGeneration"], 0);
    assert_eq!(
        (&status["ready"], &status["nonModified"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn everything_well_is_ready() {
    let tally = Tally {
        resources: vec![resource("a")],
        ..Tally::default()
    };
    let status = computed(
        &Outcome::Deployed,
        Some(&applied()),
        View::Known(tally),
        &Limits::PRODUCTION,
    );
    assert!(messages(&status).contains(&"Ready=True".to_owned()));
    assert_eq!(
        (&status["ready"], &status["nonModified"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(status["incompleteState"], Value::Null);
}

#[test]
fn long_lists_and_texts_are_cut_and_say_so() {
    let limits = &Limits::TINY;
    let names: Vec<String> = (0..40).map(|i| format!("object-{i:02}")).collect();
    let long = "x".repeat(5_000);
    let tally = Tally {
        resources: names.iter().map(|name| resource(name)).collect(),
        non_ready: names
            .iter()
            .skip(30)
            .map(|name| non_ready(name, &long))
            .collect(),
        missing: (0..30).map(|i| missing(&format!("gone-{i}"))).collect(),
        jobs_run: true,
        ..Tally::default()
    };
    let status = computed(
        &Outcome::Deployed,
        Some(&applied()),
        View::Known(tally),
        limits,
    );
    let kept = status["resources"].as_array().unwrap();
    let names: Vec<&str> = kept.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names.first(), Some(&"object-30"), "what is not ready stays");
    assert_eq!(status["resourcesOmitted"], 40 - kept.len());
    assert_eq!(status["incompleteState"], true);
    assert!(
        api::limits::json_len(&status["nonReadyStatus"]) <= limits.deployment_details_bytes_max
    );
    assert!(
        api::limits::json_len(&status["modifiedStatus"]) <= limits.deployment_details_bytes_max
    );
    assert!(api::limits::json_len(&status) <= limits.deployment_bytes_max);
    let failed = Outcome::Failed { message: long };
    let status = computed(&failed, None, View::Settling, limits);
    assert!(api::limits::json_len(&status) <= limits.deployment_bytes_max);
}
