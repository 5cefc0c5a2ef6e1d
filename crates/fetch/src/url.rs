//! Repository URLs: which forms are understood, and how they are shown.
//!
//! | form | example |
//! |---|---|
//! | https, http | `https://host/org/repo` |
//! | ssh | `ssh://git@host:22/org/repo`, `git+ssh://…` |
//! | scp style | `git@host:org/repo` |
//! | file | `file:///srv/git/repo` |
//! | local path | `/srv/git/repo` |
//!
//! A user and password inside an http(s) URL are split off, so that what is handed to git, shown and
//! logged never holds them.

use std::fmt;
use std::hash::{Hash, Hasher};

use percent_encoding::percent_decode_str;

use crate::credentials::{Basic, Secret};
use crate::error::Error;

/// Longest URL accepted. Bytes.
pub(crate) const URL_BYTES_MAX: usize = 2048;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://`, `git+ssh://` and scp style.
    Ssh,
    /// `file://` and absolute paths.
    File,
}

impl Protocol {
    /// Git's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Https => "https",
            Protocol::Http => "http",
            Protocol::Ssh => "ssh",
            Protocol::File => "file",
        }
    }

    pub(crate) fn refusal(self) -> &'static str {
        match self {
            Protocol::Https => "https repositories are not allowed here",
            Protocol::Http => "http repositories are not allowed here",
            Protocol::Ssh => "ssh repositories are not allowed here",
            Protocol::File => "repositories on the local disk are not allowed here",
        }
    }
}

/// A checked repository URL. Prints without its user part where that could hold a secret.
#[derive(Debug, Clone)]
pub struct RepoUrl {
    text: String,
    protocol: Protocol,
    basic: Option<Basic>,
}

impl PartialEq for RepoUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.basic == other.basic
    }
}

impl Eq for RepoUrl {}

impl Hash for RepoUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.basic.hash(state);
    }
}

impl RepoUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`]: empty, longer than 2048 bytes, leading dash, blanks or control
    /// characters, a scheme that is not in the list above, no host, a relative path.
    pub fn parse(text: &str) -> Result<Self, Error> {
        check(text)
            .and_then(|()| classify(text))
            .map_err(|reason| Error::InvalidUrl {
                url: redact(&text.chars().take(200).collect::<String>()),
                reason,
            })
    }

    /// How the repository is reached.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What git is given: no user part for http(s).
    pub(crate) fn for_git(&self) -> &str {
        &self.text
    }

    /// User and password that were part of the URL.
    pub(crate) fn basic(&self) -> Option<&Basic> {
        self.basic.as_ref()
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > URL_BYTES_MAX {
        return Err("it is longer than 2048 bytes");
    }
    if text.starts_with('-') {
        return Err("it starts with a dash");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it holds blanks or control characters");
    }
    Ok(())
}

fn classify(text: &str) -> Result<RepoUrl, &'static str> {
    let plain = |text: &str, protocol| RepoUrl {
        text: text.to_owned(),
        protocol,
        basic: None,
    };
    if text.starts_with('/') {
        return Ok(plain(text, Protocol::File));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        check_scp(text)?;
        return Ok(plain(text, Protocol::Ssh));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => http(text, Protocol::Https),
        "http" => http(text, Protocol::Http),
        "ssh" | "git+ssh" => {
            let url = ::url::Url::parse(text).map_err(|_| "it is not a URL")?;
            if url.password().is_some() {
                return Err("an ssh URL cannot hold a password");
            }
            match url.host_str() {
                None | Some("") => Err("it names no host"),
                Some(host) if host.starts_with('-') => Err("its host starts with a dash"),
                Some(_) => Ok(plain(&format!("ssh://{rest}"), Protocol::Ssh)),
            }
        }
        "file" => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if path.starts_with('/') {
                Ok(plain(&format!("file://{path}"), Protocol::File))
            } else {
                Err("a file URL needs an absolute path and no host")
            }
        }
        _ => Err("only https, http, ssh and file URLs, scp style and absolute paths are supported"),
    }
}

/// `[user@]host:path`, where no slash comes before the colon.
fn check_scp(text: &str) -> Result<(), &'static str> {
    let Some((place, path)) = text.split_once(':') else {
        return Err("a path on the local disk must be absolute");
    };
    let host = place.rsplit('@').next().unwrap_or(place);
    if place.contains('/') {
        return Err("a path on the local disk must be absolute");
    }
    if host.is_empty() || host.starts_with('-') || place.starts_with('@') {
        return Err("it names no host");
    }
    // `ext::command` and the like are other programs to git.
    if path.is_empty() || path.starts_with(['-', ':']) {
        return Err("it names no path");
    }
    Ok(())
}

fn http(text: &str, protocol: Protocol) -> Result<RepoUrl, &'static str> {
    let mut url = ::url::Url::parse(text).map_err(|_| "it is not a URL")?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let basic = (!url.username().is_empty() || url.password().is_some()).then(|| Basic {
        username: decode(url.username()),
        password: Secret::new(decode(url.password().unwrap_or(""))),
    });
    url.set_username("")
        .map_err(|()| "its user part cannot be read")?;
    url.set_password(None)
        .map_err(|()| "its user part cannot be read")?;
    url.set_fragment(None);
    Ok(RepoUrl {
        text: url.to_string(),
        protocol,
        basic,
    })
}

/// The text with the user part of every URL in it replaced. `ssh://git@host` keeps its user, which is
/// no secret, as long as no password follows it.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"' | '?' | '#'))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if before.ends_with("ssh://") && !user.contains(':') => {
                out.push_str(user);
                out.push('@');
                out.push_str(host);
            }
            Some((_, host)) => {
                out.push_str("***@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_urls_are_recognised() {
        let cases = [
            (
                "https://github.com/org/repo",
                Protocol::Https,
                "https://github.com/org/repo",
            ),
            (
                "HTTP://host:8080/r.git",
                Protocol::Http,
                "http://host:8080/r.git",
            ),
            (
                "ssh://git@host:22/org/repo",
                Protocol::Ssh,
                "ssh://git@host:22/org/repo",
            ),
            (
                "git+ssh://git@host/repo",
                Protocol::Ssh,
                "ssh://git@host/repo",
            ),
            (
                "git@host:org/repo.git",
                Protocol::Ssh,
                "git@host:org/repo.git",
            ),
            ("host:repo", Protocol::Ssh, "host:repo"),
            ("file:///srv/repo", Protocol::File, "file:///srv/repo"),
            (
                "file://localhost/srv/repo",
                Protocol::File,
                "file:///srv/repo",
            ),
            ("/srv/repo", Protocol::File, "/srv/repo"),
        ];
        for (text, protocol, for_git) in cases {
            let url = RepoUrl::parse(text).unwrap();
            assert_eq!(
                (url.protocol(), url.for_git()),
                (protocol, for_git),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_urls_are_refused_with_their_reason() {
        let long = format!("https://host/{}", "x".repeat(URL_BYTES_MAX));
        let cases = [
            ("", "is empty"),
            (long.as_str(), "longer than 2048"),
            ("--upload-pack=x", "dash"),
            ("-oProxyCommand=x", "dash"),
            ("https://host/a b", "blanks"),
            ("https://host/a\nb", "control"),
            ("https://", "not a URL"),
            ("ssh:///path", "no host"),
            ("ssh://-oProxyCommand=x/path", "dash"),
            ("ssh://user:pw@host/path", "password"),
            ("ext::sh -c x", "blanks"),
            ("ext::sh", "no path"),
            ("-x@host:y", "dash"),
            ("@host:y", "no host"),
            ("user@-host:y", "no host"),
            ("host:-y", "no path"),
            ("host:", "no path"),
            ("relative/path", "absolute"),
            ("./repo", "absolute"),
            ("../x:y", "absolute"),
            ("repo", "absolute"),
            ("file://host/x", "absolute"),
            ("file://x", "absolute"),
            ("git://host/repo", "only https"),
            ("ftp://host/repo", "only https"),
            ("s3://bucket/repo", "only https"),
        ];
        for (text, wanted) in cases {
            let error = RepoUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn user_parts_are_split_off_and_never_shown() {
        let url = RepoUrl::parse("https://me:hunt%402@host/r").unwrap();
        assert_eq!(url.for_git(), "https://host/r");
        assert_eq!(url.basic().unwrap().password.expose(), "hunt@2");
        assert!(!format!("{url} {url:?}").contains("hunt"));
        let error = RepoUrl::parse("ftp://me:secret@host/r")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("***@host") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn texts_are_redacted() {
        let cases = [
            (
                "fatal: 'https://a:b@host/x' no",
                "fatal: 'https://***@host/x' no",
            ),
            ("https://token@host", "https://***@host"),
            ("https://a:b/c@host", "https://a:b/c@host"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("ssh://git:pw@host/x", "ssh://***@host/x"),
            (
                "two https://u@h/ and http://v:w@i",
                "two https://***@h/ and http://***@i",
            ),
            ("no url, a@b", "no url, a@b"),
        ];
        for (text, wanted) in cases {
            assert_eq!(redact(text), wanted);
        }
    }

    proptest! {
        #[test]
        fn passwords_in_urls_survive_neither_parsing_nor_errors(scheme in "https|http|ftp|ssh", noise in "[ -~]{0,10}") {
            let text = format!("{scheme}://user:hunter2@host/{noise}");
            let shown = match RepoUrl::parse(&text) {
                Ok(url) => format!("{url} {} {url:?}", url.for_git()),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("hunter2"), "{}", shown);
        }

        #[test]
        fn any_text_is_judged_without_panic(text in "\\PC{0,40}") {
            let _ = RepoUrl::parse(&text);
        }
    }
}
