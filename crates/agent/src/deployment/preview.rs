//! What a deployment would do to a cluster, object by object. Changes nothing.
//!
//! Goes the way of [`super::act`] up to the first write, and asks the server in dry runs what it would say
//! to the objects that exist.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::labels::OBJECT_SET_HASH;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::act::{self, Before, Run};
use super::error::{Error, in_store};
use super::{claims, uninstall};
use crate::agent::Agent;
use crate::apply::definitions::Policy;
use crate::apply::{self, Marked};
use crate::object::{Desired, Id};
use crate::release::plan::{Next, Wanted, is_install, newest, next};
use crate::release::{self, Record, store};
use crate::render::Rendered;
use crate::render::ownership::Ownership;
use crate::source::{self, Recipe};
use crate::world::Known;
use crate::{identity, local};

pub use owner::Owner;

mod owner;

/// Requests at a time.
const CONCURRENCY: usize = 8;

/// What a deployment would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Namespace and name of the release.
    pub release: String,
    /// Whether there is such a release.
    pub is_install: bool,
    /// Revision that it would get.
    pub revision: u32,
    /// Who made the release that is there; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Owner>,
    /// The objects in the order in which they are applied, then those that would go. Hooks are left out.
    pub objects: Vec<PlannedObject>,
}

impl Preview {
    /// How many objects would be refused, which fails the deployment.
    pub fn refused(&self) -> usize {
        let is_refused = |object: &&PlannedObject| object.action == Action::Refuse;
        self.objects.iter().filter(is_refused).count()
    }
}

/// What would happen to an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedObject {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What would happen.
    pub action: Action,
    /// Whose it is now, if it is there and not the deployment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Why it would be refused or stay as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What would happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// There is none: it is created.
    Create,
    /// It is the deployment's: it is applied.
    Update,
    /// It is somebody else's, or nobody's: it is taken over.
    Adopt,
    /// It cannot be had or changed: the deployment fails.
    Refuse,
    /// It is not changed.
    Leave,
    /// It is the release's and no longer wanted: it is deleted.
    Delete,
}

impl PlannedObject {
    fn new(id: &Id, action: Action) -> Self {
        Self {
            api_version: id.kind.api_version(),
            kind: id.kind.kind.to_string(),
            namespace: id.key.namespace.clone(),
            name: id.key.name.clone(),
            action,
            owner: None,
            reason: None,
        }
    }
}

/// Tells what [`act::deploy`] would do.
pub(crate) async fn preview(agent: &Arc<Agent>, known: &Known) -> Result<Preview, Error> {
    let release = release::release_of(&known.object);
    helm::release::check_name(&release.name).map_err(Error::Name)?;
    let account = &known.object.spec.options.service_account;
    let cluster = identity::client(agent, account).await;
    let cluster = cluster.map_err(Error::Identity)?;
    act::check_policy(agent, known, &release.namespace).await?;
    if known.object.spec.options.create_namespace == Some(false) {
        let name = &release.namespace;
        let found = apply::namespace::read(&agent.cluster, name).await;
        if found.map_err(Error::Apply)?.is_none() {
            return Err(Error::Apply(apply::namespace::not_created(name)));
        }
    }
    let values = act::hub_values(agent, known).await?;
    let history = store::history(&agent.cluster, &release).await;
    let mut history = history.map_err(in_store)?;
    claims::check_release(agent, known, &history)?;
    let made_by = made_by(agent, newest(&history)).await?;
    let wanted = Wanted {
        bundle: known.name(),
        deployment_id: &known.object.spec.deployment_id,
        is_forced: local::IS_FORCED,
    };
    let revision = match next(&history, wanted) {
        Next::Adopt(revision) | Next::Resume(revision) | Next::Create(revision) => revision,
        // What is being uninstalled will be gone by then.
        Next::Uninstall => {
            history.clear();
            1
        }
    };
    let run = Run {
        agent,
        cluster,
        known,
        revision,
        is_begun: true,
        is_install: is_install(&history, revision),
        history,
        release,
    };
    let recipe = Recipe::of(&known.object);
    let built = source::load(&agent.hub, &agent.shared, recipe).await;
    let built = built.map_err(Error::Source)?;
    let values = act::read_values(agent, &run.cluster, known, values).await?;
    let (rendered, kinds) = run.render(&built, &values).await?;
    let before = run.before(None, &kinds).await?;
    Ok(Preview {
        objects: run.objects(&rendered, &before).await?,
        release: run.release.to_string(),
        is_install: run.is_install,
        revision,
        made_by,
    })
}

/// Who made the newest revision of a release. What upstream made says so only inside.
async fn made_by(agent: &Agent, newest: Option<&Record>) -> Result<Option<Owner>, Error> {
    let Some(newest) = newest else {
        return Ok(None);
    };
    let mut bundle = newest.bundle_id.clone();
    if bundle.is_empty() {
        let (release, revision) = (&newest.release, newest.revision);
        let loaded = store::load(&agent.cluster, &agent.shared, release, revision).await;
        let record = loaded.map_err(in_store)?;
        let named = record
            .as_ref()
            .and_then(|record| uninstall::annotation_of(record, release::BUNDLE_ID));
        named.unwrap_or_default().clone_into(&mut bundle);
    }
    let release = newest.release.to_string();
    Ok(Some(if bundle.is_empty() {
        Owner::Helm { release }
    } else {
        Owner::Fleet { bundle, release }
    }))
}

impl Run<'_> {
    async fn objects(
        &self,
        rendered: &Rendered,
        before: &Before,
    ) -> Result<Vec<PlannedObject>, Error> {
        let definitions = apply::definitions::look(&self.agent.cluster, &rendered.definitions);
        let definitions = definitions.await.map_err(Error::Apply)?;
        let definitions = definitions.iter();
        let policy = self.definitions()?;
        let mut planned: Vec<PlannedObject> = definitions
            .map(|(id, exists)| definition(id, *exists, policy))
            .collect();
        let (suspects, claims) = self.suspects(&rendered.objects, before);
        let one = |desired| self.object(desired, &suspects, &claims);
        let objects: Vec<PlannedObject> = stream::iter(rendered.objects.iter().map(one))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        planned.extend(objects);
        let owner = self.owner();
        for id in apply::stale(&before.entries, &rendered.objects) {
            let uid = apply::deletable(&self.cluster, &id, &owner).await;
            if uid.map_err(Error::Apply)?.is_some() {
                planned.push(PlannedObject::new(&id, Action::Delete));
            }
        }
        Ok(planned)
    }

    async fn object(
        &self,
        desired: &Desired,
        suspects: &BTreeSet<&Id>,
        claims: &apply::claims::Claims<'_>,
    ) -> Result<PlannedObject, Error> {
        let id = &desired.id;
        let found = apply::read::<Value>(&self.cluster, id).await;
        let Some(found) = found.map_err(Error::Apply)? else {
            return Ok(PlannedObject::new(id, Action::Create));
        };
        let mark = Ownership::of(self.known.name(), &self.agent.options.agent_scope).hash;
        let label = found.pointer("/metadata/labels");
        let label = label.and_then(|labels| labels.get(OBJECT_SET_HASH)?.as_str());
        let is_ours = label == Some(mark.as_str());
        let mut planned = PlannedObject {
            owner: (!is_ours).then(|| Owner::of(&found)),
            ..PlannedObject::new(
                id,
                if is_ours {
                    Action::Update
                } else {
                    Action::Adopt
                },
            )
        };
        let marked = Marked::deserialize(&found).unwrap_or_default();
        let refusal = suspects.contains(id).then(|| claims.refusal(id, &marked));
        let refusal = match refusal.flatten() {
            Some(refusal) => Some(refusal),
            None => apply::rehearse(&self.cluster, desired, self.force())
                .await
                .err(),
        };
        if let Some(refusal) = refusal {
            if refusal.class() == Some(apiclient::Class::Transient) {
                return Err(Error::Apply(refusal));
            }
            planned.action = Action::Refuse;
            planned.reason = Some(errors::chain(&refusal));
        }
        Ok(planned)
    }
}

/// What would happen to a definition of a `crds/` directory.
fn definition(id: &Id, exists: bool, policy: Policy) -> PlannedObject {
    match (exists, policy) {
        (false, _) => PlannedObject::new(id, Action::Create),
        (true, Policy::CreateReplace) => PlannedObject::new(id, Action::Update),
        (true, _) => PlannedObject {
            reason: Some("it exists, and helm.crds is not CreateReplace".to_owned()),
            ..PlannedObject::new(id, Action::Leave)
        },
    }
}
