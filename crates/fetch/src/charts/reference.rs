//! Names of charts in a registry: `oci://host/path/name:tag@digest`.
//!
//! In: text. Out: its parts, checked against the distribution specification. Does no I/O.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use sprig::semver::{Constraint, Version};

/// A repository of a registry, with a tag or digest or neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciReference {
    /// Host, with the port if there is one.
    pub registry: String,
    /// Path of the repository.
    pub repository: String,
    /// Tag as the registry has it: `+` of a version is `_`. May be empty.
    pub tag: String,
    /// `sha256:...`, or empty. It wins over the tag.
    pub digest: String,
}

/// Why a text is no reference, or no tag fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No registry or no repository.
    #[error("invalid reference: missing registry or repository")]
    Missing,
    /// A part is not well formed.
    #[error("invalid reference: invalid {part} {text:?}")]
    Part {
        /// `registry`, `repository`, `tag` or `digest`.
        part: &'static str,
        /// The text.
        text: String,
    },
    /// A tag in the reference and another version beside it.
    #[error("chart reference and version mismatch: {version} is not {tag}")]
    Mismatch {
        /// The version asked for.
        version: String,
        /// The tag of the reference.
        tag: String,
    },
    /// The registry lists no versions.
    #[error("unable to locate any tags in provided repository: {0}")]
    NoTags(String),
    /// The version asked for is neither version nor constraint.
    #[error("{0}")]
    Constraint(String),
    /// No tag meets the constraint.
    #[error("could not locate a version matching provided version string {0}")]
    NoMatch(String),
}

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants and covered by tests"
)]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("constant pattern")
}

static REGISTRY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$")
});
static REPOSITORY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*)*$",
    )
});
static TAG: LazyLock<Regex> = LazyLock::new(|| compiled(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"));
static DIGEST: LazyLock<Regex> = LazyLock::new(|| compiled(r"^sha256:[0-9a-f]{64}$"));

/// Whether a text is a SHA-256 as registries write it.
pub(crate) fn is_digest(text: &str) -> bool {
    DIGEST.is_match(text)
}

impl OciReference {
    /// Reads a reference, with or without `oci://` before it.
    ///
    /// Source: Helm `registry.newReference`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (text, digest) = text.rsplit_once('@').unwrap_or((text, ""));
        let (registry, path) = text.split_once('/').ok_or(ReferenceError::Missing)?;
        let (repository, tag) = path.split_once(':').unwrap_or((path, ""));
        let tag = tag.replace('+', "_");
        let parts = [
            ("registry", registry, &REGISTRY, true),
            ("repository", repository, &REPOSITORY, true),
            ("tag", &tag, &TAG, !tag.is_empty() || path.contains(':')),
            ("digest", digest, &DIGEST, !digest.is_empty()),
        ];
        for (part, text, pattern, wanted) in parts {
            if wanted && !pattern.is_match(text) {
                let text = text.to_owned();
                return Err(ReferenceError::Part { part, text });
            }
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest: digest.to_owned(),
        })
    }

    /// The same repository at the tag of a version.
    #[must_use]
    pub fn at_version(&self, version: &str) -> Self {
        Self {
            tag: version.replace('+', "_"),
            digest: String::new(),
            ..self.clone()
        }
    }

    /// What names the manifest: the digest, or else the tag.
    pub(crate) fn target(&self) -> &str {
        if self.digest.is_empty() {
            &self.tag
        } else {
            &self.digest
        }
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        if !self.digest.is_empty() {
            write!(f, "@{}", self.digest)?;
        }
        Ok(())
    }
}

/// The versions among the tags of a repository, newest first. `_` of a tag is `+`.
///
/// Source: Helm `Client.Tags`; only strict semantic versions count.
pub(super) fn versions_of_tags(tags: &[String]) -> Vec<String> {
    let mut versions: Vec<(Version, String)> = tags
        .iter()
        .map(|tag| tag.replace('_', "+"))
        .filter(|tag| is_strict(tag))
        .filter_map(|tag| Some((Version::parse(&tag).ok()?, tag)))
        .collect();
    versions.sort_by(|(a, _), (b, _)| b.compare(a));
    versions.into_iter().map(|(_, tag)| tag).collect()
}

/// Whether a text is three numbers without leading zeros, with pre-release and build if wanted.
pub(crate) fn is_strict(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits && (part.len() == 1 || !part.starts_with('0'))
    };
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3 && parts.into_iter().all(number) && Version::parse(text).is_ok()
}

/// The version to take out of those of a repository, newest first.
///
/// Source: Helm `GetTagMatchingVersionOrConstraint`.
pub fn choose_version<'a>(versions: &'a [String], wanted: &str) -> Result<&'a str, ReferenceError> {
    if let Some(exact) = versions.iter().find(|version| *version == wanted) {
        return Ok(exact);
    }
    let constraint = if wanted.is_empty() { "*" } else { wanted };
    let constraint = Constraint::parse(constraint)
        .map_err(|error| ReferenceError::Constraint(error.to_string()))?;
    let meets =
        |version: &&String| Version::parse(version).is_ok_and(|version| constraint.check(&version));
    let found = versions.iter().find(meets);
    found
        .map(String::as_str)
        .ok_or_else(|| ReferenceError::NoMatch(wanted.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_parts() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, registry, repository, tag) in [
            ("oci://r.example/web", "r.example", "web", ""),
            (
                "r.example:5000/a/b-c/web:1.2.3",
                "r.example:5000",
                "a/b-c/web",
                "1.2.3",
            ),
            (
                "oci://[::1]:5000/web:1.0.0+x",
                "[::1]:5000",
                "web",
                "1.0.0_x",
            ),
        ] {
            let read = OciReference::parse(text).unwrap();
            let parts = (
                read.registry.as_str(),
                read.repository.as_str(),
                read.tag.as_str(),
            );
            assert_eq!(parts, (registry, repository, tag));
            let pinned = OciReference::parse(&format!("{text}@{digest}")).unwrap();
            assert_eq!(pinned.target(), digest);
        }
    }

    #[test]
    fn other_texts_are_no_references() {
        for (text, error) in [
            (
                "oci://r.example",
                "invalid reference: missing registry or repository",
            ),
            ("oci:///web", "invalid reference: invalid registry \"\""),
            ("r.example/", "invalid reference: invalid repository \"\""),
            (
                "r.example/Web",
                "invalid reference: invalid repository \"Web\"",
            ),
            (
                "r.example/../x",
                "invalid reference: invalid repository \"../x\"",
            ),
            ("r.example/web:", "invalid reference: invalid tag \"\""),
            (
                "r.example/web:a:b",
                "invalid reference: invalid tag \"a:b\"",
            ),
            (
                "r.example/web:a b",
                "invalid reference: invalid tag \"a b\"",
            ),
            (
                "r.example/web@sha256:x",
                "invalid reference: invalid digest \"sha256:x\"",
            ),
            (
                "u:p@r.example/web",
                "invalid reference: missing registry or repository",
            ),
        ] {
            assert_eq!(OciReference::parse(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn tags_that_are_versions_are_sorted() {
        let tags = [
            "1.0.0",
            "latest",
            "v1.5.0",
            "1.10.0",
            "1.2",
            "1.10.0-rc.1",
            "1.9.0_x",
            "01.2.3",
        ];
        let versions = versions_of_tags(&tags.map(str::to_owned));
        assert_eq!(versions, ["1.10.0", "1.10.0-rc.1", "1.9.0+x", "1.0.0"]);
        for (wanted, found) in [
            ("", Ok("1.10.0")),
            ("<1.10", Ok("1.9.0+x")),
            ("1.10.0-rc.1", Ok("1.10.0-rc.1")),
            (
                "^2",
                Err("could not locate a version matching provided version string ^2"),
            ),
            ("latest", Err("improper constraint: \"latest\"")),
        ] {
            let chosen = choose_version(&versions, wanted).map_err(|error| error.to_string());
            assert_eq!(chosen, found.map_err(str::to_owned), "{wanted}");
        }
    }
}
