//! How an agent comes to its credential for the hub.
//!
//! * **Reads**: Secrets `fleet-agent` (the credential) and `fleet-agent-bootstrap` (the right to ask for
//!   one), ConfigMap `fleet-agent`, all in the agent's namespace of its own cluster.
//! * **Writes**: a ClusterRegistration on the hub; Secret `fleet-agent`.
//!
//! What is to be done is decided by [`plan`], from how the stored credential fares. The rules:
//!
//! * A credential is given up only when the hub refuses it (401, 403) or its certificate is not trusted any
//!   more, and only when there is a bootstrap Secret to get another one with. That no answer comes is an
//!   outage and is waited for, unless the bootstrap Secret names another server.
//! * The bootstrap Secret stays. Upstream removes it after the first success, so that no agent can help
//!   itself later; whoever wants that may remove it by hand.
//! * The old credential is replaced when the new one has been tried.

pub(crate) mod exchange;
pub(crate) mod hub;
pub(crate) mod plan;
pub(crate) mod secrets;

use api::v1alpha1::ClusterRegistration;
use apiclient::{Access, Client, ConnectError, Kind, ObjectKey, WriteOptions};
use k8s_openapi::api::core::v1::Secret;

pub use secrets::{BOOTSTRAP, CREDENTIAL, Incomplete};

/// How the bootstrap Secret reaches the hub; its namespace is where the request goes.
///
/// # Errors
/// When a key is missing or of no use.
pub fn read_bootstrap(secret: &Secret) -> Result<Access, Incomplete> {
    let bootstrap = secrets::Bootstrap::of(secret)?;
    Ok(Access {
        server: bootstrap.server,
        ca_pem: bootstrap.ca_pem,
        token: bootstrap.token,
        namespace: bootstrap.cluster_namespace,
    })
}

/// What the credential's Secret holds: kubeconfig, namespace of the BundleDeployments, Cluster.
///
/// # Errors
/// When a key is missing.
pub fn read_credential(secret: &Secret) -> Result<(String, String, ObjectKey), Incomplete> {
    let credential = secrets::Credential::of(secret)?;
    let secrets::Credential {
        kubeconfig,
        deployment_namespace,
        cluster,
    } = credential;
    Ok((kubeconfig, deployment_namespace, cluster))
}

/// Asks whether a ClusterRegistration could be created in a namespace. None is.
///
/// # Errors
/// When it could not.
pub async fn may_register(hub: &Client, namespace: &str) -> Result<(), apiclient::Error> {
    let kind = Kind::of::<ClusterRegistration>();
    let object = serde_json::json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "generateName": "request-", "namespace": namespace },
    });
    let options = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let key = ObjectKey::new(namespace, "");
    hub.create(&kind, &key, &object, options).await.map(drop)
}

/// A step towards a credential failed. Texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object of the own cluster cannot be read or written.
    #[error("{what} of the own cluster")]
    Own {
        /// Verb and object.
        what: String,
        /// Why.
        source: apiclient::Error,
    },
    /// Nothing to begin with.
    #[error(
        "secret {secret} is missing, and there is no credential that works{}: create it from the values of a ClusterRegistrationToken, or let the hub import the cluster",
        because(.problem.as_deref())
    )]
    NoBootstrap {
        /// The bootstrap Secret.
        secret: ObjectKey,
        /// What is wrong with the credential, if there is one.
        problem: Option<String>,
    },
    /// A Secret lacks something.
    #[error("secret {secret}: {source}")]
    Secret {
        /// The Secret.
        secret: ObjectKey,
        /// What.
        source: secrets::Incomplete,
    },
    /// The agent's configuration cannot be read: who the agent is would be guessed.
    #[error("key config of config map {map} is no configuration")]
    Configuration {
        /// The ConfigMap.
        map: ObjectKey,
        /// Why.
        source: api::config::ConfigError,
    },
    /// Nothing says who this cluster is.
    #[error(
        "the own cluster has no namespace kube-system, whose uid tells clusters apart: set clientID in the config map fleet-agent"
    )]
    NoIdentity,
    /// Trust in given authorities only, and none is given.
    #[error(
        "agentTLSMode is strict, which trusts apiServerCA only, and secret {secret} has none: set apiServerCA on the hub, or agentTLSMode to system-store"
    )]
    NoAuthority {
        /// The bootstrap Secret.
        secret: ObjectKey,
    },
    /// The URL or the authorities are of no use.
    #[error("connect to the hub as secret {secret} says")]
    Connect {
        /// The Secret.
        secret: ObjectKey,
        /// Why.
        source: Box<ConnectError>,
    },
    /// The hub did not take the request.
    #[error("ask the hub at {server} for registration with token {token}{}", advice(.source))]
    Ask {
        /// URL of the hub.
        server: String,
        /// Name of the ClusterRegistrationToken.
        token: String,
        /// Why.
        source: apiclient::Error,
    },
    /// The hub did not answer in time.
    #[error(
        "timeout waiting for registration secret '{secret}' on management cluster: look at the ClusterRegistration {registration} there"
    )]
    Timeout {
        /// The Secret on the hub.
        secret: ObjectKey,
        /// The request.
        registration: ObjectKey,
    },
    /// The bootstrap Secret is another one now.
    #[error("secret {secret} has changed while the hub was asked")]
    Changed {
        /// The bootstrap Secret.
        secret: ObjectKey,
    },
    /// The credential that the hub gave is of no use.
    #[error("new client config cannot list bundledeployments in {namespace}")]
    Useless {
        /// The cluster namespace.
        namespace: String,
        /// Why.
        source: apiclient::Error,
    },
}

fn because(problem: Option<&str>) -> String {
    problem.map_or_else(String::new, |problem| format!(" ({problem})"))
}

fn advice(error: &apiclient::Error) -> &'static str {
    match (error.code(), error.certificate()) {
        (401, _) => ": the token is not valid any more, a new bootstrap secret is needed",
        (403, _) => ": the token may not register clusters in that namespace",
        (_, Some(_)) => ": its certificate is not trusted, look at apiServerCA and agentTLSMode",
        _ => "",
    }
}
