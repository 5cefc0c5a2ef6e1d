//! Differences that are no drift. Pure.

use diff::compare::{Difference, How, Path, Rules, Scaler, Step, compare, is_scaled_from_outside};
use serde_json::{Map, Value};

use crate::apply::fields_of_deployers;

/// How the live object differs from what the server would make of the deployed one.
pub(super) fn beyond_doubt(
    predicted: &Value,
    live: &Value,
    rules: &Rules,
    scalers: &[Scaler],
) -> Vec<Difference> {
    let mut differences = compare(predicted, live, rules, How::Exact).differences;
    leave_scaled(&mut differences, live, scalers);
    leave_emptied(&mut differences, live);
    differences
}

/// Takes replicas out that an autoscaler decides about.
pub(super) fn leave_scaled(differences: &mut Vec<Difference>, live: &Value, scalers: &[Scaler]) {
    let is_replicas = |it: &Difference| it.path.is(&["spec", "replicas"]);
    if !differences.iter().any(is_replicas) {
        return;
    }
    let by_ours = scalers.iter().any(|scaler| scaler.accounts_for(live));
    // One of ours that does not account for them has been overruled.
    if by_ours || (scalers.is_empty() && is_scaled_from_outside(live)) {
        differences.retain(|it| !is_replicas(it));
    }
}

/// Takes empty members out that are not there though they were applied, and nobody took them away since.
///
/// Who applies an empty object where one with members of theirs was, gets neither: the server takes the members away,
/// and with the last of them the object. It keeps whose it is, until somebody else takes it away. Source:
/// structured-merge-diff, `merge/update.go`.
fn leave_emptied(differences: &mut Vec<Difference>, live: &Value) {
    let is_emptied = |it: &Difference| {
        let is_empty = match &it.desired {
            Some(Value::Object(members)) => members.is_empty(),
            Some(Value::Array(elements)) => elements.is_empty(),
            _ => false,
        };
        is_empty && it.live.is_none()
    };
    if !differences.iter().any(is_emptied) {
        return;
    }
    let ours = fields_of_deployers(live);
    differences.retain(|it| !(is_emptied(it) && ours.iter().any(|set| has(set, &it.path))));
}

/// Whether a set of fields, a tree of their names, has this one.
fn has(set: &Map<String, Value>, path: &Path) -> bool {
    let mut at = Some(set);
    for step in &path.0 {
        at = at.and_then(|set| below(set, step));
    }
    at.is_some()
}

fn below<'a>(set: &'a Map<String, Value>, step: &Step) -> Option<&'a Map<String, Value>> {
    let found = match step {
        Step::Member(name) => set.get(&format!("f:{name}")),
        Step::At(index) => set.get(&format!("i:{index}")),
        Step::Keyed(keys) => set.iter().find_map(|(name, below)| {
            let named: Value = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
            let is_it = keys
                .iter()
                .all(|(key, value)| named.get(key).is_none_or(|it| it == value));
            is_it.then_some(below)
        }),
    };
    found?.as_object()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(manager: &str, security: &Value) -> Value {
        let mut container = json!({ "name": "web" });
        if !security.is_null() {
            container["securityContext"] = security.clone();
        }
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "managedFields": [{ "manager": manager, "operation": "Apply",
                "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"web\"}": {
                        ".": {}, "f:name": {}, "f:securityContext": {} } } } } } } }] },
            "spec": { "template": { "spec": { "containers": [container] } } } })
    }

    #[test]
    fn what_the_server_emptied_is_no_drift_and_what_somebody_took_away_is() {
        let rules = Rules::default();
        let predicted = object("helm", &json!({}));
        let found = |live: &Value| beyond_doubt(&predicted, live, &rules, &[]).len();
        assert_eq!(found(&object("helm", &Value::Null)), 0);
        assert_eq!(found(&object("helm", &json!({}))), 0);
        assert_eq!(found(&object("kubectl", &Value::Null)), 1);
        let mut taken = object("helm", &Value::Null);
        taken["metadata"]["managedFields"][0]["fieldsV1"] = json!({ "f:spec": {} });
        assert_eq!(found(&taken), 1);
        for nonsense in [json!(null), json!(3), json!([{ "fieldsV1": [] }, 3])] {
            taken["metadata"]["managedFields"] = nonsense;
            assert_eq!(found(&taken), 1);
        }
        // More than nothing is missing.
        let more = object("helm", &json!({ "privileged": false }));
        let live = object("helm", &Value::Null);
        assert_eq!(beyond_doubt(&more, &live, &rules, &[]).len(), 1);
    }
}
