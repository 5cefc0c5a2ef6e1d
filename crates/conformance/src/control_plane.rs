//! A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.
//!
//! In: a folder with the programs. Out: a [`Target`]. All state lives in a
//! temporary folder; dropping the [`ControlPlane`] kills the processes and removes it, also when a
//! test panics. Without [`Options::nodes`] no kubelet and no scheduler: pods stay pending. With them kwok
//! plays kubelets, and workloads become ready by what `data/kwok.yaml` says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::CertifiedKey;
use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use crate::ports;
use crate::suite::{Server, Target};

/// How long the server may take until it is ready.
const READY_SECS: u64 = 120;

const ADMIN_TOKEN: &str = "admin-token-of-the-conformance-suite";

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a port of the control plane could not be made.
    #[error("cannot prepare {what}")]
    Prepare {
        /// What was to be made.
        what: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A key or a certificate could not be made.
    #[error("cannot make certificates")]
    Certificates(#[source] rcgen::Error),
    /// A program could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A client for the server could not be made.
    #[error("cannot make a client")]
    Client(#[source] Box<kube::Error>),
    /// A process ended, or the server did not become ready.
    #[error("the API server is not ready after {secs} s; the end of its log:\n{log}")]
    NotReady {
        /// How long it was waited for.
        secs: u64,
        /// Its last lines.
        log: String,
    },
}

/// What runs besides etcd, the API server and its controllers, and how these run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Fake nodes, with a scheduler, and volumes for those who claim some.
    pub nodes: usize,
    /// Further flags of etcd.
    pub etcd: Vec<String>,
    /// Further flags of the API server.
    pub apiserver: Vec<String>,
}

/// A running control plane.
pub struct ControlPlane {
    api: Api,
    etcd: Api,
    server: String,
    // Killed before the folder goes.
    _processes: Processes,
    folder: TempDir,
}

/// Processes that end with this value, last one first.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for process in self.0.iter_mut().rev() {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn prepare<T>(what: &'static str, result: std::io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::Prepare { what, source })
}

impl ControlPlane {
    /// Starts the programs below `bin` and waits until the API server is ready.
    ///
    /// # Errors
    /// If a program is missing, or the server is not ready in two minutes.
    pub async fn start(bin: &Path) -> Result<Self, Error> {
        Self::start_with(bin, &Options::default()).await
    }

    /// The same with what `options` ask for.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_with(bin: &Path, options: &Options) -> Result<Self, Error> {
        let folder = prepare("a folder", tempfile::tempdir())?;
        let dir = folder.path();
        let [etcd, peer, secure, controllers, scheduler, kwok] = prepare("ports", ports::free())?;
        let certificate = write_files(dir, secure)?;
        let mut processes = Processes(Vec::new());
        let etcd_url = format!("http://127.0.0.1:{etcd}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        processes.0.push(spawn(
            bin,
            dir,
            "etcd",
            &etcd_flags(&etcd_url, &peer_url, options),
        )?);
        let flags = apiserver_flags(&etcd_url, secure, options);
        processes.0.push(spawn(bin, dir, "kube-apiserver", &flags)?);
        let server = format!("https://127.0.0.1:{secure}");
        let api = Api::new(client(&server, Some(certificate))?, ADMIN_TOKEN);
        wait_until_ready(&api, dir, &mut processes).await?;
        let flags = controller_flags(controllers);
        processes
            .0
            .push(spawn(bin, dir, "kube-controller-manager", &flags)?);
        if options.nodes > 0 {
            let flags = scheduler_flags(scheduler);
            processes.0.push(spawn(bin, dir, "kube-scheduler", &flags)?);
            let flags = kwok_flags(kwok);
            processes.0.push(spawn(bin, dir, "kwok", &flags)?);
            add_nodes(&api, options.nodes).await;
        }
        Ok(Self {
            api,
            server,
            etcd: Api::new(client(&etcd_url, None)?, ""),
            _processes: processes,
            folder,
        })
    }

    /// A kubeconfig with all rights, for programs. It ends with this value.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Folder of the logs, one for each program, and of `tls.crt`. It ends with this value.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client with all rights.
    ///
    /// # Errors
    /// If the files of the control plane cannot be read.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        let failed = |error| Error::Client(Box::new(error));
        let read = kube::config::Kubeconfig::read_from(self.kubeconfig());
        let kubeconfig = read.map_err(|error| failed(kube::Error::from(error)))?;
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let config = config.map_err(|error| failed(kube::Error::from(error)))?;
        kube::Client::try_from(config).map_err(failed)
    }

    /// The server to run the suite on. It ends with this value.
    pub fn target(&self) -> Target {
        let etcd = self.etcd.clone();
        Target {
            api: self.api.clone(),
            server: Server::Kubernetes,
            forget: Arc::new(move || Box::pin(compact(etcd.clone()))),
        }
    }
}

/// Compacts the history of etcd at its newest revision.
async fn compact(etcd: Api) {
    let now = etcd
        .post("/v3/kv/range", &json!({"key": "AA=="}))
        .await
        .expect(200);
    let revision = now.text("/header/revision");
    let request = json!({"revision": revision, "physical": true});
    etcd.post("/v3/kv/compaction", &request).await.expect(200);
}

/// Writes keys, tokens and the kubeconfig of the controllers; the server's certificate as DER.
fn write_files(dir: &Path, secure: u16) -> Result<Vec<u8>, Error> {
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).map_err(Error::Certificates)?;
    let accounts = rcgen::KeyPair::generate().map_err(Error::Certificates)?;
    let kubeconfig = format!(
        r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{{"name": "c", "cluster": {{"server": "https://127.0.0.1:{secure}", "certificate-authority": "tls.crt"}}}}],
"users": [{{"name": "u", "user": {{"token": "{ADMIN_TOKEN}"}}}}],
"contexts": [{{"name": "c", "context": {{"cluster": "c", "user": "u"}}}}]}}"#
    );
    let files = [
        ("tls.crt", cert.pem()),
        ("tls.key", signing_key.serialize_pem()),
        ("accounts.key", accounts.serialize_pem()),
        ("accounts.pub", accounts.public_key_pem()),
        (
            "tokens.csv",
            format!("{ADMIN_TOKEN},admin,admin,system:masters\n"),
        ),
        ("kubeconfig", kubeconfig),
        ("kwok.yaml", include_str!("../data/kwok.yaml").to_owned()),
    ];
    for (name, text) in files {
        prepare("a file", write(&dir.join(name), &text))?;
    }
    Ok(cert.der().to_vec())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::File::create(path)?.write_all(text.as_bytes())
}

/// Nodes, and a class of storage for claims that name none.
async fn add_nodes(api: &Api, nodes: usize) {
    for number in 0..nodes {
        let node = json!({"metadata": {"name": format!("node-{number}"),
            "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}}});
        api.post("/api/v1/nodes", &node).await.expect(201);
    }
    let class = json!({"metadata": {"name": "standard",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/host-path"});
    let path = "/apis/storage.k8s.io/v1/storageclasses";
    api.post(path, &class).await.expect(201);
}

fn etcd_flags(client: &str, peer: &str, options: &Options) -> Vec<String> {
    let mut flags = vec![
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // Nothing here must survive a crash.
        "--unsafe-no-fsync".to_owned(),
    ];
    flags.extend(options.etcd.iter().cloned());
    flags
}

fn apiserver_flags(etcd: &str, secure: u16, options: &Options) -> Vec<String> {
    let mut flags = vec![
        format!("--etcd-servers={etcd}"),
        format!("--secure-port={secure}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--cert-dir=.".to_owned(),
        "--tls-cert-file=tls.crt".to_owned(),
        "--tls-private-key-file=tls.key".to_owned(),
        "--token-auth-file=tokens.csv".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-account-key-file=accounts.pub".to_owned(),
        "--service-account-signing-key-file=accounts.key".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
        "--max-requests-inflight=1000".to_owned(),
        "--max-mutating-requests-inflight=1000".to_owned(),
    ];
    if options.nodes > 0 {
        // What runs on nodes for others is often privileged; a server without nodes refuses it, as recorded.
        flags.push("--allow-privileged=true".to_owned());
    }
    flags.extend(options.apiserver.iter().cloned());
    flags
}

fn scheduler_flags(secure: u16) -> Vec<String> {
    vec![
        "--kubeconfig=kubeconfig".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        "--cert-dir=.".to_owned(),
        format!("--secure-port={secure}"),
    ]
}

fn kwok_flags(port: u16) -> Vec<String> {
    vec![
        "--kubeconfig=kubeconfig".to_owned(),
        "--config=kwok.yaml".to_owned(),
        "--manage-all-nodes".to_owned(),
        "--cidr=10.128.0.1/9".to_owned(),
        "--node-ip=192.0.2.10".to_owned(),
        format!("--server-address=127.0.0.1:{port}"),
    ]
}

fn controller_flags(secure: u16) -> Vec<String> {
    vec![
        "--kubeconfig=kubeconfig".to_owned(),
        "--service-account-private-key-file=accounts.key".to_owned(),
        "--root-ca-file=tls.crt".to_owned(),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        "--cert-dir=.".to_owned(),
        format!("--secure-port={secure}"),
        // Fake nodes say only once that they are there.
        "--node-monitor-grace-period=24h".to_owned(),
        "--enable-hostpath-provisioner".to_owned(),
    ]
}

fn spawn(bin: &Path, dir: &Path, name: &str, flags: &[String]) -> Result<Child, Error> {
    let log = prepare(
        "a log",
        std::fs::File::create(dir.join(format!("{name}.log"))),
    )?;
    let copy = prepare("a log", log.try_clone())?;
    let program = bin.join(name);
    let mut command = Command::new(&program);
    command.args(flags).current_dir(dir);
    // kwok keeps files there.
    command.env("HOME", dir);
    command.stdin(Stdio::null()).stdout(log).stderr(copy);
    let child = command.spawn();
    child.map_err(|source| Error::Start { program, source })
}

fn client(url: &str, certificate: Option<Vec<u8>>) -> Result<kube::Client, Error> {
    let mut config = kube::Config::new(url.parse().unwrap_or_default());
    config.root_cert = certificate.map(|certificate| vec![certificate]);
    kube::Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))
}

async fn wait_until_ready(api: &Api, dir: &Path, running: &mut Processes) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        if api.is_ready().await {
            return Ok(());
        }
        let mut ended = running.0.iter_mut().map(Child::try_wait);
        let ended = ended.any(|state| !matches!(state, Ok(None)));
        if ended || begin.elapsed() > Duration::from_secs(READY_SECS) {
            let log = std::fs::read_to_string(dir.join("kube-apiserver.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(20).collect();
            let log: Vec<&str> = lines.into_iter().rev().collect();
            return Err(Error::NotReady {
                secs: begin.elapsed().as_secs(),
                log: log.join("\n"),
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
