//! The language of `defaults.txt`: read once, applied to JSON.
//!
//! In: the text. Out: [`Rules`], which fill missing fields of an object. Knows no kinds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Why a line of the rules cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the defaults is no rule: {text}")]
pub(super) struct Error {
    line: usize,
    text: String,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A field that is made when missing.
    Make(String),
    /// A field that must be there.
    Have(String),
    /// Each entry of a list.
    Each,
}

#[derive(Debug, Clone)]
enum Action {
    /// Set when missing or null, with `blank` also when empty or zero.
    Set { value: Value, blank: bool },
    /// Apply another section.
    Include(String),
}

#[derive(Debug, Clone)]
struct Rule {
    path: Vec<Step>,
    action: Action,
    /// A path of plain fields and the value that must be there; null stands for a missing one.
    when: Option<(Vec<String>, Value)>,
}

/// All sections.
#[derive(Debug, Default)]
pub(super) struct Rules {
    sections: BTreeMap<String, Vec<Rule>>,
}

impl Rules {
    /// Reads the rules.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut rules = Self::default();
        let mut section = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                name.clone_into(&mut section);
                rules.sections.entry(section.clone()).or_default();
                continue;
            }
            let rule = rule(line).ok_or_else(|| Error {
                line: index + 1,
                text: line.to_owned(),
            })?;
            rules
                .sections
                .entry(section.clone())
                .or_default()
                .push(rule);
        }
        Ok(rules)
    }

    /// Applies a section to `value`; a section that is not there does nothing.
    pub(super) fn apply(&self, section: &str, value: &mut Value) {
        for rule in self.sections.get(section).into_iter().flatten() {
            let holds = rule.when.as_ref().is_none_or(|(path, wanted)| {
                let found = path.iter().try_fold(&*value, |value, key| value.get(key));
                found.unwrap_or(&Value::Null) == wanted
            });
            if holds {
                self.walk(&rule.path, &rule.action, value);
            }
        }
    }

    fn walk(&self, path: &[Step], action: &Action, value: &mut Value) {
        match (path, action) {
            ([], Action::Include(section)) => self.apply(section, value),
            ([], Action::Set { .. }) => {}
            ([Step::Make(key)], Action::Set { value: new, blank }) => {
                let Value::Object(map) = value else { return };
                let missing = map
                    .get(key)
                    .is_none_or(|old| old.is_null() || (*blank && is_blank(old)));
                if missing {
                    map.insert(key.clone(), new.clone());
                }
            }
            ([Step::Make(key), rest @ ..], _) => {
                let Value::Object(map) = value else { return };
                let child = map.entry(key.clone()).or_insert(Value::Null);
                if child.is_null() {
                    *child = Value::Object(Map::new());
                }
                self.walk(rest, action, child);
            }
            ([Step::Have(key), rest @ ..], _) => {
                if let Some(child) = value.get_mut(key).filter(|child| !child.is_null()) {
                    self.walk(rest, action, child);
                }
            }
            ([Step::Each, rest @ ..], _) => {
                for item in value.as_array_mut().into_iter().flatten() {
                    self.walk(rest, action, item);
                }
            }
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

fn rule(line: &str) -> Option<Rule> {
    let (line, when) = match line.split_once(" when ") {
        None => (line, None),
        Some((line, when)) => {
            let (path, value) = when.split_once(" = ")?;
            let path = path.split('.').map(str::to_owned).collect();
            (line, Some((path, serde_json::from_str(value).ok()?)))
        }
    };
    if let Some((path, section)) = line.split_once(" @") {
        return Some(Rule {
            path: steps(path)?,
            action: Action::Include(section.to_owned()),
            when,
        });
    }
    let (path, value, blank) = match line.split_once(" ?= ") {
        Some((path, value)) => (path, value, false),
        None => line
            .split_once(" = ")
            .map(|(path, value)| (path, value, true))?,
    };
    let action = Action::Set {
        value: serde_json::from_str(value).ok()?,
        blank,
    };
    Some(Rule {
        path: steps(path)?,
        action,
        when,
    })
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.trim().split('.') {
        let (name, each) = part
            .strip_suffix("[]")
            .map_or((part, false), |name| (name, true));
        let (name, needed) = name
            .strip_suffix('?')
            .map_or((name, each), |name| (name, true));
        if name.is_empty() {
            return None;
        }
        steps.push(if needed {
            Step::Have(name.to_owned())
        } else {
            Step::Make(name.to_owned())
        });
        if each {
            steps.push(Step::Each);
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_fill_what_is_missing_and_nothing_else() {
        let rules = Rules::parse(
            "# comment\n[part]\nx = 1\n[k]\na.b = 1\na.c ?= 2\nl[].d = \"t\"\nm?.e = 1\nn? @part\nl[] @part\no = 1 when a.b = 1\np = 1 when q = null\n",
        )
        .unwrap();
        let mut value =
            json!({"a": {"b": 0, "c": 0}, "l": [{}, {"d": "s", "x": 5}, 7], "n": {}, "q": 1});
        rules.apply("k", &mut value);
        let filled = json!({"a": {"b": 1, "c": 0}, "l": [{"d": "t", "x": 1}, {"d": "s", "x": 5}, 7],
                            "n": {"x": 1}, "q": 1, "o": 1});
        assert_eq!(value, filled);
        rules.apply("k", &mut value);
        assert_eq!(value, filled);
        for mut other in [json!(null), json!([1]), json!({"a": 1, "l": {}})] {
            rules.apply("k", &mut other);
        }
    }

    #[test]
    fn err_lines_that_are_no_rules_are_named() {
        for text in ["a", "a = {", "a.b", ".a = 1", "a = 1 when b"] {
            assert_eq!(
                Rules::parse(text).unwrap_err(),
                Error {
                    line: 1,
                    text: text.to_owned()
                }
            );
        }
    }
}
