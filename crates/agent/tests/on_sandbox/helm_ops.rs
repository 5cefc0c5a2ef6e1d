//! Charts of HelmOps, which the agent downloads with the Secret that the hub copied for it.

use std::io::Write as _;

use apiclient::ObjectKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{Bundle, NAMESPACE, World, bundle, config_maps, create, secrets};

/// `user` and `word` as a login.
const LOGIN: &str = "authorization: basic dxnlcjp3b3jk";

fn archive() -> Vec<u8> {
    let zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(zip);
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-chart}\ndata: {key: {{ .Values.key | quote }}}\n";
    for (name, data) in [
        (
            "web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.2.3\n".as_bytes(),
        ),
        ("web/values.yaml", b"key: default\n"),
        ("web/templates/a.yaml", template.as_bytes()),
        ("web/files/picture", &[0xff, 0xfe, 0]),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, data).unwrap();
    }
    let mut zip = tar.into_inner().unwrap();
    zip.flush().unwrap();
    zip.finish().unwrap()
}

/// A chart repository that wants a login; its URL.
async fn repository() -> String {
    // Fails where another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/charts", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let n = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..n]).to_lowercase();
            let index = "apiVersion: v1\nentries:\n  web:\n  - {apiVersion: v2, name: web, version: 1.2.3, urls: [web-1.2.3.tgz]}\n";
            let (status, body) = if !request.contains(LOGIN) {
                ("401 Unauthorized", Vec::new())
            } else if request.starts_with("get /charts/index.yaml ") {
                ("200 OK", index.as_bytes().to_vec())
            } else if request.starts_with("get /charts/web-1.2.3.tgz ") {
                ("200 OK", archive())
            } else {
                ("404 Not Found", Vec::new())
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
        }
    });
    url
}

fn web(repo: &str, version: &str, access: &Value) -> Bundle {
    let helm =
        json!({ "repo": repo, "chart": "web", "version": version, "values": { "key": "given" } });
    bundle("web", &[])
        .with_options(json!({ "defaultNamespace": "shop", "helm": helm }))
        .with_spec(json!({ "helmChartOptions": access }))
}

#[tokio::test]
async fn a_chart_is_downloaded_with_the_access_that_the_hub_gives() {
    let world = World::start().await;
    let repo = repository().await;
    let access = json!({ "helmOpSecretName": "login" });
    world.deploy(&web(&repo, "1.2.3", &access)).await;
    let error = world.error("web").await;
    let words =
        format!("secret {NAMESPACE}/login, with the access to chart web, is not on the hub");
    assert!(error.contains(&words), "{error}");
    let secret = json!({ "metadata": { "name": "login" }, "stringData": { "username": "user", "password": "word" } });
    create(
        &world.hub,
        &secrets(),
        &ObjectKey::new(NAMESPACE, "login"),
        &secret,
    )
    .await;
    let id = world.deploy(&web(&repo, "1.2.3", &access)).await;
    let found = world.ready("web", &id).await;
    assert_eq!(found.status.release, "shop/web:1");
    let object = world
        .object(&config_maps(), "shop", "from-chart")
        .await
        .unwrap();
    assert_eq!(object["data"]["key"], "given");
}

#[tokio::test]
async fn charts_that_cannot_be_had_are_named_without_secrets_and_hold_up_nobody() {
    let world = World::start().await;
    let repo = repository().await;
    let secret = json!({ "metadata": { "name": "login" }, "stringData": { "username": "user", "password": "wrong" } });
    create(
        &world.hub,
        &secrets(),
        &ObjectKey::new(NAMESPACE, "login"),
        &secret,
    )
    .await;
    let login = json!({ "helmOpSecretName": "login" });
    for (name, bundle, words) in [
        ("no-login", web(&repo, "1.2.3", &json!({})), "401"),
        ("wrong-login", web(&repo, "1.2.3", &login), "401"),
        (
            "nowhere",
            web("http://user:word@127.0.0.1:9/charts", "1.2.3", &json!({})),
            "download chart web",
        ),
    ] {
        let bundle = Bundle { name, ..bundle };
        world.deploy(&bundle).await;
        let error = world.error(name).await;
        assert!(error.contains(words), "{name}: {error}");
        assert!(!error.contains("wrong") || name == "wrong-login", "{error}");
        assert!(!error.contains("user:word"), "{error}");
    }
    let mut none = web(&repo, "1.2.3", &json!({}));
    none.options = json!({ "defaultNamespace": "shop" });
    world
        .deploy(&Bundle {
            name: "none",
            ..none
        })
        .await;
    let error = world.error("none").await;
    assert!(
        error.contains("a HelmOp without helm options names no chart"),
        "{error}"
    );
    assert!(world.records("shop").await.is_empty());
}
