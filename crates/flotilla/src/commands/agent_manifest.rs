//! `agent-manifest`: prints what an administrator installs on a cluster whose agent shall ask to be registered.
//!
//! Takes the values that upstream's chart `fleet-agent` takes, as the Secret of a ClusterRegistrationToken
//! holds them. Talks to the hub only to read that Secret, and to no cluster.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use api::config::Config;
use api::v1alpha1::ClusterRegistrationToken;
use apiclient::{Budgets, Client, Kind, ObjectKey};
use hub::agent_manifest::{self, Agent};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value};

use crate::output;

/// What agents take where nothing is given.
const NAMESPACE: &str = "cattle-fleet-system";
const ANSWERS: &str = "systemRegistrationNamespace";

/// Print the objects of an agent that registers its cluster by itself
///
/// On the hub make a ClusterRegistrationToken; its Secret holds values for agents. Then
/// `flotilla agent-manifest --image IMAGE --registration-token NAME | kubectl --context CLUSTER apply
/// --server-side -f -`. What is printed holds the token: whoever reads it may register clusters until it
/// expires.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Image of the agent
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Values for upstream's chart fleet-agent, as the Secret of a ClusterRegistrationToken has them in its key
    /// `values`; `-` for stdin. Of several files the later ones count more
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        required_unless_present = "registration_token"
    )]
    values: Vec<PathBuf>,
    /// Name of a ClusterRegistrationToken on the hub, whose Secret is read
    #[arg(long, value_name = "NAME")]
    registration_token: Option<String>,
    /// Namespace of that token, in which the Cluster appears
    #[arg(long, value_name = "NAMESPACE", default_value = "fleet-default")]
    cluster_namespace: String,
    /// Kubeconfig of the hub; else KUBECONFIG or the default file
    #[arg(long, value_name = "FILE", requires = "registration_token")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the agent on its cluster; else `internal.systemNamespace` of the values, else
    /// cattle-fleet-system
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Tells agents apart that share a cluster
    #[arg(long, value_name = "SUFFIX", default_value = "")]
    agent_scope: String,
    /// Where the agent reaches the hub, in place of `apiServerURL` of the values
    #[arg(long, value_name = "URL")]
    api_server_url: Option<String>,
    /// The authority of the hub's certificate in PEM, in place of `apiServerCA` of the values
    #[arg(long, value_name = "FILE")]
    api_server_ca: Option<PathBuf>,
    /// Who the cluster is; without it and `clientID` of the values the uid of its namespace kube-system
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Labels of the new Cluster
    #[arg(short, long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = label)]
    labels: Vec<(String, String)>,
    /// Which authorities the agent trusts; else `agentTLSMode` of the values, else system-store
    #[arg(long = "agent-tls-mode", value_name = "MODE", value_parser = ["strict", "system-store"])]
    tls_mode: Option<String>,
    /// How often the agent reports, such as 5m; else its own default
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    checkin_interval: Option<String>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn go_duration(text: &str) -> Result<String, String> {
    super::duration(text).map(|_| text.to_owned())
}

/// Runs the command.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut values = Map::new();
    if let Some(name) = &args.registration_token {
        values = of_token(args, name).await?;
    }
    for file in &args.values {
        values.extend(
            parse(&read(file)?).with_context(|| format!("read values {}", file.display()))?,
        );
    }
    if let Some(url) = &args.api_server_url {
        values.insert("apiServerURL".to_owned(), url.as_str().into());
    }
    if let Some(file) = &args.api_server_ca {
        values.insert("apiServerCA".to_owned(), read(file)?.into());
    }
    let plan = Plan::of(args, values)?;
    if !plan.unused.is_empty() {
        output::note(&format!(
            "values without effect: {}",
            plan.unused.join(", ")
        ));
    }
    output::print(&agent_manifest::yaml(&plan.objects)?)?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("read stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

/// Why values cannot be read is not said: they hold a token.
fn parse(text: &str) -> anyhow::Result<Map<String, Value>> {
    match goyaml::parse_object(text.as_bytes()) {
        Ok(values) => Ok(values.into_iter().collect()),
        Err(_) => bail!("it is no YAML map"),
    }
}

/// The values that the hub has for agents.
async fn of_token(args: &Args, name: &str) -> anyhow::Result<Map<String, Value>> {
    let kube = apiclient::connect(args.kubeconfig.as_deref())
        .await
        .context("connect to the hub")?;
    let hub = Client::new(kube, "flotilla", Budgets::default());
    let key = ObjectKey::new(args.cluster_namespace.clone(), name);
    let kind = Kind::of::<ClusterRegistrationToken>();
    let token: Option<ClusterRegistrationToken> = hub.get(&kind, &key).await?;
    let Some(token) = token else {
        bail!("ClusterRegistrationToken {key} does not exist");
    };
    let secret = ObjectKey::new(key.namespace.clone(), token.status.secret_name);
    let found: Option<Secret> = match secret.name.as_str() {
        "" => None,
        _ => hub.get(&Kind::of::<Secret>(), &secret).await?,
    };
    let text = found.and_then(|found| found.data?.remove("values"));
    let Some(text) = text else {
        bail!(
            "ClusterRegistrationToken {key} has no Secret with values yet: does the hub's controller run?"
        );
    };
    parse(&String::from_utf8_lossy(&text.0))
        .with_context(|| format!("read values of secret {secret}"))
}

/// What is printed.
struct Plan {
    objects: Vec<(Kind, Value)>,
    /// Keys of the values that mean nothing here.
    unused: Vec<String>,
}

impl Plan {
    fn of(args: &Args, mut values: Map<String, Value>) -> anyhow::Result<Self> {
        let mut text = |name: &str| match values.remove(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(anyhow::anyhow!("value {name} must be a text")),
        };
        let mut told = BTreeMap::new();
        for name in [
            "apiServerURL",
            "apiServerCA",
            "clusterNamespace",
            "token",
            "tokenName",
            ANSWERS,
        ] {
            told.insert(name, text(name)?);
        }
        let (client_id, interval) = (text("clientID")?, text("garbageCollectionInterval")?);
        let tls_mode = args
            .tls_mode
            .clone()
            .map_or_else(|| text("agentTLSMode"), Ok)?;
        let system = values.get_mut("internal").and_then(Value::as_object_mut);
        let system = system.and_then(|internal| internal.remove("systemNamespace"));
        let system = system.as_ref().and_then(Value::as_str).unwrap_or(NAMESPACE);
        let namespace = args.namespace.as_deref().unwrap_or(system);
        check(&mut told, system)?;
        let mut labels: BTreeMap<String, String> = match values.remove("labels") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(labels) => match serde_json::from_value(labels) {
                Ok(labels) => labels,
                Err(_) => bail!("value labels must be a map of texts"),
            },
        };
        labels.extend(args.labels.iter().cloned());
        let config = Config {
            agent_tls_mode: match tls_mode.as_str() {
                "" => "system-store".to_owned(),
                "strict" | "system-store" => tls_mode,
                _ => bail!("value agentTLSMode must be strict or system-store"),
            },
            garbage_collection_interval: (!interval.is_empty())
                .then(|| api::v1alpha1::Duration::from_text(&interval)),
            ..Config::default()
        };
        let given = config.garbage_collection_interval.as_ref();
        if given.is_some_and(|interval| interval.nanos().is_err()) {
            bail!("value garbageCollectionInterval must be a duration, such as 15m");
        }
        if config.agent_tls_mode == "strict" && told["apiServerCA"].trim().is_empty() {
            bail!("agentTLSMode strict needs the authority of the hub: give --api-server-ca");
        }
        let client_id = args.client_id.clone().unwrap_or(client_id);
        let agent = Agent {
            namespace: namespace.to_owned(),
            scope: args.agent_scope.clone(),
            image: args.image.clone(),
            checkin_interval: args.checkin_interval.clone().unwrap_or_default(),
            ..Agent::default()
        };
        let told = told.iter().filter(|(_, text)| !text.is_empty());
        let mut objects = vec![
            agent_manifest::namespace(namespace),
            agent_manifest::bootstrap(namespace, told.map(|(name, text)| (*name, text.as_str()))),
            agent_manifest::config(namespace, &client_id, &labels, &config),
        ];
        objects.extend(agent_manifest::objects(&agent));
        values.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        let unused = values.keys().cloned().collect();
        Ok(Self { objects, unused })
    }
}

/// What an agent cannot ask without.
fn check(told: &mut BTreeMap<&str, String>, system: &str) -> anyhow::Result<()> {
    for (name, flag) in [
        (
            "apiServerURL",
            "give --api-server-url, or set apiServerURL in ConfigMap fleet-controller of the hub",
        ),
        (
            "clusterNamespace",
            "take the values from the Secret of a ClusterRegistrationToken",
        ),
        (
            "token",
            "take the values from the Secret of a ClusterRegistrationToken",
        ),
    ] {
        if told[name].trim().is_empty() {
            bail!("value {name} is missing: {flag}");
        }
    }
    let ca = told["apiServerCA"].trim();
    if !ca.is_empty() && !ca.contains("-----BEGIN CERTIFICATE-----") {
        bail!("apiServerCA holds no certificate in PEM");
    }
    let answers = told.entry(ANSWERS).or_default();
    if answers.is_empty() {
        *answers = api::names::system_registration_namespace(system);
    }
    Ok(())
}
