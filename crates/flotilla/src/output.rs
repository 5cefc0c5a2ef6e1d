//! The only way to stdout and stderr: data, errors, logs.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Whether errors are printed as one line of JSON, which upstream's controller reads from the
/// termination message of a pod.
pub(crate) fn errors_as_json() -> bool {
    std::env::var("FLEET_JSON_OUTPUT").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Prints an error with all its causes.
pub(crate) fn print_error(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let line = if errors_as_json() {
        let line = serde_json::json!({
            "level": "fatal", "msg": "Fleet cli failed", "fleetErrorMessage": text,
        });
        line.to_string()
    } else {
        format!("error: {text}")
    };
    // Nothing is left to do if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints text to stdout.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a line for people to stderr, where it does not mix with data.
pub(crate) fn note(text: &str) {
    // Nothing is left to do if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a value in a format for programs.
pub(crate) fn print_value<T: Serialize>(value: &T, format: Format) -> anyhow::Result<()> {
    let value = serde_json::to_value(value)?;
    let text = match format {
        Format::Yaml => goyaml::to_yaml(&value)?,
        Format::Json | Format::Text => {
            let mut text = serde_json::to_string_pretty(&value)?;
            text.push('\n');
            text
        }
    };
    Ok(print(&text)?)
}

/// Whether a person sees stderr, so that a moving progress display makes sense.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Logs go to stderr: warnings and errors, more with `-v`; `quiet` keeps expected warnings of a
/// sandbox out of the progress display. `json` decides the form, else `FLOTILLA_LOG_FORMAT`.
pub(crate) fn set_up_logging(verbose: u8, quiet: bool, json: Option<bool>) {
    let default = match (verbose, quiet) {
        (0, true) => "error",
        (0, false) => "warn,flotilla=info,hub=info,agent=info",
        (1, _) => "info",
        (2, _) => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // kube logs bodies that it cannot decode, which may hold secret values.
    let kube_client = "kube_client=error".parse();
    let filter = match kube_client {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(stderr_is_terminal())
        .with_span_events(FmtSpan::NONE);
    let by_variable = || std::env::var("FLOTILLA_LOG_FORMAT").is_ok_and(|format| format == "json");
    if json.unwrap_or_else(by_variable) {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}
