//! What a GitRepo asks for: a branch, or a revision that is a tag, a branch or a commit.
//!
//! A branch wins over a revision, for the commit that is shown and for the files that are deployed
//! alike. Neither gives the branch `master`: the default branch of the server is not looked at.

use crate::Commit;
use crate::error::Error;
use crate::url::RepoUrl;

/// Branch when nothing is said.
pub(crate) const DEFAULT_BRANCH: &str = "master";

/// What to look for in a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// The head of a branch.
    Branch(String),
    /// A tag, else a branch, of this name; 40 or 64 hex digits are a commit.
    Revision(String),
}

impl Reference {
    /// From `spec.branch` and `spec.revision`, both possibly empty.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] if git would not accept the name.
    pub fn of(branch: &str, revision: &str) -> Result<Self, Error> {
        let (name, reference) = match (branch, revision) {
            ("", "") => (DEFAULT_BRANCH, Reference::Branch(DEFAULT_BRANCH.to_owned())),
            ("", revision) => (revision, Reference::Revision(revision.to_owned())),
            (branch, _) => (branch, Reference::Branch(branch.to_owned())),
        };
        match flaw(name) {
            None => Ok(reference),
            Some(reason) => Err(Error::InvalidReference {
                reference: name.to_owned(),
                reason,
            }),
        }
    }

    /// The commit id, if this is one.
    pub(crate) fn as_commit(&self) -> Option<String> {
        match self {
            Reference::Revision(text)
                if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                Some(text.to_ascii_lowercase())
            }
            _ => None,
        }
    }

    /// Full names to ask the server for, best first.
    pub(crate) fn candidates(&self) -> Vec<String> {
        match self {
            Reference::Branch(name) => vec![format!("refs/heads/{name}")],
            Reference::Revision(name) => vec![
                format!("refs/tags/{name}^{{}}"),
                format!("refs/tags/{name}"),
                format!("refs/heads/{name}"),
            ],
        }
    }

    /// The best candidate in the output of `git ls-remote`. Lines that are none are skipped: the
    /// server's patterns match ends of names, so it may say more than asked for.
    pub(crate) fn pick(&self, listing: &[u8]) -> Option<Commit> {
        let listing = String::from_utf8_lossy(listing);
        let lines: Vec<(&str, &str)> = listing
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        self.candidates().into_iter().find_map(|wanted| {
            let (id, _) = lines.iter().find(|(_, name)| *name == wanted)?;
            let id = Reference::Revision((*id).to_owned()).as_commit()?;
            let name = wanted.strip_suffix("^{}").unwrap_or(&wanted).to_owned();
            Some(Commit {
                id,
                reference: Some(name),
            })
        })
    }

    pub(crate) fn not_found(&self, url: &RepoUrl) -> Error {
        let reference = match self {
            Reference::Branch(name) => format!("branch {name:?}"),
            Reference::Revision(name) => format!("revision {name:?} (tag or branch)"),
        };
        Error::ReferenceNotFound {
            reference,
            url: url.to_string(),
        }
    }
}

/// What git would not accept in the short name of a branch or tag.
///
/// Source: `git check-ref-format`.
fn flaw(name: &str) -> Option<&'static str> {
    let forbidden =
        |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if name.starts_with('-') {
        Some("it starts with a dash")
    } else if name.chars().any(forbidden) {
        Some("it holds a blank, a control character or one of ~^:?*[\\")
    } else if name.contains("..") || name.contains("@{") || name == "@" {
        Some("it holds \"..\" or \"@{\", or is \"@\"")
    } else if name.ends_with('.') {
        Some("it ends with a dot")
    } else if name.split('/').any(|part| {
        let lock = part.rsplit_once('.').is_some_and(|(_, end)| end == "lock");
        part.is_empty() || part.starts_with('.') || lock
    }) {
        Some("one of its elements is empty, starts with a dot or ends with \".lock\"")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn branch_wins_and_master_is_the_default() {
        let of = |b: &str, r: &str| Reference::of(b, r).unwrap();
        assert_eq!(of("", ""), Reference::Branch("master".into()));
        assert_eq!(of("b", "r"), Reference::Branch("b".into()));
        assert_eq!(of("", "r"), Reference::Revision("r".into()));
    }

    #[test]
    fn only_full_hex_revisions_are_commits() {
        assert_eq!(
            Reference::of("", A).unwrap().as_commit().as_deref(),
            Some(A)
        );
        assert_eq!(
            Reference::of("", &A.to_uppercase())
                .unwrap()
                .as_commit()
                .as_deref(),
            Some(A)
        );
        assert_eq!(Reference::of(A, "").unwrap().as_commit(), None);
        assert_eq!(Reference::of("", &A[1..]).unwrap().as_commit(), None);
        assert_eq!(
            Reference::of("", &"g".repeat(40)).unwrap().as_commit(),
            None
        );
    }

    #[test]
    fn names_git_would_not_accept_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a\n", "/a", "a/",
            "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "a@{1}", &long,
        ] {
            assert!(
                matches!(Reference::of(name, ""), Err(Error::InvalidReference { .. })),
                "{name}"
            );
            assert!(
                matches!(Reference::of("", name), Err(Error::InvalidReference { .. })),
                "{name}"
            );
        }
        for name in ["main", "release/v1.2", "feature#3", "a.b", "grün"] {
            assert!(Reference::of(name, "").is_ok(), "{name}");
        }
    }

    #[test]
    fn peeled_tags_win_over_tags_over_branches() {
        let revision = Reference::Revision("v1".into());
        let heads = format!("{A}\trefs/heads/v1\n");
        let tag = format!("{heads}{B}\trefs/tags/v1\n");
        let other = format!("{B}\trefs/heads/x/refs/heads/v1\n");
        let full = format!("{B}\trefs/tags/v1\n{A}\trefs/tags/v1^{{}}\n");
        assert_eq!(revision.pick(heads.as_bytes()).unwrap().id, A);
        assert_eq!(revision.pick(tag.as_bytes()).unwrap().id, B);
        let commit = revision.pick(full.as_bytes()).unwrap();
        assert_eq!(
            (commit.id.as_str(), commit.reference.as_deref()),
            (A, Some("refs/tags/v1"))
        );
        assert_eq!(Reference::Branch("v1".into()).pick(full.as_bytes()), None);
        assert_eq!(Reference::Branch("v1".into()).pick(other.as_bytes()), None);
        for garbage in [
            "",
            "\n\t\n",
            "no tab",
            "zz\trefs/heads/v1",
            "\u{fffd}\trefs/tags/v1",
        ] {
            assert_eq!(revision.pick(garbage.as_bytes()), None, "{garbage:?}");
        }
    }
}
