//! Cases of restrictions and policies.

use api::v1alpha1::{BundleSpec, GitRepoRestriction, GitRepoSpec, Policy};
use serde_json::{Value, json};

use super::{Defaults, Rules};

/// Rules of restrictions and policies, which are named in the order in which they are given.
fn rules(restrictions: &[Value], policies: &[Value]) -> Rules {
    let named = |(place, object): (usize, &Value)| {
        let mut object = object.clone();
        object["metadata"] = json!({ "name": format!("r{place}"), "namespace": "ns" });
        object
    };
    let restrictions: Vec<GitRepoRestriction> = restrictions
        .iter()
        .enumerate()
        .map(|one| serde_json::from_value(named(one)).expect("a restriction"))
        .collect();
    let policies: Vec<Policy> = policies
        .iter()
        .enumerate()
        .map(|one| serde_json::from_value(named(one)).expect("a policy"))
        .collect();
    // The order in which they come must not matter.
    let rules = Rules::of(&restrictions, &policies);
    assert_eq!(
        rules,
        Rules::of(restrictions.iter().rev(), policies.iter().rev())
    );
    rules
}

fn repo(rules: &Rules, spec: Value) -> Result<Defaults, String> {
    let spec: GitRepoSpec = serde_json::from_value(spec).expect("a spec");
    let allowed = rules.authorize_git_repo(&spec);
    allowed.map_err(|denied| errors::chain(&denied))
}

fn bundle(rules: &Rules, spec: Value, is_of_agent: bool) -> Result<(), String> {
    let spec: BundleSpec = serde_json::from_value(spec).expect("a spec");
    let allowed = rules.authorize_bundle(&spec, is_of_agent);
    allowed.map_err(|denied| errors::chain(&denied))
}

fn is_allowed(rules: &Rules, spec: Value) {
    assert_eq!(repo(rules, spec).map(drop), Ok(()));
}

fn is_denied(rules: &Rules, spec: Value, text: &str) {
    assert_eq!(repo(rules, spec), Err(text.to_owned()));
}

#[test]
fn without_rules_everything_is_allowed_and_nothing_is_completed() {
    let none = Rules::default();
    let anything = json!({ "repo": "https://a/b", "serviceAccount": "s", "clientSecretName": "c" });
    assert_eq!(repo(&none, anything), Ok(Defaults::default()));
    assert_eq!(bundle(&none, json!({ "namespace": "n" }), false), Ok(()));
    assert_eq!(none.imposed(false), crate::deployment::Imposed::default());
}

#[test]
fn the_first_default_by_name_counts_and_restrictions_come_before_policies() {
    let restrictions = [json!({}), json!({ "defaultServiceAccount": "r" })];
    let policies = [
        json!({ "gitRepo": { "defaultServiceAccount": "p0" } }),
        json!({ "gitRepo": { "defaultServiceAccount": "p1", "defaultClientSecretName": "c1" } }),
    ];
    let both = rules(&restrictions, &policies);
    let completed = repo(&both, json!({})).expect("allowed");
    assert_eq!(completed.service_account, "r");
    assert_eq!(completed.client_secret_name, "c1");
    let only_policies = rules(&[], &policies);
    let completed = repo(&only_policies, json!({})).expect("allowed");
    assert_eq!(completed.service_account, "p0");
    let own = json!({ "serviceAccount": "own", "clientSecretName": "own" });
    assert!(repo(&both, own).expect("allowed").is_empty());
}

#[test]
fn lists_of_all_rules_add_up_and_defaults_need_not_be_in_them() {
    let both = rules(
        &[json!({ "allowedServiceAccounts": ["a"], "defaultServiceAccount": "d" })],
        &[json!({ "allowedServiceAccounts": ["b"],
            "gitRepo": { "allowedClientSecretNames": ["c"] } })],
    );
    is_allowed(&both, json!({ "serviceAccount": "a" }));
    is_allowed(
        &both,
        json!({ "serviceAccount": "b", "clientSecretName": "c" }),
    );
    assert_eq!(
        repo(&both, json!({})).map(|completed| completed.service_account),
        Ok("d".to_owned())
    );
    is_denied(
        &both,
        json!({ "serviceAccount": "d" }),
        "disallowed serviceAccount d: d not in allowed set [a b]",
    );
    is_denied(
        &both,
        json!({ "clientSecretName": "x" }),
        "disallowed clientSecretName x: x not in allowed set [c]",
    );
}

#[test]
fn restricted_target_namespaces_must_be_named_and_listed() {
    let listed = rules(
        &[json!({ "allowedTargetNamespaces": ["a", "b"] })],
        &[json!({})],
    );
    is_allowed(&listed, json!({ "targetNamespace": "b" }));
    is_denied(
        &listed,
        json!({}),
        "empty targetNamespace denied, because allowedTargetNamespaces restriction is present",
    );
    is_denied(
        &listed,
        json!({ "targetNamespace": "kube-system" }),
        "disallowed targetNamespace kube-system: kube-system not in allowed set [a b]",
    );
    let selected = rules(
        &[json!({ "allowedTargetNamespaceSelector": { "matchLabels": { "team": "a" } } })],
        &[],
    );
    is_allowed(&selected, json!({ "targetNamespace": "any" }));
    is_denied(
        &selected,
        json!({}),
        "empty targetNamespace denied, because allowedTargetNamespaceSelector restriction is present",
    );
}

#[test]
fn patterns_of_restrictions_are_found_anywhere_and_those_of_policies_match_everything() {
    let restricted = rules(
        &[json!({ "allowedRepoPatterns": ["(", "https://verbatim/(", "https://good/.*"] })],
        &[],
    );
    // A pattern that is no expression denies what none before it allows.
    is_denied(
        &restricted,
        json!({ "repo": "https://good/x" }),
        "disallowed repo https://good/x: GitRepoRestriction failed to compile regex \"(\": \
         error parsing regexp: missing closing ): `(`",
    );
    let restricted = rules(
        &[json!({ "allowedRepoPatterns": ["good/", "https://v/("] })],
        &[],
    );
    is_allowed(&restricted, json!({ "repo": "https://good/x" }));
    is_allowed(&restricted, json!({ "repo": "https://evil/good/x" }));
    is_allowed(&restricted, json!({ "repo": "https://v/(" }));
    let policed = rules(
        &[],
        &[json!({ "gitRepo": { "allowedRepoPatterns": ["https://good/.*|https://better/.*"] } })],
    );
    is_allowed(&policed, json!({ "repo": "https://better/x" }));
    is_denied(
        &policed,
        json!({ "repo": "https://evil/?https://good/x" }),
        "disallowed repo https://evil/?https://good/x: https://evil/?https://good/x not in allowed \
         set [https://good/.*|https://better/.*]",
    );
    is_denied(
        &policed,
        json!({ "repo": "https://better/x\nhttps://evil" }),
        "disallowed repo https://better/x\nhttps://evil: https://better/x\nhttps://evil not in \
         allowed set [https://good/.*|https://better/.*]",
    );
}

#[test]
fn one_of_two_lists_of_repositories_is_enough() {
    let both = rules(
        &[json!({ "allowedRepoPatterns": ["restricted"] })],
        &[json!({ "gitRepo": { "allowedRepoPatterns": ["policed", "("] } })],
    );
    is_allowed(&both, json!({ "repo": "a/restricted/b" }));
    is_allowed(&both, json!({ "repo": "policed" }));
    is_denied(
        &both,
        json!({ "repo": "a/policed" }),
        "disallowed repo a/policed: a/policed not in allowed set [restricted]",
    );
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let listed = rules(&[json!({ "allowedRepoPatterns": ["nothing"] })], &[]);
    for (url, shown) in [
        ("https://u:s3cr3t@host/x", "https://host/x"),
        ("https://u:s3@cr3t@host", "https://host"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git@host:x", "git@host:x"),
    ] {
        let text = repo(&listed, json!({ "repo": url })).expect_err("denied");
        assert_eq!(
            text,
            format!("disallowed repo {shown}: {shown} not in allowed set [nothing]")
        );
    }
}

#[test]
fn a_service_account_can_be_required() {
    let required = rules(&[], &[json!({}), json!({ "requireServiceAccount": true })]);
    is_denied(
        &required,
        json!({}),
        "serviceAccount is required by Policy but is not set",
    );
    is_allowed(&required, json!({ "serviceAccount": "s" }));
    let text = "serviceAccount is required by Policy but is not set on the Bundle";
    let in_target = json!({ "targets": [{ "serviceAccount": "s" }] });
    assert_eq!(bundle(&required, in_target, false), Err(text.to_owned()));
    assert_eq!(bundle(&required, json!({}), true), Err(text.to_owned()));
    let set = json!({ "serviceAccount": "s" });
    assert_eq!(bundle(&required, set, false), Ok(()));
}

#[test]
fn every_service_account_and_namespace_of_a_bundle_must_be_allowed() {
    let listed = rules(
        &[json!({ "allowedTargetNamespaces": ["n"], "allowedServiceAccounts": ["r"] })],
        &[json!({ "allowedServiceAccounts": ["p"] })],
    );
    let good = json!({ "namespace": "n", "serviceAccount": "r",
        "targets": [{ "serviceAccount": "p", "namespace": "n" }, {}] });
    assert_eq!(bundle(&listed, good, false), Ok(()));
    for (spec, text) in [
        (
            json!({ "namespace": "n", "serviceAccount": "x" }),
            "disallowed serviceAccount x: x not in allowed set [r p]",
        ),
        (
            json!({ "namespace": "n", "targets": [{ "name": "t", "serviceAccount": "x" }] }),
            "disallowed serviceAccount x in target t: x not in allowed set [r p]",
        ),
        (
            json!({ "defaultNamespace": "n" }),
            "empty targetNamespace denied, because allowedTargetNamespaces restriction is present",
        ),
        (
            json!({ "namespace": "kube-system" }),
            "disallowed namespace kube-system: kube-system not in allowed set [n]",
        ),
        (
            json!({ "namespace": "n", "targets": [{ "name": "t", "namespace": "kube-system" }] }),
            "disallowed namespace kube-system in target t: kube-system not in allowed set [n]",
        ),
    ] {
        assert_eq!(bundle(&listed, spec, false), Err(text.to_owned()));
    }
    // Agents live in a namespace of their own.
    let of_agent = json!({ "defaultNamespace": "cattle-fleet-system" });
    assert_eq!(bundle(&listed, of_agent, true), Ok(()));
}

#[test]
fn overrides_of_a_target_escape_no_rule() {
    let both = rules(
        &[json!({ "allowedTargetNamespaces": ["shop"] })],
        &[json!({ "requireServiceAccount": true, "allowedServiceAccounts": ["low"] })],
    );
    let with = |overrides: Value| {
        let target = json!({ "name": "t", "overrides": overrides });
        json!({ "namespace": "shop", "serviceAccount": "low", "targets": [target] })
    };
    for fine in [
        json!({}),
        json!({ "namespace": "shop", "serviceAccount": "low", "keepResources": false }),
    ] {
        assert_eq!(bundle(&both, with(fine), false), Ok(()));
    }
    let none = "serviceAccount is required by Policy but is not set in target t";
    let empty =
        "empty targetNamespace denied, because allowedTargetNamespaces restriction is present";
    for (overrides, reason) in [
        (json!({ "serviceAccount": null }), none),
        (json!({ "serviceAccount": "" }), none),
        (json!({ "serviceAccount": 7 }), none),
        (
            json!({ "serviceAccount": "high" }),
            "disallowed serviceAccount high in target t: high not in allowed set [low]",
        ),
        (json!({ "namespace": null }), empty),
        (
            json!({ "namespace": "kube-system" }),
            "disallowed namespace kube-system in target t: kube-system not in allowed set [shop]",
        ),
    ] {
        assert_eq!(
            bundle(&both, with(overrides), false),
            Err(reason.to_owned())
        );
    }
}

#[test]
fn selectors_are_united_and_imposed_on_every_bundle_but_those_of_agents() {
    let united = rules(
        &[
            json!({ "allowedTargetNamespaceSelector": {
                "matchLabels": { "a": "1", "b": "1" },
                "matchExpressions": [{ "key": "k", "operator": "Exists" }] } }),
            json!({ "allowedTargetNamespaceSelector": {
                "matchLabels": { "b": "2" },
                "matchExpressions": [
                    { "key": "k", "operator": "Exists" },
                    { "key": "j", "operator": "In", "values": ["x"] }] } }),
        ],
        &[],
    );
    let imposed = united.imposed(false);
    let selector = serde_json::to_value(imposed.allowed_target_namespace_selector);
    assert_eq!(
        selector.expect("JSON"),
        json!({ "matchLabels": { "a": "1", "b": "2" }, "matchExpressions": [
            { "key": "k", "operator": "Exists" },
            { "key": "j", "operator": "In", "values": ["x"] },
        ] })
    );
    assert_eq!(imposed.create_namespace, None);
    assert_eq!(united.imposed(true).allowed_target_namespace_selector, None);
}

#[test]
fn namespaces_are_not_created_where_service_accounts_are_required_unless_a_policy_allows_it() {
    let both = [
        json!({ "requireServiceAccount": true }),
        json!({ "allowNamespaceCreation": true }),
    ];
    let create = |policies: &[Value]| rules(&[], policies).imposed(false).create_namespace;
    assert_eq!(create(&both[..1]), Some(false));
    assert_eq!(create(&both), None);
    assert_eq!(create(&both[1..]), None);
}
