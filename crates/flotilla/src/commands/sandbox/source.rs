//! What is deployed: a git repository, made from a directory or a chart if need be.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::v1alpha1::GitRepo;
use apiclient::{Client, Kind, ObjectKey, Patch, WriteOptions};
use serde_json::json;
use tokio::process::Command;

/// Namespace of Clusters and GitRepos in the sandbox.
pub(crate) const WORKSPACE: &str = "fleet-default";
/// Name of the GitRepo.
const GIT_REPO: &str = "demo";
const BRANCH: &str = "main";

/// A git repository that is ready to be registered.
#[derive(Debug)]
pub(super) struct Source {
    /// For people.
    pub(super) title: String,
    url: String,
    branch: String,
}

impl Source {
    /// A repository that exists already.
    pub(super) fn existing(repo: &str, branch: &str) -> anyhow::Result<Self> {
        let path = Path::new(repo);
        let url = if path.exists() {
            path.canonicalize()?.display().to_string()
        } else {
            repo.to_owned()
        };
        Ok(Self {
            title: repo.to_owned(),
            url,
            branch: branch.to_owned(),
        })
    }

    /// Commits a directory to a repository below `dir`.
    pub(super) async fn commit_directory(directory: &Path, dir: &Path) -> anyhow::Result<Self> {
        if !directory.is_dir() {
            bail!("{} is not a directory", directory.display());
        }
        let repository = repository(dir)?;
        copy_tree(directory, &repository)?;
        commit(&repository).await?;
        Ok(Self::committed(directory, &repository))
    }

    /// Commits a chart to a repository below `dir`, as one bundle in a namespace of its own.
    pub(super) async fn commit_chart(chart: &Path, dir: &Path) -> anyhow::Result<Self> {
        let metadata = chart.join("Chart.yaml");
        let text = std::fs::read(&metadata)
            .with_context(|| format!("read {}: is it a chart directory?", metadata.display()))?;
        let metadata = goyaml::parse_object(&text).context("read Chart.yaml")?;
        let name = metadata.get("name").and_then(serde_json::Value::as_str);
        let name = name.context("Chart.yaml has no name")?.to_owned();
        let repository = repository(dir)?;
        copy_tree(chart, &repository.join(&name))?;
        let options = repository.join(&name).join("fleet.yaml");
        if !options.exists() {
            let text = goyaml::to_yaml(&json!({
                "defaultNamespace": name, "helm": { "releaseName": name },
            }))?;
            std::fs::write(&options, text)?;
        }
        commit(&repository).await?;
        Ok(Self::committed(chart, &repository))
    }

    fn committed(from: &Path, repository: &Path) -> Self {
        Self {
            title: from.display().to_string(),
            url: repository.display().to_string(),
            branch: BRANCH.to_owned(),
        }
    }

    /// The commit that its branch is at; `None` for a repository elsewhere.
    pub(super) async fn commit(&self) -> anyhow::Result<Option<String>> {
        let path = Path::new(&self.url);
        if !path.is_dir() {
            return Ok(None);
        }
        let commit = git(path, &["rev-parse", &self.branch]).await?;
        Ok(Some(commit.trim().to_owned()))
    }

    /// Commits a change of one Helm value in every fleet.yaml that has a `helm` section.
    pub(super) async fn change(&self, round: u32) -> anyhow::Result<()> {
        let repository = Path::new(&self.url);
        let mut changed = 0;
        for entry in std::fs::read_dir(repository)? {
            let path = entry?.path().join("fleet.yaml");
            if !path.is_file() {
                continue;
            }
            let mut options =
                serde_json::Value::Object(goyaml::parse_object(&std::fs::read(&path)?)?);
            if options
                .get("helm")
                .is_some_and(serde_json::Value::is_object)
            {
                options["helm"]["values"]["sandboxRound"] = round.into();
                std::fs::write(&path, goyaml::to_yaml(&options)?)?;
                changed += 1;
            }
        }
        if changed == 0 {
            bail!("no fleet.yaml with a helm section to change");
        }
        git(
            repository,
            &["commit", "--quiet", "--all", "--message", "Change a value"],
        )
        .await?;
        Ok(())
    }

    /// Registers the repository as a GitRepo for all clusters.
    pub(super) async fn register(&self, hub: &Client, interval: Duration) -> anyhow::Result<()> {
        let key = ObjectKey::new(WORKSPACE, GIT_REPO);
        let kind = Kind::of::<GitRepo>();
        let object = json!({
            "apiVersion": api::v1alpha1::API_VERSION, "kind": "GitRepo",
            "metadata": { "name": key.name, "namespace": key.namespace },
            "spec": {
                "repo": self.url, "branch": self.branch,
                "pollingInterval": format!("{}s", interval.as_secs()),
                "targets": [{ "clusterSelector": {} }],
            },
        });
        let options = WriteOptions {
            force: true,
            ..WriteOptions::default()
        };
        let _: apiclient::ObjectMeta = hub
            .patch(&kind, &key, None, Patch::Apply(&object), 0, options)
            .await?;
        Ok(())
    }
}

/// An empty working copy below `dir`; what an earlier run left there is replaced by the commit.
fn repository(dir: &Path) -> anyhow::Result<PathBuf> {
    let repository = dir.join("repository");
    if repository.exists() {
        for entry in std::fs::read_dir(&repository)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if path.is_dir() {
                std::fs::remove_dir_all(&path)?;
            } else {
                std::fs::remove_file(&path)?;
            }
        }
    }
    std::fs::create_dir_all(&repository)?;
    Ok(repository)
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".git" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&path, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path)?, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

async fn commit(repository: &Path) -> anyhow::Result<()> {
    git(repository, &["init", "--quiet", "--initial-branch", BRANCH]).await?;
    git(repository, &["add", "--all", "--force", "."]).await?;
    git(
        repository,
        &["commit", "--quiet", "--allow-empty", "--message", "Deploy"],
    )
    .await?;
    Ok(())
}

async fn git(directory: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(directory)
        .env("GIT_AUTHOR_NAME", "sandbox")
        .env("GIT_AUTHOR_EMAIL", "sandbox@localhost")
        .env("GIT_COMMITTER_NAME", "sandbox")
        .env("GIT_COMMITTER_EMAIL", "sandbox@localhost")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .await
        .context("run git: is it installed?")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!(
            "git {} in {}: {}",
            args.join(" "),
            directory.display(),
            text.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
