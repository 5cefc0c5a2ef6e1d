//! What a deployment would do, for people. Pure.

use std::fmt::Write as _;

use agent::local::{Action, PlannedObject, Preview};

/// The whole report.
pub(crate) fn preview(preview: &Preview) -> String {
    let Preview {
        release,
        is_install,
        revision,
        made_by,
        objects,
    } = preview;
    let how = if *is_install { "installed" } else { "upgraded" };
    let mut text = format!("Release {release} would be {how} as revision {revision}.\n");
    // Writing to a string cannot fail.
    if let Some(owner) = made_by {
        let _ = writeln!(text, "It is there now, made by {owner}.");
    }
    for (title, action) in [
        ("Refused, which fails the deployment", Action::Refuse),
        ("Taken over", Action::Adopt),
        ("Created", Action::Create),
        ("Updated", Action::Update),
        ("Deleted", Action::Delete),
        ("Left as they are", Action::Leave),
    ] {
        let of_action: Vec<&PlannedObject> =
            objects.iter().filter(|it| it.action == action).collect();
        if of_action.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}: {}", of_action.len());
        for object in of_action {
            text.push_str(&line(object));
        }
    }
    text
}

fn line(object: &PlannedObject) -> String {
    let PlannedObject {
        api_version,
        kind,
        namespace,
        name,
        owner,
        reason,
        ..
    } = object;
    let place = if namespace.is_empty() {
        name.clone()
    } else {
        format!("{namespace}/{name}")
    };
    let mut text = format!("  {kind} {place} ({api_version})");
    if let Some(owner) = owner {
        let _ = write!(text, ", of {owner}");
    }
    text.push('\n');
    if let Some(reason) = reason {
        let _ = writeln!(text, "    {reason}");
    }
    text
}
