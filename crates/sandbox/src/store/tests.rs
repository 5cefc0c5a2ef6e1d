//! The store's promises: revisions, compaction, paging, watches, restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::object;

const ONE: ClusterId = 1;

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

fn draft(text: &str) -> Draft {
    let object = json!({"metadata": {"labels": {"text": text}}, "spec": {"text": text}});
    Draft {
        meta: object::extract_meta(&object),
        payload: Payload::encode(&object).unwrap(),
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

fn label(entry: &Entry) -> &str {
    &entry.meta.labels[0].1
}

fn store() -> Arc<Store> {
    Arc::new(Store::in_memory(Limits::TINY))
}

fn names(page: &Page) -> Vec<String> {
    page.entries
        .iter()
        .map(|entry| entry.key.name.to_string())
        .collect()
}

#[test]
fn every_write_takes_the_next_revision() {
    let store = store();
    let first = store.create(ONE, &pods(), key("a"), draft("1")).unwrap();
    let second = store.create(2, &pods(), key("a"), draft("1")).unwrap();
    assert_eq!(second.revision, first.revision + 1);
    let third = store
        .update(ONE, &pods(), &key("a"), first.revision, draft("2"))
        .unwrap();
    assert_eq!(third.revision, second.revision + 1);
    let last = store
        .delete(ONE, &pods(), &key("a"), third.revision)
        .unwrap();
    assert_eq!((last.revision, label(&last)), (third.revision + 1, "2"));
    assert_eq!(store.revision(), last.revision);
    assert!(store.get(ONE, &pods(), &key("a")).is_none());
    assert!(store.get(2, &pods(), &key("a")).is_some());
}

#[test]
fn writes_that_do_not_fit_change_nothing() {
    let store = store();
    let entry = store.create(ONE, &pods(), key("a"), draft("1")).unwrap();
    let at = entry.revision;
    assert_eq!(
        store
            .create(ONE, &pods(), key("a"), draft("2"))
            .unwrap_err(),
        Error::Exists
    );
    let conflict = Error::Conflict { current: at };
    assert_eq!(
        store
            .update(ONE, &pods(), &key("a"), at - 1, draft("2"))
            .unwrap_err(),
        conflict
    );
    assert_eq!(
        store.delete(ONE, &pods(), &key("a"), at + 1).unwrap_err(),
        conflict
    );
    assert_eq!(
        store
            .update(ONE, &pods(), &key("b"), at, draft("2"))
            .unwrap_err(),
        Error::NotFound
    );
    assert_eq!(
        store.delete(ONE, &pods(), &key("b"), at).unwrap_err(),
        Error::NotFound
    );
    let same = store
        .update(ONE, &pods(), &key("a"), at, draft("1"))
        .unwrap();
    assert_eq!((same.revision, store.revision()), (at, at));
}

#[test]
fn a_pinned_list_shows_the_past() {
    let store = store();
    for name in ["a", "b", "c"] {
        store.create(ONE, &pods(), key(name), draft("1")).unwrap();
    }
    let then = store.revision();
    let b = store.get(ONE, &pods(), &key("b")).unwrap();
    store
        .update(ONE, &pods(), &key("b"), b.revision, draft("2"))
        .unwrap();
    store.delete(ONE, &pods(), &key("a"), 2).unwrap();
    store.create(ONE, &pods(), key("a"), draft("3")).unwrap();
    store.create(ONE, &pods(), key("aa"), draft("1")).unwrap();
    let range = ListRange {
        revision: Some(then),
        limit: 2,
        ..ListRange::default()
    };
    let page = store.list(ONE, &pods(), &range).unwrap();
    assert_eq!(names(&page), ["a", "b"]);
    assert_eq!((page.revision, page.remaining), (then, 1));
    assert!(page.entries.iter().all(|entry| label(entry) == "1"));
    let range = ListRange {
        after: Some(key("b")),
        ..range
    };
    assert_eq!(names(&store.list(ONE, &pods(), &range).unwrap()), ["c"]);
    let now = store.list(ONE, &pods(), &ListRange::default()).unwrap();
    assert_eq!(names(&now), ["a", "aa", "b", "c"]);
}

#[test]
fn compaction_ends_exactly_at_its_revision() {
    let store = store();
    for name in ["a", "b", "c"] {
        store.create(ONE, &pods(), key(name), draft("1")).unwrap();
    }
    let middle = store.revision() - 1;
    store.compact(middle);
    let at = |revision| ListRange {
        revision: Some(revision),
        ..ListRange::default()
    };
    assert_eq!(
        names(&store.list(ONE, &pods(), &at(middle)).unwrap()),
        ["a", "b"]
    );
    let gone = Error::Compacted {
        requested: middle - 1,
        oldest: middle,
    };
    assert_eq!(store.list(ONE, &pods(), &at(middle - 1)).unwrap_err(), gone);
    assert!(store.watch(ONE, &pods(), middle, Scope::default()).is_ok());
    let refused = store.watch(ONE, &pods(), middle - 1, Scope::default());
    assert_eq!(refused.err(), Some(gone));
    let ahead = Error::Future {
        requested: middle + 9,
        current: middle + 1,
    };
    assert_eq!(
        store.list(ONE, &pods(), &at(middle + 9)).unwrap_err(),
        ahead
    );
    assert_eq!(
        store
            .watch(ONE, &pods(), middle + 9, Scope::default())
            .err(),
        Some(ahead)
    );
}

#[test]
fn other_buckets_keep_their_history() {
    let store = store();
    let quiet = GroupResource::new("apps", "deployments");
    store.create(ONE, &quiet, key("a"), draft("1")).unwrap();
    let then = store.revision();
    for number in 0..100 {
        store
            .create(ONE, &pods(), key(&number.to_string()), draft("1"))
            .unwrap();
    }
    assert!(store.watch(ONE, &quiet, then, Scope::default()).is_ok());
    assert!(store.watch(ONE, &pods(), then, Scope::default()).is_err());
}

#[tokio::test]
async fn a_watch_replays_and_follows() {
    let store = store();
    let from = store.revision();
    store.create(ONE, &pods(), key("a"), draft("1")).unwrap();
    store
        .create(2, &pods(), key("elsewhere"), draft("1"))
        .unwrap();
    let scope = Scope {
        namespace: Some("ns".into()),
        name: None,
    };
    let mut watch = store.watch(ONE, &pods(), from, scope).unwrap();
    store
        .create(ONE, &pods(), ObjectKey::new("other", "x"), draft("1"))
        .unwrap();
    store.create(ONE, &pods(), key("b"), draft("1")).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = watch.try_next() {
        seen.push(event.entry.key.name.to_string());
    }
    assert_eq!(seen, ["a", "b"]);
}

#[tokio::test]
async fn a_slow_watcher_is_closed_behind_what_it_got() {
    let store = store();
    let mut watch = store
        .watch(ONE, &pods(), store.revision(), Scope::default())
        .unwrap();
    for number in 0..20 {
        store
            .create(ONE, &pods(), key(&format!("{number:02}")), draft("1"))
            .unwrap();
    }
    let mut seen = Vec::new();
    while let Some(event) = watch.next().await {
        seen.push(event.entry.revision);
    }
    assert_eq!(seen.len(), Limits::TINY.watcher_queue_max);
    assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[tokio::test]
async fn a_feed_tells_once_that_it_fell_behind() {
    let store = store();
    let mut feed = store.feed(store.revision());
    for number in 0..40 {
        store
            .create(ONE, &pods(), key(&number.to_string()), draft("1"))
            .unwrap();
    }
    assert_eq!(feed.next().await.unwrap_err(), FeedError::Lagged);
    store.create(2, &pods(), key("late"), draft("1")).unwrap();
    let events = feed.next().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(&*events[0].entry.key.name, "late");
}

#[test]
fn equal_segments_are_kept_once() {
    let store = store();
    let large = |name: &str| {
        let object = json!({"metadata": {"name": name}, "data": {"x": "y".repeat(10_000)}});
        Draft {
            meta: object::extract_meta(&object),
            payload: Payload::encode(&object).unwrap(),
        }
    };
    for cluster in 1..50 {
        store
            .create(cluster, &pods(), key("a"), large(&cluster.to_string()))
            .unwrap();
    }
    assert!(store.shared_bytes() < 11_000);
    let entry = store.get(7, &pods(), &key("a")).unwrap();
    let decoded = entry.payload.decode("Pod", "v1", entry.revision).unwrap();
    assert_eq!(decoded["metadata"]["name"], "7");
    assert_eq!(decoded["data"]["x"].as_str().unwrap().len(), 10_000);
}

fn open(directory: &Path) -> Store {
    let (journal, restored) = Journal::open(directory).unwrap();
    Store::persistent(Limits::TINY, journal, restored)
}

#[tokio::test]
async fn what_was_durable_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let large = "z".repeat(5_000);
    let last = {
        let store = open(directory.path());
        store
            .record_cluster("hub", 7, b"secret".to_vec())
            .await
            .unwrap();
        let a = store.create(7, &pods(), key("a"), draft("1")).unwrap();
        store
            .update(7, &pods(), &key("a"), a.revision, draft(&large))
            .unwrap();
        let b = store.create(7, &pods(), key("b"), draft(&large)).unwrap();
        let gone = store.delete(7, &pods(), &key("b"), b.revision).unwrap();
        store.durable(gone.revision).await.unwrap();
        gone.revision
    };
    let (journal, restored) = Journal::open(directory.path()).unwrap();
    assert_eq!(
        restored.clusters,
        [("hub".to_owned(), 7, b"secret".to_vec())]
    );
    let store = Store::persistent(Limits::TINY, journal, restored);
    assert!(store.revision() > last, "a revision is never used twice");
    let page = store.list(7, &pods(), &ListRange::default()).unwrap();
    assert_eq!(names(&page), ["a"]);
    assert_eq!(label(&page.entries[0]), large);
    let watch = store.watch(7, &pods(), last, Scope::default());
    assert!(matches!(watch.err(), Some(Error::Compacted { .. })));
    let entry = &page.entries[0];
    store
        .update(7, &pods(), &key("a"), entry.revision, draft("2"))
        .unwrap();
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let text = Journal::open(&file).err().unwrap().to_string();
    assert!(text.contains("cannot create data directory"), "{text}");
    std::fs::write(directory.path().join("sandbox.redb"), "no database").unwrap();
    let text = Journal::open(directory.path()).err().unwrap().to_string();
    assert!(text.contains("cannot open"), "{text}");
}

#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Update(u8, u8),
    Delete(u8),
    Compact(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6u8).prop_map(Step::Create),
        (0..6u8, 0..4u8).prop_map(|(name, text)| Step::Update(name, text)),
        (0..6u8).prop_map(Step::Delete),
        (0..4u64).prop_map(Step::Compact),
    ];
    proptest::collection::vec(step, 1..60)
}

fn run(store: &Store, step: &Step) {
    let name = |number: &u8| key(&number.to_string());
    let revision = |key: &ObjectKey| store.get(ONE, &pods(), key).map_or(0, |e| e.revision);
    // Steps that do not fit the state are refused, which is part of the test.
    let _ = match step {
        Step::Create(number) => store.create(ONE, &pods(), name(number), draft("new")),
        Step::Update(number, text) => {
            let key = name(number);
            store.update(ONE, &pods(), &key, revision(&key), draft(&text.to_string()))
        }
        Step::Delete(number) => {
            let key = name(number);
            store.delete(ONE, &pods(), &key, revision(&key))
        }
        Step::Compact(ago) => {
            store.compact(store.revision().saturating_sub(*ago));
            return;
        }
    };
}

type State = BTreeMap<ObjectKey, (u64, String)>;

fn state(page: &Page) -> State {
    let pair = |entry: &Arc<Entry>| (entry.key.clone(), (entry.revision, label(entry).to_owned()));
    page.entries.iter().map(pair).collect()
}

proptest! {
    /// A watcher that applies events to a list reaches the state of a later list, from wherever
    /// its history still reaches.
    #[test]
    fn replaying_a_watch_reaches_the_state_of_a_list(
        before in steps(), after in steps(), limit in 0..4usize,
    ) {
        let store = Store::in_memory(Limits { watcher_queue_max: 1_000, ..Limits::TINY });
        for step in &before { run(&store, step); }
        let first = store.list(ONE, &pods(), &ListRange::default()).unwrap();
        let mut watch = store.watch(ONE, &pods(), first.revision, Scope::default()).unwrap();
        let mut replayed = state(&first);
        let mut histories = vec![(first.revision, replayed.clone())];
        for step in &after { run(&store, step); }
        while let Some(event) = watch.try_next() {
            let key = event.entry.key.clone();
            if event.change == Change::Deleted {
                prop_assert!(replayed.remove(&key).is_some());
            } else {
                let value = (event.entry.revision, label(&event.entry).to_owned());
                let known = replayed.insert(key, value).is_some();
                prop_assert_eq!(known, event.change == Change::Modified);
            }
            histories.push((event.entry.revision, replayed.clone()));
        }
        let last = store.list(ONE, &pods(), &ListRange::default()).unwrap();
        prop_assert_eq!(&replayed, &state(&last));
        // Every revision that can still be read shows what the watcher had then, page by page.
        for (revision, want) in histories {
            let mut shown = State::new();
            let mut range = ListRange { revision: Some(revision), limit, ..ListRange::default() };
            loop {
                let page = match store.list(ONE, &pods(), &range) {
                    Ok(page) => page,
                    Err(Error::Compacted { .. }) => { shown = want.clone(); break }
                    Err(other) => panic!("{other}"),
                };
                shown.extend(state(&page));
                match page.entries.last() {
                    Some(last) if page.remaining > 0 => range.after = Some(last.key.clone()),
                    _ => break,
                }
            }
            prop_assert_eq!(&shown, &want, "at {}", revision);
        }
    }
}
