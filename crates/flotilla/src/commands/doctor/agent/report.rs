//! What the walk found. Pure.

use std::fmt::Write as _;

use serde::Serialize;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// The agent cannot work. The walk ends here.
    Failed,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// What was found.
    pub(super) found: String,
    /// What to do; empty when there is nothing to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
}

/// All steps up to the first that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) steps: Vec<Step>,
}

/// The walk ends.
#[derive(Debug)]
pub(super) struct Over;

impl Report {
    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.add(name, Outcome::Ok, found.into(), String::new());
    }

    pub(super) fn warn(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(name, Outcome::Warning, found.into(), advice.into());
    }

    /// The step failed, and the walk is over.
    pub(super) fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Over {
        self.add(name, Outcome::Failed, found.into(), advice.into());
        Over
    }

    fn add(&mut self, name: &'static str, outcome: Outcome, found: String, advice: String) {
        self.steps.push(Step {
            name,
            outcome,
            found,
            advice,
        });
    }

    pub(super) fn is_well(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.outcome != Outcome::Failed)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let mark = match step.outcome {
                Outcome::Ok => "ok     ",
                Outcome::Warning => "warning",
                Outcome::Failed => "FAILED ",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{mark}  {}: {}", step.name, step.found);
            if !step.advice.is_empty() {
                let _ = writeln!(text, "         -> {}", step.advice);
            }
        }
        if self.is_well() {
            text.push_str("\nThe agent reaches its hub.\n");
        }
        text
    }
}
