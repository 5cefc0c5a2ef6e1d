//! The `apply` command alone, without the rest of the program: for comparing what is built with what
//! others build. Errors are printed as upstream prints them for its controller.

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

#[path = "../../flotilla/src/commands/apply.rs"]
mod apply;

#[derive(Debug, Parser)]
enum Command {
    Apply(apply::Args),
}

fn main() -> ExitCode {
    let result = match Command::try_parse() {
        Ok(Command::Apply(args)) => apply::run(&args).map_err(|error| bundle::chain(&error)),
        Err(error) => Err(match (error.kind(), error.get(ContextKind::InvalidArg)) {
            (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
                format!("unknown flag: {flag}")
            }
            _ => error.to_string(),
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let line = serde_json::json!({"level": "fatal", "msg": "Fleet cli failed", "fleetErrorMessage": text});
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}
