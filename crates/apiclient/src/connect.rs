//! From a kubeconfig, or the pod we run in, to a client.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};

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
    let config = match path {
        Some(path) => {
            let from = path.display().to_string();
            let wrap = |source| ConnectError::Kubeconfig {
                from: from.clone(),
                source,
            };
            let kubeconfig = Kubeconfig::read_from(path).map_err(wrap)?;
            configure(kubeconfig).await.map_err(wrap)?
        }
        None => kube::Config::infer()
            .await
            .map_err(|source| ConnectError::Infer { source })?,
    };
    client(config)
}

/// Connects with the text of a kubeconfig; `from` names it in errors.
pub async fn from_kubeconfig_text(text: &str, from: &str) -> Result<kube::Client, ConnectError> {
    let wrap = |source| ConnectError::Kubeconfig {
        from: from.to_owned(),
        source,
    };
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(wrap)?;
    client(configure(kubeconfig).await.map_err(wrap)?)
}

async fn configure(kubeconfig: Kubeconfig) -> Result<kube::Config, kube::config::KubeconfigError> {
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

fn client(config: kube::Config) -> Result<kube::Client, ConnectError> {
    let server = config.cluster_url.to_string();
    kube::Client::try_from(config).map_err(|source| ConnectError::Client { server, source })
}
