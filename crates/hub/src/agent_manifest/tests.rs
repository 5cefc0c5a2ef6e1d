//! Cases of the agent's objects.

use std::collections::BTreeMap;

use api::config::Config;
use api::v1alpha1::ClusterSpec;
use serde_json::{Value, json};

use super::{Agent, Defaults, Error, config, image, objects, scheduling, yaml};

fn config_of(text: &str) -> Config {
    Config::parse(text).unwrap().0
}

fn spec(value: Value) -> ClusterSpec {
    serde_json::from_value(value).unwrap()
}

fn deployment(spec: &ClusterSpec, config: &Config) -> Value {
    let agent = Agent::of(spec, config, &Defaults::default(), "cattle-fleet-system");
    let (kind, object) = objects(&agent).pop().unwrap();
    assert_eq!(kind.kind, "Deployment");
    object
}

#[test]
fn the_image_comes_from_the_registry_of_the_cluster() {
    for (given, system, private, want) in [
        ("r/agent:1", "", "", "r/agent:1"),
        (
            "sys.example/r/agent:1",
            "sys.example/",
            "",
            "sys.example/r/agent:1",
        ),
        ("r/agent:1", "", "own.example", "own.example/r/agent:1"),
        ("r/agent:1", "", "own.example/", "own.example/r/agent:1"),
        (
            "own.example/r/agent:1",
            "",
            "own.example",
            "own.example/r/agent:1",
        ),
        (
            "own.example2/agent:1",
            "",
            "own.example",
            "own.example/own.example2/agent:1",
        ),
        (
            "sys.example/r/agent:1",
            "sys.example/",
            "own.example",
            "own.example/r/agent:1",
        ),
        (
            "sys.example/r/agent:1",
            "sys.example",
            "own.example/p",
            "own.example/p/r/agent:1",
        ),
    ] {
        assert_eq!(image(given, system, private), want);
    }
}

#[test]
fn a_plain_agent_is_upstreams() {
    let config = config_of(
        "agentImage: r/agent:1\nagentCheckinInterval: 10m\nagentWorkers: {bundledeployment: '50', drift: '7'}\n",
    );
    let agent = Agent::of(
        &ClusterSpec::default(),
        &config,
        &Defaults::default(),
        "cattle-fleet-system",
    );
    let names: Vec<String> = objects(&agent)
        .iter()
        .map(|(kind, object)| {
            format!(
                "{}/{}",
                kind.kind,
                object["metadata"]["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "ClusterRole/cattle-fleet-system-fleet-agent-role",
            "ClusterRoleBinding/cattle-fleet-system-fleet-agent-role-binding",
            "ServiceAccount/fleet-agent",
            "ServiceAccount/default",
            "NetworkPolicy/default-allow-all",
            "Deployment/fleet-agent",
        ]
    );
    let object = deployment(&ClusterSpec::default(), &config);
    let pod = &object["spec"]["template"]["spec"];
    let env: BTreeMap<&str, &str> = pod["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|env| Some((env["name"].as_str()?, env["value"].as_str()?)))
        .collect();
    let want = BTreeMap::from([
        ("BUNDLEDEPLOYMENT_RECONCILER_WORKERS", "50"),
        ("DRIFT_RECONCILER_WORKERS", "7"),
        ("CHECKIN_INTERVAL", "10m"),
        ("CATTLE_ELECTION_LEASE_DURATION", "30s"),
        ("CATTLE_ELECTION_RENEW_DEADLINE", "25s"),
        ("CATTLE_ELECTION_RETRY_PERIOD", "10s"),
    ]);
    assert_eq!(env, want);
    assert_eq!(pod["containers"][0]["command"], json!(["fleetagent"]));
    assert_eq!(pod["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(pod["securityContext"]["runAsUser"], 1000);
    for absent in ["hostNetwork", "priorityClassName", "imagePullSecrets"] {
        assert!(pod.get(absent).is_none(), "{absent}");
    }
    assert!(object["spec"].get("strategy").is_none());
    let text = yaml(&objects(&agent)).unwrap();
    assert_eq!(text.matches("---\n").count(), 6);
}

#[test]
fn a_cluster_decides_how_its_agent_runs() {
    let config = config_of("agentImage: r/agent:1\nimagePullSecrets: [{name: global}]\n");
    let given = spec(json!({
        "agentNamespace": "other", "hostNetwork": true, "privateRepoURL": "own.example",
        "agentEnvVars": [{ "name": "CHECKIN_INTERVAL", "value": "1m" }, { "name": "X", "value": "y" }],
        "agentTolerations": [{ "key": "gpu", "operator": "Exists" }],
        "agentAffinity": { "podAntiAffinity": {} },
        "agentResources": { "limits": { "memory": "1Gi" } },
        "agentSchedulingCustomization": { "priorityClass": { "value": 5 } },
        "agentPullSecrets": [],
    }));
    let object = deployment(&given, &config);
    assert_eq!(object["metadata"]["namespace"], "other");
    assert_eq!(object["spec"]["strategy"]["type"], "Recreate");
    let pod = &object["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["priorityClassName"], "fleet-agent-priority-class");
    assert_eq!(pod["affinity"], json!({ "podAntiAffinity": {} }));
    assert_eq!(pod["tolerations"][2]["key"], "gpu");
    // Set, even to nothing: exactly these.
    assert!(pod.get("imagePullSecrets").is_none());
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "own.example/r/agent:1");
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    let env = container["env"].as_array().unwrap();
    let of = |name: &str| -> Vec<&Value> {
        env.iter()
            .filter(|env| env["name"] == name)
            .map(|env| &env["value"])
            .collect()
    };
    assert_eq!(of("CHECKIN_INTERVAL"), ["1m"]);
    assert_eq!(of("AGENT_SCOPE"), ["other"]);
    assert_eq!(of("X"), ["y"]);
    let plain = deployment(&ClusterSpec::default(), &config);
    let pull = &plain["spec"]["template"]["spec"]["imagePullSecrets"];
    assert_eq!(*pull, json!([{ "name": "global" }]));
}

#[test]
fn a_disruption_budget_has_one_limit() {
    let of = |budget: Value| {
        let given =
            spec(json!({ "agentSchedulingCustomization": { "podDisruptionBudget": budget } }));
        let found = scheduling("ns", given.agent_scheduling_customization.as_ref())?;
        Ok::<_, Error>(found[0].1["spec"].clone())
    };
    for (budget, name, value) in [
        (json!({}), "maxUnavailable", json!(0)),
        (json!({ "minAvailable": "1" }), "minAvailable", json!(1)),
        (
            json!({ "minAvailable": "50%", "maxUnavailable": "0" }),
            "minAvailable",
            json!("50%"),
        ),
        (json!({ "maxUnavailable": "2" }), "maxUnavailable", json!(2)),
    ] {
        assert_eq!(of(budget).unwrap()[name], value);
    }
    assert_eq!(
        of(json!({ "minAvailable": "1", "maxUnavailable": "1" })),
        Err(Error::DisruptionBudget)
    );
    assert_eq!(scheduling("ns", None), Ok(vec![]));
    let class = spec(
        json!({ "agentSchedulingCustomization": { "priorityClass": { "value": 7, "preemptionPolicy": "Never" } } }),
    );
    let found = scheduling("ns", class.agent_scheduling_customization.as_ref()).unwrap();
    assert_eq!(
        (&found[0].1["value"], &found[0].1["preemptionPolicy"]),
        (&json!(7), &json!("Never"))
    );
}

#[test]
fn the_agents_configuration_leaves_out_what_is_not_said() {
    let document = |object: &Value| object["data"]["config"].as_str().unwrap().to_owned();
    let (_, object) = config("ns", "", &BTreeMap::new(), &Config::default());
    assert_eq!(document(&object), "{}");
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let given = config_of("agentTLSMode: strict\ngarbageCollectionInterval: 20m\n");
    let (_, object) = config("ns", "me", &labels, &given);
    let found: Value = serde_json::from_str(&document(&object)).unwrap();
    let want = json!({ "clientID": "me", "labels": { "a": "b" }, "agentTLSMode": "strict",
        "garbageCollectionInterval": "20m" });
    assert_eq!(found, want);
}
