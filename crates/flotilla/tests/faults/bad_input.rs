//! Bad input in a repository: named where it is, and held up is only what it is part of.

use api::v1alpha1::Bundle;

use crate::product::Product;
use crate::repository::{Repository, chart, config_map};
use crate::view::{Hub, deployment_tells, eventually};

/// A file above every limit.
const LARGE: usize = 20 << 20;

/// Waits until the one deployment of a bundle on a cluster tells all of these.
async fn deployment_on(hub: &Hub, bundle: &str, cluster: &str, wanted: &[&str]) -> String {
    eventually(
        &format!("{bundle} on {cluster} tells {wanted:?}"),
        async || {
            let found = hub.deployments(bundle).await;
            let here = |namespace: &str| namespace.contains(cluster);
            let one = found
                .iter()
                .find(|one| one.metadata.namespace.as_deref().is_some_and(here));
            one.and_then(|one| deployment_tells(one, wanted))
        },
    )
    .await
}

/// Waits until all clusters' deployments of a bundle, the Bundle and the GitRepo tell all of these.
async fn everything_tells(hub: &Hub, repo: &str, bundle: &str, clusters: usize, wanted: &[&str]) {
    for number in 1..=clusters {
        deployment_on(hub, bundle, &format!("cluster-{number:03}"), wanted).await;
    }
    hub.bundle_tells(bundle, wanted).await;
    hub.git_repo_tells(repo, wanted).await;
}

#[tokio::test]
async fn a_chart_that_fails_on_one_cluster_is_deployed_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 3).await;
    hub.label("cluster-001", "zone", "z1").await;
    hub.label("cluster-002", "zone", "z2").await;
    let template = config_map(
        "zone",
        "{{ required \"this cluster has no zone\" .Values.zone }}",
    );
    let repository = Repository::with(&[
        (
            "web/fleet.yaml",
            "helm:\n  values:\n    zone: ${ get .ClusterLabels \"zone\" }\n",
        ),
        ("web/Chart.yaml", &chart("web", "0.1.0")),
        ("web/templates/zone.yaml", &template),
    ]);
    hub.git_repo("repo", &repository.url()).await;

    let why = [
        "cluster-003",
        "web/templates/zone.yaml:6",
        "this cluster has no zone",
    ];
    deployment_on(&hub, "repo-web", "cluster-003", &why).await;
    hub.bundle_tells("repo-web", &why).await;
    hub.git_repo_tells("repo", &why).await;
    eventually("the others are ready", async || {
        let ready: Vec<bool> = hub
            .deployments("repo-web")
            .await
            .iter()
            .map(|one| one.status.ready)
            .collect();
        (ready == [true, true, false]).then_some(())
    })
    .await;

    hub.label("cluster-003", "zone", "z3").await;
    hub.bundle_ready("repo-web", 3).await;
}

#[tokio::test]
async fn a_template_that_never_ends_is_ended_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let recursion =
        "{{ define \"again\" }}{{ include \"again\" . }}{{ end }}\na: {{ include \"again\" . }}\n";
    let count = "{{ range $i := until 100000 }}{{ range until 100000 }}{{ . }}{{ end }}{{ end }}\n";
    let repository = Repository::with(&[
        ("calls/fleet.yaml", ""),
        ("calls/Chart.yaml", &chart("calls", "0.1.0")),
        ("calls/templates/a.yaml", recursion),
        ("loops/fleet.yaml", ""),
        ("loops/Chart.yaml", &chart("loops", "0.1.0")),
        ("loops/templates/a.yaml", count),
        ("good/fleet.yaml", ""),
        ("good/cm.yaml", &config_map("good", "1")),
    ]);
    hub.git_repo("repo", &repository.url()).await;
    hub.bundle_ready("repo-good", 2).await;
    for name in ["calls", "loops"] {
        let bundle = format!("repo-{name}");
        let template = format!("{name}/templates/a.yaml");
        for cluster in ["cluster-001", "cluster-002"] {
            deployment_on(&hub, &bundle, cluster, &[cluster, &template]).await;
        }
        let message = hub.bundle_tells(&bundle, &[&template]).await;
        assert!(message.len() < 4_096, "{} bytes: {message}", message.len());
    }
    // However long the way there is, the reason is told.
    let why = ["calls/templates/a.yaml:2", "nested reference name: again"];
    deployment_on(&hub, "repo-calls", "cluster-001", &why).await;
    hub.bundle_tells("repo-calls", &why).await;
    hub.git_repo_tells("repo", &why).await;
}

#[tokio::test]
async fn bad_manifests_are_named_in_every_status() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let gadget = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: wheel}\n";
    // Files, bundle, what is told.
    let cases: [(&str, &str, &[&str]); 3] = [
        ("no-yaml", "a: [\n", &["no-yaml.yaml", "document 1", "YAML"]),
        (
            "no-kind",
            "apiVersion: v1\nmetadata: {name: x}\n",
            &["no-kind.yaml", "has no kind"],
        ),
        ("unknown", gadget, &["Gadget", "example.com/v1", "wheel"]),
    ];
    for (name, text, wanted) in cases {
        let repository = Repository::with(&[
            ("bad/fleet.yaml", ""),
            (&format!("bad/{name}.yaml"), text),
            ("good/fleet.yaml", ""),
            ("good/cm.yaml", &config_map(name, "1")),
        ]);
        hub.git_repo(name, &repository.url()).await;
        hub.bundle_ready(&format!("{name}-good"), 2).await;
        everything_tells(&hub, name, &format!("{name}-bad"), 2, wanted).await;
        // The next commit mends it.
        let commit = repository.commit(&[(
            &format!("bad/{name}.yaml"),
            &config_map(&format!("{name}-mended"), "1"),
        )]);
        hub.bundle_ready(&format!("{name}-bad"), 2).await;
        hub.git_repo_ready(name, &commit).await;
    }
}

#[tokio::test]
async fn a_large_file_harms_only_the_bundle_it_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let repository = Repository::new();
    repository.write("other/dump.bin", vec![b'x'; LARGE]);
    let files = [
        ("good/fleet.yaml", ""),
        ("good/cm.yaml", &config_map("good", "1")),
    ];
    let commit = repository.commit(&files);
    hub.git_repo("repo", &repository.url()).await;
    hub.git_repo_ready("repo", &commit).await;

    repository.write("big/dump.bin", vec![b'y'; LARGE]);
    let inside = [
        ("big/fleet.yaml", ""),
        ("big/cm.yaml", &config_map("big", "1")),
        ("good/cm.yaml", &config_map("good", "2")),
    ];
    let commit = repository.commit(&inside);
    hub.git_repo_tells("repo", &["big/dump.bin", "20971520", "8388608"])
        .await;
    eventually("the good bundle has the commit", async || {
        let good: Bundle = hub.get("repo-good").await?;
        (good.metadata.labels?["fleet.cattle.io/commit"] == commit).then_some(())
    })
    .await;
    hub.bundle_ready("repo-good", 2).await;
    assert!(hub.get::<Bundle>("repo-big").await.is_none());

    let commit = repository.commit(&[("big/.fleetignore", "*.bin\n")]);
    hub.bundle_ready("repo-big", 2).await;
    hub.git_repo_ready("repo", &commit).await;
}

#[tokio::test]
async fn paths_that_give_the_same_bundle_are_both_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let repository = Repository::with(&[
        ("a/b/fleet.yaml", ""),
        ("a/b/cm.yaml", &config_map("one", "1")),
        ("a-b/fleet.yaml", ""),
        ("a-b/cm.yaml", &config_map("two", "1")),
        ("c/fleet.yaml", ""),
        ("c/cm.yaml", &config_map("three", "1")),
    ]);
    hub.git_repo("repo", &repository.url()).await;
    hub.git_repo_tells("repo", &["a/b and a-b", "\"repo-a-b\"", "fleet.yaml"])
        .await;
    hub.bundle_ready("repo-c", 2).await;
    assert!(hub.get::<Bundle>("repo-a-b").await.is_none());

    let commit = repository.commit(&[("a-b/fleet.yaml", "name: other\n")]);
    for name in ["repo-a-b", "other"] {
        hub.bundle_ready(name, 2).await;
    }
    hub.git_repo_ready("repo", &commit).await;
}

#[tokio::test]
async fn keys_nobody_reads_are_warned_of_and_hold_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let options = "defaultNamespace: a\nhelm:\n  relaseName: x\ndefaultNamespace: b\n";
    let repository = Repository::new();
    let commit = repository.commit(&[
        ("app/fleet.yaml", options),
        ("app/cm.yaml", &config_map("app", "1")),
    ]);
    hub.git_repo("repo", &repository.url()).await;
    let repeated = "app/fleet.yaml:1: key defaultNamespace is repeated on line 4";
    let unknown = "app/fleet.yaml:3: unknown key helm.relaseName";
    hub.git_repo_tells("repo", &[repeated, unknown]).await;
    let bundle = hub.bundle_ready("repo-app", 2).await;
    assert_eq!(bundle.spec.options.default_namespace, "b");
    hub.git_repo_ready("repo", &commit).await;
    hub.git_repo_tells("repo", &[repeated, unknown]).await;

    // Said only as long as it is so.
    let commit = repository.commit(&[("app/fleet.yaml", "defaultNamespace: b\n")]);
    let repo = hub.git_repo_ready("repo", &commit).await;
    let told = repo
        .status
        .base
        .conditions
        .iter()
        .any(|one| one.message.contains("relaseName"));
    assert!(!told, "{:?}", repo.status.base.conditions);
}
