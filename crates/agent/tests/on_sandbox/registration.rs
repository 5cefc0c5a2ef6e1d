//! How an agent comes to its credential, keeps it and gets another one. The test answers registrations.

use std::net::Ipv4Addr;
use std::time::Duration;

use agent::service::{Election, Pace, Settings};
use api::limits::Limits;
use api::names::registration_secret_name;
use api::v1alpha1::{Cluster, ClusterRegistration};
use apiclient::{Client, DeleteOptions, Kind, ObjectKey, Selector, WriteOptions};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{
    NAMESPACE, WORKSPACE, World, bundle, config_map, create, eventually, namespaces, secrets,
};

/// The agent's namespace.
const AGENT: &str = "cattle-fleet-system";
/// Where answers appear.
const ANSWERS: &str = "cattle-fleet-clusters-system";

/// A hub on a TLS port and a cluster.
struct Stage {
    world: World,
    _server: sandbox::Server,
    running: Option<(
        CancellationToken,
        JoinHandle<Result<(), agent::service::Error>>,
    )>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.running {
            stop.cancel();
        }
    }
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let server = world.sandbox.serve((Ipv4Addr::LOCALHOST, 0).into()).await;
        for (client, name) in [(&world.hub, ANSWERS), (&world.cluster, AGENT)] {
            let object = json!({ "metadata": { "name": name } });
            create(client, &namespaces(), &ObjectKey::new("", name), &object).await;
        }
        Self {
            world,
            _server: server.unwrap(),
            running: None,
        }
    }

    fn settings(&self) -> Settings {
        let cluster = self.world.sandbox.cluster("north").unwrap();
        let mut election = Election::new("one");
        election.retry_period = Duration::from_millis(50);
        Settings {
            downstream: kube::Client::new(cluster.service(cluster.admin_token()), "default"),
            namespace: AGENT.to_owned(),
            scope: String::new(),
            checkin_interval: Duration::from_millis(200),
            workers: None,
            host: "pod-1".to_owned(),
            election: Some(election),
            probes: None,
            metrics: None,
            pace: Pace {
                poll: Duration::from_millis(20),
                patience: Duration::from_secs(30),
                retry: Duration::from_millis(200),
            },
            limits: Limits::PRODUCTION,
            shared: agent::Shared::new(agent::Capacity::default()),
            told: None,
        }
    }

    fn start(&mut self) {
        self.start_with(self.settings());
    }

    fn start_with(&mut self, settings: Settings) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(agent::service::serve(settings, stop.clone()));
        self.running = Some((stop, task));
    }

    /// The bootstrap Secret with a token, and with other members.
    async fn bootstrap(&self, token: &str, more: Value) {
        let hub = self.world.sandbox.cluster("hub").unwrap();
        let mut data = json!({
            "apiServerURL": hub.server().unwrap(), "apiServerCA": hub.ca_pem(), "token": token,
            "tokenName": "import", "clusterNamespace": WORKSPACE,
            "systemRegistrationNamespace": ANSWERS,
        });
        for (key, value) in more.as_object().unwrap() {
            data[key] = value.clone();
        }
        let object = json!({ "metadata": { "name": "fleet-agent-bootstrap", "namespace": AGENT },
            "stringData": data });
        let key = ObjectKey::new(AGENT, "fleet-agent-bootstrap");
        let cluster = &self.world.cluster;
        cluster
            .delete(&secrets(), &key, &DeleteOptions::default())
            .await
            .unwrap();
        create(cluster, &secrets(), &key, &object).await;
    }

    fn admin_token(&self) -> String {
        let hub = self.world.sandbox.cluster("hub").unwrap();
        hub.admin_token().to_owned()
    }

    async fn registrations(&self) -> Vec<ClusterRegistration> {
        let mut found = Vec::new();
        let kind = Kind::of::<ClusterRegistration>();
        let listed = self
            .world
            .hub
            .list(&kind, &Selector::default(), |one| found.push(one))
            .await;
        listed.unwrap();
        found
    }

    /// Waits for the n-th registration and answers it with a token.
    async fn answer(&self, n: usize, token: &str) -> ClusterRegistration {
        let asked = eventually("a registration is asked for", async || {
            let mut all = self.registrations().await;
            all.sort_by_key(|one| {
                one.metadata
                    .resource_version
                    .clone()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            });
            all.into_iter().nth(n)
        })
        .await;
        let spec = &asked.spec;
        let name = registration_secret_name(&spec.client_id, &spec.client_random);
        let object = json!({ "metadata": { "name": name }, "stringData": {
            "token": token, "deploymentNamespace": NAMESPACE, "clusterNamespace": WORKSPACE,
            "clusterName": "north",
        } });
        let key = ObjectKey::new(ANSWERS, name);
        create(&self.world.hub, &secrets(), &key, &object).await;
        asked
    }

    /// Another token of the agent's account; its Secret has this name.
    async fn another_token(&self, name: &str) -> String {
        let secret = json!({ "metadata": { "name": name, "annotations": {
            "kubernetes.io/service-account.name": "agent" } },
            "type": "kubernetes.io/service-account-token" });
        let key = ObjectKey::new(NAMESPACE, name);
        create(&self.world.hub, &secrets(), &key, &secret).await;
        eventually("the token is there", async || {
            let found: Option<Secret> = self.world.hub.get(&secrets(), &key).await.unwrap();
            String::from_utf8(found?.data?.remove("token")?.0).ok()
        })
        .await
    }

    async fn last_seen(&self) -> Option<jiff::Timestamp> {
        let key = ObjectKey::new(WORKSPACE, "north");
        let found: Option<Cluster> = self
            .world
            .hub
            .get(&Kind::of::<Cluster>(), &key)
            .await
            .unwrap();
        Some(found?.status.agent.last_seen?.0)
    }

    /// Waits for a heartbeat that comes after now.
    async fn heard(&self) {
        let before = self.last_seen().await;
        eventually("the agent reports", async || {
            (self.last_seen().await > before).then_some(())
        })
        .await;
    }

    async fn credential(&self) -> Option<String> {
        let key = ObjectKey::new(AGENT, "fleet-agent");
        let found: Option<Secret> = self.world.cluster.get(&secrets(), &key).await.unwrap();
        String::from_utf8(found?.data?.remove("kubeconfig")?.0).ok()
    }

    async fn delete(&self, client: &Client, namespace: &str, name: &str) {
        let key = ObjectKey::new(namespace, name);
        assert!(
            client
                .delete(&secrets(), &key, &DeleteOptions::default())
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_bootstrap_secret_becomes_a_credential_and_stays() {
    let mut stage = Stage::new().await;
    let config = json!({ "metadata": { "name": "fleet-agent" }, "data": {
        "config": r#"{"clientID":"me","labels":{"env":"test"},"agentTLSMode":"strict"}"# } });
    let key = ObjectKey::new(AGENT, "fleet-agent");
    create(
        &stage.world.cluster,
        &Kind::of::<ConfigMap>(),
        &key,
        &config,
    )
    .await;
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    stage.start();
    let asked = stage.answer(0, &stage.world.token).await;
    stage.heard().await;
    assert_eq!(asked.spec.client_id, "me");
    assert_eq!(asked.spec.client_random.len(), 54);
    let labels = json!({ "env": "test", "fleet.cattle.io/created-by-agent-pod": "pod-1" });
    assert_eq!(json!(asked.spec.cluster_labels), labels);
    let meta = asked.metadata;
    assert!(meta.name.unwrap().starts_with("request-"));
    assert_eq!(
        meta.labels.unwrap()["fleet.cattle.io/registration-token"],
        "import"
    );
    assert!(
        stage
            .credential()
            .await
            .unwrap()
            .contains("certificate-authority-data")
    );
    let kept = ObjectKey::new(AGENT, "fleet-agent-bootstrap");
    assert!(
        stage
            .world
            .cluster
            .get::<Secret>(&secrets(), &kept)
            .await
            .unwrap()
            .is_some()
    );
    // The next process goes on with the credential, and waits for the one before it.
    let (stop, task) = stage.running.take().unwrap();
    stop.cancel();
    task.await.unwrap().unwrap();
    let lease: Option<Lease> = stage
        .world
        .cluster
        .get(&Kind::of::<Lease>(), &key)
        .await
        .unwrap();
    assert_eq!(
        lease.unwrap().spec.unwrap().holder_identity.as_deref(),
        Some("")
    );
    stage.start();
    stage.heard().await;
    assert_eq!(stage.registrations().await.len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_without_a_restart_and_what_is_deployed_stays() {
    let mut stage = Stage::new().await;
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    stage.start();
    let asked = stage.answer(0, &stage.world.token).await;
    // Nobody said who this cluster is.
    assert_eq!(asked.spec.client_id.len(), 36);
    let shop = bundle("shop", &[("map.yaml", &config_map("kept", "1"))]);
    let id = stage.world.deploy(&shop).await;
    stage.world.ready("shop", &id).await;
    let maps = Kind::of::<ConfigMap>();
    let kept = stage.world.object(&maps, "shop", "kept").await.unwrap();

    let (first, token) = (
        stage.credential().await,
        stage.another_token("second").await,
    );
    stage
        .delete(&stage.world.hub, NAMESPACE, "agent-token")
        .await;
    let again = stage.answer(1, &token).await;
    assert_eq!(again.spec.client_id, asked.spec.client_id);
    assert_ne!(again.spec.client_random, asked.spec.client_random);
    eventually("the credential is another", async || {
        (stage.credential().await != first).then_some(())
    })
    .await;
    stage.heard().await;
    let now = stage.world.object(&maps, "shop", "kept").await.unwrap();
    assert_eq!(
        now["metadata"]["resourceVersion"],
        kept["metadata"]["resourceVersion"]
    );
    let shop = bundle("shop", &[("map.yaml", &config_map("kept", "2"))]);
    let id = stage.world.deploy(&shop).await;
    stage.world.ready("shop", &id).await;
    assert!(!stage.running.as_ref().unwrap().1.is_finished());
}

#[tokio::test]
async fn an_outage_is_waited_for_with_the_credential_that_is_there() {
    let mut stage = Stage::new().await;
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    stage.start();
    stage.answer(0, &stage.world.token).await;
    stage.heard().await;
    let first = stage.credential().await;
    stage.world.sandbox.take_down("hub");
    // Another process starts in the middle of it.
    let (stop, task) = stage.running.take().unwrap();
    stop.cancel();
    task.await.unwrap().unwrap();
    stage.start();
    let key = ObjectKey::new(AGENT, "fleet-agent");
    eventually("the new process leads", async || {
        let lease: Lease = stage
            .world
            .cluster
            .get(&Kind::of::<Lease>(), &key)
            .await
            .unwrap()?;
        (lease.spec?.holder_identity? == "one").then_some(())
    })
    .await;
    stage.world.sandbox.bring_up("hub");
    stage.heard().await;
    assert_eq!(stage.registrations().await.len(), 1);
    assert_eq!(stage.credential().await, first);
}

#[tokio::test]
async fn a_hub_that_moved_is_asked_when_the_bootstrap_secret_says_where_it_is() {
    let mut stage = Stage::new().await;
    let gone = json!({ "metadata": { "name": "fleet-agent" }, "stringData": {
        "kubeconfig": apiclient::Access {
            server: "https://127.0.0.1:1".to_owned(), ca_pem: String::new(),
            token: "t".to_owned(), namespace: NAMESPACE.to_owned(),
        }.kubeconfig(),
        "deploymentNamespace": NAMESPACE, "clusterNamespace": WORKSPACE, "clusterName": "north",
    } });
    let key = ObjectKey::new(AGENT, "fleet-agent");
    create(&stage.world.cluster, &secrets(), &key, &gone).await;
    stage.start();
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    stage.answer(0, &stage.world.token).await;
    stage.heard().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named_and_tried_again_until_it_can() {
    let mut stage = Stage::new().await;
    let mut settings = stage.settings();
    let port = free_address();
    settings.probes = Some(port);
    // Metrics cannot be served: that holds nothing up.
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    settings.metrics = Some(taken.local_addr().unwrap());
    let broken =
        json!({ "metadata": { "name": "fleet-agent" }, "stringData": { "kubeconfig": "{" } });
    let key = ObjectKey::new(AGENT, "fleet-agent");
    create(&stage.world.cluster, &secrets(), &key, &broken).await;
    stage.start_with(settings);
    let says = async |want: &str| {
        eventually(want, async || {
            let (code, text) = ready(port).await?;
            assert!(!text.contains("secret-value"), "{text}");
            (code == 503 && text.contains(want)).then_some(())
        })
        .await;
    };
    says("secret cattle-fleet-system/fleet-agent: key deploymentNamespace is missing").await;
    stage.bootstrap("", json!({})).await;
    says("fleet-agent-bootstrap: key token is missing or empty").await;
    stage
        .bootstrap("secret-value", json!({ "apiServerCA": "" }))
        .await;
    says("has none: set apiServerCA").await;
    stage.bootstrap("secret-value", json!({})).await;
    says("the token is not valid any more").await;
    stage
        .bootstrap("secret-value", json!({ "apiServerCA": other_authority() }))
        .await;
    says("its certificate is not trusted").await;
    stage
        .bootstrap("secret-value", json!({ "apiServerCA": "no PEM" }))
        .await;
    says("key apiServerCA holds no certificate").await;
    stage
        .bootstrap("secret-value", json!({ "apiServerURL": "no url" }))
        .await;
    says("connect to the hub as secret").await;
    // An account without the right to register.
    stage.bootstrap(&stage.world.token, json!({})).await;
    says("may not register clusters in that namespace").await;
    assert!(stage.registrations().await.is_empty());
    let map =
        json!({ "metadata": { "name": "fleet-agent" }, "data": { "config": "[secret-value]" } });
    create(&stage.world.cluster, &Kind::of::<ConfigMap>(), &key, &map).await;
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    says("config map cattle-fleet-system/fleet-agent is no configuration").await;
    let options = DeleteOptions::default();
    stage
        .world
        .cluster
        .delete(&Kind::of::<ConfigMap>(), &key, &options)
        .await
        .unwrap();
    stage.answer(0, &stage.world.token).await;
    stage.heard().await;
    eventually("ready", async || {
        (ready(port).await?.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_process_that_loses_its_lease_ends_with_an_error() {
    let mut stage = Stage::new().await;
    let mut settings = stage.settings();
    let election = settings.election.as_mut().unwrap();
    election.renew_deadline = Duration::from_millis(300);
    election.retry_period = Duration::from_millis(50);
    stage.start_with(settings);
    let key = ObjectKey::new(AGENT, "fleet-agent");
    let kind = Kind::of::<Lease>();
    let cluster = &stage.world.cluster;
    eventually("another takes the lease", async || {
        let mut lease: Lease = cluster.get(&kind, &key).await.unwrap()?;
        lease.spec.as_mut()?.holder_identity = Some("other".to_owned());
        cluster
            .replace(&kind, &key, &lease, WriteOptions::default())
            .await
            .ok()
    })
    .await;
    let (_, task) = stage.running.take().unwrap();
    let ended = task.await.unwrap();
    assert!(
        matches!(ended, Err(agent::service::Error::LeadershipLost { .. })),
        "{ended:?}"
    );
}

fn other_authority() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    made.cert.pem()
}

/// Code and text of `/readyz`.
fn free_address() -> std::net::SocketAddr {
    let [port] = conformance::ports::free().unwrap();
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn ready(address: std::net::SocketAddr) -> Option<(u16, String)> {
    ask(address, "/readyz").await
}

async fn ask(address: std::net::SocketAddr, path: &str) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let code = text.split(' ').nth(1)?.parse().ok()?;
    Some((code, text))
}

/// The number of a series.
fn series(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_tell_what_the_agent_does_and_name_nothing_of_what_it_deploys() {
    let mut stage = Stage::new().await;
    let mut settings = stage.settings();
    let at = free_address();
    settings.metrics = Some(at);
    stage.start_with(settings);
    let tells = async |want: &str, test: &dyn Fn(&str) -> bool| {
        eventually(want, async || {
            let (code, text) = ask(at, "/metrics").await?;
            assert!(code == 200 && text.ends_with("# EOF\n"), "{code} {text}");
            for secret in ["secret-value", "shop", "web", NAMESPACE] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
            test(&text).then_some(text)
        })
        .await
    };
    let stage_is = |text: &str, is: &str| {
        series(text, &format!("flotilla_agent_stage{{stage=\"{is}\"}}")) == Some(1)
    };
    tells("it waits for a bootstrap", &|text| {
        stage_is(text, "registering")
    })
    .await;
    let text = ask(at, "/metrics").await.unwrap().1;
    assert!(!text.contains("flotilla_agent_deployments{"), "{text}");
    for path in ["/", "/healthz", "/metrics/"] {
        assert_eq!(ask(at, path).await.unwrap().0, 404, "{path}");
    }
    stage.bootstrap(&stage.admin_token(), json!({})).await;
    stage.answer(0, &stage.world.token).await;
    let manifest = config_map("map", "secret-value");
    let web = bundle("web", &[("map.yaml", &manifest)]);
    let spec = json!({ "correctDrift": { "enabled": true } });
    stage.world.deploy(&web.with_spec(spec)).await;
    let text = tells("a deployment is ready and recorded", &|text| {
        let one = |name: &str| series(text, name) == Some(1);
        one("flotilla_agent_deployments{state=\"Ready\"}")
            && series(text, "flotilla_agent_queue_depth{queue=\"drift\"}") == Some(0)
    })
    .await;
    assert!(stage_is(&text, "running"));
    let number = |name: &str| series(&text, name);
    assert_eq!(
        number("flotilla_agent_deployments{state=\"ErrApplied\"}"),
        Some(0)
    );
    assert_eq!(number("flotilla_agent_drift_seen_total"), Some(0));
    assert!(number("flotilla_agent_hub_contact_age_seconds") < Some(60));
    let applied = "flotilla_agent_requests_total{server=\"cluster\",verb=\"apply\",outcome=\"ok\"}";
    assert!(number(applied) > Some(0), "{text}");
    let runs = "flotilla_agent_run_seconds_count{run=\"deployment\"}";
    assert!(number(runs) > Some(0), "{text}");
    assert!(text.contains("flotilla_agent_release_records 0\n"));

    let key = ObjectKey::new("shop", "map");
    let maps = Kind::of::<ConfigMap>();
    let options = DeleteOptions::default();
    assert!(
        stage
            .world
            .cluster
            .delete(&maps, &key, &options)
            .await
            .unwrap()
    );
    tells("a correction is counted", &|text| {
        let one = |name: &str| series(text, name) == Some(1);
        one("flotilla_agent_drift_seen_total")
            && one("flotilla_agent_drift_corrections_total{outcome=\"corrected\"}")
            && series(text, "flotilla_agent_drifted_objects") == Some(0)
    })
    .await;
}
