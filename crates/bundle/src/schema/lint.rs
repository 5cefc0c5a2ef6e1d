//! Finds keys of a YAML file that nobody reads: unknown ones and those that occur twice.
//!
//! Upstream says nothing about either. What the keys below hold is not looked at here: a value of the
//! wrong type is an error elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use goyaml::nodes::{self, NodeRef};

use super::{Struct, Type, same_folded};

/// Warnings for one file before the rest is only counted.
const WARNINGS_MAX: usize = 20;

/// A key that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWarning {
    /// Path of the file.
    pub file: String,
    /// Line of the key, counted from one.
    pub line: u32,
    /// The key with those above it: `targetCustomizations[0].helm.relaseName`.
    pub path: String,
    /// What is wrong.
    pub problem: KeyProblem,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProblem {
    /// No such key exists; perhaps this one was meant.
    Unknown(Option<&'static str>),
    /// Only the system may say this.
    Internal,
    /// Customizations cannot change this, or not to this value, unless it stands below `overrides`.
    NoEffect,
    /// Its value is none of these words.
    Word(&'static [&'static str]),
    /// The same key stands again on a later line, which wins.
    Repeated(u32),
    /// That many more warnings were left out.
    More(usize),
}

impl fmt::Display for KeyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyWarning {
            file,
            line,
            path,
            problem,
        } = self;
        match problem {
            KeyProblem::Unknown(None) => write!(f, "{file}:{line}: unknown key {path}"),
            KeyProblem::Unknown(Some(meant)) => {
                write!(
                    f,
                    "{file}:{line}: unknown key {path}, did you mean {meant}?"
                )
            }
            KeyProblem::Internal => {
                write!(
                    f,
                    "{file}:{line}: key {path} is for internal use and has no effect here"
                )
            }
            KeyProblem::NoEffect => {
                write!(
                    f,
                    "{file}:{line}: {path} changes nothing here; it does below overrides"
                )
            }
            KeyProblem::Word(words) => {
                let words = words.join(", ");
                write!(f, "{file}:{line}: {path} must be one of {words}")
            }
            KeyProblem::Repeated(later) => {
                write!(
                    f,
                    "{file}:{line}: key {path} is repeated on line {later}, which wins"
                )
            }
            KeyProblem::More(count) => write!(f, "{file}: {count} more warnings"),
        }
    }
}

/// Options that only `overrides` changes for a target.
const UNCHANGED_BY_TARGETS: &[&str] = &[
    "createNamespace",
    "deleteNamespace",
    "deleteCRDResources",
    "ignore",
    "helm.maxHistory",
    "helm.skipSchemaValidation",
];

/// Options that a target can only switch on.
const ONLY_SWITCHED_ON: &[&str] = &[
    "keepResources",
    "diff.reportAdditions",
    "helm.force",
    "helm.atomic",
    "helm.takeOwnership",
    "helm.disablePreProcess",
    "helm.waitForJobs",
    "helm.disableDNS",
];

/// Values that leave an option as it is.
const NOTHING: &[&str] = &["", "null", "Null", "NULL", "~"];

/// Looks at the first document of a file. `also` are keys of the root that are known for another reason,
/// `internal` those that are known but not for users.
/// A text that is no YAML has no warnings.
pub(crate) fn lint(
    file: &str,
    text: &[u8],
    root: &'static Struct,
    also: &'static Struct,
    internal: &'static [&'static str],
) -> Vec<KeyWarning> {
    let parsed = nodes::parse(text);
    let Ok(document) = parsed.document() else {
        return Vec::new();
    };
    let Some(node) = document.root() else {
        return Vec::new();
    };
    let mut linter = Linter {
        file,
        also,
        internal,
        warnings: Vec::new(),
        n_left_out: 0,
    };
    linter.look(Type::Struct(root), node, "", 0);
    linter.look_for_effect(node);
    if linter.n_left_out > 0 {
        let (file, problem) = (file.to_owned(), KeyProblem::More(linter.n_left_out));
        linter.warnings.push(KeyWarning {
            file,
            line: 0,
            path: String::new(),
            problem,
        });
    }
    linter.warnings
}

struct Linter<'a> {
    file: &'a str,
    also: &'static Struct,
    internal: &'static [&'static str],
    warnings: Vec<KeyWarning>,
    n_left_out: usize,
}

impl Linter<'_> {
    fn look(&mut self, kind: Type, node: NodeRef<'_, '_>, path: &str, depth: usize) {
        // Aliases may make a small text large; what they stand for is looked at where it is written.
        if node.alias().is_some() {
            return;
        }
        match kind {
            Type::Struct(inner) | Type::Patch(inner) => {
                self.look_struct(inner, node, path, depth);
            }
            Type::List(inner) => {
                for (i, item) in node.items().enumerate() {
                    self.look(*inner, item, &format!("{path}[{i}]"), depth + 1);
                }
            }
            Type::Map(inner) => {
                self.look_repeated(node, path);
                for (key, value) in node.entries() {
                    let path = join(path, key.text().unwrap_or_default());
                    self.look(*inner, value, &path, depth + 1);
                }
            }
            Type::FreeMap | Type::Any => self.look_free(node, path, depth),
            Type::Word(words) => {
                // Nothing and null are the default; a template is a word only once it is rendered.
                let is_known = |text: &str| {
                    NOTHING.contains(&text) || text.contains("${") || words.contains(&text)
                };
                if !node.text().is_none_or(is_known) {
                    self.warn(node.line(), path.to_owned(), KeyProblem::Word(words));
                }
            }
            _ => {}
        }
    }

    fn look_struct(
        &mut self,
        inner: &'static Struct,
        node: NodeRef<'_, '_>,
        path: &str,
        depth: usize,
    ) {
        self.look_repeated(node, path);
        for (key, value) in node.entries() {
            let Some(name) = key.text() else { continue };
            let at = join(path, name);
            let is_top = depth == 0 || path.ends_with(".overrides");
            match inner.field(name) {
                Some((known, _, _)) if is_top && self.internal.contains(&known) => {
                    self.warn(key.line(), at, KeyProblem::Internal);
                }
                Some((_, kind, _)) => self.look(kind, value, &at, depth + 1),
                None if name == "<<" => {}
                None if depth == 0 && self.also.field(name).is_some() => {}
                None => {
                    let meant = suggestion(name, &inner.keys());
                    self.warn(key.line(), at, KeyProblem::Unknown(meant));
                }
            }
        }
    }

    /// What customizations say without effect, as upstream; [`api::v1alpha1::BundleTarget::overrides`] exists
    /// for it.
    fn look_for_effect(&mut self, root: NodeRef<'_, '_>) {
        for (list, targets) in root.entries() {
            let Some(list @ ("targets" | "targetCustomizations")) = list.text() else {
                continue;
            };
            for (place, target) in targets.items().enumerate() {
                let path = format!("{list}[{place}]");
                for (key, value) in target.entries() {
                    if key.text() == Some("helm") {
                        for (key, value) in value.entries() {
                            self.look_at_option(&path, "helm.", key, value);
                        }
                    } else {
                        self.look_at_option(&path, "", key, value);
                    }
                }
            }
        }
    }

    fn look_at_option(
        &mut self,
        path: &str,
        above: &str,
        key: NodeRef<'_, '_>,
        value: NodeRef<'_, '_>,
    ) {
        let option = format!("{above}{}", key.text().unwrap_or_default());
        let is_false = value.text() == Some("false");
        if UNCHANGED_BY_TARGETS.contains(&option.as_str())
            || (is_false && ONLY_SWITCHED_ON.contains(&option.as_str()))
        {
            self.warn(key.line(), join(path, &option), KeyProblem::NoEffect);
        }
    }

    /// Values hold any keys, but not twice.
    fn look_free(&mut self, node: NodeRef<'_, '_>, path: &str, depth: usize) {
        self.look_repeated(node, path);
        for (key, value) in node.entries() {
            let path = join(path, key.text().unwrap_or_default());
            self.look(Type::FreeMap, value, &path, depth + 1);
        }
        for (i, item) in node.items().enumerate() {
            self.look(Type::FreeMap, item, &format!("{path}[{i}]"), depth + 1);
        }
    }

    fn look_repeated(&mut self, node: NodeRef<'_, '_>, path: &str) {
        let mut lines: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, _) in node.entries() {
            let Some(name) = key.text() else { continue };
            if let Some(earlier) = lines.insert(name, key.line()) {
                self.warn(earlier, join(path, name), KeyProblem::Repeated(key.line()));
            }
        }
    }

    fn warn(&mut self, line: u32, path: String, problem: KeyProblem) {
        if self.warnings.len() == WARNINGS_MAX {
            self.n_left_out += 1;
            return;
        }
        self.warnings.push(KeyWarning {
            file: self.file.to_owned(),
            line,
            path,
            problem,
        });
    }
}

fn join(path: &str, key: &str) -> String {
    // A key is user text of any length.
    let key: String = key.chars().take(100).collect();
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The key that was probably meant: at most two letters away, and closer than half of its length.
fn suggestion(name: &str, keys: &[&'static str]) -> Option<&'static str> {
    let lower: Vec<char> = name.to_lowercase().chars().take(64).collect();
    keys.iter()
        .filter(|key| !same_folded(key, name))
        .map(|key| {
            (
                distance(&lower, &key.to_lowercase().chars().collect::<Vec<_>>()),
                *key,
            )
        })
        .filter(|(distance, key)| *distance <= 2 && distance * 2 < key.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Letters to insert, remove, replace or swap with their neighbour to make one text of the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::tables::{FLEET_YAML, OBJECT_META};
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        lint(
            "f",
            text.as_bytes(),
            &FLEET_YAML,
            &OBJECT_META,
            &["contentsId", "overwrites"],
        )
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    #[test]
    fn unknown_and_repeated_keys_are_named_with_their_line() {
        let text = "\
helm:
  chrat: x
  values: {a: 1, b: {c: 1, c: 2}}
colour: red
targetCustomizations:
- name: t
  helm: {relaseName: z}
paused: true
paused: false
contentsId: x
";
        assert_eq!(
            texts(text),
            [
                "f:8: key paused is repeated on line 9, which wins",
                "f:2: unknown key helm.chrat, did you mean chart?",
                "f:3: key helm.values.b.c is repeated on line 3, which wins",
                "f:4: unknown key colour",
                "f:7: unknown key targetCustomizations[0].helm.relaseName, did you mean releaseName?",
                "f:10: key contentsId is for internal use and has no effect here",
            ]
        );
    }

    #[test]
    fn words_that_are_none_of_those_there_are_are_named() {
        let text = "\
helm:
  crds: Replace
targetCustomizations:
- helm: {crds: create}
- overrides: {helm: {crds: 1}}
";
        let wrong = |at: &str| format!("f:{at}.crds must be one of Skip, Create, CreateReplace");
        assert_eq!(
            texts(text),
            [
                wrong("2: helm"),
                wrong("4: targetCustomizations[0].helm"),
                wrong("5: targetCustomizations[1].overrides.helm"),
            ]
        );
    }

    #[test]
    fn options_that_targets_cannot_change_are_named() {
        let text = "\
keepResources: true
targetCustomizations:
- keepResources: false
  deleteNamespace: true
  helm:
    atomic: false
    force: true
    maxHistory: 3
- keepResources: true
  overrides: {keepResources: false, overwrites: [], helm: {atomik: false}, namespace: null}
";
        assert_eq!(
            texts(text),
            [
                "f:10: key targetCustomizations[1].overrides.overwrites is for internal use and has no \
                 effect here",
                "f:10: unknown key targetCustomizations[1].overrides.helm.atomik, did you mean atomic?",
                "f:3: targetCustomizations[0].keepResources changes nothing here; it does below overrides",
                "f:4: targetCustomizations[0].deleteNamespace changes nothing here; it does below overrides",
                "f:6: targetCustomizations[0].helm.atomic changes nothing here; it does below overrides",
                "f:8: targetCustomizations[0].helm.maxHistory changes nothing here; it does below overrides",
            ]
        );
    }

    #[test]
    fn what_is_known_gives_no_warning() {
        for text in [
            "",
            "null",
            "[]",
            "helm: {values: {anything: {goes: [{here: 1}]}}}\nlabels: {a: b}",
            "DefaultNamespace: x\nannotations: {a: b}\nfinalizers: [x]",
            "x: [unclosed",
            "helm: &a {chart: x}\n",
            "helm: {crds: Skip}\ntargetCustomizations: [{helm: {crds: CreateReplace}}, {helm: {crds: \"\"}}]",
            "helm: {crds: '${ .ClusterLabels.crds }'}\ntargetCustomizations: [{helm: {crds: null}}]",
            "rolloutStrategy: {partitions: [{clusterSelector: {matchLabels: {a: b}}}]}",
        ] {
            assert_eq!(texts(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_flood_of_warnings_is_cut_and_counted() {
        let lines: Vec<String> = (0..30).map(|i| format!("key{i}: 1")).collect();
        let warnings = texts(&lines.join("\n"));
        assert_eq!(warnings.len(), WARNINGS_MAX + 1);
        assert_eq!(warnings.last().unwrap(), "f: 10 more warnings");
    }
}
