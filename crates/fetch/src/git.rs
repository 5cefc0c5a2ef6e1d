//! Runs the `git` program, cut off from its surroundings.
//!
//! Every run gets a cleared environment: an empty home, a configuration file of ours and no other, no
//! prompts, no hooks, no lazy fetches, no repository discovery, an allow list of protocols. Credentials
//! travel in environment variables or private temporary files. The program leads a process group that
//! is killed when the run is dropped or overruns its time.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::credentials::{Basic, Credentials, HostKeys};
use crate::error::Error;
use crate::url::{Protocol, redact};
use crate::{Options, Repository};

/// Bytes of the error output that are kept.
const STDERR_BYTES_MAX: usize = 16 << 10;

/// Hands user name and password from the environment to git, which asks for the origin that the helper
/// is configured for only: a redirect to another server gets nothing.
const CREDENTIAL_HELPER: &str = r#"!f() { test "$1" = get && printf '%s\n' "username=$FLOTILLA_GIT_USERNAME" "password=$FLOTILLA_GIT_PASSWORD"; }; f"#;

/// Configuration of every run.
///
/// Owners of directories do not matter (`safe.directory`), as nothing of a foreign repository is ever
/// executed; packs are kept as they come, so that their number tells how often was fetched.
const CONFIG: &str = "\
[safe]\n\tdirectory = *\n\
[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
[gc]\n\tauto = 0\n\
[maintenance]\n\tauto = false\n\
[fetch]\n\tunpackLimit = 1\n\
[submodule]\n\trecurse = false\n\
[transfer]\n\tbundleURI = false\n\
[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 30\n\
[advice]\n\tdetachedHead = false\n";

/// The program and what all its runs have in common.
#[derive(Debug)]
pub(crate) struct Git {
    env: Vec<(OsString, OsString)>,
    home: PathBuf,
    slots: Arc<Semaphore>,
}

/// Limits of one run.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) stdout_bytes_max: u64,
    pub(crate) timeout: Duration,
    /// Largest file the program may write, where the system can enforce it.
    pub(crate) file_bytes_max: Option<u64>,
}

/// Why a run gave no output.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be started or talked to.
    Io(std::io::Error),
    TimedOut,
    TooMuchOutput,
    /// It failed; what it said on stderr, without secrets.
    Failed(String),
}

/// What a run needs to be let in: variables, and files that live as long as this value.
#[derive(Debug, Default)]
pub(crate) struct Access {
    env: Vec<(String, String)>,
    files: Vec<NamedTempFile>,
    secrets: Vec<String>,
}

impl Git {
    /// Writes the configuration file and collects the environment.
    pub(crate) fn new(options: &Options, home: &Path, config: &Path) -> Result<Self, Error> {
        std::fs::write(config, CONFIG)
            .map_err(|source| Error::cache(config, "write the git configuration", source))?;
        let protocols: Vec<&str> = options.protocols.iter().map(|p| p.name()).collect();
        let mut env: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| env.push((name.into(), value));
        if let Some(path) = std::env::var_os("PATH") {
            set("PATH", path);
        }
        for (name, value) in &options.proxies {
            set(name, value.into());
        }
        set("HOME", home.into());
        set("XDG_CONFIG_HOME", home.into());
        set("GIT_CONFIG_GLOBAL", config.into());
        set("GIT_CONFIG_SYSTEM", "/dev/null".into());
        set("GIT_CONFIG_NOSYSTEM", "1".into());
        set("GIT_CEILING_DIRECTORIES", home.into());
        set("GIT_ALLOW_PROTOCOL", protocols.join(":").into());
        set("GIT_PROTOCOL_FROM_USER", "0".into());
        set("GIT_TERMINAL_PROMPT", "0".into());
        set("GIT_OPTIONAL_LOCKS", "0".into());
        set("GIT_NO_LAZY_FETCH", "1".into());
        set("GIT_ATTR_NOSYSTEM", "1".into());
        set("GIT_SSH_VARIANT", "ssh".into());
        set("LC_ALL", "C".into());
        Ok(Git {
            env,
            home: home.to_owned(),
            slots: Arc::new(Semaphore::new(options.limits.n_processes_max.max(1))),
        })
    }

    /// Runs git to its end and returns its output.
    pub(crate) async fn run(
        &self,
        args: &[String],
        access: Option<&Access>,
        stdin: Option<Vec<u8>>,
        bounds: &Bounds,
    ) -> Result<Vec<u8>, Failure> {
        let work = async {
            let _slot = self.slots.acquire().await;
            self.run_in_slot(args, access, stdin, bounds).await
        };
        tokio::time::timeout(bounds.timeout, work)
            .await
            .unwrap_or(Err(Failure::TimedOut))
    }

    async fn run_in_slot(
        &self,
        args: &[String],
        access: Option<&Access>,
        stdin: Option<Vec<u8>>,
        bounds: &Bounds,
    ) -> Result<Vec<u8>, Failure> {
        let mut command = Command::new("git");
        command
            .args(args)
            .current_dir(&self.home)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(access) = access {
            command.envs(access.env.iter().map(|(name, value)| (name, value)));
        }
        let mut child = command.spawn().map_err(Failure::Io)?;
        let mut group = Group::of(&child);
        limit_files(&child, bounds.file_bytes_max);
        let feed = feed(child.stdin.take(), stdin);
        let output = read_bounded(child.stdout.take(), bounds.stdout_bytes_max);
        let errors = read_start(child.stderr.take());
        let (output, errors, ()) = tokio::try_join!(output, errors, feed)?;
        let status = child.wait().await.map_err(Failure::Io)?;
        group.disarm();
        if status.success() {
            return Ok(output);
        }
        let mut text = String::from_utf8_lossy(&errors).into_owned();
        if text.trim().is_empty() {
            let _ = write!(text, "git ended with {status}");
        }
        Err(Failure::Failed(access.map_or_else(
            || redact(&text),
            |access| access.clean(&text),
        )))
    }
}

impl Access {
    /// Variables, and files below `place`, for talking to the server of a repository.
    pub(crate) fn of(repo: &Repository, place: &Path) -> Result<Self, Error> {
        let mut access = Access::default();
        let credentials = &repo.credentials;
        match repo.url.protocol() {
            Protocol::Ssh => access.add_ssh(repo, credentials, place)?,
            Protocol::Http | Protocol::Https => access.add_http(repo, credentials, place)?,
            Protocol::File => {}
        }
        Ok(access)
    }

    fn add_http(
        &mut self,
        repo: &Repository,
        credentials: &Credentials,
        place: &Path,
    ) -> Result<(), Error> {
        let mut config: Vec<(String, String)> = Vec::new();
        if let Some(ca) = &credentials.ca_bundle {
            config.push(("http.sslCAInfo".to_owned(), self.file(place, ca)?));
        }
        if credentials.insecure_skip_tls_verify {
            config.push(("http.sslVerify".to_owned(), "false".to_owned()));
        }
        if let Some(basic) = credentials.basic.as_ref().or(repo.url.basic()) {
            self.add_basic(repo, basic)?;
            let key = format!("credential.{}.helper", origin(repo.url.for_git()));
            config.push((key, CREDENTIAL_HELPER.to_owned()));
        }
        self.set("GIT_CONFIG_COUNT", &config.len().to_string());
        for (i, (key, value)) in config.iter().enumerate() {
            self.set(&format!("GIT_CONFIG_KEY_{i}"), key);
            self.set(&format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        Ok(())
    }

    fn add_basic(&mut self, repo: &Repository, basic: &Basic) -> Result<(), Error> {
        let password = basic.password.expose();
        // A line break would end the answer to git and begin another one.
        if [basic.username.as_str(), password]
            .iter()
            .any(|s| s.contains(['\n', '\r', '\0']))
        {
            return Err(Error::Authentication {
                url: repo.url.to_string(),
                detail: "user name or password holds a line break".to_owned(),
            });
        }
        let username = if basic.username.is_empty() {
            password
        } else {
            &basic.username
        };
        self.set("FLOTILLA_GIT_USERNAME", username);
        self.set("FLOTILLA_GIT_PASSWORD", password);
        if basic.username.is_empty() || password.len() >= 4 {
            self.secrets.push(password.to_owned());
        }
        Ok(())
    }

    fn add_ssh(
        &mut self,
        repo: &Repository,
        credentials: &Credentials,
        place: &Path,
    ) -> Result<(), Error> {
        let Some(key) = &credentials.ssh_private_key else {
            return Err(Error::Authentication {
                url: repo.url.to_string(),
                detail: "an ssh URL needs an ssh private key".to_owned(),
            });
        };
        // OpenSSH refuses a key whose last line does not end.
        let key = format!("{}\n", key.expose().trim_end());
        let key = self.file(place, key.as_bytes())?;
        let (strict, known) = match &credentials.host_keys {
            HostKeys::Known(text) => ("yes", self.file(place, format!("{text}\n").as_bytes())?),
            HostKeys::Unchecked => ("no", "/dev/null".to_owned()),
        };
        let command = format!(
            "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=20 \
             -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -o GlobalKnownHostsFile=/dev/null \
             -o StrictHostKeyChecking={strict} -o UserKnownHostsFile={} -i {}",
            quote(&known),
            quote(&key)
        );
        self.set("GIT_SSH_COMMAND", &command);
        Ok(())
    }

    /// A file that only this user can read, with this content.
    fn file(&mut self, place: &Path, content: &[u8]) -> Result<String, Error> {
        let written = NamedTempFile::new_in(place).and_then(|mut file| {
            file.write_all(content)?;
            file.flush()?;
            Ok(file)
        });
        let file = written.map_err(|e| Error::cache(place, "write a credential file", e))?;
        let path = file.path().to_string_lossy().into_owned();
        self.files.push(file);
        Ok(path)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The text without user parts, secrets and names of our temporary files.
    fn clean(&self, text: &str) -> String {
        let mut text = redact(text);
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        for file in &self.files {
            text = text.replace(&*file.path().to_string_lossy(), "(file)");
        }
        text
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> String {
    ::url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

/// Quotes for the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A process group that is killed on drop: git leaves its work to helper programs that would go on.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Group(
            child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
        )
    }

    /// The group has ended; its number may belong to others from now on.
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The only error is that nobody is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Bounds the files that a child and its children write. Set after the start, which is early enough:
/// the first bytes of a pack come after a dialogue with the server.
#[cfg(target_os = "linux")]
fn limit_files(child: &Child, bytes_max: Option<u64>) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let pid = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let (Some(pid), Some(_)) = (pid, bytes_max) {
        let limit = Rlimit {
            current: bytes_max,
            maximum: bytes_max,
        };
        if let Err(error) = prlimit(Some(pid), Resource::Fsize, limit) {
            tracing::debug!(%error, "cannot limit the size of fetched packs");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_files(_: &Child, _: Option<u64>) {}

async fn feed(
    stdin: Option<tokio::process::ChildStdin>,
    bytes: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let (Some(mut stdin), Some(bytes)) = (stdin, bytes) else {
        return Ok(());
    };
    match stdin.write_all(&bytes).await {
        // The program ended early; its exit status says why.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Io(error)),
        Ok(()) => Ok(()),
    }
}

async fn read_bounded(
    source: Option<impl AsyncRead + Unpin>,
    bytes_max: u64,
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    if let Some(source) = source {
        source
            .take(bytes_max + 1)
            .read_to_end(&mut out)
            .await
            .map_err(Failure::Io)?;
    }
    if out.len() as u64 > bytes_max {
        Err(Failure::TooMuchOutput)
    } else {
        Ok(out)
    }
}

/// The start of a stream; the rest is read and thrown away, so that the writer does not block.
async fn read_start(source: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let Some(mut source) = source else {
        return Ok(out);
    };
    let mut buffer = [0; 4096];
    loop {
        match source.read(&mut buffer).await.map_err(Failure::Io)? {
            0 => return Ok(out),
            n => {
                let kept = n.min(STDERR_BYTES_MAX.saturating_sub(out.len()));
                out.extend_from_slice(&buffer[..kept]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_are_quoted() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_origin_leaves_out_default_ports_and_paths() {
        assert_eq!(origin("https://host:443/a/b"), "https://host");
        assert_eq!(origin("http://host:81/a"), "http://host:81");
    }
}
