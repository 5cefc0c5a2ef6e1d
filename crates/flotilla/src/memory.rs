//! How the allocator treats memory that is free.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// How long free memory is kept, in milliseconds; the allocator reads it when the process begins.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Has free memory given back to the system at once, for a process that mostly waits: by beginning anew with a
/// variable that says so, because there is no other way to tell the allocator. Who sets the variable decides.
pub(crate) fn give_back_at_once() {
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // It comes back only if it failed, and then memory is given back later.
    let _ = command.args(arguments).env(PURGE_DELAY, "0").exec();
}
