//! Goes through the deployed object and looks for each of its fields in the live one.

use apimachinery::builtin::Quantity;
use serde_json::{Map, Value};

use super::lists::{self, Keys};
use super::normalise::is_builtin;
use super::path::{Path, Step};
use super::rules::Identity;
use super::{Comparison, Difference, How};

/// Maps of which the values are quantities.
const AMOUNTS: [&str; 11] = [
    "limits",
    "requests",
    "capacity",
    "hard",
    "overhead",
    "max",
    "min",
    "default",
    "defaultRequest",
    "maxLimitRequestRatio",
    "podFixed",
];
/// Fields that are quantities.
const QUANTITIES: [&str; 5] = ["sizeLimit", "averageValue", "value", "divisor", "storage"];

pub(super) fn walk(identity: &Identity, desired: &Value, live: &Value, how: How) -> Comparison {
    let mut walk = Walk {
        kind: &identity.kind,
        is_builtin: is_builtin(identity),
        how,
        path: Path::default(),
        is_whole: false,
        found: Comparison::default(),
    };
    walk.value(desired, Some(live));
    walk.found
}

/// An element of a list, with what identifies it.
type Keyed<'a> = (Vec<(String, Value)>, &'a Value);

struct Walk<'a> {
    kind: &'a str,
    is_builtin: bool,
    how: How,
    path: Path,
    /// Below a list that is replaced as a whole: what only the live side has goes when it is.
    is_whole: bool,
    found: Comparison,
}

impl Walk<'_> {
    fn differs(&mut self, desired: Option<&Value>, live: Option<&Value>) {
        self.found.differences.push(Difference {
            path: self.path.clone(),
            desired: desired.cloned(),
            live: live.cloned(),
        });
    }

    /// Goes one step down.
    fn at(&mut self, step: Step, below: impl FnOnce(&mut Self)) {
        self.path.0.push(step);
        below(self);
        self.path.0.pop();
    }

    fn value(&mut self, desired: &Value, live: Option<&Value>) {
        match (desired, live) {
            (Value::Null, None | Some(Value::Null)) => {}
            // Null says: not mine.
            (Value::Null, Some(_)) => self.found.doubts |= self.how == How::AsSent,
            (_, None | Some(Value::Null)) => {
                if self.how == How::AsSent && is_zero(desired) {
                    self.found.doubts = true;
                } else {
                    self.differs(Some(desired), live);
                }
            }
            (Value::Object(desired), Some(Value::Object(live))) => self.members(desired, live),
            (Value::Array(wanted), Some(Value::Array(there))) => self.list(desired, wanted, there),
            (_, Some(there)) => {
                if !self.is_equal(desired, there) {
                    self.differs(Some(desired), live);
                }
            }
        }
    }

    fn members(&mut self, desired: &Map<String, Value>, live: &Map<String, Value>) {
        for (name, wanted) in desired {
            self.at(Step::Member(name.clone()), |walk| {
                walk.value(wanted, live.get(name));
            });
        }
        if !self.is_whole {
            return;
        }
        for (name, there) in live.iter().filter(|(name, _)| !desired.contains_key(*name)) {
            if self.how == How::AsSent {
                self.found.doubts = true;
            } else {
                self.at(Step::Member(name.clone()), |walk| {
                    walk.differs(None, Some(there));
                });
            }
        }
    }

    /// `whole` is the list `desired` as a value.
    fn list(&mut self, whole: &Value, desired: &[Value], live: &[Value]) {
        let member = match self.path.0.last() {
            Some(Step::Member(name)) => name.clone(),
            _ => String::new(),
        };
        let keys = if self.is_builtin {
            lists::keys(self.kind, &member, desired)
        } else {
            None
        };
        if let Some(keyed) = keys.and_then(|keys| identified(desired, keys))
            && let Some(keys) = keys
        {
            return self.keyed(&keyed, live, keys);
        }
        if self.is_builtin && lists::is_set(&member) {
            if !desired.iter().all(|wanted| live.contains(wanted)) {
                self.differs(Some(whole), Some(&Value::Array(live.to_vec())));
            }
            return;
        }
        if desired.len() != live.len() {
            return self.differs(Some(whole), Some(&Value::Array(live.to_vec())));
        }
        let was_whole = std::mem::replace(&mut self.is_whole, true);
        for (index, (wanted, there)) in desired.iter().zip(live).enumerate() {
            self.at(Step::At(index), |walk| walk.value(wanted, Some(there)));
        }
        self.is_whole = was_whole;
    }

    fn keyed(&mut self, desired: &[Keyed<'_>], live: &[Value], keys: Keys) {
        let was_whole = std::mem::replace(&mut self.is_whole, false);
        for (key, wanted) in desired {
            let is_it = |element: &&Value| lists::identify(element, keys).as_ref() == Some(key);
            let there = live.iter().find(is_it);
            self.at(Step::Keyed(key.clone()), |walk| walk.value(wanted, there));
        }
        self.is_whole = was_whole;
    }

    fn is_equal(&self, desired: &Value, live: &Value) -> bool {
        if desired == live {
            return true;
        }
        if let (Some(desired), Some(live)) = (desired.as_f64(), live.as_f64()) {
            return desired.total_cmp(&live).is_eq();
        }
        self.is_builtin && self.is_quantity() && {
            let [desired, live] = [desired, live].map(Quantity::from_json);
            matches!((desired, live), (Ok(desired), Ok(live)) if desired == live)
        }
    }

    /// Whether the type of the field is a quantity.
    fn is_quantity(&self) -> bool {
        if matches!(
            self.kind,
            "ConfigMap" | "Secret" | "CustomResourceDefinition" | "ControllerRevision"
        ) || self.path.first() != "spec"
        {
            return false;
        }
        let mut steps = self.path.0.iter().rev();
        let (last, parent) = (steps.next(), steps.next());
        match (last, parent) {
            (_, Some(Step::Member(parent))) if AMOUNTS.contains(&parent.as_str()) => true,
            // The value of an environment variable is a text.
            (Some(Step::Member(last)), Some(Step::Keyed(_) | Step::At(_))) if last == "value" => {
                false
            }
            (Some(Step::Member(last)), _) => QUANTITIES.contains(&last.as_str()),
            _ => false,
        }
    }
}

/// Elements with what identifies them; `None` when that does not tell them apart.
fn identified(list: &[Value], keys: Keys) -> Option<Vec<Keyed<'_>>> {
    let mut found: Vec<Keyed<'_>> = Vec::with_capacity(list.len());
    for element in list {
        let key = lists::identify(element, keys)?;
        // Of two elements that are alike to the server the later one counts.
        found.retain(|(other, _)| *other != key);
        found.push((key, element));
    }
    Some(found)
}

/// What the server may leave out.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.iter().all(is_zero),
        Value::Object(members) => members.values().all(is_zero),
    }
}
