//! What the target cluster can do: its version and the API versions it serves.
//!
//! In: versions as texts. Out: what templates see as `.Capabilities`. The default is what Helm 4.3.1
//! assumes without a cluster.

/// Kubernetes version, API versions, and the Helm version that is shown to charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of the cluster.
    pub kube_version: KubeVersion,
    /// `group/version` and, from a real cluster, `group/version/kind`.
    pub api_versions: Vec<String>,
}

/// The version of a Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// Full version with a leading `v`, as the cluster names it.
    pub version: String,
    /// The numbers only, with a leading `v`: what constraints are checked against.
    pub normalized: String,
    /// First number.
    pub major: String,
    /// Second number.
    pub minor: String,
}

/// A text that is no Kubernetes version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No number at the start.
    #[error("could not parse {0:?} as version")]
    NotAVersion(String),
    /// Fewer than two numbers.
    #[error("illegal version string {0:?}")]
    TooShort(String),
    /// A leading zero in the first number.
    #[error("illegal zero-prefixed version component {component:?} in {version:?}")]
    LeadingZero {
        /// The number.
        component: String,
        /// The whole text.
        version: String,
    },
    /// A number beyond 64 bits.
    #[error("version component {component:?} in {version:?} is out of range")]
    OutOfRange {
        /// The number.
        component: String,
        /// The whole text.
        version: String,
    },
}

impl KubeVersion {
    /// Reads a version such as `1.30`, `v1.33.4-gke.1`; what follows the numbers is kept but not
    /// compared.
    ///
    /// Source: Helm `ParseKubeVersion`, Kubernetes `version.ParseGeneric`.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let trimmed = text.trim_start();
        let rest = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let numbers = leading_numbers(rest);
        let first = numbers
            .first()
            .ok_or_else(|| VersionError::NotAVersion(text.to_owned()))?;
        if numbers.len() < 2 {
            return Err(VersionError::TooShort(text.to_owned()));
        }
        if first.starts_with('0') && *first != "0" {
            return Err(VersionError::LeadingZero {
                component: (*first).to_owned(),
                version: text.to_owned(),
            });
        }
        let mut values = Vec::new();
        for component in &numbers {
            let value: u64 = component.parse().map_err(|_| VersionError::OutOfRange {
                component: (*component).to_owned(),
                version: text.to_owned(),
            })?;
            values.push(value.to_string());
        }
        let version = if text.starts_with('v') {
            text.to_owned()
        } else {
            format!("v{text}")
        };
        Ok(Self {
            version,
            normalized: format!("v{}", values.join(".")),
            major: values[0].clone(),
            minor: values[1].clone(),
        })
    }
}

/// Runs of digits separated by single dots at the start of a text.
fn leading_numbers(text: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut rest = text;
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if end == 0 {
            return numbers;
        }
        numbers.push(&rest[..end]);
        match rest[end..].strip_prefix('.') {
            Some(next) => rest = next,
            None => return numbers,
        }
    }
}

/// The Helm version charts are told.
pub(crate) const HELM_VERSION: &str = "v4.3";
/// The Go version charts are told.
pub(crate) const GO_VERSION: &str = "go1.26.8";
/// The client library version charts are told.
pub(crate) const KUBE_CLIENT_VERSION: &str = "v1.37";

impl Default for Capabilities {
    /// What Helm 4.3.1 assumes without a cluster.
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.37.0".to_owned(),
                normalized: "v1.37.0".to_owned(),
                major: "1".to_owned(),
                minor: "37".to_owned(),
            },
            api_versions: DEFAULT_API_VERSIONS
                .iter()
                .map(|v| (*v).to_owned())
                .collect(),
        }
    }
}

/// In Helm's order, which templates can see by ranging.
const DEFAULT_API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_loosely() {
        for (text, version, normalized, minor) in [
            ("1.30", "v1.30", "v1.30", "30"),
            (
                "v1.33.4-gke.1245000",
                "v1.33.4-gke.1245000",
                "v1.33.4",
                "33",
            ),
            ("1.19.16+k3s1", "v1.19.16+k3s1", "v1.19.16", "19"),
            ("v1.02.0", "v1.02.0", "v1.2.0", "2"),
        ] {
            let got = KubeVersion::parse(text).expect(text);
            assert_eq!(
                (got.version.as_str(), got.normalized.as_str()),
                (version, normalized)
            );
            assert_eq!(got.minor, minor);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, want) in [
            ("", "could not parse \"\" as version"),
            ("latest", "could not parse \"latest\" as version"),
            ("1", "illegal version string \"1\""),
            (
                "01.2",
                "illegal zero-prefixed version component \"01\" in \"01.2\"",
            ),
        ] {
            assert_eq!(
                KubeVersion::parse(text).map_err(|e| e.to_string()),
                Err(want.to_owned())
            );
        }
    }
}
