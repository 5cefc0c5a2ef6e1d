//! The process of one agent: elects itself, gets a credential, runs the agent and looks after it.
//!
//! * **Reads, writes**: what `crate::registration` does; the Lease `fleet-agent` in its namespace.
//!
//! When the hub refuses the credential the agent goes on as it is, and what is deployed stays, until there
//! is another credential: then it is replaced, without a restart of the process. The process ends with an
//! error when it can go on no more: leadership is lost, an address is taken, or a part of it has ended.

mod leader;
mod probes;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::telemetry::listen;
use api::config::Config;
use api::limits::Limits;
use apiclient::{Budgets, Client, ObjectKey};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use crate::registration::exchange::Pace;
pub use leader::{Election, LEASE};

use crate::registration::exchange::Own;
use crate::registration::plan::{self, Found, Step};
use crate::registration::secrets::{BOOTSTRAP, Credential};
use crate::registration::{Error as RegistrationError, hub};
use crate::{Contact, Ended, FIELD_MANAGER, Options, Shared, Telemetry};

/// How often a credential is looked at while the hub does not answer, or refuses.
const LOOK_MIN: Duration = Duration::from_secs(5);

/// How the process runs.
#[derive(Clone)]
pub struct Settings {
    /// Reaches the own cluster.
    pub downstream: kube::Client,
    /// The agent's namespace there.
    pub namespace: String,
    /// Tells agents apart that share a cluster; usually empty.
    pub scope: String,
    /// Time between two reports that the agent is alive.
    pub checkin_interval: Duration,
    /// Deployments worked on at the same time; `None` for the default.
    pub workers: Option<usize>,
    /// Name of this pod, for the Cluster's label; may be empty.
    pub host: String,
    /// How several processes agree on one that acts; without it this one acts at once.
    pub election: Option<Election>,
    /// Where `/healthz` and `/readyz` are.
    pub probes: Option<SocketAddr>,
    /// Where `/metrics` is.
    pub metrics: Option<SocketAddr>,
    /// How often and how long is waited for the hub.
    pub pace: Pace,
    /// Byte budgets.
    pub limits: Limits,
    /// Shared with other agents of the process.
    pub shared: Arc<Shared>,
    /// How the hub is reached, in place of registration.
    pub told: Option<Told>,
}

/// A connection to the hub that somebody else looks after.
#[derive(Clone)]
pub struct Told {
    /// Reaches the hub with the rights of this cluster's agent.
    pub hub: kube::Client,
    /// The Cluster on the hub.
    pub cluster: ObjectKey,
    /// Namespace of the cluster's BundleDeployments on the hub.
    pub deployment_namespace: String,
}

/// The process can go on no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken or not ours.
    #[error(transparent)]
    Listen(#[from] ::telemetry::Listen),
    /// Another process acts, or the own cluster did not answer for too long. Start again.
    #[error("lease {lease} is lost")]
    LeadershipLost {
        /// The Lease.
        lease: ObjectKey,
    },
    /// A part has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// What [`Stage`] is called in metrics.
pub(crate) const STAGES: [&str; 3] = ["standby", "registering", "running"];

/// What the process is about, for probes and metrics.
#[derive(Default)]
struct State {
    stage: Mutex<Stage>,
    telemetry: Arc<Telemetry>,
}

#[derive(Default)]
enum Stage {
    /// Another process acts.
    #[default]
    Standby,
    /// There is no credential yet; what is wrong.
    Registering(String),
    /// The agent runs.
    Running(Arc<Contact>),
}

impl State {
    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Why a restart would help.
    fn sickness(&self) -> Option<String> {
        match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Running(contact) => {
                let silent = contact.silent();
                (!silent.is_empty())
                    .then(|| format!("watches that hear nothing: {}", silent.join(", ")))
            }
            Stage::Standby | Stage::Registering(_) => None,
        }
    }

    /// In the words of [`STAGES`].
    fn stage(&self) -> &'static str {
        match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Standby => STAGES[0],
            Stage::Registering(_) => STAGES[1],
            Stage::Running(_) => STAGES[2],
        }
    }

    /// Why the work is not done.
    fn problem(&self) -> Option<String> {
        match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Standby => None,
            Stage::Registering(problem) => Some(problem.clone()),
            Stage::Running(contact) => contact.problem(),
        }
    }
}

/// Runs the process until `stop` is cancelled.
///
/// # Errors
/// When it can go on no more. Everything else is logged, shown by `/readyz` and tried again.
pub async fn serve(settings: Settings, stop: CancellationToken) -> Result<(), Error> {
    let state = Arc::new(State::default());
    let mut answering = JoinSet::new();
    if let Some(address) = settings.probes {
        let (listener, state) = (listen(address).await?, Arc::clone(&state));
        answering.spawn(::telemetry::serve(listener, move |path| {
            probes::probe(&state, path)
        }));
    }
    if let Some(address) = settings.metrics {
        match listen(address).await {
            Ok(listener) => {
                let state = Arc::clone(&state);
                answering.spawn(::telemetry::serve(listener, move |path| {
                    probes::metrics(&state, path)
                }));
            }
            // On the network of a node others are before us. Nothing that is deployed has to suffer from it.
            Err(error) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "metrics are not served");
            }
        }
    }
    let own = Client::new(
        settings.downstream.clone(),
        FIELD_MANAGER,
        Budgets::default(),
    );
    let process = Process {
        own,
        settings,
        state,
    };
    // What answers ends with it.
    process.lead(&stop).await
}

struct Process {
    own: Client,
    settings: Settings,
    state: Arc<State>,
}

impl Process {
    async fn lead(&self, stop: &CancellationToken) -> Result<(), Error> {
        let Some(election) = self.settings.election.clone() else {
            return self.act(stop).await;
        };
        let namespace = &self.settings.namespace;
        let mut candidate = leader::Candidate::new(self.own.clone(), namespace, election);
        tokio::select! {
            () = candidate.acquire() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let outcome = tokio::select! {
            outcome = self.act(stop) => outcome,
            () = candidate.keep() => {
                let lease = ObjectKey::new(namespace.clone(), LEASE);
                return Err(Error::LeadershipLost { lease });
            }
        };
        candidate.release().await;
        outcome
    }

    /// Runs an agent with one credential after another.
    async fn act(&self, stop: &CancellationToken) -> Result<(), Error> {
        if let Some(told) = &self.settings.told {
            let contact = Arc::new(Contact::default());
            let options = self.options(told.clone(), &contact).await;
            self.state.enter(Stage::Running(contact));
            return Ok(crate::run_or_end(options, stop.clone()).await?);
        }
        let mut next = None;
        loop {
            let credential = if let Some(credential) = next.take() {
                credential
            } else {
                tokio::select! {
                    credential = self.register() => credential,
                    () = stop.cancelled() => return Ok(()),
                }
            };
            next = self.run(credential, stop).await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn cluster(&self) -> Own<'_> {
        Own {
            client: &self.own,
            namespace: &self.settings.namespace,
            host: &self.settings.host,
            pace: self.settings.pace,
        }
    }

    /// Gets a credential, however long that takes.
    async fn register(&self) -> Credential {
        loop {
            self.state
                .enter(Stage::Registering("asking for a credential".to_owned()));
            match self.look(None).await {
                Ok(Look::Go(credential) | Look::New(credential)) => return credential,
                Err(error) => {
                    let error = errors::chain(&error);
                    tracing::warn!(error, "cannot register, trying again");
                    self.state.enter(Stage::Registering(error));
                }
            }
            sleep(self.settings.pace.retry).await;
        }
    }

    /// Looks at the stored credential, and gets another one if it has to be. `running` is the one that an
    /// agent runs with, in place of which a stored one that differs is new.
    async fn look(&self, running: Option<&Credential>) -> Result<Look, RegistrationError> {
        let own = self.cluster();
        let (stored, found) = match own.credential().await? {
            None => (None, Found::Missing),
            Some(Err(error)) => (None, Found::Unreadable(errors::chain(&error))),
            Some(Ok(credential)) => {
                let found = try_out(&credential).await;
                (Some(credential), found)
            }
        };
        // An outage is no reason to read secrets over and over.
        let bootstrap = match &found {
            Found::Works => None,
            _ => own.bootstrap().await?,
        };
        let server = stored
            .as_ref()
            .and_then(|credential| apiclient::server_of(&credential.kubeconfig));
        let offered = bootstrap
            .as_ref()
            .map(|(bootstrap, _)| bootstrap.server.as_str());
        match (
            plan::step(found, server.as_deref(), offered),
            stored,
            bootstrap,
        ) {
            (Step::Use, Some(credential), _)
                if running.is_none_or(|known| *known == credential) =>
            {
                Ok(Look::Go(credential))
            }
            (Step::Use, Some(credential), _) => Ok(Look::New(credential)),
            (Step::Exchange, _, Some((bootstrap, version))) => {
                let credential = own.exchange(&bootstrap, &version).await?;
                Ok(Look::New(credential))
            }
            (Step::Stuck(problem), ..) => Err(self.stuck(problem)),
            // What is used is stored, and what is exchanged is there.
            (Step::Use | Step::Exchange, ..) => Err(self.stuck(None)),
        }
    }

    fn stuck(&self, problem: Option<String>) -> RegistrationError {
        let secret = ObjectKey::new(self.settings.namespace.clone(), BOOTSTRAP);
        RegistrationError::NoBootstrap { secret, problem }
    }

    /// Runs an agent until it is told to stop, or there is another credential.
    async fn run(
        &self,
        credential: Credential,
        stop: &CancellationToken,
    ) -> Result<Option<Credential>, Error> {
        let contact = Arc::new(Contact::default());
        let options = match self.connect(&credential).await {
            Ok(told) => self.options(told, &contact).await,
            Err(error) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "the credential cannot be used, trying again");
                self.state.enter(Stage::Registering(error));
                let again = async {
                    sleep(self.settings.pace.retry).await;
                    self.register().await
                };
                return tokio::select! {
                    credential = again => Ok(Some(credential)),
                    () = stop.cancelled() => Ok(None),
                };
            }
        };
        tracing::info!(cluster = %options.cluster, "the agent runs");
        self.state.enter(Stage::Running(Arc::clone(&contact)));
        let ending = stop.child_token();
        let mut agent = tokio::spawn(crate::run_or_end(options, ending.clone()));
        let next = tokio::select! {
            () = stop.cancelled() => None,
            next = self.replacement(&credential, &contact) => Some(next),
            ended = &mut agent => return match ended {
                Ok(outcome) => Ok(outcome.map(|()| None)?),
                Err(_) => Err(Error::Ended(Ended::of(&credential.cluster))),
            },
        };
        ending.cancel();
        // It was told to end; how does not matter any more.
        let _ = agent.await;
        Ok(next)
    }

    /// Waits for trouble with the hub, and for another credential after it.
    async fn replacement(&self, running: &Credential, contact: &Contact) -> Credential {
        let pace = self.settings.pace.retry;
        let mut pause = LOOK_MIN.min(pace);
        loop {
            contact.troubled.notified().await;
            // One broken connection is no trouble, and troubles come in swarms.
            sleep(pause).await;
            match self.look(Some(running)).await {
                Ok(Look::New(credential)) => return credential,
                Ok(Look::Go(_)) => {
                    pause = if contact.is_failing() {
                        pace
                    } else {
                        LOOK_MIN.min(pace)
                    };
                }
                Err(error) => {
                    let error = errors::chain(&error);
                    tracing::warn!(
                        error,
                        "the hub refuses the credential, and there is no other"
                    );
                    pause = pace;
                    // Whether it is still refused is found out by looking again.
                    contact.troubled.notify_one();
                }
            }
        }
    }

    async fn connect(&self, credential: &Credential) -> Result<Told, RegistrationError> {
        let name = crate::registration::CREDENTIAL;
        let secret = ObjectKey::new(self.settings.namespace.clone(), name);
        let from = format!("of secret {secret}");
        match apiclient::from_kubeconfig_text(&credential.kubeconfig, &from).await {
            Ok(hub) => Ok(Told {
                hub,
                cluster: credential.cluster.clone(),
                deployment_namespace: credential.deployment_namespace.clone(),
            }),
            Err(source) => Err(RegistrationError::Connect {
                secret,
                source: Box::new(source),
            }),
        }
    }

    async fn options(&self, told: Told, contact: &Arc<Contact>) -> Options {
        let config = match self.cluster().config().await {
            Ok(config) => config,
            // Who the agent is it knows already; the rest has defaults.
            Err(error) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "defaults apply");
                Config::default()
            }
        };
        let settings = &self.settings;
        let mut options = Options::new(
            told.hub,
            settings.downstream.clone(),
            told.cluster,
            told.deployment_namespace,
            Arc::clone(&settings.shared),
        );
        options.agent_namespace.clone_from(&settings.namespace);
        options.agent_scope.clone_from(&settings.scope);
        options.checkin_interval = settings.checkin_interval;
        options.garbage_interval = config.garbage_interval();
        options.workers = settings.workers.unwrap_or(options.workers);
        options.limits = settings.limits;
        options.contact = Arc::clone(contact);
        options.telemetry = Arc::clone(&self.state.telemetry);
        options
    }
}

/// What a look at the credential leads to.
enum Look {
    /// On with it.
    Go(Credential),
    /// On with another one.
    New(Credential),
}

async fn try_out(credential: &Credential) -> Found {
    match apiclient::from_kubeconfig_text(&credential.kubeconfig, "of the credential").await {
        Ok(kube) => hub::try_out(&hub::client(kube), &credential.deployment_namespace).await,
        Err(error) => Found::Unreadable(errors::chain(&error)),
    }
}
