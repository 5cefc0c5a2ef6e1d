//! Repositories behind web servers: plain and smart, asking for a password, talking rubbish, silent.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bundle::tree::Files;
use fetch::{Basic, Class, Commit, Error, Fetcher, Reference, Repository, Secret};
use support::{Bench, Repo, Web, repository, serve};

fn branch(name: &str) -> Reference {
    Reference::of(name, "").unwrap()
}

async fn head(fetcher: &Fetcher, repo: &Repository) -> Commit {
    fetcher.resolve(repo, &branch("main")).await.unwrap()
}

#[tokio::test]
async fn plain_web_servers_work_without_shallow_fetches() {
    let source = Repo::new();
    source.write("f", "1").commit();
    let id = source.write("f", "2").commit();
    source.git(&["tag", "-a", "-m", "x", "v1"]);
    source.git(&["update-server-info"]);
    let server = serve(source.path().join(".git"), Web::default());
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&format!("{}/", server.url));
    for reference in [
        branch("main"),
        Reference::of("", "v1").unwrap(),
        Reference::of("", &id).unwrap(),
    ] {
        let commit = fetcher.resolve(&repo, &reference).await.unwrap();
        assert_eq!(commit.id, id);
        let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
        assert_eq!(&*tree.files.read("f").unwrap(), b"2");
    }
}

#[tokio::test]
async fn concurrent_questions_share_one_fetch() {
    let source = Repo::new();
    source.write("f", "1").commit();
    let parent = source.path().to_owned();
    let server = serve(
        parent,
        Web {
            smart: true,
            ..Web::default()
        },
    );
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&format!("{}/.git", server.url));
    let (a, b, c) = tokio::join!(
        head(&fetcher, &repo),
        head(&fetcher, &repo),
        head(&fetcher, &repo)
    );
    assert_eq!((&a, &b), (&b, &c));
    let for_one = server.n_requests.swap(0, Ordering::SeqCst);
    head(&fetcher, &repo).await;
    assert_eq!(server.n_requests.swap(0, Ordering::SeqCst), for_one);

    let all = tokio::join!(
        fetcher.tree(&repo, &a, None),
        fetcher.tree(&repo, &a, None),
        fetcher.tree(&repo, &a, None)
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    let shared = server.n_requests.swap(0, Ordering::SeqCst);
    source.write("f", "2").commit();
    let next = head(&fetcher, &repo).await;
    server.n_requests.store(0, Ordering::SeqCst);
    fetcher.tree(&repo, &next, None).await.unwrap();
    assert_eq!(server.n_requests.load(Ordering::SeqCst), shared);
}

#[tokio::test]
async fn basic_auth_reaches_its_server_and_no_other() {
    let source = Repo::new();
    source.write("f", "1").commit();
    // "me:pa$s 'word'" in base64
    let wanted = "Basic bWU6cGEkcyAnd29yZCc=".to_owned();
    let web = Web {
        authorization: Some(wanted.clone()),
        smart: true,
        ..Web::default()
    };
    let server = serve(source.path().to_owned(), web);
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let mut repo = repository(&format!("{}/.git", server.url));
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");

    let basic = |password: &str| {
        Some(Basic {
            username: "me".into(),
            password: Secret::new(password),
        })
    };
    repo.credentials.basic = basic("wrong one");
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert!(!format!("{error} {error:?} {repo:?}").contains("wrong one"));

    repo.credentials.basic = basic("pa$s 'word'");
    let commit = head(&fetcher, &repo).await;
    assert_eq!(
        fetcher
            .tree(&repo, &commit, None)
            .await
            .unwrap()
            .files
            .len(),
        1
    );

    let in_url = server.url.replace("http://", "http://me:pa$s%20'word'@");
    let repo = repository(&format!("{in_url}/.git"));
    head(&fetcher, &repo).await;

    // A server that sends everybody elsewhere does not make git hand the password over.
    let other = serve(
        source.path().to_owned(),
        Web {
            authorization: Some("Basic x".into()),
            ..Web::default()
        },
    );
    *server.web.lock().unwrap() = Web {
        redirect: Some(other.url.clone()),
        ..Web::default()
    };
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert_eq!(*other.authorizations.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn servers_that_answer_rubbish_are_told_apart() {
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let cases = [
        (
            "200 OK",
            "<html>hello</html>",
            "an answer that git cannot use",
        ),
        ("200 OK", "", "an answer that git cannot use"),
        ("404 Not Found", "", "not found"),
        ("403 Forbidden", "", "authentication failed"),
        ("503 Busy", "", "cannot be reached"),
    ];
    for (status, body, wanted) in cases {
        let always = Some((status, body));
        let server = serve(
            "/nonexistent".into(),
            Web {
                always,
                ..Web::default()
            },
        );
        let repo = repository(&server.url);
        let error = fetcher
            .resolve(&repo, &branch("main"))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(wanted) && error.contains(&server.url),
            "{status} {body:?}: {error}"
        );
    }
    // Nobody listens here: the port was given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let repo = repository(&format!("http://127.0.0.1:{port}/x"));
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    // Reads the question, never answers, and learns when the other side has gone.
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        std::io::Read::read_to_end(&mut connection, &mut Vec::new()).is_ok()
    });
    let mut bench = Bench::new();
    bench.limits.resolve_timeout = Duration::from_millis(500);
    let error = bench
        .fetcher()
        .resolve(&repository(&url), &branch("main"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("time limit exceeded"), "{error}");
    assert_eq!(error.class(), Class::Transient);
    assert!(
        server.join().unwrap(),
        "the helper programs of git must end too"
    );
}
