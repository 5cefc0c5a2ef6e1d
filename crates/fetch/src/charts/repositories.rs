//! The chart repositories that a user has named: Helm's `repositories.yaml`.
//!
//! In: the file. Out: entries. Does no I/O beside reading files that entries name.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::http::{Http, HttpError, Tls};
use crate::credentials::{Basic, Secret};

/// A chart repository and how it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// The user's name for it; may be empty.
    pub name: String,
    /// Where `index.yaml` is below.
    pub url: String,
    /// Whether and how to log in.
    pub basic: Option<Basic>,
    /// Give the login to all hosts.
    pub pass_credentials: bool,
    /// Client certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Certificate authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The same in PEM form, where there is no file.
    pub ca_bundle: Option<Vec<u8>>,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
}

/// An entry as written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    name: String,
    url: String,
    username: String,
    password: String,
    #[serde(rename = "certFile")]
    cert_file: PathBuf,
    #[serde(rename = "keyFile")]
    key_file: PathBuf,
    #[serde(rename = "caFile")]
    ca_file: PathBuf,
    insecure_skip_tls_verify: bool,
    pass_credentials_all: bool,
}

/// A file that is no list of repositories. The text does not quote the file, which holds passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("couldn't load repositories file ({path}): it is no list of repositories")]
pub struct BadFile {
    path: String,
}

/// Reads `repositories.yaml`.
pub fn parse(path: &Path, data: &[u8]) -> Result<Vec<Repository>, BadFile> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct File {
        repositories: Option<Vec<Option<Written>>>,
    }
    let bad = || BadFile {
        path: path.display().to_string(),
    };
    let value = goyaml::parse(data).map_err(|_| bad())?;
    let file: Option<File> = serde_json::from_value(value).map_err(|_| bad())?;
    let entries = file.unwrap_or_default().repositories.unwrap_or_default();
    Ok(entries
        .into_iter()
        .flatten()
        .map(Repository::from)
        .collect())
}

/// User and password, if both are there; as Helm, which sends nothing with only one of them.
pub fn basic(username: &str, password: &str) -> Option<Basic> {
    (!username.is_empty() && !password.is_empty()).then(|| Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    })
}

impl From<Written> for Repository {
    fn from(written: Written) -> Self {
        let file = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        Self {
            basic: basic(&written.username, &written.password),
            name: written.name,
            url: written.url,
            pass_credentials: written.pass_credentials_all,
            cert_file: file(written.cert_file),
            key_file: file(written.key_file),
            ca_file: file(written.ca_file),
            ca_bundle: None,
            insecure_skip_verify: written.insecure_skip_tls_verify,
        }
    }
}

impl Repository {
    /// A client that reaches the repository.
    pub fn http(&self) -> Result<Http, HttpError> {
        let read = |path: &Path, what: &str| {
            std::fs::read(path).map_err(|error| {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    _ => error.to_string(),
                };
                let path = path.display();
                HttpError::Tls(format!("{what}: \"{path}\": open {path}: {reason}"))
            })
        };
        // As Helm, which needs both.
        let identity = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some((
                read(cert, "unable to read cert file")?,
                read(key, "unable to read key file")?,
            )),
            _ => None,
        };
        let ca_bundle = self.ca_file.as_deref();
        let ca_bundle = ca_bundle
            .map(|path| read(path, "can't read CA file"))
            .transpose()?
            .or_else(|| self.ca_bundle.clone());
        Http::new(&Tls {
            ca_bundle,
            identity,
            insecure_skip_verify: self.insecure_skip_verify,
        })
    }

    /// The login for a URL: only for the repository's own host, unless it is for all.
    ///
    /// Source: Helm `HTTPGetter.get`.
    pub fn basic_for(&self, url: &str) -> Option<&Basic> {
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        let own = origin(&self.url).is_some() && origin(&self.url) == origin(url);
        self.basic.as_ref().filter(|_| own || self.pass_credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = "apiVersion: \"\"\nrepositories:\n- name: a\n  url: https://a.example/c\n  username: u\n  password: hidden\n  caFile: /ca\n  insecure_skip_tls_verify: true\n- null\n- name: b\n  url: https://b.example\n  username: alone\n";
        let read = parse(Path::new("r.yaml"), text.as_bytes()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].basic, basic("u", "hidden"));
        assert_eq!(read[0].ca_file.as_deref(), Some(Path::new("/ca")));
        assert!(read[0].insecure_skip_verify && !read[0].pass_credentials);
        assert_eq!(read[1].basic, None);
        assert!(!format!("{read:?}").contains("hidden"));
        assert!(parse(Path::new("r.yaml"), b"").unwrap().is_empty());
    }

    #[test]
    fn other_files_are_refused_without_what_they_hold() {
        for text in [
            "[secret]",
            "repositories: secret",
            "repositories: [{password: [secret]}]",
            "a: b: secret",
        ] {
            let error = parse(Path::new("r.yaml"), text.as_bytes())
                .unwrap_err()
                .to_string();
            assert_eq!(
                error,
                "couldn't load repositories file (r.yaml): it is no list of repositories"
            );
        }
    }

    #[test]
    fn logins_are_for_their_own_host() {
        let mut repository = Repository {
            url: "https://a.example/charts".to_owned(),
            basic: basic("u", "p"),
            ..Repository::default()
        };
        for (url, own) in [
            ("https://a.example/other.tgz", true),
            ("https://a.example:443/other.tgz", true),
            ("https://a.example:444/other.tgz", false),
            ("http://a.example/other.tgz", false),
            ("https://b.a.example/other.tgz", false),
            ("nonsense", false),
        ] {
            assert_eq!(repository.basic_for(url).is_some(), own, "{url}");
        }
        repository.pass_credentials = true;
        assert!(repository.basic_for("https://b.example/x").is_some());
    }
}
