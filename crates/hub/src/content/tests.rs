//! Cases of collecting unused Contents.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Plan, plan};
use crate::index::{ContentEntry, Index};

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
