//! A hub and a downstream cluster, each a real control plane with nodes that only say they run, and the
//! hub's controllers and an agent as processes of their own, with no more rights than they need.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use api::v1alpha1::{BundleDeployment, Cluster};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector};
use conformance::control_plane::{ControlPlane, Options};
use tempfile::TempDir;

/// Where Bundles and the Cluster are.
pub(crate) const WORKSPACE: &str = "fleet-default";
/// Where both programs are at home.
const SYSTEM: &str = "cattle-fleet-system";
/// How often something is asked again that is not there yet.
const POLL: Duration = Duration::from_millis(200);

/// A deployment that fails in the same way as often as it is looked at is not waited for any longer.
const STUCK: u32 = 200;

/// What the hub's controllers need.
const HUB_RIGHTS: &str = include_str!("hub.yaml");
/// What an agent may do on the hub; `NAMESPACE` is that of its BundleDeployments.
const AGENT_ON_HUB: &str = include_str!("agent-on-hub.yaml");
/// What an agent may do on its cluster: everything, for it deploys everything.
const AGENT_DOWNSTREAM: &str = include_str!("agent-downstream.yaml");

/// One of the two clusters.
pub(crate) struct Side {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
}

/// Both clusters and what runs on them.
pub(crate) struct Clusters {
    pub(crate) hub: Side,
    pub(crate) downstream: Side,
    pub(crate) bin: PathBuf,
    /// The program that is both controller and agent.
    pub(crate) program: PathBuf,
    /// A program that is the agent alone, to be run in place of that.
    agent_program: Option<PathBuf>,
    /// Kubeconfigs, logs, homes. It ends with this value.
    pub(crate) folder: TempDir,
    controller: Option<Process>,
    pub(crate) agent: Option<Process>,
    /// Namespace of the cluster's BundleDeployments.
    pub(crate) namespace: String,
}

/// A running program; it ends with this value.
pub(crate) struct Process(Child);

impl Process {
    /// Of the process, while it runs.
    #[allow(dead_code, reason = "for who measures it")]
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program printed, or what it said when it failed.
pub(crate) type Printed = Result<String, String>;

impl Side {
    async fn start(bin: &Path, options: Options) -> Self {
        let plane = ControlPlane::start_with(bin, &options).await.unwrap();
        let client = Client::new(plane.client().await.unwrap(), "test", Budgets::default());
        Self { plane, client }
    }
}

impl Clusters {
    /// Starts everything. `bin` has the control plane and Helm, `program` is Flotilla, `agent` the agent alone.
    pub(crate) async fn start(
        bin: &Path,
        program: &Path,
        agent: Option<&Path>,
        downstream: Options,
    ) -> Self {
        let (hub, downstream) = tokio::join!(
            Side::start(bin, Options::default()),
            Side::start(bin, downstream),
        );
        let mut clusters = Self {
            hub,
            downstream,
            bin: bin.to_owned(),
            program: program.to_owned(),
            agent_program: agent.map(Path::to_owned),
            folder: tempfile::tempdir().unwrap(),
            controller: None,
            agent: None,
            namespace: String::new(),
        };
        clusters.start_controller().await;
        clusters.add_cluster().await;
        clusters.start_agent().await;
        clusters
    }

    async fn start_controller(&mut self) {
        let crds = self.flotilla(&["crds"], self.folder.path()).await.unwrap();
        let hub = &self.hub;
        self.apply(hub, &crds).await;
        self.apply(hub, HUB_RIGHTS).await;
        let kubeconfig = self.login(hub, "hub", SYSTEM, "flotilla").await;
        let args = [
            "controller".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--git-cache={}", self.folder.path().join("git").display()),
        ];
        self.controller = Some(self.spawn("controller", &self.program, &args));
    }

    async fn add_cluster(&mut self) {
        let object = "{apiVersion: fleet.cattle.io/v1alpha1, kind: Cluster, \
                       metadata: {name: north, namespace: fleet-default, labels: {env: test}}}";
        self.apply(&self.hub, object).await;
        let key = ObjectKey::new(WORKSPACE, "north");
        let namespace = eventually("the cluster has a namespace", 60, async || {
            let kind = Kind::of::<Cluster>();
            let found: Option<Cluster> = self.hub.client.get(&kind, &key).await.ok()?;
            Some(found?.status.namespace).filter(|namespace| !namespace.is_empty())
        });
        self.namespace = namespace.await;
        let rights = AGENT_ON_HUB.replace("NAMESPACE", &self.namespace);
        self.apply(&self.hub, &rights).await;
        self.apply(&self.downstream, AGENT_DOWNSTREAM).await;
    }

    /// Starts the agent; one that runs ends first.
    pub(crate) async fn start_agent(&mut self) {
        self.agent = None;
        let (hub, downstream) = (&self.hub, &self.downstream);
        let at_hub = self.login(hub, "agent", &self.namespace, "agent").await;
        let below = self.login(downstream, "below", SYSTEM, "fleet-agent").await;
        let args = [
            format!("--hub-kubeconfig={}", at_hub.display()),
            format!("--kubeconfig={}", below.display()),
            format!("--cluster-namespace={WORKSPACE}"),
            "--cluster-name=north".to_owned(),
            format!("--deployment-namespace={}", self.namespace),
        ];
        // It gets along with a disk that is full, or may not be written: whoever writes a file here is killed.
        let mut all = vec!["-c".to_owned(), r#"ulimit -f 0; exec "$0" "$@""#.to_owned()];
        if let Some(program) = &self.agent_program {
            all.push(program.display().to_string());
        } else {
            all.extend([self.program.display().to_string(), "agent".to_owned()]);
        }
        all.extend(args);
        self.agent = Some(self.spawn("agent", Path::new("sh"), &all));
    }

    fn spawn(&self, name: &str, program: &Path, args: &[String]) -> Process {
        let mut log = fs::File::options();
        let mut log = log.create(true).append(true).open(self.log(name)).unwrap();
        let mut command = Command::new(program);
        command.args(args).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path());
        let passed_on = |name: &str| name == "RUST_LOG" || name.starts_with("MIMALLOC_");
        command.envs(std::env::vars().filter(|(name, _)| passed_on(name)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut said, &mut log));
        Process(child)
    }

    /// What a program says goes there.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// A kubeconfig with a token of a service account.
    async fn login(&self, side: &Side, file: &str, namespace: &str, account: &str) -> PathBuf {
        let args = [
            "create",
            "token",
            "--duration=24h",
            "-n",
            namespace,
            account,
        ];
        let token = self.kubectl(side, &args).await.unwrap();
        let (server, folder) = (side.plane.server(), side.plane.folder());
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: \"{server}\", certificate-authority: {}}}}}], \
             users: [{{name: u, user: {{token: {}}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}",
            folder.join("tls.crt").display(),
            token.trim()
        );
        let path = self.folder.path().join(format!("{file}.kubeconfig"));
        fs::write(&path, kubeconfig).unwrap();
        path
    }

    /// Applies what the text of YAML documents says.
    pub(crate) async fn apply(&self, side: &Side, text: &str) {
        self.try_apply(side, text).await.unwrap();
    }

    /// As `apply`, of what the server may refuse.
    pub(crate) async fn try_apply(&self, side: &Side, text: &str) -> Printed {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"].map(OsString::from);
        let kubectl = self.bin.join("kubectl");
        self.run(kubectl, args.to_vec(), side.kubeconfig(), text, None)
            .await
    }

    /// Deletes what the text of YAML documents says, and waits until it is gone.
    pub(crate) async fn remove_applied(&self, side: &Side, text: &str) {
        let args = ["delete", "--wait", "-f", "-"].map(OsString::from);
        let kubectl = self.bin.join("kubectl");
        self.run(kubectl, args.to_vec(), side.kubeconfig(), text, None)
            .await
            .unwrap();
    }

    /// Runs kubectl with all rights.
    pub(crate) async fn kubectl(&self, side: &Side, args: &[&str]) -> Printed {
        let args = args.iter().map(OsString::from).collect();
        let kubectl = self.bin.join("kubectl");
        self.run(kubectl, args, side.kubeconfig(), "", None).await
    }

    /// Runs Helm on the downstream cluster with all rights.
    pub(crate) async fn helm(&self, args: &[&str]) -> Printed {
        let args = args.iter().map(OsString::from).collect();
        let kubeconfig = self.downstream.kubeconfig();
        self.run(self.bin.join("helm"), args, kubeconfig, "", None)
            .await
    }

    /// Runs Flotilla on the hub in a folder.
    pub(crate) async fn flotilla(&self, args: &[&str], at: &Path) -> Printed {
        let args = args.iter().map(OsString::from).collect();
        let kubeconfig = self.hub.kubeconfig();
        self.run(self.program.clone(), args, kubeconfig, "", Some(at))
            .await
    }

    async fn run(
        &self,
        program: PathBuf,
        args: Vec<OsString>,
        kubeconfig: PathBuf,
        input: &str,
        at: Option<&Path>,
    ) -> Printed {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("KUBECONFIG", kubeconfig);
        command.env("HOME", self.folder.path()).env("TZ", "UTC");
        // The hub writes statuses of what is applied.
        command.env("FLEET_APPLY_CONFLICT_RETRIES", "5");
        command.current_dir(at.unwrap_or(self.folder.path()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let input = input.to_owned();
        let work = move || {
            let mut child = command.spawn().unwrap();
            // One that fails early does not read it.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(work).await.unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Writes a Bundle of the folder for the cluster.
    pub(crate) async fn deploy(&self, name: &str, folder: &Path) -> Printed {
        let targets = self.folder.path().join("targets.yaml");
        fs::write(&targets, "targets: [{clusterSelector: {}}]").unwrap();
        let targets = format!("--targets-file={}", targets.display());
        self.flotilla(&["apply", "-n", WORKSPACE, &targets, name, "."], folder)
            .await
    }

    /// Removes a Bundle, and waits until nothing of it is on the hub any more.
    pub(crate) async fn remove(&self, name: &str) {
        let what = ["bundles.fleet.cattle.io", name];
        let args = [
            &["delete", "--ignore-not-found", "-n", WORKSPACE][..],
            &what,
        ]
        .concat();
        self.kubectl(&self.hub, &args).await.unwrap();
        eventually("the deployment is gone", 60, async || {
            self.deployment(name).await.is_none().then_some(())
        })
        .await;
    }

    /// The BundleDeployment of a Bundle.
    pub(crate) async fn deployment(&self, name: &str) -> Option<BundleDeployment> {
        let kind = Kind::of::<BundleDeployment>();
        let selector = Selector {
            labels: Some(format!("fleet.cattle.io/bundle-name={name}")),
            ..Selector::namespace(self.namespace.clone())
        };
        let mut found = None;
        let each = |object: BundleDeployment| found = Some(object);
        self.hub.client.list(&kind, &selector, each).await.ok()?;
        found
    }

    /// Waits until another content or other options than those of `before` are deployed and ready, and returns
    /// their id; what is in the way when they are not.
    pub(crate) async fn ready(
        &self,
        name: &str,
        before: &str,
        seconds: u64,
    ) -> Result<String, String> {
        let (mut seen, mut same) = (String::new(), 0);
        for _ in 0..seconds * 5 {
            if let Some(BundleDeployment { spec, status, .. }) = self.deployment(name).await {
                let id = &spec.deployment_id;
                let is_applied = !id.is_empty() && *id == status.applied_deployment_id;
                // What was said of what failed before is not said of what is wanted now.
                let is_well = status.conditions.iter().all(|it| it.status != "False");
                if is_applied && id != before && status.ready && status.non_modified && is_well {
                    return Ok(id.clone());
                }
                let conditions = status.conditions.iter().filter(|it| it.status == "False");
                let texts = conditions.map(|it| format!("{}: {}", it.type_, it.message));
                let now = texts.collect::<Vec<_>>().join("; ");
                let is_failed = now.contains("Deployed: ") || now.contains("not installed");
                let is_stuck = now == seen && is_failed;
                same = if is_stuck { same + 1 } else { 0 };
                seen = now;
                if same > STUCK {
                    break;
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Err(format!("{name} is not ready: {seen}"))
    }
}

impl Side {
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig()
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, seconds: u64, ask: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..seconds * 5 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("never: {what}");
}
