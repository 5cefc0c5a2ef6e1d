//! Pieces that cells of several kinds are made of.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::jsonpath;

/// The string at a JSON pointer, empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The string at a JSON pointer, or `fallback` when it is missing or empty.
pub(super) fn text_or(object: &Value, pointer: &str, fallback: &str) -> Value {
    match text(object, pointer) {
        "" => fallback.into(),
        text => text.into(),
    }
}

/// The integer at a JSON pointer, 0 when there is none.
pub(super) fn int(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// The list at a JSON pointer, empty when there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// How many entries the map or list at a JSON pointer has.
pub(super) fn len(object: &Value, pointer: &str) -> i64 {
    match object.pointer(pointer) {
        Some(Value::Object(map)) => map.len() as i64,
        Some(Value::Array(list)) => list.len() as i64,
        _ => 0,
    }
}

pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(text(object, "/metadata/creationTimestamp"), now).into()
}

/// How long ago a time was; `<unknown>` when there is none.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => human_duration(now.as_second() - time.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// A span of seconds as `kubectl` prints ages: two units at most, the smaller only while the larger is small.
///
/// Source: apimachinery `util/duration`.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |large: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(seconds / MINUTE, 'm', seconds % MINUTE, 's'),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(seconds / HOUR, 'h', seconds / MINUTE % 60, 'm'),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(seconds / DAY, 'd', seconds / HOUR % 24, 'h'),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(seconds / YEAR, 'y', seconds / DAY % 365, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// Names and images of the containers at a JSON pointer.
pub(super) fn containers(object: &Value, pointer: &str) -> [Value; 2] {
    let joined = |key: &str| {
        let words: Vec<&str> = list(object, pointer)
            .iter()
            .map(|one| one[key].as_str().unwrap_or_default())
            .collect();
        Value::from(words.join(","))
    };
    [joined("name"), joined("image")]
}

/// A label selector in one line, `<none>` when it is missing or empty; source `metav1.FormatLabelSelector`.
pub(super) fn selector(selector: Option<&Value>) -> Value {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else {
        return "<none>".into();
    };
    let mut terms: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        terms.push((
            key.clone(),
            format!("{key}={}", value.as_str().unwrap_or_default()),
        ));
    }
    for expression in list(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let mut values: Vec<&str> = list(expression, "/values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match text(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<error>".into(),
        };
        terms.push((key.to_owned(), term));
    }
    if terms.is_empty() {
        return "<none>".into();
    }
    terms.sort();
    terms
        .into_iter()
        .map(|(_, term)| term)
        .collect::<Vec<_>>()
        .join(",")
        .into()
}

/// A map of labels in one line, `<none>` when empty; source `labels.FormatLabels`.
pub(super) fn labels(map: Option<&Value>) -> Value {
    let pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() {
        "<none>".into()
    } else {
        pairs.join(",").into()
    }
}

/// Up to `max` entries, then how many more there are.
pub(super) fn some_of(words: &[String], max: usize, separator: &str) -> String {
    if words.len() <= max {
        return words.join(separator);
    }
    format!(
        "{} + {} more...",
        words[..max].join(separator),
        words.len() - max
    )
}

/// Whether the object has the condition with status True.
pub(super) fn is_true(object: &Value, condition: &str) -> bool {
    list(object, "/status/conditions")
        .iter()
        .any(|one| text(one, "/type") == condition && text(one, "/status") == "True")
}

/// Access modes in kubectl's short forms, without repeats, in a fixed order.
pub(super) fn access_modes(modes: &[Value]) -> Value {
    let has = |mode: &str| modes.iter().any(|one| one.as_str() == Some(mode));
    [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ]
    .into_iter()
    .filter_map(|(mode, short)| has(mode).then_some(short))
    .collect::<Vec<_>>()
    .join(",")
    .into()
}

/// An int-or-string as text.
pub(super) fn int_or_string(value: Option<&Value>, missing: &str) -> Value {
    match value {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        _ => missing.into(),
    }
}

/// A value as a custom column of type `string` prints it: objects and lists as JSON, numbers as Go prints them.
pub(super) fn printed(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::String(text) => text.as_str().into(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Number(number) if number.is_f64() => {
            crate::field::go_float(number.as_f64().unwrap_or_default()).into()
        }
        Value::Number(number) => number.to_string().into(),
        other => crate::field::go_json(other).into(),
    }
}

/// The first value a path finds.
pub(super) fn at<'a>(path: &'a jsonpath::JsonPath, object: &'a Value) -> Option<&'a Value> {
    path.first(object)
}

/// A whole number from any JSON number, null for anything else.
pub(super) fn whole(value: &Value) -> Value {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => json!(integer),
            (None, Some(float)) => json!(float as i64),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
