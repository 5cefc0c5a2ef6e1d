//! Cases, what they are given, and how all of them are run.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::json;

use crate::api::Api;
use crate::{cases, script};

/// How many cases run at the same time.
const CONCURRENCY: usize = 8;

/// Which server a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The in-process server.
    Sandbox,
    /// etcd, kube-apiserver and kube-controller-manager.
    Kubernetes,
}

/// What scripts do with answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compare them with the recorded ones.
    Check,
    /// Write them into the scripts.
    Record,
}

/// Whether the sandbox claims to do what a case asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sandbox {
    /// It answers as a real server does.
    Conforms,
    /// It refuses, with a message that holds this text.
    #[expect(
        dead_code,
        reason = "the sandbox implements all that the suite asks for"
    )]
    Refuses(&'static str),
}

/// What a case is given.
#[derive(Clone)]
pub struct Ctx {
    /// The administrator.
    pub api: Api,
    /// What the server is.
    pub server: Server,
    /// Makes the server forget the history of all objects up to now; for cases that run alone.
    pub forget: Forget,
    /// A name of this case alone: a DNS label of at most 40 bytes. Not yet a namespace.
    pub ns: String,
}

impl Ctx {
    /// Creates the namespace of this case; the path below it, without a slash at the end.
    pub async fn namespace(&self) -> String {
        self.namespace_called(&self.ns).await
    }

    /// Creates a further namespace; the path below it.
    pub async fn namespace_called(&self, name: &str) -> String {
        let body = json!({"metadata": {"name": name}});
        self.api.post("/api/v1/namespaces", &body).await.expect(201);
        format!("/api/v1/namespaces/{name}")
    }
}

/// A server to run cases on.
pub struct Target {
    /// The administrator's access.
    pub api: Api,
    /// What the server is.
    pub server: Server,
    /// Makes the server forget the history of all objects up to now.
    pub forget: Forget,
}

/// Makes a server forget its history.
pub type Forget = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

type Steps = Box<dyn FnOnce(Ctx) -> BoxFuture<'static, ()> + Send>;

/// One behaviour, by name.
pub struct Case {
    /// `topic::behaviour`.
    pub name: String,
    pub(crate) sandbox: Sandbox,
    pub(crate) steps: Steps,
}

impl Case {
    pub(crate) fn new<F>(name: &str, steps: impl FnOnce(Ctx) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name: name.to_owned(),
            sandbox: Sandbox::Conforms,
            steps: Box::new(move |ctx| steps(ctx).boxed()),
        }
    }

    /// A DNS label that no other case has.
    fn namespace(&self) -> String {
        let behaviour = self.name.rsplit("::").next().unwrap_or_default();
        let mut hash = 5_381_u32;
        for byte in self.name.bytes() {
            hash = hash.wrapping_mul(33) ^ u32::from(byte);
        }
        let words: String = behaviour
            .chars()
            .map(|char| char.to_ascii_lowercase())
            .map(|char| {
                if char.is_ascii_alphanumeric() {
                    char
                } else {
                    '-'
                }
            })
            .take(28)
            .collect();
        format!("c-{}-{hash:08x}", words.trim_matches('-'))
    }
}

/// What a run brought.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases were run.
    pub cases: usize,
    /// Names of failed cases and what failed, by name.
    pub failures: Vec<(String, String)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, why) in &self.failures {
            writeln!(f, "FAILED {name}\n    {}", why.replace('\n', "\n    "))?;
        }
        let (failed, secs) = (self.failures.len(), self.elapsed.as_secs_f32());
        write!(f, "{} cases, {failed} failed, {secs:.1} s", self.cases)
    }
}

/// Runs all cases whose name holds `filter`.
pub async fn run(target: &Target, mode: Mode, filter: &str) -> Report {
    let begin = Instant::now();
    let mut together = cases::all();
    together.extend(script::cases(mode));
    let mut alone = cases::alone();
    for cases in [&mut together, &mut alone] {
        cases.retain(|case| case.name.contains(filter));
    }
    let cases = together.len() + alone.len();
    let together = futures::stream::iter(together).map(|case| attempt(target, case));
    let alone = futures::stream::iter(alone).then(|case| attempt(target, case));
    let results = together.buffer_unordered(CONCURRENCY).chain(alone);
    let mut failures: Vec<_> = results.filter_map(std::future::ready).collect().await;
    failures.sort();
    Report {
        cases,
        failures,
        elapsed: begin.elapsed(),
    }
}

/// The name of the case and what failed, if it did.
async fn attempt(target: &Target, case: Case) -> Option<(String, String)> {
    let server = target.server;
    let ctx = Ctx {
        api: target.api.clone(),
        server,
        forget: Arc::clone(&target.forget),
        ns: case.namespace(),
    };
    let (name, sandbox) = (case.name, case.sandbox);
    let steps = AssertUnwindSafe((case.steps)(ctx)).catch_unwind();
    // A task of its own, so that cases use all threads.
    let result = tokio::spawn(steps)
        .await
        .unwrap_or_else(|error| Err(error.into_panic()));
    let failure = result.err().map(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other
            .downcast_ref::<&str>()
            .unwrap_or(&"panicked")
            .to_string(),
    });
    let why = match (server, sandbox, failure) {
        (Server::Kubernetes, _, failure) | (_, Sandbox::Conforms, failure) => failure,
        (Server::Sandbox, Sandbox::Refuses(text), None) => {
            Some(format!("passes, but should be refused with {text:?}"))
        }
        (Server::Sandbox, Sandbox::Refuses(text), Some(failure)) => {
            let mut why = String::new();
            let _ = write!(why, "not refused with {text:?}: {failure}");
            (!failure.contains(text)).then_some(why)
        }
    };
    why.map(|why| (name, why))
}
