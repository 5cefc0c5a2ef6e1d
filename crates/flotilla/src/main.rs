//! Every command.

use std::process::ExitCode;

fn main() -> ExitCode {
    flotilla::main()
}
