//! A hub and one downstream cluster on the sandbox, with an agent between them. The test plays the
//! hub's controllers: it writes BundleDeployments and Contents.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use agent::local::Given;
use agent::{Capacity, Options, Shared};
use api::ids::{content_id_of, deployment_id};
use api::limits::Limits;
use api::v1alpha1::{BundleDeployment, BundleDeploymentOptions, BundleResource, Cluster, Content};
use apiclient::{
    Budgets, Client, DeleteOptions, Event, Kind, ObjectKey, ObjectMeta, Patch, Selector, Watch,
    WriteOptions,
};
use sandbox::{Outcome, Rule, Sandbox, SimulationSettings};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// What an agent has to do with: a hub with more takes longer to begin.
const AGENTS_KINDS: [&str; 4] = [
    "bundledeployments.",
    "clusters.",
    "clusterregistrations.",
    "contents.",
];
/// Where the Cluster is.
pub(crate) const WORKSPACE: &str = "fleet-default";
/// Where its BundleDeployments are.
pub(crate) const NAMESPACE: &str = "cluster-fleet-default-north";

/// Both API servers, and the agent if it runs.
pub(crate) struct World {
    pub(crate) hub: Client,
    pub(crate) cluster: Client,
    pub(crate) sandbox: Sandbox,
    shared: Arc<Shared>,
    agent: Option<(CancellationToken, JoinHandle<()>)>,
    /// What the agent presents to the hub.
    pub(crate) token: String,
    /// What the agent deploys to, if not to the sandbox.
    downstream: Option<kube::Client>,
    /// How the agent reaches the hub, if not as usual.
    through: Option<kube::Client>,
}

/// A deployment to be written to the hub.
#[derive(Clone)]
pub(crate) struct Bundle {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) options: Value,
    /// Further members of the spec.
    pub(crate) spec: Value,
}

/// A bundle of these files with default options.
pub(crate) fn bundle(name: &'static str, files: &[(&str, &str)]) -> Bundle {
    let file = |(name, content): &(&str, &str)| ((*name).to_owned(), (*content).to_owned());
    Bundle {
        name,
        files: files.iter().map(file).collect(),
        options: json!({ "defaultNamespace": "shop" }),
        spec: json!({}),
    }
}

impl Bundle {
    pub(crate) fn with_options(mut self, options: Value) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn with_spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }
}

/// A ConfigMap as YAML.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n"
    )
}

/// A Deployment as YAML.
pub(crate) fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  selector:\n    matchLabels: {{app: {name}}}\n  template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      containers:\n      - name: main\n        image: registry.example/{name}:1\n"
    )
}

/// A bundle as a file has it that is deployed by hand.
pub(crate) fn given(bundle: &Bundle) -> Given {
    let resource = |(name, content): &(String, String)| BundleResource {
        name: name.clone(),
        content: content.clone(),
        ..BundleResource::default()
    };
    let resources: Vec<BundleResource> = bundle.files.iter().map(resource).collect();
    let mut contents = bundle::content::pack(bundle.name, &resources, &Limits::PRODUCTION).unwrap();
    let content = contents.pop().unwrap();
    let name = |content: &Content| content.metadata.name.clone().unwrap();
    let options: BundleDeploymentOptions = serde_json::from_value(bundle.options.clone()).unwrap();
    let id = deployment_id(&name(&content), &options);
    let deployment = json!({ "metadata": { "name": bundle.name },
        "spec": { "deploymentID": id, "options": bundle.options } });
    Given {
        deployment: serde_json::from_value(deployment).unwrap(),
        chunks: contents.into_iter().map(|it| (name(&it), it)).collect(),
        content,
    }
}

impl World {
    /// API servers without an agent.
    pub(crate) async fn new() -> Self {
        Self::new_at(sandbox::Options::default().clock).await
    }

    /// API servers without an agent, whose clock is this one.
    pub(crate) async fn new_at(clock: sandbox::Clock) -> Self {
        let rule = |image: &str, outcome, delay| Rule {
            image_contains: Some(image.to_owned()),
            outcome,
            delay,
            ..Rule::default()
        };
        let simulation = SimulationSettings {
            delay_min: Duration::from_millis(20),
            delay_max: Duration::from_millis(50),
            rules: vec![
                rule("broken", Outcome::Fail, None),
                rule("hanging", Outcome::Never, None),
                rule("unscheduled", Outcome::Never, Some(Duration::from_hours(8))),
            ],
            ..SimulationSettings::default()
        };
        let options = sandbox::Options {
            simulation,
            clock,
            ..sandbox::Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        sandbox.add_cluster("hub").await.unwrap();
        sandbox.add_cluster("north").await.unwrap();
        let world = Self {
            hub: client(&sandbox, "hub"),
            cluster: client(&sandbox, "north"),
            sandbox,
            shared: Shared::new(Capacity::default()),
            agent: None,
            token: String::new(),
            downstream: None,
            through: None,
        };
        world.prepare_hub().await;
        let token = world.grant().await;
        Self { token, ..world }
    }

    /// API servers with an agent.
    pub(crate) async fn start() -> Self {
        let mut world = Self::new().await;
        world.start_agent();
        world
    }

    /// The hub with an agent that deploys to another API server.
    pub(crate) async fn start_with(downstream: kube::Client) -> Self {
        let mut world = Self::new().await;
        world.cluster = Client::new(downstream.clone(), "test", Budgets::default());
        world.downstream = Some(downstream);
        world.start_agent();
        world
    }

    async fn prepare_hub(&self) {
        let definitions = Kind::new(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        );
        for object in api::crds::crds() {
            let name = object["metadata"]["name"].as_str().unwrap();
            if !AGENTS_KINDS.iter().any(|kind| name.starts_with(kind)) {
                continue;
            }
            create(&self.hub, &definitions, &ObjectKey::new("", name), &object).await;
        }
        let namespaces = Kind::new("", "v1", "Namespace", "namespaces", false);
        for name in [WORKSPACE, NAMESPACE] {
            let object = json!({ "metadata": { "name": name } });
            create(&self.hub, &namespaces, &ObjectKey::new("", name), &object).await;
        }
        let kind = Kind::of::<Cluster>();
        let kinds = [
            &kind,
            &Kind::of::<Content>(),
            &Kind::of::<BundleDeployment>(),
        ];
        for kind in kinds {
            eventually("the CRDs are served", async || {
                self.hub
                    .list::<Value, _>(kind, &Selector::default(), drop)
                    .await
                    .ok()
            })
            .await;
        }
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster",
            "metadata": { "name": "north", "namespace": WORKSPACE } });
        let key = ObjectKey::new(WORKSPACE, "north");
        create(&self.hub, &kind, &key, &object).await;
        // The hub's controllers have filled the status before there is an agent.
        let status = json!({ "status": { "namespace": NAMESPACE } });
        let patched: Result<ObjectMeta, _> = self
            .hub
            .patch(
                &kind,
                &key,
                Some("status"),
                Patch::Merge(&status),
                0,
                WriteOptions::default(),
            )
            .await;
        patched.unwrap();
    }

    /// Gives an account on the hub exactly the rights that registration gives an agent, and returns
    /// its token.
    async fn grant(&self) -> String {
        let rbac = |kind, plural| Kind::new("rbac.authorization.k8s.io", "v1", kind, plural, true);
        let roles = rbac("Role", "roles");
        let bindings = rbac("RoleBinding", "rolebindings");
        let cluster_roles = Kind {
            namespaced: false,
            ..rbac("ClusterRole", "clusterroles")
        };
        let cluster_bindings = Kind {
            namespaced: false,
            ..rbac("ClusterRoleBinding", "clusterrolebindings")
        };
        let may = |resource: &str, verbs: &[&str]| {
            let group = if ["secrets", "configmaps"].contains(&resource) {
                ""
            } else {
                "fleet.cattle.io"
            };
            json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
        };
        let own_cluster = json!({ "apiGroups": ["fleet.cattle.io"], "resources": ["clusters/status"],
            "resourceNames": ["north"], "verbs": ["patch"] });
        let in_namespace = json!([
            may("bundledeployments", &["get", "list", "watch"]),
            may("bundledeployments/status", &["get", "update", "patch"]),
            may("secrets", &["get"]),
            may("configmaps", &["get"]),
        ]);
        let account =
            json!([{ "kind": "ServiceAccount", "name": "agent", "namespace": NAMESPACE }]);
        let accounts = Kind::new("", "v1", "ServiceAccount", "serviceaccounts", true);
        let named = |namespace: &str, name: &str| ObjectKey::new(namespace, name);
        let meta = |extra: Value| {
            let mut object = json!({ "metadata": { "name": "agent" } });
            for (key, value) in extra.as_object().unwrap() {
                object[key] = value.clone();
            }
            object
        };
        create(
            &self.hub,
            &accounts,
            &named(NAMESPACE, "agent"),
            &meta(json!({})),
        )
        .await;
        for (namespace, rules) in [(NAMESPACE, in_namespace), (WORKSPACE, json!([own_cluster]))] {
            let role = meta(json!({ "rules": rules }));
            create(&self.hub, &roles, &named(namespace, "agent"), &role).await;
            let role =
                json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent" });
            let binding = meta(json!({ "subjects": account, "roleRef": role }));
            create(&self.hub, &bindings, &named(namespace, "agent"), &binding).await;
        }
        let role = meta(json!({ "rules": [may("contents", &["get"])] }));
        create(&self.hub, &cluster_roles, &named("", "agent"), &role).await;
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agent" });
        let binding = meta(json!({ "subjects": account, "roleRef": role }));
        create(&self.hub, &cluster_bindings, &named("", "agent"), &binding).await;
        let secret = json!({ "metadata": { "name": "agent-token", "annotations": {
            "kubernetes.io/service-account.name": "agent" } }, "type": "kubernetes.io/service-account-token" });
        let key = named(NAMESPACE, "agent-token");
        create(&self.hub, &secrets(), &key, &secret).await;
        eventually("the token is there", async || {
            let kind = secrets();
            let found: Option<k8s_openapi::api::core::v1::Secret> =
                self.hub.get(&kind, &key).await.unwrap();
            let token = found?.data?.remove("token")?;
            String::from_utf8(token.0).ok()
        })
        .await
    }

    /// Starts an agent, with the memory of a new process.
    pub(crate) fn start_agent(&mut self) {
        let connect = |name: &str| {
            let cluster = self.sandbox.cluster(name).unwrap();
            let token = if name == "hub" {
                &self.token
            } else {
                cluster.admin_token()
            };
            kube::Client::new(cluster.service(token), "default")
        };
        let key = ObjectKey::new(WORKSPACE, "north");
        let shared = Arc::clone(&self.shared);
        let downstream = self.downstream.clone();
        let downstream = downstream.unwrap_or_else(|| connect("north"));
        let hub = self.through.clone().unwrap_or_else(|| connect("hub"));
        let options = Options::new(hub, downstream, key, NAMESPACE, shared);
        let stop = CancellationToken::new();
        let agent = tokio::spawn(agent::run(options, stop.clone()));
        self.agent = Some((stop, agent));
    }

    /// Starts an agent that deploys through this client.
    pub(crate) fn start_agent_through(&mut self, downstream: kube::Client) {
        let usual = self.downstream.replace(downstream);
        self.start_agent();
        self.downstream = usual;
    }

    /// Starts an agent that reaches the hub through this client.
    pub(crate) fn start_agent_by(&mut self, hub: kube::Client) {
        let usual = self.through.replace(hub);
        self.start_agent();
        self.through = usual;
    }

    /// Stops the agent where it stands, as a kill does.
    pub(crate) async fn kill_agent(&mut self) {
        if let Some((stop, agent)) = self.agent.take() {
            stop.cancel();
            agent.await.unwrap();
        }
    }

    /// Writes a deployment and its content. Returns its id.
    pub(crate) async fn deploy(&self, bundle: &Bundle) -> String {
        let resource = |(name, content): &(String, String)| BundleResource {
            name: name.clone(),
            content: content.clone(),
            ..BundleResource::default()
        };
        let resources: Vec<BundleResource> = bundle.files.iter().map(resource).collect();
        let contents = bundle::content::pack(bundle.name, &resources, &Limits::PRODUCTION).unwrap();
        let content_id = contents.last().unwrap().metadata.name.clone().unwrap();
        for content in contents {
            let key = ObjectKey::new("", content.metadata.name.clone().unwrap());
            let kind = Kind::of::<Content>();
            match self
                .hub
                .create(&kind, &key, &content, WriteOptions::default())
                .await
            {
                Ok(_) => {}
                Err(error) if error.is_already_exists() => {}
                Err(error) => panic!("{error}"),
            }
        }
        let options: BundleDeploymentOptions =
            serde_json::from_value(bundle.options.clone()).unwrap();
        let id = deployment_id(&content_id, &options);
        assert_eq!(content_id_of(&id), content_id);
        let mut spec = json!({ "deploymentID": id, "stagedDeploymentID": id,
            "options": bundle.options, "stagedOptions": bundle.options });
        for (member, value) in bundle.spec.as_object().unwrap() {
            spec[member] = value.clone();
        }
        self.write(bundle.name, spec).await;
        id
    }

    async fn write(&self, name: &str, spec: Value) {
        let kind = Kind::of::<BundleDeployment>();
        let key = ObjectKey::new(NAMESPACE, name);
        let object = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "BundleDeployment",
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": {
                "fleet.cattle.io/bundle-name": name,
                "fleet.cattle.io/bundle-namespace": WORKSPACE,
            } }, "spec": spec });
        match self
            .hub
            .create(&kind, &key, &object, WriteOptions::default())
            .await
        {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => self.replace(&kind, &key, object).await,
            Err(error) => panic!("{error}"),
        }
    }

    /// Replaces an object of the hub, however often the agent writes its status meanwhile.
    async fn replace(&self, kind: &Kind, key: &ObjectKey, mut object: Value) {
        loop {
            let found: Value = self.hub.get(kind, key).await.unwrap().unwrap();
            object["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
            let options = WriteOptions::default();
            match self.hub.replace(kind, key, &object, options).await {
                Ok(_) => return,
                Err(error) if error.is_conflict() => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Deletes a deployment.
    pub(crate) async fn remove(&self, name: &str) {
        let key = ObjectKey::new(NAMESPACE, name);
        let kind = Kind::of::<BundleDeployment>();
        assert!(
            self.hub
                .delete(&kind, &key, &DeleteOptions::default())
                .await
                .unwrap()
        );
    }

    /// The deployment as it is now.
    pub(crate) async fn deployment(&self, name: &str) -> BundleDeployment {
        let kind = Kind::of::<BundleDeployment>();
        self.hub
            .get(&kind, &ObjectKey::new(NAMESPACE, name))
            .await
            .unwrap()
            .unwrap()
    }

    /// Waits until `test` holds for the deployment, and returns it. Says what it was when it does not.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        test: impl Fn(&BundleDeployment) -> bool,
    ) -> BundleDeployment {
        let selector = Selector {
            fields: Some(format!("metadata.name={name}")),
            ..Selector::namespace(NAMESPACE)
        };
        let mut watch: Watch<BundleDeployment> =
            self.hub.watch(&Kind::of::<BundleDeployment>(), selector);
        let mut last = None;
        let found = async {
            loop {
                if let Some(Event::Applied(object)) = watch.next().await {
                    if test(&object) {
                        return object;
                    }
                    last = Some(object);
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(tokio::time::error::Elapsed { .. }) => panic!(
                "{name}: {what}; last seen: {:#?}",
                last.map(|last| last.status)
            ),
        }
    }

    /// Waits until the deployment is applied with this id, and ready.
    pub(crate) async fn ready(&self, name: &str, id: &str) -> BundleDeployment {
        self.until(name, "is ready", |deployment| {
            let status = &deployment.status;
            status.applied_deployment_id == id
                && status.ready
                && status.non_modified
                && api::conditions::is_true(&status.conditions, "Ready")
        })
        .await
    }

    /// Waits until condition `Deployed` holds an error, and returns its message.
    pub(crate) async fn error(&self, name: &str) -> String {
        let found = self
            .until(name, "has an error", |deployment| {
                api::conditions::is_false(&deployment.status.conditions, "Deployed")
            })
            .await;
        api::conditions::message(&found.status.conditions, "Deployed").to_owned()
    }

    /// An object of the cluster.
    pub(crate) async fn object(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Value> {
        self.cluster
            .get(kind, &ObjectKey::new(namespace, name))
            .await
            .unwrap()
    }

    /// Names of the objects of a kind in a namespace.
    pub(crate) async fn names(&self, kind: &Kind, namespace: &str) -> Vec<String> {
        let mut names = Vec::new();
        let each = |object: ObjectMeta| names.push(object.metadata.name);
        self.cluster
            .list(kind, &Selector::namespace(namespace), each)
            .await
            .unwrap();
        names
    }

    /// Names and statuses of the release records in a namespace.
    pub(crate) async fn records(&self, namespace: &str) -> Vec<(String, String)> {
        let mut records = Vec::new();
        let selector = Selector {
            labels: Some("owner=helm".to_owned()),
            ..Selector::namespace(namespace)
        };
        let each = |secret: Value| {
            let text = |pointer: &str| {
                secret
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap()
                    .to_owned()
            };
            records.push((text("/metadata/name"), text("/metadata/labels/status")));
        };
        self.cluster
            .list(&secrets(), &selector, each)
            .await
            .unwrap();
        records
    }
}

fn client(sandbox: &Sandbox, name: &str) -> Client {
    let cluster = sandbox.cluster(name).unwrap();
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    Client::new(kube, "test", Budgets::default())
}

/// Creates an object.
pub(crate) async fn create(client: &Client, kind: &Kind, key: &ObjectKey, object: &Value) {
    client
        .create(kind, key, object, WriteOptions::default())
        .await
        .unwrap();
}

/// ConfigMaps.
pub(crate) fn config_maps() -> Kind {
    Kind::new("", "v1", "ConfigMap", "configmaps", true)
}

/// Secrets.
pub(crate) fn secrets() -> Kind {
    Kind::new("", "v1", "Secret", "secrets", true)
}

/// Namespaces.
pub(crate) fn namespaces() -> Kind {
    Kind::new("", "v1", "Namespace", "namespaces", false)
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(tokio::time::error::Elapsed { .. }) => panic!("never: {what}"),
    }
}
