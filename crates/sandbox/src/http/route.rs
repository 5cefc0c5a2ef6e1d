//! From a path to what it names.
//!
//! Source: apiserver `pkg/endpoints/request/requestinfo.go`.

use percent_encoding::percent_decode_str;

/// What a request's path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A resource, a collection of them or a subresource.
    Resource(ResourcePath),
    /// Anything else, such as `/version` or a discovery document.
    Other(String),
}

/// The parts of a resource's path; absent ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResourcePath {
    /// API group.
    pub(super) group: String,
    /// Version.
    pub(super) version: String,
    /// Namespace.
    pub(super) namespace: String,
    /// Plural.
    pub(super) plural: String,
    /// Object name.
    pub(super) name: String,
    /// Subresource.
    pub(super) subresource: String,
    /// What follows the subresource, as for `proxy`.
    pub(super) rest: String,
}

/// Splits a path that has been freed of the cluster's prefix.
pub(super) fn route(path: &str) -> Route {
    let other = || Route::Other(path.to_owned());
    let parts: Option<Vec<String>> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            percent_decode_str(part)
                .decode_utf8()
                .ok()
                .map(std::borrow::Cow::into_owned)
        })
        .collect();
    let Some(parts) = parts else { return other() };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match &parts[..] {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return other(),
    };
    let base = ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        ..ResourcePath::default()
    };
    let (namespace, rest) = match rest {
        // A namespace itself, its status or its finalization; all else is inside of it.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, inside @ ..] if !inside.is_empty() => (*namespace, inside),
        _ => ("", rest),
    };
    let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    Route::Resource(ResourcePath {
        // The namespace of a namespace is itself, for authorization by RoleBindings in it.
        namespace: namespace.to_owned(),
        plural: part(0),
        name: part(1),
        subresource: part(2),
        rest: rest.get(3..).unwrap_or_default().join("/"),
        ..base
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> [String; 6] {
        match route(path) {
            Route::Resource(r) => [
                r.group,
                r.version,
                r.namespace,
                r.plural,
                r.name,
                r.subresource,
            ],
            Route::Other(other) => panic!("{other} names no resource"),
        }
    }

    #[test]
    fn resource_paths_are_split() {
        let cases = [
            ("/api/v1/pods", ["", "v1", "", "pods", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "", "namespaces", "", ""]),
            (
                "/api/v1/namespaces/a",
                ["", "v1", "", "namespaces", "a", ""],
            ),
            (
                "/api/v1/namespaces/a/status",
                ["", "v1", "", "namespaces", "a", "status"],
            ),
            (
                "/api/v1/namespaces/a/finalize",
                ["", "v1", "", "namespaces", "a", "finalize"],
            ),
            ("/api/v1/namespaces/a/pods", ["", "v1", "a", "pods", "", ""]),
            (
                "/api/v1/namespaces/a/pods/b/log",
                ["", "v1", "a", "pods", "b", "log"],
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                ["apps", "v1", "a", "deployments", "b", "scale"],
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                [
                    "rbac.authorization.k8s.io",
                    "v1",
                    "",
                    "clusterroles",
                    "system:node",
                    "",
                ],
            ),
        ];
        for (path, want) in cases {
            assert_eq!(resource(path), want.map(str::to_owned), "{path}");
        }
    }

    #[test]
    fn other_paths_name_no_resource() {
        for path in [
            "/",
            "/api",
            "/api/v1",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/version",
            "",
        ] {
            assert_eq!(route(path), Route::Other(path.to_owned()));
        }
    }
}
