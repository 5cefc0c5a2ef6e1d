use serde_json::json;

use super::*;

fn rule(current: &str) -> HealthCheckExpr {
    HealthCheckExpr {
        api_version: "g/v1".to_owned(),
        kind: "K".to_owned(),
        current: current.to_owned(),
        ..HealthCheckExpr::default()
    }
}

fn state(rule: HealthCheckExpr, status: &Value) -> (String, bool) {
    let checks = HealthChecks::compile(&[rule]).unwrap();
    let object =
        json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"generation": 3}, "status": status});
    let summary = checks.summarize(&object).unwrap();
    let is_ready = super::super::is_ready(&summary);
    (summary.state, is_ready)
}

#[test]
fn an_object_is_ready_when_its_rule_says_so() {
    let status = json!({"phase": "Up", "observedGeneration": 3, "replicas": 2, "share": 0.5,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}]});
    let cases = [
        ("status.phase == 'Up'", true),
        ("status.phase != 'Up'", false),
        ("status.observedGeneration == metadata.generation", true),
        ("status.replicas >= 2 && status.replicas + 1 == 3", true),
        ("status.share < 1.0", true),
        (
            "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
            true,
        ),
        (
            "status.conditions.filter(c, c.type == 'Synced').all(c, c.status == 'True')",
            false,
        ),
        (
            "status.conditions.map(c, c.type) == ['Ready', 'Synced']",
            true,
        ),
        ("status.conditions.exists_one(c, c.status == 'True')", true),
        (
            "size(status.conditions) == 2 && status.conditions[1].type.startsWith('Sy')",
            true,
        ),
        ("status.phase.matches('^U.$')", true),
        ("'Up' in [status.phase] && has(status.phase)", true),
        // What is not there yet is not true yet.
        ("status.missing == 'x'", false),
        ("status.conditions[7].type == 'x'", false),
        ("has(status.missing)", false),
        ("spec.replicas == 2", false),
    ];
    for (expression, wanted) in cases {
        assert_eq!(state(rule(expression), &status).1, wanted, "{expression}");
    }
}

#[test]
fn progress_comes_before_failure_before_success() {
    let rule = || HealthCheckExpr {
        in_progress: "status.phase == 'Making'".to_owned(),
        failed: "status.phase in ['Broken', 'Gone']".to_owned(),
        ..rule("status.phase == 'Up'")
    };
    for (phase, wanted) in [
        ("Making", "in-progress"),
        ("Broken", "failed"),
        ("Up", "active"),
        ("Other", "in-progress"),
    ] {
        let (found, is_ready) = state(rule(), &json!({"phase": phase}));
        assert_eq!(
            (found.as_str(), is_ready),
            (wanted, wanted == "active"),
            "{phase}"
        );
    }
}

#[test]
fn rules_are_found_by_group_version_and_kind() {
    let any = HealthCheckExpr {
        api_version: "g/*".to_owned(),
        ..rule("true")
    };
    let checks = HealthChecks::compile(&[rule("false"), any]).unwrap();
    assert!(!checks.is_empty() && checks.concern("g", "v7", "K"));
    assert!(!checks.concern("g", "v1", "L") && !checks.concern("h", "v1", "K"));
    let object = |version: &str| json!({"apiVersion": format!("g/{version}"), "kind": "K"});
    let state = |version: &str| checks.summarize(&object(version)).unwrap().state;
    assert_eq!(
        (state("v1").as_str(), state("v7").as_str()),
        ("in-progress", "active")
    );
    let mut gone = object("v7");
    gone["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    assert_eq!(checks.summarize(&gone).unwrap().state, "removing");
    assert_eq!(checks.summarize(&json!(["no object"])), None);
}

#[test]
fn what_is_no_rule_is_refused_by_its_place() {
    let secret = HealthCheckExpr {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        ..rule("true")
    };
    let failed = HealthCheckExpr {
        failed: "1 +".to_owned(),
        ..rule("true")
    };
    let nameless = HealthCheckExpr {
        kind: String::new(),
        ..rule("true")
    };
    for (wrong, wanted) in [
        (
            secret,
            "healthCheckExprs[1]: rules for Secrets are not allowed",
        ),
        (failed, "healthCheckExprs[1].failed: column"),
        (nameless, "healthCheckExprs[1]: kind is missing"),
        (rule(""), "healthCheckExprs[1]: current is missing"),
        (
            rule("foo(status)"),
            "healthCheckExprs[1].current: there is no function foo",
        ),
        (
            rule("status.a.replace('', 'long')"),
            "there is no function replace",
        ),
        (
            rule("self.status.ready"),
            "there is no variable self; an object has apiVersion,",
        ),
        (rule("Thing{a: 1}.a == 1"), "messages are not supported"),
        (
            rule("['a'].map(x, x + x).size() > 0"),
            "values cannot be added in a loop",
        ),
        (
            rule(&"(".repeat(2000)),
            "healthCheckExprs[1].current: column",
        ),
        (
            rule(&format!("'{}' == ''", "x".repeat(5000))),
            "at most 4096 are allowed",
        ),
    ] {
        let error = HealthChecks::compile(&[rule("true"), wrong])
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error} lacks {wanted}");
    }
    assert_eq!(
        HealthChecks::compile(&vec![rule("true"); 101]).unwrap_err(),
        CheckError::TooMany(101)
    );
}

#[test]
fn an_expression_that_cannot_be_computed_fails_the_object_without_its_values() {
    let checks = |expression: &str| {
        let object = json!({"apiVersion": "g/v1", "kind": "K", "status": {"word": "hunter2", "list": vec![0; 4000]}});
        HealthChecks::compile(&[rule(expression)])
            .unwrap()
            .summarize(&object)
            .unwrap()
    };
    for (expression, wanted) in [
        ("status.word > 1", "no matching overload"),
        ("status.word", "gives string, neither true nor false"),
        ("1 / 0 == 1", "cannot be computed"),
        (
            "status.list.all(a, status.list.all(b, a == b))",
            "steps for an object of",
        ),
    ] {
        let found = checks(expression);
        assert!(
            found.error && !found.message[0].contains("hunter2"),
            "{found:?}"
        );
        assert!(
            found.message[0].contains(wanted),
            "{found:?} lacks {wanted}"
        );
    }
}
