//! Events: what people see in `kubectl get events` and `kubectl describe`.
//!
//! * **Object**: events.k8s.io/v1 Events, in the namespace of the object they are about.
//! * **Reads**: nothing.
//! * **Writes**: Events; a repeated one is counted in the series of the first.
//!
//! Reasons, actions and reporting controllers are upstream's (hub specification 5.2.7, 7.10); those of
//! degradations and of the configuration are our own. An Event is a courtesy: recording one never waits
//! and never fails, what is too much is dropped and counted, and an Event that cannot be written is
//! logged. Texts come from conditions, which hold no secret values.

mod plan;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use plan::{
    Happening, about_artifact, about_bundle, about_config, about_omissions, about_registration,
    about_repository, about_size,
};
use plan::{Recent, Step};

/// Happenings that wait to be written; more are dropped.
const WAITING_MAX: usize = 1_000;

/// Takes happenings; never waits. Those of before the controllers start are kept.
#[derive(Debug)]
pub(crate) struct Recorder {
    waiting: mpsc::Sender<Happening>,
    dropped: AtomicU64,
}

impl Recorder {
    /// A recorder, and where its happenings come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Happening>) {
        let (waiting, happenings) = mpsc::channel(WAITING_MAX);
        let dropped = AtomicU64::default();
        (Self { waiting, dropped }, happenings)
    }

    /// Records what happened.
    pub(crate) fn record(&self, happenings: impl IntoIterator<Item = Happening>) {
        for happening in happenings {
            if self.waiting.try_send(happening).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many were dropped, because more happened than could be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Default for Recorder {
    /// A recorder that nobody listens to.
    fn default() -> Self {
        Self::new().0
    }
}

/// Writes what is recorded, one after the other, until dropped.
pub(crate) async fn run(
    client: Client,
    mut happenings: mpsc::Receiver<Happening>,
    (shard, instance): (String, String),
) {
    let mut recent = Recent::default();
    while let Some(happening) = happenings.recv().await {
        let component = if shard.is_empty() {
            happening.component.to_owned()
        } else {
            format!("{}-{shard}", happening.component)
        };
        let (step, now) = (recent.step(&happening, Instant::now()), Timestamp::now());
        let written = match step {
            Step::Nothing => continue,
            Step::Create => {
                let created = create(&client, &happening, &component, &instance, now).await;
                created.map(|event| recent.created(&happening, event))
            }
            Step::Count { event, n } => count(&client, &event, n, now).await,
        };
        if let Err(error) = written {
            let (error, reason) = (errors::chain(&error), happening.reason);
            tracing::warn!(object = %happening.object, reason, error, "cannot write an event");
        }
    }
}

async fn create(
    client: &Client,
    happening: &Happening,
    component: &str,
    instance: &str,
    now: Timestamp,
) -> Result<ObjectKey, apiclient::Error> {
    let Happening { object, .. } = happening;
    // As client-go names them.
    let name = format!("{}.{:x}", object.name, now.as_nanosecond());
    let key = ObjectKey::new(object.namespace.clone(), name);
    let event = Event {
        metadata: kube_core::ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            ..kube_core::ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(component.to_owned()),
        reporting_instance: Some(format!("{component}-{instance}")),
        type_: Some(happening.severity.to_owned()),
        reason: Some(happening.reason.to_owned()),
        action: Some(happening.action.to_owned()),
        note: Some(happening.note.clone()),
        regarding: Some(ObjectReference {
            api_version: Some(happening.api_version.to_owned()),
            kind: Some(happening.kind.to_owned()),
            namespace: Some(object.namespace.clone()),
            name: Some(object.name.clone()),
            uid: Some(happening.uid.clone()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    };
    let (kind, options) = (Kind::of::<Event>(), WriteOptions::default());
    client.create(&kind, &key, &event, options).await?;
    Ok(key)
}

async fn count(
    client: &Client,
    event: &ObjectKey,
    n: i32,
    now: Timestamp,
) -> Result<(), apiclient::Error> {
    let series = EventSeries {
        count: n,
        last_observed_time: MicroTime(now),
    };
    let body = json!({ "series": series });
    let (kind, patch) = (Kind::of::<Event>(), Patch::Merge(&body));
    let options = WriteOptions::default();
    let patched: Result<ObjectMeta, _> = client.patch(&kind, event, None, patch, 0, options).await;
    match patched {
        // The API server forgets events after an hour.
        Err(error) if error.is_not_found() => Ok(()),
        patched => patched.map(drop),
    }
}
