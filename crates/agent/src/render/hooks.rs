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

/// Builds a hook from an object with the annotation; `None` when one of its events is unknown. Helm
/// neither runs nor installs such an object.
pub(super) fn hook(path: &str, id: Id, object: &Value) -> Result<Option<Hook>, Error> {
    let list = |name: &str| -> Vec<String> {
        let items = annotation(object, name)
            .into_iter()
            .flat_map(|text| text.split(','));
        items
            .map(|item| item.trim().to_lowercase())
            .filter(|item| !item.is_empty())
            .collect()
    };
    let words = annotation(object, HOOK_ANNOTATION).unwrap_or_default();
    let events: Option<Vec<HookEvent>> = words
        .split(',')
        .map(|word| event_of(&word.trim().to_lowercase()))
        .collect();
    let Some(events) = events else {
        tracing::info!(
            path,
            events = words,
            "a hook of an unknown event is left out"
        );
        return Ok(None);
    };
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
            .and_then(|weight| weight.parse().ok())
            .unwrap_or_default(),
        delete_policies: list(HOOK_DELETE_ANNOTATION),
        output_log_policies: list(HOOK_OUTPUT_LOG_ANNOTATION),
        ..helm::Hook::default()
    };
    Ok(Some(Hook {
        record,
        desired: desired(path, id, false, object.clone())?,
    }))
}

/// The event of a word, as release records spell it.
fn event_of(word: &str) -> Option<HookEvent> {
    match word {
        "test-success" => Some(HookEvent::Test),
        word => serde_json::from_value(word.into()).ok(),
    }
}

/// Which hooks run at an event, in their order: by weight, then by name, then as they stand, which is by
/// kind.
pub(crate) fn at(hooks: &[Hook], event: HookEvent) -> Vec<usize> {
    let mut chosen: Vec<(usize, &helm::Hook)> = hooks
        .iter()
        .map(|hook| &hook.record)
        .enumerate()
        .filter(|(_, record)| record.runs_at(event))
        .collect();
    chosen.sort_by_key(|(_, record)| (record.weight, record.name.as_str()));
    chosen.into_iter().map(|(index, _)| index).collect()
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
        hook("c/templates/h.yaml", id, &object).unwrap().unwrap()
    }

    #[test]
    fn hooks_run_by_weight_then_name_then_as_they_stand() {
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
            built("b", "ConfigMap", json!({HOOK_ANNOTATION: "pre-install"})),
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
                .into_iter()
                .map(|index| format!("{}/{}", hooks[index].record.kind, hooks[index].record.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(HookEvent::PreInstall),
            [
                "Job/early",
                "Job/a",
                "Job/b",
                "ConfigMap/b",
                "ServiceAccount/z",
                "Job/late"
            ]
        );
        assert_eq!(names(HookEvent::PreUpgrade), ["Job/b"]);
        assert!(names(HookEvent::PreDelete).is_empty());
    }

    #[test]
    fn a_hook_without_policies_is_replaced() {
        let plain = built("a", "Job", json!({HOOK_ANNOTATION: "test-success"}));
        assert_eq!(plain.record.events, [HookEvent::Test]);
        assert!(has_policy(&plain, "before-hook-creation"));
        let kept = built(
            "a",
            "Job",
            json!({HOOK_ANNOTATION: "test", HOOK_DELETE_ANNOTATION: "hook-failed"}),
        );
        assert!(!has_policy(&kept, "before-hook-creation"));
        assert!(has_policy(&kept, "hook-failed"));
    }

    #[test]
    fn an_object_with_an_unknown_event_is_no_hook() {
        let id = Id {
            kind: Arc::new(Kind::new("", "v1", "Job", "x", true)),
            key: ObjectKey::new("n", "a"),
        };
        for events in ["crd-install", "pre-install,sometimes", "pre-install,", ""] {
            let object =
                json!({"metadata": {"name": "a", "annotations": {HOOK_ANNOTATION: events}}});
            assert!(
                hook("c", id.clone(), &object).unwrap().is_none(),
                "{events}"
            );
        }
    }

    #[test]
    fn a_weight_is_a_whole_number_or_none() {
        for (text, weight) in [
            ("5", 5),
            ("-5", -5),
            ("+5", 5),
            (" 5", 0),
            ("5.0", 0),
            ("x", 0),
            ("", 0),
        ] {
            let hook = built(
                "a",
                "Job",
                json!({HOOK_ANNOTATION: "test", HOOK_WEIGHT_ANNOTATION: text}),
            );
            assert_eq!(hook.record.weight, weight, "{text:?}");
        }
    }
}
