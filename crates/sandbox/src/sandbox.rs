//! The public face: a sandbox, its clusters, and access to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use tokio::task::JoinSet;

use crate::cluster::{Clock, ClusterState, Shared};
use crate::http::{Body, BoxError, handle};
use crate::lifecycle::{self, bootstrap};
use crate::metrics::{Metrics, Request as RequestCounter};
use crate::registry::CrdCache;
use crate::rest::local::Local;
use crate::serve::{self, Authority, Server};
use crate::simulate;
use crate::status::Status;
use crate::store::{self, ClusterId, Journal, JournalError, Limits, ListRange, Store};

/// How a sandbox is set up.
#[derive(Clone)]
pub struct Options {
    /// Where state is kept; `None` keeps it in memory only.
    pub data: Option<PathBuf>,
    /// Bounds of the store.
    pub limits: Limits,
    /// When workloads become ready, and which do not.
    pub simulation: simulate::Settings,
    /// Where time comes from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            limits: Limits::PRODUCTION,
            simulation: simulate::Settings::default(),
            clock: Arc::new(jiff::Timestamp::now),
        }
    }
}

/// Why a sandbox could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory could not be opened.
    #[error("cannot restore the sandbox")]
    Restore(#[source] JournalError),
    /// The certificate authority could not be made.
    #[error("cannot create the certificate authority")]
    Authority(#[source] serve::Error),
    /// A cluster's name is not a DNS label.
    #[error("cluster name {name:?} is not valid: {why}")]
    ClusterName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A new cluster could not be filled.
    #[error("cannot set up cluster {name}")]
    Bootstrap {
        /// The cluster.
        name: String,
        /// The refusal.
        #[source]
        source: Status,
    },
    /// The data directory did not take a new cluster.
    #[error("cannot record cluster {name} on disk")]
    Record {
        /// The cluster.
        name: String,
    },
    /// The TLS port could not be opened.
    #[error("cannot serve")]
    Serve(#[source] serve::Error),
}

/// All logical clusters of a process.
#[derive(Default)]
pub(crate) struct Clusters {
    by_name: RwLock<BTreeMap<String, Arc<ClusterState>>>,
}

impl Clusters {
    pub(crate) fn all(&self) -> Vec<Arc<ClusterState>> {
        self.by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<ClusterState>> {
        self.by_name
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(crate) fn by_id(&self, id: ClusterId) -> Option<Arc<ClusterState>> {
        let clusters = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        clusters.values().find(|cluster| cluster.id == id).cloned()
    }

    fn remove(&self, name: &str) {
        let mut clusters = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        clusters.remove(name);
    }

    fn insert(&self, cluster: Arc<ClusterState>) {
        let mut clusters = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        clusters.insert(cluster.name.clone(), cluster);
    }
}

/// A Kubernetes-compatible API server with many logical clusters.
///
/// Dropping it stops its controllers and closes the data directory; clients that are left can still
/// read, but every write of a kept sandbox is refused.
pub struct Sandbox {
    shared: Arc<Shared>,
    clusters: Arc<Clusters>,
    authority: Authority,
    adding: tokio::sync::Mutex<ClusterId>,
    _controllers: JoinSet<()>,
}

impl Sandbox {
    /// Starts a sandbox on the current tokio runtime, with the clusters its data directory holds.
    ///
    /// # Errors
    /// If the data directory cannot be opened or is damaged.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (store, restored) = match &options.data {
            None => (Store::in_memory(options.limits), Vec::new()),
            Some(directory) => {
                let directory = directory.clone();
                let (journal, mut restored) =
                    tokio::task::spawn_blocking(move || Journal::open(&directory))
                        .await
                        .map_err(|_| Error::Restore(JournalError::Interrupted))?
                        .map_err(Error::Restore)?;
                let clusters = std::mem::take(&mut restored.clusters);
                (
                    Store::persistent(options.limits, journal, restored),
                    clusters,
                )
            }
        };
        let store = Arc::new(store);
        let authority = Authority::open(options.data.as_deref()).map_err(Error::Authority)?;
        let shared = Arc::new(Shared {
            store: Arc::clone(&store),
            crds: Arc::new(CrdCache::default()),
            metrics: Arc::new(Metrics::default()),
            clock: options.clock,
            ca_pem: authority.pem().to_owned(),
            address: OnceLock::new(),
        });
        let clusters = Arc::new(Clusters::default());
        let revision = store.revision();
        let mut next = 1;
        for (name, id, secret) in restored {
            next = next.max(id + 1);
            clusters.insert(Arc::new(ClusterState::new(&shared, id, &name, secret)));
        }
        let mut controllers = lifecycle::start(&store, &clusters, revision);
        let (feed, weak) = (store.feed(revision), Arc::downgrade(&clusters));
        controllers.spawn(simulate::run(options.simulation, feed, weak));
        Ok(Self {
            shared,
            clusters,
            authority,
            adding: tokio::sync::Mutex::new(next),
            _controllers: controllers,
        })
    }

    /// The cluster of that name, created with its namespaces and roles if there is none.
    ///
    /// # Errors
    /// For names that are no DNS labels, and if the data directory cannot be written.
    pub async fn add_cluster(&self, name: &str) -> Result<Cluster, Error> {
        if let Some(why) = apimachinery::names::check_dns_label(name)
            .into_iter()
            .next()
        {
            return Err(Error::ClusterName {
                name: name.to_owned(),
                why,
            });
        }
        let mut next = self.adding.lock().await;
        if let Some(known) = self.clusters.get(name) {
            return Ok(Cluster {
                state: known,
                ca_pem: self.shared.ca_pem.clone(),
            });
        }
        let id = *next;
        *next += 1;
        let secret: [u8; 32] = rand::random();
        self.shared
            .store
            .record_cluster(name, id, secret.to_vec())
            .await
            .map_err(|_| Error::Record {
                name: name.to_owned(),
            })?;
        let state = Arc::new(ClusterState::new(&self.shared, id, name, secret.to_vec()));
        // Known before it is filled, so that the controllers see the writes that fill it.
        self.clusters.insert(Arc::clone(&state));
        bootstrap::run(&Local::new(Arc::clone(&state), "kube-apiserver")).map_err(|source| {
            self.clusters.remove(name);
            Error::Bootstrap {
                name: name.to_owned(),
                source,
            }
        })?;
        Ok(Cluster {
            state,
            ca_pem: self.shared.ca_pem.clone(),
        })
    }

    /// A cluster by name.
    pub fn cluster(&self, name: &str) -> Option<Cluster> {
        let state = self.clusters.get(name)?;
        Some(Cluster {
            state,
            ca_pem: self.shared.ca_pem.clone(),
        })
    }

    /// All clusters by name.
    pub fn clusters(&self) -> Vec<Cluster> {
        let ca_pem = &self.shared.ca_pem;
        let all = self.clusters.all().into_iter();
        all.map(|state| Cluster {
            state,
            ca_pem: ca_pem.clone(),
        })
        .collect()
    }

    /// Opens the TLS port for all clusters; port 0 takes any free one. The server stops when the
    /// handle is dropped.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn serve(&self, address: std::net::SocketAddr) -> Result<Server, Error> {
        let server = serve::serve(address, &self.authority, Arc::clone(&self.clusters))
            .await
            .map_err(Error::Serve)?;
        // A second port does not change the address that kubeconfigs name.
        let _ = self.shared.address.set(server.address().to_string());
        Ok(server)
    }

    /// Makes a cluster fail every request as if nobody listened, and breaks its watches.
    pub fn take_down(&self, cluster: &str) {
        if let Some(cluster) = self.clusters.get(cluster) {
            cluster.down.send_replace(true);
        }
    }

    /// Ends what [`Sandbox::take_down`] began.
    pub fn bring_up(&self, cluster: &str) {
        if let Some(cluster) = self.clusters.get(cluster) {
            cluster.down.send_replace(false);
        }
    }

    /// Drops the history of all changes up to now, as a compaction of etcd does: watches and pages
    /// that begin earlier are answered with 410.
    pub fn compact(&self) {
        let store = &self.shared.store;
        store.compact(store.revision());
    }

    /// Bytes held once for equal parts of objects in different clusters.
    pub fn shared_bytes(&self) -> usize {
        self.shared.store.shared_bytes()
    }

    /// Requests on resources so far, by cluster, verb, resource, user and user agent.
    pub fn requests(&self) -> BTreeMap<RequestCounter, u64> {
        self.shared.metrics.requests()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Clients may outlive the sandbox; the data directory must not be held by them.
        self.shared.store.close();
    }
}

/// Size of the objects of one kind in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindSize {
    /// `plural.group`, or the plural alone in the core group.
    pub resource: String,
    /// How many objects.
    pub count: usize,
    /// Bytes of all of them.
    pub bytes: usize,
    /// Bytes of the largest one.
    pub largest_bytes: usize,
    /// `namespace/name` of the largest one, or its name alone.
    pub largest: String,
}

/// One logical cluster.
#[derive(Clone)]
pub struct Cluster {
    state: Arc<ClusterState>,
    ca_pem: String,
}

impl Cluster {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> &Arc<ClusterState> {
        &self.state
    }

    /// The bearer token of its administrator.
    pub fn admin_token(&self) -> &str {
        self.state.admin_token()
    }

    /// A client service without sockets that presents `token`, for `kube::Client::new`.
    pub fn service(&self, token: &str) -> Service {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .ok()
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        Service {
            cluster: Arc::clone(&self.state),
            bearer,
        }
    }

    /// A kubeconfig for the administrator. Its server is the first TLS port opened by
    /// [`Sandbox::serve`], `None` before that.
    pub fn kubeconfig(&self) -> Option<String> {
        self.kubeconfig_for("admin", self.admin_token())
    }

    /// A kubeconfig for another user of the cluster.
    pub fn kubeconfig_for(&self, user: &str, token: &str) -> Option<String> {
        let server = self.server()?;
        Some(serve::kubeconfig(
            &self.state.name,
            &server,
            &self.ca_pem,
            user,
            token,
        ))
    }

    /// URL of the API server, `None` while no TLS port is open.
    pub fn server(&self) -> Option<String> {
        let address = self.state.shared.address.get()?;
        Some(format!(
            "https://{address}{}{}",
            serve::PREFIX,
            self.state.name
        ))
    }

    /// PEM of the certificate authority of the TLS port.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Counts and sizes of the objects in the cluster, by kind.
    pub fn sizes(&self) -> Vec<KindSize> {
        let store = &self.state.store;
        let mut sizes = Vec::new();
        for (resource, count) in store.buckets(self.state.id) {
            let Ok(page) = store.list(self.state.id, &resource, &ListRange::default()) else {
                continue;
            };
            let largest = page.entries.iter().max_by_key(|entry| entry.payload.len());
            sizes.push(KindSize {
                resource: resource.as_str().to_owned(),
                count,
                bytes: page.entries.iter().map(|entry| entry.payload.len()).sum(),
                largest_bytes: largest.map_or(0, |entry| entry.payload.len()),
                largest: largest.map(|entry| place(&entry.key)).unwrap_or_default(),
            });
        }
        sizes
    }
}

fn place(key: &store::ObjectKey) -> String {
    if key.namespace.is_empty() {
        key.name.to_string()
    } else {
        format!("{}/{}", key.namespace, key.name)
    }
}

/// A client service of one cluster, without sockets. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    cluster: Arc<ClusterState>,
    bearer: Option<HeaderValue>,
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let cluster = Arc::clone(&self.cluster);
        if let Some(bearer) = &self.bearer {
            request
                .headers_mut()
                .entry(AUTHORIZATION)
                .or_insert_with(|| bearer.clone());
        }
        Box::pin(answer(cluster, request))
    }
}

/// Answers a request unless the cluster is down, before or while it is worked on.
pub(crate) async fn answer<B>(
    cluster: Arc<ClusterState>,
    request: Request<B>,
) -> Result<Response<Body>, std::io::Error>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let mut down = cluster.down.subscribe();
    if *down.borrow_and_update() {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    }
    tokio::select! {
        biased;
        _ = down.wait_for(|down| *down) => Err(std::io::ErrorKind::ConnectionReset.into()),
        response = handle(Arc::clone(&cluster), request) => Ok(response),
    }
}
