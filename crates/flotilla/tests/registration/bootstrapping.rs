//! The hub as a cluster of its own. The test starts the agent that the hub deploys to itself.

use api::conditions::{self, IMPORTED};
use api::v1alpha1::{Bundle, Cluster, ClusterGroup, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::stage::{AGENT, Downstream, Stage, configure, create, eventually};

const NAMESPACE: &str = "fleet-local";
const OWN: &str = "cattle-fleet-local-system";

async fn get<T: DeserializeOwned>(stage: &Stage, kind: &Kind, ns: &str, name: &str) -> Option<T> {
    let key = ObjectKey::new(ns, name);
    stage.hub.get(kind, &key).await.unwrap()
}

async fn delete(stage: &Stage, kind: &Kind, ns: &str, name: &str) {
    let (key, options) = (ObjectKey::new(ns, name), DeleteOptions::default());
    stage.hub.delete(kind, &key, &options).await.unwrap();
}

async fn cluster(stage: &Stage) -> Option<Cluster> {
    get(stage, &Kind::of::<Cluster>(), NAMESPACE, "local").await
}

async fn agent(stage: &Stage) -> Option<Deployment> {
    get(stage, &Kind::of::<Deployment>(), OWN, "fleet-agent").await
}

async fn imported(stage: &Stage) -> Cluster {
    eventually("the hub is imported", async || {
        let cluster = cluster(stage).await?;
        let is_there = conditions::is_true(&cluster.status.conditions, IMPORTED);
        (is_there && cluster.status.agent_migrated).then_some(cluster)
    })
    .await
}

async fn disabled(stage: &Stage, config: &mut Value, itself: &mut Downstream) {
    config["bootstrap"]["localAgentDisabled"] = true.into();
    configure(&stage.hub, config).await;
    eventually("the agent is gone", async || {
        agent(stage).await.is_none().then_some(())
    })
    .await;
    itself.stop();
    eventually("nothing is said of it", async || {
        let status = cluster(stage).await?.status;
        (!status.agent_migrated && status.agent.namespace.is_empty()).then_some(())
    })
    .await;
}

pub(crate) async fn the_hub_is_a_cluster_of_its_own_while_that_is_configured(stage: Stage) {
    let mut config = stage.config();
    config["bootstrap"] = json!({ "namespace": NAMESPACE, "agentNamespace": OWN,
        "clusterLabels": { "env": "test" }, "repo": "https://127.0.0.1:1/none.git", "paths": "a, b" });
    configure(&stage.hub, &config).await;
    let found = imported(&stage).await;
    let labels = found.metadata.labels.unwrap();
    assert_eq!(
        (labels["name"].as_str(), labels["env"].as_str()),
        ("local", "test")
    );
    assert!(agent(&stage).await.is_some());
    eventually("the group has it", async || {
        let kind = Kind::of::<ClusterGroup>();
        let group: ClusterGroup = get(&stage, &kind, NAMESPACE, "default").await?;
        (group.status.cluster_count == 1).then_some(())
    })
    .await;
    let repos = Kind::of::<GitRepo>();
    let repo: GitRepo = get(&stage, &repos, NAMESPACE, "bootstrap").await.unwrap();
    assert_eq!(repo.spec.paths, ["a", "b"]);

    // An agent runs against the hub itself.
    let mut itself = stage.itself(OWN);
    itself.start();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: deployed\n";
    let bundle = json!({ "spec": { "defaultNamespace": "shop",
        "resources": [{ "name": "map.yaml", "content": manifest }],
        "targets": [{ "clusterGroup": "default" }] } });
    create(&stage.hub, &Kind::of::<Bundle>(), NAMESPACE, "shop", bundle).await;
    itself.deployed().await;

    // What is configured no more goes; the cluster is none of it.
    let (uid, pause) = (found.metadata.uid, json!({ "repo": "", "paths": "" }));
    for (name, value) in pause.as_object().unwrap() {
        config["bootstrap"][name] = value.clone();
    }
    configure(&stage.hub, &config).await;
    eventually("the repository is gone", async || {
        let repo: Option<GitRepo> = get(&stage, &repos, NAMESPACE, "bootstrap").await;
        repo.is_none().then_some(())
    })
    .await;
    assert_eq!(cluster(&stage).await.unwrap().metadata.uid, uid);

    disabled(&stage, &mut config, &mut itself).await;
    let maps = Kind::of::<ConfigMap>();
    let kept: Option<Value> = get(&stage, &maps, "shop", "deployed").await;
    assert!(kept.is_some(), "what the agent deployed stays");

    // With the account of upstream's chart the kubeconfig has its token.
    let (accounts, bindings) = (
        Kind::of::<ServiceAccount>(),
        Kind::of::<ClusterRoleBinding>(),
    );
    let name = "fleet-controller-bootstrap";
    create(&stage.hub, &accounts, AGENT, name, json!({})).await;
    let binding = json!({
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": AGENT }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
    });
    create(&stage.hub, &bindings, "", name, binding).await;
    config["bootstrap"]["localAgentDisabled"] = false.into();
    configure(&stage.hub, &config).await;
    imported(&stage).await;
    let secrets = Kind::of::<Secret>();
    eventually("the kubeconfig has the token", async || {
        let secret: Secret = get(&stage, &secrets, NAMESPACE, "local-cluster").await?;
        let kubeconfig: Value = serde_json::from_slice(&secret.data?["value"].0).unwrap();
        let token: Secret = get(&stage, &secrets, AGENT, &format!("{name}-token")).await?;
        let token = String::from_utf8(token.data?.remove("token")?.0).unwrap();
        (kubeconfig["users"][0]["user"] == json!({ "token": token })).then_some(())
    })
    .await;

    disabled(&stage, &mut config, &mut itself).await;
    configure(&stage.hub, &stage.config()).await;
    delete(&stage, &Kind::of::<Cluster>(), NAMESPACE, "local").await;
    delete(&stage, &bindings, "", name).await;
}
