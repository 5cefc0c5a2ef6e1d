//! Resolving and reading real repositories on the disk, and checkouts.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use bundle::tree::{Entry, Files, Node, ReadError};
use fetch::{Class, Commit, Error, Fetcher, Options, Protocol, Reference, RepoUrl, Repository};
use support::{Bench, Repo, repository};

fn branch(name: &str) -> Reference {
    Reference::of(name, "").unwrap()
}

async fn head(fetcher: &Fetcher, repo: &Repository) -> Commit {
    fetcher.resolve(repo, &branch("main")).await.unwrap()
}

#[tokio::test]
async fn a_commit_is_read_from_path_and_file_url() {
    let source = Repo::new();
    source.write("a/x.yaml", "x: 1\n").write("bin", [0, 255]);
    std::os::unix::fs::symlink("a/x.yaml", source.path().join("link")).unwrap();
    let id = source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    for url in [
        source.file_url(),
        source.path().to_string_lossy().into_owned(),
    ] {
        let repo = repository(&url);
        let commit = head(&fetcher, &repo).await;
        assert_eq!(commit.id, id);
        let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
        assert_eq!(&*tree.files.read("a/x.yaml").unwrap(), b"x: 1\n");
        assert_eq!(&*tree.files.read("bin").unwrap(), [0, 255]);
        assert_eq!(
            tree.files.entry("link").unwrap(),
            Some(Entry::Link("a/x.yaml".into()))
        );
        assert_eq!(tree.files.len(), 3);
    }
}

#[tokio::test]
async fn repositories_with_long_hashes_are_read() {
    let source = Repo::with_hash("sha256");
    let id = source.write("f", "1").commit();
    assert_eq!(id.len(), 64);
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    assert_eq!(commit.id, id);
    for commit in [
        commit,
        Commit {
            id,
            reference: None,
        },
    ] {
        assert_eq!(
            fetcher
                .tree(&repo, &commit, None)
                .await
                .unwrap()
                .files
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn odd_file_names_are_kept() {
    let source = Repo::new();
    let names = [
        "a b",
        "q\"uote",
        "tab\there",
        "line\nbreak",
        "-dash",
        "ünï/cödé",
        "back\\slash",
    ];
    for name in names {
        source.write(name, name);
    }
    source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
    for name in names {
        assert_eq!(
            &*tree.files.read(name).unwrap(),
            name.as_bytes(),
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn references_resolve_as_documented() {
    let source = Repo::new();
    let first = source.commit();
    source.git(&["tag", "light"]);
    source.git(&["tag", "-a", "-m", "x", "heavy"]);
    source.git(&["branch", "old"]);
    let second = source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let cases = [
        ("main", "", &second),
        ("old", "heavy", &first),
        ("", "light", &first),
        ("", "heavy", &first),
        ("", "main", &second),
        ("", first.as_str(), &first),
    ];
    for (branch, revision, wanted) in cases {
        let reference = Reference::of(branch, revision).unwrap();
        let commit = fetcher.resolve(&repo, &reference).await.unwrap();
        assert_eq!(&commit.id, wanted, "{branch:?} {revision:?}");
        fetcher.tree(&repo, &commit, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let source = Repo::new();
    source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let url = source.file_url();

    let error = fetcher.resolve(&repo, &branch("nope")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("branch \"nope\" not found in repository {url:?}")
    );
    let error = fetcher
        .resolve(&repo, &Reference::of("", "v9").unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("revision \"v9\" (tag or branch) not found in repository {url:?}")
    );
    // An abbreviated commit id is no revision.
    let error = fetcher
        .resolve(&repo, &Reference::of("", "abcdef1").unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ReferenceNotFound { .. }));

    let commit = Commit {
        id: "1".repeat(40),
        reference: None,
    };
    let error = fetcher.tree(&repo, &commit, None).await.unwrap_err();
    assert!(matches!(error, Error::CommitNotFound { .. }), "{error}");
    let commit = Commit {
        id: "--help".into(),
        reference: None,
    };
    let error = fetcher.tree(&repo, &commit, None).await.unwrap_err();
    assert!(matches!(error, Error::InvalidReference { .. }), "{error}");

    for url in ["/nowhere/at/all", "file:///nowhere/at/all"] {
        let error = fetcher
            .resolve(&repository(url), &branch("main"))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
        assert_eq!(error.class(), Class::Waiting);
        assert!(error.to_string().contains(url), "{error}");
    }
}

#[tokio::test]
async fn an_empty_repository_is_an_error_and_an_empty_commit_is_not() {
    let source = Repo::new();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::ReferenceNotFound { .. }), "{error}");
    source.commit();
    let commit = head(&fetcher, &repo).await;
    assert!(
        fetcher
            .tree(&repo, &commit, None)
            .await
            .unwrap()
            .files
            .is_empty()
    );
}

#[tokio::test]
async fn a_repository_that_vanishes_keeps_what_was_fetched_and_fails_for_the_rest() {
    let source = Repo::new();
    source.write("f", "1");
    source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    fetcher.tree(&repo, &commit, None).await.unwrap();
    drop(source);
    assert_eq!(
        fetcher
            .tree(&repo, &commit, None)
            .await
            .unwrap()
            .files
            .len(),
        1
    );
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
    let unseen = Commit {
        id: "2".repeat(40),
        reference: Some("refs/heads/main".into()),
    };
    let error = fetcher.tree(&repo, &unseen, None).await.unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
}

#[tokio::test]
async fn only_the_wanted_commit_is_fetched_and_each_new_one_adds_one_pack() {
    let source = Repo::new();
    for i in 0..5 {
        source.write("f", i.to_string()).commit();
    }
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    for n_packs in 1..4 {
        let commit = head(&fetcher, &repo).await;
        for _ in 0..2 {
            fetcher.tree(&repo, &commit, None).await.unwrap();
        }
        let mirror = std::fs::read_dir(bench.cache.path().join("mirrors"))
            .unwrap()
            .next()
            .unwrap();
        let mirror = mirror.unwrap().path();
        let packs = std::fs::read_dir(mirror.join("objects/pack"))
            .unwrap()
            .flatten();
        let packs = packs.filter(|f| f.path().extension().is_some_and(|e| e == "pack"));
        assert_eq!(packs.count(), n_packs);
        // Depth one: the parent is not there.
        let count = std::process::Command::new("git")
            .args([
                "--git-dir",
                &mirror.to_string_lossy(),
                "rev-list",
                "--count",
                &commit.id,
            ])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&count.stdout).trim(), "1");
        source.write("f", format!("new {n_packs}")).commit();
    }
}

#[tokio::test]
async fn a_new_commit_brings_only_what_is_new() {
    let source = Repo::new();
    let noise: Vec<u8> = (0..1_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    source.write("large", noise).write("small", "1").commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    for content in ["2", "3"] {
        let commit = head(&fetcher, &repo).await;
        fetcher.tree(&repo, &commit, None).await.unwrap();
        source.write("small", content).commit();
    }
    let mirror = std::fs::read_dir(bench.cache.path().join("mirrors"))
        .unwrap()
        .next()
        .unwrap();
    let packs = std::fs::read_dir(mirror.unwrap().path().join("objects/pack"))
        .unwrap()
        .flatten();
    let mut sizes: Vec<u64> = packs
        .filter(|file| file.path().extension().is_some_and(|end| end == "pack"))
        .map(|file| file.metadata().unwrap().len())
        .collect();
    sizes.sort_unstable();
    assert!(sizes.len() == 2 && sizes[0] * 10 < sizes[1], "{sizes:?}");
}

#[tokio::test]
async fn a_mirror_with_many_packs_is_made_anew() {
    let source = Repo::new();
    let mut bench = Bench::new();
    bench.limits.n_packs_max = 2;
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    for i in 0..6 {
        source.write("f", i.to_string()).commit();
        let commit = head(&fetcher, &repo).await;
        let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
        assert_eq!(&*tree.files.read("f").unwrap(), i.to_string().as_bytes());
    }
    assert_eq!(
        std::fs::read_dir(bench.cache.path().join("removed"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn large_files_are_listed_but_not_read() {
    let source = Repo::new();
    source
        .write("big", vec![b'x'; 20 << 20])
        .write("small", "s")
        .commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
    assert_eq!(&*tree.files.read("small").unwrap(), b"s");
    assert_eq!(
        tree.files.read("big").unwrap_err(),
        ReadError::TooLarge {
            path: "big".into(),
            size: 20 << 20,
            limit: 8 << 20
        }
    );
}

#[tokio::test]
async fn trees_above_a_limit_are_refused_with_the_limit() {
    let source = Repo::new();
    source
        .write("a", "12345")
        .write("b", "67890")
        .write("c/d", "")
        .commit();
    let production = fetch::Limits::PRODUCTION;
    let cases = [
        (
            "number of files exceeds the limit of 2",
            fetch::Limits {
                n_files_max: 2,
                ..production.clone()
            },
        ),
        (
            "size of all files exceeds the limit of 9",
            fetch::Limits {
                tree_bytes_max: 9,
                ..production.clone()
            },
        ),
        (
            "fetched pack exceeds the limit of 64",
            fetch::Limits {
                pack_bytes_max: 64,
                ..production
            },
        ),
    ];
    for (wanted, limits) in cases {
        let mut bench = Bench::new();
        bench.limits = limits;
        let fetcher = bench.fetcher();
        let repo = repository(&source.file_url());
        let commit = head(&fetcher, &repo).await;
        let error = fetcher.tree(&repo, &commit, None).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
}

#[tokio::test]
async fn only_wanted_paths_are_read() {
    let source = Repo::new();
    source
        .write("a/x", "1")
        .write("ab/y", "2")
        .write("z", "3")
        .commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    let paths = ["a".to_owned(), "z".to_owned()];
    let tree = fetcher.tree(&repo, &commit, Some(&paths)).await.unwrap();
    let loaded: Vec<&str> = tree
        .files
        .iter()
        .filter(|(_, node)| matches!(node, Node::File(_)))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(loaded, ["a/x", "z"]);
    assert!(matches!(
        tree.files.read("ab/y"),
        Err(ReadError::NotLoaded { .. })
    ));
}

#[tokio::test]
async fn submodules_and_names_that_are_no_text_are_reported() {
    let inner = Repo::new();
    inner.write("f", "1").commit();
    let source = Repo::new();
    source.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &inner.file_url(),
        "lib/inner",
    ]);
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"bad\xff");
    std::fs::write(source.path().join(name), "x").unwrap();
    source.commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let commit = head(&fetcher, &repo).await;
    let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
    assert_eq!(tree.submodules, ["lib/inner"]);
    assert_eq!(tree.unreadable, ["bad\\xff"]);
    assert_eq!(tree.warnings().len(), 2);
    assert!(matches!(
        tree.files.read("lib/inner/f"),
        Err(ReadError::InSubmodule { .. })
    ));
}

#[tokio::test]
async fn protocols_that_are_not_allowed_are_refused() {
    let cache = tempfile::TempDir::new().unwrap();
    let fetcher = Fetcher::new(Options::new(cache.path())).unwrap();
    let repo = repository("/srv/repo");
    let error = fetcher.resolve(&repo, &branch("main")).await.unwrap_err();
    assert!(
        error.to_string().contains("local disk are not allowed"),
        "{error}"
    );
    let commit = Commit {
        id: "1".repeat(40),
        reference: None,
    };
    assert!(matches!(
        fetcher.tree(&repo, &commit, None).await,
        Err(Error::InvalidUrl { .. })
    ));
    assert_eq!(
        RepoUrl::parse("/srv/repo").unwrap().protocol(),
        Protocol::File
    );
}

#[tokio::test]
async fn ssh_without_key_is_refused_before_anything_runs() {
    let bench = Bench::new();
    let error = bench
        .fetcher()
        .resolve(&repository("git@host:x"), &branch("main"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
}

#[tokio::test]
async fn damaged_mirrors_and_stale_locks_heal() {
    let source = Repo::new();
    source.write("f", "1").commit();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    let first = head(&fetcher, &repo).await;
    fetcher.tree(&repo, &first, None).await.unwrap();
    let mirrors = bench.cache.path().join("mirrors");
    let mirror = std::fs::read_dir(mirrors)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();

    for pack in std::fs::read_dir(mirror.join("objects/pack"))
        .unwrap()
        .flatten()
    {
        std::fs::remove_file(pack.path()).unwrap();
    }
    assert_eq!(
        fetcher.tree(&repo, &first, None).await.unwrap().files.len(),
        1
    );

    std::fs::write(mirror.join("shallow.lock"), "").unwrap();
    source.write("f", "2").commit();
    let second = head(&fetcher, &repo).await;
    let tree = fetcher.tree(&repo, &second, None).await.unwrap();
    assert_eq!(&*tree.files.read("f").unwrap(), b"2");

    std::fs::write(mirror.join("config"), "[core\n").unwrap();
    source.write("f", "3").commit();
    let third = head(&fetcher, &repo).await;
    fetcher.tree(&repo, &third, None).await.unwrap();
}

#[tokio::test]
async fn a_fetch_that_is_dropped_at_any_moment_leaves_nothing_broken() {
    let source = Repo::new();
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let repo = repository(&source.file_url());
    for millis in 0..12 {
        let content = format!("{millis}");
        source.write("f", &content).commit();
        let commit = head(&fetcher, &repo).await;
        let dropped = fetcher.tree(&repo, &commit, None);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), dropped).await;
        let tree = fetcher.tree(&repo, &commit, None).await.unwrap();
        assert_eq!(&*tree.files.read("f").unwrap(), content.as_bytes());
    }
}

#[tokio::test]
async fn a_cache_is_used_by_one_fetcher_at_a_time_and_must_be_writable() {
    let bench = Bench::new();
    let fetcher = bench.fetcher();
    let error = Fetcher::new(Options::new(bench.cache.path())).unwrap_err();
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
    drop(fetcher);
    bench.fetcher();

    let file = bench.cache.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Fetcher::new(Options::new(file.join("below"))).unwrap_err();
    assert!(
        matches!(error, Error::Cache { .. }) && error.class() == Class::Transient,
        "{error}"
    );
}

#[test]
fn the_checked_out_commit_is_found_from_below_and_in_worktrees() {
    let source = Repo::new();
    assert_eq!(fetch::head(source.path()), None);
    let id = source.write("a/b/f", "1").commit();
    assert_eq!(fetch::head(&source.path().join("a/b")).as_ref(), Some(&id));
    source.git(&["pack-refs", "--all"]);
    assert_eq!(fetch::head(source.path()).as_ref(), Some(&id));
    let tree = tempfile::TempDir::new().unwrap();
    let path = tree.path().join("w");
    source.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "other",
        &path.to_string_lossy(),
    ]);
    assert_eq!(fetch::head(&path).as_ref(), Some(&id));
    source.git(&["checkout", "-q", "--detach"]);
    assert_eq!(fetch::head(source.path()).as_ref(), Some(&id));
}

#[test]
fn a_broken_checkout_has_no_commit() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join(".git/refs/heads")).unwrap();
    for (head, branch) in [
        ("", ""),
        ("nonsense", ""),
        ("ref: refs/heads/x", "no id"),
        ("ref: refs/heads/x", "ref: refs/heads/x"),
        ("ref: ../../secret", ""),
        ("ref: refs/../../secret", ""),
        ("ref: refs/heads/none", ""),
    ] {
        std::fs::write(dir.path().join(".git/HEAD"), head).unwrap();
        std::fs::write(dir.path().join(".git/refs/heads/x"), branch).unwrap();
        assert_eq!(fetch::head(dir.path()), None, "{head:?} {branch:?}");
    }
}
