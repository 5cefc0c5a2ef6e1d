//! The program as a child process: `flotilla sandbox`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use apiclient::{Budgets, Client};

use crate::view::{Hub, eventually};

/// A running `flotilla sandbox`. Dropping it kills it.
pub(crate) struct Product {
    child: Child,
    dir: PathBuf,
}

impl Drop for Product {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(40).collect();
            for line in last.iter().rev() {
                eprintln!("program: {line}");
            }
        }
    }
}

impl Product {
    /// Starts it with its state below `dir`, without waiting for anything.
    pub(crate) fn start(dir: &Path, clusters: usize, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let log = File::create(dir.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_flotilla"))
            .args([
                "sandbox",
                "--clusters",
                &clusters.to_string(),
                "--polling-interval",
                "1",
            ])
            .arg("--dir")
            .arg(dir)
            .args(arguments)
            .current_dir(dir)
            .env("HOME", dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let dir = dir.to_owned();
        Self { child, dir }
    }

    /// Starts it with nothing to deploy and waits until hub and clusters are up.
    pub(crate) async fn up(dir: &Path, clusters: usize) -> (Self, Hub) {
        let product = Self::start(dir, clusters, &[]);
        product.is_up().await;
        let hub = product.hub().await;
        (product, hub)
    }

    /// Waits until hub and clusters are up and their kubeconfigs are written.
    pub(crate) async fn is_up(&self) {
        eventually("the program says that everything is up", async || {
            let log = std::fs::read_to_string(self.log()).unwrap();
            log.contains(" clusters are up after ").then_some(())
        })
        .await;
    }

    /// The hub.
    pub(crate) async fn hub(&self) -> Hub {
        Hub {
            client: self.client("hub").await,
        }
    }

    /// A cluster's API server over TLS, with the kubeconfig that the program wrote.
    pub(crate) async fn client(&self, cluster: &str) -> Client {
        let path = self.dir.join("kubeconfigs").join(format!("{cluster}.yaml"));
        let text = std::fs::read_to_string(path).unwrap();
        // Each test may be the first one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kube = apiclient::from_kubeconfig_text(&text, cluster)
            .await
            .unwrap();
        Client::new(kube, "test", Budgets::default())
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}
