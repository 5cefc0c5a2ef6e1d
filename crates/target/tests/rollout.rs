//! Cases and properties of the roll-out pass.

#![expect(clippy::unwrap_used, reason = "fixtures are known to be good")]

use api::v1alpha1::{ClusterStatus, Condition, RolloutStrategy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use target::rollout::{Access, Decision, Pass, Stored, Target, limit, pass};

const OLD: &str = "s-old:1";
const NEW: &str = "s-new:2";

fn running(id: &str) -> Target {
    let stored = Stored {
        deployment_id: id.into(),
        applied_id: id.into(),
        ready: true,
    };
    Target {
        wanted_id: NEW.into(),
        stored: Some(stored),
        ..Target::default()
    }
}

fn broken() -> Target {
    let stored = Stored {
        deployment_id: OLD.into(),
        applied_id: OLD.into(),
        ready: false,
    };
    Target {
        stored: Some(stored),
        ..running(OLD)
    }
}

fn missing() -> Target {
    Target {
        stored: None,
        ..running(OLD)
    }
}

fn strategy(json: serde_json::Value) -> RolloutStrategy {
    serde_json::from_value(json).unwrap()
}

fn run(json: serde_json::Value, targets: &[Target]) -> Pass {
    pass(Some(&strategy(json)), targets).unwrap()
}

fn n(pass: &Pass, decision: Decision) -> usize {
    pass.decisions
        .iter()
        .filter(|made| **made == decision)
        .count()
}

#[test]
fn without_a_strategy_everything_is_promoted_at_once() {
    let targets = vec![running(OLD); 100];
    let pass = pass(None, &targets).unwrap();
    assert_eq!(n(&pass, Decision::Promote), 100);
    assert_eq!(pass.partitions.len(), 1);
    assert_eq!(pass.partitions[0].name, "All");
}

#[test]
fn fifty_deployments_are_created_in_one_pass_and_the_rest_waits() {
    let pass = pass(None, &vec![missing(); 60]).unwrap();
    assert_eq!(
        (n(&pass, Decision::Create), n(&pass, Decision::Wait)),
        (50, 10)
    );
    assert!(pass.has_more_to_create && !pass.is_waiting);
    let more = run(serde_json::json!({"maxNew": 3}), &vec![missing(); 60]);
    assert_eq!(more.numbers.newly_created, 3);
}

#[test]
fn a_budget_of_one_promotes_one_available_deployment_at_a_time() {
    let pass = run(
        serde_json::json!({"maxUnavailable": 1}),
        &vec![running(OLD); 3],
    );
    assert_eq!(
        pass.decisions,
        [Decision::Promote, Decision::Stage, Decision::Stage]
    );
    assert!(pass.is_waiting);
}

#[test]
fn a_broken_deployment_is_promoted_whatever_the_budget() {
    let targets = [broken(), running(OLD), broken()];
    let pass = run(serde_json::json!({"maxUnavailable": 1}), &targets);
    assert_eq!(
        pass.decisions,
        [Decision::Promote, Decision::Stage, Decision::Promote]
    );
}

#[test]
fn a_budget_of_zero_promotes_nothing_that_is_available() {
    let pass = run(
        serde_json::json!({"maxUnavailable": 0}),
        &vec![running(OLD); 2],
    );
    assert_eq!(n(&pass, Decision::Stage), 2);
}

#[test]
fn a_paused_target_is_staged_only() {
    let paused = Target {
        access: Access::Held,
        ..running(OLD)
    };
    let pass = pass(None, &[paused, running(OLD)]).unwrap();
    assert_eq!(pass.decisions, [Decision::Stage, Decision::Promote]);
}

#[test]
fn automatic_partitions_start_at_two_hundred_targets() {
    let pass = pass(None, &vec![running(OLD); 200]).unwrap();
    let names: Vec<&str> = pass
        .partitions
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    let wanted = [
        "Partition 0 - 50",
        "Partition 50 - 100",
        "Partition 100 - 150",
        "Partition 150 - 200",
    ];
    assert_eq!(names, wanted);
    // The default budget of a partition is all of it, so none is ever "unavailable".
    assert_eq!(n(&pass, Decision::Promote), 200);
}

#[test]
fn a_later_partition_waits_for_an_earlier_one() {
    let mut targets = vec![running(OLD); 4];
    for (index, target) in targets.iter_mut().enumerate() {
        target.partitions = vec![index / 2];
    }
    let partitions =
        serde_json::json!({"maxUnavailable": 1, "partitions": [{"name": "a"}, {"name": "b"}]});
    let first = run(partitions.clone(), &targets);
    assert_eq!(first.decisions[..2], [Decision::Promote, Decision::Stage]);
    assert_eq!(
        first.decisions[2..],
        [Decision::Untouched, Decision::Untouched]
    );
    assert!(first.is_waiting);
}

#[test]
fn a_target_in_no_partition_is_left_alone_for_ever() {
    let targets = [
        Target {
            partitions: vec![],
            ..missing()
        },
        Target {
            partitions: vec![0],
            ..missing()
        },
    ];
    let pass = run(serde_json::json!({"partitions": [{"name": "a"}]}), &targets);
    assert_eq!(pass.decisions, [Decision::Untouched, Decision::Create]);
}

#[test]
fn limits_are_read_as_upstream_reads_them() {
    let int = IntOrString::Int;
    let text = |text: &str| IntOrString::String(text.to_owned());
    let cases = [
        (10, int(3), Ok(3)),
        (10, int(30), Ok(10)),
        (10, int(-1), Ok(0)),
        (10, int(0), Ok(0)),
        (0, int(5), Ok(1)),
        (10, text("30"), Ok(30)),
        (10, text("25%"), Ok(2)),
        (10, text("1%"), Ok(1)),
        (10, text("0%"), Ok(1)),
        (10, text("-5%"), Ok(1)),
        (10, text("150%"), Ok(10)),
        (1000, text("0.5%"), Ok(5)),
        (10, text("0"), Err(())),
        (10, text("-3"), Err(())),
        (10, text("half"), Err(())),
        (10, text("%"), Err(())),
        (10, text("NaN%"), Err(())),
        (10, text(""), Err(())),
    ];
    for (count, given, wanted) in cases {
        let got = limit("maxUnavailable", count, &[Some(&given)]).map_err(|_| ());
        assert_eq!(got, wanted, "{given:?} of {count}");
    }
}

#[test]
fn a_budget_that_is_no_number_rolls_nothing_out() {
    let error = pass(
        Some(&strategy(serde_json::json!({"maxUnavailable": "many"}))),
        &[running(OLD)],
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "invalid maxUnavailable, must be int or percentage (ending with %): many"
    );
}

fn with(access: Access, target: Target) -> Target {
    Target { access, ..target }
}

#[test]
fn a_cluster_that_is_in_several_partitions_counts_in_all_of_them() {
    let mut targets = vec![running(OLD); 3];
    targets[0].partitions = vec![0, 1];
    targets[1].partitions = vec![1];
    targets[2].partitions = vec![1];
    let strategy = serde_json::json!({"maxUnavailablePartitions": 2, "partitions": [
        {"name": "canary"}, {"name": "all", "maxUnavailable": 1},
    ]});
    let pass = run(strategy, &targets);
    assert_eq!(
        pass.decisions,
        [Decision::Promote, Decision::Stage, Decision::Stage]
    );
}

#[test]
fn what_is_created_counts_as_unavailable_at_once() {
    let pass = run(
        serde_json::json!({"maxUnavailable": 1}),
        &[running(OLD), missing()],
    );
    assert_eq!(pass.decisions, [Decision::Stage, Decision::Create]);
    assert_eq!(pass.numbers.unavailable, 1);
}

#[test]
fn an_offline_cluster_is_staged_and_holds_up_nobody() {
    let gone = with(Access::Offline, broken());
    let silent = with(Access::Offline, running(OLD));
    let new = with(Access::Offline, missing());
    let mut targets = vec![gone, silent, new, running(OLD), running(OLD)];
    for (index, target) in targets.iter_mut().enumerate() {
        target.partitions = vec![usize::from(index > 2)];
    }
    let strategy =
        serde_json::json!({"maxUnavailable": 1, "partitions": [{"name": "a"}, {"name": "b"}]});
    let pass = run(strategy, &targets);
    let wanted = [
        Decision::Promote,
        Decision::Stage,
        Decision::Create,
        Decision::Promote,
        Decision::Stage,
    ];
    assert_eq!(pass.decisions, wanted);
    assert_eq!(pass.numbers.unavailable, 1);
}

#[test]
fn a_percentage_is_one_of_the_clusters_that_can_be_reached() {
    let mut targets = vec![running(OLD); 10];
    for target in &mut targets[..6] {
        target.access = Access::Offline;
    }
    let pass = run(serde_json::json!({"maxUnavailable": "50%"}), &targets);
    assert_eq!(pass.numbers.max_unavailable, 2);
    assert_eq!(n(&pass, Decision::Promote), 2);
}

#[test]
fn offline_clusters_beyond_those_that_are_allowed_count_as_unavailable() {
    let mut targets = vec![running(OLD); 10];
    for target in &mut targets[..4] {
        target.access = Access::Offline;
    }
    for (max_offline, unavailable, n_promoted) in [
        (serde_json::json!(4), 0, 3),
        (serde_json::json!("30%"), 1, 2),
        (serde_json::json!(1), 3, 0),
        (serde_json::json!(0), 4, 0),
    ] {
        let strategy = serde_json::json!({"maxUnavailable": 3, "maxOffline": max_offline});
        let pass = run(strategy, &targets);
        assert_eq!(n(&pass, Decision::Promote), n_promoted, "{max_offline}");
        let n_before = pass.numbers.unavailable - n_promoted as i64;
        assert_eq!(n_before, unavailable, "{max_offline}");
    }
    let wrong = strategy(serde_json::json!({"maxOffline": "some"}));
    let error = pass(Some(&wrong), &targets).unwrap_err();
    assert!(error.to_string().contains("maxOffline"), "{error}");
}

#[test]
fn outside_of_its_schedule_a_cluster_is_staged_and_not_waited_for() {
    let targets = [with(Access::OffSchedule, running(OLD)), running(OLD)];
    let pass = run(serde_json::json!({"maxUnavailable": 1}), &targets);
    assert_eq!(pass.decisions, [Decision::Stage, Decision::Promote]);
    assert!(!pass.is_waiting, "its window wakes the bundle");
}

#[test]
fn a_paused_cluster_does_not_close_the_gate_to_later_partitions() {
    let mut targets = [with(Access::Held, running(OLD)), running(OLD)];
    targets[0].partitions = vec![0];
    targets[1].partitions = vec![1];
    let strategy = serde_json::json!({"partitions": [
        {"name": "a", "maxUnavailable": 0}, {"name": "b"},
    ]});
    let pass = run(strategy, &targets);
    assert_eq!(pass.decisions, [Decision::Stage, Decision::Promote]);
    assert_eq!(pass.numbers.unavailable_partitions, 0);
}

#[test]
fn access_follows_from_pauses_the_agent_and_schedules() {
    let cluster = |connected: Option<&str>, scheduled, active_schedule| {
        let condition = |status: &str| Condition {
            type_: "Connected".to_owned(),
            status: status.to_owned(),
            ..Condition::default()
        };
        ClusterStatus {
            conditions: connected.map(condition).into_iter().collect(),
            scheduled,
            active_schedule,
            ..ClusterStatus::default()
        }
    };
    let cases = [
        (false, cluster(None, false, false), Access::Open),
        (false, cluster(Some("True"), true, true), Access::Open),
        (false, cluster(Some("False"), true, true), Access::Offline),
        (false, cluster(None, true, false), Access::OffSchedule),
        (true, cluster(Some("False"), true, false), Access::Held),
    ];
    for (is_paused, status, wanted) in cases {
        assert_eq!(Access::of(is_paused, &status), wanted, "{status:?}");
    }
}
