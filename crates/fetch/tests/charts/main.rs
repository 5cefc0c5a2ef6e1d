//! Charts from repositories, URLs and registries, served on the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod dependencies;
mod server;

use std::fmt::Write as _;
use std::path::PathBuf;

use fetch::charts::{Charts, Places, Repository, basic};
use server::{Server, World, digest};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// A server with the archives `web-VERSION.tgz`, which hold their version.
fn served() -> Server {
    let mut world = World::default();
    let mut index = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in ["1.0.0", "1.2.0", "2.0.0-rc.1", "1.10.0"] {
        let digest = digest(version.as_bytes());
        let _ = writeln!(
            index,
            "  - {{name: web, version: {version}, urls: [web-{version}.tgz], digest: '{digest}'}}"
        );
        world.file(&format!("/c/web-{version}.tgz"), version);
        for name in ["open/web", "token/web", "token/open", "basic/web"] {
            world.push(
                name,
                version,
                [CONFIG, LAYER],
                version.as_bytes(),
                version.as_bytes(),
            );
        }
    }
    index.push_str("  bare:\n  - {name: bare, version: 1.0.0}\n");
    world.file("/wrong/index.yaml", index.replace("web-", "../c/none-"));
    world.file(
        "/other/index.yaml",
        index.replace(&digest(b"1.10.0"), &digest(b"x")),
    );
    world.file(
        "/away/index.yaml",
        index.replace("web-", "http://localhost:PORT/private/c/web-"),
    );
    world.file("/c/index.yaml", index);
    world.file("/other/web-1.10.0.tgz", "1.10.0");
    world.file("/empty/index.yaml", "");
    world.file("/no/index.yaml", "a: [");
    world.push("bad/layer", "1.0.0", [CONFIG, LAYER], b"one", b"two");
    world.push("bad/short", "1.0.0", [CONFIG, LAYER], b"one", b"on");
    world.push("bad/long", "1.0.0", [CONFIG, LAYER], b"one", b"one more");
    world.push("bad/config", "1.0.0", ["x/y", LAYER], b"one", b"one");
    world.push("bad/kind", "1.0.0", [CONFIG, "x/y"], b"one", b"one");
    world.push("bad/tags", "latest", [CONFIG, LAYER], b"one", b"one");
    world.file("/v2/bad/manifest/manifests/1.0.0", "7");
    world.serve()
}

fn charts(access: Repository) -> Charts {
    Charts::new(Places::default(), access, true)
}

/// The archive as text, or the error with its causes.
fn archive(charts: &Charts, name: &str, version: &str, repository: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Another test of the process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetched = runtime.block_on(charts.archive(name, version, repository));
    let fetched = fetched.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(fetched.data).unwrap())
}

#[test]
fn charts_come_from_urls_repositories_and_registries() {
    let server = served();
    let charts = charts(Repository::default());
    let pinned = digest(&archive_bytes(&server, "/v2/open/web/manifests/1.2.0"));
    for (name, version, repository, want) in [
        (server.url("/c/web-1.0.0.tgz"), "", "", "1.0.0"),
        (server.url("/again/c/web-1.0.0.tgz"), "9", "", "1.0.0"),
        ("web".to_owned(), "", "/c", "1.10.0"),
        ("web".to_owned(), "1.2.0", "/c/", "1.2.0"),
        ("web".to_owned(), "<1.10", "/c", "1.2.0"),
        ("web".to_owned(), ">0.0.0-0", "/c", "2.0.0-rc.1"),
        ("web".to_owned(), "", "/again/c", "1.10.0"),
        (server.oci("/open/web"), "", "", "1.10.0"),
        (server.oci("/open/web"), "1.2.0", "", "1.2.0"),
        (server.oci("/open/web"), "^1.0, <1.2", "", "1.0.0"),
        (server.oci("/open/web:1.2.0"), "1.2.0", "", "1.2.0"),
        (server.oci(&format!("/open/web@{pinned}")), "", "", "1.2.0"),
        (
            server.oci(&format!("/open/web:1.2.0@{pinned}")),
            "",
            "",
            "1.2.0",
        ),
        (server.oci("/token/open"), "", "", "1.10.0"),
    ] {
        let repository = match repository {
            "" => String::new(),
            path => server.url(path),
        };
        let got = archive(&charts, &name, version, &repository);
        assert_eq!(got.as_deref(), Ok(want), "{name} {version} {repository}");
    }
}

fn archive_bytes(server: &Server, path: &str) -> Vec<u8> {
    archive(&charts(Repository::default()), &server.url(path), "", "")
        .unwrap()
        .into_bytes()
}

/// Name, version, repository, error. Words in capitals are filled in.
const REFUSED: &[[&str; 4]] = &[
    [
        "web",
        "",
        "",
        "non-absolute URLs should be in form of repo_name/path_to_chart, got: web",
    ],
    ["mine/web", "", "", "repo mine not found"],
    [
        "http://HOST",
        "",
        "",
        "non-absolute URLs should be in form of repo_name/path_to_chart, got: http://HOST",
    ],
    [
        "ftp://HOST/web.tgz",
        "",
        "",
        "invalid URL \"ftp://HOST/web.tgz\": scheme \"ftp\" not supported",
    ],
    [
        "http://user:word@HOST/none?key=word",
        "",
        "",
        "failed to fetch http://HOST/none : 404 Not Found",
    ],
    [
        "http://HOST/private/c/web-1.0.0.tgz",
        "",
        "",
        "failed to fetch http://HOST/private/c/web-1.0.0.tgz : 401 Unauthorized",
    ],
    [
        "http://HOST/round",
        "",
        "",
        "Get \"http://HOST/round\": too many redirects",
    ],
    [
        "none",
        "",
        "http://HOST/c",
        "chart \"none\" not found in http://HOST/c repository",
    ],
    [
        "web",
        "9",
        "http://HOST/c",
        "chart \"web\" version \"9\" not found in http://HOST/c repository",
    ],
    [
        "bare",
        "",
        "http://HOST/c",
        "chart \"bare\" has no downloadable URLs",
    ],
    [
        "web",
        "",
        "http://HOST/wrong",
        "failed to fetch http://HOST/c/none-1.10.0.tgz : 404 Not Found",
    ],
    [
        "web",
        "",
        "http://HOST/other",
        "http://HOST/other/web-1.10.0.tgz: digest is sha256:FOUND, the index says OTHER",
    ],
    [
        "web",
        "",
        "http://HOST/nowhere",
        "looks like \"http://HOST/nowhere\" is not a valid chart repository or cannot be reached: failed to fetch http://HOST/nowhere/index.yaml : 404 Not Found",
    ],
    [
        "web",
        "",
        "http://HOST/empty",
        "looks like \"http://HOST/empty\" is not a valid chart repository or cannot be reached: empty index.yaml file",
    ],
    [
        "web",
        "",
        "http://u:word@HOST/no",
        "looks like \"http://HOST/no\" is not a valid chart repository or cannot be reached: error converting YAML to JSON: yaml: line 1: did not find expected node content",
    ],
    [
        "web",
        "",
        "nonsense",
        "could not find protocol handler for: ",
    ],
    [
        "oci://HOST/open/web",
        "9.9.9",
        "",
        "failed to perform \"FetchReference\" on source: HOST/open/web:9.9.9: not found",
    ],
    [
        "oci://HOST/open/web",
        "^9",
        "",
        "could not locate a version matching provided version string ^9",
    ],
    [
        "oci://HOST/open/web:1.0.0",
        "1.2.0",
        "",
        "chart reference and version mismatch: 1.2.0 is not 1.0.0",
    ],
    [
        "oci://HOST/open/web:1.0.0@PINNED",
        "",
        "",
        "chart reference digest mismatch: WRONG is not PINNED",
    ],
    [
        "oci://HOST/none",
        "",
        "",
        "GET \"http://HOST/v2/none/tags/list\": response status code 404: name unknown: not here",
    ],
    [
        "oci://HOST/bad/tags",
        "",
        "",
        "unable to locate any tags in provided repository: oci://HOST/bad/tags",
    ],
    [
        "oci://HOST/Open/web",
        "",
        "",
        "invalid reference: invalid repository \"Open/web\"",
    ],
    [
        "oci://HOST/token/web",
        "",
        "",
        "GET \"http://HOST/v2/token/web/tags/list\": GET \"http://HOST/token\": response status code 401: denied: who?",
    ],
    [
        "oci://HOST/basic/web",
        "",
        "",
        "GET \"http://HOST/v2/basic/web/tags/list\": basic credential not found",
    ],
    [
        "oci://HOST/bad/layer",
        "",
        "",
        "failed to perform \"Fetch\" on source: layer of HOST/bad/layer:1.0.0: digest is TWO, not ONE",
    ],
    [
        "oci://HOST/bad/short",
        "",
        "",
        "failed to perform \"Fetch\" on source: http://HOST/v2/bad/short/blobs/ONE: 2 bytes came, the manifest says 3",
    ],
    [
        "oci://HOST/bad/long",
        "",
        "",
        "failed to perform \"Fetch\" on source: http://HOST/v2/bad/long/blobs/ONE is larger than 3 bytes",
    ],
    [
        "oci://HOST/bad/config",
        "",
        "",
        "could not load config with mediatype application/vnd.cncf.helm.config.v1+json",
    ],
    [
        "oci://HOST/bad/kind",
        "",
        "",
        "manifest does not contain a layer with mediatype application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    ],
    [
        "oci://HOST/bad/manifest",
        "1.0.0",
        "",
        "HOST/bad/manifest:1.0.0: the manifest cannot be read: invalid type: integer `7`, expected struct Manifest at line 1 column 1",
    ],
];

#[test]
fn what_is_not_there_or_not_what_it_says_is_refused() {
    let server = served();
    let charts = charts(Repository::default());
    let pinned = digest(&archive_bytes(&server, "/v2/open/web/manifests/1.2.0"));
    let (host, other) = (server.address.to_string(), digest(b"x"));
    let wrong = digest(&archive_bytes(&server, "/v2/open/web/manifests/1.0.0"));
    for [name, version, repository, want] in REFUSED {
        let filled = |text: &str| {
            text.replace("HOST", &host)
                .replace("PINNED", &pinned)
                .replace("WRONG", &wrong)
                .replace("sha256:FOUND", &digest(b"1.10.0"))
                .replace("OTHER", &other)
                .replace("ONE", &digest(b"one"))
                .replace("TWO", &digest(b"two"))
        };
        let got = archive(&charts, &filled(name), version, &filled(repository));
        assert_eq!(
            got.unwrap_err(),
            filled(want),
            "{name} {version} {repository}"
        );
    }
}

#[test]
fn logins_open_repositories_and_registries() {
    let server = served();
    let access = |username: &str, password: &str| {
        charts(Repository {
            basic: basic(username, password),
            ..Repository::default()
        })
    };
    let cases = [
        (server.url("/private/c/web-1.0.0.tgz"), String::new()),
        ("web".to_owned(), server.url("/private/c")),
        (server.oci("/token/web"), String::new()),
        (server.oci("/basic/web"), String::new()),
    ];
    for (name, repository) in cases {
        assert!(
            archive(&access("user", "word"), &name, "", &repository).is_ok(),
            "{name}"
        );
        for (username, password) in [("user", ""), ("", "word"), ("user", "drow")] {
            let error = archive(&access(username, password), &name, "", &repository).unwrap_err();
            assert!(
                !error.contains("drow") && !error.contains("word"),
                "{error}"
            );
        }
    }
}

#[test]
fn logins_of_docker_open_registries() {
    let server = served();
    let directory = tempfile::tempdir().unwrap();
    let with = |text: &str| {
        let path = directory.path().join("config.json");
        std::fs::write(&path, text.replace("HOST", &server.address.to_string())).unwrap();
        let places = Places {
            registry_configs: vec![PathBuf::from("/nowhere/config.json"), path],
            ..Places::default()
        };
        let charts = Charts::new(places, Repository::default(), true);
        archive(&charts, &server.oci("/token/web"), "", "")
    };
    assert!(with("{\"auths\": {\"HOST\": {\"auth\": \"dXNlcjp3b3Jk\"}}}").is_ok());
    assert!(with("{\"auths\": {\"HOST\": {\"identitytoken\": \"fresh\"}}}").is_ok());
    for text in [
        "{\"auths\": {\"HOST\": {\"identitytoken\": \"stale\"}}}",
        "{\"auths\": {\"HOST\": {\"auth\": \"dXNlcjpkcm93\"}}}",
        "{\"auths\": {\"elsewhere\": {\"auth\": \"dXNlcjp3b3Jk\"}}}",
        "{\"credsStore\": \"no-such-helper-here\"}",
        "no JSON",
    ] {
        assert!(with(text).is_err(), "{text}");
    }
}

#[test]
fn logins_stay_with_their_host() {
    let server = served();
    let port = server.address.port();
    let mut access = Repository {
        basic: basic("user", "word"),
        ..Repository::default()
    };
    let elsewhere = format!("/to/localhost:{port}/private/c/web-1.0.0.tgz");
    assert!(archive(&charts(access.clone()), &server.url(&elsewhere), "", "").is_err());
    let asked = server.asked();
    let at = |host: &str| {
        asked
            .iter()
            .filter(|line| line.starts_with(host))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(
        at("127.0.0.1")
            .iter()
            .all(|line| line.ends_with("Basic dXNlcjp3b3Jk")),
        "{asked:?}"
    );
    assert_eq!(at("localhost").len(), 1, "{asked:?}");
    assert!(!at("localhost")[0].contains("Basic"), "{asked:?}");

    // An index that names another host gets the login there only if it is for all.
    let mut world = World::default();
    let text = format!(
        "apiVersion: v1\nentries: {{web: [{{name: web, version: 1.0.0, urls: ['{}']}}]}}\n",
        format_args!("http://localhost:{port}/private/c/web-1.0.0.tgz")
    );
    world.file("/index.yaml", text);
    let index = world.serve();
    assert!(archive(&charts(access.clone()), "web", "", &index.url("/")).is_err());
    access.pass_credentials = true;
    assert!(archive(&charts(access), "web", "", &index.url("/")).is_ok());
}

#[test]
fn named_repositories_are_read_where_helm_keeps_them() {
    let server = served();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let entries = format!(
        "repositories:\n- {{name: mine, url: '{}', username: user, password: word}}\n- {{name: new, url: '{}'}}\n",
        server.url("/private/c"),
        server.url("/c")
    );
    std::fs::write(file("repositories.yaml"), entries).unwrap();
    let index =
        "apiVersion: v1\nentries: {web: [{name: web, version: 1.2.0, urls: [web-1.2.0.tgz]}]}\n";
    std::fs::write(file("mine-index.yaml"), index).unwrap();
    let places = Places {
        repository_config: file("repositories.yaml"),
        repository_cache: directory.path().to_owned(),
        registry_configs: Vec::new(),
    };
    let charts = Charts::new(places, Repository::default(), true);
    assert_eq!(archive(&charts, "mine/web", "", "").as_deref(), Ok("1.2.0"));
    for (name, version, want) in [
        (
            "mine/web",
            "9",
            "chart \"web\" matching 9 not found in mine index. (try 'helm repo update'): no chart version found for web-9",
        ),
        (
            "mine/none",
            "",
            "chart \"none\" matching  not found in mine index. (try 'helm repo update'): no chart name found",
        ),
        ("yours/web", "", "repo yours not found"),
        (
            "new/web",
            "",
            "no cached repo found. (try 'helm repo update'): open DIR/new-index.yaml: no such file or directory",
        ),
    ] {
        let want = want.replace("DIR", &directory.path().display().to_string());
        assert_eq!(archive(&charts, name, version, "").unwrap_err(), want);
    }
    std::fs::write(
        file("repositories.yaml"),
        "repositories: [{password: [word]}]",
    )
    .unwrap();
    let error = archive(&charts, "mine/web", "", "").unwrap_err();
    assert!(!error.contains("word"), "{error}");
}
