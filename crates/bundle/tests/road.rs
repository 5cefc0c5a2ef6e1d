//! From a commit to what is written to the hub and back to files, over the real git program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use api::limits::Limits;
use api::v1alpha1::Content;
use bundle::content::{Stored, assemble, store};
use bundle::write::{Action, Existing, plan_write};
use bundle::{ApplyOptions, Outcome, Paths, commit_label, upstream_form};
use fetch::{Credentials, Fetcher, Options, Protocol, Reference, RepoUrl, Repository};
use tempfile::TempDir;

fn git(directory: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=Tester", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

struct Bench {
    source: TempDir,
    fetcher: Fetcher,
    _cache: TempDir,
}

impl Bench {
    fn new() -> Self {
        let (source, cache) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        git(source.path(), &["init", "-q", "-b", "master"]);
        let mut options = Options::new(cache.path());
        options.protocols = BTreeSet::from([Protocol::File]);
        Bench {
            source,
            fetcher: Fetcher::new(options).unwrap(),
            _cache: cache,
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits, fetches and builds, as a controller does.
    async fn sync(&self, paths: &[&str]) -> Outcome {
        git(self.source.path(), &["add", "-A"]);
        git(self.source.path(), &["commit", "-q", "-m", "change"]);
        let repo = Repository {
            url: RepoUrl::parse(&self.source.path().to_string_lossy()).unwrap(),
            credentials: Credentials::default(),
        };
        let reference = Reference::of("", "").unwrap();
        let commit = self.fetcher.resolve(&repo, &reference).await.unwrap();
        let repo_label = ("fleet.cattle.io/repo-name".to_owned(), "shop".to_owned());
        let options = ApplyOptions {
            name: "shop".into(),
            namespace: "ns".into(),
            paths: Paths::Scan(paths.iter().map(ToString::to_string).collect()),
            labels: BTreeMap::from([repo_label, commit_label(&commit.id)]),
            ..ApplyOptions::default()
        };
        let roots = options.paths.roots();
        let tree = self
            .fetcher
            .tree(&repo, &commit, roots.as_deref())
            .await
            .unwrap();
        let outcome = bundle::read(&tree.files, &options);
        if !outcome.needs_whole_tree {
            return outcome;
        }
        let tree = self.fetcher.tree(&repo, &commit, None).await.unwrap();
        bundle::read(&tree.files, &options)
    }
}

fn stored(outcome: &Outcome) -> Vec<Stored> {
    let bundles = outcome.bundles.iter().map(|built| built.bundle.clone());
    bundles
        .map(|bundle| store(bundle, &Limits::PRODUCTION).unwrap())
        .collect()
}

/// What a hub holds after everything was written.
fn written(stored: &[Stored]) -> Vec<Existing> {
    let existing = |stored: &Stored| Existing {
        bundle: stored.bundle.clone(),
        values_hash: Some(stored.bundle.spec.values_hash.clone()).filter(|hash| !hash.is_empty()),
        stored_files: Vec::new(),
    };
    stored.iter().map(existing).collect()
}

#[tokio::test]
async fn a_commit_in_one_folder_writes_nothing_for_the_others() {
    let bench = Bench::new();
    bench.write("a/cm.yaml", "kind: A\n");
    bench.write("b/cm.yaml", "kind: B\n");
    let first = stored(&bench.sync(&["*"]).await);
    assert_eq!(first.len(), 2);
    bench.write("b/cm.yaml", "kind: C\n");
    let plan = plan_write(
        "shop",
        &written(&first),
        stored(&bench.sync(&["*"]).await),
        true,
    );
    let [Action::UpdateBundle(bundle)] = plan.actions.as_slice() else {
        panic!("one update: {:?}", plan.actions);
    };
    assert_eq!(bundle.metadata.name.as_deref(), Some("shop-b"));
}

#[tokio::test]
async fn two_versions_of_a_large_chart_travel_in_chunks() {
    let bench = Bench::new();
    let mut seed = 7_u32;
    let mut word = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{seed:08x} ")
    };
    for version in ["v1", "v2"] {
        bench.write(
            &format!("{version}/Chart.yaml"),
            &format!("name: big\nversion: {version}\n"),
        );
        for i in 0..40 {
            let text: String = (0..2_000).map(|_| word()).collect();
            bench.write(&format!("{version}/templates/{i:02}.yaml"), &text);
        }
    }
    let fleet_yaml = "helm: {chart: v1, values: {size: 1}}\n\
        targetCustomizations: [{name: new, clusterGroup: new, helm: {chart: v2}}]\n";
    bench.write("fleet.yaml", fleet_yaml);
    let outcome = bench.sync(&[]).await;
    let first = stored(&outcome);
    let [one] = first.as_slice() else {
        panic!("one bundle")
    };
    let (root, chunks) = one.contents.split_last().unwrap();
    assert!(chunks.len() > 1 && one.bundle.spec.resources.is_empty());
    let chunks: BTreeMap<String, Content> = chunks
        .iter()
        .map(|c| (c.metadata.name.clone().unwrap(), c.clone()))
        .collect();
    // More than a million bytes: every file is compressed, as upstream does it.
    let wanted = upstream_form(outcome.bundles[0].bundle.clone())
        .spec
        .resources;
    assert!(
        wanted
            .iter()
            .all(|resource| resource.encoding == "base64+gz")
    );
    assert!(assemble(root, &chunks).unwrap() == wanted);

    // One value: the Bundle and its Secret, no content.
    bench.write("fleet.yaml", &fleet_yaml.replace("size: 1", "size: 2"));
    let second = stored(&bench.sync(&[]).await);
    assert_eq!(second[0].contents, one.contents);
    let plan = plan_write("shop", &written(&first), second, true);
    assert!(matches!(
        plan.actions.as_slice(),
        [Action::UpdateBundle(_), Action::WriteValues { .. }]
    ));
}

#[tokio::test]
async fn a_bundle_that_needs_files_elsewhere_gets_them() {
    let bench = Bench::new();
    bench.write(
        "app/fleet.yaml",
        "helm: {chart: ., valuesFiles: [../shared/v.yaml]}",
    );
    bench.write("app/Chart.yaml", "name: c\n");
    bench.write("shared/v.yaml", "a: 1\n");
    let outcome = bench.sync(&["app"]).await;
    assert!(outcome.is_complete(), "{:?}", outcome.errors);
    assert_eq!(stored(&outcome)[0].values["values.yaml"], br#"{"a":1}"#);
}
