//! When two values are the same.
//!
//! Numbers are by value, members without order. Source: jsonschema v6 `equals`, `duplicates`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher};

use sprig::stack;

use crate::instance::{Instance, View};
use crate::limits::Budget;

/// Whether two values are the same; each value compared costs a step.
pub(crate) fn equal<A: Instance, B: Instance>(
    a: View<'_, A>,
    b: View<'_, B>,
    budget: &Budget,
) -> bool {
    if !budget.spend(1) {
        return false;
    }
    match (a, b) {
        (View::Null, View::Null) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::String(a), View::String(b)) => a == b,
        (View::Number(a), View::Number(b)) => match (a.decimal(), b.decimal()) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        (View::Array(a), View::Array(b)) => {
            a.len() == b.len()
                && stack::grow(|| {
                    let mut pairs = a.iter().zip(b);
                    pairs.all(|(a, b)| equal(a.view(), b.view(), budget))
                })
        }
        (View::Object(a), View::Object(b)) => {
            A::count(a) == B::count(b)
                && stack::grow(|| {
                    A::members(a).all(|(name, a)| {
                        B::member(b, name).is_some_and(|b| equal(a.view(), b.view(), budget))
                    })
                })
        }
        _ => false,
    }
}

/// The first item that was there before, behind the place where it was.
pub(crate) fn duplicates<N: Instance>(items: &[N], budget: &Budget) -> Option<(usize, usize)> {
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        let mut hasher = DefaultHasher::new();
        hash(item.view(), &mut hasher, budget);
        let before = seen.entry(hasher.finish()).or_default();
        let same = before
            .iter()
            .find(|j| equal(item.view(), items[**j].view(), budget));
        if let Some(j) = same {
            return Some((*j, i));
        }
        before.push(i);
    }
    None
}

fn hash<N: Instance>(value: View<'_, N>, hasher: &mut DefaultHasher, budget: &Budget) {
    if !budget.spend(1) {
        return;
    }
    value.kind().name().hash(hasher);
    match value {
        View::Null => {}
        View::Bool(boolean) => boolean.hash(hasher),
        View::Number(number) => number.decimal().hash(hasher),
        View::String(text) => text.hash(hasher),
        View::Array(items) => stack::grow(|| {
            for item in items {
                hash(item.view(), hasher, budget);
            }
        }),
        View::Object(members) => stack::grow(|| {
            for (name, value) in N::members(members) {
                name.hash(hasher);
                hash(value.view(), hasher, budget);
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equality_is_by_value() {
        let budget = Budget::new();
        for (a, b, want) in [
            (
                json!({"a": 1, "b": [1.0]}),
                r#"{"b": [1e0], "a": 1.0}"#,
                true,
            ),
            (json!({"a": 1}), r#"{"a": 1, "b": 2}"#, false),
            (json!([1, 2]), "[2, 1]", false),
            (json!("1"), "1", false),
            (json!(null), "null", true),
            (json!(0), "-0.0", true),
            (json!(0.1), "0.1", true),
            (json!(1), "1e9999999", false),
        ] {
            let b = crate::json::parse(b.as_bytes()).expect("JSON");
            assert_eq!(equal(a.view(), b.view(), &budget), want, "{a} {b:?}");
        }
    }

    #[test]
    fn duplicates_are_found_where_go_finds_them() {
        let find = |items: serde_json::Value| {
            let items = items.as_array().cloned().unwrap_or_default();
            duplicates(&items, &Budget::new())
        };
        assert_eq!(
            find(json!([1, "a", {"x": [1]}, true, {"x": [1.0]}, 1])),
            Some((2, 4))
        );
        assert_eq!(find(json!([1, 1.0, 1])), Some((0, 1)));
        assert_eq!(find(json!([false, 0, null, "", [], {}])), None);
    }
}
