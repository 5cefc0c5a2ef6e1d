//! What each row has to reach.

use serde_json::{Value, json};

/// A row by its name, a figure of it, and the most that it may be. Source: Fleet's agent, of which these are
/// a sixth or less.
const GOALS: &[(&str, &str, f64)] = &[
    ("binary", "size_mb", 25.0),
    ("chart", "steady_mib", 20.0),
    ("chart", "peak_mib", 60.0),
    ("chart", "cpu_s", 3.0),
    ("edit", "seen_s", 5.0),
    ("edit", "corrected_s", 10.0),
    ("many", "steady_mib", 60.0),
    ("many", "requests_per_s", 0.2),
    ("many_edit", "seen_s", 5.0),
    ("many_edit", "corrected_s", 10.0),
];

/// Adds to a row what it has to reach, as `goals`, and whether it does, as `holds`.
pub(crate) fn judge(mut row: Value) -> (Value, bool) {
    let mut goals = serde_json::Map::new();
    let mut holds = true;
    for (name, figure, most) in GOALS {
        if row["name"] == *name {
            goals.insert((*figure).to_owned(), json!(most));
            // A figure that is missing was not reached.
            holds &= row[*figure].as_f64().is_some_and(|it| it <= *most);
        }
    }
    row["goals"] = Value::Object(goals);
    row["holds"] = json!(holds);
    (row, holds)
}
