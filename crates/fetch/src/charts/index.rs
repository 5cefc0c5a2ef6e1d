//! The index of a chart repository: which charts and versions there are, and where.
//!
//! In: `index.yaml`. Out: versions by name, newest first, and lookups as Helm's. Does no I/O.

use std::collections::BTreeMap;

use serde_json::Value;
use sprig::semver::{Constraint, Version};
use url::Url;

/// What an index says of one version of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Version as written.
    pub version: String,
    /// Where the archive is; relative to the repository if it is no full URL. The first is used.
    pub urls: Vec<String>,
    /// SHA-256 of the archive in hex, maybe with `sha256:` before it; empty if it is not told.
    pub digest: String,
}

/// The charts of a repository.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// Newest versions first, those that are no versions last.
    entries: BTreeMap<String, Vec<Entry>>,
}

/// Why an index cannot be used, or a chart is not found in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// No bytes.
    #[error("empty index.yaml file")]
    Empty,
    /// No YAML.
    #[error("{0}")]
    Yaml(String),
    /// No `apiVersion`.
    #[error("no API version specified")]
    NoApiVersion,
    /// No chart of that name.
    #[error("no chart name found")]
    NoChart,
    /// The chart has no versions.
    #[error("no chart version found")]
    NoVersions,
    /// The version asked for is neither version nor constraint.
    #[error("{0}")]
    Constraint(String),
    /// No version meets the constraint.
    #[error("no chart version found for {0}-{1}")]
    NoVersion(String, String),
    /// The URL of an archive is bad.
    #[error("failed to parse {0} as URL: {1}")]
    Url(String, String),
}

impl Index {
    /// Reads `index.yaml`, which may be JSON too. Entries without name or version are left out.
    pub fn parse(data: &[u8]) -> Result<Self, IndexError> {
        if data.is_empty() {
            return Err(IndexError::Empty);
        }
        let document: Value = match serde_json::from_slice(data) {
            Ok(document) => document,
            Err(_) => goyaml::parse(data).map_err(|error| IndexError::Yaml(error.to_string()))?,
        };
        if document["apiVersion"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
        {
            return Err(IndexError::NoApiVersion);
        }
        let mut entries = BTreeMap::new();
        for (name, versions) in document["entries"].as_object().into_iter().flatten() {
            let versions = versions.as_array().into_iter().flatten();
            entries.insert(name.clone(), sorted(versions.filter_map(entry).collect()));
        }
        Ok(Self { entries })
    }

    /// The versions of a chart, newest first.
    pub fn versions(&self, name: &str) -> Option<&[Entry]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// The newest version that a version or constraint allows; the exact one first; the newest
    /// release for an empty text. Says whether something else than the exact version was taken.
    ///
    /// Source: Helm `IndexFile.Get`.
    pub fn get(&self, name: &str, version: &str) -> Result<(&Entry, bool), IndexError> {
        let entries = self.entries.get(name).ok_or(IndexError::NoChart)?;
        if entries.is_empty() {
            return Err(IndexError::NoVersions);
        }
        let constraint = if version.is_empty() { "*" } else { version };
        let constraint = Constraint::parse(constraint)
            .map_err(|error| IndexError::Constraint(error.to_string()))?;
        let exact = entries.iter().find(|entry| entry.version == version);
        if let Some(exact) = exact {
            return Ok((exact, false));
        }
        let meets = |entry: &&Entry| {
            Version::parse(&entry.version).is_ok_and(|found| constraint.check(&found))
        };
        match entries.iter().find(meets) {
            Some(entry) => Ok((entry, !version.is_empty() && !is_range(version))),
            None => Err(IndexError::NoVersion(name.to_owned(), version.to_owned())),
        }
    }

    /// Whether an archive of the index is at that URL.
    pub fn holds(&self, url: &str) -> bool {
        let urls = self
            .entries
            .values()
            .flatten()
            .flat_map(|entry| &entry.urls);
        urls.into_iter().any(|known| same_url(known, url))
    }
}

fn entry(value: &Value) -> Option<Entry> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let urls = value["urls"].as_array().into_iter().flatten();
    let entry = Entry {
        version: text("version"),
        urls: urls
            .filter_map(|url| url.as_str().map(str::to_owned))
            .collect(),
        digest: text("digest"),
    };
    (!text("name").is_empty() && Version::parse(&entry.version).is_ok()).then_some(entry)
}

fn sorted(entries: Vec<Entry>) -> Vec<Entry> {
    let mut entries: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| Some((Version::parse(&entry.version).ok()?, entry)))
        .collect();
    entries.sort_by(|(a, _), (b, _)| b.compare(a));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Source: Helm `isVersionRange`.
fn is_range(version: &str) -> bool {
    if version.contains(['^', '~', '<', '>', '=', '!', '*'])
        || version.contains("||")
        || version.contains(" - ")
    {
        return true;
    }
    let core = version.split(['-', '+']).next().unwrap_or_default();
    core.contains(['x', 'X'])
}

/// Whether two URLs are the same but for a slash at the end.
///
/// Source: Helm `urlutil.Equal`.
pub fn same_url(a: &str, b: &str) -> bool {
    let cleaned = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    };
    match (cleaned(a), cleaned(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.trim_end_matches('/') == b.trim_end_matches('/'),
    }
}

/// A URL of an index made full: relative ones are below the repository, with its query.
///
/// Source: Helm `ResolveReferenceURL`.
pub fn resolve(repository: &str, reference: &str) -> Result<String, IndexError> {
    if Url::parse(reference).is_ok() {
        return Ok(reference.to_owned());
    }
    let bad = |error: url::ParseError| {
        let shown = repository
            .rsplit_once('@')
            .map_or(repository, |(_, rest)| rest);
        IndexError::Url(shown.to_owned(), error.to_string())
    };
    let mut base = Url::parse(repository).map_err(bad)?;
    let query = base.query().map(str::to_owned);
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    let mut url = base
        .join(reference)
        .map_err(|error| IndexError::Url(reference.to_owned(), error.to_string()))?;
    url.set_query(query.as_deref());
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(versions: &[&str]) -> Index {
        let list: Vec<String> = versions
            .iter()
            .map(|version| {
                format!("  - {{name: web, version: {version}, urls: [web-{version}.tgz]}}\n")
            })
            .collect();
        let list = list.concat();
        let text = format!("apiVersion: v1\nentries:\n  web:\n{list}  none: []\n");
        Index::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_newest_version_that_is_allowed_is_found() {
        let index = index(&["1.0.0", "2.0.0-rc.1", "1.10.0", "1.9.0", "v1.2.0", "null"]);
        for (wanted, found, other) in [
            ("", "1.10.0", false),
            ("1.9.0", "1.9.0", false),
            ("v1.2.0", "v1.2.0", false),
            ("1.2.0", "v1.2.0", true),
            ("1", "1.10.0", true),
            ("^1.2", "1.10.0", false),
            ("1.9.x", "1.9.0", false),
            (">0.0.0-0", "2.0.0-rc.1", false),
            ("<1.9 || >3", "v1.2.0", false),
        ] {
            let (entry, is_other) = index.get("web", wanted).unwrap();
            assert_eq!(
                (entry.version.as_str(), is_other),
                (found, other),
                "{wanted}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let index = index(&["1.0.0"]);
        for (name, wanted, error) in [
            ("db", "", "no chart name found"),
            ("none", "", "no chart version found"),
            ("web", "2.x", "no chart version found for web-2.x"),
            ("web", "a b", "improper constraint: \"a b\""),
        ] {
            assert_eq!(index.get(name, wanted).unwrap_err().to_string(), error);
        }
        for (text, error) in [
            ("", "empty index.yaml file"),
            ("entries: {}", "no API version specified"),
            (
                "apiVersion: v1\n\tx",
                "error converting YAML to JSON: yaml: line 2: found a tab character that violates indentation",
            ),
        ] {
            assert_eq!(
                Index::parse(text.as_bytes()).unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
        for text in [
            "apiVersion: v1\nentries: 7",
            "apiVersion: v1\nentries: {a: [7, {}, null]}",
        ] {
            assert!(Index::parse(text.as_bytes()).unwrap().get("a", "").is_err());
        }
    }

    #[test]
    fn relative_urls_are_below_the_repository() {
        for (repository, reference, want) in [
            (
                "https://a.example/charts",
                "web.tgz",
                "https://a.example/charts/web.tgz",
            ),
            (
                "https://a.example/charts/",
                "x/web.tgz",
                "https://a.example/charts/x/web.tgz",
            ),
            (
                "https://a.example/c?t=1",
                "web.tgz",
                "https://a.example/c/web.tgz?t=1",
            ),
            (
                "https://a.example/c",
                "/web.tgz",
                "https://a.example/web.tgz",
            ),
            (
                "https://a.example/c",
                "https://b.example/w.tgz?x",
                "https://b.example/w.tgz?x",
            ),
        ] {
            assert_eq!(resolve(repository, reference).unwrap(), want);
        }
        let error = resolve("user:secret@nowhere", "web.tgz").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_slash_at_the_end_makes_no_other_url() {
        assert!(same_url("https://a.example/c/", "https://a.example/c"));
        assert!(!same_url("https://a.example/c", "https://a.example/d"));
        assert!(!same_url("https://a.example:444/c", "https://a.example/c"));
    }
}
