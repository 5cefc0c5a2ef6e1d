//! Statuses of each kind, and that they settle.

use serde_json::{Value, json};

use super::outcome::ANNOTATION;
use super::plan::{Kind, Step, plan, status};
use super::{Settings, volumes};

const NOW: &str = "2026-01-01T00:00:10Z";
const LATER: &str = "2026-01-01T00:01:00Z";

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers make the values in place"
)]
fn object(kind: Kind, spec: Value) -> Value {
    let (api_version, kind) = kind.api();
    json!({
        "apiVersion": api_version, "kind": kind, "spec": spec, "status": {},
        "metadata": {"name": "x", "namespace": "n", "uid": "u", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"},
    })
}

fn annotated(mut object: Value, text: &str) -> Value {
    object["metadata"]["annotations"] = json!({ANNOTATION: text});
    object
}

fn workload(replicas: u32) -> Value {
    json!({"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}})
}

/// The status that is written, after which nothing is left to do.
fn settled(kind: Kind, object: &Value) -> Value {
    let settings = Settings {
        nodes: 2,
        ..Settings::default()
    };
    let mut object = object.clone();
    assert_eq!(
        plan(kind, &object, &settings, NOW),
        Some(Step::Status),
        "{object}"
    );
    let wanted = status(kind, &object, &settings, NOW).unwrap();
    object["status"] = wanted.clone();
    assert_eq!(
        plan(kind, &object, &settings, LATER),
        None,
        "{kind:?} does not settle"
    );
    wanted
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == kind)
        .unwrap()
}

#[test]
fn a_deployment_becomes_available_as_the_controller_says_it() {
    let found = settled(Kind::Deployment, &object(Kind::Deployment, workload(2)));
    let set = condition(&found, "Progressing")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        set.starts_with("ReplicaSet \"x-") && set.ends_with("\" has successfully progressed."),
        "{set}"
    );
    assert_eq!(
        found,
        json!({
            "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                 "message": "Deployment has minimum availability.", "lastUpdateTime": NOW, "lastTransitionTime": NOW},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": set,
                 "lastUpdateTime": NOW, "lastTransitionTime": NOW},
            ],
        })
    );
}

#[test]
fn a_new_generation_is_observed_and_conditions_keep_their_transition() {
    let settings = Settings::default();
    let mut present = object(Kind::Deployment, workload(1));
    present["status"] = status(Kind::Deployment, &present, &settings, NOW).unwrap();
    present["metadata"]["generation"] = json!(4);
    present["spec"]["template"]["spec"]["containers"][0]["image"] = json!("j");
    let next = status(Kind::Deployment, &present, &settings, LATER).unwrap();
    assert_eq!(next["observedGeneration"], 4);
    assert_eq!(condition(&next, "Available")["lastUpdateTime"], NOW);
    assert_eq!(condition(&next, "Progressing")["lastTransitionTime"], NOW);
    assert_eq!(condition(&next, "Progressing")["lastUpdateTime"], LATER);
}

#[test]
fn workloads_that_are_told_to_fail_or_to_hang_say_so() {
    let failed = settled(
        Kind::Deployment,
        &annotated(object(Kind::Deployment, workload(2)), "fail"),
    );
    assert_eq!(
        condition(&failed, "Progressing")["reason"],
        "ProgressDeadlineExceeded"
    );
    assert_eq!(condition(&failed, "Available")["status"], "False");
    assert_eq!(failed["unavailableReplicas"], 2);
    assert_eq!(failed.get("readyReplicas"), None);
    let never = settled(
        Kind::Deployment,
        &annotated(object(Kind::Deployment, workload(2)), "never"),
    );
    assert_eq!(
        condition(&never, "Progressing")["reason"],
        "ReplicaSetUpdated"
    );
    let set = settled(
        Kind::StatefulSet,
        &annotated(object(Kind::StatefulSet, workload(3)), "never"),
    );
    assert_eq!(
        (&set["replicas"], &set["availableReplicas"]),
        (&json!(1), &json!(0))
    );
    let replicas = settled(
        Kind::ReplicaSet,
        &annotated(object(Kind::ReplicaSet, workload(1)), "fail"),
    );
    assert_eq!(condition(&replicas, "ReplicaFailure")["status"], "True");
    let mut again = object(Kind::ReplicaSet, workload(1));
    again["status"] = replicas;
    assert_eq!(settled(Kind::ReplicaSet, &again).get("conditions"), None);
}

#[test]
fn nothing_wanted_is_available_at_once() {
    let found = settled(
        Kind::Deployment,
        &annotated(object(Kind::Deployment, workload(0)), "fail"),
    );
    assert_eq!(condition(&found, "Available")["status"], "True");
    assert_eq!(found.get("replicas"), None);
}

#[test]
fn sets_report_all_their_pods() {
    let found = settled(Kind::StatefulSet, &object(Kind::StatefulSet, workload(3)));
    assert_eq!(found["currentRevision"], found["updateRevision"]);
    for field in [
        "replicas",
        "currentReplicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
    ] {
        assert_eq!(found[field], 3, "{field}");
    }
    let found = settled(Kind::DaemonSet, &object(Kind::DaemonSet, workload(1)));
    for field in [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "numberAvailable",
        "updatedNumberScheduled",
    ] {
        assert_eq!(found[field], 2, "{field}");
    }
    let found = settled(Kind::ReplicaSet, &object(Kind::ReplicaSet, workload(2)));
    assert_eq!(found["fullyLabeledReplicas"], 2);
}

#[test]
fn jobs_end_once_and_for_all() {
    let complete = settled(Kind::Job, &object(Kind::Job, json!({"completions": 2})));
    assert_eq!(complete["succeeded"], 2);
    assert_eq!(
        (&complete["startTime"], &complete["completionTime"]),
        (&json!("2026-01-01T00:00:00Z"), &json!(NOW))
    );
    assert_eq!(
        condition(&complete, "SuccessCriteriaMet")["reason"],
        "CompletionsReached"
    );
    assert_eq!(condition(&complete, "Complete")["lastProbeTime"], NOW);
    let mut done = annotated(object(Kind::Job, json!({})), "fail");
    done["status"] = complete;
    assert_eq!(plan(Kind::Job, &done, &Settings::default(), LATER), None);

    let failed = settled(
        Kind::Job,
        &annotated(object(Kind::Job, json!({"backoffLimit": 1})), "fail"),
    );
    assert_eq!(
        condition(&failed, "Failed")["reason"],
        "BackoffLimitExceeded"
    );
    assert_eq!(failed["failed"], 2);
    let suspended = settled(Kind::Job, &object(Kind::Job, json!({"suspend": true})));
    assert_eq!(condition(&suspended, "Suspended")["status"], "True");
    let never = settled(Kind::Job, &annotated(object(Kind::Job, json!({})), "never"));
    assert_eq!(never["active"], 1);
}

#[test]
fn pods_run_or_end_by_their_restart_policy() {
    let spec = |policy: &str| json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "i"}], "initContainers": [{"name": "s"}]});
    let running = settled(Kind::Pod, &object(Kind::Pod, spec("Always")));
    assert_eq!(running["phase"], "Running");
    assert_eq!(condition(&running, "Ready")["status"], "True");
    assert_eq!(
        running["containerStatuses"][0]["state"]["running"]["startedAt"],
        NOW
    );
    assert_eq!(
        running["initContainerStatuses"][0]["state"]["terminated"]["exitCode"],
        0
    );
    let ended = settled(Kind::Pod, &object(Kind::Pod, spec("Never")));
    assert_eq!(ended["phase"], "Succeeded");
    assert_eq!(condition(&ended, "Ready")["reason"], "PodCompleted");
    let failed = settled(
        Kind::Pod,
        &annotated(object(Kind::Pod, spec("OnFailure")), "fail"),
    );
    assert_eq!(failed["phase"], "Failed");
    let crashing = settled(
        Kind::Pod,
        &annotated(object(Kind::Pod, spec("Always")), "fail"),
    );
    assert_eq!(
        crashing["containerStatuses"][0]["state"]["waiting"]["reason"],
        "CrashLoopBackOff"
    );
    assert_eq!(
        condition(&crashing, "Ready")["message"],
        "containers with unready status: [c]"
    );
}

#[test]
fn balancers_get_an_address_and_keep_it() {
    let found = settled(
        Kind::Service,
        &object(Kind::Service, json!({"type": "LoadBalancer"})),
    );
    let ip = found["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap();
    assert!(
        ip.parse::<std::net::Ipv4Addr>().unwrap().octets()[0] == 198,
        "{ip}"
    );
    settled(Kind::Ingress, &object(Kind::Ingress, json!({})));
    let settings = Settings::default();
    let plain = object(Kind::Service, json!({"type": "ClusterIP"}));
    assert_eq!(plan(Kind::Service, &plain, &settings, NOW), None);
    let hanging = annotated(
        object(Kind::Service, json!({"type": "LoadBalancer"})),
        "never",
    );
    assert_eq!(plan(Kind::Service, &hanging, &settings, NOW), None);
}

#[test]
fn the_other_kinds_settle_too() {
    let found = settled(
        Kind::HorizontalPodAutoscaler,
        &object(Kind::HorizontalPodAutoscaler, json!({"minReplicas": 2})),
    );
    assert_eq!(
        (
            &found["currentReplicas"],
            &condition(&found, "ScalingActive")["status"]
        ),
        (&json!(2), &json!("True"))
    );
    let found = settled(
        Kind::PodDisruptionBudget,
        &object(Kind::PodDisruptionBudget, json!({})),
    );
    assert_eq!(found["observedGeneration"], 3);
    let found = settled(
        Kind::ApiService,
        &object(Kind::ApiService, json!({"service": {"name": "s"}})),
    );
    assert_eq!(condition(&found, "Available")["reason"], "Passed");
    let found = settled(
        Kind::ApiService,
        &annotated(
            object(Kind::ApiService, json!({"service": {"name": "s"}})),
            "fail",
        ),
    );
    assert_eq!(condition(&found, "Available")["status"], "False");
}

#[test]
fn a_claim_gets_a_volume_of_its_size_once() {
    let settings = Settings::default();
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "5Gi"}}});
    let mut claim = object(Kind::PersistentVolumeClaim, spec);
    let Some(Step::Bind(volume)) = plan(Kind::PersistentVolumeClaim, &claim, &settings, NOW) else {
        panic!("not bound")
    };
    assert_eq!(volume["metadata"]["name"], "pvc-u");
    assert_eq!(volume["spec"]["capacity"]["storage"], "5Gi");
    assert_eq!(volume["spec"]["storageClassName"], "fast");
    assert_eq!(volume["spec"]["claimRef"]["uid"], "u");
    claim["spec"]["volumeName"] = json!("given");
    assert_eq!(
        volumes::plan(&claim, &settings).unwrap()["metadata"]["name"],
        "given"
    );
    assert_eq!(
        volumes::plan(&annotated(claim.clone(), "never"), &settings),
        None
    );
    claim["status"] = json!({"phase": "Bound"});
    assert_eq!(
        plan(Kind::PersistentVolumeClaim, &claim, &settings, NOW),
        None
    );
}

#[test]
fn objects_being_deleted_and_of_any_shape_are_left_in_peace() {
    let settings = Settings::default();
    for kind in Kind::ALL {
        let mut gone = object(kind, workload(1));
        gone["metadata"]["deletionTimestamp"] = json!(NOW);
        assert_eq!(plan(kind, &gone, &settings, NOW), None, "{kind:?}");
        for odd in [
            json!(null),
            json!([]),
            json!({"spec": 1, "status": [], "metadata": "x"}),
            json!({"spec": {"replicas": -4}}),
        ] {
            plan(kind, &odd, &settings, NOW);
        }
    }
}

#[test]
fn every_kind_is_found_by_its_bucket() {
    let buckets = [
        "deployments.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "replicasets.apps",
        "replicationcontrollers",
        "jobs.batch",
        "pods",
        "persistentvolumeclaims",
        "services",
        "ingresses.networking.k8s.io",
        "horizontalpodautoscalers.autoscaling",
        "poddisruptionbudgets.policy",
        "apiservices.apiregistration.k8s.io",
    ];
    assert_eq!(buckets.map(|bucket| Kind::of(bucket).unwrap()), Kind::ALL);
    assert_eq!(Kind::of("cronjobs.batch"), None);
}
