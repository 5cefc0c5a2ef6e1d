//! The way of an agent to its hub.

use agent::registration::{BOOTSTRAP, CREDENTIAL};
use agent::service::LEASE;
use apiclient::{Access, Client, Kind, ObjectKey};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;

use super::network;
use super::report::{Over, Report};
use super::rights;

/// How long an agent is silent at most: three of the intervals that are usual.
const SILENCE_MAX: std::time::Duration = std::time::Duration::from_mins(45);

/// Walks it.
pub(super) async fn walk(own: &Client, namespace: &str) -> Report {
    let mut report = Report::default();
    // Where it is over the report says why.
    let _ = steps(&mut report, own, namespace).await;
    report
}

async fn steps(report: &mut Report, own: &Client, namespace: &str) -> Result<(), Over> {
    let bootstrap = secret(report, own, namespace, BOOTSTRAP, "bootstrap").await?;
    let credential = secret(report, own, namespace, CREDENTIAL, "credential").await?;
    let key = |name: &str| ObjectKey::new(namespace, name);
    let bootstrap = match bootstrap.map(|secret| agent::registration::read_bootstrap(&secret)) {
        None => None,
        Some(Ok(found)) => {
            report.ok(
                "bootstrap",
                format!("secret {} is for {}", key(BOOTSTRAP), found.server),
            );
            Some(found)
        }
        Some(Err(error)) => {
            let advice = "create it again from the values of a ClusterRegistrationToken";
            let found = format!("secret {}: {error}", key(BOOTSTRAP));
            if credential.is_none() {
                return Err(report.fail("bootstrap", found, advice));
            }
            report.warn("bootstrap", found, advice);
            None
        }
    };
    let Some(credential) = credential else {
        return unregistered(report, namespace, bootstrap).await;
    };
    if bootstrap.is_none() {
        report.warn(
            "bootstrap",
            format!("secret {} is not there", key(BOOTSTRAP)),
            "nothing to do while the credential works; without it the agent cannot get another by itself",
        );
    }
    registered(report, own, namespace, &credential).await
}

async fn secret(
    report: &mut Report,
    own: &Client,
    namespace: &str,
    name: &str,
    step: &'static str,
) -> Result<Option<Secret>, Over> {
    let key = ObjectKey::new(namespace, name);
    match own.get::<Secret>(&Kind::of::<Secret>(), &key).await {
        Ok(found) => Ok(found),
        Err(error) => {
            let advice = "this step asks the agent's own cluster: name it with --kubeconfig, with rights to read secrets of the agent's namespace";
            Err(report.fail(step, errors::chain(&error), advice))
        }
    }
}

/// There is no credential yet: how far would the exchange come?
async fn unregistered(
    report: &mut Report,
    namespace: &str,
    bootstrap: Option<Access>,
) -> Result<(), Over> {
    let from = ObjectKey::new(namespace, BOOTSTRAP).to_string();
    let Some(access) = bootstrap else {
        let advice = "make a ClusterRegistrationToken on the hub and create this secret from the key values of its secret, or set kubeConfigSecret of the Cluster; -n names another namespace";
        return Err(report.fail(
            "bootstrap",
            format!("neither secret {from} nor the credential is there"),
            advice,
        ));
    };
    let hub = connect(report, &access.kubeconfig(), &from).await?;
    let collection = "the right to register";
    match agent::registration::may_register(&hub, &access.namespace).await {
        Err(error) if error.code() == 401 => {
            let advice = "the token has expired or its ClusterRegistrationToken is gone: make another one and create the secret from its values";
            return Err(report.fail("token", errors::chain(&error), advice));
        }
        Err(error) if error.code() == 403 => {
            let advice = "the token may not create ClusterRegistrations in clusterNamespace: it is of another namespace, or its Role on the hub is gone";
            return Err(report.fail("rights", errors::chain(&error), advice));
        }
        Err(error) => {
            let advice = "the hub does not take registrations: are its definitions installed (flotilla crds)?";
            return Err(report.fail("rights", errors::chain(&error), advice));
        }
        Ok(()) => report.ok("rights", format!("the token has {collection}")),
    }
    let advice = "start the agent, or look at its log; on the hub look at the ClusterRegistrations and their events in clusterNamespace";
    Err(report.fail(
        "credential",
        format!(
            "secret {} is not there: the agent has not registered",
            ObjectKey::new(namespace, CREDENTIAL)
        ),
        advice,
    ))
}

async fn connect(report: &mut Report, kubeconfig: &str, from: &str) -> Result<Client, Over> {
    let server = apiclient::server_of(kubeconfig).unwrap_or_default();
    network::reach(report, &server).await?;
    let kube = match apiclient::from_kubeconfig_text(kubeconfig, &format!("in secret {from}")).await
    {
        Ok(kube) => kube,
        Err(error) => {
            let advice =
                format!("correct secret {from}, or delete it if the agent can register anew");
            return Err(report.fail("TLS", errors::chain(&error), advice));
        }
    };
    let hub = network::client(kube.clone());
    network::greet(report, &hub, from).await?;
    network::clock(report, &server, kube).await;
    Ok(hub)
}

async fn registered(
    report: &mut Report,
    own: &Client,
    namespace: &str,
    secret: &Secret,
) -> Result<(), Over> {
    let from = ObjectKey::new(namespace, CREDENTIAL).to_string();
    let (kubeconfig, deployments, cluster) = match agent::registration::read_credential(secret) {
        Ok(found) => found,
        Err(error) => {
            let advice = "delete it: with a bootstrap secret the agent gets another";
            return Err(report.fail("credential", format!("secret {from}: {error}"), advice));
        }
    };
    let Some(server) = apiclient::server_of(&kubeconfig) else {
        let advice = "delete it: with a bootstrap secret the agent gets another";
        return Err(report.fail(
            "credential",
            format!("secret {from} holds no kubeconfig"),
            advice,
        ));
    };
    report.ok(
        "credential",
        format!("secret {from} is for {server} and cluster {cluster}"),
    );
    let hub = connect(report, &kubeconfig, &from).await?;
    let seen = rights::check(report, &hub, &deployments, &cluster).await?;
    lease(report, own, namespace).await?;
    heartbeat(report, seen);
    Ok(())
}

/// Who acts. The Lease is kept by the agent itself, so it tells whether one runs.
async fn lease(report: &mut Report, own: &Client, namespace: &str) -> Result<(), Over> {
    let key = ObjectKey::new(namespace, LEASE);
    let found = own.get::<Lease>(&Kind::of::<Lease>(), &key).await;
    let advice = "no agent runs: look at the pods of Deployment fleet-agent and their logs";
    let lease = match found {
        Ok(Some(lease)) => lease.spec.unwrap_or_default(),
        Ok(None) => {
            let found = format!("lease {key} is not there");
            report.warn(
                "lease",
                found,
                "no agent has run here yet, or it runs with --leader-elect=false",
            );
            return Ok(());
        }
        Err(error) => return Err(report.fail("lease", errors::chain(&error), advice)),
    };
    let holder = lease.holder_identity.unwrap_or_default();
    let renewed = lease.renew_time.map(|time| time.0);
    let age = renewed.map(|renewed| Timestamp::now().duration_since(renewed).as_secs());
    let patience = i64::from(lease.lease_duration_seconds.unwrap_or_default());
    match age {
        _ if holder.is_empty() => {
            Err(report.fail("lease", format!("nobody holds lease {key}"), advice))
        }
        Some(age) if age <= patience => {
            report.ok("lease", format!("{holder} renewed it {age} s ago"));
            Ok(())
        }
        Some(age) => Err(report.fail(
            "lease",
            format!("{holder} has not renewed lease {key} for {age} s"),
            advice,
        )),
        None => Err(report.fail("lease", format!("lease {key} was never renewed"), advice)),
    }
}

/// When the hub heard of the agent last.
fn heartbeat(report: &mut Report, seen: Option<Timestamp>) {
    let advice = "the agent runs and does not report: look at its log and at /readyz of its pod";
    let Some(seen) = seen else {
        report.warn("heartbeat", "the hub never heard of the agent", advice);
        return;
    };
    let age = Timestamp::now().duration_since(seen);
    let found = format!("the hub heard of the agent {} s ago", age.as_secs());
    if age.unsigned_abs() <= SILENCE_MAX {
        report.ok("heartbeat", found);
    } else {
        report.warn("heartbeat", found, advice);
    }
}
