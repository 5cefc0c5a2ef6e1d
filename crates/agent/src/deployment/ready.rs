//! Waits for the objects of a release.

use std::time::Duration;

use tokio::time::Instant;

use super::act::Run;
use super::error::Error;
use crate::monitor::{Tally, View, view};
use crate::room;

impl Run<'_> {
    /// Waits until all objects are ready.
    pub(super) async fn wait(&self, timeout: Duration, for_jobs: bool) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let changed = self.agent.changed.notified();
            let tally = self.look();
            let is_ready = tally.as_ref().is_some_and(|tally| {
                tally.non_ready.is_empty()
                    && tally.missing.is_empty()
                    && !(for_jobs && tally.jobs_run)
            });
            if is_ready {
                return Ok(());
            }
            let pause = deadline.min(Instant::now() + Duration::from_secs(5));
            room::left_for(async {
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(pause) => {}
                }
            })
            .await;
            if Instant::now() >= deadline {
                let tally = tally.unwrap_or_default();
                let first = tally.non_ready.first().map(api::state::describe_non_ready);
                let first =
                    first.or_else(|| tally.missing.first().map(api::state::describe_modified));
                return Err(Error::NotReady {
                    not_ready: tally.non_ready.len() + tally.missing.len(),
                    seconds: timeout.as_secs(),
                    first: first.map_or_else(String::new, |text| format!(": {text}")),
                });
            }
        }
    }

    /// What is live, as far as it can be seen.
    fn look(&self) -> Option<Tally> {
        self.agent.world(|world| {
            let applied = world.tracks.get(self.known.name())?.applied.clone()?;
            match view(world, &applied, Instant::now()) {
                View::Known(tally) => Some(tally),
                View::Settling | View::Blind { .. } => None,
            }
        })
    }
}
