//! Cases of collecting unused Contents.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::v1alpha1::BundleDeployment;
use apiclient::ObjectKey;
use serde_json::json;
use tokio::time::Instant;

use super::plan::{Plan, plan};
use crate::index::{ContentEntry, Index, Wake};

const GRACE: Duration = Duration::from_mins(10);

fn index(contents: &[(&str, &[&str])], users: &[&str]) -> Index {
    let mut index = Index::default();
    for (name, chunks) in contents {
        let chunks = chunks.iter().map(|chunk| (*chunk).to_owned()).collect();
        index.contents.insert(
            (*name).to_owned(),
            ContentEntry {
                chunks,
                ..ContentEntry::default()
            },
        );
    }
    for user in users {
        index.content_users.insert((*user).to_owned(), 1);
    }
    index
}

#[test]
fn a_content_in_use_and_its_chunks_stay_for_ever() {
    let index = index(
        &[("s-root", &["s-a", "s-b"]), ("s-a", &[]), ("s-b", &[])],
        &["s-root"],
    );
    let mut unused = BTreeMap::new();
    let now = Instant::now();
    assert_eq!(plan(&index, &mut unused, now, GRACE), Plan::default());
    assert_eq!(
        plan(&index, &mut unused, now + 10 * GRACE, GRACE),
        Plan::default()
    );
}

#[test]
fn what_is_of_no_use_goes_after_the_grace_and_not_before() {
    let index = index(&[("s-root", &["s-a"]), ("s-a", &[])], &[]);
    let mut unused = BTreeMap::new();
    let now = Instant::now();
    let first = plan(&index, &mut unused, now, GRACE);
    assert_eq!(
        first,
        Plan {
            next: Some(now + GRACE),
            ..Plan::default()
        }
    );
    let due = plan(&index, &mut unused, now + GRACE, GRACE);
    assert_eq!(due.delete, ["s-a", "s-root"]);
}

#[test]
fn a_chunk_that_another_content_shares_stays() {
    let contents: &[(&str, &[&str])] = &[
        ("s-new", &["s-a", "s-c"]),
        ("s-old", &["s-a", "s-b"]),
        ("s-a", &[]),
        ("s-b", &[]),
        ("s-c", &[]),
    ];
    let index = index(contents, &["s-new"]);
    let mut unused = BTreeMap::new();
    let now = Instant::now();
    plan(&index, &mut unused, now, GRACE);
    assert_eq!(
        plan(&index, &mut unused, now + GRACE, GRACE).delete,
        ["s-b", "s-old"]
    );
}

#[test]
fn use_that_comes_back_starts_the_grace_anew() {
    let idle = index(&[("s-root", &[])], &[]);
    let busy = index(&[("s-root", &[])], &["s-root"]);
    let mut unused = BTreeMap::new();
    let now = Instant::now();
    plan(&idle, &mut unused, now, GRACE);
    plan(&busy, &mut unused, now + GRACE / 2, GRACE);
    let again = plan(&idle, &mut unused, now + GRACE, GRACE);
    assert_eq!(again.delete, Vec::<String>::new());
}

fn deployment(id: &str, staged: &str) -> BundleDeployment {
    serde_json::from_value(json!({
        "metadata": { "name": "app", "namespace": "cluster-a", "labels": {
            "fleet.cattle.io/bundle-name": "app", "fleet.cattle.io/bundle-namespace": "ns",
            "fleet.cattle.io/content-name": staged,
        } },
        "spec": { "deploymentID": format!("{id}:o"), "stagedDeploymentID": format!("{staged}:o") },
    }))
    .unwrap()
}

#[test]
fn what_runs_stays_while_something_else_is_staged_and_is_looked_at_when_it_stops() {
    let mut index = index(&[("s-old", &[]), ("s-new", &[])], &[]);
    let due = |index: &Index| {
        let (mut unused, now) = (BTreeMap::new(), Instant::now());
        plan(index, &mut unused, now, GRACE);
        plan(index, &mut unused, now + GRACE, GRACE).delete
    };
    index.deployment_applied(&deployment("s-old", "s-old"));
    index.deployment_applied(&deployment("s-old", "s-new"));
    assert_eq!(due(&index), Vec::<String>::new());
    let wakes = index.deployment_applied(&deployment("s-new", "s-new"));
    assert!(wakes.unwrap().contains(&Wake::Contents));
    assert_eq!(due(&index), ["s-old"]);
    let key = ObjectKey::new("cluster-a", "app");
    index.deployment_deleted(&key);
    assert_eq!(due(&index), ["s-new", "s-old"]);
}

#[test]
fn what_a_pinned_commit_has_stays_until_nothing_is_pinned() {
    let mut index = index(&[("s-root", &["s-a"]), ("s-a", &[])], &[]);
    let repo = ObjectKey::new("ns", "repo");
    index.pins_stored(&repo, BTreeSet::from(["s-root".to_owned()]));
    let (mut unused, now) = (BTreeMap::new(), Instant::now());
    assert_eq!(plan(&index, &mut unused, now, GRACE), Plan::default());
    let wakes = index.pins_stored(&repo, BTreeSet::new());
    assert_eq!(wakes, [Wake::Contents]);
    plan(&index, &mut unused, now, GRACE);
    let gone = plan(&index, &mut unused, now + GRACE, GRACE).delete;
    assert_eq!(gone, ["s-a", "s-root"]);
}
