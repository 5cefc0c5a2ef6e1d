//! Keeps the rules of aggregated ClusterRoles equal to the union of the roles they select.
//!
//! Source: kubernetes `pkg/controller/clusterroleaggregation`.

use apimachinery::selectors::LabelSelector;
use serde_json::Value;

use super::Controller;
use crate::object;
use crate::rest::local::Local;
use crate::store::{Event, ObjectKey};

/// See the module's text. The one key stands for all aggregated roles of a cluster.
pub(super) struct Aggregation;

impl Controller for Aggregation {
    const NAME: &'static str = "clusterrole-aggregation-controller";

    fn keys(&mut self, event: &Event) -> Vec<ObjectKey> {
        let of_roles = event.resource.as_str() == "clusterroles.rbac.authorization.k8s.io";
        if of_roles {
            vec![ObjectKey::new("", "")]
        } else {
            Vec::new()
        }
    }

    fn all(&mut self, _local: &Local) -> Vec<ObjectKey> {
        vec![ObjectKey::new("", "")]
    }

    fn reconcile(&mut self, local: &Local, _key: &ObjectKey) -> bool {
        let Ok(resource) = local.resource("rbac.authorization.k8s.io/v1", "ClusterRole") else {
            return true;
        };
        let all = local.list(&resource, None);
        let mut done = true;
        for role in &all {
            let Some(union) = aggregate(role, &all) else {
                continue;
            };
            let result = local.modify(&resource, ("", object::name(role)), "", &mut |role| {
                if role.get("rules").is_some_and(|known| *known == union) {
                    return false;
                }
                object::as_object_mut(role).insert("rules".to_owned(), union.clone());
                true
            });
            done &= result.is_ok();
        }
        done
    }
}

/// The rules of an aggregated role, in order of the names of the roles they come from; `None` for
/// other roles.
fn aggregate(role: &Value, all: &[Value]) -> Option<Value> {
    let selectors = object::at(role, &["aggregationRule", "clusterRoleSelectors"])?.as_array()?;
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors {
        let Ok(selector) = LabelSelector::from_object(selector) else {
            continue;
        };
        let selected = all
            .iter()
            .filter(|other| object::name(other) != object::name(role))
            .filter(|other| selector.matches_object(other));
        for rule in selected.flat_map(|other| object::list_at(other, &["rules"])) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Some(Value::Array(rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_aggregated_role_has_the_rules_of_those_it_selects_once() {
        let view = json!({"metadata": {"name": "view", "labels": {"to": "view"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "view"}}]},
            "rules": [{"verbs": ["stale"]}]});
        let role = |name: &str, label: &str, verb: &str| json!({"metadata": {"name": name, "labels": {"to": label}}, "rules": [{"verbs": [verb]}]});
        let all = [
            view.clone(),
            role("a", "view", "get"),
            role("b", "edit", "update"),
            role("c", "view", "get"),
            role("d", "view", "list"),
        ];
        let want = json!([{"verbs": ["get"]}, {"verbs": ["list"]}]);
        assert_eq!(aggregate(&view, &all), Some(want));
        assert_eq!(aggregate(&all[1], &all), None);
    }
}
