//! Clusters that the hub imports by a kubeconfig. The test starts the agents that the hub deploys.

use api::conditions::{self, IMPORTED};
use api::v1alpha1::{BundleDeployment, Cluster};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::{Value, json};

use crate::stage::{AGENT, Downstream, Stage, configure, create, eventually};

async fn cluster(stage: &Stage, name: &str) -> Cluster {
    let key = ObjectKey::new(stage.workspace.clone(), name);
    stage
        .hub
        .get(&Kind::of::<Cluster>(), &key)
        .await
        .unwrap()
        .unwrap()
}

async fn change(stage: &Stage, name: &str, body: Value) {
    let key = ObjectKey::new(stage.workspace.clone(), name);
    let (patch, options) = (Patch::Merge(&body), WriteOptions::default());
    let patched: Result<ObjectMeta, _> = stage
        .hub
        .patch(&Kind::of::<Cluster>(), &key, None, patch, 0, options)
        .await;
    patched.unwrap();
}

/// Writes the kubeconfig Secret anew.
async fn secret(stage: &Stage, name: &str, data: Value) {
    let (kind, key) = (
        Kind::of::<Secret>(),
        ObjectKey::new(stage.workspace.clone(), name),
    );
    stage
        .hub
        .delete(&kind, &key, &DeleteOptions::default())
        .await
        .unwrap();
    create(
        &stage.hub,
        &kind,
        &stage.workspace,
        name,
        json!({ "stringData": data }),
    )
    .await;
}

async fn imported(stage: &Stage, name: &str, generation: i64) {
    eventually("the cluster is imported", async || {
        let status = cluster(stage, name).await.status;
        let is_told = conditions::is_true(&status.conditions, IMPORTED);
        (is_told && status.agent_deployed_generation == Some(generation)).then_some(())
    })
    .await;
}

/// Which incarnation of what is deployed is there.
async fn shop_uid(downstream: &Downstream) -> Option<String> {
    let (maps, key) = (Kind::of::<ConfigMap>(), ObjectKey::new("shop", "deployed"));
    let map: Option<ConfigMap> = downstream.client.get(&maps, &key).await.unwrap();
    map.unwrap().metadata.uid
}

/// The names of the records of what is deployed.
async fn releases(downstream: &Downstream) -> Vec<String> {
    let selector = Selector {
        labels: Some("owner=helm".to_owned()),
        ..Selector::namespace("shop")
    };
    let mut names = Vec::new();
    let each = |secret: ObjectMeta| names.push(secret.metadata.name);
    let kind = Kind::of::<Secret>();
    downstream
        .client
        .list(&kind, &selector, each)
        .await
        .unwrap();
    names
}

/// Has the agent moved, and plays what its pods do.
async fn move_agent(stage: &Stage, south: &mut Downstream, wanted: Value, there: &str) {
    let left = std::mem::replace(&mut south.namespace, there.to_owned());
    let body = json!({ "spec": { "agentNamespace": wanted } });
    change(stage, "south", body).await;
    let moved = eventually("the agent is elsewhere", async || {
        deployment(south, there).await
    })
    .await;
    south.stop();
    let role = ObjectKey::new("", format!("{left}-fleet-agent-role"));
    eventually("nothing of it is left where it was", async || {
        let roles = Kind::of::<ClusterRole>();
        let role: Option<Value> = south.client.get(&roles, &role).await.unwrap();
        (deployment(south, &left).await.is_none() && role.is_none()).then_some(())
    })
    .await;
    let env = moved
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers
        .remove(0)
        .env;
    let scope = env.unwrap().into_iter().find(|it| it.name == "AGENT_SCOPE");
    south.scope = scope.and_then(|it| it.value).unwrap_or_default();
    south.start();
    eventually("it says so", async || {
        let agent = cluster(stage, "south").await.status.agent;
        (agent.namespace == there && agent.last_seen.is_some()).then_some(())
    })
    .await;
}

async fn deployment(downstream: &Downstream, namespace: &str) -> Option<Deployment> {
    let key = ObjectKey::new(namespace, "fleet-agent");
    downstream
        .client
        .get(&Kind::of::<Deployment>(), &key)
        .await
        .unwrap()
}

pub(crate) async fn a_cluster_that_a_kubeconfig_reaches_gets_an_agent_which_then_keeps_itself(
    stage: Stage,
) {
    configure(&stage.hub, &stage.config()).await;
    let mut south = stage.cluster("south").await;
    secret(
        &stage,
        "south-kubeconfig",
        json!({ "value": south.kubeconfig }),
    )
    .await;
    let spec = json!({ "metadata": { "labels": { "env": "test" } }, "spec": {
        "kubeConfigSecret": "south-kubeconfig",
        "agentTolerations": [{ "key": "gpu", "operator": "Exists" }],
        "agentSchedulingCustomization": { "priorityClass": { "value": 5 }, "podDisruptionBudget": {} },
    } });
    create(
        &stage.hub,
        &Kind::of::<Cluster>(),
        &stage.workspace,
        "south",
        spec,
    )
    .await;
    imported(&stage, "south", 0).await;
    let found = deployment(&south, AGENT).await.unwrap();
    let pod = found.spec.unwrap().template.spec.unwrap();
    assert_eq!(
        pod.containers[0].image.as_deref(),
        Some("registry.example/agent:1")
    );
    assert_eq!(pod.tolerations.unwrap().len(), 3);
    assert_eq!(
        pod.priority_class_name.as_deref(),
        Some("fleet-agent-priority-class")
    );
    let client_id = cluster(&stage, "south").await.spec.client_id;
    assert_eq!(client_id.len(), 54);
    let map = ObjectKey::new(AGENT, "fleet-agent");
    let config: ConfigMap = south
        .client
        .get(&Kind::of::<ConfigMap>(), &map)
        .await
        .unwrap()
        .unwrap();
    let config: Value = serde_json::from_str(&config.data.unwrap()["config"]).unwrap();
    assert_eq!(config["clientID"], client_id.as_str());
    assert_eq!(config["labels"], json!({ "env": "test" }));

    south.start();
    stage.heard(&client_id).await;
    // From now on it deploys itself.
    let own = ObjectKey::new(
        cluster(&stage, "south").await.status.namespace,
        "fleet-agent-south",
    );
    let ready = async |south: &Downstream, image: &str, namespace: &str| {
        eventually("the agent has deployed itself", async || {
            let found: BundleDeployment = stage
                .hub
                .get(&Kind::of::<BundleDeployment>(), &own)
                .await
                .unwrap()?;
            let is_there = !found.spec.deployment_id.is_empty()
                && found.status.applied_deployment_id == found.spec.deployment_id;
            let running = deployment(south, namespace)
                .await?
                .spec?
                .template
                .spec?
                .containers
                .remove(0);
            (is_there && running.image.as_deref() == Some(image)).then_some(())
        })
        .await;
    };
    ready(&south, "registry.example/agent:1", AGENT).await;
    let mut config = stage.config();
    config["agentImage"] = "registry.example/agent:2".into();
    configure(&stage.hub, &config).await;
    ready(&south, "registry.example/agent:2", AGENT).await;

    // A person asks for it anew; it comes with another credential.
    let before = deployment(&south, AGENT).await.unwrap().metadata.uid;
    change(
        &stage,
        "south",
        json!({ "spec": { "redeployAgentGeneration": 1 } }),
    )
    .await;
    imported(&stage, "south", 1).await;
    assert_ne!(
        deployment(&south, AGENT).await.unwrap().metadata.uid,
        before
    );
    south.stop();
    south.start();
    stage.heard(&client_id).await;

    // It moves there and back, and takes what is deployed along.
    stage.deploy("shop").await;
    south.deployed().await;
    let kept = (shop_uid(&south).await, releases(&south).await);
    for (wanted, there) in [(json!("elsewhere"), "elsewhere"), (Value::Null, AGENT)] {
        move_agent(&stage, &mut south, wanted, there).await;
        ready(&south, "registry.example/agent:2", there).await;
        let left = if there == AGENT { "elsewhere" } else { AGENT };
        assert!(deployment(&south, left).await.is_none());
        assert_eq!((shop_uid(&south).await, releases(&south).await), kept);
    }
    let bundles = Kind::of::<api::v1alpha1::Bundle>();
    let manifest =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: deployed\ndata: {by: another}\n";
    let body = json!({ "spec": { "resources": [{ "name": "map.yaml", "content": manifest }] } });
    let (key, patch) = (
        ObjectKey::new(stage.workspace.clone(), "shop"),
        Patch::Merge(&body),
    );
    let options = WriteOptions::default();
    let patched: Result<ObjectMeta, _> = stage
        .hub
        .patch(&bundles, &key, None, patch, 0, options)
        .await;
    patched.unwrap();
    eventually("the agent deploys", async || {
        let maps = Kind::of::<ConfigMap>();
        let key = ObjectKey::new("shop", "deployed");
        let map: ConfigMap = south.client.get(&maps, &key).await.unwrap()?;
        (map.data?.get("by")? == "another").then_some(())
    })
    .await;
    assert_eq!(shop_uid(&south).await, kept.0);
    assert_eq!(releases(&south).await.len(), kept.1.len() + 1);
    let key = ObjectKey::new(stage.workspace.clone(), "south");
    stage
        .hub
        .delete(&Kind::of::<Cluster>(), &key, &DeleteOptions::default())
        .await
        .unwrap();
    let bundle = ObjectKey::new(stage.workspace.clone(), "fleet-agent-south");
    eventually("its bundle is gone", async || {
        let found: Option<Value> = stage.hub.get(&bundles, &bundle).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
}

pub(crate) async fn what_cannot_be_imported_says_why_until_it_can(stage: Stage) {
    let mut config = stage.config();
    config["agentImage"] = "".into();
    configure(&stage.hub, &config).await;
    let south = stage.cluster("broken").await;
    let spec = json!({ "spec": { "clientID": "broken", "kubeConfigSecret": "kubeconfig" } });
    create(
        &stage.hub,
        &Kind::of::<Cluster>(),
        &stage.workspace,
        "broken",
        spec,
    )
    .await;
    // Each change of the Cluster is another try.
    let says = async |want: &str| {
        let again = json!({ "metadata": { "labels": { "try": api::names::hex(want, 8) } } });
        change(&stage, "broken", again).await;
        eventually(want, async || {
            let status = cluster(&stage, "broken").await.status;
            let message = conditions::message(&status.conditions, IMPORTED);
            assert!(!message.contains("secret-value"), "{message}");
            (conditions::is_false(&status.conditions, IMPORTED) && message.contains(want))
                .then_some(())
        })
        .await;
    };
    says("agentImage is not configured").await;
    config = stage.config();
    config["agentTLSMode"] = "".into();
    configure(&stage.hub, &config).await;
    says("must be strict or system-store").await;
    configure(&stage.hub, &stage.config()).await;
    says("kubeconfig with the kubeconfig does not exist").await;
    secret(&stage, "kubeconfig", json!({ "other": "secret-value" })).await;
    // Nobody touches the Cluster: that the Secret is there now is enough.
    eventually("the Secret is looked at", async || {
        let status = cluster(&stage, "broken").await.status;
        let message = conditions::message(&status.conditions, IMPORTED);
        message.contains("has no key value").then_some(())
    })
    .await;
    secret(&stage, "kubeconfig", json!({ "value": "{secret-value" })).await;
    says("use the kubeconfig in secret").await;
    let kubeconfig = |user: &str, server: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        )
    };
    let program = kubeconfig(
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}",
        "https://127.0.0.1:1",
    );
    secret(&stage, "kubeconfig", json!({ "value": program })).await;
    says("uses exec, which would reach out").await;
    let away = kubeconfig("token: secret-value", "https://127.0.0.1:1");
    secret(&stage, "kubeconfig", json!({ "value": away })).await;
    says("there is no answer").await;
    let untrusted = kubeconfig("token: secret-value", &stage.server.url);
    secret(&stage, "kubeconfig", json!({ "value": untrusted })).await;
    says("certificate is not trusted").await;
    let token = stage.sandbox.cluster("broken").unwrap();
    let wrong = south
        .kubeconfig
        .replace(token.admin_token(), "secret-value");
    secret(&stage, "kubeconfig", json!({ "value": wrong })).await;
    says("its credential is not valid").await;
    secret(&stage, "kubeconfig", json!({ "value": south.kubeconfig })).await;
    let both = json!({ "podDisruptionBudget": { "minAvailable": "1", "maxUnavailable": "1" } });
    change(
        &stage,
        "broken",
        json!({ "spec": { "agentSchedulingCustomization": both } }),
    )
    .await;
    says("both minAvailable and maxUnavailable").await;
    assert!(deployment(&south, AGENT).await.is_none());
    change(
        &stage,
        "broken",
        json!({ "spec": { "agentSchedulingCustomization": null,
        "kubeConfigSecretNamespace": "kube-system" } }),
    )
    .await;
    says("kube-system is not allowed").await;
    change(
        &stage,
        "broken",
        json!({ "spec": { "kubeConfigSecretNamespace": null } }),
    )
    .await;
    imported(&stage, "broken", 0).await;
    assert!(deployment(&south, AGENT).await.is_some());
    // Once it is imported the Secret alone says that the hub is elsewhere, and the agent is told.
    let (value, url) = (&south.kubeconfig, "https://elsewhere.example");
    secret(
        &stage,
        "kubeconfig",
        json!({ "value": value, "apiServerURL": url }),
    )
    .await;
    eventually("the agent is told where the hub is", async || {
        let key = ObjectKey::new(AGENT, agent::registration::BOOTSTRAP);
        let kind = Kind::of::<Secret>();
        let found: Secret = south.client.get(&kind, &key).await.unwrap()?;
        (found.data?.get("apiServerURL")?.0 == url.as_bytes()).then_some(())
    })
    .await;
}
