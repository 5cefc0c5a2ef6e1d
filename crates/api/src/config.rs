//! The configuration of the hub: key `config` of the ConfigMap `fleet-controller`.
//!
//! In: the text, YAML or JSON. Out: the typed document and what in it is of no use.
//! Source: hub specification 11.1; upstream's `internal/config`.

use std::collections::BTreeMap;

use goyaml::Target;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::LocalObjectReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::v1alpha1::Duration;

/// Name of the ConfigMap, in the system namespace.
pub const CONFIG_MAP: &str = "fleet-controller";
/// Its key.
pub const KEY: &str = "config";
/// What agents take where no interval is given.
pub const AGENT_INTERVAL: std::time::Duration = std::time::Duration::from_mins(15);

/// The document. What is not given has upstream's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// Image of agents; empty for the one that belongs to the version.
    pub agent_image: String,
    /// `imagePullPolicy` of agents.
    pub agent_image_pull_policy: String,
    /// Registry that images are taken from which name none; the chart ends it with a slash.
    pub system_default_registry: String,
    /// How often agents report.
    pub agent_checkin_interval: Option<Duration>,
    /// Whether the hub deploys agents; unset means that it does.
    pub manage_agent: Option<bool>,
    /// Labels that registering clusters ask for.
    pub labels: BTreeMap<String, String>,
    /// Identity that a registering cluster presents.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Where agents reach the hub.
    #[serde(rename = "apiServerURL")]
    pub api_server_url: String,
    /// The authority that signed the hub's certificate, as PEM; base64 in the document.
    #[serde(rename = "apiServerCA")]
    pub api_server_ca: Option<ByteString>,
    /// What is made on the hub for the hub itself as a cluster.
    pub bootstrap: Bootstrap,
    /// Labels that agents ask for at registration are left out.
    pub ignore_cluster_registration_labels: bool,
    /// `strict` or `system-store`: which authorities agents trust.
    #[serde(rename = "agentTLSMode")]
    pub agent_tls_mode: String,
    /// How long a question for the last commit may take.
    pub git_client_timeout: Option<Duration>,
    /// How often agents look for releases that nothing deploys any more.
    pub garbage_collection_interval: Option<Duration>,
    /// How much agents do at the same time.
    pub agent_workers: AgentWorkers,
    /// Secrets that agents pull their image with.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Written by upstream's chart; nothing reads it.
    #[serde(rename = "webhookReceiverURL")]
    pub webhook_receiver_url: String,
    /// Written by upstream's chart; nothing reads it.
    #[serde(rename = "githubURLPrefix")]
    pub github_url_prefix: String,
}

/// What is made on the hub for the hub itself as a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bootstrap {
    /// Namespace of the Cluster `local`; empty or `-` for none.
    pub namespace: String,
    /// Namespace of its agent.
    pub agent_namespace: String,
    /// It has no agent.
    pub local_agent_disabled: bool,
    /// Its labels.
    pub cluster_labels: BTreeMap<String, String>,
    /// A repository for it; empty for none.
    pub repo: String,
    /// The Secret with the repository's credential.
    pub secret: String,
    /// Paths in the repository, separated by commas.
    pub paths: String,
    /// Branch of the repository.
    pub branch: String,
}

/// How much agents do at the same time; texts that hold numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentWorkers {
    /// BundleDeployments.
    pub bundledeployment: String,
    /// Checks for drift.
    pub drift: String,
}

/// The document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no YAML, or has a value of the wrong kind.
    #[error("key {KEY} of ConfigMap {CONFIG_MAP} is no configuration")]
    Document {
        /// Where and why.
        source: goyaml::Error,
    },
    /// A value has the right kind and is of no use. It is not quoted.
    #[error(
        "key {KEY} of ConfigMap {CONFIG_MAP} holds a value that cannot be used; apiServerCA has to be base64"
    )]
    Value,
}

const TEXTS: Target = Target::Map {
    go_type: "map[string]string",
    value: &Target::Text,
};
const BOOTSTRAP: Target = Target::Struct {
    go_type: "config.Bootstrap",
    name: "Bootstrap",
    fields: &[
        ("namespace", Target::Text),
        ("agentNamespace", Target::Text),
        ("localAgentDisabled", Target::Bool),
        ("clusterLabels", TEXTS),
        ("repo", Target::Text),
        ("secret", Target::Text),
        ("paths", Target::Text),
        ("branch", Target::Text),
    ],
};
const AGENT_WORKERS: Target = Target::Struct {
    go_type: "config.AgentWorkers",
    name: "AgentWorkers",
    fields: &[("bundledeployment", Target::Text), ("drift", Target::Text)],
};
const IMAGE_PULL_SECRETS: Target = Target::List {
    go_type: "[]v1.LocalObjectReference",
    item: &Target::Struct {
        go_type: "v1.LocalObjectReference",
        name: "LocalObjectReference",
        fields: &[("name", Target::Text)],
    },
};
/// Durations decode themselves.
const DOCUMENT: Target = Target::Struct {
    go_type: "config.Config",
    name: "Config",
    fields: &[
        ("agentImage", Target::Text),
        ("agentImagePullPolicy", Target::Text),
        ("systemDefaultRegistry", Target::Text),
        ("manageAgent", Target::Bool),
        ("labels", TEXTS),
        ("clientID", Target::Text),
        ("apiServerURL", Target::Text),
        ("apiServerCA", Target::Text),
        ("bootstrap", BOOTSTRAP),
        ("ignoreClusterRegistrationLabels", Target::Bool),
        ("agentTLSMode", Target::Text),
        ("agentWorkers", AGENT_WORKERS),
        ("imagePullSecrets", IMAGE_PULL_SECRETS),
        ("webhookReceiverURL", Target::Text),
        ("githubURLPrefix", Target::Text),
    ],
};
const DURATIONS: [&str; 3] = [
    "agentCheckinInterval",
    "gitClientTimeout",
    "garbageCollectionInterval",
];

impl Config {
    /// Reads a document; beside it the names of the durations in it that are none, which have their
    /// default, as upstream.
    ///
    /// # Errors
    /// When it is no YAML, or has a value of the wrong kind.
    pub fn parse(text: &str) -> Result<(Self, Vec<&'static str>), ConfigError> {
        let parsed = goyaml::parse_into(text.as_bytes(), &DOCUMENT);
        let mut value = parsed.map_err(|source| ConfigError::Document { source })?;
        let Value::Object(members) = &mut value else {
            return Ok((Self::default(), Vec::new()));
        };
        // What Go takes for nothing.
        members.retain(|_, value| !value.is_null());
        for part in ["bootstrap", "agentWorkers"] {
            if let Some(Value::Object(members)) = members.get_mut(part) {
                members.retain(|_, value| !value.is_null());
            }
        }
        let unusable = DURATIONS.into_iter().filter(|name| {
            let Some(value) = members.get(*name) else {
                return false;
            };
            let text = value.as_str().map(Duration::from_text);
            if text.is_some_and(|text| text.nanos().is_ok()) {
                return false;
            }
            let is_zero = value.as_f64() == Some(0.0);
            members.remove(*name);
            !is_zero
        });
        let unusable = unusable.collect();
        let config = serde_json::from_value(value).map_err(|_| ConfigError::Value)?;
        Ok((config, unusable))
    }

    /// How often agents report.
    pub fn checkin_interval(&self) -> std::time::Duration {
        interval(self.agent_checkin_interval.as_ref())
    }

    /// How often agents look for releases that nothing deploys any more.
    pub fn garbage_interval(&self) -> std::time::Duration {
        interval(self.garbage_collection_interval.as_ref())
    }
}

fn interval(given: Option<&Duration>) -> std::time::Duration {
    let given = given.and_then(|interval| interval.to_std().ok());
    given
        .filter(|interval| !interval.is_zero())
        .unwrap_or(AGENT_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Config, Vec<&'static str>) {
        Config::parse(text).unwrap()
    }

    #[test]
    fn every_field_is_read_as_upstreams_chart_writes_it() {
        let text = r#"{
            "systemDefaultRegistry": "registry.example/", "agentImage": "rancher/fleet-agent:v1",
            "agentImagePullPolicy": "IfNotPresent", "apiServerURL": "https://hub:6443",
            "apiServerCA": "Q0E=", "agentCheckinInterval": "30m", "ignoreClusterRegistrationLabels": true,
            "bootstrap": { "paths": "a,b", "repo": "r", "secret": "s", "branch": "main",
                "namespace": "fleet-local", "agentNamespace": "cattle-fleet-local-system",
                "localAgentDisabled": true, "clusterLabels": { "a": "b" } },
            "webhookReceiverURL": "", "githubURLPrefix": "", "agentTLSMode": "system-store",
            "gitClientTimeout": "30s", "garbageCollectionInterval": "15m", "manageAgent": false,
            "labels": { "env": "x" }, "clientID": "c", "imagePullSecrets": [{ "name": "pull" }],
            "agentWorkers": { "bundledeployment": "50", "drift": "7" }
        }"#;
        let (config, unusable) = parse(text);
        assert!(unusable.is_empty());
        assert_eq!(config.api_server_ca, Some(ByteString(b"CA".to_vec())));
        assert_eq!(config.checkin_interval().as_secs(), 30 * 60);
        assert_eq!(config.bootstrap.cluster_labels["a"], "b");
        assert_eq!(config.agent_workers.drift, "7");
        assert_eq!(config.manage_agent, Some(false));
        assert_eq!(config.image_pull_secrets[0].name, "pull");
        assert!(config.bootstrap.local_agent_disabled);
        // Nothing of it is lost on the way.
        let given: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&config).unwrap(), given);
    }

    #[test]
    fn nothing_and_less_than_everything_have_the_defaults() {
        for text in [
            "",
            "null",
            "{}",
            "# only this",
            "bootstrap:\nlabels:\n",
            "unknown: 1",
        ] {
            assert_eq!(parse(text), (Config::default(), vec![]), "{text:?}");
        }
        assert_eq!(Config::default().checkin_interval(), AGENT_INTERVAL);
        let (config, _) = parse("agentCheckinInterval: 1m\n");
        assert_eq!(config.checkin_interval().as_secs(), 60);
    }

    #[test]
    fn durations_that_are_none_are_named_and_have_their_default() {
        for (text, unusable, secs) in [
            (r#"agentCheckinInterval: "0""#, vec![], 900),
            ("agentCheckinInterval: 0", vec![], 900),
            (
                "agentCheckinInterval: 15",
                vec!["agentCheckinInterval"],
                900,
            ),
            (
                "agentCheckinInterval: soon",
                vec!["agentCheckinInterval"],
                900,
            ),
            (
                "agentCheckinInterval: true",
                vec!["agentCheckinInterval"],
                900,
            ),
            ("agentCheckinInterval: -5s", vec![], 900),
            ("gitClientTimeout: {}", vec!["gitClientTimeout"], 900),
            ("agentCheckinInterval: 90s", vec![], 90),
        ] {
            let (config, found) = parse(text);
            assert_eq!(
                (found, config.checkin_interval().as_secs()),
                (unusable, secs),
                "{text}"
            );
        }
    }

    #[test]
    fn a_document_of_the_wrong_shape_is_refused_without_its_values() {
        for text in [
            "[1]",
            "secret-value",
            "{",
            "manageAgent: secret-value",
            "labels: [secret-value]",
            "bootstrap: secret-value",
            "bootstrap:\n  localAgentDisabled: secret-value\n",
            "apiServerCA: '***secret-value'",
            "imagePullSecrets: secret-value",
            "agentWorkers:\n  drift: [secret-value]\n",
        ] {
            let error = Config::parse(text).unwrap_err();
            let text = format!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            );
            assert!(!text.contains("secret-value"), "{text}");
        }
    }
}
