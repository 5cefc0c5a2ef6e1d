//! `.helmignore`: which files of a chart directory are not part of the chart.
//!
//! In: the text of the file. Out: [`Rules`] that answer for one path at a time. The dialect is Helm's
//! own: no `**`, `!` negates, a leading slash anchors, a trailing one means directories only.

use std::collections::HashMap;

use sprig::gopath;

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// `**` has no meaning here.
    #[error("double-star (**) syntax is not supported")]
    DoubleStar,
    /// Not a shell pattern.
    #[error(transparent)]
    Pattern(#[from] gopath::BadPattern),
}

/// Patterns in the order of their lines.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    negated: bool,
    directories_only: bool,
    scope: Scope,
    glob: String,
}

#[derive(Debug)]
enum Scope {
    /// The whole path.
    Path,
    /// The last element.
    Name,
}

impl Rules {
    /// Reads the file; the default rules come last.
    pub(crate) fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = Self::default();
        for line in text.trim_start_matches('\u{feff}').lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), IgnoreError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err(IgnoreError::DoubleStar);
        }
        gopath::matches(line, "abc")?;
        let (negated, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (directories_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (scope, glob) = match line.strip_prefix('/') {
            Some(rest) => (Scope::Path, rest),
            None if line.contains('/') => (Scope::Path, line),
            None => (Scope::Name, line),
        };
        self.patterns.push(Pattern {
            negated,
            directories_only,
            scope,
            glob: glob.to_owned(),
        });
        Ok(())
    }

    /// Whether one path, not looking at the directories above it, is left out.
    pub(crate) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        if path.is_empty() || path == "." || path == "./" {
            return false;
        }
        for pattern in &self.patterns {
            if pattern.negated {
                // Quirk: what a negated rule does not match is ignored, whatever follows.
                if pattern.directories_only && !is_directory || !pattern.matches(path) {
                    return true;
                }
            } else if (is_directory || !pattern.directories_only) && pattern.matches(path) {
                return true;
            }
        }
        false
    }

    /// Whether a file, or a directory above it, is left out. `directories` remembers what was found of
    /// directories, for the next file.
    pub(crate) fn ignores_file(&self, path: &str, directories: &mut HashMap<String, bool>) -> bool {
        path.rfind('/')
            .is_some_and(|slash| self.ignores_directory(&path[..slash], directories))
            || self.ignores(path, false)
    }

    fn ignores_directory(&self, path: &str, known: &mut HashMap<String, bool>) -> bool {
        if let Some(ignored) = known.get(path) {
            return *ignored;
        }
        let ends = path.match_indices('/').map(|(slash, _)| slash);
        let mut prefixes = ends.chain([path.len()]).map(|end| &path[..end]);
        let ignored = prefixes.any(|directory| self.ignores(directory, true));
        known.insert(path.to_owned(), ignored);
        ignored
    }
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        let subject = match self.scope {
            Scope::Path => path,
            Scope::Name => gopath::base_str(path),
        };
        gopath::matches(&self.glob, subject).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_leave_out_what_helm_leaves_out() {
        for (text, path, want) in [
            ("", "templates/.hidden", true),
            ("", "templates/.?", true),
            ("", ".hidden", false),
            ("*.txt", "a/b.txt", true),
            ("a/*.txt", "a/b.txt", true),
            ("a/*.txt", "x/a/b.txt", false),
            ("/b.txt", "a/b.txt", false),
            ("/b.txt", "b.txt", true),
            ("docs/", "docs/readme.md", true),
            ("docs/", "docs", false),
            ("# docs", "docs", false),
            ("!keep.yaml", "keep.yaml", false),
            ("!keep.yaml", "other.yaml", true),
            (".git", ".git/config", true),
        ] {
            let rules = Rules::parse(text).expect(text);
            assert_eq!(
                rules.ignores_file(path, &mut HashMap::new()),
                want,
                "{path:?} under {text:?}"
            );
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        assert_eq!(Rules::parse("a/**/b").err(), Some(IgnoreError::DoubleStar));
        assert_eq!(
            Rules::parse("[a").err(),
            Some(IgnoreError::Pattern(gopath::BadPattern))
        );
    }
}
