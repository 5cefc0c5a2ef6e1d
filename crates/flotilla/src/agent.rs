//! The agent alone, for clusters on which every megabyte counts.

use std::process::ExitCode;

fn main() -> ExitCode {
    flotilla::agent()
}
