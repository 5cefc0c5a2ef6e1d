//! From the watches to the world.

use std::sync::Arc;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, Content, GitRepo};
use apiclient::{Event, Kind, Object, ObjectKey, Selector, Watch};
use tokio::sync::mpsc;

use crate::Ctx;
use crate::index::{ContentMeta, Wake};
use crate::world::State;

/// Starts all watches and waits until each has reported everything that exists. Before that no
/// controller may act: what it does not know yet would look as if it did not exist (invariant I-2).
pub(crate) async fn start(ctx: &Arc<Ctx>, tasks: &mut tokio::task::JoinSet<()>) {
    let (synced, mut all_synced) = mpsc::channel::<()>(1);
    let everywhere = Selector::default;
    let metadata = Selector {
        metadata_only: true,
        ..Selector::default()
    };
    let watched = |kind: &Kind| tracing::debug!(%kind, "watching");

    macro_rules! follow {
        ($kind:ty, $type:ty, $selector:expr, $applied:expr, $deleted:expr) => {
            let kind = Kind::of::<$kind>();
            watched(&kind);
            let watch: Watch<$type> = ctx.client.watch(&kind, $selector);
            tasks.spawn(follow(
                Arc::clone(ctx),
                watch,
                synced.clone(),
                $applied,
                $deleted,
            ));
        };
    }
    follow!(
        Cluster,
        Cluster,
        everywhere(),
        State::cluster_applied,
        State::cluster_deleted
    );
    follow!(
        ClusterGroup,
        ClusterGroup,
        everywhere(),
        State::group_applied,
        State::group_deleted
    );
    follow!(
        GitRepo,
        GitRepo,
        everywhere(),
        State::git_repo_applied,
        State::git_repo_deleted
    );
    follow!(
        Bundle,
        Bundle,
        everywhere(),
        State::bundle_applied,
        State::bundle_deleted
    );
    follow!(
        BundleDeployment,
        BundleDeployment,
        everywhere(),
        |state, object| state.deployment_applied(&object),
        State::deployment_deleted
    );
    follow!(
        Content,
        ContentMeta,
        metadata,
        |state, content| {
            let name = content.key().name;
            state.index.content_applied(name, content)
        },
        |state, key| state.index.content_deleted(&key.name)
    );
    drop(synced);
    // Every watch drops its sender once it has reported everything.
    while all_synced.recv().await.is_some() {}
}

async fn follow<T, A, D>(
    ctx: Arc<Ctx>,
    mut watch: Watch<T>,
    synced: mpsc::Sender<()>,
    applied: A,
    deleted: D,
) where
    T: Object,
    A: Fn(&mut State, T) -> Vec<Wake> + Send + 'static,
    D: Fn(&mut State, &ObjectKey) -> Vec<Wake> + Send + 'static,
{
    let mut synced = Some(synced);
    while let Some(event) = watch.next().await {
        match event {
            Event::Applied(object) => ctx.world.update(|state| applied(state, object)),
            Event::Deleted(key) => ctx.world.update(|state| deleted(state, &key)),
            Event::Synced => drop(synced.take()),
        }
    }
}
