//! What the command prints about all charts together.
//!
//! Source: Helm `pkg/cmd/lint.go`.

use std::fmt::Write as _;

use super::{Linted, Severity};

/// The outcome of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// For standard output.
    pub text: String,
    /// Set when a chart failed: the error of the command.
    pub failure: Option<String>,
}

/// Puts together what was found: charts by the paths given, each with its messages or the reason it
/// could not be looked at.
pub fn report(charts: &[(String, Result<Linted, String>)], strict: bool, quiet: bool) -> Report {
    let tolerated = if strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    let mut text = String::new();
    let (mut n_failed, mut n_noted) = (0, 0);
    for (path, result) in charts {
        let messages = result.as_ref().map_or(&[][..], |linted| &linted.messages);
        let is_noted = result.is_err() || messages.iter().any(|m| m.severity > Severity::Info);
        n_noted += usize::from(is_noted);
        if quiet && !is_noted {
            continue;
        }
        let _ = writeln!(text, "==> Linting {path}");
        if let Err(error) = result {
            let _ = writeln!(text, "Error {error}");
        }
        for message in messages {
            if !quiet || message.severity > Severity::Info {
                let _ = writeln!(text, "{message}");
            }
        }
        n_failed +=
            usize::from(result.is_err() || messages.iter().any(|m| m.severity >= tolerated));
        text.push('\n');
    }
    let summary = format!(
        "{} chart(s) linted, {n_failed} chart(s) failed",
        charts.len()
    );
    if n_failed > 0 {
        return Report {
            text,
            failure: Some(summary),
        };
    }
    if !quiet || n_noted > 0 {
        let _ = writeln!(text, "{summary}");
    }
    Report {
        text,
        failure: None,
    }
}
