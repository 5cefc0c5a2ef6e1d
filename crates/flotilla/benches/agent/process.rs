//! What the system knows of a process.

use std::fs;

/// Clock ticks in a second, as Linux counts processor time towards user space.
const TICKS: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) rss_mib: f64,
    /// Memory of its own, which is `rss_mib` without the pages of the program.
    pub(crate) anonymous_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) cpu_s: f64,
}

/// Reads it from `/proc`.
pub(crate) fn usage(id: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let mib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|rest| rest.split_whitespace().next());
        kib.unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    Usage {
        rss_mib: mib("VmRSS:"),
        anonymous_mib: mib("RssAnon:"),
        peak_mib: mib("VmHWM:"),
        cpu_s: (ticks(12) + ticks(13)) / TICKS,
    }
}
