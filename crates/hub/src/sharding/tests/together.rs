//! Replicas that come, go, stall and die, on an API server that fails: never do two write one object.

#[path = "../../../tests/common/flaky.rs"]
#[allow(dead_code, reason = "not everything is used here")]
mod flaky;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use api::limits::Limits;
use apiclient::{
    Budgets, Client, Fence, Kind, ObjectKey, ObjectMeta, Patch, Validity, WriteOptions,
};
use flaky::Flaky;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use sandbox::Sandbox;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::gate::Gate;
use super::super::plan::Item;
use super::super::replicas::{Replica, Settings};
use crate::index::Index;
use crate::leader::Election;
use crate::world::World;

const NAMESPACE: &str = "cattle-fleet-system";
const N_OBJECTS: usize = 24;
const LEASE: Duration = Duration::from_secs(2);

/// Who is writing which object now, and who wrote it last.
#[derive(Default)]
struct Book {
    writing: Mutex<BTreeMap<String, String>>,
    last: Mutex<BTreeMap<String, String>>,
    overlaps: Mutex<Vec<String>>,
}

/// A write on its way.
struct Writing<'a>(&'a Book, &'a str, &'a str);

impl<'a> Writing<'a> {
    fn begin(book: &'a Book, object: &'a str, writer: &'a str) -> Self {
        book.begin(object, writer);
        Self(book, object, writer)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.end(self.1, self.2);
    }
}

impl Book {
    fn begin(&self, object: &str, writer: &str) {
        let mut writing = self.writing.lock().unwrap();
        if let Some(other) = writing.insert(object.to_owned(), writer.to_owned()) {
            let overlap = format!("{object} is written by {other} and {writer}");
            self.overlaps.lock().unwrap().push(overlap);
        }
    }

    fn end(&self, object: &str, writer: &str) {
        self.writing.lock().unwrap().remove(object);
        let mut last = self.last.lock().unwrap();
        last.insert(object.to_owned(), writer.to_owned());
    }

    /// How many objects each has written last.
    fn writers(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for writer in self.last.lock().unwrap().values() {
            *count.entry(writer.clone()).or_default() += 1;
        }
        count
    }

    fn forget(&self) {
        self.last.lock().unwrap().clear();
    }
}

struct Process {
    /// Renews the leadership, which all have together.
    leading: JoinHandle<()>,
    /// The loop that keeps the Lease up.
    keeping: JoinHandle<()>,
    replica: Arc<tokio::sync::Mutex<Replica>>,
    world: Arc<World>,
    working: JoinHandle<()>,
}

fn object(number: usize) -> ObjectKey {
    ObjectKey::new("default", format!("object-{number}"))
}

impl Process {
    async fn start(name: &str, client: Client) -> Self {
        let gate = Arc::new(Gate::new(
            String::new(),
            Validity::default(),
            Validity::default(),
        ));
        let mut election = Election::new(NAMESPACE, name);
        election.lease_duration = LEASE;
        election.renew_deadline = LEASE / 2;
        election.retry_period = Duration::from_millis(50);
        let settings = Settings::of(&election);
        let mut replica = Replica::new(client.clone(), settings, Arc::clone(&gate));
        replica.join().await;
        let world = Arc::new(World::new(Limits::PRODUCTION, Arc::clone(&gate)));
        let replica = Arc::new(tokio::sync::Mutex::new(replica));
        let working = tokio::spawn(work(client, Arc::clone(&gate)));
        let leadership = gate.leadership.clone();
        let leading = tokio::spawn(async move {
            loop {
                leadership.extend(Instant::now() + LEASE);
                tokio::time::sleep(LEASE / 4).await;
            }
        });
        let mut process = Self {
            leading,
            keeping: tokio::spawn(std::future::ready(())),
            replica,
            world,
            working,
        };
        process.wake();
        process
    }

    /// The loop stops, as in a process that is suspended; what runs goes on.
    fn stall(&self) {
        self.keeping.abort();
    }

    fn wake(&mut self) {
        let (replica, world) = (Arc::clone(&self.replica), Arc::clone(&self.world));
        self.keeping = tokio::spawn(async move { replica.lock().await.keep(&world).await });
    }

    fn kill(&self) {
        self.leading.abort();
        self.keeping.abort();
        self.working.abort();
    }

    async fn leave(&self) {
        self.keeping.abort();
        self.replica.lock().await.leave().await;
        self.working.abort();
    }
}

/// Writes all objects that are its own, one after the other, for ever. The runs are long: each writes
/// twice, and what happens in between has to hold up the second write.
async fn work(client: Client, gate: Arc<Gate>) {
    let index = Index::default();
    loop {
        for number in 0..N_OBJECTS {
            let key = object(number);
            let Some(permit) = gate.enter(&index, Item::Bundle(key.clone())) else {
                continue;
            };
            let fence: Fence = permit.fence.clone();
            let run = async {
                for _ in 0..2 {
                    write(&client, &key).await;
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            };
            fence.scope(run).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn write(client: &Client, key: &ObjectKey) {
    let body = json!({ "data": { "touched": "yes" } });
    let (kind, options) = (Kind::of::<ConfigMap>(), WriteOptions::default());
    // Whether it succeeds is of no interest, only when it is on its way.
    let _: Result<ObjectMeta, _> = client
        .patch(&kind, key, None, Patch::Merge(&body), 0, options)
        .await;
}

/// Notes what a process writes from the moment it is sent until it is answered.
#[derive(Clone)]
struct Noting {
    inner: Flaky,
    writer: String,
    book: Arc<Book>,
}

type Request = hyper::Request<kube::client::Body>;

impl tower::Service<Request> for Noting {
    type Response = <Flaky as tower::Service<Request>>::Response;
    type Error = sandbox::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let path = request.uri().path().to_owned();
        let object = path
            .rsplit_once("/configmaps/")
            .map(|(_, name)| name.to_owned());
        let (book, writer) = (Arc::clone(&self.book), self.writer.clone());
        let answer = self.inner.call(request);
        async move {
            let Some(object) = object else {
                return answer.await;
            };
            // A process that is killed ends its request.
            let _writing = Writing::begin(&book, &object, &writer);
            // Long enough for others to come in between.
            tokio::time::sleep(Duration::from_millis(2)).await;
            answer.await
        }
        .boxed()
    }
}

/// Processes on one API server.
struct Together {
    cluster: sandbox::Cluster,
    _sandbox: Sandbox,
    book: Arc<Book>,
    seed: u64,
    processes: BTreeMap<String, Process>,
}

impl Together {
    async fn new(seed: u64) -> Self {
        let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
        let cluster = sandbox.add_cluster("hub").await.unwrap();
        let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
        let client = Client::new(kube, "test", Budgets::default());
        for number in 0..N_OBJECTS {
            let options = WriteOptions::default();
            let (kind, key) = (Kind::of::<ConfigMap>(), object(number));
            let body = json!({ "metadata": { "name": key.name } });
            client.create(&kind, &key, &body, options).await.unwrap();
        }
        Self {
            cluster,
            _sandbox: sandbox,
            book: Arc::default(),
            seed,
            processes: BTreeMap::new(),
        }
    }

    async fn start(&mut self, name: &str) {
        self.seed += 1;
        let service = self.cluster.service(self.cluster.admin_token());
        let noting = Noting {
            inner: Flaky::new(service, self.seed),
            writer: name.to_owned(),
            book: Arc::clone(&self.book),
        };
        let client = Client::new(
            kube::Client::new(noting, "default"),
            name,
            Budgets::default(),
        );
        let process = Process::start(name, client).await;
        self.processes.insert(name.to_owned(), process);
    }

    /// Waits until each object is written, by exactly these processes.
    async fn written_by(&self, names: &[&str]) {
        self.written_in_time_by(names, LEASE * 60).await;
    }

    /// Who wrote the objects last, once each is written again or nothing more is to be expected.
    async fn round(&self) -> BTreeMap<String, usize> {
        self.book.forget();
        let deadline = Instant::now() + LEASE;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let writers = self.book.writers();
            let all: usize = writers.values().sum();
            if all == N_OBJECTS || Instant::now() > deadline {
                return writers;
            }
        }
    }

    async fn written_in_time_by(&self, names: &[&str], patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let writers = self.round().await;
            let all: usize = writers.values().sum();
            if writers.keys().eq(names.iter().copied()) && all == N_OBJECTS {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "want {names:?}, found {writers:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_do_two_processes_write_one_object_whatever_happens_to_them() {
    let mut all = Together::new(5).await;
    all.start("a").await;
    all.written_by(&["a"]).await;
    all.start("b").await;
    all.start("c").await;
    all.written_by(&["a", "b", "c"]).await;
    // One dies: the others wait for its Lease and take over.
    all.processes["b"].kill();
    all.written_by(&["a", "c"]).await;
    // One is suspended for longer than its Lease lasts, with its runs going on, and wakes up.
    all.processes["c"].stall();
    all.written_by(&["a"]).await;
    all.processes.get_mut("c").unwrap().wake();
    // Before the others remove its Lease.
    all.written_in_time_by(&["a", "c"], LEASE * 5).await;
    all.start("d").await;
    all.written_by(&["a", "c", "d"]).await;
    // One stops in an orderly way while one joins.
    let (leaving, joining) = (all.processes.remove("a").unwrap(), "e");
    tokio::join!(leaving.leave(), all.start(joining));
    all.written_by(&["c", "d", "e"]).await;
    let overlaps = all.book.overlaps.lock().unwrap();
    assert!(overlaps.is_empty(), "{overlaps:#?}");
}
