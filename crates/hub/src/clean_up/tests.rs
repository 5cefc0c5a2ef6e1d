//! Cases of what is left behind.

use std::collections::BTreeMap;

use apiclient::ObjectKey;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;

use super::plan::{cluster, is_stale, reason};

fn annotated(annotations: &[(&str, &str)]) -> ObjectMeta {
    let annotations = annotations.iter();
    let annotations = annotations.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ObjectMeta {
        annotations: Some(annotations.collect::<BTreeMap<_, _>>()),
        ..ObjectMeta::default()
    }
}

#[test]
fn only_what_names_its_reason_can_be_left_behind() {
    let gvk = (
        "objectset.rio.cattle.io/owner-gvk",
        "fleet.cattle.io/v1alpha1, Kind=ClusterRegistration",
    );
    let other = (gvk.0, "fleet.cattle.io/v1alpha1, Kind=Bundle");
    let name = ("objectset.rio.cattle.io/owner-name", "r");
    let namespace = ("objectset.rio.cattle.io/owner-namespace", "ns");
    let found = reason(&annotated(&[gvk, name, namespace]));
    assert_eq!(found.map(|(_, key)| key), Some(ObjectKey::new("ns", "r")));
    for less in [
        &[gvk, name][..],
        &[gvk, namespace],
        &[name, namespace],
        &[other, name, namespace],
        &[],
    ] {
        assert_eq!(reason(&annotated(less)), None);
    }
    assert_eq!(reason(&ObjectMeta::default()), None);
    let (of, near) = (
        ("fleet.cattle.io/cluster", "c"),
        ("fleet.cattle.io/cluster-namespace", "ns"),
    );
    assert_eq!(
        cluster(&annotated(&[of, near])),
        Some(ObjectKey::new("ns", "c"))
    );
    assert_eq!(cluster(&annotated(&[of])), None);
    assert_eq!(cluster(&annotated(&[of, (near.0, "")])), None);
}

#[test]
fn an_answer_is_kept_for_longer_than_agents_wait() {
    let made = |minutes| ObjectMeta {
        creation_timestamp: Some(Time(
            Timestamp::UNIX_EPOCH - SignedDuration::from_mins(minutes),
        )),
        ..ObjectMeta::default()
    };
    let now = Timestamp::UNIX_EPOCH;
    assert!(is_stale(&made(41), now) && is_stale(&made(40), now));
    // A clock that is behind deletes nothing.
    assert!(!is_stale(&made(39), now) && !is_stale(&made(-99), now));
    assert!(!is_stale(&ObjectMeta::default(), now));
}
