//! Cases of what is an event, and of what is written.

use std::time::Duration;

use apiclient::ObjectKey;
use tokio::time::Instant;

use super::plan::{Happening, Recent, Step, about_bundle, about_omissions, about_repository};
use crate::bundle::Report;
use crate::git_repo::Sync;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("fleet-default", name)
}

fn denied(problem: &str) -> Report {
    Report {
        problem: Some(problem.to_owned()),
        is_denied: true,
        ..Report::default()
    }
}

fn happening(name: &str, problem: &str) -> Happening {
    about_bundle((&key(name), "u"), None, &denied(problem)).unwrap()
}

fn reasons(before: Option<&Sync>, now: &Sync) -> Vec<(&'static str, String)> {
    let told = about_repository((&key("repo"), "u"), before, "c0", now);
    told.into_iter().map(|one| (one.reason, one.note)).collect()
}

#[test]
fn nothing_is_told_twice_and_nothing_when_nothing_happened() {
    let repo = Sync {
        polling_commit: "c1".to_owned(),
        ..Sync::default()
    };
    assert_eq!(reasons(None, &repo), [("GotNewCommit", "c1".to_owned())]);
    assert_eq!(reasons(Some(&repo), &repo), []);
    // A restart on the commit that the status has is no news.
    let same = Sync {
        polling_commit: "c0".to_owned(),
        ..Sync::default()
    };
    assert_eq!(reasons(None, &same), []);
    let away = Sync {
        polling_error: Some("no route".to_owned()),
        ..repo.clone()
    };
    assert_eq!(
        reasons(Some(&repo), &away),
        [("FailedToCheckCommit", "no route".to_owned())]
    );
    assert_eq!(reasons(Some(&away), &away), []);
    assert_eq!(reasons(Some(&away), &repo), []);
    let object = key("app");
    let bundle = (&object, "u");
    assert_eq!(about_bundle(bundle, None, &Report::default()), None);
    let not_allowed = denied("no");
    assert!(about_bundle(bundle, None, &not_allowed).is_some());
    assert_eq!(about_bundle(bundle, Some(&not_allowed), &not_allowed), None);
    assert!(about_bundle(bundle, Some(&denied("other")), &not_allowed).is_some());
    assert_eq!(about_omissions(("Bundle", bundle), 0, 0), None);
    assert!(about_omissions(("Bundle", bundle), 0, 7).is_some());
    assert_eq!(about_omissions(("Bundle", bundle), 7, 9), None);
}

#[test]
fn notes_are_as_long_as_the_api_server_takes() {
    assert!(happening("app", &"x".repeat(5_000)).note.len() <= 1024);
}

#[test]
fn what_happens_again_is_counted_and_not_written_each_time() {
    let (mut recent, start) = (Recent::default(), Instant::now());
    let (once, event) = (happening("app", "no"), key("app.1"));
    let at = |secs| start + Duration::from_secs(secs);
    assert_eq!(recent.step(&once, at(0)), Step::Create);
    // Until it is created there is nothing to count in.
    assert_eq!(recent.step(&once, at(1)), Step::Nothing);
    recent.created(&once, event.clone());
    for (secs, want) in [
        (2, Step::Nothing),
        (59, Step::Nothing),
        (
            60,
            Step::Count {
                event: event.clone(),
                n: 5,
            },
        ),
        (61, Step::Nothing),
        (
            121,
            Step::Count {
                event: event.clone(),
                n: 7,
            },
        ),
        // The series goes on while it happens every six minutes.
        (480, Step::Count { event, n: 8 }),
        (840, Step::Create),
    ] {
        assert_eq!(recent.step(&once, at(secs)), want, "{secs} s");
    }
}

#[test]
fn an_object_has_a_burst_of_events_and_then_one_each_five_minutes() {
    let (mut recent, start) = (Recent::default(), Instant::now());
    let told = |recent: &mut Recent, name: &str, secs: u64, n: usize| {
        let at = start + Duration::from_secs(secs);
        let all = (0..n).map(|number| happening(name, &format!("{secs} {number}")));
        all.filter(|one| recent.step(one, at) == Step::Create)
            .count()
    };
    assert_eq!(told(&mut recent, "app", 0, 100), 25);
    assert_eq!(told(&mut recent, "other", 0, 3), 3, "another object");
    assert_eq!(told(&mut recent, "app", 299, 10), 0);
    assert_eq!(told(&mut recent, "app", 300, 10), 1);
    assert_eq!(told(&mut recent, "app", 100_000, 100), 25);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut recent, start) = (Recent::default(), Instant::now());
    for number in 0..10_000 {
        let at = start + Duration::from_millis(number);
        recent.step(&happening(&format!("app-{number}"), "no"), at);
    }
    let (n_series, n_objects) = recent.sizes();
    assert!(
        n_series <= 4096 && n_objects <= 4096,
        "{n_series} {n_objects}"
    );
}
