//! What the hub tells machines about itself.

mod common;

use std::net::SocketAddr;

use common::{Hub, WORKSPACE, eventually, free_address};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Status code and body of a request; None while nobody listens.
async fn ask(address: SocketAddr, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A series whose labels hold all of these.
fn series<'a>(text: &'a str, name: &str, labels: &[&str]) -> Option<&'a str> {
    let of_name = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let mut found = of_name.filter(|line| labels.iter().all(|label| line.contains(label)));
    found.next()?.rsplit_once(' ').map(|(_, value)| value)
}

#[tokio::test]
async fn metrics_and_probes_tell_how_the_hub_is() {
    let mut hub = Hub::start().await;
    hub.stop_controllers().await;
    let (metrics, probes) = (free_address(), free_address());
    hub.endpoints = hub::telemetry::Endpoints {
        metrics: Some(metrics),
        probes: Some(probes),
    };
    hub.start_controllers();
    eventually("the hub is ready", || async {
        let (code, body) = ask(probes, "GET", "/readyz").await?;
        (code == 200 && body == "ok").then_some(())
    })
    .await;
    assert_eq!(
        ask(probes, "GET", "/healthz").await,
        Some((200, "ok".to_owned()))
    );

    let labels = json!({ "management.cattle.io/cluster-name": "c-1" });
    hub.cluster("north", labels).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), json!({})).await;
    let quoted = json!({ "paths": [r#"say "hi"\"#] });
    hub.git_repo("repo", "/does/not/exist", quoted).await;
    let text = eventually("all series are there", || async {
        let (_, text) = ask(metrics, "GET", "/metrics").await?;
        let app = [r#"name="app""#, r#"namespace="fleet-default""#];
        let ready = series(&text, "fleet_bundle_ready", &app) == Some("1");
        let repo = [r#"paths="say \"hi\"\\""#];
        let known = series(&text, "fleet_gitrepo_ready_clusters", &repo) == Some("0");
        (ready && known).then_some(text)
    })
    .await;
    let state = |state: &str| {
        let labels = [
            r#"bundle="app""#,
            r#"cluster_name="north""#,
            r#"cluster_namespace="fleet-default""#,
            state,
        ];
        series(&text, "fleet_bundledeployment_state", &labels)
    };
    assert_eq!(state(r#"state="Ready""#), Some("1"));
    assert_eq!(state(r#"state="ErrApplied""#), Some("0"));
    let cluster = [
        r#"name="north""#,
        r#"cluster_name="c-1""#,
        r#"state="WaitCheckIn""#,
    ];
    assert_eq!(series(&text, "fleet_cluster_state", &cluster), Some("1"));
    let bundles = [r#"kind="bundles.fleet.cattle.io""#];
    let size = |name| -> Option<u64> { series(&text, name, &bundles)?.parse().ok() };
    let largest = size("flotilla_object_bytes");
    let limit = size("flotilla_object_bytes_max");
    assert!(
        largest > Some(100) && largest < limit,
        "{largest:?} {limit:?}"
    );
    assert!(series(&text, "flotilla_queue_depth", &[r#"queue="bundle""#]).is_some());
    assert!(text.ends_with("# EOF\n"));
    agents.abort();
}

#[tokio::test]
async fn other_requests_are_refused_and_a_taken_address_stops_the_start() {
    let mut hub = Hub::start().await;
    hub.stop_controllers().await;
    let address = free_address();
    hub.endpoints.metrics = Some(address);
    hub.start_controllers();
    eventually("metrics are served", || ask(address, "GET", "/metrics")).await;
    for (method, path, want) in [
        ("GET", "/", 404),
        ("GET", "/metrics/../healthz", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
    ] {
        let answer = ask(address, method, path).await;
        assert_eq!(answer.map(|(code, _)| code), Some(want), "{method} {path}");
    }
    // Garbage ends its own connection only.
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let sent = stream.write_all(b"\x16\x03\x01\x00 garbage\r\n\r\n").await;
    assert!(sent.is_ok());
    assert!(ask(address, "GET", "/metrics").await.is_some());

    let second = hub.start_candidate_at("second", address);
    let ended = second.task.await;
    let ended = ended.map(|ended| ended.map_err(|error| error.to_string()));
    assert_eq!(ended.ok(), Some(Err(format!("listen on {address}"))));
}
