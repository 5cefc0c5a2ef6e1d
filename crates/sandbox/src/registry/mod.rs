//! Which kinds a logical cluster serves.
//!
//! Kinds of the built-in groups come from `builtin.txt`; CRDs add kinds. [`Registry`] follows the CRDs
//! of one cluster by catching up with their bucket before each look-up, so a kind is served from the
//! moment its CRD is established, and CRDs that are equal in many clusters are compiled once.

pub(crate) mod builtin;
mod crd;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::Value;

pub(crate) use self::crd::CustomKind;
use crate::object;
use crate::store::{self, Change, ClusterId, Entry, GroupResource, Store};

/// A subresource of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subresource {
    /// Name in the path, such as `status`.
    pub name: String,
    /// Kind of its request and response.
    pub kind: String,
    /// Group and version of that kind if they differ from the resource's.
    pub group_version: Option<(String, String)>,
    /// Allowed verbs.
    pub verbs: Vec<String>,
}

/// A resource of one group and version.
#[derive(Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "`group_resource` is a word of the API machinery"
)]
pub(crate) struct Resource {
    /// Group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural name, as in paths.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Kind of its lists.
    pub list_kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Allowed verbs.
    pub verbs: Vec<String>,
    /// Short names for kubectl.
    pub short_names: Vec<String>,
    /// Categories for kubectl, such as `all`.
    pub categories: Vec<String>,
    /// Subresources, sorted by name.
    pub subresources: Vec<Subresource>,
    /// `plural.group`, as error texts name it.
    pub group_resource: GroupResource,
    /// The bucket; differs from `group_resource` where two groups show the same objects.
    pub bucket: GroupResource,
    /// `apiVersion` of this version.
    pub api_version: String,
    /// `apiVersion` that payloads in the bucket are written in.
    pub stored_version: String,
    /// Present for kinds added by a CRD.
    pub(crate) custom: Option<CustomKind>,
}

impl Resource {
    /// Whether the resource allows a verb.
    pub(crate) fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|allowed| allowed == verb)
    }

    /// A subresource by name.
    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether `status` is written through its own path only.
    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Whether payloads are served as they are stored.
    pub(crate) fn serves_stored_bytes(&self) -> bool {
        // CRD versions differ in the apiVersion only, which is not part of a payload.
        self.api_version == self.stored_version || self.custom.is_some()
    }
}

/// A group as discovery shows it.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Group name, empty for core.
    pub(crate) name: String,
    /// Served versions, preferred one first, each with its resources.
    pub(crate) versions: Vec<(String, Vec<Arc<Resource>>)>,
}

/// Resources of a CRD by the address of its interned spec, which they keep from being reused.
type Compiled = HashMap<usize, (Arc<[u8]>, Arc<[Arc<Resource>]>)>;

/// CRDs compiled once for all clusters that hold the same spec.
#[derive(Default)]
pub(crate) struct CrdCache {
    compiled: Mutex<Compiled>,
}

/// Entries a cache may hold before it looks for unused ones.
const CACHE_SWEEP_MIN: usize = 1_024;

impl CrdCache {
    /// The resources of a CRD. The identity of the interned `spec` is the key; small specs are
    /// not interned and are compiled anew, which is cheap.
    fn resources(&self, entry: &Entry) -> Result<Arc<[Arc<Resource>]>, crd::Error> {
        let Some(spec) = entry.payload.shared_segment("spec") else {
            return crd::resources(entry);
        };
        let key = Arc::as_ptr(spec).cast::<u8>() as usize;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, resources)) = compiled.get(&key) {
            return Ok(Arc::clone(resources));
        }
        if compiled.len() > CACHE_SWEEP_MIN {
            // The interner and this table hold a segment that no cluster uses any more.
            compiled.retain(|_, (spec, _)| Arc::strong_count(spec) > 2);
        }
        let resources = crd::resources(entry)?;
        compiled.insert(key, (Arc::clone(spec), Arc::clone(&resources)));
        Ok(resources)
    }
}

#[derive(Default)]
struct Custom {
    seen: Option<u64>,
    crds: BTreeMap<Arc<str>, Arc<[Arc<Resource>]>>,
    paths: HashMap<(String, String, String), Arc<Resource>>,
}

/// The kinds of one logical cluster.
pub(crate) struct Registry {
    cluster: ClusterId,
    store: Arc<Store>,
    cache: Arc<CrdCache>,
    custom: Mutex<Custom>,
}

/// The bucket of CRDs.
pub(crate) static CRDS: LazyLock<GroupResource> =
    LazyLock::new(|| GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions"));

impl Registry {
    pub(crate) fn new(cluster: ClusterId, store: Arc<Store>, cache: Arc<CrdCache>) -> Self {
        Self {
            cluster,
            store,
            cache,
            custom: Mutex::default(),
        }
    }

    /// The resource at `/apis/<group>/<version>/<plural>`.
    pub(crate) fn resolve(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<Resource>> {
        if let Some(found) = builtin::resolve(group, version, plural) {
            return Some(found);
        }
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.with_custom(|custom| custom.paths.get(&path).cloned())
    }

    /// The resource of a kind, in the version asked for or else in the preferred one.
    pub(crate) fn by_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let (group, version) = split_api_version(api_version);
        let matches = |resource: &Resource| {
            resource.group == group && resource.version == version && resource.kind == kind
        };
        if let Some(found) = builtin::all().iter().find(|resource| matches(resource)) {
            return Some(Arc::clone(found));
        }
        self.with_custom(|custom| {
            custom
                .paths
                .values()
                .find(|resource| matches(resource))
                .cloned()
        })
    }

    /// A resource that shows the objects of a bucket, preferring the version they are stored in.
    pub(crate) fn by_bucket(&self, bucket: &GroupResource) -> Option<Arc<Resource>> {
        let stored = |resource: &&Arc<Resource>| {
            resource.bucket == *bucket && resource.api_version == resource.stored_version
        };
        if let Some(found) = builtin::all().iter().find(stored) {
            return Some(Arc::clone(found));
        }
        self.with_custom(|custom| {
            let all = || custom.crds.values().flat_map(|crd| crd.iter());
            all()
                .find(stored)
                .or_else(|| all().find(|r| r.bucket == *bucket))
                .cloned()
        })
    }

    /// All groups in discovery order: built-in ones, then those of CRDs by name.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut add = |resource: &Arc<Resource>| {
            let group =
                if let Some(group) = groups.iter_mut().find(|group| group.name == resource.group) {
                    group
                } else {
                    groups.push(Group {
                        name: resource.group.clone(),
                        versions: Vec::new(),
                    });
                    let last = groups.len() - 1;
                    &mut groups[last]
                };
            match group
                .versions
                .iter_mut()
                .find(|(version, _)| *version == resource.version)
            {
                Some((_, resources)) => resources.push(Arc::clone(resource)),
                None => group
                    .versions
                    .push((resource.version.clone(), vec![Arc::clone(resource)])),
            }
        };
        builtin::all().iter().for_each(&mut add);
        self.with_custom(|custom| {
            custom
                .crds
                .values()
                .flat_map(|crd| crd.iter())
                .for_each(&mut add);
        });
        let n_builtin = builtin::n_groups();
        groups[n_builtin..].sort_by(|a, b| a.name.cmp(&b.name));
        for group in &mut groups[n_builtin..] {
            group.versions.sort_by(|a, b| compare_versions(&a.0, &b.0));
            for (_, resources) in &mut group.versions {
                resources.sort_by(|a, b| a.plural.cmp(&b.plural));
            }
        }
        groups
    }

    /// Every resource that stores objects, each bucket once.
    pub(crate) fn stored(&self) -> Vec<Arc<Resource>> {
        let mut found: BTreeMap<GroupResource, Arc<Resource>> = BTreeMap::new();
        for group in self.groups() {
            for resource in group
                .versions
                .into_iter()
                .flat_map(|(_, resources)| resources)
            {
                if resource.allows("list") {
                    found.entry(resource.bucket.clone()).or_insert(resource);
                }
            }
        }
        found.into_values().collect()
    }

    fn with_custom<T>(&self, read: impl FnOnce(&Custom) -> T) -> T {
        let changed = self.store.changed(self.cluster, &CRDS);
        let mut custom = self.custom.lock().unwrap_or_else(PoisonError::into_inner);
        if custom.seen.is_none_or(|seen| seen < changed) {
            self.catch_up(&mut custom);
        }
        read(&custom)
    }

    fn catch_up(&self, custom: &mut Custom) {
        let changes = match custom.seen {
            Some(seen) => self.store.changes(self.cluster, &CRDS, seen).ok(),
            None => None,
        };
        match changes {
            Some(events) => {
                for event in events {
                    let gone = event.change == Change::Deleted;
                    self.follow(custom, &event.entry, gone);
                    custom.seen = custom.seen.max(Some(event.entry.revision));
                }
            }
            None => self.rebuild(custom),
        }
    }

    fn rebuild(&self, custom: &mut Custom) {
        *custom = Custom::default();
        let Ok(page) = self
            .store
            .list(self.cluster, &CRDS, &store::ListRange::default())
        else {
            return;
        };
        for entry in &page.entries {
            self.follow(custom, entry, false);
        }
        custom.seen = Some(page.revision);
    }

    fn follow(&self, custom: &mut Custom, entry: &Entry, gone: bool) {
        let served = if gone || !is_established(entry) {
            None
        } else {
            match self.cache.resources(entry) {
                Ok(resources) => Some(resources),
                Err(error) => {
                    tracing::warn!(crd = %entry.key.name, %error, "skipping a CRD");
                    None
                }
            }
        };
        let before = match served.clone() {
            Some(resources) => custom.crds.insert(Arc::clone(&entry.key.name), resources),
            None => custom.crds.remove(&entry.key.name),
        };
        let unchanged = match (&before, &served) {
            (Some(before), Some(served)) => Arc::ptr_eq(before, served),
            (None, None) => true,
            _ => false,
        };
        if unchanged {
            return;
        }
        for resource in before.iter().flat_map(|resources| resources.iter()) {
            custom.paths.remove(&path_of(resource));
        }
        for resource in served.iter().flat_map(|resources| resources.iter()) {
            custom.paths.insert(path_of(resource), Arc::clone(resource));
        }
    }
}

fn path_of(resource: &Resource) -> (String, String, String) {
    (
        resource.group.clone(),
        resource.version.clone(),
        resource.plural.clone(),
    )
}

/// Whether the CRD's `Established` condition is true.
fn is_established(entry: &Entry) -> bool {
    // Status is never a shared segment, so only the small part of a big CRD is parsed here.
    let status: Option<Value> = entry.payload.field("status");
    status.is_some_and(|status| {
        object::list_at(&status, &["conditions"])
            .iter()
            .any(|condition| {
                object::str_at(condition, &["type"]) == "Established"
                    && object::str_at(condition, &["status"]) == "True"
            })
    })
}

/// Group and version of an `apiVersion`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// `apiVersion` of a group and version.
pub(crate) fn join_api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Order of versions by preference: stable before beta before alpha, higher numbers first, then
/// other names by alphabet. Source: apimachinery `pkg/version/helpers.go`,
/// `CompareKubeAwareVersionStrings`.
pub(crate) fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number of `v1`, `v2beta3`.
fn rank(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (major, tail) = rest.split_at(digits);
    let major = major.parse().ok().filter(|_| !major.starts_with('0'))?;
    if tail.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
        (Some(minor), _) => (1, minor),
        (_, Some(minor)) => (0, minor),
        _ => return None,
    };
    Some((
        stability,
        major,
        minor.parse().ok().filter(|_| !minor.starts_with('0'))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::{builtin, compare_versions, split_api_version};

    #[test]
    fn versions_are_ordered_by_stability_then_number() {
        let mut versions = [
            "foo10",
            "v1",
            "v11alpha2",
            "v2",
            "v10beta3",
            "v3beta1",
            "foo1",
            "v10",
        ];
        versions.sort_by(|a, b| compare_versions(a, b));
        let want = [
            "v10",
            "v2",
            "v1",
            "v10beta3",
            "v3beta1",
            "v11alpha2",
            "foo1",
            "foo10",
        ];
        assert_eq!(versions, want);
    }

    #[test]
    fn every_line_of_the_table_is_a_resource() {
        assert_eq!(builtin::all().len(), 68);
        let deployments = builtin::resolve("apps", "v1", "deployments").unwrap();
        assert_eq!(deployments.short_names, ["deploy"]);
        assert_eq!(deployments.categories, ["all"]);
        assert_eq!(deployments.subresources.len(), 2);
        assert_eq!(deployments.list_kind, "DeploymentList");
        let events = builtin::resolve("events.k8s.io", "v1", "events").unwrap();
        assert_eq!(events.bucket.as_str(), "events");
        assert!(builtin::resolve("apps", "v1beta1", "deployments").is_none());
    }

    #[test]
    fn api_versions_split_at_the_slash() {
        assert_eq!(split_api_version("v1"), ("", "v1"));
        assert_eq!(split_api_version("apps/v1"), ("apps", "v1"));
    }
}
