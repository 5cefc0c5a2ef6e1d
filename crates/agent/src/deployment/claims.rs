//! Releases and objects that two deployments want.

use std::collections::{BTreeMap, BTreeSet};

use apiclient::ObjectKey;

use super::act::{Before, Run, helm_options};
use super::error::Error;
use crate::agent::Agent;
use crate::apply::{self, claims::Claims};
use crate::object::{Desired, Id};
use crate::release::plan::newest;
use crate::release::{Record, release_of};
use crate::render::ownership::Ownership;
use crate::world::{Known, World};

/// Refuses a release that another deployment has and still wants. One whose deployment is gone, or wants
/// another release now, is handed on.
pub(super) fn check_release(agent: &Agent, known: &Known, history: &[Record]) -> Result<(), Error> {
    let Some(newest) = newest(history) else {
        return Ok(());
    };
    let by = &newest.bundle_id;
    // Deploys for no agent: all releases of all agents are others'.
    let is_nobodys = agent.options.agent_namespace.is_empty();
    let is_ours = by.is_empty()
        || by == known.name()
        || (newest.agent_namespace != agent.options.agent_namespace && !is_nobodys);
    let is_taken = !is_ours
        && agent.world(|world| {
            let other = world.deployments.get(by);
            other.is_some_and(|other| release_of(&other.object) == newest.release)
        });
    if !is_taken {
        return Ok(());
    }
    Err(Error::ReleaseTaken {
        release: newest.release.clone(),
        by: by.clone(),
    })
}

/// The deployment that a release goes to when `bundle` does not want it any more: another that wants the same
/// release, under the same account.
pub(super) fn heir(
    world: &World,
    release: &ObjectKey,
    bundle: &str,
    account: &str,
) -> Option<String> {
    let wants = |known: &Known| {
        release_of(&known.object) == *release
            && known.object.spec.options.service_account == account
    };
    world
        .deployments
        .iter()
        .find(|(name, known)| *name != bundle && wants(known))
        .map(|(name, _)| name.clone())
}

impl Run<'_> {
    /// Refuses objects that are not for this release to have, before anything is written.
    pub(super) async fn check_objects(
        &self,
        objects: &[Desired],
        before: &Before,
    ) -> Result<(), Error> {
        let (suspects, claims) = self.suspects(objects, before);
        apply::claims::check(&self.cluster, objects, &suspects, &claims)
            .await
            .map_err(Error::Apply)
    }

    /// Objects that others may have, and what they are compared with.
    ///
    /// Of an install that is all of its objects; of an upgrade those that are new to the release, and those
    /// of which the watches say that another deployment has them.
    pub(super) fn suspects<'o>(
        &self,
        objects: &'o [Desired],
        before: &Before,
    ) -> (BTreeSet<&'o Id>, Claims<'_>) {
        let overwritten = &self.known.object.spec.options.overwrites;
        let is_overwritten = |id: &Id| {
            overwritten.iter().any(|it| {
                it.kind == id.kind.kind
                    && it.name == id.key.name
                    && it.namespace == id.key.namespace
            })
        };
        let known: BTreeSet<&Id> = before.entries.iter().map(|entry| &entry.id).collect();
        let others = self.others();
        let is_taken_over = helm_options(self.known).take_ownership;
        let suspects: BTreeSet<&Id> = self.agent.world(|world| {
            let is_anothers = |id: &Id| {
                let live = world.live.get(&id.kind);
                let object = live.and_then(|live| live.objects.get(&id.key));
                object.is_some_and(|object| others.contains_key(&*object.hash))
            };
            let ids = objects.iter().map(|desired| &desired.id);
            ids.filter(|id| self.is_install || !known.contains(id) || is_anothers(id))
                .filter(|id| !is_overwritten(id) && !is_taken_over)
                .collect()
        });
        let claims = Claims {
            release: &self.release,
            others,
            is_install: self.is_install,
        };
        (suspects, claims)
    }

    /// The other deployments by the label of their objects, with those that are on their way out. Those
    /// that had this release and are gone are none.
    fn others(&self) -> BTreeMap<String, String> {
        let scope = &self.agent.options.agent_scope;
        let had_it = |name: &String| self.history.iter().any(|it| it.bundle_id == *name);
        let names: BTreeSet<String> = self.agent.world(|world| {
            let going = world.tracks.keys().filter(|name| !had_it(name));
            world.deployments.keys().chain(going).cloned().collect()
        });
        names
            .into_iter()
            .filter(|name| name != self.known.name())
            .map(|name| (Ownership::of(&name, scope).hash, name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_release_goes_to_another_that_wants_it_under_the_same_account() {
        let mut world = World::default();
        let mut add = |name: &str, release: &str, account: &str| {
            let object = json!({"metadata": {"name": name}, "spec": {"options": {
                "defaultNamespace": "n", "serviceAccount": account, "helm": {"releaseName": release}}}});
            let known: Known = serde_json::from_value(object).unwrap();
            world.deployments.insert(name.to_owned(), Arc::new(known));
        };
        add("old", "web", "");
        add("new", "web", "");
        add("tenant", "db", "limited");
        let web = ObjectKey::new("n", "web");
        assert_eq!(heir(&world, &web, "old", "").as_deref(), Some("new"));
        assert_eq!(heir(&world, &web, "gone", "").as_deref(), Some("new"));
        assert_eq!(heir(&world, &web, "old", "limited"), None);
        assert_eq!(heir(&world, &ObjectKey::new("n", "db"), "gone", ""), None);
        assert_eq!(heir(&world, &ObjectKey::new("m", "web"), "gone", ""), None);
    }
}
