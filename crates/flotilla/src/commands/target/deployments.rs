//! The objects that the hub would write, in upstream's form.

use api::limits::Limits;
use api::v1alpha1::{
    API_VERSION, Bundle, BundleDeploymentSpec, BundleDeploymentStatus, RolloutStrategy,
};
use serde_json::{Value, json};
use target::deployment::{Wanted, deployment_labels};
use target::rollout::{self, Access, Decision, Stored};

use super::Error;
use super::world::{Meant, World, identity};

/// What is printed.
pub(crate) struct Answer {
    /// YAML documents.
    pub(crate) text: String,
    /// Clusters that cannot get the Bundle, with the reason.
    pub(crate) failed: Vec<String>,
}

/// The Content and the BundleDeployments of a Bundle, as if every deployment were promoted in its turn.
///
/// Those of other clusters are given even if some fail.
pub(crate) fn of(bundle: &Bundle, world: &World) -> Result<Answer, Error> {
    let mut documents = contents(bundle)?;
    let mut failed = Vec::new();
    let mut meant: Vec<(Meant, Wanted)> = Vec::new();
    for mut one in world.wanted(bundle) {
        match std::mem::replace(&mut one.wanted, Ok(None)) {
            Ok(Some(wanted)) => meant.push((one, wanted)),
            Ok(None) => {}
            Err(error) => failed.push(errors::chain(&error)),
        }
    }
    let strategy = RolloutStrategy {
        max_new: Some(i64::MAX),
        ..bundle.spec.rollout_strategy.clone().unwrap_or_default()
    };
    let targets: Vec<rollout::Target> = meant
        .iter()
        .map(|(one, wanted)| rollout_target(bundle, one, wanted))
        .collect();
    let pass = rollout::pass(Some(&strategy), &targets)?;
    for ((one, wanted), decision) in meant.iter().zip(&pass.decisions) {
        documents.extend(deployment(bundle, one, wanted, *decision));
    }
    let mut text = String::new();
    for document in documents {
        let yaml = goyaml::to_yaml(&document).map_err(|error| Error::Print(error.into()))?;
        text.push_str("---\n");
        text.push_str(&yaml);
        text.push('\n');
    }
    Ok(Answer { text, failed })
}

/// The Content of a Bundle with files, in one piece whatever its size.
fn contents(bundle: &Bundle) -> Result<Vec<Value>, Error> {
    let spec = &bundle.spec;
    if spec.helm_op_options.is_some() || !spec.contents_id.is_empty() {
        return Ok(Vec::new());
    }
    let (_, name) = identity(bundle);
    let limits = Limits {
        chunk_bytes_max: usize::MAX,
        ..Limits::PRODUCTION
    };
    let contents = bundle::content::pack(&name, &spec.resources, &limits)?;
    let documents = contents.into_iter().map(|content| {
        json!({
            "apiVersion": API_VERSION,
            "kind": "Content",
            "metadata": { "name": content.metadata.name },
            "content": content.content,
            "sha256sum": content.sha256sum,
            "status": {},
        })
    });
    Ok(documents.collect())
}

fn is_paused(bundle: &Bundle, one: &Meant) -> bool {
    bundle.spec.paused || one.cluster.spec.paused
}

fn rollout_target(bundle: &Bundle, one: &Meant, wanted: &Wanted) -> rollout::Target {
    rollout::Target {
        partitions: one.partitions.clone(),
        wanted_id: wanted.deployment_id.clone(),
        stored: one.stored.as_ref().map(|stored| Stored {
            deployment_id: stored.spec.deployment_id.clone(),
            applied_id: stored.status.applied_deployment_id.clone(),
            ready: stored.status.ready,
        }),
        access: Access::of(is_paused(bundle, one), &one.cluster.status),
    }
}

fn deployment(bundle: &Bundle, one: &Meant, wanted: &Wanted, decision: Decision) -> Option<Value> {
    let is_promoted = matches!(decision, Decision::Create | Decision::Promote);
    // What is not its turn stays as it is. A paused cluster is shown what waits for it, as upstream.
    if decision == Decision::Untouched && one.stored.is_none() {
        return None;
    }
    let stored = one.stored.as_ref();
    let known = stored.map(|stored| stored.spec.clone()).unwrap_or_default();
    let status = &one.cluster.status;
    let mut spec = BundleDeploymentSpec {
        paused: is_paused(bundle, one),
        depends_on: bundle.spec.depends_on.clone(),
        correct_drift: wanted.options.correct_drift.clone(),
        helm_chart_options: bundle.spec.helm_op_options.clone(),
        off_schedule: status.scheduled && !status.active_schedule,
        ..known
    };
    if decision != Decision::Untouched {
        spec.staged_options = wanted.options.clone();
        spec.staged_deployment_id.clone_from(&wanted.deployment_id);
    }
    if is_promoted {
        spec.options = wanted.options.clone();
        spec.deployment_id.clone_from(&wanted.deployment_id);
    }
    let (namespace, name) = identity(bundle);
    let cluster = &one.cluster.metadata;
    let labels = deployment_labels(
        &bundle.metadata.labels.clone().unwrap_or_default(),
        &namespace,
        &name,
        cluster.namespace.as_deref().unwrap_or_default(),
        cluster.name.as_deref().unwrap_or_default(),
        None,
    );
    let mut metadata = json!({ "name": name, "labels": labels });
    let namespace = &one.cluster.status.namespace;
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    if let Some(uid) = stored.and_then(|stored| stored.metadata.uid.as_ref()) {
        metadata["uid"] = json!(uid);
    }
    Some(json!({
        "apiVersion": API_VERSION,
        "kind": "BundleDeployment",
        "metadata": metadata,
        "spec": spec,
        "status": BundleDeploymentStatus::default(),
    }))
}
