//! Helm's settings: flags and variables that every command of Helm takes.
//!
//! In: flags, variables, kubeconfig files. Out: the namespace and where Helm keeps its files.

use std::path::{Path, PathBuf};

use super::pflag::parse_bool;

/// The flags of all commands that Helm has too.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Globals {
    /// Namespace of the release; else that of the kubeconfig's context, else `default`
    #[arg(short = 'n', long, env = "HELM_NAMESPACE", hide_env_values = true)]
    namespace: Option<String>,
    /// Kubeconfig file, looked at for the namespace only
    #[arg(long, value_name = "FILE", help_heading = "Global options")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(
        long,
        value_name = "NAME",
        env = "HELM_KUBECONTEXT",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    kube_context: Option<String>,
    /// Say more on standard error; on bad YAML print what was rendered
    #[arg(long, help_heading = "Global options")]
    debug: bool,
    /// Credentials of registries, in the form of docker's config.json
    #[arg(
        long,
        value_name = "FILE",
        env = "HELM_REGISTRY_CONFIG",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    registry_config: Option<PathBuf>,
    /// Names and addresses of chart repositories
    #[arg(
        long,
        value_name = "FILE",
        env = "HELM_REPOSITORY_CONFIG",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    repository_config: Option<PathBuf>,
    /// Directory of the repositories' cached indexes
    #[arg(
        long,
        value_name = "DIR",
        env = "HELM_REPOSITORY_CACHE",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    repository_cache: Option<PathBuf>,
    /// Accepted: never, auto or always; nothing is coloured
    #[arg(long, visible_alias = "colour", value_name = "MODE", value_parser = color, help_heading = "Global options")]
    color: Option<String>,
}

fn color(text: &str) -> Result<String, String> {
    match text {
        "never" | "auto" | "always" => Ok(text.to_owned()),
        _ => Err(format!(
            "invalid color mode {text:?}: must be one of: never, auto, always"
        )),
    }
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name)?;
    (!value.is_empty()).then(|| value.into())
}

/// Helm's directory of one purpose.
fn directory(helm: &str, xdg: &str, below_home: &str) -> PathBuf {
    variable(helm).unwrap_or_else(|| {
        let base = variable(xdg).unwrap_or_else(|| {
            let home = variable("HOME").unwrap_or_default();
            home.join(below_home)
        });
        base.join("helm")
    })
}

fn config_directory() -> PathBuf {
    directory("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config")
}

/// Docker's credentials of registries.
pub(crate) fn docker_config() -> PathBuf {
    let default = || variable("HOME").unwrap_or_default().join(".docker");
    variable("DOCKER_CONFIG")
        .unwrap_or_else(default)
        .join("config.json")
}

impl Globals {
    /// Whether to say more.
    pub(crate) fn debug(&self) -> bool {
        let variable = std::env::var("HELM_DEBUG").unwrap_or_default();
        self.debug || parse_bool(&variable).unwrap_or(false)
    }

    /// The namespace of the release.
    pub(crate) fn namespace(&self) -> String {
        if let Some(namespace) = self.namespace.as_deref().filter(|name| !name.is_empty()) {
            return namespace.to_owned();
        }
        let context = self.kube_context.as_deref().unwrap_or_default();
        namespace_of_context(&self.kubeconfigs(), context).unwrap_or_else(|| "default".to_owned())
    }

    /// The kubeconfig files, the first being the strongest.
    fn kubeconfigs(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.kubeconfig {
            return vec![path.clone()];
        }
        match variable("KUBECONFIG") {
            Some(list) => std::env::split_paths(&list).collect(),
            None => vec![variable("HOME").unwrap_or_default().join(".kube/config")],
        }
    }

    /// `repositories.yaml`
    pub(crate) fn repository_config(&self) -> PathBuf {
        let default = || config_directory().join("repositories.yaml");
        self.repository_config.clone().unwrap_or_else(default)
    }

    /// Where cached indexes of repositories are.
    pub(crate) fn repository_cache(&self) -> PathBuf {
        let default =
            || directory("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache").join("repository");
        self.repository_cache.clone().unwrap_or_else(default)
    }

    /// Helm's credentials of registries.
    pub(crate) fn registry_config(&self) -> PathBuf {
        let default = || config_directory().join("registry/config.json");
        self.registry_config.clone().unwrap_or_else(default)
    }
}

/// The namespace of a context, of the current one if `context` is empty. Files that cannot be read are
/// passed over: rendering needs no cluster.
fn namespace_of_context(files: &[PathBuf], context: &str) -> Option<String> {
    let files: Vec<_> = files
        .iter()
        .filter_map(|path| read_kubeconfig(path))
        .collect();
    let current = files
        .iter()
        .filter_map(|file| file["current-context"].as_str());
    let context = match context {
        "" => current.into_iter().find(|name| !name.is_empty())?,
        given => given,
    };
    let entry = files
        .iter()
        .filter_map(|file| file["contexts"].as_array())
        .flatten()
        .find(|entry| entry["name"] == context)?;
    let namespace = entry["context"]["namespace"].as_str()?;
    (!namespace.is_empty()).then(|| namespace.to_owned())
}

fn read_kubeconfig(path: &Path) -> Option<serde_json::Value> {
    goyaml::parse(&std::fs::read(path).ok()?).ok()
}
