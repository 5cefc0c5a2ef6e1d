//! How a hub ends that is told to.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use api::limits::Limits;
use apiclient::{Client, Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;
use tokio_util::sync::CancellationToken;

type Request = hyper::Request<kube::client::Body>;

/// Takes its time over each write of a BundleDeployment.
#[derive(Clone)]
struct Slow {
    inner: sandbox::Service,
    delay: Duration,
    begun: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl tower::Service<Request> for Slow {
    type Response = <sandbox::Service as tower::Service<Request>>::Response;
    type Error = sandbox::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let is_slow = request.method() != hyper::Method::GET
            && request.uri().path().contains("/bundledeployments");
        let mut own = self.clone();
        async move {
            if is_slow {
                own.begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(own.delay).await;
            }
            let answer = own.inner.call(request).await?;
            if is_slow {
                own.ended.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer)
        }
        .boxed()
    }
}

/// Starts a process with slow writes, lets it begin to deploy to some clusters, and tells it to stop.
/// How it ended, with the writes begun and ended.
async fn stopped(delay: Duration, grace: Duration, n_clusters: u64) -> (Hub, Duration, u64, u64) {
    let mut hub = Hub::start().await;
    for number in 0..n_clusters {
        hub.cluster(&format!("c-{number}"), json!({})).await;
    }
    hub.stop_controllers().await;
    let slow = Slow {
        inner: hub.service(),
        delay,
        begun: Arc::default(),
        ended: Arc::default(),
    };
    let kube = kube::Client::new(slow.clone(), "default");
    let client = Client::new(kube, hub::FIELD_MANAGER, hub::budgets(&Limits::PRODUCTION));
    let mut options = hub::Options::new(hub.directory().join("slow"));
    options.grace_period = grace;
    options.election = Some(hub::leader::Election::new("cattle-fleet-system", "slow"));
    let stop = CancellationToken::new();
    let task = tokio::spawn(hub::run_with(client, options, stop.clone()));
    hub.bundle(WORKSPACE, "app", json!({}), json!({})).await;
    let begun = || async { (slow.begun.load(Ordering::SeqCst) > 0).then_some(()) };
    eventually("it deploys", begun).await;
    let told = tokio::time::Instant::now();
    stop.cancel();
    assert!(task.await.is_ok_and(|ended| ended.is_ok()));
    let (begun, ended) = (&slow.begun, &slow.ended);
    let counts = (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
    (hub, told.elapsed(), counts.0, counts.1)
}

/// Nobody holds the Lease.
async fn is_released(hub: &Hub) -> bool {
    let key = ObjectKey::new("cattle-fleet-system", hub::leader::LEASES[0]);
    let lease: Result<Option<Lease>, _> = hub.client.get(&Kind::of::<Lease>(), &key).await;
    let spec = lease.ok().flatten().and_then(|lease| lease.spec);
    spec.is_some_and(|spec| spec.holder_identity.as_deref() == Some(""))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_finished_and_the_leases_are_given_back() {
    let delay = Duration::from_millis(300);
    // More clusters than are written to at the same time.
    let (hub, took, begun, ended) = stopped(delay, Duration::from_secs(30), 40).await;
    assert_eq!(
        (begun, ended),
        (40, 40),
        "the run for the bundle is finished"
    );
    assert!(took < Duration::from_secs(30));
    assert!(is_released(&hub).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_the_grace_period_is_cut_off() {
    let (hub, took, _, ended) = stopped(Duration::from_mins(5), Duration::from_secs(1), 2).await;
    assert_eq!(ended, 0);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(is_released(&hub).await);
}
