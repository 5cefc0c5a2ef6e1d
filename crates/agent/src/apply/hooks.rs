//! Runs the hooks of an event, one after the other, and waits for each.
//!
//! Source: Helm `pkg/action/hooks.go`.

use std::time::Duration;

use apiclient::{Client, DeleteOptions, Propagation};
use helm::{HookEvent, HookExecution};
use jiff::Timestamp;
use serde_json::Value;

use super::{Error, Force, apply, reason, wait};
use crate::object::{Id, text};
use crate::render::{Hook, hooks_at, hooks_have_policy};
use crate::room;

/// How long a hook may take when nothing else is said.
const TIMEOUT: Duration = Duration::from_mins(5);
/// When hooks without a policy are deleted.
const DEFAULT_POLICY: &str = "before-hook-creation";

/// The time a hook has, from `helm.timeoutSeconds`.
pub(crate) fn timeout(seconds: i64) -> Duration {
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map_or(TIMEOUT, Duration::from_secs)
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Succeeded,
    Failed(String),
}

/// Runs the hooks of `event`; the first failure ends it. What happened is noted in their records.
pub(crate) async fn run(
    cluster: &Client,
    hooks: &mut [Hook],
    event: HookEvent,
    timeout: Duration,
) -> Result<(), Error> {
    let chosen = hooks_at(hooks, event);
    for (done, index) in chosen.iter().enumerate() {
        let hook = &mut hooks[*index];
        if hook.record.delete_policies.is_empty() {
            hook.record.delete_policies = vec![DEFAULT_POLICY.to_owned()];
        }
        if hooks_have_policy(hook, DEFAULT_POLICY) {
            remove(cluster, hook, event, timeout).await?;
        }
        let started_at = Some(Timestamp::now().to_string());
        let ended = run_one(cluster, hook, event, timeout).await;
        let phase = if ended.is_ok() { "Succeeded" } else { "Failed" };
        hook.record.last_run = HookExecution {
            started_at,
            completed_at: Some(Timestamp::now().to_string()),
            phase: phase.to_owned(),
        };
        if let Err(error) = ended {
            if hooks_have_policy(hook, "hook-failed") {
                remove(cluster, hook, event, timeout).await?;
            }
            remove_succeeded(cluster, hooks, &chosen[..done], event, timeout).await?;
            return Err(error);
        }
    }
    let last_first: Vec<usize> = chosen.into_iter().rev().collect();
    remove_succeeded(cluster, hooks, &last_first, event, timeout).await
}

async fn remove_succeeded(
    cluster: &Client,
    hooks: &[Hook],
    chosen: &[usize],
    event: HookEvent,
    timeout: Duration,
) -> Result<(), Error> {
    for hook in chosen.iter().map(|index| &hooks[*index]) {
        if hooks_have_policy(hook, "hook-succeeded") {
            remove(cluster, hook, event, timeout).await?;
        }
    }
    Ok(())
}

async fn run_one(
    cluster: &Client,
    hook: &Hook,
    event: HookEvent,
    timeout: Duration,
) -> Result<(), Error> {
    let id = &hook.desired.id;
    let failed = |reason: String| Error::Hook {
        event: name_of(event),
        id: id.clone(),
        reason,
    };
    // What is left of the last time cannot be changed, if it is a Job or a Pod; Helm fails then.
    let force = Force {
        fields: true,
        recreate: false,
    };
    apply(cluster, &hook.desired, force).await?;
    if !is_waited_for(id) {
        return Ok(());
    }
    let kind = id.kind.kind.to_string();
    let ended = wait::condition(cluster, id, timeout, |object| end(&kind, object));
    match room::left_for(ended).await {
        Some(End::Succeeded) => Ok(()),
        Some(End::Failed(reason)) => Err(failed(reason)),
        None => Err(Error::HookTimeout {
            event: name_of(event),
            id: id.clone(),
            seconds: timeout.as_secs(),
        }),
    }
}

/// Hooks of other kinds are done when they exist.
fn is_waited_for(id: &Id) -> bool {
    matches!(
        (id.kind.group.as_ref(), id.kind.kind.as_ref()),
        ("batch", "Job") | ("", "Pod")
    )
}

/// How a Job or Pod ended; `None` while it runs.
fn end(kind: &str, object: &Value) -> Option<End> {
    if kind == "Pod" {
        return match text(object, "/status/phase") {
            "Succeeded" => Some(End::Succeeded),
            "Failed" => Some(End::Failed(with_reason(
                "pod failed",
                text(object, "/status/message"),
            ))),
            _ => None,
        };
    }
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .filter(|condition| text(condition, "/status") == "True")
        .find_map(|condition| match text(condition, "/type") {
            "Complete" => Some(End::Succeeded),
            "Failed" => {
                let words = [text(condition, "/reason"), text(condition, "/message")];
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                Some(End::Failed(with_reason("job failed", &words.join(": "))))
            }
            _ => None,
        })
}

fn with_reason(what: &str, reason: &str) -> String {
    if reason.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {reason}")
    }
}

/// Deletes a hook's object and waits until it is gone, so that it can be created again.
async fn remove(
    cluster: &Client,
    hook: &Hook,
    event: HookEvent,
    timeout: Duration,
) -> Result<(), Error> {
    let id = &hook.desired.id;
    // A CustomResourceDefinition takes all objects of its kind along; Helm keeps it too.
    if super::definitions::is_kind(&id.kind) {
        return Ok(());
    }
    let options = DeleteOptions {
        propagation: Propagation::Background,
        ..DeleteOptions::default()
    };
    let deleted = cluster.delete(&id.kind, &id.key, &options).await;
    let existed = deleted.map_err(|error| Error::Delete {
        id: id.clone(),
        reason: reason(&error),
        class: error.class(),
    })?;
    if existed && !room::left_for(wait::gone(cluster, id, timeout)).await {
        let (event, seconds) = (name_of(event), timeout.as_secs());
        return Err(Error::HookTimeout {
            event,
            id: id.clone(),
            seconds,
        });
    }
    Ok(())
}

fn name_of(event: HookEvent) -> &'static str {
    match event {
        HookEvent::PreInstall => "pre-install",
        HookEvent::PostInstall => "post-install",
        HookEvent::PreDelete => "pre-delete",
        HookEvent::PostDelete => "post-delete",
        HookEvent::PreUpgrade => "pre-upgrade",
        HookEvent::PostUpgrade => "post-upgrade",
        HookEvent::PreRollback => "pre-rollback",
        HookEvent::PostRollback => "post-rollback",
        HookEvent::Test => "test",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_and_pods_end_by_condition_and_phase() {
        let failed = |reason: &str| Some(End::Failed(reason.to_owned()));
        let condition = |type_: &str, status: &str| {
            json!({"status": {"conditions": [
            {"type": type_, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}]}})
        };
        for (kind, object, expected) in [
            ("Job", json!({}), None),
            ("Job", condition("Complete", "True"), Some(End::Succeeded)),
            ("Job", condition("Complete", "False"), None),
            ("Job", condition("Suspended", "True"), None),
            (
                "Job",
                condition("Failed", "True"),
                failed("job failed: BackoffLimitExceeded: too often"),
            ),
            ("Job", json!({"status": {"conditions": "none"}}), None),
            ("Pod", json!({"status": {"phase": "Running"}}), None),
            (
                "Pod",
                json!({"status": {"phase": "Succeeded"}}),
                Some(End::Succeeded),
            ),
            (
                "Pod",
                json!({"status": {"phase": "Failed"}}),
                failed("pod failed"),
            ),
            (
                "Pod",
                json!({"status": {"phase": "Failed", "message": "oom"}}),
                failed("pod failed: oom"),
            ),
        ] {
            assert_eq!(end(kind, &object), expected, "{kind} {object}");
        }
    }

    #[test]
    fn a_timeout_that_is_none_gives_the_default() {
        assert_eq!(timeout(30), Duration::from_secs(30));
        for none in [0, -1, i64::MIN] {
            assert_eq!(timeout(none), TIMEOUT);
        }
    }
}
