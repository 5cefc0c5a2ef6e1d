//! From `apiVersion` and `kind` to the address of a resource.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::kind::Kind;

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// What a version is called whose server could not be asked (`DiscoveryFreshness`).
const STALE: &str = "Stale";

/// The kinds an API server serves, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    kinds: BTreeMap<(String, String), Kind>,
    /// Kinds that can be listed, by `apiVersion` and `kind`.
    listed: BTreeSet<(String, String)>,
    /// The `apiVersion`s that servers behind this one serve, which did not answer it.
    away: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Groups {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct GroupName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "version")]
    name: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(rename = "resource")]
    plural: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Discovery {
    /// Asks the server, with two requests (aggregated discovery, Kubernetes 1.27 and later).
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let mut discovery = Self::default();
        for path in ["/api", "/apis"] {
            let groups: Groups = client.get_path(path, AGGREGATED).await?;
            for group in groups.items {
                discovery.add(&group);
            }
        }
        Ok(discovery)
    }

    fn add(&mut self, group: &Group) {
        for version in &group.versions {
            if version.freshness == STALE {
                let name = format!("{}/{}", group.metadata.name, version.name);
                self.away.insert(name);
            }
            for resource in &version.resources {
                let Some(response) = &resource.response_kind else {
                    continue;
                };
                let kind = Kind {
                    group: group.metadata.name.clone().into(),
                    version: version.name.clone().into(),
                    kind: response.kind.clone().into(),
                    plural: resource.plural.clone().into(),
                    namespaced: resource.scope == "Namespaced",
                };
                let key = (kind.api_version(), response.kind.clone());
                if resource.verbs.iter().any(|verb| verb == "list") {
                    self.listed.insert(key.clone());
                }
                self.kinds.insert(key, kind);
            }
        }
    }

    /// The address of a kind.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] when the server did not serve it at the moment of reading; it may do
    /// so once a CustomResourceDefinition is established, so read again before giving up.
    pub fn find(&self, api_version: &str, kind: &str) -> Result<&Kind, Error> {
        let key = (api_version.to_owned(), kind.to_owned());
        self.kinds.get(&key).ok_or(Error::UnknownKind {
            api_version: key.0,
            kind: key.1,
        })
    }

    /// A kind in any version of its group.
    pub fn find_in_group(&self, group: &str, kind: &str) -> Option<&Kind> {
        let mut kinds = self.kinds.values();
        kinds.find(|found| found.group == group && found.kind == kind)
    }

    /// Whether a server behind this one serves `api_version` and could not be asked: kinds that are
    /// not found may be there.
    pub fn is_away(&self, api_version: &str) -> bool {
        self.away.contains(api_version)
    }

    /// Every kind of object that can be listed, in one of its versions.
    pub fn listed(&self) -> Vec<&Kind> {
        let mut resources = BTreeSet::new();
        let all = self.listed.iter().filter_map(|key| self.kinds.get(key));
        all.filter(|kind| resources.insert((kind.group.clone(), kind.plural.clone())))
            .collect()
    }

    /// Group versions, and group versions with kinds (`apps/v1/Deployment`), sorted: what a chart
    /// sees as `.Capabilities.APIVersions`.
    pub fn api_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = Vec::with_capacity(self.kinds.len() * 2);
        for (api_version, kind) in self.kinds.keys() {
            versions.push(api_version.clone());
            versions.push(format!("{api_version}/{kind}"));
        }
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery(groups: &str) -> Discovery {
        let groups: Groups = serde_json::from_str(groups).unwrap();
        let mut discovery = Discovery::default();
        for group in &groups.items {
            discovery.add(group);
        }
        discovery
    }

    #[test]
    fn a_kind_is_found_in_the_versions_it_is_served_in() {
        let found = discovery(
            r#"{"items": [{"metadata": {"name": "a.b"}, "versions": [{"version": "v2", "freshness": "Current",
                "resources": [{"resource": "cats", "responseKind": {"kind": "Cat"}, "scope": "Namespaced"},
                    {"resource": "broken"}]}]}]}"#,
        );
        assert!(found.find("a.b/v1", "Cat").is_err());
        assert_eq!(
            found.find_in_group("a.b", "Cat"),
            found.find("a.b/v2", "Cat").ok()
        );
        assert!(found.find_in_group("a.b", "Cat").is_some());
        for (group, kind) in [("a.c", "Cat"), ("a.b", "Dog"), ("", "Cat"), ("a.b", "")] {
            assert_eq!(found.find_in_group(group, kind), None, "{group} {kind}");
        }
        assert!(!found.is_away("a.b/v2"));
    }

    #[test]
    fn a_version_whose_server_does_not_answer_is_away() {
        let found = discovery(
            r#"{"items": [{"metadata": {"name": "metrics.k8s.io"},
                "versions": [{"version": "v1beta1", "freshness": "Stale"}, {"version": "v1"}]}]}"#,
        );
        assert!(found.is_away("metrics.k8s.io/v1beta1"));
        assert!(!found.is_away("metrics.k8s.io/v1") && !found.is_away("v1"));
    }
}
