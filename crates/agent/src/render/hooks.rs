//! Hooks: objects that run at an event instead of being installed. Pure.

use helm::{
    HOOK_ANNOTATION, HOOK_DELETE_ANNOTATION, HOOK_OUTPUT_LOG_ANNOTATION, HOOK_WEIGHT_ANNOTATION,
    HookEvent,
};
use serde_json::Value;

use super::{Error, desired, has_hook_annotation};
use crate::object::{Desired, Id, annotation, text};

/// A hook: its record and the object that is created.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) record: helm::Hook,
    pub(crate) desired: Desired,
}

pub(super) fn is_hook(object: &Value) -> bool {
    has_hook_annotation(object)
}

/// Builds a hook from an object with the annotation. Events that Helm does not know are left out.
pub(super) fn hook(path: &str, id: Id, object: &Value) -> Result<Hook, Error> {
    let list = |name: &str| -> Vec<String> {
        let items = annotation(object, name)
            .into_iter()
            .flat_map(|text| text.split(','));
        items
            .map(|item| item.trim().to_lowercase())
            .filter(|item| !item.is_empty())
            .collect()
    };
    let events = list(HOOK_ANNOTATION)
        .iter()
        .filter_map(|event| event_of(event))
        .collect();
    let weight = annotation(object, HOOK_WEIGHT_ANNOTATION);
    let manifest = goyaml::to_yaml(object).map_err(|error| Error::Object {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let record = helm::Hook {
        name: text(object, "/metadata/name").to_owned(),
        kind: text(object, "/kind").to_owned(),
        path: path.to_owned(),
        manifest,
        events,
        weight: weight
            .and_then(|weight| weight.trim().parse().ok())
            .unwrap_or_default(),
        delete_policies: list(HOOK_DELETE_ANNOTATION),
        output_log_policies: list(HOOK_OUTPUT_LOG_ANNOTATION),
        ..helm::Hook::default()
    };
    Ok(Hook {
        record,
        desired: desired(path, id, false, object.clone())?,
    })
}

/// The event of a word, as release records spell it.
fn event_of(word: &str) -> Option<HookEvent> {
    match word {
        "test-success" => Some(HookEvent::Test),
        word => serde_json::from_value(word.into()).ok(),
    }
}

/// The hooks of one event in the order in which they run: by weight, then by kind in install order,
/// then by name.
///
/// Helm sorts stably by weight what it has sorted by kind; names only break ties of the same kind.
pub(crate) fn at(hooks: &[Hook], event: HookEvent) -> Vec<&Hook> {
    let mut chosen: Vec<&Hook> = hooks
        .iter()
        .filter(|hook| hook.record.runs_at(event))
        .collect();
    let rank = |hook: &Hook| {
        let (rank, _) = helm::kind_rank(&helm::INSTALL_ORDER, &hook.record.kind);
        (
            hook.record.weight,
            rank,
            hook.record.kind.clone(),
            hook.record.name.clone(),
        )
    };
    chosen.sort_by_cached_key(|hook| rank(hook));
    chosen
}

/// Policies of a hook; without any it is deleted before it is created again.
pub(crate) fn has_policy(hook: &Hook, policy: &str) -> bool {
    let policies = &hook.record.delete_policies;
    if policies.is_empty() {
        policy == "before-hook-creation"
    } else {
        policies.iter().any(|known| known == policy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apiclient::{Kind, ObjectKey};
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn built(name: &str, kind: &'static str, annotations: Value) -> Hook {
        let id = Id {
            kind: Arc::new(Kind::new("", "v1", kind, "x", true)),
            key: ObjectKey::new("n", name),
        };
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "annotations": annotations}});
        hook("c/templates/h.yaml", id, &object).unwrap()
    }

    #[test]
    fn hooks_run_by_weight_then_kind_then_name() {
        let hooks = [
            built(
                "late",
                "Job",
                json!({HOOK_ANNOTATION: "pre-install", HOOK_WEIGHT_ANNOTATION: "5"}),
            ),
            built(
                "b",
                "Job",
                json!({HOOK_ANNOTATION: "pre-install,pre-upgrade"}),
            ),
            built(
                "z",
                "ServiceAccount",
                json!({HOOK_ANNOTATION: "pre-install"}),
            ),
            built(
                "a",
                "Job",
                json!({HOOK_ANNOTATION: "pre-install", HOOK_WEIGHT_ANNOTATION: "x"}),
            ),
            built(
                "early",
                "Job",
                json!({HOOK_ANNOTATION: " Pre-Install ", HOOK_WEIGHT_ANNOTATION: "-1"}),
            ),
            built("other", "Job", json!({HOOK_ANNOTATION: "post-install"})),
        ];
        let names = |event| {
            at(&hooks, event)
                .iter()
                .map(|hook| hook.record.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(HookEvent::PreInstall),
            ["early", "z", "a", "b", "late"]
        );
        assert_eq!(names(HookEvent::PreUpgrade), ["b"]);
        assert!(names(HookEvent::PreDelete).is_empty());
    }

    #[test]
    fn a_hook_without_policies_is_replaced_and_unknown_events_never_run() {
        let plain = built(
            "a",
            "Job",
            json!({HOOK_ANNOTATION: "crd-install,sometimes"}),
        );
        assert!(plain.record.events.is_empty());
        assert!(has_policy(&plain, "before-hook-creation"));
        let kept = built(
            "a",
            "Job",
            json!({HOOK_ANNOTATION: "test", HOOK_DELETE_ANNOTATION: "hook-failed"}),
        );
        assert!(!has_policy(&kept, "before-hook-creation"));
        assert!(has_policy(&kept, "hook-failed"));
    }
}
