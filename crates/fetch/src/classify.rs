//! From what git says when it fails to a class of error.
//!
//! Git has no other way to tell. Texts are matched in the C locale, the most telling ones first; what
//! is not known is [`Kind::Protocol`], which is retried.

use std::sync::Arc;

use crate::Repository;
use crate::error::Error;
use crate::git::Failure;

/// Longest excerpt of git's output in an error. Bytes.
const DETAIL_BYTES_MAX: usize = 400;

/// What a failed run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server does not hand out what was asked for in this way; another way may work.
    Refused,
    Authentication,
    Untrusted,
    NotFound,
    Unreachable,
    /// The disk of this process.
    Disk,
    /// A lock file that a killed process left in the mirror.
    Locked,
    Protocol,
}

/// Marks in lower case and what they mean; the first that occurs counts.
const MARKS: &[(Kind, &[&str])] = &[
    (
        Kind::Disk,
        &[
            "no space left on device",
            "read-only file system",
            "disk quota exceeded",
        ],
    ),
    (Kind::Locked, &[".lock': file exists"]),
    (
        Kind::Refused,
        &[
            "does not allow request for unadvertised object",
            "not our ref",
            "does not support shallow",
            "does not support --depth",
            "couldn't find remote ref",
            "no such remote ref",
            "cannot obtain needed object",
        ],
    ),
    (
        Kind::Untrusted,
        &[
            "host key verification failed",
            "ssl certificate problem",
            "server certificate verification failed",
            "no alternative certificate subject name",
            "certificate subject name",
            "error setting certificate",
            "problem with the ssl ca cert",
            "unable to get local issuer",
        ],
    ),
    (
        Kind::Authentication,
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "permission denied (",
            "returned error: 401",
            "returned error: 403",
            "access denied",
            "invalid username or password",
            "load key",
        ],
    ),
    (
        Kind::Unreachable,
        &[
            "could not resolve host",
            "temporary failure in name resolution",
            "name or service not known",
            "failed to connect",
            "couldn't connect",
            "could not connect",
            "connection refused",
            "connection timed out",
            "operation timed out",
            "operation too slow",
            "timed out",
            "connection reset",
            "connection closed",
            "network is unreachable",
            "no route to host",
            "recv failure",
            "ssl_connect",
            "ssl_error_syscall",
            "returned error: 429",
            "returned error: 5",
            "could not resolve proxy",
            "empty reply from server",
        ],
    ),
    (
        Kind::NotFound,
        &[
            "' not found",
            "repository not found",
            "does not exist",
            "does not appear to be a git repository",
            "returned error: 404",
            "returned error: 410",
            "no such file or directory",
            "not a git repository",
            "project you were looking for could not be found",
        ],
    ),
];

/// What git's output means.
pub(crate) fn kind(stderr: &str) -> Kind {
    let text = stderr.to_lowercase();
    MARKS
        .iter()
        .find(|(_, marks)| marks.iter().any(|mark| text.contains(mark)))
        .map_or(Kind::Protocol, |(kind, _)| *kind)
}

/// The error for a failed run that talked to the server of `repo`. `step` completes "while …".
pub(crate) fn error(failure: Failure, repo: &Repository, step: &'static str) -> Error {
    let url = repo.url.to_string();
    let text = match failure {
        Failure::Io(source) => {
            return Error::Program {
                source: Arc::new(source),
            };
        }
        Failure::TimedOut => {
            return Error::Unreachable {
                url,
                step,
                detail: "time limit exceeded".to_owned(),
            };
        }
        Failure::TooMuchOutput => {
            return Error::Protocol {
                url,
                step,
                detail: "the answer is too long".to_owned(),
            };
        }
        Failure::Failed(text) => text,
    };
    let detail = excerpt(&text);
    match kind(&text) {
        Kind::Authentication => Error::Authentication { url, detail },
        Kind::Untrusted => Error::Untrusted { url, detail },
        Kind::NotFound => Error::RepositoryNotFound { url, detail },
        Kind::Unreachable => Error::Unreachable { url, step, detail },
        Kind::Locked => Error::Damaged { url, detail },
        Kind::Disk => Error::Cache {
            path: "objects".into(),
            reason: detail,
            source: None,
        },
        Kind::Refused | Kind::Protocol => Error::Protocol { url, step, detail },
    }
}

/// The telling lines of git's output, on one line and short.
pub(crate) fn excerpt(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let telling = |line: &&&str| {
        ["fatal:", "error:", "remote:", "ssh:"]
            .iter()
            .any(|mark| line.starts_with(mark))
            || line.contains("denied")
            || line.contains("failed")
    };
    let mut chosen: Vec<&str> = lines.iter().filter(telling).copied().collect();
    if chosen.is_empty() {
        chosen.clone_from(&lines);
    }
    let mut out = chosen.join("; ");
    out.retain(|c| !c.is_control());
    if out.len() > DETAIL_BYTES_MAX {
        let mut end = DETAIL_BYTES_MAX;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_their_class() {
        let cases = include_str!("../tests/data/classify/cases.txt");
        let mut n_cases = 0;
        for case in cases
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (wanted, text) = case.split_once(": ").unwrap();
            assert_eq!(format!("{:?}", kind(text)), wanted, "{text}");
            n_cases += 1;
        }
        assert!(n_cases > 20);
        assert_eq!(kind(""), Kind::Protocol);
    }

    #[test]
    fn excerpts_are_one_short_line() {
        assert_eq!(
            excerpt("Cloning\nfatal: a\n\nerror: b\u{1b}[0m"),
            "fatal: a; error: b[0m"
        );
        assert_eq!(excerpt("odd\nwords"), "odd; words");
        let long = excerpt(&format!("fatal: {}", "ü".repeat(1000)));
        assert!(long.len() <= DETAIL_BYTES_MAX + '…'.len_utf8() && long.ends_with('…'));
    }
}
