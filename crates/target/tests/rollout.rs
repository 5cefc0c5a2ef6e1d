//! Cases and properties of the roll-out pass.

#![expect(clippy::unwrap_used, reason = "fixtures are known to be good")]

use api::v1alpha1::{Partition, RolloutStrategy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use target::rollout::{Decision, Pass, Stored, Target, limit, pass};

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
        paused: true,
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

/// An agent that answers in any order: it applies what it was given and becomes ready or not.
fn world() -> impl Strategy<
    Value = (
        Vec<Target>,
        RolloutStrategy,
        Vec<(prop::sample::Index, bool)>,
    ),
> {
    let target = prop_oneof![3 => Just(running(OLD)), 1 => Just(broken()), 1 => Just(running(NEW))];
    let targets = prop::collection::vec(target, 1..30);
    let budget = prop_oneof![
        (0..10).prop_map(IntOrString::Int),
        (0..100).prop_map(|p| IntOrString::String(format!("{p}%")))
    ];
    let answers = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..120);
    (targets, budget, 0..4_usize, answers).prop_map(|(mut targets, budget, parts, answers)| {
        for (index, target) in targets.iter_mut().enumerate() {
            target.partitions = if parts == 0 {
                vec![]
            } else {
                vec![index % parts]
            };
        }
        let partition = |place| Partition {
            name: format!("p{place}"),
            ..Partition::default()
        };
        let partitions = (0..parts).map(partition).collect();
        let strategy = RolloutStrategy {
            max_unavailable: Some(budget),
            partitions,
            ..RolloutStrategy::default()
        };
        (targets, strategy, answers)
    })
}

fn unavailable(targets: &[Target]) -> i64 {
    let stored = targets.iter().filter_map(|target| target.stored.as_ref());
    stored
        .filter(|stored| stored.applied_id != stored.deployment_id || !stored.ready)
        .count() as i64
}

fn promote(targets: &mut [Target], pass: &Pass) {
    for (target, decision) in targets.iter_mut().zip(&pass.decisions) {
        if *decision == Decision::Promote {
            let wanted = target.wanted_id.clone();
            target.stored.as_mut().unwrap().deployment_id = wanted;
        }
    }
}

proptest! {
    #[test]
    fn promotions_never_push_the_unavailable_past_the_budget((mut targets, strategy, answers) in world()) {
        for (who, ready) in answers {
            let before = unavailable(&targets);
            let pass = pass(Some(&strategy), &targets).unwrap();
            promote(&mut targets, &pass);
            let after = unavailable(&targets);
            prop_assert!(after <= before.max(pass.numbers.max_unavailable), "{before} -> {after}");
            let who = who.index(targets.len());
            let stored = targets[who].stored.as_mut().unwrap();
            stored.applied_id = stored.deployment_id.clone();
            stored.ready = ready;
        }
    }

    #[test]
    fn a_pass_over_its_own_outcome_promotes_nothing_more((mut targets, strategy, _) in world()) {
        let first = pass(Some(&strategy), &targets).unwrap();
        promote(&mut targets, &first);
        let settled = targets.clone();
        let second = pass(Some(&strategy), &targets).unwrap();
        promote(&mut targets, &second);
        prop_assert_eq!(settled, targets);
    }

    #[test]
    fn with_healthy_agents_every_target_gets_there((mut targets, strategy, _) in world()) {
        let positive = !matches!(strategy.max_unavailable, Some(IntOrString::Int(0)));
        prop_assume!(positive);
        for _ in 0..200 {
            let pass = pass(Some(&strategy), &targets).unwrap();
            promote(&mut targets, &pass);
            for target in &mut targets {
                let stored = target.stored.as_mut().unwrap();
                stored.applied_id = stored.deployment_id.clone();
                stored.ready = true;
            }
        }
        let there = |target: &Target| target.stored.as_ref().unwrap().deployment_id == NEW;
        prop_assert!(targets.iter().all(there));
    }
}
