//! From a kubeconfig, or the pod we run in, to a client.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::{Access, Budgets, Client, Error, Own};

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read or used.
    #[error("read kubeconfig {from}")]
    Kubeconfig {
        /// The file, or what stands for it.
        from: String,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// It is no kubeconfig. Why is not said: the parser quotes it, and it holds a credential.
    #[error("kubeconfig {from} is no kubeconfig in YAML")]
    Unreadable {
        /// What stands for it.
        from: String,
    },
    /// Neither a kubeconfig nor a pod's service account was found.
    #[error("find a kubeconfig or a pod's service account; name one with --kubeconfig")]
    Infer {
        /// Why.
        source: kube::config::InferConfigError,
    },
    /// TLS or credentials cannot be set up.
    #[error("set up the connection to {server}")]
    Client {
        /// The API server's URL.
        server: String,
        /// Why.
        source: kube::Error,
    },
}

/// Connects with the kubeconfig at `path`, or, without one, with `KUBECONFIG`, the default file or
/// the service account of the pod, in this order.
pub async fn connect(path: Option<&Path>) -> Result<kube::Client, ConnectError> {
    client(find(path).await?)
}

/// The same, beside what the connection is made with.
pub async fn connect_and_tell(path: Option<&Path>) -> Result<(kube::Client, Own), ConnectError> {
    let config = find(path).await?;
    let own = Own::of(&config);
    Ok((client(config)?, own))
}

async fn find(path: Option<&Path>) -> Result<kube::Config, ConnectError> {
    match path {
        Some(path) => {
            let from = path.display().to_string();
            let wrap = |source| ConnectError::Kubeconfig {
                from: from.clone(),
                source,
            };
            let kubeconfig = Kubeconfig::read_from(path).map_err(wrap)?;
            configure(kubeconfig).await.map_err(wrap)
        }
        None => kube::Config::infer()
            .await
            .map_err(|source| ConnectError::Infer { source }),
    }
}

/// Connects with the text of a kubeconfig; `from` names it in errors.
pub async fn from_kubeconfig_text(text: &str, from: &str) -> Result<kube::Client, ConnectError> {
    let wrap = |source| ConnectError::Kubeconfig {
        from: from.to_owned(),
        source,
    };
    let kubeconfig = parse(text, from)?;
    client(configure(kubeconfig).await.map_err(wrap)?)
}

/// How long requests to a stranger's API server may take.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(15);

/// The same with a kubeconfig that somebody else wrote. With `system` its authorities are left out, and the
/// system's are trusted. Check [`crate::reaches_out`] before.
pub async fn from_strangers_kubeconfig(
    text: &str,
    system: bool,
    from: &str,
) -> Result<kube::Client, ConnectError> {
    let wrap = |source| ConnectError::Kubeconfig {
        from: from.to_owned(),
        source,
    };
    let mut kubeconfig = parse(text, from)?;
    if system {
        for cluster in &mut kubeconfig.clusters {
            if let Some(cluster) = &mut cluster.cluster {
                cluster.certificate_authority_data = None;
            }
        }
    }
    let mut config = configure(kubeconfig).await.map_err(wrap)?;
    config.connect_timeout = Some(STRANGER_TIMEOUT);
    config.read_timeout = Some(STRANGER_TIMEOUT);
    config.write_timeout = Some(STRANGER_TIMEOUT);
    client(config)
}

/// Whether an API server's certificate comes from an authority that the system trusts. No credential is sent.
pub async fn is_trusted_by_system(server: &str) -> bool {
    let access = Access {
        server: server.to_owned(),
        ca_pem: String::new(),
        token: String::new(),
        namespace: String::new(),
    };
    let text = access.kubeconfig();
    let Ok(kube) = from_strangers_kubeconfig(&text, true, "without a credential").await else {
        return false;
    };
    let client = Client::new(kube, "", Budgets::default());
    let asked = client
        .get_path::<serde_json::Value>("/version", "application/json")
        .await;
    // Any answer is one: somebody may refuse to tell strangers.
    !matches!(asked, Err(Error::Transport { .. } | Error::Address { .. }))
}

fn parse(text: &str, from: &str) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::from_yaml(text).map_err(|_| ConnectError::Unreadable {
        from: from.to_owned(),
    })
}

async fn configure(kubeconfig: Kubeconfig) -> Result<kube::Config, kube::config::KubeconfigError> {
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

fn client(config: kube::Config) -> Result<kube::Client, ConnectError> {
    let server = config.cluster_url.to_string();
    kube::Client::try_from(config).map_err(|source| ConnectError::Client { server, source })
}
