//! What is known of the agent's contact with the hub: for probes, and for those who wait for trouble.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apiclient::Client;
use tokio::sync::Notify;

/// A watch that has neither ended nor begun anew for this long hears nothing: it is made anew every
/// few minutes.
const DEAF_AFTER: Duration = Duration::from_mins(10);

/// Shared by an agent and whoever looks after it.
#[derive(Default)]
pub struct Contact {
    /// Notified when a request to the hub had no answer, or was refused for who asks.
    pub(crate) troubled: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All BundleDeployments are known.
    synced: bool,
    /// How the last report to the hub ended; `None` before the first.
    reported: Option<Result<(), String>>,
    clients: Vec<Client>,
}

impl Contact {
    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn follow(&self, clients: Vec<Client>) {
        self.state(|state| state.clients = clients);
    }

    pub(crate) fn synced(&self) {
        self.state(|state| state.synced = true);
    }

    pub(crate) fn reported(&self, outcome: Result<(), String>) {
        self.state(|state| state.reported = Some(outcome));
    }

    /// Whether the last report to the hub failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.state(|state| matches!(state.reported, Some(Err(_))))
    }

    /// Kinds whose watch hears nothing any more.
    pub(crate) fn silent(&self) -> Vec<String> {
        let clients = self.state(|state| state.clients.clone());
        let silent = |client: &Client| client.stats().silent_watches(DEAF_AFTER);
        clients.iter().flat_map(silent).collect()
    }

    /// Why the agent does not do its work.
    pub(crate) fn problem(&self) -> Option<String> {
        self.state(|state| match (&state.reported, state.synced) {
            (Some(Err(error)), _) => Some(format!("cannot report to the hub: {error}")),
            (_, false) => Some("the deployments of the cluster are not known yet".to_owned()),
            (None, true) => Some("nothing was reported to the hub yet".to_owned()),
            (Some(Ok(())), true) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_ready_when_it_knows_its_deployments_and_was_heard() {
        let contact = Contact::default();
        assert!(contact.problem().is_some());
        contact.reported(Ok(()));
        assert!(contact.problem().unwrap().contains("not known yet"));
        contact.synced();
        assert_eq!((contact.problem(), contact.is_failing()), (None, false));
        contact.reported(Err("no answer".to_owned()));
        assert!(contact.is_failing());
        assert!(contact.problem().unwrap().ends_with("no answer"));
    }
}
