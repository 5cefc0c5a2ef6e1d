//! A bundle that is larger than any object of Kubernetes may be.

use api::v1alpha1::Content;
use apiclient::{Kind, ObjectKey, Selector};
use serde_json::Value;

use crate::product::Product;
use crate::repository::{Repository, chart, config_map};
use crate::view::{all, text};

/// Files of each chart, and bytes of each that no compression takes away.
const FILES: u32 = 16;
const FILE_BYTES: usize = 40_000;
const ETCD_BYTES: usize = 3 << 19;

/// Text of hexadecimal digits: half of it is noise.
fn noise(seed: u32) -> String {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        format!("{state:08x}")
    };
    (0..FILE_BYTES / 4).map(|_| next()).collect()
}

fn write_chart(repository: &Repository, path: &str, version: &str, seed: u32) {
    repository.write(&format!("{path}/Chart.yaml"), chart("big", version));
    let template = config_map(
        "version",
        "{{ .Chart.Version }} {{ len (.Files.Get \"files/0.txt\") }}",
    );
    repository.write(&format!("{path}/templates/version.yaml"), template);
    for number in 0..FILES {
        repository.write(&format!("{path}/files/{number}.txt"), noise(seed + number));
    }
}

#[tokio::test]
async fn two_versions_of_a_large_chart_are_stored_in_chunks_and_deployed() {
    let dir = tempfile::tempdir().unwrap();
    let (product, hub) = Product::up(dir.path(), 3).await;
    let repository = Repository::new();
    write_chart(&repository, "big/one", "1.0.0", 1);
    write_chart(&repository, "big/two", "2.0.0", 1_000);
    let options = "defaultNamespace: big\nhelm:\n  chart: one\ntargetCustomizations:\n\
        - name: second\n  clusterName: cluster-002\n  helm:\n    chart: two\n";
    let commit = repository.commit(&[("big/fleet.yaml", options)]);
    hub.git_repo("repo", &repository.url()).await;
    let bundle = hub.bundle_ready("repo-big", 3).await;
    hub.git_repo_ready("repo", &commit).await;

    assert!(bundle.spec.resources.is_empty());
    let mut sizes = Vec::new();
    let each = |content: Content| sizes.push(serde_json::to_vec(&content).unwrap().len());
    hub.client
        .list(&Kind::of::<Content>(), &Selector::default(), each)
        .await
        .unwrap();
    assert!(sizes.iter().sum::<usize>() > ETCD_BYTES, "{sizes:?}");
    let limit = api::limits::Limits::PRODUCTION.chunk_bytes_max;
    assert!(sizes.iter().all(|size| *size <= limit), "{sizes:?}");

    let wanted = [
        ("cluster-001", "1.0.0"),
        ("cluster-002", "2.0.0"),
        ("cluster-003", "1.0.0"),
    ];
    for (name, version) in wanted {
        let cluster = product.client(name).await;
        let (maps, key) = (
            Kind::new("", "v1", "ConfigMap", "configmaps", true),
            ObjectKey::new("big", "version"),
        );
        let map: Value = cluster.get(&maps, &key).await.unwrap().unwrap();
        let value = format!("{version} {}", FILE_BYTES * 2);
        assert_eq!(text(&map, "/data/value"), value, "{name}");
        let secrets = Kind::new("", "v1", "Secret", "secrets", true);
        let records = all(&cluster, &secrets, &Selector::labels("owner=helm")).await;
        assert_eq!(records.len(), 1, "{name}");
    }
}
