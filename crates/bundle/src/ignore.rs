//! `.fleetignore`: which names below a directory are left out.
//!
//! A pattern is compared with the last element of a path only; `name/*` leaves out directories called
//! `name`. Rules hold in the directory of their file and below. Everything else that git would do with
//! such a pattern (negation, `**`, anchoring) means nothing here.
//!
//! Quirk: upstream finds the rules of the directories above by comparing the beginnings of paths as
//! text, so the rules of `foo` also hold in its sibling `foobar`.
//!
//! Source: upstream `internal/bundlereader/loaddirectory.go`, `ignoreTree`.

use crate::path::{self, BadPattern};

/// Name of the file with the rules.
pub(crate) const FILE: &str = ".fleetignore";

/// Rules met so far on a walk.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    directory: String,
    patterns: Vec<String>,
    children: Vec<Rules>,
}

impl Rules {
    /// Adds the rules of a directory, given relative to the root of the walk (empty for the root).
    /// Directories come before those below them.
    pub(crate) fn add(&mut self, directory: &str, text: &str) {
        let patterns = patterns(text);
        if !patterns.is_empty() {
            self.node(directory).patterns.extend(patterns);
        }
    }

    fn node(&mut self, directory: &str) -> &mut Rules {
        if self.directory == directory {
            return self;
        }
        let at = self
            .children
            .iter()
            .position(|child| directory.starts_with(&child.directory));
        let at = at.unwrap_or_else(|| {
            self.children.push(Rules {
                directory: directory.to_owned(),
                ..Rules::default()
            });
            self.children.len() - 1
        });
        self.children[at].node(directory)
    }

    /// Whether a path, relative to the root of the walk, is left out.
    pub(crate) fn ignores(&self, path: &str, is_directory: bool) -> Result<bool, BadPattern> {
        let name = path::base(path);
        let mut node = Some(self);
        while let Some(rules) = node {
            for pattern in &rules.patterns {
                if names_directory(pattern) {
                    if is_directory && pattern.strip_suffix("/*") == Some(name) {
                        return Ok(true);
                    }
                } else if path::matches(pattern, name)? {
                    return Ok(true);
                }
            }
            if rules.directory == path && !path.is_empty() {
                break;
            }
            node = rules
                .children
                .iter()
                .find(|child| path.starts_with(&child.directory));
        }
        Ok(false)
    }
}

/// Whether a pattern has the form `name/*`, or anything that starts like it.
fn names_directory(pattern: &str) -> bool {
    pattern
        .char_indices()
        .skip(1)
        .any(|(at, _)| pattern[at..].starts_with("/*"))
}

fn patterns(text: &str) -> Vec<String> {
    text.lines()
        .map(trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Cuts blanks at the end of a line, except for one that follows a backslash, and except for the first
/// character of the line.
fn trim_end(line: &str) -> &str {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r');
    let kept = line.trim_end_matches(blank).len();
    let first_blank_stays = kept == 0 || line[..kept].ends_with('\\');
    let end = if first_blank_stays { kept + 1 } else { kept };
    line.get(..end).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(files: &[(&str, &str)]) -> Rules {
        let mut rules = Rules::default();
        for (directory, text) in files {
            rules.add(directory, text);
        }
        rules
    }

    #[test]
    fn cases_hold() {
        let cases = include_str!("../tests/data/ignore/cases.txt");
        let mut n_cases = 0;
        for line in cases
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let mut words = line.split_whitespace();
            let mut next = || words.next().unwrap();
            let (pattern, kind, path, wanted) = (next(), next(), next(), next());
            let found = match rules(&[("", pattern)]).ignores(path, kind == "dir") {
                Ok(true) => "left-out",
                Ok(false) => "kept",
                Err(BadPattern) => "error",
            };
            assert_eq!(found, wanted, "{line}");
            n_cases += 1;
        }
        assert!(n_cases > 20);
    }

    #[test]
    fn blanks_at_the_end_count_only_when_escaped() {
        let cases = [
            ("a  ", "a"),
            ("a\\ ", "a\\ "),
            ("a\\  ", "a\\ "),
            ("  ", " "),
            ("", ""),
            (" a", " a"),
        ];
        for (line, wanted) in cases {
            assert_eq!(trim_end(line), wanted, "{line:?}");
        }
        assert_eq!(patterns("a\r\n# no\n\n#\nb \n"), ["a", "b"]);
    }

    #[test]
    fn rules_hold_below_their_directory_and_in_siblings_with_its_prefix() {
        let rules = rules(&[
            ("", "root"),
            ("foo", "inner"),
            ("foo/sub", "last"),
            ("bar", "other"),
        ]);
        for (path, wanted) in [
            ("root", true),
            ("foo/root", true),
            ("inner", false),
            ("foo/inner", true),
            ("foo/x/inner", true),
            ("foobar/inner", true),
            ("bar/inner", false),
            ("foo/last", false),
            ("foo/sub/last", true),
            ("bar/other", true),
        ] {
            assert_eq!(rules.ignores(path, false), Ok(wanted), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_name_leaves_out_exactly_that_name(name in "[a-c]{1,2}", path in "[a-c]{1,2}(/[a-c]{1,2}){0,2}") {
            let rules = rules(&[("", &name)]);
            prop_assert_eq!(rules.ignores(&path, false), Ok(path::base(&path) == name));
        }

        #[test]
        fn no_text_makes_it_fail_but_for_bad_patterns(text in "[ab*\\[\\]\\\\/# \n-]{0,20}", path in "[ab/]{1,6}") {
            let rules = rules(&[("", &text)]);
            let _ = rules.ignores(&path, true);
        }
    }
}
