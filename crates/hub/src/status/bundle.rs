//! The status of a Bundle.

use api::labels::PINNED_COMMIT;
use api::limits;
use api::v1alpha1::{Bundle, BundleStatus, PartitionStatus};
use apiclient::{Kind, ObjectKey};
use jiff::Timestamp;
use rollup::BundleView;
use target::pins::short;
use workqueue::Next;

use super::write;
use crate::Ctx;
use crate::bundle::Report;
use crate::events::about_omissions;
use crate::index::{BundleEntry, ContentSource, SourceKey, SourceState, label};
use crate::world::{State, client_key};

pub(super) async fn reconcile(ctx: &Ctx, key: &rollup::ObjectKey) -> Next {
    let now = Timestamp::now();
    let name = client_key(key);
    let Some((uid, stored, wanted)) = ctx.world.read(|state| {
        let entry = state.index.bundles.get(&name)?;
        let view = state.rollup.bundle(key);
        let mut wanted = status(state, state.reports.get(&name), entry, view, now);
        wanted.oci_reference = oci_reference(state, &name, entry);
        Some((entry.meta.uid.clone(), entry.status.clone(), wanted))
    }) else {
        return Next::Done;
    };
    let answered = |bundle: Bundle| ctx.world.update(|state| state.bundle_applied(bundle));
    let next = write::differences(
        ctx,
        &Kind::of::<Bundle>(),
        &name,
        (&*stored, &wanted),
        answered,
    )
    .await;
    if next == Next::Done {
        let (before, now) = (stored.partitions_omitted, wanted.partitions_omitted);
        let about = ("Bundle", (&name, uid.as_str()));
        ctx.events.record(about_omissions(about, before, now));
    }
    next
}

/// Where the content is, if that is a registry.
fn oci_reference(state: &State, bundle: &ObjectKey, entry: &BundleEntry) -> String {
    let id = entry.content.id();
    let access = SourceKey {
        namespace: bundle.namespace.clone(),
        object: api::copies::access_to(id),
    };
    match (&entry.content, state.index.sources.get(&access)) {
        (ContentSource::Stored { .. }, Some(SourceState::Access { reference, .. })) => {
            format!("oci://{reference}/{id}:latest")
        }
        // It may not be known yet.
        (ContentSource::Stored { .. }, None | Some(SourceState::Unknown)) => {
            entry.status.oci_reference.clone()
        }
        _ => String::new(),
    }
}

fn status(
    state: &State,
    report: Option<&Report>,
    entry: &BundleEntry,
    view: BundleView,
    now: Timestamp,
) -> BundleStatus {
    let none = Report::default();
    // A generation that no run has seen yet keeps the status of the one before.
    let report_or_none = report.unwrap_or(&none);
    let mut status = BundleStatus {
        conditions: entry.status.conditions.clone(),
        summary: view.summary,
        display: view.display,
        unavailable: view.unavailable,
        newly_created: entry.status.newly_created,
        max_unavailable: report_or_none.numbers.max_unavailable,
        unavailable_partitions: report_or_none.numbers.unavailable_partitions,
        max_unavailable_partitions: report_or_none.numbers.max_unavailable_partitions,
        observed_generation: report
            .map_or(entry.status.observed_generation, |report| report.generation),
        ..BundleStatus::default()
    };
    if let ContentSource::Inline { sha256, .. } = &entry.content {
        status.resources_sha256_sum.clone_from(sha256);
    }
    partitions(state, report_or_none, &mut status);
    pinned(state, report_or_none, entry, &mut status, now);
    let message = report_or_none
        .problem
        .as_deref()
        .unwrap_or(&view.ready_message);
    let message = limits::fit_text(message, state.limits().message_bytes_max);
    write::set_ready(&mut status.conditions, &message, now);
    status
}

/// What stays at an earlier commit, with all of its GitRepo or on some clusters.
fn pinned(
    state: &State,
    report: &Report,
    entry: &BundleEntry,
    status: &mut BundleStatus,
    now: Timestamp,
) {
    let mut texts = Vec::new();
    let mut commits: Vec<&str> = Vec::new();
    for pin in &report.pinned {
        let commit = short(&pin.commit);
        let n = pin.n_clusters;
        texts.push(match pin.held.as_str() {
            "" => format!("commit {commit} on {n} clusters"),
            reason => {
                format!("commit {commit} on {n} clusters, which keep what they have: {reason}")
            }
        });
        commits.push(commit);
    }
    if let Some(commit) = label(&entry.meta.labels, PINNED_COMMIT) {
        texts.push(format!("commit {} with its GitRepo", short(commit)));
        commits.push(short(commit));
    }
    commits.dedup();
    let bytes_max = state.limits().message_bytes_max;
    status.display.pinned = limits::fit_text(&commits.join(", "), bytes_max).into_owned();
    let message = limits::fit_text(&texts.join("; "), bytes_max).into_owned();
    write::set_pinned(&mut status.conditions, &message, now);
}

/// Partitions with their numbers as of now; those that do not fit are counted.
fn partitions(state: &State, report: &Report, status: &mut BundleStatus) {
    let partitions = report.partitions.iter().map(|partition| {
        let deployments = partition.deployments.iter();
        let behind = deployments.filter(|key| {
            state
                .index
                .deployments
                .get(*key)
                .is_none_or(|entry| !entry.is_available())
        });
        PartitionStatus {
            name: partition.name.clone(),
            count: partition.deployments.len() as i64,
            max_unavailable: partition.max_unavailable,
            unavailable: behind.count() as i64,
            ..PartitionStatus::default()
        }
    });
    let fitted = limits::fit(partitions, usize::MAX, state.limits().partitions_bytes_max);
    status.partitions = fitted.kept;
    status.partitions_omitted = fitted.omitted as i64;
}
