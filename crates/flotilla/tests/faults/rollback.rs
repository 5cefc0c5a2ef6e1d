//! `flotilla rollback`, as a person runs it.

use std::path::Path;
use std::process::Command;

use api::v1alpha1::GitRepo;
use serde_json::Value;

use crate::product::Product;
use crate::repository::{Repository, config_map};
use crate::view::{Hub, WORKSPACE, eventually};

/// Exit code, standard output and standard error.
async fn rollback(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command
        .args(["rollback", "--kubeconfig", "kubeconfigs/hub.yaml"])
        .args(["-n", WORKSPACE])
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .env_remove("KUBECONFIG");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

async fn json(dir: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-o", "json"]].concat();
    let (code, text, said) = rollback(dir, &arguments).await;
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&text).unwrap()
}

async fn deployed(hub: &Hub, commit: &str) {
    eventually("the commit is deployed", async || {
        let repo: GitRepo = hub.get("repo").await?;
        let status = &repo.status;
        (status.history.first()?.commit == commit).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_repository_goes_back_and_on_with_one_command_each() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let here = dir.path();
    let file = |n: &str| config_map("app", n);
    let repository = Repository::new();
    let first = repository.commit(&[("app/fleet.yaml", ""), ("app/cm.yaml", &file("1"))]);
    hub.git_repo("repo", &repository.url()).await;
    hub.bundle_ready("repo-app", 2).await;
    deployed(&hub, &first).await;
    let second = repository.commit(&[("app/cm.yaml", &file("2"))]);
    deployed(&hub, &second).await;

    let listed = json(here, &["repo", "--list"]).await;
    let commits = [&listed[0]["commit"], &listed[1]["commit"]];
    assert_eq!(commits, [second.as_str(), first.as_str()]);
    assert!(listed[0]["current"] == true && listed[1]["pinned"] == false);

    // Nothing is changed by looking.
    let dry = json(here, &["repo", "--to", &first[..8], "--dry-run"]).await;
    assert_eq!(
        (&dry["commit"], &dry["takenUp"]),
        (&first.clone().into(), &false.into())
    );
    assert_eq!(dry["clusters"].as_array().unwrap().len(), 2);
    let repo: GitRepo = hub.get("repo").await.unwrap();
    assert_eq!(repo.spec.pins, []);

    let one = dry["clusters"][0].as_str().unwrap().to_owned();
    let done = json(
        here,
        &["bundle/repo-app", "--to", &first, "--clusters", &one],
    )
    .await;
    assert_eq!(done["takenUp"], true);
    assert_eq!(done["pins"][0]["bundles"][0], "repo-app");
    let done = json(here, &["gitrepo/repo", "--to", &first]).await;
    assert_eq!(
        done["pins"].as_array().unwrap().len(),
        1,
        "all of it: {done}"
    );
    hub.bundle_ready("repo-app", 2).await;
    let (code, text, _) = rollback(here, &["repo", "--unpin"]).await;
    assert!(code == 0 && text.contains("nothing is pinned"), "{text}");
    let (code, text, _) = rollback(here, &["repo", "--resume"]).await;
    assert!(code == 0 && text.contains("nothing is pinned"), "{text}");
    refuses_what_makes_no_sense(here, &hub).await;
}

async fn refuses_what_makes_no_sense(here: &Path, hub: &Hub) {
    let gone = "d".repeat(40);
    for (arguments, wanted, says) in [
        (&["repo", "--to", &gone][..], 1, "nothing is pinned to it"),
        (
            &["repo", "--to", "dddddd"],
            1,
            "no commit that was deployed begins with dddddd",
        ),
        (&["repo", "--to", "main"], 1, "is no commit"),
        (
            &["other", "--to", &gone],
            1,
            "gitrepo fleet-default/other does not exist",
        ),
        (
            &["bundle/other", "--list"],
            1,
            "bundle fleet-default/other does not exist",
        ),
        (
            &["cluster/other", "--list"],
            1,
            "only a gitrepo or a bundle",
        ),
        (
            &["repo", "--to", &gone, "--clusters", "nobody"],
            1,
            "no cluster",
        ),
        (
            &["repo", "--to", &gone, "--cluster-selector", "a>1"],
            1,
            "a>1",
        ),
        (&["repo"], 2, "required"),
        (&["repo", "--list", "--unpin"], 2, "cannot be used with"),
    ] {
        let (code, _, said) = rollback(here, arguments).await;
        assert!(
            code == wanted && said.contains(says),
            "{arguments:?}: {code} {said}"
        );
    }
    let repo: GitRepo = hub.get("repo").await.unwrap();
    assert_eq!(repo.spec.pins, []);
}
