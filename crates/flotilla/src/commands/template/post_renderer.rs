//! The program of `--post-renderer`: manifests on its standard input, changed ones on its standard
//! output, what it has to say on ours.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

/// The longest output that is taken. Bytes.
const OUTPUT_BYTES_MAX: u64 = 256 << 20;

/// Runs a program, named by a path or found on the PATH. The error is a text in Helm's form.
pub(crate) fn run(program: &str, arguments: &[String], manifests: &str) -> Result<String, String> {
    let failed = |reason: &dyn std::fmt::Display| {
        format!("failed to invoke post-renderer {program:?}: {reason}")
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failed(&"no such program"),
            std::io::ErrorKind::PermissionDenied => failed(&"it is not executable"),
            _ => failed(&error),
        })?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut output = Vec::new();
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program need not read what it is given.
                let _ = stdin.write_all(manifests.as_bytes());
            }
        });
        let stdout = stdout.map(|stdout| stdout.take(OUTPUT_BYTES_MAX + 1));
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut output))
    });
    let status = child.wait().map_err(|error| failed(&error))?;
    read.map_err(|error| failed(&error))?;
    if output.len() as u64 > OUTPUT_BYTES_MAX {
        return Err(failed(&format_args!(
            "it printed more than {OUTPUT_BYTES_MAX} bytes"
        )));
    }
    if !status.success() {
        return Err(failed(&status));
    }
    let output = String::from_utf8(output).map_err(|_| failed(&"it printed no UTF-8 text"))?;
    if output.trim().is_empty() {
        return Err(format!("post-renderer {program:?} produced empty output"));
    }
    Ok(output)
}
