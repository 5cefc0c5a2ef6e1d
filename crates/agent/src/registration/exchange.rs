//! From a bootstrap Secret to a credential.

use std::collections::BTreeMap;
use std::time::Duration;

use api::config::Config;
use api::labels::{CREATED_BY_AGENT_POD, REGISTRATION_TOKEN};
use api::names;
use api::v1alpha1::ClusterRegistration;
use apiclient::{Access, Class, Client, DeleteOptions, Kind, ObjectKey, ObjectMeta, WriteOptions};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::secrets::{self, BOOTSTRAP, Bootstrap, CREDENTIAL, Credential};
use super::{Error, hub};

/// Name of the agent's ConfigMap.
pub(crate) const CONFIG_MAP: &str = "fleet-agent";
/// How long a new credential may take until it is in force.
const SETTLE: Duration = Duration::from_secs(30);
/// Every how many-th time that the hub is asked the bootstrap Secret is looked at.
const LOOK_EVERY: u32 = 15;

/// How often and how long the hub is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks for the answer.
    pub poll: Duration,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// Between two attempts.
    pub retry: Duration,
}

impl Default for Pace {
    /// Upstream's: 2 s, 30 min, 1 min.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            patience: Duration::from_mins(30),
            retry: Duration::from_mins(1),
        }
    }
}

/// The own cluster, as far as registration is concerned.
pub(crate) struct Own<'a> {
    pub(crate) client: &'a Client,
    /// The agent's namespace.
    pub(crate) namespace: &'a str,
    /// The pod's name.
    pub(crate) host: &'a str,
    pub(crate) pace: Pace,
}

impl Own<'_> {
    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(self.namespace, name)
    }

    async fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let found = self
            .client
            .get(&Kind::of::<Secret>(), &self.key(name))
            .await;
        found.map_err(|source| Error::Own {
            what: format!("read secret {}", self.key(name)),
            source,
        })
    }

    /// The stored credential, or what is wrong with it.
    pub(crate) async fn credential(&self) -> Result<Option<Result<Credential, Error>>, Error> {
        let secret = self.secret(CREDENTIAL).await?;
        Ok(secret.map(|secret| {
            Credential::of(&secret).map_err(|source| {
                let secret = self.key(CREDENTIAL);
                Error::Secret { secret, source }
            })
        }))
    }

    /// The bootstrap Secret with its version, if there is one.
    pub(crate) async fn bootstrap(&self) -> Result<Option<(Bootstrap, String)>, Error> {
        let Some(secret) = self.secret(BOOTSTRAP).await? else {
            return Ok(None);
        };
        let version = secret.metadata.resource_version.clone().unwrap_or_default();
        match Bootstrap::of(&secret) {
            Ok(bootstrap) => Ok(Some((bootstrap, version))),
            Err(source) => {
                let secret = self.key(BOOTSTRAP);
                Err(Error::Secret { secret, source })
            }
        }
    }

    /// What the ConfigMap says; defaults without it.
    pub(crate) async fn config(&self) -> Result<Config, Error> {
        let map = self.key(CONFIG_MAP);
        let found = self
            .client
            .get::<ConfigMap>(&Kind::of::<ConfigMap>(), &map)
            .await;
        let found = found.map_err(|source| Error::Own {
            what: format!("read config map {map}"),
            source,
        })?;
        let data = found.and_then(|map| map.data).unwrap_or_default();
        let text = data.get(api::config::KEY).map_or("", String::as_str);
        match Config::parse(text) {
            Ok((config, unusable)) => {
                for name in unusable {
                    tracing::warn!(name, "the configured duration is none: the default applies");
                }
                Ok(config)
            }
            Err(source) => Err(Error::Configuration { map, source }),
        }
    }

    /// Who this cluster is, unless it was told: the uid of its namespace `kube-system`.
    async fn client_id(&self, config: &Config) -> Result<String, Error> {
        if !config.client_id.is_empty() {
            return Ok(config.client_id.clone());
        }
        let key = ObjectKey::new("", "kube-system");
        let found = self
            .client
            .get::<ObjectMeta>(&Kind::of::<Namespace>(), &key)
            .await;
        let failed = |source| Error::Own {
            what: "read namespace kube-system".to_owned(),
            source,
        };
        match found.map_err(failed)? {
            Some(namespace) => Ok(namespace.metadata.uid),
            None => Err(Error::NoIdentity),
        }
    }

    /// Exchanges the bootstrap token for a credential, tries it out and stores it.
    pub(crate) async fn exchange(
        &self,
        bootstrap: &Bootstrap,
        version: &str,
    ) -> Result<Credential, Error> {
        let config = self.config().await?;
        let client_id = self.client_id(&config).await?;
        let access = self.access(bootstrap, &config.agent_tls_mode).await?;
        let asked = self.connect(&access).await?;
        let registration = Registration {
            client_random: names::random_token(rand::random_range),
            client_id,
            labels: labels(&config, self.host),
        };
        let key = registration.send(&asked, bootstrap).await?;
        tracing::info!(registration = %key, "registration is asked for");
        let answer = self
            .wait(&asked, &registration, bootstrap, version, &key)
            .await?;
        let (token, deployment_namespace, cluster) = answer;
        let access = Access {
            token,
            namespace: deployment_namespace.clone(),
            ..access
        };
        self.settle(&access).await?;
        let credential = Credential {
            kubeconfig: access.kubeconfig(),
            deployment_namespace,
            cluster,
        };
        self.store(&credential).await?;
        tracing::info!(cluster = %credential.cluster, "registered");
        Ok(credential)
    }

    /// How the hub is reached: with the given authorities, unless the system's will do.
    async fn access(&self, bootstrap: &Bootstrap, mode: &str) -> Result<Access, Error> {
        let mut ca_pem = bootstrap.ca_pem.clone();
        if mode == hub::SYSTEM_STORE {
            if apiclient::is_trusted_by_system(&bootstrap.server).await {
                ca_pem.clear();
            }
        } else if ca_pem.trim().is_empty() && bootstrap.server.starts_with("https") {
            let secret = self.key(BOOTSTRAP);
            return Err(Error::NoAuthority { secret });
        }
        Ok(Access {
            server: bootstrap.server.clone(),
            ca_pem,
            token: bootstrap.token.clone(),
            namespace: bootstrap.cluster_namespace.clone(),
        })
    }

    async fn connect(&self, access: &Access) -> Result<Client, Error> {
        let secret = self.key(BOOTSTRAP);
        match access.connect(&format!("of secret {secret}")).await {
            Ok(kube) => Ok(hub::client(kube)),
            Err(source) => Err(Error::Connect {
                secret,
                source: Box::new(source),
            }),
        }
    }

    /// Waits for the hub's answer.
    async fn wait(
        &self,
        hub: &Client,
        registration: &Registration,
        bootstrap: &Bootstrap,
        version: &str,
        key: &ObjectKey,
    ) -> Result<(String, String, ObjectKey), Error> {
        let secret = ObjectKey::new(
            bootstrap.system_registration_namespace.clone(),
            names::registration_secret_name(&registration.client_id, &registration.client_random),
        );
        let end = Instant::now() + self.pace.patience;
        for n_asked in 1_u32.. {
            match hub.get::<Secret>(&Kind::of::<Secret>(), &secret).await {
                Ok(Some(found)) => {
                    return secrets::answer(&found)
                        .map_err(|source| Error::Secret { secret, source });
                }
                Ok(None) => {}
                Err(error) if error.code() == 401 || error.certificate().is_some() => {
                    return Err(ask_failed(bootstrap, error));
                }
                // The right to read it comes with it; outages pass.
                Err(error) => {
                    tracing::debug!(error = errors::chain(&error), "no answer yet");
                }
            }
            if Instant::now() >= end {
                break;
            }
            if n_asked.is_multiple_of(LOOK_EVERY) && self.has_changed(version).await {
                let secret = self.key(BOOTSTRAP);
                return Err(Error::Changed { secret });
            }
            sleep(self.pace.poll).await;
        }
        let registration = key.clone();
        Err(Error::Timeout {
            secret,
            registration,
        })
    }

    /// Whether there is another bootstrap Secret now. That there is none does not count: the request was
    /// made with it.
    async fn has_changed(&self, version: &str) -> bool {
        match self.bootstrap().await {
            Ok(Some((_, now))) => now != version,
            Ok(None) | Err(_) => false,
        }
    }

    /// Waits until the new credential is in force.
    async fn settle(&self, access: &Access) -> Result<(), Error> {
        let hub = self.connect(access).await?;
        let end = Instant::now() + SETTLE;
        loop {
            match hub::ask(&hub, &access.namespace).await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < end => sleep(self.pace.poll).await,
                Err(source) => {
                    let namespace = access.namespace.clone();
                    return Err(Error::Useless { namespace, source });
                }
            }
        }
    }

    async fn store(&self, credential: &Credential) -> Result<(), Error> {
        let (kind, key) = (Kind::of::<Secret>(), self.key(CREDENTIAL));
        let object = credential.secret(&key);
        let options = WriteOptions::default();
        let mut stored = self.client.create(&kind, &key, &object, options).await;
        if matches!(&stored, Err(error) if error.is_already_exists()) {
            stored = self.client.replace(&kind, &key, &object, options).await;
        }
        // A Secret of another type, or an immutable one, cannot become this one.
        if matches!(&stored, Err(error) if error.class() == Class::Permanent) {
            let deleted = self
                .client
                .delete(&kind, &key, &DeleteOptions::default())
                .await;
            stored = match deleted {
                Ok(_) => self.client.create(&kind, &key, &object, options).await,
                Err(error) => Err(error),
            };
        }
        stored.map(drop).map_err(|source| Error::Own {
            what: format!("write secret {key}"),
            source,
        })
    }
}

/// Labels that the Cluster is asked to have.
fn labels(config: &Config, host: &str) -> BTreeMap<String, String> {
    let mut labels = config.labels.clone();
    if !host.is_empty() {
        labels.insert(CREATED_BY_AGENT_POD.to_owned(), host.to_owned());
    }
    labels
}

/// A request to the hub.
struct Registration {
    client_id: String,
    client_random: String,
    labels: BTreeMap<String, String>,
}

impl Registration {
    fn object(&self, bootstrap: &Bootstrap) -> Value {
        let mut metadata =
            json!({ "generateName": "request-", "namespace": bootstrap.cluster_namespace });
        if !bootstrap.token_name.is_empty() {
            metadata["labels"] = json!({ REGISTRATION_TOKEN: bootstrap.token_name });
        }
        json!({
            "apiVersion": api::v1alpha1::API_VERSION, "kind": "ClusterRegistration",
            "metadata": metadata,
            "spec": {
                "clientID": self.client_id, "clientRandom": self.client_random,
                "clusterLabels": self.labels,
            },
        })
    }

    async fn send(&self, hub: &Client, bootstrap: &Bootstrap) -> Result<ObjectKey, Error> {
        let kind = Kind::of::<ClusterRegistration>();
        let collection = ObjectKey::new(bootstrap.cluster_namespace.clone(), "");
        let object = self.object(bootstrap);
        let options = WriteOptions::default();
        match hub.create(&kind, &collection, &object, options).await {
            Ok(ObjectMeta { metadata }) => Ok(ObjectKey::new(metadata.namespace, metadata.name)),
            Err(source) => Err(ask_failed(bootstrap, source)),
        }
    }
}

fn ask_failed(bootstrap: &Bootstrap, source: apiclient::Error) -> Error {
    Error::Ask {
        server: bootstrap.server.clone(),
        token: bootstrap.token_name.clone(),
        source,
    }
}
