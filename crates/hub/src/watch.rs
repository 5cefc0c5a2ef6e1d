//! From the watches to the world.

use std::sync::Arc;

use api::config::CONFIG_MAP;
use api::v1alpha1::{
    Bundle, BundleDeployment, BundleNamespaceMapping, Cluster, ClusterGroup, ClusterRegistration,
    ClusterRegistrationToken, Content, GitRepo, GitRepoRestriction, Policy, Schedule,
};
use apiclient::{Event, Kind, Object, ObjectKey, Scope, Selector, Watch};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Ctx;
use crate::index::{ContentMeta, NamespaceMeta, Wake};
use crate::world::State;

/// Starts all watches and waits until each has reported everything that exists. Before that no
/// controller may act: what it does not know yet would look as if it did not exist (invariant I-2).
/// Rules that the API server does not know are not waited for; nothing is allowed without them.
pub(crate) async fn start(ctx: &Arc<Ctx>, tasks: &mut JoinSet<()>) {
    let (synced, mut all_synced) = mpsc::channel::<()>(1);
    let mut watches = Watches { ctx, tasks, synced };
    watches.configuration();
    watches.targets();
    watches.schedules();
    watches.sources();
    watches.namespaces();
    watches.rules();
    watches.registrations();
    drop(watches);
    // Every watch drops its sender once it has reported everything.
    while all_synced.recv().await.is_some() {}
}

struct Watches<'a> {
    ctx: &'a Arc<Ctx>,
    tasks: &'a mut JoinSet<()>,
    synced: mpsc::Sender<()>,
}

impl Watches<'_> {
    /// What people configured.
    fn configuration(&mut self) {
        let one = Selector {
            namespace: Some(self.ctx.namespace.clone()),
            fields: Some(format!("metadata.name={CONFIG_MAP}")),
            ..Selector::default()
        };
        self.follow::<ConfigMap, ConfigMap>(
            one,
            |state, map| state.configured(Some(&map)),
            |state, _| state.configured(None),
        );
    }

    /// What is deployed to.
    fn targets(&mut self) {
        self.follow::<Cluster, Cluster>(
            Selector::default(),
            State::cluster_applied,
            State::cluster_deleted,
        );
        self.follow::<ClusterGroup, ClusterGroup>(
            Selector::default(),
            State::group_applied,
            State::group_deleted,
        );
        self.follow::<BundleDeployment, BundleDeployment>(
            Selector::default(),
            |state, object| state.deployment_applied(&object),
            State::deployment_deleted,
        );
    }

    /// When is deployed. An older version of upstream has no such kind.
    fn schedules(&mut self) {
        self.follow_if_served::<Schedule>(State::schedule_applied, State::schedule_deleted);
    }

    /// What is deployed.
    fn sources(&mut self) {
        self.follow::<GitRepo, GitRepo>(
            Selector::default(),
            State::git_repo_applied,
            State::git_repo_deleted,
        );
        self.follow::<Bundle, Bundle>(
            Selector::default(),
            State::bundle_applied,
            State::bundle_deleted,
        );
        let metadata = Selector {
            metadata_only: true,
            ..Selector::default()
        };
        self.follow::<Content, ContentMeta>(
            metadata,
            |state, content| {
                let name = content.key().name;
                state.index.content_applied(name, content)
            },
            |state, key| state.index.content_deleted(&key.name),
        );
    }

    /// What connects namespaces.
    fn namespaces(&mut self) {
        self.follow::<BundleNamespaceMapping, BundleNamespaceMapping>(
            Selector::default(),
            |state, mapping| state.index.mapping_applied(&mapping),
            |state, key| state.index.mapping_deleted(key),
        );
        // Clusters live in the namespaces of people, not in those the hub made for deployments.
        let of_people = Selector {
            labels: Some(format!("{}!=true", api::labels::MANAGED)),
            metadata_only: true,
            ..Selector::default()
        };
        self.follow::<Namespace, NamespaceMeta>(
            of_people,
            |state, namespace| state.index.namespace_applied(namespace),
            |state, key| state.index.namespace_deleted(&key.name),
        );
    }

    /// Who asks to be registered. An older version of upstream, and a test, has no such kinds.
    fn registrations(&mut self) {
        self.follow_if_served::<ClusterRegistration>(
            |state, request| state.index.registration_applied(request),
            |state, key| state.index.registration_deleted(key),
        );
        self.follow_if_served::<ClusterRegistrationToken>(
            |state, token| state.index.token_applied(token),
            |state, key| state.index.token_deleted(key),
        );
    }

    /// What limits the sources.
    fn rules(&mut self) {
        self.follow_rules::<GitRepoRestriction>(
            "GitRepoRestriction",
            |state, restriction| state.index.restriction_applied(restriction),
            |state, key| state.index.restriction_deleted(key),
        );
        self.follow_rules::<Policy>(
            "Policy",
            |state, policy| state.index.policy_applied(policy),
            |state, key| state.index.policy_deleted(key),
        );
    }

    fn follow_rules<K>(
        &mut self,
        name: &'static str,
        applied: impl Fn(&mut State, K) -> Vec<Wake> + Send + 'static,
        deleted: impl Fn(&mut State, &ObjectKey) -> Vec<Wake> + Send + 'static,
    ) where
        K: kube_core::Resource<DynamicType = ()> + Object,
        K::Scope: Scope,
    {
        let mut synced = Some(self.synced.clone());
        let served = move |ctx: &Ctx, kind: &Kind, is_served: bool| {
            if !is_served {
                tracing::error!(%kind, "not served: nothing is allowed until its custom resource definition is installed");
            }
            ctx.world
                .update(|state| state.index.rules_served(name, is_served));
            drop(synced.take());
        };
        self.spawn::<K, K>(Selector::default(), applied, deleted, served);
    }

    /// Watches objects of a kind that need not be there.
    fn follow_if_served<K>(
        &mut self,
        applied: impl Fn(&mut State, K) -> Vec<Wake> + Send + 'static,
        deleted: impl Fn(&mut State, &ObjectKey) -> Vec<Wake> + Send + 'static,
    ) where
        K: kube_core::Resource<DynamicType = ()> + Object,
        K::Scope: Scope,
    {
        let mut synced = Some(self.synced.clone());
        let served = move |_: &Ctx, kind: &Kind, is_served: bool| {
            if !is_served {
                tracing::warn!(%kind, "not served, going on without");
            }
            drop(synced.take());
        };
        self.spawn::<K, K>(Selector::default(), applied, deleted, served);
    }

    /// Watches objects of kind `K`, read as `T`.
    fn follow<K, T>(
        &mut self,
        selector: Selector,
        applied: impl Fn(&mut State, T) -> Vec<Wake> + Send + 'static,
        deleted: impl Fn(&mut State, &ObjectKey) -> Vec<Wake> + Send + 'static,
    ) where
        K: kube_core::Resource<DynamicType = ()>,
        K::Scope: Scope,
        T: Object,
    {
        let mut synced = Some(self.synced.clone());
        let served = move |_: &Ctx, kind: &Kind, is_served: bool| {
            if is_served {
                drop(synced.take());
            } else {
                tracing::error!(%kind, "not served, waiting: its custom resource definition is missing (`flotilla crds`)");
            }
        };
        self.spawn::<K, T>(selector, applied, deleted, served);
    }

    /// Hands on what a watch of kind `K` brings. `served` is told each time that everything which exists has been
    /// reported (`true`), or that the API server does not know the kind.
    fn spawn<K, T>(
        &mut self,
        selector: Selector,
        applied: impl Fn(&mut State, T) -> Vec<Wake> + Send + 'static,
        deleted: impl Fn(&mut State, &ObjectKey) -> Vec<Wake> + Send + 'static,
        mut served: impl FnMut(&Ctx, &Kind, bool) + Send + 'static,
    ) where
        K: kube_core::Resource<DynamicType = ()>,
        K::Scope: Scope,
        T: Object,
    {
        let kind = Kind::of::<K>();
        tracing::debug!(%kind, "watching");
        let mut watch: Watch<T> = self.ctx.client.watch(&kind, selector);
        let ctx = Arc::clone(self.ctx);
        self.tasks.spawn(async move {
            while let Some(event) = watch.next().await {
                match event {
                    Event::Applied(object) => ctx.world.update(|state| applied(state, object)),
                    Event::Deleted(key) => ctx.world.update(|state| deleted(state, &key)),
                    Event::Synced => served(&ctx, &kind, true),
                    Event::NotServed => served(&ctx, &kind, false),
                }
            }
        });
    }
}
