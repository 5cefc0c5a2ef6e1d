//! Compares this engine with recorded answers of Helm.
//!
//! In: cases with answers on the standard input, a JSON object a line (`tools/oracle/functions`). Out: the cases
//! that differ, and how many there were. The variable NOW is the present, in seconds since 1970.

use std::io::{BufRead as _, Write as _};

#[path = "../tests/answer/mod.rs"]
mod answer;

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let now = std::env::var("NOW").map_or(Ok(answer::NOW), |now| now.parse())?;
    let (mut n_cases, mut n_errors, mut n_wrong) = (0, 0, 0);
    for line in std::io::stdin().lock().lines() {
        let case: answer::Case = serde_json::from_str(&line?)?;
        let (want, got) = (case.want(), case.got(now));
        n_cases += 1;
        n_errors += usize::from(want.is_err());
        if want != got {
            n_wrong += 1;
            writeln!(out, "{}{}", case.before, case.template)?;
            writeln!(out, "  want {}", show(&want))?;
            writeln!(out, "  got  {}", show(&got))?;
        }
    }
    writeln!(
        out,
        "{n_cases} cases, {n_errors} of them errors: {n_wrong} differ"
    )?;
    Ok(())
}

fn show(answer: &Result<Vec<u8>, String>) -> String {
    match answer {
        Ok(output) => format!("Ok(\"{}\")", output.escape_ascii()),
        Err(error) => format!("Err({error:?})"),
    }
}
