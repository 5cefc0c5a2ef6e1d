//! Where in an object a field is.

use std::fmt;

use serde_json::Value;

/// One step into an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A member.
    Member(String),
    /// The element of a list that has these values at these members; a member may be nested (`metadata/name`).
    Keyed(Vec<(String, Value)>),
    /// The element at a place of a list.
    At(usize),
}

/// A way into an object. Prints as `spec.containers[name=web].image`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// Whether the path is made of these members, and nothing more.
    pub fn is(&self, members: &[&str]) -> bool {
        self.0.len() == members.len()
            && self
                .0
                .iter()
                .zip(members)
                .all(|(step, member)| matches!(step, Step::Member(name) if name == member))
    }

    /// The first member.
    pub fn first(&self) -> &str {
        match self.0.first() {
            Some(Step::Member(name)) => name,
            _ => "",
        }
    }

    /// What is there in `object`.
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::At(index) => value.get(index),
            Step::Keyed(keys) => value.as_array()?.iter().find(|element| {
                keys.iter().all(|(member, wanted)| {
                    let found = element.pointer(&format!("/{member}"));
                    // Defaults of keys may be left out.
                    found.is_none_or(|found| found == wanted)
                })
            }),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if name.contains(['.', '[', '/']) => write!(f, "[{name:?}]")?,
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::At(index) => write!(f, "[{index}]")?,
                Step::Keyed(keys) => {
                    f.write_str("[")?;
                    for (at, (member, value)) in keys.iter().enumerate() {
                        let comma = if at == 0 { "" } else { "," };
                        let member = member.replace('/', ".");
                        match value {
                            Value::String(text) => write!(f, "{comma}{member}={text}")?,
                            other => write!(f, "{comma}{member}={other}")?,
                        }
                    }
                    f.write_str("]")?;
                }
            }
        }
        Ok(())
    }
}
