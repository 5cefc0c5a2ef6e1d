//! A hub with its controllers, and clusters with agents.

use std::net::Ipv4Addr;
use std::time::Duration;

use agent::service::{Pace, Settings};
use api::limits::Limits;
use api::v1alpha1::{Cluster, ClusterRegistrationToken};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector, WriteOptions};
use conformance::control_plane::ControlPlane;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
pub(crate) const AGENT: &str = "cattle-fleet-system";
pub(crate) const ANSWERS: &str = "cattle-fleet-clusters-system";

/// An API server as agents are told of it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
}

pub(crate) struct Stage {
    /// The hub as a person uses it.
    pub(crate) hub: Client,
    pub(crate) server: Server,
    /// Where Clusters are; another one for each test.
    pub(crate) workspace: String,
    pub(crate) sandbox: Sandbox,
    kube: kube::Client,
    _port: sandbox::Server,
    stop: CancellationToken,
    controllers: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(controllers) = self.controllers.take() {
            controllers.abort();
        }
    }
}

impl Stage {
    pub(crate) async fn on_sandbox() -> Self {
        let (sandbox, port) = sandbox().await;
        let hub = sandbox.add_cluster("hub").await.unwrap();
        let kube = kube::Client::new(hub.service(hub.admin_token()), "default");
        let server = Server {
            url: hub.server().unwrap(),
            ca_pem: hub.ca_pem().to_owned(),
        };
        let own = apiclient::Own::of_token(&apiclient::Access {
            server: server.url.clone(),
            ca_pem: server.ca_pem.clone(),
            token: hub.admin_token().to_owned(),
            namespace: String::new(),
        });
        Self::of(
            sandbox,
            port,
            (kube, own),
            server,
            "fleet-default".to_owned(),
        )
        .await
    }

    /// With a real API server as the hub.
    pub(crate) async fn on(control_plane: &ControlPlane, name: &str) -> Self {
        let (sandbox, port) = sandbox().await;
        let file = control_plane.kubeconfig();
        let ca = std::fs::read_to_string(file.with_file_name("tls.crt")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let server = Server {
            url: apiclient::server_of(&text).unwrap(),
            ca_pem: ca,
        };
        let kube = control_plane.client().await.unwrap();
        let (_, own) = apiclient::connect_and_tell(Some(&file)).await.unwrap();
        let workspace = format!("ws-{}", api::names::key_hash(name));
        Self::of(sandbox, port, (kube, own), server, workspace).await
    }

    async fn of(
        sandbox: Sandbox,
        port: sandbox::Server,
        (kube, own): (kube::Client, apiclient::Own),
        server: Server,
        workspace: String,
    ) -> Self {
        let hub = Client::new(kube.clone(), "test", Budgets::default());
        let dir = tempfile::tempdir().unwrap();
        install(&hub).await;
        create(&hub, &Kind::of::<Namespace>(), "", &workspace, json!({})).await;
        let config = json!({ "apiServerURL": server.url, "agentTLSMode": "strict",
            "apiServerCA": k8s_openapi::ByteString(server.ca_pem.clone().into_bytes()) });
        configure(&hub, &config).await;
        let stop = CancellationToken::new();
        let mut options = hub::Options::new(dir.path());
        options.own = Some(own);
        let client = Client::new(
            kube.clone(),
            hub::FIELD_MANAGER,
            hub::budgets(&Limits::PRODUCTION),
        );
        let stopping = stop.clone();
        let controllers = tokio::spawn(async move {
            hub::run_with(client, options, stopping).await.unwrap();
        });
        Self {
            hub,
            server,
            workspace,
            sandbox,
            kube,
            _port: port,
            stop,
            controllers: Some(controllers),
            _dir: dir,
        }
    }

    /// A ClusterRegistrationToken, and the values for agents once they are there.
    pub(crate) async fn token(&self, name: &str, spec: Value) -> String {
        let kind = Kind::of::<ClusterRegistrationToken>();
        create(
            &self.hub,
            &kind,
            &self.workspace,
            name,
            json!({ "spec": spec }),
        )
        .await;
        let key = ObjectKey::new(self.workspace.clone(), name);
        eventually("the values for agents", async || {
            let token: ClusterRegistrationToken = self.hub.get(&kind, &key).await.unwrap()?;
            let secret = ObjectKey::new(self.workspace.clone(), token.status.secret_name);
            let found: Secret = self.hub.get(&Kind::of::<Secret>(), &secret).await.ok()??;
            String::from_utf8(found.data?.remove("values")?.0).ok()
        })
        .await
    }

    /// A downstream cluster.
    pub(crate) async fn cluster(&self, name: &str) -> Downstream {
        let cluster = self.sandbox.add_cluster(name).await.unwrap();
        let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
        let client = Client::new(kube.clone(), "test", Budgets::default());
        create(&client, &Kind::of::<Namespace>(), "", AGENT, json!({})).await;
        Downstream {
            kube,
            client,
            kubeconfig: cluster.kubeconfig().unwrap(),
            namespace: AGENT.to_owned(),
            scope: String::new(),
            agent: None,
        }
    }

    /// The hub, as a cluster that an agent deploys to.
    pub(crate) fn itself(&self, namespace: &str) -> Downstream {
        Downstream {
            kube: self.kube.clone(),
            client: self.hub.clone(),
            kubeconfig: String::new(),
            namespace: namespace.to_owned(),
            scope: namespace.to_owned(),
            agent: None,
        }
    }

    /// What the hub tells agents, with an image for those it deploys.
    pub(crate) fn config(&self) -> Value {
        let ca = self.server.ca_pem.clone().into_bytes();
        json!({ "apiServerURL": self.server.url, "agentTLSMode": "strict",
            "apiServerCA": k8s_openapi::ByteString(ca), "agentImage": "registry.example/agent:1" })
    }

    /// The Cluster with this `clientID`.
    pub(crate) async fn find(&self, client_id: &str) -> Option<Cluster> {
        let mut found = None;
        let selector = Selector::namespace(self.workspace.clone());
        let each = |cluster: Cluster| {
            if cluster.spec.client_id == client_id {
                found = Some(cluster);
            }
        };
        self.hub
            .list(&Kind::of::<Cluster>(), &selector, each)
            .await
            .unwrap();
        found
    }

    /// Waits until the agent of a cluster reports, after now.
    pub(crate) async fn heard(&self, client_id: &str) -> Cluster {
        let seen = |cluster: &Cluster| cluster.status.agent.last_seen.as_ref().map(|time| time.0);
        let before = self
            .find(client_id)
            .await
            .and_then(|cluster| seen(&cluster));
        eventually("the agent reports", async || {
            let cluster = self.find(client_id).await?;
            (seen(&cluster) > before).then_some(cluster)
        })
        .await
    }

    /// Deploys a ConfigMap to all clusters of the workspace by a Bundle.
    pub(crate) async fn deploy(&self, name: &str) {
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: deployed\n";
        let spec = json!({ "spec": { "defaultNamespace": "shop",
            "resources": [{ "name": "map.yaml", "content": manifest }],
            "targets": [{ "clusterSelector": {} }] } });
        create(
            &self.hub,
            &Kind::of::<api::v1alpha1::Bundle>(),
            &self.workspace,
            name,
            spec,
        )
        .await;
    }
}

/// A cluster that an agent deploys to.
pub(crate) struct Downstream {
    kube: kube::Client,
    pub(crate) client: Client,
    pub(crate) kubeconfig: String,
    /// Of the agent.
    pub(crate) namespace: String,
    pub(crate) scope: String,
    agent: Option<CancellationToken>,
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Downstream {
    /// Installs what an administrator would, and starts the agent.
    pub(crate) async fn install(&mut self, values: &str, config: Value) {
        let data = json!({ "data": { "config": config.to_string() } });
        let maps = Kind::of::<k8s_openapi::api::core::v1::ConfigMap>();
        create(&self.client, &maps, AGENT, "fleet-agent", data).await;
        let secret = json!({ "stringData": { "values": values } });
        let kind = Kind::of::<Secret>();
        create(
            &self.client,
            &kind,
            AGENT,
            agent::registration::BOOTSTRAP,
            secret,
        )
        .await;
        self.start();
    }

    pub(crate) fn stop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.cancel();
        }
    }

    pub(crate) fn start(&mut self) {
        let settings = Settings {
            downstream: self.kube.clone(),
            namespace: self.namespace.clone(),
            scope: self.scope.clone(),
            checkin_interval: Duration::from_secs(1),
            workers: None,
            host: "pod".to_owned(),
            election: None,
            probes: None,
            metrics: None,
            pace: Pace {
                poll: Duration::from_millis(100),
                patience: Duration::from_mins(1),
                retry: Duration::from_millis(500),
            },
            limits: Limits::PRODUCTION,
            shared: agent::Shared::new(agent::Capacity::default()),
            told: None,
        };
        let stop = CancellationToken::new();
        self.agent = Some(stop.clone());
        tokio::spawn(async move {
            if let Err(error) = agent::service::serve(settings, stop).await {
                eprintln!("the agent ended: {error}");
            }
        });
    }

    /// A client that is to the hub what the agent is.
    pub(crate) async fn as_agent(&self) -> Client {
        let key = ObjectKey::new(AGENT, agent::registration::CREDENTIAL);
        let found: Secret = self
            .client
            .get(&Kind::of::<Secret>(), &key)
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8(found.data.unwrap().remove("kubeconfig").unwrap().0).unwrap();
        let kube = apiclient::from_kubeconfig_text(&text, "of the agent")
            .await
            .unwrap();
        Client::new(kube, "test", Budgets::default())
    }

    /// Waits for what was deployed.
    pub(crate) async fn deployed(&self) {
        let kind = Kind::of::<k8s_openapi::api::core::v1::ConfigMap>();
        let key = ObjectKey::new("shop", "deployed");
        eventually("it is deployed", async || {
            self.client.get::<Value>(&kind, &key).await.unwrap()
        })
        .await;
    }
}

async fn sandbox() -> (Sandbox, sandbox::Server) {
    let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
    let port = sandbox
        .serve((Ipv4Addr::LOCALHOST, 0).into())
        .await
        .unwrap();
    (sandbox, port)
}

async fn install(hub: &Client) {
    let kind = Kind::of::<CustomResourceDefinition>();
    for object in api::crds::crds() {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        create(hub, &kind, "", &name, object).await;
    }
    eventually("the CRDs are served", async || {
        let kind = Kind::of::<ClusterRegistrationToken>();
        hub.list::<Value, _>(&kind, &Selector::default(), drop)
            .await
            .ok()
    })
    .await;
}

/// Writes the configuration of the hub.
pub(crate) async fn configure(hub: &Client, config: &Value) {
    create(hub, &Kind::of::<Namespace>(), "", AGENT, json!({})).await;
    let maps = Kind::of::<k8s_openapi::api::core::v1::ConfigMap>();
    let key = ObjectKey::new(AGENT, api::config::CONFIG_MAP);
    let options = apiclient::DeleteOptions::default();
    hub.delete(&maps, &key, &options).await.unwrap();
    let data = json!({ "data": { "config": config.to_string() } });
    create(hub, &maps, AGENT, api::config::CONFIG_MAP, data).await;
}

/// Creates an object unless it exists.
pub(crate) async fn create(
    client: &Client,
    kind: &Kind,
    namespace: &str,
    name: &str,
    mut object: Value,
) {
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.as_ref().into();
    object["metadata"]["name"] = name.into();
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    let key = ObjectKey::new(namespace, name);
    match client
        .create(kind, &key, &object, WriteOptions::default())
        .await
    {
        Ok(_) => {}
        Err(error) if error.is_already_exists() => {}
        Err(error) => panic!("{error}"),
    }
}

/// Waits until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
