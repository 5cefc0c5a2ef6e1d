//! `flotilla doctor agent` at each step of the way.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Selector};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::RoleBinding;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::stage::{AGENT, ANSWERS, Downstream, Stage, create, eventually};

/// Exit code, the last step, how it went, and what is said about it.
async fn doctor(downstream: &Downstream) -> (i32, String, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kubeconfig");
    std::fs::write(&file, &downstream.kubeconfig).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args([
        "doctor",
        "agent",
        "-o",
        "json",
        "--namespace",
        AGENT,
        "--kubeconfig",
    ]);
    command
        .arg(file)
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    drop(dir);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("secret-value"), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap_or_default();
    let steps = report["steps"].as_array().cloned().unwrap_or_default();
    let last = steps.last().cloned().unwrap_or_default();
    let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
    (
        output.status.code().unwrap(),
        text("name"),
        text("outcome"),
        format!("{}: {}", text("found"), text("advice")),
    )
}

/// Rights and tokens end a moment after they are taken away.
async fn fails(downstream: &Downstream, step: &str, want: &str) {
    eventually(want, async || {
        let (code, name, outcome, said) = doctor(downstream).await;
        let is_it = (code, name.as_str(), outcome.as_str()) == (1, step, "failed");
        if !is_it || !said.contains(want) {
            eprintln!("{code} {name} {outcome} {said}");
            return None;
        }
        Some(())
    })
    .await;
}

async fn bootstrap(stage: &Stage, downstream: &Downstream, more: Value) {
    let mut data = json!({
        "apiServerURL": stage.server.url, "apiServerCA": stage.server.ca_pem, "token": "secret-value",
        "tokenName": "import", "clusterNamespace": stage.workspace, "systemRegistrationNamespace": ANSWERS,
    });
    for (key, value) in more.as_object().unwrap() {
        data[key] = value.clone();
    }
    let (kind, key) = (
        Kind::of::<Secret>(),
        ObjectKey::new(AGENT, agent::registration::BOOTSTRAP),
    );
    downstream
        .client
        .delete(&kind, &key, &DeleteOptions::default())
        .await
        .unwrap();
    create(
        &downstream.client,
        &kind,
        AGENT,
        &key.name,
        json!({ "stringData": data }),
    )
    .await;
}

/// A server with this certificate, which trusts itself; URL and PEM.
async fn server(name: &str, is_expired: bool) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    if is_expired {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], secret)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It is refused, which is the point.
            let _ = acceptor.accept(stream).await;
        }
    });
    (url, made.pem())
}

pub(crate) async fn the_doctor_names_the_first_step_that_fails(stage: Stage) {
    let mut north = stage.cluster("ill").await;
    fails(&north, "bootstrap", "make a ClusterRegistrationToken").await;
    bootstrap(&stage, &north, json!({ "token": "" })).await;
    fails(&north, "bootstrap", "key token is missing or empty").await;
    bootstrap(&stage, &north, json!({ "apiServerURL": "no url" })).await;
    fails(&north, "DNS", "correct apiServerURL").await;
    bootstrap(
        &stage,
        &north,
        json!({ "apiServerURL": "https://nowhere.invalid" }),
    )
    .await;
    fails(&north, "DNS", "nowhere.invalid").await;
    bootstrap(
        &stage,
        &north,
        json!({ "apiServerURL": "https://127.0.0.1:1" }),
    )
    .await;
    fails(&north, "TCP", "nobody listens there").await;
    let (expired, expired_pem) = server("127.0.0.1", true).await;
    let (misnamed, misnamed_pem) = server("other.example", false).await;
    for (url, pem, want) in [
        (&expired, &expired_pem, "has expired"),
        (&misnamed, &misnamed_pem, "is for another name"),
        (&stage.server.url, &misnamed_pem, "is not the one in secret"),
    ] {
        bootstrap(
            &stage,
            &north,
            json!({ "apiServerURL": url, "apiServerCA": pem }),
        )
        .await;
        fails(&north, "TLS", want).await;
    }
    bootstrap(&stage, &north, json!({})).await;
    fails(
        &north,
        "token",
        "has expired or its ClusterRegistrationToken is gone",
    )
    .await;
    let values = stage.token("import", json!({})).await;
    let elsewhere = json!({ "values": values.replace(&stage.workspace, "kube-public") });
    bootstrap(&stage, &north, elsewhere).await;
    fails(&north, "rights", "may not create ClusterRegistrations").await;
    bootstrap(&stage, &north, json!({ "values": values })).await;
    fails(&north, "credential", "the agent has not registered").await;

    north.install(&values, json!({ "clientID": "ill" })).await;
    let cluster = stage.heard("ill").await;
    let (code, step, outcome, said) = doctor(&north).await;
    assert_eq!(
        (code, step.as_str(), outcome.as_str()),
        (0, "heartbeat", "ok"),
        "{said}"
    );
    // Nobody helps from here on.
    north.stop();
    let own = cluster.status.namespace;
    for (namespace, right) in [
        (&stage.workspace, "patch clusters/status"),
        (&own, "list bundledeployments"),
    ] {
        let kind = Kind::of::<RoleBinding>();
        let mut bindings: Vec<ObjectMeta> = Vec::new();
        let selector = Selector::namespace(namespace.clone());
        stage
            .hub
            .list(&kind, &selector, |one| bindings.push(one))
            .await
            .unwrap();
        for binding in bindings
            .into_iter()
            .filter(|one| one.metadata.name.starts_with("request-"))
        {
            let key = ObjectKey::new(namespace.clone(), binding.metadata.name);
            stage
                .hub
                .delete(&kind, &key, &DeleteOptions::default())
                .await
                .unwrap();
        }
        fails(&north, "rights", &format!("the agent may not {right}")).await;
    }
    let mut secrets: Vec<ObjectMeta> = Vec::new();
    let (kind, selector) = (Kind::of::<Secret>(), Selector::namespace(own.clone()));
    stage
        .hub
        .list(&kind, &selector, |one| secrets.push(one))
        .await
        .unwrap();
    for secret in secrets
        .into_iter()
        .filter(|one| one.metadata.name.ends_with("-token"))
    {
        let key = ObjectKey::new(own.clone(), secret.metadata.name);
        stage
            .hub
            .delete(&kind, &key, &DeleteOptions::default())
            .await
            .unwrap();
    }
    fails(&north, "token", "gets another by itself").await;
}
