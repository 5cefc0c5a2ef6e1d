//! `allowedTargetNamespaceSelector`: which namespaces a deployment may go to.

use std::collections::BTreeMap;

use api::v1alpha1::LabelSelector;

/// What is wrong with the namespace of a deployment; `None` when nothing is. `labels` are those of the
/// namespace, `None` when it does not exist. Pure; texts are upstream's.
pub(super) fn violation(
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
    selector: &LabelSelector,
) -> Option<String> {
    if let Err(error) = selector.validate() {
        return Some(format!("invalid AllowedTargetNamespaceSelector: {error}"));
    }
    let Some(labels) = labels else {
        return Some(format!(
            "target namespace {namespace} does not exist on downstream cluster"
        ));
    };
    if selector.matches(labels) {
        return None;
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    Some(format!(
        "target namespace {namespace} does not match AllowedTargetNamespaceSelector; namespace labels map[{}]",
        pairs.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_namespace_must_exist_and_match() {
        let selector = |value| serde_json::from_value::<LabelSelector>(value).unwrap();
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let team = |name: &str| selector(json!({"matchLabels": {"team": name}}));
        assert_eq!(violation("n", Some(&labels), &team("a")), None);
        assert_eq!(violation("n", Some(&labels), &selector(json!({}))), None);
        for (labels, selector, expected) in [
            (
                None,
                selector(json!({})),
                "target namespace n does not exist",
            ),
            (
                Some(&labels),
                team("b"),
                "target namespace n does not match",
            ),
            (
                Some(&labels),
                selector(json!({"matchExpressions": [{"key": "team", "operator": "In"}]})),
                "invalid AllowedTargetNamespaceSelector: ",
            ),
        ] {
            assert!(
                violation("n", labels, &selector)
                    .unwrap()
                    .starts_with(expected)
            );
        }
    }
}
