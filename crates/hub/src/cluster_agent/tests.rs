//! Cases of the plan for a Cluster's agent.

use std::collections::BTreeMap;

use api::config::Config;
use api::v1alpha1::{Cluster, ClusterSpec, ClusterStatus};
use apiclient::ObjectKey;
use serde_json::{Value, json};

use super::bundle::{MARK, bundle};
use super::plan::{
    Observed, differs, has_moved, is_deployed, kubeconfig_secret, moves_from, option_changes,
};
use crate::agent_manifest::{Agent, Defaults};

fn observed(spec: Value, status: Value, config: &str) -> Observed {
    Observed {
        key: ObjectKey::new("ws", "c"),
        uid: "uid".to_owned(),
        is_deleting: false,
        is_managed_elsewhere: false,
        has_no_agent: false,
        labels: BTreeMap::new(),
        spec: serde_json::from_value::<ClusterSpec>(spec).unwrap(),
        status: serde_json::from_value::<ClusterStatus>(status).unwrap(),
        config: Config::parse(config).unwrap().0,
        system_namespace: "cattle-fleet-system".to_owned(),
        bundle: None,
        has_deployment: false,
    }
}

fn deployed() -> Value {
    json!({ "agentMigrated": true, "agentNamespaceMigrated": true, "cattleNamespaceMigrated": true,
        "agentDeployedGeneration": 3, "agentTLSMode": "strict", "apiServerURL": "https://hub",
        "agent": { "namespace": "own" } })
}

#[test]
fn an_agent_is_deployed_again_when_what_it_was_told_is_not_so_any_more() {
    let spec = json!({ "redeployAgentGeneration": 3, "agentNamespace": "own" });
    let config = "agentTLSMode: strict\n";
    assert!(is_deployed(&observed(spec.clone(), deployed(), config)));
    for (name, value) in [
        ("agentMigrated", json!(false)),
        ("agentNamespaceMigrated", json!(false)),
        ("cattleNamespaceMigrated", json!(false)),
        ("agentConfigChanged", json!(true)),
        ("agentDeployedGeneration", json!(2)),
        ("agentDeployedGeneration", Value::Null),
        ("agent", json!({ "namespace": "other" })),
        ("agentTLSMode", json!("system-store")),
        ("garbageCollectionInterval", json!("1m")),
    ] {
        let mut status = deployed();
        status[name] = value;
        assert!(
            !is_deployed(&observed(spec.clone(), status, config)),
            "{name}"
        );
    }
    // Without a wish it belongs where agents are.
    let usual = json!({ "redeployAgentGeneration": 3 });
    assert!(!is_deployed(&observed(usual.clone(), deployed(), config)));
    for namespace in ["", "cattle-fleet-system"] {
        let mut status = deployed();
        status["agent"]["namespace"] = namespace.into();
        assert!(is_deployed(&observed(usual.clone(), status, config)));
    }
    assert!(!has_moved(&observed(json!({}), deployed(), config)));
    assert!(has_moved(&observed(
        json!({}),
        deployed(),
        "apiServerURL: https://other\n"
    )));
    let ca = "apiServerURL: https://hub\napiServerCA: Q0E=\n";
    assert!(has_moved(&observed(json!({}), deployed(), ca)));
}

#[test]
fn an_agent_moves_only_where_it_is_wanted_elsewhere() {
    let of = |wish: &str, at: &str, secret: &str, is_imported: bool| {
        let spec = json!({ "redeployAgentGeneration": 3, "agentNamespace": wish, "kubeConfigSecret": secret });
        let mut status = deployed();
        status["agent"]["namespace"] = at.into();
        status["agentMigrated"] = is_imported.into();
        let observed = observed(spec, status, "agentTLSMode: strict\n");
        moves_from(&observed).map(str::to_owned)
    };
    assert_eq!(of("new", "old", "s", true).as_deref(), Some("old"));
    assert_eq!(of("", "old", "s", true).as_deref(), Some("old"));
    for (wish, at, secret, is_imported) in [
        ("new", "new", "s", true),
        ("new", "", "s", true),
        ("new", "old", "", true),
        ("new", "old", "s", false),
        ("", "cattle-fleet-system", "s", true),
    ] {
        assert_eq!(
            of(wish, at, secret, is_imported),
            None,
            "{wish} {at} {secret} {is_imported}"
        );
    }
}

#[test]
fn changed_options_are_written_down_once_and_only_imports_are_repeated() {
    let spec = json!({ "agentEnvVars": [{ "name": "A", "value": "b" }], "hostNetwork": true,
        "privateRepoURL": "r", "kubeConfigSecret": "s" });
    let changes = option_changes(&observed(spec.clone(), json!({}), "")).unwrap();
    let mut names: Vec<&str> = changes
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "agentConfigChanged",
            "agentEnvVarsHash",
            "agentHostNetwork",
            "agentPrivateRepoURL"
        ]
    );
    assert_eq!(changes["agentEnvVarsHash"].as_str().map(str::len), Some(56));
    assert!(option_changes(&observed(spec, changes, "")).is_none());
    let registered = json!({ "hostNetwork": true });
    let changes = option_changes(&observed(registered, json!({}), "")).unwrap();
    assert_eq!(changes, json!({ "agentHostNetwork": true }));
    // What is gone is written down too.
    let before = json!({ "agentResourcesHash": "x", "agentHostNetwork": true });
    let changes = option_changes(&observed(json!({}), before, "")).unwrap();
    assert_eq!(
        changes,
        json!({ "agentResourcesHash": "", "agentHostNetwork": false })
    );
    assert!(option_changes(&observed(json!({}), json!({}), "")).is_none());
}

#[test]
fn a_kubeconfig_is_taken_from_no_strangers_namespace() {
    let of = |namespace: &str| {
        let spec = json!({ "kubeConfigSecret": "s", "kubeConfigSecretNamespace": namespace });
        kubeconfig_secret(&observed(spec, json!({}), ""))
    };
    for (namespace, want) in [
        ("", "ws"),
        ("ws", "ws"),
        ("fleet-default", "fleet-default"),
        ("cluster-x", "cluster-x"),
    ] {
        assert_eq!(of(namespace), Ok(ObjectKey::new(want, "s")));
    }
    for namespace in ["kube-system", "other", "fleet-defaults", "Cluster-x"] {
        let error = of(namespace).unwrap_err();
        assert!(error.contains("is not allowed"), "{error}");
    }
}

#[test]
fn a_heartbeat_is_nothing_new() {
    let cluster = |status: Value| -> Cluster {
        serde_json::from_value(
            json!({ "metadata": { "name": "c", "generation": 1 }, "status": status }),
        )
        .unwrap()
    };
    let beat = |at: &str| cluster(json!({ "agent": { "lastSeen": at, "namespace": "n" } }));
    let (one, two) = (beat("2026-01-01T00:00:00Z"), beat("2026-01-01T00:01:00Z"));
    assert!(!differs(Some(&one), &two));
    assert!(differs(None, &one));
    assert!(
        differs(Some(&cluster(json!({}))), &one),
        "it is somewhere now"
    );
    assert!(differs(
        Some(&one),
        &cluster(json!({ "agentConfigChanged": true }))
    ));
}

#[test]
fn the_agents_bundle_says_what_it_was_made_of() {
    let of = |config: &str| {
        let observed = observed(json!({ "agentNamespace": "own" }), json!({}), config);
        let agent = Agent::of(
            &observed.spec,
            &observed.config,
            &Defaults::default(),
            "system",
        );
        bundle(&observed, &agent).unwrap()
    };
    let one = of("agentImage: r/a:1\n");
    assert_eq!(one["metadata"]["name"], "fleet-agent-c");
    assert_eq!(one["spec"]["defaultNamespace"], "own");
    assert_eq!(one["spec"]["targets"][0]["clusterName"], "c");
    assert_eq!(one, of("agentImage: r/a:1\n"));
    let mark = |bundle: &Value| bundle["metadata"]["annotations"][MARK].clone();
    assert_ne!(mark(&one), mark(&of("agentImage: r/a:2\n")));
}
