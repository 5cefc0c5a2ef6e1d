//! `kill -9` at any moment: after a restart everything goes on, and nothing is installed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster};
use apiclient::{Budgets, Client, Kind, Selector};
use sandbox::Sandbox;

use crate::product::Product;
use crate::repository::{Repository, chart, config_map, workload};
use crate::view::{all, eventually, text};

const CLUSTERS: usize = 2;
const KILLS: usize = 10;
/// ConfigMaps of a chart: enough for an install to take its time.
const MAPS: usize = 40;
/// Moments lie within so much time after the start, or after everything was up.
const SPREAD_MILLIS: u64 = 1_500;
/// Names a seed, to see a failure again.
const SEED: &str = "FAULTS_SEED";

const DEPLOYMENTS: Kind = Kind::new("apps", "v1", "Deployment", "deployments", true);
const CONFIG_MAPS: Kind = Kind::new("", "v1", "ConfigMap", "configmaps", true);
const SECRETS: Kind = Kind::new("", "v1", "Secret", "secrets", true);

/// Runs before an install, which takes its time.
const HOOK: &str = r"apiVersion: batch/v1
kind: Job
metadata:
  name: prepare
  annotations:
    helm.sh/hook: pre-install
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: example/prepare:1
";

/// Cluster, kind, namespace and name to uid, of everything that was ever seen.
type Seen = BTreeMap<String, String>;

/// xorshift: moments that look random and come again with the same seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % SPREAD_MILLIS)
    }
}

fn seed() -> u64 {
    std::env::var(SEED).map_or(20_260_401, |seed| seed.parse().unwrap())
}

/// A new folder with a chart and one with manifests; each becomes a bundle with a namespace.
fn commit_round(repository: &Repository, round: usize) -> String {
    let (web, raw) = (format!("web-{round:02}"), format!("raw-{round:02}"));
    repository.write(
        &format!("{web}/fleet.yaml"),
        format!("defaultNamespace: {web}\n"),
    );
    repository.write(&format!("{web}/Chart.yaml"), chart("web", "0.1.0"));
    repository.write(&format!("{web}/templates/web.yaml"), workload("web"));
    repository.write(&format!("{web}/templates/hook.yaml"), HOOK);
    for number in 0..MAPS {
        let map = config_map(&format!("map-{number}"), "{{ .Release.Name }}");
        repository.write(&format!("{web}/templates/map-{number}.yaml"), map);
    }
    repository.write(
        &format!("{raw}/fleet.yaml"),
        format!("defaultNamespace: {raw}\n"),
    );
    repository.commit(&[(&format!("{raw}/raw.yaml"), &workload("raw"))])
}

/// Notes the uids of everything of these kinds; one that changed means that it was made twice.
async fn note(client: &Client, on: &str, kinds: &[Kind], seen: &mut Seen) {
    for kind in kinds {
        for object in all(client, kind, &Selector::default()).await {
            let (namespace, name) = (
                text(&object, "/metadata/namespace"),
                text(&object, "/metadata/name"),
            );
            let key = format!("{on} {} {namespace}/{name}", kind.kind);
            let uid = text(&object, "/metadata/uid").to_owned();
            let before = seen.entry(key.clone()).or_insert_with(|| uid.clone());
            assert_eq!(*before, uid, "{key} was made again");
        }
    }
}

/// Clients for the hub and all clusters.
struct Clients(Vec<(String, Client)>);

impl Clients {
    async fn of(product: &Product) -> Self {
        let mut clients = Vec::new();
        for name in names() {
            clients.push((name.clone(), product.client(&name).await));
        }
        Self(clients)
    }

    async fn note(&self, seen: &mut Seen) {
        for (name, client) in &self.0 {
            if name == "hub" {
                let kinds = [
                    Kind::of::<Cluster>(),
                    Kind::of::<Bundle>(),
                    Kind::of::<BundleDeployment>(),
                ];
                note(client, name, &kinds, seen).await;
            } else {
                note(client, name, &[DEPLOYMENTS, CONFIG_MAPS], seen).await;
            }
        }
    }
}

fn names() -> impl Iterator<Item = String> {
    let clusters = (1..=CLUSTERS).map(|number| format!("cluster-{number:03}"));
    std::iter::once("hub".to_owned()).chain(clusters)
}

/// What a killed process left on disk, with no controllers and agents to mend it: all that anybody
/// ever saw. Returns how many installs were under way.
async fn left_on_disk(data: &Path, seen: &Seen) -> usize {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(data).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let data = Some(copy.path().to_owned());
    let sandbox = Sandbox::start(sandbox::Options {
        data,
        ..Default::default()
    })
    .await
    .unwrap();
    let clients = names().filter_map(|name| {
        let cluster = sandbox.cluster(&name)?;
        let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
        Some((name, Client::new(kube, "test", Budgets::default())))
    });
    let clients = Clients(clients.collect());
    if seen.is_empty() {
        return 0;
    }
    let mut found = Seen::new();
    clients.note(&mut found).await;
    for (key, uid) in seen {
        assert_eq!(
            found.get(key),
            Some(uid),
            "{key} was seen before the process was killed"
        );
    }
    let (mut pending, selector) = (0, Selector::labels("owner=helm,status=pending-install"));
    for (_, client) in &clients.0 {
        pending += all(client, &SECRETS, &selector).await.len();
    }
    pending
}

/// What a moment is counted from.
#[derive(Clone, Copy, Debug)]
enum From {
    Start,
    Up,
    /// The first BundleDeployment of the round's commit is there: agents are at work.
    Deploying,
}

/// Looks at everything, again and again, until `moment` has passed since `from`.
async fn watch_until_killed(
    product: &Product,
    from: From,
    moment: Duration,
    round: usize,
    seen: &mut Seen,
) {
    if matches!(from, From::Start) {
        return tokio::time::sleep(moment).await;
    }
    product.is_up().await;
    let hub = product.hub().await;
    if matches!(from, From::Deploying) {
        let bundle = format!("demo-web-{round:02}");
        while hub.deployments(&bundle).await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    let clients = Clients::of(product).await;
    let looking = async {
        loop {
            clients.note(seen).await;
        }
    };
    let _: Result<(), _> = tokio::time::timeout(moment, looking).await;
}

/// Every release has one record, of its first revision, and what it deployed is there once.
async fn assert_installed_once(product: &Product, bundles: &BTreeSet<String>) {
    for number in 1..=CLUSTERS {
        let name = format!("cluster-{number:03}");
        let cluster = product.client(&name).await;
        let records = all(&cluster, &SECRETS, &Selector::labels("owner=helm")).await;
        let mut found: Vec<(&str, &str)> = records
            .iter()
            .map(|one| {
                (
                    text(one, "/metadata/name"),
                    text(one, "/metadata/labels/status"),
                )
            })
            .collect();
        found.sort_unstable();
        let record = |bundle: &String| format!("sh.helm.release.v1.{bundle}.v1");
        let wanted: Vec<String> = bundles.iter().map(record).collect();
        let wanted: Vec<(&str, &str)> = wanted
            .iter()
            .map(|record| (record.as_str(), "deployed"))
            .collect();
        assert_eq!(found, wanted, "{name}");
        let workloads = all(&cluster, &DEPLOYMENTS, &Selector::default()).await;
        assert_eq!(workloads.len(), bundles.len(), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_lost_or_installed_twice_when_the_process_is_killed_ten_times() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::new();
    let data = dir.path().join("data").display().to_string();
    let url = repository.url();
    let arguments = ["--data", &data, "--repo", &url];
    let start = || Product::start(&dir.path().join("files"), CLUSTERS, &arguments);
    let mut moments = Moments(seed());
    eprintln!("{SEED}={}", seed());
    let (mut seen, mut commit) = (Seen::new(), String::new());
    for round in 0..KILLS {
        commit = commit_round(&repository, round);
        let from = [From::Start, From::Up, From::Deploying][round % 3];
        let moment = match from {
            From::Deploying => moments.next() / 3,
            From::Start | From::Up => moments.next(),
        };
        eprintln!("round {round}: killed {moment:?} after {from:?}");
        let product = start();
        watch_until_killed(&product, from, moment, round, &mut seen).await;
        product.kill();
        let pending = left_on_disk(&dir.path().join("data"), &seen).await;
        eprintln!(
            "  {} objects were seen, {pending} installs were under way",
            seen.len()
        );
    }

    let bundles: BTreeSet<String> = (0..KILLS)
        .flat_map(|round| ["web", "raw"].map(|name| format!("demo-{name}-{round:02}")))
        .collect();
    // The second time there is nothing left to do but to go on.
    for run in ["after the kills", "once more"] {
        let product = start();
        product.is_up().await;
        let hub = product.hub().await;
        hub.git_repo_ready("demo", &commit).await;
        for bundle in &bundles {
            hub.bundle_ready(bundle, i64::try_from(CLUSTERS).unwrap())
                .await;
        }
        eventually("every deployment is ready", async || {
            let kind = Kind::of::<BundleDeployment>();
            let (mut ready, mut others) = (0, 0);
            let each = |one: BundleDeployment| {
                let is_ready =
                    one.status.ready && one.status.applied_deployment_id == one.spec.deployment_id;
                *(if is_ready { &mut ready } else { &mut others }) += 1;
            };
            hub.client
                .list(&kind, &Selector::default(), each)
                .await
                .unwrap();
            (others == 0 && ready == bundles.len() * CLUSTERS).then_some(())
        })
        .await;
        Clients::of(&product).await.note(&mut seen).await;
        assert_installed_once(&product, &bundles).await;
        eprintln!("{run}: {} objects", seen.len());
        product.kill();
    }
}
