//! Writes the status of a BundleDeployment: computed from memory, sent when something changed.
//!
//! * **Object**: BundleDeployment on the hub.
//! * **Reads**: the agent's world.
//! * **Writes**: the members of `status` that are the agent's own, only those that changed, and with
//!   them `display`.
//! * **Woken by**: the end of a deployment run, events of deployed objects half a second later, a
//!   stored status that is not what was computed (invariant S-1).

mod status;

use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::BundleDeployment;
use apiclient::{Class, Kind, ObjectKey, Patch, WriteOptions};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use workqueue::Next;

use crate::agent::Agent;
use crate::monitor::{SETTLE, View, view};
use crate::world::{Known, digest};

/// How soon kinds are looked at again that cannot be watched.
const BLIND_POLL: Duration = Duration::from_secs(15);

/// Computes and writes the status of deployment `name`, if it differs from what is stored.
pub(crate) async fn run(agent: Arc<Agent>, name: String) -> Next {
    let now = Timestamp::now();
    let (change, again) = agent.world(|world| {
        let (Some(known), Some(track)) = (world.deployments.get(&name), world.tracks.get(&name))
        else {
            return (Map::new(), None);
        };
        let Some(outcome) = &track.outcome else {
            return (Map::new(), None);
        };
        let applied = track.applied.as_deref();
        let at = Instant::now();
        let view = match applied.map(|applied| (applied, view(world, applied, at))) {
            // Whether it is ready is not said before it is known whether it is modified.
            Some((applied, View::Known(tally))) if tally.is_early(applied, at) => View::Settling,
            Some((_, view)) => view,
            None => View::Settling,
        };
        // What cannot be seen yet, or is different once it is older, is looked at again; events report
        // everything else.
        let again = match &view {
            View::Settling if applied.is_some() => Some(SETTLE),
            View::Blind { .. } => Some(BLIND_POLL),
            View::Known(tally) => tally.ages_at.map(|then| then.duration_since(at)),
            View::Settling => None,
        };
        let inputs = status::Inputs {
            spec: &known.object.spec,
            other_bytes: known.other_bytes,
            conditions: &track.conditions,
            outcome,
            applied,
            copied: track.copied,
            view,
            limits: &agent.options.limits,
            now,
        };
        let wanted = status::status(inputs);
        let changed = |(member, value): (&&'static str, &Value)| {
            let is_empty = is_empty(value);
            let value = if is_empty { &Value::Null } else { value };
            let stored = track.stored.get(member).copied();
            let wanted = (!is_empty).then(|| digest(value));
            (stored != wanted).then(|| ((*member).to_owned(), value.clone()))
        };
        let mut change: Map<_, _> = wanted.iter().filter_map(changed).collect();
        // The texts go along with a report and are none by themselves: the hub may know better.
        if !change.is_empty() {
            let display = status::display(&known.object, &wanted);
            change.insert("display".to_owned(), json!(display));
        }
        (change, again)
    });
    let next = again.map_or(Next::Done, Next::After);
    if change.is_empty() {
        return next;
    }
    match write(&agent, &name, change).await {
        Ok(()) => next,
        // Gone: the watch will tell.
        Err(error) if error.is_not_found() => Next::Done,
        Err(error) => {
            let text = errors::chain(&error);
            tracing::warn!(deployment = name, error = text, "cannot write the status");
            if matches!(error, apiclient::Error::Transport { .. }) {
                agent.unanswered.notify_one();
            }
            match error.class() {
                Class::Permanent => Next::Done,
                _ => Next::Retry,
            }
        }
    }
}

/// Members that are left out of a stored status.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

async fn write(
    agent: &Agent,
    name: &str,
    change: Map<String, Value>,
) -> Result<(), apiclient::Error> {
    let key = ObjectKey::new(agent.options.deployment_namespace.clone(), name);
    let kind = Kind::of::<BundleDeployment>();
    let body = json!({ "status": change });
    let options = WriteOptions::default();
    let stored: Known = agent
        .hub
        .patch(&kind, &key, Some("status"), Patch::Merge(&body), 0, options)
        .await?;
    agent.world(|world| {
        if let Some(track) = world.tracks.get_mut(name) {
            track.store(&stored);
        }
    });
    Ok(())
}
