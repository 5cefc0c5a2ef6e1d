//! What to do about a failed deployment. Pure.

/// How a failure is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Tried again with back-off.
    Transient,
    /// Fails in the same way until the spec or something on the cluster changes; tried again rarely.
    Stubborn,
    /// Recorded as applied and not tried again until the deployment id changes.
    Permanent,
}

/// Texts by which upstream knows failures that retrying does not cure.
///
/// Left out are `error validating data` and `unknown field`: a definition that comes later cures them.
///
/// Source: fleet `internal/cmd/agent/deployer/deployer.go`; the two about timeouts are Helm 4's words
/// for what upstream's list has in Helm 3's.
const PERMANENT: [&str; 8] = [
    "timed out waiting for the condition",
    "chart requires kubeVersion",
    "annotation validation error",
    "YAML parse error",
    "MalformedYAMLError",
    "Forbidden: spec is immutable after creation",
    "failed, and has been rolled back due to atomic being set",
    "due to rollback-on-failure being set",
];

/// Whether upstream would give up on a failure with this text.
pub(crate) fn is_permanent(text: &str) -> bool {
    let immutable = text
        .split_once("Forbidden: updates to ")
        .and_then(|(_, rest)| rest.split_once(" spec for fields other than "))
        .is_some_and(|(_, rest)| rest.contains(" are forbidden"));
    immutable || PERMANENT.iter().any(|known| text.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_are_permanent_and_others_are_not() {
        for (text, expected) in [
            (
                "chart requires kubeVersion: >2 which is incompatible with Kubernetes v1.36.0",
                true,
            ),
            (
                "Service \"a\" is invalid: Forbidden: spec is immutable after creation",
                true,
            ),
            (
                "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
                true,
            ),
            ("YAML parse error on c/templates/a.yaml: x", true),
            ("Forbidden: updates to statefulset", false),
            ("error validating data: unknown field \"spec.a\"", false),
            ("connection refused", false),
            ("", false),
        ] {
            assert_eq!(is_permanent(text), expected, "{text}");
        }
    }
}
