//! Agents that ask: by the values of a ClusterRegistrationToken.

use api::v1alpha1::{
    BundleDeployment, Cluster, ClusterRegistration, ClusterRegistrationToken, Content,
};
use apiclient::{
    Client, DeleteOptions, Error, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};

use crate::stage::{ANSWERS, Stage, create, eventually};

async fn requests(stage: &Stage) -> Vec<ClusterRegistration> {
    let mut found = Vec::new();
    let selector = Selector::namespace(stage.workspace.clone());
    let kind = Kind::of::<ClusterRegistration>();
    stage
        .hub
        .list(&kind, &selector, |one| found.push(one))
        .await
        .unwrap();
    found
}

fn is_forbidden<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(error) if error.code() == 403)
}

async fn list(client: &Client, kind: &Kind, namespace: &str) -> Result<String, Error> {
    let selector = Selector::namespace(namespace);
    client.list::<ObjectMeta, _>(kind, &selector, drop).await
}

async fn patch(
    client: &Client,
    kind: &Kind,
    key: &ObjectKey,
    sub: Option<&str>,
    body: Value,
) -> Result<ObjectMeta, Error> {
    client
        .patch(
            kind,
            key,
            sub,
            Patch::Merge(&body),
            0,
            WriteOptions::default(),
        )
        .await
}

pub(crate) async fn an_agent_with_a_token_becomes_a_cluster_with_exactly_its_rights(stage: Stage) {
    let values = stage.token("import", json!({})).await;
    let mut north = stage.cluster("north").await;
    let labels = json!({ "env": "test", "fleet.cattle.io/x": "y", "management.cattle.io/x": "y" });
    let config = json!({ "clientID": "north", "labels": labels, "agentTLSMode": "strict" });
    north.install(&values, config).await;
    let cluster = stage.heard("north").await;
    let name = cluster.metadata.name.clone().unwrap();
    assert_eq!(name, api::names::registered_cluster_name("north"));
    let want = json!({ "env": "test", "fleet.cattle.io/cluster": name,
        "fleet.cattle.io/created-by-agent-pod": "pod" });
    assert_eq!(json!(cluster.metadata.labels), want);
    stage.deploy("shop").await;
    north.deployed().await;

    // Somebody else's, which is none of its business.
    let other = json!({ "spec": { "clientID": "other" } });
    create(
        &stage.hub,
        &Kind::of::<Cluster>(),
        &stage.workspace,
        "other",
        other,
    )
    .await;
    let request = requests(&stage).await.remove(0);
    assert!(request.status.granted && request.status.cluster_name == name);
    assert_eq!(
        request.metadata.owner_references.as_ref().unwrap()[0].name,
        name
    );
    rights(&stage, &north.as_agent().await, &cluster).await;
}

/// Prints what an administrator installs, and installs it.
pub(crate) async fn what_the_command_prints_makes_a_clean_cluster_ask(stage: Stage) {
    let values = stage.token("import", json!({ "ttl": "1h" })).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("values.yaml"), values).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args("agent-manifest --image registry.example/agent:1 -f values.yaml".split(' '))
        .args("--client-id printed --labels env=test --agent-tls-mode strict".split(' '))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    let mut north = stage.cluster("printed").await;
    let printed = String::from_utf8(output.stdout).unwrap();
    for document in printed.split("---\n").filter(|text| !text.is_empty()) {
        let object: Value = goyaml::parse(document.as_bytes()).unwrap();
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let known = [
            Kind::of::<Namespace>(),
            Kind::of::<Secret>(),
            Kind::of::<ConfigMap>(),
            Kind::of::<ClusterRole>(),
            Kind::of::<ClusterRoleBinding>(),
            Kind::of::<ServiceAccount>(),
            Kind::of::<NetworkPolicy>(),
            Kind::of::<Deployment>(),
        ];
        let kind = known
            .iter()
            .find(|kind| kind.kind == text("/kind"))
            .unwrap();
        assert_eq!(kind.api_version(), text("/apiVersion"));
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        create(&north.client, kind, namespace, name, object.clone()).await;
    }
    north.start();
    let cluster = stage.heard("printed").await;
    assert_eq!(cluster.metadata.labels.unwrap()["env"], "test");
}

/// Each right of an agent, and what is next to it.
async fn rights(stage: &Stage, agent: &Client, cluster: &Cluster) {
    let (own, workspace) = (&cluster.status.namespace, &stage.workspace);
    let name = cluster.metadata.name.clone().unwrap();
    let deployments = Kind::of::<BundleDeployment>();
    let (secrets, maps) = (Kind::of::<Secret>(), Kind::of::<ConfigMap>());
    let (contents, clusters) = (Kind::of::<Content>(), Kind::of::<Cluster>());
    let in_own = |name: &str| ObjectKey::new(own.clone(), name);
    let shop = in_own("shop");
    list(agent, &deployments, own).await.unwrap();
    agent
        .get::<Value>(&deployments, &shop)
        .await
        .unwrap()
        .unwrap();
    for kind in [&secrets, &maps] {
        agent.get::<Value>(kind, &in_own("any")).await.unwrap();
        assert!(is_forbidden(list(agent, kind, own).await), "{kind}");
        assert!(is_forbidden(
            agent
                .get::<Value>(kind, &ObjectKey::new(workspace.clone(), "import"))
                .await
        ));
        let object = json!({ "metadata": { "name": "x", "namespace": own } });
        let created = agent
            .create(kind, &in_own("x"), &object, WriteOptions::default())
            .await;
        assert!(is_forbidden(created));
    }
    agent
        .get::<Value>(&contents, &ObjectKey::new("", "any"))
        .await
        .unwrap();
    assert!(is_forbidden(list(agent, &contents, "").await));
    let status = json!({ "status": { "display": { "deployed": "x" } } });
    patch(agent, &deployments, &shop, Some("status"), status.clone())
        .await
        .unwrap();
    assert!(is_forbidden(
        patch(
            agent,
            &deployments,
            &shop,
            None,
            json!({ "spec": { "paused": true } })
        )
        .await
    ));
    assert!(is_forbidden(
        agent
            .delete(&deployments, &shop, &DeleteOptions::default())
            .await
    ));
    assert!(is_forbidden(list(agent, &deployments, workspace).await));
    assert!(is_forbidden(list(agent, &deployments, "").await));
    let mine = ObjectKey::new(workspace.clone(), name);
    let other = ObjectKey::new(workspace.clone(), "other");
    patch(
        agent,
        &clusters,
        &mine,
        Some("status"),
        json!({ "status": {} }),
    )
    .await
    .unwrap();
    assert!(is_forbidden(
        patch(
            agent,
            &clusters,
            &other,
            Some("status"),
            json!({ "status": {} })
        )
        .await
    ));
    assert!(is_forbidden(
        patch(agent, &clusters, &mine, None, json!({ "metadata": {} })).await
    ));
    assert!(is_forbidden(agent.get::<Value>(&clusters, &mine).await));
    for kind in [
        Kind::of::<ClusterRegistration>(),
        Kind::of::<ClusterRegistrationToken>(),
        Kind::of::<Role>(),
    ] {
        assert!(is_forbidden(list(agent, &kind, workspace).await), "{kind}");
    }
    assert!(is_forbidden(list(agent, &secrets, ANSWERS).await));
    let answer = Selector::namespace(ANSWERS);
    let mut answers: Vec<ObjectMeta> = Vec::new();
    stage
        .hub
        .list(&secrets, &answer, |one: ObjectMeta| answers.push(one))
        .await
        .unwrap();
    for answer in answers {
        let key = ObjectKey::new(ANSWERS, answer.metadata.name);
        assert!(
            is_forbidden(agent.get::<Value>(&secrets, &key).await),
            "{key}"
        );
    }
}

pub(crate) async fn a_revoked_token_and_a_deleted_registration_are_asked_for_anew(stage: Stage) {
    let values = stage.token("import", json!({})).await;
    let mut north = stage.cluster("north").await;
    north.install(&values, json!({ "clientID": "north" })).await;
    let cluster = stage.heard("north").await;
    let first = requests(&stage).await.remove(0);
    // Its token goes, and with it what it was good for.
    let account = format!(
        "{}-{}",
        first.metadata.name.as_ref().unwrap(),
        first.metadata.uid.as_ref().unwrap()
    );
    let account = api::names::safe_concat(&[account]);
    let namespace = &cluster.status.namespace;
    let secret = ObjectKey::new(namespace.clone(), format!("{account}-token"));
    let options = DeleteOptions::default();
    assert!(
        stage
            .hub
            .delete(&Kind::of::<Secret>(), &secret, &options)
            .await
            .unwrap()
    );
    let second = eventually(
        "another request is granted, and the older one is gone",
        async || {
            let mut all = requests(&stage).await;
            let is_new = all.len() == 1
                && all[0].metadata.uid != first.metadata.uid
                && all[0].status.granted;
            is_new.then(|| all.remove(0))
        },
    )
    .await;
    stage.heard("north").await;
    let accounts = Kind::of::<ServiceAccount>();
    eventually("the older account is gone", async || {
        let key = ObjectKey::new(namespace.clone(), account.clone());
        stage
            .hub
            .get::<Value>(&accounts, &key)
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;

    // Who deletes a request cuts the agent off, until it asks again.
    let name = second.metadata.name.clone().unwrap();
    let key = ObjectKey::new(stage.workspace.clone(), name.clone());
    assert!(
        stage
            .hub
            .delete(&Kind::of::<ClusterRegistration>(), &key, &options)
            .await
            .unwrap()
    );
    eventually("what it was granted is gone", async || {
        let gone = async |kind: Kind, namespace: &str, name: &str| {
            stage
                .hub
                .get::<Value>(&kind, &ObjectKey::new(namespace, name))
                .await
                .unwrap()
                .is_none()
        };
        let content = format!("{name}-content");
        let is_gone = gone(Kind::of::<RoleBinding>(), namespace, &name).await
            && gone(Kind::of::<RoleBinding>(), &stage.workspace, &name).await
            && gone(Kind::of::<Role>(), &stage.workspace, &name).await
            && gone(Kind::of::<ClusterRoleBinding>(), "", &content).await;
        is_gone.then_some(())
    })
    .await;
    eventually("it asks again", async || {
        let all = requests(&stage).await;
        all.iter().any(|one| one.status.granted).then_some(())
    })
    .await;
    assert_eq!(
        stage.heard("north").await.metadata.uid,
        cluster.metadata.uid
    );
}

pub(crate) async fn what_cannot_be_registered_says_why_and_holds_up_nobody(stage: Stage) {
    let values = stage.token("import", json!({})).await;
    let clusters = Kind::of::<Cluster>();
    for name in ["twin-1", "twin-2"] {
        let twin = json!({ "spec": { "clientID": "twin" } });
        create(&stage.hub, &clusters, &stage.workspace, name, twin).await;
    }
    let taken = api::names::registered_cluster_name("taken");
    let other = json!({ "spec": { "clientID": "somebody" } });
    create(&stage.hub, &clusters, &stage.workspace, &taken, other).await;
    let stranger = format!("{}-stranger", stage.workspace);
    let namespaces = Kind::of::<k8s_openapi::api::core::v1::Namespace>();
    create(&stage.hub, &namespaces, "", &stranger, json!({})).await;
    let ask = async |namespace: &str, name: &str, client_id: &str, token: &str| {
        let request = json!({
            "metadata": { "labels": { "fleet.cattle.io/registration-token": token } },
            "spec": { "clientID": client_id, "clientRandom": "r" },
        });
        create(
            &stage.hub,
            &Kind::of::<ClusterRegistration>(),
            namespace,
            name,
            request,
        )
        .await;
    };
    let (near, far) = (stage.workspace.as_str(), stranger.as_str());
    ask(near, "twins", "twin", "import").await;
    ask(near, "taken", "taken", "import").await;
    ask(near, "nobody", "", "import").await;
    ask(near, "no-token", "x", "gone").await;
    // The token of another namespace gives no right in this one, whoever is meant.
    ask(far, "stranger", "twin", "import").await;
    for (namespace, name, want) in [
        (
            near,
            "twins",
            "clusters twin-1, twin-2 have the same spec.clientID",
        ),
        (near, "taken", "exists with another spec.clientID"),
        (near, "nobody", "must be set"),
        (
            near,
            "no-token",
            "there is no cluster registration token gone",
        ),
        (
            far,
            "stranger",
            "there is no cluster registration token import",
        ),
    ] {
        let events = Kind::new("events.k8s.io", "v1", "Event", "events", true);
        eventually(want, async || {
            let mut found = false;
            let each = |event: Value| {
                found |= event["regarding"]["name"] == name
                    && event["note"].as_str().unwrap_or_default().contains(want);
            };
            stage
                .hub
                .list(&events, &Selector::namespace(namespace), each)
                .await
                .unwrap();
            found.then_some(())
        })
        .await;
        let key = ObjectKey::new(namespace, name);
        let request: Option<ClusterRegistration> = stage
            .hub
            .get(&Kind::of::<ClusterRegistration>(), &key)
            .await
            .unwrap();
        assert!(!request.unwrap().status.granted, "{name}");
    }
    assert!(list(&stage.hub, &clusters, far).await.is_ok());
    let mut n_far = 0;
    let each = |_: ObjectMeta| n_far += 1;
    stage
        .hub
        .list(&clusters, &Selector::namespace(far), each)
        .await
        .unwrap();
    assert_eq!(n_far, 0);
    // Nobody else waits for them.
    let mut north = stage.cluster("north").await;
    north.install(&values, json!({ "clientID": "north" })).await;
    stage.heard("north").await;
    // Once there is one twin less, the other is registered.
    let key = ObjectKey::new(stage.workspace.clone(), "twin-2");
    stage
        .hub
        .delete(&clusters, &key, &DeleteOptions::default())
        .await
        .unwrap();
    eventually("the remaining twin is registered", async || {
        let all = requests(&stage).await;
        let twin = all
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some("twins"))?;
        (twin.status.granted && twin.status.cluster_name == "twin-1").then_some(())
    })
    .await;
}

pub(crate) async fn a_token_expires_with_all_that_belongs_to_it(stage: Stage) {
    let tokens = Kind::of::<ClusterRegistrationToken>();
    let values = stage.token("short", json!({ "ttl": "4s" })).await;
    assert!(
        values.contains(&format!("apiServerURL: {}", stage.server.url)),
        "{values}"
    );
    let key = ObjectKey::new(stage.workspace.clone(), "short");
    eventually("the token is gone", async || {
        let found = stage.hub.get::<Value>(&tokens, &key).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
    for kind in [
        Kind::of::<Secret>(),
        Kind::of::<ServiceAccount>(),
        Kind::of::<Role>(),
        Kind::of::<RoleBinding>(),
    ] {
        eventually("what belonged to it is gone", async || {
            let mut n_left = 0;
            let selector = Selector {
                labels: Some("fleet.cattle.io/managed=true".to_owned()),
                ..Selector::namespace(stage.workspace.clone())
            };
            let each = |_: ObjectMeta| n_left += 1;
            stage.hub.list(&kind, &selector, each).await.unwrap();
            (n_left == 0).then_some(())
        })
        .await;
    }
    // An agent that comes too late is told.
    let mut late = stage.cluster("late").await;
    late.install(&values, json!({ "clientID": "late" })).await;
    let values = stage.token("long", json!({ "ttl": "1h" })).await;
    let found: ClusterRegistrationToken = stage
        .hub
        .get(&tokens, &ObjectKey::new(stage.workspace.clone(), "long"))
        .await
        .unwrap()
        .unwrap();
    assert!(found.status.expires.is_some());
    let kind = Kind::of::<Secret>();
    let key = ObjectKey::new(crate::stage::AGENT, agent::registration::BOOTSTRAP);
    late.client
        .delete(&kind, &key, &DeleteOptions::default())
        .await
        .unwrap();
    let secret = json!({ "stringData": { "values": values } });
    create(&late.client, &kind, &key.namespace, &key.name, secret).await;
    stage.heard("late").await;
}
