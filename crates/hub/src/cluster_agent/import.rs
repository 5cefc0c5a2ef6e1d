//! Brings the agent to a cluster that a kubeconfig reaches.

use std::time::Duration;

use api::conditions::Finding;
use api::names::{random_token, safe_concat, system_registration_namespace};
use api::v1alpha1::{Cluster, ClusterRegistrationToken};
use apiclient::{Budgets, Client, ConnectError, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::api::core::v1::{LocalObjectReference, Namespace, Secret};
use serde_json::{Value, json};
use workqueue::Next;

use super::plan::{self, Observed};
use super::{SETTLE, bundle, downstream, tell};
use crate::Ctx;
use crate::agent_manifest::{self, Agent};
use crate::cluster_registration::plan::import_token;
use crate::object_set::ObjectSet;

/// How soon the token is looked for that the import needs.
const POLL: Duration = Duration::from_secs(2);
/// How long the token of an import is valid.
const TOKEN_TTL: &str = "12h";

/// An import failed. Texts are shown in the Cluster's condition `Imported`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Refused(String),
    #[error("read secret {secret}")]
    Read {
        secret: ObjectKey,
        source: apiclient::Error,
    },
    #[error("use the kubeconfig in secret {secret}")]
    Connect {
        secret: ObjectKey,
        source: Box<ConnectError>,
    },
    #[error("reach the cluster with the kubeconfig in secret {secret}{}", advice(.source))]
    Reach {
        secret: ObjectKey,
        source: apiclient::Error,
    },
    #[error("write {what} on the hub")]
    Hub {
        what: &'static str,
        source: apiclient::Error,
    },
    #[error("read namespace kube-system, by which the hub is known")]
    Identity(#[source] apiclient::Error),
    #[error("deploy the agent to namespace {namespace} of the cluster")]
    Deploy {
        namespace: String,
        source: apiclient::Error,
    },
    #[error(transparent)]
    Scheduling(#[from] agent_manifest::Error),
    #[error(transparent)]
    Status(Box<super::Error>),
}

fn advice(error: &apiclient::Error) -> &'static str {
    match (error.code(), error.certificate()) {
        (401, _) => ": its credential is not valid (any more)",
        (403, _) => ": its credential may not do that",
        (_, Some(_)) => ": the cluster's certificate is not trusted",
        (0, None) => ": there is no answer",
        _ => "",
    }
}

/// Where agents reach the hub.
struct Place {
    server: String,
    ca_pem: String,
}

/// Imports the cluster, unless its agent is as it should be.
pub(super) async fn run(ctx: &Ctx, observed: &Observed) -> Result<Next, Error> {
    let is_news = ctx.kubeconfigs.take_news(&observed.key);
    let imported = import(ctx, observed, is_news).await;
    if is_news && !matches!(imported, Ok(None | Some(Next::Done))) {
        ctx.kubeconfigs.put_back(&observed.key);
    }
    match imported {
        Ok(Some(Next::Done)) => {
            tell(ctx, &observed.key, Finding::True);
            Ok(Next::Done)
        }
        Ok(next) => Ok(next.unwrap_or(Next::Done)),
        Err(error) => {
            tell(ctx, &observed.key, Finding::Error(errors::chain(&error)));
            Err(error)
        }
    }
}

/// `None` when there was nothing to do. With `is_news` the Secret was written since it was read.
async fn import(ctx: &Ctx, observed: &Observed, is_news: bool) -> Result<Option<Next>, Error> {
    let is_deployed = plan::is_deployed(observed);
    if is_deployed && !is_news && !plan::has_moved(observed) {
        return Ok(None);
    }
    if observed.spec.client_id.is_empty() {
        return identify(ctx, observed).await.map(Some);
    }
    let config = &observed.config;
    let refused = |text: &str| Err(Error::Refused(text.to_owned()));
    if config.agent_image.is_empty() {
        return refused(
            "agentImage is not configured in config map fleet-controller: which agent is to be deployed?",
        );
    }
    if !["strict", "system-store"].contains(&config.agent_tls_mode.as_str()) {
        return refused(
            "agentTLSMode in config map fleet-controller must be strict or system-store",
        );
    }
    let secret = plan::kubeconfig_secret(observed).map_err(Error::Refused)?;
    let texts = texts(ctx, &secret).await?;
    let Some(place) = place(observed, &texts) else {
        if is_deployed {
            return Ok(None);
        }
        return refused(
            "apiServerURL is neither in the kubeconfig secret nor in config map fleet-controller: where do agents reach the hub?",
        );
    };
    let is_same = place.server == observed.status.api_server_url
        && plan::ca_hash(&place.ca_pem) == observed.status.api_server_ca_hash;
    if is_deployed && is_same {
        // The Secret says where the hub is, whatever is configured.
        return Ok(None);
    }
    let kubeconfig = texts.get("value").filter(|text| !text.is_empty());
    let Some(kubeconfig) = kubeconfig else {
        return Err(Error::Refused(format!(
            "secret {secret} has no key value, which holds the kubeconfig"
        )));
    };
    let client = connect(observed, &secret, kubeconfig).await?;
    let Some(values) = values(ctx, observed).await? else {
        return Ok(Some(Next::After(POLL)));
    };
    if plan::moves_from(observed).is_some() {
        let removed = bundle::remove(ctx, &observed.key).await;
        removed.map_err(|error| Error::Status(Box::new(error)))?;
        if observed.has_deployment {
            return Ok(Some(Next::After(SETTLE)));
        }
    }
    deploy(ctx, observed, &client, &place, &values).await?;
    finish(ctx, observed, &place).await?;
    tracing::info!(cluster = %observed.key, namespace = observed.namespace(), "the agent is deployed");
    Ok(Some(Next::Done))
}

/// Takes the agent away that the hub itself shall not have. What it deployed stays.
pub(super) async fn retire(ctx: &Ctx, observed: &Observed) -> Result<(), Error> {
    let wrap = |error| Error::Status(Box::new(error));
    bundle::remove(ctx, &observed.key).await.map_err(wrap)?;
    let status = &observed.status;
    let was_there = status.agent_migrated
        || status.agent_deployed_generation.is_some()
        || !status.agent.namespace.is_empty();
    if !was_there || observed.spec.kube_config_secret.is_empty() {
        return Ok(());
    }
    let secret = plan::kubeconfig_secret(observed).map_err(Error::Refused)?;
    let texts = texts(ctx, &secret).await?;
    let kubeconfig = texts.get("value").map_or("", String::as_str);
    let client = connect(observed, &secret, kubeconfig).await?;
    let (there, here) = (identity(&client).await?, identity(&ctx.client).await?);
    if here.is_empty() || there != here {
        return Err(Error::Refused(format!(
            "the kubeconfig in secret {secret} does not reach the hub itself: its agent stays"
        )));
    }
    let namespace = match status.agent.namespace.as_str() {
        "" => observed.namespace(),
        known => known,
    };
    let removed = downstream::remove(&client, namespace).await;
    removed.map_err(|source| Error::Deploy {
        namespace: namespace.to_owned(),
        source,
    })?;
    let cleared = json!({
        "agentDeployedGeneration": null, "agentConfigChanged": null,
        "agentMigrated": null, "agentNamespaceMigrated": null, "cattleNamespaceMigrated": null,
        "agent": { "namespace": null, "lastSeen": null },
    });
    let written = super::write_status(ctx, observed, "that there is no agent", &cleared).await;
    written.map_err(wrap)
}

/// What no two clusters have in common.
async fn identity(client: &Client) -> Result<String, Error> {
    let key = ObjectKey::new("", "kube-system");
    let found = client
        .get::<ObjectMeta>(&Kind::of::<Namespace>(), &key)
        .await;
    let found = found.map_err(Error::Identity)?;
    Ok(found.map(|found| found.metadata.uid).unwrap_or_default())
}

/// Gives the Cluster an identity, by which its agent is told to ask. The change wakes the import again.
async fn identify(ctx: &Ctx, observed: &Observed) -> Result<Next, Error> {
    let body = json!({ "spec": { "clientID": random_token(rand::random_range) } });
    let (kind, options) = (Kind::of::<Cluster>(), WriteOptions::default());
    let patched: Result<ObjectMeta, _> = ctx
        .client
        .patch(&kind, &observed.key, None, Patch::Merge(&body), 0, options)
        .await;
    patched.map_err(|source| Error::Hub {
        what: "clientID",
        source,
    })?;
    Ok(Next::After(POLL))
}

type Texts = std::collections::BTreeMap<String, String>;

async fn texts(ctx: &Ctx, secret: &ObjectKey) -> Result<Texts, Error> {
    let found = ctx
        .client
        .get::<Secret>(&Kind::of::<Secret>(), secret)
        .await;
    let found = found.map_err(|source| Error::Read {
        secret: secret.clone(),
        source,
    })?;
    let Some(found) = found else {
        return Err(Error::Refused(format!(
            "secret {secret} with the kubeconfig does not exist"
        )));
    };
    let data = found.data.unwrap_or_default().into_iter();
    Ok(data
        .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
        .collect())
}

/// From the Secret, or from the configuration.
fn place(observed: &Observed, texts: &Texts) -> Option<Place> {
    let config = &observed.config;
    let given = |name: &str| texts.get(name).filter(|text| !text.is_empty()).cloned();
    let server = given("apiServerURL").unwrap_or_else(|| config.api_server_url.clone());
    let configured = config.api_server_ca.clone().unwrap_or_default();
    let configured = || String::from_utf8_lossy(&configured.0).into_owned();
    (!server.is_empty()).then(|| Place {
        server,
        ca_pem: given("apiServerCA").unwrap_or_else(configured),
    })
}

/// Connects, and tries it out.
async fn connect(
    observed: &Observed,
    secret: &ObjectKey,
    kubeconfig: &str,
) -> Result<Client, Error> {
    if let Some(name) = apiclient::reaches_out(kubeconfig) {
        return Err(Error::Refused(format!(
            "the kubeconfig in secret {secret} uses {name}, which would reach out to the hub's own files or programs: put what it needs into the kubeconfig"
        )));
    }
    let is_system = observed.config.agent_tls_mode == "system-store"
        && match apiclient::server_of(kubeconfig) {
            Some(server) => apiclient::is_trusted_by_system(&server).await,
            None => false,
        };
    let kube =
        apiclient::from_strangers_kubeconfig(kubeconfig, is_system, &format!("in secret {secret}"))
            .await;
    let kube = kube.map_err(|source| Error::Connect {
        secret: secret.clone(),
        source: Box::new(source),
    })?;
    let client = Client::new(kube, downstream::FIELD_MANAGER, Budgets::default());
    let asked = client
        .get_path::<Value>("/version", "application/json")
        .await;
    match asked {
        Ok(_) => Ok(client),
        Err(source) => Err(Error::Reach {
            secret: secret.clone(),
            source,
        }),
    }
}

/// Values of the token of the import, once they are there.
async fn values(
    ctx: &Ctx,
    observed: &Observed,
) -> Result<Option<serde_json::Map<String, Value>>, Error> {
    let key = ObjectKey::new(
        observed.key.namespace.clone(),
        import_token(&observed.key.name),
    );
    let kind = Kind::of::<ClusterRegistrationToken>();
    let token = ctx
        .client
        .get::<ClusterRegistrationToken>(&kind, &key)
        .await;
    let token = token.map_err(|source| Error::Hub {
        what: "the token of the import",
        source,
    })?;
    let Some(token) = token else {
        let cluster = Kind::of::<Cluster>();
        let object = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind,
            "metadata": { "name": key.name, "namespace": key.namespace, "ownerReferences": [{
                "apiVersion": cluster.api_version(), "kind": cluster.kind,
                "name": observed.key.name, "uid": observed.uid,
            }] },
            "spec": { "ttl": TOKEN_TTL },
        });
        let created = ctx
            .client
            .create(&kind, &key, &object, WriteOptions::default())
            .await;
        created.map_err(|source| Error::Hub {
            what: "the token of the import",
            source,
        })?;
        return Ok(None);
    };
    if token.metadata.deletion_timestamp.is_some() || token.status.secret_name.is_empty() {
        return Ok(None);
    }
    let secret = ObjectKey::new(key.namespace, token.status.secret_name);
    let Some(text) = texts(ctx, &secret).await?.remove("values") else {
        return Ok(None);
    };
    let values = goyaml::parse_object(text.as_bytes());
    let values = values
        .map_err(|_| Error::Refused(format!("key values of secret {secret} is no YAML map")))?;
    let answers = system_registration_namespace(&ctx.namespace);
    if values
        .get("systemRegistrationNamespace")
        .and_then(Value::as_str)
        != Some(&answers)
    {
        return Err(Error::Refused(format!(
            "secret {secret} is not of this hub: its systemRegistrationNamespace is not {answers}"
        )));
    }
    Ok(Some(values))
}

/// Everything the agent is told and made of.
fn objects(
    ctx: &Ctx,
    observed: &Observed,
    place: &Place,
    values: &serde_json::Map<String, Value>,
) -> Result<Vec<(Kind, Value)>, Error> {
    let namespace = observed.namespace();
    let agent = Agent::of(
        &observed.spec,
        &observed.config,
        &ctx.agents.defaults,
        &observed.system_namespace,
    );
    let mut told: Vec<(&str, &str)> = values
        .iter()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .filter(|(key, _)| !["apiServerURL", "apiServerCA"].contains(key))
        .collect();
    told.extend([
        ("apiServerURL", place.server.as_str()),
        ("apiServerCA", &place.ca_pem),
    ]);
    let labels = plan::exported(&observed.labels);
    let mut objects = vec![
        agent_manifest::namespace(namespace),
        agent_manifest::bootstrap(namespace, told),
        agent_manifest::config(
            namespace,
            &observed.spec.client_id,
            &labels,
            &observed.config,
        ),
    ];
    let custom = observed.spec.agent_scheduling_customization.as_ref();
    objects.extend(agent_manifest::scheduling(namespace, custom)?);
    objects.extend(agent_manifest::objects(&agent));
    Ok(objects)
}

async fn deploy(
    ctx: &Ctx,
    observed: &Observed,
    client: &Client,
    place: &Place,
    values: &serde_json::Map<String, Value>,
) -> Result<(), Error> {
    let namespace = observed.namespace();
    let mut objects = objects(ctx, observed, place, values)?;
    let failed = |source| Error::Deploy {
        namespace: namespace.to_owned(),
        source,
    };
    if let Some(before) = plan::moves_from(observed) {
        downstream::remove(client, before).await.map_err(failed)?;
    }
    if observed.spec.agent_pull_secrets.is_none() {
        let pull = &observed.config.image_pull_secrets;
        objects.extend(pull_secrets(ctx, pull, namespace).await?);
    }
    let mut id = vec![agent_manifest::BOOTSTRAP];
    if !observed.spec.agent_namespace.is_empty() {
        id.push(&observed.spec.agent_namespace);
    }
    let set = ObjectSet::of_nobody(&safe_concat(&id));
    let restarted = downstream::restart(client, namespace, &set, objects).await;
    restarted.map_err(failed)
}

/// Copies of the Secrets that every agent's image is pulled with.
async fn pull_secrets(
    ctx: &Ctx,
    names: &[LocalObjectReference],
    namespace: &str,
) -> Result<Vec<(Kind, Value)>, Error> {
    let mut copies = Vec::new();
    for LocalObjectReference { name } in names {
        let key = ObjectKey::new(ctx.namespace.clone(), name.clone());
        let found = ctx.client.get::<Secret>(&Kind::of::<Secret>(), &key).await;
        let found = found.map_err(|source| Error::Read {
            secret: key.clone(),
            source,
        })?;
        let Some(found) = found else {
            return Err(Error::Refused(format!(
                "image pull secret {key} does not exist"
            )));
        };
        let meta = json!({ "name": name, "namespace": namespace });
        let copy = json!({ "metadata": meta, "type": found.type_, "data": found.data });
        copies.push((Kind::of::<Secret>(), copy));
    }
    Ok(copies)
}

/// Writes down with what the agent was deployed.
async fn finish(ctx: &Ctx, observed: &Observed, place: &Place) -> Result<(), Error> {
    let status = json!({
        "agentDeployedGeneration": observed.spec.redeploy_agent_generation,
        "agentMigrated": true, "agentNamespaceMigrated": true, "cattleNamespaceMigrated": true,
        "agent": { "namespace": observed.spec.agent_namespace, "lastSeen": null },
        "agentConfigChanged": false,
        "apiServerURL": place.server,
        "apiServerCAHash": plan::ca_hash(&place.ca_pem),
        "agentTLSMode": observed.config.agent_tls_mode,
        "garbageCollectionInterval": observed.config.garbage_collection_interval,
    });
    let written = super::write_status(ctx, observed, "the state of its agent", &status).await;
    written.map_err(|error| Error::Status(Box::new(error)))
}
