//! `kill -9` at any moment: after a restart everything goes on, and nothing is installed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster};
use apiclient::{Client, Kind, Selector};

use crate::product::Product;
use crate::repository::{Repository, chart, config_map, workload};
use crate::view::{Hub, all, eventually, text};

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

async fn note_everything(product: &Product, hub: &Hub, seen: &mut Seen) {
    let kinds = [
        Kind::of::<Cluster>(),
        Kind::of::<Bundle>(),
        Kind::of::<BundleDeployment>(),
    ];
    note(&hub.client, "hub", &kinds, seen).await;
    for number in 1..=CLUSTERS {
        let name = format!("cluster-{number:03}");
        let kinds = [DEPLOYMENTS, CONFIG_MAPS];
        note(&product.client(&name).await, &name, &kinds, seen).await;
    }
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
        eventually("a deployment of the round", async || {
            let found = hub.deployments(&format!("demo-web-{round:02}")).await;
            (!found.is_empty()).then_some(())
        })
        .await;
    }
    let looking = async {
        loop {
            note_everything(product, &hub, seen).await;
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
            From::Deploying => moments.next() / 4,
            From::Start | From::Up => moments.next(),
        };
        eprintln!("round {round}: killed {moment:?} after {from:?}");
        let product = start();
        watch_until_killed(&product, from, moment, round, &mut seen).await;
        product.kill();
        eprintln!("  {} objects were seen up to now", seen.len());
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
        note_everything(&product, &hub, &mut seen).await;
        assert_installed_once(&product, &bundles).await;
        eprintln!("{run}: {} objects", seen.len());
        product.kill();
    }
}
